//! Charging quotas: the charge goes into the transaction that writes the object.
//!
//! **Simplified here:** upstream charges the quota first and writes the object in a second step; a crash between the two is mended by the
//! quota controller's next count.

use crate::admission::resource_quota::{self, Operation, Refusal};
use crate::proposed::value_of;
use crate::server::ApiServer;
use crate::storage;
use crate::write::{Write, at_revision};
use api::core::ResourceQuota;
use api::quota::{counts_updates, is_counted};
use api::status::Status;
use api::{Object, Resource};
use etcd::{Compare, KeyRange, KeyValue, Op, OpResponse, Range};
use std::sync::Arc;

/// An object that is written in the same transaction as another, or deleted.
#[derive(Clone, Debug)]
pub(crate) struct Rider {
    pub(crate) key: Arc<str>,
    /// The revision that the key must have; 0 when there must be none, `None` when it does not matter.
    pub(crate) revision: Option<u64>,
    /// What is written; `None` deletes.
    pub(crate) object: Option<Object>,
}

impl Rider {
    pub(crate) fn compare(&self) -> Option<Compare> {
        self.revision.map(|revision| at_revision(&self.key, revision))
    }

    pub(crate) fn change(&self) -> Op {
        match &self.object {
            Some(object) => Op::put(self.key.clone(), value_of(object.clone())),
            None => Op::Delete(KeyRange::One(self.key.clone())),
        }
    }

    /// Reads the key, for the case that the transaction fails.
    pub(crate) fn read(&self) -> Op {
        Op::Range(Range::all(KeyRange::One(self.key.clone())))
    }
}

impl ApiServer {
    /// Charges the quotas of the namespace for an object; `old` is what an update replaces.
    ///
    /// # Errors
    /// The refusal of a quota.
    pub(crate) fn charge(&self, write: &mut Write, object: &Object, old: Option<&Object>) -> Result<(), Box<Status>> {
        if write.origin.is_none() {
            return Ok(());
        }
        write.riders.clear();
        if !is_counted(&write.info) || (old.is_some() && !counts_updates(object)) {
            return Ok(());
        }
        let quotas = self.quotas(write);
        if quotas.is_empty() {
            return Ok(());
        }
        let operation = old.map_or(Operation::Create, Operation::Update);
        let charged = resource_quota::check(&quotas, object, operation, &[]).map_err(|refusal| {
            Box::new(match refusal {
                Refusal::Forbidden(why) => Status::forbidden(&write.info.gvr(), &object.metadata().name, &why),
                Refusal::Other(why) => Status::internal(why),
            })
        })?;
        write.riders = charged
            .into_iter()
            .map(|(index, status)| {
                let quota = ResourceQuota { status, ..quotas[index].clone() };
                let key = storage::key(ResourceQuota::INFO, &write.namespace, &quota.metadata.name);
                Rider { key, revision: Some(quota.metadata.resource_version.0), object: Some(quota.into()) }
            })
            .collect();
        Ok(())
    }

    /// The quotas of the namespace of a write: those of the cache, or later ones that etcd has told.
    fn quotas(&self, write: &Write) -> Vec<ResourceQuota> {
        let prefix = storage::namespace_prefix(ResourceQuota::INFO, &write.namespace);
        let cached = self.cache.range(&prefix, "").filter_map(|(_, object)| object.as_kind::<ResourceQuota>());
        let newest = |quota: &Arc<ResourceQuota>| {
            let told = write.told.iter().filter_map(|object| object.as_kind::<ResourceQuota>());
            let later = told.filter(|told| {
                told.metadata.name == quota.metadata.name && told.metadata.resource_version.0 > quota.metadata.resource_version.0
            });
            ResourceQuota::clone(later.max_by_key(|told| told.metadata.resource_version.0).unwrap_or(quota))
        };
        cached.map(newest).collect()
    }
}

/// The objects in the answers to [`Rider::read`].
pub(crate) fn told(responses: &[OpResponse], read: impl Fn(&KeyValue) -> Option<Object>) -> Vec<Object> {
    let ranges = responses.iter().filter_map(|response| match response {
        OpResponse::Range(range) => Some(&range.kvs),
        _ => None,
    });
    ranges.flatten().filter_map(read).collect()
}
