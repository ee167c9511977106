//! What each kind needs besides storing: defaults, preparation and validation (`pkg/apis/*/v*/defaults.go`, `pkg/registry/*/strategy.go`,
//! `pkg/apis/*/validation`). One file per kind; kinds without a struct are stored as they come.

mod autoscaling;
pub(crate) mod certificate_signing_request;
mod claim;
mod config;
mod controller_revision;
mod cron_job;
mod daemon_set;
pub(crate) mod delete;
mod deployment;
mod disruption;
mod dynamic;
mod endpoints;
mod event;
mod hpa_validation;
mod ingress;
mod ip_address;
mod job;
mod job_validation;
mod lease;
mod meta;
mod namespace;
mod network_policy;
mod networking;
mod node;
pub(crate) mod patch;
mod pod;
mod pod_annotations;
mod pod_defaults;
mod pod_parts;
mod pod_spec;
mod policy;
mod priority_class;
mod rbac;
mod replica_set;
mod replication_controller;
mod report;
mod runtime_class;
pub(crate) mod service;
mod service_validation;
mod stateful_set;
mod storage_class;
mod volume;

use crate::crd::{definition, definition_of};
use crate::subresource::Subresource;
use api::kinds::KindInfo;
use api::status::FieldError;
use api::{Dynamic, Object, Resource};
use std::borrow::Cow;
use std::sync::Arc;

/// What a kind does at the stages of a write.
pub(crate) trait Strategy: Resource {
    /// Sets what the author left out.
    fn default(&mut self) {}

    /// Drops what only the system may set.
    fn prepare_for_create(&mut self) {}

    /// Appends what is wrong with a new object.
    fn validate(&self, errors: &mut Vec<FieldError>) {
        let _ = errors;
    }

    /// Keeps what an update of the object must not change.
    fn prepare_for_update(&mut self, old: &Self) {
        let _ = old;
    }

    /// Keeps what an update of the status must not change.
    fn prepare_status_update(&mut self, old: &Self) {
        *self = old.clone();
    }

    /// Appends what is wrong with a change.
    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        let _ = old;
        self.validate(errors);
    }

    /// The value of a field that the kind can be selected by, besides name and namespace.
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let _ = name;
        None
    }
}

/// Runs `$body` with the struct of the object, if its kind has one.
macro_rules! dispatch {
    ($object:expr, $bound:ident => $body:expr, else $other:expr) => {
        match $object {
            Object::Binding($bound) => $body,
            Object::ClusterRole($bound) => $body,
            Object::ClusterRoleBinding($bound) => $body,
            Object::ConfigMap($bound) => $body,
            Object::ControllerRevision($bound) => $body,
            Object::CronJob($bound) => $body,
            Object::DaemonSet($bound) => $body,
            Object::Deployment($bound) => $body,
            Object::EndpointSlice($bound) => $body,
            Object::Endpoints($bound) => $body,
            Object::Event($bound) => $body,
            Object::HorizontalPodAutoscaler($bound) => $body,
            Object::Ingress($bound) => $body,
            Object::IngressClass($bound) => $body,
            Object::Job($bound) => $body,
            Object::Lease($bound) => $body,
            Object::LimitRange($bound) => $body,
            Object::Namespace($bound) => $body,
            Object::NetworkPolicy($bound) => $body,
            Object::Node($bound) => $body,
            Object::PersistentVolume($bound) => $body,
            Object::PersistentVolumeClaim($bound) => $body,
            Object::Pod($bound) => $body,
            Object::PodDisruptionBudget($bound) => $body,
            Object::ReplicaSet($bound) => $body,
            Object::ReplicationController($bound) => $body,
            Object::ResourceQuota($bound) => $body,
            Object::Role($bound) => $body,
            Object::RoleBinding($bound) => $body,
            Object::Secret($bound) => $body,
            Object::Service($bound) => $body,
            Object::ServiceAccount($bound) => $body,
            Object::StorageClass($bound) => $body,
            Object::StatefulSet($bound) => $body,
            Object::Dynamic(_) => $other,
        }
    };
}

impl Strategy for api::core::Binding {}

/// Changes an object that is a CustomResourceDefinition.
fn on_definition(object: &mut Object, change: impl FnOnce(&mut Dynamic)) {
    if definition_of(object).is_some()
        && let Object::Dynamic(object) = object
    {
        change(Arc::make_mut(object));
    }
}

/// Sets what the author left out.
pub(crate) fn default(object: &mut Object) {
    dispatch!(object, object => Arc::make_mut(object).default(), else {
        on_definition(object, definition::default);
        dynamic::default(object);
    });
}

/// Sets what the author of a change left out. What stands as it did has its defaults.
pub(crate) fn default_update(new: &mut Object, old: &Object) {
    match (&*new, old) {
        (Object::Pod(new), Object::Pod(old)) if new.spec.is_same(&old.spec) => {}
        _ => default(new),
    }
}

/// Drops what only the system may set.
pub(crate) fn prepare_for_create(object: &mut Object) {
    dispatch!(object, object => Arc::make_mut(object).prepare_for_create(), else {
        on_definition(object, definition::prepare_for_create);
        dynamic::prepare_for_create(object);
    });
}

/// What is wrong with a new object.
pub(crate) fn validate(object: &Object) -> Vec<FieldError> {
    let mut errors = Vec::new();
    meta::validate(object, &mut errors);
    dispatch!(object, object => object.validate(&mut errors), else if let Some(definition) = definition_of(object) {
        errors.extend(definition::validate(definition, None));
    } else {
        dynamic::validate(object, None, &mut errors);
    });
    errors
}

/// Appends what is wrong with the spec of a Pod.
pub(crate) fn pod_spec(spec: &api::core::PodSpec, errors: &mut Vec<FieldError>) {
    pod_spec::pod_spec(spec, "spec", errors);
}

fn same_kind<'a, R: Resource>(_: &R, object: &'a Object) -> Option<&'a Arc<R>> {
    R::from_object(object)
}

/// Keeps what an update of the object must not change.
pub(crate) fn prepare_for_update(new: &mut Object, old: &Object) {
    dispatch!(new, new => {
        if let Some(old) = same_kind(&**new, old) {
            Arc::make_mut(new).prepare_for_update(old);
        }
    }, else if let Some(old) = definition_of(old) {
        on_definition(new, |new| definition::prepare_for_update(new, old));
    } else {
        dynamic::prepare_for_update(new, old);
    });
}

/// Keeps what an update of a subresource must not change.
pub(crate) fn prepare_status_update(new: &mut Object, old: &Object, subresource: Subresource) {
    if let (Subresource::Finalize, Object::Namespace(new), Object::Namespace(old)) = (subresource, &mut *new, old) {
        let finalizers = new.spec.finalizers.clone();
        *new = old.clone();
        Arc::make_mut(new).spec.finalizers = finalizers;
        return;
    }
    dispatch!(new, new => {
        if let Some(old) = same_kind(&**new, old) {
            Arc::make_mut(new).prepare_status_update(old);
        }
    }, else if let Some(old) = definition_of(old) {
        on_definition(new, |new| definition::prepare_status_update(new, old));
    } else {
        dynamic::prepare_status_update(new, old, subresource);
    });
}

/// Sets times that a change of a subresource leaves out, and tells what is wrong with it, for kinds that have such rules.
pub(crate) fn status_rules(new: &mut Object, old: &Object, subresource: Subresource, now: sim::Time) -> Vec<FieldError> {
    let mut errors = Vec::new();
    dynamic::status_rules(new, old, subresource, now, &mut errors);
    errors
}

/// Keeps what an update of a part of the spec must not change, and tells what is wrong with what it does change.
pub(crate) fn update_part(new: &mut Object, old: &Object, subresource: Subresource) -> Vec<FieldError> {
    match (new, old) {
        (Object::Pod(new), Object::Pod(old)) => pod_parts::update(Arc::make_mut(new), old, subresource),
        _ => Vec::new(),
    }
}

/// What is wrong with a change by the rules for changes alone.
pub(crate) fn update_rules(new: &Object, old: &Object) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let (Object::Pod(new_pod), Object::Pod(old_pod)) = (new, old) {
        meta::validate_update(new, old, &mut errors);
        meta::labels(&new_pod.metadata.labels, "metadata.labels", &mut errors);
        meta::annotations(&new_pod.metadata, "metadata.annotations", &mut errors);
        pod::update_rules(new_pod, old_pod, &mut errors);
        return errors;
    }
    validate_update(new, old)
}

/// What is wrong with a change.
pub(crate) fn validate_update(new: &Object, old: &Object) -> Vec<FieldError> {
    let mut errors = Vec::new();
    meta::validate(new, &mut errors);
    meta::validate_update(new, old, &mut errors);
    dispatch!(new, new => {
        if let Some(old) = same_kind(&**new, old) {
            new.validate_update(old, &mut errors);
        }
    }, else if let (Some(new), Some(old)) = (definition_of(new), definition_of(old)) {
        errors.extend(definition::validate(new, Some(old)));
    } else {
        dynamic::validate(new, Some(old), &mut errors);
    });
    errors
}

/// The value of a field, for selectors.
pub(crate) fn field<'a>(object: &'a Object, name: &str) -> Option<Cow<'a, str>> {
    let metadata = object.metadata();
    match name {
        "metadata.name" => Some(Cow::Borrowed(&metadata.name)),
        "metadata.namespace" => Some(Cow::Borrowed(&metadata.namespace)),
        _ => dispatch!(object, object => object.field(name), else dynamic_field(object, name)),
    }
}

/// The value of a field of an object without a struct, by its path; an absent one is empty.
fn dynamic_field<'a>(object: &'a Object, name: &str) -> Option<Cow<'a, str>> {
    let Object::Dynamic(object) = object else { return None };
    let mut steps = name.split('.');
    let found = steps.clone().next().and_then(|first| object.rest.get(first));
    steps.next();
    Some(match steps.try_fold(found?, |value, step| value.get(step))? {
        serde_json::Value::String(text) => Cow::Borrowed(text.as_str()),
        other => Cow::Owned(other.to_string()),
    })
}

/// The fields that a kind can be selected by, besides name and namespace.
fn selectable_fields(info: &KindInfo) -> &'static [&'static str] {
    match info.group_kind() {
        ("", "Pod") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("", "Node") => &["spec.unschedulable"],
        ("", "Namespace") => &["status.phase"],
        ("", "Secret") => &["type"],
        ("", "Service") => &["spec.clusterIP", "spec.type"],
        ("apps", "ReplicaSet") | ("", "ReplicationController") => &["status.replicas"],
        ("batch", "Job") => &["status.successful"],
        ("certificates.k8s.io", "CertificateSigningRequest") => &["spec.signerName"],
        _ => &[],
    }
}

/// Whether objects of the kind can be selected by a field.
pub(crate) fn selectable(info: &KindInfo, field: &str) -> bool {
    matches!(field, "metadata.name" | "metadata.namespace") || selectable_fields(info).contains(&field)
}

/// The refusal for a field that the kind cannot be selected by.
pub(crate) fn not_selectable(info: &KindInfo, field: &str) -> String {
    if selectable_fields(info).is_empty() {
        format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    } else {
        format!("field label not supported: {field}")
    }
}

/// Whether a PUT makes the object when there is none.
pub(crate) fn create_on_update(info: &KindInfo) -> bool {
    matches!(info.group_kind(), ("", "Event") | ("coordination.k8s.io", "Lease")) || info.group == api::rbac::GROUP
}
