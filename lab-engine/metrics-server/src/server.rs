//! The component: looks at all kubelets every 15 seconds, and serves what it saw.

use crate::answers::Known;
use crate::page;
use crate::points::{Batch, Points};
use api::Resource;
use api::core::{Node, Pod};
use api::http::{Body, Method, Request, ResourcePath, Response};
use client::{Component, Informer, Input, Inspection, ListOptions, Outbox, RequestId, Transport};
use sim::{Rng, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The time between two looks (`--metric-resolution`).
const RESOLUTION: Duration = Duration::from_secs(15);

/// How long a look waits for kubelets (`--kubelet-request-timeout`).
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);

/// A look under way.
#[derive(Debug)]
struct Scrape {
    /// Which nodes have not answered.
    waiting: BTreeMap<RequestId, String>,
    seen: Batch,
    until: Time,
}

/// The component metrics-server.
#[derive(Debug)]
pub struct MetricsServer {
    agent: Arc<str>,
    nodes: Informer<Node>,
    pods: Informer<Pod>,
    points: Points,
    scrape: Option<Scrape>,
    next_scrape: Time,
}

impl MetricsServer {
    /// A server that knows nothing yet. Its first input makes it ask the API server for nodes and Pods.
    pub fn new(rng: &Rng) -> Self {
        let agent: Arc<str> = "metrics-server".into();
        MetricsServer {
            nodes: Informer::new(ListOptions::default(), agent.clone(), rng.stream("nodes")),
            pods: Informer::new(ListOptions::default(), agent.clone(), rng.stream("pods")),
            agent,
            points: Points::default(),
            scrape: None,
            next_scrape: Time::ZERO,
        }
    }

    /// Asks every kubelet for its page.
    fn begin(&mut self, now: Time, out: &mut Outbox) {
        self.next_scrape = now + RESOLUTION;
        let mut waiting = BTreeMap::new();
        for node in self.nodes.lister().list() {
            let name = &node.metadata.name;
            let path = ResourcePath::object(Node::INFO, "", name).with_subresource("proxy/metrics/resource");
            let request = Request::new(Method::Get, path).agent(&self.agent);
            waiting.insert(out.request(request), name.clone());
        }
        self.scrape = Some(Scrape { waiting, seen: Batch::default(), until: now + SCRAPE_TIMEOUT });
        self.end(now, out);
    }

    /// A kubelet answered, or not.
    fn answered(&mut self, id: RequestId, answer: Result<Response, Transport>) {
        let Some(scrape) = &mut self.scrape else { return };
        let Some(node) = scrape.waiting.remove(&id) else { return };
        if let Ok(Response { result: Ok(Body::Text(text)), .. }) = answer {
            page::read(&node, &text, &mut scrape.seen);
        }
    }

    /// Ends the look when all have answered, or the time for it is up.
    fn end(&mut self, now: Time, out: &mut Outbox) {
        let over = |scrape: &mut Scrape| scrape.waiting.is_empty() || scrape.until <= now;
        if let Some(scrape) = self.scrape.take_if(over) {
            scrape.waiting.keys().for_each(|id| out.cancel(*id));
            self.points.store(scrape.seen, RESOLUTION);
        }
    }
}

impl Component for MetricsServer {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        self.nodes.start(now, out);
        self.pods.start(now, out);
        if self.nodes.handle(now, &input, out).is_none() && self.pods.handle(now, &input, out).is_none() {
            match input {
                Input::Response(id, answer) => self.answered(id, answer),
                Input::Serve(id, request) => {
                    let (nodes, pods) = (self.nodes.lister(), self.pods.lister());
                    let known = Known { now, nodes, pods, points: &self.points };
                    out.respond(id, known.answer(&request));
                }
                _ => {}
            }
        }
        self.end(now, out);
        if self.scrape.is_none() && self.next_scrape <= now && self.nodes.has_synced() && self.pods.has_synced() {
            self.begin(now, out);
        }
    }

    fn next_wake(&self) -> Option<Time> {
        let synced = self.nodes.has_synced() && self.pods.has_synced();
        let next = self.scrape.as_ref().map_or(self.next_scrape, |scrape| scrape.until);
        [synced.then_some(next), self.nodes.next_wake(), self.pods.next_wake()].into_iter().flatten().min()
    }

    fn inspect(&self) -> Inspection {
        Inspection { informers: vec![self.nodes.status(), self.pods.status()], queues: Vec::new() }
    }
}
