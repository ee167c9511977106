//! Pods and Pod templates.

use super::{
    Container, ContainerStatus, EphemeralContainer, KeyToPath, ObjectFieldSelector, PersistentVolumeClaimTemplate, ResourceFieldSelector,
    ResourceList,
};
use crate::meta::{Condition, LabelSelector, ObjectMeta, StringMap, Timestamp};
use crate::object;
use crate::quantity::Quantity;
use crate::shared::{Shared, SharedVec};

object! {
    /// A group of containers that share a network and volumes, on one node.
    pub struct Pod {
        /// Name, labels, owner.
        pub metadata: ObjectMeta = "metadata",
        /// What should run.
        pub spec: Shared<PodSpec> = "spec",
        /// What runs.
        pub status: Shared<PodStatus> = "status",
    }

    /// From which a controller makes Pods.
    pub struct PodTemplateSpec {
        /// Labels and annotations of the Pods.
        pub metadata: ObjectMeta = "metadata",
        /// Their spec.
        pub spec: Shared<PodSpec> = "spec",
    }

    /// What should run.
    pub struct PodSpec {
        /// Containers that run one after the other before the others, and sidecars.
        pub init_containers: SharedVec<Container> = "initContainers",
        /// Containers that run side by side.
        pub containers: SharedVec<Container> = "containers",
        /// Containers that were put into the running Pod (`kubectl debug`).
        pub ephemeral_containers: Vec<EphemeralContainer> = "ephemeralContainers",
        /// Volumes for the containers to mount.
        pub volumes: SharedVec<Volume> = "volumes",
        /// `Always`, `OnFailure` or `Never`.
        pub restart_policy: String = "restartPolicy",
        /// Seconds from the wish to end the Pod to its killing; 30 by default.
        pub termination_grace_period_seconds: Option<i64> = "terminationGracePeriodSeconds",
        /// Seconds that the Pod may live.
        pub active_deadline_seconds: Option<i64> = "activeDeadlineSeconds",
        /// `ClusterFirst`, `ClusterFirstWithHostNet`, `Default` or `None`.
        pub dns_policy: String = "dnsPolicy",
        /// Labels that the node must have.
        pub node_selector: StringMap = "nodeSelector",
        /// The account whose token the Pod gets.
        pub service_account_name: String = "serviceAccountName",
        /// The former name of `serviceAccountName`.
        pub service_account: String = "serviceAccount",
        /// Whether the containers get a token of the account; what the account says by default.
        pub automount_service_account_token: Option<bool> = "automountServiceAccountToken",
        /// The node; empty until the scheduler has bound the Pod.
        pub node_name: String = "nodeName",
        /// Whether the Pod uses the node's network.
        pub host_network: Option<bool> = "hostNetwork",
        /// Whether the containers see one another's processes.
        pub share_process_namespace: Option<bool> = "shareProcessNamespace",
        /// The host name; the Pod's name by default.
        pub hostname: String = "hostname",
        /// The domain under that of the cluster.
        pub subdomain: String = "subdomain",
        /// Wishes for nodes and neighbours.
        pub affinity: Option<Affinity> = "affinity",
        /// Who schedules the Pod; `default-scheduler` by default.
        pub scheduler_name: String = "schedulerName",
        /// Taints that the Pod tolerates.
        pub tolerations: SharedVec<Toleration> = "tolerations",
        /// The class from which `priority` comes.
        pub priority_class_name: String = "priorityClassName",
        /// Pods with a higher number come first.
        pub priority: Option<i32> = "priority",
        /// `PreemptLowerPriority` or `Never`.
        pub preemption_policy: Option<String> = "preemptionPolicy",
        /// Gates that must open before the Pod is scheduled.
        pub scheduling_gates: Vec<PodSchedulingGate> = "schedulingGates",
        /// How to spread Pods over domains.
        pub topology_spread_constraints: Vec<TopologySpreadConstraint> = "topologySpreadConstraints",
        /// What the sandbox itself costs.
        pub overhead: ResourceList = "overhead",
        /// Whether variables for Services are set; true by default.
        pub enable_service_links: Option<bool> = "enableServiceLinks",
        /// More lines for the containers' `/etc/hosts`.
        pub host_aliases: Vec<HostAlias> = "hostAliases",
        /// Secrets with the credentials of registries.
        pub image_pull_secrets: Vec<LocalObjectReference> = "imagePullSecrets",
        /// Conditions that must hold beside the containers' for the Pod to be ready.
        pub readiness_gates: Vec<PodReadinessGate> = "readinessGates",
    }

    /// An object of the same namespace.
    pub struct LocalObjectReference {
        /// Its name.
        pub name: String = "name",
    }

    /// A condition that must hold for the Pod to be ready.
    pub struct PodReadinessGate {
        /// The condition's type.
        pub condition_type: String = "conditionType",
    }

    /// A line of `/etc/hosts`.
    pub struct HostAlias {
        /// The address.
        pub ip: String = "ip",
        /// Its names.
        pub hostnames: Vec<String> = "hostnames",
    }

    /// A gate that holds a Pod back.
    pub struct PodSchedulingGate {
        /// Its name.
        pub name: String = "name",
    }

    /// A taint that a Pod tolerates.
    pub struct Toleration {
        /// The taint's key; empty with `Exists` means all.
        pub key: String = "key",
        /// `Equal` (the default), `Exists`, and for numbers `Lt` and `Gt`.
        pub operator: String = "operator",
        /// The taint's value.
        pub value: String = "value",
        /// The taint's effect; empty means all.
        pub effect: String = "effect",
        /// How long a `NoExecute` taint is tolerated.
        pub toleration_seconds: Option<i64> = "tolerationSeconds",
    }

    /// Wishes for nodes and neighbours.
    pub struct Affinity {
        /// For nodes.
        pub node_affinity: Option<NodeAffinity> = "nodeAffinity",
        /// For Pods to be near.
        pub pod_affinity: Option<PodAffinity> = "podAffinity",
        /// For Pods to be far from.
        pub pod_anti_affinity: Option<PodAffinity> = "podAntiAffinity",
    }

    /// Wishes for nodes.
    pub struct NodeAffinity {
        /// What must hold when the Pod is scheduled.
        pub required: Option<NodeSelector> = "requiredDuringSchedulingIgnoredDuringExecution",
        /// What should hold.
        pub preferred: Vec<PreferredSchedulingTerm> = "preferredDuringSchedulingIgnoredDuringExecution",
    }

    /// Terms of which one must hold.
    pub struct NodeSelector {
        /// The terms.
        pub node_selector_terms: Vec<NodeSelectorTerm> = "nodeSelectorTerms",
    }

    /// Requirements that must all hold.
    pub struct NodeSelectorTerm {
        /// On labels.
        pub match_expressions: Vec<NodeSelectorRequirement> = "matchExpressions",
        /// On fields: `metadata.name`.
        pub match_fields: Vec<NodeSelectorRequirement> = "matchFields",
    }

    /// A requirement on a label or field of a node.
    pub struct NodeSelectorRequirement {
        /// The key.
        pub key: String = "key",
        /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` or `Lt`.
        pub operator: String = "operator",
        /// The values.
        pub values: Vec<String> = "values",
    }

    /// A term with a weight.
    pub struct PreferredSchedulingTerm {
        /// 1 to 100.
        pub weight: i32 = "weight",
        /// The term.
        pub preference: NodeSelectorTerm = "preference",
    }

    /// Wishes for neighbours, near or far.
    pub struct PodAffinity {
        /// What must hold when the Pod is scheduled.
        pub required: Vec<PodAffinityTerm> = "requiredDuringSchedulingIgnoredDuringExecution",
        /// What should hold.
        pub preferred: Vec<WeightedPodAffinityTerm> = "preferredDuringSchedulingIgnoredDuringExecution",
    }

    /// A term with a weight.
    pub struct WeightedPodAffinityTerm {
        /// 1 to 100.
        pub weight: i32 = "weight",
        /// The term.
        pub pod_affinity_term: PodAffinityTerm = "podAffinityTerm",
    }

    /// Which Pods, and what counts as near.
    pub struct PodAffinityTerm {
        /// The Pods.
        pub label_selector: Option<LabelSelector> = "labelSelector",
        /// Their namespaces; the own one by default.
        pub namespaces: Vec<String> = "namespaces",
        /// The node label whose equal value counts as near.
        pub topology_key: String = "topologyKey",
        /// Their namespaces, by label.
        pub namespace_selector: Option<LabelSelector> = "namespaceSelector",
    }

    /// How to spread Pods over domains.
    pub struct TopologySpreadConstraint {
        /// How uneven it may get.
        pub max_skew: i32 = "maxSkew",
        /// The node label that makes the domains.
        pub topology_key: String = "topologyKey",
        /// `DoNotSchedule` or `ScheduleAnyway`.
        pub when_unsatisfiable: String = "whenUnsatisfiable",
        /// The Pods that count.
        pub label_selector: Option<LabelSelector> = "labelSelector",
        /// How many domains there should be at least.
        pub min_domains: Option<i32> = "minDomains",
        /// `Honor` or `Ignore`.
        pub node_affinity_policy: Option<String> = "nodeAffinityPolicy",
        /// `Honor` or `Ignore`.
        pub node_taints_policy: Option<String> = "nodeTaintsPolicy",
        /// Labels whose value is taken from the Pod.
        pub match_label_keys: Vec<String> = "matchLabelKeys",
    }

    /// A volume of a Pod. Exactly one source is set; sources that are not simulated are in `rest`.
    pub struct Volume {
        /// Its name.
        pub name: String = "name",
        /// An empty directory that lives as long as the Pod.
        pub empty_dir: Option<EmptyDirVolumeSource> = "emptyDir",
        /// A path of the node.
        pub host_path: Option<HostPathVolumeSource> = "hostPath",
        /// The keys of a ConfigMap as files.
        pub config_map: Option<ConfigMapVolumeSource> = "configMap",
        /// The keys of a Secret as files.
        pub secret: Option<SecretVolumeSource> = "secret",
        /// Fields of the Pod as files.
        pub downward_api: Option<DownwardApiVolumeSource> = "downwardAPI",
        /// Several of these in one directory.
        pub projected: Option<ProjectedVolumeSource> = "projected",
        /// The volume of a claim.
        pub persistent_volume_claim: Option<PersistentVolumeClaimVolumeSource> = "persistentVolumeClaim",
        /// The volume of a claim that lives and dies with the Pod.
        pub ephemeral: Option<EphemeralVolumeSource> = "ephemeral",
    }

    /// The volume of a claim in the Pod's namespace.
    pub struct PersistentVolumeClaimVolumeSource {
        /// The claim.
        pub claim_name: String = "claimName",
        /// Whether it is only read.
        pub read_only: Option<bool> = "readOnly",
    }

    /// The volume of a claim that lives and dies with the Pod.
    pub struct EphemeralVolumeSource {
        /// The claim.
        pub volume_claim_template: Option<PersistentVolumeClaimTemplate> = "volumeClaimTemplate",
    }

    /// An empty directory.
    pub struct EmptyDirVolumeSource {
        /// Empty for the node's disk, or `Memory`.
        pub medium: String = "medium",
        /// How much it may hold.
        pub size_limit: Option<Quantity> = "sizeLimit",
    }

    /// A path of the node.
    pub struct HostPathVolumeSource {
        /// The path.
        pub path: String = "path",
        /// What must be there, for example `DirectoryOrCreate`.
        pub type_: Option<String> = "type",
    }

    /// The keys of a ConfigMap as files.
    pub struct ConfigMapVolumeSource {
        /// The ConfigMap.
        pub name: String = "name",
        /// The keys; all by default.
        pub items: Vec<KeyToPath> = "items",
        /// The files' mode; 0644 by default.
        pub default_mode: Option<i32> = "defaultMode",
        /// Whether it may be missing.
        pub optional: Option<bool> = "optional",
    }

    /// The keys of a Secret as files.
    pub struct SecretVolumeSource {
        /// The Secret.
        pub secret_name: String = "secretName",
        /// The keys; all by default.
        pub items: Vec<KeyToPath> = "items",
        /// The files' mode; 0644 by default.
        pub default_mode: Option<i32> = "defaultMode",
        /// Whether it may be missing.
        pub optional: Option<bool> = "optional",
    }

    /// Fields of the Pod as files.
    pub struct DownwardApiVolumeSource {
        /// The files.
        pub items: Vec<DownwardApiVolumeFile> = "items",
        /// The files' mode; 0644 by default.
        pub default_mode: Option<i32> = "defaultMode",
    }

    /// A field of the Pod as a file.
    pub struct DownwardApiVolumeFile {
        /// The file.
        pub path: String = "path",
        /// The field.
        pub field_ref: Option<ObjectFieldSelector> = "fieldRef",
        /// The resource.
        pub resource_field_ref: Option<ResourceFieldSelector> = "resourceFieldRef",
    }

    /// Several sources in one directory.
    pub struct ProjectedVolumeSource {
        /// The sources.
        pub sources: SharedVec<VolumeProjection> = "sources",
        /// The files' mode; 0644 by default.
        pub default_mode: Option<i32> = "defaultMode",
    }

    /// One source of a projected volume.
    pub struct VolumeProjection {
        /// The keys of a ConfigMap.
        pub config_map: Option<ConfigMapVolumeSource> = "configMap",
        /// The keys of a Secret.
        pub secret: Option<SecretProjection> = "secret",
        /// Fields of the Pod.
        pub downward_api: Option<DownwardApiVolumeSource> = "downwardAPI",
        /// A token of the Pod's ServiceAccount.
        pub service_account_token: Option<ServiceAccountTokenProjection> = "serviceAccountToken",
    }

    /// A token of the Pod's ServiceAccount, as a file that is renewed in time.
    pub struct ServiceAccountTokenProjection {
        /// Whom the token is for; the API server by default.
        pub audience: String = "audience",
        /// Seconds that it holds; 3,600 by default, 600 at least.
        pub expiration_seconds: Option<i64> = "expirationSeconds",
        /// The file.
        pub path: String = "path",
    }

    /// The keys of a Secret, in a projected volume.
    pub struct SecretProjection {
        /// The Secret.
        pub name: String = "name",
        /// The keys; all by default.
        pub items: Vec<KeyToPath> = "items",
        /// Whether it may be missing.
        pub optional: Option<bool> = "optional",
    }

    /// What runs.
    pub struct PodStatus {
        /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
        pub phase: String = "phase",
        /// `PodScheduled`, `Initialized`, `ContainersReady`, `Ready`, …
        pub conditions: Vec<Condition> = "conditions",
        /// Why the Pod is in this state, in words.
        pub message: String = "message",
        /// Why the Pod is in this state, in one word, for example `Evicted`.
        pub reason: String = "reason",
        /// The node that preemption is making room on.
        pub nominated_node_name: String = "nominatedNodeName",
        /// The node's IP.
        pub host_ip: String = "hostIP",
        /// The node's IPs.
        pub host_ips: Vec<PodIp> = "hostIPs",
        /// The Pod's IP.
        pub pod_ip: String = "podIP",
        /// The Pod's IPs, one per family.
        pub pod_ips: Vec<PodIp> = "podIPs",
        /// When the kubelet first saw the Pod.
        pub start_time: Option<Timestamp> = "startTime",
        /// The init containers, in the order of the spec.
        pub init_container_statuses: Vec<ContainerStatus> = "initContainerStatuses",
        /// The containers, in the order of the spec.
        pub container_statuses: Vec<ContainerStatus> = "containerStatuses",
        /// The ephemeral containers, in the order of the spec.
        pub ephemeral_container_statuses: Vec<ContainerStatus> = "ephemeralContainerStatuses",
        /// `Guaranteed`, `Burstable` or `BestEffort`.
        pub qos_class: String = "qosClass",
        /// The generation of the spec that this status was computed for.
        pub observed_generation: Option<i64> = "observedGeneration",
    }

    /// An IP of a Pod or of its node.
    pub struct PodIp {
        /// The address.
        pub ip: String = "ip",
    }
}
