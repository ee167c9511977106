//! The trace: everything that happened in a run, in order, each event with the one that caused it.
//!
//! The timeline in the page, the graders, the tests and the answer to "why?" all read this one stream. [`TraceEvent`]'s `Display` is
//! exactly one line, and it is the only textual form. Payloads are plain data of a closed enum, [`What`]; the words are those of the
//! parts that write them, so the kernel needs to know none of those parts.
//!
//! Memory is bounded: beyond [`Trace::capacity`] the oldest events go, and [`Trace::dropped`] says how many did.
//!
//! **Simplified here:** an event has one cause, the last thing its actor learned before acting, also where several together made it act.

use crate::Time;
use crate::packet::PacketHop;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// The number of an event in its run, counted from 1 in the order of happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct EventId(pub u64);

/// The object that an event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The kind, for example `Pod`.
    pub kind: Arc<str>,
    /// The namespace; empty for objects of the cluster.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl ObjectRef {
    /// A reference to an object; `namespace` is empty for objects of the cluster.
    pub fn new(kind: impl Into<Arc<str>>, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        ObjectRef { kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectRef {
    /// `Pod default/web`, or `Node node-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// How an object changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// It was made.
    Create,
    /// It was changed.
    Update,
    /// It is gone.
    Delete,
}

/// One thing that happened. Closed on purpose: a new kind of event does not compile until every reader handles it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum What {
    /// The learner typed a command.
    Command {
        /// The line as typed.
        line: Arc<str>,
    },
    /// The learner or a scenario put a fault on the cluster, or took it away.
    Fault {
        /// What was done, for example `cut node-1 from the API server`.
        description: Arc<str>,
    },
    /// A request reached the API server.
    Request {
        /// The verb of the API: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
        verb: &'static str,
        /// The object, with an empty name for collections.
        object: ObjectRef,
        /// The subresource, or empty.
        subresource: &'static str,
        /// The user who sent it.
        user: Arc<str>,
        /// Why the user may, for example `RBAC: allowed by …`; empty where no rule decides.
        reason: Arc<str>,
    },
    /// The API server refused a request.
    Refused {
        /// The HTTP status code.
        code: u16,
        /// The `reason` of the `Status`.
        reason: Arc<str>,
        /// The `message` of the `Status`.
        message: Arc<str>,
    },
    /// A write was committed to the store.
    Stored {
        /// How the object changed.
        verb: Verb,
        /// The object.
        object: ObjectRef,
        /// The store's revision after the write: the object's `resourceVersion`.
        revision: u64,
    },
    /// The members of etcd agreed that something is wrong with one of them.
    AlarmRaised {
        /// Which member; `the whole cluster` when nobody can say.
        member: Arc<str>,
        /// What, as etcd prints it: `NOSPACE` or `CORRUPT`.
        alarm: &'static str,
    },
    /// A process ended by itself.
    Exited {
        /// Its last words.
        message: Arc<str>,
    },
    /// A member of etcd became a follower, candidate or leader.
    RaftRole {
        /// What it is now: `follower`, `pre-candidate`, `candidate` or `leader`.
        role: &'static str,
        /// Its term.
        term: u64,
    },
    /// A member of etcd answered another one that wants its vote.
    RaftVote {
        /// Who asked, for example `etcd-2`.
        candidate: Arc<str>,
        /// The term that the vote is for.
        term: u64,
        /// Whether it has the vote.
        granted: bool,
        /// Whether the vote is only a poll before the election.
        pre: bool,
    },
    /// The leader put a change at the end of its log and sends it to the others.
    LogAppended {
        /// The entry's index.
        index: u64,
        /// Its term.
        term: u64,
        /// The object that it changes, if it changes one.
        object: Option<ObjectRef>,
    },
    /// An entry of the log is safe on a member's disk.
    LogPersisted {
        /// The entry's index.
        index: u64,
        /// Its term.
        term: u64,
        /// The object that it changes, if it changes one.
        object: Option<ObjectRef>,
    },
    /// The leader knows that a quorum has an entry: it will not be lost.
    LogCommitted {
        /// The entry's index.
        index: u64,
        /// The object that it changes, if it changes one.
        object: Option<ObjectRef>,
    },
    /// A controller compared what is with what should be, and decided to act.
    Reconciled {
        /// The object it looked at.
        object: ObjectRef,
        /// What it decided, in words, for example `create 3 Pods`.
        decision: Arc<str>,
    },
    /// An autoscaler looked at its target.
    Autoscaled {
        /// The autoscaler.
        object: ObjectRef,
        /// How many replicas the target should have had so far.
        current: i32,
        /// What the metrics want; `None` when they could not be had, or were not asked.
        proposed: Option<i32>,
        /// How many replicas there shall be, after stabilisation and limits.
        desired: i32,
        /// What the Pods use, in percent of their requests, if the autoscaler goes by that.
        utilization: Option<i32>,
        /// What they should use.
        target: Option<i32>,
    },
    /// The scheduler looked for a node.
    Scheduled {
        /// The Pod.
        pod: ObjectRef,
        /// The winner, or `None` when no node fits.
        node: Option<Arc<str>>,
        /// What every plugin said of every node, in node order.
        nodes: Arc<[NodeVerdict]>,
        /// The message of the `FailedScheduling` event when no node fits, else empty.
        message: Arc<str>,
    },
    /// A Pod's sandbox (network namespace, IP) stands.
    SandboxReady {
        /// The Pod.
        pod: ObjectRef,
        /// Its IP.
        ip: Arc<str>,
    },
    /// A sandbox was torn down.
    SandboxRemoved {
        /// The Pod.
        pod: ObjectRef,
    },
    /// The kubelet asks the registry for an image.
    ImagePullStarted {
        /// The Pod.
        pod: ObjectRef,
        /// The image.
        image: Arc<str>,
    },
    /// The image is there.
    ImagePulled {
        /// The Pod.
        pod: ObjectRef,
        /// The image.
        image: Arc<str>,
    },
    /// The image could not be pulled.
    ImagePullFailed {
        /// The Pod.
        pod: ObjectRef,
        /// The image.
        image: Arc<str>,
        /// Why.
        message: Arc<str>,
    },
    /// A container's first process runs.
    ContainerStarted {
        /// The Pod.
        pod: ObjectRef,
        /// The container.
        container: Arc<str>,
        /// How often it was restarted before.
        restart_count: u32,
    },
    /// A container's first process ended.
    ContainerExited {
        /// The Pod.
        pod: ObjectRef,
        /// The container.
        container: Arc<str>,
        /// Its exit code.
        exit_code: i32,
        /// `Completed`, `Error`, `OOMKilled`, …
        reason: Arc<str>,
    },
    /// The kubelet waits before it starts a container or pulls an image again.
    BackOff {
        /// The Pod.
        pod: ObjectRef,
        /// The container.
        container: Arc<str>,
        /// `CrashLoopBackOff` or `ImagePullBackOff`.
        reason: &'static str,
        /// How long it waits, in milliseconds.
        delay_ms: u64,
    },
    /// A probe ran.
    Probe {
        /// The Pod.
        pod: ObjectRef,
        /// The container.
        container: Arc<str>,
        /// `startup`, `liveness` or `readiness`.
        probe: &'static str,
        /// Whether it succeeded.
        success: bool,
        /// Whether it failed because no answer came within `timeoutSeconds`.
        timed_out: bool,
        /// How many results like this one there were in a row, with this one.
        in_a_row: u32,
        /// How many of them it takes until they count: `successThreshold` or `failureThreshold`.
        threshold: u32,
        /// What it answered.
        output: Arc<str>,
    },
    /// A container was told to end.
    ContainerKilling {
        /// The Pod.
        pod: ObjectRef,
        /// The container.
        container: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// A component told the world by a Kubernetes Event.
    EventRecorded {
        /// The object it regards.
        regarding: ObjectRef,
        /// `Normal` or `Warning`.
        kind: &'static str,
        /// The reason, for example `FailedScheduling`.
        reason: Arc<str>,
        /// The message.
        message: Arc<str>,
    },
    /// A packet came one hop further on its way, or not.
    Packet(Box<PacketHop>),
}

/// What the scheduler's plugins said of one node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeVerdict {
    /// The node.
    pub node: Arc<str>,
    /// The plugin that filtered it out and its reason, or `None` when the node is feasible.
    pub rejected_by: Option<(&'static str, Arc<str>)>,
    /// What each scoring plugin gave, in the order of their registration; empty when the node is not feasible, or the only one that is.
    /// Nodes that fit equally well share it.
    pub scores: Arc<[PluginScore]>,
    /// The sum of the weighted scores.
    pub total: i64,
}

/// What a scoring plugin of the scheduler gave to one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginScore {
    /// The plugin.
    pub plugin: &'static str,
    /// Its normalized score, 0 to 100.
    pub score: i64,
    /// How often the score counts in the total.
    pub weight: i64,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Command { line } => write!(f, "$ {line}"),
            What::Fault { description } => write!(f, "fault: {description}"),
            What::Request { verb, object, subresource: "", .. } => write!(f, "{verb} {object}"),
            What::Request { verb, object, subresource, .. } => write!(f, "{verb} {object} ({subresource})"),
            What::Refused { code, reason, message } => write!(f, "refused: {code} {reason}: {message}"),
            What::Stored { verb, object, revision } => {
                let verb = match verb {
                    Verb::Create => "created",
                    Verb::Update => "updated",
                    Verb::Delete => "deleted",
                };
                write!(f, "stored {object} {verb} at revision {revision}")
            }
            What::AlarmRaised { member, alarm } => write!(f, "alarm {alarm} raised for {member}"),
            What::Exited { message } => write!(f, "exited: {message}"),
            What::RaftRole { role, term } => write!(f, "became {role} at term {term}"),
            What::RaftVote { candidate, term, granted, pre } => {
                let (vote, done) = (if *pre { "pre-vote" } else { "vote" }, if *granted { "gave" } else { "refused" });
                write!(f, "{done} {candidate} its {vote} for term {term}")
            }
            What::LogAppended { index, term, object } => write!(f, "log entry {index} of term {term}{}", of(object)),
            What::LogPersisted { index, object, .. } => write!(f, "log entry {index} on disk{}", of(object)),
            What::LogCommitted { index, object } => write!(f, "log entry {index} committed{}", of(object)),
            What::Reconciled { object, decision } => write!(f, "{object}: {decision}"),
            What::Autoscaled { object, current, proposed, desired, utilization, target } => {
                let percent = |value: &Option<i32>| value.map_or("<unknown>".to_owned(), |value| format!("{value}%"));
                let wanted = proposed.map_or("nothing".to_owned(), |count| count.to_string());
                write!(
                    f,
                    "{object}: {}/{}, {current} replicas, metrics want {wanted}, set to {desired}",
                    percent(utilization),
                    percent(target)
                )
            }
            What::Scheduled { pod, node: Some(node), nodes, .. } => write!(f, "{pod} fits {node}, best of {}", feasible(nodes)),
            What::Scheduled { pod, node: None, message, .. } => write!(f, "{pod} fits no node: {message}"),
            What::SandboxReady { pod, ip } => write!(f, "{pod} sandbox ready, IP {ip}"),
            What::SandboxRemoved { pod } => write!(f, "{pod} sandbox removed"),
            What::ImagePullStarted { pod, image } => write!(f, "{pod} pulling {image}"),
            What::ImagePulled { pod, image } => write!(f, "{pod} pulled {image}"),
            What::ImagePullFailed { pod, image, message } => write!(f, "{pod} could not pull {image}: {message}"),
            What::ContainerStarted { pod, container, restart_count } => {
                write!(f, "{pod} container {container} started (restarts: {restart_count})")
            }
            What::ContainerExited { pod, container, exit_code, reason } => {
                write!(f, "{pod} container {container} exited {exit_code} ({reason})")
            }
            What::BackOff { pod, container, reason, delay_ms } => write!(f, "{pod} container {container} waits {delay_ms} ms ({reason})"),
            What::Probe { pod, container, probe, success, output, .. } => {
                write!(f, "{pod} container {container} {probe} probe {}: {output}", if *success { "succeeded" } else { "failed" })
            }
            What::ContainerKilling { pod, container, reason } => write!(f, "{pod} killing container {container}: {reason}"),
            What::EventRecorded { regarding, kind, reason, message } => write!(f, "{regarding} event {kind} {reason}: {message}"),
            What::Packet(hop) => write!(f, "{hop}"),
        }
    }
}

/// `: Pod default/web`, or nothing.
fn of(object: &Option<ObjectRef>) -> String {
    object.as_ref().map_or_else(String::new, |object| format!(": {object}"))
}

fn feasible(nodes: &[NodeVerdict]) -> usize {
    nodes.iter().filter(|verdict| verdict.rejected_by.is_none()).count()
}

/// One event of the trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceEvent {
    /// Its number.
    pub id: EventId,
    /// When it happened, in virtual nanoseconds since the start of the run.
    #[serde(serialize_with = "nanos")]
    pub at: Time,
    /// Who did it, for example `kubelet/node-1`.
    pub actor: Arc<str>,
    /// The event that led to it.
    pub cause: Option<EventId>,
    /// What happened.
    pub what: What,
}

fn nanos<S: serde::Serializer>(at: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(at.as_nanos())
}

impl fmt::Display for TraceEvent {
    /// One line: time, number, actor, what, and the number of the cause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10}  #{:<5} {:<28} {}", self.at.to_string(), self.id.0, self.actor, self.what)?;
        match self.cause {
            Some(cause) => write!(f, "  <- #{}", cause.0),
            None => Ok(()),
        }
    }
}

/// The events of a run, oldest first.
#[derive(Debug)]
pub struct Trace {
    events: VecDeque<TraceEvent>,
    capacity: usize,
    next_id: u64,
}

impl Default for Trace {
    /// An empty trace that keeps 200,000 events.
    fn default() -> Self {
        Trace::with_capacity(200_000)
    }
}

impl Trace {
    /// An empty trace that keeps the last `capacity` events (0: none; numbering goes on all the same).
    pub fn with_capacity(capacity: usize) -> Self {
        Trace { events: VecDeque::new(), capacity, next_id: 1 }
    }

    /// Changes how many events are kept.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        let excess = self.events.len().saturating_sub(capacity);
        self.events.drain(..excess);
    }

    /// How many events are kept at most.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Appends an event and gives its number.
    pub fn record(&mut self, at: Time, actor: &Arc<str>, cause: Option<EventId>, what: What) -> EventId {
        let id = EventId(self.next_id);
        self.next_id += 1;
        if self.capacity > 0 {
            if self.events.len() == self.capacity {
                self.events.pop_front();
            }
            self.events.push_back(TraceEvent { id, at, actor: actor.clone(), cause, what });
        }
        id
    }

    /// The number of the newest event; 0 before the first.
    pub fn last_id(&self) -> EventId {
        EventId(self.next_id - 1)
    }

    /// How many older events are no longer held.
    pub fn dropped(&self) -> u64 {
        self.next_id - 1 - self.events.len() as u64
    }

    /// The event with this number, if it is still held.
    pub fn get(&self, id: EventId) -> Option<&TraceEvent> {
        let first = self.events.front()?.id.0;
        self.events.get(usize::try_from(id.0.checked_sub(first)?).ok()?)
    }

    /// All held events, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &TraceEvent> {
        self.events.iter()
    }

    /// The held events after `id`, oldest first: what a reader that has seen up to `id` has not seen yet.
    pub fn after(&self, id: EventId) -> impl Iterator<Item = &TraceEvent> {
        let start = self.events.partition_point(|event| event.id <= id);
        self.events.range(start..)
    }

    /// The chain of causes that led to `id`, starting with that event itself.
    pub fn why(&self, id: EventId) -> impl Iterator<Item = &TraceEvent> {
        std::iter::successors(self.get(id), |event| event.cause.and_then(|cause| self.get(cause)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(trace: &mut Trace, cause: Option<EventId>, line: &str) -> EventId {
        trace.record(Time::from_millis(1250), &"kubectl".into(), cause, What::Command { line: line.into() })
    }

    #[test]
    fn old_events_go_and_are_counted() {
        let mut trace = Trace::with_capacity(2);
        let ids: Vec<_> = ["a", "b", "c"].map(|line| command(&mut trace, None, line)).into();
        assert_eq!(trace.dropped(), 1);
        assert!(trace.get(ids[0]).is_none());
        assert_eq!(trace.get(ids[2]).map(|e| e.id), Some(ids[2]));
        assert_eq!(trace.after(ids[1]).count(), 1);
        assert_eq!(trace.after(EventId(0)).count(), 2);
    }

    #[test]
    fn why_walks_from_effect_to_cause() {
        let mut trace = Trace::default();
        let first = command(&mut trace, None, "first");
        let second = command(&mut trace, Some(first), "second");
        let lines: Vec<String> = trace.why(second).map(ToString::to_string).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].trim_start(), "1.250s  #2     kubectl                      $ second  <- #1");
    }
}
