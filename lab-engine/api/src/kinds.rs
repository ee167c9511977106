//! The kinds that Kubernetes v1.36 has built in: group, version, names and scope.
//!
//! What `kubectl api-resources` prints. Kinds that the engine simulates have a variant in [`Object`](crate::Object); the others can be
//! stored and read, and the API server says in a Warning that nothing acts on them.
//!
//! [`Kind`] is the handle that everything keeps: a built-in kind is a pointer into the table, a kind that a CustomResourceDefinition
//! made is shared.

use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Group, version and plural name of a resource: what a URL names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gvr {
    /// The group; empty for the core group.
    pub group: Cow<'static, str>,
    /// The version.
    pub version: Cow<'static, str>,
    /// The plural name.
    pub resource: Cow<'static, str>,
}

impl fmt::Display for Gvr {
    /// `deployments.apps`, or `pods` for the core group: how errors name a resource.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(&self.resource) } else { write!(f, "{}.{}", self.resource, self.group) }
    }
}

/// Names of a kind: short names or categories.
#[derive(Clone, Debug)]
pub enum Names {
    /// Of a built-in kind.
    BuiltIn(&'static [&'static str]),
    /// Of any other.
    Shared(Arc<[String]>),
}

impl Names {
    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (built_in, shared): (&[&str], &[String]) = match self {
            Names::BuiltIn(names) => (names, &[]),
            Names::Shared(names) => (&[], names),
        };
        built_in.iter().copied().chain(shared.iter().map(String::as_str))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Whether `name` is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|own| own == name)
    }

    /// The names with `separator` between them.
    pub fn join(&self, separator: &str) -> String {
        self.iter().collect::<Vec<_>>().join(separator)
    }

    /// The names as a JSON list.
    pub fn to_json(&self) -> Value {
        self.iter().collect()
    }
}

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        Names::Shared(names.into_iter().collect())
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Names {}

/// A kind and its resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// The group; empty for the core group.
    pub group: Cow<'static, str>,
    /// The version.
    pub version: Cow<'static, str>,
    /// The kind, for example `Deployment`.
    pub kind: Cow<'static, str>,
    /// The plural name, for example `deployments`.
    pub plural: Cow<'static, str>,
    /// The singular name, for example `deployment`.
    pub singular: Cow<'static, str>,
    /// Short names, for example `deploy`.
    pub short_names: Names,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Categories, for example `all`.
    pub categories: Names,
    /// Whether a CustomResourceDefinition made it.
    pub custom: bool,
}

impl KindInfo {
    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Group, version and plural name.
    pub fn gvr(&self) -> Gvr {
        Gvr { group: self.group.clone(), version: self.version.clone(), resource: self.plural.clone() }
    }

    /// `deployments.apps`, or `pods` for the core group.
    pub fn group_resource(&self) -> String {
        self.gvr().to_string()
    }

    /// Group and kind, as [`Resource::INFO`](crate::Resource::INFO) is looked up.
    pub fn group_kind(&self) -> (&str, &str) {
        (&self.group, &self.kind)
    }

    /// Group and plural name: what tells resources apart, whatever the version.
    pub fn group_plural(&self) -> (&str, &str) {
        (&self.group, &self.plural)
    }
}

/// A handle to a kind, cheap to clone. Handles are equal when group, version, kind and plural name are.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A kind of the table [`KINDS`].
    BuiltIn(&'static KindInfo),
    /// A kind that a CustomResourceDefinition made.
    Custom(Arc<KindInfo>),
}

impl Kind {
    /// Whether a CustomResourceDefinition made it.
    pub fn is_custom(&self) -> bool {
        matches!(self, Kind::Custom(_))
    }
}

impl Deref for Kind {
    type Target = KindInfo;

    fn deref(&self) -> &KindInfo {
        match self {
            Kind::BuiltIn(info) => info,
            Kind::Custom(info) => info,
        }
    }
}

impl From<&'static KindInfo> for Kind {
    fn from(info: &'static KindInfo) -> Self {
        Kind::BuiltIn(info)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Kind::BuiltIn(one), Kind::BuiltIn(other)) if std::ptr::eq(*one, *other) => true,
            _ => self.group_kind() == other.group_kind() && self.version == other.version && self.plural == other.plural,
        }
    }
}

impl Eq for Kind {}

impl PartialEq<KindInfo> for Kind {
    fn eq(&self, other: &KindInfo) -> bool {
        self.group_kind() == other.group_kind() && self.version == other.version && self.plural == other.plural
    }
}

const ALL: &[&str] = &["all"];

macro_rules! kinds {
    ($($group:literal $version:literal $kind:literal $plural:literal $singular:literal $short:expr, $namespaced:literal, $categories:expr;)*) => {
        /// All built-in kinds, grouped as `kubectl api-resources` groups them.
        pub static KINDS: &[KindInfo] = &[$(KindInfo {
            group: Cow::Borrowed($group), version: Cow::Borrowed($version), kind: Cow::Borrowed($kind),
            plural: Cow::Borrowed($plural), singular: Cow::Borrowed($singular),
            short_names: Names::BuiltIn(&$short), namespaced: $namespaced, categories: Names::BuiltIn($categories), custom: false,
        },)*];
    };
}

kinds! {
    "" "v1" "Binding" "bindings" "binding" [], true, &[];
    "" "v1" "ConfigMap" "configmaps" "configmap" ["cm"], true, &[];
    "" "v1" "Endpoints" "endpoints" "endpoints" ["ep"], true, &[];
    "" "v1" "Event" "events" "event" ["ev"], true, &[];
    "" "v1" "LimitRange" "limitranges" "limitrange" ["limits"], true, &[];
    "" "v1" "Namespace" "namespaces" "namespace" ["ns"], false, &[];
    "" "v1" "Node" "nodes" "node" ["no"], false, &[];
    "" "v1" "PersistentVolumeClaim" "persistentvolumeclaims" "persistentvolumeclaim" ["pvc"], true, &[];
    "" "v1" "PersistentVolume" "persistentvolumes" "persistentvolume" ["pv"], false, &[];
    "" "v1" "Pod" "pods" "pod" ["po"], true, ALL;
    "" "v1" "PodTemplate" "podtemplates" "podtemplate" [], true, &[];
    "" "v1" "ReplicationController" "replicationcontrollers" "replicationcontroller" ["rc"], true, ALL;
    "" "v1" "ResourceQuota" "resourcequotas" "resourcequota" ["quota"], true, &[];
    "" "v1" "Secret" "secrets" "secret" [], true, &[];
    "" "v1" "ServiceAccount" "serviceaccounts" "serviceaccount" ["sa"], true, &[];
    "" "v1" "Service" "services" "service" ["svc"], true, ALL;
    "admissionregistration.k8s.io" "v1" "MutatingAdmissionPolicy" "mutatingadmissionpolicies" "mutatingadmissionpolicy" [], false, &["api-extensions"];
    "admissionregistration.k8s.io" "v1" "MutatingAdmissionPolicyBinding" "mutatingadmissionpolicybindings" "mutatingadmissionpolicybinding" [], false, &["api-extensions"];
    "admissionregistration.k8s.io" "v1" "MutatingWebhookConfiguration" "mutatingwebhookconfigurations" "mutatingwebhookconfiguration" [], false, &["api-extensions"];
    "admissionregistration.k8s.io" "v1" "ValidatingAdmissionPolicy" "validatingadmissionpolicies" "validatingadmissionpolicy" [], false, &["api-extensions"];
    "admissionregistration.k8s.io" "v1" "ValidatingAdmissionPolicyBinding" "validatingadmissionpolicybindings" "validatingadmissionpolicybinding" [], false, &["api-extensions"];
    "admissionregistration.k8s.io" "v1" "ValidatingWebhookConfiguration" "validatingwebhookconfigurations" "validatingwebhookconfiguration" [], false, &["api-extensions"];
    "apiextensions.k8s.io" "v1" "CustomResourceDefinition" "customresourcedefinitions" "customresourcedefinition" ["crd", "crds"], false, &["api-extensions"];
    "apiregistration.k8s.io" "v1" "APIService" "apiservices" "apiservice" [], false, &["api-extensions"];
    "apps" "v1" "ControllerRevision" "controllerrevisions" "controllerrevision" [], true, &[];
    "apps" "v1" "DaemonSet" "daemonsets" "daemonset" ["ds"], true, ALL;
    "apps" "v1" "Deployment" "deployments" "deployment" ["deploy"], true, ALL;
    "apps" "v1" "ReplicaSet" "replicasets" "replicaset" ["rs"], true, ALL;
    "apps" "v1" "StatefulSet" "statefulsets" "statefulset" ["sts"], true, ALL;
    "autoscaling" "v2" "HorizontalPodAutoscaler" "horizontalpodautoscalers" "horizontalpodautoscaler" ["hpa"], true, ALL;
    "batch" "v1" "CronJob" "cronjobs" "cronjob" ["cj"], true, ALL;
    "batch" "v1" "Job" "jobs" "job" [], true, ALL;
    "certificates.k8s.io" "v1" "CertificateSigningRequest" "certificatesigningrequests" "certificatesigningrequest" ["csr"], false, &[];
    "coordination.k8s.io" "v1" "Lease" "leases" "lease" [], true, &[];
    "discovery.k8s.io" "v1" "EndpointSlice" "endpointslices" "endpointslice" [], true, &[];
    "flowcontrol.apiserver.k8s.io" "v1" "FlowSchema" "flowschemas" "flowschema" [], false, &[];
    "flowcontrol.apiserver.k8s.io" "v1" "PriorityLevelConfiguration" "prioritylevelconfigurations" "prioritylevelconfiguration" [], false, &[];
    "networking.k8s.io" "v1" "IngressClass" "ingressclasses" "ingressclass" [], false, &[];
    "networking.k8s.io" "v1" "Ingress" "ingresses" "ingress" ["ing"], true, &[];
    "networking.k8s.io" "v1" "IPAddress" "ipaddresses" "ipaddress" ["ip"], false, &[];
    "networking.k8s.io" "v1" "NetworkPolicy" "networkpolicies" "networkpolicy" ["netpol"], true, &[];
    "networking.k8s.io" "v1" "ServiceCIDR" "servicecidrs" "servicecidr" [], false, &[];
    "node.k8s.io" "v1" "RuntimeClass" "runtimeclasses" "runtimeclass" [], false, &[];
    "policy" "v1" "PodDisruptionBudget" "poddisruptionbudgets" "poddisruptionbudget" ["pdb"], true, &[];
    "rbac.authorization.k8s.io" "v1" "ClusterRoleBinding" "clusterrolebindings" "clusterrolebinding" [], false, &[];
    "rbac.authorization.k8s.io" "v1" "ClusterRole" "clusterroles" "clusterrole" [], false, &[];
    "rbac.authorization.k8s.io" "v1" "RoleBinding" "rolebindings" "rolebinding" [], true, &[];
    "rbac.authorization.k8s.io" "v1" "Role" "roles" "role" [], true, &[];
    "resource.k8s.io" "v1" "DeviceClass" "deviceclasses" "deviceclass" [], false, &[];
    "resource.k8s.io" "v1" "ResourceClaim" "resourceclaims" "resourceclaim" [], true, &[];
    "resource.k8s.io" "v1" "ResourceClaimTemplate" "resourceclaimtemplates" "resourceclaimtemplate" [], true, &[];
    "resource.k8s.io" "v1" "ResourceSlice" "resourceslices" "resourceslice" [], false, &[];
    "scheduling.k8s.io" "v1" "PriorityClass" "priorityclasses" "priorityclass" ["pc"], false, &[];
    "storage.k8s.io" "v1" "CSIDriver" "csidrivers" "csidriver" [], false, &[];
    "storage.k8s.io" "v1" "CSINode" "csinodes" "csinode" [], false, &[];
    "storage.k8s.io" "v1" "CSIStorageCapacity" "csistoragecapacities" "csistoragecapacity" [], true, &[];
    "storage.k8s.io" "v1" "StorageClass" "storageclasses" "storageclass" ["sc"], false, &[];
    "storage.k8s.io" "v1" "VolumeAttachment" "volumeattachments" "volumeattachment" [], false, &[];
}

/// The kind with this `apiVersion` and `kind`, as a manifest names it.
pub fn find_kind(api_version: &str, kind: &str) -> Option<&'static KindInfo> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    KINDS.iter().find(|info| info.kind == kind && info.version == version && info.group == group)
}

/// The kind with this group, version and plural name, as a URL names it.
pub fn find_resource(group: &str, version: &str, plural: &str) -> Option<&'static KindInfo> {
    KINDS.iter().find(|info| info.plural == plural && info.version == version && info.group == group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_kinds_share_a_resource_or_short_name() {
        for (i, a) in KINDS.iter().enumerate() {
            for b in &KINDS[i + 1..] {
                assert!(a.group_plural() != b.group_plural(), "{} twice", a.plural);
                assert!(a.short_names.iter().all(|name| !b.short_names.contains(name)), "{} and {}", a.kind, b.kind);
            }
        }
    }

    #[test]
    fn kinds_are_found_as_manifests_and_urls_name_them() {
        assert_eq!(find_kind("apps/v1", "Deployment").map(KindInfo::group_resource), Some("deployments.apps".to_owned()));
        assert_eq!(find_kind("v1", "Pod"), find_resource("", "v1", "pods"));
        assert_eq!(find_kind("v1", "Deployment"), None);
    }
}
