//! `x-kubernetes-validations`: rules in CEL, walked over an object along its schema (`schema/cel/validation.go`).
//!
//! Rules that name `oldSelf` are for changes and run only where there is an old value to compare with, unless `optionalOldSelf` asks
//! otherwise. Rules whose value did not change fail without effect (ratcheting).
//!
//! **Simplified here:** texts with a `format` stay texts; elements of `set` lists compare as lists do; a violated rule that ratcheting
//! lets pass is not warned of.

use crate::crd::cel::{self, Expression};
use crate::crd::check::{same_element, shown};
use crate::crd::cost::Range;
use crate::crd::schema::{Schema, Type};
use api::json::join;
use api::status::{FieldError, FieldErrorKind};
use serde_json::{Map, Value};

/// What one call of a rule may cost (`PerCallLimit`).
const CALL_LIMIT: u64 = 1_000_000;

/// What all rules of one object may cost together. Upstream allows ten times that (`RuntimeCELCostBudget`), which would freeze a page.
const OBJECT_BUDGET: u64 = 2_000_000;

/// The variables of a rule.
pub(crate) const VARIABLES: [&str; 2] = ["self", "oldSelf"];

/// One entry of `x-kubernetes-validations`.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The rule as written.
    pub(crate) text: String,
    /// The rule as read, or why it cannot be.
    pub(crate) expression: Result<Expression, String>,
    pub(crate) message: String,
    /// The text of `messageExpression`; empty for none.
    pub(crate) message_text: String,
    pub(crate) message_expression: Option<Result<Expression, String>>,
    pub(crate) reason: String,
    pub(crate) field_path: String,
    pub(crate) optional_old_self: Option<bool>,
}

impl Rule {
    /// Reads a `ValidationRule`.
    pub(crate) fn read(value: &Value) -> Rule {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let message_text = text("messageExpression");
        Rule {
            expression: Expression::parse(&text("rule"), &VARIABLES),
            text: text("rule"),
            message: text("message"),
            message_expression: (!message_text.trim().is_empty()).then(|| Expression::parse(&message_text, &VARIABLES)),
            message_text,
            reason: text("reason"),
            field_path: text("fieldPath"),
            optional_old_self: value["optionalOldSelf"].as_bool(),
        }
    }

    /// As errors of cost and of evaluation show it (`ruleErrorString`).
    fn shown(&self) -> String {
        if self.message.is_empty() {
            format!("Rule: {:?}", self.text.trim())
        } else {
            format!("Rule: {:?}, Message: {:?}", self.text.trim(), self.message.trim())
        }
    }
}

/// Appends what violates the rules of a whole object. `old` is what it was before.
pub(crate) fn check(schema: &Schema, value: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if schema.has_rules {
        let mut run = Run { errors, budget: OBJECT_BUDGET };
        run.walk(schema, value, old, "", true);
    }
}

struct Run<'e> {
    errors: &'e mut Vec<FieldError>,
    budget: u64,
}

/// No rule runs any more.
struct Exhausted;

impl Run<'_> {
    fn walk(&mut self, schema: &Schema, value: &Value, old: Option<&Value>, path: &str, root: bool) -> bool {
        if !schema.has_rules || value.is_null() {
            return true;
        }
        for rule in &schema.rules {
            if self.rule(rule, schema, value, old, path, root).is_err() {
                return false;
            }
        }
        match value {
            Value::Array(items) => {
                let Some(part) = &schema.items else { return true };
                items.iter().enumerate().all(|(index, item)| {
                    let before = same_element(schema, item, old);
                    self.walk(part, item, before, &format!("{path}[{index}]"), part.embedded)
                })
            }
            Value::Object(fields) => fields.iter().all(|(name, field)| {
                let Some(part) = schema.field(name) else { return true };
                let here = if schema.properties.contains_key(name) { join(path, name) } else { format!("{path}[{name}]") };
                let before = old.filter(|_| !schema.atomic_map).and_then(|old| old.get(name)).filter(|before| !before.is_null());
                self.walk(part, field, before, &here, part.embedded)
            }),
            _ => true,
        }
    }

    fn fail(&mut self, schema: &Schema, path: &str, detail: String) {
        let type_ = schema.type_.map_or("", Type::as_str);
        self.errors.push(FieldError::new(FieldErrorKind::Invalid, crate::crd::check::named(path), format!("{type_:?}"), detail));
    }

    fn rule(&mut self, rule: &Rule, schema: &Schema, value: &Value, old: Option<&Value>, path: &str, root: bool) -> Result<(), Exhausted> {
        let expression = match &rule.expression {
            Ok(expression) => expression,
            Err(error) => {
                self.fail(schema, path, format!("rule compile error: {error}"));
                return Ok(());
            }
        };
        let optional = rule.optional_old_self == Some(true);
        let transition = expression.uses("oldSelf");
        if transition && old.is_none() && !optional {
            return Ok(());
        }
        let seen = Seen { schema, value: visible(schema, value, root), old: old.map(|old| visible(schema, old, root)), optional };
        match seen.run(expression, &mut self.budget) {
            Outcome::Value(::cel::Value::Bool(true)) => return Ok(()),
            Outcome::Value(_) => {}
            Outcome::Failed(error) => {
                self.fail(schema, path, format!("{error} evaluating rule: {}", rule.shown()));
                return Ok(());
            }
            Outcome::OverCall => {
                let why = "'operation cancelled: actual cost limit exceeded'";
                let detail =
                    format!("{why}: no further validation rules will be run due to call cost exceeds limit for rule: {}", rule.shown());
                self.fail(schema, path, detail);
                return Err(Exhausted);
            }
            Outcome::OverBudget => {
                let detail = "validation failed due to running out of cost budget, no further validation rules will be run";
                self.fail(schema, path, detail.to_owned());
                return Err(Exhausted);
            }
        }
        if !transition && old == Some(value) {
            return Ok(());
        }
        let detail = self.message(rule, &seen);
        let path = match rule.field_path.strip_prefix('.').unwrap_or(&rule.field_path) {
            "" => path.to_owned(),
            below => join(path, below),
        };
        let shown = if matches!(schema.type_, Some(Type::Object | Type::Array)) { String::new() } else { shown(value) };
        let path = crate::crd::check::named(&path);
        self.errors.push(match rule.reason.as_str() {
            "FieldValueRequired" => FieldError::required(path, detail),
            "FieldValueForbidden" => FieldError::forbidden(path, detail),
            // A duplicate shows the value alone.
            "FieldValueDuplicate" => FieldError::new(FieldErrorKind::Duplicate, path, shown, ""),
            _ => FieldError::new(FieldErrorKind::Invalid, path, shown, detail),
        });
        Ok(())
    }

    /// What the violation is called: `messageExpression`, `message`, or the rule.
    fn message(&mut self, rule: &Rule, seen: &Seen<'_>) -> String {
        if let Some(Ok(expression)) = &rule.message_expression
            && let Outcome::Value(::cel::Value::String(text)) = seen.run(expression, &mut self.budget)
            && !text.trim().is_empty()
            && !text.contains('\n')
        {
            return text.trim().chars().take(5120).collect();
        }
        if rule.message.is_empty() { format!("failed rule: {}", rule.text.trim()) } else { rule.message.trim().to_owned() }
    }
}

/// What rules may see of a value: of metadata, where the value is a whole object, only the names.
fn visible(schema: &Schema, value: &Value, root: bool) -> Value {
    let Value::Object(fields) = value else { return value.clone() };
    if schema.preserve_unknown && !root || matches!(schema.additional, crate::crd::schema::Additional::Schema(_)) {
        return value.clone();
    }
    let mut seen = Map::new();
    for (name, field) in fields {
        match name.as_str() {
            "apiVersion" | "kind" if root => drop(seen.insert(name.clone(), field.clone())),
            "metadata" if root => {
                let names = ["name", "generateName"].into_iter().filter_map(|name| Some((name.to_owned(), field.get(name)?.clone())));
                seen.insert(name.clone(), Value::Object(names.collect()));
            }
            _ if schema.properties.contains_key(name) => drop(seen.insert(name.clone(), field.clone())),
            _ => {}
        }
    }
    Value::Object(seen)
}

/// What an evaluation sees.
struct Seen<'s> {
    schema: &'s Schema,
    value: Value,
    old: Option<Value>,
    optional: bool,
}

enum Outcome {
    Value(::cel::Value),
    Failed(String),
    OverCall,
    OverBudget,
}

impl Seen<'_> {
    fn run(&self, expression: &Expression, budget: &mut u64) -> Outcome {
        let cost = expression.cost(&|name| match name {
            "self" => Range::Values(vec![&self.value]),
            "oldSelf" => Range::Values(self.old.iter().collect()),
            _ => Range::Values(Vec::new()),
        });
        if cost > CALL_LIMIT {
            return Outcome::OverCall;
        }
        if cost > *budget {
            return Outcome::OverBudget;
        }
        *budget -= cost;
        let value = expression.evaluate(|name| match name {
            "self" => cel::value(Some(self.schema), &self.value),
            "oldSelf" => {
                let old = self.old.as_ref().map(|old| cel::value(Some(self.schema), old));
                match (old, self.optional) {
                    (Some(old), false) => old,
                    (None, false) => ::cel::Value::Null,
                    (old, true) => optional(old),
                }
            }
            _ => ::cel::Value::Null,
        });
        value.map_or_else(Outcome::Failed, Outcome::Value)
    }
}

fn optional(value: Option<::cel::Value>) -> ::cel::Value {
    use ::cel::objects::OptionalValue;
    ::cel::Value::Opaque(std::sync::Arc::new(value.map_or_else(OptionalValue::none, OptionalValue::of)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn violations(schema: Value, new: Value, old: Option<Value>) -> Vec<String> {
        let mut errors = Vec::new();
        let schema = Schema::read(&json!({"type": "object", "properties": {"spec": schema}}));
        let whole = |spec: Value| json!({"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "n", "labels": {}}, "spec": spec});
        check(&schema, &whole(new), old.map(whole).as_ref(), &mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    fn bounds(rules: Value) -> Value {
        let integer = json!({"type": "integer"});
        json!({"type": "object", "properties": {"min": integer, "max": integer}, "x-kubernetes-validations": rules})
    }

    #[test]
    fn rules_have_messages_reasons_and_paths() {
        let plain = bounds(json!([{"rule": "self.min <= self.max"}]));
        assert_eq!(violations(plain.clone(), json!({"min": 1, "max": 2}), None), Vec::<String>::new());
        assert_eq!(
            violations(plain.clone(), json!({"min": 3, "max": 2}), None),
            ["spec: Invalid value: failed rule: self.min <= self.max"]
        );
        assert_eq!(
            violations(plain, json!({"min": 3}), None),
            ["spec: Invalid value: \"object\": no such key: max evaluating rule: Rule: \"self.min <= self.max\""]
        );
        let rich = bounds(json!([{
            "rule": "self.min <= self.max", "messageExpression": "'min ' + string(self.min) + ' is above max'",
            "reason": "FieldValueForbidden", "fieldPath": ".min",
        }]));
        assert_eq!(violations(rich, json!({"min": 3, "max": 2}), None), ["spec.min: Forbidden: min 3 is above max"]);
        let scalar = json!({"type": "string", "x-kubernetes-validations": [{"rule": "self.matches('^a+$')", "message": "only a"}]});
        assert_eq!(violations(scalar, json!("ab"), None), ["spec: Invalid value: \"ab\": only a"]);
    }

    #[test]
    fn transition_rules_need_an_old_value_unless_it_is_optional() {
        let fixed = json!({"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "is immutable"}]});
        assert!(violations(fixed.clone(), json!("a"), None).is_empty());
        assert!(violations(fixed.clone(), json!("a"), Some(json!("a"))).is_empty());
        assert_eq!(violations(fixed, json!("a"), Some(json!("b"))), ["spec: Invalid value: \"a\": is immutable"]);
        let rule = json!([{"rule": "oldSelf.hasValue() || self == 'new'", "message": "must begin as new", "optionalOldSelf": true}]);
        let begins = json!({"type": "string", "x-kubernetes-validations": rule});
        assert!(violations(begins.clone(), json!("new"), None).is_empty());
        assert_eq!(violations(begins.clone(), json!("old"), None), ["spec: Invalid value: \"old\": must begin as new"]);
        assert!(violations(begins, json!("old"), Some(json!("new"))).is_empty());
    }

    #[test]
    fn elements_of_map_lists_are_compared_by_their_keys() {
        let item = json!({"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
                          "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size", "message": "cannot shrink"}]});
        let list = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": item});
        let old = json!([{"name": "a", "size": 2}, {"name": "b", "size": 2}]);
        assert_eq!(
            violations(list, json!([{"name": "c", "size": 0}, {"name": "b", "size": 1}, {"name": "a", "size": 3}]), Some(old)),
            ["spec[1]: Invalid value: cannot shrink"]
        );
    }

    #[test]
    fn maps_are_walked_in_the_order_of_their_keys() {
        let names: Map<String, Value> = (0..40).map(|n| (format!("key{n:02}"), json!("v"))).collect();
        let rule = json!([{"rule": "self.all(k, self[k] == 'w')", "messageExpression": "self.map(k, k).join(',')"}]);
        let schema = json!({"type": "object", "additionalProperties": {"type": "string"}, "x-kubernetes-validations": rule});
        let wanted = names.keys().cloned().collect::<Vec<_>>().join(",");
        assert_eq!(violations(schema, names.into(), None), [format!("spec: Invalid value: {wanted}")]);
    }

    #[test]
    fn texts_lists_and_patterns_have_functions() {
        for rule in [
            "self.matches('b+') && self.find('b+') == 'bb' && self.findAll('b').size() == 2",
            "self.split('-').isSorted() && self.upperAscii() == 'A-BB' && self.substring(2) == 'bb'",
            "[1, 2, 3].sum() == 6 && [1, 3, 2].max() == 3 && [2, 1].min() == 1 && self in ['a-bb']",
            "self.lowerAscii().replace('-', '+').trim() == 'a+bb' && self.indexOf('b') == 2",
        ] {
            let schema = json!({"type": "string", "x-kubernetes-validations": [{"rule": rule}]});
            assert_eq!(violations(schema, json!("a-bb"), None), Vec::<String>::new(), "{rule}");
        }
    }

    #[test]
    fn what_did_not_change_may_stay_wrong() {
        let plain = bounds(json!([{"rule": "self.min <= self.max"}]));
        let wrong = json!({"min": 3, "max": 2});
        assert!(violations(plain.clone(), wrong.clone(), Some(wrong.clone())).is_empty());
        assert_eq!(violations(plain, json!({"min": 4, "max": 2}), Some(wrong)).len(), 1);
    }

    #[test]
    fn a_rule_that_would_take_too_long_does_not_run() {
        let list = |rule: &str| json!({"type": "array", "items": {"type": "integer"}, "x-kubernetes-validations": [{"rule": rule}]});
        let many: Value = (0..2000).collect();
        let square = "self.all(a, self.all(b, a != b || a == b))";
        let refused = violations(list(square), many, None);
        assert!(refused[0].contains("no further validation rules will be run due to call cost exceeds limit"), "{refused:?}");
        assert!(violations(list(square), (0..50).collect(), None).is_empty());
        // Doubling a text forty times makes a thousand billion letters.
        let bomb = format!("['aaaa']{}.size() > 0", ".map(v, v + v)".repeat(40));
        let refused = violations(list(&bomb), json!([1]), None);
        assert!(refused[0].contains("call cost exceeds limit"), "{refused:?}");
        // Many rules that are cheap alone run out of the budget together.
        let rules: Vec<Value> = (0..60).map(|_| json!({"rule": "self.all(a, self.all(b, a <= b || a > b))"})).collect();
        let schema = json!({"type": "array", "items": {"type": "integer"}, "x-kubernetes-validations": rules});
        let refused = violations(schema, (0..150).collect(), None);
        assert!(refused.last().unwrap().contains("running out of cost budget"), "{refused:?}");
    }
}
