//! Addresses: families, ranges, transport protocols, and the packet that has them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A family of addresses (`v1.IPFamily`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpFamily {
    /// The family of an address.
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { IpFamily::V4 } else { IpFamily::V6 }
    }

    /// `IPv4` or `IPv6`, as Services and EndpointSlices name it.
    pub fn name(self) -> &'static str {
        match self {
            IpFamily::V4 => "IPv4",
            IpFamily::V6 => "IPv6",
        }
    }

    /// The number of bits of an address.
    pub fn bits(self) -> u8 {
        match self {
            IpFamily::V4 => 32,
            IpFamily::V6 => 128,
        }
    }

    /// The addresses that never leave a host.
    pub fn loopback(self) -> Cidr {
        match self {
            IpFamily::V4 => Cidr { ip: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), prefix: 8 },
            IpFamily::V6 => Cidr { ip: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 },
        }
    }
}

/// A text is no address range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid CIDR address: {0}")]
pub struct CidrError(String);

/// A range of addresses. Bits beyond the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr {
    ip: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The range that holds only this address.
    pub fn host(ip: IpAddr) -> Self {
        Cidr { ip, prefix: IpFamily::of(ip).bits() }
    }

    /// The range with this prefix around an address; a prefix beyond the address's bits is cut.
    pub fn new(ip: IpAddr, prefix: u8) -> Self {
        let prefix = prefix.min(IpFamily::of(ip).bits());
        let ip = match ip {
            IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)).into()),
            IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)).into()),
        };
        Cidr { ip, prefix }
    }

    /// Whether the address is of the range.
    pub fn contains(&self, ip: IpAddr) -> bool {
        IpFamily::of(ip) == self.family() && Cidr::new(ip, self.prefix).ip == self.ip
    }

    /// The family of its addresses.
    pub fn family(&self) -> IpFamily {
        IpFamily::of(self.ip)
    }

    /// The first address.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// How many leading bits are the same in all addresses.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether it is a single address.
    pub fn is_host(&self) -> bool {
        self.prefix == self.family().bits()
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// Reads `10.0.0.0/8`; a bare address is the range of itself.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let wrong = || CidrError(text.to_owned());
        let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let bits = IpFamily::of(ip).bits();
        let prefix = prefix.map_or(Ok(bits), |prefix| prefix.parse().map_err(|_| wrong()))?;
        if prefix > bits { Err(wrong()) } else { Ok(Cidr::new(ip, prefix)) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

/// A transport protocol that Services know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

    /// `tcp`, `udp` or `sctp`, as the tools of the kernel write it.
    pub fn lower(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }

    /// `TCP`, `UDP` or `SCTP`, as Kubernetes and ipvsadm write it.
    pub fn upper(self) -> &'static str {
        match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        }
    }

    /// The protocol with this name, in either case; an empty name is TCP, the API's default.
    pub fn parse(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(Protocol::Tcp);
        }
        Protocol::ALL.into_iter().find(|protocol| protocol.lower().eq_ignore_ascii_case(name))
    }
}

/// What the network looks at of a packet. `Display` gives `tcp 10.0.0.1:40000 > 10.96.0.1:443`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Packet {
    /// The protocol.
    pub protocol: Protocol,
    /// From where.
    pub source: SocketAddr,
    /// To where.
    pub destination: SocketAddr,
}

impl Packet {
    /// The packet that answers this one.
    #[must_use]
    pub fn reply(&self) -> Self {
        Packet { protocol: self.protocol, source: self.destination, destination: self.source }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} > {}", self.protocol.lower(), self.source, self.destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_their_prefix_says() {
        let range: Cidr = "10.1.2.3/8".parse().unwrap();
        assert_eq!(range.to_string(), "10.0.0.0/8");
        assert!(range.contains("10.255.0.1".parse().unwrap()) && !range.contains("11.0.0.1".parse().unwrap()));
        let all: Cidr = "::/0".parse().unwrap();
        assert!(all.contains("fe80::1".parse().unwrap()) && !all.contains("10.0.0.1".parse().unwrap()));
        for wrong in ["10.0.0.0/33", "10.0.0/8", "", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
        }
    }
}
