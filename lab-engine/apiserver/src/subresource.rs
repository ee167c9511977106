//! Subresources: `status`, `scale`, `binding`, `eviction`, `finalize`, `approval`, `resize`, `ephemeralcontainers`, `log`, `exec`, `attach`,
//! `portforward`, and `proxy` of nodes.
//!
//! **Simplified here:** `proxy` of Pods and Services is not there.

use crate::crd::Served;
use crate::params::{DeleteOptions, Origin};
use crate::server::{ApiServer, Output};
use crate::storage;
use crate::write::{Action, Write, read_body};
use api::core::{Binding, Pod};
use api::http::{Body, Method, PatchType, Request, ResourcePath, Response};
use api::kinds::KindInfo;
use api::labels::Selector;
use api::meta::Condition;
use api::status::{FieldError, Status};
use api::{Object, Resource};
use serde_json::{Value, json};
use sim::Time;
use std::sync::Arc;

/// A part of an object with a path of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subresource {
    /// The object itself.
    None,
    Status,
    Scale,
    Binding,
    Eviction,
    Finalize,
    /// Whether a CertificateSigningRequest is approved or denied.
    Approval,
    /// The resources of a Pod's containers.
    Resize,
    /// Containers that are put into a running Pod.
    EphemeralContainers,
    Log,
    Exec,
    Attach,
    PortForward,
    Proxy,
}

impl Subresource {
    /// The subresource of a kind that a path names.
    pub(crate) fn parse(info: &KindInfo, served: Option<&Served>, name: &str) -> Option<Self> {
        let pods = info == Pod::INFO;
        Some(match name {
            "" => Subresource::None,
            "status" if served.is_none_or(|served| served.status) => Subresource::Status,
            "scale" if served.is_some_and(|served| served.scale.is_some()) => Subresource::Scale,
            "scale" if matches!(&*info.plural, "deployments" | "replicasets" | "replicationcontrollers" | "statefulsets") => {
                Subresource::Scale
            }
            "approval" if info.group_kind() == ("certificates.k8s.io", "CertificateSigningRequest") => Subresource::Approval,
            "finalize" if info == api::core::Namespace::INFO => Subresource::Finalize,
            "resize" if pods => Subresource::Resize,
            "ephemeralcontainers" if pods => Subresource::EphemeralContainers,
            "binding" if pods => Subresource::Binding,
            "eviction" if pods => Subresource::Eviction,
            "log" if pods => Subresource::Log,
            "exec" if pods => Subresource::Exec,
            "attach" if pods => Subresource::Attach,
            "portforward" if pods => Subresource::PortForward,
            "proxy" if info == api::core::Node::INFO => Subresource::Proxy,
            _ if info == api::core::Node::INFO && name.starts_with("proxy/") => Subresource::Proxy,
            _ => return None,
        })
    }

    /// The name in the path.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Subresource::None => "",
            Subresource::Status => "status",
            Subresource::Scale => "scale",
            Subresource::Binding => "binding",
            Subresource::Eviction => "eviction",
            Subresource::Finalize => "finalize",
            Subresource::Approval => "approval",
            Subresource::Resize => "resize",
            Subresource::EphemeralContainers => "ephemeralcontainers",
            Subresource::Log => "log",
            Subresource::Exec => "exec",
            Subresource::Attach => "attach",
            Subresource::PortForward => "portforward",
            Subresource::Proxy => "proxy",
        }
    }

    /// Whether it can be read from the store.
    pub(crate) fn is_state(self) -> bool {
        matches!(self, Subresource::None | Subresource::Status | Subresource::Scale | Subresource::Approval) || self.is_part_of_spec()
    }

    /// Whether it is written like the object.
    pub(crate) fn is_object_or_status(self) -> bool {
        matches!(self, Subresource::None | Subresource::Status | Subresource::Finalize | Subresource::Approval) || self.is_part_of_spec()
    }

    /// Whether it is a part of the spec that changes by a rule of its own.
    pub(crate) fn is_part_of_spec(self) -> bool {
        matches!(self, Subresource::Resize | Subresource::EphemeralContainers)
    }

    /// Whether the kubelet serves it.
    pub(crate) fn is_kubelets(self) -> bool {
        matches!(self, Subresource::Log | Subresource::Exec | Subresource::Attach | Subresource::PortForward)
    }
}

impl ApiServer {
    /// Passes a request on to the kubelet of the Pod's node.
    pub(crate) fn pass_on(
        &mut self,
        origin: &Origin,
        request: Request,
        path: &ResourcePath,
        out: &mut Vec<Output>,
    ) -> Result<(), Box<Status>> {
        let (namespace, name) = (path.namespace.as_deref().unwrap_or_default(), path.name.as_deref().unwrap_or_default());
        let object = self.cache.get(&storage::key(Pod::INFO, namespace, name));
        let pod = object.and_then(|object| object.as_kind::<Pod>()).ok_or_else(|| Box::new(Status::not_found(&path.resource, name)))?;
        if path.subresource != "portforward" {
            choose_container(pod, request.param("container"))?;
        }
        if pod.spec.node_name.is_empty() {
            if path.subresource == "log" {
                // Nothing has run, so nothing was written.
                let response = Response::ok(Body::Text("".into()));
                out.push(Output::Respond { client: origin.client, id: origin.id, response });
                return Ok(());
            }
            return Err(Box::new(Status::bad_request(format!("pod {name} does not have a host assigned"))));
        }
        let node: Arc<str> = pod.spec.node_name.as_str().into();
        self.proxies.send(origin.client, origin.id, node, request, out);
        Ok(())
    }

    /// Passes a request for a page of a kubelet on to it.
    pub(crate) fn pass_to_node(
        &mut self,
        origin: &Origin,
        request: Request,
        path: &ResourcePath,
        out: &mut Vec<Output>,
    ) -> Result<(), Box<Status>> {
        let name = path.name.as_deref().unwrap_or_default();
        let known = self.cache.get(&storage::key(api::core::Node::INFO, "", name)).is_some();
        if request.method != Method::Get || !known {
            let refusal = if known { Status::method_not_allowed() } else { Status::not_found(&path.resource, name) };
            return Err(Box::new(refusal));
        }
        self.proxies.send(origin.client, origin.id, name.into(), request, out);
        Ok(())
    }

    /// Writes `scale`, `binding` or `eviction`.
    pub(crate) fn write_subresource(
        &mut self,
        now: Time,
        mut write: Write,
        request: Request,
        out: &mut Vec<Output>,
    ) -> Result<(), Box<Status>> {
        match (write.subresource, request.method) {
            (Subresource::Scale, Method::Get) => {
                let key = storage::key(&write.info, &write.namespace, &write.name);
                let object = self.cache.get(&key).ok_or_else(|| Box::new(Status::not_found(&write.info.gvr(), &write.name)))?;
                if let Some(origin) = &write.origin {
                    let scale = match &write.served {
                        Some(served) => served.scale_of(object)?,
                        None => scale_of(object),
                    };
                    let response = Response::ok(Body::Json(scale));
                    out.push(Output::Respond { client: origin.client, id: origin.id, response });
                }
                return Ok(());
            }
            (Subresource::Scale, Method::Put | Method::Patch) => {
                write.action = match request.body {
                    Body::Patch(PatchType::Apply, config) => Action::Patch(PatchType::Apply, scale_config(&write, config)?),
                    body => {
                        let patch = scale_patch(&write, body)?;
                        let patch = write.served.as_ref().map_or_else(|| patch.clone(), |served| served.scale_patch(patch.clone()));
                        Action::Patch(PatchType::Merge, patch)
                    }
                };
                // The scale is a view: the object itself is written.
                write.subresource = Subresource::Scale;
            }
            (Subresource::Binding, Method::Post) => {
                let mut body = Write::own(Binding::INFO.into(), write.namespace.clone(), write.name.clone());
                let binding = read_body(&mut body, request.body)?;
                let binding = binding.as_kind::<Binding>().ok_or_else(|| Box::new(Status::bad_request("no Binding")))?.clone();
                return self.bind(now, write, &binding, out);
            }
            (Subresource::Eviction, Method::Post) => {
                write.action = Action::Evict(eviction_options(&write, request.body)?);
            }
            _ => return Err(Box::new(Status::method_not_allowed())),
        }
        self.update(now, write, out);
        Ok(())
    }

    /// Assigns a Pod to a node (`BindingREST.setPodNodeAndMetadata`).
    fn bind(&mut self, now: Time, mut write: Write, binding: &Binding, out: &mut Vec<Output>) -> Result<(), Box<Status>> {
        let target = &binding.target;
        let mut errors = Vec::new();
        if !target.kind.is_empty() && target.kind != "Node" {
            errors.push(FieldError::not_supported("target.kind", &target.kind, &["Node", "<empty>"]));
        }
        if target.name.is_empty() {
            errors.push(FieldError::required("target.name", ""));
        }
        if !errors.is_empty() {
            return Err(Box::new(Status::invalid("", "Binding", &write.name, &errors)));
        }
        write.action = Action::Bind(target.name.as_str().into(), binding.metadata.uid.clone());
        self.update(now, write, out);
        Ok(())
    }
}

/// The options in the body of an eviction.
fn eviction_options(write: &Write, body: Body) -> Result<DeleteOptions, Box<Status>> {
    let eviction = match body {
        Body::Json(body) => body,
        Body::Object(object) => object.to_json(),
        _ => Value::Null,
    };
    if eviction["metadata"]["name"].as_str().is_some_and(|name| name != write.name) {
        return Err(Box::new(Status::bad_request("name in URL does not match name in Eviction object")));
    }
    let options = &eviction["deleteOptions"];
    let precondition = |field: &str| options["preconditions"][field].as_str().map(str::to_owned);
    Ok(DeleteOptions {
        grace_period: options["gracePeriodSeconds"].as_i64(),
        uid: precondition("uid"),
        resource_version: precondition("resourceVersion"),
        propagation: options["propagationPolicy"].as_str().map(str::to_owned),
    })
}

/// The Pod on its node, with the condition that says so.
pub(crate) fn bound(pod: &Pod, node: &str, uid: &str, now: Time) -> Result<Pod, Box<Status>> {
    let (gvr, name) = (Pod::INFO.gvr(), &pod.metadata.name);
    let conflict = |why: &str| Err(Box::new(Status::conflict(&gvr, name, why)));
    if !uid.is_empty() && uid != pod.metadata.uid {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", pod.metadata.uid);
        return conflict(&why);
    }
    if pod.metadata.is_deleting() {
        return conflict(&format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    if !pod.spec.node_name.is_empty() {
        return conflict(&format!("pod {name} is already assigned to node {:?}", pod.spec.node_name));
    }
    if !pod.spec.scheduling_gates.is_empty() {
        return conflict(&format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    let mut pod = pod.clone();
    pod.spec.node_name = node.to_owned();
    let scheduled = Condition {
        type_: "PodScheduled".to_owned(),
        status: "True".to_owned(),
        observed_generation: pod.metadata.generation,
        last_transition_time: Some(now.into()),
        ..Condition::default()
    };
    match pod.status.conditions.iter_mut().find(|condition| condition.type_ == "PodScheduled") {
        Some(condition) => *condition = scheduled,
        None => {
            pod.status.conditions.reserve_exact(1);
            pod.status.conditions.push(scheduled);
        }
    }
    Ok(pod)
}

/// Refuses when the container is not told and there are several, or when there is none of that name.
fn choose_container(pod: &Pod, container: Option<&str>) -> Result<(), Box<Status>> {
    let name = &pod.metadata.name;
    let regular = || pod.spec.init_containers.iter().chain(&pod.spec.containers).map(|container| container.name.as_str());
    let all = || regular().chain(pod.spec.ephemeral_containers.iter().map(|container| container.name.as_str()));
    match container.filter(|container| !container.is_empty()) {
        Some(container) if all().any(|name| name == container) => Ok(()),
        Some(container) => Err(Box::new(Status::bad_request(format!("container {container} is not valid for pod {name}")))),
        None if pod.spec.containers.len() == 1 => Ok(()),
        None => {
            let names: Vec<&str> = pod.spec.containers.iter().map(|container| container.name.as_str()).collect();
            let mut message = format!("a container name must be specified for pod {name}, choose one of: [{}]", names.join(" "));
            if !pod.spec.init_containers.is_empty() {
                let names: Vec<&str> = pod.spec.init_containers.iter().map(|container| container.name.as_str()).collect();
                message.push_str(&format!(" or one of the init containers: [{}]", names.join(" ")));
            }
            Err(Box::new(Status::bad_request(message)))
        }
    }
}

/// The `autoscaling/v1` `Scale` of a workload.
fn scale_of(object: &Object) -> Value {
    let selected = |selector| Selector::from_label_selector(Some(selector)).unwrap_or_default();
    let (wanted, actual, selector) = match object {
        Object::Deployment(d) => (d.spec.replicas, d.status.replicas.unwrap_or(0), selected(&d.spec.selector)),
        Object::ReplicaSet(r) => (r.spec.replicas, r.status.replicas, selected(&r.spec.selector)),
        Object::ReplicationController(c) => (c.spec.replicas, c.status.replicas, Selector::from_map(&c.spec.selector)),
        Object::StatefulSet(s) => (s.spec.replicas, s.status.replicas, selected(&s.spec.selector)),
        _ => return Value::Null,
    };
    let metadata = object.metadata();
    let selector = selector.to_string();
    json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {
            "name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid,
            "resourceVersion": metadata.resource_version.to_string(),
            "creationTimestamp": metadata.creation_timestamp.map(|at| at.to_string()),
        },
        "spec": {"replicas": wanted.unwrap_or(0)},
        "status": {"replicas": actual, "selector": selector},
    })
}

/// The change of the object that a written `Scale` means.
fn scale_patch(write: &Write, body: Body) -> Result<Value, Box<Status>> {
    let scale = match body {
        Body::Json(scale) | Body::Patch(PatchType::Merge | PatchType::StrategicMerge, scale) => scale,
        _ => return Err(Box::new(Status::bad_request("the body of the request is no Scale"))),
    };
    let mut patch = json!({});
    if let Some(replicas) = scale["spec"].get("replicas") {
        let invalid = |error: FieldError| Box::new(Status::invalid("autoscaling", "Scale", &write.name, &[error]));
        match replicas.as_i64() {
            Some(count) if count < 0 => {
                let detail = "must be greater than or equal to 0";
                return Err(invalid(FieldError::invalid_number("spec.replicas", count, detail)));
            }
            Some(count) if i32::try_from(count).is_ok() => patch["spec"] = json!({"replicas": count}),
            _ => {
                let message = format!("json: cannot unmarshal {replicas} into Go struct field ScaleSpec.spec.replicas of type int32");
                return Err(Box::new(Status::bad_request(message)));
            }
        }
    } else if scale.get("spec").is_some() {
        patch["spec"] = json!({"replicas": 0});
    }
    if let Some(revision) = scale["metadata"].get("resourceVersion").filter(|revision| revision.as_str() != Some("")) {
        patch["metadata"] = json!({"resourceVersion": revision});
    }
    Ok(patch)
}

/// The configuration of the object that an applied `Scale` means.
fn scale_config(write: &Write, scale: Value) -> Result<Value, Box<Status>> {
    if (scale["apiVersion"].as_str(), scale["kind"].as_str()) != (Some("autoscaling/v1"), Some("Scale")) {
        let text = |name: &str| scale[name].as_str().unwrap_or_default().to_owned();
        return Err(Box::new(Status::bad_request(format!("invalid object type: {}, Kind={}", text("apiVersion"), text("kind")))));
    }
    let mut config = scale_patch(write, Body::Json(scale))?;
    config["apiVersion"] = write.info.api_version().into();
    config["kind"] = (&*write.info.kind).into();
    config["metadata"]["name"] = write.name.as_str().into();
    Ok(config)
}

/// The answer to a write that succeeded.
pub(crate) fn success(write: &Write, object: Object) -> Response {
    match (write.subresource, &write.action) {
        (Subresource::Binding | Subresource::Eviction, _) => {
            Response::created(Body::Json(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})))
        }
        (Subresource::Scale, _) => match write.served.as_ref().map(|served| served.scale_of(&object)) {
            None => Response::ok(Body::Json(scale_of(&object))),
            Some(Ok(scale)) => Response::ok(Body::Json(scale)),
            Some(Err(status)) => Response::from(*status),
        },
        (_, Action::Create(_)) => Response::created(Body::Object(object)),
        (_, Action::Delete(_)) if write.deletes && !returns_deleted(&write.info) => Response::ok(Body::Json(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": deleted_details(&write.info, &object),
        }))),
        _ => Response::ok(Body::Object(object)),
    }
}

/// Whether a delete answers with the object (`ReturnDeletedObject`).
fn returns_deleted(info: &KindInfo) -> bool {
    let kinds = ["pods", "services", "serviceaccounts", "persistentvolumes", "persistentvolumeclaims", "podtemplates", "resourcequotas"];
    info.group.is_empty() && kinds.contains(&&*info.plural)
}

fn deleted_details(info: &KindInfo, object: &Object) -> Value {
    let metadata = object.metadata();
    let mut details = json!({"name": metadata.name, "kind": info.plural, "uid": metadata.uid});
    if !info.group.is_empty() {
        details["group"] = json!(info.group);
    }
    details
}
