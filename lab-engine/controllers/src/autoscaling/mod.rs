//! The HorizontalPodAutoscaler controller (`pkg/controller/podautoscaler`).
//!
//! Every 15 seconds it looks at each autoscaler: asks for the scale of the target, asks the metrics APIs (`rest`), decides and writes the
//! scale and its own status.
//!
//! **Simplified here:** targets are built-in kinds.

pub mod behavior;
mod decision;
pub mod metrics;
pub mod proposals;
pub mod replica_calculator;
mod rest;

use crate::caches::Caches;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink};
use api::Resource;
use api::autoscaling::{HorizontalPodAutoscaler, MetricSpec, MetricStatus};
use api::core::Pod;
use api::http::{Body, Method, Request, ResourcePath};
use api::kinds::{KINDS, KindInfo};
use api::labels::Selector;
use client::{EventType, ObjectKey};
use decision::{Decision, Memory, decide, set_condition};
use proposals::Question;
use rest::{Answers, Query, queries};
use serde_json::{Value, json};
use sim::{Time, What};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The pause between two looks (`--horizontal-pod-autoscaler-sync-period`).
pub(crate) const SYNC_PERIOD: Duration = Duration::from_secs(15);

/// What a request is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    GetScale,
    GetMetrics(Query),
    PutScale,
    Status(Arc<HorizontalPodAutoscaler>),
}

/// How far a look has come.
#[derive(Debug)]
enum Step {
    /// The scale, or why there is none.
    Scale(Result<Value, String>),
    /// The metrics.
    Measured(Value),
    /// The scale was written, or not.
    Rescaled(Result<(), String>),
}

/// A look under way.
#[derive(Debug)]
struct Look {
    /// The autoscaler as it was.
    before: Arc<HorizontalPodAutoscaler>,
    /// With what has been found out so far.
    hpa: HorizontalPodAutoscaler,
    step: Option<Step>,
    answers: Answers,
    decision: Decision,
    current: i32,
}

/// Changes the number of Pods by what metrics say.
#[derive(Debug, Default)]
pub(crate) struct AutoscalerController {
    memories: BTreeMap<ObjectKey, Memory>,
    /// Whose Pods each autoscaler counts, to find two that count the same.
    selectors: BTreeMap<ObjectKey, Selector>,
    looks: BTreeMap<ObjectKey, Look>,
}

/// What the trace calls the controller.
const ACTOR: &str = "horizontal-pod-autoscaler";

impl Look {
    /// What the trace says of the look.
    fn told(&self) -> What {
        let specs = self.hpa.spec.metrics.iter().zip(&self.decision.metrics);
        let used = |status: &MetricStatus| {
            let resource = status.resource.as_ref().map(|resource| &resource.current);
            resource.or(status.container_resource.as_ref().map(|resource| &resource.current))?.average_utilization
        };
        let target = |spec: &MetricSpec| {
            let resource = spec.resource.as_ref().map(|source| &source.target);
            resource.or(spec.container_resource.as_ref().map(|source| &source.target))?.average_utilization
        };
        let (utilization, target) = specs.map(|(spec, status)| (used(status), target(spec))).find(|(_, target)| target.is_some()).unzip();
        What::Autoscaled {
            object: self.before.object_ref(),
            current: self.current,
            proposed: self.decision.proposed,
            desired: self.decision.desired,
            utilization: utilization.flatten(),
            target: target.flatten(),
        }
    }
}

/// The selector of a target, and the Pods that it selects.
type Counted = (Selector, Vec<Arc<Pod>>);
/// Reason and message of a condition.
type Problem = (&'static str, String);

/// The kind that an autoscaler's target is of.
fn target_kind(hpa: &HorizontalPodAutoscaler) -> Result<&'static KindInfo, String> {
    let target = &hpa.spec.scale_target_ref;
    let group = target.api_version.split_once('/').map_or("", |(group, _)| group);
    let no_match = || format!("no matches for kind {:?} in group {group:?}", target.kind);
    KINDS.iter().find(|info| info.group == group && info.kind == target.kind).ok_or_else(no_match)
}

/// Whether the number of replicas is one that metrics may change, and Pods can be told by a selector.
fn needs_metrics(hpa: &HorizontalPodAutoscaler, scale: &Value) -> bool {
    let (current, min) = (number(scale, "spec"), hpa.spec.min_replicas.unwrap_or(1));
    let selector = scale["status"]["selector"].as_str().unwrap_or_default();
    (current >= min || current == 0) && current <= hpa.spec.max_replicas && (current != 0 || min == 0) && !selector.is_empty()
}

fn number(scale: &Value, part: &str) -> i32 {
    scale[part]["replicas"].as_i64().and_then(|count| i32::try_from(count).ok()).unwrap_or(0)
}

impl AutoscalerController {
    /// The selector of the target's Pods, or the reason and message of the condition why it is of no use (`validateAndParseSelector`).
    fn selector(&mut self, caches: &Caches, key: &ObjectKey, text: &str) -> Result<Counted, Problem> {
        if text.is_empty() {
            return Err(("InvalidSelector", "the HPA target's scale is missing a selector".to_owned()));
        }
        let selector = Selector::parse(text).map_err(|why| {
            ("InvalidSelector", format!("couldn't convert selector into a corresponding internal selector object: {why}"))
        })?;
        self.selectors.insert(key.clone(), selector.clone());
        let all = caches.pods.lister().list_namespace(&key.namespace);
        let pods: Vec<Arc<Pod>> = all.filter(|pod| selector.matches(&pod.metadata.labels)).cloned().collect();
        let counts = |selector: &Selector| pods.iter().any(|pod| selector.matches(&pod.metadata.labels));
        let same = self.selectors.iter().filter(|(other, selector)| other.namespace == key.namespace && counts(selector));
        let names: Vec<String> = same.map(|(other, _)| format!("{{{} {}}}", other.name, other.namespace)).collect();
        if names.len() > 1 {
            let names = names.join(" ");
            return Err(("AmbiguousSelector", format!("pods by selector {text} are controlled by multiple HPAs: [{names}]")));
        }
        Ok((selector, pods))
    }

    /// Decides from the scale of the target; the request that changes it, if it must be.
    fn scale_known(&mut self, now: Time, caches: &Caches, key: &ObjectKey, scale: &Value, sink: &mut Sink<'_>) -> Option<Call<Note>> {
        let selector = self.selector(caches, key, scale["status"]["selector"].as_str().unwrap_or_default());
        let look = self.looks.get_mut(key)?;
        set_condition(
            &mut look.hpa,
            now,
            "AbleToScale",
            true,
            "SucceededGetScale",
            "the HPA controller was able to get the target's current scale",
        );
        let ((selector, pods), problem) = match selector {
            Ok(found) => (found, None),
            Err(problem) => (Default::default(), Some(problem)),
        };
        if let Some((reason, message)) = &problem {
            let reason = if message.ends_with("missing a selector") { "SelectorRequired" } else { reason };
            let text = if reason == "SelectorRequired" { "selector is required" } else { message.as_str() };
            sink.event(look.before.as_ref(), EventType::Warning, reason, text);
        }
        look.current = number(scale, "spec");
        let question = Question {
            now,
            namespace: &key.namespace,
            selector: &selector,
            pods: &pods,
            spec_replicas: look.current,
            status_replicas: number(scale, "status"),
        };
        let memory = self.memories.entry(key.clone()).or_default();
        look.decision = decide(&mut look.hpa, memory, &look.answers, question, problem);
        sink.out.trace_as(&ACTOR.into(), look.told());
        if let Some(error) = look.decision.error.as_ref().filter(|_| look.decision.failed) {
            sink.event(look.before.as_ref(), EventType::Warning, "FailedComputeMetricsReplicas", error);
        }
        if look.decision.desired == look.current {
            return None;
        }
        let info = target_kind(&look.hpa).ok()?;
        let mut scale = scale.clone();
        scale["spec"] = json!({"replicas": look.decision.desired});
        let path = ResourcePath::object(info, &key.namespace, &look.hpa.spec.scale_target_ref.name).with_subresource("scale");
        Some(Call { request: Request::new(Method::Put, path).body(Body::Json(scale)), note: Note::PutScale })
    }

    /// Notes that there is no scale to decide from.
    fn scale_unknown(&mut self, now: Time, key: &ObjectKey, why: &str, sink: &mut Sink<'_>) {
        let Some(look) = self.looks.get_mut(key) else { return };
        sink.event(look.before.as_ref(), EventType::Warning, "FailedGetScale", why);
        let message = format!("the HPA controller was unable to get the target's current scale: {why}");
        set_condition(&mut look.hpa, now, "AbleToScale", false, "FailedGetScale", &message);
    }

    /// Notes that the target has its new scale, or not.
    fn rescaled(&mut self, now: Time, key: &ObjectKey, outcome: Result<(), String>, sink: &mut Sink<'_>) {
        let Some(look) = self.looks.get_mut(key) else { return };
        let Decision { desired, reason, .. } = &look.decision;
        let text = format!("New size: {desired}; reason: {reason}");
        let about = look.before.as_ref();
        match outcome {
            Ok(()) => {
                let message = format!("the HPA controller was able to update the target scale to {desired}");
                set_condition(&mut look.hpa, now, "AbleToScale", true, "SucceededRescale", &message);
                sink.event(about, EventType::Normal, "SuccessfulRescale", &text);
                look.hpa.status.last_scale_time = Some(now.into());
                look.hpa.status.desired_replicas = *desired;
                let memory = self.memories.entry(key.clone()).or_default();
                memory.scaled(now, &look.before, look.current, *desired);
            }
            Err(why) => {
                sink.event(about, EventType::Warning, "FailedRescale", &format!("{text}; error: {why}"));
                let message = format!("the HPA controller was unable to update the target scale: {why}");
                set_condition(&mut look.hpa, now, "AbleToScale", false, "FailedUpdateScale", &message);
            }
        }
    }

    /// The request that writes the status, if it has changed (`updateStatusIfNeeded`).
    fn status_call(&mut self, key: &ObjectKey) -> Option<Call<Note>> {
        let look = self.looks.remove(key)?;
        if look.hpa.status == look.before.status {
            return None;
        }
        Some(Call::update_status(look.hpa, Note::Status(look.before)))
    }
}

impl Controller for AutoscalerController {
    type Note = Note;

    /// Begins a look by asking for the scale.
    fn reconcile(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note> {
        let mut plan = Plan::default();
        let Some(hpa) = caches.autoscalers.lister().get(key).filter(|hpa| !hpa.metadata.is_deleting()) else {
            self.memories.remove(key);
            self.selectors.remove(key);
            return plan;
        };
        let mut look = Look {
            before: hpa.clone(),
            hpa: HorizontalPodAutoscaler::clone(hpa),
            step: None,
            answers: Answers::default(),
            decision: Decision::default(),
            current: 0,
        };
        match target_kind(hpa) {
            Ok(info) => {
                let path = ResourcePath::object(info, &key.namespace, &hpa.spec.scale_target_ref.name).with_subresource("scale");
                plan.phases.push_back(vec![Call { request: Request::new(Method::Get, path), note: Note::GetScale }]);
            }
            Err(why) => look.step = Some(Step::Scale(Err(why))),
        }
        self.looks.insert(key.clone(), look);
        plan
    }

    fn answered(&mut self, key: &ObjectKey, note: &Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        if let (Note::GetMetrics(query), Some(look)) = (note, self.looks.get_mut(key)) {
            let answer = answer.map(|list| list.to_json()).map_err(|refusal| query.refusal(refusal.code, &refusal.message));
            look.answers.put(query.clone(), answer);
            return Ok(());
        }
        let answer = answer.map_err(|refusal| refusal.message);
        match note {
            Note::GetMetrics(_) => {}
            Note::Status(hpa) => {
                if let Err(why) = answer {
                    sink.event(hpa.as_ref(), EventType::Warning, "FailedUpdateStatus", &why);
                }
            }
            Note::GetScale => {
                if let Some(look) = self.looks.get_mut(key) {
                    look.step = Some(Step::Scale(answer.map(|scale| scale.to_json())));
                }
            }
            Note::PutScale => {
                if let Some(look) = self.looks.get_mut(key) {
                    look.step = Some(Step::Rescaled(answer.map(drop)));
                }
            }
        }
        // The next look comes in any case, and no sooner.
        Ok(())
    }

    fn proceed(&mut self, now: Time, caches: &Caches, key: &ObjectKey, sink: &mut Sink<'_>) -> Vec<Call<Note>> {
        let Some(look) = self.looks.get_mut(key) else { return Vec::new() };
        match look.step.take() {
            Some(Step::Scale(Ok(scale))) => {
                let selector = scale["status"]["selector"].as_str().unwrap_or_default();
                let asked = if needs_metrics(&look.hpa, &scale) { queries(&look.hpa) } else { Vec::new() };
                let call = |query: Query| Call { request: query.request(&key.namespace, selector), note: Note::GetMetrics(query) };
                let calls: Vec<Call<Note>> = asked.into_iter().map(call).collect();
                look.step = Some(Step::Measured(scale));
                if !calls.is_empty() {
                    return calls;
                }
                return self.proceed(now, caches, key, sink);
            }
            Some(Step::Measured(scale)) => {
                if let Some(call) = self.scale_known(now, caches, key, &scale, sink) {
                    return vec![call];
                }
                if let Some(look) = self.looks.get_mut(key).filter(|look| !look.decision.failed) {
                    look.hpa.status.desired_replicas = look.current;
                }
                self.measured(key);
            }
            Some(Step::Scale(Err(why))) => self.scale_unknown(now, key, &why, sink),
            Some(Step::Rescaled(outcome)) => {
                self.measured(key);
                self.rescaled(now, key, outcome, sink);
            }
            None => {}
        }
        self.status_call(key).into_iter().collect()
    }

    fn conclude(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _failure: Option<&str>) -> Conclusion<Note> {
        (None, caches.autoscalers.lister().get(key).map(|_| SYNC_PERIOD))
    }
}

impl AutoscalerController {
    /// Puts what was measured into the status (`setCurrentReplicasAndMetricsInStatus`).
    fn measured(&mut self, key: &ObjectKey) {
        let Some(look) = self.looks.get_mut(key) else { return };
        look.hpa.status.current_replicas = Some(look.current);
        look.hpa.status.current_metrics.clone_from(&look.decision.metrics);
    }
}
