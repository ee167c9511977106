//! `kubectl get`: tables as the server renders them, or the objects themselves.
//!
//! **Simplified here:** no `-w`, and no `-o jsonpath`, `custom-columns` or `go-template`.

use crate::command::{Command, Event, Flow, Io, json_of};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::{Selected, result_name, select};
use crate::{print, yaml};
use api::http::{Accept, Method, Request, ResourcePath};
use serde_json::{Value, json};
use std::collections::VecDeque;

pub(super) const FLAGS: [Flag; 7] = [
    value("output", Some('o')),
    switch("all-namespaces", Some('A')),
    value("selector", Some('l')),
    value("field-selector", None),
    switch("no-headers", None),
    switch("show-labels", None),
    switch("ignore-not-found", None),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Table,
    Wide,
    Name,
    Json,
    Yaml,
}

#[derive(Debug)]
struct Get {
    format: Format,
    /// Empty for all namespaces.
    namespace: String,
    query: Vec<(&'static str, String)>,
    no_headers: bool,
    show_labels: bool,
    ignore_not_found: bool,
    left: VecDeque<Selected>,
    current: Option<Selected>,
    /// Whether names are printed with their kind.
    with_kind: bool,
    /// Whether exactly one object was asked for by name.
    single: bool,
    found: Vec<(Selected, Value)>,
    code: i32,
}

pub(super) fn build(parsed: &Parsed, namespace: String) -> Result<Box<dyn Command>, String> {
    let format = match parsed.get("output").unwrap_or("") {
        "" => Format::Table,
        "wide" => Format::Wide,
        "name" => Format::Name,
        "json" => Format::Json,
        "yaml" => Format::Yaml,
        other => {
            return Err(format!(
                "unable to match a printer suitable for the output format {other:?}, allowed formats here are: json,name,wide,yaml"
            ));
        }
    };
    let left = VecDeque::from(select(&parsed.words)?);
    let named = left.iter().any(|selected| selected.name.is_some());
    let all = parsed.on("all-namespaces");
    if named && all {
        return Err("a resource cannot be retrieved by name across all namespaces".to_owned());
    }
    let mut query = Vec::new();
    for (flag, parameter) in [("selector", "labelSelector"), ("field-selector", "fieldSelector")] {
        if let Some(text) = parsed.get(flag) {
            if named {
                return Err(format!("name cannot be provided when a {} is specified", flag.replace("field-selector", "field selector")));
            }
            query.push((parameter, text.to_owned()));
        }
    }
    let with_kind = left.iter().any(|selected| selected.info != left[0].info);
    Ok(Box::new(Get {
        format,
        namespace: if all { String::new() } else { namespace },
        query,
        no_headers: parsed.on("no-headers"),
        show_labels: parsed.on("show-labels"),
        ignore_not_found: parsed.on("ignore-not-found"),
        single: left.len() == 1 && named,
        with_kind,
        left,
        current: None,
        found: Vec::new(),
        code: 0,
    }))
}

impl Command for Get {
    fn advance(&mut self, event: Event, io: &mut Io<'_>) -> Flow {
        if let (Event::Answer(answer), Some(current)) = (event, self.current.take()) {
            match answer {
                Ok(body) => self.found.push((current, json_of(body))),
                Err(failure) if self.ignore_not_found && failure.is_not_found() => {}
                Err(failure) => {
                    io.complain(&failure.text(""));
                    self.code = 1;
                }
            }
        }
        let Some(next) = self.left.pop_front() else {
            self.print(io);
            return Flow::Done(self.code);
        };
        let namespace = if next.info.namespaced { self.namespace.as_str() } else { "" };
        let path = match &next.name {
            Some(name) => ResourcePath::object(next.info, namespace, name),
            None => ResourcePath::collection(next.info, namespace),
        };
        let mut request = Request::new(Method::Get, path);
        request.query.extend(self.query.iter().map(|(name, text)| ((*name).into(), text.clone())));
        if matches!(self.format, Format::Table | Format::Wide) {
            request.accept = Accept::Table;
        }
        self.current = Some(next);
        io.ask(request)
    }
}

impl Get {
    fn print(&self, io: &mut Io<'_>) {
        match self.format {
            Format::Table | Format::Wide => self.print_tables(io),
            Format::Name => {
                for (selected, value) in &self.found {
                    for item in items(value) {
                        let name = item.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("");
                        io.print(format!("{}\n", result_name(selected.info, name)));
                    }
                }
            }
            Format::Json | Format::Yaml => {
                let whole = match &self.found[..] {
                    [(_, value)] if self.single => value.clone(),
                    [] if self.single || self.code != 0 => return,
                    several => {
                        let items: Vec<Value> = several.iter().flat_map(|(_, value)| items(value)).collect();
                        json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
                    }
                };
                io.print(if self.format == Format::Json { print::json(&whole) } else { yaml::write(&whole) });
            }
        }
    }

    fn print_tables(&self, io: &mut Io<'_>) {
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut last = None;
        let mut printed = false;
        for (selected, table) in &self.found {
            let body = self.rows(selected, table);
            if body.is_empty() {
                continue;
            }
            if last != Some(selected.info) {
                if printed {
                    io.print(print::columns(&rows));
                    io.print("\n");
                    rows.clear();
                }
                if !self.no_headers {
                    rows.push(self.header(selected, table));
                }
                last = Some(selected.info);
            }
            printed = true;
            rows.extend(body);
        }
        if printed {
            io.print(print::columns(&rows));
        } else if self.code == 0 && !self.ignore_not_found {
            let scoped = self.found.iter().any(|(selected, _)| selected.info.namespaced) && !self.namespace.is_empty();
            let place = if scoped { format!(" in {} namespace.", self.namespace) } else { String::new() };
            io.complain(&format!("No resources found{place}"));
        }
    }

    fn shown(&self, table: &Value) -> Vec<bool> {
        let definitions = table["columnDefinitions"].as_array().map_or(&[][..], Vec::as_slice);
        definitions.iter().map(|column| self.format == Format::Wide || column["priority"].as_i64().unwrap_or(0) == 0).collect()
    }

    fn header(&self, selected: &Selected, table: &Value) -> Vec<String> {
        let definitions = table["columnDefinitions"].as_array().map_or(&[][..], Vec::as_slice);
        let names = definitions.iter().zip(self.shown(table)).filter(|(_, shown)| *shown);
        let mut row: Vec<String> = names.map(|(column, _)| column["name"].as_str().unwrap_or("").to_uppercase()).collect();
        if self.namespace.is_empty() && selected.info.namespaced {
            row.insert(0, "NAMESPACE".to_owned());
        }
        row.extend(self.show_labels.then(|| "LABELS".to_owned()));
        row
    }

    fn rows(&self, selected: &Selected, table: &Value) -> Vec<Vec<String>> {
        let shown = self.shown(table);
        let rows = table["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let render = |row: &Value| {
            let cells = row["cells"].as_array().map_or(&[][..], Vec::as_slice);
            let mut texts: Vec<String> = cells.iter().zip(&shown).filter(|(_, shown)| **shown).map(|(cell, _)| print::cell(cell)).collect();
            let metadata = &row["object"]["metadata"];
            if self.with_kind
                && let Some(first) = texts.first_mut()
            {
                *first = result_name(selected.info, first);
            }
            if self.namespace.is_empty() && selected.info.namespaced {
                texts.insert(0, metadata["namespace"].as_str().unwrap_or("").to_owned());
            }
            if self.show_labels {
                let labels = metadata["labels"].as_object();
                let pairs: Vec<String> = labels.into_iter().flatten().map(|(k, v)| format!("{k}={}", print::cell(v))).collect();
                texts.push(if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") });
            }
            texts
        };
        rows.iter().map(render).collect()
    }
}

fn items(value: &Value) -> Vec<Value> {
    value["items"].as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}
