//! The roles and bindings that every cluster has (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`).
//!
//! They are in force from the first request on, and stored with the first object that the server makes. One table holds them; a rule reads
//! `(verbs, groups, resources)`, each separated by commas, `core` standing for the core group.
//!
//! **Simplified here:** the controllers have the roles that upstream gives them, but share the identity of the controller manager, to which
//! each role is bound too; roles for what the engine does not have are left out; a default role that someone changed stays as it is
//! (upstream adds what is missing at each start).

use crate::rbac::Rbac;
use api::meta::{LabelSelector, ObjectMeta, StringMap};
use api::rbac::{AggregationRule, ClusterRole, ClusterRoleBinding, GROUP, PolicyRule, RoleRef, Subject};
use api::{Object, Resource};
use sim::{Seed, Time};
use std::sync::Arc;

type Rule = (&'static str, &'static str, &'static str);

const READ: &str = "get,list,watch";
const WRITE: &str = "create,delete,deletecollection,patch,update";
const READ_WRITE: &str = "create,delete,deletecollection,get,list,patch,update,watch";
const EVENTS: Rule = ("create,patch,update", "core,events.k8s.io", "events");

/// The groups and users to whom a role is bound.
type Bound = &'static [(&'static str, &'static str)];

/// A role: its name, the collection it is part of (`rbac.authorization.k8s.io/aggregate-to-…`), its rules and to whom it is bound.
type Row = (&'static str, &'static str, &'static [Rule], Bound);

/// What every kubelet may do besides what belongs to its node.
const NODE_RULES: &[Rule] = &[
    ("create", "authentication.k8s.io", "tokenreviews"),
    ("create", "authorization.k8s.io", "localsubjectaccessreviews,subjectaccessreviews"),
    (READ, "core", "services"),
    EVENTS,
    ("create,get,list,watch", "certificates.k8s.io", "certificatesigningrequests"),
    ("get", "core", "persistentvolumes"),
    ("get", "storage.k8s.io", "volumeattachments"),
    (READ, "storage.k8s.io", "csidrivers"),
    (READ, "node.k8s.io", "runtimeclasses"),
    ("get", "resource.k8s.io", "resourceclaims"),
];

/// Roles of people and of parts of the control plane.
const ROLES: &[Row] = &[
    ("cluster-admin", "", &[("*", "*", "*")], &[("Group", "system:masters")]),
    ("system:node", "", NODE_RULES, &[]),
    (
        "system:basic-user",
        "",
        &[
            ("create", "authorization.k8s.io", "selfsubjectaccessreviews,selfsubjectrulesreviews"),
            ("create", "authentication.k8s.io", "selfsubjectreviews"),
        ],
        &[("Group", "system:authenticated")],
    ),
    (
        "system:auth-delegator",
        "",
        &[("create", "authentication.k8s.io", "tokenreviews"), ("create", "authorization.k8s.io", "subjectaccessreviews")],
        &[],
    ),
    ("system:aggregate-to-view", "view", VIEW, &[]),
    ("system:aggregate-to-edit", "edit", EDIT, &[]),
    (
        "system:aggregate-to-admin",
        "admin",
        &[("create", "authorization.k8s.io", "localsubjectaccessreviews"), (READ_WRITE, GROUP, "rolebindings,roles")],
        &[],
    ),
    ("system:kube-scheduler", "", SCHEDULER, &[("User", "system:kube-scheduler")]),
    (
        "system:volume-scheduler",
        "",
        &[
            ("get,list,patch,update,watch", "core", "persistentvolumes"),
            (READ, "storage.k8s.io", "storageclasses"),
            ("get,list,patch,update,watch", "core", "persistentvolumeclaims"),
        ],
        &[("User", "system:kube-scheduler")],
    ),
    (
        "system:kube-controller-manager",
        "",
        &[
            EVENTS,
            ("create,get,update", "coordination.k8s.io", "leases"),
            ("create,get,update", "core", "secrets,serviceaccounts"),
            ("delete", "core", "secrets"),
            ("get", "core", "configmaps,namespaces"),
            ("create", "core", "serviceaccounts/token"),
            ("create", "authentication.k8s.io", "tokenreviews"),
            ("create", "authorization.k8s.io", "subjectaccessreviews"),
            ("list,watch", "*", "*"),
        ],
        &[("User", "system:kube-controller-manager")],
    ),
    (
        "system:node-proxier",
        "",
        &[
            ("list,watch", "core", "endpoints,services"),
            (READ, "core", "nodes"),
            EVENTS,
            ("list,watch", "discovery.k8s.io", "endpointslices"),
        ],
        &[("User", "system:kube-proxy")],
    ),
    (
        "system:coredns",
        "",
        &[("list,watch", "core", "endpoints,namespaces,pods,services"), ("list,watch", "discovery.k8s.io", "endpointslices")],
        &[("User", "system:coredns")],
    ),
];

const VIEW: &[Rule] = &[
    (
        READ,
        "core",
        "configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,\
         replicationcontrollers/scale,serviceaccounts,services,services/status",
    ),
    (
        READ,
        "core",
        "bindings,events,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,resourcequotas,\
         resourcequotas/status",
    ),
    (READ, "core", "namespaces"),
    (READ, "discovery.k8s.io", "endpointslices"),
    (
        READ,
        "apps",
        "controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,replicasets,replicasets/scale,\
         replicasets/status,statefulsets,statefulsets/scale,statefulsets/status",
    ),
    (READ, "autoscaling", "horizontalpodautoscalers,horizontalpodautoscalers/status"),
    (READ, "batch", "cronjobs,cronjobs/status,jobs,jobs/status"),
    (READ, "policy", "poddisruptionbudgets,poddisruptionbudgets/status"),
    (READ, "networking.k8s.io", "ingresses,ingresses/status,networkpolicies"),
    (READ, "resource.k8s.io", "resourceclaims,resourceclaims/status,resourceclaimtemplates"),
];

const EDIT: &[Rule] = &[
    (READ, "core", "pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy"),
    ("impersonate", "core", "serviceaccounts"),
    (WRITE, "core", "pods,pods/attach,pods/exec,pods/portforward,pods/proxy"),
    ("create", "core", "pods/eviction"),
    (
        WRITE,
        "core",
        "configmaps,events,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,\
         services/proxy",
    ),
    ("create", "core", "serviceaccounts/token"),
    (
        WRITE,
        "apps",
        "daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale",
    ),
    (WRITE, "autoscaling", "horizontalpodautoscalers"),
    (WRITE, "batch", "cronjobs,jobs"),
    (WRITE, "policy", "poddisruptionbudgets"),
    (WRITE, "networking.k8s.io", "ingresses,networkpolicies"),
    (READ_WRITE, "coordination.k8s.io", "leases"),
    (WRITE, "resource.k8s.io", "resourceclaims,resourceclaimtemplates"),
];

const SCHEDULER: &[Rule] = &[
    EVENTS,
    ("create,get,list,update,watch", "coordination.k8s.io", "leases"),
    (READ, "core", "nodes"),
    ("delete,get,list,watch", "core", "pods"),
    ("create", "core", "bindings,pods/binding"),
    ("patch,update", "core", "pods/status"),
    (READ, "core", "replicationcontrollers,services"),
    (READ, "apps", "replicasets,statefulsets"),
    (READ, "policy", "poddisruptionbudgets"),
    (READ, "core", "persistentvolumeclaims,persistentvolumes"),
    ("create", "authentication.k8s.io", "tokenreviews"),
    ("create", "authorization.k8s.io", "subjectaccessreviews"),
    (READ, "storage.k8s.io", "csidrivers,csinodes,csistoragecapacities,storageclasses,volumeattachments"),
    (READ, "core", "namespaces"),
    (READ, "scheduling.k8s.io", "priorityclasses"),
    (READ, "resource.k8s.io", "deviceclasses,resourceclaims,resourceslices"),
    ("update,patch", "resource.k8s.io", "resourceclaims,resourceclaims/status"),
];

/// The roles `system:controller:NAME`.
const CONTROLLERS: &[(&str, &[Rule])] = &[
    (
        "attachdetach-controller",
        &[
            ("list,watch", "core", "persistentvolumeclaims,persistentvolumes"),
            (READ, "core", "nodes"),
            ("patch,update", "core", "nodes/status"),
            ("list,watch", "core", "pods"),
            EVENTS,
            ("create,delete,get,list,patch,watch", "storage.k8s.io", "volumeattachments"),
            (READ, "storage.k8s.io", "csidrivers,csinodes"),
        ],
    ),
    (
        "cronjob-controller",
        &[
            ("get,list,update,watch", "batch", "cronjobs"),
            ("create,delete,get,list,patch,update,watch", "batch", "jobs"),
            ("update", "batch", "cronjobs/finalizers,cronjobs/status"),
            ("delete,list", "core", "pods"),
            EVENTS,
        ],
    ),
    (
        "daemon-set-controller",
        &[
            (READ, "apps", "daemonsets"),
            ("update", "apps", "daemonsets/finalizers,daemonsets/status"),
            ("list,watch", "core", "nodes"),
            ("create,delete,list,patch,watch", "core", "pods"),
            ("create", "core", "pods/binding"),
            ("create,delete,get,list,patch,update,watch", "apps", "controllerrevisions"),
            EVENTS,
        ],
    ),
    (
        "deployment-controller",
        &[
            ("get,list,update,watch", "apps", "deployments"),
            ("update", "apps", "deployments/finalizers,deployments/status"),
            ("create,delete,get,list,patch,update,watch", "apps", "replicasets"),
            ("get,list,update,watch", "core", "pods"),
            EVENTS,
        ],
    ),
    (
        "disruption-controller",
        &[
            (READ, "apps", "deployments,replicasets,statefulsets"),
            (READ, "core", "replicationcontrollers"),
            (READ, "policy", "poddisruptionbudgets"),
            ("update", "policy", "poddisruptionbudgets/status"),
            ("patch,update", "core", "pods/status"),
            ("get", "*", "*/scale"),
            EVENTS,
        ],
    ),
    (
        "endpoint-controller",
        &[
            (READ, "core", "pods,services"),
            ("create,delete,get,list,update,watch", "core", "endpoints"),
            ("create", "core", "endpoints/restricted"),
            EVENTS,
        ],
    ),
    (
        "endpointslice-controller",
        &[
            (READ, "core", "nodes,pods,services"),
            ("update", "core", "services/finalizers"),
            ("create,delete,get,list,update,watch", "discovery.k8s.io", "endpointslices"),
            ("create", "discovery.k8s.io", "endpointslices/restricted"),
            EVENTS,
        ],
    ),
    (
        "expand-controller",
        &[
            ("get,list,patch,update,watch", "core", "persistentvolumes"),
            ("patch,update", "core", "persistentvolumeclaims/status"),
            (READ, "core", "persistentvolumeclaims"),
            EVENTS,
        ],
    ),
    ("generic-garbage-collector", &[("delete,get,list,patch,update,watch", "*", "*"), EVENTS]),
    (
        "horizontal-pod-autoscaler",
        &[
            (READ, "autoscaling", "horizontalpodautoscalers"),
            ("update", "autoscaling", "horizontalpodautoscalers/status"),
            ("get,update", "*", "*/scale"),
            ("list", "core", "pods"),
            ("get,list", "metrics.k8s.io,custom.metrics.k8s.io,external.metrics.k8s.io", "*"),
            EVENTS,
        ],
    ),
    (
        "job-controller",
        &[
            ("get,list,patch,update,watch", "batch", "jobs"),
            ("update", "batch", "jobs/finalizers,jobs/status"),
            ("create,delete,list,patch,watch", "core", "pods"),
            EVENTS,
        ],
    ),
    (
        "namespace-controller",
        &[
            ("delete,get,list,watch", "core", "namespaces"),
            ("update", "core", "namespaces/finalize,namespaces/status"),
            ("delete,deletecollection,get,list", "*", "*"),
        ],
    ),
    (
        "node-controller",
        &[
            ("delete,get,list,patch,update", "core", "nodes"),
            ("patch,update", "core", "nodes/status"),
            ("patch,update", "core", "pods/status"),
            ("delete,get,list", "core", "pods"),
            EVENTS,
        ],
    ),
    (
        "persistent-volume-binder",
        &[
            ("create,delete,get,list,update,watch", "core", "persistentvolumes"),
            ("update", "core", "persistentvolumeclaims/status,persistentvolumes/status"),
            ("get,list,update,watch", "core", "persistentvolumeclaims"),
            ("create,delete,get,list,watch", "core", "pods"),
            (READ, "storage.k8s.io", "storageclasses"),
            ("get", "core", "nodes,secrets"),
            EVENTS,
        ],
    ),
    (
        "pod-garbage-collector",
        &[("delete,list,watch", "core", "pods"), ("get,list", "core", "nodes"), ("patch,update", "core", "pods/status")],
    ),
    (
        "replicaset-controller",
        &[
            ("get,list,update,watch", "apps", "replicasets"),
            ("update", "apps", "replicasets/finalizers,replicasets/status"),
            ("create,delete,list,patch,watch", "core", "pods"),
            EVENTS,
        ],
    ),
    (
        "replication-controller",
        &[
            ("get,list,update,watch", "core", "replicationcontrollers"),
            ("update", "core", "replicationcontrollers/finalizers,replicationcontrollers/status"),
            ("create,delete,list,patch,watch", "core", "pods"),
            EVENTS,
        ],
    ),
    ("resourcequota-controller", &[("list,watch", "*", "*"), ("update", "core", "resourcequotas/status"), EVENTS]),
    ("root-ca-cert-publisher", &[("create,update", "core", "configmaps"), EVENTS]),
    ("service-account-controller", &[("create", "core", "serviceaccounts"), EVENTS]),
    (
        "statefulset-controller",
        &[
            ("list,watch", "core", "pods"),
            (READ, "apps", "statefulsets"),
            ("update", "apps", "statefulsets/finalizers,statefulsets/status"),
            ("create,delete,get,patch,update", "core", "pods"),
            ("create,delete,get,list,patch,update,watch", "apps", "controllerrevisions"),
            ("create,delete,get,list,update,watch", "core", "persistentvolumeclaims"),
            EVENTS,
        ],
    ),
    ("ttl-after-finished-controller", &[("delete,get,list,watch", "batch", "jobs"), EVENTS]),
    ("clusterrole-aggregation-controller", &[("escalate,get,list,patch,update,watch", GROUP, "clusterroles")]),
];

/// Paths that everyone who was authenticated may read.
const DISCOVERY: &[&str] =
    &["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"];
/// Paths that everyone may read.
const PUBLIC: &[&str] = &["/healthz", "/livez", "/readyz", "/version", "/version/"];

fn words(text: &str) -> Vec<String> {
    text.split(',').map(|word| if word == "core" { String::new() } else { word.to_owned() }).collect()
}

fn rule(&(verbs, groups, resources): &Rule) -> PolicyRule {
    PolicyRule { verbs: words(verbs), api_groups: words(groups), resources: words(resources), ..PolicyRule::default() }
}

fn paths(verb: &str, urls: &[&str]) -> PolicyRule {
    let non_resource_urls = urls.iter().map(|&url| url.to_owned()).collect();
    PolicyRule { verbs: vec![verb.to_owned()], non_resource_urls, ..PolicyRule::default() }
}

/// The rules that every kubelet has besides those of its own node.
pub(crate) fn node_rules() -> Vec<PolicyRule> {
    NODE_RULES.iter().map(rule).collect()
}

fn metadata(name: &str, kind: &str, now: Time) -> ObjectMeta {
    ObjectMeta {
        name: name.to_owned(),
        // Of no run: the same role has the same UID in every cluster, and nobody else's draws are moved.
        uid: Seed(0).stream(&format!("{kind}/{name}")).uuid(),
        creation_timestamp: Some(now.into()),
        labels: StringMap::from([("kubernetes.io/bootstrapping".to_owned(), "rbac-defaults".to_owned())]),
        annotations: StringMap::from([("rbac.authorization.kubernetes.io/autoupdate".to_owned(), "true".to_owned())]),
        ..ObjectMeta::default()
    }
}

fn role(name: &str, rules: Vec<PolicyRule>, now: Time) -> ClusterRole {
    ClusterRole { metadata: metadata(name, ClusterRole::INFO.kind, now), rules, ..ClusterRole::default() }
}

fn binding(name: &str, subjects: impl IntoIterator<Item = (&'static str, String)>, now: Time) -> ClusterRoleBinding {
    let subject = |(kind, name): (&str, String)| match kind {
        "ServiceAccount" => Subject { kind: kind.to_owned(), name, namespace: "kube-system".to_owned(), ..Subject::default() },
        _ => Subject { kind: kind.to_owned(), api_group: GROUP.to_owned(), name, ..Subject::default() },
    };
    ClusterRoleBinding {
        metadata: metadata(name, ClusterRoleBinding::INFO.kind, now),
        subjects: subjects.into_iter().map(subject).collect(),
        role_ref: RoleRef { api_group: GROUP.to_owned(), kind: "ClusterRole".to_owned(), name: name.to_owned(), ..RoleRef::default() },
        ..ClusterRoleBinding::default()
    }
}

const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// A role that collects those labelled for it, and is itself labelled for the next larger one.
fn collected(name: &str, next: &str, now: Time) -> ClusterRole {
    let labels = StringMap::from([(format!("{AGGREGATE}{name}"), "true".to_owned())]);
    let selector = LabelSelector { match_labels: labels, ..LabelSelector::default() };
    let mut role = role(name, Vec::new(), now);
    role.aggregation_rule = Some(AggregationRule { cluster_role_selectors: vec![selector], ..AggregationRule::default() });
    if !next.is_empty() {
        role.metadata.labels.insert(format!("{AGGREGATE}{next}"), "true".to_owned());
    }
    role
}

/// All default roles and bindings, the collected ones with their rules.
pub(crate) fn objects(now: Time) -> Vec<Object> {
    let mut objects: Vec<Object> = Vec::new();
    for (name, part_of, rules, bound) in ROLES {
        let mut role = role(name, rules.iter().map(rule).collect(), now);
        if *name == "cluster-admin" {
            role.rules.push(paths("*", &["*"]));
        }
        if !part_of.is_empty() {
            role.metadata.labels.insert(format!("{AGGREGATE}{part_of}"), "true".to_owned());
        }
        objects.push(role.into());
        if !bound.is_empty() {
            objects.push(binding(name, bound.iter().map(|(kind, name)| (*kind, (*name).to_owned())), now).into());
        }
    }
    for (name, rules) in CONTROLLERS {
        let full = format!("system:controller:{name}");
        objects.push(role(&full, rules.iter().map(rule).collect(), now).into());
        let subjects = [("ServiceAccount", (*name).to_owned()), ("User", "system:kube-controller-manager".to_owned())];
        objects.push(binding(&full, subjects, now).into());
    }
    let group = |name: &str| ("Group", name.to_owned());
    objects.push(role("system:discovery", vec![paths("get", DISCOVERY)], now).into());
    objects.push(binding("system:discovery", [group("system:authenticated")], now).into());
    objects.push(role("system:public-info-viewer", vec![paths("get", PUBLIC)], now).into());
    let everyone = [group("system:authenticated"), group("system:unauthenticated")];
    objects.push(binding("system:public-info-viewer", everyone, now).into());
    for (name, next) in [("view", "edit"), ("edit", "admin"), ("admin", "")] {
        objects.push(collected(name, next, now).into());
    }
    collect(objects)
}

/// Fills in the rules of the roles that collect others.
fn collect(mut objects: Vec<Object>) -> Vec<Object> {
    let mut rbac = Rbac::of(objects.iter());
    loop {
        let right: Vec<Arc<ClusterRole>> = rbac.to_aggregate();
        if right.is_empty() {
            return objects;
        }
        for role in right {
            let role = Object::ClusterRole(role);
            rbac.put(&role);
            let same = |object: &&mut Object| matches!(object, Object::ClusterRole(own) if own.metadata.name == role.metadata().name);
            if let Some(object) = objects.iter_mut().find(same) {
                *object = role.clone();
            }
        }
    }
}
