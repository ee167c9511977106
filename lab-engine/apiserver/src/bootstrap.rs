//! What the server makes by itself: the namespaces and the Service that every cluster has, and each namespace's ServiceAccount.
//!
//! **Simplified here:** the `default` ServiceAccount of a namespace is made by its own controller in a real cluster.

use crate::cache::{Cache, Change};
use crate::service_ip;
use crate::storage;
use api::core::{Namespace, Service, ServiceAccount, ServicePort};
use api::intstr::IntOrString;
use api::{Object, Resource};

/// The namespaces that the server makes (`pkg/controlplane/controller/systemnamespaces`), and `default`.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// The objects that every cluster has and this one lacks.
pub(crate) fn missing(cache: &Cache) -> Vec<Object> {
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
    objects
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
        target_port: Some(IntOrString::Int(6443)),
        ..ServicePort::default()
    });
    service
}

/// The objects that follow from a change: a new namespace gets its ServiceAccount, and `default` the API server's Service.
pub(crate) fn consequences(change: &Change) -> Vec<Object> {
    if change.deleted || change.old.is_some() || change.info != Namespace::INFO {
        return Vec::new();
    }
    let namespace = &change.object.metadata().name;
    let mut account = ServiceAccount::default();
    account.metadata.name = "default".to_owned();
    account.metadata.namespace.clone_from(namespace);
    let mut objects = vec![account.into()];
    if namespace == "default" {
        objects.push(kubernetes_service().into());
    }
    objects
}
