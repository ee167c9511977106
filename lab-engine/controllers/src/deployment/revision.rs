//! Revisions: which version came when, kept in annotations (`SetNewReplicaSetAnnotations` in `util/deployment_util.go`).

use super::rolling::size;
use super::{DESIRED_REPLICAS, MAX_REPLICAS};
use api::apps::{Deployment, ReplicaSet};
use std::sync::Arc;

/// The number of a version.
pub(crate) const REVISION: &str = "deployment.kubernetes.io/revision";
/// The numbers that a version had before a rollback brought it back.
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// The longest history that is kept (`maxRevHistoryLengthInChars`).
const MAX_HISTORY_LENGTH: usize = 2000;

/// Annotations of a Deployment that are not its ReplicaSets' (`annotationsToSkip`).
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];

/// The number of a version; 0 when it has none.
pub(crate) fn revision(rs: &ReplicaSet) -> i64 {
    rs.metadata.annotations.get(REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The number that the new version should have.
pub(crate) fn next_revision(old: &[Arc<ReplicaSet>]) -> i64 {
    old.iter().map(|rs| revision(rs)).max().unwrap_or(0).saturating_add(1)
}

/// Gives the new version the Deployment's annotations and, if that is higher, the number `wanted`; a number that it had goes into its
/// history.
pub(crate) fn annotate(deployment: &Deployment, rs: &mut ReplicaSet, wanted: i64) {
    let inherited = deployment.metadata.annotations.iter().filter(|(key, _)| !OWN.contains(&key.as_str()));
    let annotations = &mut rs.metadata.annotations;
    annotations.extend(inherited.map(|(key, value)| (key.clone(), value.clone())));
    let old = annotations.get(REVISION).cloned();
    let number = old.as_deref().map_or(Ok(0), str::parse::<i64>);
    if number.is_ok_and(|number| number < wanted) {
        annotations.insert(REVISION.to_owned(), wanted.to_string());
        if let Some(old) = old {
            let history = annotations.get(REVISION_HISTORY).map_or("", String::as_str);
            let history = extended(history, &old);
            annotations.insert(REVISION_HISTORY.to_owned(), history);
        }
    }
}

/// The history with one more number; the oldest go when it gets too long.
fn extended(history: &str, number: &str) -> String {
    if history.is_empty() {
        return number.to_owned();
    }
    let mut kept = history;
    while kept.len() + number.len() + 1 > MAX_HISTORY_LENGTH {
        let Some((_, rest)) = kept.split_once(',') else { return number.to_owned() };
        kept = rest;
    }
    format!("{kept},{number}")
}

/// The old ReplicaSets that go because there are more than `revisionHistoryLimit` (`cleanupDeployment`).
pub fn beyond_history<'v>(deployment: &Deployment, old: &'v [Arc<ReplicaSet>]) -> Vec<&'v Arc<ReplicaSet>> {
    let Some(limit) = deployment.spec.revision_history_limit.filter(|limit| *limit != i32::MAX) else { return Vec::new() };
    let mut kept: Vec<&Arc<ReplicaSet>> = old.iter().filter(|rs| !rs.metadata.is_deleting()).collect();
    let excess = kept.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    kept.sort_by_key(|rs| (revision(rs), rs.metadata.creation_timestamp, rs.metadata.name.clone()));
    let is_seen = |rs: &ReplicaSet| rs.metadata.generation.unwrap_or(0) <= rs.status.observed_generation.unwrap_or(0);
    let is_empty = |rs: &&Arc<ReplicaSet>| size(rs) == 0 && rs.status.replicas == 0 && is_seen(rs);
    kept.into_iter().take(excess).filter(is_empty).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    fn annotated(deployment: Value, rs: Value, wanted: i64) -> Value {
        let deployment: Deployment = decode(json!({"metadata": {"annotations": deployment}})).unwrap();
        let mut rs: ReplicaSet = decode(json!({"metadata": {"annotations": rs}})).unwrap();
        annotate(&deployment, &mut rs, wanted);
        json!(rs.metadata.annotations)
    }

    #[test]
    fn a_rollback_keeps_the_numbers_that_were() {
        let rs = json!({REVISION: "2", REVISION_HISTORY: "1"});
        assert_eq!(annotated(json!({}), rs.clone(), 5), json!({REVISION: "5", REVISION_HISTORY: "1,2"}));
        assert_eq!(annotated(json!({}), rs.clone(), 2), rs);
        assert_eq!(annotated(json!({}), json!({REVISION: "9"}), 10), json!({REVISION: "10", REVISION_HISTORY: "9"}));
        assert_eq!(annotated(json!({}), json!({REVISION: "x"}), 10), json!({REVISION: "x"}));
    }

    #[test]
    fn annotations_are_inherited_but_the_controllers_own() {
        let deployment =
            json!({REVISION: "7", "kubernetes.io/change-cause": "why", "kubectl.kubernetes.io/last-applied-configuration": "{}"});
        assert_eq!(annotated(deployment, json!({}), 1), json!({REVISION: "1", "kubernetes.io/change-cause": "why"}));
    }

    #[test]
    fn a_long_history_loses_its_beginning() {
        let history = vec!["1234"; 400].join(",");
        let extended = extended(&history, "99999");
        assert_eq!(extended.len(), 1999 - 5 + 6 - 5 + 5);
        assert!(extended.ends_with(",1234,99999"));
    }
}
