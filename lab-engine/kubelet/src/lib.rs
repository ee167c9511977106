//! The kubelet: the agent that runs Pods on a node, and the simulated container runtime below it.
//!
//! [`Kubelet`] is a [`client::Component`]: it watches the Pods that are bound to its node, brings each forward through a pod worker, and
//! reports by status writes and Events. What runs in the containers is simulated by `runtime`: images, processes, files, logs, a shell.
//! It models `pkg/kubelet` of Kubernetes v1.36 and, below the Container Runtime Interface, containerd 2.2.
//!
//! **Simplified here:** no cgroups. The modules say what they leave out.

mod admission;
mod answers;
mod backoff;
mod calls;
mod cpu_shares;
mod credentials;
mod dns;
mod env;
pub mod eviction;
pub mod facts;
mod hooks;
mod image_pull;
mod images;
mod kubelet;
mod node;
mod outage;
mod pleg;
mod pod_actions;
mod pod_status;
mod pod_worker;
#[allow(clippy::result_large_err, reason = "a refusal is rare and is sent on at once")]
mod port_forward;
mod prober;
mod probes;
mod resize;
mod restart;
#[allow(dead_code, reason = "the writing half of the file tree waits for the tools of the shell")]
mod runtime;
#[allow(clippy::result_large_err, reason = "a refusal is rare and is sent on at once")]
mod serve;
mod service_links;
#[allow(clippy::result_large_err, reason = "a refusal is rare and is sent on at once")]
mod sessions;
mod shutdown;
mod static_pods;
mod status;
mod storage;
mod sync;
mod termination;
mod tokens;
mod trouble;
mod usage;
mod volumes;

pub use calls::COREDNS;
pub use kubelet::{Kubelet, KubeletConfig};
pub use node::{node_ip, pod_network};
pub use shutdown::{ShutdownGrace, grace_periods};
pub use storage::Storage;
pub use trouble::{Filesystem, PullTrouble};

#[cfg(test)]
mod tests;
