//! `reflector`, `reflector_retry`, `reflector_stop`: a reflector against a scripted server.

use super::{list, name, object, store, version};
use crate::keys::only;
use crate::{Miss, Outcome};
use api::core::Pod;
use api::http::{Body, List, Request, Response, WatchEvent};
use api::status::{Cause, Details, Status};
use client::reflector::Change;
use client::{Action, Indexer, Input, ListOptions, Outbox, Reflector, ReflectorConfig, RequestId, Transport};
use serde_json::Value;
use sim::{Seed, Time};
use std::sync::Arc;
use std::time::Duration;

fn reflector(config: ReflectorConfig, start: Option<u64>) -> Reflector<Pod> {
    let reflector = Reflector::new(ListOptions::default(), Arc::from("conform"), Seed(1).stream("reflector")).configured(config);
    match start {
        Some(revision) => reflector.resumed_at(revision),
        None => reflector,
    }
}

/// A reflector, the cache that it fills, and what was counted.
struct Scene {
    config: ReflectorConfig,
    reflector: Reflector<Pod>,
    cache: Indexer<Pod>,
    now: Time,
    out: Outbox,
    request: Option<(RequestId, Request)>,
    list_revisions: Vec<String>,
    revisions: Vec<u64>,
    watches: u64,
}

impl Scene {
    fn new(config: ReflectorConfig, start: Option<u64>) -> Self {
        Scene {
            config,
            reflector: reflector(config, start),
            cache: Indexer::default(),
            now: Time::ZERO,
            out: Outbox::new(1),
            request: None,
            list_revisions: Vec::new(),
            revisions: Vec::new(),
            watches: 0,
        }
    }

    fn start(&mut self) {
        self.reflector.start(&mut self.out);
        self.collect();
    }

    /// Notes the request that the reflector made, if it made one.
    fn collect(&mut self) {
        let (actions, next) = self.out.take();
        self.out = Outbox::new(next);
        for action in actions {
            let Action::Request(id, request) = action else { continue };
            if request.is_watch() {
                self.watches += 1;
            } else {
                self.list_revisions.push(request.param("resourceVersion").unwrap_or_default().to_owned());
            }
            self.request = Some((id, *request));
        }
    }

    fn send(&mut self, input: &Input) {
        for change in self.reflector.handle(self.now, input, &mut self.out).unwrap_or_default() {
            match change {
                Change::Replace(objects) => {
                    let revision = self.reflector.last_sync_resource_version().unwrap_or_default();
                    self.cache.replace(objects, api::meta::ResourceVersion(revision));
                }
                Change::Upsert(object) => {
                    self.cache.insert(object);
                }
                Change::Delete(object) => {
                    self.cache.delete(&object);
                }
            }
        }
        let revision = self.reflector.last_sync_resource_version();
        if let Some(revision) = revision.filter(|revision| self.revisions.last() != Some(revision)) {
            self.revisions.push(revision);
        }
        self.collect();
    }

    /// The request that the reflector waits for; pauses are over at once.
    fn next_request(&mut self) -> Result<(RequestId, Request), Miss> {
        if let Some(wake) = self.reflector.next_wake() {
            self.now = self.now.max(wake);
            self.send(&Input::Wake);
        }
        self.request.take().ok_or_else(|| Miss::failed("request", "a request", "none"))
    }

    /// One request and its answer. What follows the close of the last watch is no longer part of the script.
    fn exchange(&mut self, step: &Value, last: bool) -> Outcome {
        only("the step", step, &["request", "reply"])?;
        let (id, request) = self.next_request()?;
        same_request(&step["request"], &request)?;
        let reply = &step["reply"];
        if !reply["error"].is_null() {
            only("reply", reply, &["error"])?;
            self.send(&Input::Response(id, Ok(status(&reply["error"])?.into())));
            return Ok(());
        }
        if !request.is_watch() {
            only("reply", reply, &["rv", "items", "continue"])?;
            let answer = Response::ok(Body::List(Box::new(page(reply)?)));
            self.send(&Input::Response(id, Ok(answer)));
            return Ok(());
        }
        only("reply", reply, &["events", "end"])?;
        for event in list(reply, "events")? {
            self.send(&Input::Watch(id, [watch_event(event)?].into()));
        }
        match reply["end"].as_str().unwrap_or("open") {
            "stop" => self.reflector.stop(&mut self.out),
            "relist" => {
                self.reflector.stop(&mut self.out);
                self.reflector.start(&mut self.out);
            }
            "close" if last => {}
            "close" => self.send(&Input::WatchEnded(id, None)),
            "open" => {}
            other => return Err(Miss::Malformed(format!("unknown end {other:?}"))),
        }
        self.collect();
        Ok(())
    }

    fn step(&mut self, step: &Value, last: bool) -> Outcome {
        if step["check_store"].is_null() {
            return self.exchange(step, last);
        }
        only("the step", step, &["check_store", "new_reflector"])?;
        store::same_store("check_store", &step["check_store"], &self.cache)?;
        if step["new_reflector"] == true {
            self.reflector = reflector(self.config, None);
            self.request = None;
            self.start();
        }
        Ok(())
    }

    fn expect(&self, expect: &Value) -> Outcome {
        let known = ["store", "store_size", "last_rv", "list_rvs", "rv_updates", "list_calls", "watch_calls", "backoff_calls"];
        only("expect", expect, &known)?;
        store::same_store("store", &expect["store"], &self.cache)?;
        let lists = self.list_revisions.len() as u64;
        for (key, found) in [
            ("store_size", self.cache.len() as u64),
            ("list_calls", lists),
            ("watch_calls", self.watches),
            ("backoff_calls", self.reflector.pauses()),
        ] {
            if let Some(wanted) = expect[key].as_u64() {
                Miss::unless_equal(key, &wanted, &found)?;
            }
        }
        if !expect["last_rv"].is_null() {
            let found = self.reflector.last_sync_resource_version().unwrap_or_default();
            Miss::unless_equal("last_rv", &version(&expect["last_rv"])?, &found)?;
        }
        if !expect["list_rvs"].is_null() {
            let wanted = list(expect, "list_rvs")?.iter().map(|text| name(text).map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
            Miss::unless_equal("list_rvs", &wanted, &self.list_revisions)?;
        }
        if !expect["rv_updates"].is_null() {
            let wanted = list(expect, "rv_updates")?.iter().map(version).collect::<Result<Vec<_>, _>>()?;
            Miss::unless_equal("rv_updates", &wanted, &self.revisions)?;
        }
        Ok(())
    }
}

/// Compares what a case says of a request.
fn same_request(expect: &Value, request: &Request) -> Outcome {
    only("request", expect, &["verb", "rv", "rv_match", "continue", "limit", "bookmarks", "send_initial_events"])?;
    let verb = if request.is_watch() { "watch" } else { "list" };
    if let Some(wanted) = expect["verb"].as_str() {
        Miss::unless_equal("verb", &wanted, &verb)?;
    }
    let parameters = [("rv", "resourceVersion"), ("rv_match", "resourceVersionMatch"), ("continue", "continue")];
    for (key, parameter) in parameters {
        if let Some(wanted) = expect[key].as_str() {
            Miss::unless_equal(key, &wanted, &request.param(parameter).unwrap_or_default())?;
        }
    }
    if let Some(wanted) = expect["limit"].as_u64() {
        let limit = request.param("limit").and_then(|limit| limit.parse().ok()).unwrap_or(0);
        Miss::unless_equal("limit", &wanted, &limit)?;
    }
    for (key, parameter) in [("bookmarks", "allowWatchBookmarks"), ("send_initial_events", "sendInitialEvents")] {
        if let Some(wanted) = expect[key].as_bool() {
            Miss::unless_equal(key, &wanted, &request.flag(parameter))?;
        }
    }
    Ok(())
}

fn page(reply: &Value) -> Result<List, Miss> {
    let items = list(reply, "items")?.iter().map(|item| Ok(object(item)?.as_ref().clone().into())).collect::<Result<_, Miss>>()?;
    Ok(List {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        resource_version: version(&reply["rv"])?,
        continue_token: reply["continue"].as_str().unwrap_or_default().to_owned(),
        remaining: None,
        items,
    })
}

fn status(error: &Value) -> Result<Status, Miss> {
    only("error", error, &["code", "reason", "cause", "message"])?;
    let code = error["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let code = code.ok_or_else(|| Miss::Malformed("error has no code".to_owned()))?;
    const REASONS: [&str; 5] = ["Expired", "Gone", "Timeout", "TooManyRequests", "InternalError"];
    let reason = error["reason"].as_str().unwrap_or_default();
    let reason = REASONS.into_iter().find(|known| *known == reason).unwrap_or(if code == 500 { "InternalError" } else { "" });
    let mut details = Details::default();
    match error["cause"].as_str() {
        None => {}
        Some("ResourceVersionTooLarge") => {
            details.causes.push(Cause { reason: "ResourceVersionTooLarge", message: String::new(), field: String::new() });
        }
        Some(other) => return Err(Miss::Malformed(format!("unknown cause {other:?}"))),
    }
    Ok(Status { code, reason, message: error["message"].as_str().unwrap_or_default().to_owned(), details })
}

/// `[TYPE, name, rv, extra?]`, or `["ERROR", error]`.
fn watch_event(event: &Value) -> Result<WatchEvent, Miss> {
    let about = || Ok::<_, Miss>(super::pod(name(&event[1])?, version(&event[2])?).as_ref().clone().into());
    Ok(match name(&event[0])? {
        "ADDED" => WatchEvent::Added(about()?),
        "MODIFIED" => WatchEvent::Modified(about()?),
        "DELETED" => WatchEvent::Deleted(about()?),
        "BOOKMARK" => {
            let ends = event[3]["initial_events_end"] == true || event[3]["k8s.io/initial-events-end"] == "true";
            WatchEvent::Bookmark { resource_version: version(&event[2])?, initial_events_end: ends }
        }
        "ERROR" => WatchEvent::Error(Box::new(status(&event[1])?)),
        other => return Err(Miss::Malformed(format!("unknown event {other:?}"))),
    })
}

/// Runs a case of kind `reflector`.
pub(super) fn run(case: &Value) -> Outcome {
    let given = &case["config"];
    only("config", given, &["start_rv", "page_size", "watch_list"])?;
    let config =
        ReflectorConfig { watch_list: given["watch_list"] == true, page_size: given["page_size"].as_u64(), ..ReflectorConfig::default() };
    let start = if given["start_rv"].is_null() { None } else { Some(version(&given["start_rv"])?) };
    let mut scene = Scene::new(config, start);
    scene.start();
    let script = list(case, "script")?;
    for (number, step) in script.iter().enumerate() {
        scene.step(step, number + 1 == script.len()).map_err(|miss| match miss {
            Miss::Failed { at, expected, actual } => Miss::Failed { at: format!("step {number}: {at}"), expected, actual },
            other => other,
        })?;
    }
    scene.expect(&case["expect"])
}

/// Runs a case of kind `reflector_retry`: every watch gets an internal error at once.
pub(super) fn retry(case: &Value) -> Outcome {
    only("expect", &case["expect"], &["retries"])?;
    let seconds = |key: &str| Duration::from_secs(case[key].as_u64().unwrap_or(0));
    let config =
        ReflectorConfig { watch_list: false, max_internal_error_retry: seconds("max_retry_seconds"), ..ReflectorConfig::default() };
    let mut scene = Scene::new(config, None);
    scene.start();
    let (id, _) = scene.next_request()?;
    let empty = serde_json::json!({"rv": "1", "items": []});
    scene.send(&Input::Response(id, Ok(Response::ok(Body::List(Box::new(page(&empty)?))))));
    let mut calls = 0;
    while let Some((id, request)) = scene.request.take().filter(|(_, request)| request.is_watch()) {
        calls += 1;
        if calls > 10_000 {
            return Err(Miss::failed("retries", &case["expect"]["retries"], format!("no end after {calls} watches of {request:?}")));
        }
        if case["jump_at_call"].as_u64() == Some(calls) {
            scene.now = scene.now.saturating_add(seconds("jump_seconds"));
        }
        scene.now = scene.now.saturating_add(seconds("step_seconds"));
        let error = WatchEvent::Error(Box::new(status(&serde_json::json!({"code": 500}))?));
        scene.send(&Input::Watch(id, [error].into()));
    }
    Miss::unless_equal("retries", &case["expect"]["retries"].as_u64(), &calls.checked_sub(1))
}

/// Runs a case of kind `reflector_stop`.
pub(super) fn stop(case: &Value) -> Outcome {
    let mut scene = Scene::new(ReflectorConfig { watch_list: false, ..ReflectorConfig::default() }, None);
    match case["stop"].as_str().unwrap_or_default() {
        // Stopped: it was never started.
        "before" => scene.send(&Input::Wake),
        "after" | "during-watch" => {
            scene.start();
            let (id, _) = scene.next_request()?;
            let empty = serde_json::json!({"rv": "1", "items": []});
            scene.send(&Input::Response(id, Ok(Response::ok(Body::List(Box::new(page(&empty)?))))));
            let watch = scene.request.take();
            scene.reflector.stop(&mut scene.out);
            if let Some((id, _)) = watch {
                scene.send(&Input::WatchEnded(id, Some(Transport::Closed)));
            }
        }
        other => return Err(Miss::Malformed(format!("unknown stop {other:?}"))),
    }
    scene.expect(&case["expect"])
}
