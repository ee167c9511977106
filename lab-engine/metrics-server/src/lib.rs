//! metrics-server: collects what kubelets tell of the use of CPU and memory, and serves it as `metrics.k8s.io/v1beta1`
//! (`kubernetes-sigs/metrics-server`, v0.8).
//!
//! ```text
//! kubelets ◄─/metrics/resource, every 15 s─ metrics-server ◄─ kube-apiserver ◄─ kubectl top, HorizontalPodAutoscaler
//! ```
//!
//! Kubelets show counters; a rate is the difference of two looks, so that a new Pod has no metrics before the second look at it. What is
//! shown is therefore 15 to 30 seconds old, and an average over about 15 seconds.
//!
//! - [`MetricsServer`]: the component.
//! - `page`: reads the text that a kubelet gives.
//! - `points`: the last two looks, and the rates between them.
//! - `answers`: what the API answers.
//! - [`MetricsAdapter`]: another component, for metrics of programs themselves.
//! - `exposition`: Prometheus' text format.
//!
//! **Simplified here:** kubelets are asked through the API server's `nodes/NODE/proxy`, where upstream connects to their ports; all at
//! once; no replicas and no metrics of its own.

mod adapter;
mod answers;
mod exposition;
mod page;
mod points;
mod server;

pub use adapter::MetricsAdapter;
pub use server::MetricsServer;
