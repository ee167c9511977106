//! The views of labs that some cards have: they show what the run was, in a drawing and in words.

use super::stage::{Stage, keys};
use serde_json::{Value, json};

/// Types a line into the terminal and waits for its end.
async fn type_line(stage: &Stage, line: &str) {
    stage.run("document.querySelector('.cb-terminal input').focus()", Vec::new()).await;
    stage.press(&format!("{line}{}", keys::ENTER)).await;
    stage.until("document.querySelector('.cb-terminal').dataset.busy === 'false'").await;
}

/// The rows of a table, each a list of its cells' texts.
async fn rows(stage: &Stage, rows: &str) -> Vec<Vec<String>> {
    let texts = format!("[...document.querySelectorAll({})].map(row => [...row.cells].map(cell => cell.innerText.trim()))", json!(rows));
    serde_json::from_value(stage.value(&texts).await).expect("cells have texts")
}

async fn count(stage: &Stage, selector: &str) -> u64 {
    stage.value(&format!("document.querySelectorAll({}).length", json!(selector))).await.as_u64().expect("it is a number")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`cargo xtask test` builds the site and sees to Chromium"]
async fn probes_are_shown_as_a_strip_and_as_a_table() {
    let stage = Stage::new().await;
    stage.go("en/pods/probes.html").await;
    stage.start_lab_on(1).await;
    assert_eq!(stage.value("document.querySelector('.cb-probes').hidden").await, json!(true), "there is nothing to show yet");
    type_line(&stage, "kubectl apply -f dies.yaml").await;
    stage.click("button.cb-advance[data-seconds='60']").await;
    let strip = ".cb-strip[data-container='dies/main']";
    stage.until(&format!("document.querySelectorAll(\"{strip} .cb-mark-bad\").length >= 3")).await;
    stage.click(&format!("{strip} summary")).await;
    let attempts = format!("{strip} .cb-attempts tbody tr");
    stage.until(&format!("document.querySelectorAll(\"{attempts}\").length >= 5")).await;
    stage.click(".cb-controls button[data-action='pause']").await;

    let mut told = rows(&stage, &attempts).await;
    told.reverse();
    let started = told.iter().position(|row| row[2] == "started, restarts: 0").expect("the container was started");
    let counts: Vec<&str> = told[started..].iter().filter(|row| row[1] == "liveness").map(|row| row[3].as_str()).collect();
    assert_eq!(counts[..3], ["1/3", "2/3", "3/3"], "{told:?}");
    let third = told.iter().position(|row| row[3] == "3/3").expect("it failed three times");
    assert_eq!(told[third][4], "the kubelet kills the container");
    assert!(told[third + 1..].iter().any(|row| row[2] == "is told to end" && row[5].contains("failed liveness probe")), "{told:?}");
    let marks = count(&stage, &format!("{strip} .cb-strip-chart :is(.cb-mark-bad, .cb-mark-good, .cb-mark-late)")).await;
    assert_eq!(marks, told.iter().filter(|row| row[1] == "liveness").count() as u64, "each attempt is a mark and a row");
    let label = stage.text(&format!("document.querySelector(\"{strip} svg\").getAttribute('aria-label')")).await;
    assert!(label.starts_with("Probes of dies/main: "), "{label}");
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`cargo xtask test` builds the site and sees to Chromium"]
async fn the_informers_of_a_component_can_be_looked_into() {
    let stage = Stage::new().await;
    stage.go("en/api/informer.html").await;
    stage.start_lab_on(2).await;
    stage.until("document.querySelectorAll('.cb-stage').length === 5").await;
    stage.click(".cb-informers-all summary").await;
    stage.click(".cb-queues summary").await;
    let cells = async |resource: &str| rows(&stage, &format!("tr[data-informer='{resource}']")).await.remove(0);
    let pods = cells("pods").await;
    assert_eq!((pods[1].as_str(), pods[4].as_str()), ("watches", "0"), "{pods:?}");
    let before: u64 = pods[6].parse().expect("the cache has a size");
    assert!(count(&stage, "tr[data-queue='replicaset-controller']").await == 1);

    type_line(&stage, "kubectl scale rs web --replicas=5").await;
    stage.until(&format!("Number(document.querySelector(\"tr[data-informer='pods']\").cells[6].innerText) === {}", before + 3)).await;
    stage.until("document.querySelector(\".cb-stage[data-stage='fifo']\").innerText.includes('last at')").await;

    let choose =
        "let e = document.querySelector(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('change', {bubbles: true}))";
    stage.run(choose, vec![json!(".cb-component-choice"), json!("kubelet/node-2")]).await;
    // Pods, and the Services for the variables of containers.
    stage.until("document.querySelectorAll('.cb-informer-table tbody tr').length === 2").await;
    let selector = "document.querySelector(\".cb-stage[data-stage='reflector']\").innerText";
    stage.until(&format!("{selector}.includes('spec.nodeName=node-2')")).await;
    assert_eq!(count(&stage, ".cb-stage").await, 4, "a kubelet has no work queue");
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`cargo xtask test` builds the site and sees to Chromium"]
async fn the_schedulers_table_fits_the_page() {
    let stage = Stage::new().await;
    stage.go("en/scheduling/pending.html").await;
    stage.click(".cb-start").await;
    stage.until("!!document.querySelector('.cb-node[data-node]')").await;
    type_line(&stage, "kubectl run fits --image=nginx").await;
    stage.until("document.querySelectorAll('.cb-verdicts thead th').length > 5").await;
    let frame = "document.querySelector('.cb-scheduler .cb-table-frame')";
    let widths: Value = stage.value(&format!("[{frame}.scrollWidth, {frame}.clientWidth]")).await;
    assert!(widths[0].as_u64() <= widths[1].as_u64(), "it scrolls sideways: {widths}");
    stage.finish().await;
}
