//! How addresses and ports are grouped in an Endpoints object (`pkg/api/v1/endpoints/util.go`).

use api::core::{EndpointAddress, EndpointSubset, SubsetPort};
use std::collections::{BTreeMap, BTreeSet};

/// So many addresses are in an Endpoints object (`maxCapacity`).
pub const MAX_CAPACITY: usize = 1000;

type PortKey = (String, i32, String, Option<String>);
type AddressKey = (String, String);
/// Addresses, and whether each is ready.
type Listed = BTreeMap<AddressKey, bool>;

fn port_key(port: &SubsetPort) -> PortKey {
    (port.name.clone(), port.port, port.protocol.clone(), port.app_protocol.clone())
}

fn address_key(address: &EndpointAddress) -> AddressKey {
    (address.ip.clone(), address.target_ref.as_ref().map(|target| target.uid.clone()).unwrap_or_default())
}

/// Groups ports that have the same addresses, so that each pair of address and port is there once, and sorts all (`RepackSubsets`).
///
/// An address that is ready for a port is not listed as not ready for it.
pub fn repack(subsets: &[EndpointSubset]) -> Vec<EndpointSubset> {
    let mut addresses: BTreeMap<AddressKey, EndpointAddress> = BTreeMap::new();
    let mut ports: BTreeMap<Option<PortKey>, (Option<SubsetPort>, Listed)> = BTreeMap::new();
    for subset in subsets {
        let without_port = subset.ports.is_empty().then_some(None);
        for port in subset.ports.iter().map(Some).chain(without_port) {
            let (_, listed) = ports.entry(port.map(port_key)).or_insert_with(|| (port.cloned(), Listed::new()));
            let ready = subset.addresses.iter().map(|address| (address, true));
            for (address, ready) in ready.chain(subset.not_ready_addresses.iter().map(|address| (address, false))) {
                let key = address_key(address);
                *listed.entry(key.clone()).or_insert(ready) |= ready;
                addresses.entry(key).or_insert_with(|| address.clone());
            }
        }
    }
    let mut groups: BTreeMap<BTreeSet<(AddressKey, bool)>, Vec<SubsetPort>> = BTreeMap::new();
    for (port, listed) in ports.into_values() {
        groups.entry(listed.into_iter().collect()).or_default().extend(port);
    }
    let subset = |(listed, ports): (BTreeSet<(AddressKey, bool)>, Vec<SubsetPort>)| {
        let of = |ready: bool| -> Vec<EndpointAddress> {
            listed.iter().filter(|(_, is)| *is == ready).filter_map(|(key, _)| addresses.get(key).cloned()).collect()
        };
        EndpointSubset { addresses: of(true), not_ready_addresses: of(false), ports, ..EndpointSubset::default() }
    };
    groups.into_iter().filter(|(listed, _)| !listed.is_empty()).map(subset).collect()
}

/// Cuts the addresses down to the capacity, those that are not ready first; whether anything was cut (`truncateEndpoints`).
pub fn truncate(subsets: &mut Vec<EndpointSubset>) -> bool {
    let ready: usize = subsets.iter().map(|subset| subset.addresses.len()).sum();
    let not_ready: usize = subsets.iter().map(|subset| subset.not_ready_addresses.len()).sum();
    if ready + not_ready <= MAX_CAPACITY {
        return false;
    }
    let keep_ready = ready.min(MAX_CAPACITY);
    let keep_not_ready = MAX_CAPACITY - keep_ready;
    // Each subset gives up its part, as far as whole numbers go.
    let mut left = (keep_ready, keep_not_ready);
    for subset in subsets.iter_mut() {
        let share = |keep: usize, own: usize, all: usize| (keep * own).div_ceil(all.max(1));
        let (has_ready, has_not) = (subset.addresses.len(), subset.not_ready_addresses.len());
        let quota = (share(keep_ready, has_ready, ready).min(left.0), share(keep_not_ready, has_not, not_ready).min(left.1));
        subset.addresses.truncate(quota.0);
        subset.not_ready_addresses.truncate(quota.1);
        left = (left.0 - subset.addresses.len(), left.1 - subset.not_ready_addresses.len());
    }
    subsets.retain(|subset| !subset.addresses.is_empty() || !subset.not_ready_addresses.is_empty());
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::{Json, decode};
    use serde_json::{Value, json};

    fn subsets(value: Value) -> Vec<EndpointSubset> {
        decode(value).unwrap()
    }

    fn address(ip: &str) -> Value {
        json!({"ip": ip})
    }

    #[test]
    fn ports_with_the_same_addresses_are_grouped() {
        let port = |number: i32| json!({"port": number, "protocol": "TCP"});
        let before = subsets(json!([
            {"addresses": [address("10.0.0.2")], "ports": [port(80)]},
            {"addresses": [address("10.0.0.1")], "ports": [port(80)]},
            {"addresses": [address("10.0.0.1"), address("10.0.0.2")], "ports": [port(443)]},
            {"notReadyAddresses": [address("10.0.0.1")], "ports": [port(9)]},
        ]));
        let after = repack(&before).to_json();
        assert_eq!(
            after,
            json!([
                {"notReadyAddresses": [address("10.0.0.1")], "ports": [port(9)]},
                {"addresses": [address("10.0.0.1"), address("10.0.0.2")], "ports": [port(80), port(443)]},
            ])
        );
        assert_eq!(repack(&repack(&before)), repack(&before));
    }

    #[test]
    fn beyond_the_capacity_those_that_are_not_ready_go_first() {
        let many = |count: usize| -> Vec<EndpointAddress> {
            (0..count).map(|n| decode(json!({"ip": format!("10.0.{}.{}", n / 250, n % 250)})).unwrap()).collect()
        };
        let mut all = vec![EndpointSubset { addresses: many(900), not_ready_addresses: many(900), ..EndpointSubset::default() }];
        assert!(truncate(&mut all));
        assert_eq!((all[0].addresses.len(), all[0].not_ready_addresses.len()), (900, 100));
        assert!(!truncate(&mut all));
    }
}
