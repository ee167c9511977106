//! What commands print: tables, objects and templates (`-o`), as `k8s.io/cli-runtime/pkg/printers` and `kubectl get` lay them out.

pub(crate) mod human;
pub(crate) mod tables;
pub(crate) mod yaml;

use crate::files::Files;
use crate::resources::result_name;
use api::jsonpath::JsonPath;
use api::kinds::find_kind;
use serde_json::Value;

/// A format of objects, chosen by `-o`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Format {
    /// `-o name`
    Name,
    /// `-o json`
    Json,
    /// `-o yaml`
    Yaml,
    /// `-o jsonpath=…`
    JsonPath(JsonPath),
    /// `-o jsonpath-as-json=…`
    JsonPathAsJson(JsonPath),
    /// `-o custom-columns=…`: headers and paths.
    Columns(Vec<(String, JsonPath)>),
}

/// The formats that upstream names when it is given another.
const ALLOWED: &str = "custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,\
                       name,template,templatefile,wide,yaml";

impl Format {
    /// Reads the value of `-o`, which is neither empty nor `wide`.
    ///
    /// # Errors
    /// The text that follows `error: `.
    pub(crate) fn parse(text: &str, files: &Files) -> Result<Self, String> {
        let (name, given) = text.split_once('=').map_or((text, None), |(name, given)| (name, Some(given)));
        let read = |path: &str| files.read(path).map(str::to_owned).ok_or_else(|| format!("open {path}: no such file or directory"));
        let argument = |what: &str| match given {
            Some(given) if !given.is_empty() => Ok(given),
            _ => Err(format!("{what} format specified but no {what} given")),
        };
        Ok(match name {
            "name" => Format::Name,
            "json" => Format::Json,
            "yaml" => Format::Yaml,
            "jsonpath" => Format::JsonPath(JsonPath::parse(argument("template")?)?),
            "jsonpath-as-json" => Format::JsonPathAsJson(JsonPath::parse(argument("template")?)?),
            "jsonpath-file" => Format::JsonPath(JsonPath::parse(&read(argument("template")?)?)?),
            "custom-columns" => Format::Columns(custom_columns(argument("custom-columns")?)?),
            "custom-columns-file" => Format::Columns(columns_file(&read(argument("custom-columns")?)?)?),
            "go-template" | "go-template-file" | "template" | "templatefile" => {
                return Err(format!("the output format {name:?} is not supported in this terminal: use jsonpath or custom-columns"));
            }
            _ => return Err(format!("unable to match a printer suitable for the output format {text:?}, allowed formats are: {ALLOWED}")),
        })
    }

    /// One object, or a list, in this format.
    ///
    /// # Errors
    /// The text that follows `error: `.
    pub(crate) fn print(&self, value: &Value) -> Result<String, String> {
        Ok(match self {
            Format::Json => tables::json(value),
            Format::Yaml => yaml::write(value),
            Format::JsonPath(path) => path.execute(value)?,
            Format::JsonPathAsJson(path) => {
                let found = path.select(value)?.into_iter().cloned().collect();
                tables::json(&Value::Array(found))
            }
            Format::Name => crate::resources::items(value.clone()).iter().map(name_line).collect(),
            Format::Columns(columns) => {
                let mut rows = vec![columns.iter().map(|(header, _)| header.clone()).collect()];
                for item in crate::resources::items(value.clone()) {
                    rows.push(cells(columns, &item)?);
                }
                tables::columns(&rows)
            }
        })
    }
}

/// `deployment.apps/web` and a line's end.
fn name_line(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    match find_kind(&version, &kind) {
        Some(info) => format!("{}\n", result_name(info, &name)),
        None => match version.split_once('/') {
            Some((group, _)) => format!("{}.{group}/{name}\n", kind.to_lowercase()),
            None => format!("{}/{name}\n", kind.to_lowercase()),
        },
    }
}

/// The cells of one object.
///
/// # Errors
/// As [`JsonPath::execute`].
pub(crate) fn cells(columns: &[(String, JsonPath)], item: &Value) -> Result<Vec<String>, String> {
    let cell = |path: &JsonPath| {
        // An index beyond the end leaves the cell empty.
        let found = path.select(item).unwrap_or_default();
        let texts: Vec<String> = found.into_iter().map(|value| if value.is_null() { "<nil>".to_owned() } else { go_text(value) }).collect();
        if texts.is_empty() { "<none>".to_owned() } else { texts.join(",") }
    };
    Ok(columns.iter().map(|(_, path)| cell(path)).collect())
}

/// A value as Go's `fmt.Print` writes it: `map[app:web]`, `[a b]`.
pub(crate) fn go_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let pairs: Vec<String> = fields.iter().map(|(key, value)| format!("{key}:{}", go_text(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
        other => other.to_string(),
    }
}

fn custom_columns(spec: &str) -> Result<Vec<(String, JsonPath)>, String> {
    let part = |part: &str| {
        let bad = || format!("unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>");
        let (header, path) = part.split_once(':').ok_or_else(bad)?;
        Ok((header.to_owned(), JsonPath::relaxed(path)?))
    };
    spec.split(',').map(part).collect()
}

fn columns_file(text: &str) -> Result<Vec<(String, JsonPath)>, String> {
    let mut lines = text.lines();
    let headers: Vec<&str> = lines.next().unwrap_or("").split_whitespace().collect();
    let paths: Vec<&str> = lines.next().unwrap_or("").split_whitespace().collect();
    if headers.len() != paths.len() {
        return Err(format!("number of headers ({}) and field specifications ({}) don't match", headers.len(), paths.len()));
    }
    headers.into_iter().zip(paths).map(|(header, path)| Ok((header.to_owned(), JsonPath::relaxed(path)?))).collect()
}

/// The object without what `kubectl` leaves out when it prints whole objects.
pub(crate) fn without_managed_fields(mut value: Value) -> Value {
    let strip = |object: &mut Value| {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    };
    if let Some(items) = value.get_mut("items").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(strip);
    }
    strip(&mut value);
    value
}
