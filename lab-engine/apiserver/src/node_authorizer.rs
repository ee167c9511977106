//! The Node authorizer and the NodeRestriction admission plugin: a kubelet reads and writes only what belongs to its node
//! (`plugin/pkg/auth/authorizer/node`, `plugin/pkg/admission/noderestriction`).
//!
//! [`NodeGraph`] knows which node has a Pod that uses which Secret, ConfigMap, claim or ServiceAccount:
//!
//! ```text
//! node-1 ◄─ Pod shop/web ◄─ Secret shop/tls, ConfigMap shop/settings, ServiceAccount shop/default
//! ```
//!
//! **Simplified here:** a kubelet may ask for a Pod that does not exist, and is told so; of a Node's labels none are reserved; volumes of
//! claims, VolumeAttachments, CSINodes and ResourceSlices are not looked at, nor are drivers and rules that let a kubelet ask for a token
//! for other audiences than its Pods name.

use crate::cache::Cache;
use crate::rbac::{Attributes, rule_allows};
use crate::storage;
use api::core::{Container, Pod};
use api::http::{Body, Method, Request, ResourcePath};
use api::kinds::Gvr;
use api::rbac::PolicyRule;
use api::status::Status;
use api::{Object, Resource};
use std::collections::BTreeMap;

/// The namespace of the Leases of nodes.
const LEASES: &str = "kube-node-lease";

/// What marks a Pod that a kubelet tells of and nobody scheduled.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// What a Pod uses: plural name, namespace, name.
type Used = (&'static str, String, String);

/// Which node uses what.
#[derive(Debug)]
pub(crate) struct NodeGraph {
    /// For everything that Pods on nodes use: the nodes, and by how many Pods each.
    users: BTreeMap<Used, BTreeMap<String, usize>>,
    /// What every kubelet may do besides.
    rules: Vec<PolicyRule>,
}

impl NodeGraph {
    /// The graph of these objects; `rules` are those of every kubelet.
    pub(crate) fn of<'a>(objects: impl Iterator<Item = &'a Object>, rules: Vec<PolicyRule>) -> Self {
        let mut graph = NodeGraph { users: BTreeMap::new(), rules };
        objects.for_each(|object| graph.add(object));
        graph
    }

    /// Adds what an object, if it is a Pod on a node, uses.
    pub(crate) fn add(&mut self, object: &Object) {
        let Object::Pod(pod) = object else { return };
        for used in uses(pod) {
            *self.users.entry(used).or_default().entry(pod.spec.node_name.clone()).or_default() += 1;
        }
    }

    /// Takes it out again.
    pub(crate) fn remove(&mut self, object: &Object) {
        let Object::Pod(pod) = object else { return };
        for used in uses(pod) {
            let Some(nodes) = self.users.get_mut(&used) else { continue };
            if let Some(count) = nodes.get_mut(&pod.spec.node_name) {
                *count -= 1;
                if *count == 0 {
                    nodes.remove(&pod.spec.node_name);
                }
            }
            if nodes.is_empty() {
                self.users.remove(&used);
            }
        }
    }

    /// A Pod changed; what it uses changes only when it is bound.
    pub(crate) fn change(&mut self, old: &Object, new: &Object) {
        if let (Object::Pod(before), Object::Pod(after)) = (old, new)
            && before.spec.node_name != after.spec.node_name
        {
            self.remove(old);
            self.add(new);
        }
    }

    /// Whether the kubelet of `node` may do something; `selected` is the node whose Pods a list asks for.
    ///
    /// # Errors
    /// Why not; empty where this authorizer has no opinion.
    pub(crate) fn authorize(&self, cache: &Cache, node: &str, attributes: &Attributes<'_>, selected: Option<&str>) -> Result<(), String> {
        if let Attributes::Resource { verb, group, resource, subresource, namespace, name } = *attributes {
            match (group, resource) {
                ("", "secrets" | "configmaps" | "persistentvolumeclaims") => {
                    return self.used(node, verb, resource, subresource, namespace, name);
                }
                ("", "serviceaccounts") => {
                    if (verb, subresource) != ("create", "token") {
                        return Err("can only create tokens for individual service accounts".to_owned());
                    }
                    return self.related("serviceaccounts", node, namespace, name);
                }
                ("", "nodes") => return own_node(node, verb, name),
                ("", "pods") => return own_pods(cache, node, attributes, selected),
                ("coordination.k8s.io", "leases") => return own_lease(node, verb, subresource, namespace, name),
                _ => {}
            }
        }
        if self.rules.iter().any(|rule| rule_allows(rule, attributes)) { Ok(()) } else { Err(String::new()) }
    }

    fn used(&self, node: &str, verb: &str, resource: &str, subresource: &str, namespace: &str, name: &str) -> Result<(), String> {
        if !matches!(verb, "get" | "list" | "watch") {
            return Err("can only read resources of this type".to_owned());
        }
        if !subresource.is_empty() {
            return Err("cannot read subresource".to_owned());
        }
        if namespace.is_empty() {
            return Err("can only read namespaced object of this type".to_owned());
        }
        self.related(resource, node, namespace, name)
    }

    fn related(&self, resource: &str, node: &str, namespace: &str, name: &str) -> Result<(), String> {
        if name.is_empty() {
            return Err("No Object name found".to_owned());
        }
        let resource = RELATED.into_iter().find(|known| *known == resource).unwrap_or_default();
        let nodes = self.users.get(&(resource, namespace.to_owned(), name.to_owned()));
        if nodes.is_some_and(|nodes| nodes.contains_key(node)) {
            return Ok(());
        }
        Err(format!("no relationship found between node '{node}' and this object"))
    }
}

const RELATED: [&str; 4] = ["secrets", "configmaps", "persistentvolumeclaims", "serviceaccounts"];

fn own_node(node: &str, verb: &str, name: &str) -> Result<(), String> {
    match verb {
        "create" | "update" | "patch" => Ok(()),
        "get" | "list" | "watch" if name == node => Ok(()),
        "get" | "list" | "watch" => Err(format!("node '{node}' cannot read '{name}', only its own Node object")),
        _ => Err(String::new()),
    }
}

fn own_pods(cache: &Cache, node: &str, attributes: &Attributes<'_>, selected: Option<&str>) -> Result<(), String> {
    let Attributes::Resource { verb, subresource, namespace, name, .. } = *attributes else { return Err(String::new()) };
    match (verb, subresource) {
        ("get", "") => match cache.get(&storage::key(Pod::INFO, namespace, name)) {
            Some(Object::Pod(pod)) if pod.spec.node_name != node => {
                Err(format!("no relationship found between node '{node}' and this object"))
            }
            _ => Ok(()),
        },
        ("list" | "watch", "") if selected == Some(node) => Ok(()),
        ("list" | "watch", "") => Err(format!("can only list/watch pods with spec.nodeName field selector of '{node}'")),
        ("create" | "delete", "") | ("update" | "patch", "status") | ("create", "eviction") => Ok(()),
        _ => Err(String::new()),
    }
}

fn own_lease(node: &str, verb: &str, subresource: &str, namespace: &str, name: &str) -> Result<(), String> {
    if !matches!(verb, "get" | "create" | "update" | "patch" | "delete") || !subresource.is_empty() {
        return Err("can only get, create, update, patch, or delete a node lease".to_owned());
    }
    if namespace != LEASES {
        return Err(format!("can only access leases in the {LEASES:?} system namespace"));
    }
    // A creation shows its name in the body only: NodeRestriction looks there.
    if verb != "create" && name != node {
        return Err("can only access node lease with the same name as the requesting node".to_owned());
    }
    Ok(())
}

/// What a Pod on a node uses.
fn uses(pod: &Pod) -> Vec<Used> {
    let mut used = Vec::new();
    if pod.spec.node_name.is_empty() {
        return used;
    }
    let mut add = |resource: &'static str, name: &str| {
        let one = (resource, pod.metadata.namespace.clone(), name.to_owned());
        if !name.is_empty() && !used.contains(&one) {
            used.push(one);
        }
    };
    add("serviceaccounts", &pod.spec.service_account_name);
    for Container { env, env_from, .. } in pod.spec.containers.iter().chain(&pod.spec.init_containers) {
        for source in env.iter().filter_map(|variable| variable.value_from.as_ref()) {
            source.config_map_key_ref.iter().for_each(|key| add("configmaps", &key.name));
            source.secret_key_ref.iter().for_each(|key| add("secrets", &key.name));
        }
        for source in env_from {
            source.config_map_ref.iter().for_each(|from| add("configmaps", &from.name));
            source.secret_ref.iter().for_each(|from| add("secrets", &from.name));
        }
    }
    for volume in &pod.spec.volumes {
        volume.config_map.iter().for_each(|source| add("configmaps", &source.name));
        volume.secret.iter().for_each(|source| add("secrets", &source.secret_name));
        for source in volume.projected.iter().flat_map(|projected| &projected.sources) {
            source.config_map.iter().for_each(|source| add("configmaps", &source.name));
            source.secret.iter().for_each(|source| add("secrets", &source.name));
        }
        volume.persistent_volume_claim.iter().for_each(|source| add("persistentvolumeclaims", &source.claim_name));
        if volume.ephemeral.is_some() {
            // The claim that is made for the volume has the names of both.
            add("persistentvolumeclaims", &format!("{}-{}", pod.metadata.name, volume.name));
        }
    }
    pod.spec.image_pull_secrets.iter().for_each(|secret| add("secrets", &secret.name));
    used
}

/// Refuses what a kubelet may not write (NodeRestriction).
///
/// # Errors
/// 403.
pub(crate) fn restrict(cache: &Cache, node: &str, request: &Request, path: &ResourcePath) -> Result<(), Box<Status>> {
    let Gvr { group, resource, .. } = &path.resource;
    let name = path.name.clone().or_else(|| body_name(&request.body)).unwrap_or_default();
    let refuse = |why: String| Err(Box::new(Status::forbidden(&path.resource, &name, &why)));
    match (group.as_ref(), resource.as_ref(), request.method) {
        ("", "pods", Method::Post) if path.subresource.is_empty() => restrict_mirror(node, &request.body, refuse),
        ("", "pods", _) => {
            let found = cache.get(&storage::key(Pod::INFO, path.namespace.as_deref().unwrap_or_default(), &name));
            let Some(Object::Pod(pod)) = found else { return Ok(()) };
            if pod.spec.node_name == node {
                return Ok(());
            }
            refuse(match path.subresource.as_ref() {
                "status" => format!("node {node:?} can only update pod status for pods with spec.nodeName set to itself"),
                "eviction" => format!("node {node:?} can only evict pods with spec.nodeName set to itself"),
                _ => format!("node {node:?} can only delete pods with spec.nodeName set to itself"),
            })
        }
        ("", "serviceaccounts", Method::Post) if path.subresource == "token" => restrict_token(cache, node, &request.body, path, refuse),
        ("", "nodes", _) if name != node => refuse(format!("node {node:?} is not allowed to modify node {name:?}")),
        ("coordination.k8s.io", "leases", _) if name != node => {
            refuse("can only access node lease with the same name as the requesting node".to_owned())
        }
        _ => Ok(()),
    }
}

fn restrict_mirror(node: &str, body: &Body, refuse: impl Fn(String) -> Result<(), Box<Status>>) -> Result<(), Box<Status>> {
    let (mirror, on) = match body {
        Body::Object(Object::Pod(pod)) => (pod.metadata.annotations.contains_key(MIRROR), pod.spec.node_name.clone()),
        Body::Json(pod) => {
            let mirror = pod["metadata"]["annotations"].get(MIRROR).is_some();
            (mirror, pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned())
        }
        _ => (false, String::new()),
    };
    if !mirror {
        return refuse(format!("pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods"));
    }
    if on != node {
        return refuse(format!("node {node:?} can only create pods with spec.nodeName set to itself"));
    }
    Ok(())
}

/// A kubelet asks for tokens for Pods of its node, for an audience that they name (`admitServiceAccount`).
fn restrict_token(
    cache: &Cache,
    node: &str,
    body: &Body,
    path: &ResourcePath,
    refuse: impl Fn(String) -> Result<(), Box<Status>>,
) -> Result<(), Box<Status>> {
    let Body::Json(body) = body else { return Ok(()) };
    let reference = &body["spec"]["boundObjectRef"];
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    if text("kind") != "Pod" || text("apiVersion") != "v1" || text("name").is_empty() {
        return refuse("node requested token not bound to a pod".to_owned());
    }
    if text("uid").is_empty() {
        return refuse("node requested token with a pod binding without a uid".to_owned());
    }
    let namespace = path.namespace.as_deref().unwrap_or_default();
    let found = cache.get(&storage::key(Pod::INFO, namespace, text("name")));
    let Some(pod) = found.and_then(|object| object.as_kind::<Pod>()) else {
        return Err(Box::new(Status::not_found(&Pod::INFO.gvr(), text("name"))));
    };
    if pod.metadata.uid != text("uid") {
        return refuse(format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then \
             recreated",
            text("uid")
        ));
    }
    if pod.spec.node_name != node {
        return refuse("node requested token bound to a pod scheduled on a different node".to_owned());
    }
    let sources = pod.spec.volumes.iter().filter_map(|volume| volume.projected.as_ref()).flat_map(|projected| &projected.sources);
    let named: Vec<&str> =
        sources.filter_map(|source| source.service_account_token.as_ref()).map(|token| token.audience.as_str()).collect();
    // Without an audience it is the API server that the token is for.
    let asked = body["spec"]["audiences"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    let missing = asked.filter(|audience| !audience.is_empty()).find(|audience| !named.contains(audience)).map(str::to_owned);
    match missing {
        Some(audience) => refuse(format!(
            "audience {audience:?} not found in pod spec volume, system:node:{node} is not authorized to request tokens for this audience"
        )),
        None => Ok(()),
    }
}

fn body_name(body: &Body) -> Option<String> {
    match body {
        Body::Object(object) => Some(object.metadata().name.clone()),
        Body::Json(value) => value["metadata"]["name"].as_str().map(str::to_owned),
        _ => None,
    }
}
