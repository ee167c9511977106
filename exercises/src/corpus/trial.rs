//! One manifest on a fresh cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use cluster::{Cluster, ClusterConfig, CommandResult};

use super::files::{Declared, Manifest};
use super::prepared::{Expected, Prepared, is_end};
use super::{Report, Verdict, state};

/// How long a manifest may take until it is there, in virtual time. Some images of the documentation sleep for minutes first.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many occurrences in a cluster it may cost.
const MAX_STEPS: u64 = 3_000_000;
/// How long a command may take, in virtual time.
const COMMAND_LIMIT: Duration = Duration::from_secs(120);
/// Kinds that others of the same page need, which are applied before them, in this order.
const SUPPORT: [&str; 14] = [
    "Namespace",
    "CustomResourceDefinition",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ServiceAccount",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
];

/// Applies a manifest to a fresh cluster and lets it come to rest. `others` are those of its corpus, for what it needs of them.
///
/// # Errors
/// When no cluster can be made.
pub fn run(manifest: &Manifest, others: &[Manifest], prepared: &Prepared) -> Result<Report> {
    let unknown = Expected::default();
    let expected = prepared.of(&manifest.path).unwrap_or(&unknown);
    let manifest = &manifest.filled(&expected.fills);
    if let Some(why) = manifest.set_aside.filter(|_| expected.ends.is_none() && expected.fills.is_empty()) {
        return Ok(Report::new(manifest, Verdict::SetAside { why: why.to_owned() }, Vec::new()));
    }
    let shape = shape(expected);
    let gateway_controller = manifest.declared.iter().any(|object| object.group == "gateway.networking.k8s.io");
    let mut cluster = Cluster::booted(&ClusterConfig { gateway_controller, ..shape })?;
    let own_class = manifest.declared.iter().any(|object| object.kind == "StorageClass" && object.name == "standard");
    if !expected.no_default_class && !own_class {
        apply_text(&mut cluster, "apply", STANDARD_CLASS);
    }
    support(&mut cluster, manifest, others);
    if let Err(why) = prepare(&mut cluster, expected, others) {
        return Ok(Report::new(manifest, Verdict::Refused { why }, Vec::new()));
    }
    let applied = apply(&mut cluster, manifest);
    let mut warnings: Vec<String> = applied.stderr.lines().filter_map(|line| line.strip_prefix("Warning: ")).map(str::to_owned).collect();
    let verdict = judge(&mut cluster, manifest, expected, &applied);
    warnings.extend(stand_ins(&mut cluster));
    warnings
        .extend(expected.installs.iter().map(|kind| format!("{kind}: stored, but nothing acts on it here: only its definition is there")));
    Ok(Report::new(manifest, verdict, warnings))
}

/// The cluster's nodes. How much CPU and memory `node-2` has is the machine's and not an entry in its status, which its kubelet writes.
fn shape(expected: &Expected) -> ClusterConfig {
    let mut shape = expected.nodes.map_or_else(ClusterConfig::default, ClusterConfig::with_nodes);
    if let Some(node) = shape.nodes.get_mut(1) {
        let has = |name: &str, usual: &str| expected.resources.get(name).map_or(usual, String::as_str).to_owned();
        (node.cpu, node.memory) = (has("cpu", &node.cpu), has("memory", &node.memory));
    }
    shape
}

/// A line for each program of which the cluster knows nothing, so that another stands in for it.
fn stand_ins(cluster: &mut Cluster) -> Vec<String> {
    const PODS: usize = 20;
    let pods = cluster.objects().filter(|object| object.kind() == "Pod").map(|pod| pod.metadata());
    let pods: Vec<_> = pods.map(|metadata| (metadata.namespace.clone(), metadata.name.clone())).take(PODS).collect();
    let mut lines = Vec::new();
    for (namespace, name) in pods {
        let logs = cluster.run_line(&format!("kubectl logs -n '{namespace}' '{name}' --all-containers"), COMMAND_LIMIT);
        lines.extend(logs.stdout.lines().filter_map(|line| line.strip_prefix("clusterbook: ")).map(str::to_owned));
    }
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// How the manifest fares that was applied with this answer.
fn judge(cluster: &mut Cluster, manifest: &Manifest, expected: &Expected, applied: &CommandResult) -> Verdict {
    let accepted = applied.exit_code == 0;
    let said = applied.stderr.lines().filter(|line| !line.starts_with("Warning: ")).collect::<Vec<_>>().join("\n");
    let why = expected.why.clone().unwrap_or_default();
    if let Some(text) = &expected.ends {
        return match (accepted, ends_with(cluster, applied, text)) {
            (true, true) => Verdict::Ended { says: text.clone(), why },
            (false, true) => Verdict::RefusedToo { says: text.clone(), why },
            (true, false) => Verdict::Waiting { why: vec![format!("`{text}` was never said")], limit: None },
            (false, false) => Verdict::Refused { why: said },
        };
    }
    if !accepted {
        let limit = expected.limit.as_ref().map(|limit| format!("\n({limit})")).unwrap_or_default();
        return Verdict::Refused { why: said + &limit };
    }
    let created = created(manifest, applied);
    let limit = cluster.now() + expected.within.map_or(PATIENCE, Duration::from_secs);
    let mut next_look = cluster.now();
    let reached = cluster.advance_until(limit, MAX_STEPS, |cluster| {
        // Looking at all objects after each step would cost more than the steps.
        if cluster.now() < next_look {
            return false;
        }
        next_look = cluster.now() + Duration::from_secs(1);
        missing(cluster, &created).is_empty()
    });
    if reached { Verdict::Reached } else { Verdict::Waiting { why: missing(cluster, &created), limit: expected.limit.clone() } }
}

/// What makes the volumes of claims, as in the clusters that `kind` and minikube make, which the documentation asks its readers to have.
const STANDARD_CLASS: &str = "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}
provisioner: rancher.io/local-path
volumeBindingMode: WaitForFirstConsumer
";

/// Makes the namespaces that the manifest names, and what the other files of its group hold for it.
fn support(cluster: &mut Cluster, manifest: &Manifest, others: &[Manifest]) {
    let own: Vec<&str> = manifest.declared.iter().filter(|object| object.kind == "Namespace").map(|object| object.name.as_str()).collect();
    let mut namespaces: Vec<&str> =
        manifest.declared.iter().map(|object| object.namespace.as_str()).filter(|name| !own.contains(name)).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    for namespace in namespaces {
        // Those that every cluster has are there already, which `create` says.
        cluster.run_line(&format!("kubectl create namespace '{namespace}'"), COMMAND_LIMIT);
    }
    let rank = |other: &Manifest| {
        let ranks: Option<Vec<usize>> = other.declared.iter().map(|object| SUPPORT.iter().position(|kind| *kind == object.kind)).collect();
        ranks?.into_iter().max()
    };
    let same_group = |other: &&Manifest| {
        // Of several that a page offers to choose from, it is this one.
        let is_choice = other.declared.iter().any(|object| manifest.declared.contains(object));
        other.group.is_some() && other.group == manifest.group && other.path != manifest.path && other.set_aside.is_none() && !is_choice
    };
    let mut support: Vec<(usize, &Manifest)> = others.iter().filter(same_group).filter_map(|other| Some((rank(other)?, other))).collect();
    support.sort_by_key(|(rank, _)| *rank);
    for (_, other) in support {
        apply(cluster, other);
    }
    // A namespace gets its default ServiceAccount a moment after it was made.
    cluster.advance(Duration::from_secs(2), MAX_STEPS);
}

/// Does what the reader of the page has done before.
///
/// # Errors
/// What of it does not work, and why.
fn prepare(cluster: &mut Cluster, expected: &Expected, others: &[Manifest]) -> Result<(), String> {
    let done = |what: &str, result: &CommandResult| {
        // What the manifest's group brought already need not be made again.
        let works = result.exit_code == 0 || result.stderr.contains("already exists");
        if works { Ok(()) } else { Err(format!("{what}, which comes before it, does not work: {}", result.stderr.trim())) }
    };
    let devices: BTreeMap<&String, &String> =
        expected.resources.iter().filter(|(name, _)| !matches!(name.as_str(), "cpu" | "memory")).collect();
    if !devices.is_empty() {
        let more = serde_json::json!({"status": {"capacity": devices, "allocatable": devices}});
        let line = format!("kubectl patch node node-2 --subresource=status --patch='{more}'");
        done("what a node has more of", &cluster.run_line(&line, COMMAND_LIMIT))?;
    }
    for kind in &expected.installs {
        done("the definition of an add-on's kind", &apply_text(cluster, "apply", &kind.definition()))?;
        cluster.advance(Duration::from_secs(2), MAX_STEPS);
    }
    if let Some(objects) = &expected.objects {
        done("what the table has for it", &apply_text(cluster, "apply", objects))?;
    }
    for path in &expected.first {
        let Some(other) = others.iter().find(|other| is_end(&other.path, path)) else {
            return Err(format!("{path}, which comes before it, is not among the manifests that were read"));
        };
        done(path, &apply(cluster, other))?;
        cluster.advance(Duration::from_secs(2), MAX_STEPS);
    }
    for line in &expected.before {
        done(&format!("`{line}`"), &cluster.run_line(line, COMMAND_LIMIT))?;
    }
    Ok(())
}

/// Writes the manifest into the terminal and applies it; what the server is to name, or only answers, is created.
fn apply(cluster: &mut Cluster, manifest: &Manifest) -> CommandResult {
    let creates = manifest.declared.iter().any(|object| object.generated || is_answer(object));
    apply_text(cluster, if creates { "create" } else { "apply" }, &manifest.text)
}

fn apply_text(cluster: &mut Cluster, verb: &str, text: &str) -> CommandResult {
    const FILE: &str = "manifest.yaml";
    match cluster.terminal_mut().files_mut().write(FILE, text) {
        Ok(()) => cluster.run_line(&format!("kubectl {verb} -f {FILE}"), COMMAND_LIMIT),
        Err(error) => CommandResult { exit_code: 1, stderr: error.to_string(), ..CommandResult::default() },
    }
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
    use crate::corpus::files;

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
        assert!(matches!(&alone.verdict, Verdict::Waiting { why, .. } if why[0].contains("CreateContainerConfigError")), "{alone:?}");
        let together = run(&pod, &others, &Prepared::default()).unwrap();
        assert_eq!(together.verdict, Verdict::Reached);
    }

    #[test]
    fn what_is_meant_to_fail_must_fail_in_that_way() {
        let pod = manifest(
            "pod.yaml",
            None,
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: c, image: nonexistent/nothing}\n",
        );
        let expected = |ends: &str| Prepared::parse(&format!("- path: pod.yaml\n  ends: {ends}\n  why: its image is nowhere\n")).unwrap();
        let ended = run(&pod, &[], &expected("ImagePullBackOff")).unwrap().verdict;
        assert!(matches!(&ended, Verdict::Ended { why, .. } if why == "its image is nowhere"), "{ended:?}");
        assert!(matches!(run(&pod, &[], &expected("OOMKilled")).unwrap().verdict, Verdict::Waiting { .. }));
        let wrong = manifest("pod.yaml", None, "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n");
        assert!(
            matches!(run(&wrong, &[], &Prepared::default()).unwrap().verdict, Verdict::Refused { why } if why.contains("Required value"))
        );
    }
}
