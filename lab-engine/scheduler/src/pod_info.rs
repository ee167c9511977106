//! A Pod with all that the plugins ask for over and over, computed once (`pkg/scheduler/framework/types.go`: `PodInfo`).

use crate::pod_volume::{PodVolume, pod_volumes};
use crate::resources::{Resources, pod_requests};
use api::core::{Container, Pod, PodAffinity, PodAffinityTerm, WeightedPodAffinityTerm};
use api::labels::{Operator, Requirement, Selector};
use api::meta::StringMap;
use client::ObjectKey;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A port of a node that a Pod takes (`HostPortInfo`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostPort {
    /// The address; `0.0.0.0` for all.
    pub(crate) ip: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub(crate) protocol: String,
    /// The number.
    pub(crate) port: i32,
}

impl HostPort {
    /// Whether both cannot be taken on one node.
    pub(crate) fn conflicts(&self, other: &HostPort) -> bool {
        const ANY: &str = "0.0.0.0";
        let same_address = self.ip == other.ip || self.ip == ANY || other.ip == ANY;
        self.port == other.port && self.protocol == other.protocol && same_address
    }
}

/// A term of Pod affinity, ready to compare with (`AffinityTerm`).
#[derive(Clone, Debug)]
pub(crate) struct AffinityTerm {
    namespaces: BTreeSet<String>,
    namespace_selector: Selector,
    selector: Selector,
    /// The node label whose equal value counts as near.
    pub(crate) topology_key: String,
}

impl AffinityTerm {
    fn new(pod: &Pod, term: &PodAffinityTerm) -> Self {
        let mut namespaces: BTreeSet<String> = term.namespaces.iter().cloned().collect();
        if namespaces.is_empty() && term.namespace_selector.is_none() {
            namespaces.insert(namespace_of(pod).to_owned());
        }
        let mut selector = selector_or_nothing(Selector::from_label_selector(term.label_selector.as_ref()));
        for (field, operator) in [("matchLabelKeys", Operator::In), ("mismatchLabelKeys", Operator::NotIn)] {
            let keys = term.rest.get(field).and_then(serde_json::Value::as_array).into_iter().flatten();
            let keys = keys.filter_map(serde_json::Value::as_str);
            add_label_keys(&mut selector, keys, operator, &pod.metadata.labels);
        }
        AffinityTerm {
            namespaces,
            namespace_selector: selector_or_nothing(Selector::from_label_selector(term.namespace_selector.as_ref())),
            selector,
            topology_key: term.topology_key.clone(),
        }
    }

    /// Whether the term means this Pod. `namespace_labels` are those of its namespace.
    pub(crate) fn matches(&self, pod: &Pod, namespace_labels: &StringMap) -> bool {
        (self.namespaces.contains(namespace_of(pod)) || self.namespace_selector.matches(namespace_labels))
            && self.selector.matches(&pod.metadata.labels)
    }
}

/// A term with a weight (`WeightedAffinityTerm`).
#[derive(Clone, Debug)]
pub(crate) struct WeightedAffinityTerm {
    /// The term.
    pub(crate) term: AffinityTerm,
    /// 1 to 100.
    pub(crate) weight: i64,
}

/// A Pod and what was computed of it. Never changes.
#[derive(Clone, Debug)]
pub(crate) struct PodInfo {
    /// Its key.
    pub(crate) key: ObjectKey,
    /// The Pod.
    pub(crate) pod: Arc<Pod>,
    /// What it requests.
    pub(crate) requests: Resources,
    /// CPU that it counts with in scores, in thousandths.
    pub(crate) non_zero_cpu_milli: i64,
    /// Memory that it counts with in scores, in bytes.
    pub(crate) non_zero_memory_bytes: i64,
    /// Ports of the node that it takes.
    pub(crate) host_ports: Vec<HostPort>,
    /// Pods that it must be near.
    pub(crate) required_affinity: Vec<AffinityTerm>,
    /// Pods that it must be far from.
    pub(crate) required_anti_affinity: Vec<AffinityTerm>,
    /// Pods that it should be near.
    pub(crate) preferred_affinity: Vec<WeightedAffinityTerm>,
    /// Pods that it should be far from.
    pub(crate) preferred_anti_affinity: Vec<WeightedAffinityTerm>,
    /// What is wrong with the selectors of these wishes; `None` when they can be read.
    pub(crate) affinity_error: Option<String>,
    /// Its volumes, as far as they bear on where it can run.
    pub(crate) volumes: Vec<PodVolume>,
}

impl PodInfo {
    /// Computes everything (`NewPodInfo`).
    pub(crate) fn new(pod: Arc<Pod>) -> Self {
        let requests = pod_requests(&pod, false);
        let non_zero = pod_requests(&pod, true);
        let affinity = pod.spec.affinity.as_ref();
        let near = affinity.and_then(|affinity| affinity.pod_affinity.as_ref());
        let far = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref());
        let required = |terms: &[PodAffinityTerm]| terms.iter().map(|term| AffinityTerm::new(&pod, term)).collect();
        let weighted = |term: &WeightedPodAffinityTerm| WeightedAffinityTerm {
            term: AffinityTerm::new(&pod, &term.pod_affinity_term),
            weight: i64::from(term.weight),
        };
        PodInfo {
            key: ObjectKey::new(namespace_of(&pod), pod.metadata.name.as_str()),
            non_zero_cpu_milli: non_zero.cpu_milli,
            non_zero_memory_bytes: non_zero.memory_bytes,
            requests,
            host_ports: host_ports(&pod),
            required_affinity: near.map(|near| required(&near.required)).unwrap_or_default(),
            required_anti_affinity: far.map(|far| required(&far.required)).unwrap_or_default(),
            preferred_affinity: near.map(|near| near.preferred.iter().map(weighted).collect()).unwrap_or_default(),
            preferred_anti_affinity: far.map(|far| far.preferred.iter().map(weighted).collect()).unwrap_or_default(),
            affinity_error: affinity_error(near, far),
            volumes: pod_volumes(&pod),
            pod,
        }
    }

    /// A newer state of the same Pod. What was computed stays where nothing that it is made of has changed.
    pub(crate) fn renewed(&self, pod: &Arc<Pod>) -> PodInfo {
        let (old, new) = (&self.pod, pod);
        if old.spec.is_same(&new.spec) && old.metadata.labels == new.metadata.labels && self.names(new) {
            return PodInfo { pod: pod.clone(), ..self.clone() };
        }
        PodInfo::new(pod.clone())
    }

    /// Whether a newer state of this Pod takes the same of its node, and no selector tells the two apart.
    pub(crate) fn counts_as(&self, new: &PodInfo) -> bool {
        let (old, new) = (&self.pod, &new.pod);
        old.spec.is_same(&new.spec)
            && old.metadata.labels == new.metadata.labels
            && old.metadata.is_deleting() == new.metadata.is_deleting()
    }

    fn names(&self, pod: &Pod) -> bool {
        *self.key.namespace == *namespace_of(pod) && *self.key.name == *pod.metadata.name
    }

    /// Its priority (`corev1helpers.PodPriority`).
    pub(crate) fn priority(&self) -> i32 {
        self.pod.spec.priority.unwrap_or(0)
    }

    /// Whether it has any wish about other Pods.
    pub(crate) fn has_affinity(&self) -> bool {
        self.pod.spec.affinity.as_ref().is_some_and(|affinity| affinity.pod_affinity.is_some() || affinity.pod_anti_affinity.is_some())
    }
}

/// The namespace of a Pod; `default` when it has none.
pub(crate) fn namespace_of(pod: &Pod) -> &str {
    if pod.metadata.namespace.is_empty() { "default" } else { &pod.metadata.namespace }
}

/// What is wrong with the selectors of the wishes about other Pods: the first error of each kind of wish (`PodInfo.Update`).
fn affinity_error(near: Option<&PodAffinity>, far: Option<&PodAffinity>) -> Option<String> {
    let wrong = |term: &PodAffinityTerm| {
        let selectors = [term.label_selector.as_ref(), term.namespace_selector.as_ref()];
        selectors.into_iter().find_map(|selector| Selector::from_label_selector(selector).err())
    };
    let required = |wishes: Option<&PodAffinity>| wishes?.required.iter().find_map(wrong);
    let preferred = |wishes: Option<&PodAffinity>| wishes?.preferred.iter().find_map(|term| wrong(&term.pod_affinity_term));
    let errors = [
        ("requiredAffinityTerms", required(near)),
        ("requiredAntiAffinityTerms", required(far)),
        ("preferredAffinityTerms", preferred(near)),
        ("preferredAntiAffinityTerms", preferred(far)),
    ];
    let errors: Vec<String> = errors.into_iter().filter_map(|(kind, error)| Some(format!("{kind}: {}", error?))).collect();
    match errors.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("[{}]", several.join(", "))),
    }
}

/// A selector that cannot be read selects nothing.
pub(crate) fn selector_or_nothing(selector: Result<Selector, String>) -> Selector {
    selector.unwrap_or(Selector { requirements: Vec::new(), nothing: true })
}

/// Adds a requirement for each key that the labels have, with their value (`matchLabelKeys`).
pub(crate) fn add_label_keys<'k>(selector: &mut Selector, keys: impl Iterator<Item = &'k str>, operator: Operator, labels: &StringMap) {
    for key in keys {
        if let Some(value) = labels.get(key) {
            let values = BTreeSet::from([value.clone()]);
            selector.requirements.push(Requirement { key: key.to_owned(), operator, values });
        }
    }
}

/// The ports of the node that the Pod's containers take; of init containers only sidecars keep theirs (`GetHostPorts`).
fn host_ports(pod: &Pod) -> Vec<HostPort> {
    let sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let containers = pod.spec.init_containers.iter().filter(sidecar).chain(&pod.spec.containers);
    let mut ports = Vec::new();
    for port in containers.flat_map(|container| &container.ports) {
        let Some(number) = port.host_port.filter(|number| *number > 0) else {
            continue;
        };
        let ip = port.rest.get("hostIP").and_then(serde_json::Value::as_str).filter(|ip| !ip.is_empty());
        ports.push(HostPort {
            ip: ip.unwrap_or("0.0.0.0").to_owned(),
            protocol: if port.protocol.is_empty() { "TCP".to_owned() } else { port.protocol.clone() },
            port: number,
        });
    }
    ports
}
