//! Ingresses, their classes, and NetworkPolicies (`k8s.io/api/networking/v1`).

use crate::core::LoadBalancerIngress;
use crate::intstr::IntOrString;
use crate::meta::{LabelSelector, ObjectMeta};
use crate::object;

object! {
    /// Rules by which HTTP requests reach Services.
    pub struct Ingress {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// The rules.
        pub spec: IngressSpec = "spec",
        /// Where requests are taken.
        pub status: IngressStatus = "status",
    }

    /// The rules of an Ingress.
    pub struct IngressSpec {
        /// The class, which names the controller that acts on it.
        pub ingress_class_name: Option<String> = "ingressClassName",
        /// Where requests go that no rule matches.
        pub default_backend: Option<IngressBackend> = "defaultBackend",
        /// The hosts that are served over TLS.
        pub tls: Vec<IngressTLS> = "tls",
        /// The rules.
        pub rules: Vec<IngressRule> = "rules",
    }

    /// Where requests go.
    pub struct IngressBackend {
        /// To a Service.
        pub service: Option<IngressServiceBackend> = "service",
    }

    /// A port of a Service.
    pub struct IngressServiceBackend {
        /// The Service's name.
        pub name: String = "name",
        /// The port.
        pub port: ServiceBackendPort = "port",
    }

    /// A port by name or by number.
    pub struct ServiceBackendPort {
        /// Its name.
        pub name: String = "name",
        /// Its number; 0 when it is named.
        pub number: i32 = "number",
    }

    /// Hosts that are served over TLS with one certificate.
    pub struct IngressTLS {
        /// The hosts.
        pub hosts: Vec<String> = "hosts",
        /// The Secret with the certificate.
        pub secret_name: String = "secretName",
    }

    /// The paths of a host.
    pub struct IngressRule {
        /// The host; every host when it is empty. `*.` at its head stands for one label.
        pub host: String = "host",
        /// The paths.
        pub http: Option<HTTPIngressRuleValue> = "http",
    }

    /// The paths of a rule.
    pub struct HTTPIngressRuleValue {
        /// The paths.
        pub paths: Vec<HTTPIngressPath> = "paths",
    }

    /// A path and where its requests go.
    pub struct HTTPIngressPath {
        /// The path.
        pub path: String = "path",
        /// `Exact`, `Prefix` or `ImplementationSpecific`.
        pub path_type: Option<String> = "pathType",
        /// Where its requests go.
        pub backend: IngressBackend = "backend",
    }

    /// Where an Ingress takes requests.
    pub struct IngressStatus {
        /// The addresses of its load balancer.
        pub load_balancer: IngressLoadBalancerStatus = "loadBalancer",
    }

    /// The addresses of an Ingress.
    pub struct IngressLoadBalancerStatus {
        /// The addresses.
        pub ingress: Vec<LoadBalancerIngress> = "ingress",
    }

    /// Which controller acts on Ingresses of a class.
    pub struct IngressClass {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// The controller.
        pub spec: IngressClassSpec = "spec",
    }

    /// The controller of a class.
    pub struct IngressClassSpec {
        /// Its name, for example `k8s.io/ingress-nginx`.
        pub controller: String = "controller",
    }

    /// What may reach some Pods, and what they may reach.
    pub struct NetworkPolicy {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// Which Pods, and which peers.
        pub spec: NetworkPolicySpec = "spec",
    }

    /// Which Pods, and which peers.
    pub struct NetworkPolicySpec {
        /// The Pods; all of the namespace when it is empty.
        pub pod_selector: LabelSelector = "podSelector",
        /// What may come in.
        pub ingress: Vec<NetworkPolicyIngressRule> = "ingress",
        /// What may go out.
        pub egress: Vec<NetworkPolicyEgressRule> = "egress",
        /// `Ingress`, `Egress`: the directions that it is about.
        pub policy_types: Vec<String> = "policyTypes",
    }

    /// Who may come in, to which ports.
    pub struct NetworkPolicyIngressRule {
        /// The ports; all when there are none.
        pub ports: Vec<NetworkPolicyPort> = "ports",
        /// The peers; everyone when there are none.
        pub from: Vec<NetworkPolicyPeer> = "from",
    }

    /// What may go out, to which ports of whom.
    pub struct NetworkPolicyEgressRule {
        /// The ports; all when there are none.
        pub ports: Vec<NetworkPolicyPort> = "ports",
        /// The peers; everyone when there are none.
        pub to: Vec<NetworkPolicyPeer> = "to",
    }

    /// A port, or a range of them.
    pub struct NetworkPolicyPort {
        /// `TCP` (the default), `UDP` or `SCTP`.
        pub protocol: Option<String> = "protocol",
        /// The number, or the name of a container's port; all when absent.
        pub port: Option<IntOrString> = "port",
        /// The last port of the range that begins at `port`.
        pub end_port: Option<i32> = "endPort",
    }

    /// Pods or addresses.
    pub struct NetworkPolicyPeer {
        /// Pods of the policy's own namespace, or of the namespaces selected.
        pub pod_selector: Option<LabelSelector> = "podSelector",
        /// Namespaces.
        pub namespace_selector: Option<LabelSelector> = "namespaceSelector",
        /// Addresses.
        pub ip_block: Option<IPBlock> = "ipBlock",
    }

    /// A range of addresses with holes.
    pub struct IPBlock {
        /// The range.
        pub cidr: String = "cidr",
        /// The holes.
        pub except: Vec<String> = "except",
    }
}
