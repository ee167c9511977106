//! `kubectl get`: tables as the server renders them, or the objects themselves, once or with `--watch`.
//!
//! **Simplified here:** a list comes in one piece, not in chunks of 500.

use super::get_table::{Tables, View};
use super::raw;
use crate::command::{Io, Job, News, Step, json_of};
use crate::flags::{Flag, Parsed, optional, switch, value};
use crate::output::{Format, without_managed_fields};
use crate::resources::{Context, Sought, items, sought};
use api::Object;
use api::http::{Accept, Request, WatchEvent};
use api::jsonpath::JsonPath;
use serde_json::{Value, json};
use std::cmp::Ordering;

pub(super) const FLAGS: &[Flag] = &[
    value("output", Some('o')),
    value("filename", Some('f')),
    value("selector", Some('l')),
    value("field-selector", None),
    value("sort-by", None),
    value("label-columns", Some('L')),
    value("raw", None),
    value("subresource", None),
    value("chunk-size", None),
    value("template", None),
    switch("all-namespaces", Some('A')),
    switch("no-headers", None),
    switch("show-labels", None),
    switch("show-kind", None),
    switch("show-managed-fields", None),
    switch("ignore-not-found", None),
    switch("watch", Some('w')),
    switch("watch-only", None),
    switch("output-watch-events", None),
    optional("server-print", "true"),
];

/// How the command line wants it.
struct Options {
    /// `None` for tables.
    format: Option<Format>,
    view: View,
    /// The namespace of the message that nothing was found; empty for none.
    namespace: String,
    managed_fields: bool,
    ignore_not_found: bool,
    sort_by: Option<JsonPath>,
    /// Whether exactly one object was asked for by name.
    single: bool,
}

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    if let Some(path) = parsed.get("raw") {
        let path = path.to_owned();
        return Ok(Box::new(move |_| raw::get(&path)));
    }
    let template = parsed.get("template").is_some();
    let output = parsed.get("output").unwrap_or(if template { "go-template" } else { "" });
    let format = match output {
        "" | "wide" => None,
        other => Some(Format::parse(other, context.environment.files)?),
    };
    if parsed.words.is_empty() && parsed.get("filename").is_none() {
        return Err(NO_RESOURCE.to_owned());
    }
    let sought = sought(context, parsed, &parsed.words)?;
    let mixed = sought.iter().any(|one| one.info != sought[0].info);
    let all = parsed.on("all-namespaces");
    let view = View {
        wide: output == "wide",
        headers: !parsed.on("no-headers"),
        labels: parsed.on("show-labels"),
        columns: parsed.all("label-columns").into_iter().map(str::to_owned).collect(),
        with_kind: mixed || parsed.on("show-kind"),
        with_namespace: all,
        with_event: parsed.on("output-watch-events"),
    };
    let options = Options {
        format,
        view,
        namespace: if all || !sought.iter().any(|one| one.info.namespaced) { String::new() } else { context.namespace.clone() },
        managed_fields: parsed.on("show-managed-fields"),
        ignore_not_found: parsed.on("ignore-not-found"),
        sort_by: parsed.get("sort-by").map(JsonPath::relaxed).transpose()?,
        single: sought.len() == 1 && sought[0].name.is_some(),
    };
    let only = parsed.on("watch-only");
    if parsed.on("watch") || only {
        let [one] = &sought[..] else {
            return Err("you may only specify a single resource type".to_owned());
        };
        let one = one.clone();
        return Ok(Box::new(move |_| watch(one, options, only)));
    }
    Ok(Box::new(move |io| read(sought.into_iter(), Vec::new(), options, 0, io)))
}

const NO_RESOURCE: &str = "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported \
    resources.\n\nerror: Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource \
    (e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples";

fn request(sought: &Sought, options: &Options) -> Request {
    let mut request = sought.request();
    if options.format.is_none() {
        request.accept = Accept::Table;
        if options.sort_by.is_some() {
            request = request.query("includeObject", "Object");
        }
    }
    request
}

/// Reads one thing after the other, then prints all.
fn read(mut left: std::vec::IntoIter<Sought>, mut found: Vec<(Sought, Value)>, options: Options, code: i32, io: &mut Io<'_>) -> Step {
    let Some(next) = left.next() else { return print(found, &options, code, io) };
    Step::ask(request(&next, &options), move |answer, io| {
        let mut code = code;
        match answer {
            Ok(body) => found.push((next, json_of(body))),
            Err(failure) if options.ignore_not_found && failure.is_not_found() => {}
            Err(failure) => {
                io.complain(&failure.text(""));
                code = 1;
            }
        }
        read(left, found, options, code, io)
    })
}

fn print(mut found: Vec<(Sought, Value)>, options: &Options, code: i32, io: &mut Io<'_>) -> Step {
    if let Some(path) = &options.sort_by {
        for (_, value) in &mut found {
            sort(value, path);
        }
    }
    let Some(format) = &options.format else {
        let printed = Tables::new(options.view.clone()).print_all(&found, io);
        if !printed && code == 0 && !options.ignore_not_found {
            let place = if options.namespace.is_empty() { String::new() } else { format!(" in {} namespace.", options.namespace) };
            io.complain(&format!("No resources found{place}"));
        }
        return Step::Done(code);
    };
    let clean = |value: Value| if options.managed_fields { value } else { without_managed_fields(value) };
    let whole = if options.single {
        match found.pop() {
            Some((_, value)) => clean(value),
            None => return Step::Done(code),
        }
    } else {
        let items: Vec<Value> = found.into_iter().flat_map(|(_, value)| items(value)).map(clean).collect();
        if items.is_empty() && code != 0 {
            return Step::Done(code);
        }
        json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
    };
    match format.print(&whole) {
        Ok(text) => {
            let text = match (format, options.view.headers) {
                (Format::Columns(_), false) => text.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned()),
                _ => text,
            };
            io.print(text);
            Step::Done(code)
        }
        Err(message) => io.error(&message),
    }
}

/// Sorts rows or items by what a path selects.
fn sort(value: &mut Value, path: &JsonPath) {
    let field = if value.get("rows").is_some() { "rows" } else { "items" };
    let Some(list) = value.get_mut(field).and_then(Value::as_array_mut) else { return };
    let key = |item: &Value| {
        let object = if field == "rows" { &item["object"] } else { item };
        path.select(object).ok().and_then(|found| found.first().map(|value| (*value).clone())).unwrap_or(Value::Null)
    };
    list.sort_by(|a, b| order(&key(a), &key(b)));
}

fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().unwrap_or(0.0).partial_cmp(&b.as_f64().unwrap_or(0.0)).unwrap_or(Ordering::Equal)
        }
        (Value::String(a), Value::String(b)) => match (api::quantity::Quantity::parse(a), api::quantity::Quantity::parse(b)) {
            (Ok(a), Ok(b)) => a.milli_value().cmp(&b.milli_value()),
            _ => a.cmp(b),
        },
        _ => a.to_string().cmp(&b.to_string()),
    }
}

/// Prints what there is, unless only changes are wanted, then every change until the run is interrupted or the server ends the watch.
fn watch(one: Sought, options: Options, only: bool) -> Step {
    Step::ask(request(&one, &options), move |answer, io| {
        let value = match answer {
            Ok(body) => json_of(body),
            Err(failure) => return io.fail(&failure),
        };
        let revision = revision(&value);
        let mut tables = Tables::new(options.view.clone());
        let mut printed = 0;
        if !only {
            if options.format.is_some() {
                for item in items(value) {
                    print_object(&item, &options, &mut printed, io);
                }
            } else {
                tables.print_rows(&one, &value, Some("ADDED"), io);
            }
        }
        let mut following = one.clone();
        if let Some(name) = following.name.take() {
            following.query.push(("fieldSelector", format!("metadata.name={name}")));
        }
        let request = request(&following, &options).query("watch", "true").query("resourceVersion", revision.to_string());
        let on = move |_: usize, news: News, io: &mut Io<'_>| match news {
            News::Answer(Ok(_)) => None,
            News::Answer(Err(failure)) => Some(io.fail(&failure)),
            News::Events(events) => {
                for event in &*events {
                    let (word, object) = match event {
                        WatchEvent::Added(object) => ("ADDED", object),
                        WatchEvent::Modified(object) => ("MODIFIED", object),
                        WatchEvent::Deleted(object) => ("DELETED", object),
                        WatchEvent::Bookmark { .. } => continue,
                        WatchEvent::Error(status) => return Some(io.error(&status.message)),
                    };
                    match options.format {
                        Some(_) => print_object(&object.to_json(), &options, &mut printed, io),
                        None => tables.print_rows(&one, &object.to_json(), Some(word), io),
                    }
                }
                None
            }
            News::Text(..) | News::Deadline => None,
            News::Ended => Some(Step::Done(0)),
        };
        Step::Watch(vec![request], None, Box::new(on))
    })
}

/// The revision at which a list, a table or an object was read.
pub(super) fn revision(value: &Value) -> u64 {
    let of = |value: &Value| value["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse::<u64>().ok());
    let rows = value["rows"].as_array().into_iter().flatten().filter_map(|row| of(&row["object"]));
    of(value).or_else(|| rows.max()).unwrap_or(0)
}

fn print_object(value: &Value, options: &Options, printed: &mut usize, io: &mut Io<'_>) {
    let Some(format) = &options.format else { return };
    match format.print(&without_managed_fields(value.clone())) {
        Ok(text) => {
            let text = match format {
                Format::Yaml if *printed > 0 => format!("---\n{text}"),
                Format::Columns(_) if *printed > 0 => text.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned()),
                _ => text,
            };
            *printed += 1;
            io.print(text);
        }
        Err(message) => io.complain(&format!("error: {message}")),
    }
}

/// The objects of a watch event that is no table.
pub(super) fn watched(event: &WatchEvent) -> Option<(bool, &Object)> {
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => Some((true, object)),
        WatchEvent::Deleted(object) => Some((false, object)),
        WatchEvent::Bookmark { .. } | WatchEvent::Error(_) => None,
    }
}
