//! CEL with bounds: expressions are read once, checked for what they name, and their cost is known before they run.
//!
//! An expression of the `cel` crate cannot be interrupted, so its cost is bounded from above beforehand ([`Expression::cost`]): the tree is
//! walked once with the values that it may meet, or with the sizes that a schema allows. Units are those of `cel-go/checker/cost.go`: one per
//! step, a tenth per character. What costs too much does not run.
//!
//! **Simplified here:** the bound knows no short cuts (`&&`, `exists`), where upstream counts what was really done; of the libraries of
//! Kubernetes there are strings, lists (`isSorted`, `sum`, `min`, `max`) and `matches`; no types are inferred beyond fields of schemas.

use crate::crd::schema::{Additional, Pattern, Schema};
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, operators};
use cel::extractors::This;
use cel::objects::{Key, Map};
use cel::parser::{Expression as Ast, PrattParser};
use cel::{Context, Env, ExecutionError, Value};
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The longest expression, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// How deep an expression may nest; a chain of operators nests once for each.
const MAX_DEPTH: u16 = 120;

/// What an unbounded list, map or text may hold: a request has three megabytes at most.
const UNBOUNDED: u64 = 3 * 1024 * 1024;

/// The functions that may be called, apart from operators and macros.
const FUNCTIONS: &[&str] = &[
    "bool",
    "bytes",
    "charAt",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "hasValue",
    "indexOf",
    "int",
    "isSorted",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "max",
    "min",
    "optMap",
    "or",
    "orValue",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "replace",
    "reverse",
    "size",
    "split",
    "startsWith",
    "string",
    "substring",
    "sum",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "value",
];

/// An expression that was read.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    ast: Ast,
    variables: BTreeSet<String>,
}

impl Expression {
    /// Reads an expression that may name `variables`.
    ///
    /// # Errors
    /// What is wrong, in the words of cel-go.
    pub(crate) fn parse(source: &str, variables: &[&str]) -> Result<Self, String> {
        let at = |what: &str| source.find(what).unwrap_or(0) + 1;
        let failed = |column: usize, what: String| {
            format!("compilation failed: ERROR: <input>:1:{column}: {what}\n | {source}\n | {}^", ".".repeat(column.saturating_sub(1)))
        };
        if source.len() > MAX_BYTES {
            return Err(format!("compilation failed: the expression has {} bytes; at most {MAX_BYTES} are read", source.len()));
        }
        let ast = PrattParser::new().max_recursion_depth(MAX_DEPTH).parse(source).map_err(|errors| {
            let first = errors.errors.first();
            let (column, what) = first.map_or((0, String::new()), |error| (error.pos.1, error.msg.clone()));
            failed(usize::try_from(column).unwrap_or(0), format!("Syntax error: {what}"))
        })?;
        if !is_shallow(&ast) {
            return Err(format!("compilation failed: the expression nests more than {MAX_DEPTH} deep"));
        }
        let mut names = Names::default();
        names.walk(&ast);
        if let Some(name) = names.functions.iter().find(|name| !FUNCTIONS.contains(&name.as_str())) {
            return Err(failed(at(name), format!("undeclared reference to '{name}' (in container '')")));
        }
        // Dotted names of functions and of types look like variables.
        let known =
            |name: &str| variables.contains(&name) || matches!(name, "optional" | "int" | "string" | "bool" | "double" | "list" | "map");
        if let Some(name) = names.variables.iter().find(|name| !known(name)) {
            return Err(failed(at(name), format!("undeclared reference to '{name}' (in container '')")));
        }
        Ok(Expression { ast, variables: names.variables })
    }

    /// Whether it names a variable.
    pub(crate) fn uses(&self, variable: &str) -> bool {
        self.variables.contains(variable)
    }

    /// The first field that it selects of `schema`, which `self` and `oldSelf` have, and that is not there.
    pub(crate) fn undefined_field(&self, schema: &Schema, root: bool) -> Option<String> {
        undefined(&self.ast, schema, root).err()
    }

    /// At most what it costs, when names stand for what `variable` tells.
    pub(crate) fn cost<'a>(&'a self, variable: &dyn Fn(&str) -> Range<'a>) -> u64 {
        Costs { variable, bound: Vec::new() }.of(&self.ast).0
    }

    /// Its value.
    ///
    /// # Errors
    /// What CEL says, for example that a key is missing.
    pub(crate) fn evaluate(&self, mut variable: impl FnMut(&str) -> Value) -> Result<Value, String> {
        let mut env = Env::stdlib();
        let extended = env.add_extension(cel::extensions::strings);
        extended.map_err(|error| error.to_string())?;
        let mut context = Context::with_env(Arc::new(env));
        let added = context
            .add_function("matches", matches)
            .and_then(|()| context.add_function("isSorted", is_sorted))
            .and_then(|()| context.add_function("sum", sum))
            .and_then(|()| context.add_function("min", |This(list): This<Arc<Vec<Value>>>| extreme(&list, std::cmp::Ordering::Less)))
            .and_then(|()| context.add_function("max", |This(list): This<Arc<Vec<Value>>>| extreme(&list, std::cmp::Ordering::Greater)));
        added.map_err(|error| error.to_string())?;
        for name in &self.variables {
            context.add_variable_from_value(name.as_str(), variable(name));
        }
        Value::resolve(&self.ast, &context).map_err(|error| match error {
            ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
            // Some of CEL's errors print whole values.
            other => other.to_string().chars().take(300).collect(),
        })
    }
}

fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> Result<bool, ExecutionError> {
    let regex = Pattern::new(&pattern).regex.map_err(|error| ExecutionError::function_error("matches", error))?;
    Ok(regex.is_match(&text))
}

fn is_sorted(This(list): This<Arc<Vec<Value>>>) -> bool {
    list.is_sorted()
}

fn sum(This(list): This<Arc<Vec<Value>>>) -> Result<Value, ExecutionError> {
    let overflow = || ExecutionError::function_error("sum", "integer overflow");
    list.iter().cloned().try_fold(Value::Int(0), |total, item| match (total, item) {
        (Value::Int(a), Value::Int(b)) => a.checked_add(b).map(Value::Int).ok_or_else(overflow),
        (Value::Int(0), Value::Float(b)) => Ok(Value::Float(b)),
        (Value::Float(a), Value::Float(b)) => Ok(Value::Float(a + b)),
        _ => Err(ExecutionError::function_error("sum", "no such overload")),
    })
}

fn extreme(list: &[Value], wanted: std::cmp::Ordering) -> Result<Value, ExecutionError> {
    let mut items = list.iter();
    let first = items.next().ok_or_else(|| ExecutionError::function_error("min", "min called on empty list"))?;
    Ok(items.fold(first, |best, item| if item.partial_cmp(best) == Some(wanted) { item } else { best }).clone())
}

/// JSON as CEL sees it: whole numbers are `int`; fields of structures whose names CEL could not read are escaped.
pub(crate) fn value(schema: Option<&Schema>, json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) if schema.is_none_or(|schema| schema.type_ != Some(crate::crd::schema::Type::Number)) => Value::Int(whole),
            _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => {
            let part = schema.and_then(|schema| schema.items.as_deref());
            Value::List(Arc::new(items.iter().map(|item| value(part, item)).collect()))
        }
        Json::Object(fields) => {
            let entry = |(name, field): (&String, &Json)| {
                let part = schema.and_then(|schema| schema.field(name));
                let key = if schema.is_some_and(|schema| schema.properties.contains_key(name)) { escape(name) } else { name.clone() };
                (Key::String(Arc::new(key)), value(part, field))
            };
            Value::Map(Map { map: Arc::new(fields.iter().map(entry).collect::<HashMap<_, _>>()) })
        }
    }
}

/// A field's name as CEL writes it (`k8s.io/apiserver/pkg/cel/escaping.go`).
pub(crate) fn escape(name: &str) -> String {
    const RESERVED: [&str; 19] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
    ];
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
}

/// Follows the fields that an expression selects; gives the schema of what it stands for, where that is known.
fn undefined<'s>(ast: &Ast, schema: &'s Schema, root: bool) -> Result<Option<&'s Schema>, String> {
    match &ast.expr {
        Expr::Ident(name) if name == "self" || name == "oldSelf" => return Ok(Some(schema)),
        Expr::Select(select) => {
            let Some(of) = undefined(&select.operand, schema, root)? else { return Ok(None) };
            let is_root = root && std::ptr::eq(of, schema);
            if is_root && matches!(select.field.as_str(), "apiVersion" | "kind" | "metadata") || of.embedded {
                return Ok(None);
            }
            let found = of.properties.iter().find(|(name, _)| escape(name) == select.field).map(|(_, part)| part);
            return match (&of.additional, found) {
                (_, Some(found)) => Ok(Some(found)),
                (Additional::Schema(part), None) => Ok(Some(part)),
                _ if of.preserve_unknown && of.type_.is_none() => Ok(None),
                _ if of.type_.is_none() => Ok(None),
                _ => Err(select.field.clone()),
            };
        }
        _ => parts(ast).into_iter().try_for_each(|part| undefined(part, schema, root).map(drop))?,
    }
    Ok(None)
}

/// What a value may be, for its cost.
#[derive(Clone, Debug)]
pub(crate) enum Range<'a> {
    /// One of these values.
    Values(Vec<&'a Json>),
    /// A value of this schema; `None` for any value.
    Schema(Option<&'a Schema>),
    /// Something computed: at most so many parts, which are such.
    Made(u64, Option<Box<Range<'a>>>),
}

impl<'a> Range<'a> {
    /// At most how many characters, elements or entries it has.
    fn size(&self) -> u64 {
        match self {
            Range::Values(values) => values.iter().map(|value| size(value)).max().unwrap_or(0),
            Range::Schema(Some(schema)) => {
                let checks = &schema.checks;
                let allowed = || checks.allowed.as_ref()?.iter().map(size).max();
                let count = match schema.type_ {
                    Some(crate::crd::schema::Type::Array) => checks.max_items,
                    Some(crate::crd::schema::Type::Object) if !schema.properties.is_empty() => Some(schema.properties.len() as u64),
                    Some(crate::crd::schema::Type::Object) => checks.max_properties,
                    Some(crate::crd::schema::Type::String) => checks.max_length.or_else(allowed),
                    Some(_) => Some(1),
                    None => None,
                };
                count.unwrap_or(UNBOUNDED)
            }
            Range::Schema(None) => UNBOUNDED,
            Range::Made(size, _) => *size,
        }
    }

    fn field(&self, name: &str) -> Range<'a> {
        match self {
            Range::Values(values) => Range::Values(
                values
                    .iter()
                    .filter_map(|value| value.as_object()?.iter().find(|(own, _)| escape(own) == name || *own == name))
                    .map(|(_, v)| v)
                    .collect(),
            ),
            Range::Schema(schema) => Range::Schema(schema.and_then(|schema| {
                schema.properties.iter().find(|(own, _)| escape(own) == name).map(|(_, part)| part).or_else(|| schema.field(name))
            })),
            Range::Made(_, part) => part.as_deref().cloned().unwrap_or(Range::Made(1, None)),
        }
    }

    /// What its elements are, or for maps its keys and values alike.
    fn element(&self) -> Range<'a> {
        match self {
            Range::Values(values) => Range::Values(
                values
                    .iter()
                    .flat_map(|value| match value {
                        Json::Array(items) => items.iter().collect::<Vec<_>>(),
                        Json::Object(fields) => fields.values().collect(),
                        _ => Vec::new(),
                    })
                    .collect(),
            ),
            Range::Schema(schema) => Range::Schema(schema.and_then(|schema| match (&schema.items, &schema.additional) {
                (Some(items), _) => Some(&**items),
                (None, Additional::Schema(part)) => Some(part),
                _ => None,
            })),
            Range::Made(_, part) => part.as_deref().cloned().unwrap_or(Range::Made(1, None)),
        }
    }
}

fn size(value: &Json) -> u64 {
    match value {
        Json::String(text) => text.len() as u64,
        Json::Array(items) => items.len() as u64,
        Json::Object(fields) => fields.len() as u64,
        _ => 1,
    }
}

/// Everything in a value, counted.
fn weight(range: &Range<'_>) -> u64 {
    fn of(value: &Json) -> u64 {
        match value {
            Json::Array(items) => items.iter().map(of).fold(1, u64::saturating_add),
            Json::Object(fields) => fields.iter().map(|(name, value)| name.len() as u64 / 10 + of(value)).fold(1, u64::saturating_add),
            Json::String(text) => 1 + text.len() as u64 / 10,
            _ => 1,
        }
    }
    match range {
        Range::Values(values) => values.iter().map(|value| of(value)).max().unwrap_or(1),
        Range::Made(size, Some(part)) => size.saturating_mul(weight(part)).saturating_add(1),
        other => other.size() / 10 + 1,
    }
}

struct Costs<'a, 'v> {
    variable: &'v dyn Fn(&str) -> Range<'a>,
    /// Variables of comprehensions, innermost last.
    bound: Vec<(&'a str, Range<'a>)>,
}

impl<'a> Costs<'a, '_> {
    /// The cost of an expression, and what it gives.
    fn of(&mut self, ast: &'a Ast) -> (u64, Range<'a>) {
        match &ast.expr {
            Expr::Unspecified => (0, Range::Made(1, None)),
            Expr::Literal(cel::common::ast::LiteralValue::String(text)) => (0, Range::Made(text.inner().len() as u64, None)),
            Expr::Literal(_) => (0, Range::Made(1, None)),
            Expr::Ident(name) => {
                let bound = self.bound.iter().rev().find(|(own, _)| own == name).map(|(_, range)| range.clone());
                (1, bound.unwrap_or_else(|| (self.variable)(name)))
            }
            Expr::Select(select) => {
                let (cost, range) = self.of(&select.operand);
                (cost.saturating_add(1), if select.test { Range::Made(1, None) } else { range.field(&select.field) })
            }
            Expr::List(list) => {
                let parts: Vec<_> = list.elements.iter().map(|element| self.of(element)).collect();
                made(10, parts)
            }
            Expr::Map(map) => {
                let mut parts = Vec::new();
                for entry in &map.entries {
                    self.entry(&entry.expr, &mut parts);
                }
                made(30, parts)
            }
            Expr::Struct(structure) => {
                let mut parts = Vec::new();
                for entry in &structure.entries {
                    self.entry(&entry.expr, &mut parts);
                }
                made(40, parts)
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(over) => self.comprehension(over),
        }
    }

    fn entry(&mut self, entry: &'a EntryExpr, parts: &mut Vec<(u64, Range<'a>)>) {
        match entry {
            EntryExpr::StructField(field) => parts.push(self.of(&field.value)),
            EntryExpr::MapEntry(entry) => {
                let key = self.of(&entry.key);
                parts.extend([key, self.of(&entry.value)]);
            }
        }
    }

    fn call(&mut self, call: &'a CallExpr) -> (u64, Range<'a>) {
        let parts: Vec<(u64, Range<'a>)> = call.target.iter().map(|target| &**target).chain(&call.args).map(|part| self.of(part)).collect();
        let mut cost = parts.iter().map(|(cost, _)| *cost).fold(1, u64::saturating_add);
        let ranges: Vec<Range<'a>> = parts.into_iter().map(|(_, range)| range).collect();
        let of = |index: usize| ranges.get(index).map_or(1, Range::size);
        let tenth = |size: u64| size / 10 + 1;
        let mut gives = Range::Made(1, None);
        match call.func_name.as_str() {
            operators::CONDITIONAL => {
                let wider = if weight(ranges.get(1).unwrap_or(&gives)) >= weight(ranges.get(2).unwrap_or(&gives)) { 1 } else { 2 };
                gives = ranges.into_iter().nth(wider).unwrap_or(gives);
            }
            operators::ADD => {
                cost = cost.saturating_add(tenth(of(0).saturating_add(of(1))));
                let part = ranges.iter().filter(|range| range.size() > 0).map(Range::element).max_by_key(weight);
                gives = Range::Made(of(0).saturating_add(of(1)), part.map(Box::new));
            }
            operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS => {
                let least = ranges.iter().map(weight).min().unwrap_or(1);
                cost = cost.saturating_add(least / 10);
            }
            operators::INDEX | operators::OPT_INDEX => gives = ranges.first().map_or(gives, Range::element),
            operators::OPT_SELECT | "value" | "orValue" | "or" | "optMap" | "dyn" | "optional.of" | "optional.ofNonZeroValue" => {
                gives = ranges.into_iter().max_by_key(weight).unwrap_or(gives);
            }
            operators::IN => cost = cost.saturating_add(of(1).saturating_mul(ranges.first().map_or(1, weight))),
            "contains" => cost = cost.saturating_add(tenth(of(0)).saturating_mul(tenth(of(1)))),
            "matches" => cost = cost.saturating_add(tenth(of(0)).saturating_mul(of(1) / 4 + 1)),
            "replace" => {
                cost = cost.saturating_add(tenth(of(0)));
                gives = Range::Made(of(0).saturating_mul(of(2).max(1)).saturating_add(of(2)), None);
            }
            "split" => {
                cost = cost.saturating_add(tenth(of(0)));
                gives = Range::Made(of(0).saturating_add(1), Some(Box::new(Range::Made(of(0), None))));
            }
            "join" => {
                let inner = ranges.first().map_or(1, |range| range.element().size()).saturating_add(of(1));
                let whole = of(0).saturating_mul(inner);
                cost = cost.saturating_add(tenth(whole));
                gives = Range::Made(whole, None);
            }
            "lowerAscii" | "upperAscii" | "trim" | "substring" | "reverse" | "string" | "bytes" | "indexOf" | "lastIndexOf"
            | "startsWith" | "endsWith" | "charAt" => {
                cost = cost.saturating_add(tenth(of(0)));
                gives = Range::Made(of(0).max(20), None);
            }
            "isSorted" | "sum" | "min" | "max" => {
                cost = cost.saturating_add(of(0));
                gives = ranges.first().map_or(gives, Range::element);
            }
            _ => {}
        }
        (cost, gives)
    }

    fn comprehension(&mut self, over: &'a ComprehensionExpr) -> (u64, Range<'a>) {
        let (range_cost, range) = self.of(&over.iter_range);
        let (init_cost, _) = self.of(&over.accu_init);
        let rounds = range.size();
        let outer = self.bound.len();
        self.bound.push((&over.iter_var, range.element()));
        if let Some(second) = &over.iter_var2 {
            self.bound.push((second, range.element()));
        }
        // What `map` and `filter` gather is appended in place: it costs nothing to carry along.
        self.bound.push((&over.accu_var, Range::Made(0, None)));
        let (condition, _) = self.of(&over.loop_cond);
        let (step, gives) = self.of(&over.loop_step);
        self.bound.truncate(outer);
        let round = condition.saturating_add(step).saturating_add(1);
        let cost = range_cost.saturating_add(init_cost).saturating_add(rounds.saturating_mul(round));
        let gathers = matches!(over.accu_init.expr, Expr::List(_));
        let part = match gives {
            Range::Made(_, part) => part,
            other => Some(Box::new(other)),
        };
        (cost, if gathers { Range::Made(rounds, part) } else { Range::Made(1, None) })
    }
}

fn made<'a>(own: u64, parts: Vec<(u64, Range<'a>)>) -> (u64, Range<'a>) {
    let cost = parts.iter().map(|(cost, _)| *cost).fold(own, u64::saturating_add);
    let count = parts.len() as u64;
    (cost, Range::Made(count, parts.into_iter().map(|(_, range)| range).max_by_key(weight).map(Box::new)))
}

/// Whether a tree can be walked by recursion; looked at without.
fn is_shallow(ast: &Ast) -> bool {
    let mut left = vec![(ast, 0)];
    while let Some((ast, depth)) = left.pop() {
        if depth > MAX_DEPTH {
            return false;
        }
        left.extend(parts(ast).into_iter().map(|part| (part, depth + 1)));
    }
    true
}

/// The expressions that an expression is made of.
fn parts(ast: &Ast) -> Vec<&Ast> {
    fn of_entry(entry: &EntryExpr) -> Vec<&Ast> {
        match entry {
            EntryExpr::StructField(field) => vec![&field.value],
            EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        }
    }
    match &ast.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| of_entry(&entry.expr)).collect(),
        Expr::Struct(made) => made.entries.iter().flat_map(|entry| of_entry(&entry.expr)).collect(),
        Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).collect(),
        Expr::Comprehension(over) => vec![&over.iter_range, &over.accu_init, &over.loop_cond, &over.loop_step, &over.result],
    }
}

/// What an expression names.
#[derive(Default)]
struct Names {
    variables: BTreeSet<String>,
    functions: BTreeSet<String>,
    bound: Vec<String>,
}

impl Names {
    fn walk(&mut self, ast: &Ast) {
        let outer = self.bound.len();
        match &ast.expr {
            Expr::Ident(name) if !self.bound.contains(name) => drop(self.variables.insert(name.clone())),
            Expr::Struct(made) => drop(self.functions.insert(made.type_name.clone())),
            // Operators are calls of functions like `_==_`, `!_` and `@in`; `optional.of` is a call with a target.
            Expr::Call(call) if call.func_name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                let of_optional = call.target.as_ref().is_some_and(|of| matches!(&of.expr, Expr::Ident(name) if name == "optional"));
                let prefix = if of_optional { "optional." } else { "" };
                self.functions.insert(format!("{prefix}{}", call.func_name));
            }
            Expr::Comprehension(over) => {
                self.walk(&over.iter_range);
                self.walk(&over.accu_init);
                self.bound.extend([over.iter_var.clone(), over.accu_var.clone()]);
                self.bound.extend(over.iter_var2.clone());
                [&over.loop_cond, &over.loop_step, &over.result].into_iter().for_each(|part| self.walk(part));
                self.bound.truncate(outer);
                return;
            }
            _ => {}
        }
        parts(ast).into_iter().for_each(|part| self.walk(part));
    }
}
