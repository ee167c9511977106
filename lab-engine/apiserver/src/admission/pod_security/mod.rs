//! PodSecurity: Pods may do no more than the labels of their namespace allow (`k8s.io/pod-security-admission`).
//!
//! ```text
//! pod-security.kubernetes.io/enforce: restricted   ─► Pods that violate it are refused
//! pod-security.kubernetes.io/warn:    restricted   ─► Pods and workloads that violate it are answered with a warning
//! pod-security.kubernetes.io/*-version: v1.29      ─► the rules as they were in that release; `latest` by default
//! ```
//!
//! A workload is never refused: its Pods are, later. A namespace whose labels change to a stricter level is changed, and its author is told
//! which of its Pods would not be made today.
//!
//! **Simplified here:** what the mode `audit` finds is not kept, as there is no audit log.

mod baseline;
mod checks;
mod level;
mod restricted;

pub use level::{Level, LevelVersion, Policy, Version};

use super::Admission;
use crate::storage;
use api::core::{Namespace, Pod};
use api::json::Json;
use api::meta::StringMap;
use api::status::Status;
use api::{Object, Resource};
use checks::{PodView, details, evaluate, reasons};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// At most so many Pods are looked at when the labels of a namespace change (`defaultNamespaceMaxPodsToCheck`).
const MAX_PODS: usize = 3000;

/// What a namespace without labels gets, and who is exempt (`PodSecurityConfiguration`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// What holds where labels say nothing.
    pub defaults: Policy,
    /// Users whose Pods are not looked at.
    pub exempt_usernames: Vec<String>,
    /// RuntimeClasses whose Pods are not looked at.
    pub exempt_runtime_classes: Vec<String>,
    /// Namespaces whose Pods are not looked at.
    pub exempt_namespaces: Vec<String>,
}

/// Checks a Namespace, Pod or workload; warnings go to `admission`.
///
/// # Errors
/// 403 for a Pod that violates the level enforced, 422 for labels of a namespace that cannot be read.
pub(super) fn validate(admission: &mut Admission<'_>, object: &Object) -> Result<(), Box<Status>> {
    match object {
        Object::Namespace(namespace) => validate_namespace(admission, namespace),
        _ => match template(object) {
            Some(template) => validate_pod(admission, object, &template),
            None => Ok(()),
        },
    }
}

/// Where a kind has the template of a Pod; a Pod is one itself.
fn template_path(object: &Object) -> Option<&'static str> {
    match object {
        Object::Pod(_) => Some(""),
        Object::Deployment(_) | Object::ReplicaSet(_) => Some("/spec/template"),
        _ => match object.kind() {
            "DaemonSet" | "StatefulSet" | "Job" | "ReplicationController" => Some("/spec/template"),
            "CronJob" => Some("/spec/jobTemplate/spec/template"),
            "PodTemplate" => Some("/template"),
            _ => None,
        },
    }
}

/// What is looked at of an object: where it is, to be turned into JSON only if a namespace wants it.
fn template(object: &Object) -> Option<Template<'_>> {
    template_path(object).map(|path| Template { object, path })
}

struct Template<'a> {
    object: &'a Object,
    path: &'static str,
}

impl Template<'_> {
    fn json(&self) -> Option<Value> {
        self.object.to_json().pointer(self.path).cloned()
    }
}

fn view(template: &Value) -> PodView<'_> {
    PodView { annotations: &template["metadata"]["annotations"], spec: &template["spec"] }
}

fn validate_pod(admission: &mut Admission<'_>, object: &Object, template: &Template<'_>) -> Result<(), Box<Status>> {
    let config = &admission.config.pod_security;
    let metadata = object.metadata();
    let user = admission.user.map(|user| user.name.as_str()).unwrap_or_default();
    if config.exempt_namespaces.contains(&metadata.namespace) || config.exempt_usernames.iter().any(|name| name == user) {
        return Ok(());
    }
    let pod = object.as_kind::<Pod>();
    let policy = policy_of(admission, &metadata.namespace);
    if policy.warn.level == Level::Privileged && (pod.is_none() || policy.enforce.level == Level::Privileged) {
        return Ok(());
    }
    if let (Some(pod), Some(Object::Pod(old))) = (pod, admission.old)
        && !is_significant(pod, old)
    {
        return Ok(());
    }
    let Some(json) = template.json() else { return Ok(()) };
    let view = view(&json);
    let class = view.spec["runtimeClassName"].as_str().unwrap_or_default();
    if config.exempt_runtime_classes.iter().any(|exempt| exempt == class) {
        return Ok(());
    }
    if pod.is_some() {
        let refusals = evaluate(policy.enforce, &view);
        if !refusals.is_empty() {
            let why = format!("violates PodSecurity \"{}\": {}", policy.enforce, details(&refusals));
            return Err(Box::new(Status::forbidden(&admission.info.gvr(), &metadata.name, &why)));
        }
    }
    let refusals = evaluate(policy.warn, &view);
    if !refusals.is_empty() {
        admission.warn(format!("would violate PodSecurity \"{}\": {}", policy.warn, details(&refusals)));
    }
    Ok(())
}

fn policy_of(admission: &Admission<'_>, namespace: &str) -> Policy {
    let found = admission.cache.get(&storage::key(Namespace::INFO, "", namespace));
    let labels = found.map_or_else(|| Cow::Owned(StringMap::new()), |namespace| Cow::Borrowed(&namespace.metadata().labels));
    Policy::of(&labels, &admission.config.pod_security.defaults).0
}

/// Whether a change of a Pod can make it violate what it did not before: only images and new containers can.
fn is_significant(pod: &Pod, old: &Pod) -> bool {
    let (new, old) = (&pod.spec, &old.spec);
    let images = |containers: &[api::core::Container]| containers.iter().map(|container| container.image.clone()).collect::<Vec<_>>();
    images(&new.containers) != images(&old.containers)
        || images(&new.init_containers) != images(&old.init_containers)
        || new.ephemeral_containers != old.ephemeral_containers
}

fn validate_namespace(admission: &mut Admission<'_>, namespace: &Namespace) -> Result<(), Box<Status>> {
    let config = &admission.config.pod_security;
    let name = namespace.metadata.name.as_str();
    let (policy, errors) = Policy::of(&namespace.metadata.labels, &config.defaults);
    let invalid = || Err(Box::new(Status::invalid("", "Namespace", name, &errors)));
    let exempt = config.exempt_namespaces.iter().any(|exempt| exempt == name);
    let Some(old) = admission.old.and_then(|old| old.as_kind::<Namespace>()) else {
        if !errors.is_empty() {
            return invalid();
        }
        if exempt {
            warn_of_exemption(admission, namespace, &policy);
        }
        return Ok(());
    };
    let (old_policy, old_errors) = Policy::of(&old.metadata.labels, &config.defaults);
    if !errors.is_empty() && errors != old_errors {
        return invalid();
    }
    let (new, old) = (policy.enforce, old_policy.enforce);
    if new == old || new.level == Level::Privileged || (new.version == old.version && new.level <= old.level) {
        return Ok(());
    }
    if exempt {
        warn_of_exemption(admission, namespace, &policy);
    } else {
        let warnings = existing_pods(admission, name, new);
        warnings.into_iter().for_each(|warning| admission.warn(warning));
    }
    Ok(())
}

fn warn_of_exemption(admission: &mut Admission<'_>, namespace: &Namespace, policy: &Policy) {
    if policy.is_privileged() || *policy == admission.config.pod_security.defaults {
        return;
    }
    let labels = &namespace.metadata.labels;
    let said = |mode: &str| ["", "-version"].iter().any(|of| labels.contains_key(&format!("{}{mode}{of}", level::PREFIX)));
    let modes = [("enforce", policy.enforce), ("audit", policy.audit), ("warn", policy.warn)];
    let told: Vec<String> = modes
        .into_iter()
        .filter(|(mode, at)| at.level != Level::Privileged && said(mode))
        .map(|(mode, at)| format!("{mode}={at}"))
        .collect();
    let name = &namespace.metadata.name;
    admission.warn(format!("namespace {name:?} is exempt from Pod Security, and the policy ({}) will be ignored", told.join(", ")));
}

/// What the Pods of a namespace violate of a level that is to be enforced from now on.
fn existing_pods(admission: &Admission<'_>, namespace: &str, at: LevelVersion) -> Vec<String> {
    let exempt = &admission.config.pod_security.exempt_runtime_classes;
    let class = |pod: &Pod| pod.spec.rest.get("runtimeClassName").and_then(Value::as_str).unwrap_or_default().to_owned();
    let all = admission.cache.range_of(storage::namespace_prefix(Pod::INFO, namespace)).filter_map(|object| object.as_kind::<Pod>());
    let all: Vec<_> = all.filter(|pod| !exempt.contains(&class(pod))).collect();
    // Of the Pods of a controller one comes first, so that as many different ones as possible are looked at.
    let mut controllers = BTreeSet::new();
    let (mut pods, twins): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|pod| pod.metadata.controller().is_none_or(|owner| controllers.insert(owner.uid.clone())));
    pods.extend(twins);
    let total = pods.len();
    pods.truncate(MAX_PODS);
    let mut found: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for pod in &pods {
        let json = Value::Object(
            [("metadata", pod.metadata.to_json()), ("spec", pod.spec.to_json())].map(|(k, v)| (k.to_owned(), v)).into_iter().collect(),
        );
        let refusals = evaluate(at, &view(&json));
        if !refusals.is_empty() {
            let name = pod.metadata.name.as_str();
            let (first, count) = found.entry(reasons(&refusals)).or_insert((name, 0));
            *first = (*first).min(name);
            *count += 1;
        }
    }
    let mut warnings = Vec::new();
    if pods.len() < total {
        let looked = pods.len();
        warnings.push(format!("new PodSecurity enforce level only checked against the first {looked} of {total} existing pods"));
    }
    if !found.is_empty() {
        warnings.push(format!("existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{at}\""));
    }
    let mut told: Vec<String> = found
        .into_iter()
        .map(|(reasons, (name, count))| match count {
            1 => format!("{name}: {reasons}"),
            2 => format!("{name} (and 1 other pod): {reasons}"),
            _ => format!("{name} (and {} other pods): {reasons}", count - 1),
        })
        .collect();
    told.sort();
    warnings.extend(told);
    warnings
}
