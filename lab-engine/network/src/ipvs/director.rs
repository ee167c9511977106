//! The director: which real server takes a connection (`net/netfilter/ipvs`).

use super::{Ipvs, Scheduler, ServerKey, VirtualServer};
use crate::addr::Packet;
use sim::Time;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What the director does with a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is for none of the virtual servers.
    NotOurs,
    /// It goes to this real server.
    To(SocketAddr),
    /// There is no real server: the caller is told that the port cannot be reached.
    Refused,
}

/// How many templates of persistent clients are kept; the one that would end first goes first.
const MAX_TEMPLATES: usize = 65_536;

/// A number whose multiples are far apart (`ip_vs_sh_hashkey`, Knuth).
const GOLDEN: u32 = 2_654_435_761;

/// The state of the schedulers, and the clients that stay with a real server.
#[derive(Clone, Debug, Default)]
pub struct Director {
    cursors: BTreeMap<ServerKey, usize>,
    templates: BTreeMap<(ServerKey, IpAddr), (SocketAddr, Time)>,
    active: BTreeMap<(ServerKey, SocketAddr), u32>,
}

impl Director {
    /// Chooses for the first packet of a connection.
    pub fn schedule(&mut self, ipvs: &Ipvs, packet: &Packet, now: Time) -> Fate {
        let key = (packet.protocol, packet.destination);
        let Some(server) = ipvs.servers.get(&key) else { return Fate::NotOurs };
        if server.real_servers.is_empty() {
            return Fate::Refused;
        }
        let client = (key, packet.source.ip());
        let kept = server.persistence_seconds.and_then(|_| self.templates.get(&client).copied());
        let kept = kept.filter(|(real, until)| *until > now && server.real_servers.contains(real)).map(|(real, _)| real);
        let real = kept.unwrap_or_else(|| self.choose(key, server, packet));
        if let Some(seconds) = server.persistence_seconds {
            if self.templates.len() >= MAX_TEMPLATES {
                let first = self.templates.iter().min_by_key(|(_, (_, until))| *until).map(|(client, _)| *client);
                first.map(|client| self.templates.remove(&client));
            }
            self.templates.insert(client, (real, now + Duration::from_secs(u64::from(seconds))));
        }
        *self.active.entry((key, real)).or_default() += 1;
        Fate::To(real)
    }

    /// A connection ended.
    pub fn closed(&mut self, key: ServerKey, real: SocketAddr) {
        if let Some(active) = self.active.get_mut(&(key, real)) {
            *active = active.saturating_sub(1);
        }
    }

    /// How many connections a real server has: active and inactive ones.
    pub fn connections(&self, key: &ServerKey, real: &SocketAddr) -> (u32, u32) {
        (self.active.get(&(*key, *real)).copied().unwrap_or(0), 0)
    }

    fn choose(&mut self, key: ServerKey, server: &VirtualServer, packet: &Packet) -> SocketAddr {
        let real = &server.real_servers;
        match server.scheduler {
            Scheduler::RoundRobin | Scheduler::WeightedRoundRobin => {
                let cursor = self.cursors.entry(key).or_default();
                let chosen = *cursor % real.len();
                *cursor = chosen + 1;
                real[chosen]
            }
            Scheduler::LeastConnection | Scheduler::WeightedLeastConnection => {
                let least = real.iter().min_by_key(|real| self.connections(&key, real).0);
                least.copied().unwrap_or(real[0])
            }
            Scheduler::SourceHash => {
                let folded = match packet.source.ip() {
                    IpAddr::V4(ip) => u32::from(ip),
                    IpAddr::V6(ip) => ip.octets().chunks_exact(4).fold(0, |hash, c| hash ^ u32::from_be_bytes([c[0], c[1], c[2], c[3]])),
                };
                // The table of the kernel has 256 places, filled with the real servers in turn.
                real[(folded.wrapping_mul(GOLDEN) % 256) as usize % real.len()]
            }
        }
    }
}
