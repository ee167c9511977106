//! Endpoints: the addresses behind a Service in one object, deprecated since v1.33 in favour of EndpointSlices.

use super::ObjectReference;
use crate::meta::ObjectMeta;
use crate::object;

object! {
    /// The addresses behind a Service, in one object of its name.
    pub struct Endpoints {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// The addresses, grouped by ports.
        pub subsets: Vec<EndpointSubset> = "subsets",
    }

    /// Addresses that share ports: every address has every port.
    pub struct EndpointSubset {
        /// Those that are ready.
        pub addresses: Vec<EndpointAddress> = "addresses",
        /// Those that are not.
        pub not_ready_addresses: Vec<EndpointAddress> = "notReadyAddresses",
        /// The ports.
        pub ports: Vec<SubsetPort> = "ports",
    }

    /// An address of an Endpoints object.
    pub struct EndpointAddress {
        /// The IP.
        pub ip: String = "ip",
        /// The host name, when it has a DNS record of its own.
        pub hostname: String = "hostname",
        /// Its node.
        pub node_name: Option<String> = "nodeName",
        /// The object behind it.
        pub target_ref: Option<ObjectReference> = "targetRef",
    }

    /// A port of an Endpoints object (`core/v1` `EndpointPort`).
    pub struct SubsetPort {
        /// The name of the Service's port.
        pub name: String = "name",
        /// The number.
        pub port: i32 = "port",
        /// `TCP`, `UDP` or `SCTP`.
        pub protocol: String = "protocol",
        /// What speaks on it.
        pub app_protocol: Option<String> = "appProtocol",
    }
}
