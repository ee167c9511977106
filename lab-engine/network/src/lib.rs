//! The network of a cluster: Services, kube-proxy, and the way of a packet through a node.
//!
//! ```text
//! Services, EndpointSlices ─► proxy::ProxyState ─► iptables / ipvs / nftables ─► the node's rules ─► netfilter walks a packet
//! ```
//!
//! kube-proxy turns what it knows into rules; a packet's way is found by walking those rules and by nothing else. What the rules say can
//! be printed in the formats of the real tools and read back.

pub mod addr;
mod apiserver_front;
pub mod conntrack;
mod coredns;
pub mod data_plane;
pub mod dns;
mod gateway;
mod hash;
mod health_check;
pub mod ingress;
mod ingress_controller;
pub mod iptables;
pub mod ipvs;
mod kube_proxy;
pub mod netfilter;
pub mod nftables;
pub mod policy;
pub mod proxy;
mod reverse_proxy;

pub use addr::{Cidr, IpFamily, Packet, Protocol};
pub use apiserver_front::ApiServerFront;
pub use coredns::CoreDns;
pub use data_plane::ProxyMode;
pub use gateway::{GATEWAY_CONTROLLERS, GatewayController};
pub use ingress_controller::{INGRESS_CONTROLLERS, IngressController};
pub use kube_proxy::KubeProxy;
pub use policy::PolicyAgent;
