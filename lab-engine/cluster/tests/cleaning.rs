//! What goes when something is deleted: dependents, orphans, namespaces.

use cluster::{Cluster, ClusterConfig};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn booted() -> Cluster {
    Cluster::booted(&ClusterConfig::default()).expect("the default configuration is right")
}

/// What a command prints that must succeed.
fn printed(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, 2 * MINUTE);
    assert_eq!(result.exit_code, 0, "{line}: {}", result.stderr);
    result.stdout
}

/// The names of what there is of a Deployment `web`, in order.
fn names(cluster: &mut Cluster) -> Vec<String> {
    printed(cluster, "kubectl get deploy,rs,pods -o name").lines().map(|line| line.split('-').next().unwrap_or(line).to_owned()).collect()
}

fn with_web() -> Cluster {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create deployment web --image=nginx --replicas=2");
    printed(&mut cluster, "kubectl rollout status deployment/web");
    assert_eq!(names(&mut cluster), ["deployment.apps/web", "replicaset.apps/web", "pod/web", "pod/web"]);
    cluster
}

#[test]
fn dependents_follow_their_owner_in_the_background() {
    let mut cluster = with_web();
    printed(&mut cluster, "kubectl delete deployment web");
    cluster.advance(MINUTE, u64::MAX);
    assert!(names(&mut cluster).is_empty());
}

#[test]
fn the_owner_waits_for_its_dependents_in_the_foreground() {
    let mut cluster = with_web();
    printed(&mut cluster, "kubectl delete deployment web --cascade=foreground --wait=false");
    let waiting = printed(&mut cluster, "kubectl get deployment web -o jsonpath={.metadata.finalizers}");
    assert_eq!(waiting.trim(), r#"["foregroundDeletion"]"#);
    cluster.advance(MINUTE, u64::MAX);
    assert!(names(&mut cluster).is_empty());
}

#[test]
fn orphans_stay_without_an_owner() {
    let mut cluster = with_web();
    printed(&mut cluster, "kubectl delete deployment web --cascade=orphan");
    cluster.advance(MINUTE, u64::MAX);
    assert_eq!(names(&mut cluster), ["replicaset.apps/web", "pod/web", "pod/web"]);
    let owners = printed(&mut cluster, "kubectl get rs -o jsonpath={.items[*].metadata.ownerReferences}");
    assert_eq!(owners.trim(), "");
}

#[test]
fn an_object_of_any_kind_goes_with_its_last_owner() {
    let mut cluster = booted();
    let owned = |first: &str, second: &str| {
        let owner = |name: &str, uid: &str| format!(r#"{{"apiVersion": "v1", "kind": "ConfigMap", "name": "{name}", "uid": "{uid}"}}"#);
        format!(r#"{{"metadata": {{"ownerReferences": [{}, {}]}}}}"#, owner("a", first), owner("b", second))
    };
    let mut uids = Vec::new();
    for name in ["a", "b"] {
        printed(&mut cluster, &format!("kubectl create configmap {name}"));
        uids.push(printed(&mut cluster, &format!("kubectl get configmap {name} -o jsonpath={{.metadata.uid}}")).trim().to_owned());
    }
    printed(&mut cluster, "kubectl create job pi --image=perl");
    printed(&mut cluster, &format!("kubectl patch job pi --type merge -p '{}'", owned(&uids[0], &uids[1])));
    printed(&mut cluster, "kubectl delete configmap a");
    cluster.advance(MINUTE, u64::MAX);
    let owners = printed(&mut cluster, "kubectl get job pi -o jsonpath={.metadata.ownerReferences[*].name}");
    assert_eq!(owners.trim(), "b", "the owner that is gone is forgotten");
    printed(&mut cluster, "kubectl delete configmap b");
    cluster.advance(MINUTE, u64::MAX);
    assert_eq!(printed(&mut cluster, "kubectl get jobs -o name"), "");
}

#[test]
fn an_object_whose_owner_never_was_goes_and_one_whose_owner_is_there_stays() {
    let mut cluster = booted();
    let map = |name: &str, uid: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  ownerReferences:\n  \
             - {{apiVersion: v1, kind: Namespace, name: default, uid: {uid}}}\n"
        )
    };
    let uid = printed(&mut cluster, "kubectl get ns default -o jsonpath={.metadata.uid}").trim().to_owned();
    let text = format!("{}---\n{}", map("child", &uid), map("foundling", "00000000-0000-4000-8000-000000000000"));
    cluster.terminal_mut().files_mut().write("maps.yaml", &text).expect("the file is small");
    printed(&mut cluster, "kubectl apply -f maps.yaml");
    cluster.advance(MINUTE, u64::MAX);
    assert_eq!(printed(&mut cluster, "kubectl get configmaps -o name"), "configmap/child\nconfigmap/kube-root-ca.crt\n");
}

#[test]
fn a_namespace_goes_with_all_that_is_in_it() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create namespace shop");
    printed(&mut cluster, "kubectl create deployment web --image=nginx -n shop");
    printed(&mut cluster, "kubectl create configmap settings -n shop");
    printed(&mut cluster, "kubectl rollout status deployment/web -n shop");
    printed(&mut cluster, "kubectl delete namespace shop");
    cluster.advance(MINUTE, u64::MAX);
    let left = cluster.objects().filter(|object| object.metadata().namespace == "shop").map(api::Object::object_ref);
    assert_eq!(left.map(|object| object.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    assert!(!printed(&mut cluster, "kubectl get ns").contains("shop"));
    printed(&mut cluster, "kubectl create namespace shop");
}
