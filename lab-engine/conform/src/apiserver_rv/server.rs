//! An API server and its store without a network between them: what one says reaches the other at once.

use api::Object;
use api::http::{Body, CertificateSubject, Credentials, Method, Request, ResourcePath, Response, WatchEvent};
use api::kinds::{KindInfo, find_resource};
use api::status::Status;
use apiserver::{ApiServer, Config, Input, Output};
use etcd::CallId;
use etcd::server::EtcdServer;
use serde_json::{Value, json};
use sim::{Seed, Time};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The client of all requests.
const CLIENT: u32 = 0;

/// A query parameter as text.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The server, and what it has said.
pub(super) struct Server {
    /// The resource of the case.
    resource: &'static KindInfo,
    server: ApiServer,
    etcd: EtcdServer,
    answers: BTreeMap<u64, Response>,
    events: BTreeMap<u64, VecDeque<WatchEvent>>,
    next: u64,
    now: Time,
}

fn fresh() -> ApiServer {
    ApiServer::new(Seed(1).stream("kube-apiserver"), Config::default())
}

impl Server {
    /// A server whose cases are about this core resource.
    pub(super) fn new(plural: &str) -> Self {
        let resource = find_resource("", "v1", plural).expect("the resources of cases are built in");
        let etcd = EtcdServer::alone(&Seed(1).stream("etcd-1")).expect("a group of one begins");
        let (answers, events) = (BTreeMap::new(), BTreeMap::new());
        let mut this = Server { resource, server: fresh(), etcd, answers, events, next: 1, now: Time::ZERO };
        this.handle(Input::Wake);
        this
    }

    fn handle(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut out = Vec::new();
            self.server.handle(self.now, input, &mut out);
            for output in out {
                match output {
                    Output::Respond { id, response, .. } => drop(self.answers.insert(id, response)),
                    Output::Watch { id, events, .. } => self.events.entry(id).or_default().extend(events.iter().cloned()),
                    Output::Etcd(request) => inputs.extend(self.ask_etcd(request)),
                    _ => {}
                }
            }
        }
    }

    fn ask_etcd(&mut self, request: etcd::Request) -> Vec<Input> {
        let mut out = Vec::new();
        self.etcd.handle(self.now, etcd::server::Input::Request { from: CLIENT, request }, &mut out);
        let answers = out.into_iter().filter_map(|output| match output {
            etcd::server::Output::Respond { response, .. } => Some(Input::Etcd(response)),
            _ => None,
        });
        answers.collect()
    }

    /// Sends a request as the administrator does.
    fn send(&mut self, request: Request) -> u64 {
        let subject = CertificateSubject { common_name: "kubernetes-admin".to_owned(), organizations: vec!["system:masters".to_owned()] };
        let request = request.credentials(Credentials::Certificate(Arc::new(subject)));
        let id = self.next;
        self.next += 1;
        self.handle(Input::Request { client: CLIENT, id, request: Box::new(request) });
        id
    }

    fn ask(&mut self, request: Request) -> Result<Body, Box<Status>> {
        let id = self.send(request);
        if !self.answers.contains_key(&id) {
            // It waits for a revision that does not come.
            self.now += Duration::from_secs(3);
            self.handle(Input::Wake);
        }
        self.answers.remove(&id).map_or_else(|| Err(Box::new(Status::internal("no answer"))), |response| response.result)
    }

    fn ask_object(&mut self, request: Request) -> Result<Object, Box<Status>> {
        match self.ask(request)? {
            Body::Object(object) => Ok(object),
            other => Err(Box::new(Status::internal(format!("no object: {other:?}")))),
        }
    }

    /// Makes a namespace, so that objects can be made in it.
    pub(super) fn namespace(&mut self, name: &str) {
        let info = find_resource("", "v1", "namespaces").expect("Namespaces are built in");
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        // One that is there already is as good.
        let _ = self.ask(Request::new(Method::Post, ResourcePath::collection(info, "")).body(Body::Json(body)));
    }

    /// Writes something of another resource; gives its revision.
    pub(super) fn write_elsewhere(&mut self) -> Result<Object, Box<Status>> {
        let info = find_resource("", "v1", "secrets").expect("Secrets are built in");
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"generateName": "elsewhere-"}});
        self.ask_object(Request::new(Method::Post, ResourcePath::collection(info, "default")).body(Body::Json(body)))
    }

    pub(super) fn get(&mut self, namespace: &str, name: &str, revision: &str) -> Result<Object, Box<Status>> {
        let path = ResourcePath::object(self.resource, namespace, name);
        self.ask_object(Request::new(Method::Get, path).query("resourceVersion", revision))
    }

    pub(super) fn create(&mut self, namespace: &str, object: Value) -> Result<Object, Box<Status>> {
        let path = ResourcePath::collection(self.resource, namespace);
        self.ask_object(Request::new(Method::Post, path).body(Body::Json(object)))
    }

    pub(super) fn update(&mut self, namespace: &str, name: &str, object: Value) -> Result<Object, Box<Status>> {
        let path = ResourcePath::object(self.resource, namespace, name);
        self.ask_object(Request::new(Method::Put, path).body(Body::Json(object)))
    }

    /// Deletes an object, with a UID that it must have. The answer is what it was, if the server tells that.
    pub(super) fn delete(&mut self, namespace: &str, name: &str, uid: Option<&str>) -> Result<Body, Box<Status>> {
        let path = ResourcePath::object(self.resource, namespace, name);
        let mut request = Request::new(Method::Delete, path);
        if let Some(uid) = uid {
            request = request.body(Body::Json(json!({"preconditions": {"uid": uid}})));
        }
        self.ask(request)
    }

    /// The revision of the store.
    pub(super) fn revision(&self) -> u64 {
        self.etcd.store().revision()
    }

    /// Discards history: that of etcd by a compaction, that of the watch cache by a restart of the API server.
    pub(super) fn compact(&mut self, revision: u64) {
        self.ask_etcd(etcd::Request::Compact(CallId(u64::MAX), revision));
        self.server = fresh();
        self.handle(Input::Wake);
    }

    fn collection(&self, namespace: &str, query: &[(String, String)]) -> Request {
        let mut request = Request::new(Method::Get, ResourcePath::collection(self.resource, namespace));
        request.query = query.iter().map(|(name, value)| (Cow::Owned(name.clone()), value.clone())).collect();
        request
    }

    pub(super) fn list(&mut self, namespace: &str, query: &[(String, String)]) -> Result<api::http::List, Box<Status>> {
        match self.ask(self.collection(namespace, query))? {
            Body::List(list) => Ok(*list),
            other => Err(Box::new(Status::internal(format!("no list: {other:?}")))),
        }
    }

    /// Starts a watch; gives its number.
    ///
    /// # Errors
    /// The refusal of the request itself.
    pub(super) fn watch(&mut self, namespace: &str, query: &[(String, String)]) -> Result<u64, Box<Status>> {
        let id = self.send(self.collection(namespace, query));
        match self.answers.remove(&id) {
            Some(Response { result: Err(status), .. }) => Err(status),
            _ => Ok(id),
        }
    }

    /// Asks for a list or a watch, whichever the query says.
    pub(super) fn list_or_watch(&mut self, namespace: &str, query: &[(String, String)]) -> Result<(), Box<Status>> {
        let watches = query.iter().any(|(name, value)| name == "watch" && value == "true");
        if watches { self.watch(namespace, query).map(drop) } else { self.list(namespace, query).map(drop) }
    }

    /// Takes what a watch has seen since the last look.
    pub(super) fn seen(&mut self, watch: u64) -> VecDeque<WatchEvent> {
        self.events.remove(&watch).unwrap_or_default()
    }
}
