//! The use of CPU and memory, from the programs in containers to `kubectl top` and autoscalers.

use api::autoscaling::HorizontalPodAutoscaler;
use cluster::{Cluster, ClusterConfig};
use std::time::Duration;

fn with_metrics() -> Cluster {
    let mut config = ClusterConfig::with_nodes(2);
    config.metrics_server = true;
    Cluster::booted(&config).expect("the configuration is right")
}

fn pass(cluster: &mut Cluster, seconds: u64) {
    cluster.advance(Duration::from_secs(seconds), 50_000_000);
}

fn run(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, Duration::from_secs(60));
    result.stdout + &result.stderr
}

/// The cells of the row that begins so.
fn row(table: &str, name: &str) -> Vec<String> {
    let line = table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {table}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn without_metrics_server_there_is_no_metrics_api() {
    let mut cluster = Cluster::booted(&ClusterConfig::with_nodes(1)).unwrap();
    assert_eq!(run(&mut cluster, "kubectl top nodes"), "error: Metrics API not available\n");
    assert_eq!(run(&mut cluster, "kubectl top pod -A"), "error: Metrics API not available\n");
    assert_eq!(run(&mut cluster, "kubectl top pod --sort-by name"), "error: --sort-by accepts only cpu or memory\n");
}

#[test]
fn a_busy_loop_uses_its_core_and_a_limit_holds_it() {
    let mut cluster = with_metrics();
    run(&mut cluster, "kubectl run busy --image=busybox --labels=app=burn -- sh -c 'while true; do :; done'");
    run(&mut cluster, "kubectl run idle --image=busybox --labels=app=rest -- sleep 3600");
    let limited = r#"{"spec":{"containers":[{"name":"limited","image":"busybox","command":["sh","-c","while true; do :; done"],"resources":{"limits":{"cpu":"250m"}}}]}}"#;
    run(&mut cluster, &format!("kubectl run limited --image=busybox --overrides='{limited}'"));
    assert_eq!(run(&mut cluster, "kubectl top pods"), "error: metrics not available yet\n");
    pass(&mut cluster, 60);
    let top = run(&mut cluster, "kubectl top pods");
    assert_eq!(top.lines().next(), Some("NAME      CPU(cores)   MEMORY(bytes)   "));
    assert_eq!(row(&top, "idle")[1], "0m", "{top}");
    // Thousandths are rounded up, and a look is a whole millisecond.
    assert!(["1000m", "1001m"].contains(&row(&top, "busy")[1].as_str()), "{top}");
    assert!(["250m", "251m"].contains(&row(&top, "limited")[1].as_str()), "{top}");
    assert_eq!(run(&mut cluster, "kubectl top pods -l app=rest --no-headers"), "idle   0m    1Mi   \n");
    let first = run(&mut cluster, "kubectl top pods -A --sort-by cpu --containers");
    assert_eq!(row(&first, "default")[1], "busy", "{first}");
    assert!(run(&mut cluster, "kubectl top pod ghost").contains("podmetrics.metrics.k8s.io \"default/ghost\" not found"));
    let nodes = run(&mut cluster, "kubectl top nodes");
    let total: u64 = ["node-1", "node-2"].iter().map(|name| row(&nodes, name)[1].trim_end_matches('m').parse::<u64>().unwrap()).sum();
    assert!((1360..1390).contains(&total), "{nodes}");
}

#[test]
fn the_metrics_api_is_found_read_and_guarded_like_any_other() {
    let mut cluster = with_metrics();
    run(&mut cluster, "kubectl run web --image=nginx");
    pass(&mut cluster, 60);
    let services = run(&mut cluster, "kubectl get apiservices");
    assert_eq!(row(&services, "v1beta1.metrics.k8s.io")[1..3], ["kube-system/metrics-server", "True"], "{services}");
    let pods = run(&mut cluster, "kubectl get pods.metrics.k8s.io");
    assert_eq!(row(&pods, "NAME"), ["NAME", "CPU", "MEMORY", "WINDOW"], "{pods}");
    assert_eq!(row(&pods, "web")[3], "15s", "{pods}");
    let raw = run(&mut cluster, "kubectl get --raw /apis/metrics.k8s.io/v1beta1/namespaces/default/pods/web");
    assert!(raw.contains("\"kind\":\"PodMetrics\"") && raw.contains("\"memory\":\"8Mi\""), "{raw}");
    let page = run(&mut cluster, "kubectl get --raw /api/v1/nodes/node-1/proxy/metrics/resource");
    assert!(page.contains("# TYPE node_cpu_usage_seconds_total counter\nnode_cpu_usage_seconds_total "), "{page}");
    let refused = run(&mut cluster, "kubectl get pods.metrics.k8s.io --as=jane");
    assert!(refused.contains("User \"jane\" cannot list resource \"pods\" in API group \"metrics.k8s.io\""), "{refused}");
    run(&mut cluster, "kubectl delete apiservice v1beta1.metrics.k8s.io");
    assert_eq!(run(&mut cluster, "kubectl top pods"), "error: Metrics API not available\n");
}

/// Workers that take orders from a directory of their node, and an autoscaler for them. An order costs 200 ms of CPU.
const SHOP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: worker
          image: demo-app:1.0
          command: [sh, -c]
          args:
            - |
              /demo-app --request-cpu=200ms &
              while true; do
                order=$(ls /orders | head -n 1)
                if [ -n "$order" ] && rm /orders/$order 2>/dev/null; then wget -q -O- localhost:8080 >/dev/null; else sleep 0.5; fi
              done
          resources: {requests: {cpu: 200m}, limits: {cpu: 500m}}
          volumeMounts: [{name: orders, mountPath: /orders}]
      volumes: [{name: orders, hostPath: {path: /var/orders, type: DirectoryOrCreate}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: customers}
spec:
  replicas: 0
  selector: {matchLabels: {app: customers}}
  template:
    metadata: {labels: {app: customers}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: customers
          image: busybox
          command: [sh, -c, "n=0; while sleep 1; do n=$((n+1)); touch /orders/$HOSTNAME-$n; done"]
          volumeMounts: [{name: orders, mountPath: /orders}]
      volumes: [{name: orders, hostPath: {path: /var/orders, type: DirectoryOrCreate}}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: worker}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: worker}
  minReplicas: 1
  maxReplicas: 5
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]
  behavior: {scaleDown: {stabilizationWindowSeconds: 60}}
"#;

fn autoscaler(cluster: &Cluster) -> HorizontalPodAutoscaler {
    let mut all = cluster.objects().filter_map(|object| object.as_kind::<HorizontalPodAutoscaler>());
    HorizontalPodAutoscaler::clone(all.next().expect("there is one"))
}

fn reason(hpa: &HorizontalPodAutoscaler, condition: &str) -> String {
    api::meta::condition(&hpa.status.conditions, condition).map(|condition| condition.reason.clone()).unwrap_or_default()
}

fn shop(metrics_server: bool) -> Cluster {
    let mut config = ClusterConfig::with_nodes(1);
    config.metrics_server = metrics_server;
    let mut cluster = Cluster::booted(&config).expect("the configuration is right");
    cluster.terminal_mut().files_mut().write("shop.yaml", SHOP).expect("the file is small");
    run(&mut cluster, "kubectl apply -f shop.yaml");
    cluster
}

#[test]
fn an_autoscaler_follows_real_load_up_and_down_after_a_while() {
    let mut cluster = shop(true);
    pass(&mut cluster, 120);
    assert_eq!(autoscaler(&cluster).status.current_replicas, Some(1));
    // Four orders a second cost 800m and a bit for the shell; 60 % of 200m a Pod are 120m: more than 5 Pods would do.
    run(&mut cluster, "kubectl scale deployment customers --replicas=4");
    pass(&mut cluster, 180);
    let hpa = autoscaler(&cluster);
    assert_eq!((hpa.status.desired_replicas, reason(&hpa, "ScalingLimited").as_str()), (5, "TooManyReplicas"));
    let events = run(&mut cluster, "kubectl get events");
    assert!(events.contains("reason: cpu resource utilization (percentage of request) above target"), "{events}");
    let top = run(&mut cluster, "kubectl top pods -l app=worker --sum");
    let total: u64 = row(top.lines().last().unwrap(), " ")[0].trim_end_matches('m').parse().unwrap();
    assert!((800..950).contains(&total), "{top}");
    run(&mut cluster, "kubectl scale deployment customers --replicas=1");
    pass(&mut cluster, 45);
    assert_eq!(reason(&autoscaler(&cluster), "AbleToScale"), "ScaleDownStabilized");
    // Long enough for the metrics of the last state to be those of the last state only.
    pass(&mut cluster, 180);
    let hpa = autoscaler(&cluster);
    assert_eq!(hpa.status.desired_replicas, 2, "one order a second costs a bit more than 200m");
    let shown = hpa.status.current_metrics[0].resource.as_ref().and_then(|resource| resource.current.average_utilization);
    assert!(shown.is_some_and(|percent| (48..60).contains(&percent)), "{shown:?}");
}

#[test]
fn an_autoscaler_without_metrics_says_so_and_keeps_its_hands_off() {
    let mut cluster = shop(false);
    pass(&mut cluster, 45);
    let hpa = autoscaler(&cluster);
    let active = api::meta::condition(&hpa.status.conditions, "ScalingActive").unwrap();
    assert_eq!((active.status.as_str(), active.reason.as_str()), ("False", "FailedGetResourceMetric"));
    let why = "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: \
               unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)";
    assert_eq!(active.message, why);
    assert!(run(&mut cluster, "kubectl get hpa").contains("cpu: <unknown>/60%"));
}

/// A shop whose Pods count their requests, an exporter that tells how long a queue outside is, and autoscalers for both.
const MEASURED: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}, annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8080"}}
    spec: {containers: [{name: shop, image: "demo-app:1.0"}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec: {containers: [{name: worker, image: busybox, command: [sleep, "3600"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: exporter, annotations: {prometheus.io/scrape: "true", prometheus.io/port: "80"}}
spec: {containers: [{name: nginx, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: customer}
spec:
  containers: [{name: customer, image: busybox, command: [sh, -c, "while sleep 0.1; do wget -q -O- shop >/dev/null; done"]}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  minReplicas: 1
  maxReplicas: 9
  metrics:
    - type: Pods
      pods: {metric: {name: http_requests_per_second}, target: {type: AverageValue, averageValue: "2"}}
    - type: Object
      object:
        metric: {name: http_requests_per_second}
        describedObject: {apiVersion: v1, kind: Service, name: shop}
        target: {type: Value, value: "100"}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: worker}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: worker}
  maxReplicas: 9
  metrics:
    - type: External
      external:
        metric: {name: queue_messages_ready, selector: {matchLabels: {queue: orders}}}
        target: {type: AverageValue, averageValue: "30"}
"#;

#[test]
fn autoscalers_follow_what_programs_and_exporters_show() {
    let mut config = ClusterConfig::with_nodes(2);
    config.prometheus_adapter = true;
    let mut cluster = Cluster::booted(&config).expect("the configuration is right");
    cluster.terminal_mut().files_mut().write("shop.yaml", MEASURED).expect("the file is small");
    run(&mut cluster, "kubectl apply -f shop.yaml");
    pass(&mut cluster, 20);
    for (queue, messages, to) in [("orders", 120, ">"), ("mail", 999, ">>")] {
        let line = format!(r#"echo "queue_messages_ready{{queue=\"{queue}\"}} {messages}" {to} /usr/share/nginx/html/metrics"#);
        assert_eq!(run(&mut cluster, &format!("kubectl exec exporter -- sh -c '{line}'")), "");
    }
    pass(&mut cluster, 180);
    // Ten requests a second less the time they take, and one of the adapter every 15 seconds.
    let raw = run(
        &mut cluster,
        "kubectl get --raw /apis/custom.metrics.k8s.io/v1beta2/namespaces/default/services/shop/http_requests_per_second",
    );
    let value: serde_json::Value = serde_json::from_str(&raw).unwrap_or_else(|_| panic!("{raw}"));
    let item = &value["items"][0];
    assert_eq!(item["describedObject"]["kind"], "Service", "{raw}");
    let milli = api::quantity::Quantity::parse(item["value"].as_str().unwrap()).unwrap().milli_value();
    assert!((8_000..=10_500).contains(&milli), "{raw}");
    let hpa = run(&mut cluster, "kubectl get hpa");
    // 120 messages at 30 a worker; about ten requests a second at two a Pod.
    let replicas = |name: &str| row(&hpa, name).iter().rev().nth(1).and_then(|cell| cell.parse::<u32>().ok());
    assert_eq!((replicas("worker"), replicas("shop")), (Some(4), Some(5)), "{hpa}");
    let none = run(&mut cluster, "kubectl get --raw /apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/ghosts");
    assert!(none.contains("the server could not find the metric ghosts for pods"), "{none}");
}
