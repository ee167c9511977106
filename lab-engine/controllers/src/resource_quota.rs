//! The ResourceQuota controller: counts what the objects of a namespace use (`pkg/controller/resourcequota`).
//!
//! What is created or grows is charged at admission; what goes, ends or shrinks is given back here, by counting anew. So is a quota that
//! is new or was changed, and every quota after five minutes, in case something was missed. The count is made from the graph of all
//! objects, which may be behind; then the next full look puts it right.

use crate::caches::Caches;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink, succeeded};
use crate::graph::{Graph, GraphEvent, Item};
use api::Resource;
use api::core::ResourceQuota;
use api::quota::{limited, replenishes, status};
use client::{ObjectKey, WorkQueue};
use sim::Time;
use std::sync::Arc;
use std::time::Duration;

/// How often each quota is counted in any case (`--resource-quota-sync-period`).
const SYNC_PERIOD: Duration = Duration::from_secs(300);

/// Keeps the status of quotas right.
#[derive(Debug, Default)]
pub(crate) struct ResourceQuotaController;

/// Queues the quotas that a change of the graph concerns (`QuotaMonitor`, `replenishQuota`).
pub(crate) fn observe(graph: &Graph, event: &GraphEvent, queue: &mut WorkQueue<ObjectKey>) {
    let quota_of = |item: &Item| ResourceQuota::from_object(&item.object).cloned();
    match event {
        GraphEvent::Set(item, old) => {
            if let Some(quota) = quota_of(item) {
                let same = old.as_ref().and_then(|old| quota_of(old)).is_some_and(|old| old.spec.hard == quota.spec.hard);
                if !same {
                    queue.add(ObjectKey::of(quota.as_ref()));
                }
            }
            if old.as_ref().is_some_and(|old| replenishes(&old.object, &item.object)) {
                replenish(graph, item, queue);
            }
        }
        GraphEvent::Gone(item) => replenish(graph, item, queue),
    }
}

/// Queues the quotas that limit something that the object used.
fn replenish(graph: &Graph, item: &Item, queue: &mut WorkQueue<ObjectKey>) {
    for quota in graph.in_namespace_of_kind(ResourceQuota::INFO, &item.metadata().namespace) {
        if let Some(quota) = ResourceQuota::from_object(&quota.object).filter(|quota| !limited(&item.object, &quota.status.hard).is_empty())
        {
            queue.add(ObjectKey::of(quota.as_ref()));
        }
    }
}

fn find<'c>(caches: &'c Caches, key: &ObjectKey) -> Option<&'c Arc<ResourceQuota>> {
    ResourceQuota::from_object(&caches.graph.find(ResourceQuota::INFO, &key.namespace, &key.name)?.object)
}

impl Controller for ResourceQuotaController {
    type Note = ();

    /// Models `syncResourceQuota`.
    fn reconcile(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<()> {
        let mut plan = Plan::default();
        let Some(quota) = find(caches, key) else { return plan };
        let right = status(quota, caches.graph.in_namespace(&key.namespace).map(|item| &item.object));
        if right != quota.status {
            let changed = ResourceQuota { status: right, ..ResourceQuota::clone(quota) };
            plan.decision = Some((quota.object_ref(), "count anew what is used".to_owned()));
            plan.phases.push_back(vec![Call::update_status(changed, ())]);
        }
        plan
    }

    fn answered(&mut self, _: &ObjectKey, (): &(), answer: Answer, _: &mut Sink<'_>) -> Result<(), String> {
        succeeded(answer)
    }

    fn conclude(&mut self, _: Time, caches: &Caches, key: &ObjectKey, _: Option<&str>) -> Conclusion<()> {
        (None, find(caches, key).map(|_| SYNC_PERIOD))
    }
}
