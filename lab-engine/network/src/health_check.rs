//! Health-check node ports: where load balancers ask a node whether it has endpoints of a Service (`pkg/proxy/healthcheck/service_health.go`).
//!
//! A Service of type `LoadBalancer` with `externalTrafficPolicy: Local` has such a port on every node. kube-proxy answers 200 where a ready
//! endpoint is on its node and 503 elsewhere, with the number of endpoints, so that load balancers send nothing where it would be dropped.
//!
//! **Simplified here:** the headers (`X-Load-Balancing-Endpoint-Weight`) are not sent.

use crate::proxy::ProxyState;
use client::dial::{Payload, Reply};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a port answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    namespace: String,
    name: String,
    local_endpoints: usize,
}

/// The ports that a kube-proxy answers on.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthChecks(BTreeMap<u16, Check>);

impl HealthChecks {
    /// Those of the Services of a state.
    pub(crate) fn of(state: &ProxyState) -> Self {
        let mut checks = BTreeMap::new();
        for (name, port) in &state.services {
            let Some(number) = port.health_check_node_port else { continue };
            // An address counts once, however many ports it has.
            let of_service = state.endpoints.iter().filter(|(own, _)| (&own.namespace, &own.name) == (&name.namespace, &name.name));
            let local = of_service.flat_map(|(_, endpoints)| endpoints.iter()).filter(|endpoint| endpoint.is_local && endpoint.ready);
            let addresses: BTreeSet<_> = local.map(|endpoint| endpoint.address.ip()).collect();
            let check = Check { namespace: name.namespace.clone(), name: name.name.clone(), local_endpoints: addresses.len() };
            checks.insert(number, check);
        }
        HealthChecks(checks)
    }

    /// The answer on a port; `None` when kube-proxy does not listen there.
    pub(crate) fn answer(&self, port: u16, payload: &Payload) -> Option<Reply> {
        let Check { namespace, name, local_endpoints } = self.0.get(&port)?;
        if !matches!(payload, Payload::Http(call) if call.tls.is_none()) {
            return Some(Reply::Connected);
        }
        let status = if *local_endpoints > 0 { 200 } else { 503 };
        let body = format!(
            "{{\n\t\"service\": {{\n\t\t\"namespace\": {namespace:?},\n\t\t\"name\": {name:?}\n\t}},\n\t\"localEndpoints\": {local_endpoints},\n\t\
             \"serviceProxyHealthy\": true\n}}"
        );
        Some(Reply::Http { status, server: String::new(), headers: Vec::new(), body, delay: Duration::ZERO })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::IpFamily;
    use crate::proxy::ProxyConfig;
    use serde_json::json;

    #[test]
    fn a_node_says_how_many_endpoints_it_has() {
        let service = json!({
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "type": "LoadBalancer", "externalTrafficPolicy": "Local", "clusterIP": "10.96.0.9", "healthCheckNodePort": 31000,
                "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}],
            },
        });
        let slice = json!({
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
            "ports": [{"name": "a", "port": 8080}, {"name": "b", "port": 8081}],
            "endpoints": [
                {"addresses": ["10.244.0.5"], "nodeName": "here"},
                {"addresses": ["10.244.0.6"], "nodeName": "here", "conditions": {"ready": false}},
                {"addresses": ["10.244.1.5"], "nodeName": "there"},
            ],
        });
        let (service, slice) = (api::json::decode(service).unwrap(), api::json::decode(slice).unwrap());
        let ask = |node: &str, port: u16| {
            let config = ProxyConfig::new(IpFamily::V4, node, [172, 18, 0, 2].into());
            let checks = HealthChecks::of(&ProxyState::build(&config, [&service], [&slice]));
            match checks.answer(port, &Payload::Http(Box::default()))? {
                Reply::Http { status, body, .. } => Some((status, serde_json::from_str::<serde_json::Value>(&body).unwrap())),
                _ => None,
            }
        };
        let said =
            |count: u32| json!({"service": {"namespace": "shop", "name": "web"}, "localEndpoints": count, "serviceProxyHealthy": true});
        assert_eq!(ask("here", 31000), Some((200, said(1))));
        assert_eq!(ask("elsewhere", 31000), Some((503, said(0))));
        assert_eq!(ask("here", 80), None);
    }
}
