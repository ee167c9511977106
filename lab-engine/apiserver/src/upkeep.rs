//! What the server keeps right by itself as objects change: the usage in quotas and the rules of collected ClusterRoles.
//!
//! **Simplified here:** both are the work of controllers (`pkg/controller/resourcequota`, `pkg/controller/clusterroleaggregation`) that the
//! controller manager does not have yet.

use crate::admission::resource_quota::{counts_updates, is_counted, status};
use crate::cache::Change;
use crate::quota::Rider;
use crate::server::{ApiServer, Call, Output};
use crate::storage;
use api::core::ResourceQuota;
use api::kinds::KINDS;
use api::{Object, Resource};
use etcd::Txn;
use sim::{Time, Verb};
use std::collections::BTreeSet;

/// What has to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    /// Namespaces whose quotas may be wrong.
    quotas: BTreeSet<String>,
    /// Whether ClusterRoles may be wrong.
    roles: bool,
}

impl Upkeep {
    /// Marks what follows from a change.
    pub(crate) fn observe(&mut self, change: &Change) {
        match (&change.object, &change.old) {
            (Object::ClusterRole(_), _) => self.roles = true,
            (Object::ResourceQuota(quota), _) if !change.deleted && quota.spec.hard != quota.status.hard => {
                self.quotas.insert(quota.metadata.namespace.clone());
            }
            (object, Some(old))
                if is_counted(&change.info) && (change.deleted || ended(object) != ended(old) || counts_updates(object)) =>
            {
                self.quotas.insert(object.metadata().namespace.clone());
            }
            _ => {}
        }
    }

    /// Looks again at what a write in vain was about.
    pub(crate) fn again(&mut self, object: &Object) {
        match object {
            Object::ClusterRole(_) => self.roles = true,
            // A definition that was changed meanwhile is looked at when that change arrives.
            Object::Dynamic(_) => {}
            _ => drop(self.quotas.insert(object.metadata().namespace.clone())),
        }
    }
}

fn ended(object: &Object) -> bool {
    matches!(object, Object::Pod(pod) if matches!(pod.status.phase.as_str(), "Succeeded" | "Failed"))
}

impl ApiServer {
    /// Writes what is not as it should be.
    pub(crate) fn keep_up(&mut self, now: Time, out: &mut Vec<Output>) {
        for namespace in std::mem::take(&mut self.upkeep.quotas) {
            let prefix = storage::namespace_prefix(ResourceQuota::INFO, &namespace);
            let quotas: Vec<ResourceQuota> = self
                .cache
                .range(&prefix, "")
                .filter_map(|(_, object)| object.as_kind::<ResourceQuota>())
                .map(|quota| ResourceQuota::clone(quota))
                .collect();
            for quota in quotas {
                let right = status(&quota, self.counted(&namespace));
                if right != quota.status {
                    self.put_own(now, ResourceQuota { status: right, ..quota }.into(), out);
                }
            }
        }
        if std::mem::take(&mut self.upkeep.roles) {
            for role in self.rbac.to_aggregate() {
                self.put_own(now, Object::ClusterRole(role), out);
            }
        }
    }

    /// The objects of a namespace that quotas count.
    fn counted<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Object> {
        // The versions of a custom resource lie under one prefix.
        let custom: BTreeSet<String> = self.custom.all().map(|served| storage::namespace_prefix(&served.kind, namespace)).collect();
        let built_in = KINDS.iter().filter(|info| is_counted(info)).map(|info| storage::namespace_prefix(info, namespace));
        let prefixes: Vec<String> = built_in.chain(custom).collect();
        prefixes.into_iter().flat_map(|prefix| self.cache.range_of(prefix))
    }

    /// Writes an object in place of the state whose revision it carries; 0 for a new one.
    pub(crate) fn put_own(&mut self, now: Time, object: Object, out: &mut Vec<Output>) {
        let Some(info) = object.info() else { return };
        let metadata = object.metadata();
        let key = storage::key(&info, &metadata.namespace, &metadata.name);
        let revision = metadata.resource_version.0;
        let rider = Rider { key, revision: Some(revision), object: Some(object.clone()) };
        let subject = (revision != 0).then(|| (Verb::Update, object.object_ref()));
        let compares = rider.compare().into_iter().collect();
        let txn = Txn { compares, success: vec![rider.change()], failure: Vec::new(), subject };
        let id = self.call(now, Call::Own(Box::new(object)));
        out.push(Output::Etcd(etcd::Request::Txn(id, txn)));
    }
}
