//! Manifests: YAML text to JSON values, with the line and column of every field.
//!
//! Models what `kubectl` does with a file (`sigs.k8s.io/yaml` over go-yaml v2, YAML 1.1): which plain scalars are numbers, booleans or
//! null, anchors, aliases and merge keys, several documents in one file, and refusal of keys that stand twice.
//! The text itself is parsed by `saphyr-parser`.
//!
//! What a hostile file could blow up is bounded: [`MAX_BYTES`] of text, [`MAX_DEPTH`] levels, [`MAX_WEIGHT`] values once aliases are
//! written out.
//!
//! **Simplified here:** keys written in a mapping always win over merged ones (go-yaml v2 lets the later of the two win).

mod scalar;
#[cfg(test)]
mod tests;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The longest text read, in bytes: the API server's limit for a request body.
pub const MAX_BYTES: usize = 3 * 1024 * 1024;

/// The deepest nesting read.
pub const MAX_DEPTH: usize = 100;

/// The most a document may hold once its aliases are written out: one for each value, and one for every 16 bytes of text.
pub const MAX_WEIGHT: usize = 500_000;

/// How many bytes are read again at most because of what go-yaml takes and YAML does not allow.
const MAX_REREAD: usize = 8 * MAX_BYTES;

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

impl From<Marker> for Position {
    fn from(marker: Marker) -> Self {
        Position { line: marker.line().max(1), column: marker.col() + 1 }
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
    let result = Reader { parser: Parser::new_from_str(text), text, anchors: BTreeMap::new() }.documents();
    match result.or_else(|error| as_go_yaml_reads(text, error)) {
        // JSON has escapes that YAML lacks.
        Err(error) if text.trim_start().starts_with('{') => read_json(text).ok_or(error),
        result => result,
    }
}

/// Reads a text again that go-yaml takes and YAML does not allow, with the reason of the error mended: a bracket that closes at or before the
/// column of its key, and the escape `\'` in double quotes. Only places on the mended lines move.
fn as_go_yaml_reads(text: &str, error: YamlError) -> Result<Vec<Document>, YamlError> {
    let (mut text, mut error, mut read) = (text.to_owned(), error, 0);
    while let Some((at, filling)) = outdented_bracket(&text, &error).or_else(|| escaped_quote(&text, &error)) {
        read += text.len();
        if read > MAX_REREAD {
            break;
        }
        text.replace_range(at, &filling);
        match (Reader { parser: Parser::new_from_str(&text), text: &text, anchors: BTreeMap::new() }).documents() {
            Ok(documents) => return Ok(documents),
            Err(next) if (next.line, next.column, &next.message) == (error.line, error.column, &error.message) => return Err(next),
            Err(next) => error = next,
        }
    }
    Err(error)
}

/// Where in the text the line of this error begins.
fn start_of_line(text: &str, error: &YamlError) -> usize {
    text.split_inclusive('\n').take(error.line - 1).map(str::len).sum()
}

/// The indentation to write before the bracket that begins the line of this error, if that is what is wrong with it.
fn outdented_bracket(text: &str, error: &YamlError) -> Option<(Range<usize>, String)> {
    let start = start_of_line(text, error);
    let closes = text[start..].trim_start_matches(' ').starts_with([']', '}']);
    // Deeper than anything that can stand above it.
    (closes && error.message == "invalid indentation").then(|| (start..start, " ".repeat(2 * MAX_DEPTH)))
}

/// The rest of the text from the quoted scalar of this error on, with all its `\'` written as escapes that YAML has, if they are what is
/// wrong with it.
fn escaped_quote(text: &str, error: &YamlError) -> Option<(Range<usize>, String)> {
    if !error.message.ends_with("found unknown escape character") {
        return None;
    }
    let line = start_of_line(text, error);
    let start = line + text[line..].char_indices().nth(error.column - 1)?.0;
    let scalar = text[start..].strip_prefix('"')?;
    let (mut mended, mut found, mut chars) = ("\"".to_owned(), false, scalar.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return found.then(|| (start..start + 1 + at, mended)),
            '\\' => {
                let (_, escaped) = chars.next()?;
                if escaped == '\'' {
                    found = true;
                    mended.push_str("\\x27");
                } else {
                    mended.extend([c, escaped]);
                }
            }
            c => mended.push(c),
        }
    }
    None
}

/// Reads JSON texts one after the other; places are not known then.
fn read_json(text: &str) -> Option<Vec<Document>> {
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let document = |value| Document { value, positions: Positions::default(), line: 1 };
    values.ok().map(|values| values.into_iter().map(document).collect())
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    text: &'t str,
    anchors: BTreeMap<usize, Arc<Node>>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.explain(*error.marker(), error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// An error of the parser; tabs, the usual reason, are named.
    fn explain(&self, at: Marker, info: &str) -> YamlError {
        let line = self.text.lines().nth(at.line().saturating_sub(1)).unwrap_or("");
        let indent = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
        match indent.clone().position(|c| c == '\t') {
            Some(column) => YamlError::new(
                Position { line: at.line(), column: column + 1 },
                "this line is indented with a tab, and YAML allows only spaces there; use two spaces for each level",
            ),
            None => YamlError::new(at, info),
        }
    }

    fn documents(mut self) -> Result<Vec<Document>, YamlError> {
        let mut documents = Vec::new();
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(documents),
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => self.anchors.clear(),
                event => {
                    let node = self.node(event, span, 1)?;
                    let value = node.to_value();
                    if !value.is_null() {
                        documents.push(Document { value, line: node.at.line, positions: Positions(Some(node)) });
                    }
                }
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Arc<Node>, YamlError> {
        let at = Position::from(span.start);
        if depth > MAX_DEPTH {
            return Err(too_deep(at));
        }
        let (anchor, node) = match event {
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| YamlError::new(at, "this alias stands inside the value it refers to"))?;
                return if depth + node.depth > MAX_DEPTH + 1 { Err(too_deep(at)) } else { Ok(node) };
            }
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar_node(at, &text, style, tag.as_deref())?),
            Event::SequenceStart(anchor, tag) => (anchor, self.list(at, tag.as_deref(), depth)?),
            Event::MappingStart(anchor, tag) => (anchor, self.map(at, tag.as_deref(), depth)?),
            _ => return Err(YamlError::new(at, "a value is missing here")),
        };
        let node = Arc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, at: Position, tag: Option<&Tag>, depth: usize) -> Result<Node, YamlError> {
        expect_tag(tag, "seq", at)?;
        let mut list = Node { at, content: Content::Scalar(Value::Null), weight: 1, depth: 1 };
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                list.content = Content::List(items);
                return Ok(list);
            }
            let here = span.start;
            let item = self.node(event, span, depth + 1)?;
            list.contain(&item, here.into())?;
            items.push(item);
        }
    }

    fn map(&mut self, at: Position, tag: Option<&Tag>, depth: usize) -> Result<Node, YamlError> {
        expect_tag(tag, "map", at)?;
        let mut map = Node { at, content: Content::Scalar(Value::Null), weight: 1, depth: 1 };
        let (mut fields, mut merged) = (Fields::new(), Fields::new());
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                for (key, field) in merged {
                    fields.entry(key).or_insert(field);
                }
                map.content = Content::Map(fields);
                return Ok(map);
            }
            let key_at = Position::from(span.start);
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value_at = Position::from(span.start);
            let value = self.node(event, span, depth + 1)?;
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

fn core_tag(tag: &Tag) -> Option<&str> {
    (tag.is_yaml_core_schema() || tag.handle == "!!").then_some(tag.suffix.as_str())
}

fn expect_tag(tag: Option<&Tag>, expected: &str, at: Position) -> Result<(), YamlError> {
    match tag {
        Some(tag) if core_tag(tag) != Some(expected) => Err(YamlError::new(at, format!("unknown tag {tag}"))),
        _ => Ok(()),
    }
}

fn scalar_node(at: Position, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Node, YamlError> {
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
