//! The adapter of a monitoring system: collects what programs show of themselves, and serves it as `custom.metrics.k8s.io/v1beta2` and
//! `external.metrics.k8s.io/v1beta1` (`kubernetes-sigs/prometheus-adapter`, with Prometheus before it).
//!
//! ```text
//! Pods ◄─/metrics, every 15 s─ adapter ◄─ kube-apiserver ◄─ HorizontalPodAutoscaler, kubectl get --raw
//! ```
//!
//! A Pod says that it wants to be looked at with the annotation `prometheus.io/scrape: "true"`, and where with `prometheus.io/port` (its first
//! declared port otherwise) and `prometheus.io/path` (`/metrics`). A metric of a Service is the sum over the Pods that it selects; an external
//! metric the sum over all Pods of the namespace that show it, so that an exporter stands for whatever is outside.
//!
//! **Simplified here:** Prometheus and its adapter are one; Pods are asked through the API server's `portforward`, where Prometheus connects to
//! their addresses; a rate is taken over two looks; metrics of other objects than Pods and Services are not known, and none are configured.

mod answers;
mod series;

use crate::points::PodKey;
use answers::Known;
use api::Resource;
use api::core::{Pod, Service};
use api::http::{Body, Method, Request, ResourcePath, Response};
use client::{Component, Informer, Input, Inspection, ListOptions, ObjectKey, Outbox, RequestId, Transport};
use series::{Look, Store};
use sim::{Rng, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The time between two looks (`scrape_interval`), and how long one waits for Pods (`scrape_timeout`).
const INTERVAL: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(10);

/// How many Pods are looked at.
const MAX_TARGETS: usize = 1000;

/// The component.
#[derive(Debug)]
pub struct MetricsAdapter {
    agent: Arc<str>,
    pods: Informer<Pod>,
    services: Informer<Service>,
    store: Store,
    /// Which Pods have not answered the look under way.
    waiting: BTreeMap<RequestId, PodKey>,
    /// When those are given up.
    until: Time,
    next: Time,
}

/// Where the page of a Pod is: its port and path; `None` when it has none or does not run.
fn target(pod: &Pod) -> Option<(u16, &str)> {
    let annotation = |name: &str| pod.metadata.annotations.get(name).map(String::as_str);
    if annotation("prometheus.io/scrape") != Some("true") || pod.status.phase != "Running" {
        return None;
    }
    let declared = || pod.spec.containers.iter().flat_map(|container| container.ports.iter()).next().map(|port| port.container_port);
    let port = match annotation("prometheus.io/port") {
        Some(text) => text.parse().ok()?,
        None => u16::try_from(declared()?).ok()?,
    };
    Some((port, annotation("prometheus.io/path").unwrap_or("/metrics")))
}

impl MetricsAdapter {
    /// An adapter that knows nothing yet. Its first input makes it ask the API server for Pods and Services.
    pub fn new(rng: &Rng) -> Self {
        let agent: Arc<str> = "prometheus-adapter".into();
        MetricsAdapter {
            pods: Informer::new(ListOptions::default(), agent.clone(), rng.stream("pods")),
            services: Informer::new(ListOptions::default(), agent.clone(), rng.stream("services")),
            agent,
            store: Store::default(),
            waiting: BTreeMap::new(),
            until: Time::ZERO,
            next: Time::ZERO,
        }
    }

    fn has_synced(&self) -> bool {
        self.pods.has_synced() && self.services.has_synced()
    }

    /// Asks every Pod that wants it for its page.
    fn begin(&mut self, now: Time, out: &mut Outbox) {
        (self.next, self.until) = (now + INTERVAL, now + TIMEOUT);
        let pods = self.pods.lister();
        self.store.retain(|(namespace, name)| pods.get(&ObjectKey::new(namespace.as_str(), name.as_str())).is_some());
        let targets = pods.list().filter_map(|pod| Some((pod, target(pod)?)));
        for (pod, (port, path)) in targets.take(MAX_TARGETS) {
            let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
            let resource = ResourcePath::object(Pod::INFO, namespace, name).with_subresource("portforward");
            let question = format!("GET {path} HTTP/1.1\r\nHost: {}:{port}\r\nUser-Agent: Prometheus/3\r\n\r\n", pod.status.pod_ip);
            let request = Request::new(Method::Post, resource).query("ports", port.to_string()).body(Body::Text(question.into()));
            self.waiting.insert(out.request(request.agent(&self.agent)), (namespace.clone(), name.clone()));
        }
    }

    /// A Pod answered, or not.
    fn answered(&mut self, now: Time, id: RequestId, answer: Result<Response, Transport>) {
        let Some(pod) = self.waiting.remove(&id) else { return };
        if let Ok(Response { result: Ok(Body::Text(text)), .. }) = answer
            && let Some((head, page)) = text.split_once("\r\n\r\n")
            && head.split(' ').nth(1) == Some("200")
        {
            self.store.put(pod, Look::read(now, page));
        }
    }
}

impl Component for MetricsAdapter {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        self.pods.start(now, out);
        self.services.start(now, out);
        if self.pods.handle(now, &input, out).is_none() && self.services.handle(now, &input, out).is_none() {
            match input {
                Input::Response(id, answer) => self.answered(now, id, answer),
                Input::Serve(id, request) => {
                    let known = Known { pods: self.pods.lister(), services: self.services.lister(), store: &self.store };
                    out.respond(id, known.answer(&request));
                }
                _ => {}
            }
        }
        if self.until <= now {
            std::mem::take(&mut self.waiting).into_keys().for_each(|id| out.cancel(id));
        }
        if self.next <= now && self.has_synced() {
            self.begin(now, out);
        }
    }

    fn next_wake(&self) -> Option<Time> {
        let next = if self.waiting.is_empty() { self.next } else { self.until };
        [self.has_synced().then_some(next), self.pods.next_wake(), self.services.next_wake()].into_iter().flatten().min()
    }

    fn inspect(&self) -> Inspection {
        Inspection { informers: vec![self.pods.status(), self.services.status()], queues: Vec::new() }
    }
}
