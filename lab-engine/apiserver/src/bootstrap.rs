//! What the server makes by itself: the namespaces, the Service and the roles that every cluster has, and each namespace's ServiceAccount.
//!
//! **Simplified here:** the `default` ServiceAccount of a namespace is made by its own controller in a real cluster. All servers are behind one
//! address, as with a load balancer; a real server puts its own address into the endpoints of `kubernetes`, and takes it out when it ends.

use crate::cache::{Cache, Change};
use crate::holds;
use crate::policy;
use crate::quota::Rider;
use crate::server::{ApiServer, Output};
use crate::service_ip;
use crate::storage;
use api::core::{EndpointAddress, EndpointSubset, Endpoints, Namespace, Service, ServiceAccount, ServicePort, SubsetPort};
use api::discovery::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use api::intstr::IntOrString;
use api::meta::ObjectMeta;
use api::{Object, Resource};
use sim::Time;
use std::net::Ipv4Addr;

/// The namespaces that the server makes (`pkg/controlplane/controller/systemnamespaces`), and `default`.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Where the API servers of a cluster are reached on its nodes' network (`--advertise-address`).
pub const ADVERTISE_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 18, 255, 2);

/// The port that they listen on (`--secure-port`).
pub const SECURE_PORT: i32 = 6443;

impl ApiServer {
    /// Makes what every cluster has and this one lacks. The default roles are in force at once, and stored with the first object.
    pub(crate) fn bootstrap(&mut self, now: Time, out: &mut Vec<Output>) {
        let mut riders = Vec::new();
        for object in policy::objects(now) {
            let Some(info) = object.info() else { continue };
            let key = storage::key(&info, "", &object.metadata().name);
            if self.cache.get(&key).is_none() {
                self.rbac.put(&object);
                riders.push(Rider { key, revision: Some(0), object: Some(object) });
            }
        }
        let range = holds::service_range(now, &self.rng);
        let key = range.info().map(|info| storage::key(&info, "", &range.metadata().name));
        if let Some(key) = key.filter(|key| self.cache.get(key).is_none()) {
            riders.push(Rider { key, revision: Some(0), object: Some(range) });
        }
        for object in missing(&self.cache) {
            self.create_own(now, object, std::mem::take(&mut riders), out);
        }
        for object in riders.into_iter().filter_map(|rider| rider.object) {
            self.put_own(now, object, out);
        }
    }
}

/// The objects that every cluster has and this one lacks.
fn missing(cache: &Cache) -> Vec<Object> {
    let mut objects = Vec::new();
    for name in NAMESPACES {
        if cache.get(&storage::key(Namespace::INFO, "", name)).is_none() {
            let mut namespace = Namespace::default();
            namespace.metadata.name = name.to_owned();
            objects.push(namespace.into());
        }
    }
    let default = cache.get(&storage::key(Namespace::INFO, "", "default")).is_some();
    if default && cache.get(&storage::key(Service::INFO, "default", "kubernetes")).is_none() {
        objects.push(kubernetes_service().into());
    }
    if default && cache.get(&storage::key(EndpointSlice::INFO, "default", "kubernetes")).is_none() {
        objects.extend(kubernetes_endpoints());
    }
    objects
}

/// What the endpoints of `kubernetes` are called, with the label that is given.
fn kubernetes_metadata(label: (&str, &str)) -> ObjectMeta {
    ObjectMeta {
        name: "kubernetes".to_owned(),
        namespace: "default".to_owned(),
        labels: [(label.0.to_owned(), label.1.to_owned())].into(),
        ..ObjectMeta::default()
    }
}

/// Where the Service `kubernetes` leads (`pkg/controlplane/reconcilers`): Endpoints, which are not mirrored, and their slice.
fn kubernetes_endpoints() -> [Object; 2] {
    let (name, protocol) = ("https".to_owned(), "TCP".to_owned());
    let address = EndpointAddress { ip: ADVERTISE_ADDRESS.to_string(), ..EndpointAddress::default() };
    let port = SubsetPort { name: name.clone(), port: SECURE_PORT, protocol: protocol.clone(), ..SubsetPort::default() };
    let endpoints = Endpoints {
        metadata: kubernetes_metadata(("endpointslice.kubernetes.io/skip-mirror", "true")),
        subsets: vec![EndpointSubset { addresses: vec![address], ports: vec![port], ..EndpointSubset::default() }],
        ..Endpoints::default()
    };
    let endpoint = Endpoint {
        addresses: vec![ADVERTISE_ADDRESS.to_string()],
        conditions: EndpointConditions { ready: Some(true), ..EndpointConditions::default() },
        ..Endpoint::default()
    };
    let slice = EndpointSlice {
        metadata: kubernetes_metadata(("kubernetes.io/service-name", "kubernetes")),
        address_type: "IPv4".to_owned(),
        endpoints: vec![endpoint],
        ports: vec![EndpointPort { name: Some(name), protocol: Some(protocol), port: Some(SECURE_PORT), ..EndpointPort::default() }],
        ..EndpointSlice::default()
    };
    [endpoints.into(), slice.into()]
}

fn kubernetes_service() -> Service {
    let mut service = Service::default();
    service.metadata.name = "kubernetes".to_owned();
    service.metadata.namespace = "default".to_owned();
    for (key, value) in [("component", "apiserver"), ("provider", "kubernetes")] {
        service.metadata.labels.insert(key.to_owned(), value.to_owned());
    }
    service.spec.cluster_ip = service_ip::KUBERNETES.to_string();
    service.spec.ports.push(ServicePort {
        name: "https".to_owned(),
        protocol: "TCP".to_owned(),
        port: 443,
        target_port: Some(IntOrString::Int(SECURE_PORT)),
        ..ServicePort::default()
    });
    service
}

/// The objects that follow from a change: a new namespace gets its ServiceAccount, and `default` the API server's Service.
pub(crate) fn consequences(change: &Change) -> Vec<Object> {
    if change.deleted || change.old.is_some() || change.info != *Namespace::INFO {
        return Vec::new();
    }
    let namespace = &change.object.metadata().name;
    let mut account = ServiceAccount::default();
    account.metadata.name = "default".to_owned();
    account.metadata.namespace.clone_from(namespace);
    let mut objects = vec![account.into()];
    if namespace == "default" {
        objects.push(kubernetes_service().into());
        objects.extend(kubernetes_endpoints());
    }
    objects
}
