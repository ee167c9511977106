//! The variables that tell a container of Services (`pkg/kubelet/envvars`, `getServiceEnvVarMap`).
//!
//! ```text
//! Service redis-primary, 10.0.0.11, port 6379 ─► REDIS_PRIMARY_SERVICE_HOST=10.0.0.11
//!                                                REDIS_PRIMARY_SERVICE_PORT=6379
//!                                                REDIS_PRIMARY_PORT=tcp://10.0.0.11:6379
//!                                                REDIS_PRIMARY_PORT_6379_TCP=tcp://10.0.0.11:6379
//!                                                REDIS_PRIMARY_PORT_6379_TCP_PROTO=tcp, …_PORT=6379, …_ADDR=10.0.0.11
//! ```
//!
//! A container learns of the Services that its namespace has when it starts, and of `kubernetes`, even where a Pod wants no links. A Service
//! that is made later changes nothing in it.
//!
//! **Simplified here:** the kubelet begins to watch Services when it has its first Pod; the variables come in the order of the Services'
//! names, where Go's maps have none.

use api::core::{Service, ServicePort};
use client::Indexer;

/// The namespace and name of the Service that every container learns of.
const MASTER: (&str, &str) = ("default", "kubernetes");

/// The variables of a container of this namespace.
pub(crate) fn variables(services: &Indexer<Service>, namespace: &str, links: bool) -> Vec<(String, String)> {
    let is_master = |service: &Service| (service.metadata.namespace.as_str(), service.metadata.name.as_str()) == MASTER;
    let own = || services.list_namespace(namespace).filter(|_| links);
    // A Service of the namespace that is called as the one of all hides that.
    let hidden = namespace != MASTER.0 && own().any(|service| service.metadata.name == MASTER.1);
    let master = services.list_namespace(MASTER.0).filter(|service| is_master(service) && !hidden);
    let mut all: Vec<&Service> = own().filter(|service| !is_master(service)).chain(master).map(|service| &**service).collect();
    all.retain(|service| !matches!(service.spec.cluster_ip.as_str(), "" | "None"));
    all.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    all.into_iter().flat_map(of_service).collect()
}

/// A name as one of a variable.
fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

/// The variables of a Service (`FromServices`).
fn of_service(service: &Service) -> Vec<(String, String)> {
    let (name, address) = (variable(&service.metadata.name), service.spec.cluster_ip.as_str());
    let ports = &service.spec.ports;
    let mut all = vec![(format!("{name}_SERVICE_HOST"), address.to_owned())];
    all.extend(ports.first().map(|port| (format!("{name}_SERVICE_PORT"), port.port.to_string())));
    let named = ports.iter().filter(|port| !port.name.is_empty());
    all.extend(named.map(|port| (format!("{name}_SERVICE_PORT_{}", variable(&port.name)), port.port.to_string())));
    for (index, port) in ports.iter().enumerate() {
        all.extend(link(&name, address, port, index == 0));
    }
    all
}

/// The variables that links between Docker's containers had (`makeLinkVariables`).
fn link(name: &str, address: &str, port: &ServicePort, first: bool) -> Vec<(String, String)> {
    let protocol = if port.protocol.is_empty() { "tcp".to_owned() } else { port.protocol.to_lowercase() };
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let url = format!("{protocol}://{host}:{}", port.port);
    let prefix = format!("{name}_PORT_{}_{}", port.port, protocol.to_uppercase());
    let mut all = Vec::new();
    if first {
        all.push((format!("{name}_PORT"), url.clone()));
    }
    all.extend([
        (prefix.clone(), url),
        (format!("{prefix}_PROTO"), protocol),
        (format!("{prefix}_PORT"), port.port.to_string()),
        (format!("{prefix}_ADDR"), address.to_owned()),
    ]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn service(namespace: &str, name: &str, address: &str, ports: Value) -> Arc<Service> {
        let value = json!({"metadata": {"namespace": namespace, "name": name}, "spec": {"clusterIP": address, "ports": ports}});
        Arc::new(api::json::decode(value).unwrap())
    }

    fn lines(services: &[Arc<Service>], namespace: &str, links: bool) -> Vec<String> {
        let mut cache = Indexer::default();
        services.iter().for_each(|service| drop(cache.insert(service.clone())));
        variables(&cache, namespace, links).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn a_service_is_told_as_upstream_and_as_docker_told_it() {
        let ports = json!([{"name": "p-1", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}]);
        assert_eq!(
            lines(&[service("shop", "foo-bar", "1.2.3.4", ports)], "shop", true),
            [
                "FOO_BAR_SERVICE_HOST=1.2.3.4",
                "FOO_BAR_SERVICE_PORT=80",
                "FOO_BAR_SERVICE_PORT_P_1=80",
                "FOO_BAR_SERVICE_PORT_DNS=53",
                "FOO_BAR_PORT=tcp://1.2.3.4:80",
                "FOO_BAR_PORT_80_TCP=tcp://1.2.3.4:80",
                "FOO_BAR_PORT_80_TCP_PROTO=tcp",
                "FOO_BAR_PORT_80_TCP_PORT=80",
                "FOO_BAR_PORT_80_TCP_ADDR=1.2.3.4",
                "FOO_BAR_PORT_53_UDP=udp://1.2.3.4:53",
                "FOO_BAR_PORT_53_UDP_PROTO=udp",
                "FOO_BAR_PORT_53_UDP_PORT=53",
                "FOO_BAR_PORT_53_UDP_ADDR=1.2.3.4",
            ]
        );
    }

    #[test]
    fn a_container_learns_of_its_namespace_and_of_kubernetes() {
        let ports = json!([{"port": 1}]);
        let services = [
            service("default", "kubernetes", "10.96.0.1", ports.clone()),
            service("default", "other", "10.96.0.2", ports.clone()),
            service("shop", "web", "10.96.0.3", ports.clone()),
            service("shop", "headless", "None", ports.clone()),
        ];
        let hosts = |namespace, links| {
            let mut lines = lines(&services, namespace, links);
            lines.retain(|line| line.contains("_SERVICE_HOST="));
            lines
        };
        assert_eq!(hosts("shop", true), ["KUBERNETES_SERVICE_HOST=10.96.0.1", "WEB_SERVICE_HOST=10.96.0.3"]);
        assert_eq!(hosts("shop", false), ["KUBERNETES_SERVICE_HOST=10.96.0.1"]);
        assert_eq!(hosts("default", true), ["KUBERNETES_SERVICE_HOST=10.96.0.1", "OTHER_SERVICE_HOST=10.96.0.2"]);
        assert_eq!(hosts("default", false), ["KUBERNETES_SERVICE_HOST=10.96.0.1"]);
    }
}
