//! The API server from inside a container, Ingresses, health checks of load balancers, and what breaks the network.

use api::core::{Node, Service};
use cluster::{Cluster, ClusterConfig, CommandResult, Fault};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(600);

/// A cluster with a Pod `client` on `node-1` that has `curl`, and `replicas` Pods behind the Service `web`.
fn cluster(config: ClusterConfig, replicas: u32) -> Cluster {
    let mut cluster = Cluster::booted(&config).expect("the configuration is right");
    let image = "registry.k8s.io/e2e-test-images/agnhost:2.53";
    run(&mut cluster, &format!("kubectl create deployment web --image={image} --replicas={replicas} -- /agnhost netexec --http-port=8080"));
    run(&mut cluster, "kubectl rollout status deployment/web");
    run(&mut cluster, "kubectl expose deployment web --port=80 --target-port=8080");
    let overrides = r#"{"spec": {"nodeName": "node-1"}}"#;
    run(&mut cluster, &format!("kubectl run client --image=curlimages/curl --overrides='{overrides}' -- sleep 100000"));
    run(&mut cluster, "kubectl wait --for=condition=Ready pod/client");
    cluster.advance(Duration::from_secs(2), u64::MAX);
    cluster
}

/// What a command gives that must succeed.
fn run(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, LIMIT);
    assert_eq!(result.exit_code, 0, "{line}: {}{}", result.stdout, result.stderr);
    result.stdout
}

fn apply(cluster: &mut Cluster, text: &str) {
    cluster.terminal_mut().files_mut().write("apply.yaml", text).expect("the file is small");
    run(cluster, "kubectl apply -f apply.yaml");
    cluster.advance(Duration::from_secs(2), u64::MAX);
}

fn curl(cluster: &mut Cluster, arguments: &str) -> CommandResult {
    cluster.run_line(&format!("kubectl exec client -- curl -s {arguments}"), LIMIT)
}

/// The status that a server answers with.
fn status(cluster: &mut Cluster, arguments: &str) -> String {
    let result = curl(cluster, &format!("-o /dev/null -w '%{{http_code}}' {arguments}"));
    assert_eq!(result.exit_code, 0, "{arguments}: {}{}", result.stdout, result.stderr);
    result.stdout
}

#[test]
fn the_api_server_answers_containers() {
    let mut cluster = cluster(ClusterConfig::with_nodes(2), 1);
    let slices = run(&mut cluster, "kubectl get endpointslices kubernetes -o jsonpath='{.endpoints[0].addresses[0]}:{.ports[0].port}'");
    assert_eq!(slices.trim_matches('\''), "172.18.255.2:6443");
    let version = curl(&mut cluster, "-k https://kubernetes.default/version");
    assert!(version.stdout.contains("\"gitVersion\": \"v1."), "{}{}", version.stdout, version.stderr);
    let unbelieved = curl(&mut cluster, "https://kubernetes.default/version");
    assert_eq!((unbelieved.exit_code, unbelieved.stderr.contains("curl: (60) SSL certificate problem")), (60, true));
    let plain = curl(&mut cluster, "http://172.18.255.2:6443/version");
    assert_eq!(plain.stdout, "Client sent an HTTP request to an HTTPS server.\n");
    // Who shows nothing is anonymous, who shows a bad token is nobody.
    let pods = "https://kubernetes.default.svc/api/v1/namespaces/default/pods";
    let anonymous = curl(&mut cluster, &format!("-k {pods}")).stdout;
    assert!(anonymous.contains("User \\\"system:anonymous\\\" cannot list resource \\\"pods\\\""), "{anonymous}");
    assert_eq!(status(&mut cluster, &format!("-k {pods}")), "403");
    assert_eq!(status(&mut cluster, &format!("-k -H 'Authorization: Bearer bad' {pods}")), "401");
    let token = run(&mut cluster, "kubectl create token default");
    let bearer = format!("-H 'Authorization: Bearer {}'", token.trim());
    assert_eq!(status(&mut cluster, &format!("-k {bearer} {pods}")), "403");
    run(&mut cluster, "kubectl create rolebinding view --clusterrole=view --serviceaccount=default:default");
    let listed = curl(&mut cluster, &format!("-k {bearer} '{pods}?labelSelector=run%3Dclient'")).stdout;
    assert!(listed.contains("\"kind\": \"PodList\"") && listed.contains("\"name\": \"client\"") && !listed.contains("\"name\": \"web-"));
}

#[test]
fn an_ingress_leads_to_endpoints() {
    let mut cluster = cluster(ClusterConfig { ingress_controller: true, ..ClusterConfig::with_nodes(2) }, 2);
    let rules = "rules: [{host: shop.example, http: {paths: [\
                 {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}, \
                 {path: /none, pathType: Exact, backend: {service: {name: none, port: {number: 80}}}}]}}]";
    let ingress = |name: &str, class: &str| {
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{name: {name}}}, spec: {{ingressClassName: {class}, {rules}}}}}\n"
        )
    };
    apply(&mut cluster, &ingress("other", "traefik"));
    let to = "http://172.18.255.200";
    assert_eq!(status(&mut cluster, &format!("-H 'Host: shop.example' {to}/hostname")), "404", "nobody acts on the class");
    apply(&mut cluster, &ingress("shop", "nginx"));
    let listed = run(&mut cluster, "kubectl get ingress");
    let address = |name: &str| listed.lines().any(|line| line.starts_with(name) && line.contains("172.18.255.200"));
    assert!(address("shop") && !address("other"), "{listed}");
    let names: std::collections::BTreeSet<String> =
        (0..4).map(|_| curl(&mut cluster, &format!("-H 'Host: shop.example' {to}/hostname")).stdout).collect();
    assert!(names.len() == 2 && names.iter().all(|name| name.starts_with("web-")), "{names:?}");
    let client = curl(&mut cluster, &format!("-H 'Host: shop.example' '{to}/header?key=X-Forwarded-For'")).stdout;
    let pod_ip = run(&mut cluster, "kubectl get pod client -o jsonpath={.status.podIP}");
    assert_eq!(client, pod_ip.trim());
    assert_eq!(status(&mut cluster, &format!("-H 'Host: other.example' {to}/")), "404");
    assert_eq!(status(&mut cluster, &format!("-H 'Host: shop.example' {to}/none")), "503");
    run(&mut cluster, "kubectl scale deployment web --replicas=0");
    cluster.advance(Duration::from_secs(60), u64::MAX);
    assert_eq!(status(&mut cluster, &format!("-H 'Host: shop.example' {to}/")), "503");
}

#[test]
fn an_ingress_with_a_certificate_speaks_tls() {
    let mut cluster = cluster(ClusterConfig { ingress_controller: true, ..ClusterConfig::with_nodes(1) }, 1);
    apply(
        &mut cluster,
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: shop}, spec: {ingressClassName: nginx, \
         tls: [{hosts: [shop.example], secretName: cert}], rules: [{host: shop.example, http: {paths: [\
         {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}}\n",
    );
    let host = "-H 'Host: shop.example'";
    assert_eq!(status(&mut cluster, &format!("{host} http://172.18.255.200/hostname")), "308");
    assert!(curl(&mut cluster, &format!("-k {host} https://172.18.255.200/hostname")).stdout.starts_with("web-"));
    assert_eq!(curl(&mut cluster, &format!("{host} https://172.18.255.200/hostname")).exit_code, 60);
}

/// Where nodes answer for the Service `web`.
fn health_check_port(cluster: &Cluster) -> Option<i32> {
    let mut services = cluster.objects().filter_map(|object| object.as_kind::<Service>());
    services.find(|service| service.metadata.name == "web")?.spec.health_check_node_port
}

#[test]
fn nodes_tell_load_balancers_whether_they_have_endpoints() {
    let mut cluster = cluster(ClusterConfig::with_nodes(2), 1);
    run(&mut cluster, "kubectl patch service web -p '{\"spec\":{\"type\":\"LoadBalancer\",\"externalTrafficPolicy\":\"Local\"}}'");
    cluster.advance(Duration::from_secs(2), u64::MAX);
    let port = health_check_port(&cluster).expect("the API server gives it one");
    assert!((30_000..32_768).contains(&port), "{port}");
    let nodes: Vec<(String, String)> = cluster
        .objects()
        .filter_map(|object| object.as_kind::<Node>())
        .map(|node| (node.metadata.name.clone(), node.status.addresses[0].address.clone()))
        .collect();
    let of_pod = run(&mut cluster, "kubectl get pods -l app=web -o jsonpath='{.items[0].spec.nodeName}'");
    for (name, ip) in nodes {
        let (status, count) = if of_pod.contains(&name) { ("200", 1) } else { ("503", 0) };
        assert_eq!(self::status(&mut cluster, &format!("http://{ip}:{port}/")), status, "{name}");
        assert!(curl(&mut cluster, &format!("http://{ip}:{port}/")).stdout.contains(&format!("\"localEndpoints\": {count}")));
    }
    run(&mut cluster, "kubectl patch service web -p '{\"spec\":{\"externalTrafficPolicy\":\"Cluster\"}}'");
    assert_eq!(health_check_port(&cluster), None);
}

#[test]
fn dns_that_is_gone_and_dns_that_fails_look_different() {
    let mut cluster = cluster(ClusterConfig::with_nodes(1), 1);
    let lookup = |cluster: &mut Cluster| cluster.run_line("kubectl exec client -- nslookup web", LIMIT).stdout;
    assert!(lookup(&mut cluster).contains("Name:\tweb.default.svc.cluster.local"));
    for (fault, said) in [
        (Fault::DnsServfail, "** server can't find web.default.svc.cluster.local: SERVFAIL"),
        (Fault::Crash("coredns".to_owned()), ";; connection timed out; no servers could be reached"),
    ] {
        cluster.inject(&fault).expect("the cluster has DNS");
        let text = lookup(&mut cluster);
        assert!(text.contains(said), "{fault}: {text}");
        cluster.heal(&fault).expect("the fault is there");
        assert!(lookup(&mut cluster).contains("Name:\tweb.default.svc.cluster.local"), "{fault}");
    }
}

#[test]
fn the_rules_of_a_killed_kube_proxy_go_stale() {
    let mut cluster = cluster(ClusterConfig::with_nodes(2), 1);
    assert!(curl(&mut cluster, "http://web/hostname").stdout.starts_with("web-"));
    let fault = Fault::Crash("kube-proxy/node-1".to_owned());
    cluster.inject(&fault).expect("there is such a part");
    assert!(curl(&mut cluster, "http://web/hostname").stdout.starts_with("web-"), "the rules are still there");
    // The Pod is replaced: the rules lead to one that is gone.
    run(&mut cluster, "kubectl delete pod -l app=web");
    run(&mut cluster, "kubectl rollout status deployment/web");
    cluster.advance(Duration::from_secs(5), u64::MAX);
    let stale = curl(&mut cluster, "-m 3 http://web/hostname");
    assert_ne!(stale.exit_code, 0, "{}", stale.stdout);
    cluster.heal(&fault).expect("the fault is there");
    cluster.advance(Duration::from_secs(2), u64::MAX);
    assert!(curl(&mut cluster, "http://web/hostname").stdout.starts_with("web-"));
}

#[test]
fn lost_packets_slow_connections_down_and_lose_questions() {
    let mut cluster = cluster(ClusterConfig::with_nodes(2), 1);
    assert!(curl(&mut cluster, "http://web/hostname").stdout.starts_with("web-"));
    let all = Fault::DropPackets("node-1".to_owned(), "coredns".to_owned(), 100);
    cluster.inject(&all).expect("there are such parts");
    assert_eq!(curl(&mut cluster, "http://web/hostname").exit_code, 6, "no name is resolved");
    let lost = cluster.trace().iter().any(|event| event.what.to_string().contains("dropped: lost between node-1 and coredns"));
    assert!(lost, "the trace says where");
    cluster.heal(&all).expect("the fault is there");
    assert!(curl(&mut cluster, "http://web/hostname").stdout.starts_with("web-"));
    let nobody = Fault::DropPackets("node-1".to_owned(), "node-9".to_owned(), 5);
    assert!(cluster.inject(&nobody).unwrap_err().to_string().starts_with("the cluster has no \"node-9\""));
}

#[test]
fn coredns_can_run_in_pods_behind_kube_dns() {
    let mut cluster = cluster(ClusterConfig { core_dns: true, ..ClusterConfig::with_nodes(2) }, 1);
    run(&mut cluster, "kubectl rollout status -n kube-system deployment/coredns");
    cluster.advance(Duration::from_secs(2), u64::MAX);
    assert!(run(&mut cluster, "kubectl get service -n kube-system kube-dns").contains("10.96.0.10"));
    assert!(curl(&mut cluster, "http://web/hostname").stdout.starts_with("web-"));
    assert_eq!(curl(&mut cluster, "http://nobody/").exit_code, 6);
    let through = cluster.trace().iter().any(|event| event.what.to_string().contains("arrived at Pod kube-system/coredns-"));
    assert!(through, "a question goes to a Pod");
    run(&mut cluster, "kubectl scale -n kube-system deployment/coredns --replicas=0");
    cluster.advance(Duration::from_secs(60), u64::MAX);
    assert_eq!(curl(&mut cluster, "http://web/hostname").exit_code, 6, "nobody answers questions");
}

#[test]
fn a_port_of_the_node_leads_to_the_pod_that_has_it() {
    let mut cluster = cluster(ClusterConfig::with_nodes(2), 1);
    let port = r#"{"containerPort": 8080, "hostPort": 8081}"#;
    let pod = |node: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: edge}}, spec: {{nodeName: {node}, containers: [{{name: edge, \
             image: registry.k8s.io/e2e-test-images/agnhost:2.53, args: [netexec, --http-port=8080], ports: [{port}]}}]}}}}\n"
        )
    };
    // `client` is on node-1.
    for node in ["node-2", "node-1"] {
        apply(&mut cluster, &pod(node));
        run(&mut cluster, "kubectl wait --for=condition=Ready pod/edge");
        let host = run(&mut cluster, "kubectl get pod edge -o jsonpath={.status.hostIP}");
        assert_eq!(curl(&mut cluster, &format!("http://{host}:8081/hostname")).stdout, "edge", "on {node}");
        assert_eq!(curl(&mut cluster, &format!("http://{host}:8080/hostname")).exit_code, 7, "only the mapped port is open");
        let deny = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny}, spec: {podSelector: {}, policyTypes: [Ingress]}}\n";
        apply(&mut cluster, deny);
        assert_eq!(curl(&mut cluster, &format!("-m 3 http://{host}:8081/hostname")).exit_code, 28, "policies count on {node}");
        run(&mut cluster, "kubectl delete networkpolicy deny");
        run(&mut cluster, "kubectl delete pod edge --now");
        assert_eq!(curl(&mut cluster, &format!("http://{host}:8081/hostname")).exit_code, 7);
    }
}
