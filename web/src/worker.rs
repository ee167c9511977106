//! The worker: runs the engine beside the page, so that the page never waits for it.
//!
//! Time passes in slices. Between two of them the worker reads its messages; how many steps a slice has follows from how long the last one
//! took. What the engine tells is sent in batches: snapshots and events at most ten times a second, everything else at once.

use crate::message::FromWorker;
use lab::{Engine, EventView, FromEngine, ToEngine};
use std::cell::RefCell;
use std::panic;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

/// How long a slice should take at most, in milliseconds.
const SLICE_MS: f64 = 24.0;

/// The pause between two slices when the engine keeps up, in milliseconds.
const PAUSE_MS: i32 = 33;

/// The pause when there is more to do at once: just long enough for messages to come in.
const SHORT_PAUSE_MS: i32 = 1;

/// How often snapshots and events are sent at most, in milliseconds.
const SEND_EVERY_MS: f64 = 100.0;

/// How many events wait to be sent at most: more than the page shows at once.
const MAX_EVENTS: usize = 600;

/// The bounds on the steps of a slice.
const STEPS: (u64, u64) = (64, 1_000_000);

/// What waits to be sent.
#[derive(Debug, Default)]
struct Batch {
    told: Vec<FromEngine>,
    urgent: bool,
    sent_ms: f64,
}

impl Batch {
    /// Adds messages. A snapshot takes the place of one that still waits, as does a look into a component, events join those that do, and of many only the newest are kept.
    /// A lab that begins makes what was told before it void.
    fn add(&mut self, messages: Vec<FromEngine>) {
        for message in messages {
            match message {
                FromEngine::Snapshot { .. } => self.told.retain(|waiting| !matches!(waiting, FromEngine::Snapshot { .. })),
                FromEngine::Inspection { .. } => self.told.retain(|waiting| !matches!(waiting, FromEngine::Inspection { .. })),
                FromEngine::Events { events } => {
                    self.add_events(events);
                    continue;
                }
                FromEngine::Ready { .. } => {
                    let is_void = |told: &FromEngine| {
                        matches!(told, FromEngine::Snapshot { .. } | FromEngine::Inspection { .. } | FromEngine::Events { .. })
                    };
                    self.told.retain(|waiting| !is_void(waiting));
                    self.urgent = true;
                }
                _ => self.urgent = true,
            }
            self.told.push(message);
        }
    }

    fn add_events(&mut self, mut newer: Vec<EventView>) {
        let waiting = self.told.iter_mut().find_map(|message| match message {
            FromEngine::Events { events } => Some(events),
            _ => None,
        });
        let drop_old = |events: &mut Vec<EventView>| drop(events.drain(..events.len().saturating_sub(MAX_EVENTS)));
        match waiting {
            Some(events) => {
                events.append(&mut newer);
                drop_old(events);
            }
            None => {
                drop_old(&mut newer);
                self.told.push(FromEngine::Events { events: newer });
            }
        }
    }

    /// Everything, when it is time.
    fn due(&mut self, now_ms: f64, idle: bool) -> Option<Vec<FromEngine>> {
        if self.told.is_empty() || !(self.urgent || idle || now_ms - self.sent_ms >= SEND_EVERY_MS) {
            return None;
        }
        (self.urgent, self.sent_ms) = (false, now_ms);
        Some(std::mem::take(&mut self.told))
    }
}

/// Cuts what is told into parcels, in its order: what is large travels alone, so that the page can breathe in between.
fn parcels(told: Vec<FromEngine>) -> Vec<Vec<FromEngine>> {
    let is_large =
        |told: &FromEngine| matches!(told, FromEngine::Snapshot { .. } | FromEngine::Inspection { .. } | FromEngine::Events { .. });
    let mut parcels: Vec<Vec<FromEngine>> = Vec::new();
    for message in told {
        match parcels.last_mut() {
            Some(last) if !is_large(&message) && !last.iter().any(is_large) => last.push(message),
            _ => parcels.push(vec![message]),
        }
    }
    parcels
}

/// How many steps the next slice gets after one of `steps` took `took_ms`.
fn next_steps(steps: u64, took_ms: f64) -> u64 {
    let next = if took_ms > SLICE_MS {
        steps / 2
    } else if took_ms < SLICE_MS / 3.0 {
        steps.saturating_mul(2)
    } else {
        steps
    };
    next.clamp(STEPS.0, STEPS.1)
}

struct Runner {
    scope: DedicatedWorkerGlobalScope,
    engine: Engine,
    batch: Batch,
    steps: u64,
    /// When virtual time was last brought up to the wall's.
    ticked_ms: f64,
    /// Whether a tick is under way.
    scheduled: bool,
    tick: Option<Closure<dyn FnMut()>>,
}

/// Serves the page until it ends the worker.
pub(crate) fn run(scope: DedicatedWorkerGlobalScope) {
    report_panics(&scope);
    let runner = Runner {
        scope: scope.clone(),
        engine: Engine::default(),
        batch: Batch::default(),
        steps: 4096,
        ticked_ms: now_ms(),
        scheduled: false,
        tick: None,
    };
    let runner = Rc::new(RefCell::new(runner));
    let ticking = Rc::clone(&runner);
    runner.borrow_mut().tick = Some(Closure::new(move || ticking.borrow_mut().tick()));
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let json = event.data().as_string().unwrap_or_default();
        runner.borrow_mut().hear(&json);
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // It listens as long as the worker lives.
    on_message.forget();
    post(&scope, &FromWorker::Told(Vec::new()));
}

impl Runner {
    fn hear(&mut self, json: &str) {
        let told = match serde_json::from_str::<ToEngine>(json) {
            Ok(message) => {
                if !self.engine.wants_tick() {
                    self.ticked_ms = now_ms();
                }
                self.engine.handle(message)
            }
            Err(error) => vec![FromEngine::Error { message: error.to_string() }],
        };
        self.batch.add(told);
        self.send();
        self.schedule(SHORT_PAUSE_MS);
    }

    fn tick(&mut self) {
        self.scheduled = false;
        let began = now_ms();
        let told = self.engine.tick(began - self.ticked_ms, self.steps);
        self.ticked_ms = began;
        let took = now_ms() - began;
        self.steps = next_steps(self.steps, took);
        self.batch.add(told);
        self.send();
        self.schedule(if took > SLICE_MS / 3.0 { SHORT_PAUSE_MS } else { PAUSE_MS });
    }

    fn schedule(&mut self, after_ms: i32) {
        if self.scheduled || !self.engine.wants_tick() {
            return;
        }
        if let Some(tick) = &self.tick {
            let done = self.scope.set_timeout_with_callback_and_timeout_and_arguments_0(tick.as_ref().unchecked_ref(), after_ms);
            self.scheduled = done.is_ok();
        }
    }

    fn send(&mut self) {
        let idle = !self.engine.wants_tick();
        if let Some(told) = self.batch.due(now_ms(), idle) {
            parcels(told).into_iter().for_each(|parcel| post(&self.scope, &FromWorker::Told(parcel)));
        }
    }
}

/// Tells the page why the engine ends, before it does.
fn report_panics(scope: &DedicatedWorkerGlobalScope) {
    thread_local! {
        static SCOPE: RefCell<Option<DedicatedWorkerGlobalScope>> = const { RefCell::new(None) };
    }
    SCOPE.with(|place| *place.borrow_mut() = Some(scope.clone()));
    panic::set_hook(Box::new(|info| {
        SCOPE.with(|place| {
            if let Ok(place) = place.try_borrow()
                && let Some(scope) = place.as_ref()
            {
                post(scope, &FromWorker::Crashed(info.to_string()));
            }
        });
    }));
}

/// The page gets what can be written as JSON, and that is everything here.
fn post(scope: &DedicatedWorkerGlobalScope, message: &FromWorker) {
    if let Ok(json) = serde_json::to_string(message) {
        let _ = scope.post_message(&JsValue::from_str(&json));
    }
}

fn now_ms() -> f64 {
    js_sys::Date::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab::{Lab, Snapshot};

    fn snapshot(now_ms: u64) -> FromEngine {
        FromEngine::Snapshot { snapshot: Box::new(Snapshot { now_ms, ..Snapshot::default() }) }
    }

    #[test]
    fn snapshots_wait_and_only_the_newest_is_sent() {
        let mut batch = Batch { sent_ms: 1000.0, ..Batch::default() };
        batch.add(vec![snapshot(1)]);
        batch.add(vec![FromEngine::Events { events: Vec::new() }, snapshot(2)]);
        assert_eq!(batch.due(1050.0, false), None);
        assert_eq!(batch.due(1100.0, false), Some(vec![FromEngine::Events { events: Vec::new() }, snapshot(2)]));
        assert_eq!(batch.due(9000.0, true), None, "there is nothing left");
    }

    #[test]
    fn what_the_learner_waits_for_is_sent_at_once() {
        let mut batch = Batch { sent_ms: 1000.0, ..Batch::default() };
        batch.add(vec![snapshot(1), FromEngine::Prompt { exit_code: 0, text: None }]);
        assert_eq!(batch.due(1001.0, false).map(|told| told.len()), Some(2));
        batch.add(vec![snapshot(2)]);
        assert_eq!(batch.due(1002.0, false), None);
        assert_eq!(batch.due(1002.0, true), Some(vec![snapshot(2)]), "an idle engine would never send it later");
    }

    fn events(ids: std::ops::Range<u64>) -> FromEngine {
        let event = |id| EventView { id, at_ms: 0, actor: String::new(), cause: None, text: String::new(), what: serde_json::Value::Null };
        FromEngine::Events { events: ids.map(event).collect() }
    }

    #[test]
    fn of_many_events_the_newest_are_sent_together() {
        let mut batch = Batch::default();
        batch.add(vec![events(0..400), snapshot(1), events(400..900)]);
        assert_eq!(batch.due(1.0, true), Some(vec![events(300..900), snapshot(1)]));
    }

    #[test]
    fn a_lab_that_begins_makes_older_news_void() {
        let lab: Lab = serde_json::from_value(serde_json::json!({"tasks": []})).unwrap();
        let ready = || FromEngine::Ready { seed: 1, lab: Box::new(lab.clone()) };
        let mut batch = Batch::default();
        batch.add(vec![events(0..3), snapshot(1), ready(), events(1..2)]);
        assert_eq!(batch.due(1.0, true), Some(vec![ready(), events(1..2)]));
    }

    #[test]
    fn what_is_large_travels_alone() {
        let prompt = || FromEngine::Prompt { exit_code: 0, text: None };
        let cut = parcels(vec![prompt(), prompt(), events(0..1), snapshot(1), prompt()]);
        assert_eq!(cut, vec![vec![prompt(), prompt()], vec![events(0..1)], vec![snapshot(1)], vec![prompt()]]);
    }

    #[test]
    fn slices_grow_and_shrink_within_bounds() {
        assert_eq!(next_steps(1000, 1.0), 2000);
        assert_eq!(next_steps(1000, 15.0), 1000);
        assert_eq!(next_steps(1000, 60.0), 500);
        assert_eq!(next_steps(STEPS.0, 500.0), STEPS.0);
        assert_eq!(next_steps(STEPS.1, 0.0), STEPS.1);
    }
}
