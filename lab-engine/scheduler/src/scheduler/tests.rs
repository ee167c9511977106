//! The component against canned answers: no API server, no network.

use super::*;
use crate::testing::{node, pod};
use api::Object;
use api::http::{Path, Response, WatchEvent};
use api::status::Status;
use client::Action;
use sim::Seed;

/// The scheduler, its requests so far, and the watches it has open.
struct Desk {
    scheduler: Scheduler,
    next_request: u64,
    /// By path of the collection.
    watches: BTreeMap<String, RequestId>,
    /// Requests that were not looked at yet, and are no watches.
    sent: Vec<(RequestId, Request)>,
    told: Vec<What>,
}

fn path(request: &Request) -> String {
    match &request.path {
        Path::Resource(path) => path.to_string(),
        Path::Other(path) => path.clone(),
    }
}

/// What a request carries, as JSON.
fn body(request: &Request) -> Value {
    match &request.body {
        Body::Object(object) => object.to_json(),
        Body::Patch(_, change) => change.clone(),
        other => panic!("{other:?} is neither object nor patch"),
    }
}

impl Desk {
    /// A scheduler that knows these nodes and Pods.
    fn new(nodes: Vec<Arc<Node>>, pods: Vec<Arc<Pod>>) -> Self {
        let scheduler = Scheduler::new(Seed(1).stream("kube-scheduler"));
        let mut desk = Desk { scheduler, next_request: 1, watches: BTreeMap::new(), sent: Vec::new(), told: Vec::new() };
        desk.give(0, Input::Wake);
        for path in desk.watches.keys().cloned().collect::<Vec<_>>() {
            let objects: Vec<Object> = match path.as_str() {
                "/api/v1/nodes" => nodes.iter().cloned().map(Object::Node).collect(),
                "/api/v1/pods" => pods.iter().cloned().map(Object::Pod).collect(),
                _ => Vec::new(),
            };
            let end = WatchEvent::Bookmark { resource_version: 1, initial_events_end: true };
            desk.watch(0, &path, objects.into_iter().map(WatchEvent::Added).chain([end]).collect());
        }
        desk
    }

    fn give(&mut self, now: u64, input: Input) {
        let mut out = Outbox::new(self.next_request);
        self.scheduler.handle(Time::from_secs(now), input, &mut out);
        let (actions, next_request) = out.take();
        self.next_request = next_request;
        for action in actions {
            match action {
                Action::Request(id, request) if request.is_watch() => drop(self.watches.insert(path(&request), id)),
                Action::Request(id, request) => self.sent.push((id, *request)),
                Action::Trace(_, what) => self.told.push(what),
                other => panic!("{other:?} is nothing that a scheduler does"),
            }
        }
    }

    fn watch(&mut self, now: u64, path: &str, events: Vec<WatchEvent>) {
        let id = self.watches[path];
        self.give(now, Input::Watch(id, events.into()));
    }

    /// The requests of this method whose path ends so, which are taken out.
    fn taken(&mut self, method: Method, ending: &str) -> Vec<(RequestId, Request)> {
        self.sent.extract_if(.., |(_, request)| request.method == method && path(request).ends_with(ending)).collect()
    }

    /// Reason and message of the events, which are taken out.
    fn events(&mut self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let event = |(_, request): (RequestId, Request)| (text(&body(&request)["reason"]), text(&body(&request)["message"]));
        self.taken(Method::Post, "/events").into_iter().map(event).collect()
    }

    fn only(&mut self, method: Method, ending: &str) -> (RequestId, Request) {
        let mut found = self.taken(method, ending);
        assert_eq!(found.len(), 1, "{method:?} …{ending}: {found:?}");
        found.remove(0)
    }
}

fn event(reason: &str, message: &str) -> (String, String) {
    (reason.to_owned(), message.to_owned())
}

#[test]
fn nothing_is_decided_before_all_caches_are_filled() {
    let mut desk = Desk::new(Vec::new(), Vec::new());
    desk = Desk { scheduler: Scheduler::new(Seed(1).stream("kube-scheduler")), watches: BTreeMap::new(), ..desk };
    desk.give(0, Input::Wake);
    let end = || WatchEvent::Bookmark { resource_version: 1, initial_events_end: true };
    let waiting = Object::Pod(pod("web").build());
    desk.watch(0, "/api/v1/pods", vec![WatchEvent::Added(waiting), end()]);
    let small = Object::Node(node("n").build());
    desk.watch(0, "/api/v1/nodes", vec![WatchEvent::Added(small), end()]);
    assert!(desk.sent.is_empty());
    let others: Vec<String> =
        desk.watches.keys().filter(|path| !matches!(path.as_str(), "/api/v1/pods" | "/api/v1/nodes")).cloned().collect();
    assert!(others.len() > 5, "{others:?}");
    for path in others {
        assert!(desk.sent.is_empty(), "{path} is not known yet");
        desk.watch(0, &path, vec![end()]);
    }
    desk.only(Method::Post, "/pods/web/binding");
}

#[test]
fn a_pod_is_bound_to_the_better_node_and_an_event_says_so() {
    let mut desk = Desk::new(
        vec![node("empty").build(), node("busy").build()],
        vec![pod("old").cpu(3000).on("busy").build(), pod("web").cpu(500).build()],
    );
    let (id, binding) = desk.only(Method::Post, "/namespaces/default/pods/web/binding");
    assert_eq!(body(&binding)["target"], json!({"kind": "Node", "name": "empty"}));
    assert!(desk.events().is_empty(), "the answer is not there yet");
    let verdicts = desk.told.iter().find_map(|what| match what {
        What::Scheduled { node: Some(node), nodes, .. } if &**node == "empty" => Some(nodes.len()),
        _ => None,
    });
    assert_eq!(verdicts, Some(2));
    desk.give(1, Input::Response(id, Ok(Response::created(Body::Empty))));
    assert_eq!(desk.events(), [event("Scheduled", "Successfully assigned default/web to empty")]);
    assert!(desk.sent.is_empty());
}

#[test]
fn pods_under_way_count_on_their_nodes() {
    let pods = vec![pod("a").cpu(3000).build(), pod("b").cpu(3000).build(), pod("c").cpu(3000).build()];
    let mut desk = Desk::new(vec![node("x").build(), node("y").build()], pods);
    let mut targets: Vec<String> =
        desk.taken(Method::Post, "/binding").iter().map(|(_, request)| body(request)["target"]["name"].to_string()).collect();
    targets.sort();
    assert_eq!(targets, ["\"x\"", "\"y\""]);
    let (_, status) = desk.only(Method::Patch, "/pods/c/status");
    assert_eq!(body(&status)["status"]["conditions"][0]["reason"], json!("Unschedulable"));
}

#[test]
fn a_pod_that_fits_nowhere_says_why_and_comes_back_when_a_node_does() {
    let cordoned = node("c").unschedulable().build();
    let mut desk = Desk::new(
        vec![node("a").build(), node("b").build(), cordoned],
        vec![pod("p").cpu(3500).on("a").build(), pod("q").cpu(3500).on("b").build(), pod("web").cpu(1000).build()],
    );
    let message = "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. no new claims to deallocate, preemption: \
                   0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.";
    assert_eq!(desk.events(), [event("FailedScheduling", message)]);
    let (_, status) = desk.only(Method::Patch, "/namespaces/default/pods/web/status");
    let condition = &body(&status)["status"]["conditions"][0];
    assert_eq!(
        [&condition["type"], &condition["status"], &condition["reason"], &condition["message"]],
        [&json!("PodScheduled"), &json!("False"), &json!("Unschedulable"), &json!(message)]
    );
    assert_eq!(body(&status)["status"].get("nominatedNodeName"), None);
    let fresh = Object::Node(node("d").build());
    desk.watch(5, "/api/v1/nodes", vec![WatchEvent::Added(fresh)]);
    let (_, binding) = desk.only(Method::Post, "/pods/web/binding");
    assert_eq!(body(&binding)["target"]["name"], json!("d"));
}

#[test]
fn without_nodes_a_pod_waits() {
    let mut desk = Desk::new(Vec::new(), vec![pod("web").build()]);
    assert_eq!(desk.events(), [event("FailedScheduling", "no nodes available to schedule pods")]);
}

#[test]
fn a_failed_binding_frees_the_node_and_is_tried_again_after_a_pause() {
    let mut desk = Desk::new(vec![node("n").build()], vec![pod("web").cpu(3000).build()]);
    let (id, _) = desk.only(Method::Post, "/pods/web/binding");
    let refusal = Status::conflict(&ResourcePath::object(Pod::INFO, "default", "web").resource, "web", "it changed");
    desk.give(1, Input::Response(id, Ok(refusal.into())));
    let events = desk.events();
    assert_eq!(events.len(), 1);
    let (reason, message) = &events[0];
    assert_eq!(reason, "FailedScheduling");
    assert!(message.starts_with("binding rejected: running Bind plugin \"DefaultBinder\": Operation cannot be fulfilled"), "{message}");
    let (_, status) = desk.only(Method::Patch, "/pods/web/status");
    assert_eq!(body(&status)["status"]["conditions"][0]["reason"], json!("SchedulerError"));
    assert_eq!(desk.scheduler.next_wake(), Some(Time::from_secs(2)));
    desk.give(2, Input::Wake);
    desk.only(Method::Post, "/pods/web/binding");
}

#[test]
fn a_pod_that_is_gone_before_its_binding_fails_is_forgotten() {
    let web = pod("web").build();
    let mut desk = Desk::new(vec![node("n").build()], vec![web.clone()]);
    let (id, _) = desk.only(Method::Post, "/pods/web/binding");
    desk.watch(1, "/api/v1/pods", vec![WatchEvent::Deleted(Object::Pod(web))]);
    desk.give(1, Input::Response(id, Err(client::Transport::Timeout)));
    assert!(desk.sent.is_empty() && desk.scheduler.next_wake().is_none());
}

#[test]
fn pods_of_other_schedulers_are_left_alone() {
    let other = pod("web").spec("schedulerName", json!("mine")).build();
    assert!(Desk::new(vec![node("n").build()], vec![other]).sent.is_empty());
}

/// One full node: a Pod of priority 5 with 3 CPUs, one of priority 1 with 1.
fn full_node() -> (Vec<Arc<Node>>, Vec<Arc<Pod>>) {
    let dear = pod("dear").cpu(3000).priority(5).on("n").build();
    (vec![node("n").build()], vec![dear, pod("cheap").cpu(1000).priority(1).on("n").build()])
}

#[test]
fn the_least_important_pods_make_room() {
    let (nodes, mut pods) = full_node();
    pods.push(pod("urgent").cpu(1000).priority(10).build());
    let mut desk = Desk::new(nodes, pods);
    let (_, status) = desk.only(Method::Patch, "/pods/urgent/status");
    assert_eq!(body(&status)["status"]["nominatedNodeName"], json!("n"));
    let (_, disruption) = desk.only(Method::Patch, "/pods/cheap/status");
    let condition = &body(&disruption)["status"]["conditions"][0];
    assert_eq!([&condition["type"], &condition["reason"]], [&json!("DisruptionTarget"), &json!("PreemptionByScheduler")]);
    desk.only(Method::Delete, "/namespaces/default/pods/cheap");
    let failed = event("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.");
    assert_eq!(desk.events(), [failed, event("Preempted", "Preempted by pod uid-urgent on node n")]);
    assert!(desk.sent.is_empty(), "the other one stays");

    // While the victim ends, the place is kept from Pods of lower priority.
    let greedy = Object::Pod(pod("greedy").cpu(1000).priority(2).build());
    let ended = Object::Pod(pod("cheap").cpu(1000).priority(1).on("n").build());
    desk.watch(20, "/api/v1/pods", vec![WatchEvent::Added(greedy), WatchEvent::Deleted(ended)]);
    let (_, binding) = desk.only(Method::Post, "/binding");
    assert_eq!(body(&binding)["metadata"]["name"], json!("urgent"));
}

#[test]
fn a_pod_that_never_preempts_waits() {
    let (nodes, mut pods) = full_node();
    pods.push(pod("meek").cpu(1000).priority(10).spec("preemptionPolicy", json!("Never")).build());
    let mut desk = Desk::new(nodes, pods);
    let message = "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to \
                   preemptionPolicy=Never.";
    assert_eq!(desk.events(), [event("FailedScheduling", message)]);
    assert!(desk.taken(Method::Delete, "").is_empty());
}

#[test]
fn victims_that_are_going_already_are_not_deleted_again() {
    let (nodes, mut pods) = full_node();
    pods[1] = pod("cheap").cpu(1000).priority(1).on("n").metadata("deletionTimestamp", json!("2026-05-04T08:00:30Z")).build();
    pods.push(pod("urgent").cpu(1000).priority(10).build());
    let mut desk = Desk::new(nodes, pods);
    desk.only(Method::Patch, "/pods/urgent/status");
    assert!(desk.taken(Method::Delete, "").is_empty());
}

#[test]
fn a_more_important_pod_takes_the_room_that_was_being_made() {
    let (nodes, mut pods) = full_node();
    pods.push(pod("urgent").cpu(1000).priority(10).build());
    let mut desk = Desk::new(nodes, pods);
    desk.sent.clear();
    let first = Object::Pod(pod("first").cpu(1000).priority(100).build());
    desk.watch(1, "/api/v1/pods", vec![WatchEvent::Added(first)]);
    let (_, outdone) = desk.only(Method::Patch, "/pods/urgent/status");
    assert_eq!(body(&outdone)["status"], json!({"nominatedNodeName": null}));
    let (_, nominated) = desk.only(Method::Patch, "/pods/first/status");
    assert_eq!(body(&nominated)["status"]["nominatedNodeName"], json!("n"));
}

#[test]
fn room_that_can_no_longer_be_made_is_given_up() {
    let waiting = pod("urgent").cpu(1000).priority(1).status(json!({"nominatedNodeName": "n"})).build();
    let mut desk = Desk::new(vec![node("n").build()], vec![pod("dear").cpu(4000).priority(5).on("n").build(), waiting]);
    let (_, status) = desk.only(Method::Patch, "/pods/urgent/status");
    assert_eq!(body(&status)["status"].get("nominatedNodeName"), Some(&Value::Null));
}
