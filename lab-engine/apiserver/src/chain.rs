//! The first half of the chain of a request: authentication, authorisation, and what kubelets may not do.
//!
//! The trace shows it: a request that passes is a `Request` event with its user and the rule that allows it, one that does not is a
//! `Refused` event whose message names the user, the verb and the object.
//!
//! **Simplified here:** reads by components pass the chain but leave no event, to keep the trace small; the audit log of a real server
//! has stages and levels.

use crate::authorization::{attributes, forbidden, restrict, selected, verb};
use crate::params::Origin;
use crate::rbac::Attributes;
use crate::server::{ApiServer, Output};
use crate::subresource::Subresource;
use crate::user;
use crate::write::Write;
use api::http::{Body, Method, Request, ResourcePath};
use api::kinds::KindInfo;
use api::status::Status;
use api::{Object, Resource};
use sim::{ObjectRef, Time, Verb, What};
use std::sync::Arc;

/// A user who may do what he asks, and why; the reason is empty where no rule decides, and where nothing tells of it.
pub(crate) type Passed = (user::Shared, Arc<str>);

impl ApiServer {
    /// Who sends a request that may be served.
    ///
    /// # Errors
    /// 401 and 403 in the words of Kubernetes.
    pub(crate) fn pass(&mut self, now: Time, request: &Request) -> Result<Passed, Box<Status>> {
        let user = self.authenticate(now, request)?;
        let name = selected(request, "metadata.name").unwrap_or_default();
        let node = user.node().and_then(|_| selected(request, "spec.nodeName"));
        let attributes = attributes(request, &name);
        let reason = match self.authorize_selecting(&user, &attributes, node.as_deref()) {
            Ok(allowed) if is_told(request) => allowed.to_string().into(),
            Ok(_) => "".into(),
            Err(reason) => return Err(forbidden(&user, &attributes, &reason)),
        };
        restrict(&self.cache, &user, request)?;
        Ok((user, reason))
    }

    /// Whether the sender of an update that finds nothing may create the object.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn may_create(&self, origin: &Origin, write: &Write) -> Result<(), Box<Status>> {
        let attributes = Attributes::resource("create", &write.info.group, &write.info.plural).on(&write.namespace, &write.name);
        self.authorize(&origin.user, &attributes).map(drop).map_err(|reason| forbidden(&origin.user, &attributes, &reason))
    }
}

/// Whether the trace tells of a request: all writes, and what people read.
pub(crate) fn is_told(request: &Request) -> bool {
    request.method != Method::Get || request.user_agent.starts_with("kubectl")
}

/// What the trace says of a write; heartbeats and Events are not worth a line.
pub(crate) fn subject(verb: Verb, object: &Object) -> Option<(Verb, ObjectRef)> {
    let quiet = matches!(object, Object::Lease(_) | Object::Event(_)) && verb != Verb::Delete;
    (!quiet).then(|| (verb, object.object_ref()))
}

/// Tells the trace of a request that is served.
pub(crate) fn trace_request(
    info: &KindInfo,
    subresource: Subresource,
    request: &Request,
    path: &ResourcePath,
    origin: &Origin,
    out: &mut Vec<Output>,
) {
    let verb = verb(request, path);
    let quiet_kind = [api::coordination::Lease::INFO, api::core::Event::INFO].contains(&info);
    if !is_told(request) || (quiet_kind && !request.user_agent.starts_with("kubectl")) {
        return;
    }
    let name = match (&path.name, &request.body) {
        (Some(name), _) => name.as_str(),
        (None, Body::Object(object)) => object.metadata().name.as_str(),
        (None, Body::Json(value)) => value["metadata"]["name"].as_str().unwrap_or_default(),
        _ => "",
    };
    let object = ObjectRef::new(&*info.kind, path.namespace.as_deref().unwrap_or_default(), name);
    let (user, reason) = (origin.user.name.as_str().into(), origin.reason.clone());
    out.push(Output::Trace(What::Request { verb, object, subresource: subresource.as_str(), user, reason }));
}
