//! The roles and bindings that every cluster has (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`).
//!
//! They are in force from the first request on, and stored with the first object that the server makes. One table holds them; a rule reads
//! `(verbs, groups, resources)`, each separated by commas, `core` standing for the core group; names of objects may follow after `=`.
//!
//! **Simplified here:** the controllers have the roles that upstream gives them, but share the identity of the controller manager, to which
//! each role is bound too; roles for what the engine does not have are left out; a default role that someone changed stays as it is
//! (upstream adds what is missing at each start).

mod table;

use crate::rbac::Rbac;
use api::meta::{LabelSelector, ObjectMeta, StringMap};
use api::rbac::{AggregationRule, ClusterRole, ClusterRoleBinding, GROUP, PolicyRule, RoleRef, Subject};
use api::{Object, Resource};
use sim::{Seed, Time};
use std::sync::Arc;
use table::{CONTROLLERS, DISCOVERY, NODE_RULES, PUBLIC, ROLES, Rule};

fn words(text: &str) -> Vec<String> {
    text.split(',').map(|word| if word == "core" { String::new() } else { word.to_owned() }).collect()
}

fn rule(&(verbs, groups, resources): &Rule) -> PolicyRule {
    let (resources, names) = resources.split_once('=').unwrap_or((resources, ""));
    let resource_names = if names.is_empty() { Vec::new() } else { words(names) };
    PolicyRule { verbs: words(verbs), api_groups: words(groups), resources: words(resources), resource_names, ..PolicyRule::default() }
}

fn paths(verb: &str, urls: &[&str]) -> PolicyRule {
    let non_resource_urls = urls.iter().map(|&url| url.to_owned()).collect();
    PolicyRule { verbs: vec![verb.to_owned()], non_resource_urls, ..PolicyRule::default() }
}

/// The rules that every kubelet has besides those of its own node.
pub(crate) fn node_rules() -> Vec<PolicyRule> {
    NODE_RULES.iter().map(rule).collect()
}

fn metadata(name: &str, kind: &str, now: Time) -> ObjectMeta {
    ObjectMeta {
        name: name.to_owned(),
        // Of no run: the same role has the same UID in every cluster, and nobody else's draws are moved.
        uid: Seed(0).stream(&format!("{kind}/{name}")).uuid(),
        creation_timestamp: Some(now.into()),
        labels: StringMap::from([("kubernetes.io/bootstrapping".to_owned(), "rbac-defaults".to_owned())]),
        annotations: StringMap::from([("rbac.authorization.kubernetes.io/autoupdate".to_owned(), "true".to_owned())]),
        ..ObjectMeta::default()
    }
}

fn role(name: &str, rules: Vec<PolicyRule>, now: Time) -> ClusterRole {
    ClusterRole { metadata: metadata(name, &ClusterRole::INFO.kind, now), rules, ..ClusterRole::default() }
}

fn binding(name: &str, subjects: impl IntoIterator<Item = (&'static str, String)>, now: Time) -> ClusterRoleBinding {
    let subject = |(kind, name): (&str, String)| match kind {
        "ServiceAccount" => Subject { kind: kind.to_owned(), name, namespace: "kube-system".to_owned(), ..Subject::default() },
        _ => Subject { kind: kind.to_owned(), api_group: GROUP.to_owned(), name, ..Subject::default() },
    };
    ClusterRoleBinding {
        metadata: metadata(name, &ClusterRoleBinding::INFO.kind, now),
        subjects: subjects.into_iter().map(subject).collect(),
        role_ref: RoleRef { api_group: GROUP.to_owned(), kind: "ClusterRole".to_owned(), name: name.to_owned(), ..RoleRef::default() },
        ..ClusterRoleBinding::default()
    }
}

const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// A role that collects those labelled for it, and is itself labelled for the next larger one.
fn collected(name: &str, next: &str, now: Time) -> ClusterRole {
    let labels = StringMap::from([(format!("{AGGREGATE}{name}"), "true".to_owned())]);
    let selector = LabelSelector { match_labels: labels, ..LabelSelector::default() };
    let mut role = role(name, Vec::new(), now);
    role.aggregation_rule = Some(AggregationRule { cluster_role_selectors: vec![selector], ..AggregationRule::default() });
    if !next.is_empty() {
        role.metadata.labels.insert(format!("{AGGREGATE}{next}"), "true".to_owned());
    }
    role
}

/// All default roles and bindings, the collected ones with their rules.
pub(crate) fn objects(now: Time) -> Vec<Object> {
    let mut objects: Vec<Object> = Vec::new();
    for (name, part_of, rules, bound) in ROLES {
        let mut role = role(name, rules.iter().map(rule).collect(), now);
        if *name == "cluster-admin" {
            role.rules.push(paths("*", &["*"]));
        }
        if !part_of.is_empty() {
            role.metadata.labels.insert(format!("{AGGREGATE}{part_of}"), "true".to_owned());
        }
        objects.push(role.into());
        if !bound.is_empty() {
            objects.push(binding(name, bound.iter().map(|(kind, name)| (*kind, (*name).to_owned())), now).into());
        }
    }
    for (name, rules) in CONTROLLERS {
        let full = format!("system:controller:{name}");
        objects.push(role(&full, rules.iter().map(rule).collect(), now).into());
        let subjects = [("ServiceAccount", (*name).to_owned()), ("User", "system:kube-controller-manager".to_owned())];
        objects.push(binding(&full, subjects, now).into());
    }
    let group = |name: &str| ("Group", name.to_owned());
    objects.push(role("system:discovery", vec![paths("get", DISCOVERY)], now).into());
    objects.push(binding("system:discovery", [group("system:authenticated")], now).into());
    objects.push(role("system:public-info-viewer", vec![paths("get", PUBLIC)], now).into());
    let everyone = [group("system:authenticated"), group("system:unauthenticated")];
    objects.push(binding("system:public-info-viewer", everyone, now).into());
    for (name, next) in [("view", "edit"), ("edit", "admin"), ("admin", "")] {
        objects.push(collected(name, next, now).into());
    }
    collect(objects)
}

/// Fills in the rules of the roles that collect others.
fn collect(mut objects: Vec<Object>) -> Vec<Object> {
    let mut rbac = Rbac::of(objects.iter());
    loop {
        let right: Vec<Arc<ClusterRole>> = rbac.to_aggregate();
        if right.is_empty() {
            return objects;
        }
        for role in right {
            let role = Object::ClusterRole(role);
            rbac.put(&role);
            let same = |object: &&mut Object| matches!(object, Object::ClusterRole(own) if own.metadata.name == role.metadata().name);
            if let Some(object) = objects.iter_mut().find(same) {
                *object = role.clone();
            }
        }
    }
}
