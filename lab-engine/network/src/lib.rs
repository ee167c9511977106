//! The network of a cluster: Services, kube-proxy, and the way of a packet through a node.
//!
//! ```text
//! Services, EndpointSlices ─► proxy::ProxyState ─► iptables / ipvs / nftables ─► the node's rules ─► netfilter walks a packet
//! ```
//!
//! kube-proxy turns what it knows into rules; a packet's way is found by walking those rules and by nothing else. What the rules say can
//! be printed in the formats of the real tools and read back.

pub mod addr;
mod hash;
pub mod ingress;
pub mod iptables;
pub mod ipvs;
pub mod netfilter;
pub mod proxy;

pub use addr::{Cidr, IpFamily, Packet, Protocol};
