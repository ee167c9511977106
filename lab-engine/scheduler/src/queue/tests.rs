//! The queue with the plugins of the default profile.

use super::*;
use crate::config::Profiles;
use crate::testing::{node, pod};
use serde_json::json;

const SECOND: u64 = 1_000_000_000;

fn at(seconds: u64) -> Time {
    Time::from_secs(seconds)
}

/// A queue with the default profile's plugins.
struct Bench {
    queue: SchedulingQueue,
    framework: Profiles,
}

impl Bench {
    fn new() -> Self {
        Bench { queue: SchedulingQueue::default(), framework: Profiles::default() }
    }

    fn add(&mut self, now: u64, info: &Arc<PodInfo>) {
        self.queue.add(at(now), info.clone(), &self.framework);
    }

    fn pop(&mut self, now: u64) -> Option<QueuedPod> {
        self.queue.pop(at(now))
    }

    /// The names in the order in which they come out.
    fn names(&mut self, now: u64) -> Vec<String> {
        std::iter::from_fn(|| self.pop(now)).map(|queued| queued.info.pod.metadata.name.clone()).collect()
    }

    /// Takes the first Pod out and puts it back, refused by this plugin.
    fn refuse(&mut self, now: u64, by: &'static str) {
        let queued = self.pop(now).expect("a Pod is ready");
        self.queue.add_unschedulable(at(now), queued.refused(BTreeSet::from([by])), false, &self.framework);
    }

    /// Takes the first Pod out and puts it back after an error.
    fn fail(&mut self, now: u64) {
        let queued = self.pop(now).expect("a Pod is ready");
        self.queue.add_unschedulable(at(now), queued, true, &self.framework);
    }

    fn happened(&mut self, now: u64, event: &ClusterEvent<'_>) {
        self.queue.happened(at(now), event, &self.framework);
    }
}

fn important(name: &str, priority: i32) -> Arc<PodInfo> {
    pod(name).priority(priority).info()
}

#[test]
fn higher_priority_comes_first_then_the_longer_wait() {
    let mut bench = Bench::new();
    bench.add(1, &important("late", 0));
    bench.add(0, &important("early", 0));
    bench.add(2, &important("urgent", 10));
    bench.add(1, &important("late-too", 0));
    assert_eq!(bench.names(3), ["urgent", "early", "late", "late-too"]);
}

#[test]
fn a_pod_that_fits_no_node_waits_for_an_event_that_helps_it() {
    let mut bench = Bench::new();
    bench.add(0, &pod("web").cpu(2000).info());
    bench.refuse(0, "NodeResourcesFit");
    assert!(bench.pop(1).is_none());
    let small = node("small").cpu(1000).build();
    bench.happened(1, &ClusterEvent::NodeAdd(&small));
    assert!(bench.pop(1).is_none(), "the node is too small");
    let large = node("large").build();
    bench.happened(1, &ClusterEvent::NodeAdd(&large));
    assert_eq!(bench.names(1), ["web"]);
}

#[test]
fn only_the_plugins_that_refused_are_asked() {
    let mut bench = Bench::new();
    bench.add(0, &pod("web").info());
    bench.refuse(0, "TaintToleration");
    let gone = pod("other").on("n").info();
    bench.happened(1, &ClusterEvent::AssignedPodDelete(&gone));
    assert!(bench.pop(1).is_none(), "no taint goes with a Pod");
    let clean = node("n").build();
    bench.happened(1, &ClusterEvent::NodeUpdate(&clean));
    assert_eq!(bench.names(1), ["web"]);
}

#[test]
fn the_pause_doubles_up_to_ten_seconds_and_ready_pods_go_first() {
    let mut bench = Bench::new();
    bench.add(0, &pod("web").info());
    let mut now = 0;
    for pause in [1, 2, 4, 8, 10, 10] {
        bench.refuse(now, "NodeResourcesFit");
        let gone = pod("other").on("n").info();
        bench.happened(now, &ClusterEvent::AssignedPodDelete(&gone));
        // Another Pod is ready, so the first is not taken before its pause is over.
        bench.add(now, &pod("ready").info());
        assert_eq!(bench.pop(now + pause - 1).map(|queued| queued.info.pod.metadata.name.clone()).as_deref(), Some("ready"));
        assert!(
            matches!(bench.queue.entries.values().next().map(|entry| entry.place), Some(Place::Backoff(end, _)) if end == at(now + pause))
        );
        now += pause;
    }
}

#[test]
fn the_pause_is_cut_short_while_nothing_else_is_to_do_but_not_after_errors() {
    let mut bench = Bench::new();
    bench.add(0, &pod("web").info());
    bench.refuse(0, "NodeResourcesFit");
    let gone = pod("other").on("n").info();
    bench.happened(0, &ClusterEvent::AssignedPodDelete(&gone));
    assert_eq!(bench.queue.next_wake(), None, "it is taken at once");
    bench.fail(0);
    assert!(bench.pop(0).is_none());
    assert_eq!(bench.queue.next_wake(), Some(at(1)));
    bench.fail(1);
    assert!(bench.pop(2).is_none());
    assert_eq!(bench.names(3), ["web"]);
}

#[test]
fn the_ends_of_pauses_are_whole_seconds() {
    let mut bench = Bench::new();
    let late = Time::from_nanos(SECOND * 7 / 2);
    bench.add(0, &pod("web").info());
    let queued = bench.pop(0).expect("it is ready");
    bench.queue.add_unschedulable(late, queued, true, &bench.framework);
    // 3.5 s and a pause of 1 s.
    assert_eq!(bench.queue.next_wake(), Some(at(4)));
}

#[test]
fn after_five_minutes_a_pod_is_tried_without_an_event() {
    let mut bench = Bench::new();
    bench.add(10, &pod("web").info());
    bench.refuse(10, "NodeResourcesFit");
    // 310 s, and the queue looks every 30 s.
    assert_eq!(bench.queue.next_wake(), Some(at(330)));
    assert!(bench.pop(329).is_none());
    assert_eq!(bench.names(330), ["web"]);
    assert_eq!(bench.queue.next_wake(), None);
}

#[test]
fn a_gated_pod_comes_in_when_its_gates_are_off_and_not_by_events_or_time() {
    let mut bench = Bench::new();
    let gated = pod("web").spec("schedulingGates", json!([{"name": "x.io/a"}])).info();
    bench.add(0, &gated);
    let large = node("n").build();
    bench.happened(1, &ClusterEvent::NodeAdd(&large));
    assert_eq!((bench.names(1_000).len(), bench.queue.next_wake()), (0, None));
    let free = pod("web").info();
    bench.queue.update(at(1_000), &gated, free, &bench.framework);
    assert_eq!(bench.names(1_000), ["web"]);
}

#[test]
fn a_change_of_the_pod_itself_helps_if_the_plugin_says_so() {
    let mut bench = Bench::new();
    let before = pod("web").info();
    bench.add(0, &before);
    bench.refuse(0, "TaintToleration");
    let labelled = pod("web").spec("terminationGracePeriodSeconds", json!(5)).info();
    bench.queue.update(at(5), &before, labelled.clone(), &bench.framework);
    assert!(bench.pop(5).is_none());
    let tolerant = pod("web").spec("tolerations", json!([{"operator": "Exists"}])).info();
    bench.queue.update(at(5), &labelled, tolerant, &bench.framework);
    let queued = bench.pop(5).expect("it may fit now");
    assert_eq!(queued.info.pod.spec.tolerations.len(), 1);
}

#[test]
fn a_deleted_pod_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let web = pod("web").info();
    bench.add(0, &web);
    bench.refuse(0, "NodeResourcesFit");
    bench.queue.nominator.nominate(web.clone(), &"n".into());
    bench.queue.delete(&web.key);
    let queue = &bench.queue;
    assert!(queue.entries.is_empty() && queue.waiting.is_empty() && queue.unschedulable.is_empty());
    assert_eq!((queue.next_wake(), queue.nominator.node_of(&web.key), queue.nominator.on("n").count()), (None, None, 0));
}

#[test]
fn the_status_tells_where_a_pod_waits_for_room() {
    let mut bench = Bench::new();
    let told = pod("web").status(json!({"nominatedNodeName": "n"})).info();
    bench.add(0, &told);
    assert_eq!(bench.queue.nominator.node_of(&told.key).map(AsRef::as_ref), Some("n"));
    bench.queue.update(at(1), &told, pod("web").info(), &bench.framework);
    assert_eq!(bench.queue.nominator.node_of(&told.key), None);
}
