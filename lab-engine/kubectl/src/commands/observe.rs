//! Waiting for objects: a list, then a watch from there, until something holds (client-go's `UntilWithSync`).

use super::get::{revision, watched};
use crate::command::{Io, News, Step, json_of};
use crate::resources::items;
use api::http::{Method, Request, ResourcePath};
use serde_json::Value;
use sim::Time;

/// What an observer is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen<'a> {
    /// The object as it is, or `None` when it is not there.
    Object(Option<&'a Value>),
    /// The time is up.
    Timeout,
}

/// Observes one object until `check` gives a step.
pub(super) fn object(
    path: ResourcePath,
    deadline: Option<Time>,
    mut check: impl FnMut(Seen<'_>, &mut Io<'_>) -> Option<Step> + 'static,
) -> Step {
    let name = path.name.clone().unwrap_or_default();
    let collection = ResourcePath { name: None, ..path.clone() };
    let list = Request::new(Method::Get, collection).query("fieldSelector", format!("metadata.name={name}"));
    let again = list.clone();
    Step::json(list, move |value, io| {
        let revision = revision(&value);
        let found = items(value);
        if let Some(step) = check(Seen::Object(found.first()), io) {
            return step;
        }
        let watch = again.query("watch", "true").query("resourceVersion", revision.to_string());
        let mut check = Some(check);
        let on = move |_: usize, news: News, io: &mut Io<'_>| match news {
            News::Events(events) => {
                let check = check.as_mut()?;
                for event in &*events {
                    let Some((exists, object)) = watched(event) else { continue };
                    let value = exists.then(|| object.to_json_without_managed_fields());
                    let step = check(Seen::Object(value.as_ref()), io);
                    if step.is_some() {
                        return step;
                    }
                }
                None
            }
            News::Answer(Err(failure)) => Some(io.fail(&failure)),
            News::Answer(Ok(_)) | News::Text(..) => None,
            News::Deadline => check.as_mut()?(Seen::Timeout, io),
            // The server closed the watch: begin anew.
            News::Ended => check.take().map(|check| object(path.clone(), deadline, check)),
        };
        Step::Watch(vec![watch], deadline, Box::new(on))
    })
}

/// Waits until an object is gone, then goes on; false when the time was up first.
pub(super) fn until_gone(path: ResourcePath, deadline: Option<Time>, then: impl FnOnce(bool, &mut Io<'_>) -> Step + 'static) -> Step {
    let mut then = Some(then);
    let mut uid: Option<Value> = None;
    object(path, deadline, move |seen, io| {
        let gone = match seen {
            Seen::Timeout => false,
            Seen::Object(None) => true,
            // Another object of the same name: the one that is waited for is gone.
            Seen::Object(Some(value)) => {
                let new = &value["metadata"]["uid"];
                if uid.get_or_insert_with(|| new.clone()) == new {
                    return None;
                }
                true
            }
        };
        then.take().map(|then| then(gone, io))
    })
}

/// The JSON of an answer's items, for commands that list.
pub(super) fn list(request: Request, then: impl FnOnce(Vec<Value>, &mut Io<'_>) -> Step + 'static) -> Step {
    Step::ask(request, move |answer, io| match answer {
        Ok(body) => then(items(json_of(body)), io),
        Err(failure) => io.fail(&failure),
    })
}
