//! The first half of the chain of a request: authentication, authorisation, and what kubelets may not do.
//!
//! The trace shows it: a request that passes is a `Request` event with its user and the rule that allows it, one that does not is a
//! `Refused` event whose message names the user, the verb and the object.
//!
//! **Simplified here:** reads by components pass the chain but leave no event, to keep the trace small; the audit log of a real server
//! has stages and levels.

use crate::authorization::{attributes, forbidden, restrict, selected};
use crate::server::ApiServer;
use crate::user;
use api::http::{Method, Request};
use api::status::Status;
use sim::Time;
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
}

/// Whether the trace tells of a request: all writes, and what people read.
pub(crate) fn is_told(request: &Request) -> bool {
    request.method != Method::Get || request.user_agent.starts_with("kubectl")
}
