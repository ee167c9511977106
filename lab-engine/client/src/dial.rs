//! What containers send one another, as plain data.
//!
//! A kubelet whose container connects somewhere gives a [`Dial`] to its node's network. The node sends it on, perhaps to another address
//! than was asked for; the kubelet of the node where that address is answers. Whoever waits is named by a [`Caller`].
//!
//! **Simplified here:** a connection is one question and one answer. Nothing of it can be lost alone, and no bytes are counted.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A call of a component, unique within it for its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// Who waits for the answer to a call. Only the host looks into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// The component, by its number in the host.
    pub component: usize,
    /// Its call.
    pub call: CallId,
}

/// A connection and what is asked over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// From where.
    pub source: IpAddr,
    /// To where.
    pub destination: SocketAddr,
    /// Over UDP, and not TCP.
    pub udp: bool,
    /// What is asked.
    pub payload: Payload,
    /// For how long the caller waits.
    pub patience: Duration,
}

/// What is asked over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Whether somebody listens.
    Connect,
    /// An HTTP request.
    Http {
        /// The method.
        method: String,
        /// Path and query.
        path: String,
        /// The headers, in order.
        headers: Vec<(String, String)>,
    },
    /// A name or address to look up.
    Dns {
        /// The name, without a dot at its end.
        name: String,
        /// What is wanted of it.
        kind: RecordType,
    },
    /// A command that looks at the node's own network, for example `iptables-save`. It goes nowhere.
    Node(Vec<String>),
}

/// A type of DNS records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// Ports and names of those who offer a service.
    Srv,
    /// The name of an address.
    Ptr,
}

/// A DNS record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsRecord {
    /// Whose it is.
    pub name: String,
    /// What it says.
    pub data: DnsData,
}

/// What a DNS record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsData {
    /// An address.
    A(IpAddr),
    /// Another name for the same.
    Cname(String),
    /// Priority, weight, port and host of a service.
    Srv(u16, u16, u16, String),
    /// The name of an address.
    Ptr(String),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Somebody listens, and speaks no HTTP if that was asked for.
    Connected,
    /// An HTTP response.
    Http {
        /// The status code.
        status: u16,
        /// The header `Server`; empty when there is none.
        server: String,
        /// The body.
        body: String,
        /// How long the server took.
        delay: Duration,
    },
    /// DNS records, or `None` for a name that does not exist (`NXDOMAIN`).
    Dns(Option<Vec<DnsRecord>>),
    /// What a command printed, and its exit status.
    Node(String, i32),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialError {
    /// Nobody listens, or a rule says so.
    Refused,
    /// There is nobody of that address.
    Unreachable,
    /// Nothing came back in time.
    TimedOut,
}
