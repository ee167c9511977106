//! What follows from Services, autoscalers, budgets and claims on a whole cluster.

use api::core::Endpoints;
use api::discovery::EndpointSlice;
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
    let table = printed(&mut cluster, "kubectl get endpointslices");
    assert!(table.contains("ADDRESSTYPE") && table.contains(&slices[0].endpoints[0].addresses[0]), "{table}");
    // Slices go with their Service by garbage collection, Endpoints by their controller.
    printed(&mut cluster, "kubectl delete service web");
    advance(&mut cluster, 5);
    assert_eq!((named::<EndpointSlice>(&cluster, "web-").len(), named::<Endpoints>(&cluster, "web").len()), (0, 0));
}
