//! The TTL-after-finished controller: deletes Jobs some time after their end (`pkg/controller/ttlafterfinished`).

use crate::caches::Caches;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink, succeeded_or_gone};
use api::Resource;
use api::batch::Job;
use api::http::{Body, Method, Request, ResourcePath};
use api::meta::condition;
use client::ObjectKey;
use serde_json::json;
use sim::Time;
use std::time::Duration;

/// Deletes Jobs when their time is up.
#[derive(Debug, Default)]
pub(crate) struct TtlAfterFinishedController;

/// How long a Job that has ended may stay; `None` when that is not limited (`timeLeft`).
fn time_left(now: Time, job: &Job) -> Option<Duration> {
    let ttl = job.spec.ttl_seconds_after_finished.filter(|_| !job.metadata.is_deleting())?;
    let ended = ["Complete", "Failed"].into_iter().find_map(|type_| condition(&job.status.conditions, type_));
    let at = ended.filter(|condition| condition.status == "True")?.last_transition_time?.0;
    Some((at + Duration::from_secs(u64::try_from(ttl).unwrap_or(0))).since(now))
}

impl Controller for TtlAfterFinishedController {
    type Note = ();

    /// Models `processJob`; that the Job is the one that was seen is a precondition of the deletion.
    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<()> {
        let mut plan = Plan::default();
        let Some(job) = caches.jobs.lister().get(key).filter(|job| time_left(now, job) == Some(Duration::ZERO)) else { return plan };
        let seen = json!({"uid": job.metadata.uid, "resourceVersion": job.metadata.resource_version.to_string()});
        let options = json!({"propagationPolicy": "Foreground", "preconditions": seen});
        let path = ResourcePath::object(Job::INFO, &key.namespace, &key.name);
        plan.phases.push_back(vec![Call { request: Request::new(Method::Delete, path).body(Body::Json(options)), note: () }]);
        plan.decision = Some((job.object_ref(), "delete it: its time after its end is up".to_owned()));
        plan
    }

    fn answered(&mut self, _: &ObjectKey, _: &(), answer: Answer, _: &mut Sink<'_>) -> Result<(), String> {
        succeeded_or_gone(answer)
    }

    fn conclude(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _: Option<&str>) -> Conclusion<()> {
        let left = caches.jobs.lister().get(key).and_then(|job| time_left(now, job));
        (None, left.filter(|left| !left.is_zero()))
    }
}
