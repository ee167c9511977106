//! The namespace controller: empties a namespace that is being deleted, then lets it go (`pkg/controller/namespace`,
//! `deletion/namespaced_resources_deleter.go`).
//!
//! What a namespace holds the graph of all objects says. It may be behind, and what a namespace that is gone still held nobody would ever
//! delete: so before the namespace goes the API server is asked about each kind.
//!
//! **Simplified here:** Pods get no extra time before the first look at what remains: each object that goes leads to the next look.

use crate::graph::{Graph, GraphEvent, Item};
use api::core::{Event, Namespace};
use api::http::{Body, Method, PatchType, Request, ResourcePath, Response};
use api::kinds::KindInfo;
use api::meta::{ObjectMeta, Timestamp, condition};
use api::{Object, Resource};
use client::{Input, Outbox, RequestId, Transport, WorkQueue};
use serde_json::{Value, json};
use sim::{Time, What};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The finalizer that this controller takes away.
const FINALIZER: &str = "kubernetes";

/// When a namespace whose content remains is looked at again if nothing happens in it.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// The namespace controller. Namespaces are named by their UIDs.
#[derive(Debug)]
pub(crate) struct NamespaceController {
    name: Arc<str>,
    agent: Arc<str>,
    queue: WorkQueue<String>,
    runs: BTreeMap<String, Run>,
    requests: BTreeMap<RequestId, String>,
    /// Namespaces of which the API server says that they are empty.
    empty: BTreeSet<String>,
}

/// The requests of a namespace that are under way.
#[derive(Debug, Default)]
struct Run {
    open: usize,
    /// Whether one of them failed.
    failed: bool,
    /// Whether they ask what the namespace holds, and whether there was something.
    asks: bool,
    found: bool,
}

impl Run {
    fn answered(&mut self, answer: &Result<Response, Transport>) {
        self.open -= 1;
        match answer {
            Ok(Response { result: Ok(Body::List(list)), .. }) => self.found |= !list.items.is_empty(),
            Ok(response) => self.failed |= response.result.as_ref().is_err_and(|status| status.code != 404),
            Err(_) => self.failed = true,
        }
    }
}

impl NamespaceController {
    /// A controller with nothing to do.
    pub(crate) fn new(agent: &Arc<str>) -> Self {
        NamespaceController {
            name: "namespace-controller".into(),
            agent: agent.clone(),
            queue: WorkQueue::default(),
            runs: BTreeMap::new(),
            requests: BTreeMap::new(),
            empty: BTreeSet::new(),
        }
    }

    /// Notes which namespaces a change of the graph concerns.
    pub(crate) fn observe(&mut self, graph: &Graph, event: &GraphEvent) {
        match event {
            GraphEvent::Set(item, _) if is_terminating(item) => self.queue.add(item.metadata().uid.clone()),
            GraphEvent::Set(..) => {}
            GraphEvent::Gone(item) => {
                let namespace = graph.find(Namespace::INFO, "", &item.metadata().namespace);
                if let Some(namespace) = namespace.filter(|namespace| is_terminating(namespace)) {
                    self.queue.add(namespace.metadata().uid.clone());
                }
            }
        }
    }

    /// Takes an answer; whether it was for the controller.
    pub(crate) fn handle(&mut self, now: Time, input: &Input) -> bool {
        let Input::Response(id, answer) = input else { return false };
        let Some(uid) = self.requests.remove(id) else { return false };
        if let Some(run) = self.runs.get_mut(&uid) {
            run.answered(answer);
            if run.open == 0 {
                self.finish(now, &uid);
            }
        }
        true
    }

    fn finish(&mut self, now: Time, uid: &String) {
        let run = self.runs.remove(uid).unwrap_or_default();
        if run.failed || run.found {
            self.queue.add_rate_limited(now, uid.clone());
        } else if run.asks {
            self.empty.insert(uid.clone());
            self.queue.add(uid.clone());
        } else {
            self.queue.forget(uid);
            self.queue.add_after(now, uid.clone(), LOOK_AGAIN);
        }
        self.queue.done(uid);
    }

    /// Works on every namespace that is due.
    pub(crate) fn work(&mut self, now: Time, graph: &Graph, out: &mut Outbox) {
        while let Some(uid) = self.queue.get(now) {
            let Some(item) = graph.get(&uid).filter(|item| is_terminating(item)) else {
                self.empty.remove(&uid);
                self.queue.forget(&uid);
                self.queue.done(&uid);
                continue;
            };
            let is_empty = graph.in_namespace(&item.metadata().name).next().is_none();
            let asks = is_empty && !self.empty.remove(&uid);
            let requests = if asks { questions(graph, &item.metadata().name) } else { self.next_requests(now, graph, item, out) };
            self.runs.insert(uid.clone(), Run { open: requests.len(), asks, ..Run::default() });
            for request in requests {
                self.requests.insert(out.request(request.agent(&self.agent)), uid.clone());
            }
            if self.runs.get(&uid).is_some_and(|run| run.open == 0) {
                self.finish(now, &uid);
            }
        }
    }

    /// When it wants to be woken next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.queue.next_wake()
    }

    fn next_requests(&self, now: Time, graph: &Graph, item: &Item, out: &mut Outbox) -> Vec<Request> {
        let Object::Namespace(namespace) = &item.object else { return Vec::new() };
        let name = namespace.metadata.name.as_str();
        let mut left = Left::default();
        for object in graph.in_namespace(name) {
            left.add(&object.info, object.metadata());
        }
        let mut requests: Vec<Request> = status_patch(now, namespace, &left).into_iter().collect();
        if left.kinds.is_empty() {
            out.trace_as(&self.name, What::Reconciled { object: namespace.object_ref(), decision: "let it go: it is empty".into() });
            // Events are not in the graph; they go with their namespace.
            requests.push(Request::new(Method::Delete, ResourcePath::collection(Event::INFO, name)));
            requests.push(finalize(namespace));
            return requests;
        }
        let deletable: Vec<&KindInfo> = left.kinds.values().filter(|(_, _, deletable)| *deletable).map(|(info, ..)| *info).collect();
        if !deletable.is_empty() {
            let plurals: Vec<&str> = deletable.iter().map(|info| &*info.plural).collect();
            let decision = format!("delete all its {}", plurals.join(", "));
            out.trace_as(&self.name, What::Reconciled { object: namespace.object_ref(), decision: decision.into() });
        }
        let options = || Body::Json(json!({"propagationPolicy": "Background"}));
        requests
            .extend(deletable.into_iter().map(|info| Request::new(Method::Delete, ResourcePath::collection(info, name)).body(options())));
        requests
    }
}

/// What a namespace still holds.
#[derive(Debug, Default)]
struct Left<'g> {
    /// By resource and group, as messages name them: the kind, how many there are, and whether one of them is not being deleted yet.
    kinds: BTreeMap<String, (&'g KindInfo, usize, bool)>,
    /// How many objects have each finalizer.
    finalizers: BTreeMap<&'g str, usize>,
}

impl<'g> Left<'g> {
    fn add(&mut self, info: &'g KindInfo, metadata: &'g ObjectMeta) {
        let entry = self.kinds.entry(format!("{}.{}", info.plural, info.group)).or_insert((info, 0, false));
        entry.1 += 1;
        entry.2 |= !metadata.is_deleting();
        for finalizer in &metadata.finalizers {
            *self.finalizers.entry(finalizer).or_default() += 1;
        }
    }
}

fn is_terminating(item: &Item) -> bool {
    matches!(&item.object, Object::Namespace(namespace) if namespace.metadata.is_deleting())
}

/// Asks whether a namespace holds anything of any kind.
fn questions(graph: &Graph, namespace: &str) -> Vec<Request> {
    let ask = |info| Request::new(Method::Get, ResourcePath::collection(info, namespace)).query("limit", "1");
    graph.namespaced_kinds().map(|info| ask(info)).collect()
}

/// Takes the controller's finalizer away.
fn finalize(namespace: &Arc<Namespace>) -> Request {
    let mut changed = Namespace::clone(namespace);
    changed.spec.finalizers.retain(|finalizer| finalizer != FINALIZER);
    let path = ResourcePath::object(Namespace::INFO, "", &namespace.metadata.name).with_subresource("finalize");
    Request::new(Method::Put, path).body(Body::Object(changed.into()))
}

/// Tells in the conditions what still stands in the way, if that changed.
fn status_patch(now: Time, namespace: &Namespace, left: &Left<'_>) -> Option<Request> {
    // A resource of the core group is written with a dot and nothing after it, as upstream does.
    let dot = |resource: &str| if resource.contains('.') { "" } else { "." };
    let told = |(resource, (_, count, _)): (&String, &(&KindInfo, usize, bool))| {
        format!("{resource}{} has {count} resource instances", dot(resource))
    };
    let counts: Vec<String> = left.kinds.iter().map(told).collect();
    let held: Vec<String> = left.finalizers.iter().map(|(finalizer, count)| format!("{finalizer} in {count} resource instances")).collect();
    let finalizers = if held.is_empty() {
        ("False", "ContentHasNoFinalizers", "All content-preserving finalizers finished".to_owned())
    } else {
        let message = format!("Some content in the namespace has finalizers remaining: {}", held.join(", "));
        ("True", "SomeFinalizersRemain", message)
    };
    let content = if counts.is_empty() {
        ("False", "ContentRemoved", "All content successfully removed".to_owned())
    } else {
        ("True", "SomeResourcesRemain", format!("Some resources are remaining: {}", counts.join(", ")))
    };
    let fine = |reason: &'static str, message: &str| ("False", reason, message.to_owned());
    let wanted = [
        ("NamespaceDeletionDiscoveryFailure", fine("ResourcesDiscovered", "All resources successfully discovered")),
        ("NamespaceDeletionGroupVersionParsingFailure", fine("ParsedGroupVersions", "All legacy kube types successfully parsed")),
        ("NamespaceDeletionContentFailure", fine("ContentDeleted", "All content successfully deleted, may be waiting on finalization")),
        ("NamespaceContentRemaining", content),
        ("NamespaceFinalizersRemaining", finalizers),
    ];
    let mut changed = false;
    let conditions: Vec<Value> = wanted
        .iter()
        .map(|(kind, (status, reason, message))| {
            let old = condition(&namespace.status.conditions, kind);
            changed |= old.is_none_or(|old| old.status != *status || old.message != *message);
            let kept = old.filter(|old| old.status == *status).and_then(|old| old.last_transition_time);
            let since = kept.unwrap_or_else(|| Timestamp::from(now)).to_string();
            json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since})
        })
        .collect();
    let path = ResourcePath::object(Namespace::INFO, "", &namespace.metadata.name).with_subresource("status");
    let body = Body::Patch(PatchType::Merge, json!({"status": {"conditions": conditions}}));
    changed.then(|| Request::new(Method::Patch, path).body(body))
}
