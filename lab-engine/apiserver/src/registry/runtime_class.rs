//! RuntimeClasses (`pkg/apis/node/validation`).

use super::dynamic::Rules;
use super::meta;
use super::pod_spec::{resources, tolerations};
use super::report::{Report, list, text};
use api::core::{ResourceList, Toleration};
use api::json::decode;
use api::meta::ObjectMeta;
use api::meta::StringMap;
use api::status::FieldError;
use serde_json::Value;

/// The rules of RuntimeClasses.
pub(super) const RULES: Rules = Rules { default: |_| {}, validate, status: false, counted: false, fixed: false };

fn validate(_: &ObjectMeta, value: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let handler = |value: &Value| text(value, "handler").to_owned();
    if let Some(old) = old {
        return meta::immutable(&handler(value), &handler(old), "handler", errors);
    }
    errors.label("handler", &handler(value));
    if let Some(fixed) = value.pointer("/overhead/podFixed") {
        let amounts: ResourceList = decode(fixed.clone()).unwrap_or_default();
        resources::overhead(&amounts, "overhead", errors);
    }
    let Some(scheduling) = value.get("scheduling") else { return };
    if let Some(selector) = scheduling.get("nodeSelector") {
        let labels: StringMap = decode(selector.clone()).unwrap_or_default();
        meta::labels(&labels, "scheduling.nodeSelector", errors);
    }
    let given: Vec<Toleration> = list(scheduling, "tolerations").iter().filter_map(|one| decode(one.clone()).ok()).collect();
    let path = "scheduling.tolerations";
    tolerations(&given, path, errors);
    for (index, one) in given.iter().enumerate().filter(|(index, one)| given[..*index].contains(one)) {
        errors.add(FieldError::new(
            api::status::FieldErrorKind::Duplicate,
            format!("{path}[{index}]"),
            api::json::Json::to_json(one).to_string(),
            "",
        ));
    }
}
