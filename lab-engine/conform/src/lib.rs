//! Conformance: runs facts about Kubernetes, etcd and Raft, written down as data, against the engine.
//!
//! A vector file is JSON: `{"area": …, "cases": [{"id": …, …}, …]}`. The area, which is the file's name where the file does not say it,
//! chooses the [`Runner`]; one module per area holds the runner and the format of its cases. A runner builds what the case describes with
//! the engine's own public parts and compares only what the case expects. It refuses keys that it does not know, so that no expectation
//! is passed over in silence.
//!
//! Nothing here reads files: the terminal's `conform` command and the tests do.
//!
//! **Simplified here:** the areas in [`AREAS`]; the cases of another area are skipped.

mod admission;
mod api;
mod apiserver_rv;
mod controllers;
mod endpoints;
mod hpa;
mod informer;
mod keys;
mod kubelet;
mod mvcc;
mod outcome;
mod persistentvolume;
mod proxy;
mod raft;
mod rbac;
mod read;
mod scheduling;
mod wal;
mod workqueue;

pub use outcome::{AreaReport, CaseReport, Miss, Outcome, Verdict};

use serde_json::Value;
use thiserror::Error;

/// Runs one case. It is `Ok` when all that the case expects holds.
pub type Runner = fn(&Value) -> Outcome;

/// The areas and their runners, in alphabetical order.
pub const AREAS: &[(&str, Runner)] = &[
    ("admission-limitranger", admission::run),
    ("admission-resourcequota", admission::run),
    ("api-fields", api::fields::run),
    ("api-intstr", api::intstr::run),
    ("api-jsonmergepatch", api::json_merge_patch::run),
    ("api-labels", api::labels::run),
    ("api-object-validation", api::object_validation::run),
    ("api-quantity", api::quantity::run),
    ("api-strategicpatch", api::strategic_patch::run),
    ("api-validation", api::syntax::run),
    ("apiserver-rv", apiserver_rv::run),
    ("cronjob", controllers::cron_job::run),
    ("daemonset", controllers::daemon_set::run),
    ("deployment", controllers::deployment::run),
    ("endpoints", endpoints::run),
    ("hpa", hpa::run),
    ("image-pull", kubelet::images::run),
    ("informer", informer::run),
    ("ingress", proxy::run),
    ("job", controllers::job::run),
    ("kubelet-lifecycle", kubelet::lifecycle::run),
    ("mvcc", mvcc::run),
    ("persistentvolume", persistentvolume::run),
    ("prober", kubelet::prober::run),
    ("proxy-iptables", proxy::run),
    ("proxy-ipvs", proxy::run),
    ("raft", raft::run),
    ("rbac", rbac::run),
    ("replicaset", controllers::replica_set::run),
    ("sched-interpodaffinity", scheduling::run),
    ("sched-node-filters", scheduling::run),
    ("sched-nodeaffinity", scheduling::run),
    ("sched-noderesources", scheduling::run),
    ("sched-preemption", scheduling::run),
    ("sched-queuesort", scheduling::run),
    ("sched-topologyspread", scheduling::run),
    ("sched-volumes", scheduling::run),
    ("statefulset", controllers::stateful_set::run),
    ("wal", wal::run),
    ("workqueue", workqueue::run),
];

/// Why a file cannot be run.
#[derive(Debug, Error)]
pub enum FileError {
    /// It is not JSON.
    #[error("{name}: a vector file is JSON, and this is none")]
    Json {
        /// The file.
        name: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// It has no list of cases.
    #[error("{name}: expected an object with a list `cases`")]
    NoCases {
        /// The file.
        name: String,
    },
}

/// Runs all cases of a file, in their order. `name` is the file's name, with or without folders and `.json`.
///
/// # Errors
/// When the file is not a vector file. A case that fails is no error but part of the report.
pub fn run_file(name: &str, text: &str) -> Result<AreaReport, FileError> {
    let file: Value = serde_json::from_str(text).map_err(|source| FileError::Json { name: name.to_owned(), source })?;
    let cases = file["cases"].as_array().ok_or_else(|| FileError::NoCases { name: name.to_owned() })?;
    let stem = name.rsplit(['/', '\\']).next().unwrap_or(name).trim_end_matches(".json");
    let runner = |area: &str| AREAS.iter().find(|(known, _)| *known == area).copied();
    let said = file["area"].as_str().unwrap_or(stem);
    let (area, run) = match runner(said).or_else(|| runner(stem)) {
        Some((area, run)) => (area, Some(run)),
        None => (said, None),
    };
    let judge = |case| run.map_or_else(|| Err(Miss::Skipped(format!("the area {area} has no runner"))), |run| run(case));
    let cases = cases.iter().enumerate().map(|(number, case)| {
        let id = case["id"].as_str().map_or_else(|| format!("#{number}"), str::to_owned);
        CaseReport { id, verdict: Verdict::from(judge(case)) }
    });
    Ok(AreaReport { area: area.to_owned(), cases: cases.collect() })
}
