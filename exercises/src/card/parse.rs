//! From the text of a file to a [`Card`], with the place of every mistake.
//!
//! `lab::yaml` (the engine's reader of manifests) reads the text first: it refuses duplicate keys and alias bombs and knows where each field stands. `serde_yaml` then
//! makes the typed card.

use super::{Card, Diagnostic, Problem, validate};
use lab::yaml::{Positions, YamlError, read_documents};
use serde_yaml::with::singleton_map_recursive;

impl Card {
    /// Reads the card in `text`; `name` is its file. The card keeps every rule of [`validate`](fn@validate).
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file; of errors of form (YAML, unknown or missing fields) only the first.
    pub fn parse(name: &str, text: &str) -> Result<Card, Vec<Diagnostic>> {
        let form = |line, column, message: String| {
            vec![Diagnostic { file: name.to_owned(), line, column, field: String::new(), message, help: String::new() }]
        };
        let documents = read_documents(text).map_err(|YamlError { line, column, message }| form(line, column, message))?;
        let [document] = documents.as_slice() else {
            let message = format!("a card's file holds one document, but this one holds {}", documents.len());
            return Err(form(documents.get(1).map_or(1, |second| second.line), 1, message));
        };
        let card = match singleton_map_recursive::deserialize(serde_yaml::Deserializer::from_str(text)) {
            Ok(card) => card,
            Err(error) => return Err(vec![misformed(name, &document.positions, &error)]),
        };
        let mut found: Vec<Diagnostic> = validate(&card).into_iter().map(|problem| place(name, &document.positions, problem)).collect();
        found.sort();
        if found.is_empty() { Ok(card) } else { Err(found) }
    }
}

/// An error of `serde_yaml` at its place. Its text is `field: message at line 1 column 2`; an unknown field it places where the mapping
/// begins, but it is better shown where it stands.
fn misformed(name: &str, positions: &Positions, error: &serde_yaml::Error) -> Diagnostic {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(before, _)| before);
    let (path, message) = match text.split_once(": ") {
        Some((path, message)) if !path.contains([' ', '`']) => (path, message),
        _ => ("", text),
    };
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
    let field = match unknown {
        Some((unknown, _)) if path.is_empty() => unknown.to_owned(),
        Some((unknown, _)) => format!("{path}.{unknown}"),
        None => path.to_owned(),
    };
    let diagnostic = place(name, positions, Problem::new(field, message, ""));
    match error.location() {
        Some(at) if unknown.is_none() => Diagnostic { line: at.line(), column: at.column(), ..diagnostic },
        _ => diagnostic,
    }
}

/// A problem at its place.
pub(super) fn place(name: &str, positions: &Positions, problem: Problem) -> Diagnostic {
    let (line, column) = positions.find(&problem.field).map_or((0, 0), |at| (at.line, at.column));
    Diagnostic { file: name.to_owned(), line, column, field: problem.field, message: problem.message, help: problem.help }
}
