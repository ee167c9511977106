//! Requests to the API server and its responses, shaped as HTTP.
//!
//! All doors end here: the page's terminal, the local checker, the network door and every component inside the cluster send a
//! [`Request`] and get a [`Response`]. Between parts of the engine bodies stay typed and shared ([`Body::Object`]); at the network door
//! they are JSON or YAML. The meaning is the same.
//!
//! **Simplified here:** no protobuf and no `Content-Encoding`.

use crate::Object;
use crate::kinds::{Gvr, KindInfo};
use crate::status::Status;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads or watches.
    Get,
    /// Creates, or acts on a subresource.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Deletes.
    Delete,
}

/// Which resource a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePath {
    /// Group, version, plural name.
    pub resource: Gvr,
    /// The namespace; `None` for the cluster, or for all namespaces of a namespaced resource.
    pub namespace: Option<String>,
    /// The object; `None` for the collection.
    pub name: Option<String>,
    /// The subresource, for example `status`; empty for the object itself.
    pub subresource: Cow<'static, str>,
}

impl ResourcePath {
    /// The collection of a kind; `namespace` empty for the cluster or all namespaces.
    pub fn collection(info: &KindInfo, namespace: &str) -> Self {
        let namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
        ResourcePath { resource: info.gvr(), namespace, name: None, subresource: Cow::Borrowed("") }
    }

    /// One object of a kind; `namespace` empty for objects of the cluster.
    pub fn object(info: &KindInfo, namespace: &str, name: &str) -> Self {
        ResourcePath { name: Some(name.to_owned()), ..Self::collection(info, namespace) }
    }

    /// The same object's subresource.
    pub fn with_subresource(mut self, subresource: &'static str) -> Self {
        self.subresource = Cow::Borrowed(subresource);
        self
    }

    /// Reads `/api/v1/…` or `/apis/GROUP/VERSION/…`; `None` when the path names no resource.
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/').filter(|part| !part.is_empty()).map(str::to_owned).peekable();
        let (group, version) = match parts.next()?.as_str() {
            "api" => (String::new(), parts.next()?),
            "apis" => (parts.next()?, parts.next()?),
            _ => return None,
        };
        let parts: Vec<String> = parts.collect();
        // `/namespaces/NAME/RESOURCE…` is scoped, but `/namespaces/NAME` and its status and finalize are the namespace itself.
        let scoped =
            parts.len() >= 3 && parts[0] == "namespaces" && !(parts.len() == 3 && matches!(parts[2].as_str(), "status" | "finalize"));
        let (namespace, rest) = if scoped { (Some(parts[1].clone()), &parts[2..]) } else { (None, &parts[..]) };
        let resource = rest.first()?.clone();
        Some(ResourcePath {
            resource: Gvr { group: Cow::Owned(group), version: Cow::Owned(version), resource: Cow::Owned(resource) },
            namespace,
            name: rest.get(1).cloned(),
            subresource: Cow::Owned(rest.get(2..).unwrap_or_default().join("/")),
        })
    }
}

impl fmt::Display for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.resource.group.is_empty() {
            write!(f, "/api/{}", self.resource.version)?;
        } else {
            write!(f, "/apis/{}/{}", self.resource.group, self.resource.version)?;
        }
        if let Some(namespace) = &self.namespace {
            write!(f, "/namespaces/{namespace}")?;
        }
        write!(f, "/{}", self.resource.resource)?;
        for part in [self.name.as_deref().unwrap_or(""), &self.subresource] {
            if !part.is_empty() {
                write!(f, "/{part}")?;
            }
        }
        Ok(())
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// A resource.
    Resource(ResourcePath),
    /// Anything else: `/version`, `/api`, `/apis/apps/v1`, `/openapi/v3`, `/healthz`.
    Other(String),
}

/// The form in which the client wants the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accept {
    /// The objects themselves.
    #[default]
    Object,
    /// A `meta.k8s.io/v1` `Table`, which `kubectl get` prints.
    Table,
    /// Of `/apis` and `/api`: all groups with their resources, an `apidiscovery.k8s.io/v2` `APIGroupDiscoveryList`.
    Discovery,
    /// Of `exec`, `attach` and `portforward`: no answer but an open connection, on which both sides send frames (see [`crate::channels`]).
    Channels,
}

/// How a PATCH body is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// `application/json-patch+json` (RFC 6902).
    Json,
    /// `application/merge-patch+json` (RFC 7386).
    Merge,
    /// `application/strategic-merge-patch+json`.
    StrategicMerge,
    /// `application/apply-patch+yaml`: server-side apply.
    Apply,
}

/// What a request or response carries.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// One object.
    Object(Object),
    /// Many objects of one kind.
    List(Box<List>),
    /// Anything as JSON: an object to decode, a patch, delete options, discovery.
    Json(Value),
    /// A patch.
    Patch(PatchType, Value),
    /// Text or bytes: logs, output of commands.
    Text(Arc<str>),
}

/// Many objects of one kind, as a list request gives them.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// Their group and version.
    pub api_version: String,
    /// Their kind, without `List`.
    pub kind: String,
    /// The revision at which the list is true.
    pub resource_version: u64,
    /// Where to go on; empty when this was all.
    pub continue_token: String,
    /// How many more there are, when `continue_token` is set and nothing was selected.
    pub remaining: Option<u64>,
    /// The objects, in key order: by namespace, then by name.
    pub items: Vec<Object>,
}

impl List {
    fn metadata(&self) -> Value {
        let mut metadata = json!({"resourceVersion": self.resource_version.to_string()});
        if !self.continue_token.is_empty() {
            metadata["continue"] = json!(self.continue_token);
        }
        if let Some(remaining) = self.remaining {
            metadata["remainingItemCount"] = json!(remaining);
        }
        metadata
    }

    fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    /// The list as JSON. To write it as text, serialise the list itself: that never holds more than one of its objects as JSON.
    pub fn to_json(&self) -> Value {
        let items: Vec<Value> = self.items.iter().map(Object::to_json).collect();
        json!({"apiVersion": self.api_version, "kind": self.list_kind(), "metadata": self.metadata(), "items": items})
    }
}

/// The fields in the order of [`List::to_json`].
impl Serialize for List {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("List", 4)?;
        fields.serialize_field("apiVersion", &self.api_version)?;
        fields.serialize_field("items", &Items(&self.items))?;
        fields.serialize_field("kind", &self.list_kind())?;
        fields.serialize_field("metadata", &self.metadata())?;
        fields.end()
    }
}

/// The objects of a list, each of which becomes JSON when it is its turn.
struct Items<'a>(&'a [Object]);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Object::to_json))
    }
}

/// The subject of a client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateSubject {
    /// `CN`: the user's name.
    pub common_name: String,
    /// `O`, any number of times: the user's groups.
    pub organizations: Vec<String>,
}

/// How a request shows who sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all. The transport puts the certificate of the connection here, where there is one.
    #[default]
    None,
    /// By the client certificate of its connection.
    Certificate(Arc<CertificateSubject>),
    /// By a client certificate that the cluster issued, in PEM.
    Issued(Arc<str>),
    /// By `Authorization: Bearer …`.
    Bearer(Arc<str>),
}

/// Whom a request wants to act as: the `Impersonate-…` headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impersonation {
    /// `Impersonate-User`.
    pub user: String,
    /// `Impersonate-Uid`.
    pub uid: String,
    /// `Impersonate-Group`, any number of times.
    pub groups: Vec<String>,
}

/// A request to the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: Path,
    /// Query parameters, for example `labelSelector`, `fieldSelector`, `watch`, `resourceVersion`, `limit`, `dryRun`.
    pub query: Vec<(Cow<'static, str>, String)>,
    /// The form of the answer.
    pub accept: Accept,
    /// The body.
    pub body: Body,
    /// Who asks, for example `kubectl` or `kube-scheduler`; the default field manager.
    pub user_agent: Arc<str>,
    /// How it shows who sends it.
    pub credentials: Credentials,
    /// Whom it wants to act as.
    pub impersonation: Option<Box<Impersonation>>,
}

impl Request {
    /// A request without query and body.
    pub fn new(method: Method, path: ResourcePath) -> Self {
        Request {
            method,
            path: Path::Resource(path),
            query: Vec::new(),
            accept: Accept::Object,
            body: Body::Empty,
            user_agent: "".into(),
            credentials: Credentials::None,
            impersonation: None,
        }
    }

    /// A GET for something that is no resource, for example `/version`.
    pub fn get_other(path: impl Into<String>) -> Self {
        Request { path: Path::Other(path.into()), ..Self::new(Method::Get, ResourcePath::collection(&crate::kinds::KINDS[0], "")) }
    }

    /// The same request with a query parameter.
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((Cow::Borrowed(name), value.into()));
        self
    }

    /// The same request with a body.
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// The same request, from this client.
    pub fn agent(mut self, user_agent: &Arc<str>) -> Self {
        self.user_agent = user_agent.clone();
        self
    }

    /// The same request, shown to be from someone.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// The first value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a query parameter is set to true (`true`, `1` or empty).
    pub fn flag(&self, name: &str) -> bool {
        self.param(name).is_some_and(|value| matches!(value, "" | "true" | "1"))
    }

    /// Whether the request is a watch, whose answer is a stream of [`WatchEvent`]s.
    pub fn is_watch(&self) -> bool {
        self.method == Method::Get && self.flag("watch")
    }
}

/// The answer of the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// What came of the request. The code of a success is in [`Response::code`].
    pub result: Result<Body, Box<Status>>,
    /// 200, 201 or 202 for a success; that of the `Status` otherwise.
    pub code: u16,
    /// The texts of `Warning` headers, in order.
    pub warnings: Vec<String>,
}

impl Response {
    /// 200 with a body.
    pub fn ok(body: Body) -> Self {
        Response { result: Ok(body), code: 200, warnings: Vec::new() }
    }

    /// 201 with a body.
    pub fn created(body: Body) -> Self {
        Response { result: Ok(body), code: 201, warnings: Vec::new() }
    }

    /// The object of a success.
    ///
    /// # Errors
    /// The `Status` of a refusal, or an internal error when the body is no object.
    pub fn into_object(self) -> Result<Object, Box<Status>> {
        match self.result? {
            Body::Object(object) => Ok(object),
            _ => Err(Box::new(Status::internal("the response is no object"))),
        }
    }
}

impl From<Status> for Response {
    fn from(status: Status) -> Self {
        Response { code: status.code, result: Err(Box::new(status)), warnings: Vec::new() }
    }
}

/// One event of a watch.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    /// An object appeared, or began to match the selector.
    Added(Object),
    /// An object changed.
    Modified(Object),
    /// An object went away, or no longer matches the selector; its last state.
    Deleted(Object),
    /// Nothing changed up to this revision.
    Bookmark {
        /// The revision.
        resource_version: u64,
        /// Whether this ends the initial events of a streaming list (`k8s.io/initial-events-end`).
        initial_events_end: bool,
    },
    /// The watch ends with this refusal, for example 410 Expired.
    Error(Box<Status>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find_resource;

    #[test]
    fn paths_read_as_they_are_written() {
        for path in [
            "/api/v1/nodes",
            "/api/v1/namespaces/default",
            "/api/v1/namespaces/default/status",
            "/api/v1/namespaces/default/pods/web/log",
            "/apis/apps/v1/deployments",
            "/apis/apps/v1/namespaces/prod/deployments/web/scale",
        ] {
            assert_eq!(ResourcePath::parse(path).map(|p| p.to_string()).as_deref(), Some(path));
        }
        let namespace = ResourcePath::parse("/api/v1/namespaces/default").unwrap();
        assert_eq!((namespace.namespace, namespace.name.as_deref()), (None, Some("default")));
        for path in ["", "/", "/api", "/api/v1", "/apis/apps", "/version", "//"] {
            assert_eq!(ResourcePath::parse(path), None, "{path}");
        }
    }

    #[test]
    fn flags_are_read_as_upstream_reads_them() {
        let pods = find_resource("", "v1", "pods").unwrap();
        let list = Request::new(Method::Get, ResourcePath::collection(pods, ""));
        assert!(!list.is_watch());
        assert!(list.clone().query("watch", "true").is_watch());
        assert!(list.clone().query("watch", "1").is_watch());
        assert!(!list.query("watch", "false").is_watch());
    }
}
