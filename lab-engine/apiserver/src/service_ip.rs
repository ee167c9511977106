//! Addresses and node ports of Services (`pkg/registry/core/service/ipallocator`, `portallocator`).
//!
//! The lower part of each range is left for addresses that users choose (KEP-3070, KEP-3668): others are drawn from the upper part first.
//!
//! What is drawn here is only a proposal: it is held by what the transaction of the Service writes with it (`holds.rs`).
//!
//! **Simplified here:** one address family, and the one range of the ServiceCIDR `kubernetes`.

use crate::cache::Change;
use crate::holds::{self, PortMap};
use crate::registry;
use crate::server::ApiServer;
use crate::write::{Refused, Write};
use api::Object;
use api::core::Service;
use api::status::Status;
use sim::{Rng, Time};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The network of Service addresses, 10.96.0.0/12.
const NETWORK: u32 = u32::from_be_bytes([10, 96, 0, 0]);
const SIZE: u32 = 1 << 20;
/// Addresses up to here are drawn last.
const STATIC_ADDRESSES: u32 = 256;
/// The first node port.
pub(crate) const FIRST_PORT: u32 = 30_000;
/// How many node ports there are.
pub(crate) const PORTS: u32 = 2768;
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

/// Whether a text is an address that Services can have.
pub(crate) fn is_in_range(text: &str) -> bool {
    offset_of(text).is_some()
}

fn resources(service: &Service) -> (Option<u32>, Vec<u32>) {
    let ports = holds::ports(service).into_iter().filter_map(|port| u32::try_from(port).ok()?.checked_sub(FIRST_PORT));
    (offset_of(&service.spec.cluster_ip), ports.collect())
}

/// A free number below `size`, drawn from those from `band` on while there are any.
fn draw(is_taken: impl Fn(u32) -> bool, band: u32, size: u32, rng: &mut Rng) -> Option<u32> {
    [(band, size), (1, band)].into_iter().find_map(|(low, high)| {
        let start = u32::try_from(rng.below(u64::from(high - low))).unwrap_or(0);
        (0..high - low).map(|step| low + (start + step) % (high - low)).find(|offset| !is_taken(*offset))
    })
}

/// Takes one holder of a number away.
fn release(taken: &mut BTreeMap<u32, u32>, number: u32) {
    if let Some(count) = taken.get_mut(&number) {
        *count -= 1;
        if *count == 0 {
            taken.remove(&number);
        }
    }
}

impl ServiceAllocator {
    /// What the Services among the objects hold.
    pub(crate) fn of<'a>(objects: impl Iterator<Item = &'a Object>) -> Self {
        let mut allocator = ServiceAllocator::default();
        for object in objects {
            match object {
                Object::Service(service) => allocator.take(service),
                other => allocator.count_address(other, true),
            }
        }
        allocator
    }

    /// Counts an address that an `IPAddress` names.
    fn count_address(&mut self, object: &Object, more: bool) {
        if object.kind() != "IPAddress" || !object.is_dynamic() {
            return;
        }
        let Some(offset) = offset_of(&object.metadata().name) else { return };
        if more {
            *self.addresses.entry(offset).or_default() += 1;
        } else {
            release(&mut self.addresses, offset);
        }
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
        if change.deleted != change.old.is_none() {
            self.count_address(&change.object, !change.deleted);
        }
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
}

/// What is free, as far as this server knows from its cache, from what it is writing itself, and from what etcd told a transaction that
/// failed.
pub(crate) struct Free<'a> {
    allocator: &'a ServiceAllocator,
    ports: &'a PortMap,
    told: &'a [Object],
}

impl Free<'_> {
    /// Whether an address lies in the range and is free; the error is upstream's detail.
    pub(crate) fn check_address(&self, text: &str) -> Result<(), String> {
        let failed = |why: &str| Err(format!("failed to allocate IP {text}: {why}"));
        match offset_of(text) {
            None => failed(&format!("the provided IP ({text}) is not in the valid range. The range of valid IPs is {RANGE}")),
            Some(offset) if self.allocator.addresses.contains_key(&offset) || holds::is_held(text, self.told) => {
                failed("provided IP is already allocated")
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether a node port lies in the range and is free; the error is upstream's detail.
    pub(crate) fn check_port(&self, port: i32) -> Result<(), String> {
        match u32::try_from(port).ok().and_then(|port| port.checked_sub(FIRST_PORT)).filter(|&offset| offset < PORTS) {
            None => Err("provided port is not in the valid range. The range of valid ports is 30000-32767".to_owned()),
            Some(offset) if self.allocator.ports.contains_key(&offset) || self.ports.is_taken(port) => {
                Err("provided port is already allocated".to_owned())
            }
            Some(_) => Ok(()),
        }
    }

    /// A free address.
    pub(crate) fn draw_address(&self, rng: &mut Rng) -> Option<Ipv4Addr> {
        let address = |offset: u32| Ipv4Addr::from(NETWORK + offset);
        let is_taken = |offset: u32| {
            let told = || holds::is_held(&address(offset).to_string(), self.told);
            self.allocator.addresses.contains_key(&offset) || (!self.told.is_empty() && told())
        };
        draw(is_taken, STATIC_ADDRESSES, SIZE - 1, rng).map(address)
    }

    /// A free node port that is not among `also_taken`.
    pub(crate) fn draw_port(&self, also_taken: &[i32], rng: &mut Rng) -> Option<i32> {
        let port = |offset: u32| i32::try_from(FIRST_PORT + offset).unwrap_or(0);
        let is_taken = |offset: u32| {
            self.allocator.ports.contains_key(&offset) || self.ports.is_taken(port(offset)) || also_taken.contains(&port(offset))
        };
        draw(is_taken, STATIC_PORTS, PORTS, rng).map(port)
    }
}

impl ApiServer {
    /// Gives a Service the address and node ports that it needs and has not.
    ///
    /// # Errors
    /// 422: what it asks for is taken or out of range.
    pub(crate) fn allocate(&mut self, write: &Write, service: &mut Service, old: Option<&Service>) -> Refused<()> {
        let ports = PortMap::of(&self.cache, &write.told);
        let free = Free { allocator: &self.services, ports: &ports, told: &write.told };
        registry::service::allocate(service, old, &free, &mut self.rng)
            .map_err(|errors| Box::new(Status::invalid("", "Service", &write.name, &errors)))
    }

    /// Gives a new Service an address and ports anew, as those of before are someone else's.
    ///
    /// # Errors
    /// 422: what it asks for is taken.
    pub(crate) fn allocate_again(&mut self, write: &mut Write, object: &mut Object) -> Refused<()> {
        let Some(before) = write.unallocated.clone() else { return Ok(()) };
        if let Some(reserved) = write.reserved.take() {
            self.services.release(&reserved);
        }
        let mut service = Service::clone(&before);
        service.metadata.name.clone_from(&object.metadata().name);
        self.allocate(write, &mut service, None)?;
        *object = service.into();
        Ok(())
    }

    /// Puts into the transaction of a write what the Service holds, and gives back what it no longer does. `new` is `None` when it goes.
    pub(crate) fn hold(&mut self, now: Time, write: &mut Write, new: Option<&Object>, old: Option<&Object>) {
        let service = |object: Option<&Object>| object.and_then(|object| object.as_kind::<Service>()).cloned();
        let (new, old) = (service(new), service(old));
        if new.is_none() && old.is_none() {
            return;
        }
        if new.is_none() {
            write.riders.clear();
        }
        let map = PortMap::of(&self.cache, &write.told);
        write.riders.extend(holds::riders(new.as_deref(), old.as_deref(), &map, now, &self.rng));
        // What is drawn for a new Service is not drawn for another one before the cache shows it.
        if let (Some(new), None, false) = (new, old, write.dry_run) {
            self.services.take(&new);
            write.reserved = Some(new);
        }
    }
}
