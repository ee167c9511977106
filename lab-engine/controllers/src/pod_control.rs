//! Pods that a controller makes and deletes: what is told of it, and what is to be seen of it before the next look (`RealPodControl` and
//! `slowStartBatch` in `pkg/controller`).

use crate::driver::{Answer, Call, Sink};
use api::core::Pod;
use api::http::{Body, Method, Request, ResourcePath};
use api::{Object, Resource};
use client::{EventType, Expectations, ObjectKey};
use sim::Time;
use std::sync::Arc;

/// The first batch of creations (`SlowStartInitialBatchSize`).
const SLOW_START: usize = 1;

/// A Pod is made or deleted on behalf of its controller.
#[derive(Clone, Debug)]
pub(crate) enum PodWrite<K> {
    /// One is made.
    Create(Arc<K>),
    /// This one is deleted.
    Delete(Arc<K>, Arc<Pod>),
}

impl<K> PodWrite<K> {
    /// Whether nothing came of it, as far as the answer tells. A Pod that is gone already is as good as deleted.
    pub(crate) fn failed(&self, answer: &Answer) -> bool {
        match self {
            PodWrite::Create(_) => answer.is_err(),
            PodWrite::Delete(..) => answer.as_ref().is_err_and(|refusal| refusal.code != 404),
        }
    }
}

/// Makes and deletes the Pods of a controller's objects.
#[derive(Debug, Default)]
pub(crate) struct PodControl {
    /// What was done and is not seen yet.
    pub(crate) expectations: Expectations,
}

impl PodControl {
    /// Expects to see these Pods made, and makes them in batches of 1, 2, 4, … that each wait for the one before.
    pub(crate) fn create<K: Resource, N: From<PodWrite<K>>>(
        &mut self,
        now: Time,
        owner: &Arc<K>,
        pods: impl ExactSizeIterator<Item = Object>,
    ) -> impl Iterator<Item = Vec<Call<N>>> {
        let count = pods.len();
        if count > 0 {
            self.expectations.expect_creations(now, &ObjectKey::of(owner.as_ref()), count);
        }
        let path = ResourcePath::collection(Pod::INFO, &owner.metadata().namespace);
        let mut calls = pods.map(move |pod| {
            let request = Request::new(Method::Post, path.clone()).body(Body::Object(pod));
            Call { request, note: PodWrite::Create(owner.clone()).into() }
        });
        batches(count).map(move |size| calls.by_ref().take(size).collect())
    }

    /// Expects to see these Pods go, and deletes them, all at once; no phase if there are none.
    pub(crate) fn delete<K: Resource, N: From<PodWrite<K>>>(
        &mut self,
        now: Time,
        owner: &Arc<K>,
        pods: &[Arc<Pod>],
    ) -> Option<Vec<Call<N>>> {
        if pods.is_empty() {
            return None;
        }
        self.expectations.expect_deletions(now, &ObjectKey::of(owner.as_ref()), pods.iter().map(|pod| pod.metadata.uid.clone()));
        let call = |pod: &Arc<Pod>| Call::delete(pod.as_ref(), PodWrite::Delete(owner.clone(), pod.clone()).into());
        Some(pods.iter().map(call).collect())
    }

    /// Takes an answer: tells of it, and no longer waits to see what did not happen. In a namespace that is being deleted a Pod cannot be
    /// made, and need not be.
    pub(crate) fn answered<K: Resource>(
        &mut self,
        key: &ObjectKey,
        write: &PodWrite<K>,
        answer: Answer,
        sink: &mut Sink<'_>,
    ) -> Result<(), String> {
        if answer.is_err() {
            self.skipped(key, write);
        }
        match (write, answer) {
            (PodWrite::Create(owner), Ok(pod)) => {
                let message = format!("Created pod: {}", pod.metadata().name);
                sink.event(owner.as_ref(), EventType::Normal, "SuccessfulCreate", &message);
            }
            (PodWrite::Create(_), Err(refusal)) if refusal.namespace_terminating => {}
            (PodWrite::Create(owner), Err(refusal)) => {
                sink.event(owner.as_ref(), EventType::Warning, "FailedCreate", &format!("Error creating: {}", refusal.message));
                return Err(refusal.message);
            }
            (PodWrite::Delete(owner, pod), Ok(_)) => {
                sink.event(owner.as_ref(), EventType::Normal, "SuccessfulDelete", &format!("Deleted pod: {}", pod.metadata.name));
            }
            (PodWrite::Delete(..), Err(refusal)) if refusal.code == 404 => {}
            (PodWrite::Delete(owner, _), Err(refusal)) => {
                sink.event(owner.as_ref(), EventType::Warning, "FailedDelete", &format!("Error deleting: {}", refusal.message));
                return Err(refusal.message);
            }
        }
        Ok(())
    }

    /// A write was not sent, or failed: nothing will be seen of it.
    pub(crate) fn skipped<K>(&mut self, key: &ObjectKey, write: &PodWrite<K>) {
        match write {
            PodWrite::Create(_) => self.expectations.creation_observed(key),
            PodWrite::Delete(_, pod) => self.expectations.deletion_observed(key, &pod.metadata.uid),
        }
    }
}

/// The sizes of the batches in which `count` Pods are made.
fn batches(count: usize) -> impl Iterator<Item = usize> {
    let (mut left, mut size) = (count, SLOW_START);
    std::iter::from_fn(move || {
        let batch = size.min(left);
        left -= batch;
        size *= 2;
        (batch > 0).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Refusal;
    use api::apps::ReplicaSet;
    use api::json::decode;
    use client::{EventRecorder, Outbox};
    use serde_json::json;
    use sim::What;

    #[test]
    fn batches_double() {
        assert_eq!(batches(10).collect::<Vec<_>>(), [1, 2, 4, 3]);
        assert_eq!(batches(0).count(), 0);
    }

    #[test]
    fn what_does_not_happen_is_told_and_not_waited_for() {
        let named = |uid: &str| json!({"metadata": {"namespace": "default", "name": "web", "uid": uid}});
        let (rs, pod): (Arc<ReplicaSet>, Arc<Pod>) = (Arc::new(decode(named("1")).unwrap()), Arc::new(decode(named("2")).unwrap()));
        let (key, mut control) = (ObjectKey::of(rs.as_ref()), PodControl::default());
        let (mut events, mut out) = (EventRecorder::new("test", "", "test".into(), None), Outbox::new(1));
        let creations: Vec<Vec<Call<PodWrite<ReplicaSet>>>> =
            control.create(Time::ZERO, &rs, std::iter::repeat_n(Object::from(Pod::default()), 1)).collect();
        let deletions: Vec<Call<PodWrite<ReplicaSet>>> = control.delete(Time::ZERO, &rs, &[pod]).unwrap();
        let mut answer = |write: &PodWrite<ReplicaSet>, code: u16, namespace_terminating: bool| {
            let refusal = Refusal { code, message: "no".to_owned(), namespace_terminating };
            let judged = control.answered(&key, write, Err(refusal), &mut Sink { now: Time::ZERO, events: &mut events, out: &mut out });
            let told = out.take().0.into_iter().any(|action| matches!(action, client::Action::Trace(_, What::EventRecorded { .. })));
            (judged.is_err(), told, control.expectations.satisfied(Time::ZERO, &key))
        };
        assert_eq!(answer(&creations[0][0].note, 403, true), (false, false, false));
        assert_eq!(answer(&creations[0][0].note, 403, false), (true, true, false));
        assert_eq!(answer(&deletions[0].note, 404, false), (false, false, true));
        assert_eq!(answer(&deletions[0].note, 500, false), (true, true, true));
    }
}
