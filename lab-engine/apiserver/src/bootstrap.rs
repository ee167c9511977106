//! What the server makes by itself: the namespaces, the Service and the roles that every cluster has, and each namespace's ServiceAccount.
//!
//! **Simplified here:** the `default` ServiceAccount of a namespace is made by its own controller in a real cluster.

use crate::cache::{Cache, Change};
use crate::holds;
use crate::policy;
use crate::quota::Rider;
use crate::server::{ApiServer, Output};
use crate::service_ip;
use crate::storage;
use api::core::{Namespace, Service, ServiceAccount, ServicePort};
use api::intstr::IntOrString;
use api::{Object, Resource};
use sim::Time;

/// The namespaces that the server makes (`pkg/controlplane/controller/systemnamespaces`), and `default`.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

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
    }
    objects
}
