//! CEL with bounds: expressions are read once, checked for what they name, and their cost is known before they run.
//!
//! An expression of the `cel` crate cannot be interrupted, so its cost is bounded from above beforehand ([`Expression::cost`]). What costs too
//! much does not run.
//!
//! **Simplified here:** of the libraries of Kubernetes there are strings, lists (`isSorted`, `sum`, `min`, `max`) and regular expressions; no
//! types are inferred beyond fields of schemas.

use crate::crd::cost::{self, Range};
use crate::crd::schema::{Additional, Pattern, Schema};
use cel::common::ast::{CallExpr, EntryExpr, Expr};
use cel::common::types::{CelList, CelMap, CelString, DYN_TYPE};
use cel::common::value::{CowVal, Val};
use cel::extractors::This;
use cel::objects::{Key, Map};
use cel::parser::{Expression as Ast, PrattParser};
use cel::{Context, Env, ExecutionError, Value};
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

/// The longest expression, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// The longest text in which all matches are searched for, in bytes.
const MAX_SEARCHED: usize = 4096;

/// How deep an expression may nest; a chain of operators nests once for each.
const MAX_DEPTH: u16 = 120;

/// The functions that may be called, apart from operators and macros.
const FUNCTIONS: &[&str] = &[
    "bool",
    "bytes",
    "charAt",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "find",
    "findAll",
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
        let mut ast = PrattParser::new().max_recursion_depth(MAX_DEPTH).parse(source).map_err(|errors| {
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
        sort_keys(&mut ast);
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
        cost::of(&self.ast, variable)
    }

    /// Its value.
    ///
    /// # Errors
    /// What CEL says, for example that a key is missing.
    pub(crate) fn evaluate(&self, mut variable: impl FnMut(&str) -> Value) -> Result<Value, String> {
        let mut context = Context::with_env(environment()?);
        let added = context
            .add_function("matches", matches)
            .and_then(|()| context.add_function("find", find))
            .and_then(|()| context.add_function("findAll", find_all))
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

/// The standard functions, those on texts, and our own: made once.
fn environment() -> Result<Arc<Env>, String> {
    static ENVIRONMENT: OnceLock<Result<Arc<Env>, String>> = OnceLock::new();
    let made = ENVIRONMENT.get_or_init(|| {
        let mut env = Env::stdlib();
        let extended = env.add_extension(cel::extensions::strings);
        let extended = extended.and_then(|()| env.add_overload(SORTED, "sorted(dyn)", vec![DYN_TYPE], sorted));
        extended.map(|()| Arc::new(env)).map_err(|error| error.to_string())
    });
    made.clone()
}

fn pattern(text: &str, pattern: &str) -> Result<Pattern, ExecutionError> {
    let pattern = Pattern::new(pattern);
    // Told before anything is searched for: finding takes as long as matching.
    pattern.matches(text).map_err(|error| ExecutionError::function_error("matches", error))?;
    Ok(pattern)
}

fn matches(This(text): This<Arc<String>>, by: Arc<String>) -> Result<bool, ExecutionError> {
    Pattern::new(&by).matches(&text).map_err(|error| ExecutionError::function_error("matches", error))
}

fn find(This(text): This<Arc<String>>, by: Arc<String>) -> Result<Value, ExecutionError> {
    let found = pattern(&text, &by)?.regex.ok().and_then(|regex| regex.find(&text).map(|found| found.as_str().to_owned()));
    Ok(Value::from(found.unwrap_or_default()))
}

fn find_all(This(text): This<Arc<String>>, by: Arc<String>) -> Result<Value, ExecutionError> {
    // Each match is searched for anew.
    if text.len() > MAX_SEARCHED {
        return Err(ExecutionError::function_error(
            "findAll",
            format!("the text has {} bytes; at most {MAX_SEARCHED} are searched", text.len()),
        ));
    }
    let regex = pattern(&text, &by)?.regex.ok();
    let found = regex.iter().flat_map(|regex| regex.find_iter(&text)).map(|found| Value::String(Arc::new(found.as_str().to_owned())));
    Ok(Value::List(Arc::new(found.collect())))
}

/// The function that [`sort_keys`] puts around what is walked. No author can name it.
pub(crate) const SORTED: &str = "@sorted";

/// Makes comprehensions walk maps in the order of their keys: the crate's maps have none, and a run shall be the same every time.
fn sort_keys(ast: &mut Ast) {
    match &mut ast.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
        Expr::Select(select) => sort_keys(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().for_each(sort_keys),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| sort_keys_of(&mut entry.expr)),
        Expr::Struct(made) => made.entries.iter_mut().for_each(|entry| sort_keys_of(&mut entry.expr)),
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| sort_keys(target));
            call.args.iter_mut().for_each(sort_keys);
        }
        Expr::Comprehension(over) => {
            for part in [&mut over.iter_range, &mut over.accu_init, &mut over.loop_cond, &mut over.loop_step, &mut over.result] {
                sort_keys(part);
            }
            if over.iter_var2.is_none() {
                let range = std::mem::take(&mut over.iter_range);
                let id = range.id;
                over.iter_range = Ast { id, expr: Expr::Call(CallExpr { func_name: SORTED.to_owned(), target: None, args: vec![range] }) };
            }
        }
    }
}

fn sort_keys_of(entry: &mut EntryExpr) {
    match entry {
        EntryExpr::StructField(field) => sort_keys(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            sort_keys(&mut entry.key);
            sort_keys(&mut entry.value);
        }
    }
}

/// The keys of a map, sorted; anything else as it is.
fn sorted<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let range = args.into_iter().next().ok_or_else(|| ExecutionError::function_error(SORTED, "no argument"))?;
    let Some(map) = range.downcast_ref::<CelMap<'_>>() else { return Ok(range) };
    let mut keys: Vec<(String, Box<dyn Val + 'v>)> = Vec::with_capacity(map.inner().len());
    if let Some(map) = map.as_iterable() {
        let mut items = map.iter();
        while let Some(key) = items.next() {
            let text = key.downcast_ref::<CelString<'_>>().map_or_else(|| format!("{key:?}"), |text| text.inner().to_owned());
            keys.push((text, key.clone_as_boxed()));
        }
    }
    keys.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(CowVal::owned(CelList::from(keys.into_iter().map(|(_, key)| key).collect::<Vec<_>>())))
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
