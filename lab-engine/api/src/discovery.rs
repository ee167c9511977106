//! EndpointSlices: the addresses behind a Service, in pieces (`k8s.io/api/discovery/v1`).

use crate::core::ObjectReference;
use crate::meta::{ObjectMeta, StringMap};
use crate::object;

object! {
    /// A piece of the addresses behind a Service.
    pub struct EndpointSlice {
        /// Name and labels; `kubernetes.io/service-name` names the Service.
        pub metadata: ObjectMeta = "metadata",
        /// `IPv4`, `IPv6` or `FQDN`.
        pub address_type: String = "addressType",
        /// The addresses, at most 1000.
        pub endpoints: Vec<Endpoint> = "endpoints",
        /// The ports that every address has; none at all when only names are resolved.
        pub ports: Vec<EndpointPort> = "ports",
    }

    /// One thing behind a Service, for example a Pod.
    pub struct Endpoint {
        /// Its addresses, which mean the same.
        pub addresses: Vec<String> = "addresses",
        /// Whether traffic may go there.
        pub conditions: EndpointConditions = "conditions",
        /// Its host name, when it has a DNS record of its own.
        pub hostname: Option<String> = "hostname",
        /// The object behind it.
        pub target_ref: Option<ObjectReference> = "targetRef",
        /// Topology from before v1beta1.
        pub deprecated_topology: StringMap = "deprecatedTopology",
        /// Its node.
        pub node_name: Option<String> = "nodeName",
        /// Its zone.
        pub zone: Option<String> = "zone",
        /// From where it should be used.
        pub hints: Option<EndpointHints> = "hints",
    }

    /// Whether traffic may go to an endpoint.
    pub struct EndpointConditions {
        /// It is ready, and not on its way out; always true where `publishNotReadyAddresses` is set.
        pub ready: Option<bool> = "ready",
        /// It is ready, on its way out or not.
        pub serving: Option<bool> = "serving",
        /// It is on its way out.
        pub terminating: Option<bool> = "terminating",
    }

    /// From where an endpoint should be used.
    pub struct EndpointHints {
        /// From these zones.
        pub for_zones: Vec<ForZone> = "forZones",
        /// From these nodes.
        pub for_nodes: Vec<ForNode> = "forNodes",
    }

    /// A zone from which an endpoint should be used.
    pub struct ForZone {
        /// The zone.
        pub name: String = "name",
    }

    /// A node from which an endpoint should be used.
    pub struct ForNode {
        /// The node.
        pub name: String = "name",
    }

    /// A port of the endpoints of a slice (`discovery/v1` `EndpointPort`).
    pub struct EndpointPort {
        /// The name of the Service's port.
        pub name: Option<String> = "name",
        /// `TCP`, `UDP` or `SCTP`.
        pub protocol: Option<String> = "protocol",
        /// The number.
        pub port: Option<i32> = "port",
        /// What speaks on it, for example `kubernetes.io/h2c`.
        pub app_protocol: Option<String> = "appProtocol",
    }
}
