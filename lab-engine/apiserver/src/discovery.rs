//! What is no resource: versions, the lists of groups and resources, health (`k8s.io/apiserver/pkg/endpoints/discovery`).
//!
//! **Simplified here:** no aggregated discovery and no OpenAPI document yet.

use api::http::{Body, Response};
use api::kinds::{KINDS, KindInfo};
use api::status::Status;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The reviews, which can only be created: group, plural name, kind, whether they are in a namespace.
const REVIEWS: &[(&str, &str, &str, bool)] = &[
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", false),
    ("authentication.k8s.io", "tokenreviews", "TokenReview", false),
    ("authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", true),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", false),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", false),
    ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", false),
];

/// The version that the server is.
const VERSION: &str = "v1.36.0";

/// Answers a GET of a path that names no resource.
pub(crate) fn answer(path: &str) -> Response {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts[..] {
        ["version"] => Response::ok(Body::Json(json!({
            "major": "1", "minor": "36", "gitVersion": VERSION, "gitTreeState": "clean", "platform": "linux/amd64",
        }))),
        ["healthz" | "livez" | "readyz", ..] => Response::ok(Body::Text("ok".into())),
        ["api"] => Response::ok(Body::Json(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}))),
        ["apis"] => {
            let groups: Vec<Value> = groups().into_iter().map(|(group, versions)| group_json(group, &versions)).collect();
            Response::ok(Body::Json(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})))
        }
        ["apis", group] => match groups().get(group) {
            Some(versions) => {
                let mut body = group_json(group, versions);
                body["kind"] = json!("APIGroup");
                body["apiVersion"] = json!("v1");
                Response::ok(Body::Json(body))
            }
            None => Response::from(Status::no_such_path()),
        },
        ["api", version] => resources("", version),
        ["apis", group, version] => resources(group, version),
        _ => Response::from(Status::no_such_path()),
    }
}

/// The groups that have a name, with their versions.
fn groups() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for info in KINDS.iter().filter(|info| !info.group.is_empty()) {
        let versions = groups.entry(info.group).or_default();
        if !versions.contains(&info.version) {
            versions.push(info.version);
        }
    }
    for (group, ..) in REVIEWS {
        groups.insert(group, vec!["v1"]);
    }
    groups
}

fn group_json(group: &str, versions: &[&str]) -> Value {
    let version = |version: &&str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let versions: Vec<Value> = versions.iter().map(version).collect();
    json!({"name": group, "preferredVersion": versions[0], "versions": versions})
}

fn resources(group: &str, version: &str) -> Response {
    let kinds = KINDS.iter().filter(|info| info.group == group && info.version == version);
    let reviews = REVIEWS.iter().filter(|(of, ..)| *of == group && version == "v1");
    let review = |(_, name, kind, namespaced): &(&str, &str, &str, bool)| {
        let singular = kind.to_lowercase();
        json!({"name": name, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": ["create"]})
    };
    let resources: Vec<Value> = kinds.flat_map(resource_json).chain(reviews.map(review)).collect();
    if resources.is_empty() {
        return Response::from(Status::no_such_path());
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let body = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources});
    Response::ok(Body::Json(body))
}

/// A kind and its subresources.
fn resource_json(info: &KindInfo) -> Vec<Value> {
    let mut own = json!({
        "name": info.plural, "singularName": info.singular, "namespaced": info.namespaced, "kind": info.kind,
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    });
    if info.kind == "Binding" {
        own["verbs"] = json!(["create"]);
    }
    if !info.short_names.is_empty() {
        own["shortNames"] = json!(info.short_names);
    }
    if !info.categories.is_empty() {
        own["categories"] = json!(info.categories);
    }
    let subresources: &[(&str, &str, &[&str])] = match info.plural {
        "pods" => &[
            ("attach", "PodAttachOptions", &["create", "get"]),
            ("binding", "Binding", &["create"]),
            ("eviction", "Eviction", &["create"]),
            ("exec", "PodExecOptions", &["create", "get"]),
            ("log", "Pod", &["get"]),
            ("status", "Pod", &["get", "patch", "update"]),
        ],
        "deployments" | "replicasets" | "replicationcontrollers" | "statefulsets" => {
            &[("scale", "Scale", &["get", "patch", "update"]), ("status", info.kind, &["get", "patch", "update"])]
        }
        "namespaces" => &[("finalize", "Namespace", &["update"]), ("status", "Namespace", &["get", "patch", "update"])],
        "serviceaccounts" => &[("token", "TokenRequest", &["create"])],
        "cronjobs" | "daemonsets" | "jobs" | "nodes" | "persistentvolumeclaims" | "services" => {
            &[("status", info.kind, &["get", "patch", "update"])]
        }
        _ => &[],
    };
    let sub = |(name, kind, verbs): &(&str, &str, &[&str])| json!({"name": format!("{}/{name}", info.plural), "singularName": "", "namespaced": info.namespaced, "kind": kind, "verbs": verbs});
    std::iter::once(own).chain(subresources.iter().map(sub)).collect()
}
