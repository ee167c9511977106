//! What is no resource: versions, the lists of groups and resources, health (`k8s.io/apiserver/pkg/endpoints/discovery`,
//! `kube-aggregator/pkg/apiserver/handler_discovery.go`).
//!
//! **Simplified here:** groups come in the order of their names, where upstream's have priorities.

use crate::aggregator::Extension;
use crate::crd::{CustomResources, Served, priority};
use crate::openapi;
use crate::versions::OTHERS;
use api::http::{Accept, Body, Response};
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

/// What can be done with a resource that is stored.
const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// The version that the server is.
pub(crate) const VERSION: &str = "v1.36.0";

/// A subresource: its name, the kind that it speaks, and its verbs.
type Sub<'a> = (&'a str, &'a str, &'a [&'a str]);

/// Answers a GET of a path that names no resource.
pub(crate) fn answer(path: &str, accept: Accept, custom: &CustomResources, extensions: &[&'static Extension]) -> Response {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let body = match parts[..] {
        ["version"] => Some(json!({
            "major": "1", "minor": "36", "gitVersion": VERSION, "gitTreeState": "clean", "platform": "linux/amd64",
        })),
        ["healthz" | "livez" | "readyz", ..] => return Response::ok(Body::Text("ok".into())),
        ["api"] if accept == Accept::Discovery => Some(aggregated(custom, &[], true)),
        ["apis"] if accept == Accept::Discovery => Some(aggregated(custom, extensions, false)),
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        ["apis"] => {
            let groups: Vec<Value> = groups(custom, extensions).into_iter().map(|(group, versions)| group_json(group, &versions)).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", group] => groups(custom, extensions).get(group).map(|versions| {
            let mut body = group_json(group, versions);
            body["kind"] = json!("APIGroup");
            body["apiVersion"] = json!("v1");
            body
        }),
        ["api", version] => resources("", version, custom),
        ["apis", group, version] => match extensions.iter().find(|extension| extension.group == group && extension.version == version) {
            Some(extension) => Some(extension_resources(extension)),
            None => resources(group, version, custom),
        },
        ["openapi", "v3"] => {
            let mut described = groups(custom, &[]);
            for (group, versions) in &mut described {
                versions.retain(|version| !OTHERS.iter().any(|other| other.group == *group && other.version == *version));
            }
            Some(openapi::index(described, custom))
        }
        ["openapi", "v3", "api", version] => openapi::document("", version, custom),
        ["openapi", "v3", "apis", group, version] => openapi::document(group, version, custom),
        _ => None,
    };
    body.map_or_else(|| Response::from(Status::no_such_path()), |body| Response::ok(Body::Json(body)))
}

/// The groups that have a name, with their versions, most preferred first.
fn groups<'a>(custom: &'a CustomResources, extensions: &[&'static Extension]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let custom = custom.all().map(|served| &*served.kind);
    for info in KINDS.iter().chain(&OTHERS).chain(custom).filter(|info| !info.group.is_empty()) {
        let versions = groups.entry(&info.group).or_default();
        if !versions.contains(&&*info.version) {
            versions.push(&info.version);
        }
    }
    for (group, ..) in REVIEWS {
        groups.insert(group, vec!["v1"]);
    }
    for extension in extensions {
        groups.insert(extension.group, vec![extension.version]);
    }
    for versions in groups.values_mut() {
        versions.sort_by_key(|version| priority(version));
    }
    groups
}

fn group_json(group: &str, versions: &[&str]) -> Value {
    let version = |version: &&str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let versions: Vec<Value> = versions.iter().map(version).collect();
    json!({"name": group, "preferredVersion": versions[0], "versions": versions})
}

/// The kinds of a group and version, with what custom ones are served as.
fn kinds<'a>(group: &'a str, version: &'a str, custom: &'a CustomResources) -> impl Iterator<Item = (&'a KindInfo, Option<&'a Served>)> {
    let built_in = KINDS.iter().chain(&OTHERS).map(|info| (info, None));
    let custom = custom.all().map(|served| (&*served.kind, Some(&**served)));
    built_in.chain(custom).filter(move |(info, _)| info.group == group && info.version == version)
}

fn reviews<'a>(group: &'a str, version: &'a str) -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str, bool)> {
    REVIEWS.iter().filter(move |(of, ..)| *of == group && version == "v1")
}

/// An `APIResourceList`.
fn resources(group: &str, version: &str, custom: &CustomResources) -> Option<Value> {
    let review = |(_, name, kind, namespaced): &(&str, &str, &str, bool)| {
        let singular = kind.to_lowercase();
        json!({"name": name, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": ["create"]})
    };
    let stored = kinds(group, version, custom).flat_map(|(info, served)| resource_json(info, served));
    let resources: Vec<Value> = stored.chain(reviews(group, version).map(review)).collect();
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!resources.is_empty())
        .then(|| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}))
}

/// What can be done with a resource of an extension server.
const EXTENSION_VERBS: &[&str] = &["get", "list"];

/// The `APIResourceList` of an extension server.
fn extension_resources(extension: &Extension) -> Value {
    let resource = |(name, kind, namespaced): &(&str, &str, bool)| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": EXTENSION_VERBS});
    let resources: Vec<Value> = extension.resources.iter().map(resource).collect();
    let group_version = format!("{}/{}", extension.group, extension.version);
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
}

fn verbs(info: &KindInfo) -> &'static [&'static str] {
    if info.kind == "Binding" { &["create"] } else { VERBS }
}

/// A kind and its subresources.
fn resource_json(info: &KindInfo, served: Option<&Served>) -> Vec<Value> {
    let mut own = json!({
        "name": info.plural, "singularName": info.singular, "namespaced": info.namespaced, "kind": info.kind, "verbs": verbs(info),
    });
    if !info.short_names.is_empty() {
        own["shortNames"] = info.short_names.to_json();
    }
    if !info.categories.is_empty() {
        own["categories"] = info.categories.to_json();
    }
    let sub = |(name, kind, verbs): Sub<'_>| {
        let mut sub = json!({
            "name": format!("{}/{name}", info.plural), "singularName": "", "namespaced": info.namespaced, "kind": kind, "verbs": verbs,
        });
        if kind == "Scale" {
            sub["group"] = json!("autoscaling");
            sub["version"] = json!("v1");
        }
        sub
    };
    std::iter::once(own).chain(subresources(info, served).into_iter().map(sub)).collect()
}

fn subresources<'a>(info: &'a KindInfo, served: Option<&Served>) -> Vec<Sub<'a>> {
    const CHANGE: &[&str] = &["get", "patch", "update"];
    if let Some(served) = served {
        let scale = served.scale.as_ref().map(|_| ("scale", "Scale", CHANGE));
        let status = served.status.then_some(("status", &*info.kind, CHANGE));
        return scale.into_iter().chain(status).collect();
    }
    let status: Sub<'a> = ("status", &info.kind, CHANGE);
    match info.group_plural() {
        ("", "pods") => vec![
            ("attach", "PodAttachOptions", &["create", "get"]),
            ("binding", "Binding", &["create"]),
            ("ephemeralcontainers", "Pod", CHANGE),
            ("eviction", "Eviction", &["create"]),
            ("exec", "PodExecOptions", &["create", "get"]),
            ("log", "Pod", &["get"]),
            ("portforward", "PodPortForwardOptions", &["create", "get"]),
            ("resize", "Pod", CHANGE),
            status,
        ],
        ("apps", "deployments" | "replicasets" | "statefulsets") | ("", "replicationcontrollers") => {
            vec![("scale", "Scale", CHANGE), status]
        }
        ("apps", "daemonsets") | ("batch", _) => vec![status],
        ("", "namespaces") => vec![("finalize", "Namespace", &["update"]), status],
        ("certificates.k8s.io", "certificatesigningrequests") => vec![("approval", "CertificateSigningRequest", CHANGE), status],
        ("", "serviceaccounts") => vec![("token", "TokenRequest", &["create"])],
        ("", "nodes" | "persistentvolumeclaims" | "persistentvolumes" | "services")
        | ("autoscaling", "horizontalpodautoscalers")
        | ("policy", "poddisruptionbudgets")
        | ("apiextensions.k8s.io", _) => vec![status],
        _ => Vec::new(),
    }
}

/// All groups with their resources in one answer: those with a name, or the core group (`aggregated discovery`, KEP-3352).
fn aggregated(custom: &CustomResources, extensions: &[&'static Extension], core: bool) -> Value {
    let all = if core { BTreeMap::from([("", vec!["v1"])]) } else { groups(custom, extensions) };
    let item = |(group, versions): (&str, Vec<&str>)| {
        let versions: Vec<Value> = versions
            .into_iter()
            .map(|version| {
                let stored = kinds(group, version, custom).map(|(info, served)| aggregated_resource(info, served));
                let review = |(_, name, kind, namespaced): &(&str, &str, &str, bool)| {
                    json!({
                        "resource": name, "responseKind": {"group": group, "version": version, "kind": kind},
                        "scope": scope(*namespaced), "singularResource": kind.to_lowercase(), "verbs": ["create"],
                    })
                };
                let extended = Extension::find(group, version).map_or(&[][..], |extension| extension.resources).iter();
                let extended = extended.map(|(name, kind, namespaced)| {
                    json!({
                        "resource": name, "responseKind": {"group": group, "version": version, "kind": kind},
                        "scope": scope(*namespaced), "singularResource": "", "verbs": EXTENSION_VERBS,
                    })
                });
                let resources: Vec<Value> = stored.chain(reviews(group, version).map(review)).chain(extended).collect();
                json!({"version": version, "freshness": "Current", "resources": resources})
            })
            .collect();
        json!({"metadata": {"name": group}, "versions": versions})
    };
    let items: Vec<Value> = all.into_iter().map(item).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn scope(namespaced: bool) -> &'static str {
    if namespaced { "Namespaced" } else { "Cluster" }
}

fn aggregated_resource(info: &KindInfo, served: Option<&Served>) -> Value {
    let mut own = json!({
        "resource": info.plural, "responseKind": {"group": info.group, "version": info.version, "kind": info.kind},
        "scope": scope(info.namespaced), "singularResource": info.singular, "verbs": verbs(info),
    });
    if !info.short_names.is_empty() {
        own["shortNames"] = info.short_names.to_json();
    }
    if !info.categories.is_empty() {
        own["categories"] = info.categories.to_json();
    }
    let sub = |(name, kind, verbs): Sub<'_>| {
        let (group, version) = if kind == "Scale" { ("autoscaling", "v1") } else { (&*info.group, &*info.version) };
        json!({"subresource": name, "responseKind": {"group": group, "version": version, "kind": kind}, "verbs": verbs})
    };
    let subresources: Vec<Value> = subresources(info, served).into_iter().map(sub).collect();
    if !subresources.is_empty() {
        own["subresources"] = Value::Array(subresources);
    }
    own
}
