//! Nodes (`pkg/registry/core/node/strategy.go`).

use super::{Strategy, meta};
use api::core::Node;
use api::names;
use api::status::FieldError;
use std::borrow::Cow;

impl Strategy for Node {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        for (index, taint) in self.spec.taints.iter().enumerate() {
            let path = format!("metadata.taints[{index}]");
            if self.spec.taints[..index].iter().any(|other| (&other.key, &other.effect) == (&taint.key, &taint.effect)) {
                let value = api::json::Json::to_json(taint).to_string();
                let detail = "taints must be unique by key and effect pair";
                errors.push(FieldError::new(api::status::FieldErrorKind::Duplicate, &path, value, detail));
            }
            let wrong = names::qualified_name(&taint.key).into_iter();
            errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.key"), &taint.key, detail)));
            let wrong = names::label_value(&taint.value).into_iter();
            errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.value"), &taint.value, detail)));
            match taint.effect.as_str() {
                "NoSchedule" | "PreferNoSchedule" | "NoExecute" => {}
                "" => errors.push(FieldError::required(format!("{path}.effect"), "")),
                other => {
                    let allowed = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
                    errors.push(FieldError::not_supported(format!("{path}.effect"), other, &allowed));
                }
            }
        }
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        self.validate(errors);
        if !old.spec.pod_cidr.is_empty() {
            meta::immutable(&self.spec.pod_cidr, &old.spec.pod_cidr, "spec.podCIDR", errors);
        }
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let text = if self.spec.unschedulable == Some(true) { "true" } else { "false" };
        (name == "spec.unschedulable").then_some(Cow::Borrowed(text))
    }
}
