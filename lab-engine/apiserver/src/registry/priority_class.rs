//! PriorityClasses (`pkg/apis/scheduling/{v1/defaults.go,validation}`).

use super::dynamic::Rules;
use super::meta;
use super::report::{Report, number};
use api::meta::ObjectMeta;
use api::status::FieldError;
use serde_json::{Map, Value, json};

/// The rules of PriorityClasses.
pub(super) const RULES: Rules = Rules { default: defaults, validate, status: false, counted: true, fixed: false };

/// No user may go higher (`HighestUserDefinablePriority`).
const HIGHEST: i64 = 1_000_000_000;
const SYSTEM: &str = "system-";

fn defaults(fields: &mut Map<String, Value>) {
    fields.entry("preemptionPolicy").or_insert_with(|| json!("PreemptLowerPriority"));
}

fn validate(metadata: &ObjectMeta, value: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if let Some(old) = old {
        if number(value, "value") != number(old, "value") {
            errors.forbidden("value", "may not be changed in an update.");
        }
        let policy = |value: &Value| value.get("preemptionPolicy").cloned();
        return meta::immutable(&policy(value), &policy(old), "preemptionPolicy", errors);
    }
    let name = metadata.name.as_str();
    if name.starts_with(SYSTEM) {
        if let Err(why) = known_system_class(name, value) {
            let detail = format!("priority class names with '{SYSTEM}' prefix are reserved for system use only. error: {why}");
            errors.forbidden("metadata.name", detail);
        }
    } else if number(value, "value") > HIGHEST {
        errors.forbidden("value", format!("maximum allowed value of a user defined priority is {HIGHEST}"));
    }
    if let Some(policy) = value.get("preemptionPolicy").and_then(Value::as_str) {
        errors.choice("preemptionPolicy", policy, &["PreemptLowerPriority", "Never"]);
    }
}

/// Whether a class is one of those that every cluster has (`IsKnownSystemPriorityClass`).
fn known_system_class(name: &str, value: &Value) -> Result<(), String> {
    let known = match name {
        "system-node-critical" => 2_000_001_000,
        "system-cluster-critical" => 2_000_000_000,
        _ => return Err(format!("{name} is not a known system priority class")),
    };
    if number(value, "value") != known {
        return Err(format!("value of {name} PriorityClass must be {known}"));
    }
    if value.get("globalDefault") == Some(&Value::Bool(true)) {
        return Err(format!("globalDefault of {name} PriorityClass must be false"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::registry::validate;
    use api::Object;
    use serde_json::json;

    #[test]
    fn users_stay_below_the_system() {
        let check = |name: &str, value: i64| {
            let json = json!({"metadata": {"name": name}, "value": value});
            let object = Object::decode_as("scheduling.k8s.io/v1", "PriorityClass", json).unwrap();
            validate(&object).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(check("high", 1_000_000_000).is_empty() && check("system-node-critical", 2_000_001_000).is_empty());
        let expected = "value: Forbidden: maximum allowed value of a user defined priority is 1000000000";
        assert_eq!(check("high", 1_000_000_001), [expected]);
        let reserved = "priority class names with 'system-' prefix are reserved for system use only";
        let why = "system-mine is not a known system priority class";
        assert_eq!(check("system-mine", 1), [format!("metadata.name: Forbidden: {reserved}. error: {why}")]);
    }
}
