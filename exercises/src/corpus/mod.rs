//! Manifests as people write them, each applied to a fresh cluster: is it accepted, and does it come to the state that its author describes?
//!
//! - [`files`]: which manifests there are.
//! - [`state`]: when an object is there.
//! - [`prepared`]: what a reader of the manifest's page has done before, and which manifests are meant to end in another way.

pub mod files;
pub mod prepared;
pub mod state;

use std::time::Duration;

use anyhow::Result;
use cluster::{Cluster, ClusterConfig, CommandResult};
use serde::Serialize;

use files::{Declared, Manifest};
use prepared::Prepared;

/// How long a manifest may take until it is there, in virtual time. Some images of the documentation sleep for minutes first.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many occurrences in a cluster it may cost.
const MAX_STEPS: u64 = 3_000_000;
/// How long a command may take, in virtual time.
const COMMAND_LIMIT: Duration = Duration::from_secs(120);
/// Kinds that others of the same page need, which are applied before them.
const SUPPORT: [&str; 12] = [
    "Namespace",
    "ConfigMap",
    "Secret",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ServiceAccount",
    "PriorityClass",
    "Role",
    "ClusterRole",
    "RuntimeClass",
    "CustomResourceDefinition",
];

/// How a manifest fared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "verdict")]
pub enum Verdict {
    /// Accepted, and all its objects came to their state; or it ended as it is meant to.
    Reached,
    /// Accepted, but something did not come to its state.
    Waiting {
        /// What is missing.
        why: Vec<String>,
    },
    /// Not accepted.
    Refused {
        /// What was said.
        why: String,
    },
    /// Not to be applied.
    SetAside {
        /// Why not.
        why: String,
    },
}

/// A manifest and how it fared.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its path in the corpus.
    pub path: String,
    /// How it fared.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Whether it was accepted, however it ended.
    pub accepted: bool,
    /// The warnings of the server, among them those about fields that are not simulated.
    pub warnings: Vec<String>,
}

impl Report {
    fn new(manifest: &Manifest, verdict: Verdict, accepted: bool, warnings: Vec<String>) -> Self {
        Report { path: manifest.path.clone(), verdict, accepted, warnings }
    }
}

/// Applies a manifest to a fresh cluster and lets it come to rest. `others` are those of its corpus, for what it needs of its group.
///
/// # Errors
/// When no cluster can be made.
pub fn run(manifest: &Manifest, others: &[Manifest], prepared: &Prepared) -> Result<Report> {
    let expected = prepared.of(&manifest.path);
    if let Some(why) = manifest.set_aside.filter(|_| expected.is_none_or(|expected| expected.ends.is_none())) {
        return Ok(Report::new(manifest, Verdict::SetAside { why: why.to_owned() }, false, Vec::new()));
    }
    let mut cluster = Cluster::booted(&ClusterConfig::default())?;
    prepare(&mut cluster, manifest, others);
    for line in expected.map_or(&[][..], |expected| &expected.before) {
        let done = cluster.run_line(line, COMMAND_LIMIT);
        // What the manifest's group brought already need not be made again.
        if done.exit_code != 0 && !done.stderr.contains("already exists") {
            let why = format!("`{line}`, which prepares it, fails: {}", done.stderr.trim());
            return Ok(Report::new(manifest, Verdict::Refused { why }, false, Vec::new()));
        }
    }
    let applied = apply(&mut cluster, manifest);
    let warnings: Vec<String> = applied.stderr.lines().filter_map(|line| line.strip_prefix("Warning: ")).map(str::to_owned).collect();
    let accepted = applied.exit_code == 0;
    if let Some(text) = expected.and_then(|expected| expected.ends.as_deref()) {
        let verdict = if ends_with(&mut cluster, &applied, text) {
            Verdict::Reached
        } else {
            Verdict::Waiting { why: vec![format!("`{text}` was never said")] }
        };
        return Ok(Report::new(manifest, verdict, accepted, warnings));
    }
    if !accepted {
        let why = applied.stderr.lines().filter(|line| !line.starts_with("Warning: ")).collect::<Vec<_>>().join("\n");
        return Ok(Report::new(manifest, Verdict::Refused { why }, false, warnings));
    }
    let created = created(manifest, &applied);
    let limit = cluster.now() + PATIENCE;
    let mut next_look = cluster.now();
    let reached = cluster.advance_until(limit, MAX_STEPS, |cluster| {
        // Looking at all objects after each step would cost more than the steps.
        if cluster.now() < next_look {
            return false;
        }
        next_look = cluster.now() + Duration::from_secs(1);
        missing(cluster, &created).is_empty()
    });
    let verdict = if reached { Verdict::Reached } else { Verdict::Waiting { why: missing(&cluster, &created) } };
    Ok(Report::new(manifest, verdict, true, warnings))
}

/// What makes the volumes of claims, as in the clusters that `kind` and minikube make, which the documentation asks its readers to have.
const STANDARD_CLASS: &str = "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: corpus-default, annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}
provisioner: rancher.io/local-path
volumeBindingMode: WaitForFirstConsumer
";

/// Makes the namespaces that the manifest names, and what the other files of its group hold for it.
fn prepare(cluster: &mut Cluster, manifest: &Manifest, others: &[Manifest]) {
    if cluster.terminal_mut().files_mut().write("standard.yaml", STANDARD_CLASS).is_ok() {
        cluster.run_line("kubectl apply -f standard.yaml", COMMAND_LIMIT);
    }
    let own: Vec<&str> = manifest.declared.iter().filter(|object| object.kind == "Namespace").map(|object| object.name.as_str()).collect();
    let mut namespaces: Vec<&str> =
        manifest.declared.iter().map(|object| object.namespace.as_str()).filter(|name| !own.contains(name)).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    for namespace in namespaces {
        // Those that every cluster has are there already, which `create` says.
        cluster.run_line(&format!("kubectl create namespace '{namespace}'"), COMMAND_LIMIT);
    }
    let is_support = |other: &&Manifest| {
        other.group.is_some()
            && other.group == manifest.group
            && other.path != manifest.path
            && other.set_aside.is_none()
            && !other.declared.is_empty()
            && other.declared.iter().all(|object| SUPPORT.contains(&object.kind.as_str()))
    };
    for other in others.iter().filter(is_support) {
        apply(cluster, other);
    }
    // A namespace gets its default ServiceAccount a moment after it was made.
    cluster.advance(Duration::from_secs(2), MAX_STEPS);
}

/// Writes the manifest into the terminal and applies it; what the server is to name is created.
fn apply(cluster: &mut Cluster, manifest: &Manifest) -> CommandResult {
    const FILE: &str = "manifest.yaml";
    if let Err(error) = cluster.terminal_mut().files_mut().write(FILE, manifest.text.clone()) {
        return CommandResult { exit_code: 1, stderr: error.to_string(), ..CommandResult::default() };
    }
    let verb = if manifest.declared.iter().any(|object| object.generated) { "create" } else { "apply" };
    cluster.run_line(&format!("kubectl {verb} -f {FILE}"), COMMAND_LIMIT)
}

/// Lets time pass until the cluster says the text: in the answer to `apply`, in the state of a Pod, or in an event.
fn ends_with(cluster: &mut Cluster, applied: &CommandResult, text: &str) -> bool {
    const LOOKS: u32 = 12;
    if applied.stderr.contains(text) || applied.stdout.contains(text) {
        return true;
    }
    for _ in 0..LOOKS {
        cluster.advance(PATIENCE / (4 * LOOKS), MAX_STEPS);
        let said = cluster.run_line("kubectl get pods,events,pvc,jobs -A && kubectl describe pods -A", COMMAND_LIMIT);
        if said.stdout.contains(text) {
            return true;
        }
    }
    false
}

/// The objects of the manifest, with the names that the server gave.
fn created(manifest: &Manifest, applied: &CommandResult) -> Vec<Declared> {
    let given = applied.stdout.lines().filter_map(|line| line.strip_suffix(" created")?.split_once('/')).map(|(_, name)| name.to_owned());
    let given: Vec<String> = given.collect();
    let mut objects = manifest.declared.clone();
    if objects.iter().any(|object| object.generated) && given.len() == objects.len() {
        for (object, name) in objects.iter_mut().zip(given) {
            object.name = name;
        }
    }
    objects
}

/// What is not there of the objects.
fn missing(cluster: &Cluster, created: &[Declared]) -> Vec<String> {
    let mut found = vec![false; created.len()];
    let mut why = Vec::new();
    for object in cluster.objects() {
        let metadata = object.metadata();
        let is = |declared: &Declared| {
            declared.kind == object.kind()
                && declared.name == metadata.name.as_str()
                && (metadata.namespace.is_empty() || declared.namespace == metadata.namespace.as_str())
        };
        for (index, _) in created.iter().enumerate().filter(|(_, declared)| is(declared)) {
            found[index] = true;
            why.extend(state::missing(&object.to_json()));
        }
    }
    let gone = created.iter().zip(&found).filter(|(object, found)| !**found && !is_answer(object));
    why.extend(gone.map(|(object, _)| format!("{} {}: not there", object.kind, object.name)));
    why
}

/// Whether objects of the kind are requests, which are answered and not stored.
fn is_answer(object: &Declared) -> bool {
    object.kind.ends_with("Review") || matches!(object.kind.as_str(), "Eviction" | "Binding" | "Scale" | "TokenRequest")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(path: &str, group: Option<&str>, text: &str) -> Manifest {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(path);
        std::fs::write(&file, text).unwrap();
        let mut read = files::read(&file).unwrap().remove(0);
        read.group = group.map(str::to_owned);
        read
    }

    #[test]
    fn a_pod_reaches_its_state_with_what_its_group_brings() {
        let pod = manifest(
            "pod.yaml",
            Some("g"),
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nspec:\n  containers:\n  - {name: c, image: nginx, envFrom: [{configMapRef: {name: m}}]}\n",
        );
        let map = manifest("map.yaml", Some("g"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: shop}\ndata: {A: b}\n");
        let others = [manifest("ns.yaml", Some("g"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"), map];
        let alone = run(&pod, &[], &Prepared::default()).unwrap();
        assert!(matches!(&alone.verdict, Verdict::Waiting { why } if why[0].contains("CreateContainerConfigError")), "{alone:?}");
        let together = run(&pod, &others, &Prepared::default()).unwrap();
        assert_eq!((together.verdict, together.accepted), (Verdict::Reached, true));
    }

    #[test]
    fn what_is_meant_to_fail_must_fail_in_that_way() {
        let pod = manifest(
            "pod.yaml",
            None,
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: c, image: nonexistent/nothing}\n",
        );
        let expected = |ends: &str| Prepared::parse(&format!("- path: pod.yaml\n  ends: {ends}\n")).unwrap();
        assert_eq!(run(&pod, &[], &expected("ImagePullBackOff")).unwrap().verdict, Verdict::Reached);
        assert!(matches!(run(&pod, &[], &expected("OOMKilled")).unwrap().verdict, Verdict::Waiting { .. }));
        let wrong = manifest("pod.yaml", None, "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n");
        assert!(
            matches!(run(&wrong, &[], &Prepared::default()).unwrap().verdict, Verdict::Refused { why } if why.contains("Required value"))
        );
    }
}
