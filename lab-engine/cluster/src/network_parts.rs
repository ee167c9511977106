//! The parts of the network: a kube-proxy and an agent of NetworkPolicies on each node, CoreDNS, the API server's HTTPS end, and the controllers of
//! Ingresses and of Gateways where a cluster has them. All but the last two do nothing until a container connects somewhere.

use crate::cluster::{Cluster, Part, Recipe};
use crate::config::ClusterConfig;
use crate::host::{Host, NodeNetwork};
use apiserver::{ADVERTISE_ADDRESS, SECURE_PORT};
use network::{ApiServerFront, Cidr, CoreDns, GatewayController, IngressController, KubeProxy, PolicyAgent};
use sim::{EventId, Link, LinkFault, Time};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// The address of the cluster's DNS.
const CLUSTER_DNS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10));

/// The address at which the controller of Ingresses takes requests.
const INGRESS_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 18, 255, 200));

/// The addresses that the load balancer of Gateways has: `172.18.255.` and these.
const GATEWAY_ADDRESSES: std::ops::RangeInclusive<u8> = 201..=250;

/// Adds all of them.
pub(crate) fn add(
    host: &mut Host<Part>,
    config: &ClusterConfig,
    kubelets: &BTreeMap<String, usize>,
    recipes: &mut BTreeMap<usize, Recipe>,
) {
    let mut numbers: Vec<(&String, usize)> = kubelets.iter().map(|(name, number)| (name, *number)).collect();
    // Kubelets were added in the order of their nodes' indices.
    numbers.sort_by_key(|(_, number)| *number);
    for (index, (name, kubelet)) in (0_u32..).zip(numbers) {
        let (Ok(node_ip), Ok(IpAddr::V4(pods))) = (kubelet::node_ip(index).parse(), format!("{}.0", kubelet::pod_network(index)).parse())
        else {
            continue;
        };
        let endpoint = format!("kube-proxy/{name}");
        let range = Cidr::new(IpAddr::V4(pods), 24);
        let proxy = KubeProxy::new(config.proxy_mode, name, node_ip, range, &host.kernel().rng(&endpoint));
        let proxy = host.add(&endpoint, Part::KubeProxy(Box::new(proxy)), Time::ZERO);
        let endpoint = format!("network-policies/{name}");
        let agent = PolicyAgent::new(name, node_ip, &host.kernel().rng(&endpoint));
        let agent = host.add(&endpoint, Part::Policies(Box::new(agent)), Time::ZERO);
        let [a, b, c, _] = pods.octets();
        host.add_node_network(NodeNetwork { kubelet, proxy, agent }, node_ip, [a, b, c]);
    }
    let rng = host.kernel().rng("coredns");
    let number = host.add("coredns", Part::CoreDns(Box::new(CoreDns::new(&rng))), Time::ZERO);
    // In a cluster with the Service `kube-dns` only that Service's Pods lead there.
    host.add_address(if config.core_dns { kubelet::COREDNS } else { CLUSTER_DNS }, number);
    recipes.insert(number, Recipe { make: Rc::new(|rng| Part::CoreDns(Box::new(CoreDns::new(&rng)))), rng, starts: 0 });
    let front = ApiServerFront::new(controllers::CERTIFICATE, u16::try_from(SECURE_PORT).unwrap_or(0));
    let number = host.add("kube-apiserver-front", Part::Other(Box::new(front)), Time::ZERO);
    host.add_address(ADVERTISE_ADDRESS.into(), number);
    if config.ingress_controller {
        let controller = IngressController::new(INGRESS_ADDRESS, &host.kernel().rng("ingress-controller"));
        let number = host.add("ingress-controller", Part::Other(Box::new(controller)), Time::from_millis(600));
        host.add_address(INGRESS_ADDRESS, number);
    }
    if config.gateway_controller {
        let addresses: Vec<Ipv4Addr> = GATEWAY_ADDRESSES.map(|last| Ipv4Addr::new(172, 18, 255, last)).collect();
        let controller = GatewayController::new(addresses.clone(), &host.kernel().rng("gateway-controller"));
        let number = host.add("gateway-controller", Part::Other(Box::new(controller)), Time::from_millis(600));
        addresses.into_iter().for_each(|address| host.add_address(address.into(), number));
    }
}

/// Parts in a million of one per cent.
const PPM: u32 = 10_000;

impl Cluster {
    /// The number of a kube-proxy.
    pub(crate) fn proxy_named(&self, part: &str) -> Option<usize> {
        self.host.component_named(part).filter(|number| matches!(self.host.component(*number), Part::KubeProxy(_)))
    }

    /// Kills the process of a kube-proxy, whose rules stay where they are.
    pub(crate) fn kill_proxy(&mut self, number: usize, cause: EventId) {
        if let Part::KubeProxy(proxy) = self.host.component_mut(number) {
            proxy.kill();
        }
        self.host.break_connection(number, Some(cause));
    }

    /// Starts the process of a kube-proxy again.
    pub(crate) fn restart_proxy(&mut self, number: usize, cause: EventId) {
        let rng = self.host.kernel().rng(self.host.component_name(number)).stream(&format!("start/{}", self.now().as_nanos()));
        self.host.act(number, Some(cause), |part, now, out| {
            if let Part::KubeProxy(proxy) = part {
                proxy.restart(&rng, now, out);
            }
        });
    }

    /// Lets CoreDNS answer `SERVFAIL`, or again with what it knows.
    pub(crate) fn fail_dns(&mut self, fails: bool) {
        let Some(number) = self.host.component_named("coredns") else { return };
        if let Part::CoreDns(dns) = self.host.component_mut(number) {
            dns.fail(fails);
        }
    }

    /// How the part is called that packets of a node, or of a part of the cluster, come from.
    pub(crate) fn link_end(&self, name: &str) -> String {
        let kubelet = format!("kubelet/{name}");
        if self.host.kernel().find(&kubelet).is_some() { kubelet } else { name.to_owned() }
    }

    /// Lets so many of a hundred packets between two nodes or parts be lost; 0 for none.
    pub(crate) fn lose_packets(&mut self, one: &str, other: &str, percent: u32) {
        let find = |name: &str| self.host.kernel().find(&self.link_end(name));
        let (Some(one), Some(other)) = (find(one), find(other)) else { return };
        let network = self.host.kernel_mut().network();
        if percent == 0 {
            network.unshape(one, other);
        } else {
            let loss_ppm = percent.min(100) * PPM;
            network.inject(LinkFault::Shape(one, other, Link { loss_ppm, ..Link::default() }));
        }
    }
}
