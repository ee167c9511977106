//! An API server and its store without a network between them: what one says reaches the other at once.

#![allow(dead_code, reason = "each test file uses a part of it")]

use api::Object;
use api::http::{Accept, Body, CertificateSubject, Credentials, Method, PatchType, Path, Request, ResourcePath, Response, WatchEvent};
use apiserver::{ApiServer, Config, Input, Output};
use etcd::server::EtcdServer;
use serde_json::Value;
use sim::{Seed, Time, What};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Harness {
    pub(crate) server: ApiServer,
    pub(crate) etcd: EtcdServer,
    pub(crate) now: Time,
    pub(crate) etcd_cut: bool,
    pub(crate) answers: BTreeMap<u64, Response>,
    pub(crate) events: BTreeMap<u64, Vec<WatchEvent>>,
    pub(crate) ended: Vec<u64>,
    pub(crate) trace: Vec<What>,
    pub(crate) kubelet: Vec<(String, u64, Request)>,
    pub(crate) streamed: Vec<(u64, String, bool)>,
    pub(crate) passed_on: Vec<(u64, Option<String>)>,
    next: u64,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    /// A server with other settings.
    pub(crate) fn with(config: Config) -> Self {
        let mut harness = Harness {
            server: ApiServer::new(Seed(1).stream("kube-apiserver"), config),
            etcd: EtcdServer::alone(&Seed(1).stream("etcd-1")).expect("a group of one begins"),
            now: Time::ZERO,
            etcd_cut: false,
            answers: BTreeMap::new(),
            events: BTreeMap::new(),
            ended: Vec::new(),
            trace: Vec::new(),
            kubelet: Vec::new(),
            streamed: Vec::new(),
            passed_on: Vec::new(),
            next: 1,
        };
        harness.handle(Input::Wake);
        harness
    }

    /// Puts another server in the place of this one, as after a restart with other settings.
    pub(crate) fn restart(&mut self, config: Config) {
        self.server = ApiServer::new(Seed(2).stream("kube-apiserver"), config);
        self.handle(Input::Wake);
    }

    /// The bytes that etcd holds at a key.
    pub(crate) fn stored(&mut self, key: &str) -> Vec<u8> {
        let range = etcd::Range::all(etcd::KeyRange::One(key.into()));
        let request = etcd::Request::Range(etcd::CallId(u64::MAX), range);
        let mut out = Vec::new();
        self.etcd.handle(self.now, etcd::server::Input::Request { from: 1, request }, &mut out);
        let answers = out.into_iter().find_map(|output| match output {
            etcd::server::Output::Respond { response: etcd::Response::Range(_, response), .. } => Some(response),
            _ => None,
        });
        answers.and_then(|response| response.kvs.first().map(|kv| kv.value.0.encode())).expect("a value")
    }

    pub(crate) fn handle(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut out = Vec::new();
            self.server.handle(self.now, input, &mut out);
            for output in out {
                match output {
                    Output::Respond { id, response, .. } => {
                        assert!(self.answers.insert(id, response).is_none(), "answered twice");
                    }
                    Output::Watch { id, events, .. } => self.events.entry(id).or_default().extend(events.iter().cloned()),
                    Output::WatchEnded { id, .. } => self.ended.push(id),
                    Output::Stream { id, text, last, .. } => self.streamed.push((id, text.to_string(), last)),
                    Output::Kubelet { node, id, request } => self.kubelet.push((node.to_string(), id, *request)),
                    Output::KubeletText { id, frame, .. } => self.passed_on.push((id, frame.map(|frame| frame.to_string()))),
                    Output::Extension { .. } => panic!("these tests have no extension API server"),
                    Output::Trace(what) => self.trace.push(what),
                    Output::Etcd(_) if self.etcd_cut => {}
                    Output::Etcd(request) => {
                        let mut out = Vec::new();
                        self.etcd.handle(self.now, etcd::server::Input::Request { from: 0, request }, &mut out);
                        for output in out {
                            match output {
                                etcd::server::Output::Respond { response, .. } => inputs.push_back(Input::Etcd(response)),
                                etcd::server::Output::Trace(what) | etcd::server::Output::TraceApplied(_, what) => self.trace.push(what),
                                etcd::server::Output::Peer(_) | etcd::server::Output::Hash(_) => {}
                            }
                        }
                    }
                }
            }
        }
    }

    /// Lets time pass, with all wakes in it.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(at) = self.server.next_wake().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.handle(Input::Wake);
        }
        self.now = end;
    }

    /// Sends a request without waiting; gives its number.
    pub(crate) fn send(&mut self, request: Request) -> u64 {
        let id = self.next;
        self.next += 1;
        self.handle(Input::Request { client: 0, id, request: Box::new(request) });
        id
    }

    pub(crate) fn ask(&mut self, request: Request) -> Response {
        let id = self.send(request);
        self.answers.remove(&id).expect("an answer")
    }

    /// Sends requests while etcd is silent, then lets it answer all: each is decided without knowing of the others.
    pub(crate) fn race(&mut self, requests: impl IntoIterator<Item = Request>) -> Vec<Response> {
        let mut held = VecDeque::new();
        let mut ids = Vec::new();
        for request in requests {
            let id = self.next;
            self.next += 1;
            ids.push(id);
            let mut out = Vec::new();
            self.server.handle(self.now, Input::Request { client: 0, id, request: Box::new(request) }, &mut out);
            held.extend(out);
        }
        for output in held {
            if let Output::Etcd(request) = output {
                let mut out = Vec::new();
                self.etcd.handle(self.now, etcd::server::Input::Request { from: 0, request }, &mut out);
                for output in out {
                    if let etcd::server::Output::Respond { response, .. } = output {
                        self.handle(Input::Etcd(response));
                    }
                }
            }
        }
        ids.iter().map(|id| self.answers.remove(id).expect("an answer")).collect()
    }

    pub(crate) fn post(&mut self, path: &str, body: Value) -> Response {
        self.ask(request(Method::Post, path).body(Body::Json(body)))
    }

    pub(crate) fn put(&mut self, path: &str, body: Value) -> Response {
        self.ask(request(Method::Put, path).body(Body::Json(body)))
    }

    pub(crate) fn patch(&mut self, path: &str, type_: PatchType, body: Value) -> Response {
        self.ask(request(Method::Patch, path).body(Body::Patch(type_, body)))
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.ask(request(Method::Get, path))
    }

    pub(crate) fn delete(&mut self, path: &str) -> Response {
        self.ask(request(Method::Delete, path))
    }

    /// Counts a quota, as the ResourceQuota controller does.
    pub(crate) fn count(&mut self, quota: &str, used: Value) {
        let path = format!("/api/v1/namespaces/default/resourcequotas/{quota}");
        let mut live = json(self.get(&path));
        live["status"] = serde_json::json!({"hard": live["spec"]["hard"], "used": used});
        assert_eq!(self.put(&format!("{path}/status"), live).code, 200);
    }

    pub(crate) fn table(&mut self, path: &str) -> Value {
        let mut request = request(Method::Get, path);
        request.accept = Accept::Table;
        match self.ask(request).result.expect("a table") {
            Body::Json(table) => table,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn watch(&mut self, path: &str) -> u64 {
        self.send(request(Method::Get, path).query("watch", "true"))
    }

    /// Takes the events of a watch, as `ADDED name`.
    pub(crate) fn seen(&mut self, id: u64) -> Vec<String> {
        let events = self.events.remove(&id).unwrap_or_default();
        let name = |object: &Object| object.metadata().name.clone();
        events
            .iter()
            .map(|event| match event {
                WatchEvent::Added(object) => format!("ADDED {}", name(object)),
                WatchEvent::Modified(object) => format!("MODIFIED {}", name(object)),
                WatchEvent::Deleted(object) => format!("DELETED {}", name(object)),
                WatchEvent::Bookmark { initial_events_end: true, .. } => "SYNCED".to_owned(),
                WatchEvent::Bookmark { .. } => "BOOKMARK".to_owned(),
                WatchEvent::Error(status) => format!("ERROR {} {}", status.code, status.message),
            })
            .collect()
    }
}

/// A request with the query after `?`.
pub(crate) fn request(method: Method, url: &str) -> Request {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut request = match ResourcePath::parse(path) {
        Some(path) => Request::new(method, path),
        None => Request::get_other(path),
    };
    assert!(matches!(request.path, Path::Resource(_)) || method == Method::Get);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        request.query.push((key.to_owned().into(), value.to_owned()));
    }
    request.agent(&"kubectl".into()).credentials(certificate("kubernetes-admin", &["system:masters"]))
}

/// A client certificate.
pub(crate) fn certificate(name: &str, groups: &[&str]) -> Credentials {
    let organizations = groups.iter().map(|&group| group.to_owned()).collect();
    Credentials::Certificate(Arc::new(CertificateSubject { common_name: name.to_owned(), organizations }))
}

pub(crate) fn json(response: Response) -> Value {
    match response.result {
        Ok(Body::Object(object)) => object.to_json(),
        Ok(Body::Json(value)) => value,
        Ok(Body::List(list)) => list.to_json(),
        other => panic!("{other:?}"),
    }
}

/// Code and message of a refusal.
pub(crate) fn refusal(response: Response) -> (u16, String) {
    let status = response.result.expect_err("a refusal");
    (status.code, status.message)
}
