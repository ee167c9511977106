//! The arithmetic of a rolling update (`pkg/controller/deployment/rolling.go` and `util/deployment_util.go`).

use api::apps::{Deployment, ReplicaSet};
use api::intstr::IntOrString;
use std::sync::Arc;

/// How many Pods a ReplicaSet should have.
pub fn size(rs: &ReplicaSet) -> i32 {
    rs.spec.replicas.unwrap_or(1)
}

/// How many Pods the Deployment should have.
pub fn desired(deployment: &Deployment) -> i32 {
    deployment.spec.replicas.unwrap_or(1)
}

/// Whether the Deployment replaces Pods step by step.
pub(crate) fn is_rolling(deployment: &Deployment) -> bool {
    deployment.spec.strategy.type_ != "Recreate"
}

/// `(maxSurge, maxUnavailable)` as numbers; both zero would be a standstill, then one may be missing (`ResolveFenceposts`).
///
/// # Errors
/// The message of upstream for a text that is no percentage; validation does not let one in.
pub fn resolve_fenceposts(deployment: &Deployment) -> Result<(i32, i32), String> {
    let bounds = deployment.spec.strategy.rolling_update.as_ref();
    let scaled = |bound: Option<&IntOrString>, up| bound.map_or(Ok(0), |bound| bound.scaled(desired(deployment), up));
    let surge = scaled(bounds.and_then(|b| b.max_surge.as_ref()), true)?;
    let unavailable = scaled(bounds.and_then(|b| b.max_unavailable.as_ref()), false)?;
    Ok(if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) })
}

/// The bounds; nothing more and nothing less than wanted when they cannot be read.
fn fenceposts(deployment: &Deployment) -> (i32, i32) {
    resolve_fenceposts(deployment).unwrap_or((0, 0))
}

/// How many Pods may be too many (`MaxSurge`).
pub(crate) fn max_surge(deployment: &Deployment) -> i32 {
    if is_rolling(deployment) { fenceposts(deployment).0 } else { 0 }
}

/// How many Pods may be missing (`MaxUnavailable`).
pub fn max_unavailable(deployment: &Deployment) -> i32 {
    if is_rolling(deployment) { fenceposts(deployment).1.min(desired(deployment)) } else { 0 }
}

/// How many Pods must be available (`MinAvailable`); none while the strategy is Recreate.
pub fn min_available(deployment: &Deployment) -> i32 {
    if is_rolling(deployment) { desired(deployment) - max_unavailable(deployment) } else { 0 }
}

/// The size up to which the new ReplicaSet may grow (`NewRSNewReplicas`), given the Pods of all ReplicaSets.
pub fn grown_size(deployment: &Deployment, new: i32, total: i32) -> i32 {
    let desired = desired(deployment);
    if !is_rolling(deployment) {
        return desired;
    }
    let room = desired.saturating_add(max_surge(deployment)).saturating_sub(total);
    if room <= 0 { new } else { new.saturating_add(room.min(desired.saturating_sub(new))) }
}

/// The size that the new ReplicaSet should have (`reconcileNewReplicaSet`): no more than is wanted, and as far as it may grow.
pub fn new_size(deployment: &Deployment, new: i32, total: i32) -> i32 {
    let desired = desired(deployment);
    if new >= desired { desired } else { grown_size(deployment, new, total) }
}

/// The sizes that the old ReplicaSets should have, in the given order, oldest first (`reconcileOldReplicaSets`): unhealthy Pods go
/// first, then as many as the new version allows.
pub fn old_sizes(deployment: &Deployment, new: &ReplicaSet, old: &[Arc<ReplicaSet>]) -> Vec<i32> {
    let mut sizes: Vec<i32> = old.iter().map(|rs| size(rs)).collect();
    let available = |rs: &ReplicaSet| rs.status.available_replicas.unwrap_or(0);
    let min_available = min_available(deployment);
    let new_unavailable = size(new) - available(new);
    let budget = sizes.iter().sum::<i32>() + size(new) - min_available - new_unavailable;
    if budget <= 0 {
        return sizes;
    }
    sizes = cleaned_sizes(old, budget);
    let total_available = old.iter().map(|rs| available(rs)).sum::<i32>() + available(new);
    scale_down(&mut sizes, total_available - min_available);
    sizes
}

/// The sizes of the old ReplicaSets without their unhealthy Pods, of which at most `most` go (`cleanupUnhealthyReplicas`).
pub fn cleaned_sizes(old: &[Arc<ReplicaSet>], most: i32) -> Vec<i32> {
    let mut left = most.max(0);
    let clean = |rs: &Arc<ReplicaSet>| {
        let unhealthy = (size(rs) - rs.status.available_replicas.unwrap_or(0)).clamp(0, left);
        left -= unhealthy;
        size(rs) - unhealthy
    };
    old.iter().map(clean).collect()
}

/// Takes as many Pods away as may go, of the first ReplicaSets first (`scaleDownOldReplicaSetsForRollingUpdate`).
pub fn scale_down(sizes: &mut [i32], may_go: i32) {
    let mut left = may_go.max(0);
    for size in sizes {
        let cut = (*size).min(left);
        *size -= cut;
        left -= cut;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    fn deployment(replicas: i32, surge: Value, unavailable: Value) -> Deployment {
        decode(json!({"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}}))
        .unwrap()
    }

    fn rs(size: i32, available: i32) -> Arc<ReplicaSet> {
        Arc::new(decode(json!({"spec": {"replicas": size}, "status": {"availableReplicas": available}})).unwrap())
    }

    #[test]
    fn bounds_round_apart_and_are_never_both_zero() {
        assert_eq!(fenceposts(&deployment(10, json!("25%"), json!("25%"))), (3, 2));
        assert_eq!(fenceposts(&deployment(1, json!("0%"), json!("25%"))), (0, 1));
        assert_eq!(max_unavailable(&deployment(10, json!(1), json!("120%"))), 10);
    }

    #[test]
    fn the_new_version_grows_into_the_room_there_is() {
        let new = |surge, total, new| new_size(&deployment(10, json!(surge), json!(0)), new, total);
        assert_eq!((new(0, 10, 0), new(2, 10, 0), new(2, 5, 0), new(2, 10, 2), new(2, 12, 12)), (0, 2, 7, 4, 10));
        assert_eq!(grown_size(&deployment(1, json!(1), json!(1)), 5, 5), 5);
    }

    #[test]
    fn the_old_version_shrinks_as_far_as_availability_allows() {
        let old = |unavailable, new: (i32, i32), old: (i32, i32)| {
            old_sizes(&deployment(10, json!(1), json!(unavailable)), &rs(new.0, new.1), &[rs(old.0, old.1)])[0]
        };
        assert_eq!(old(0, (0, 0), (10, 10)), 10);
        assert_eq!(old(2, (0, 0), (10, 10)), 8);
        // Two of the old are not ready: they go, and no more.
        assert_eq!(old(2, (0, 0), (10, 8)), 8);
        // The new Pods are not ready yet, so nothing of the old may go.
        assert_eq!(old(2, (2, 0), (8, 8)), 8);
        assert_eq!(old(2, (2, 2), (8, 8)), 6);
    }
}
