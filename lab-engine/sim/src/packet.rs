//! The way of a packet, hop by hop: what `tcpdump` and a trace of netfilter would tell of the first packet of a connection, and of the answer.
//!
//! ```text
//! sent ─► routed (rules, DNAT, masquerading) ─► policy ─► forwarded (to another node) ─► policy ─► arrived ─► answered
//!             └─► refused                          └─► dropped    └─► dropped                 └─► refused
//! ```
//!
//! Each hop is an event of the trace ([`crate::What::Packet`]), caused by the hop before it; all hops of a connection carry its number. The
//! structures read what they write, so a view takes them from the event's data as they are.

use crate::ObjectRef;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// How many rules a hop lists at most.
pub const MAX_RULE_HITS: usize = 32;

/// One hop of a connection's first packet, or of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PacketHop {
    /// The number of the connection, the same in all its hops.
    pub connection: u64,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: Arc<str>,
    /// From where, as the packet says after this hop: an address, with the port once it is known.
    pub source: Arc<str>,
    /// To where, as the packet says after this hop: address and port.
    pub destination: Arc<str>,
    /// What happened to it.
    pub step: PacketStep,
}

/// What happened to a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PacketStep {
    /// Somebody sent it.
    Sent {
        /// The Pod whose container did; `None` for a part of the cluster.
        pod: Option<ObjectRef>,
        /// What is asked, for example `GET http://web/` or `DNS A web.default.svc.cluster.local`.
        asks: Arc<str>,
        /// How many connections before it left no hops in the trace, because there were too many at once.
        skipped: u64,
    },
    /// It passed the rules of a node.
    Routed(Routing),
    /// NetworkPolicies isolate an end of it, and let it pass.
    Allowed {
        /// What they said.
        isolation: Isolation,
    },
    /// It left one node, or part of the cluster, for another.
    Forwarded {
        /// From where, for example `node-1`.
        from: Arc<str>,
        /// To where.
        to: Arc<str>,
    },
    /// It is where it was to go.
    Arrived {
        /// Whose that is, for example a Pod or a Node.
        at: ObjectRef,
    },
    /// It was answered. The packet is the answer as the caller sees it: what was rewritten on the way is put back by `conntrack`.
    Answered {
        /// What came back, for example `HTTP 200` or `DNS NXDOMAIN`.
        with: Arc<str>,
    },
    /// Its sender was told that nothing is there (TCP RST, ICMP).
    Refused {
        /// Why.
        reason: Arc<str>,
    },
    /// It vanished; its sender learns nothing and waits.
    Dropped {
        /// Why.
        reason: Arc<str>,
        /// The policies that isolate an end of it and do not allow it, if they are why.
        isolation: Option<Isolation>,
    },
    /// Its sender has waited long enough.
    TimedOut {
        /// How long, in milliseconds.
        waited_ms: u64,
    },
}

/// What the rules of a node did with a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Routing {
    /// The node.
    pub node: Arc<str>,
    /// What holds the rules: `iptables`, `ipvs` or `nftables`.
    pub mode: Arc<str>,
    /// Whether it belongs to a connection that `conntrack` knows: then no rule was looked at.
    pub known: bool,
    /// The rules that it matched, in order, at most [`MAX_RULE_HITS`].
    pub rules: Vec<RuleHit>,
    /// How many rules it was compared with.
    pub compared: usize,
    /// The virtual server of IPVS that took it, for example `TCP 10.96.0.20:80 rr`.
    pub virtual_server: Option<Arc<str>>,
    /// Where its destination was rewritten to (DNAT).
    pub dnat: Option<Arc<str>>,
    /// What its source was rewritten to (SNAT).
    pub masquerade: Option<Arc<str>>,
}

/// A rule that a packet matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleHit {
    /// The table: `nat`, `filter`, or `kube-proxy` of nftables.
    pub table: Arc<str>,
    /// The chain.
    pub chain: Arc<str>,
    /// The rule's place in the chain, counted from 1.
    pub number: usize,
    /// The rule, as the tool that lists rules prints it.
    pub rule: Arc<str>,
}

/// What NetworkPolicies say of one end of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Isolation {
    /// `ingress` or `egress`.
    pub direction: Arc<str>,
    /// The Pod that is isolated in that direction.
    pub pod: ObjectRef,
    /// The policies that isolate it, by name; those that allow the packet alone, where it is allowed.
    pub policies: Vec<Arc<str>>,
}

impl fmt::Display for PacketHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PacketHop { connection, protocol, source, destination, step } = self;
        write!(f, "connection {connection}: {protocol} {source} > {destination} ")?;
        match step {
            PacketStep::Sent { pod, asks, skipped } => {
                let pod = pod.as_ref().map(|pod| format!(" by {pod}")).unwrap_or_default();
                let skipped = if *skipped > 0 { format!(" ({skipped} connections before it are not shown)") } else { String::new() };
                write!(f, "sent{pod}: {asks}{skipped}")
            }
            PacketStep::Routed(routing) => write!(f, "{routing}"),
            PacketStep::Allowed { isolation } => write!(f, "allowed: {isolation}"),
            PacketStep::Forwarded { from, to } => write!(f, "goes from {from} to {to}"),
            PacketStep::Arrived { at } => write!(f, "arrived at {at}"),
            PacketStep::Answered { with } => write!(f, "answered: {with}"),
            PacketStep::Refused { reason } => write!(f, "refused: {reason}"),
            PacketStep::Dropped { reason, isolation: None } => write!(f, "dropped: {reason}"),
            PacketStep::Dropped { reason, isolation: Some(isolation) } => write!(f, "dropped: {reason}: {isolation}"),
            PacketStep::TimedOut { waited_ms } => write!(f, "timed out after {waited_ms} ms"),
        }
    }
}

impl fmt::Display for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "routed by {}", self.node)?;
        if self.known {
            write!(f, ", a connection that conntrack knows")?;
        }
        if let Some(server) = &self.virtual_server {
            write!(f, ", virtual server {server}")?;
        }
        if let Some(to) = &self.dnat {
            write!(f, ", DNAT to {to}")?;
        }
        if let Some(to) = &self.masquerade {
            write!(f, ", masqueraded as {to}")?;
        }
        if self.known { Ok(()) } else { write!(f, ", {} rules compared", self.compared) }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} by NetworkPolicy {}", self.direction, self.pod, self.policies.join(", "))
    }
}
