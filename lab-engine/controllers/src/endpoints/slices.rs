//! How endpoints are packed into slices (`k8s.io/endpointslice/reconciler.go`).
//!
//! Packing changes as few slices as it can, because every change of a slice goes to every node: an endpoint stays where it is; new ones
//! fill the slices that change anyway; what then is left goes into one slice with room, or into new ones. Slices that are hardly filled
//! are not merged.

use super::pods::endpoints_equal;
use api::discovery::{Endpoint, EndpointPort, EndpointSlice};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many endpoints are in a slice (`--max-endpoints-per-slice`).
pub const MAX_ENDPOINTS_PER_SLICE: usize = 100;

/// What makes slices what they should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SliceChanges {
    /// New slices, without names.
    pub create: Vec<EndpointSlice>,
    /// Slices in place of those of the same name.
    pub update: Vec<EndpointSlice>,
    /// Slices that go.
    pub delete: Vec<EndpointSlice>,
}

/// What tells endpoints apart within a slice (`endpointHash`).
type Identity = (Vec<String>, Option<String>, String, String);

fn identity(endpoint: &Endpoint) -> Identity {
    let mut addresses = endpoint.addresses.clone();
    addresses.sort();
    let target = endpoint.target_ref.as_ref();
    let text = |of: fn(&api::core::ObjectReference) -> &String| target.map(of).cloned().unwrap_or_default();
    (addresses, endpoint.hostname.clone(), text(|target| &target.name), text(|target| &target.uid))
}

/// Name, protocol, number and application protocol of each port.
type PortKey = Vec<(Option<String>, Option<String>, Option<i32>, Option<String>)>;

/// Ports in an order of their own, so that equal sets are equal (`NewPortMapKey`).
fn port_key(ports: &[EndpointPort]) -> PortKey {
    let mut key: PortKey =
        ports.iter().map(|port| (port.name.clone(), port.protocol.clone(), port.port, port.app_protocol.clone())).collect();
    key.sort();
    key
}

/// Endpoints by the ports that they have.
#[derive(Clone, Debug, Default)]
pub struct DesiredEndpoints {
    by_ports: BTreeMap<PortKey, (Vec<EndpointPort>, BTreeMap<Identity, Endpoint>)>,
}

impl DesiredEndpoints {
    /// Adds an endpoint with its ports; one without addresses is left out.
    pub fn add(&mut self, ports: Vec<EndpointPort>, endpoint: Endpoint) {
        if endpoint.addresses.is_empty() {
            return;
        }
        let (_, endpoints) = self.by_ports.entry(port_key(&ports)).or_insert_with(|| (ports, BTreeMap::new()));
        endpoints.insert(identity(&endpoint), endpoint);
    }

    /// All endpoints.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.by_ports.values().flat_map(|(_, endpoints)| endpoints.values())
    }

    /// All endpoints, to change what does not tell them apart.
    pub(crate) fn endpoints_mut(&mut self) -> impl Iterator<Item = &mut Endpoint> {
        self.by_ports.values_mut().flat_map(|(_, endpoints)| endpoints.values_mut())
    }
}

/// Compares the slices of one address type with the endpoints that there should be.
///
/// `existing` are the slices of the Service and type that the controller keeps. `template` is an empty slice with the metadata (labels,
/// owner) that all of them should have. When there are no endpoints at all, one empty slice remains as a sign that someone looks after
/// the Service, if `placeholder` is set.
pub fn reconcile(
    desired: DesiredEndpoints,
    existing: &[Arc<EndpointSlice>],
    template: &EndpointSlice,
    max: usize,
    placeholder: bool,
) -> SliceChanges {
    let mut changes = SliceChanges::default();
    let mut by_ports: BTreeMap<PortKey, Vec<&Arc<EndpointSlice>>> = BTreeMap::new();
    for slice in existing {
        if owned(slice, template) {
            by_ports.entry(port_key(&slice.ports)).or_default().push(slice);
        } else {
            changes.delete.push(EndpointSlice::clone(slice));
        }
    }
    for (key, (ports, endpoints)) in desired.by_ports {
        let slices = by_ports.remove(&key).unwrap_or_default();
        pack(endpoints, &ports, &slices, template, max.max(1), &mut changes);
    }
    changes.delete.extend(by_ports.into_values().flatten().map(|slice| EndpointSlice::clone(slice)));
    if placeholder && changes.create.is_empty() && changes.delete.len() == existing.len() {
        keep_placeholder(template, &mut changes);
    }
    recycle(&mut changes);
    changes
}

/// Whether the slice belongs to the owner that the template names.
fn owned(slice: &EndpointSlice, template: &EndpointSlice) -> bool {
    let owner = |slice: &EndpointSlice| slice.metadata.controller().map(|owner| owner.uid.clone());
    owner(slice) == owner(template)
}

/// Leaves one empty slice, the present one if it is already that.
fn keep_placeholder(template: &EndpointSlice, changes: &mut SliceChanges) {
    let is_placeholder =
        |slice: &EndpointSlice| slice.endpoints.is_empty() && slice.ports.is_empty() && labelled(slice, template) && owned(slice, template);
    if let [only] = &changes.delete[..]
        && is_placeholder(only)
    {
        changes.delete.clear();
    } else {
        changes.create.push(template.clone());
    }
}

/// Uses a slice that would be deleted in place of one that would be created.
fn recycle(changes: &mut SliceChanges) {
    while let (Some(new), Some(old)) = (changes.create.last(), changes.delete.last()) {
        if !owned(old, new) {
            return;
        }
        let (Some(mut new), Some(old)) = (changes.create.pop(), changes.delete.pop()) else { return };
        let metadata = std::mem::replace(&mut new.metadata, old.metadata);
        new.metadata.labels = metadata.labels;
        new.metadata.annotations = metadata.annotations;
        changes.update.push(new);
    }
}

fn labelled(slice: &EndpointSlice, template: &EndpointSlice) -> bool {
    slice.metadata.labels == template.metadata.labels
}

/// Packs the endpoints of one set of ports (`reconcileByPortMapping`).
fn pack(
    mut left: BTreeMap<Identity, Endpoint>,
    ports: &[EndpointPort],
    existing: &[&Arc<EndpointSlice>],
    template: &EndpointSlice,
    max: usize,
    changes: &mut SliceChanges,
) {
    let (mut updated, mut unchanged) = (Vec::new(), Vec::new());
    for slice in existing {
        let mut changed = false;
        let mut kept = Vec::with_capacity(slice.endpoints.len());
        for endpoint in &slice.endpoints {
            match left.remove(&identity(endpoint)) {
                Some(wanted) => {
                    changed |= !endpoints_equal(&wanted, endpoint);
                    kept.push(wanted);
                }
                None => changed = true,
            }
        }
        let mut slice = EndpointSlice::clone(slice);
        if changed && kept.is_empty() {
            changes.delete.push(slice);
        } else if changed || !labelled(&slice, template) {
            slice.endpoints = kept;
            slice.metadata.labels.clone_from(&template.metadata.labels);
            updated.push(slice);
        } else {
            unchanged.push(slice);
        }
    }
    // Those that change anyway are filled first, the fullest first.
    updated.sort_by_key(|slice| std::cmp::Reverse(slice.endpoints.len()));
    for slice in &mut updated {
        fill(slice, &mut left, max);
    }
    while !left.is_empty() {
        let room = |slice: &&mut EndpointSlice| slice.endpoints.len() + left.len() <= max;
        let fitting = unchanged.iter_mut().filter(room).max_by_key(|slice| slice.endpoints.len()).map(|slice| slice.metadata.name.clone());
        let place = fitting.and_then(|name| unchanged.iter().position(|slice| slice.metadata.name == name));
        let mut slice = match place {
            Some(place) => unchanged.remove(place),
            None => EndpointSlice { ports: ports.to_vec(), ..template.clone() },
        };
        fill(&mut slice, &mut left, max);
        if place.is_some() { updated.push(slice) } else { changes.create.push(slice) }
    }
    changes.update.extend(updated);
}

/// Moves endpoints into a slice until it is full.
fn fill(slice: &mut EndpointSlice, left: &mut BTreeMap<Identity, Endpoint>, max: usize) {
    while slice.endpoints.len() < max
        && let Some((_, endpoint)) = left.pop_first()
    {
        slice.endpoints.push(endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    const TEMPLATE: &str = r#"{"metadata": {"labels": {"a": "b"}}, "addressType": "IPv4"}"#;

    fn template() -> EndpointSlice {
        decode(serde_json::from_str(TEMPLATE).unwrap()).unwrap()
    }

    fn endpoint(number: usize) -> Endpoint {
        decode(json!({"addresses": [format!("10.0.{}.{}", number / 250, number % 250)], "conditions": {"ready": true}})).unwrap()
    }

    fn ports(number: i32) -> Vec<EndpointPort> {
        decode::<EndpointSlice>(json!({"ports": [{"name": "", "port": number, "protocol": "TCP"}]})).unwrap().ports
    }

    fn desired(range: std::ops::Range<usize>) -> DesiredEndpoints {
        let mut desired = DesiredEndpoints::default();
        range.for_each(|number| desired.add(ports(80), endpoint(number)));
        desired
    }

    fn slice(name: &str, range: std::ops::Range<usize>) -> Arc<EndpointSlice> {
        let mut slice = EndpointSlice { ports: ports(80), endpoints: range.map(endpoint).collect(), ..template() };
        slice.metadata.name = name.to_owned();
        Arc::new(slice)
    }

    fn sizes(slices: &[EndpointSlice]) -> Vec<(String, usize)> {
        slices.iter().map(|slice| (slice.metadata.name.clone(), slice.endpoints.len())).collect()
    }

    fn named(sizes: Value) -> Vec<(String, usize)> {
        serde_json::from_value(sizes).unwrap()
    }

    #[test]
    fn many_endpoints_make_full_slices_and_none_make_a_placeholder() {
        let changes = reconcile(desired(0..250), &[], &template(), 100, true);
        assert_eq!(sizes(&changes.create), named(json!([["", 100], ["", 100], ["", 50]])));
        let changes = reconcile(desired(0..0), &[], &template(), 100, true);
        assert_eq!(changes.create, [template()]);
        let mut kept = template();
        kept.metadata.name = "kept".to_owned();
        assert_eq!(reconcile(desired(0..0), &[Arc::new(kept)], &template(), 100, true), SliceChanges::default());
        assert_eq!(reconcile(desired(0..0), &[], &template(), 100, false), SliceChanges::default());
    }

    #[test]
    fn few_slices_change() {
        let existing = [slice("a", 0..100), slice("b", 100..160), slice("c", 160..170)];
        // The new one goes into the fullest slice with room.
        let changes = reconcile(desired(0..171), &existing, &template(), 100, true);
        assert_eq!((sizes(&changes.update), changes.create.len(), changes.delete.len()), (named(json!([["b", 61]])), 0, 0));
        // One is gone from the first, so that it takes the new one.
        let changes = reconcile(desired(1..171), &existing, &template(), 100, true);
        assert_eq!((sizes(&changes.update), changes.create.len()), (named(json!([["a", 100]])), 0));
        // A slice without endpoints goes; others are not merged.
        let changes = reconcile(desired(0..160), &existing, &template(), 100, true);
        assert_eq!((sizes(&changes.delete), changes.update.len()), (named(json!([["c", 10]])), 0));
        assert_eq!(reconcile(desired(0..170), &existing, &template(), 100, true), SliceChanges::default());
    }

    #[test]
    fn other_ports_take_over_the_slice_and_other_labels_are_written() {
        let mut other = DesiredEndpoints::default();
        other.add(ports(81), endpoint(0));
        let changes = reconcile(other, &[slice("a", 0..1)], &template(), 100, true);
        assert_eq!((sizes(&changes.update), changes.create.len(), changes.delete.len()), (named(json!([["a", 1]])), 0, 0));
        assert_eq!(changes.update[0].ports, ports(81));
        let mut labelled = template();
        labelled.metadata.labels.insert("c".to_owned(), "d".to_owned());
        let changes = reconcile(desired(0..1), &[slice("a", 0..1)], &labelled, 100, true);
        assert_eq!(changes.update[0].metadata.labels, labelled.metadata.labels);
    }
}
