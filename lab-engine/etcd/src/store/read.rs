//! Reads: ranges, conditions, and the checksum of the key space.

use super::{Store, Version, check};
use crate::message::{Compare, CompareResult, CompareTarget, KeyRange, KeyValue, Range, RangeResponse, SortTarget};
use crate::{EtcdError, Revision, Value};
use std::cmp::Reverse;

/// The checksum of etcd's `HashKV`: CRC-32C.
const CASTAGNOLI: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

impl Store {
    /// Reads keys.
    ///
    /// # Errors
    /// [`EtcdError::FutureRev`], [`EtcdError::Compacted`], [`EtcdError::EmptyKey`].
    pub fn range(&self, range: &Range) -> Result<RangeResponse, EtcdError> {
        check::check_keys(&range.keys)?;
        self.check_revision(range.revision)?;
        let now = self.current();
        let at = if range.revision == 0 { now } else { range.revision };
        let mut response = RangeResponse { revision: now, ..RangeResponse::default() };
        let all = range.looks_at_all();
        for versions in self.in_range(&range.keys) {
            let Some(kv) = visible(versions, at) else { continue };
            response.count += 1;
            if range.count_only {
                continue;
            }
            if range.limit > 0 && !all && response.kvs.len() == range.limit {
                response.more = true;
            } else if range.mod_revisions.contains(kv.mod_revision) && range.create_revisions.contains(kv.create_revision) {
                response.kvs.push(kv.clone());
            }
        }
        if all {
            sort(&mut response.kvs, range);
            if range.limit > 0 && response.kvs.len() > range.limit {
                response.kvs.truncate(range.limit);
                response.more = true;
            }
        }
        if range.keys_only {
            response.kvs.iter_mut().for_each(|kv| kv.value = Value::from(""));
        }
        Ok(response)
    }

    /// Refuses a revision that is compacted away or does not exist yet.
    pub(super) fn check_revision(&self, revision: Revision) -> Result<(), EtcdError> {
        if revision > self.revision {
            return Err(EtcdError::FutureRev);
        }
        if revision != 0 && revision < self.compacted {
            return Err(EtcdError::Compacted);
        }
        Ok(())
    }

    /// Whether a condition holds for each key in its range; over no key at all, whether it holds for one that is absent (`applyCompare`).
    pub(super) fn holds(&self, compare: &Compare) -> bool {
        if let KeyRange::One(key) = &compare.keys {
            return holds_for(compare, self.get(key));
        }
        let mut pairs = self.in_range(&compare.keys).filter_map(|versions| versions.last()?.kv.as_ref()).peekable();
        if pairs.peek().is_none() {
            return holds_for(compare, None);
        }
        pairs.all(|kv| holds_for(compare, Some(kv)))
    }

    /// A checksum of all versions up to a revision that are not compacted away; 0 for the present. Members with the same data and the same
    /// compaction have the same, however far each of them is beyond the revision. Gives the revision as well.
    ///
    /// # Errors
    /// [`EtcdError::FutureRev`], [`EtcdError::Compacted`].
    pub fn hash_kv(&self, revision: Revision) -> Result<(u32, Revision), EtcdError> {
        self.check_revision(revision)?;
        let revision = if revision == 0 { self.revision } else { revision };
        let mut digest = CASTAGNOLI.digest();
        for (key, versions) in &self.keys {
            let versions = &versions[..versions.partition_point(|version| version.revision <= revision)];
            if !versions.is_empty() {
                digest.update(key.as_bytes());
            }
            for version in versions {
                digest.update(&version.revision.to_le_bytes());
                if let Some(kv) = &version.kv {
                    [kv.create_revision, kv.version, kv.lease.0.cast_unsigned()]
                        .iter()
                        .for_each(|number| digest.update(&number.to_le_bytes()));
                    digest.update(&kv.value.0.encode());
                }
            }
        }
        Ok((digest.finalize(), revision))
    }
}

fn holds_for(compare: &Compare, kv: Option<&KeyValue>) -> bool {
    let ordering = match &compare.target {
        CompareTarget::Mod(revision) => kv.map_or(0, |kv| kv.mod_revision).cmp(revision),
        CompareTarget::Create(revision) => kv.map_or(0, |kv| kv.create_revision).cmp(revision),
        CompareTarget::Version(version) => kv.map_or(0, |kv| kv.version).cmp(version),
        CompareTarget::Lease(lease) => kv.map_or(0, |kv| kv.lease.0).cmp(&lease.0),
        CompareTarget::Value(value) => match kv {
            Some(kv) => kv.value.0.encode().cmp(&value.0.encode()),
            None => return false,
        },
    };
    match compare.result {
        CompareResult::Equal => ordering.is_eq(),
        CompareResult::NotEqual => ordering.is_ne(),
        CompareResult::Greater => ordering.is_gt(),
        CompareResult::Less => ordering.is_lt(),
    }
}

fn sort(kvs: &mut [KeyValue], range: &Range) {
    let number = |kv: &KeyValue| match range.sort.by {
        SortTarget::Version => kv.version,
        SortTarget::Create => kv.create_revision,
        SortTarget::Mod => kv.mod_revision,
        SortTarget::Key | SortTarget::Value => 0,
    };
    match (range.sort.by, range.sort.descending) {
        // They come in the order of their keys.
        (SortTarget::Key, false) => {}
        (SortTarget::Key, true) => kvs.reverse(),
        // A value is encoded once.
        (SortTarget::Value, false) => kvs.sort_by_cached_key(|kv| kv.value.0.encode()),
        (SortTarget::Value, true) => kvs.sort_by_cached_key(|kv| Reverse(kv.value.0.encode())),
        (_, false) => kvs.sort_by_key(number),
        (_, true) => kvs.sort_by_key(|kv| Reverse(number(kv))),
    }
}

/// The pair of a key that a read at `at` sees.
fn visible(versions: &[Version], at: Revision) -> Option<&KeyValue> {
    let after = versions.partition_point(|version| version.revision <= at);
    versions[..after].last()?.kv.as_ref()
}
