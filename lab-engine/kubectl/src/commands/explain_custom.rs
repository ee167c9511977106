//! `kubectl explain` of custom resources, from the server's OpenAPI document (`k8s.io/kubectl/pkg/explain/v2`).

use crate::command::{Io, Job, Step};
use api::http::Request;
use api::kinds::Kind;
use serde_json::Value;
use std::fmt::Write as _;

/// How deep `--recursive` goes.
const MAX_DEPTH: usize = 12;

/// The width of descriptions.
const WIDTH: usize = 78;

/// Explains the field at `path` of a kind.
pub(super) fn job(kind: Kind, path: Vec<String>, recursive: bool) -> Job {
    Box::new(move |_| {
        let request = Request::get_other(format!("/openapi/v3/apis/{}/{}", kind.group, kind.version));
        Step::json(request, move |document, io| explain(&kind, &path, recursive, &document, io))
    })
}

fn explain(kind: &Kind, path: &[String], recursive: bool, document: &Value, io: &mut Io<'_>) -> Step {
    let is_kind = |schema: &&Value| {
        let mut names = schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten();
        names.any(|name| name["group"] == *kind.group && name["version"] == *kind.version && name["kind"] == *kind.kind)
    };
    let schemas = document["components"]["schemas"].as_object();
    let Some(root) = schemas.into_iter().flatten().map(|(_, schema)| schema).find(is_kind) else {
        return io.error(&format!("couldn't find resource for \"{}/{}, Kind={}\"", kind.group, kind.version, kind.kind));
    };
    let (mut here, mut required) = (Some(root), false);
    for name in path {
        let object = here.map_or(&Value::Null, |schema| structure(document, schema));
        required = is_required(object, name);
        here = object["properties"].get(name);
        if here.is_none() {
            return io.error(&format!("field {name:?} does not exist"));
        }
    }
    let here = here.unwrap_or(root);
    let mut text = format!("GROUP:      {}\nKIND:       {}\nVERSION:    {}\n\n", kind.group, kind.kind, kind.version);
    if let Some(name) = path.last() {
        let _ = writeln!(text, "FIELD: {name} <{}>{}\n", type_name(here), if required { " -required-" } else { "" });
        choices(&mut text, here, "");
    }
    let described = here["description"].as_str().filter(|words| !words.is_empty()).unwrap_or("<empty>");
    let _ = writeln!(text, "DESCRIPTION:\n{}", wrapped(described, "    "));
    let object = structure(document, here);
    if object["properties"].is_object() {
        text.push_str("\nFIELDS:\n");
        fields(&mut text, document, object, 1, recursive);
    }
    text.push('\n');
    io.print(text);
    Step::Done(0)
}

/// The schema that a reference stands for.
fn referred<'v>(document: &'v Value, schema: &'v Value) -> &'v Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    match reference.and_then(|reference| reference.strip_prefix("#/components/schemas/")) {
        Some(name) => &document["components"]["schemas"][name],
        None => schema,
    }
}

/// The schema of the objects inside lists and maps.
fn structure<'v>(document: &'v Value, schema: &'v Value) -> &'v Value {
    let mut schema = referred(document, schema);
    for _ in 0..MAX_DEPTH {
        let inner = [&schema["items"], &schema["additionalProperties"]].into_iter().find(|inner| inner.is_object());
        match inner {
            Some(inner) => schema = referred(document, inner),
            None => break,
        }
    }
    schema
}

fn is_required(object: &Value, name: &str) -> bool {
    object["required"].as_array().is_some_and(|required| required.iter().any(|one| one == name))
}

fn type_name(schema: &Value) -> String {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    if let Some(name) = reference.and_then(|reference| reference.rsplit('.').next()) {
        return name.to_owned();
    }
    match schema["type"].as_str() {
        Some("array") => format!("[]{}", type_name(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map[string]{}", type_name(&schema["additionalProperties"]))
        }
        Some("object") => "Object".to_owned(),
        Some(other) => other.to_owned(),
        None if schema["x-kubernetes-int-or-string"] == true => "IntOrString".to_owned(),
        None => "Object".to_owned(),
    }
}

fn choices(text: &mut String, schema: &Value, pad: &str) {
    if let Some(allowed) = schema["enum"].as_array() {
        let words: Vec<String> = allowed.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect();
        let _ = writeln!(text, "{pad}ENUM:\n{pad}    {}", words.join(&format!("\n{pad}    ")));
    }
}

fn fields(text: &mut String, document: &Value, object: &Value, level: usize, recursive: bool) {
    let pad = "  ".repeat(level);
    for (name, schema) in object["properties"].as_object().into_iter().flatten() {
        let required = if is_required(object, name) { " -required-" } else { "" };
        let _ = writeln!(text, "{pad}{name}\t<{}>{required}", type_name(schema));
        let inner = structure(document, schema);
        if recursive {
            // Metadata is the same everywhere.
            if level < MAX_DEPTH && inner["properties"].is_object() && inner != object {
                fields(text, document, inner, level + 1, true);
            }
            continue;
        }
        choices(text, schema, &pad);
        let described = schema["description"].as_str().filter(|words| !words.is_empty());
        let _ = writeln!(text, "{}\n", wrapped(described.unwrap_or("<no description>"), &format!("{pad}  ")));
    }
}

/// The words in lines of at most [`WIDTH`] characters.
fn wrapped(words: &str, pad: &str) -> String {
    let mut lines = vec![pad.to_owned()];
    for word in words.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.len() > pad.len() && line.len() + 1 + word.len() > WIDTH {
            lines.push(format!("{pad}{word}"));
        } else {
            if line.len() > pad.len() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}
