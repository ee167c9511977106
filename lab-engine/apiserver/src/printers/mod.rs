//! Tables: how `kubectl get` shows objects (`pkg/printers/internalversion`, `meta.k8s.io/v1` `Table`).
//!
//! The server decides on columns and cells; columns of priority 1 appear with `-o wide`.
//!
//! **Simplified here:** the metadata of a row has no managed fields.

mod addresses;
mod batch;
mod certificates;
mod human;
mod networking;
mod objects;
mod pods;
mod policy;
mod rbac;
mod scale;
mod workloads;

use crate::crd::Served;
use crate::params::IncludeObject;
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
        "Endpoints" => scale::ENDPOINTS,
        "EndpointSlice" => scale::ENDPOINT_SLICE,
        "HorizontalPodAutoscaler" => scale::AUTOSCALER,
        "Ingress" => networking::INGRESS,
        "IngressClass" => networking::INGRESS_CLASS,
        "NetworkPolicy" => networking::NETWORK_POLICY,
        "PodDisruptionBudget" => scale::BUDGET,
        "PersistentVolume" => scale::VOLUME,
        "PersistentVolumeClaim" => scale::CLAIM,
        "StorageClass" => scale::STORAGE_CLASS,
        "LimitRange" => policy::LIMIT_RANGE,
        "ResourceQuota" => policy::RESOURCE_QUOTA,
        "Role" | "ClusterRole" => rbac::ROLE,
        "RoleBinding" | "ClusterRoleBinding" => rbac::BINDING,
        "CustomResourceDefinition" => objects::DEFINITION,
        "CertificateSigningRequest" => certificates::REQUEST,
        "IPAddress" => addresses::ADDRESS,
        "ServiceCIDR" => addresses::RANGE,
        "APIService" => objects::API_SERVICE,
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
        Object::Endpoints(endpoints) => scale::endpoints(endpoints, now),
        Object::EndpointSlice(slice) => scale::endpoint_slice(slice, now),
        Object::HorizontalPodAutoscaler(hpa) => scale::autoscaler(hpa, now),
        Object::Ingress(ingress) => networking::ingress(ingress, now),
        Object::IngressClass(class) => networking::ingress_class(class, now),
        Object::NetworkPolicy(policy) => networking::network_policy(policy, now),
        Object::PodDisruptionBudget(budget) => scale::budget(budget, now),
        Object::PersistentVolume(volume) => scale::volume(volume, now),
        Object::PersistentVolumeClaim(claim) => scale::claim(claim, now),
        Object::StorageClass(class) => scale::storage_class(class, now),
        Object::LimitRange(range) => policy::limit_range(range),
        Object::ResourceQuota(quota) => policy::resource_quota(quota, now),
        Object::Role(role) => rbac::role(&role.metadata),
        Object::ClusterRole(role) => rbac::role(&role.metadata),
        Object::RoleBinding(binding) => rbac::binding(&binding.metadata, &binding.role_ref, &binding.subjects, now),
        Object::ClusterRoleBinding(binding) => rbac::binding(&binding.metadata, &binding.role_ref, &binding.subjects, now),
        Object::Dynamic(service) if service.kind == "APIService" => objects::api_service(service, now),
        Object::Dynamic(_) if crate::crd::definition_of(object).is_some() => objects::definition(object.metadata()),
        Object::Dynamic(request) if request.kind == "CertificateSigningRequest" => certificates::request(request, now),
        Object::Dynamic(address) if address.kind == "IPAddress" => addresses::address(address),
        Object::Dynamic(range) if range.kind == "ServiceCIDR" => addresses::range(range, now),
        Object::Binding(_) | Object::Dynamic(_) => objects::other(object.metadata(), now),
    }
}

/// How long ago, or `<unknown>`.
pub(crate) use human::since;

/// A table of objects of one kind; `served` for custom ones.
pub(crate) fn table(info: Option<&KindInfo>, served: Option<&Served>, objects: &[Object], include: IncludeObject, now: Time) -> Value {
    let kind = info.map(|info| info.kind.clone()).or_else(|| Some(objects.first()?.info()?.kind.clone())).unwrap_or_default();
    let built_in = if served.is_some() { CUSTOM } else { columns(&kind) };
    let columns: Vec<Value> = built_in
        .iter()
        .map(|(name, type_, priority)| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": type_, "format": format, "description": "", "priority": priority})
        })
        .chain(served.into_iter().flat_map(|served| served.columns.definitions()))
        .collect();
    let rows: Vec<Value> = objects.iter().map(|object| row(object, served, include, now)).collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": columns, "rows": rows})
}

/// The column that all custom resources begin with.
const CUSTOM: &[Column] = &[("Name", "string", 0)];

fn row(object: &Object, served: Option<&Served>, include: IncludeObject, now: Time) -> Value {
    let cells = served.map_or_else(|| cells(object, now), |served| served.columns.cells(object, now));
    let mut row = json!({"cells": cells});
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
pub(crate) fn list_table(info: &KindInfo, served: Option<&Served>, list: &List, include: IncludeObject, now: Time) -> Value {
    let mut table = table(Some(info), served, &list.items, include, now);
    table["metadata"] = json!({"resourceVersion": list.resource_version.to_string()});
    if !list.continue_token.is_empty() {
        table["metadata"]["continue"] = json!(list.continue_token);
    }
    table
}

/// An event of a watch with the object as a table of one row.
pub(crate) fn table_event(event: WatchEvent, served: Option<&Served>, include: IncludeObject, now: Time) -> WatchEvent {
    let wrap = |object: Object| {
        let mut fields = match table(None, served, std::slice::from_ref(&object), include, now) {
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
            info: None,
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
