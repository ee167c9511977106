//! CEL: the expressions in which checks and truths are written.
//!
//! An expression may name: `pods`, `deployments`, `replicasets`, `replicationcontrollers`, `statefulsets`, `daemonsets`, `jobs`, `cronjobs`,
//! `horizontalpodautoscalers`, `nodes`, `leases`, `services`, `endpointslices`, `ingresses`, `gateways`, `httproutes`, `networkpolicies`,
//! `configmaps`, `persistentvolumeclaims`, `persistentvolumes`, `namespaces`, `serviceaccounts`, `roles`, `rolebindings`, `clusterroles`,
//! `clusterrolebindings`, `limitranges`, `resourcequotas`, `events` (lists of objects, each as its JSON), `etcd` (its members; see
//! [`cluster::MemberStatus`]), `trace` (a list of what happened since the setup; see [`crate::Evidence`]), `now` (seconds since the learner
//! began), `vars` (the dealt numbers), `files` (texts by name) and `commands` (lines typed). Only what it names is put together.
//!
//! Models the way Kubernetes uses CEL (validation rules, admission policies): parsed once, bounded in length and nesting, no side effects.
//!
//! **Simplified here:** no regular expressions (`matches`), durations or timestamps: they would cost the page more than they give.

use cel::common::ast::Expr;
use cel::objects::{Key, Map};
use cel::parser::{Expression as Ast, PrattParser};
use cel::{Context, ExecutionError, Value};
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The longest expression, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 4000;

/// The deepest nesting of `all`, `exists`, `map` and `filter`.
pub const MAX_NESTING: usize = 3;

/// The variables that an expression may name, in alphabetical order.
pub const VARIABLES: &[&str] = &[
    "clusterrolebindings",
    "clusterroles",
    "commands",
    "configmaps",
    "cronjobs",
    "daemonsets",
    "deployments",
    "endpointslices",
    "etcd",
    "events",
    "files",
    "gateways",
    "horizontalpodautoscalers",
    "httproutes",
    "ingresses",
    "jobs",
    "leases",
    "limitranges",
    "namespaces",
    "networkpolicies",
    "nodes",
    "now",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "replicasets",
    "replicationcontrollers",
    "resourcequotas",
    "rolebindings",
    "roles",
    "serviceaccounts",
    "services",
    "statefulsets",
    "trace",
    "vars",
];

/// The functions that an expression may call, apart from operators and macros.
const FUNCTIONS: &[&str] = &["bool", "contains", "double", "endsWith", "int", "max", "min", "size", "startsWith", "string", "uint"];

/// An expression that was read.
#[derive(Clone, Debug)]
pub struct Expression {
    ast: Ast,
    variables: BTreeSet<String>,
    nesting: usize,
}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// It is not CEL.
    #[error("this is no CEL: {0}")]
    Syntax(String),
    /// It names something that is not there.
    #[error("there is no variable `{0}`; there are: {list}", list = VARIABLES.join(", "))]
    UnknownVariable(String),
    /// It calls something that is not there.
    #[error("there is no function `{0}`; there are: {list}", list = FUNCTIONS.join(", "))]
    UnknownFunction(String),
    /// It exceeds [`MAX_EXPRESSION_BYTES`].
    #[error("the expression has {0} bytes; at most {MAX_EXPRESSION_BYTES} are read")]
    TooLong(usize),
    /// It exceeds [`MAX_NESTING`].
    #[error("the expression walks lists within lists {0} deep; at most {MAX_NESTING} is allowed")]
    TooDeep(usize),
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`ExpressionError`], the first that applies.
    pub fn parse(source: &str) -> Result<Self, ExpressionError> {
        if source.len() > MAX_EXPRESSION_BYTES {
            return Err(ExpressionError::TooLong(source.len()));
        }
        let ast = PrattParser::new().max_recursion_depth(64).parse(source).map_err(|errors| {
            let first = errors.errors.first();
            ExpressionError::Syntax(first.map_or_else(String::new, |error| format!("{} (column {})", error.msg, error.pos.1)))
        })?;
        let mut names = Names::default();
        names.walk(&ast, 0);
        if let Some(function) = names.functions.iter().find(|name| !FUNCTIONS.contains(&name.as_str())) {
            return Err(ExpressionError::UnknownFunction(function.clone()));
        }
        if let Some(variable) = names.variables.iter().find(|name| !VARIABLES.contains(&name.as_str())) {
            return Err(ExpressionError::UnknownVariable(variable.clone()));
        }
        if names.nesting > MAX_NESTING {
            return Err(ExpressionError::TooDeep(names.nesting));
        }
        Ok(Expression { ast, variables: names.variables, nesting: names.nesting })
    }

    /// The variables it names, in alphabetical order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(String::as_str)
    }

    /// How long a list may be for it: walking lists within lists must stay cheap whatever the learner made.
    pub fn list_limit(&self) -> usize {
        match self.nesting {
            0 | 1 => 20_000,
            2 => 1000,
            _ => 100,
        }
    }

    /// Its value, where `variable` gives what a name stands for.
    ///
    /// # Errors
    /// What CEL says, for example that a field is missing.
    pub fn evaluate(&self, mut variable: impl FnMut(&str) -> Value) -> Result<Value, EvaluationError> {
        let mut context = Context::default();
        for name in self.variables() {
            context.add_variable_from_value(name, variable(name));
        }
        Value::resolve(&self.ast, &context).map_err(EvaluationError::new)
    }
}

/// An expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// It reads a field that is not there: quite usual while a cluster works.
    #[error("there is no field `{0}` yet")]
    MissingField(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl EvaluationError {
    fn new(error: ExecutionError) -> Self {
        match error {
            ExecutionError::NoSuchKey(field) => EvaluationError::MissingField(field.to_string()),
            // Some of CEL's errors print whole values.
            other => EvaluationError::Other(other.to_string().chars().take(300).collect()),
        }
    }
}

/// What an expression names.
#[derive(Default)]
struct Names {
    variables: BTreeSet<String>,
    functions: BTreeSet<String>,
    bound: Vec<String>,
    nesting: usize,
}

impl Names {
    fn walk(&mut self, ast: &Ast, depth: usize) {
        match &ast.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => {
                if !self.bound.contains(name) {
                    self.variables.insert(name.clone());
                }
            }
            Expr::Select(select) => self.walk(&select.operand, depth),
            Expr::List(list) => list.elements.iter().for_each(|element| self.walk(element, depth)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr, depth)),
            Expr::Struct(made) => {
                self.functions.insert(made.type_name.clone());
                made.entries.iter().for_each(|entry| self.entry(&entry.expr, depth));
            }
            Expr::Call(call) => {
                // Operators are calls of functions like `_==_`, `!_` and `@in`.
                if call.func_name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    self.functions.insert(call.func_name.clone());
                }
                call.target.iter().for_each(|target| self.walk(target, depth));
                call.args.iter().for_each(|argument| self.walk(argument, depth));
            }
            Expr::Comprehension(over) => {
                self.nesting = self.nesting.max(depth + 1);
                self.walk(&over.iter_range, depth);
                self.walk(&over.accu_init, depth);
                let outer = self.bound.len();
                self.bound.extend([over.iter_var.clone(), over.accu_var.clone()]);
                self.bound.extend(over.iter_var2.clone());
                for part in [&over.loop_cond, &over.loop_step, &over.result] {
                    self.walk(part, depth + 1);
                }
                self.bound.truncate(outer);
            }
        }
    }

    fn entry(&mut self, entry: &cel::common::ast::EntryExpr, depth: usize) {
        match entry {
            cel::common::ast::EntryExpr::StructField(field) => self.walk(&field.value, depth),
            cel::common::ast::EntryExpr::MapEntry(entry) => {
                self.walk(&entry.key, depth);
                self.walk(&entry.value, depth);
            }
        }
    }
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
        Json::Object(fields) => {
            let entries = fields.into_iter().map(|(name, value)| (Key::String(Arc::new(name)), from_json(value)));
            // CEL's own map; its order is never observed, as results are turned into JSON with sorted keys.
            Value::Map(Map { map: Arc::new(entries.collect::<HashMap<_, _>>()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(source: &str, pods: Json) -> Result<Value, EvaluationError> {
        Expression::parse(source).unwrap().evaluate(|name| if name == "pods" { from_json(pods.clone()) } else { Value::Null })
    }

    #[test]
    fn expressions_read_objects() {
        let pods = json!([{"metadata": {"name": "a"}, "status": {"phase": "Running", "restarts": 3}}, {"metadata": {"name": "b"}}]);
        let cases = [
            ("pods.exists(p, p.metadata.name == 'a' && p.status.phase == 'Running')", Value::Bool(true)),
            ("pods.all(p, has(p.status))", Value::Bool(false)),
            ("size(pods.filter(p, has(p.status) && p.status.restarts >= 3))", Value::Int(1)),
            ("pods.map(p, p.metadata.name)[1]", Value::from("b")),
            ("pods[0].status.restarts + 1 == 4", Value::Bool(true)),
        ];
        for (source, wanted) in cases {
            assert_eq!(value(source, pods.clone()), Ok(wanted), "{source}");
        }
    }

    #[test]
    fn a_missing_field_is_told_from_other_errors() {
        assert_eq!(value("pods[0].status == 'x'", json!([{}])), Err(EvaluationError::MissingField("status".to_owned())));
        assert!(matches!(value("pods + 1", json!([])), Err(EvaluationError::Other(_))));
    }

    #[test]
    fn only_what_is_named_is_asked_for() {
        let expression = Expression::parse("pods.all(p, p.x == vars.n)").unwrap();
        assert_eq!(expression.variables().collect::<Vec<_>>(), ["pods", "vars"]);
    }

    #[test]
    fn bad_expressions_say_what_is_wrong() {
        let message = |source: &str| Expression::parse(source).unwrap_err().to_string();
        assert!(message("pods.all(p, ").starts_with("this is no CEL: "), "{}", message("pods.all(p, "));
        assert!(
            message("pod.all(p, true)")
                .starts_with("there is no variable `pod`; there are: clusterrolebindings, clusterroles, commands, configmaps,")
        );
        assert!(message("pods.exists(p, q == 1)").starts_with("there is no variable `q`"));
        assert!(message("sizeof(pods)").starts_with("there is no function `sizeof`"));
        assert_eq!(message(&"1+".repeat(3000)), "the expression has 6000 bytes; at most 4000 are read");
        let deep = "pods.all(a, pods.all(b, pods.all(c, pods.all(d, true))))";
        assert_eq!(message(deep), "the expression walks lists within lists 4 deep; at most 3 is allowed");
        assert!(Expression::parse(&"(".repeat(3999)).is_err());
    }
}
