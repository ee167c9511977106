//! The ClusterRole aggregation controller: the rules of a ClusterRole with an `aggregationRule` are those of the roles that its selectors
//! mean (`pkg/controller/clusterroleaggregation`).
//!
//! Whatever happens to a ClusterRole, all collected ones are looked at: one may be collected from another.

use crate::caches::Caches;
use crate::driver::{Answer, Call, Controller, Plan, Sink, succeeded};
use api::Resource;
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::json::Json;
use api::rbac::{ClusterRole, GROUP, aggregated};
use client::{Indexer, ObjectKey, WorkQueue};
use serde_json::{Value, json};
use sim::Time;

/// The owner of the rules, to server-side apply.
const MANAGER: &str = "clusterrole-aggregation-controller";

/// Keeps the rules of collected ClusterRoles right.
#[derive(Debug, Default)]
pub(crate) struct ClusterRoleAggregation;

/// Queues all roles that are collected from others (`enqueue`).
pub(crate) fn enqueue(roles: &Indexer<ClusterRole>, queue: &mut WorkQueue<ObjectKey>) {
    for role in roles.list().filter(|role| role.aggregation_rule.is_some()) {
        queue.add(ObjectKey::of(role.as_ref()));
    }
}

impl Controller for ClusterRoleAggregation {
    type Note = ();

    /// Models `syncClusterRole`.
    fn reconcile(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<()> {
        let mut plan = Plan::default();
        let Some(role) = caches.cluster_roles.lister().get(key) else { return plan };
        let all = || caches.cluster_roles.lister().list().map(AsRef::as_ref);
        let Some(rules) = aggregated(role, all()).filter(|rules| *rules != role.rules) else { return plan };
        let rules: Vec<Value> = rules.iter().map(Json::to_json).collect();
        let change =
            json!({"apiVersion": format!("{GROUP}/v1"), "kind": ClusterRole::INFO.kind, "metadata": {"name": key.name}, "rules": rules});
        let request = Request::new(Method::Patch, ResourcePath::object(ClusterRole::INFO, "", &key.name));
        let request = request.query("fieldManager", MANAGER).query("force", "true").body(Body::Patch(PatchType::Apply, change));
        plan.decision = Some((role.object_ref(), format!("collect {} rules", rules.len())));
        plan.phases.push_back(vec![Call { request, note: () }]);
        plan
    }

    fn answered(&mut self, _: &ObjectKey, (): &(), answer: Answer, _: &mut Sink<'_>) -> Result<(), String> {
        succeeded(answer)
    }
}
