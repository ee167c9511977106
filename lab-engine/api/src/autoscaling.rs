//! HorizontalPodAutoscalers (`k8s.io/api/autoscaling/v2`).

use crate::meta::{Condition, LabelSelector, ObjectMeta, Timestamp};
use crate::object;
use crate::quantity::Quantity;

object! {
    /// Changes the number of Pods of a workload by what metrics say.
    pub struct HorizontalPodAutoscaler {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What should be.
        pub spec: HorizontalPodAutoscalerSpec = "spec",
        /// What is.
        pub status: HorizontalPodAutoscalerStatus = "status",
    }

    /// What an autoscaler should bring about.
    pub struct HorizontalPodAutoscalerSpec {
        /// The workload.
        pub scale_target_ref: CrossVersionObjectReference = "scaleTargetRef",
        /// At least so many Pods; 1 by default.
        pub min_replicas: Option<i32> = "minReplicas",
        /// At most so many Pods.
        pub max_replicas: i32 = "maxReplicas",
        /// What is measured; 80 % of the requested CPU by default.
        pub metrics: Vec<MetricSpec> = "metrics",
        /// How fast it may go up and down.
        pub behavior: Option<HorizontalPodAutoscalerBehavior> = "behavior",
    }

    /// An object of any kind in the same namespace.
    pub struct CrossVersionObjectReference {
        /// Its kind.
        pub kind: String = "kind",
        /// Its name.
        pub name: String = "name",
        /// Its group and version.
        pub api_version: String = "apiVersion",
    }

    /// Something to measure; the type says which of the sources is there.
    pub struct MetricSpec {
        /// `Resource`, `ContainerResource`, `Pods`, `Object` or `External`.
        pub type_: String = "type",
        /// A metric of another object.
        pub object: Option<ObjectMetricSource> = "object",
        /// A metric of every Pod.
        pub pods: Option<PodsMetricSource> = "pods",
        /// A resource of every Pod.
        pub resource: Option<ResourceMetricSource> = "resource",
        /// A resource of one container of every Pod.
        pub container_resource: Option<ContainerResourceMetricSource> = "containerResource",
        /// A metric from outside the cluster.
        pub external: Option<ExternalMetricSource> = "external",
    }

    /// A metric of another object.
    pub struct ObjectMetricSource {
        /// The object.
        pub described_object: CrossVersionObjectReference = "describedObject",
        /// What it should be.
        pub target: MetricTarget = "target",
        /// The metric.
        pub metric: MetricIdentifier = "metric",
    }

    /// A metric of every Pod.
    pub struct PodsMetricSource {
        /// The metric.
        pub metric: MetricIdentifier = "metric",
        /// What it should be on average.
        pub target: MetricTarget = "target",
    }

    /// A resource of every Pod.
    pub struct ResourceMetricSource {
        /// For example `cpu`.
        pub name: String = "name",
        /// What its use should be on average.
        pub target: MetricTarget = "target",
    }

    /// A resource of one container of every Pod.
    pub struct ContainerResourceMetricSource {
        /// For example `cpu`.
        pub name: String = "name",
        /// What its use should be on average.
        pub target: MetricTarget = "target",
        /// The container.
        pub container: String = "container",
    }

    /// A metric from outside the cluster.
    pub struct ExternalMetricSource {
        /// The metric.
        pub metric: MetricIdentifier = "metric",
        /// What it should be.
        pub target: MetricTarget = "target",
    }

    /// Names a metric.
    pub struct MetricIdentifier {
        /// Its name.
        pub name: String = "name",
        /// Which of its series.
        pub selector: Option<LabelSelector> = "selector",
    }

    /// What a metric should be; the type says which of the values is there.
    pub struct MetricTarget {
        /// `Utilization`, `Value` or `AverageValue`.
        pub type_: String = "type",
        /// In all.
        pub value: Option<Quantity> = "value",
        /// For each Pod.
        pub average_value: Option<Quantity> = "averageValue",
        /// For each Pod, as a percentage of what it requests.
        pub average_utilization: Option<i32> = "averageUtilization",
    }

    /// How fast an autoscaler may go up and down.
    pub struct HorizontalPodAutoscalerBehavior {
        /// Up.
        pub scale_up: Option<HPAScalingRules> = "scaleUp",
        /// Down.
        pub scale_down: Option<HPAScalingRules> = "scaleDown",
    }

    /// How fast an autoscaler may go in one direction.
    pub struct HPAScalingRules {
        /// Recommendations of so many seconds are looked at, and the safest is taken.
        pub stabilization_window_seconds: Option<i32> = "stabilizationWindowSeconds",
        /// `Max` (the default), `Min` or `Disabled`: which of the policies counts.
        pub select_policy: Option<String> = "selectPolicy",
        /// The policies.
        pub policies: Vec<HPAScalingPolicy> = "policies",
        /// Metrics may be off by this part of the target without any change; 0.1 by default.
        pub tolerance: Option<Quantity> = "tolerance",
    }

    /// A bound on the change within a time.
    pub struct HPAScalingPolicy {
        /// `Pods` or `Percent`.
        pub type_: String = "type",
        /// How many Pods, or percent.
        pub value: i32 = "value",
        /// Within so many seconds.
        pub period_seconds: i32 = "periodSeconds",
    }

    /// What an autoscaler has seen and done.
    pub struct HorizontalPodAutoscalerStatus {
        /// The generation that this status was computed for.
        pub observed_generation: Option<i64> = "observedGeneration",
        /// When it last changed the number of Pods.
        pub last_scale_time: Option<Timestamp> = "lastScaleTime",
        /// How many Pods it saw.
        pub current_replicas: Option<i32> = "currentReplicas",
        /// How many Pods it wants.
        pub desired_replicas: i32 = "desiredReplicas",
        /// What it measured.
        pub current_metrics: Vec<MetricStatus> = "currentMetrics",
        /// `AbleToScale`, `ScalingActive`, `ScalingLimited`.
        pub conditions: Vec<Condition> = "conditions",
    }

    /// What was measured; the type says which of the sources is there.
    pub struct MetricStatus {
        /// `Resource`, `ContainerResource`, `Pods`, `Object` or `External`.
        pub type_: String = "type",
        /// A metric of another object.
        pub object: Option<ObjectMetricStatus> = "object",
        /// A metric of every Pod.
        pub pods: Option<PodsMetricStatus> = "pods",
        /// A resource of every Pod.
        pub resource: Option<ResourceMetricStatus> = "resource",
        /// A resource of one container of every Pod.
        pub container_resource: Option<ContainerResourceMetricStatus> = "containerResource",
        /// A metric from outside the cluster.
        pub external: Option<ExternalMetricStatus> = "external",
    }

    /// What a metric of another object is.
    pub struct ObjectMetricStatus {
        /// The metric.
        pub metric: MetricIdentifier = "metric",
        /// What it is.
        pub current: MetricValueStatus = "current",
        /// The object.
        pub described_object: CrossVersionObjectReference = "describedObject",
    }

    /// What a metric of the Pods is.
    pub struct PodsMetricStatus {
        /// The metric.
        pub metric: MetricIdentifier = "metric",
        /// What it is.
        pub current: MetricValueStatus = "current",
    }

    /// What the Pods use of a resource.
    pub struct ResourceMetricStatus {
        /// For example `cpu`.
        pub name: String = "name",
        /// What is used.
        pub current: MetricValueStatus = "current",
    }

    /// What one container of the Pods uses of a resource.
    pub struct ContainerResourceMetricStatus {
        /// For example `cpu`.
        pub name: String = "name",
        /// What is used.
        pub current: MetricValueStatus = "current",
        /// The container.
        pub container: String = "container",
    }

    /// What a metric from outside the cluster is.
    pub struct ExternalMetricStatus {
        /// The metric.
        pub metric: MetricIdentifier = "metric",
        /// What it is.
        pub current: MetricValueStatus = "current",
    }

    /// What a metric is.
    pub struct MetricValueStatus {
        /// In all.
        pub value: Option<Quantity> = "value",
        /// For each Pod.
        pub average_value: Option<Quantity> = "averageValue",
        /// For each Pod, as a percentage of what it requests.
        pub average_utilization: Option<i32> = "averageUtilization",
    }
}
