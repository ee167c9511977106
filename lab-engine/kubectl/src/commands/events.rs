//! `kubectl events [--for TYPE/NAME] [-w]`.

use super::describe::{interval, last_seen};
use super::get::{revision, watched};
use crate::command::{Job, News, Step};
use crate::flags::{Flag, Parsed, switch, value};
use crate::output::Format;
use crate::output::tables::Layout;
use crate::resources::{Context, items, resolve};
use api::http::{Method, Request, ResourcePath};
use serde_json::{Value, json};
use sim::Time;

pub(super) const FLAGS: &[Flag] = &[
    value("for", None),
    value("types", None),
    value("output", Some('o')),
    value("chunk-size", None),
    switch("all-namespaces", Some('A')),
    switch("no-headers", None),
    switch("watch", Some('w')),
];

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let info = resolve("events")?;
    let all = parsed.on("all-namespaces");
    let namespace = if all { String::new() } else { context.namespace.clone() };
    let format = match parsed.get("output") {
        None | Some("") => None,
        Some(text) => Some(Format::parse(text, context.environment.files)?),
    };
    let mut request = Request::new(Method::Get, ResourcePath::collection(info, &namespace));
    if let Some(word) = parsed.get("for") {
        let bad = || "--for must be in resource/name form".to_owned();
        let (kind, name) = word.split_once('/').ok_or_else(bad)?;
        let selector = format!("involvedObject.kind={},involvedObject.name={name}", context.kinds.resolve(kind)?.kind);
        request = request.query("fieldSelector", selector);
    }
    let types: Vec<String> = parsed.all("types").into_iter().map(str::to_lowercase).collect();
    if let Some(other) = types.iter().find(|word| !matches!(word.as_str(), "normal" | "warning")) {
        return Err(format!("valid --types are Normal or Warning, not {other}"));
    }
    let wanted = move |event: &Value| types.is_empty() || types.contains(&event["type"].as_str().unwrap_or("").to_lowercase());
    let (headers, watch) = (!parsed.on("no-headers"), parsed.on("watch"));
    Ok(Box::new(move |_| {
        Step::json(request.clone(), move |value, io| {
            let revision = revision(&value);
            let mut found: Vec<Value> = items(value).into_iter().filter(|event| wanted(event)).collect();
            found.sort_by_key(|event| last_seen(event).as_str().unwrap_or("").to_owned());
            if let Some(format) = &format {
                return match format.print(&json!({"apiVersion": "v1", "items": found, "kind": "List", "metadata": {"resourceVersion": ""}}))
                {
                    Ok(text) => {
                        io.print(text);
                        Step::Done(0)
                    }
                    Err(message) => io.error(&message),
                };
            }
            if found.is_empty() && !watch {
                let place = if namespace.is_empty() { String::new() } else { format!(" in {namespace} namespace") };
                io.complain(&format!("No events found{place}."));
                return Step::Done(0);
            }
            let mut layout = Layout::default();
            let mut rows: Vec<Vec<String>> = found.iter().map(|event| row(event, all, io.now)).collect();
            if headers {
                rows.insert(0, header(all));
            }
            io.print(layout.lines(&rows));
            if !watch {
                return Step::Done(0);
            }
            let request = request.query("watch", "true").query("resourceVersion", revision.to_string());
            follow(request, layout, all, wanted)
        })
    }))
}

/// Prints every Event that happens, until the run is interrupted.
fn follow(request: Request, mut layout: Layout, all: bool, wanted: impl Fn(&Value) -> bool + 'static) -> Step {
    let on = move |_: usize, news: News, io: &mut crate::command::Io<'_>| match news {
        News::Events(events) => {
            let shown =
                events.iter().filter_map(watched).filter(|(exists, _)| *exists).map(|(_, object)| object.to_json_without_managed_fields());
            let rows: Vec<Vec<String>> = shown.filter(|event| wanted(event)).map(|event| row(&event, all, io.now)).collect();
            let lines = layout.lines(&rows);
            io.print(lines);
            None
        }
        News::Answer(Err(failure)) => Some(io.fail(&failure)),
        News::Ended => Some(Step::Done(0)),
        News::Answer(Ok(_)) | News::Text(..) | News::Deadline => None,
    };
    Step::Watch(vec![request], None, Box::new(on))
}

fn header(all: bool) -> Vec<String> {
    let names = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
    all.then_some("NAMESPACE").into_iter().chain(names).map(str::to_owned).collect()
}

fn row(event: &Value, all: bool, now: Time) -> Vec<String> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    let object = format!("{}/{}", text("/involvedObject/kind"), text("/involvedObject/name"));
    let mut row = vec![interval(event, now), text("/type"), text("/reason"), object, text("/message").trim().replace('\n', " ")];
    if all {
        row.insert(0, text("/metadata/namespace"));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_row_tells_how_often_something_happened() {
        let event = json!({
            "type": "Warning", "reason": "BackOff", "message": "Back-off restarting", "count": 3,
            "firstTimestamp": "2026-05-04T08:00:00Z", "lastTimestamp": "2026-05-04T08:00:50Z",
            "involvedObject": {"kind": "Pod", "name": "web"}, "metadata": {"namespace": "default"},
        });
        let row = row(&event, true, Time::ZERO + Duration::from_secs(60));
        assert_eq!(row, ["default", "10s (x3 over 60s)", "Warning", "BackOff", "Pod/web", "Back-off restarting"]);
    }
}
