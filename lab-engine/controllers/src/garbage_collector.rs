//! The garbage collector: objects whose owners are gone go too (`pkg/controller/garbagecollector/garbagecollector.go`;
//! kubernetes.io/docs/concepts/architecture/garbage-collection).
//!
//! - *Background*: the owner is deleted at once; its dependents, when the collector sees that it is gone.
//! - *Foreground*: the owner waits with the finalizer `foregroundDeletion` until no dependent is left that blocks it.
//! - *Orphan*: the owner waits with the finalizer `orphan` until no dependent names it any more.
//!
//! An owner that the graph does not know is asked for before anything is deleted: the graph may be behind.
//!
//! **Simplified here:** the collector decides by its graph and lets preconditions catch what was stale, where upstream reads each object
//! again.

use crate::graph::{FOREGROUND, Graph, GraphEvent, Item, ORPHAN};
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::meta::OwnerReference;
use client::{Input, Outbox, RequestId, WorkQueue};
use serde_json::{Value, json};
use sim::{Time, What};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many UIDs of owners are remembered that are known to be gone (`absentOwnerCache`).
const MAX_ABSENT: usize = 500;

/// Something to look at, by UID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// Whether it should be deleted (`attemptToDeleteItem`).
    Delete(String),
    /// Its dependents are to be left alone (`attemptToOrphan`).
    Orphan(String),
}

/// Requests of one task that are under way.
#[derive(Debug, Default)]
struct Run {
    open: usize,
    failed: bool,
    /// What to do when all are answered.
    then: Option<Request>,
}

/// What a request under way is for.
#[derive(Debug)]
enum Purpose {
    /// A write of the task.
    Write,
    /// Whether this owner exists.
    Verify(String),
}

/// The garbage collector.
#[derive(Debug)]
pub(crate) struct GarbageCollector {
    name: Arc<str>,
    agent: Arc<str>,
    queue: WorkQueue<Task>,
    runs: BTreeMap<Task, Run>,
    requests: BTreeMap<RequestId, (Task, Purpose)>,
    absent: BTreeSet<String>,
}

impl GarbageCollector {
    /// A collector with nothing to do.
    pub(crate) fn new(agent: &Arc<str>) -> Self {
        GarbageCollector {
            name: "garbage-collector-controller".into(),
            agent: agent.clone(),
            queue: WorkQueue::default(),
            runs: BTreeMap::new(),
            requests: BTreeMap::new(),
            absent: BTreeSet::new(),
        }
    }

    /// Notes what a change of the graph makes necessary (`processGraphChanges`).
    pub(crate) fn observe(&mut self, graph: &Graph, event: &GraphEvent) {
        match event {
            GraphEvent::Set(item, _) => {
                let metadata = item.metadata();
                if metadata.owner_references.iter().any(|owner| graph.get(&owner.uid).is_none_or(|owner| owner.awaits(FOREGROUND))) {
                    self.queue.add(Task::Delete(metadata.uid.clone()));
                }
                if item.awaits(ORPHAN) {
                    self.queue.add(Task::Orphan(metadata.uid.clone()));
                }
                if item.awaits(FOREGROUND) {
                    self.queue.add(Task::Delete(metadata.uid.clone()));
                    self.look_at_dependents(graph, &metadata.uid);
                }
                // Fewer owners or another blockOwnerDeletion can set an owner free.
                self.look_at_waiting_owners(graph, item);
            }
            GraphEvent::Gone(item) => {
                self.look_at_dependents(graph, &item.metadata().uid);
                self.look_at_waiting_owners(graph, item);
            }
        }
    }

    fn look_at_dependents(&mut self, graph: &Graph, owner: &str) {
        for dependent in graph.dependents(owner) {
            self.queue.add(Task::Delete(dependent.metadata().uid.clone()));
        }
    }

    fn look_at_waiting_owners(&mut self, graph: &Graph, item: &Item) {
        for owner in &item.metadata().owner_references {
            if graph.get(&owner.uid).is_some_and(|owner| owner.awaits(FOREGROUND)) {
                self.queue.add(Task::Delete(owner.uid.clone()));
            }
        }
    }

    /// Takes an answer; whether it was for the collector.
    pub(crate) fn handle(&mut self, now: Time, input: &Input, out: &mut Outbox) -> bool {
        let Input::Response(id, answer) = input else { return false };
        let Some((task, purpose)) = self.requests.remove(id) else { return false };
        let refusal = match answer {
            Ok(response) => response.result.as_ref().err().map(|status| status.code),
            Err(_) => Some(0),
        };
        let verified = matches!(purpose, Purpose::Verify(_));
        let failed = match purpose {
            // What is gone need not be written any more.
            Purpose::Write => refusal.is_some_and(|code| code != 404),
            Purpose::Verify(owner) => {
                let exists = match answer {
                    Ok(response) => match &response.result {
                        Ok(Body::Object(object)) => object.metadata().uid == owner,
                        _ => false,
                    },
                    Err(_) => false,
                };
                let gone = !exists && matches!(refusal, None | Some(404));
                if gone {
                    self.remember_absent(owner);
                }
                // An owner that exists is not in the graph yet: look again soon.
                !gone
            }
        };
        if verified {
            self.queue.add(task.clone());
        }
        let Some(run) = self.runs.get_mut(&task) else { return true };
        run.open -= 1;
        run.failed |= failed;
        if run.open == 0 {
            match run.then.take().filter(|_| !run.failed) {
                Some(request) => self.send(&task, request, Purpose::Write, out),
                None => self.finish(now, &task),
            }
        }
        true
    }

    fn remember_absent(&mut self, owner: String) {
        if self.absent.len() >= MAX_ABSENT {
            self.absent.pop_first();
        }
        self.absent.insert(owner);
    }

    fn finish(&mut self, now: Time, task: &Task) {
        let failed = self.runs.remove(task).is_some_and(|run| run.failed);
        if failed {
            self.queue.add_rate_limited(now, task.clone());
        } else {
            self.queue.forget(task);
        }
        self.queue.done(task);
    }

    fn send(&mut self, task: &Task, request: Request, purpose: Purpose, out: &mut Outbox) {
        let id = out.request(request.agent(&self.agent));
        self.requests.insert(id, (task.clone(), purpose));
        self.runs.entry(task.clone()).or_default().open += 1;
    }

    /// Works on everything that is due.
    pub(crate) fn work(&mut self, now: Time, graph: &Graph, out: &mut Outbox) {
        while let Some(task) = self.queue.get(now) {
            self.runs.insert(task.clone(), Run::default());
            match &task {
                Task::Delete(uid) => {
                    if let Some(item) = graph.get(uid).cloned() {
                        self.attempt_to_delete(graph, &task, &item, out);
                    }
                }
                Task::Orphan(uid) => {
                    if let Some(item) = graph.get(uid).filter(|item| item.awaits(ORPHAN)).cloned() {
                        self.orphan(graph, &task, &item, out);
                    }
                }
            }
            if self.runs.get(&task).is_some_and(|run| run.open == 0) {
                self.finish(now, &task);
            }
        }
    }

    /// When it wants to be woken next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.queue.next_wake()
    }

    fn attempt_to_delete(&mut self, graph: &Graph, task: &Task, item: &Item, out: &mut Outbox) {
        let metadata = item.metadata();
        if item.awaits(FOREGROUND) {
            return self.delete_dependents_first(graph, task, item, out);
        }
        if metadata.is_deleting() || metadata.owner_references.is_empty() {
            return;
        }
        let unknown: Vec<&OwnerReference> =
            metadata.owner_references.iter().filter(|owner| graph.get(&owner.uid).is_none() && !self.absent.contains(&owner.uid)).collect();
        if !unknown.is_empty() {
            // Judged again when it is known who is there.
            for owner in unknown {
                self.verify(graph, task, &metadata.namespace, owner, out);
            }
            return;
        }
        let is_there = |owner: &&OwnerReference| graph.get(&owner.uid).is_some();
        let waits = |owner: &&OwnerReference| graph.get(&owner.uid).is_some_and(|owner| owner.awaits(FOREGROUND));
        let solid: Vec<&OwnerReference> = metadata.owner_references.iter().filter(|owner| is_there(owner) && !waits(owner)).collect();
        if !solid.is_empty() {
            if solid.len() < metadata.owner_references.len() {
                let why = format!("forget {} of its owners, which are gone", metadata.owner_references.len() - solid.len());
                let rest: Vec<OwnerReference> = solid.into_iter().cloned().collect();
                self.decide(item, &why, out);
                self.send(task, patch_owners(item, &rest), Purpose::Write, out);
            }
            return;
        }
        let waited_for = metadata.owner_references.iter().any(|owner| waits(&owner));
        let has_dependents = graph.dependents(&metadata.uid).next().is_some();
        let policy = match () {
            // Its owner waits for it, and it shall wait for its own.
            () if waited_for && has_dependents => "Foreground",
            () if metadata.finalizers.iter().any(|finalizer| finalizer == ORPHAN) => "Orphan",
            () if metadata.finalizers.iter().any(|finalizer| finalizer == FOREGROUND) => "Foreground",
            () => "Background",
        };
        let why = if waited_for { "delete it: its owner waits for that" } else { "delete it: its owner is gone" };
        self.decide(item, why, out);
        self.send(task, delete(item, policy), Purpose::Write, out);
    }

    /// An owner in foreground deletion: goes when no dependent blocks it any more (`processDeletingDependentsItem`).
    fn delete_dependents_first(&mut self, graph: &Graph, task: &Task, item: &Item, out: &mut Outbox) {
        let uid = &item.metadata().uid;
        let blocking: Vec<&Arc<Item>> = graph.dependents(uid).filter(|dependent| dependent.blocks(uid)).collect();
        if blocking.is_empty() {
            self.decide(item, "let it go: no dependent blocks it", out);
            return self.send(task, without_finalizer(item, FOREGROUND), Purpose::Write, out);
        }
        for dependent in blocking {
            if !dependent.metadata().is_deleting() {
                self.queue.add(Task::Delete(dependent.metadata().uid.clone()));
            }
        }
    }

    /// Takes the owner's name off its dependents, then lets it go (`orphanDependents`).
    fn orphan(&mut self, graph: &Graph, task: &Task, item: &Item, out: &mut Outbox) {
        let uid = &item.metadata().uid;
        let dependents: Vec<Arc<Item>> = graph.dependents(uid).cloned().collect();
        self.decide(item, &format!("leave its {} dependents alone and let it go", dependents.len()), out);
        let last = without_finalizer(item, ORPHAN);
        if dependents.is_empty() {
            return self.send(task, last, Purpose::Write, out);
        }
        for dependent in dependents {
            let rest: Vec<OwnerReference> =
                dependent.metadata().owner_references.iter().filter(|owner| owner.uid != *uid).cloned().collect();
            self.send(task, patch_owners(&dependent, &rest), Purpose::Write, out);
        }
        if let Some(run) = self.runs.get_mut(task) {
            run.then = Some(last);
        }
    }

    /// Asks the API server whether an owner exists. Of a kind that it does not have, none does.
    fn verify(&mut self, graph: &Graph, task: &Task, namespace: &str, owner: &OwnerReference, out: &mut Outbox) {
        let Some(info) = graph.find_kind(&owner.api_version, &owner.kind) else {
            self.queue.add(task.clone());
            return self.remember_absent(owner.uid.clone());
        };
        let path = ResourcePath::object(&info, if info.namespaced { namespace } else { "" }, &owner.name);
        self.send(task, Request::new(Method::Get, path), Purpose::Verify(owner.uid.clone()), out);
    }

    fn decide(&self, item: &Item, decision: &str, out: &mut Outbox) {
        out.trace_as(&self.name, What::Reconciled { object: item.object.object_ref(), decision: decision.into() });
    }
}

fn path(item: &Item) -> ResourcePath {
    ResourcePath::object(&item.info, &item.metadata().namespace, &item.metadata().name)
}

/// Deletes exactly this version of the object: a newer one may have no such owner any more.
fn delete(item: &Item, policy: &str) -> Request {
    let (uid, version) = (&item.metadata().uid, item.metadata().resource_version.to_string());
    let options = json!({"propagationPolicy": policy, "preconditions": {"uid": uid, "resourceVersion": version}});
    Request::new(Method::Delete, path(item)).body(Body::Json(options))
}

/// A change of the metadata of exactly this version of the object.
fn patch(item: &Item, field: &str, value: Value) -> Request {
    let metadata = item.metadata();
    let mut change = json!({"metadata": {"uid": metadata.uid, "resourceVersion": metadata.resource_version.to_string()}});
    change["metadata"][field] = value;
    Request::new(Method::Patch, path(item)).body(Body::Patch(PatchType::Merge, change))
}

fn patch_owners(item: &Item, rest: &[OwnerReference]) -> Request {
    let reference = |owner: &OwnerReference| {
        let mut value = json!({"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid});
        for (field, flag) in [("controller", owner.controller), ("blockOwnerDeletion", owner.block_owner_deletion)] {
            if let Some(flag) = flag {
                value[field] = json!(flag);
            }
        }
        value
    };
    patch(item, "ownerReferences", rest.iter().map(reference).collect())
}

fn without_finalizer(item: &Item, finalizer: &str) -> Request {
    let rest: Vec<&String> = item.metadata().finalizers.iter().filter(|own| *own != finalizer).collect();
    patch(item, "finalizers", json!(rest))
}
