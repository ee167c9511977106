//! The names of Services and Pods (Kubernetes DNS-Based Service Discovery 1.1.0, CoreDNS' plugin `kubernetes`).
//!
//! | name | answer |
//! | --- | --- |
//! | `SERVICE.NS.svc.cluster.local` | the cluster IP; of a headless Service the addresses of all ready endpoints; of an ExternalName a CNAME |
//! | `HOST.SERVICE.NS.svc.cluster.local` | the address of that endpoint |
//! | `_PORT._PROTOCOL.SERVICE.NS.svc.cluster.local` | SRV records |
//! | `1-2-3-4.NS.pod.cluster.local` | that address, whether there is such a Pod or not (`pods insecure`) |
//! | `D.C.B.A.in-addr.arpa` | the name of the Service or endpoint with that address |

use crate::addr::IpFamily;
use crate::proxy::{Endpoint, endpoints_of};
use api::core::Service;
use api::discovery::EndpointSlice;
use client::dial::{DnsData, DnsRecord, RecordType};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The zone that the cluster's names are in.
pub const ZONE: &str = "cluster.local";

/// The label that an endpoint has under its headless Service: its host name, or its address with dashes.
fn endpoint_label(hostname: Option<&str>, ip: IpAddr) -> String {
    hostname.filter(|name| !name.is_empty()).map_or_else(|| ip.to_string().replace(['.', ':'], "-"), str::to_owned)
}

/// The records of a name; `None` when it does not exist, an empty list when it has none of this type.
pub fn answer<'a>(
    services: impl Iterator<Item = &'a Service> + Clone,
    slices: impl Iterator<Item = &'a EndpointSlice> + Clone,
    name: &str,
    kind: RecordType,
) -> Option<Vec<DnsRecord>> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let record = |data: DnsData| DnsRecord { name: name.clone(), data };
    if let Some(reversed) = name.strip_suffix(".in-addr.arpa") {
        let octets: Vec<&str> = reversed.split('.').rev().collect();
        let ip: IpAddr = octets.join(".").parse().ok()?;
        let names = reverse(services, slices, ip);
        return (!names.is_empty())
            .then(|| if kind == RecordType::Ptr { names.into_iter().map(|to| record(DnsData::Ptr(to))).collect() } else { Vec::new() });
    }
    let labels: Vec<&str> = name.strip_suffix(ZONE)?.strip_suffix('.')?.split('.').collect();
    match labels.as_slice() {
        [dashed, _, "pod"] => {
            let ip: IpAddr = dashed.replace('-', ".").parse().ok()?;
            Some(if kind == RecordType::A { vec![record(DnsData::A(ip))] } else { Vec::new() })
        }
        [rest @ .., service, namespace, "svc"] => {
            let found = services.clone().find(|s| s.metadata.name == *service && s.metadata.namespace == *namespace)?;
            let view = View { service: found, fqdn: format!("{service}.{namespace}.svc.{ZONE}"), slices: of_service(slices, found) };
            match rest {
                [] => Some(view.whole(&name, kind)),
                [label] => view.endpoint(&name, label, kind),
                [port, protocol] => view.port(&name, port.strip_prefix('_')?, protocol.strip_prefix('_')?, kind),
                _ => None,
            }
        }
        // Names of namespaces and of the zone itself exist without records.
        [_, "svc"] | ["svc"] => Some(Vec::new()),
        _ => None,
    }
}

fn of_service<'a>(slices: impl Iterator<Item = &'a EndpointSlice>, service: &Service) -> Vec<&'a EndpointSlice> {
    let own = |slice: &&EndpointSlice| {
        slice.metadata.namespace == service.metadata.namespace
            && slice.metadata.labels.get("kubernetes.io/service-name") == Some(&service.metadata.name)
    };
    slices.filter(own).collect()
}

/// A Service as DNS sees it.
struct View<'a> {
    service: &'a Service,
    fqdn: String,
    slices: Vec<&'a EndpointSlice>,
}

impl View<'_> {
    fn is_headless(&self) -> bool {
        self.service.spec.cluster_ip == "None"
    }

    /// The usable endpoints' labels and addresses, each once.
    fn endpoints(&self) -> BTreeSet<(String, IpAddr)> {
        let usable = self.slices.iter().flat_map(|slice| &slice.endpoints).filter(|endpoint| endpoint.conditions.ready.unwrap_or(true));
        let addressed = usable.filter_map(|endpoint| {
            let ip: IpAddr = endpoint.addresses.first()?.parse().ok()?;
            Some((endpoint_label(endpoint.hostname.as_deref(), ip), ip))
        });
        addressed.filter(|(_, ip)| ip.is_ipv4()).collect()
    }

    fn whole(&self, name: &str, kind: RecordType) -> Vec<DnsRecord> {
        let record = |data: DnsData| DnsRecord { name: name.to_owned(), data };
        if self.service.spec.type_ == "ExternalName" {
            return vec![record(DnsData::Cname(self.service.spec.external_name.clone()))];
        }
        match kind {
            RecordType::Ptr => Vec::new(),
            RecordType::A if self.is_headless() => self.endpoints().into_iter().map(|(_, ip)| record(DnsData::A(ip))).collect(),
            RecordType::A => self.service.spec.cluster_ip.parse().map(DnsData::A).map(record).into_iter().collect(),
            RecordType::Srv => {
                let ports = self.service.spec.ports.iter();
                ports.flat_map(|port| self.srv(name, &port.name, &port.protocol)).collect()
            }
        }
    }

    fn endpoint(&self, name: &str, label: &str, kind: RecordType) -> Option<Vec<DnsRecord>> {
        let found: Vec<IpAddr> =
            self.endpoints().into_iter().filter(|(own, _)| self.is_headless() && own == label).map(|(_, ip)| ip).collect();
        let record = |ip| DnsRecord { name: name.to_owned(), data: DnsData::A(ip) };
        (!found.is_empty()).then(|| if kind == RecordType::A { found.into_iter().map(record).collect() } else { Vec::new() })
    }

    fn port(&self, name: &str, port: &str, protocol: &str, kind: RecordType) -> Option<Vec<DnsRecord>> {
        let records = self.srv(name, port, protocol);
        (!records.is_empty()).then_some(if kind == RecordType::Srv { records } else { Vec::new() })
    }

    /// The SRV records of a port: one for the cluster IP, or one per endpoint of a headless Service.
    fn srv(&self, name: &str, port: &str, protocol: &str) -> Vec<DnsRecord> {
        let known = self.service.spec.ports.iter().find(|own| own.name == port && own.protocol.eq_ignore_ascii_case(protocol));
        let Some(known) = known else { return Vec::new() };
        let record =
            |port: u16, weight: u16, target: String| DnsRecord { name: name.to_owned(), data: DnsData::Srv(0, weight, port, target) };
        if !self.is_headless() {
            let number = u16::try_from(known.port).unwrap_or(0);
            return vec![record(number, 100, self.fqdn.clone())];
        }
        let by_port = endpoints_of(self.slices.iter().copied(), IpFamily::V4, "");
        let of_port = by_port.iter().filter(|(key, _)| key.port == port).flat_map(|(_, endpoints)| endpoints);
        let ready: Vec<&Endpoint> = of_port.filter(|endpoint| endpoint.ready).collect();
        let labels = self.endpoints();
        let weight = u16::try_from(100 / ready.len().max(1)).unwrap_or(1).max(1);
        let label = |ip: IpAddr| labels.iter().find(|(_, own)| *own == ip).map(|(label, _)| label.clone());
        let named = ready.iter().filter_map(|endpoint| Some((endpoint.address.port(), label(endpoint.address.ip())?)));
        named.map(|(port, label)| record(port, weight, format!("{label}.{}", self.fqdn))).collect()
    }
}

/// The names of an address: of the Service that has it as cluster IP, else of the endpoints of headless Services.
fn reverse<'a>(
    services: impl Iterator<Item = &'a Service> + Clone,
    slices: impl Iterator<Item = &'a EndpointSlice> + Clone,
    ip: IpAddr,
) -> Vec<String> {
    let fqdn = |service: &Service| format!("{}.{}.svc.{ZONE}", service.metadata.name, service.metadata.namespace);
    if let Some(service) = services.clone().find(|service| service.spec.cluster_ip.parse() == Ok(ip)) {
        return vec![fqdn(service)];
    }
    let mut names = Vec::new();
    for service in services.filter(|service| service.spec.type_ != "ExternalName") {
        let view = View { service, fqdn: fqdn(service), slices: of_service(slices.clone(), service) };
        names.extend(view.endpoints().into_iter().filter(|(_, own)| *own == ip).map(|(label, _)| format!("{label}.{}", view.fqdn)));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster() -> (Vec<Service>, Vec<EndpointSlice>) {
        let service = |name: &str, spec: serde_json::Value| {
            api::json::decode(json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec})).unwrap()
        };
        let ports = json!([{"name": "http", "protocol": "TCP", "port": 80}]);
        let slice = json!({
            "metadata": {"name": "db-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "db"}},
            "addressType": "IPv4", "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
            "endpoints": [
                {"addresses": ["10.244.0.7"], "hostname": "db-0", "conditions": {"ready": true}},
                {"addresses": ["10.244.1.9"], "conditions": {"ready": true}},
                {"addresses": ["10.244.1.10"], "hostname": "db-2", "conditions": {"ready": false}},
            ],
        });
        let services = vec![
            service("web", json!({"clusterIP": "10.96.0.20", "ports": ports})),
            service("db", json!({"clusterIP": "None", "ports": ports})),
            service("out", json!({"type": "ExternalName", "externalName": "example.com"})),
        ];
        (services, vec![api::json::decode(slice).unwrap()])
    }

    fn ask(name: &str, kind: RecordType) -> Option<Vec<String>> {
        let (services, slices) = cluster();
        let records = answer(services.iter(), slices.iter(), name, kind)?;
        Some(records.into_iter().map(|record| format!("{:?}", record.data)).collect())
    }

    #[test]
    fn names_answer_as_the_specification_says() {
        let a = |name: &str| ask(name, RecordType::A);
        let some = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(a("WEB.default.svc.cluster.local."), some(&["A(10.96.0.20)"]));
        assert_eq!(a("db.default.svc.cluster.local"), some(&["A(10.244.1.9)", "A(10.244.0.7)"]));
        assert_eq!(a("db-0.db.default.svc.cluster.local"), some(&["A(10.244.0.7)"]));
        assert_eq!(a("10-244-1-9.db.default.svc.cluster.local"), some(&["A(10.244.1.9)"]));
        assert_eq!(a("db-2.db.default.svc.cluster.local"), None, "it is not ready");
        assert_eq!(a("out.default.svc.cluster.local"), some(&["Cname(\"example.com\")"]));
        assert_eq!(a("10-0-0-1.default.pod.cluster.local"), some(&["A(10.0.0.1)"]));
        assert_eq!(a("web.other.svc.cluster.local"), None);
        assert_eq!(a("web"), None);
        let srv = |name: &str| ask(name, RecordType::Srv);
        assert_eq!(srv("_http._tcp.web.default.svc.cluster.local"), some(&["Srv(0, 100, 80, \"web.default.svc.cluster.local\")"]));
        assert_eq!(srv("_http._udp.web.default.svc.cluster.local"), None);
        assert_eq!(srv("_http._tcp.db.default.svc.cluster.local").map(|records| records.len()), Some(2));
        assert_eq!(ask("20.0.96.10.in-addr.arpa", RecordType::Ptr), some(&["Ptr(\"web.default.svc.cluster.local\")"]));
        assert_eq!(ask("7.0.244.10.in-addr.arpa", RecordType::Ptr), some(&["Ptr(\"db-0.db.default.svc.cluster.local\")"]));
        assert_eq!(ask("1.1.1.1.in-addr.arpa", RecordType::Ptr), None);
    }
}
