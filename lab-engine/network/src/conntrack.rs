//! The table of connections (`nf_conntrack`), and the text of `conntrack -L`.
//!
//! An entry has the connection as it began and as its answers come back; by it later packets go the way of the first, whatever the rules say
//! by then.
//!
//! **Simplified here:** a connection is one question and one answer, so a TCP entry is in `TIME_WAIT` at once.

use crate::addr::{Packet, Protocol};
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

/// How many connections are kept; the one that would end first goes first.
pub const MAX_ENTRIES: usize = 4_096;

/// A connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The packet that goes on when this connection's first packet comes in.
    pub translated: Packet,
    /// When the entry ends.
    pub expires: Time,
    /// Whether it was answered.
    pub replied: bool,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Conntrack {
    entries: BTreeMap<Packet, Entry>,
    /// The same entries in the order in which they end, so that a new connection costs as much as there is to forget.
    ends: BTreeSet<(Time, Packet)>,
}

/// How long an entry stays without another packet (`nf_conntrack_tcp_timeout_time_wait`, `nf_conntrack_udp_timeout`, SCTP likewise).
fn timeout(protocol: Protocol) -> Duration {
    Duration::from_secs(if protocol == Protocol::Tcp { 120 } else { 30 })
}

impl Conntrack {
    /// The connection that a packet belongs to.
    pub fn find(&self, packet: &Packet, now: Time) -> Option<&Entry> {
        self.entries.get(packet).filter(|entry| entry.expires > now)
    }

    /// Notes a new connection.
    pub fn insert(&mut self, original: Packet, translated: Packet, now: Time) {
        if let Some(old) = self.entries.remove(&original) {
            self.ends.remove(&(old.expires, original));
        }
        while self.ends.first().is_some_and(|(expires, _)| *expires <= now || self.entries.len() >= MAX_ENTRIES) {
            self.ends.pop_first().map(|(_, packet)| self.entries.remove(&packet));
        }
        let expires = now + timeout(original.protocol);
        self.entries.insert(original, Entry { translated, expires, replied: true });
        self.ends.insert((expires, original));
    }

    /// Forgets the UDP connections to an endpoint that is gone, as kube-proxy does so that clients do not go on sending there
    /// (`CleanStaleEntries`). `gone` says whether it is.
    pub fn clean_stale(&mut self, gone: impl Fn(&Packet) -> bool) {
        let stays = |original: &Packet, entry: &Entry| original.protocol != Protocol::Udp || !gone(&entry.translated);
        self.entries.retain(|original, entry| stays(original, entry));
        self.ends.retain(|(_, original)| self.entries.contains_key(original));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The table as `conntrack -L` prints it.
    pub fn list(&self, now: Time) -> String {
        let mut text = String::new();
        for (original, entry) in self.entries.iter().filter(|(_, entry)| entry.expires > now) {
            let (name, number) = match original.protocol {
                Protocol::Tcp => ("tcp", 6),
                Protocol::Udp => ("udp", 17),
                Protocol::Sctp => ("sctp", 132),
            };
            let left = entry.expires.since(now).as_secs();
            let state = if original.protocol == Protocol::Tcp { "TIME_WAIT " } else { "" };
            let _ = writeln!(
                text,
                "{name:<8} {number} {left} {state}{} {} [ASSURED] mark=0 use=1",
                ends(original),
                ends(&entry.translated.reply())
            );
        }
        text
    }
}

fn ends(packet: &Packet) -> String {
    let (source, destination) = (packet.source, packet.destination);
    format!("src={} dst={} sport={} dport={}", source.ip(), destination.ip(), source.port(), destination.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lasts_for_its_time_and_prints_both_ways() {
        let packet = |destination: &str| Packet {
            protocol: Protocol::Tcp,
            source: "10.244.0.2:40000".parse().unwrap(),
            destination: destination.parse().unwrap(),
        };
        let (original, translated) = (packet("10.96.0.5:80"), packet("10.244.1.3:8080"));
        let mut table = Conntrack::default();
        table.insert(original, translated, Time::from_secs(10));
        assert_eq!(table.find(&original, Time::from_secs(129)).map(|entry| entry.translated), Some(translated));
        assert_eq!(table.find(&original, Time::from_secs(130)), None);
        assert_eq!(
            table.list(Time::from_secs(11)),
            "tcp      6 119 TIME_WAIT src=10.244.0.2 dst=10.96.0.5 sport=40000 dport=80 \
             src=10.244.1.3 dst=10.244.0.2 sport=8080 dport=40000 [ASSURED] mark=0 use=1\n"
        );
    }

    #[test]
    fn the_table_is_bounded_and_forgets_what_ends_first() {
        let packet = |source: u16| Packet {
            protocol: Protocol::Tcp,
            source: ([10, 244, 0, 2], source).into(),
            destination: ([10, 96, 0, 5], 80).into(),
        };
        let mut table = Conntrack::default();
        let count = u16::try_from(MAX_ENTRIES).unwrap();
        (0..=count).for_each(|source| table.insert(packet(source), packet(source), Time::from_secs(u64::from(source / 1000))));
        assert_eq!(
            (table.len(), table.find(&packet(0), Time::ZERO), table.find(&packet(1), Time::ZERO).is_some()),
            (MAX_ENTRIES, None, true)
        );
        table.insert(packet(1), packet(1), Time::from_secs(10));
        table.insert(packet(count + 1), packet(1), Time::from_secs(123));
        assert!(table.find(&packet(1), Time::from_secs(123)).is_some(), "an entry that was used again ends later");
        assert_eq!(table.len(), usize::from(count) + 3 - 4000, "those of the first four seconds are over");
    }
}
