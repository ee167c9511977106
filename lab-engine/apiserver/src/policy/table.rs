//! The table of default roles.

use api::rbac::GROUP;

pub(super) type Rule = (&'static str, &'static str, &'static str);

const CERTIFICATES: &str = "certificates.k8s.io";

pub(super) const READ: &str = "get,list,watch";
pub(super) const WRITE: &str = "create,delete,deletecollection,patch,update";
pub(super) const READ_WRITE: &str = "create,delete,deletecollection,get,list,patch,update,watch";
pub(super) const EVENTS: Rule = ("create,patch,update", "core,events.k8s.io", "events");

/// The groups and users to whom a role is bound.
pub(super) type Bound = &'static [(&'static str, &'static str)];

/// A role: its name, the collection it is part of (`rbac.authorization.k8s.io/aggregate-to-…`), its rules and to whom it is bound.
pub(super) type Row = (&'static str, &'static str, &'static [Rule], Bound);

/// What every kubelet may do besides what belongs to its node.
pub(super) const NODE_RULES: &[Rule] = &[
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
pub(super) const ROLES: &[Row] = &[
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
    (
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        "",
        &[("create", CERTIFICATES, "certificatesigningrequests/nodeclient")],
        &[],
    ),
    // kubeadm binds it under a name of its own.
    (
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        "",
        &[("create", CERTIFICATES, "certificatesigningrequests/selfnodeclient")],
        &[("Group", "system:nodes")],
    ),
    (
        "system:certificates.k8s.io:kube-apiserver-client-approver",
        "",
        &[("approve", CERTIFICATES, "signers=kubernetes.io/kube-apiserver-client")],
        &[],
    ),
    (
        "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
        "",
        &[("approve", CERTIFICATES, "signers=kubernetes.io/kube-apiserver-client-kubelet")],
        &[],
    ),
    ("system:certificates.k8s.io:kubelet-serving-approver", "", &[("approve", CERTIFICATES, "signers=kubernetes.io/kubelet-serving")], &[]),
    ("system:certificates.k8s.io:legacy-unknown-approver", "", &[("approve", CERTIFICATES, "signers=kubernetes.io/legacy-unknown")], &[]),
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

pub(super) const VIEW: &[Rule] = &[
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

pub(super) const EDIT: &[Rule] = &[
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

pub(super) const SCHEDULER: &[Rule] = &[
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
pub(super) const CONTROLLERS: &[(&str, &[Rule])] = &[
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
        "endpointslicemirroring-controller",
        &[
            (READ, "core", "endpoints,services"),
            ("update", "core", "services/finalizers"),
            ("update", "core", "endpoints/finalizers"),
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
    ("pvc-protection-controller", &[("get,list,update,watch", "core", "persistentvolumeclaims"), (READ, "core", "pods"), EVENTS]),
    ("pv-protection-controller", &[("get,list,update,watch", "core", "persistentvolumes"), EVENTS]),
    (
        "ephemeral-volume-controller",
        &[
            ("update", "core", "pods/finalizers"),
            (READ, "core", "pods"),
            ("create,get,list,watch", "core", "persistentvolumeclaims"),
            EVENTS,
        ],
    ),
    ("resourcequota-controller", &[("list,watch", "*", "*"), ("update", "core", "resourcequotas/status"), EVENTS]),
    ("root-ca-cert-publisher", &[("create,update", "core", "configmaps"), EVENTS]),
    ("service-account-controller", &[("create", "core", "serviceaccounts"), EVENTS]),
    (
        "service-controller",
        &[(READ, "core", "services"), ("patch,update", "core", "services,services/status"), ("list,watch", "core", "nodes"), EVENTS],
    ),
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
    (
        "certificate-controller",
        &[
            ("delete,get,list,watch", "certificates.k8s.io", "certificatesigningrequests"),
            ("update", "certificates.k8s.io", "certificatesigningrequests/approval,certificatesigningrequests/status"),
            ("approve", CERTIFICATES, "signers=kubernetes.io/kube-apiserver-client-kubelet"),
            (
                "sign",
                CERTIFICATES,
                "signers=kubernetes.io/kube-apiserver-client,kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving,\
                 kubernetes.io/legacy-unknown",
            ),
            ("create", "authorization.k8s.io", "subjectaccessreviews"),
            EVENTS,
        ],
    ),
    ("ttl-after-finished-controller", &[("delete,get,list,watch", "batch", "jobs"), EVENTS]),
    ("clusterrole-aggregation-controller", &[("escalate,get,list,patch,update,watch", GROUP, "clusterroles")]),
];

/// Paths that everyone who was authenticated may read.
pub(super) const DISCOVERY: &[&str] =
    &["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"];
/// Paths that everyone may read.
pub(super) const PUBLIC: &[&str] = &["/healthz", "/livez", "/readyz", "/version", "/version/"];
