//! CEL as the API server uses it (`k8s.io/apiserver/pkg/cel`): expressions of policies over requests and objects, compiled once, bounded.
//!
//! Available are the operators and macros of CEL, its string extension (`lowerAscii`, `split`, `join`, `replace`, `trim`, `substring`,
//! `format`, …), and Kubernetes' own [`library`]. Policies and the rules of custom resources (`crd::cel`) have the library, the walk over
//! names and the bounds of texts in common; they differ in how the cost is told: rules know schemas, policies do not.
//!
//! **Bounds.** An expression has at most [`MAX_BYTES`] bytes and walks lists within lists at most [`MAX_NESTING`] deep. What it costs is
//! estimated before it runs, from its nesting and the longest list, map or text it may walk; more than [`BUDGET`] steps are refused in the
//! words in which upstream refuses expressions that run out of their cost budget.
//!
//! **Simplified here:** no static types, so that what upstream finds when a policy is made, such as a field that no kind has, is an error
//! of the request; the budget is in steps of one's own making; no `authorizer`.

pub(crate) mod library;
pub(crate) mod names;
pub(crate) mod order;

use cel::objects::{Key, Map};
use cel::parser::{Expression, PrattParser};
use cel::{Context, ExecutionError, Value};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The longest expression, in bytes.
pub(crate) const MAX_BYTES: usize = 10_000;
/// How deep an expression may nest; a chain of operators nests once for each.
pub(crate) const MAX_DEPTH: u16 = 120;
/// The deepest nesting of `all`, `exists`, `map` and `filter`.
pub(crate) const MAX_NESTING: u32 = 4;
/// The steps that one evaluation may take.
pub(crate) const BUDGET: usize = 1_000_000;

/// An expression that was read.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    ast: Expression,
    nesting: u32,
    /// Whether it makes lists out of texts.
    splits: bool,
}

/// Why an expression cannot be used; in the words of upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CompileError(pub(crate) String);

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "compilation failed: {}", self.0)
    }
}

/// Why an expression has no value; in the words of upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EvalError {
    /// A field that is not there.
    NoSuchKey(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EvalError::NoSuchKey(key) => write!(f, "no such key: {key}"),
            EvalError::Other(text) => f.write_str(text),
        }
    }
}

/// Says where something is wrong as `cel-go` does, with the line and a mark below it. `column` counts from 0.
fn located(source: &str, line: usize, column: usize, message: &str) -> CompileError {
    let text = source.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let mark = format!("{}^", ".".repeat(column));
    CompileError(format!("ERROR: <input>:{line}:{}: {message}\n | {text}\n | {mark}", column + 1))
}

impl Program {
    /// Reads an expression that may name `variables`.
    ///
    /// # Errors
    /// What is wrong with it: its length, its syntax, a name or function that is not there, its nesting.
    pub(crate) fn compile(source: &str, variables: &[&str]) -> Result<Self, CompileError> {
        if source.len() > MAX_BYTES {
            return Err(CompileError(format!("the expression has {} bytes; at most {MAX_BYTES} are read", source.len())));
        }
        let parser = PrattParser::new().max_recursion_depth(MAX_DEPTH).enable_optional_syntax(true);
        let mut ast = parser.parse(source).map_err(|errors| match errors.errors.first() {
            Some(error) => located(source, error.pos.0.max(1) as usize, (error.pos.1.max(1) - 1) as usize, &error.msg),
            None => CompileError("ERROR: the expression cannot be read".to_owned()),
        })?;
        if !names::is_shallow(&ast) {
            return Err(CompileError(format!("the expression nests more than {MAX_DEPTH} deep")));
        }
        let found = names::of(&ast);
        let unknown = found.variables.iter().find(|name| !variables.contains(&name.as_str()));
        let unknown = unknown.or_else(|| found.functions.iter().find(|name| !library::is_function(name)));
        if let Some(name) = unknown {
            let before = source.find(name.as_str()).map_or("", |at| &source[..at]);
            let (line, column) = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default().chars().count());
            return Err(located(source, line, column, &format!("undeclared reference to '{name}' (in container '')")));
        }
        if found.nesting > MAX_NESTING {
            let nesting = found.nesting;
            return Err(CompileError(format!("the expression walks lists within lists {nesting} deep; at most {MAX_NESTING} is allowed")));
        }
        order::sort_keys(&mut ast);
        Ok(Program { ast, nesting: found.nesting, splits: found.functions.contains("split") })
    }

    /// Its value.
    ///
    /// # Errors
    /// What CEL says, or that it would cost too much.
    pub(crate) fn evaluate(&self, scope: &Scope) -> Result<Value, EvalError> {
        let longest = if self.splits { scope.longest.max(scope.longest_text) } else { scope.longest };
        if longest.max(8).checked_pow(self.nesting).is_none_or(|steps| steps > BUDGET) {
            let text = "operation cancelled: actual cost limit exceeded";
            return Err(EvalError::Other(text.to_owned()));
        }
        Value::resolve(&self.ast, &scope.context).map_err(|error| match error {
            ExecutionError::NoSuchKey(key) => EvalError::NoSuchKey(key.to_string()),
            ExecutionError::FunctionError { message, .. } => EvalError::Other(message),
            ExecutionError::DivisionByZero(_) => EvalError::Other("division by zero".to_owned()),
            ExecutionError::RemainderByZero(_) => EvalError::Other("modulus by zero".to_owned()),
            ExecutionError::IndexOutOfBounds(at) => EvalError::Other(format!("index out of bounds: {}", text(&at))),
            ExecutionError::Overflow(..) => EvalError::Other("return error for overflow".to_owned()),
            ExecutionError::UndeclaredReference(name) => EvalError::Other(format!("no such attribute(s): {name}")),
            // Some of the others print whole values.
            _ => EvalError::Other("no such overload".to_owned()),
        })
    }
}

/// What names in an expression stand for.
pub(crate) struct Scope {
    context: Context<'static, 'static>,
    /// The length of the longest list or map.
    longest: usize,
    /// The length of the longest text.
    longest_text: usize,
}

impl Scope {
    /// A scope in which only functions are known.
    pub(crate) fn new() -> Self {
        // No two functions have the same signature: a test holds that.
        let context = library::context().unwrap_or_default();
        Scope { context, longest: 0, longest_text: 0 }
    }

    /// Sets what a name stands for.
    pub(crate) fn set(&mut self, name: &str, value: Json) {
        self.set_value(name, from_json(value));
    }

    /// Sets what a name stands for; a value with too much in it is refused.
    pub(crate) fn set_value(&mut self, name: &str, value: Value) {
        self.measure(&value);
        self.context.add_variable_from_value(name, value);
    }

    fn measure(&mut self, value: &Value) {
        match value {
            Value::List(items) => {
                self.longest = self.longest.max(items.len());
                items.iter().for_each(|item| self.measure(item));
            }
            Value::Map(map) => {
                self.longest = self.longest.max(map.map.len());
                // Only the largest is kept, so the order does not matter.
                #[expect(clippy::iter_over_hash_type, reason = "a maximum does not depend on the order")]
                for item in map.map.values() {
                    self.measure(item);
                }
            }
            Value::String(text) => self.longest_text = self.longest_text.max(text.len()),
            _ => {}
        }
    }
}

/// How many values are in a value, itself included; texts count by their length. Stops at `limit`.
pub(crate) fn weight(value: &Value, limit: usize) -> usize {
    let mut sum = 1;
    match value {
        Value::List(items) => {
            for item in items.iter() {
                if sum >= limit {
                    break;
                }
                sum += weight(item, limit - sum);
            }
        }
        Value::Map(map) =>
        {
            #[expect(clippy::iter_over_hash_type, reason = "a sum does not depend on the order")]
            for item in map.map.values() {
                if sum >= limit {
                    break;
                }
                sum += weight(item, limit - sum);
            }
        }
        Value::String(text) => sum += text.len() / 16,
        _ => {}
    }
    sum
}

/// JSON as CEL sees it: whole numbers are `int`.
pub(crate) fn from_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Arc::new(text)),
        Json::Array(items) => Value::List(Arc::new(items.into_iter().map(from_json).collect())),
        Json::Object(fields) => from_fields(fields.into_iter().map(|(name, value)| (name, from_json(value)))),
    }
}

/// A map of CEL with these fields.
pub(crate) fn from_fields(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
    let entries = fields.into_iter().map(|(name, value)| (Key::String(Arc::new(name)), value));
    Value::Map(Map { map: Arc::new(entries.collect::<HashMap<_, _>>()) })
}

/// A value as a text in a message.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        other => other.json().map_or_else(|_| "?".to_owned(), |json| json.to_string()),
    }
}

#[cfg(test)]
mod tests;
