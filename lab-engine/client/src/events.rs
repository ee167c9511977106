//! The event recorder: tells the world about an object by Events (`client-go/tools/record`: `event.go`, `events_cache.go`).
//!
//! As upstream's `EventCorrelator` does: an event that came before only gets a higher count; more than ten that differ in nothing but
//! their message within ten minutes are combined into one; and a source that talks too much about one object (25 at once, then one
//! per five minutes) is not heard.
//!
//! **Simplified here:** a write that fails is not retried, except that an update of an event that is gone creates it anew.

use crate::{Input, Outbox, RequestId};
use api::Resource;
use api::core::{Event, EventSource, ObjectReference};
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::meta::Timestamp;
use serde_json::json;
use sim::{ObjectRef, Time, What};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// So many groups of events are remembered (`maxLruCacheEntries`).
const MAX_CACHE_ENTRIES: usize = 4096;
/// So many similar events within [`AGGREGATE_INTERVAL`] stay apart (`defaultAggregateMaxEvents`).
const AGGREGATE_MAX_EVENTS: usize = 10;
/// `defaultAggregateIntervalInSeconds`.
const AGGREGATE_INTERVAL: Duration = Duration::from_secs(600);
/// Events about one object that pass at once (`defaultSpamBurst`).
const SPAM_BURST: u32 = 25;
/// After this time one more passes (`defaultSpamQPS`).
const SPAM_REFILL: Duration = Duration::from_secs(300);

/// Whether an event is good or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventType {
    /// All is well.
    Normal,
    /// Someone should look.
    Warning,
}

impl EventType {
    /// `Normal` or `Warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        }
    }
}

/// Everything of an event but its message. The caches below share one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    identity: Arc<str>,
    field_path: String,
    kind: EventType,
    reason: String,
}

#[derive(Debug)]
struct Aggregate {
    /// Sorted, each once.
    messages: Vec<Arc<str>>,
    last: Time,
}

/// What is remembered of an event that was written (`eventLog`).
#[derive(Debug)]
struct Written {
    name: Box<str>,
    count: i32,
    first: Timestamp,
}

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    filled: Time,
}

/// Records events in the name of one source.
#[derive(Debug)]
pub struct EventRecorder {
    source: EventSource,
    agent: Arc<str>,
    actor: Option<Arc<str>>,
    aggregates: BTreeMap<Arc<Group>, Aggregate>,
    /// The event last written for a group and message.
    written: BTreeMap<(Arc<Group>, Arc<str>), Written>,
    buckets: BTreeMap<Arc<str>, Bucket>,
    /// Updates under way, with the event to create when it is gone.
    updating: BTreeMap<RequestId, Box<Event>>,
    creating: BTreeSet<RequestId>,
    last_name: u64,
}

impl EventRecorder {
    /// A recorder for the source `component` on `host` (empty unless it is a kubelet). `actor` is the name that the trace uses when it
    /// is a part of a component, for example `deployment-controller`.
    pub fn new(component: &str, host: &str, agent: Arc<str>, actor: Option<Arc<str>>) -> Self {
        let source = EventSource { component: component.to_owned(), host: host.to_owned(), ..EventSource::default() };
        EventRecorder {
            source,
            agent,
            actor,
            aggregates: BTreeMap::new(),
            written: BTreeMap::new(),
            buckets: BTreeMap::new(),
            updating: BTreeMap::new(),
            creating: BTreeSet::new(),
            last_name: 0,
        }
    }

    /// Records an event about an object.
    pub fn event<R: Resource>(&mut self, now: Time, about: &R, kind: EventType, reason: &str, message: &str, out: &mut Outbox) {
        self.event_for(now, reference(about), kind, reason, message, out);
    }

    /// Records an event about what `regarding` refers to, for example one container of a Pod.
    pub fn event_for(&mut self, now: Time, regarding: ObjectReference, kind: EventType, reason: &str, message: &str, out: &mut Outbox) {
        let message: Arc<str> = message.into();
        let what = What::EventRecorded {
            regarding: ObjectRef::new(regarding.kind.as_str(), regarding.namespace.as_str(), regarding.name.as_str()),
            kind: kind.as_str(),
            reason: reason.into(),
            message: message.clone(),
        };
        match &self.actor {
            Some(actor) => out.trace_as(actor, what),
            None => out.trace(what),
        }
        let identity = identity(&regarding);
        let group = Group { identity, field_path: regarding.field_path.clone(), kind, reason: reason.to_owned() };
        let (group, combined) = self.aggregate(now, Arc::new(group), &message);
        if !self.passes(now, &group.identity) {
            return;
        }
        // All combined events of a group are one, found under the empty message.
        let (counted_as, message) = match combined {
            true => ("".into(), format!("(combined from similar events): {message}")),
            false => (message.clone(), message.to_string()),
        };
        let mut event = Box::new(self.make(now, regarding, kind, reason, message));
        let key = (group, counted_as);
        if let Some(written) = self.written.get_mut(&key) {
            written.count = written.count.saturating_add(1);
            event.metadata.name = written.name.to_string();
            event.first_timestamp = Some(written.first);
            event.count = Some(written.count);
            let change = json!({"count": event.count, "lastTimestamp": Timestamp::from(now).to_string(), "message": event.message});
            let path = ResourcePath::object(Event::INFO, &event.metadata.namespace, &event.metadata.name);
            let body = Body::Patch(PatchType::StrategicMerge, change);
            let id = out.request(Request::new(Method::Patch, path).body(body).agent(&self.agent));
            self.updating.insert(id, event);
            return;
        }
        event.metadata.name = self.name(now, &event.involved_object.name);
        let written = Written { name: event.metadata.name.as_str().into(), count: 1, first: now.into() };
        self.create(*event, out);
        if self.written.len() >= MAX_CACHE_ENTRIES {
            self.written.pop_first();
        }
        self.written.insert(key, written);
    }

    /// Takes the answers to its own writes; whether the input was one.
    pub fn handle(&mut self, _now: Time, input: &Input, out: &mut Outbox) -> bool {
        let Input::Response(id, answer) = input else {
            return false;
        };
        if self.creating.remove(id) {
            return true;
        }
        let Some(event) = self.updating.remove(id) else {
            return false;
        };
        if matches!(answer, Ok(response) if response.code == 404) {
            self.create(*event, out);
        }
        true
    }

    fn create(&mut self, event: Event, out: &mut Outbox) {
        let path = ResourcePath::collection(Event::INFO, &event.metadata.namespace);
        let request = Request::new(Method::Post, path).body(Body::Object(Arc::new(event).into_object())).agent(&self.agent);
        self.creating.insert(out.request(request));
    }

    /// The group as the caches share it, and whether the event is combined with others of it (`EventAggregator.EventAggregate`).
    fn aggregate(&mut self, now: Time, group: Arc<Group>, message: &Arc<str>) -> (Arc<Group>, bool) {
        let known = self.aggregates.get_key_value(&group).map(|(known, _)| known.clone());
        if known.is_none() && self.aggregates.len() >= MAX_CACHE_ENTRIES {
            self.aggregates.pop_first();
        }
        let group = known.unwrap_or(group);
        let aggregate = self.aggregates.entry(group.clone()).or_insert_with(|| Aggregate { messages: Vec::new(), last: now });
        if now.since(aggregate.last) > AGGREGATE_INTERVAL {
            aggregate.messages.clear();
        }
        aggregate.last = now;
        if let Err(place) = aggregate.messages.binary_search(message) {
            aggregate.messages.insert(place, message.clone());
        }
        let combined = aggregate.messages.len() >= AGGREGATE_MAX_EVENTS;
        if combined {
            aggregate.messages.remove(0);
        }
        (group, combined)
    }

    /// Whether the spam filter lets an event about this object pass (`EventSourceObjectSpamFilter`).
    fn passes(&mut self, now: Time, identity: &Arc<str>) -> bool {
        if self.buckets.len() >= MAX_CACHE_ENTRIES && !self.buckets.contains_key(identity) {
            self.buckets.pop_first();
        }
        let bucket = self.buckets.entry(identity.clone()).or_insert(Bucket { tokens: SPAM_BURST, filled: now });
        let earned = now.since(bucket.filled).as_secs() / SPAM_REFILL.as_secs();
        if earned > 0 {
            bucket.tokens = bucket.tokens.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX)).min(SPAM_BURST);
            bucket.filled += SPAM_REFILL * u32::try_from(earned).unwrap_or(u32::MAX);
        }
        let passes = bucket.tokens > 0;
        bucket.tokens = bucket.tokens.saturating_sub(1);
        passes
    }

    /// A name that no event has had. Upstream names events by the nanosecond; here several can happen in one, so each takes the next.
    fn name(&mut self, now: Time, regarding: &str) -> String {
        self.last_name = now.as_nanos().max(self.last_name + 1);
        let unix_nanos = Time::EPOCH.unsigned_abs() * 1_000_000_000 + self.last_name;
        format!("{regarding}.{unix_nanos:x}")
    }

    /// An event that happened once, without a name.
    fn make(&self, now: Time, regarding: ObjectReference, kind: EventType, reason: &str, message: String) -> Event {
        let mut event = Event {
            reason: reason.to_owned(),
            message,
            source: self.source.clone(),
            first_timestamp: Some(now.into()),
            last_timestamp: Some(now.into()),
            count: Some(1),
            type_: kind.as_str().to_owned(),
            reporting_component: self.source.component.clone(),
            reporting_instance: self.source.host.clone(),
            ..Event::default()
        };
        event.metadata.namespace = if regarding.namespace.is_empty() { "default".to_owned() } else { regarding.namespace.clone() };
        event.involved_object = regarding;
        event
    }
}

/// What tells one object from another: its UID, or its name where a reference has no UID.
fn identity(regarding: &ObjectReference) -> Arc<str> {
    let name = || format!("{} {}/{}", regarding.kind, regarding.namespace, regarding.name).into();
    if regarding.uid.is_empty() { name() } else { regarding.uid.as_str().into() }
}

/// A reference to an object (`ref.GetReference`).
fn reference<R: Resource>(object: &R) -> ObjectReference {
    let metadata = object.metadata();
    ObjectReference {
        kind: R::INFO.kind.to_string(),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        api_version: R::INFO.api_version(),
        resource_version: metadata.resource_version.to_string(),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;
    use api::core::Pod;
    use api::status::Status;

    fn requests(out: &mut Outbox) -> Vec<(RequestId, Request)> {
        let (actions, _) = out.take();
        let request = |action| if let Action::Request(id, request) = action { Some((id, *request)) } else { None };
        actions.into_iter().filter_map(request).collect()
    }

    fn fixture() -> (EventRecorder, Pod, Outbox) {
        let mut pod = Pod::default();
        pod.metadata.name = "web".to_owned();
        pod.metadata.namespace = "default".to_owned();
        pod.metadata.uid = "1".to_owned();
        (EventRecorder::new("kubelet", "node-1", "kubelet".into(), None), pod, Outbox::new(1))
    }

    #[test]
    fn the_same_event_again_only_counts_up_and_is_made_anew_when_gone() {
        let (mut recorder, pod, mut out) = fixture();
        for _ in 0..2 {
            recorder.event(Time::from_secs(1), &pod, EventType::Normal, "Pulled", "pulled", &mut out);
        }
        let sent = requests(&mut out);
        assert_eq!((sent[0].1.method, sent[1].1.method), (Method::Post, Method::Patch));
        let Body::Object(object) = &sent[0].1.body else { panic!("a create has an object") };
        assert!(object.metadata().name.starts_with("web.18"), "{}", object.metadata().name);
        let Body::Patch(_, change) = &sent[1].1.body else { panic!("an update is a patch") };
        assert_eq!(change["count"], 2);
        let gone = Status::not_found(&Event::INFO.gvr(), "web");
        assert!(recorder.handle(Time::from_secs(2), &Input::Response(sent[1].0, Ok(gone.into())), &mut out));
        assert_eq!(requests(&mut out)[0].1.method, Method::Post);
    }

    #[test]
    fn the_tenth_similar_event_is_combined() {
        let (mut recorder, pod, mut out) = fixture();
        for i in 0..12 {
            recorder.event(Time::ZERO, &pod, EventType::Normal, "SuccessfulCreate", &format!("Created pod: web-{i:02}"), &mut out);
        }
        let sent = requests(&mut out);
        let methods: Vec<Method> = sent.iter().map(|(_, request)| request.method).collect();
        assert_eq!(methods[..10], [Method::Post; 10]);
        let Body::Object(object) = &sent[9].1.body else { panic!("a create has an object") };
        assert_eq!(object.to_json()["message"], "(combined from similar events): Created pod: web-09");
        assert_eq!(methods[10..], [Method::Patch; 2]);
    }

    #[test]
    fn objects_without_a_uid_are_told_apart_by_name() {
        let (mut recorder, _, mut out) = fixture();
        for i in 0..40 {
            let name = format!("web-{i}");
            let pod = ObjectReference { kind: "Pod".to_owned(), name: name.clone(), ..ObjectReference::default() };
            recorder.event_for(Time::ZERO, pod, EventType::Normal, "Gone", &format!("{name} is gone"), &mut out);
        }
        assert_eq!(requests(&mut out).len(), 40);
    }

    #[test]
    fn who_talks_too_much_is_not_heard() {
        let (mut recorder, pod, mut out) = fixture();
        for i in 0..40 {
            recorder.event(Time::ZERO, &pod, EventType::Warning, &format!("Reason{i}"), "x", &mut out);
        }
        assert_eq!(requests(&mut out).len(), 25);
        recorder.event(Time::from_secs(300), &pod, EventType::Warning, "Later", "x", &mut out);
        assert_eq!(requests(&mut out).len(), 1);
    }
}
