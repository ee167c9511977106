//! Commands that read objects, change something in them and send the difference as a patch: what they have in common.

use super::submit::{DryRun, Submit};
use crate::command::{Io, Step, json_of};
use crate::resources::{Sought, Target, gather};
use api::http::{Body, Method, PatchType};
use api::kinds::Kind;
use api::patch::{three_way_merge, three_way_strategic};
use serde_json::{Value, json};
use std::rc::Rc;

/// What was done to an object, in the words of the line that tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// When it changed.
    pub(super) changed: &'static str,
    /// When it did not; empty to say nothing.
    pub(super) unchanged: &'static str,
}

/// Changes an object in place; an error is what follows `error: `.
pub(super) type Edit = Rc<dyn Fn(&Target, &mut Value, &mut Io<'_>) -> Result<Words, String>>;

/// Reads the objects, and changes one after the other.
pub(super) fn change(sought: Vec<Sought>, submit: Submit, io: &mut Io<'_>, edit: Edit) -> Step {
    let submit = Rc::new(submit);
    gather(sought, io, move |targets, io| {
        for target in targets {
            let (submit, edit) = (Rc::clone(&submit), Rc::clone(&edit));
            io.later(move |io| one(target, &submit, &edit, io));
        }
        Step::Done(0)
    })
}

/// Changes one object that was read.
pub(super) fn one(target: Target, submit: &Rc<Submit>, edit: &Edit, io: &mut Io<'_>) -> Step {
    let mut wanted = target.live.clone();
    let words = match edit(&target, &mut wanted, io) {
        Ok(words) => words,
        Err(message) => return io.error(&message),
    };
    // From the object as it was: nothing else is taken back or set.
    let (type_, patch) = match three_way(&target.info, &target.live, &wanted, &target.live) {
        Ok(patch) => patch,
        Err(message) => return io.error(&message),
    };
    if patch == json!({}) {
        if words.unchanged.is_empty() && !submit.prints_objects() {
            return Step::Done(0);
        }
        return submit.show(&target.info, &target.live, words.unchanged, io);
    }
    if submit.dry_run == DryRun::Client {
        return submit.show(&target.info, &wanted, words.changed, io);
    }
    let request = submit.request(Method::Patch, target.path(), Body::Patch(type_, patch));
    let submit = Rc::clone(submit);
    Step::ask(request, move |answer, io| match answer {
        Ok(body) => submit.show(&target.info, &json_of(body), words.changed, io),
        Err(failure) => io.fail(&failure),
    })
}

/// The patch that brings an object from what was last applied to what is wanted: strategic where the kind has strategies, else a JSON
/// merge patch.
///
/// # Errors
/// The text that follows `error: `.
pub(super) fn three_way(kind: &Kind, last: &Value, wanted: &Value, live: &Value) -> Result<(PatchType, Value), String> {
    if kind.custom {
        return Ok((PatchType::Merge, three_way_merge(last, wanted, live)));
    }
    three_way_strategic(kind, last, wanted, live).map(|patch| (PatchType::StrategicMerge, patch))
}

/// The object with such a patch applied.
///
/// # Errors
/// The text that follows `error: `.
pub(super) fn merged(kind: &Kind, live: Value, patch: &Value) -> Result<Value, String> {
    if kind.custom { Ok(api::patch::merge(live, patch)) } else { api::patch::strategic_merge(kind, live, patch) }
}

/// The mapping at a path, made where it is missing.
pub(super) fn map_at<'v>(value: &'v mut Value, path: &[&str]) -> Option<&'v mut serde_json::Map<String, Value>> {
    let mut here = value;
    for step in path {
        let map = here.as_object_mut()?;
        here = map.entry(*step).or_insert_with(|| json!({}));
        if here.is_null() {
            *here = json!({});
        }
    }
    here.as_object_mut()
}

/// The Pod spec inside an object: its own, or that of its template.
pub(super) fn pod_spec(object: &mut Value) -> Option<&mut Value> {
    let pointer = match object["kind"].as_str() {
        Some("Pod") => "/spec",
        Some("CronJob") => "/spec/jobTemplate/spec/template/spec",
        _ => "/spec/template/spec",
    };
    object.pointer_mut(pointer)
}
