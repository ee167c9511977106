//! `shared_informer` and `resync_check_period`: one cache, several handlers.

use super::{list, name, object, version};
use crate::keys::only;
use crate::{Miss, Outcome};
use api::core::Pod;
use api::http::WatchEvent;
use client::{Action, HandlerId, Informer, Input, ListOptions, Outbox, RequestId, SharedInformer, Transport};
use serde_json::Value;
use sim::{Seed, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn informer() -> Informer<Pod> {
    Informer::new(ListOptions::default(), "conform", Seed(1).stream("informer"))
}

fn seconds(value: &Value) -> Result<u64, Miss> {
    value.as_u64().ok_or_else(|| Miss::Malformed(format!("{value} is no number of seconds")))
}

/// Runs a case of kind `resync_check_period`.
pub(super) fn check_period(case: &Value) -> Outcome {
    let expect = &case["expect"];
    only("expect", expect, &["check_period_s_after_each", "handler_period_s"])?;
    let mut shared = SharedInformer::new(informer(), Duration::from_secs(seconds(&case["default_s"])?));
    let (mut handlers, mut checks) = (Vec::new(), Vec::new());
    for period in list(case, "handlers_s")? {
        handlers.push(shared.add_handler(Time::ZERO, Duration::from_secs(seconds(period)?)));
        checks.push(shared.resync_check_period().as_secs());
    }
    let wanted = |key: &str| list(expect, key)?.iter().map(seconds).collect::<Result<Vec<u64>, Miss>>();
    Miss::unless_equal("check_period_s_after_each", &wanted("check_period_s_after_each")?, &checks)?;
    let periods = handlers.into_iter().map(|handler| shared.resync_period(handler).as_secs()).collect();
    Miss::unless_equal("handler_period_s", &wanted("handler_period_s")?, &periods)
}

/// A shared informer and the server that it talks to.
struct Scene {
    shared: SharedInformer<Pod>,
    handlers: BTreeMap<String, HandlerId>,
    now: Time,
    out: Outbox,
    /// The watch that is open.
    watch: Option<RequestId>,
}

impl Scene {
    fn send(&mut self, input: &Input) {
        self.shared.handle(self.now, input, &mut self.out);
        let (actions, next) = self.out.take();
        self.out = Outbox::new(next);
        for action in actions {
            if let Action::Request(id, _) = action {
                self.watch = Some(id);
            }
        }
    }

    /// Answers the streaming list that the informer waits for.
    fn answer(&mut self, items: &[Value]) -> Outcome {
        let id = self.watch.ok_or_else(|| Miss::failed("list", "a request", "none"))?;
        let mut newest = 0;
        let mut events = Vec::new();
        for item in items {
            newest = newest.max(version(&item[1])?);
            events.push(WatchEvent::Added(object(item)?.as_ref().clone().into()));
        }
        events.push(WatchEvent::Bookmark { resource_version: newest, initial_events_end: true });
        self.send(&Input::Watch(id, events.into()));
        Ok(())
    }

    fn step(&mut self, step: &Value) -> Outcome {
        only("the step", step, &["op", "items", "by", "received"])?;
        match step["op"].as_str().unwrap_or_default() {
            "list" => self.answer(list(step, "items")?),
            // The informer does not hear of it until it lists again.
            "server_change_unseen" => Ok(()),
            "advance_s" => {
                let until = self.now.saturating_add(Duration::from_secs(seconds(&step["by"])?));
                while let Some(wake) = self.shared.next_wake().filter(|wake| *wake > self.now && *wake < until) {
                    self.now = wake;
                    self.send(&Input::Wake);
                }
                self.now = until;
                self.send(&Input::Wake);
                Ok(())
            }
            "reset_watch_and_relist" => {
                let expired = WatchEvent::Error(Box::new(api::status::Status::expired("the watch was reset")));
                let id = self.watch.ok_or_else(|| Miss::failed("watch", "a watch", "none"))?;
                self.send(&Input::Watch(id, [expired].into()));
                // The pause before the next list is none of this case's business: what is due meanwhile is due at once.
                let resume = self.shared.next_list().ok_or_else(|| Miss::failed("relist", "a pause", "none"))?;
                let before = std::mem::replace(&mut self.now, resume);
                self.send(&Input::Wake);
                self.answer(list(step, "items")?)?;
                self.now = before;
                Ok(())
            }
            "expect" => self.expect(&step["received"]),
            other => Err(Miss::Malformed(format!("unknown op {other:?}"))),
        }
    }

    fn expect(&mut self, received: &Value) -> Outcome {
        for (handler, wanted) in received.as_object().into_iter().flatten() {
            let id = *self.handlers.get(handler).ok_or_else(|| Miss::Malformed(format!("there is no handler {handler}")))?;
            let found = self.shared.take(id).iter().map(|delta| delta.object().metadata.name.clone()).collect::<BTreeSet<_>>();
            let wanted = wanted.as_array().into_iter().flatten().map(|text| name(text).map(str::to_owned));
            Miss::unless_equal(handler.as_str(), &wanted.collect::<Result<BTreeSet<_>, _>>()?, &found)?;
        }
        Ok(())
    }
}

/// Runs a case of kind `shared_informer`. Where it does not say how often the informer looks for resyncs, it is each second, as in the
/// tests of upstream.
pub(super) fn run(case: &Value) -> Outcome {
    let default = if case["default_s"].is_null() { 1 } else { seconds(&case["default_s"])? };
    let mut scene = Scene {
        shared: SharedInformer::new(informer(), Duration::from_secs(default)),
        handlers: BTreeMap::new(),
        now: Time::ZERO,
        out: Outbox::new(1),
        watch: None,
    };
    for (handler, options) in case["handlers"].as_object().into_iter().flatten() {
        only("a handler", options, &["resync_s"])?;
        let id = scene.shared.add_handler(scene.now, Duration::from_secs(seconds(&options["resync_s"])?));
        scene.handlers.insert(handler.clone(), id);
    }
    scene.shared.start(scene.now, &mut scene.out);
    scene.send(&Input::WatchEnded(RequestId(0), Some(Transport::Closed)));
    for (number, step) in list(case, "steps")?.iter().enumerate() {
        scene.step(step).map_err(|miss| match miss {
            Miss::Failed { at, expected, actual } => Miss::Failed { at: format!("step {number}: {at}"), expected, actual },
            other => other,
        })?;
    }
    Ok(())
}
