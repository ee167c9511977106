//! Addresses and node ports of Services (`pkg/registry/core/service/ipallocator`, `portallocator`).
//!
//! The lower part of each range is left for addresses that users choose (KEP-3070, KEP-3668): others are drawn from the upper part first.
//!
//! **Simplified here:** one address family; addresses are not kept as `IPAddress` objects.

use crate::cache::Change;
use api::Object;
use api::core::Service;
use sim::Rng;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The network of Service addresses, 10.96.0.0/12.
const NETWORK: u32 = u32::from_be_bytes([10, 96, 0, 0]);
const SIZE: u32 = 1 << 20;
/// Addresses up to here are drawn last.
const STATIC_ADDRESSES: u32 = 256;
const FIRST_PORT: u32 = 30_000;
const PORTS: u32 = 2768;
/// Ports up to here are drawn last.
const STATIC_PORTS: u32 = 86;

/// The address of the API server's Service.
pub(crate) const KUBERNETES: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// The range, as errors give it.
pub(crate) const RANGE: &str = "10.96.0.0/12";

/// Which addresses and ports are taken, and by how many.
#[derive(Debug, Default)]
pub(crate) struct ServiceAllocator {
    addresses: BTreeMap<u32, u32>,
    ports: BTreeMap<u32, u32>,
    /// Reservations of Services that are written but not seen yet, with their revision.
    written: Vec<(u64, Arc<Service>)>,
}

fn offset_of(text: &str) -> Option<u32> {
    let offset = u32::from(text.parse::<Ipv4Addr>().ok()?).checked_sub(NETWORK)?;
    (1..SIZE - 1).contains(&offset).then_some(offset)
}

fn resources(service: &Service) -> (Option<u32>, Vec<u32>) {
    let ports = service.spec.ports.iter().filter_map(|port| u32::try_from(port.node_port?).ok()?.checked_sub(FIRST_PORT));
    (offset_of(&service.spec.cluster_ip), ports.collect())
}

/// A free number below `size`, drawn from those from `band` on while there are any.
fn draw(taken: &BTreeMap<u32, u32>, band: u32, size: u32, rng: &mut Rng) -> Option<u32> {
    [(band, size), (1, band)].into_iter().find_map(|(low, high)| {
        let start = u32::try_from(rng.below(u64::from(high - low))).unwrap_or(0);
        (0..high - low).map(|step| low + (start + step) % (high - low)).find(|offset| !taken.contains_key(offset))
    })
}

impl ServiceAllocator {
    /// What the Services among the objects hold.
    pub(crate) fn of<'a>(objects: impl Iterator<Item = &'a Object>) -> Self {
        let mut allocator = ServiceAllocator::default();
        for service in objects.filter_map(|object| object.as_kind::<Service>()) {
            allocator.take(service);
        }
        allocator
    }

    /// Marks what a Service holds as taken.
    pub(crate) fn take(&mut self, service: &Service) {
        let (address, ports) = resources(service);
        if let Some(address) = address {
            *self.addresses.entry(address).or_default() += 1;
        }
        for port in ports {
            *self.ports.entry(port).or_default() += 1;
        }
    }

    /// Gives back what a Service holds.
    pub(crate) fn release(&mut self, service: &Service) {
        let (address, ports) = resources(service);
        let release = |taken: &mut BTreeMap<u32, u32>, number: u32| {
            if let Some(count) = taken.get_mut(&number) {
                *count -= 1;
                if *count == 0 {
                    taken.remove(&number);
                }
            }
        };
        if let Some(address) = address {
            release(&mut self.addresses, address);
        }
        for port in ports {
            release(&mut self.ports, port);
        }
    }

    /// Gives back what was held for a Service once its change of that revision was seen.
    pub(crate) fn release_at(&mut self, revision: u64, service: Arc<Service>) {
        self.written.push((revision, service));
    }

    /// Follows a change of a Service.
    pub(crate) fn observe(&mut self, change: &Change) {
        let service = |object: &Object| object.as_kind::<Service>().cloned();
        if let Some(new) = service(&change.object).filter(|_| !change.deleted) {
            self.take(&new);
        }
        if let Some(old) = change.old.as_ref().and_then(service) {
            self.release(&old);
        }
        if !self.written.is_empty() {
            for (_, service) in self.written.extract_if(.., |(revision, _)| *revision <= change.revision).collect::<Vec<_>>() {
                self.release(&service);
            }
        }
    }

    /// Whether an address lies in the range and is free; the error is upstream's detail.
    pub(crate) fn check_address(&self, text: &str) -> Result<(), String> {
        let failed = |why: &str| Err(format!("failed to allocate IP {text}: {why}"));
        match offset_of(text) {
            None => failed(&format!("the provided IP ({text}) is not in the valid range. The range of valid IPs is {RANGE}")),
            Some(offset) if self.addresses.contains_key(&offset) => failed("provided IP is already allocated"),
            Some(_) => Ok(()),
        }
    }

    /// Whether a node port lies in the range and is free; the error is upstream's detail.
    pub(crate) fn check_port(&self, port: i32) -> Result<(), String> {
        match u32::try_from(port).ok().and_then(|port| port.checked_sub(FIRST_PORT)).filter(|&offset| offset < PORTS) {
            None => Err("provided port is not in the valid range. The range of valid ports is 30000-32767".to_owned()),
            Some(offset) if self.ports.contains_key(&offset) => Err("provided port is already allocated".to_owned()),
            Some(_) => Ok(()),
        }
    }

    /// A free address.
    pub(crate) fn draw_address(&self, rng: &mut Rng) -> Option<Ipv4Addr> {
        draw(&self.addresses, STATIC_ADDRESSES, SIZE - 1, rng).map(|offset| Ipv4Addr::from(NETWORK + offset))
    }

    /// A free node port that is not among `also_taken`.
    pub(crate) fn draw_port(&self, also_taken: &[i32], rng: &mut Rng) -> Option<i32> {
        let mut taken = self.ports.clone();
        for port in also_taken {
            if let Some(offset) = u32::try_from(*port).ok().and_then(|port| port.checked_sub(FIRST_PORT)) {
                taken.insert(offset, 1);
            }
        }
        draw(&taken, STATIC_PORTS, PORTS, rng).and_then(|offset| i32::try_from(FIRST_PORT + offset).ok())
    }
}
