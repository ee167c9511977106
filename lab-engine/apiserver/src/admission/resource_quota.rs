//! ResourceQuota: what the objects of a namespace use together stays within its quotas (`plugin/pkg/admission/resourcequota`).
//!
//! A quota is asked when it limits a resource that the object uses and the object is of all its scopes. The charge is written in the same
//! transaction as the object: when someone else changed the quota meanwhile, the whole is computed anew from what etcd has.
//!
//! ```text
//! quota: pods 4/5, requests.cpu 900m/1      create a Pod that requests 200m
//!   requests.cpu: 900m + 200m > 1  ─► 403 exceeded quota: q, requested: requests.cpu=200m, used: requests.cpu=900m, limited: requests.cpu=1
//! ```
//!
//! What is given back is counted by the ResourceQuota controller.

use api::Object;
use api::core::{ResourceList, ResourceQuota, ResourceQuotaStatus, ScopedResourceSelectorRequirement};
use api::quota::{constraints, counts_updates, is_negative, limited, mask, matches_scope, names, plural_of, selectors, usage};
use std::collections::BTreeSet;

/// What an object does to the usage.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// The object is new.
    Create,
    /// It was like this before.
    Update(&'a Object),
}

/// Resources and scopes that may be used only where a quota covers them (`AdmissionConfiguration`, `limitedResources`).
#[derive(Clone, Debug, Default)]
pub struct LimitedResource {
    /// The plural name of the kind.
    pub resource: String,
    /// Resources whose name contains one of these.
    pub match_contains: Vec<String>,
    /// Scopes.
    pub match_scopes: Vec<ScopedResourceSelectorRequirement>,
}

/// Why a quota refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 403, with what follows `is forbidden: `.
    Forbidden(String),
    /// An error in these words.
    Other(String),
}

/// The status of each quota after the object, for those whose usage changes; the places are those in `quotas`.
///
/// # Errors
/// When a quota does not allow the object, does not know yet what is used, or a limited resource or scope has no quota
/// (`CheckRequest`).
pub fn check(
    quotas: &[ResourceQuota],
    object: &Object,
    operation: Operation<'_>,
    limited_resources: &[LimitedResource],
) -> Result<Vec<(usize, ResourceQuotaStatus)>, Refusal> {
    let limited_resources: Vec<&LimitedResource> =
        limited_resources.iter().filter(|limited| limited.resource == plural_of(object)).collect();
    if matches!(operation, Operation::Update(_)) && !counts_updates(object) {
        return Ok(Vec::new());
    }
    let asked = usage(object);
    let (mut interesting, mut restricted, mut restricted_scopes) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (index, quota) in quotas.iter().enumerate() {
        let selectors = selectors(quota);
        restricted_scopes.extend(selectors.iter().filter(|selector| matches_scope(selector, object)).cloned());
        if !matches(quota, object) {
            continue;
        }
        let of_quota = limited(object, &quota.status.hard);
        let forbidden = |why: String| Refusal::Forbidden(why);
        constraints(object, &of_quota).map_err(|why| forbidden(format!("failed quota: {}: {why}", quota.metadata.name)))?;
        if of_quota.iter().any(|name| !quota.status.used.contains_key(name)) {
            let resources = of_quota.iter().cloned().collect::<Vec<_>>().join(",");
            return Err(forbidden(format!("status unknown for quota: {}, resources: {resources}", quota.metadata.name)));
        }
        interesting.push(index);
        restricted.extend(of_quota);
    }
    let negative: Vec<&str> = asked.iter().filter(|(_, amount)| is_negative(amount)).map(|(name, _)| name.as_str()).collect();
    if !negative.is_empty() {
        return Err(Refusal::Forbidden(format!("quota usage is negative for resource(s): {}", negative.join(","))));
    }
    let charge = charge(&asked, operation);
    if charge.is_empty() {
        return Ok(Vec::new());
    }
    covered(&limited_resources, object, &asked, &restricted, &restricted_scopes)?;
    interesting.into_iter().map(|index| Ok((index, charged(&quotas[index], &charge)?))).collect()
}

/// Whether a quota limits something that the object uses, and the object is of its scopes.
fn matches(quota: &ResourceQuota, object: &Object) -> bool {
    !limited(object, &quota.status.hard).is_empty() && selectors(quota).iter().all(|selector| matches_scope(selector, object))
}

/// What is used more than before. An object that was never stored was not charged for.
fn charge(asked: &ResourceList, operation: Operation<'_>) -> ResourceList {
    let mut charge = asked.clone();
    if let Operation::Update(old) = operation
        && old.metadata().resource_version.0 != 0
    {
        for (name, before) in usage(old) {
            if let Some(amount) = charge.get_mut(&name) {
                amount.sub(before);
            }
        }
    }
    charge.retain(|_, amount| !amount.is_zero() && !is_negative(amount));
    charge
}

/// Whether everything that is limited by default has a quota.
fn covered(
    limited_resources: &[&LimitedResource],
    object: &Object,
    asked: &ResourceList,
    restricted: &BTreeSet<String>,
    restricted_scopes: &[ScopedResourceSelectorRequirement],
) -> Result<(), Refusal> {
    let used = || asked.iter().filter(|(_, amount)| !amount.is_zero() && !is_negative(amount)).map(|(name, _)| name);
    let mut bare = BTreeSet::new();
    for limited in limited_resources {
        let means = |name: &&String| limited.match_contains.iter().any(|part| name.contains(part.as_str()));
        bare.extend(used().filter(means).filter(|name| !restricted.contains(*name)).cloned());
    }
    if !bare.is_empty() {
        let bare = bare.into_iter().collect::<Vec<_>>().join(",");
        return Err(Refusal::Forbidden(format!("insufficient quota to consume: {bare}")));
    }
    let wanted = limited_resources.iter().flat_map(|limited| &limited.match_scopes).filter(|scope| matches_scope(scope, object));
    let missing = wanted.filter(|scope| !restricted_scopes.iter().any(|covered| covered.scope_name == scope.scope_name));
    let missing: Vec<String> =
        missing.map(|scope| format!("{{{} {} [{}]}}", scope.scope_name, scope.operator, scope.values.join(" "))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refusal::Other(format!("insufficient quota to match these scopes: [{}]", missing.join(" "))))
}

/// The status of a quota with a charge.
fn charged(quota: &ResourceQuota, charge: &ResourceList) -> Result<ResourceQuotaStatus, Refusal> {
    let mut status = quota.status.clone();
    let requested = mask(charge, &names(&status.hard));
    let mut exceeded = BTreeSet::new();
    for (name, amount) in &requested {
        let used = status.used.entry(name.clone()).or_default();
        used.add(*amount);
        if status.hard.get(name).is_some_and(|hard| *used > *hard) {
            exceeded.insert(name.clone());
        }
    }
    if exceeded.is_empty() {
        return Ok(status);
    }
    let print = |list: &ResourceList| {
        let list = mask(list, &exceeded);
        list.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(",")
    };
    Err(Refusal::Forbidden(format!(
        "exceeded quota: {}, requested: {}, used: {}, limited: {}",
        quota.metadata.name,
        print(&requested),
        print(&quota.status.used),
        print(&quota.status.hard)
    )))
}
