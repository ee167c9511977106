//! A lab in the page, from its mistake to its verdict, which is the one that the terminal program gives for the same work.

use super::stage::{Stage, clusterbook, keys};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const CARD: &str = "pod-creation";
const SOURCE: &str = ".cb-editor textarea";

/// The order of events that the prediction of the card asks for.
const ORDER: [(&str, &str); 5] = [
    ("stored", "The Pod is written to etcd"),
    ("scheduled", "The scheduler chooses a node"),
    ("sandbox", "The sandbox has an IP"),
    ("pulled", "The image is there"),
    ("started", "The container starts"),
];

/// What is passed: every check as `task/check`, every prediction by its task, and all of it as `lab`.
type Verdict = BTreeMap<String, bool>;

async fn verdict_of_the_page(stage: &Stage) -> Verdict {
    let all = "({...Object.fromEntries([...document.querySelectorAll('.cb-check')].map(c => [c.dataset.check, c.dataset.passed === 'true'])), \
               order: document.querySelector(\".cb-prediction[data-task='order'] .cb-result [data-passed]\")?.dataset.passed === 'true', \
               lab: document.querySelector('.cb-verdict').dataset.passed === 'true'})";
    serde_json::from_value(stage.value(all).await).expect("the page shows what is passed")
}

/// What the terminal program says of these files and commands, in a workbook of its own.
fn verdict_of_the_terminal(seed: u64, files: &[(&str, &str)]) -> Verdict {
    let book = tempfile::tempdir().expect("there is room for a workbook");
    let copied = Path::new("exercises/cards/pods");
    std::fs::create_dir_all(book.path().join(copied)).expect("a new folder can be filled");
    std::fs::write(book.path().join("book.toml"), "").expect("a new folder can be filled");
    let card = copied.join("pod-creation.yaml");
    std::fs::copy(tests::root().join(&card), book.path().join(&card)).expect("the card is there");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(clusterbook());
        command.args(arguments).current_dir(book.path()).env("CLUSTERBOOK_HOME", book.path().join("home")).env("LANG", "en_US.UTF-8");
        command.output().expect("the program runs")
    };
    let started = run(&["start", CARD, "--seed", &seed.to_string()]);
    assert!(started.status.success(), "{started:?}");
    for (name, text) in files {
        std::fs::write(book.path().join("labs").join(CARD).join(name), text).expect("the lab's folder was laid");
    }
    let checked = run(&["check", CARD, "--format", "json"]);
    let report: Value = serde_json::from_slice(&checked.stdout).unwrap_or_else(|error| panic!("{error}: {checked:?}"));
    let card = &report["cards"][0];
    assert_eq!(checked.status.success(), card["passed"] == true, "{report}");
    let mut verdict = Verdict::from([("lab".to_owned(), card["passed"] == true)]);
    for task in card["tasks"].as_array().expect("a card has tasks") {
        let id = task["id"].as_str().expect("a task has an id");
        if task["kind"] == "predict" {
            verdict.insert(id.to_owned(), task["passed"] == true);
        }
        for check in task["checks"].as_array().expect("a task has checks") {
            verdict.insert(format!("{id}/{}", check["id"].as_str().expect("a check has an id")), check["passed"] == true);
        }
    }
    verdict
}

/// Applies the manifest as it is: the line of the mistake is shown, and the API server's words for it.
async fn the_mistake_is_shown(stage: &Stage) -> String {
    stage.open_file("pod.yaml").await;
    stage.until("document.querySelector('.cb-problem')?.dataset.line === '10'").await;
    stage.click(".cb-apply").await;
    stage.until("document.querySelector('.cb-terminal-output').innerText.includes('unknown field \"spec.containers[0].imagee\"')").await;
    stage.until("document.querySelector('.cb-terminal').dataset.busy === 'false'").await;
    stage.text(&format!("document.querySelector('{SOURCE}').value")).await
}

async fn the_pod_runs(stage: &Stage, mended: &str) {
    stage.fill(SOURCE, mended).await;
    stage.until("!document.querySelector('.cb-problem')").await;
    stage.click(".cb-apply").await;
    stage.until("document.querySelector(\".cb-pod[data-pod='web']\")?.dataset.status === 'Running'").await;
    stage.until_passed("run").await;
    stage.until("[...document.querySelectorAll('.cb-timeline li[data-kind]')].length > 3").await;
}

async fn the_pod_is_pinned(stage: &Stage) -> String {
    stage.open_file("pinned.yaml").await;
    // Which node it must be is dealt by the seed.
    let node = stage.text("document.querySelector(\".cb-task[data-task='by-hand']\").innerText.match(/node-[0-9]/)[0]").await;
    let pinned = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: pinned}}\nspec:\n  nodeName: {node}\n  \
         containers: [{{name: nginx, image: \"nginx:1.29\"}}]\n"
    );
    stage.fill(SOURCE, &pinned).await;
    stage.run("document.querySelector('.cb-terminal input').focus()", Vec::new()).await;
    stage.press(&format!("kubectl apply -f pinned.yaml{}", keys::ENTER)).await;
    stage.until_passed("by-hand").await;
    pinned
}

/// Puts the events in this order, a step up at a time, and commits to it.
async fn predicted(stage: &Stage, order: &[(&str, &str)]) {
    let widget = ".cb-prediction[data-task='order']";
    for (place, (_, text)) in order.iter().enumerate() {
        let at = format!("[...document.querySelectorAll(\"{widget} .cb-order-text\")].findIndex(e => e.innerText === {})", json!(text));
        let mut now = stage.value(&at).await.as_u64().unwrap_or_else(|| panic!("the prediction has `{text}`"));
        while now > place as u64 {
            let up = "[...document.querySelectorAll(arguments[0])][arguments[1]].click()";
            stage.run(up, vec![json!(format!("{widget} .cb-up")), json!(now)]).await;
            now -= 1;
            stage.until(&format!("({at}) === {now}")).await;
        }
    }
    stage.click(&format!("{widget} button.cb-predict")).await;
    stage.until(&format!("!!document.querySelector(\"{widget} .cb-result [data-passed]\")")).await;
}

async fn a_step_is_a_step(stage: &Stage) {
    let clock = "document.querySelector('.cb-clock').innerText";
    stage.click(".cb-controls button[data-action='pause']").await;
    stage.until("!!document.querySelector('.cb-controls button[data-action=\"play\"]')").await;
    let before = stage.text(clock).await;
    stage.click(".cb-controls button[data-action='step']").await;
    stage.until(&format!("{clock} !== {}", json!(before))).await;
    stage.click(".cb-controls button[data-action='reset']").await;
    stage.until("!document.querySelector('.cb-pod')").await;
    stage.until("document.querySelector('.cb-verdict').dataset.passed === 'false'").await;
}

/// What was typed is there again after a reload.
async fn nothing_typed_is_lost(stage: &Stage, pinned: &str) {
    stage.client.refresh().await.expect("the page reloads");
    stage.start_lab().await;
    stage.open_file("pinned.yaml").await;
    assert_eq!(stage.text(&format!("document.querySelector('{SOURCE}').value")).await, pinned);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`cargo xtask test` builds the site and sees to Chromium"]
async fn a_lab_has_the_same_verdict_in_the_page_and_in_the_terminal() {
    let stage = Stage::new().await;
    stage.go("en/pods/creation.html").await;
    stage.start_lab().await;
    let broken = the_mistake_is_shown(&stage).await;
    let commands = "kubectl apply -f pod.yaml\n";
    assert_eq!(
        verdict_of_the_page(&stage).await,
        verdict_of_the_terminal(lab::DEFAULT_SEED, &[("pod.yaml", &broken), ("commands.txt", commands)]),
        "with the mistake"
    );

    let mended = broken.replace("imagee", "image");
    the_pod_runs(&stage, &mended).await;
    let pinned = the_pod_is_pinned(&stage).await;
    let mut wrong = ORDER;
    wrong.swap(0, 1);
    predicted(&stage, &wrong).await;
    assert!(!verdict_of_the_page(&stage).await["order"]);
    stage.click(".cb-prediction[data-task='order'] button.cb-predict").await;
    stage.until("!document.querySelector(\".cb-prediction[data-task='order'] .cb-result [data-passed]\")").await;
    predicted(&stage, &ORDER).await;
    stage.until("document.querySelector('.cb-verdict').dataset.passed === 'true'").await;
    let commands = "kubectl apply -f pod.yaml\nkubectl apply -f pinned.yaml\nwait 20s\n";
    let predictions = format!("order: [{}]\n", ORDER.map(|(id, _)| id).join(", "));
    let files = [("pod.yaml", mended.as_str()), ("pinned.yaml", &pinned), ("commands.txt", commands), ("predictions.yaml", &predictions)];
    let page = verdict_of_the_page(&stage).await;
    assert_eq!(page, verdict_of_the_terminal(lab::DEFAULT_SEED, &files), "when all is done");
    assert!(page["lab"] && page.len() >= 6, "{page:?}");

    nothing_typed_is_lost(&stage, &pinned).await;
    a_step_is_a_step(&stage).await;
    stage.finish().await;
}
