//! When a node last gave a sign of life, and what becomes of its conditions when it does not (`tryUpdateNodeHealth`).

use api::core::Node;
use api::meta::{Condition, MicroTime, Timestamp, condition};
use sim::Time;
use std::time::Duration;

/// How long a kubelet may be silent (`--node-monitor-grace-period`, 50 s since v1.32).
pub(crate) const MONITOR_GRACE: Duration = Duration::from_secs(50);
/// How long a new node may take for its first status (`--node-startup-grace-period`).
pub(crate) const STARTUP_GRACE: Duration = Duration::from_secs(60);

/// The conditions that only a kubelet can know.
const REPORTED: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// What the controller last saw of a node. It goes by its own clock, not by the times that the kubelet writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// When the last sign of life was seen.
    probe: Time,
    /// The status of the condition Ready and when the kubelet reported it; `None` before its first report.
    ready: Option<(String, Option<Timestamp>)>,
    /// The last renewal of the node's Lease.
    renewed: Option<MicroTime>,
}

impl Health {
    /// What is seen of a node for the first time.
    pub(crate) fn first(now: Time, node: &Node) -> Self {
        let never_reported = condition(&node.status.conditions, "Ready").is_none();
        let created = node.metadata.creation_timestamp.map_or(now, |at| at.0);
        Health { probe: if never_reported { created } else { now }, ready: None, renewed: None }
    }

    /// Takes a new look; a report or a renewal that was not there before is a sign of life.
    pub(crate) fn look(&mut self, now: Time, node: &Node, renewed: Option<MicroTime>) {
        let seen = condition(&node.status.conditions, "Ready").map(|ready| (ready.status.clone(), ready.last_heartbeat_time));
        if seen.as_ref().map(|(_, at)| at) != self.ready.as_ref().map(|(_, at)| at) {
            self.probe = now;
        }
        self.ready = seen;
        if renewed > self.renewed {
            self.renewed = renewed;
            self.probe = now;
        }
    }

    /// Whether the node gave no sign of life for too long.
    pub(crate) fn is_silent(&self, now: Time) -> bool {
        now > self.probe + if self.ready.is_some() { MONITOR_GRACE } else { STARTUP_GRACE }
    }

    /// Whether the node's kubelet reported, when it was last looked at, that it is not ready, or nothing is known of it.
    pub(crate) fn is_not_ready(&self) -> bool {
        self.ready.as_ref().is_some_and(|(status, _)| status != "True")
    }

    /// Gives the node a new chance.
    pub(crate) fn pardon(&mut self, now: Time) {
        self.probe = now;
    }
}

/// The node with all that its kubelet reported Unknown; `None` when it is so already.
pub(crate) fn unknown(now: Time, node: &Node) -> Option<Node> {
    let mut changed = node.clone();
    for type_ in REPORTED {
        match changed.status.conditions.iter_mut().find(|condition| condition.type_ == type_) {
            None => changed.status.conditions.push(Condition {
                type_: type_.to_owned(),
                status: "Unknown".to_owned(),
                reason: "NodeStatusNeverUpdated".to_owned(),
                message: "Kubelet never posted node status.".to_owned(),
                last_heartbeat_time: node.metadata.creation_timestamp,
                last_transition_time: Some(now.into()),
                ..Condition::default()
            }),
            Some(condition) if condition.status != "Unknown" => {
                condition.status = "Unknown".to_owned();
                condition.reason = "NodeStatusUnknown".to_owned();
                condition.message = "Kubelet stopped posting node status.".to_owned();
                condition.last_transition_time = Some(now.into());
            }
            Some(_) => {}
        }
    }
    let ready = |node: &Node| condition(&node.status.conditions, "Ready").cloned();
    (ready(&changed) != ready(node)).then_some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    const SECOND: fn(u64) -> Time = Time::from_secs;

    fn node(heartbeat: &str) -> Node {
        let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": heartbeat});
        decode(json!({"metadata": {"name": "a", "creationTimestamp": "2026-05-04T08:00:00Z"}, "status": {"conditions": [ready]}})).unwrap()
    }

    #[test]
    fn a_report_or_a_renewal_is_a_sign_of_life() {
        let first = node("2026-05-04T08:00:00Z");
        let mut health = Health::first(SECOND(10), &first);
        health.look(SECOND(10), &first, None);
        assert!(!health.is_silent(SECOND(60)) && health.is_silent(SECOND(61)));
        health.look(SECOND(20), &first, Some(MicroTime(SECOND(15))));
        assert!(!health.is_silent(SECOND(70)));
        health.look(SECOND(30), &first, Some(MicroTime(SECOND(15))));
        assert!(health.is_silent(SECOND(71)), "an old renewal is no sign");
        health.look(SECOND(40), &node("2026-05-04T08:00:40Z"), Some(MicroTime(SECOND(15))));
        assert!(!health.is_silent(SECOND(90)) && health.is_silent(SECOND(91)));
    }

    #[test]
    fn a_node_that_never_reported_has_a_minute_from_its_creation() {
        let mut silent = node("2026-05-04T08:00:00Z");
        silent.status.conditions.clear();
        let mut health = Health::first(SECOND(30), &silent);
        health.look(SECOND(30), &silent, None);
        assert!(!health.is_silent(SECOND(60)) && health.is_silent(SECOND(61)) && !health.is_not_ready());
        let unknown = unknown(SECOND(61), &silent).unwrap().status.conditions;
        assert_eq!(unknown.iter().map(|condition| condition.type_.as_str()).collect::<Vec<_>>(), REPORTED);
        assert!(unknown.iter().all(|condition| condition.reason == "NodeStatusNeverUpdated"));
    }

    #[test]
    fn what_was_reported_becomes_unknown_once() {
        let changed = unknown(SECOND(90), &node("2026-05-04T08:00:10Z")).unwrap();
        let ready = condition(&changed.status.conditions, "Ready").unwrap();
        assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("Unknown", "NodeStatusUnknown"));
        assert_eq!(ready.message, "Kubelet stopped posting node status.");
        assert_eq!((ready.last_heartbeat_time, ready.last_transition_time), (Some(SECOND(10).into()), Some(SECOND(90).into())));
        assert!(unknown(SECOND(95), &changed).is_none());
    }
}
