//! What the page costs, measured: how long until a lab runs, and a rollout of 1,000 replicas. `cargo xtask measure` prints it.

use super::stage::Stage;
use exercises::card::Deck;
use lab::{Lab, Step, ToEngine};
use serde_json::json;
use std::time::Instant;

/// A lab whose setup is the rollout, on ten nodes, as a node takes 110 Pods.
fn rollout() -> Lab {
    let deck = Deck::load(&tests::root().join("exercises/cards")).expect("the cards can be read");
    let mut lab = deck.get("pod-creation").expect("the card is in the deck").lab.clone();
    lab.cluster.nodes = vec![Default::default(); 10];
    let command = |line: &str| Step::Command(line.to_owned());
    lab.setup =
        vec![command("kubectl create deployment web --image=nginx --replicas=1000"), command("kubectl rollout status deployment/web")];
    lab
}

const RUN: &str = "const load = arguments[0]; window.cbRun = {failed: '', took: 0}; \
    const worker = new Worker(new URL('../../lab/worker.js', location.href), {type: 'module'}); \
    worker.onerror = event => { window.cbRun.failed = event.message || 'the worker cannot be loaded' }; \
    let begun = 0; \
    worker.onmessage = ({data}) => { \
        if (begun === 0) { begun = performance.now(); worker.postMessage(load); return } \
        const message = JSON.parse(data); \
        if (message.crashed) window.cbRun.failed = message.crashed; \
        for (const told of message.told ?? []) { \
            if (told.type === 'error') window.cbRun.failed = told.message; \
            if (told.type === 'snapshot') { \
                window.cbRun.ready = told.snapshot.deployments[0]?.ready; \
                window.cbRun.took = performance.now() - begun; \
                worker.terminate(); \
            } \
        } \
    }";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`cargo xtask test` builds the site and sees to Chromium"]
async fn what_the_page_costs() {
    let stage = Stage::new().await;
    stage.go("en/pods/creation.html").await;
    let loaded = "performance.getEntriesByType('navigation')[0].loadEventEnd";
    stage.until(&format!("{loaded} > 0")).await;
    println!("page loaded: {:.0} ms", stage.value(loaded).await.as_f64().unwrap_or_default());
    let begun = Instant::now();
    stage.start_lab().await;
    println!("from the click to a lab with its nodes: {:.0} ms", begun.elapsed().as_secs_f64() * 1000.0);
    let load = ToEngine::Load { lab: Box::new(rollout()), seed: 1 };
    stage.run(RUN, vec![json!(serde_json::to_string(&load).expect("a message can be written"))]).await;
    stage.until("cbRun.took > 0 || cbRun.failed !== ''").await;
    assert_eq!(stage.text("cbRun.failed").await, "");
    assert_eq!(stage.value("cbRun.ready").await, json!(1000), "all replicas are ready");
    println!("1,000 replicas, from create to Ready: {:.0} ms", stage.value("cbRun.took").await.as_f64().unwrap_or_default());
    stage.finish().await;
}
