//! A change of a Deployment's size in the midst of a rollout, spread over its versions in proportion (`scale` in `sync.go`,
//! `GetReplicaSetProportion`).

use super::rolling::{desired, is_rolling, max_surge, size};
use super::{DESIRED_REPLICAS, MAX_REPLICAS};
use api::apps::{Deployment, ReplicaSet};
use std::cmp::Reverse;
use std::sync::Arc;

fn annotated(rs: &ReplicaSet, key: &str) -> Option<i32> {
    rs.metadata.annotations.get(key)?.parse().ok()
}

/// Whether the Deployment's size changed since its ReplicaSets were last given theirs (`isScalingEvent`).
pub(crate) fn is_scaling_event(deployment: &Deployment, all: &[Arc<ReplicaSet>]) -> bool {
    let changed = |rs: &Arc<ReplicaSet>| annotated(rs, DESIRED_REPLICAS).is_some_and(|known| known != desired(deployment));
    all.iter().filter(|rs| size(rs) > 0).any(changed)
}

/// Whether the new version is complete (`IsSaturated`).
fn is_saturated(deployment: &Deployment, new: &ReplicaSet) -> bool {
    let wanted = desired(deployment);
    size(new) == wanted && annotated(new, DESIRED_REPLICAS) == Some(wanted) && new.status.available_replicas.unwrap_or(0) == wanted
}

/// By how much a ReplicaSet would grow or shrink if it kept its share of the Deployment (`GetReplicaSetFraction`).
pub fn fraction(deployment: &Deployment, rs: &ReplicaSet) -> i32 {
    if desired(deployment) == 0 {
        return -size(rs);
    }
    let known = annotated(rs, MAX_REPLICAS).filter(|known| *known != 0).or(deployment.status.replicas).unwrap_or(0);
    if known == 0 {
        // What the share is of is not known yet.
        return 0;
    }
    let most = i64::from(desired(deployment)) + i64::from(max_surge(deployment));
    let share = rounded(i64::from(size(rs)) * most, i64::from(known));
    i32::try_from(share).unwrap_or(i32::MAX) - size(rs)
}

/// The quotient to the nearest whole number, halves away from zero (`RoundToInt32`).
fn rounded(numerator: i64, denominator: i64) -> i64 {
    let quotient = numerator / denominator;
    if (numerator % denominator).abs() * 2 >= denominator.abs() { quotient + numerator.signum() * denominator.signum() } else { quotient }
}

/// The one version there is something of; the newest when there is nothing of any (`FindActiveOrLatest`).
fn active_or_latest<'v>(new: Option<&'v Arc<ReplicaSet>>, old: &'v [Arc<ReplicaSet>]) -> Option<&'v Arc<ReplicaSet>> {
    let mut active = old.iter().chain(new).filter(|rs| size(rs) > 0);
    match (active.next(), active.next()) {
        (None, _) => new.or(old.last()),
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// The ReplicaSets that should be written, with their new sizes; `old` is oldest first.
pub fn scale(deployment: &Deployment, new: Option<&Arc<ReplicaSet>>, old: &[Arc<ReplicaSet>]) -> Vec<(Arc<ReplicaSet>, i32)> {
    if let Some(only) = active_or_latest(new, old) {
        let wanted = desired(deployment);
        return if size(only) == wanted { Vec::new() } else { vec![(only.clone(), wanted)] };
    }
    let active = |rs: &&Arc<ReplicaSet>| size(rs) > 0;
    if new.is_some_and(|new| is_saturated(deployment, new)) {
        return old.iter().filter(active).map(|rs| (rs.clone(), 0)).collect();
    }
    if !is_rolling(deployment) {
        return Vec::new();
    }
    let mut all: Vec<Arc<ReplicaSet>> = old.iter().chain(new).filter(active).cloned().collect();
    let allowed = if desired(deployment) > 0 { desired(deployment).saturating_add(max_surge(deployment)) } else { 0 };
    let to_add = allowed.saturating_sub(all.iter().map(|rs| size(rs)).fold(0, i32::saturating_add));
    // The largest first; of equal ones the newer when there is something to give, the older when there is something to take.
    if to_add > 0 {
        all.sort_by_key(|rs| Reverse((size(rs), rs.metadata.creation_timestamp)));
    } else {
        all.sort_by_key(|rs| (Reverse(size(rs)), rs.metadata.creation_timestamp));
    }
    let mut left = to_add;
    let mut sizes: Vec<i32> = Vec::new();
    for rs in &all {
        let share = fraction(deployment, rs);
        let share = if to_add > 0 { share.min(left) } else { share.max(left) };
        let share = if left == 0 { 0 } else { share };
        sizes.push(size(rs).saturating_add(share));
        left -= share;
    }
    // Rounding leaves a rest, which the largest gets.
    if let Some(first) = sizes.first_mut() {
        *first = first.saturating_add(left).max(0);
    }
    all.into_iter().zip(sizes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    fn rs(name: &str, size: i32, most: i32, day: u32) -> Arc<ReplicaSet> {
        let annotations = json!({MAX_REPLICAS: most.to_string(), DESIRED_REPLICAS: (most - 2).to_string()});
        let created = format!("2026-06-{day:02}T08:00:00Z");
        let metadata = json!({"name": name, "creationTimestamp": created, "annotations": annotations});
        Arc::new(decode(json!({"metadata": metadata, "spec": {"replicas": size}})).unwrap())
    }

    fn deployment(replicas: i32) -> Deployment {
        decode(json!({"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2}}}})).unwrap()
    }

    fn scaled(replicas: i32, new: i32, old: i32) -> Vec<(String, i32)> {
        let (new, old) = (rs("new", new, 12, 2), [rs("old", old, 12, 1)]);
        let sizes = scale(&deployment(replicas), Some(&new), &old);
        sizes.into_iter().map(|(rs, to)| (rs.metadata.name.clone(), to)).collect()
    }

    #[test]
    fn each_version_keeps_its_share() {
        let sizes = |new: i32, old: i32| vec![("new".to_owned(), new), ("old".to_owned(), old)];
        assert_eq!(scaled(20, 6, 6), sizes(11, 11));
        assert_eq!(scaled(4, 9, 3), sizes(4, 2));
        assert_eq!(scaled(0, 9, 3), sizes(0, 0));
    }

    #[test]
    fn the_only_version_takes_all() {
        assert_eq!(scaled(5, 0, 10), [("old".to_owned(), 5)]);
        assert_eq!(scaled(5, 0, 0), [("new".to_owned(), 5)]);
        assert_eq!(scaled(10, 10, 0), []);
    }

    #[test]
    fn a_size_that_the_versions_do_not_know_is_a_scaling_event() {
        let versions = [rs("a", 3, 5, 1), rs("b", 0, 9, 1)];
        assert!(!is_scaling_event(&deployment(3), &versions) && is_scaling_event(&deployment(4), &versions));
    }

    #[test]
    fn halves_round_away_from_zero() {
        assert_eq!((rounded(5, 2), rounded(7, 3), rounded(8, 3), rounded(-5, 2)), (3, 2, 3, -3));
    }
}
