//! Containers, their probes, environment and states.

use crate::intstr::IntOrString;
use crate::meta::Timestamp;
use crate::object;
use crate::quantity::Quantity;
use std::collections::BTreeMap;

/// Amounts by resource name: `cpu`, `memory`, `pods`, …
pub type ResourceList = BTreeMap<String, Quantity>;

object! {
    /// One container of a Pod: an image and how to run it.
    pub struct Container {
        /// Unique within the Pod.
        pub name: String = "name",
        /// The image to run.
        pub image: String = "image",
        /// `Always`, `IfNotPresent` or `Never`.
        pub image_pull_policy: String = "imagePullPolicy",
        /// Replaces the image's entry point.
        pub command: Vec<String> = "command",
        /// Replaces the image's default arguments.
        pub args: Vec<String> = "args",
        /// Directory that the process starts in.
        pub working_dir: String = "workingDir",
        /// Ports that the container listens on.
        pub ports: Vec<ContainerPort> = "ports",
        /// Variables of the environment.
        pub env: Vec<EnvVar> = "env",
        /// ConfigMaps and Secrets that fill the environment.
        pub env_from: Vec<EnvFromSource> = "envFrom",
        /// Requests and limits.
        pub resources: ResourceRequirements = "resources",
        /// Volumes that the container sees, and where.
        pub volume_mounts: Vec<VolumeMount> = "volumeMounts",
        /// Kills the container when it fails.
        pub liveness_probe: Option<Probe> = "livenessProbe",
        /// Takes the container out of service while it fails.
        pub readiness_probe: Option<Probe> = "readinessProbe",
        /// Holds the other probes back until it succeeds.
        pub startup_probe: Option<Probe> = "startupProbe",
        /// Hooks at start and end.
        pub lifecycle: Option<Lifecycle> = "lifecycle",
        /// `Always`, `OnFailure` or `Never` in place of the Pod's; `Always` makes an init container a sidecar.
        pub restart_policy: Option<String> = "restartPolicy",
        /// What follows certain exit codes, whatever the policy.
        pub restart_policy_rules: Vec<ContainerRestartRule> = "restartPolicyRules",
        /// What a change of its resources takes.
        pub resize_policy: Vec<ContainerResizePolicy> = "resizePolicy",
        /// File from which the message of the end is read.
        pub termination_message_path: String = "terminationMessagePath",
        /// `File` or `FallbackToLogsOnError`.
        pub termination_message_policy: String = "terminationMessagePolicy",
        /// Whether standard input stays open.
        pub stdin: Option<bool> = "stdin",
        /// Whether standard input ends with the first client.
        pub stdin_once: Option<bool> = "stdinOnce",
        /// Whether the container has a terminal.
        pub tty: Option<bool> = "tty",
    }

    /// What follows when a container ends with certain exit codes.
    pub struct ContainerRestartRule {
        /// `Restart` or `RestartAllContainers`.
        pub action: String = "action",
        /// The exit codes.
        pub exit_codes: Option<ContainerRestartRuleOnExitCodes> = "exitCodes",
    }

    /// Exit codes that a rule is for.
    pub struct ContainerRestartRuleOnExitCodes {
        /// `In` or `NotIn`.
        pub operator: String = "operator",
        /// The codes.
        pub values: Vec<i32> = "values",
    }

    /// What a change of a resource takes.
    pub struct ContainerResizePolicy {
        /// `cpu` or `memory`.
        pub resource_name: String = "resourceName",
        /// `NotRequired` or `RestartContainer`.
        pub restart_policy: String = "restartPolicy",
    }

    /// A container that was put into a running Pod to look at it. It is never restarted.
    pub struct EphemeralContainer {
        /// Unique within the Pod.
        pub name: String = "name",
        /// The image to run.
        pub image: String = "image",
        /// `Always`, `IfNotPresent` or `Never`.
        pub image_pull_policy: String = "imagePullPolicy",
        /// Replaces the image's entry point.
        pub command: Vec<String> = "command",
        /// Replaces the image's default arguments.
        pub args: Vec<String> = "args",
        /// Directory that the process starts in.
        pub working_dir: String = "workingDir",
        /// Variables of the environment.
        pub env: Vec<EnvVar> = "env",
        /// ConfigMaps and Secrets that fill the environment.
        pub env_from: Vec<EnvFromSource> = "envFrom",
        /// Volumes that the container sees, and where.
        pub volume_mounts: Vec<VolumeMount> = "volumeMounts",
        /// File from which the message of the end is read.
        pub termination_message_path: String = "terminationMessagePath",
        /// `File` or `FallbackToLogsOnError`.
        pub termination_message_policy: String = "terminationMessagePolicy",
        /// Whether standard input stays open.
        pub stdin: Option<bool> = "stdin",
        /// Whether standard input ends with the first client.
        pub stdin_once: Option<bool> = "stdinOnce",
        /// Whether the container has a terminal.
        pub tty: Option<bool> = "tty",
        /// The container whose processes it sees.
        pub target_container_name: String = "targetContainerName",
    }

    /// A port of a container.
    pub struct ContainerPort {
        /// A name that Services and probes can use.
        pub name: String = "name",
        /// The number.
        pub container_port: i32 = "containerPort",
        /// The same port on the node.
        pub host_port: Option<i32> = "hostPort",
        /// `TCP`, `UDP` or `SCTP`.
        pub protocol: String = "protocol",
    }

    /// A variable of the environment.
    pub struct EnvVar {
        /// Its name.
        pub name: String = "name",
        /// Its value; `$(NAME)` stands for an earlier variable.
        pub value: String = "value",
        /// Where the value comes from instead.
        pub value_from: Option<EnvVarSource> = "valueFrom",
    }

    /// Where the value of a variable comes from.
    pub struct EnvVarSource {
        /// A field of the Pod.
        pub field_ref: Option<ObjectFieldSelector> = "fieldRef",
        /// A resource of the container.
        pub resource_field_ref: Option<ResourceFieldSelector> = "resourceFieldRef",
        /// A key of a ConfigMap.
        pub config_map_key_ref: Option<KeySelector> = "configMapKeyRef",
        /// A key of a Secret.
        pub secret_key_ref: Option<KeySelector> = "secretKeyRef",
    }

    /// A field of the Pod.
    pub struct ObjectFieldSelector {
        /// The version that the path is of; `v1` by default.
        pub api_version: String = "apiVersion",
        /// The path, for example `status.podIP`.
        pub field_path: String = "fieldPath",
    }

    /// A resource of a container.
    pub struct ResourceFieldSelector {
        /// The container; the own one by default.
        pub container_name: String = "containerName",
        /// The resource, for example `limits.cpu`.
        pub resource: String = "resource",
        /// The unit of the result.
        pub divisor: Option<Quantity> = "divisor",
    }

    /// A key of a ConfigMap or Secret.
    pub struct KeySelector {
        /// The object.
        pub name: String = "name",
        /// The key.
        pub key: String = "key",
        /// Whether it may be missing.
        pub optional: Option<bool> = "optional",
    }

    /// A ConfigMap or Secret that fills the environment.
    pub struct EnvFromSource {
        /// Put before each name.
        pub prefix: String = "prefix",
        /// The ConfigMap.
        pub config_map_ref: Option<ObjectEnvSource> = "configMapRef",
        /// The Secret.
        pub secret_ref: Option<ObjectEnvSource> = "secretRef",
    }

    /// The object that fills the environment.
    pub struct ObjectEnvSource {
        /// Its name.
        pub name: String = "name",
        /// Whether it may be missing.
        pub optional: Option<bool> = "optional",
    }

    /// What a container needs and what it may have.
    pub struct ResourceRequirements {
        /// What it may have at most.
        pub limits: ResourceList = "limits",
        /// What it needs; the scheduler reserves it.
        pub requests: ResourceList = "requests",
    }

    /// A volume in the container's file tree.
    pub struct VolumeMount {
        /// The Pod's volume.
        pub name: String = "name",
        /// Where it appears.
        pub mount_path: String = "mountPath",
        /// The part of the volume that appears.
        pub sub_path: String = "subPath",
        /// Whether it can only be read.
        pub read_only: Option<bool> = "readOnly",
    }

    /// A periodic test of a container.
    pub struct Probe {
        /// Runs a command.
        pub exec: Option<ExecAction> = "exec",
        /// Asks over HTTP.
        pub http_get: Option<HttpGetAction> = "httpGet",
        /// Opens a connection.
        pub tcp_socket: Option<TcpSocketAction> = "tcpSocket",
        /// Asks over gRPC.
        pub grpc: Option<GrpcAction> = "grpc",
        /// Seconds from the container's start to the first probe; 0 by default.
        pub initial_delay_seconds: Option<i32> = "initialDelaySeconds",
        /// Seconds until a probe has failed; 1 by default.
        pub timeout_seconds: Option<i32> = "timeoutSeconds",
        /// Seconds between probes; 10 by default.
        pub period_seconds: Option<i32> = "periodSeconds",
        /// Successes in a row that count; 1 by default.
        pub success_threshold: Option<i32> = "successThreshold",
        /// Failures in a row that count; 3 by default.
        pub failure_threshold: Option<i32> = "failureThreshold",
        /// Replaces the Pod's grace period when this probe kills.
        pub termination_grace_period_seconds: Option<i64> = "terminationGracePeriodSeconds",
    }

    /// Runs a command in the container.
    pub struct ExecAction {
        /// The command and its arguments; no shell is involved.
        pub command: Vec<String> = "command",
    }

    /// Asks over HTTP.
    pub struct HttpGetAction {
        /// The path; `/` by default.
        pub path: String = "path",
        /// Number or name of the port.
        pub port: IntOrString = "port",
        /// Whom to ask; the Pod's IP by default.
        pub host: String = "host",
        /// `HTTP` or `HTTPS`.
        pub scheme: String = "scheme",
        /// Further headers.
        pub http_headers: Vec<HttpHeader> = "httpHeaders",
    }

    /// A header of a request.
    pub struct HttpHeader {
        /// Its name.
        pub name: String = "name",
        /// Its value.
        pub value: String = "value",
    }

    /// Opens a connection.
    pub struct TcpSocketAction {
        /// Number or name of the port.
        pub port: IntOrString = "port",
        /// Where to connect; the Pod's IP by default.
        pub host: String = "host",
    }

    /// Asks a gRPC health service.
    pub struct GrpcAction {
        /// The port.
        pub port: i32 = "port",
        /// The service to ask about.
        pub service: Option<String> = "service",
    }

    /// Hooks of a container's life.
    pub struct Lifecycle {
        /// Runs right after the start.
        pub post_start: Option<LifecycleHandler> = "postStart",
        /// Runs before the end.
        pub pre_stop: Option<LifecycleHandler> = "preStop",
        /// The signal that asks the container to end.
        pub stop_signal: Option<String> = "stopSignal",
    }

    /// What a hook does.
    pub struct LifecycleHandler {
        /// Runs a command.
        pub exec: Option<ExecAction> = "exec",
        /// Asks over HTTP.
        pub http_get: Option<HttpGetAction> = "httpGet",
        /// Opens a connection.
        pub tcp_socket: Option<TcpSocketAction> = "tcpSocket",
        /// Waits.
        pub sleep: Option<SleepAction> = "sleep",
    }

    /// Waits.
    pub struct SleepAction {
        /// How long.
        pub seconds: i64 = "seconds",
    }

    /// How a container fares.
    pub struct ContainerStatus {
        /// The container.
        pub name: String = "name",
        /// Its present state.
        pub state: ContainerState = "state",
        /// The state before the last restart.
        pub last_state: ContainerState = "lastState",
        /// Whether it may receive traffic.
        pub ready: bool = "ready",
        /// How often it was started again.
        pub restart_count: i32 = "restartCount",
        /// The image.
        pub image: String = "image",
        /// The image by digest.
        pub image_id: String = "imageID",
        /// The container's id in the runtime.
        pub container_id: String = "containerID",
        /// Whether its startup probe has succeeded.
        pub started: Option<bool> = "started",
        /// The requests that the node has admitted.
        pub allocated_resources: ResourceList = "allocatedResources",
        /// The requests and limits that are in force.
        pub resources: Option<ResourceRequirements> = "resources",
    }

    /// One of three states; none means `waiting`.
    pub struct ContainerState {
        /// Not running yet, or not again.
        pub waiting: Option<ContainerStateWaiting> = "waiting",
        /// Running.
        pub running: Option<ContainerStateRunning> = "running",
        /// Ended.
        pub terminated: Option<ContainerStateTerminated> = "terminated",
    }

    /// A container that does not run yet, or not again.
    pub struct ContainerStateWaiting {
        /// Why, in one word: `ContainerCreating`, `CrashLoopBackOff`, …
        pub reason: String = "reason",
        /// Why, in words.
        pub message: String = "message",
    }

    /// A container that runs.
    pub struct ContainerStateRunning {
        /// Since when.
        pub started_at: Option<Timestamp> = "startedAt",
    }

    /// A container that ended.
    pub struct ContainerStateTerminated {
        /// The exit code of its first process.
        pub exit_code: i32 = "exitCode",
        /// The signal that ended it.
        pub signal: Option<i32> = "signal",
        /// Why, in one word: `Completed`, `Error`, `OOMKilled`, …
        pub reason: String = "reason",
        /// The message it left.
        pub message: String = "message",
        /// When it started.
        pub started_at: Option<Timestamp> = "startedAt",
        /// When it ended.
        pub finished_at: Option<Timestamp> = "finishedAt",
        /// Its id in the runtime.
        pub container_id: String = "containerID",
    }
}
