//! Hints: from which zones or nodes an endpoint should be used (`k8s.io/endpointslice/{topologycache,trafficdist}`).
//!
//! `spec.trafficDistribution` hints every ready endpoint at its own zone, and at its own node for `PreferSameNode`. The older annotation
//! `service.kubernetes.io/topology-mode: Auto` shares the endpoints out by the CPUs of the zones, and goes before.
//!
//! **Simplified here:** the events `TopologyAwareHintsEnabled` and `…Disabled` are not written; a distribution by CPUs is computed anew each
//! time, also where the former one would still do.

use super::slices::DesiredEndpoints;
use api::core::{Node, Service};
use api::discovery::{Endpoint, EndpointHints, ForNode, ForZone};
use api::meta::condition_is_true;
use std::collections::BTreeMap;
use std::sync::Arc;

const ZONE: &str = "topology.kubernetes.io/zone";
const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
/// A zone may get so much more traffic than its share (`OverloadThreshold`).
const OVERLOAD_THRESHOLD: f64 = 0.2;

/// Whether the Service's endpoints are shared out by the CPUs of the zones.
pub(crate) fn wants_topology(service: &Service) -> bool {
    service.metadata.annotations.get(TOPOLOGY_MODE).is_some_and(|mode| matches!(mode.as_str(), "Auto" | "auto"))
}

/// Whether the slices of no Service depend on the difference.
pub(crate) fn same_topology(old: &Node, new: &Node) -> bool {
    let look = |node: &Node| (node.metadata.labels.get(ZONE).cloned(), node.status.allocatable.get("cpu").copied(), is_ready(node));
    look(old) == look(new)
}

fn is_ready(node: &Node) -> bool {
    condition_is_true(&node.status.conditions, "Ready")
}

fn for_zone(zone: &str) -> Vec<ForZone> {
    vec![ForZone { name: zone.to_owned(), ..ForZone::default() }]
}

fn serves(endpoint: &Endpoint) -> bool {
    endpoint.conditions.ready == Some(true)
}

/// Sets the hints that the Service asks for.
pub(crate) fn apply<'a>(service: &Service, desired: &mut DesiredEndpoints, nodes: impl Iterator<Item = &'a Arc<Node>>) {
    if wants_topology(service) {
        share_out(desired, nodes);
        return;
    }
    let same_node = match service.spec.traffic_distribution.as_deref() {
        Some("PreferSameNode") => true,
        Some("PreferClose" | "PreferSameZone") => false,
        _ => return,
    };
    for endpoint in desired.endpoints_mut().filter(|endpoint| serves(endpoint)) {
        let for_nodes = endpoint.node_name.iter().filter(|_| same_node).map(|name| ForNode { name: name.clone(), ..ForNode::default() });
        let for_nodes: Vec<ForNode> = for_nodes.collect();
        let for_zones = endpoint.zone.as_deref().map(for_zone).unwrap_or_default();
        if !for_nodes.is_empty() || !for_zones.is_empty() {
            endpoint.hints = Some(EndpointHints { for_zones, for_nodes, ..EndpointHints::default() });
        }
    }
}

/// The part of the CPUs that each zone has; `None` when a node does not tell, or all are in one zone (`SetNodes`).
fn cpu_ratios<'a>(nodes: impl Iterator<Item = &'a Arc<Node>>) -> Option<BTreeMap<String, f64>> {
    let mut by_zone: BTreeMap<String, i64> = BTreeMap::new();
    let control_plane = |node: &Node| {
        ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"]
            .iter()
            .any(|role| node.metadata.labels.contains_key(*role))
    };
    for node in nodes.filter(|node| is_ready(node) && !control_plane(node)) {
        let zone = node.metadata.labels.get(ZONE).filter(|zone| !zone.is_empty())?;
        let cpu = node.status.allocatable.get("cpu").filter(|cpu| !cpu.is_zero())?;
        *by_zone.entry(zone.clone()).or_default() += cpu.milli_value();
    }
    let total: i64 = by_zone.values().sum();
    (by_zone.len() > 1 && total > 0).then(|| by_zone.into_iter().map(|(zone, cpu)| (zone, cpu as f64 / total as f64)).collect())
}

/// How many endpoints each zone gets at least; `None` when that would overload others (`getAllocations`).
fn minimums(ratios: &BTreeMap<String, f64>, endpoints: usize) -> Option<BTreeMap<String, usize>> {
    if ratios.len() > endpoints {
        return None;
    }
    let minimum = |ratio: &f64| (ratio * endpoints as f64 / (1.0 + OVERLOAD_THRESHOLD)).ceil() as usize;
    let minimums: BTreeMap<String, usize> = ratios.iter().map(|(zone, ratio)| (zone.clone(), minimum(ratio))).collect();
    (minimums.values().sum::<usize>() <= endpoints).then_some(minimums)
}

/// Shares the endpoints out by the CPUs of the zones (`TopologyCache.AddHints`).
fn share_out<'a>(desired: &mut DesiredEndpoints, nodes: impl Iterator<Item = &'a Arc<Node>>) {
    let ready: Vec<Option<&String>> =
        desired.endpoints().filter(|endpoint| serves(endpoint)).map(|endpoint| endpoint.zone.as_ref()).collect();
    if ready.iter().any(Option::is_none) {
        return;
    }
    let Some(minimums) = cpu_ratios(nodes).and_then(|ratios| minimums(&ratios, ready.len())) else { return };
    let mut given: BTreeMap<String, usize> = BTreeMap::new();
    for zone in ready.into_iter().flatten() {
        *given.entry(zone.clone()).or_default() += 1;
    }
    let least = |zone: &str| minimums.get(zone).copied().unwrap_or(0);
    for endpoint in desired.endpoints_mut().filter(|endpoint| serves(endpoint)) {
        let Some(own) = endpoint.zone.clone() else { continue };
        let has = |given: &BTreeMap<String, usize>, zone: &str| given.get(zone).copied().unwrap_or(0);
        let mut zone = own.clone();
        if has(&given, &own) > least(&own)
            && let Some(poor) =
                minimums.keys().filter(|zone| has(&given, zone) < least(zone)).max_by_key(|zone| least(zone) - has(&given, zone))
        {
            zone.clone_from(poor);
            *given.entry(own).or_default() -= 1;
            *given.entry(zone.clone()).or_default() += 1;
        }
        endpoint.hints = Some(EndpointHints { for_zones: for_zone(&zone), ..EndpointHints::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    fn node(zone: &str, cpu: &str) -> Arc<Node> {
        let status = json!({"allocatable": {"cpu": cpu}, "conditions": [{"type": "Ready", "status": "True"}]});
        Arc::new(decode(json!({"metadata": {"name": zone, "labels": {ZONE: zone}}, "status": status})).unwrap())
    }

    /// So many ready endpoints in each zone; the hints they get, counted.
    fn hinted(service: &Service, zones: &[(&str, usize)], nodes: &[Arc<Node>]) -> BTreeMap<String, usize> {
        let mut desired = DesiredEndpoints::default();
        for (zone, count) in zones {
            for number in 0..*count {
                let endpoint =
                    json!({"addresses": [format!("{zone}-{number}")], "conditions": {"ready": true}, "zone": zone, "nodeName": "n"});
                desired.add(Vec::new(), decode(endpoint).unwrap());
            }
        }
        apply(service, &mut desired, nodes.iter());
        let mut counts = BTreeMap::new();
        for hints in desired.endpoints().filter_map(|endpoint| endpoint.hints.as_ref()) {
            let names = hints.for_zones.iter().map(|zone| &zone.name).chain(hints.for_nodes.iter().map(|node| &node.name));
            names.for_each(|name| *counts.entry(name.clone()).or_default() += 1);
        }
        counts
    }

    fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
        expected.iter().map(|(zone, count)| ((*zone).to_owned(), *count)).collect()
    }

    #[test]
    fn a_traffic_distribution_hints_at_the_own_zone_or_node() {
        let service = |value: &str| -> Service { decode(json!({"spec": {"trafficDistribution": value}})).unwrap() };
        let zones = [("a", 2), ("b", 1)];
        assert_eq!(hinted(&service("PreferClose"), &zones, &[]), counts(&zones));
        assert_eq!(hinted(&service("PreferSameNode"), &zones, &[]), counts(&[("a", 2), ("b", 1), ("n", 3)]));
        assert!(hinted(&Service::default(), &zones, &[]).is_empty());
    }

    #[test]
    fn topology_mode_shares_out_by_cpu_within_the_overload_threshold() {
        let service: Service = decode(json!({"metadata": {"annotations": {TOPOLOGY_MODE: "Auto"}}})).unwrap();
        let nodes = [node("a", "2"), node("b", "2")];
        // Each zone needs at least ceil(3 / 1.2) = 3 of 6.
        assert_eq!(hinted(&service, &[("a", 5), ("b", 1)], &nodes), counts(&[("a", 3), ("b", 3)]));
        assert_eq!(hinted(&service, &[("a", 1)], &nodes), counts(&[]), "fewer endpoints than zones");
        assert_eq!(hinted(&service, &[("a", 5), ("b", 1)], &nodes[..1]), counts(&[]), "one zone only");
    }
}
