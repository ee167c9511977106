//! Authorisation: whether a user may do what a request wants (`k8s.io/apiserver/pkg/authorization`, `endpoints/request/requestinfo.go`).
//!
//! ```text
//! in system:masters? ─yes─► allowed          a kubelet? ─► Node authorizer ─allowed─►
//!        no ───────────────────────────────►     no opinion ─► RBAC ─allowed─►  ─no rule─► 403
//! ```
//!
//! **Simplified here:** no webhook; `exec` and `attach` ask for the verb `create` only, whatever the method (upstream asks for `get` too
//! when a client comes by WebSocket).

use crate::cache::Cache;
use crate::node_authorizer;
use crate::rbac::{Attributes, Granted};
use crate::server::ApiServer;
use crate::user::{self, Info};
use api::fields::FieldSelector;
use api::http::{Method, Path, Request, ResourcePath};
use api::kinds::Gvr;
use api::status::Status;
use std::borrow::Cow;
use std::fmt;

/// Why a request is allowed.
#[derive(Debug)]
pub(crate) enum Allowed<'a> {
    /// The user is in `system:masters`.
    Masters,
    /// By the Node authorizer.
    Node,
    /// By a rule.
    Rbac(Granted<'a>),
}

impl fmt::Display for Allowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::Masters | Allowed::Node => Ok(()),
            Allowed::Rbac(granted) => granted.fmt(f),
        }
    }
}

impl ApiServer {
    /// Whether a user may do something.
    ///
    /// # Errors
    /// What the refusal adds to its own words; mostly empty.
    pub(crate) fn authorize<'a>(&'a self, user: &'a Info, attributes: &Attributes<'a>) -> Result<Allowed<'a>, String> {
        self.authorize_selecting(user, attributes, None)
    }

    /// The same for a request that lists the Pods of a node, if it does.
    ///
    /// # Errors
    /// As [`ApiServer::authorize`].
    pub(crate) fn authorize_selecting<'a>(
        &'a self,
        user: &'a Info,
        attributes: &Attributes<'a>,
        node_of_pods: Option<&str>,
    ) -> Result<Allowed<'a>, String> {
        if user.is_in(user::MASTERS) {
            return Ok(Allowed::Masters);
        }
        let mut reasons = Vec::new();
        if let Some(node) = user.node() {
            match self.node_graph.authorize(&self.cache, node, attributes, node_of_pods) {
                Ok(()) => return Ok(Allowed::Node),
                Err(reason) if reason.is_empty() => {}
                Err(reason) => reasons.push(reason),
            }
        }
        match self.rbac.authorize(user, attributes) {
            Ok(granted) => return Ok(Allowed::Rbac(granted)),
            Err(errors) if errors.is_empty() => {}
            Err(errors) if errors.len() == 1 => reasons.push(format!("RBAC: {}", errors[0])),
            Err(errors) => reasons.push(format!("RBAC: [{}]", errors.join(", "))),
        }
        Err(reasons.join("\n"))
    }
}

/// 403 in the words of Kubernetes: `pods is forbidden: User "jane" cannot list resource "pods" in API group "" …`.
pub(crate) fn forbidden(user: &Info, attributes: &Attributes<'_>, reason: &str) -> Box<Status> {
    let mut why = match attributes {
        Attributes::Path { verb, path } => format!("User {:?} cannot {verb} path {path:?}", user.name),
        Attributes::Resource { verb, group, resource, subresource, namespace, .. } => {
            let slash = if subresource.is_empty() { "" } else { "/" };
            let place = match *namespace {
                "" => "at the cluster scope".to_owned(),
                namespace => format!("in the namespace {namespace:?}"),
            };
            let what = format!("{resource}{slash}{subresource}");
            format!("User {:?} cannot {verb} resource {what:?} in API group {group:?} {place}", user.name)
        }
    };
    if !reason.is_empty() {
        why = format!("{why}: {reason}");
    }
    Box::new(match *attributes {
        Attributes::Path { .. } => Status::new(403, "Forbidden", format!("forbidden: {why}")),
        Attributes::Resource { group, resource, name, .. } => {
            let gvr = Gvr { group: Cow::Owned(group.to_owned()), version: Cow::Borrowed(""), resource: Cow::Owned(resource.to_owned()) };
            Status::forbidden(&gvr, name, &why)
        }
    })
}

/// The verb of a request for a resource, as its method and path tell (`k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`).
pub(crate) fn verb(request: &Request, path: &ResourcePath) -> &'static str {
    match (request.method, &path.name) {
        (Method::Get, _) if request.is_watch() => "watch",
        (Method::Get, Some(_)) => "get",
        (Method::Get, None) => "list",
        (Method::Post, _) => "create",
        (Method::Put, _) => "update",
        (Method::Patch, _) => "patch",
        (Method::Delete, Some(_)) => "delete",
        (Method::Delete, None) => "deletecollection",
    }
}

/// What a request wants, as its method and path tell; `selected` is the name that a list selects by field, if it does.
pub(crate) fn attributes<'a>(request: &'a Request, selected: &'a str) -> Attributes<'a> {
    let path = match &request.path {
        Path::Resource(path) => path,
        Path::Other(path) => return Attributes::Path { verb: method_name(request.method), path: path.split('?').next().unwrap_or("") },
    };
    let ResourcePath { resource, namespace, name, subresource } = path;
    // What follows a proxy is no part of the subresource.
    let subresource = subresource.split('/').next().unwrap_or_default();
    let verb = if matches!(subresource, "exec" | "attach" | "portforward") { "create" } else { verb(request, path) };
    let name = name.as_deref().unwrap_or(selected);
    // A namespace is in itself.
    let is_namespace = resource.group.is_empty() && resource.resource == "namespaces";
    let namespace = if is_namespace { path.name.as_deref() } else { namespace.as_deref() }.unwrap_or_default();
    Attributes::Resource { verb, group: &resource.group, resource: &resource.resource, subresource, namespace, name }
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Get => "get",
        Method::Post => "post",
        Method::Put => "put",
        Method::Patch => "patch",
        Method::Delete => "delete",
    }
}

/// The value that a request for many objects selects a field by; it counts where only one can match.
pub(crate) fn selected(request: &Request, field: &str) -> Option<String> {
    let selector = FieldSelector::parse(request.param("fieldSelector")?).ok()?;
    selector.requirements.into_iter().find(|requirement| requirement.equal && requirement.field == field).map(|found| found.value)
}

/// What a kubelet may not do although it is authorised: the NodeRestriction plugin.
///
/// # Errors
/// The refusal.
pub(crate) fn restrict(cache: &Cache, user: &Info, request: &Request) -> Result<(), Box<Status>> {
    let (Some(node), Path::Resource(path)) = (user.node(), &request.path) else { return Ok(()) };
    if request.method == Method::Get {
        return Ok(());
    }
    node_authorizer::restrict(cache, node, request, path)
}
