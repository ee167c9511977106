//! What follows from Services, autoscalers, budgets and claims on a whole cluster.

use api::core::{Endpoints, PersistentVolume, PersistentVolumeClaim, Pod, Service};
use api::discovery::EndpointSlice;
use api::policy::PodDisruptionBudget;
use cluster::{Cluster, ClusterConfig};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn booted() -> Cluster {
    Cluster::booted(&ClusterConfig::default()).expect("the default configuration is right")
}

/// What a command prints that must succeed.
fn printed(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, 5 * MINUTE);
    assert_eq!(result.exit_code, 0, "{line}: {}", result.stderr);
    result.stdout
}

fn advance(cluster: &mut Cluster, seconds: u64) {
    cluster.advance(Duration::from_secs(seconds), u64::MAX);
}

/// The objects of a kind whose names begin so.
fn named<R: api::Resource>(cluster: &Cluster, prefix: &str) -> Vec<R> {
    let all = cluster.objects().filter_map(|object| object.as_kind::<R>());
    all.filter(|object| object.metadata().name.starts_with(prefix)).map(|object| R::clone(object)).collect()
}

#[test]
fn a_service_has_the_addresses_of_its_ready_pods() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create deployment web --image=nginx --replicas=3 --port=80");
    printed(&mut cluster, "kubectl rollout status deployment/web");
    printed(&mut cluster, "kubectl expose deployment web --port=8080 --target-port=80");
    advance(&mut cluster, 2);
    let slices: Vec<EndpointSlice> = named(&cluster, "web-");
    assert_eq!(slices.len(), 1);
    let ready = |slice: &EndpointSlice| slice.endpoints.iter().filter(|endpoint| endpoint.conditions.ready == Some(true)).count();
    assert_eq!((ready(&slices[0]), slices[0].ports[0].port), (3, Some(80)));
    assert!(slices[0].endpoints.iter().all(|endpoint| endpoint.node_name.is_some()));
    let endpoints: Vec<Endpoints> = named(&cluster, "web");
    assert_eq!(endpoints[0].subsets[0].addresses.len(), 3);
    printed(&mut cluster, "kubectl scale deployment web --replicas=1");
    advance(&mut cluster, 60);
    let slices: Vec<EndpointSlice> = named(&cluster, "web-");
    assert_eq!((slices.len(), slices[0].endpoints.len()), (1, 1));
    let described = printed(&mut cluster, "kubectl describe endpoints web");
    assert!(described.contains(&format!("Addresses:          {}", slices[0].endpoints[0].addresses[0])), "{described}");
    let table = printed(&mut cluster, "kubectl get endpointslices");
    assert!(table.contains("ADDRESSTYPE") && table.contains(&slices[0].endpoints[0].addresses[0]), "{table}");
    // Slices go with their Service by garbage collection, Endpoints by their controller.
    printed(&mut cluster, "kubectl delete service web");
    advance(&mut cluster, 5);
    assert_eq!((named::<EndpointSlice>(&cluster, "web-").len(), named::<Endpoints>(&cluster, "web").len()), (0, 0));
}

fn apply(cluster: &mut Cluster, manifest: &str) {
    cluster.terminal_mut().files_mut().write("m.yaml", manifest).expect("there is room for it");
    printed(cluster, "kubectl apply -f m.yaml");
}

#[test]
fn a_budget_holds_evictions_back() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create deployment web --image=nginx --replicas=3");
    printed(&mut cluster, "kubectl rollout status deployment/web");
    printed(&mut cluster, "kubectl create poddisruptionbudget web --selector=app=web --max-unavailable=1");
    advance(&mut cluster, 2);
    let status = named::<PodDisruptionBudget>(&cluster, "web").remove(0).status;
    assert_eq!((status.expected_pods, status.desired_healthy, status.current_healthy, status.disruptions_allowed), (3, 2, 3, 1));
    let table = printed(&mut cluster, "kubectl get pdb");
    assert!(table.contains("ALLOWED DISRUPTIONS") && table.contains("N/A"), "{table}");
    let described = printed(&mut cluster, "kubectl describe pdb web");
    assert!(described.contains("Max unavailable:") && described.contains("Allowed disruptions:  1"), "{described}");
    // Nothing can start elsewhere, so that only one Pod may go.
    for node in ["node-1", "node-2", "node-3"] {
        printed(&mut cluster, &format!("kubectl cordon {node}"));
    }
    let result = cluster.run_line("kubectl drain node-1 node-2 node-3 --timeout=60s", 5 * MINUTE);
    assert_ne!(result.exit_code, 0);
    assert!(result.stderr.contains("Cannot evict pod as it would violate the pod's disruption budget."), "{}", result.stderr);
    let running = named::<Pod>(&cluster, "web-").into_iter().filter(|pod| pod.status.phase == "Running").count();
    assert_eq!(running, 2);
    let status = named::<PodDisruptionBudget>(&cluster, "web").remove(0).status;
    assert_eq!((status.current_healthy, status.disruptions_allowed, status.conditions[0].reason.as_str()), (2, 0, "InsufficientPods"));
}

const VOLUMES: &str = "
apiVersion: v1
kind: PersistentVolume
metadata: {name: small, labels: {tier: slow}}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /data}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: large}
spec: {capacity: {storage: 10Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /data}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: ebs.csi.aws.com
allowVolumeExpansion: true
";

/// A claim of a class; an empty one is none.
fn claim(name: &str, class: &str, size: &str) -> String {
    let spec = format!("{{accessModes: [ReadWriteOnce], storageClassName: {class:?}, resources: {{requests: {{storage: {size}}}}}}}");
    format!("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

fn claim_is(cluster: &Cluster, name: &str) -> String {
    let claim = named::<PersistentVolumeClaim>(cluster, name).remove(0);
    let capacity = claim.status.capacity.get("storage").map(ToString::to_string).unwrap_or_default();
    format!("{} {} {capacity}", claim.status.phase, claim.spec.volume_name)
}

fn volume_phase(cluster: &Cluster, name: &str) -> Option<String> {
    named::<PersistentVolume>(cluster, name).first().map(|volume| volume.status.phase.clone())
}

#[test]
fn a_claim_gets_the_smallest_volume_that_fits_and_its_volume_is_kept() {
    let mut cluster = booted();
    apply(&mut cluster, VOLUMES);
    apply(&mut cluster, &claim("data", "", "2Gi"));
    advance(&mut cluster, 3);
    assert_eq!(claim_is(&cluster, "data"), "Bound large 10Gi");
    assert_eq!((volume_phase(&cluster, "large"), volume_phase(&cluster, "small")), (Some("Bound".into()), Some("Available".into())));
    apply(&mut cluster, &claim("more", "", "2Gi"));
    advance(&mut cluster, 3);
    assert_eq!(claim_is(&cluster, "more"), "Pending  ");
    let events = printed(&mut cluster, "kubectl get events");
    assert!(events.contains("no persistent volumes available for this claim and no storage class is set"), "{events}");
    // The volume is bound, so that it waits to be deleted; then its claim goes.
    printed(&mut cluster, "kubectl delete pv large --wait=false");
    advance(&mut cluster, 3);
    assert!(printed(&mut cluster, "kubectl get pv large").contains("Terminating"));
    printed(&mut cluster, "kubectl delete pvc data");
    advance(&mut cluster, 3);
    assert_eq!(volume_phase(&cluster, "large"), None);
}

#[test]
fn a_class_makes_volumes_grows_them_and_deletes_them() {
    let mut cluster = booted();
    apply(&mut cluster, VOLUMES);
    apply(&mut cluster, &claim("data", "fast", "2Gi"));
    advance(&mut cluster, 5);
    let volume = named::<PersistentVolume>(&cluster, "pvc-").remove(0).metadata.name;
    assert_eq!(claim_is(&cluster, "data"), format!("Bound {volume} 2Gi"));
    apply(&mut cluster, &claim("data", "fast", "3Gi"));
    advance(&mut cluster, 5);
    assert_eq!(claim_is(&cluster, "data"), format!("Bound {volume} 3Gi"));
    let events = printed(&mut cluster, "kubectl get events");
    for reason in ["ExternalProvisioning", "ProvisioningSucceeded", "VolumeResizeSuccessful"] {
        assert!(events.contains(reason), "{reason}: {events}");
    }
    printed(&mut cluster, "kubectl delete pvc data");
    advance(&mut cluster, 5);
    assert_eq!(volume_phase(&cluster, "pvc-"), None);
    // Nobody makes volumes of a class that is not there.
    apply(&mut cluster, &claim("lost", "none-such", "1Gi"));
    advance(&mut cluster, 5);
    let events = printed(&mut cluster, "kubectl get events");
    assert!(events.contains("storageclass.storage.k8s.io \"none-such\" not found"), "{events}");
}

#[test]
fn a_claim_that_a_pod_uses_waits_for_it() {
    let mut cluster = booted();
    apply(&mut cluster, VOLUMES);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: user}\nspec:\n  containers: [{name: c, image: nginx}]\n  \
               volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]\n";
    apply(&mut cluster, &format!("{}---\n{pod}", claim("data", "", "2Gi")));
    advance(&mut cluster, 10);
    printed(&mut cluster, "kubectl delete pvc data --wait=false");
    advance(&mut cluster, 5);
    assert!(printed(&mut cluster, "kubectl get pvc").contains("Terminating"));
    let described = printed(&mut cluster, "kubectl describe pvc data");
    let lines: Vec<&str> = described.lines().filter(|line| line.starts_with("Used By") || line.starts_with("Finalizers")).collect();
    assert_eq!(lines, ["Finalizers:    [kubernetes.io/pvc-protection]", "Used By:       user"]);
    assert!(printed(&mut cluster, "kubectl describe pv large").contains("HostPath (bare host directory volume)"));
    printed(&mut cluster, "kubectl delete pod user");
    advance(&mut cluster, 5);
    assert_eq!(named::<PersistentVolumeClaim>(&cluster, "data").len(), 0);
    assert_eq!(volume_phase(&cluster, "large").as_deref(), Some("Released"));
}

#[test]
fn the_cloud_gives_load_balancers_and_takes_them_back() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create deployment web --image=nginx");
    printed(&mut cluster, "kubectl expose deployment web --port=80 --type=LoadBalancer");
    advance(&mut cluster, 3);
    assert!(printed(&mut cluster, "kubectl get service web").contains("<pending>"));
    advance(&mut cluster, 12);
    let table = printed(&mut cluster, "kubectl get service web");
    assert!(table.contains("203.0.113.1"), "{table}");
    let events = printed(&mut cluster, "kubectl get events");
    assert!(events.contains("EnsuringLoadBalancer") && events.contains("EnsuredLoadBalancer"), "{events}");
    printed(&mut cluster, "kubectl delete service web");
    advance(&mut cluster, 3);
    assert_eq!(named::<Service>(&cluster, "web").len(), 0);
}

#[test]
fn every_namespace_has_an_account_and_the_certificate() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create namespace shop");
    advance(&mut cluster, 3);
    printed(&mut cluster, "kubectl delete serviceaccount default -n shop");
    printed(&mut cluster, "kubectl delete configmap kube-root-ca.crt -n shop");
    advance(&mut cluster, 3);
    let names = printed(&mut cluster, "kubectl get serviceaccounts,configmaps -n shop -o name");
    assert_eq!(names, "serviceaccount/default\nconfigmap/kube-root-ca.crt\n");
    printed(&mut cluster, "kubectl delete namespace shop");
}
