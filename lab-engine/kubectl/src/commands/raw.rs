//! `kubectl get --raw PATH`: one GET of any path, printed as the server sent it (`k8s.io/kubectl/pkg/rawhttp`).
//!
//! The query goes along, so that `limit`, `continue`, `resourceVersion` and `watch=true` can be tried by hand. A watch prints one JSON
//! document a line, as it comes over the wire, until the server ends it or Ctrl-C.
//!
//! **Simplified here:** only `get` has `--raw`; `create`, `replace` and `delete` do not.

use crate::command::{News, Step, json_of};
use api::http::{Body, Method, Request, ResourcePath, WatchEvent};
use api::kinds::{Gvr, find_resource};
use serde_json::{Value, json};
use std::borrow::Cow;

/// What is asked with a path and its query.
pub(super) fn request(target: &str) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = match ResourcePath::parse(path) {
        Some(path) => Request::new(Method::Get, path),
        None => Request::get_other(path),
    };
    let pairs = form_urlencoded::parse(query.as_bytes());
    request.query = pairs.map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned())).collect();
    request
}

/// Asks, and prints what comes.
pub(super) fn get(target: &str) -> Step {
    let request = request(target);
    match ResourcePath::parse(target.split('?').next().unwrap_or_default()) {
        Some(path) if request.is_watch() => follow(request, path.resource),
        _ => Step::ask(request, |answer, io| match answer {
            Ok(Body::Text(text)) => {
                io.print(&*text);
                Step::Done(0)
            }
            Ok(body) => {
                io.print(format!("{}\n", json_of(body)));
                Step::Done(0)
            }
            Err(failure) => io.fail(&failure),
        }),
    }
}

fn follow(request: Request, resource: Gvr) -> Step {
    let on = move |_: usize, news: News, io: &mut crate::command::Io<'_>| match news {
        News::Answer(Err(failure)) => Some(io.fail(&failure)),
        News::Events(events) => {
            for event in &*events {
                let (word, object) = on_the_wire(event, &resource);
                io.print(format!("{{\"type\":\"{word}\",\"object\":{object}}}\n"));
            }
            None
        }
        News::Answer(Ok(_)) | News::Text(..) | News::Deadline => None,
        News::Ended => Some(Step::Done(0)),
    };
    Step::Watch(vec![request], None, Box::new(on))
}

/// An event as it comes over the wire: its type, and the object.
fn on_the_wire(event: &WatchEvent, resource: &Gvr) -> (&'static str, Value) {
    match event {
        WatchEvent::Added(object) => ("ADDED", object.to_json()),
        WatchEvent::Modified(object) => ("MODIFIED", object.to_json()),
        WatchEvent::Deleted(object) => ("DELETED", object.to_json()),
        WatchEvent::Error(status) => ("ERROR", status.to_json()),
        WatchEvent::Bookmark { resource_version, initial_events_end } => {
            let info = find_resource(&resource.group, &resource.version, &resource.resource);
            let mut metadata = json!({"resourceVersion": resource_version.to_string()});
            if *initial_events_end {
                metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
            }
            let (kind, version) = info.map_or(("", String::new()), |info| (&*info.kind, info.api_version()));
            ("BOOKMARK", json!({"kind": kind, "apiVersion": version, "metadata": metadata}))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::http::Path;
    use api::status::Status;

    #[test]
    fn paths_and_queries_are_taken_apart() {
        let asked = request("/api/v1/namespaces/default/pods?limit=2&labelSelector=app%3Dweb");
        assert!(matches!(&asked.path, Path::Resource(path) if path.to_string() == "/api/v1/namespaces/default/pods"));
        assert_eq!((asked.param("limit"), asked.param("labelSelector")), (Some("2"), Some("app=web")));
        assert!(matches!(request("/readyz").path, Path::Other(path) if path == "/readyz"));
        assert!(request("/api/v1/pods?watch=1").is_watch());
    }

    #[test]
    fn events_are_written_as_on_the_wire() {
        let configmaps = find_resource("", "v1", "configmaps").unwrap().gvr();
        let (word, bookmark) = on_the_wire(&WatchEvent::Bookmark { resource_version: 7, initial_events_end: false }, &configmaps);
        let wanted = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}});
        assert_eq!((word, bookmark), ("BOOKMARK", wanted));
        let expired = Status::expired("too old resource version: 1 (9)");
        let (word, gone) = on_the_wire(&WatchEvent::Error(Box::new(expired)), &configmaps);
        assert_eq!((word, gone["code"].as_u64()), ("ERROR", Some(410)));
    }
}
