//! What an expression sees: the objects that the API server holds, and what happened since the learner began.
//!
//! An entry of `trace` is an event of the engine's trace with its payload's fields beside its own:
//! `{id, at, actor, cause, type, text, …}`, for example `{type: 'containerStarted', pod: {kind, namespace, name}, container, restartCount}`.
//! `at` and `now` are seconds since the learner began; `text` is the event in words.

use crate::expr::{EvaluationError, Expression, from_json};
use crate::variables::Variables;
use api::Object;
use cel::Value;
use cluster::MemberStatus;
use serde_json::{Map, Value as Json};
use sim::{EventId, Time, Trace, TraceEvent};
use std::sync::Arc;

/// How many events are kept for `trace`; the oldest go first.
const MAX_EVENTS: usize = 20_000;

/// The variables that stand for lists of objects, and their kinds.
const KINDS: &[(&str, &str)] = &[
    ("clusterrolebindings", "ClusterRoleBinding"),
    ("clusterroles", "ClusterRole"),
    ("configmaps", "ConfigMap"),
    ("cronjobs", "CronJob"),
    ("daemonsets", "DaemonSet"),
    ("deployments", "Deployment"),
    ("endpointslices", "EndpointSlice"),
    ("events", "Event"),
    ("gateways", "Gateway"),
    ("horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    ("httproutes", "HTTPRoute"),
    ("ingresses", "Ingress"),
    ("jobs", "Job"),
    ("leases", "Lease"),
    ("limitranges", "LimitRange"),
    ("namespaces", "Namespace"),
    ("networkpolicies", "NetworkPolicy"),
    ("nodes", "Node"),
    ("persistentvolumeclaims", "PersistentVolumeClaim"),
    ("persistentvolumes", "PersistentVolume"),
    ("pods", "Pod"),
    ("replicasets", "ReplicaSet"),
    ("replicationcontrollers", "ReplicationController"),
    ("resourcequotas", "ResourceQuota"),
    ("rolebindings", "RoleBinding"),
    ("roles", "Role"),
    ("serviceaccounts", "ServiceAccount"),
    ("services", "Service"),
    ("statefulsets", "StatefulSet"),
];

/// The trace as expressions see it, kept up to date event by event.
#[derive(Clone, Debug)]
pub struct TraceLog {
    start: Time,
    seen: EventId,
    events: Arc<Vec<Value>>,
}

impl TraceLog {
    /// An empty log that begins at `start`, after the event `after`.
    pub fn new(start: Time, after: EventId) -> Self {
        TraceLog { start, seen: after, events: Arc::default() }
    }

    /// When it begins.
    pub fn start(&self) -> Time {
        self.start
    }

    /// Adds what is new in the trace.
    pub fn update(&mut self, trace: &Trace) {
        let mut new = trace.after(self.seen).peekable();
        if new.peek().is_none() {
            return;
        }
        let events = Arc::make_mut(&mut self.events);
        events.extend(new.map(|event| from_json(event_json(event, self.start))));
        self.seen = trace.last_id();
        // Half of them go at once, so that the rest is not moved for every new event.
        if events.len() > MAX_EVENTS {
            events.drain(..events.len() - MAX_EVENTS / 2);
        }
    }
}

/// One event as an expression sees it.
fn event_json(event: &TraceEvent, start: Time) -> Json {
    let mut fields = match serde_json::to_value(&event.what) {
        Ok(Json::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.insert("id".to_owned(), event.id.0.into());
    fields.insert("at".to_owned(), seconds(event.at, start).into());
    fields.insert("actor".to_owned(), event.actor.to_string().into());
    fields.insert("cause".to_owned(), event.cause.map_or(Json::Null, |cause| cause.0.into()));
    fields.insert("text".to_owned(), event.what.to_string().into());
    Json::Object(fields)
}

fn seconds(at: Time, start: Time) -> f64 {
    at.since(start).as_secs_f64()
}

/// Everything there is to judge by, at one moment.
pub struct Evidence<'a> {
    /// What the API server holds.
    pub objects: Vec<&'a Object>,
    /// How the members of etcd stand.
    pub members: Vec<MemberStatus>,
    /// What happened since the learner began, up to this moment.
    pub log: &'a TraceLog,
    /// The present.
    pub now: Time,
    /// The dealt numbers.
    pub variables: &'a Variables,
    /// The learner's files, as path and text.
    pub files: Vec<(&'a str, &'a str)>,
    /// The lines that the learner typed.
    pub commands: &'a [String],
}

impl Evidence<'_> {
    /// Seconds since the learner began.
    pub fn seconds(&self) -> f64 {
        seconds(self.now, self.log.start)
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// As [`Expression::evaluate`].
    pub fn evaluate(&self, expression: &Expression) -> Result<Value, EvaluationError> {
        expression.evaluate(|name| self.variable(name, expression.list_limit()))
    }

    /// What a name stands for. Long lists are cut: of objects the first are kept, of the trace the newest.
    fn variable(&self, name: &str, limit: usize) -> Value {
        if let Some((_, kind)) = KINDS.iter().find(|(plural, _)| *plural == name) {
            let objects = self.objects.iter().filter(|object| object.kind() == *kind).take(limit);
            return Value::List(Arc::new(objects.map(|object| from_json(object.to_json())).collect()));
        }
        let texts = |entries: &[(&str, &str)]| {
            from_json(Json::Object(entries.iter().map(|(name, text)| ((*name).to_owned(), Json::from(*text))).collect()))
        };
        match name {
            "now" => Value::Float(self.seconds()),
            "vars" => from_json(Json::Object(self.variables.iter().map(|(name, number)| (name.to_owned(), number.into())).collect())),
            "etcd" => from_json(serde_json::to_value(&self.members).unwrap_or_default()),
            "files" => texts(&self.files),
            "commands" => from_json(self.commands.iter().map(String::as_str).collect()),
            "trace" => {
                let events = &self.log.events;
                let newest = || Arc::new(events[events.len() - limit..].to_vec());
                Value::List(if events.len() <= limit { Arc::clone(events) } else { newest() })
            }
            _ => Value::Null,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;
    use sim::{ObjectRef, What};

    /// A Pod of this name and phase.
    pub(crate) fn pod(name: &str, phase: &str) -> Object {
        Object::decode_as("v1", "Pod", json!({"metadata": {"name": name}, "status": {"phase": phase}})).unwrap()
    }

    fn evaluate(source: &str, objects: &[Object], log: &TraceLog) -> Value {
        let evidence = Evidence {
            objects: objects.iter().collect(),
            members: Vec::new(),
            log,
            now: Time::from_millis(12_500),
            variables: &Variables::default(),
            files: vec![("web.yaml", "kind: Pod")],
            commands: &["kubectl get pods".to_owned()],
        };
        evidence.evaluate(&Expression::parse(source).unwrap()).unwrap()
    }

    #[test]
    fn every_variable_has_a_value() {
        let log = TraceLog::new(Time::ZERO, EventId(0));
        for name in crate::VARIABLES {
            assert_ne!(evaluate(name, &[], &log), Value::Null, "{name}");
        }
    }

    #[test]
    fn objects_files_commands_and_time_are_seen() {
        let log = TraceLog::new(Time::from_secs(10), EventId(0));
        let objects = [pod("a", "Running"), pod("b", "Pending")];
        let cases = [
            "pods.filter(p, p.status.phase == 'Running').map(p, p.metadata.name) == ['a']",
            "size(deployments) == 0",
            "now == 2.5",
            "files['web.yaml'].contains('Pod')",
            "commands.exists(c, c.startsWith('kubectl get'))",
        ];
        for source in cases {
            assert_eq!(evaluate(source, &objects, &log), Value::Bool(true), "{source}");
        }
    }

    #[test]
    fn the_trace_is_seen_from_the_start_of_the_learner() {
        let mut trace = Trace::default();
        let started =
            |restart_count| What::ContainerStarted { pod: ObjectRef::new("Pod", "default", "web"), container: "c".into(), restart_count };
        let before = trace.record(Time::from_secs(1), &"kubelet/node-1".into(), None, started(0));
        let mut log = TraceLog::new(Time::from_secs(10), before);
        trace.record(Time::from_millis(10_500), &"kubelet/node-1".into(), Some(before), started(1));
        log.update(&trace);
        log.update(&trace);
        let source = "size(trace) == 1 && trace[0].type == 'containerStarted' && trace[0].restartCount == 1 && trace[0].at == 0.5 \
                      && trace[0].pod.name == 'web' && trace[0].actor.startsWith('kubelet/')";
        assert_eq!(evaluate(source, &[], &log), Value::Bool(true));
    }
}
