//! Storage cases: writes, reads, lists and watches in their order, with names for the versions that they return.

use super::server::{Server, text};
use crate::keys::only;
use crate::{Miss, Outcome};
use api::Object;
use api::http::{Body, WatchEvent};
use api::status::Status;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The field by which cases select.
const NODE: &str = "spec.nodeName";

/// The run of a case.
struct Run {
    server: Server,
    /// What `save_rv` and `save_continue` named.
    saved: BTreeMap<String, String>,
    /// The UIDs that the server gave, by those that the case wrote.
    uids: BTreeMap<String, String>,
    watches: BTreeMap<String, u64>,
    /// What watches have seen and nobody looked at.
    seen: BTreeMap<String, VecDeque<WatchEvent>>,
}

pub(super) fn run(case: &Value) -> Outcome {
    let steps = case["steps"].as_array().ok_or_else(|| Miss::Malformed("a storage case has steps".to_owned()))?;
    // Events can be selected by a field of their own, but an update makes one that is not there.
    let selects = steps.iter().any(|step| step["field"].as_str().is_some_and(|field| field.starts_with(NODE)));
    let server = Server::new(if selects { "events" } else { "configmaps" });
    let mut run = Run { server, saved: BTreeMap::new(), uids: BTreeMap::new(), watches: BTreeMap::new(), seen: BTreeMap::new() };
    let namespaces: BTreeSet<&str> = steps.iter().filter_map(|step| step["key"].as_str()?.split_once('/')).map(|(ns, _)| ns).collect();
    namespaces.into_iter().for_each(|namespace| run.server.namespace(namespace));
    for (number, step) in steps.iter().enumerate() {
        run.step(step).map_err(|miss| match miss {
            Miss::Failed { at, expected, actual } => Miss::Failed { at: format!("step {number}, {at}"), expected, actual },
            Miss::Malformed(why) => Miss::Malformed(format!("step {number}: {why}")),
            skipped @ Miss::Skipped(_) => skipped,
        })?;
    }
    Ok(())
}

/// The object with this content: fields of both resources, as the API server drops those that a kind does not have.
fn object(namespace: &str, name: &str, version: Option<&str>, content: &Value) -> Result<Value, Miss> {
    only("object", content, &["nodeName", "note", "uid", "resourceVersion", "labels", "annotations"])?;
    let field = |name: &str| content[name].as_str().unwrap_or_default();
    let mut object = json!({
        "metadata": {"namespace": namespace, "name": name},
        "involvedObject": {"namespace": namespace},
        "reason": field("nodeName"),
        "message": field("note"),
        "data": {"nodeName": field("nodeName"), "note": field("note")},
    });
    for key in ["labels", "annotations"] {
        if !content[key].is_null() {
            object["metadata"][key] = content[key].clone();
        }
    }
    if let Some(version) = content["resourceVersion"].as_str().or(version).filter(|version| !version.is_empty()) {
        object["metadata"]["resourceVersion"] = json!(version);
    }
    Ok(object)
}

fn key_of(object: &Object) -> String {
    format!("{}/{}", object.metadata().namespace, object.metadata().name)
}

fn version_of(object: &Object) -> String {
    object.metadata().resource_version.0.to_string()
}

/// Whether a refusal is the one that is expected.
fn judge_refusal(expected: &Value, status: &Status) -> Outcome {
    if expected == true {
        return Miss::unless_equal("error", &true, &(400..500).contains(&status.code));
    }
    only("error", expected, &["code", "reason", "cause"])?;
    Miss::unless_equal("error.code", &expected["code"].as_u64(), &Some(u64::from(status.code)))?;
    if let Some(reason) = expected["reason"].as_str() {
        Miss::unless_equal("error.reason", &reason, &status.reason)?;
    }
    match expected["cause"].as_str() {
        Some(cause) if !status.details.causes.iter().any(|found| found.reason == cause) => {
            Err(Miss::failed("error.cause", cause, format!("{:?}", status.details.causes)))
        }
        _ => Ok(()),
    }
}

/// The success of an operation, or `None` when it was refused as expected.
fn expected_success<T>(step: &Value, result: Result<T, Box<Status>>) -> Result<Option<T>, Miss> {
    match (result, step["expect"].get("error")) {
        (Ok(_), Some(error)) => Err(Miss::failed("expect.error", error, "a success")),
        (Ok(value), None) => Ok(Some(value)),
        (Err(status), Some(error)) => judge_refusal(error, &status).map(|()| None),
        (Err(status), None) => Err(Miss::failed("the request", "a success", format!("{} {}", status.code, status.message))),
    }
}

impl Run {
    /// A value that may be the name of a saved one.
    fn value(&self, value: &Value) -> Result<String, Miss> {
        let value = text(value);
        match value.strip_prefix('$') {
            Some(name) => self.saved.get(name).cloned().ok_or_else(|| Miss::Malformed(format!("nothing was saved as {name:?}"))),
            None => Ok(value),
        }
    }

    fn save(&mut self, step: &Value, key: &str, value: String) {
        if let Some(name) = step[key].as_str() {
            self.saved.insert(name.to_owned(), value);
        }
    }

    fn step(&mut self, step: &Value) -> Outcome {
        let key = step["key"].as_str().and_then(|key| key.split_once('/')).unwrap_or_default();
        match step["op"].as_str().unwrap_or_default() {
            "get" => self.get(step, key),
            "create" | "update" => self.write(step, key),
            "delete" => self.delete(step, key),
            "list" => self.list(step),
            "watch" => self.watch(step),
            "expect_events" => self.expect_events(step),
            "expect_bookmark" => self.expect_bookmark(step),
            "compact" => {
                only("compact", step, &["op", "rv"])?;
                let revision = self.number(&step["rv"])?;
                self.server.compact(revision);
                Ok(())
            }
            "write_elsewhere" => {
                only("write_elsewhere", step, &["op", "save_rv"])?;
                let written = self.server.write_elsewhere().map_err(|status| Miss::failed("the write", "a success", status.message))?;
                self.save(step, "save_rv", version_of(&written));
                Ok(())
            }
            other => Err(Miss::Malformed(format!("unknown op {other:?}"))),
        }
    }

    fn number(&self, value: &Value) -> Result<u64, Miss> {
        let value = self.value(value)?;
        value.parse().map_err(|_| Miss::Malformed(format!("{value:?} is no revision")))
    }

    /// Compares the version of an object or a list with what is expected of it.
    fn judge_version(&self, expect: &Value, version: u64) -> Outcome {
        if let Some(wanted) = expect.get("rv_is") {
            Miss::unless_equal("rv_is", &self.number(wanted)?, &version)?;
        }
        if let Some(least) = expect.get("rv_at_least").map(|value| self.number(value)).transpose()?.filter(|least| version < *least) {
            return Err(Miss::failed("rv_at_least", least, version));
        }
        if let Some(less) = expect.get("rv_greater_than").map(|value| self.number(value)).transpose()?.filter(|less| version <= *less) {
            return Err(Miss::failed("rv_greater_than", less, version));
        }
        if let Some(options) = expect["rv_one_of"].as_array() {
            let options = options.iter().map(|value| self.number(value)).collect::<Result<Vec<u64>, Miss>>()?;
            if !options.contains(&version) {
                return Err(Miss::failed("rv_one_of", format!("{options:?}"), version));
            }
        }
        Ok(())
    }

    fn get(&mut self, step: &Value, (namespace, name): (&str, &str)) -> Outcome {
        only("get", step, &["op", "key", "rv", "expect"])?;
        only("expect", &step["expect"], &["error", "rv_is", "rv_one_of", "or_not_found"])?;
        let version = self.value(&step["rv"])?;
        let result = self.server.get(namespace, name, &version);
        if step["expect"]["or_not_found"] == true && result.as_ref().is_err_and(|status| status.code == 404) {
            return Ok(());
        }
        match expected_success(step, result)? {
            Some(object) => self.judge_version(&step["expect"], object.metadata().resource_version.0),
            None => Ok(()),
        }
    }

    fn write(&mut self, step: &Value, (namespace, name): (&str, &str)) -> Outcome {
        only("a write", step, &["op", "key", "rv", "object", "save_rv", "expect"])?;
        only("expect", &step["expect"], &["error", "rv_is"])?;
        let version = step.get("rv").map(|version| self.value(version)).transpose()?;
        let object = object(namespace, name, version.as_deref(), &step["object"])?;
        let result = match step["op"] == "create" {
            true => self.server.create(namespace, object),
            false => self.server.update(namespace, name, object),
        };
        let Some(written) = expected_success(step, result)? else { return Ok(()) };
        if let Some(uid) = step["object"]["uid"].as_str() {
            self.uids.insert(uid.to_owned(), written.metadata().uid.clone());
        }
        self.save(step, "save_rv", version_of(&written));
        self.judge_version(&step["expect"], written.metadata().resource_version.0)
    }

    fn delete(&mut self, step: &Value, (namespace, name): (&str, &str)) -> Outcome {
        only("delete", step, &["op", "key", "precondition_uid", "save_rv", "expect"])?;
        only("expect", &step["expect"], &["error", "rv_greater_than"])?;
        let uid = step["precondition_uid"].as_str().map(|uid| self.uids.get(uid).map_or(uid, String::as_str));
        let result = self.server.delete(namespace, name, uid);
        let Some(body) = expected_success(step, result)? else { return Ok(()) };
        // Most resources answer with a Status; the deletion is then the newest revision.
        let version = match body {
            Body::Object(object) => object.metadata().resource_version.0,
            _ => self.server.revision(),
        };
        self.save(step, "save_rv", version.to_string());
        self.judge_version(&step["expect"], version)
    }

    /// The namespace of a prefix, and the query of a list or watch.
    fn query(&self, step: &Value) -> Result<(String, Vec<(String, String)>), Miss> {
        let prefix = step["prefix"].as_str().unwrap_or_default();
        let namespace = prefix.strip_suffix('/').unwrap_or(prefix);
        if namespace.contains('/') || (!prefix.is_empty() && !prefix.ends_with('/')) {
            return Err(Miss::Malformed(format!("the prefix {prefix:?} is no namespace")));
        }
        let mut query = Vec::new();
        let parameters = [
            ("rv", "resourceVersion"),
            ("match", "resourceVersionMatch"),
            ("field", "fieldSelector"),
            ("label", "labelSelector"),
            ("limit", "limit"),
            ("continue", "continue"),
            ("bookmarks", "allowWatchBookmarks"),
            ("send_initial_events", "sendInitialEvents"),
        ];
        for (key, parameter) in parameters {
            let Some(value) = step.get(key) else { continue };
            // A selector may begin with anything but a saved name.
            let value = if matches!(key, "field" | "label") { text(value) } else { self.value(value)? };
            query.push((parameter.to_owned(), value.replace(NODE, "reason")));
        }
        // An empty resourceVersionMatch is an unset one, which matters beside sendInitialEvents: upstream's cases call the storage,
        // below the rule of the REST interface that the two go together.
        if step.get("send_initial_events").is_some() {
            query.retain(|(name, value)| !(name == "resourceVersionMatch" && value.is_empty()));
            if !query.iter().any(|(name, _)| name == "resourceVersionMatch") {
                query.push(("resourceVersionMatch".to_owned(), "NotOlderThan".to_owned()));
            }
        }
        Ok((namespace.to_owned(), query))
    }

    fn list(&mut self, step: &Value) -> Outcome {
        let known = ["op", "prefix", "rv", "match", "field", "label", "limit", "continue", "save_rv", "save_continue", "expect"];
        only("list", step, &known)?;
        let expect = &step["expect"];
        only("expect", expect, &["items", "items_one_of", "rv_is", "rv_at_least", "has_continue", "remaining", "error"])?;
        let (namespace, query) = self.query(step)?;
        let result = self.server.list(&namespace, &query);
        let Some(list) = expected_success(step, result)? else { return Ok(()) };
        self.save(step, "save_rv", list.resource_version.to_string());
        self.save(step, "save_continue", list.continue_token.clone());
        self.judge_version(expect, list.resource_version)?;
        let items: Vec<(String, String)> = list.items.iter().map(|object| (key_of(object), version_of(object))).collect();
        if let Some(wanted) = expect["items"].as_array() {
            Miss::unless_equal("items", &self.pairs(wanted)?, &items)?;
        }
        if let Some(options) = expect["items_one_of"].as_array() {
            let lists = options.iter().filter_map(Value::as_array).map(|list| self.pairs(list)).collect::<Result<Vec<_>, Miss>>()?;
            if !lists.contains(&items) {
                return Err(Miss::failed("items_one_of", format!("{lists:?}"), format!("{items:?}")));
            }
        }
        if let Some(more) = expect["has_continue"].as_bool() {
            Miss::unless_equal("has_continue", &more, &!list.continue_token.is_empty())?;
        }
        match expect["remaining"].as_u64() {
            Some(remaining) => Miss::unless_equal("remaining", &Some(remaining), &list.remaining),
            None => Ok(()),
        }
    }

    /// `[[key, rv], …]`.
    fn pairs(&self, list: &[Value]) -> Result<Vec<(String, String)>, Miss> {
        list.iter().map(|pair| Ok((text(&pair[0]), self.value(&pair[1])?))).collect()
    }

    fn watch(&mut self, step: &Value) -> Outcome {
        only("watch", step, &["op", "watch", "prefix", "rv", "match", "field", "label", "bookmarks", "send_initial_events", "expect"])?;
        only("expect", &step["expect"], &["error"])?;
        let (namespace, query) = self.query(step)?;
        let query: Vec<_> = query.into_iter().chain([("watch".to_owned(), "true".to_owned())]).collect();
        if let Some(id) = expected_success(step, self.server.watch(&namespace, &query))? {
            self.watches.insert(text(&step["watch"]), id);
        }
        Ok(())
    }

    /// What the watch of a step has seen and nobody looked at.
    fn unseen(&mut self, step: &Value) -> Result<&mut VecDeque<WatchEvent>, Miss> {
        let name = text(&step["watch"]);
        let id = *self.watches.get(&name).ok_or_else(|| Miss::Malformed(format!("there is no watch {name:?}")))?;
        let new = self.server.seen(id);
        let unseen = self.seen.entry(name).or_default();
        unseen.extend(new);
        Ok(unseen)
    }

    fn expect_events(&mut self, step: &Value) -> Outcome {
        only("expect_events", step, &["op", "watch", "events", "error", "ignore_bookmarks"])?;
        let ignores = step["ignore_bookmarks"] == true;
        let is_bookmark = |event: &WatchEvent| matches!(event, WatchEvent::Bookmark { .. });
        let unseen = self.unseen(step)?;
        // A bookmark that ends the initial events is looked at by a step of its own.
        let until = if ignores { unseen.len() } else { unseen.iter().position(is_bookmark).unwrap_or(unseen.len()) };
        let mut events: Vec<WatchEvent> = unseen.drain(..until).filter(|event| !is_bookmark(event)).collect();
        let error = events.iter().position(|event| matches!(event, WatchEvent::Error(_))).map(|at| events.remove(at));
        match (step.get("error"), error) {
            (None, None) => {}
            (Some(expected), Some(WatchEvent::Error(status))) => judge_refusal(expected, &status)?,
            (expected, found) => return Err(Miss::failed("error", format!("{expected:?}"), format!("{found:?}"))),
        }
        let wanted = step["events"].as_array().map(Vec::as_slice).unwrap_or_default();
        let told: Vec<String> = events.iter().map(told).collect();
        let mut expected = Vec::new();
        for (number, event) in wanted.iter().enumerate() {
            let mut line = format!("{} {} {}", text(&event[0]), text(&event[1]), self.value(&event[2])?);
            if let Some(node) = event[3].get("nodeName") {
                line += &format!(" {node}");
                only("the content of an event", &event[3], &["nodeName"])?;
            } else if let Some(cut) = told.get(number).and_then(|told| told.rsplit_once(' ')) {
                // Its content is not asked for.
                line += &format!(" {}", cut.1);
            }
            expected.push(line);
        }
        Miss::unless_equal("events", &expected, &told)
    }

    fn expect_bookmark(&mut self, step: &Value) -> Outcome {
        only("expect_bookmark", step, &["op", "watch", "initial_events_end", "rv_at_least"])?;
        let next = self.unseen(step)?.pop_front();
        let Some(WatchEvent::Bookmark { resource_version, initial_events_end }) = next else {
            return Err(Miss::failed("the next event", "a bookmark", format!("{next:?}")));
        };
        if let Some(end) = step["initial_events_end"].as_bool() {
            Miss::unless_equal("initial_events_end", &end, &initial_events_end)?;
        }
        self.judge_version(&json!({"rv_at_least": step["rv_at_least"]}), resource_version)
    }
}

/// An event in one line: its type, the object's key, version and content.
fn told(event: &WatchEvent) -> String {
    let (type_, object) = match event {
        WatchEvent::Added(object) => ("ADDED", object),
        WatchEvent::Modified(object) => ("MODIFIED", object),
        WatchEvent::Deleted(object) => ("DELETED", object),
        WatchEvent::Bookmark { .. } => return "BOOKMARK".to_owned(),
        WatchEvent::Error(status) => return format!("ERROR {}", status.code),
    };
    let json = object.to_json();
    let node = json["reason"].as_str().or(json["data"]["nodeName"].as_str()).unwrap_or_default();
    format!("{type_} {} {} {}", key_of(object), version_of(object), json!(node))
}
