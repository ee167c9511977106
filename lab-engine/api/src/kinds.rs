//! The kinds that Kubernetes v1.36 has built in: group, version, names and scope.
//!
//! What `kubectl api-resources` prints. Kinds that the engine simulates have a variant in [`Object`](crate::Object); the others can be
//! stored and read, and the API server says in a Warning that nothing acts on them.

use std::borrow::Cow;
use std::fmt;

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

/// A kind and its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// The group; empty for the core group.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The kind, for example `Deployment`.
    pub kind: &'static str,
    /// The plural name, for example `deployments`.
    pub plural: &'static str,
    /// The singular name, for example `deployment`.
    pub singular: &'static str,
    /// Short names, for example `deploy`.
    pub short_names: &'static [&'static str],
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Categories, for example `all`.
    pub categories: &'static [&'static str],
}

impl KindInfo {
    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Group, version and plural name.
    pub const fn gvr(&self) -> Gvr {
        Gvr { group: Cow::Borrowed(self.group), version: Cow::Borrowed(self.version), resource: Cow::Borrowed(self.plural) }
    }

    /// `deployments.apps`, or `pods` for the core group.
    pub fn group_resource(&self) -> String {
        self.gvr().to_string()
    }
}

const ALL: &[&str] = &["all"];

macro_rules! kinds {
    ($($group:literal $version:literal $kind:literal $plural:literal $singular:literal $short:expr, $namespaced:literal, $categories:expr;)*) => {
        /// All built-in kinds, grouped as `kubectl api-resources` groups them.
        pub const KINDS: &[KindInfo] = &[$(KindInfo {
            group: $group, version: $version, kind: $kind, plural: $plural, singular: $singular,
            short_names: &$short, namespaced: $namespaced, categories: $categories,
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
    "networking.k8s.io" "v1" "NetworkPolicy" "networkpolicies" "networkpolicy" ["netpol"], true, &[];
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
    KINDS.iter().find(|info| info.group == group && info.version == version && info.kind == kind)
}

/// The kind with this group, version and plural name, as a URL names it.
pub fn find_resource(group: &str, version: &str, plural: &str) -> Option<&'static KindInfo> {
    KINDS.iter().find(|info| info.group == group && info.version == version && info.plural == plural)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_kinds_share_a_resource_or_short_name() {
        for (i, a) in KINDS.iter().enumerate() {
            for b in &KINDS[i + 1..] {
                assert!((a.group, a.plural) != (b.group, b.plural), "{} twice", a.plural);
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
