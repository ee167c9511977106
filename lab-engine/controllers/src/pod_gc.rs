//! The Pod garbage collector: removes Pods that nobody else will (`pkg/controller/podgc/gc_controller.go`).
//!
//! - Pods on nodes that do not exist any more, after a quarantine in which the node may show up after all;
//! - Pods on their way out whose node is off for sure (taint `node.kubernetes.io/out-of-service`) or that never had one;
//! - the oldest of too many Pods that have ended.

use crate::caches::{BY_END, BY_NODE, Caches, TERMINATED, TERMINATING};
use crate::pod_deletion::{PodDeletions, Word};
use crate::taints::OUT_OF_SERVICE;
use api::Resource;
use api::core::{Node, Pod};
use api::http::{Method, Request, ResourcePath};
use api::meta::condition_is_true;
use client::{Input, ObjectKey, Outbox, RequestId, WorkQueue};
use sim::{Time, What};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The pause between two looks (`gcCheckPeriod`).
const CHECK_PERIOD: Duration = Duration::from_secs(20);
/// How long a node that is missing may take to show up (`quarantineTime`).
const QUARANTINE: Duration = Duration::from_secs(40);
/// So many Pods that have ended may stay (`--terminated-pod-gc-threshold`).
const TERMINATED_THRESHOLD: usize = 12_500;

/// A Pod is given up.
const FAIL: Word = Word { fail: true, disruption: None };
/// A Pod's node is gone.
const ORPHANED: Word = Word { fail: true, disruption: Some(("DeletionByPodGC", "PodGC: node no longer exists")) };

/// Removes Pods that nobody else will.
#[derive(Debug)]
pub(crate) struct PodGc {
    name: Arc<str>,
    agent: Arc<str>,
    next_look: Option<Time>,
    /// Nodes that Pods name and that are not there.
    missing: WorkQueue<String>,
    /// Questions whether a node exists.
    questions: BTreeMap<RequestId, String>,
    deletions: PodDeletions,
}

impl PodGc {
    /// A collector with nothing to do.
    pub(crate) fn new(agent: &Arc<str>) -> Self {
        PodGc {
            name: "pod-garbage-collector-controller".into(),
            agent: agent.clone(),
            next_look: None,
            missing: WorkQueue::default(),
            questions: BTreeMap::new(),
            deletions: PodDeletions::new(agent),
        }
    }

    /// Takes an answer; whether it was for the collector.
    pub(crate) fn handle(&mut self, now: Time, input: &Input, caches: &Caches, out: &mut Outbox) -> bool {
        if self.deletions.handle(input, out).is_some() {
            return true;
        }
        let Input::Response(id, answer) = input else { return false };
        let Some(node) = self.questions.remove(id) else { return false };
        if answer.as_ref().is_ok_and(|response| response.code == 404) {
            for pod in caches.pods.lister().by_index(BY_NODE, &node) {
                self.collect(now, pod, ORPHANED, "delete it: its node no longer exists", out);
            }
        }
        true
    }

    /// Looks at the Pods when it is time (`gc`).
    pub(crate) fn work(&mut self, now: Time, caches: &Caches, out: &mut Outbox) {
        if self.next_look.is_some_and(|at| at > now) {
            return;
        }
        self.next_look = Some(now + CHECK_PERIOD);
        let terminated: Vec<&Arc<Pod>> = caches.pods.lister().by_index(BY_END, TERMINATED).collect();
        for pod in excess(terminated, TERMINATED_THRESHOLD) {
            self.collect(now, pod, FAIL, "delete it: too many Pods have ended", out);
        }
        for pod in caches.pods.lister().by_index(BY_END, TERMINATING) {
            let name = &pod.spec.node_name;
            if name.is_empty() {
                self.collect(now, pod, FAIL, "delete it: it is on its way out and never had a node", out);
            } else if caches.nodes.lister().get(&ObjectKey::new("", name.as_str())).is_some_and(|node| is_out_of_service(node)) {
                self.collect(now, pod, FAIL, "delete it: it is on its way out and its node is off", out);
            }
        }
        self.look_for_orphans(now, caches, out);
    }

    /// Sends nodes that are missing into quarantine, and asks for those that come out of it (`gcOrphaned`).
    fn look_for_orphans(&mut self, now: Time, caches: &Caches, out: &mut Outbox) {
        let is_missing = |name: &str| caches.nodes.lister().get(&ObjectKey::new("", name)).is_none();
        for name in caches.pods.lister().index_values(BY_NODE).filter(|name| is_missing(name)) {
            self.missing.add_after(now, name.to_owned(), QUARANTINE);
        }
        while let Some(name) = self.missing.get(now) {
            if is_missing(&name) {
                let question = Request::new(Method::Get, ResourcePath::object(Node::INFO, "", &name)).agent(&self.agent);
                self.questions.insert(out.request(question), name.clone());
            }
            self.missing.done(&name);
        }
    }

    fn collect(&mut self, now: Time, pod: &Arc<Pod>, word: Word, decision: &str, out: &mut Outbox) {
        if self.deletions.start(now, pod, word, true, out) {
            out.trace_as(&self.name, What::Reconciled { object: pod.object_ref(), decision: decision.into() });
        }
    }

    /// When it wants to be woken next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.next_look
    }
}

fn is_out_of_service(node: &Node) -> bool {
    !condition_is_true(&node.status.conditions, "Ready") && node.spec.taints.iter().any(|taint| taint.key == OUT_OF_SERVICE)
}

/// The Pods beyond the threshold: evicted ones first, then the oldest (`byEvictionAndCreationTimestamp`).
fn excess(mut pods: Vec<&Arc<Pod>>, threshold: usize) -> Vec<&Arc<Pod>> {
    let count = pods.len().saturating_sub(threshold);
    if count > 0 {
        let evicted = |pod: &Pod| pod.status.phase == "Failed" && pod.status.reason == "Evicted";
        pods.sort_by_key(|pod| (!evicted(pod), pod.metadata.creation_timestamp, pod.metadata.name.clone()));
    }
    pods.truncate(count);
    pods
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    #[test]
    fn evicted_pods_go_first_then_the_oldest() {
        let pod = |name: &str, minute: u32, reason: &str| -> Arc<Pod> {
            let created = format!("2026-05-04T08:{minute:02}:00Z");
            let status = json!({"phase": "Failed", "reason": reason});
            Arc::new(decode(json!({"metadata": {"name": name, "creationTimestamp": created}, "status": status})).unwrap())
        };
        let pods = [pod("a", 2, ""), pod("b", 1, ""), pod("c", 3, "Evicted"), pod("d", 1, "")];
        let names =
            |threshold| excess(pods.iter().collect(), threshold).into_iter().map(|pod| pod.metadata.name.as_str()).collect::<Vec<_>>();
        assert_eq!(names(1), ["c", "b", "d"]);
        assert_eq!(names(4), [""; 0]);
    }

    #[test]
    fn a_node_is_off_when_someone_says_so_and_it_is_not_ready() {
        let node = |ready: &str, taint: &str| -> Node {
            let taints = json!([{"key": taint, "effect": "NoExecute"}]);
            decode(json!({"spec": {"taints": taints}, "status": {"conditions": [{"type": "Ready", "status": ready}]}})).unwrap()
        };
        assert!(is_out_of_service(&node("Unknown", OUT_OF_SERVICE)));
        assert!(!is_out_of_service(&node("True", OUT_OF_SERVICE)) && !is_out_of_service(&node("False", "other")));
    }
}
