//! Manifests given by `-f`: read, resolved to a kind, and kept with the places of their fields.
//!
//! After an error that the server lays to a field, the place in the file is shown too; that line is an addition of this workbook.

use crate::command::Failure;
use crate::resources::Context;
use api::http::ResourcePath;
use api::kinds::Kind;
use api::yaml::{Document, excerpt, read_documents};
use serde_json::Value;
use std::sync::Arc;

/// One object of a file.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// The file, or `STDIN`.
    pub(crate) source: String,
    /// Its kind.
    pub(crate) info: Kind,
    /// Its name; may be empty.
    pub(crate) name: String,
    /// Its namespace; empty for objects of the cluster.
    pub(crate) namespace: String,
    /// What the file says, with the namespace filled in.
    pub(crate) value: Value,
    text: Arc<str>,
    document: Document,
}

impl Manifest {
    /// The object's path.
    pub(crate) fn path(&self) -> ResourcePath {
        ResourcePath::object(&self.info, &self.namespace, &self.name)
    }

    /// An error with, where it is known, the place in the file.
    pub(crate) fn explain(&self, failure: &Failure, doing: &str) -> String {
        let mut text = failure.text(&format!("{doing} {:?}", self.source));
        if let Failure::Refused(status) = failure {
            for cause in &status.details.causes {
                if let Some(position) = self.document.positions.find(&cause.field).filter(|_| !cause.field.is_empty()) {
                    let shown = excerpt(&self.text, position).replace('\n', "\n      ");
                    let place = format!("\n  --> {}:{}:{}  {}\n      {shown}", self.source, position.line, position.column, cause.field);
                    text.push_str(&place);
                }
            }
        }
        text
    }
}

/// Reads every file, folder or `-` in `paths`.
///
/// # Errors
/// The text that follows `error: `.
pub(crate) fn load(paths: &[&str], context: &Context<'_>) -> Result<Vec<Manifest>, String> {
    let (manifests, unknown) = load_known(paths, context)?;
    unknown.into_iter().next().map_or(Ok(manifests), Err)
}

/// As [`load`], but objects of kinds that the server does not have are left out; the second part tells of them. So a definition can stand
/// in one file with objects of its kind, which a second run then makes.
///
/// # Errors
/// The text that follows `error: `.
pub(crate) fn load_known(paths: &[&str], context: &Context<'_>) -> Result<(Vec<Manifest>, Vec<String>), String> {
    let environment = &context.environment;
    let (mut manifests, mut unknown) = (Vec::new(), Vec::new());
    for path in paths {
        let texts = match (*path, environment.files.read(path)) {
            ("-", _) => vec![("STDIN", environment.stdin)],
            (_, Some(text)) => vec![(*path, text)],
            _ => environment.files.manifests_in(path),
        };
        if texts.is_empty() {
            return Err(format!("the path {path:?} does not exist"));
        }
        for (source, text) in texts {
            let shared: Arc<str> = text.into();
            let documents = read_documents(text).map_err(|error| {
                let shown = excerpt(text, error.position()).replace('\n', "\n      ");
                let place = format!("  --> {source}:{}:{}\n      {shown}", error.line, error.column);
                format!("error parsing {source}: error converting YAML to JSON: yaml: line {}: {}\n{place}", error.line, error.message)
            })?;
            for document in documents {
                for found in flatten(source, &shared, document, context) {
                    match found {
                        Ok(manifest) => manifests.push(manifest),
                        Err(Unusable::Kind(message)) => unknown.push(message),
                        Err(Unusable::Other(message)) => return Err(message),
                    }
                }
            }
        }
    }
    Ok((manifests, unknown))
}

/// Why an object of a file cannot be used.
enum Unusable {
    /// The server does not have its kind.
    Kind(String),
    /// Anything else.
    Other(String),
}

/// The document's object, or the objects of a `List`.
fn flatten(source: &str, text: &Arc<str>, document: Document, context: &Context<'_>) -> Vec<Result<Manifest, Unusable>> {
    if document.value.is_null() {
        return Vec::new();
    }
    if document.value["kind"] == "List"
        && let Some(items) = document.value["items"].as_array()
    {
        return items.iter().map(|item| resolve(source, text, document.clone(), item.clone(), context)).collect();
    }
    let value = document.value.clone();
    vec![resolve(source, text, document, value, context)]
}

fn resolve(source: &str, text: &Arc<str>, document: Document, mut value: Value, context: &Context<'_>) -> Result<Manifest, Unusable> {
    let field = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    let (api_version, kind, name, own) = (field("/apiVersion"), field("/kind"), field("/metadata/name"), field("/metadata/namespace"));
    let missing: Vec<&str> = [(&api_version, "apiVersion not set"), (&kind, "kind not set")]
        .iter()
        .filter(|(text, _)| text.is_empty())
        .map(|(_, m)| *m)
        .collect();
    if !missing.is_empty() {
        let list = if let [only] = missing[..] { only.to_owned() } else { format!("[{}]", missing.join(", ")) };
        return Err(Unusable::Other(format!(
            "error validating {source:?}: error validating data: {list}; if you choose to ignore these errors, turn validation off with --validate=false"
        )));
    }
    let info = context.kinds.find_kind(&api_version, &kind).ok_or_else(|| {
        Unusable::Kind(format!(
            "resource mapping not found for name: {name:?} namespace: {own:?} from {source:?}: \
             no matches for kind {kind:?} in version {api_version:?}\nensure CRDs are installed first"
        ))
    })?;
    let namespace = match (info.namespaced, own.is_empty()) {
        (false, _) => String::new(),
        (true, false) if context.explicit && own != context.namespace => {
            return Err(Unusable::Other(format!(
                "the namespace from the provided object {own:?} does not match the namespace {:?}. \
                 You must pass '--namespace={own}' to perform this operation.",
                context.namespace
            )));
        }
        (true, false) => own,
        (true, true) => context.namespace.clone(),
    };
    if info.namespaced
        && let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("namespace".to_owned(), Value::String(namespace.clone()));
    }
    Ok(Manifest { source: source.to_owned(), info, name, namespace, value, text: text.clone(), document })
}
