//! Services.

use crate::intstr::IntOrString;
use crate::meta::{Condition, ObjectMeta, StringMap};
use crate::object;

object! {
    /// A stable address for a set of Pods.
    pub struct Service {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// Which Pods, which ports.
        pub spec: ServiceSpec = "spec",
        /// What the load balancer reports.
        pub status: ServiceStatus = "status",
    }

    /// Which Pods, which ports.
    pub struct ServiceSpec {
        /// The ports.
        pub ports: Vec<ServicePort> = "ports",
        /// The labels of the Pods.
        pub selector: StringMap = "selector",
        /// The address; `None` for a headless Service.
        pub cluster_ip: String = "clusterIP",
        /// The addresses, one per family.
        pub cluster_ips: Vec<String> = "clusterIPs",
        /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
        pub type_: String = "type",
        /// Addresses outside the cluster's care.
        pub external_ips: Vec<String> = "externalIPs",
        /// `None` or `ClientIP`.
        pub session_affinity: String = "sessionAffinity",
        /// The name that an `ExternalName` Service stands for.
        pub external_name: String = "externalName",
        /// `Cluster` or `Local`.
        pub external_traffic_policy: String = "externalTrafficPolicy",
        /// `Cluster` or `Local`.
        pub internal_traffic_policy: Option<String> = "internalTrafficPolicy",
        /// `IPv4`, `IPv6`.
        pub ip_families: Vec<String> = "ipFamilies",
        /// `SingleStack`, `PreferDualStack` or `RequireDualStack`.
        pub ip_family_policy: Option<String> = "ipFamilyPolicy",
        /// Whether Pods that are not ready have addresses too.
        pub publish_not_ready_addresses: Option<bool> = "publishNotReadyAddresses",
        /// Which load balancer serves it; the cluster's own when absent.
        pub load_balancer_class: Option<String> = "loadBalancerClass",
        /// The address that the load balancer should have (deprecated).
        pub load_balancer_ip: String = "loadBalancerIP",
        /// `PreferSameZone` (or `PreferClose`, its old name) or `PreferSameNode`.
        pub traffic_distribution: Option<String> = "trafficDistribution",
        /// Whether a Service of type `LoadBalancer` gets node ports, too; it does by default.
        pub allocate_load_balancer_node_ports: Option<bool> = "allocateLoadBalancerNodePorts",
        /// From where the load balancer may be used; from everywhere when empty.
        pub load_balancer_source_ranges: Vec<String> = "loadBalancerSourceRanges",
        /// The nodes' port where load balancers ask whether a node has endpoints.
        pub health_check_node_port: Option<i32> = "healthCheckNodePort",
        /// How affinity works.
        pub session_affinity_config: Option<SessionAffinityConfig> = "sessionAffinityConfig",
    }

    /// How affinity works.
    pub struct SessionAffinityConfig {
        /// Of affinity `ClientIP`.
        pub client_ip: Option<ClientIPConfig> = "clientIP",
    }

    /// How affinity `ClientIP` works.
    pub struct ClientIPConfig {
        /// For how long a client keeps its endpoint, in seconds; 10800 by default.
        pub timeout_seconds: Option<i32> = "timeoutSeconds",
    }

    /// A port of a Service.
    pub struct ServicePort {
        /// Its name; required when there are several.
        pub name: String = "name",
        /// `TCP`, `UDP` or `SCTP`.
        pub protocol: String = "protocol",
        /// What speaks on it, for example `http`.
        pub app_protocol: Option<String> = "appProtocol",
        /// The Service's port.
        pub port: i32 = "port",
        /// The Pods' port; the same by default.
        pub target_port: Option<IntOrString> = "targetPort",
        /// The nodes' port.
        pub node_port: Option<i32> = "nodePort",
    }

    /// What the load balancer reports.
    pub struct ServiceStatus {
        /// Its addresses.
        pub load_balancer: LoadBalancerStatus = "loadBalancer",
        /// Conditions.
        pub conditions: Vec<Condition> = "conditions",
    }

    /// The addresses of a load balancer.
    pub struct LoadBalancerStatus {
        /// The addresses.
        pub ingress: Vec<LoadBalancerIngress> = "ingress",
    }

    /// An address of a load balancer.
    pub struct LoadBalancerIngress {
        /// The IP.
        pub ip: String = "ip",
        /// The name.
        pub hostname: String = "hostname",
        /// `VIP` or `Proxy`: what a node may do with packets to the IP.
        pub ip_mode: Option<String> = "ipMode",
    }
}
