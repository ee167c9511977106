//! Tables: how `kubectl get` shows objects (`pkg/printers/internalversion`, `meta.k8s.io/v1` `Table`).
//!
//! The server decides on columns and cells; columns of priority 1 appear with `-o wide`.

mod batch;
mod human;
mod objects;
mod pods;
mod policy;
mod rbac;
mod workloads;

use crate::params::IncludeObject;
use crate::storage::info_of;
use api::http::{List, WatchEvent};
use api::json::{Json, Rest};
use api::kinds::KindInfo;
use api::{Dynamic, Object};
use serde_json::{Map, Value, json};
use sim::Time;
use std::sync::Arc;

/// A column: name, type, priority.
pub(crate) type Column = (&'static str, &'static str, i32);

/// The columns of a kind.
fn columns(kind: &str) -> &'static [Column] {
    match kind {
        "Pod" => pods::COLUMNS,
        "Deployment" => workloads::DEPLOYMENT,
        "ReplicaSet" | "ReplicationController" => workloads::REPLICA_SET,
        "StatefulSet" => workloads::STATEFUL_SET,
        "DaemonSet" => workloads::DAEMON_SET,
        "ControllerRevision" => workloads::CONTROLLER_REVISION,
        "Job" => batch::JOB,
        "CronJob" => batch::CRON_JOB,
        "Service" => objects::SERVICE,
        "Node" => objects::NODE,
        "Namespace" => objects::NAMESPACE,
        "ConfigMap" => objects::CONFIG_MAP,
        "Secret" => objects::SECRET,
        "ServiceAccount" => objects::SERVICE_ACCOUNT,
        "Lease" => objects::LEASE,
        "Event" => objects::EVENT,
        "LimitRange" => policy::LIMIT_RANGE,
        "ResourceQuota" => policy::RESOURCE_QUOTA,
        "Role" | "ClusterRole" => rbac::ROLE,
        "RoleBinding" | "ClusterRoleBinding" => rbac::BINDING,
        _ => objects::OTHER,
    }
}

fn cells(object: &Object, now: Time) -> Vec<Value> {
    match object {
        Object::Pod(pod) => pods::cells(pod, now),
        Object::Deployment(deployment) => workloads::deployment(deployment, now),
        Object::ReplicaSet(set) => workloads::replica_set(set, now),
        Object::ReplicationController(controller) => workloads::replication_controller(controller, now),
        Object::StatefulSet(set) => workloads::stateful_set(set, now),
        Object::DaemonSet(set) => workloads::daemon_set(set, now),
        Object::ControllerRevision(revision) => workloads::controller_revision(revision, now),
        Object::Job(job) => batch::job(job, now),
        Object::CronJob(cron_job) => batch::cron_job(cron_job, now),
        Object::Service(service) => objects::service(service, now),
        Object::Node(node) => objects::node(node, now),
        Object::Namespace(namespace) => objects::namespace(namespace, now),
        Object::ConfigMap(map) => objects::config_map(map, now),
        Object::Secret(secret) => objects::secret(secret, now),
        Object::ServiceAccount(account) => objects::service_account(account, now),
        Object::Lease(lease) => objects::lease(lease, now),
        Object::Event(event) => objects::event(event, now),
        Object::LimitRange(range) => policy::limit_range(range),
        Object::ResourceQuota(quota) => policy::resource_quota(quota, now),
        Object::Role(role) => rbac::role(&role.metadata),
        Object::ClusterRole(role) => rbac::role(&role.metadata),
        Object::RoleBinding(binding) => rbac::binding(&binding.metadata, &binding.role_ref, &binding.subjects, now),
        Object::ClusterRoleBinding(binding) => rbac::binding(&binding.metadata, &binding.role_ref, &binding.subjects, now),
        Object::Binding(_) | Object::PersistentVolumeClaim(_) | Object::Dynamic(_) => objects::other(object.metadata(), now),
    }
}

/// A table of objects of one kind.
pub(crate) fn table(info: Option<&KindInfo>, objects: &[Object], include: IncludeObject, now: Time) -> Value {
    let kind = info.or_else(|| info_of(objects.first()?)).map_or("", |info| info.kind);
    let columns: Vec<Value> = columns(kind)
        .iter()
        .map(|(name, type_, priority)| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": type_, "format": format, "description": "", "priority": priority})
        })
        .collect();
    let rows: Vec<Value> = objects.iter().map(|object| row(object, include, now)).collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": columns, "rows": rows})
}

fn row(object: &Object, include: IncludeObject, now: Time) -> Value {
    let mut row = json!({"cells": cells(object, now)});
    match include {
        IncludeObject::None => {}
        IncludeObject::Metadata => {
            let metadata = object.metadata().to_json();
            row["object"] = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata});
        }
        IncludeObject::Object => row["object"] = object.to_json(),
    }
    row
}

/// The table of a list.
pub(crate) fn list_table(info: &KindInfo, list: &List, include: IncludeObject, now: Time) -> Value {
    let mut table = table(Some(info), &list.items, include, now);
    table["metadata"] = json!({"resourceVersion": list.resource_version.to_string()});
    if !list.continue_token.is_empty() {
        table["metadata"]["continue"] = json!(list.continue_token);
    }
    table
}

/// An event of a watch with the object as a table of one row.
pub(crate) fn table_event(event: WatchEvent, include: IncludeObject, now: Time) -> WatchEvent {
    let wrap = |object: Object| {
        let mut fields = match table(None, std::slice::from_ref(&object), include, now) {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        for name in ["apiVersion", "kind", "metadata"] {
            fields.remove(name);
        }
        let metadata = api::meta::ObjectMeta { resource_version: object.metadata().resource_version, ..Default::default() };
        Object::Dynamic(Arc::new(Dynamic {
            api_version: "meta.k8s.io/v1".to_owned(),
            kind: "Table".to_owned(),
            metadata,
            rest: Rest::new(fields),
        }))
    };
    match event {
        WatchEvent::Added(object) => WatchEvent::Added(wrap(object)),
        WatchEvent::Modified(object) => WatchEvent::Modified(wrap(object)),
        WatchEvent::Deleted(object) => WatchEvent::Deleted(wrap(object)),
        other => other,
    }
}
