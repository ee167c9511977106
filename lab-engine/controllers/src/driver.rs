//! What runs a controller: its work queue, and the writes of each plan until all are answered (`processNextWorkItem`).
//!
//! A plan is a list of phases. The calls of a phase go out together; the next phase follows when all of them are answered, and not at
//! all when one failed. Then the controller may add a last call, for the status. Only then is the key done: as upstream, no key is
//! worked on twice at a time. A failure queues the key again with back-off, and so does a cache that does not show yet what was written for
//! the key, where the controller [waits for that](Controller::READS_OWN_WRITES).

use crate::caches::Caches;
use crate::claims::{self, Claims};
use crate::consistency::ConsistencyStore;
use api::http::{Body, Method, Request, ResourcePath, Response};
use api::{Object, Resource};
use client::{EventRecorder, EventType, Input, ObjectKey, Outbox, QueueStatus, RequestId, WorkQueue};
use sim::{ObjectRef, Time, What};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// One write, and what the controller wants to remember of it until it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Call<N> {
    pub(crate) request: Request,
    pub(crate) note: N,
}

impl<N> Call<N> {
    /// Makes the object.
    pub(crate) fn create<R: Resource>(object: R, note: N) -> Self {
        Call::to(Method::Post, ResourcePath::collection(R::INFO, &object.metadata().namespace), object, note)
    }

    /// Writes the object, but for its status if the kind has that apart.
    pub(crate) fn update<R: Resource>(object: R, note: N) -> Self {
        Call::to(Method::Put, path_of(&object), object, note)
    }

    /// Writes the object's status.
    pub(crate) fn update_status<R: Resource>(object: R, note: N) -> Self {
        Call::to(Method::Put, path_of(&object).with_subresource("status"), object, note)
    }

    /// Deletes the object.
    pub(crate) fn delete<R: Resource>(object: &R, note: N) -> Self {
        Call { request: Request::new(Method::Delete, path_of(object)), note }
    }

    /// Reads the object anew.
    pub(crate) fn get<R: Resource>(object: &R, note: N) -> Self {
        Call { request: Request::new(Method::Get, path_of(object)), note }
    }

    fn to<R: Resource>(method: Method, path: ResourcePath, object: R, note: N) -> Self {
        Call { request: Request::new(method, path).body(Body::Object(Arc::new(object).into_object())), note }
    }
}

fn path_of<R: Resource>(object: &R) -> ResourcePath {
    let metadata = object.metadata();
    ResourcePath::object(R::INFO, &metadata.namespace, &metadata.name)
}

/// What a controller decided.
#[derive(Debug)]
pub(crate) struct Plan<N> {
    /// What it decided, in words, when it acts.
    pub(crate) decision: Option<(ObjectRef, String)>,
    /// The writes.
    pub(crate) phases: VecDeque<Vec<Call<N>>>,
    /// Whether it ends without a last call for the status.
    pub(crate) leaves_status: bool,
}

impl<N> Default for Plan<N> {
    fn default() -> Self {
        Plan { decision: None, phases: VecDeque::new(), leaves_status: false }
    }
}

impl<N: Clone> Plan<N> {
    /// The plan that makes objects the controller's own and lets others go; `None` when there is nothing to do. Before anything is
    /// adopted, the controller asks whether it still exists; that call has the note `recheck`, the others have `claim`.
    pub(crate) fn claiming<C: Resource, R: Resource>(controller: &Arc<C>, claims: &Claims<R>, recheck: N, claim: &N) -> Option<Self> {
        let mut plan = Plan { leaves_status: true, ..Plan::default() };
        let call = |request| Call { request, note: claim.clone() };
        let released = claims.release.iter().map(|object| call(claims::release(controller.as_ref(), object.as_ref())));
        let adopted = claims.adopt.iter().map(|object| call(claims::adopt(controller.as_ref(), object.as_ref())));
        if !claims.adopt.is_empty() {
            plan.phases.push_back(vec![Call { request: claims::recheck(controller.as_ref()), note: recheck }]);
        }
        let calls: Vec<Call<N>> = released.chain(adopted).collect();
        if calls.is_empty() {
            return None;
        }
        plan.phases.push_back(calls);
        let decision = format!("adopt {} and release {} {}", claims.adopt.len(), claims.release.len(), R::INFO.plural);
        plan.decision = Some((controller.object_ref(), decision));
        Some(plan)
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status code; 0 when no answer came.
    pub(crate) code: u16,
    /// In words.
    pub(crate) message: String,
    /// Whether the namespace of the object is being deleted.
    pub(crate) namespace_terminating: bool,
}

/// What came of a call: the object, or why it failed.
pub(crate) type Answer = Result<Object, Refusal>;

/// Judges an answer where every failure counts.
pub(crate) fn succeeded(answer: Answer) -> Result<(), String> {
    answer.map(drop).map_err(|refusal| refusal.message)
}

/// Judges an answer where nothing was left to do if the object is gone.
pub(crate) fn succeeded_or_gone(answer: Answer) -> Result<(), String> {
    match answer {
        Err(refusal) if refusal.code != 404 => Err(refusal.message),
        _ => Ok(()),
    }
}

/// The last call of a look, if there is one; and when to look again.
pub(crate) type Conclusion<N> = (Option<Call<N>>, Option<Duration>);

/// A controller: decides from the caches.
pub(crate) trait Controller {
    /// What it remembers of a write.
    type Note: Clone;

    /// Whether it is asked to proceed after a failure, too.
    const PERSISTS: bool = false;

    /// Whether it looks at a key only when the caches show what it wrote before (`StaleControllerConsistency…`): a controller of Pods.
    const READS_OWN_WRITES: bool = false;

    /// Decides what to do about the key; writes down what it expects to see, and tells what it saw.
    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, sink: &mut Sink<'_>) -> Plan<Self::Note>;

    /// Takes the outcome of one call; tells why it counts as a failure, if it does.
    fn answered(&mut self, key: &ObjectKey, note: &Self::Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String>;

    /// More calls, once all of the plan and of earlier answers to this question are answered, without a failure unless the controller
    /// [persists](Controller::PERSISTS); none when it is done. For what cannot be planned before an answer is there.
    fn proceed(&mut self, now: Time, caches: &Caches, key: &ObjectKey, sink: &mut Sink<'_>) -> Vec<Call<Self::Note>> {
        let _ = (now, caches, key, sink);
        Vec::new()
    }

    /// A write that was never sent, because an earlier one failed.
    fn skipped(&mut self, _key: &ObjectKey, _note: &Self::Note) {}

    /// The last call, after all others; `failure` is the message of the first that failed. With it, when to look again.
    fn conclude(&mut self, _now: Time, _caches: &Caches, _key: &ObjectKey, _failure: Option<&str>) -> Conclusion<Self::Note> {
        (None, None)
    }
}

/// Where a controller tells of its work.
pub(crate) struct Sink<'a> {
    /// The present time.
    pub(crate) now: Time,
    pub(crate) events: &'a mut EventRecorder,
    pub(crate) out: &'a mut Outbox,
}

impl Sink<'_> {
    /// Records an Event about the object.
    pub(crate) fn event<R: Resource>(&mut self, about: &R, kind: EventType, reason: &str, message: &str) {
        self.events.event(self.now, about, kind, reason, message, self.out);
    }
}

#[derive(Debug)]
struct Run<N> {
    phases: VecDeque<Vec<Call<N>>>,
    in_flight: BTreeMap<RequestId, N>,
    failure: Option<String>,
    concluded: bool,
}

/// Runs one controller.
#[derive(Debug)]
pub(crate) struct Driver<C: Controller> {
    pub(crate) controller: C,
    pub(crate) queue: WorkQueue<ObjectKey>,
    name: Arc<str>,
    agent: Arc<str>,
    events: EventRecorder,
    runs: BTreeMap<ObjectKey, Run<C::Note>>,
    /// Whose a request is, and whether the watch will show what comes of it.
    owners: BTreeMap<RequestId, (ObjectKey, bool)>,
    written: ConsistencyStore,
}

impl<C: Controller> Driver<C> {
    pub(crate) fn new(name: &str, agent: &Arc<str>, controller: C) -> Self {
        let name: Arc<str> = name.into();
        let events = EventRecorder::new(&name, "", agent.clone(), Some(name.clone()));
        Driver {
            controller,
            queue: WorkQueue::default(),
            name,
            agent: agent.clone(),
            events,
            runs: BTreeMap::new(),
            owners: BTreeMap::new(),
            written: ConsistencyStore::default(),
        }
    }

    /// With a queue of its own kind.
    pub(crate) fn with_queue(mut self, queue: WorkQueue<ObjectKey>) -> Self {
        self.queue = queue;
        self
    }

    /// How its work queue stands.
    pub(crate) fn status(&self) -> QueueStatus {
        self.queue.status(&self.name)
    }

    /// Takes an answer; whether it was for this controller.
    pub(crate) fn handle(&mut self, now: Time, input: &Input, caches: &Caches, out: &mut Outbox) -> bool {
        if self.events.handle(now, input, out) {
            return true;
        }
        let Input::Response(id, answer) = input else {
            return false;
        };
        let Some((key, shows)) = self.owners.remove(id) else {
            return false;
        };
        let run = self.runs.get_mut(&key).expect("a request belongs to a run until it is answered");
        let note = run.in_flight.remove(id).expect("a request is in flight until it is answered");
        let answer = match answer {
            Ok(response) => read(response.clone()),
            Err(transport) => Err(Refusal { code: 0, message: transport.to_string(), namespace_terminating: false }),
        };
        if let Ok(object) = answer.as_ref()
            && shows
        {
            self.written.wrote(&key, object);
        }
        let judged = self.controller.answered(&key, &note, answer, &mut Sink { now, events: &mut self.events, out });
        if let Err(message) = judged {
            run.failure.get_or_insert(message);
        }
        self.advance(now, key, caches, out);
        true
    }

    /// Works on every key that is due.
    pub(crate) fn work(&mut self, now: Time, caches: &Caches, out: &mut Outbox) {
        while let Some(key) = self.queue.get(now) {
            if !self.written.is_ready(&key, caches) {
                self.queue.add_rate_limited(now, key.clone());
                self.queue.done(&key);
                continue;
            }
            let plan = self.controller.reconcile(now, caches, &key, &mut Sink { now, events: &mut self.events, out });
            if let Some((object, decision)) = plan.decision {
                out.trace_as(&self.name, What::Reconciled { object, decision: decision.into() });
            }
            let run = Run { phases: plan.phases, in_flight: BTreeMap::new(), failure: None, concluded: plan.leaves_status };
            self.runs.insert(key.clone(), run);
            self.advance(now, key, caches, out);
        }
    }

    /// Sends the next phase of the key's run when the present one is answered, or ends the run.
    fn advance(&mut self, now: Time, key: ObjectKey, caches: &Caches, out: &mut Outbox) {
        let run = self.runs.get_mut(&key).expect("only keys with a run advance");
        if !run.in_flight.is_empty() {
            return;
        }
        if run.failure.is_some() {
            for call in run.phases.drain(..).flatten() {
                self.controller.skipped(&key, &call.note);
            }
        }
        let mut phase = run.phases.pop_front().unwrap_or_default();
        if phase.is_empty() && !run.concluded && (C::PERSISTS || run.failure.is_none()) {
            phase = self.controller.proceed(now, caches, &key, &mut Sink { now, events: &mut self.events, out });
        }
        if phase.is_empty() && !run.concluded {
            run.concluded = true;
            let (call, requeue) = self.controller.conclude(now, caches, &key, run.failure.as_deref());
            phase.extend(call);
            if let Some(delay) = requeue {
                // What is due already and cannot be done yet must not hold the clock.
                self.queue.add_after(now, key.clone(), delay.max(Duration::from_millis(10)));
            }
        }
        for call in phase {
            let shows = C::READS_OWN_WRITES && matches!(call.request.method, Method::Post | Method::Put | Method::Patch);
            let id = out.request(call.request.agent(&self.agent));
            run.in_flight.insert(id, call.note);
            self.owners.insert(id, (key.clone(), shows));
        }
        if run.in_flight.is_empty() {
            let failed = run.failure.is_some();
            self.runs.remove(&key);
            if failed {
                self.queue.add_rate_limited(now, key.clone());
            } else {
                self.queue.forget(&key);
            }
            self.queue.done(&key);
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.queue.next_wake()
    }
}

/// The object of a success. The answer to a deletion may be a `Status` instead, which counts as no particular object.
fn read(response: Response) -> Answer {
    let code = response.code;
    if response.result.is_ok() {
        let nothing = || Object::from(api::core::ConfigMap::default());
        // A `Scale` comes as JSON.
        if let Ok(Body::Json(value)) = &response.result
            && let (Some(version), Some(kind)) = (value["apiVersion"].as_str(), value["kind"].as_str())
        {
            return Ok(Object::decode_as(version, kind, value.clone()).unwrap_or_else(|_| nothing()));
        }
        return Ok(response.into_object().unwrap_or_else(|_| nothing()));
    }
    response.into_object().map_err(|status| Refusal {
        code,
        namespace_terminating: status.details.causes.iter().any(|cause| cause.reason == "NamespaceTerminating"),
        message: status.message,
    })
}
