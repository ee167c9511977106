//! What follows from Services, autoscalers, budgets and claims on a whole cluster.

use api::autoscaling::{CrossVersionObjectReference, HorizontalPodAutoscaler, MetricIdentifier};
use api::core::{Endpoints, Pod};
use api::discovery::EndpointSlice;
use api::labels::Selector;
use api::policy::PodDisruptionBudget;
use cluster::{Cluster, ClusterConfig};
use controllers::autoscaling::metrics::{MetricsClient, PodMetric, PodMetricsInfo};
use std::sync::{Arc, Mutex};
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
    let table = printed(&mut cluster, "kubectl get endpointslices");
    assert!(table.contains("ADDRESSTYPE") && table.contains(&slices[0].endpoints[0].addresses[0]), "{table}");
    // Slices go with their Service by garbage collection, Endpoints by their controller.
    printed(&mut cluster, "kubectl delete service web");
    advance(&mut cluster, 5);
    assert_eq!((named::<EndpointSlice>(&cluster, "web-").len(), named::<Endpoints>(&cluster, "web").len()), (0, 0));
}

/// What each Pod uses, told by the test.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<PodMetricsInfo>>);

impl MetricsClient for Told {
    fn resource(&self, _: &str, _: &str, _: &Selector, _: &str) -> Result<PodMetricsInfo, String> {
        Ok(self.0.lock().expect("nobody panics with it").clone())
    }

    fn raw(&self, _: &MetricIdentifier, _: &str, _: &Selector) -> Result<PodMetricsInfo, String> {
        Err("not told".to_owned())
    }

    fn object(&self, _: &MetricIdentifier, _: &str, _: &CrossVersionObjectReference) -> Result<i64, String> {
        Err("not told".to_owned())
    }

    fn external(&self, _: &MetricIdentifier, _: &str) -> Result<Vec<i64>, String> {
        Err("not told".to_owned())
    }
}

impl Told {
    /// Every Pod whose name begins so has used this much, in thousandths, in the last minute.
    fn all_use(&self, cluster: &Cluster, prefix: &str, value: i64) {
        let metric = PodMetric { timestamp: cluster.now(), window: MINUTE, value };
        let pods = named::<Pod>(cluster, prefix).into_iter().map(|pod| (pod.metadata.name, metric)).collect();
        *self.0.lock().expect("nobody panics with it") = pods;
    }
}

fn apply(cluster: &mut Cluster, manifest: &str) {
    cluster.terminal_mut().files_mut().write("m.yaml", manifest).expect("there is room for it");
    printed(cluster, "kubectl apply -f m.yaml");
}

const AUTOSCALER: &str = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 5
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
  behavior: {scaleDown: {stabilizationWindowSeconds: 60}}
";

#[test]
fn an_autoscaler_follows_the_load_up_at_once_and_down_after_a_while() {
    let mut cluster = booted();
    let told = Told::default();
    printed(&mut cluster, "kubectl create deployment web --image=nginx");
    printed(&mut cluster, "kubectl set resources deployment web --requests=cpu=100m");
    printed(&mut cluster, "kubectl rollout status deployment/web");
    apply(&mut cluster, AUTOSCALER);
    advance(&mut cluster, 20);
    let condition = |cluster: &Cluster, type_: &str| {
        let hpa: Vec<HorizontalPodAutoscaler> = named(cluster, "web");
        api::meta::condition(&hpa[0].status.conditions, type_).map(|condition| condition.reason.clone()).unwrap_or_default()
    };
    assert_eq!(condition(&cluster, "ScalingActive"), "FailedGetResourceMetric", "there is no metrics API");
    cluster.set_metrics(Box::new(told.clone()));
    advance(&mut cluster, 300);
    told.all_use(&cluster, "web-", 150);
    advance(&mut cluster, 16);
    assert_eq!(condition(&cluster, "AbleToScale"), "SucceededRescale");
    let events = printed(&mut cluster, "kubectl get events");
    assert!(events.contains("New size: 3; reason: cpu resource utilization (percentage of request) above target"), "{events}");
    advance(&mut cluster, 20);
    assert_eq!(named::<Pod>(&cluster, "web-").len(), 3);
    told.all_use(&cluster, "web-", 10);
    advance(&mut cluster, 30);
    let table = printed(&mut cluster, "kubectl get hpa");
    assert!(table.contains("cpu: 10%/50%"), "{table}");
    assert_eq!(named::<Pod>(&cluster, "web-").len(), 3, "the higher recommendation still holds");
    advance(&mut cluster, 120);
    assert_eq!(named::<Pod>(&cluster, "web-").len(), 1);
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
