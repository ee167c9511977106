//! The engine in the page and the engine of this test, compiled for this machine, live through the same and tell it byte for byte.
//!
//! Both get one message: a lab whose setup is a scenario with a rollout, a crashing container, a node that is cut off, and an update. What
//! the setup does depends on virtual time alone, so what is told of it can be compared however fast the browser is.

use super::stage::Stage;
use exercises::card::Deck;
use lab::{Engine, FromEngine, Lab, Snapshot, Step, ToEngine};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SEED: u64 = 11;

/// The lab of a card, with another setup.
fn scenario() -> Lab {
    let deck = Deck::load(&tests::root().join("exercises/cards")).expect("the cards can be read");
    let mut lab = deck.get("pod-creation").expect("the card is in the deck").lab.clone();
    lab.files.insert("shop.yaml".to_owned(), include_str!("../../../fixtures/ready/deployment.yaml").to_owned());
    let command = |line: &str| Step::Command(line.to_owned());
    let span = |text: &str| Step::Advance(text.parse().expect("it is a span"));
    lab.setup = vec![
        Step::Apply("shop.yaml".to_owned()),
        command("kubectl rollout status deployment/shop"),
        command("kubectl run crasher --image=busybox -- sh -c 'sleep 3; exit 1'"),
        Step::CutNode("node-2".to_owned()),
        span("90s"),
        Step::HealNode("node-2".to_owned()),
        command("kubectl set image deployment/shop nginx=nginx:1.28 && kubectl scale deployment/shop --replicas=6"),
        span("60s"),
        command("kubectl delete pod crasher"),
    ];
    lab
}

/// The scenario as it is told: the first snapshot, and the events by their number, a line each.
#[derive(Default)]
struct Told {
    snapshot: Option<Snapshot>,
    events: BTreeMap<u64, String>,
}

impl Told {
    fn newest(&self) -> u64 {
        self.events.last_key_value().map_or(0, |(id, _)| *id)
    }

    fn hear(&mut self, message: FromEngine) {
        match message {
            FromEngine::Snapshot { snapshot } if self.snapshot.is_none() => self.snapshot = Some(*snapshot),
            FromEngine::Events { events } => {
                for event in events {
                    assert!(event.id > self.newest(), "events come in their order");
                    self.events.insert(event.id, serde_json::to_string(&event).expect("an event can be written"));
                }
            }
            FromEngine::Error { message } => panic!("{message}"),
            _ => {}
        }
    }
}

/// Lives through it here.
fn natively(load: ToEngine) -> Told {
    let (mut engine, mut told) = (Engine::default(), Told::default());
    let mut messages = engine.handle(load);
    while messages.iter().any(|message| matches!(message, FromEngine::Events { .. })) {
        messages.into_iter().for_each(|message| told.hear(message));
        // No time passes; what is left to tell is told.
        messages = engine.tick(0.0, 0);
    }
    told
}

const START: &str = "const [load, wanted] = arguments; \
    const run = window.cbRun = {messages: [], newest: 0, failed: ''}; \
    const worker = new Worker(new URL('../lab/worker.js', location.href), {type: 'module'}); \
    worker.onerror = event => { run.failed = event.message || 'the worker cannot be loaded' }; \
    worker.onmessage = ({data}) => { \
        if (run.messages.length === 0) worker.postMessage(load); \
        run.messages.push(data); \
        const message = JSON.parse(data); \
        if (message.crashed) run.failed = message.crashed; \
        for (const told of message.told ?? []) if (told.type === 'events') run.newest = told.events.at(-1).id; \
        if (run.newest >= wanted) worker.terminate(); \
    }";

/// Lives through it in the page's worker, until the event `wanted`.
async fn in_the_page(stage: &Stage, load: &ToEngine, wanted: u64) -> Told {
    stage.go("en/introduction.html").await;
    let load = serde_json::to_string(load).expect("a message can be written");
    stage.run(START, vec![json!(load), json!(wanted)]).await;
    stage.until(&format!("cbRun.newest >= {wanted} || cbRun.failed !== ''")).await;
    assert_eq!(stage.text("cbRun.failed").await, "");
    let mut told = Told::default();
    for message in stage.value("cbRun.messages").await.as_array().expect("it is a list") {
        let message: Value = serde_json::from_str(message.as_str().expect("it is text")).expect("it is JSON");
        for one in message["told"].as_array().expect("the worker tells") {
            told.hear(serde_json::from_value(one.clone()).expect("the worker speaks the protocol"));
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`cargo xtask test` builds the site and sees to Chromium"]
async fn native_and_wasm_give_the_same_trace() {
    let load = ToEngine::Load { lab: Box::new(scenario()), seed: SEED };
    let native = natively(load.clone());
    assert_eq!(native.events.len() as u64, native.newest(), "here nothing is left out");
    assert!(native.newest() > 500, "the scenario is long enough to say something: {}", native.newest());
    let stage = Stage::new().await;
    let mut page = in_the_page(&stage, &load, native.newest()).await;
    // In the page time goes on after the setup, and of events that come faster than they are drawn only the newest are told.
    page.events.retain(|id, _| native.events.contains_key(id));
    let differing = page.events.iter().find(|(id, told)| native.events[id] != **told);
    assert_eq!(differing, None);
    assert!(page.events.len() > 450, "the page is told of enough to compare: {}", page.events.len());
    assert_eq!(native.snapshot, page.snapshot, "the cluster stands alike after the setup");
    stage.finish().await;
}
