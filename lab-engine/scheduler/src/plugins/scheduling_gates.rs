//! `SchedulingGates`: a Pod with gates waits until all are taken off (`plugins/schedulinggates`).

use crate::framework::{ClusterEvent, Plugin, PreEnqueue, QueueingHint, Status, own_update};
use crate::pod_info::PodInfo;

/// The plugin.
#[derive(Debug)]
pub(crate) struct SchedulingGates;

impl Plugin for SchedulingGates {
    fn name(&self) -> &'static str {
        "SchedulingGates"
    }

    fn queueing_hint(&self, _pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        own_update(event, |old, new| !old.spec.scheduling_gates.is_empty() && new.spec.scheduling_gates.is_empty()).into()
    }

    fn as_pre_enqueue(&self) -> Option<&dyn PreEnqueue> {
        Some(self)
    }
}

impl PreEnqueue for SchedulingGates {
    fn pre_enqueue(&self, pod: &PodInfo) -> Result<(), Status> {
        let gates: Vec<&str> = pod.pod.spec.scheduling_gates.iter().map(|gate| gate.name.as_str()).collect();
        if gates.is_empty() {
            return Ok(());
        }
        Err(Status::unresolvable(format!("waiting for scheduling gates: [{}]", gates.join(" "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;
    use serde_json::json;

    #[test]
    fn a_gated_pod_waits() {
        assert_eq!(SchedulingGates.pre_enqueue(&pod("a").info()), Ok(()));
        let gated = pod("a").spec("schedulingGates", json!([{"name": "x.io/a"}, {"name": "x.io/b"}])).info();
        let status = SchedulingGates.pre_enqueue(&gated).expect_err("it waits");
        assert_eq!(status.message(), "waiting for scheduling gates: [x.io/a x.io/b]");
        let free = pod("a").info();
        assert_eq!(SchedulingGates.queueing_hint(&gated, &ClusterEvent::TargetPodUpdate(&gated.pod, &free.pod)), QueueingHint::Queue);
        assert_eq!(SchedulingGates.queueing_hint(&gated, &ClusterEvent::TargetPodUpdate(&gated.pod, &gated.pod)), QueueingHint::Skip);
    }
}
