//! StatefulSets (`pkg/registry/apps/statefulset/strategy.go`).

use super::{Strategy, claim, deployment, meta, replica_set};
use api::apps::{RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetStatus};
use api::intstr::IntOrString;
use api::status::{FieldError, FieldErrorKind};

impl Strategy for StatefulSet {
    fn default(&mut self) {
        let spec = &mut self.spec;
        if spec.pod_management_policy.is_empty() {
            spec.pod_management_policy = "OrderedReady".to_owned();
        }
        if spec.update_strategy.type_.is_empty() {
            spec.update_strategy.type_ = "RollingUpdate".to_owned();
        }
        if spec.update_strategy.type_ == "RollingUpdate" {
            let bounds = spec.update_strategy.rolling_update.get_or_insert_with(RollingUpdateStatefulSetStrategy::default);
            bounds.partition.get_or_insert(0);
            bounds.max_unavailable.get_or_insert(IntOrString::Int(1));
        }
        let retention =
            spec.persistent_volume_claim_retention_policy.get_or_insert_with(StatefulSetPersistentVolumeClaimRetentionPolicy::default);
        for policy in [&mut retention.when_deleted, &mut retention.when_scaled].into_iter().filter(|policy| policy.is_empty()) {
            *policy = "Retain".to_owned();
        }
        spec.replicas.get_or_insert(1);
        spec.revision_history_limit.get_or_insert(10);
        for template in &mut spec.volume_claim_templates {
            claim::defaults(template);
            template.status.phase = "Pending".to_owned();
        }
        super::pod_defaults::pod_spec(&mut spec.template.spec);
    }

    fn prepare_for_create(&mut self) {
        self.status = StatefulSetStatus::default();
        self.metadata.generation = Some(1);
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        let spec = &self.spec;
        let known = ["OrderedReady", "Parallel"];
        if !known.contains(&spec.pod_management_policy.as_str()) {
            errors.push(FieldError::not_supported("spec.podManagementPolicy", &spec.pod_management_policy, &known));
        }
        update_strategy(self, errors);
        if let Some(retention) = &spec.persistent_volume_claim_retention_policy {
            let path = "spec.persistentVolumeClaimRetentionPolicy";
            for (field, policy) in [("whenDeleted", &retention.when_deleted), ("whenScaled", &retention.when_scaled)] {
                if !matches!(policy.as_str(), "Retain" | "Delete") {
                    errors.push(FieldError::not_supported(format!("{path}.{field}"), policy, &["Delete", "Retain"]));
                }
            }
        }
        meta::non_negative(spec.replicas.map(i64::from), "spec.replicas", errors);
        meta::non_negative(spec.min_ready_seconds.map(i64::from), "spec.minReadySeconds", errors);
        meta::non_negative(spec.ordinals.as_ref().map(|ordinals| ordinals.start.into()), "spec.ordinals.start", errors);
        meta::non_negative(spec.revision_history_limit.map(i64::from), "spec.revisionHistoryLimit", errors);
        replica_set::selector_and_template("StatefulSet", &spec.selector, &spec.template, errors);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        if self.spec != old.spec {
            self.metadata.generation = Some(old.metadata.generation.unwrap_or(0) + 1);
        }
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        self.validate(errors);
        let mut munged = self.spec.clone();
        munged.replicas = old.spec.replicas;
        munged.template = old.spec.template.clone();
        munged.update_strategy = old.spec.update_strategy.clone();
        munged.min_ready_seconds = old.spec.min_ready_seconds;
        munged.ordinals = old.spec.ordinals.clone();
        munged.revision_history_limit = old.spec.revision_history_limit;
        munged.persistent_volume_claim_retention_policy = old.spec.persistent_volume_claim_retention_policy.clone();
        if munged != old.spec {
            let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
                          'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
            errors.push(FieldError::forbidden("spec", detail));
        }
    }
}

fn update_strategy(set: &StatefulSet, errors: &mut Vec<FieldError>) {
    let strategy = &set.spec.update_strategy;
    let path = "spec.updateStrategy";
    match (strategy.type_.as_str(), &strategy.rolling_update) {
        ("", _) => errors.push(FieldError::required(path, "")),
        ("OnDelete", Some(_)) => {
            let detail = format!("only allowed for updateStrategy '{}'", "RollingUpdate");
            errors.push(FieldError::new(FieldErrorKind::Invalid, format!("{path}.rollingUpdate"), "", detail));
        }
        ("RollingUpdate", Some(bounds)) => {
            meta::non_negative(bounds.partition.map(i64::from), format!("{path}.rollingUpdate.partition"), errors);
            if let Some(bound) = &bounds.max_unavailable {
                let path = format!("{path}.rollingUpdate.maxUnavailable");
                let number = deployment::positive(bound, &path, errors);
                if number == Some(0) {
                    errors.push(FieldError::new(FieldErrorKind::Invalid, &path, deployment::shown(bound), "cannot be 0"));
                }
                deployment::at_most_all(bound, number, &path, errors);
            }
        }
        ("OnDelete" | "RollingUpdate", _) => {}
        (other, _) => {
            let detail = format!("must be '{}' or '{}'", "RollingUpdate", "OnDelete");
            errors.push(FieldError::invalid(path, other, detail));
        }
    }
}
