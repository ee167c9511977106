//! `kubectl label` and `kubectl annotate`.

use super::change::{Edit, Words, change, map_at};
use super::submit::Submit;
use crate::command::{Io, Job, Step};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::{Context, chosen, gather};
use serde_json::{Map, Value};
use std::rc::Rc;

pub(super) const FLAGS: &[Flag] = &[
    value("filename", Some('f')),
    value("selector", Some('l')),
    value("field-selector", None),
    value("resource-version", None),
    switch("overwrite", None),
    switch("all", None),
    switch("all-namespaces", Some('A')),
    switch("list", None),
    switch("local", None),
];

/// Whether it is labels or annotations that change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Labels,
    Annotations,
}

pub(super) fn label(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    build(context, parsed, What::Labels)
}

pub(super) fn annotate(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    build(context, parsed, What::Annotations)
}

/// What is set and what is taken away.
struct Changes {
    set: Vec<(String, String)>,
    remove: Vec<String>,
}

fn build(context: &Context<'_>, parsed: &Parsed, what: What) -> Result<Job, String> {
    let noun = if what == What::Labels { "label" } else { "annotation" };
    let is_pair = |word: &&String| word.contains('=') || word.ends_with('-');
    let pairs: Vec<&String> = parsed.words.iter().filter(is_pair).collect();
    let words: Vec<String> = parsed.words.iter().filter(|word| !is_pair(word)).cloned().collect();
    if words.is_empty() && parsed.get("filename").is_none() {
        return Err("one or more resources must be specified as <resource> <name> or <resource>/<name>".to_owned());
    }
    if pairs.is_empty() && !parsed.on("list") {
        return Err(format!("at least one {noun} update is required"));
    }
    let changes = changes(&pairs)?;
    let sought = chosen(context, parsed, &words).map_err(|message| match message.as_str() {
        "resource(s) were provided, but no name was specified" if what == What::Labels => {
            "resource(s) were provided, but no name, label selector, or --all flag specified".to_owned()
        }
        _ => message,
    })?;
    if parsed.on("list") {
        return Ok(Box::new(move |io| {
            gather(sought, io, move |targets, io| {
                let field = if what == What::Labels { "labels" } else { "annotations" };
                let several = targets.len() > 1;
                for target in targets {
                    if several {
                        io.print(format!("Listing {field} for {}/{}:\n ", target.info.kind, target.name));
                    }
                    for (key, value) in target.live["metadata"][field].as_object().into_iter().flatten() {
                        io.print(format!("{key}={}\n", value.as_str().unwrap_or("")));
                    }
                }
                Step::Done(0)
            })
        }));
    }
    let overwrite = parsed.on("overwrite");
    let submit = Submit::read(context, parsed, if what == What::Labels { "kubectl-label" } else { "kubectl-annotate" })?;
    let edit: Edit = Rc::new(move |_, object, io| apply(&changes, what, overwrite, object, io));
    Ok(Box::new(move |io| change(sought, submit, io, edit)))
}

fn changes(pairs: &[&String]) -> Result<Changes, String> {
    let mut changes = Changes { set: Vec::new(), remove: Vec::new() };
    for pair in pairs {
        match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => changes.set.push((key.to_owned(), value.to_owned())),
            Some(_) => return Err(format!("invalid label spec: {pair}")),
            None => changes.remove.push(pair[..pair.len() - 1].to_owned()),
        }
    }
    if let Some(key) = changes.remove.iter().find(|key| changes.set.iter().any(|(other, _)| other == *key)) {
        return Err(format!("can not both modify and remove a label in the same command: {key:?}"));
    }
    Ok(changes)
}

fn apply(changes: &Changes, what: What, overwrite: bool, object: &mut Value, io: &mut Io<'_>) -> Result<Words, String> {
    let field = if what == What::Labels { "labels" } else { "annotations" };
    let mut empty = Map::new();
    let map = map_at(object, &["metadata", field]).unwrap_or(&mut empty);
    let clash = |(key, value): &&(String, String)| map.get(key).and_then(Value::as_str).is_some_and(|old| old != value);
    if !overwrite && let Some((key, _)) = changes.set.iter().find(clash) {
        let old = map[key].as_str().unwrap_or("");
        return Err(match what {
            What::Labels => format!("'{key}' already has a value ({old}), and --overwrite is false"),
            What::Annotations => {
                format!("--overwrite is false but found the following declared annotation(s): '{key}' already has a value ({old})")
            }
        });
    }
    for key in &changes.remove {
        if map.remove(key).is_none() && what == What::Labels {
            io.print(format!("label {key:?} not found.\n"));
        }
    }
    map.extend(changes.set.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))));
    Ok(match what {
        What::Labels if changes.set.is_empty() => Words { changed: "unlabeled", unchanged: "not labeled" },
        What::Labels => Words { changed: "labeled", unchanged: "not labeled" },
        What::Annotations => Words { changed: "annotated", unchanged: "annotated" },
    })
}
