//! The page in a real browser: what a reader does with a card, from the first look to the passed lab, in Chromium driven over WebDriver.
//!
//! `cargo xtask test` builds the site, sees to Chromium and its driver, and runs these tests, which are ignored otherwise.

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long something in the page may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program and gives what `find` makes of the first line of its output for which it makes something.
fn start(command: &mut Command, find: impl Fn(&str) -> Option<String>) -> (Program, String) {
    let mut program = Program(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program is installed"));
    let output = program.0.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(output).lines();
    let found = lines.by_ref().map_while(Result::ok).find_map(|line| find(&line)).expect("the program says where it listens");
    // Whoever writes on must not wait for a reader.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    (program, found)
}

/// The site, a browser, and the page's address.
struct Stage {
    client: Client,
    site: String,
    _programs: [Program; 2],
}

impl Stage {
    async fn new() -> Self {
        let program = std::env::var("CLUSTERBOOK_PROGRAM").expect("`cargo xtask test` names the built program");
        let address = |line: &str| line.find("http://").map(|at| line[at..].split_whitespace().next().unwrap_or("").to_owned());
        let (serving, site) = start(Command::new(program).current_dir(tests::root()).args(["serve", "--port", "3900"]), address);
        let driver = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
        let number = |line: &str| line.split("on port ").nth(1)?.trim_end_matches('.').parse::<u16>().ok();
        // At first it only says that any port will do.
        let port = |line: &str| number(line).filter(|port| *port > 0).map(|port| port.to_string());
        let (driving, port) = start(Command::new(driver).arg("--port=0"), port);
        let options = json!({"args": ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000"]});
        let capabilities = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().expect("it is an object").clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("the driver starts a browser");
        Stage { client, site: site.trim_end_matches('/').to_owned(), _programs: [serving, driving] }
    }

    async fn go(&self, path: &str) {
        self.client.goto(&format!("{}/{path}", self.site)).await.expect("the page opens");
    }

    /// The value of a JavaScript expression.
    async fn value(&self, expression: &str) -> Value {
        self.client.execute(&format!("return {expression}"), Vec::new()).await.expect("the expression has a value")
    }

    /// Waits until a JavaScript expression is true.
    async fn until(&self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression).await != json!(true) {
            assert!(begun.elapsed() < PATIENCE, "in vain: {expression}\n{}", self.value("document.querySelector('main').innerText").await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn click(&self, selector: &str) {
        let script = "let e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center'}); e.click()";
        self.client.execute(script, vec![json!(selector)]).await.expect("the element is there");
    }

    /// Puts a text into a field as if it were typed.
    async fn fill(&self, selector: &str, text: &str) {
        let script = "let e = document.querySelector(arguments[0]); e.focus(); e.value = arguments[1]; \
                      e.dispatchEvent(new Event('input', {bubbles: true}))";
        self.client.execute(script, vec![json!(selector), json!(text)]).await.expect("the field is there");
    }

    async fn start_lab(&self) {
        self.until("!!document.querySelector('.cb-start')").await;
        self.click(".cb-start").await;
        self.until("document.querySelectorAll('.cb-node[data-node]').length === 3").await;
    }

    async fn open_file(&self, name: &str) {
        self.click(&format!(".cb-tabs button[data-file='{name}']")).await;
        self.until(&format!("document.querySelector('.cb-editor').dataset.file === '{name}'")).await;
    }

    /// Whether all of a task's checks hold.
    async fn until_passed(&self, task: &str) {
        let own = format!("[...document.querySelectorAll('.cb-check')].filter(c => c.dataset.check.startsWith('{task}/'))");
        self.until(&format!("{own}.length > 0 && {own}.every(c => c.dataset.passed === 'true')")).await;
    }
}

const SOURCE: &str = ".cb-editor textarea";

async fn the_book_reads(stage: &Stage) {
    stage.go("en/introduction.html").await;
    let title = stage.client.title().await.expect("it has one");
    assert!(title.contains("Clusterbook"), "{title}");
    let loaded = "performance.getEntriesByType('resource').filter(e => e.name.includes('.wasm')).length";
    assert_eq!(stage.value(loaded).await, json!(0), "a page without a card loads no program");
    stage.go("en/pods/creation.html").await;
    stage.click(".cb-language").await;
    stage.until("location.pathname.includes('/zh-CN/') && document.documentElement.lang.startsWith('zh')").await;
}

/// A mistake shows its line; mended, the Pod runs and the task is passed.
async fn a_lab_is_passed(stage: &Stage) {
    stage.go("en/pods/creation.html").await;
    stage.start_lab().await;
    stage.open_file("pod.yaml").await;
    stage.until("document.querySelector('.cb-problem')?.dataset.line === '10'").await;
    stage.click(".cb-apply").await;
    stage.until("document.querySelector('.cb-terminal-output').innerText.includes('unknown field \"spec.containers[0].imagee\"')").await;
    let text = stage.value(&format!("document.querySelector('{SOURCE}').value")).await;
    stage.fill(SOURCE, &text.as_str().expect("it is text").replace("imagee", "image")).await;
    stage.until("!document.querySelector('.cb-problem')").await;
    stage.click(".cb-apply").await;
    stage.until("document.querySelector(\".cb-pod[data-pod='web']\")?.dataset.status === 'Running'").await;
    stage.until_passed("run").await;
    stage.open_file("pinned.yaml").await;
    // Which node it must be is dealt anew for every seed.
    let node = stage.value("document.querySelector(\"[data-task='by-hand']\").innerText.match(/node-[0-9]/)[0]").await;
    let node = node.as_str().expect("the task names a node");
    let pinned = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: pinned}}\nspec:\n  nodeName: {node}\n  \
         containers: [{{name: nginx, image: \"nginx:1.29\"}}]\n"
    );
    stage.fill(SOURCE, &pinned).await;
    let command = stage.client.find(Locator::Css(".cb-terminal input")).await.expect("the terminal has a line");
    command.send_keys("kubectl apply -f pinned.yaml\u{e007}").await.expect("it takes keys");
    stage.until_passed("by-hand").await;
}

/// What was typed is there again after a reload.
async fn nothing_typed_is_lost(stage: &Stage) {
    stage.client.refresh().await.expect("the page reloads");
    stage.start_lab().await;
    stage.open_file("pinned.yaml").await;
    let text = stage.value(&format!("document.querySelector('{SOURCE}').value")).await;
    assert!(text.as_str().is_some_and(|text| text.contains("nodeName: node-")), "{text}");
}

async fn narrow_windows_do_not_scroll_sideways(stage: &Stage) {
    stage.client.set_window_size(360, 740).await.expect("the window takes the size");
    for page in ["en/pods/creation.html", "zh-CN/controllers/deployment-rollout.html"] {
        stage.go(page).await;
        let wide = stage.value("document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(wide, json!(0), "{page} is wider than the window");
    }
    stage.client.set_window_size(1280, 1000).await.expect("the window takes the size");
}

/// The dark theme has enough contrast (4.5 to 1, WCAG AA) where people read most.
async fn the_dark_theme_reads_well(stage: &Stage) {
    stage.value("localStorage.setItem('mdbook-theme', 'navy')").await;
    stage.go("en/pods/creation.html").await;
    let ratio = "(() => { \
        const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); \
            return .2126 * r + .7152 * g + .0722 * b }; \
        const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (/^rgb\\(/.test(c)) return c } return 'rgb(255, 255, 255)' }; \
        return Math.min(...[...document.querySelectorAll('main p, main li, main h2')].filter(e => e.offsetParent && e.closest('.cb-card') === null).map(e => { \
            const [a, b] = [light(getComputedStyle(e).color), light(back(e))]; return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) })) })()";
    let ratio = stage.value(ratio).await.as_f64().expect("it is a number");
    assert!(ratio >= 4.5, "the contrast is {ratio}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`cargo xtask test` builds the site and sees to Chromium"]
async fn a_reader_passes_a_lab_in_the_page() {
    let stage = Stage::new().await;
    the_book_reads(&stage).await;
    a_lab_is_passed(&stage).await;
    nothing_typed_is_lost(&stage).await;
    narrow_windows_do_not_scroll_sideways(&stage).await;
    the_dark_theme_reads_well(&stage).await;
    stage.client.clone().close().await.expect("the browser closes");
}
