//! What a Pod contributes to the endpoints of a Service (`k8s.io/endpointslice/util/controller_utils.go`, `utils.go`).

use super::{has_cluster_ip, target_of};
use crate::pods::is_ready;
use api::core::{Node, Pod, Service, ServicePort};
use api::discovery::{Endpoint, EndpointConditions, EndpointPort};
use api::intstr::IntOrString;
use std::net::IpAddr;

const ZONE: &str = "topology.kubernetes.io/zone";

fn is_terminal(pod: &Pod) -> bool {
    matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

/// Whether the Pod can be an endpoint: it has an address and can still serve (`ShouldPodBeInEndpoints`).
pub fn should_be_in_endpoints(pod: &Pod, include_terminating: bool) -> bool {
    let has_ip = !pod.status.pod_ip.is_empty() || !pod.status.pod_ips.is_empty();
    !is_terminal(pod) && has_ip && (include_terminating || !pod.metadata.is_deleting())
}

/// Whether the Pod has a DNS record of its own below the Service (`ShouldSetHostname`).
pub fn should_set_hostname(pod: &Pod, service: &Service) -> bool {
    !pod.spec.hostname.is_empty() && pod.spec.subdomain == service.metadata.name && pod.metadata.namespace == service.metadata.namespace
}

/// Whether a change of the Pod changes its endpoints, and whether it may change which Services it belongs to
/// (`podEndpointsChanged`).
pub fn pod_endpoints_changed(old: &Pod, new: &Pod) -> (bool, bool) {
    let name = |pod: &Pod| (pod.spec.hostname.clone(), pod.spec.subdomain.clone());
    let labels_changed = old.metadata.labels != new.metadata.labels || name(old) != name(new);
    let serving = |pod: &Pod| (pod.metadata.deletion_timestamp, is_ready(pod), is_terminal(pod));
    let addresses_changed = old.status.pod_ips != new.status.pod_ips || old.status.pod_ip != new.status.pod_ip;
    (serving(old) != serving(new) || addresses_changed, labels_changed)
}

/// Whether two endpoints mean the same: the revision of the target does not count (`EndpointsEqualBeyondHash`).
pub fn endpoints_equal(a: &Endpoint, b: &Endpoint) -> bool {
    let beyond = |endpoint: &Endpoint| {
        let mut endpoint = endpoint.clone();
        if let Some(target) = &mut endpoint.target_ref {
            target.resource_version.clear();
        }
        endpoint
    };
    beyond(a) == beyond(b)
}

/// The family of an address, as slices name it.
fn address_type(address: &str) -> Option<&'static str> {
    match address.parse().ok()? {
        IpAddr::V4(_) => Some("IPv4"),
        IpAddr::V6(_) => Some("IPv6"),
    }
}

/// The addresses of the Pod of one family.
fn addresses(pod: &Pod, family: &str) -> Vec<String> {
    let listed = pod.status.pod_ips.iter().map(|ip| ip.ip.as_str());
    let only = Some(pod.status.pod_ip.as_str()).filter(|_| pod.status.pod_ips.is_empty());
    listed.chain(only).filter(|address| address_type(address) == Some(family)).map(str::to_owned).collect()
}

/// The endpoint that a Pod is for a Service, with its addresses of the family `IPv4` or `IPv6` (`podToEndpoint`).
pub fn pod_to_endpoint(pod: &Pod, node: Option<&Node>, service: &Service, family: &str) -> Endpoint {
    let (serving, terminating) = (is_ready(pod), pod.metadata.is_deleting());
    let published = service.spec.publish_not_ready_addresses == Some(true);
    Endpoint {
        addresses: addresses(pod, family),
        conditions: EndpointConditions {
            ready: Some(published || (serving && !terminating)),
            serving: Some(serving),
            terminating: Some(terminating),
            ..EndpointConditions::default()
        },
        hostname: should_set_hostname(pod, service).then(|| pod.spec.hostname.clone()),
        target_ref: Some(target_of(pod)),
        node_name: Some(pod.spec.node_name.clone()).filter(|name| !name.is_empty()),
        zone: node.and_then(|node| node.metadata.labels.get(ZONE)).filter(|zone| !zone.is_empty()).cloned(),
        ..Endpoint::default()
    }
}

/// The number of the Pod's port that a port of a Service means; `None` when the Pod has no port of that name (`FindPort`).
pub fn find_port(pod: &Pod, port: &ServicePort) -> Option<i32> {
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => {
            let sidecars = pod.spec.init_containers.iter().filter(|container| container.restart_policy.as_deref() == Some("Always"));
            let protocol = |text: &str| if text.is_empty() { "TCP".to_owned() } else { text.to_owned() };
            let ports = pod.spec.containers.iter().chain(sidecars).flat_map(|container| &container.ports);
            let mut named = ports.filter(|own| own.name == *name && protocol(&own.protocol) == protocol(&port.protocol));
            named.next().map(|own| own.container_port)
        }
    }
}

/// The ports that a Pod offers for a Service, those that it lacks left out (`getEndpointPorts`).
pub fn endpoint_ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let port = |port: &ServicePort| {
        Some(EndpointPort {
            name: Some(port.name.clone()),
            port: Some(find_port(pod, port)?),
            protocol: Some(if port.protocol.is_empty() { "TCP".to_owned() } else { port.protocol.clone() }),
            app_protocol: port.app_protocol.clone(),
            ..EndpointPort::default()
        })
    };
    service.spec.ports.iter().filter_map(port).collect()
}

/// The families of which a Service has slices, `IPv4` first (`getAddressTypesForService`).
pub fn service_address_types(service: &Service) -> Vec<&'static str> {
    let of = |family: &'static str| service.spec.ip_families.iter().any(|own| own == family).then_some(family);
    let families: Vec<&str> = ["IPv4", "IPv6"].into_iter().filter_map(of).collect();
    if !families.is_empty() {
        return families;
    }
    if has_cluster_ip(service) {
        return address_type(&service.spec.cluster_ip).into_iter().collect();
    }
    // Headless Services that were stored before families were: either may be meant.
    vec!["IPv4", "IPv6"]
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    #[test]
    fn a_named_port_is_found_in_containers_and_sidecars_by_protocol() {
        let pod: Pod = decode(json!({"spec": {
            "initContainers": [
                {"name": "once", "ports": [{"name": "admin", "containerPort": 1}]},
                {"name": "side", "restartPolicy": "Always", "ports": [{"name": "admin", "containerPort": 2}]}],
            "containers": [{"name": "c", "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}]}]}}))
        .unwrap();
        let find = |target: &str, protocol: &str| {
            find_port(&pod, &decode(json!({"port": 80, "targetPort": target, "protocol": protocol})).unwrap())
        };
        assert_eq!((find("admin", "TCP"), find("dns", "UDP"), find("dns", "TCP")), (Some(2), Some(53), None));
    }
}
