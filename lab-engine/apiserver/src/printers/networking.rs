//! Ingresses, their classes and NetworkPolicies in tables.

use super::{Column, human};
use api::labels::Selector;
use api::networking::{Ingress, IngressClass, NetworkPolicy};
use serde_json::Value;
use sim::Time;

pub(super) const INGRESS: &[Column] = &[
    ("Name", "string", 0),
    ("Class", "string", 0),
    ("Hosts", "string", 0),
    ("Address", "string", 0),
    ("Ports", "string", 0),
    ("Age", "string", 0),
];
pub(super) const INGRESS_CLASS: &[Column] =
    &[("Name", "string", 0), ("Controller", "string", 0), ("Parameters", "string", 0), ("Age", "string", 0)];
pub(super) const NETWORK_POLICY: &[Column] = &[("Name", "string", 0), ("Pod-Selector", "string", 0), ("Age", "string", 0)];

/// How many hosts a cell names.
const MAX_HOSTS: usize = 3;

pub(super) fn ingress(ingress: &Ingress, now: Time) -> Vec<Value> {
    let hosts: Vec<&str> = ingress.spec.rules.iter().map(|rule| rule.host.as_str()).filter(|host| !host.is_empty()).collect();
    let named = hosts[..hosts.len().min(MAX_HOSTS)].join(",");
    let hosts = match hosts.len() {
        0 => "*".to_owned(),
        count if count > MAX_HOSTS => format!("{named} + {} more...", count - MAX_HOSTS),
        _ => named,
    };
    let addresses = ingress.status.load_balancer.ingress.iter();
    let addresses: Vec<&str> = addresses.map(|at| if at.ip.is_empty() { at.hostname.as_str() } else { at.ip.as_str() }).collect();
    let ports = if ingress.spec.tls.is_empty() { "80" } else { "80, 443" };
    vec![
        ingress.metadata.name.as_str().into(),
        human::or_none(ingress.spec.ingress_class_name.as_deref().unwrap_or("")),
        hosts.into(),
        addresses.join(",").into(),
        ports.into(),
        human::age(&ingress.metadata, now),
    ]
}

pub(super) fn ingress_class(class: &IngressClass, now: Time) -> Vec<Value> {
    let controller = class.spec.controller.as_str();
    vec![class.metadata.name.as_str().into(), controller.into(), human::or_none(""), human::age(&class.metadata, now)]
}

pub(super) fn network_policy(policy: &NetworkPolicy, now: Time) -> Vec<Value> {
    let selector =
        Selector::from_label_selector(Some(&policy.spec.pod_selector)).map_or_else(|error| error, |selector| selector.to_string());
    vec![policy.metadata.name.as_str().into(), human::or_none(&selector), human::age(&policy.metadata, now)]
}
