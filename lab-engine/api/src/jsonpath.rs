//! JSONPath in the dialect of Kubernetes (`k8s.io/client-go/util/jsonpath`): `kubectl -o jsonpath` and the columns of custom resources.
//!
//! It is a template around paths (`{range .items[*]}{.metadata.name}{"\n"}{end}`), and its paths are older than RFC 9535: `$` may be left
//! out, a dot in a name is written `\.`, a key that is missing is no error while an index is. Libraries for RFC 9535 would need a
//! translation as long as this file, and bring a regular-expression engine into the page.
//!
//! **Simplified here:** no regular expressions in filters, which upstream does not have either.

use serde_json::Value;
use std::cmp::Ordering;

/// How deep braces and filters may nest, and `..` may descend.
const MAX_DEPTH: usize = 64;

/// How many values one path may select.
const MAX_RESULTS: usize = 1_000_000;

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Text(String),
    Path(Vec<Segment>),
    Range(Vec<Segment>, Vec<Node>),
}

#[derive(Clone, Debug, PartialEq)]
enum Segment {
    Field(String),
    /// `[n]`
    Index(i64),
    /// `[from:to:step]`
    Slice(Option<i64>, Option<i64>, i64),
    Wildcard,
    Recursive,
    Union(Vec<Segment>),
    Filter(Operand, Option<(Operator, Operand)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Literal(Value),
    Path(Vec<Segment>),
}

/// A template that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    nodes: Vec<Node>,
    text: String,
}

impl JsonPath {
    /// Reads a template.
    ///
    /// # Errors
    /// As upstream words them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = |message: String| format!("error parsing jsonpath {text}, {message}");
        let mut rest = text;
        let nodes = template(&mut rest, 0, false).map_err(bad)?;
        Ok(JsonPath { nodes, text: text.to_owned() })
    }

    /// Reads a path as `--sort-by`, `custom-columns` and `wait` take it: braces and the dot in front may be left out
    /// (`get.RelaxedJSONPathExpression`).
    ///
    /// # Errors
    /// As upstream words them.
    pub fn relaxed(text: &str) -> Result<Self, String> {
        let bad = || "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'".to_owned();
        let inner = match text.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}').ok_or_else(bad)?,
            None if text.ends_with('}') => return Err(bad()),
            None => text,
        };
        let inner = inner.strip_prefix('$').unwrap_or(inner);
        let dot = if inner.starts_with(['.', '[']) { "" } else { "." };
        Self::parse(&format!("{{{dot}{inner}}}"))
    }

    /// What the template prints for a value.
    ///
    /// # Errors
    /// As upstream words them: an index beyond the end, for example.
    pub fn execute(&self, root: &Value) -> Result<String, String> {
        let mut out = String::new();
        let explain = |message: String| {
            format!(
                "error executing jsonpath {:?}: Error executing template: {message}. Printing more information for debugging the template:\n\
                 \ttemplate was:\n\t\t{}\n\tobject given to jsonpath engine was:\n\t\t{root}\n\n",
                self.text, self.text
            )
        };
        run(&self.nodes, root, &mut out).map_err(explain)?;
        Ok(out)
    }

    /// The values that the first path of the template selects.
    ///
    /// # Errors
    /// As [`JsonPath::execute`].
    pub fn select<'v>(&self, root: &'v Value) -> Result<Vec<&'v Value>, String> {
        match self.nodes.first() {
            Some(Node::Path(path)) => walk(path, vec![root]),
            _ => Ok(Vec::new()),
        }
    }
}

fn template(rest: &mut &str, depth: usize, inside_range: bool) -> Result<Vec<Node>, String> {
    let mut nodes = Vec::new();
    while !rest.is_empty() {
        let Some(open) = rest.find('{') else {
            nodes.push(Node::Text((*rest).to_owned()));
            *rest = "";
            break;
        };
        if open > 0 {
            nodes.push(Node::Text(rest[..open].to_owned()));
        }
        *rest = &rest[open + 1..];
        let inner = rest.trim_start();
        if let Some(after) = inner.strip_prefix("end") {
            *rest = after.trim_start().strip_prefix('}').ok_or("unclosed action")?;
            return if inside_range { Ok(nodes) } else { Err("not in range, nothing to end".to_owned()) };
        }
        if let Some(after) = inner.strip_prefix("range ") {
            if depth >= MAX_DEPTH {
                return Err("the template nests too deeply".to_owned());
            }
            *rest = after.trim_start();
            let over = path(rest, depth)?;
            close(rest)?;
            let body = template(rest, depth + 1, true)?;
            nodes.push(Node::Range(over, body));
            continue;
        }
        *rest = inner;
        if rest.starts_with(['"', '\'']) {
            nodes.push(Node::Text(quoted(rest)?));
        } else if !rest.starts_with('}') {
            nodes.push(Node::Path(path(rest, depth)?));
        }
        close(rest)?;
    }
    if inside_range { Err("unterminated range".to_owned()) } else { Ok(nodes) }
}

fn close(rest: &mut &str) -> Result<(), String> {
    let trimmed = rest.trim_start();
    match trimmed.chars().next() {
        Some('}') => {
            *rest = &trimmed[1..];
            Ok(())
        }
        Some(other) => Err(format!("unrecognized character in action: U+{:04X} '{other}'", u32::from(other))),
        None => Err("unclosed action".to_owned()),
    }
}

/// Reads a text in quotes, with Go's escapes.
fn quoted(rest: &mut &str) -> Result<String, String> {
    let quote = rest.chars().next().unwrap_or('"');
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => {
                *rest = &rest[at + 1..];
                return Ok(text);
            }
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(other) => text.push(other),
                None => break,
            },
            c => text.push(c),
        }
    }
    Err("unterminated quoted string".to_owned())
}

/// Reads a path up to what cannot belong to it.
fn path(rest: &mut &str, depth: usize) -> Result<Vec<Segment>, String> {
    let mut segments = Vec::new();
    if let Some(after) = rest.strip_prefix(['$', '@']) {
        *rest = after;
    }
    loop {
        if let Some(after) = rest.strip_prefix("..") {
            segments.push(Segment::Recursive);
            *rest = after;
            if !rest.starts_with('[') {
                name(rest, &mut segments);
            }
        } else if let Some(after) = rest.strip_prefix('.') {
            *rest = after;
            name(rest, &mut segments);
        } else if let Some(after) = rest.strip_prefix('[') {
            *rest = after;
            segments.push(bracket(rest, depth)?);
        } else if segments.is_empty() && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            return Err(format!("unrecognized identifier {word}"));
        } else {
            return Ok(segments);
        }
    }
}

fn name(rest: &mut &str, segments: &mut Vec<Segment>) {
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        segments.push(Segment::Wildcard);
        return;
    }
    let mut text = String::new();
    let mut chars = rest.char_indices();
    let mut end = rest.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => text.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' | ']' | '}' | '{' | ' ' | '\t' | '\n' | ')' | '=' | '!' | '<' | '>' | ',' | '$' => {
                end = at;
                break;
            }
            c => text.push(c),
        }
    }
    *rest = &rest[end..];
    if !text.is_empty() {
        segments.push(Segment::Field(text));
    }
}

fn bracket(rest: &mut &str, depth: usize) -> Result<Segment, String> {
    if let Some(after) = rest.strip_prefix("?(") {
        if depth >= MAX_DEPTH {
            return Err("the filter nests too deeply".to_owned());
        }
        *rest = after;
        let segment = filter(rest, depth + 1)?;
        *rest = rest.trim_start().strip_prefix(')').ok_or("unterminated filter")?;
        *rest = rest.trim_start().strip_prefix(']').ok_or("unclosed array expect ]")?;
        return Ok(segment);
    }
    let mut parts = Vec::new();
    loop {
        *rest = rest.trim_start();
        let part = if rest.starts_with(['"', '\'']) {
            Segment::Field(quoted(rest)?)
        } else {
            let end = rest.find([']', ',']).ok_or("unterminated array")?;
            let text = rest[..end].trim();
            *rest = &rest[end..];
            index(text)?
        };
        parts.push(part);
        *rest = rest.trim_start();
        match rest.chars().next() {
            Some(',') => *rest = &rest[1..],
            Some(']') => {
                *rest = &rest[1..];
                break;
            }
            _ => return Err("unterminated array".to_owned()),
        }
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Segment::Union(parts) })
}

fn index(text: &str) -> Result<Segment, String> {
    if text == "*" {
        return Ok(Segment::Wildcard);
    }
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("invalid array index {text}"));
    let part = |text: &str| if text.trim().is_empty() { Ok(None) } else { number(text).map(Some) };
    match text.split(':').collect::<Vec<_>>()[..] {
        [one] => number(one).map(Segment::Index),
        [from, to] => Ok(Segment::Slice(part(from)?, part(to)?, 1)),
        [from, to, step] => Ok(Segment::Slice(part(from)?, part(to)?, part(step)?.unwrap_or(1))),
        _ => Err(format!("invalid array index {text}")),
    }
}

fn filter(rest: &mut &str, depth: usize) -> Result<Segment, String> {
    let left = operand(rest, depth)?;
    *rest = rest.trim_start();
    const OPERATORS: [(&str, Operator); 6] = [
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let Some((word, operator)) = OPERATORS.iter().find(|(word, _)| rest.starts_with(word)) else {
        return Ok(Segment::Filter(left, None));
    };
    *rest = &rest[word.len()..];
    let right = operand(rest, depth)?;
    Ok(Segment::Filter(left, Some((*operator, right))))
}

fn operand(rest: &mut &str, depth: usize) -> Result<Operand, String> {
    *rest = rest.trim_start();
    if rest.starts_with(['"', '\'']) {
        return Ok(Operand::Literal(Value::String(quoted(rest)?)));
    }
    if rest.starts_with(['@', '$', '.']) {
        return Ok(Operand::Path(path(rest, depth)?));
    }
    let end = rest.find([')', ' ', '=', '!', '<', '>']).unwrap_or(rest.len());
    let word = &rest[..end];
    let literal = serde_json::from_str(word).ok().filter(|value: &Value| value.is_number() || value.is_boolean());
    *rest = &rest[end..];
    literal.map(Operand::Literal).ok_or_else(|| format!("unrecognized identifier {word}"))
}

fn run(nodes: &[Node], current: &Value, out: &mut String) -> Result<(), String> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Path(path) => {
                let texts: Vec<String> = walk(path, vec![current])?.into_iter().map(text).collect();
                out.push_str(&texts.join(" "));
            }
            Node::Range(path, body) => {
                for item in walk(path, vec![current])? {
                    run(body, item, out)?;
                }
            }
        }
    }
    Ok(())
}

/// A value as a template prints it.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn walk<'v>(path: &[Segment], mut values: Vec<&'v Value>) -> Result<Vec<&'v Value>, String> {
    for segment in path {
        let mut next = Vec::new();
        for value in values {
            step(segment, value, &mut next)?;
            if next.len() > MAX_RESULTS {
                return Err("the path selects too much".to_owned());
            }
        }
        values = next;
    }
    Ok(values)
}

fn step<'v>(segment: &Segment, value: &'v Value, next: &mut Vec<&'v Value>) -> Result<(), String> {
    match segment {
        Segment::Field(name) => next.extend(value.get(name)),
        Segment::Wildcard => match value {
            Value::Array(items) => next.extend(items),
            Value::Object(fields) => next.extend(fields.values()),
            _ => {}
        },
        Segment::Recursive => descend(value, next, 0),
        Segment::Index(index) => {
            let Value::Array(items) = value else {
                return if value.is_null() { Ok(()) } else { Err(format!("{value} is not array or slice")) };
            };
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let at = if *index < 0 { length + index } else { *index };
            let item = usize::try_from(at).ok().and_then(|at| items.get(at));
            next.push(item.ok_or_else(|| format!("array index out of bounds: index {index}, length {length}"))?);
        }
        Segment::Slice(from, to, by) => slice(value, *from, *to, *by, next)?,
        Segment::Union(parts) => {
            for part in parts {
                step(part, value, next)?;
            }
        }
        Segment::Filter(left, rest) => {
            let Value::Array(items) = value else { return Ok(()) };
            for item in items {
                if holds(left, rest.as_ref(), item)? {
                    next.push(item);
                }
            }
        }
    }
    Ok(())
}

fn slice<'v>(value: &'v Value, from: Option<i64>, to: Option<i64>, by: i64, next: &mut Vec<&'v Value>) -> Result<(), String> {
    let Value::Array(items) = value else { return Ok(()) };
    if by <= 0 {
        return Err("step must be > 0".to_owned());
    }
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let clamp = |at: i64| usize::try_from(if at < 0 { length + at } else { at }.clamp(0, length)).unwrap_or(0);
    let (from, to) = (clamp(from.unwrap_or(0)), clamp(to.unwrap_or(length)));
    let inside = items.get(from..to.max(from)).unwrap_or_default();
    next.extend(inside.iter().step_by(usize::try_from(by).unwrap_or(usize::MAX)));
    Ok(())
}

fn descend<'v>(value: &'v Value, next: &mut Vec<&'v Value>, depth: usize) {
    if depth > 2 * MAX_DEPTH || next.len() > MAX_RESULTS {
        return;
    }
    next.push(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| descend(item, next, depth + 1)),
        Value::Object(fields) => fields.values().for_each(|field| descend(field, next, depth + 1)),
        _ => {}
    }
}

fn holds(left: &Operand, rest: Option<&(Operator, Operand)>, item: &Value) -> Result<bool, String> {
    let values = |operand: &Operand| match operand {
        Operand::Literal(value) => Ok(vec![value.clone()]),
        Operand::Path(path) => walk(path, vec![item]).map(|found| found.into_iter().cloned().collect()),
    };
    let found: Vec<Value> = values(left)?;
    let Some((operator, right)) = rest else { return Ok(!found.is_empty()) };
    let wanted: Vec<Value> = values(right)?;
    let (Some(found), Some(wanted)) = (found.first(), wanted.first()) else { return Ok(false) };
    let order = compare(found, wanted);
    Ok(match operator {
        Operator::Equal => order == Some(Ordering::Equal),
        Operator::NotEqual => order != Some(Ordering::Equal),
        Operator::Less => order == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => order == Some(Ordering::Greater),
        Operator::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    })
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pods() -> Value {
        json!({"items": [
            {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}}, "n": 1, "ports": [80, 443]},
            {"metadata": {"name": "b"}, "n": 2, "conditions": [{"type": "Ready", "status": "True"}]},
        ]})
    }

    #[test]
    fn templates_print_what_kubectl_prints() {
        for (template, printed) in [
            (r#"{range .items[*]}{.metadata.name}{"\t"}{.n}{"\n"}{end}"#, "a\t1\nb\t2\n"),
            ("{.items[*].metadata.name}", "a b"),
            ("{$.items[0].ports}", "[80,443]"),
            ("{.items[-1].metadata.name}", "b"),
            (r"{.items[0].metadata.labels.app\.kubernetes\.io/name}", "x"),
            ("{.items[0].metadata.labels['app.kubernetes.io/name']}", "x"),
            ("{.items[?(@.metadata.name==\"b\")].n}", "2"),
            ("{.items[?(@.n>1)].metadata.name}", "b"),
            ("{.items[?(@.ports)].metadata.name}", "a"),
            ("{.items[1].conditions[?(@.type=='Ready')].status}", "True"),
            ("{..name}", "a b"),
            ("{.items[0]['n', 'ports']}", "1 [80,443]"),
            ("{.items[0:1].metadata.name} is {.nothing}!", "a is !"),
            ("name", "name"),
        ] {
            assert_eq!(JsonPath::parse(template).unwrap().execute(&pods()).as_deref(), Ok(printed), "{template}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(JsonPath::parse("{.a").unwrap_err(), "error parsing jsonpath {.a, unclosed action");
        assert_eq!(JsonPath::parse("{range .a}x").unwrap_err(), "error parsing jsonpath {range .a}x, unterminated range");
        let beyond = JsonPath::parse("{.items[9]}").unwrap().execute(&pods()).unwrap_err();
        assert!(beyond.contains("array index out of bounds: index 9, length 2. Printing more information"), "{beyond}");
        let deep = format!("{{.items{}", "[?(@".repeat(10_000));
        assert!(JsonPath::parse(&deep).is_err());
    }

    #[test]
    fn relaxed_paths_need_no_braces() {
        for path in ["metadata.name", ".metadata.name", "{.metadata.name}", "{metadata.name}"] {
            let found = JsonPath::relaxed(path).unwrap();
            assert_eq!(found.select(&pods()["items"][0]).unwrap(), [&json!("a")], "{path}");
        }
        assert!(JsonPath::relaxed("{.a").is_err());
    }
}
