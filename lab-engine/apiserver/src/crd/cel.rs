//! CEL with bounds: expressions are read once, checked for what they name, and their cost is known before they run.
//!
//! An expression of the `cel` crate cannot be interrupted, so its cost is bounded from above beforehand ([`Expression::cost`]). What costs too
//! much does not run.
//!
//! **Simplified here:** no types are inferred beyond fields of schemas.

use crate::cel::names::{self, is_shallow, parts};
use crate::cel::order::sort_keys;
use crate::cel::{MAX_BYTES, MAX_DEPTH, library};
use crate::crd::cost::{self, Range};
use crate::crd::schema::{Additional, Schema};
use cel::common::ast::Expr;
use cel::objects::{Key, Map};
use cel::parser::{Expression as Ast, PrattParser};
use cel::{ExecutionError, Value};
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

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
        let names = names::of(&ast);
        if let Some(name) = names.functions.iter().find(|name| !library::is_function(name)) {
            return Err(failed(at(name), format!("undeclared reference to '{name}' (in container '')")));
        }
        // Names of types look like variables.
        let known = |name: &str| variables.contains(&name) || matches!(name, "int" | "string" | "bool" | "double" | "list" | "map");
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
        let mut context = library::context()?;
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
