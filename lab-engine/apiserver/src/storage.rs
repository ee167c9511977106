//! How objects lie in etcd: their keys and their bytes.
//!
//! **Simplified here:** bytes are JSON for every kind, where a real API server writes protobuf.

use api::kinds::{KindInfo, find_kind};
use api::meta::ResourceVersion;
use api::{Object, Resource};
use etcd::{Encode, Value};
use std::any::Any;
use std::sync::Arc;

/// An object as a value of etcd.
#[derive(Debug)]
pub(crate) struct Stored(pub(crate) Object);

impl Encode for Stored {
    fn encode(&self) -> Vec<u8> {
        let mut object = self.0.clone();
        object.metadata_mut().resource_version = ResourceVersion(0);
        object.to_json().to_string().into_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn written_at(&mut self, revision: u64) {
        self.0.metadata_mut().resource_version = ResourceVersion(revision);
    }
}

/// The object in a value, which only this API server writes.
pub(crate) fn object_of(value: &Value) -> Option<Object> {
    value.downcast::<Stored>().map(|stored| stored.0.clone())
}

/// Where all keys begin.
pub(crate) const ROOT: &str = "/registry/";

/// Where the keys of a resource begin, with the names that the first releases gave them.
pub(crate) fn resource_prefix(info: &KindInfo) -> String {
    match (info.group, info.plural) {
        ("", "nodes") => "/registry/minions/".to_owned(),
        ("", "services") => "/registry/services/specs/".to_owned(),
        (_, plural) => format!("{ROOT}{plural}/"),
    }
}

/// Where the keys of a resource in a namespace begin; `namespace` empty for all.
pub(crate) fn namespace_prefix(info: &KindInfo, namespace: &str) -> String {
    let prefix = resource_prefix(info);
    if namespace.is_empty() { prefix } else { format!("{prefix}{namespace}/") }
}

/// The key of an object.
pub(crate) fn key(info: &KindInfo, namespace: &str, name: &str) -> Arc<str> {
    format!("{}{name}", namespace_prefix(info, if info.namespaced { namespace } else { "" })).into()
}

/// The kind of an object; `None` for kinds that Kubernetes does not have.
pub(crate) fn info_of(object: &Object) -> Option<&'static KindInfo> {
    use api::{apps, batch, coordination, core, rbac};
    Some(match object {
        Object::Binding(_) => core::Binding::INFO,
        Object::ClusterRole(_) => rbac::ClusterRole::INFO,
        Object::ClusterRoleBinding(_) => rbac::ClusterRoleBinding::INFO,
        Object::ConfigMap(_) => core::ConfigMap::INFO,
        Object::ControllerRevision(_) => apps::ControllerRevision::INFO,
        Object::CronJob(_) => batch::CronJob::INFO,
        Object::DaemonSet(_) => apps::DaemonSet::INFO,
        Object::Deployment(_) => apps::Deployment::INFO,
        Object::Event(_) => core::Event::INFO,
        Object::Job(_) => batch::Job::INFO,
        Object::Lease(_) => coordination::Lease::INFO,
        Object::LimitRange(_) => core::LimitRange::INFO,
        Object::Namespace(_) => core::Namespace::INFO,
        Object::Node(_) => core::Node::INFO,
        Object::PersistentVolumeClaim(_) => core::PersistentVolumeClaim::INFO,
        Object::Pod(_) => core::Pod::INFO,
        Object::ReplicaSet(_) => apps::ReplicaSet::INFO,
        Object::ReplicationController(_) => core::ReplicationController::INFO,
        Object::ResourceQuota(_) => core::ResourceQuota::INFO,
        Object::Role(_) => rbac::Role::INFO,
        Object::RoleBinding(_) => rbac::RoleBinding::INFO,
        Object::Secret(_) => core::Secret::INFO,
        Object::Service(_) => core::Service::INFO,
        Object::ServiceAccount(_) => core::ServiceAccount::INFO,
        Object::StatefulSet(_) => apps::StatefulSet::INFO,
        Object::Dynamic(object) => find_kind(&object.api_version, &object.kind)?,
    })
}
