//! Manifests: YAML text to JSON values, with the line and column of every field.
//!
//! Models what `kubectl` does with a file (`sigs.k8s.io/yaml` over go-yaml v2, YAML 1.1): which plain scalars are numbers, booleans or
//! null, anchors, aliases and merge keys, several documents in one file, and refusal of keys that stand twice.
//! The text itself is parsed by `libyaml-safer`, a port of the library that go-yaml is a port of, so that both take and refuse the same
//! texts, in the same words.
//!
//! What a hostile file could blow up is bounded: [`MAX_BYTES`] of text, [`MAX_DEPTH`] levels, [`MAX_WEIGHT`] values once aliases are
//! written out.
//!
//! **Simplified here:** keys written in a mapping always win over merged ones (go-yaml v2 lets the later of the two win).

mod scalar;
#[cfg(test)]
mod tests;

use libyaml_safer::{EventData, Mark, Parser, ScalarStyle};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The longest text read, in bytes: the API server's limit for a request body.
pub const MAX_BYTES: usize = 3 * 1024 * 1024;

/// The deepest nesting read.
pub const MAX_DEPTH: usize = 100;

/// The most a document may hold once its aliases are written out: one for each value, and one for every 16 bytes of text.
pub const MAX_WEIGHT: usize = 500_000;

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its value; never null.
    pub value: Value,
    /// Where its fields stand.
    pub positions: Positions,
    /// The line on which its first value stands, from 1.
    pub line: usize,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl From<Mark> for Position {
    fn from(mark: Mark) -> Self {
        let count = |from_zero: u64| usize::try_from(from_zero).unwrap_or(usize::MAX).saturating_add(1);
        Position { line: count(mark.line), column: count(mark.column) }
    }
}

/// Where a field stands, or the nearest field above it that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where the key begins; `None` for list elements and the root.
    pub key: Option<Position>,
    /// Where the value begins.
    pub value: Position,
    /// Whether this is the field asked for, and not one above it.
    pub exact: bool,
}

/// Where the fields of a document stand.
#[derive(Clone, Debug, Default)]
pub struct Positions(Option<Arc<Node>>);

impl Positions {
    /// The place of the field at `path`, for example `spec.containers[0].image` or `metadata.labels[app.kubernetes.io/name]`; when there
    /// is no such field, the place of the nearest one above it. `None` only when nothing is known.
    pub fn locate(&self, path: &str) -> Option<Place> {
        let mut node = self.0.as_ref()?;
        let mut place = Place { key: None, value: node.at, exact: true };
        for step in path_steps(path) {
            let next = match &node.content {
                Content::Map(fields) => fields.get(step).map(|(key, value)| (Some(*key), value)),
                Content::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)).map(|item| (None, item)),
                Content::Scalar(_) => None,
            };
            let Some((key, value)) = next else {
                return Some(Place { exact: false, ..place });
            };
            place = Place { key, value: value.at, exact: true };
            node = value;
        }
        Some(place)
    }

    /// Where to point for the field at `path`: its key, or the list element, or the nearest field above that exists.
    pub fn find(&self, path: &str) -> Option<Position> {
        self.locate(path).map(|place| place.key.unwrap_or(place.value))
    }
}

/// The steps of a field path: names, and what stands in brackets.
fn path_steps(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if rest.is_empty() {
            return None;
        }
        let (step, after) = match rest.strip_prefix('[') {
            Some(bracket) => bracket.split_once(']').unwrap_or((bracket, "")),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        rest = after;
        Some(step)
    })
}

/// A text that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl YamlError {
    fn new(at: impl Into<Position>, message: impl Into<String>) -> Self {
        let Position { line, column } = at.into();
        YamlError { line, column, message: message.into() }
    }

    /// Where the error is.
    pub fn position(&self) -> Position {
        Position { line: self.line, column: self.column }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for YamlError {}

/// The line at `position` and below it a caret under the column. Of a long line only the part around the column is shown.
pub fn excerpt(text: &str, position: Position) -> String {
    const BEFORE: usize = 60;
    const SHOWN: usize = 100;
    let line = text.lines().nth(position.line.saturating_sub(1)).unwrap_or("");
    let column = position.column.saturating_sub(1);
    let skipped = column.saturating_sub(BEFORE);
    // A tab would push the caret away from its column.
    let shown: String = line.chars().skip(skipped).take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let caret = (column - skipped).min(shown.chars().count());
    format!("{shown}\n{}^", " ".repeat(caret))
}

#[derive(Debug)]
struct Node {
    at: Position,
    content: Content,
    /// See [`MAX_WEIGHT`].
    weight: usize,
    /// Levels below and including this one.
    depth: usize,
}

#[derive(Debug)]
enum Content {
    Scalar(Value),
    List(Vec<Arc<Node>>),
    Map(Fields),
}

/// The fields of a mapping, each with the place of its key.
type Fields = BTreeMap<String, (Position, Arc<Node>)>;

impl Node {
    fn scalar(at: Position, value: Value, bytes: usize) -> Self {
        Node { at, content: Content::Scalar(value), weight: 1 + bytes / 16, depth: 1 }
    }

    fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(|item| item.to_value()).collect(),
            Content::Map(fields) => {
                Value::Object(fields.iter().map(|(key, (_, value))| (key.clone(), value.to_value())).collect::<Map<_, _>>())
            }
        }
    }
}

/// Reads all documents of a file. Empty documents are left out; JSON is read too.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn read_documents(text: &str) -> Result<Vec<Document>, YamlError> {
    if text.len() > MAX_BYTES {
        let message = format!("the text has {} bytes, more than the {MAX_BYTES} that the API server takes", text.len());
        return Err(YamlError::new(Position { line: 1, column: 1 }, message));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut input = text.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut input);
    let result = Reader { parser, text, anchors: BTreeMap::new() }.documents();
    match result {
        // JSON has escapes that YAML lacks.
        Err(error) if text.trim_start().starts_with('{') => read_json(text).ok_or(error),
        result => result,
    }
}

/// Reads JSON texts one after the other; places are not known then.
fn read_json(text: &str) -> Option<Vec<Document>> {
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let document = |value| Document { value, positions: Positions::default(), line: 1 };
    values.ok().map(|values| values.into_iter().map(document).collect())
}

struct Reader<'t> {
    parser: Parser<&'t mut &'t [u8]>,
    text: &'t str,
    /// The nodes by anchor; without a node while it is being read.
    anchors: BTreeMap<String, Option<Arc<Node>>>,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<(EventData, Position), YamlError> {
        match self.parser.parse() {
            Ok(event) => Ok((event.data, event.start_mark.into())),
            Err(error) => Err(self.explain(&error)),
        }
    }

    /// An error of the parser; tabs, the usual reason, are named.
    fn explain(&self, error: &libyaml_safer::Error) -> YamlError {
        let at = Position::from(error.problem_mark().or(error.context_mark()).unwrap_or_default());
        let line = self.text.lines().nth(at.line - 1).unwrap_or("");
        let indent = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
        match indent.clone().position(|c| c == '\t') {
            Some(column) => YamlError::new(
                Position { line: at.line, column: column + 1 },
                "this line is indented with a tab, and YAML allows only spaces there; use two spaces for each level",
            ),
            None if error.problem().is_empty() => YamlError::new(at, error.to_string()),
            None => YamlError::new(at, error.problem()),
        }
    }

    fn documents(mut self) -> Result<Vec<Document>, YamlError> {
        let mut documents = Vec::new();
        loop {
            let (event, at) = self.next()?;
            match event {
                EventData::StreamEnd => return Ok(documents),
                EventData::StreamStart { .. } | EventData::DocumentStart { .. } | EventData::DocumentEnd { .. } => self.anchors.clear(),
                event => {
                    let node = self.node(event, at, 1)?;
                    let value = node.to_value();
                    if !value.is_null() {
                        documents.push(Document { value, line: node.at.line, positions: Positions(Some(node)) });
                    }
                }
            }
        }
    }

    fn node(&mut self, event: EventData, at: Position, depth: usize) -> Result<Arc<Node>, YamlError> {
        if depth > MAX_DEPTH {
            return Err(too_deep(at));
        }
        if let EventData::Alias { anchor } = event {
            let node = match self.anchors.get(&anchor) {
                Some(Some(node)) => node.clone(),
                Some(None) => return Err(YamlError::new(at, format!("anchor '{anchor}' value contains itself"))),
                None => return Err(YamlError::new(at, format!("unknown anchor '{anchor}' referenced"))),
            };
            return if depth + node.depth > MAX_DEPTH + 1 { Err(too_deep(at)) } else { Ok(node) };
        }
        let anchor = match &event {
            EventData::Scalar { anchor, .. } | EventData::SequenceStart { anchor, .. } | EventData::MappingStart { anchor, .. } => {
                anchor.clone()
            }
            _ => None,
        };
        if let Some(anchor) = &anchor {
            self.anchors.insert(anchor.clone(), None);
        }
        let node = Arc::new(match event {
            EventData::Scalar { tag, value, style, .. } => scalar_node(at, &value, style, tag.as_deref())?,
            EventData::SequenceStart { tag, .. } => self.list(at, tag.as_deref(), depth)?,
            EventData::MappingStart { tag, .. } => self.map(at, tag.as_deref(), depth)?,
            _ => return Err(YamlError::new(at, "a value is missing here")),
        });
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Some(node.clone()));
        }
        Ok(node)
    }

    fn list(&mut self, at: Position, tag: Option<&str>, depth: usize) -> Result<Node, YamlError> {
        expect_tag(tag, "seq", at)?;
        let mut list = Node { at, content: Content::Scalar(Value::Null), weight: 1, depth: 1 };
        let mut items = Vec::new();
        loop {
            let (event, here) = self.next()?;
            if event == EventData::SequenceEnd {
                list.content = Content::List(items);
                return Ok(list);
            }
            let item = self.node(event, here, depth + 1)?;
            list.contain(&item, here)?;
            items.push(item);
        }
    }

    fn map(&mut self, at: Position, tag: Option<&str>, depth: usize) -> Result<Node, YamlError> {
        expect_tag(tag, "map", at)?;
        let mut map = Node { at, content: Content::Scalar(Value::Null), weight: 1, depth: 1 };
        let (mut fields, mut merged) = (Fields::new(), Fields::new());
        loop {
            let (event, key_at) = self.next()?;
            if event == EventData::MappingEnd {
                for (key, field) in merged {
                    fields.entry(key).or_insert(field);
                }
                map.content = Content::Map(fields);
                return Ok(map);
            }
            let is_merge = matches!(&event, EventData::Scalar { value, style: ScalarStyle::Plain, tag: None, .. } if value == "<<");
            let key = self.node(event, key_at, depth + 1)?;
            let (event, value_at) = self.next()?;
            let value = self.node(event, value_at, depth + 1)?;
            map.contain(&value, value_at)?;
            if is_merge {
                merge(&value, value_at, &mut merged)?;
                continue;
            }
            let key = key_text(&key, key_at)?;
            map.weight += key.len() / 16;
            if let Some((first, _)) = fields.get(&key) {
                return Err(YamlError::new(key_at, format!("mapping key {key:?} already defined at line {}", first.line)));
            }
            fields.insert(key, (key_at, value));
        }
    }
}

impl Node {
    /// Counts `child` as part of this collection.
    fn contain(&mut self, child: &Node, at: Position) -> Result<(), YamlError> {
        self.weight += child.weight;
        self.depth = self.depth.max(child.depth + 1);
        if self.weight > MAX_WEIGHT {
            return Err(YamlError::new(at, "document contains excessive aliasing or too many values"));
        }
        Ok(())
    }
}

fn too_deep(at: Position) -> YamlError {
    YamlError::new(at, format!("values are nested more than {MAX_DEPTH} levels deep"))
}

/// Adds what a merge key brings: a mapping, or several of which earlier ones win.
fn merge(value: &Node, at: Position, merged: &mut Fields) -> Result<(), YamlError> {
    let mut add = |node: &Node| match &node.content {
        Content::Map(fields) => {
            for (key, field) in fields {
                merged.entry(key.clone()).or_insert_with(|| field.clone());
            }
            Ok(())
        }
        _ => Err(YamlError::new(at, "map merge requires map or sequence of maps as the value")),
    };
    match &value.content {
        Content::List(items) => items.iter().try_for_each(|item| add(item)),
        _ => add(value),
    }
}

/// Keys become texts, as they must be in JSON.
fn key_text(key: &Node, at: Position) -> Result<String, YamlError> {
    match &key.content {
        Content::Scalar(Value::String(text)) => Ok(text.clone()),
        Content::Scalar(value) => Ok(value.to_string()),
        Content::List(_) | Content::Map(_) => Err(YamlError::new(at, "a key must be a simple value, not a list or a mapping")),
    }
}

/// The name of a tag of YAML's own (`!!int`), which the parser writes out.
fn core_tag(tag: &str) -> Option<&str> {
    tag.strip_prefix("tag:yaml.org,2002:")
}

fn expect_tag(tag: Option<&str>, expected: &str, at: Position) -> Result<(), YamlError> {
    match tag {
        Some(tag) if core_tag(tag) != Some(expected) => Err(YamlError::new(at, format!("unknown tag {tag}"))),
        _ => Ok(()),
    }
}

fn scalar_node(at: Position, text: &str, style: ScalarStyle, tag: Option<&str>) -> Result<Node, YamlError> {
    let resolved = match tag {
        None if style == ScalarStyle::Plain => scalar::resolve(text),
        None => Ok(Value::String(text.to_owned())),
        Some(tag) => match core_tag(tag) {
            Some(name) => scalar::resolve_tagged(name, text),
            None => Err(format!("unknown tag {tag}")),
        },
    };
    resolved.map(|value| Node::scalar(at, value, text.len())).map_err(|message| YamlError::new(at, message))
}
