//! A site that is served, a browser, and what tests do with them.

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long something in the page may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the page is asked, in between.
const PAUSE: Duration = Duration::from_millis(25);

/// Keys as WebDriver writes them.
pub(super) mod keys {
    /// Enter.
    pub(crate) const ENTER: &str = "\u{e007}";
    /// Tab.
    pub(crate) const TAB: &str = "\u{e004}";
    /// Escape.
    pub(crate) const ESCAPE: &str = "\u{e00c}";
    /// One line down.
    pub(crate) const DOWN: &str = "\u{e015}";
    /// One character to the right.
    pub(crate) const RIGHT: &str = "\u{e014}";
    /// Deletes the character before the cursor.
    pub(crate) const BACKSPACE: &str = "\u{e003}";
    /// To the beginning of the text: Ctrl and Home, let go by the null key.
    pub(crate) const TOP: &str = "\u{e009}\u{e011}\u{e000}";
    /// To the end of the text.
    pub(crate) const BOTTOM: &str = "\u{e009}\u{e010}\u{e000}";
    /// Space, as it presses buttons.
    pub(crate) const SPACE: &str = " ";
}

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

/// The `clusterbook` program of this build: the one that `cargo xtask test` names, or the one beside this test.
pub(super) fn clusterbook() -> PathBuf {
    if let Some(program) = std::env::var_os("CLUSTERBOOK_PROGRAM") {
        return program.into();
    }
    let test = std::env::current_exe().expect("a running program has a path");
    let folder = test.parent().and_then(std::path::Path::parent).expect("tests lie in the target folder's `deps`");
    folder.join(format!("clusterbook{}", std::env::consts::EXE_SUFFIX))
}

/// The site, a browser, and the page's address.
pub(super) struct Stage {
    pub(super) client: Client,
    site: String,
    /// Where the driver listens on the loopback address.
    driver: u16,
    _programs: [Program; 2],
}

impl Stage {
    /// Serves the site, which is built first if it is out of date, and opens a browser with a profile of its own.
    pub(super) async fn new() -> Self {
        let address = |line: &str| line.find("http://").map(|at| line[at..].split_whitespace().next().unwrap_or("").to_owned());
        let mut serve = Command::new(clusterbook());
        let (serving, site) = start(serve.current_dir(tests::root()).args(["serve", "--port", "3900"]), address);
        let driver = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
        let number = |line: &str| line.split("on port ").nth(1)?.trim_end_matches('.').parse::<u16>().ok();
        // At first it only says that any port will do.
        let port = |line: &str| number(line).filter(|port| *port > 0).map(|port| port.to_string());
        let (driving, port) = start(Command::new(driver).arg("--port=0"), port);
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,1000",
        ];
        let capabilities = json!({"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}});
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().expect("it is an object").clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("the driver starts a browser");
        let driver = port.parse().expect("the driver's port is a number");
        Stage { client, site: site.trim_end_matches('/').to_owned(), driver, _programs: [serving, driving] }
    }

    pub(super) async fn go(&self, path: &str) {
        self.client.goto(&format!("{}/{path}", self.site)).await.expect("the page opens");
    }

    /// Runs a script.
    pub(super) async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The value of a JavaScript expression.
    pub(super) async fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression}"), Vec::new()).await
    }

    /// The text that a JavaScript expression gives.
    pub(super) async fn text(&self, expression: &str) -> String {
        let value = self.value(expression).await;
        value.as_str().unwrap_or_else(|| panic!("no text: {expression} is {value}")).to_owned()
    }

    /// Waits until a JavaScript expression is true.
    pub(super) async fn until(&self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression).await != json!(true) {
            if begun.elapsed() > PATIENCE {
                let page = self.value("(document.querySelector('main') ?? document.body).innerText").await;
                panic!("in vain: {expression}\n{}\n{:#?}", page.as_str().unwrap_or_default(), self.console().await);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) async fn click(&self, selector: &str) {
        self.until(&format!("!!document.querySelector({})", json!(selector))).await;
        let script = "let e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center'}); e.click()";
        self.run(script, vec![json!(selector)]).await;
    }

    /// Puts a text into a field as if it were pasted.
    pub(super) async fn fill(&self, selector: &str, text: &str) {
        let script = "let e = document.querySelector(arguments[0]); e.focus(); e.value = arguments[1]; \
                      e.dispatchEvent(new Event('input', {bubbles: true}))";
        self.run(script, vec![json!(selector), json!(text)]).await;
    }

    /// Presses keys wherever the focus is.
    pub(super) async fn press(&self, keys: &str) {
        let focus = self.client.active_element().await.expect("something has the focus");
        focus.send_keys(keys).await.unwrap_or_else(|error| panic!("{keys:?}: {error}"));
    }

    /// Starts the lab and waits for its cluster of three nodes.
    pub(super) async fn start_lab(&self) {
        self.start_lab_on(3).await;
    }

    /// Starts the lab and waits for its cluster of so many nodes.
    pub(super) async fn start_lab_on(&self, nodes: usize) {
        self.click(".cb-start").await;
        self.until(&format!("document.querySelectorAll('.cb-node[data-node]').length === {nodes}")).await;
    }

    /// Opens a file in the editor.
    pub(super) async fn open_file(&self, name: &str) {
        self.click(&format!(".cb-tabs button[data-file='{name}']")).await;
        self.until(&format!("document.querySelector('.cb-editor').dataset.file === '{name}'")).await;
    }

    /// Waits until all of a task's checks hold.
    pub(super) async fn until_passed(&self, task: &str) {
        let own = format!("[...document.querySelectorAll('.cb-check')].filter(c => c.dataset.check.startsWith('{task}/'))");
        self.until(&format!("{own}.length > 0 && {own}.every(c => c.dataset.passed === 'true')")).await;
    }

    /// What the browser's console holds and was not asked for yet (chromedriver's `POST /session/ID/se/log`).
    async fn console(&self) -> Vec<Value> {
        let session = self.client.session_id().await.expect("the driver answers").expect("there is a session");
        let body = json!({"type": "browser"}).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.driver)).expect("the driver listens");
        let head =
            format!("POST /session/{session}/se/log HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json");
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("the driver listens");
        // The driver keeps the connection open, so the answer's length counts.
        let (mut answer, mut length) = (BufReader::new(stream), 0);
        for line in answer.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
            if let Some((_, number)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
                length = number.trim().parse().expect("a length is a number");
            }
        }
        let mut json = vec![0; length];
        answer.read_exact(&mut json).expect("the driver answers");
        let answer: Value = serde_json::from_slice(&json).expect("the driver answers with JSON");
        answer["value"].as_array().unwrap_or_else(|| panic!("no log: {answer}")).clone()
    }

    /// Looks at the console, and closes the browser.
    pub(super) async fn finish(self) {
        let mut errors = self.console().await;
        errors.retain(|entry| entry["level"] == "SEVERE");
        assert!(errors.is_empty(), "the console holds errors: {errors:#?}");
        self.client.clone().close().await.expect("the browser closes");
    }
}
