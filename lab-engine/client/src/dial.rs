//! What containers send one another, as plain data.
//!
//! A kubelet whose container connects somewhere gives a [`Dial`] to its node's network. The node sends it on, perhaps to another address
//! than was asked for; the kubelet of the node where that address is answers. Whoever waits is named by a [`Caller`].
//!
//! **Simplified here:** a connection is one question and one answer. Nothing of it can be lost alone, and no bytes are counted.

use sim::{ObjectRef, PacketHop, PacketStep, What};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
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
    /// The Pod whose container calls; `None` for a part of the cluster.
    pub sender: Option<ObjectRef>,
    /// From where.
    pub source: IpAddr,
    /// From which port; 0 until the node has given it one.
    pub source_port: u16,
    /// Where it came from before the node that it is on masqueraded it.
    pub unmasqueraded: Option<IpAddr>,
    /// To where.
    pub destination: SocketAddr,
    /// Over UDP, and not TCP.
    pub udp: bool,
    /// What is asked.
    pub payload: Payload,
    /// For how long the caller waits.
    pub patience: Duration,
    /// Its number in the trace, if its way is told there.
    pub connection: Option<u64>,
}

impl Dial {
    /// A call that has not left its caller.
    pub fn new(source: IpAddr, destination: SocketAddr, udp: bool, payload: Payload, patience: Duration) -> Self {
        Dial { sender: None, source, source_port: 0, unmasqueraded: None, destination, udp, payload, patience, connection: None }
    }

    /// `tcp` or `udp`.
    pub fn protocol(&self) -> &'static str {
        if self.udp { "udp" } else { "tcp" }
    }

    /// A hop of its first packet, if its way is told in the trace.
    pub fn hop(&self, step: PacketStep) -> Option<What> {
        let connection = self.connection?;
        // A port that is not drawn yet is not told.
        let told = |end: SocketAddr| if end.port() == 0 { end.ip().to_string() } else { end.to_string() };
        let source = told(SocketAddr::new(self.source, self.source_port)).into();
        let (protocol, destination) = (self.protocol().into(), told(self.destination).into());
        Some(What::Packet(Box::new(PacketHop { connection, protocol, source, destination, step })))
    }
}

/// What is asked over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Whether somebody listens.
    Connect,
    /// An HTTP request.
    Http(Box<HttpCall>),
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

/// An HTTP request over a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpCall {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// Over TLS, and whom the client believes.
    pub tls: Option<Trust>,
}

impl HttpCall {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Which certificates a client of TLS believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Every one (`curl -k`).
    Any,
    /// Those of the authorities that every system knows, which none of a cluster is.
    System,
    /// Those of the authorities in this file.
    Authorities(String),
}

impl Trust {
    /// Whether it believes a certificate that was issued by the authority with this certificate, in PEM.
    pub fn believes(&self, authority: &str) -> bool {
        match self {
            Trust::Any => true,
            Trust::System => false,
            Trust::Authorities(file) => !authority.is_empty() && file.contains(authority.trim()),
        }
    }
}

impl Payload {
    /// What is asked, in a few words: `GET http://web/`, `DNS A web`, `connect`.
    pub fn summary(&self) -> Arc<str> {
        match self {
            Payload::Connect => "connect".into(),
            Payload::Http(call) => {
                let scheme = if call.tls.is_some() { "https" } else { "http" };
                format!("{} {scheme}://{}{}", call.method, call.header("Host").unwrap_or_default(), call.path).into()
            }
            Payload::Dns { name, kind } => format!("DNS {} {name}", kind.name()).into(),
            Payload::Node(argv) => argv.join(" ").into(),
        }
    }
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

impl RecordType {
    /// Its name: `A`, `SRV` or `PTR`.
    pub fn name(self) -> &'static str {
        match self {
            RecordType::A => "A",
            RecordType::Srv => "SRV",
            RecordType::Ptr => "PTR",
        }
    }
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

impl fmt::Display for DnsData {
    /// The data as a zone file has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DnsData::A(ip) => write!(f, "{ip}"),
            DnsData::Cname(name) | DnsData::Ptr(name) => write!(f, "{name}"),
            DnsData::Srv(priority, weight, port, target) => write!(f, "{priority} {weight} {port} {target}"),
        }
    }
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
        /// Further headers, in order.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
        /// How long the server took.
        delay: Duration,
    },
    /// The server speaks TLS, and the client does not believe its certificate; nothing was asked.
    Untrusted,
    /// DNS records, or `None` for a name that does not exist (`NXDOMAIN`).
    Dns(Option<Vec<DnsRecord>>),
    /// The DNS server cannot answer (`SERVFAIL`).
    DnsFailure,
    /// What a command printed, and its exit status.
    Node(String, i32),
}

impl Reply {
    /// The answer in a few words: `HTTP 200`, `DNS 10.96.0.20`, `DNS NXDOMAIN`.
    pub fn summary(&self) -> Arc<str> {
        match self {
            Reply::Connected => "connected".into(),
            Reply::Untrusted => "a certificate that the client does not believe".into(),
            Reply::Http { status, .. } => format!("HTTP {status}").into(),
            Reply::Dns(None) => "DNS NXDOMAIN".into(),
            Reply::DnsFailure => "DNS SERVFAIL".into(),
            Reply::Dns(Some(records)) if records.is_empty() => "DNS no such records".into(),
            Reply::Dns(Some(records)) => {
                let texts: Vec<String> = records.iter().take(MAX_SUMMARY).map(|record| record.data.to_string()).collect();
                let more = if records.len() > MAX_SUMMARY { ", …" } else { "" };
                format!("DNS {}{more}", texts.join(", ")).into()
            }
            Reply::Node(_, status) => format!("exit status {status}").into(),
        }
    }
}

/// How many records a summary names.
const MAX_SUMMARY: usize = 4;

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
