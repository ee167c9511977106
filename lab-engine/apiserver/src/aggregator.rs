//! The aggregation layer: groups that another server serves (`k8s.io/kube-aggregator`).
//!
//! An `APIService` says which Service answers for a group and version; the API server checks who asks and passes the request on:
//!
//! ```text
//! kubectl top ──► kube-apiserver ──(v1beta1.metrics.k8s.io)──► metrics-server
//!                 authentication,     APIService                answers
//!                 authorisation
//! ```
//!
//! **Simplified here:** only groups with a server that this engine has are served; the groups that the API server serves itself have no
//! `APIService`; the condition `Available` is what the APIService came with, and is not probed. The extension server trusts the API server
//! and gets no `X-Remote-User`.

use crate::params::Origin;
use crate::server::{ApiServer, Output};
use crate::storage;
use api::http::{Request, ResourcePath};
use api::kinds::find_kind;
use api::status::Status;
use api::{Dynamic, Object};
use std::sync::Arc;

/// A resource of an extension server: plural name, kind, whether it lives in namespaces.
pub(crate) type ExtensionResource = (&'static str, &'static str, bool);

/// A group and version that an extension server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) resources: &'static [ExtensionResource],
}

/// What extension servers are known to serve; a real API server asks them.
const EXTENSIONS: &[Extension] = &[
    Extension {
        group: "custom.metrics.k8s.io",
        version: "v1beta2",
        resources: &[("pods/*", "MetricValueList", true), ("services/*", "MetricValueList", true)],
    },
    Extension { group: "external.metrics.k8s.io", version: "v1beta1", resources: &[("*", "ExternalMetricValueList", true)] },
    Extension { group: "metrics.k8s.io", version: "v1beta1", resources: &[("nodes", "NodeMetrics", false), ("pods", "PodMetrics", true)] },
];

impl Extension {
    /// Finds what a group and version serve.
    pub(crate) fn find(group: &str, version: &str) -> Option<&'static Extension> {
        EXTENSIONS.iter().find(|extension| extension.group == group && extension.version == version)
    }
}

/// The name of the Service that an `APIService` names; `None` when the API server itself serves the group.
fn service(object: &Object) -> Option<Arc<str>> {
    let Object::Dynamic(service) = object else { return None };
    let name = service.rest.get("spec")?.get("service")?.get("name")?.as_str()?;
    Some(name.into())
}

/// `NAMESPACE/NAME` of the Service, or `Local`, and the status of the condition `Available`: what `kubectl get apiservices` shows.
pub(crate) fn shown(service: &Dynamic) -> (String, String) {
    let text = |name: &str| service.rest.get("spec").and_then(|spec| spec.get("service")?.get(name)?.as_str()).unwrap_or_default();
    let names = if text("name").is_empty() { "Local".to_owned() } else { format!("{}/{}", text("namespace"), text("name")) };
    let conditions = service.rest.get("status").and_then(|status| status.get("conditions")?.as_array());
    let available = conditions.into_iter().flatten().find(|condition| condition["type"] == "Available");
    let shown = available.map_or("Unknown".to_owned(), |condition| {
        let (status, reason) = (condition["status"].as_str().unwrap_or_default(), condition["reason"].as_str().unwrap_or_default());
        if status == "True" { status.to_owned() } else { format!("{status} ({reason})") }
    });
    (names, shown)
}

impl ApiServer {
    /// The Service that answers for a group and version.
    fn extension_service(&self, group: &str, version: &str) -> Option<Arc<str>> {
        let info = find_kind("apiregistration.k8s.io/v1", "APIService")?;
        service(self.cache.get(&storage::key(info, "", &format!("{version}.{group}")))?)
    }

    /// The groups and versions that extension servers serve here, by group.
    pub(crate) fn extensions(&self) -> Vec<&'static Extension> {
        EXTENSIONS.iter().filter(|extension| self.extension_service(extension.group, extension.version).is_some()).collect()
    }

    /// Passes a request for a resource that is neither built in nor custom on to the server of its group.
    ///
    /// # Errors
    /// 404 when there is no such group.
    pub(crate) fn pass_to_extension(
        &mut self,
        origin: &Origin,
        request: Request,
        path: &ResourcePath,
        out: &mut Vec<Output>,
    ) -> Result<(), Box<Status>> {
        let gvr = &path.resource;
        let service = self.extension_service(&gvr.group, &gvr.version).ok_or_else(|| Box::new(Status::no_such_path()))?;
        self.proxies.send_to_service(origin, service, request, path, out);
        Ok(())
    }
}

/// What a client is told when the server of a group does not answer.
pub(crate) fn unavailable(verb: &str, path: &ResourcePath) -> Status {
    let what = &path.resource;
    Status::new(503, "ServiceUnavailable", format!("the server is currently unable to handle the request ({verb} {what})"))
}
