//! `kubectl apply -f` (server-side apply with `--server-side`, else client-side) and `kubectl create -f`.
//!
//! Client-side apply remembers what was applied in an annotation. A field that was applied before and is no longer in the file is
//! removed by the patch; a list element that is gone is removed by its merge key.
//!
//! **Simplified here:** merge keys are told by the list's name; no `--dry-run`, no generators of `create`.

use super::filenames;
use crate::command::{Command, Event, Failure, Flow, Io, json_of};
use crate::flags::{Flag, Parsed, switch, value};
use crate::invocation::Environment;
use crate::manifest::{Manifest, load};
use crate::resources::result_name;
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;

pub(super) const FLAGS: [Flag; 2] = [value("filename", Some('f')), switch("server-side", None)];

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Create,
    ClientSide,
    ServerSide,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Reading,
    Creating,
    Patching,
}

#[derive(Debug)]
struct Apply {
    mode: Mode,
    left: VecDeque<Manifest>,
    current: Option<(Manifest, Step)>,
    code: i32,
}

pub(super) fn build(parsed: &Parsed, namespace: String, environment: &Environment<'_>, apply: bool) -> Result<Box<dyn Command>, String> {
    let left: VecDeque<Manifest> = load(&filenames(parsed)?, &namespace, environment)?.into();
    if left.is_empty() {
        return Err(format!("no objects passed to {}", if apply { "apply" } else { "create" }));
    }
    let mode = match (apply, parsed.on("server-side")) {
        (false, _) => Mode::Create,
        (true, false) => Mode::ClientSide,
        (true, true) => Mode::ServerSide,
    };
    Ok(Box::new(Apply { mode, left, current: None, code: 0 }))
}

impl Command for Apply {
    fn advance(&mut self, event: Event, io: &mut Io<'_>) -> Flow {
        if let (Event::Answer(answer), Some((manifest, step))) = (event, self.current.take())
            && let Some(flow) = self.answered(manifest, step, answer, io)
        {
            return flow;
        }
        let Some(manifest) = self.left.pop_front() else { return Flow::Done(self.code) };
        match self.mode {
            Mode::Create => self.send_create(manifest, io),
            Mode::ClientSide => {
                let request = Request::new(Method::Get, manifest.path());
                self.current = Some((manifest, Step::Reading));
                io.ask(request)
            }
            Mode::ServerSide => {
                let body = Body::Patch(PatchType::Apply, manifest.value.clone());
                let request = Request::new(Method::Patch, manifest.path()).query("fieldManager", "kubectl").body(body);
                self.current = Some((manifest, Step::Patching));
                io.ask(request.query("fieldValidation", "Strict").query("force", "false"))
            }
        }
    }
}

impl Apply {
    /// What follows an answer; `None` when the object is dealt with.
    fn answered(&mut self, manifest: Manifest, step: Step, answer: Result<Body, Failure>, io: &mut Io<'_>) -> Option<Flow> {
        let done = |verb: &str| format!("{} {verb}\n", result_name(manifest.info, &manifest.name));
        match (step, answer) {
            (Step::Reading, Err(failure)) if failure.is_not_found() => return Some(self.send_create(manifest, io)),
            (Step::Reading, Ok(body)) => {
                let live = json_of(body);
                let last = live.pointer("/metadata/annotations").and_then(|annotations| annotations[LAST_APPLIED].as_str());
                let last = last.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
                let patch = difference(&last, &with_last_applied(&manifest.value), &live);
                if patch.is_empty() {
                    io.print(done("unchanged"));
                    return None;
                }
                let request = Request::new(Method::Patch, manifest.path()).query("fieldManager", "kubectl-client-side-apply");
                let request = request.query("fieldValidation", "Strict").body(Body::Patch(PatchType::StrategicMerge, Value::Object(patch)));
                self.current = Some((manifest, Step::Patching));
                return Some(io.ask(request));
            }
            (Step::Creating, Ok(_)) => io.print(done("created")),
            (Step::Patching, Ok(_)) => io.print(done(if self.mode == Mode::ServerSide { "serverside-applied" } else { "configured" })),
            (step, Err(failure)) => {
                let doing = match step {
                    Step::Reading => "retrieving current configuration of",
                    Step::Creating => "creating",
                    Step::Patching => "patching",
                };
                io.complain(&manifest.explain(&failure, doing));
                self.code = 1;
            }
        }
        None
    }

    fn send_create(&mut self, manifest: Manifest, io: &mut Io<'_>) -> Flow {
        let (value, manager) = match self.mode {
            Mode::Create => (manifest.value.clone(), "kubectl-create"),
            _ => (with_last_applied(&manifest.value), "kubectl-client-side-apply"),
        };
        let path = ResourcePath::collection(manifest.info, &manifest.namespace);
        self.current = Some((manifest, Step::Creating));
        let request = Request::new(Method::Post, path).query("fieldManager", manager).query("fieldValidation", "Strict");
        io.ask(request.body(Body::Json(value)))
    }
}

/// The object with the annotation that remembers it.
fn with_last_applied(value: &Value) -> Value {
    let mut remembered = value.clone();
    if let Some(annotations) = remembered.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    } else if let Some(metadata) = remembered.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("annotations".to_owned(), json!({}));
    }
    let text = format!("{remembered}\n");
    if let Some(annotations) = remembered.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.insert(LAST_APPLIED.to_owned(), Value::String(text));
    }
    remembered
}

/// The patch that brings `live` to `wanted`, removing what stands only in `last`.
fn difference(last: &Value, wanted: &Value, live: &Value) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, want) in wanted.as_object().into_iter().flatten() {
        let (before, now) = (&last[key.as_str()], &live[key.as_str()]);
        if want.is_object() && now.is_object() {
            let inner = difference(before, want, now);
            if !inner.is_empty() {
                patch.insert(key.clone(), Value::Object(inner));
            }
        } else if let Some(elements) = merged_elements(key, before, want, now) {
            if !elements.is_empty() {
                patch.insert(key.clone(), Value::Array(elements));
            }
        } else if !covers(now, want) {
            patch.insert(key.clone(), want.clone());
        }
    }
    for (key, _) in last.as_object().into_iter().flatten() {
        if wanted.get(key).is_none() && live.get(key).is_some() {
            patch.insert(key.clone(), Value::Null);
        }
    }
    patch
}

/// The patches of the elements of a list that is merged by a key; `None` when the list has none.
fn merged_elements(list: &str, before: &Value, want: &Value, now: &Value) -> Option<Vec<Value>> {
    let candidates: &[&str] = match list {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "ports" => &["containerPort", "port"],
        _ => return None,
    };
    let (want, now) = (want.as_array()?, now.as_array()?);
    let key = *candidates.iter().find(|key| want.iter().all(|item| item.get(**key).is_some()))?;
    let before = before.as_array().map_or(&[][..], Vec::as_slice);
    let same = |list: &[Value], item: &Value| list.iter().find(|other| other[key] == item[key]).cloned();
    let mut elements = Vec::new();
    for item in want {
        let Some(live) = same(now, item) else {
            elements.push(item.clone());
            continue;
        };
        let mut inner = difference(&same(before, item).unwrap_or(Value::Null), item, &live);
        if !inner.is_empty() {
            inner.insert(key.to_owned(), item[key].clone());
            elements.push(Value::Object(inner));
        }
    }
    let gone = before.iter().filter(|old| same(want, old).is_none() && same(now, old).is_some());
    elements.extend(gone.map(|old| json!({"$patch": "delete", key: old[key]})));
    Some(elements)
}

/// Whether `live` says everything that `wanted` says; it may say more.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, want)| live.get(key).is_some_and(|now| covers(now, want))),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(now, want)| covers(now, want))
        }
        _ => live == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_holds_what_changed_and_what_was_taken_out() {
        let last = json!({"spec": {"replicas": 3, "paused": true, "containers": [{"name": "a", "image": "x"}, {"name": "b"}]}});
        let live = json!({"spec": {"replicas": 3, "paused": true, "more": 1,
            "containers": [{"name": "a", "image": "x", "d": 1}, {"name": "b"}]}});
        let wanted = json!({"spec": {"replicas": 3, "containers": [{"name": "a", "image": "y"}]}});
        let patch = difference(&last, &wanted, &live);
        assert_eq!(
            Value::Object(patch),
            json!({"spec": {"paused": null, "containers": [{"name": "a", "image": "y"}, {"$patch": "delete", "name": "b"}]}})
        );
        assert!(difference(&last, &last, &live).is_empty());
    }
}
