//! StorageClasses (`pkg/apis/storage/v1/defaults.go`, `pkg/apis/storage/validation`).

use super::Strategy;
use super::report::{Report, list, text};
use api::names;
use api::status::FieldError;
use api::storage::StorageClass;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// So many parameters a class may have, and so many bytes in them.
const MAX_PARAMETERS: usize = 512;
const MAX_PARAMETER_BYTES: usize = 256 * 1024;

impl Strategy for StorageClass {
    fn default(&mut self) {
        self.reclaim_policy.get_or_insert_with(|| "Delete".to_owned());
        self.volume_binding_mode.get_or_insert_with(|| "Immediate".to_owned());
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        if self.provisioner.is_empty() {
            errors.required("provisioner", "");
        } else {
            errors.malformed("provisioner", &self.provisioner, names::qualified_name(&self.provisioner.to_lowercase()));
        }
        if self.parameters.len() > MAX_PARAMETERS {
            errors.too_long("parameters", MAX_PARAMETERS);
        } else {
            for key in self.parameters.keys().filter(|key| key.is_empty()) {
                errors.invalid("parameters", key, "field can not be empty.");
            }
            if self.parameters.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_PARAMETER_BYTES {
                errors.too_long("parameters", MAX_PARAMETER_BYTES);
            }
        }
        if let Some(policy) = self.reclaim_policy.as_deref().filter(|policy| !matches!(*policy, "" | "Delete" | "Retain")) {
            errors.not_supported("reclaimPolicy", policy, &["Delete", "Retain"]);
        }
        match self.volume_binding_mode.as_deref() {
            None => errors.required("volumeBindingMode", ""),
            Some("Immediate" | "WaitForFirstConsumer") => {}
            Some(other) => errors.not_supported("volumeBindingMode", other, &["Immediate", "WaitForFirstConsumer"]),
        }
        topologies(&self.allowed_topologies, errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        for (field, changed) in [
            ("parameters", self.parameters != old.parameters),
            ("provisioner", self.provisioner != old.provisioner),
            ("reclaimPolicy", self.reclaim_policy != old.reclaim_policy),
        ] {
            if changed {
                errors.forbidden(field, format!("updates to {field} are forbidden."));
            }
        }
        super::meta::immutable(&self.volume_binding_mode, &old.volume_binding_mode, "volumeBindingMode", errors);
        super::meta::immutable(&self.allowed_topologies, &old.allowed_topologies, "allowedTopologies", errors);
    }
}

/// Where volumes may be made (`validateAllowedTopologies`).
fn topologies(terms: &[Value], errors: &mut Vec<FieldError>) {
    let mut seen: Vec<BTreeMap<&str, BTreeSet<&str>>> = Vec::new();
    for (index, term) in terms.iter().enumerate() {
        let path = format!("allowedTopologies[{index}]");
        let mut raw = BTreeMap::new();
        for (at, requirement) in list(term, "matchLabelExpressions").iter().enumerate() {
            let path = format!("{path}.matchLabelExpressions[{at}]");
            let values: Vec<&str> = list(requirement, "values").iter().filter_map(Value::as_str).collect();
            if values.is_empty() {
                errors.required(format!("{path}.values"), "");
            }
            let mut set = BTreeSet::new();
            for (at, value) in values.iter().enumerate() {
                if !set.insert(*value) {
                    errors.duplicate(format!("{path}.values[{at}]"), value);
                }
            }
            let key = text(requirement, "key");
            errors.qualified(&format!("{path}.key"), key);
            if raw.insert(key, set).is_some() {
                errors.duplicate(format!("{path}.key"), key);
            }
        }
        if seen.contains(&raw) {
            errors.duplicate(format!("{path}.matchLabelExpressions"), "");
        }
        seen.push(raw);
    }
}
