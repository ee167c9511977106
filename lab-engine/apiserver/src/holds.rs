//! What Services hold, written down in etcd with them: an `IPAddress` for each cluster address, and the map of node ports
//! (`pkg/registry/core/service/ipallocator`, `portallocator`, `/registry/ranges/servicenodeports`).
//!
//! An address is held by whoever makes the object that is named after it; a port by its bit in one map. Both go into the transaction that
//! writes the Service. So several API servers never give the same address or port to two Services: the transaction of the slower one
//! fails, and it draws again from what etcd has told, or says that the address is taken.
//!
//! **Simplified here:** upstream writes the `IPAddress` first and the Service after it, and a controller repairs what a crash in between
//! leaves behind; one transaction leaves nothing. The bits of the map are written as hexadecimal digits, upstream's as bytes.

use crate::cache::Cache;
use crate::quota::Rider;
use crate::service_ip::{self, FIRST_PORT, PORTS};
use crate::storage;
use api::core::Service;
use api::json::{Rest, decode};
use api::kinds::{KindInfo, find_kind};
use api::meta::ObjectMeta;
use api::{Dynamic, Object};
use serde_json::{Value, json};
use sim::{Rng, Time};
use std::sync::Arc;

/// Where the map of node ports lies.
pub(crate) const NODE_PORTS: &str = "/registry/ranges/servicenodeports";

const FAMILY: &str = "ipaddress.kubernetes.io/ip-family";
const MANAGER: &str = "ipaddress.kubernetes.io/managed-by";

/// The kind of addresses.
pub(crate) fn address_info() -> Option<&'static KindInfo> {
    find_kind("networking.k8s.io/v1", "IPAddress")
}

fn object(version: &str, kind: &str, metadata: ObjectMeta, fields: Value) -> Object {
    let rest = fields.as_object().cloned().unwrap_or_default();
    let info = find_kind(version, kind).map(Into::into);
    Object::Dynamic(Arc::new(Dynamic { api_version: version.to_owned(), kind: kind.to_owned(), info, metadata, rest: Rest::new(rest) }))
}

/// The address of a Service, if it has one of the range.
fn address(service: &Service) -> Option<&str> {
    service_ip::is_in_range(&service.spec.cluster_ip).then_some(service.spec.cluster_ip.as_str())
}

fn address_key(address: &str) -> Option<Arc<str>> {
    Some(storage::key(address_info()?, "", address))
}

fn address_object(service: &Service, address: &str, now: Time, rng: &Rng) -> Object {
    let metadata = ObjectMeta {
        name: address.to_owned(),
        // A stream of its own: what is drawn for Services must not depend on how many addresses there are.
        uid: rng.stream(&format!("ipaddress/{address}/{}", service.metadata.uid)).uuid(),
        creation_timestamp: Some(now.into()),
        generation: Some(1),
        labels: [(FAMILY, "IPv4"), (MANAGER, "ipallocator.k8s.io")].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..ObjectMeta::default()
    };
    let parent = json!({"resource": "services", "namespace": service.metadata.namespace, "name": service.metadata.name});
    object("networking.k8s.io/v1", "IPAddress", metadata, json!({"spec": {"parentRef": parent}}))
}

/// The range of addresses that every cluster has, as an object.
pub(crate) fn service_range(now: Time, rng: &Rng) -> Object {
    let metadata = ObjectMeta {
        name: "kubernetes".to_owned(),
        uid: rng.stream("servicecidr/kubernetes").uuid(),
        creation_timestamp: Some(now.into()),
        generation: Some(1),
        finalizers: vec!["networking.k8s.io/service-cidr-finalizer".to_owned()],
        ..ObjectMeta::default()
    };
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready",
        "lastTransitionTime": api::json::Json::to_json(&metadata.creation_timestamp),
    });
    let fields = json!({"spec": {"cidrs": [service_ip::RANGE]}, "status": {"conditions": [ready]}});
    object("networking.k8s.io/v1", "ServiceCIDR", metadata, fields)
}

/// Which node ports are taken, as a bit for each port of the range (`RangeAllocation`).
#[derive(Clone, Debug)]
pub(crate) struct PortMap {
    bits: Vec<bool>,
    revision: u64,
}

impl PortMap {
    /// The map as the cache has it, or later if etcd told.
    pub(crate) fn of(cache: &Cache, told: &[Object]) -> Self {
        let told = told.iter().filter(|object| object.kind() == "RangeAllocation");
        let newest = told.chain(cache.get(NODE_PORTS)).max_by_key(|object| object.metadata().resource_version.0);
        let mut bits = vec![false; PORTS as usize];
        if let Some(Object::Dynamic(object)) = newest {
            let data: String = object.rest.get("data").and_then(|data| decode(data.clone()).ok()).unwrap_or_default();
            for (bit, set) in bits.iter_mut().zip(data.bytes().flat_map(nibble)) {
                *bit = set;
            }
        }
        PortMap { bits, revision: newest.map_or(0, |object| object.metadata().resource_version.0) }
    }

    /// Whether a port is taken.
    pub(crate) fn is_taken(&self, port: i32) -> bool {
        offset(port).is_some_and(|offset| self.bits[offset])
    }

    fn set(&mut self, port: i32, taken: bool) {
        if let Some(offset) = offset(port) {
            self.bits[offset] = taken;
        }
    }

    /// The map as an object, and where it lies.
    fn rider(&self) -> Rider {
        let digit = |bits: &[bool]| bits.iter().enumerate().map(|(at, bit)| u32::from(*bit) << (3 - at)).sum::<u32>();
        let data: String = self.bits.chunks(4).filter_map(|bits| char::from_digit(digit(bits), 16)).collect();
        let range = format!("{FIRST_PORT}-{}", FIRST_PORT + PORTS - 1);
        let object = object("v1", "RangeAllocation", ObjectMeta::default(), json!({"range": range, "data": data}));
        Rider { key: NODE_PORTS.into(), revision: Some(self.revision), object: Some(object) }
    }
}

fn offset(port: i32) -> Option<usize> {
    let offset = u32::try_from(port).ok()?.checked_sub(FIRST_PORT)?;
    usize::try_from(offset).ok().filter(|offset| *offset < PORTS as usize)
}

/// The four bits of a digit, the first port first.
fn nibble(digit: u8) -> [bool; 4] {
    let value = char::from(digit).to_digit(16).unwrap_or(0);
    [8, 4, 2, 1].map(|bit| value & bit != 0)
}

/// The node ports that a Service holds, that for health checks among them.
pub(crate) fn ports(service: &Service) -> Vec<i32> {
    let spec = &service.spec;
    let ports = spec.ports.iter().filter_map(|port| port.node_port).chain(spec.health_check_node_port);
    ports.filter(|port| offset(*port).is_some()).collect()
}

/// What goes into the transaction that puts `new` in place of `old`; none of `new`: that deletes `old`.
pub(crate) fn riders(new: Option<&Service>, old: Option<&Service>, map: &PortMap, now: Time, rng: &Rng) -> Vec<Rider> {
    let mut riders = Vec::new();
    let (is, was) = (new.and_then(address), old.and_then(address));
    if is != was {
        if let Some((key, (service, address))) = is.and_then(|is| Some((address_key(is)?, (new?, is)))) {
            riders.push(Rider { key, revision: Some(0), object: Some(address_object(service, address, now, rng)) });
        }
        // Taken off whatever it is by now.
        riders.extend(was.and_then(address_key).map(|key| Rider { key, revision: None, object: None }));
    }
    let (is, was) = (new.map(ports).unwrap_or_default(), old.map(ports).unwrap_or_default());
    let mut changed = map.clone();
    for port in was.iter().filter(|port| !is.contains(port)) {
        changed.set(*port, false);
    }
    for port in is.iter().filter(|port| !was.contains(port)) {
        changed.set(*port, true);
    }
    if changed.bits != map.bits {
        riders.push(changed.rider());
    }
    riders
}

/// Whether etcd told of an object for the address.
pub(crate) fn is_held(address: &str, told: &[Object]) -> bool {
    told.iter().any(|object| object.kind() == "IPAddress" && object.metadata().name == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(address: &str, port: i32) -> Service {
        decode(
            json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {"clusterIP": address, "ports": [{"port": 1, "nodePort": port}]}}),
        )
        .unwrap()
    }

    #[test]
    fn the_map_of_ports_comes_back_as_it_was_written() {
        let mut map = PortMap::of(&Cache::default(), &[]);
        map.set(30_000, true);
        map.set(32_767, true);
        let object = map.rider().object.unwrap();
        let read = PortMap::of(&Cache::default(), &[object]);
        assert_eq!(read.bits, map.bits);
        assert!(read.is_taken(32_767) && !read.is_taken(30_001) && !read.is_taken(80));
    }

    #[test]
    fn what_a_service_no_longer_has_is_given_back() {
        let (map, rng) = (PortMap::of(&Cache::default(), &[]), sim::Seed(1).stream("holds"));
        let old = service("10.96.0.7", 30_001);
        let made = riders(Some(&old), None, &map, Time::ZERO, &rng);
        assert_eq!(made.iter().map(|rider| &*rider.key).collect::<Vec<_>>(), ["/registry/ipaddresses/10.96.0.7", NODE_PORTS]);
        assert!(riders(Some(&old), Some(&old), &map, Time::ZERO, &rng).is_empty());
        let map = PortMap::of(&Cache::default(), &[made[1].object.clone().unwrap()]);
        let gone = riders(None, Some(&old), &map, Time::ZERO, &rng);
        assert!(gone[0].object.is_none() && gone[0].revision.is_none());
        let freed = PortMap::of(&Cache::default(), &[gone[1].object.clone().unwrap()]);
        assert!(!freed.is_taken(30_001));
    }
}
