//! The Gateway API as a learner meets it: an entrance, routes with weights, hosts and headers, and references to other namespaces.

use cluster::{Cluster, ClusterConfig, CommandResult};
use std::collections::BTreeMap;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(600);

/// A cluster with the Services `one` and `two`, whose Pods tell their names, and a Pod `client` that has `curl`.
fn cluster() -> Cluster {
    let config = ClusterConfig { gateway_controller: true, ..ClusterConfig::with_nodes(2) };
    let mut cluster = Cluster::booted(&config).expect("the configuration is right");
    let image = "registry.k8s.io/e2e-test-images/agnhost:2.53";
    for name in ["one", "two"] {
        run(&mut cluster, &format!("kubectl create deployment {name} --image={image} -- /agnhost netexec --http-port=8080"));
        run(&mut cluster, &format!("kubectl expose deployment {name} --port=80 --target-port=8080"));
        run(&mut cluster, &format!("kubectl rollout status deployment/{name}"));
    }
    run(&mut cluster, "kubectl run client --image=curlimages/curl -- sleep 100000");
    run(&mut cluster, "kubectl wait --for=condition=Ready pod/client");
    apply(&mut cluster, GATEWAY);
    cluster
}

const GATEWAY: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: nginx
  listeners:
  - {name: http, port: 80, protocol: HTTP}
";

/// A route to `edge` with these fields of its spec.
fn route(name: &str, namespace: &str, fields: &str) -> String {
    let gateway = "{name: edge, namespace: default}";
    format!(
        "{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: {name}, namespace: {namespace}}}, \
         spec: {{parentRefs: [{gateway}], {fields}}}}}\n"
    )
}

/// What a command gives that must succeed.
fn run(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, LIMIT);
    assert_eq!(result.exit_code, 0, "{line}: {}{}", result.stdout, result.stderr);
    result.stdout
}

fn apply(cluster: &mut Cluster, text: &str) {
    cluster.terminal_mut().files_mut().write("apply.yaml", text).expect("the file is small");
    let result = cluster.run_line("kubectl apply -f apply.yaml", LIMIT);
    assert_eq!((result.exit_code, result.stderr.as_str()), (0, ""), "{}", result.stdout);
    cluster.advance(Duration::from_secs(3), u64::MAX);
}

fn curl(cluster: &mut Cluster, arguments: &str) -> CommandResult {
    cluster.run_line(&format!("kubectl exec client -- curl -s {arguments}"), LIMIT)
}

/// The Deployment whose Pod answers, or the status.
fn answers(cluster: &mut Cluster, host: &str, arguments: &str) -> String {
    let arguments = format!("-w ' %{{http_code}}' -H 'Host: {host}' {arguments}");
    let result = curl(cluster, &arguments);
    assert_eq!(result.exit_code, 0, "{arguments}: {}{}", result.stdout, result.stderr);
    let (body, status) = result.stdout.rsplit_once(' ').expect("a status");
    if status == "200" { body.split('-').next().unwrap_or_default().to_owned() } else { status.to_owned() }
}

#[test]
fn the_kinds_are_shown_as_upstream_shows_them() {
    let mut cluster = cluster();
    apply(&mut cluster, &route("shop", "default", "hostnames: [shop.example], rules: [{backendRefs: [{name: one, port: 80}]}]"));
    let columns = |cluster: &mut Cluster, line: &str| -> Vec<Vec<String>> {
        run(cluster, line).lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let classes = columns(&mut cluster, "kubectl get gc");
    assert_eq!(classes[0], ["NAME", "CONTROLLER", "ACCEPTED", "AGE"]);
    assert_eq!(classes[1][..3], ["nginx", "gateway.nginx.org/nginx-gateway-controller", "True"]);
    let gateways = columns(&mut cluster, "kubectl get gtw");
    assert_eq!(gateways[0], ["NAME", "CLASS", "ADDRESS", "PROGRAMMED", "AGE"]);
    assert_eq!(gateways[1][..4], ["edge", "nginx", "172.18.255.201", "True"]);
    let routes = columns(&mut cluster, "kubectl get httproute");
    assert_eq!((routes[0].join(" ").as_str(), routes[1][1].as_str()), ("NAME HOSTNAMES AGE", "[\"shop.example\"]"));
    let status = run(&mut cluster, "kubectl get httproute shop -o jsonpath='{.status.parents[0].conditions[*].reason}'");
    assert_eq!(status.trim_matches('\''), "Accepted ResolvedRefs");
    let attached = run(&mut cluster, "kubectl get gateway edge -o jsonpath='{.status.listeners[0].attachedRoutes}'");
    assert_eq!(attached.trim_matches('\''), "1");
    run(&mut cluster, "kubectl delete httproute shop");
    cluster.advance(Duration::from_secs(3), u64::MAX);
    let attached = run(&mut cluster, "kubectl get gateway edge -o jsonpath='{.status.listeners[0].attachedRoutes}'");
    assert_eq!(attached.trim_matches('\''), "0");
}

#[test]
fn what_is_wrong_with_a_gateway_is_told() {
    let mut cluster = cluster();
    let wrong = GATEWAY.replace("HTTP}", "HTTP, tls: {certificateRefs: [{name: cert}]}}");
    cluster.terminal_mut().files_mut().write("wrong.yaml", wrong).expect("the file is small");
    let refused = cluster.run_line("kubectl apply -f wrong.yaml", LIMIT);
    assert!(refused.stderr.contains("tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']"), "{}", refused.stderr);
    let route = route("bad", "default", "rules: [{backendRefs: [{name: one}]}]");
    cluster.terminal_mut().files_mut().write("bad.yaml", route).expect("the file is small");
    let refused = cluster.run_line("kubectl apply -f bad.yaml", LIMIT);
    assert!(refused.stderr.contains("Must have port for Service reference"), "{}", refused.stderr);
}

#[test]
fn weights_split_and_headers_pick() {
    let mut cluster = cluster();
    let rules = "hostnames: [shop.example], rules: [\
                 {matches: [{headers: [{name: version, value: two}]}], backendRefs: [{name: two, port: 80}]}, \
                 {backendRefs: [{name: one, port: 80, weight: 90}, {name: two, port: 80, weight: 10}]}]";
    apply(&mut cluster, &route("shop", "default", rules));
    let to = "http://172.18.255.201/hostname";
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..20 {
        *counts.entry(answers(&mut cluster, "shop.example", to)).or_default() += 1;
    }
    assert_eq!(counts, BTreeMap::from([("one".to_owned(), 18), ("two".to_owned(), 2)]));
    for _ in 0..3 {
        assert_eq!(answers(&mut cluster, "shop.example", &format!("-H 'Version: two' {to}")), "two");
    }
    assert_eq!(answers(&mut cluster, "other.example", to), "404");
    // The learner's own machine is on the nodes' network.
    let outside = run(&mut cluster, "curl -s -w '%{http_code}' -H 'Host: shop.example' -H 'Version: two' http://172.18.255.201/hostname");
    assert!(outside.starts_with("two-") && outside.ends_with("200"), "{outside}");
    let closed = cluster.run_line("curl http://172.18.255.201:81/", LIMIT);
    assert_eq!((closed.exit_code, closed.stderr.contains("curl: (7) Failed to connect to 172.18.255.201 port 81")), (7, true));
    let arrived = cluster.trace().iter().any(|event| event.what.to_string().contains("arrived at Gateway default/edge"));
    assert!(arrived, "the trace tells the way");
    run(&mut cluster, "kubectl scale deployment two --replicas=0");
    cluster.advance(Duration::from_secs(60), u64::MAX);
    assert_eq!(answers(&mut cluster, "shop.example", &format!("-H 'Version: two' {to}")), "503");
    run(&mut cluster, "kubectl delete service two");
    cluster.advance(Duration::from_secs(3), u64::MAX);
    assert_eq!(answers(&mut cluster, "shop.example", &format!("-H 'Version: two' {to}")), "500");
    assert_ne!(curl(&mut cluster, "http://172.18.255.201:81/").exit_code, 0, "there is no such listener");
}

#[test]
fn other_namespaces_need_permission() {
    let mut cluster = cluster();
    run(&mut cluster, "kubectl create namespace shop");
    let backend = "rules: [{backendRefs: [{name: one, namespace: default, port: 80}]}]";
    apply(&mut cluster, &route("shop", "shop", backend));
    let to = "http://172.18.255.201/hostname";
    let reasons = |cluster: &mut Cluster| {
        let text = run(cluster, "kubectl get httproute -n shop shop -o jsonpath='{.status.parents[0].conditions[*].reason}'");
        text.trim_matches('\'').to_owned()
    };
    assert_eq!(reasons(&mut cluster), "NotAllowedByListeners RefNotPermitted");
    assert_eq!(answers(&mut cluster, "shop.example", to), "404");
    apply(&mut cluster, &GATEWAY.replace("HTTP}", "HTTP, allowedRoutes: {namespaces: {from: All}}}"));
    assert_eq!(reasons(&mut cluster), "Accepted RefNotPermitted");
    assert_eq!(answers(&mut cluster, "shop.example", to), "500");
    apply(
        &mut cluster,
        "{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, metadata: {name: shop}, spec: {\
         from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}], to: [{group: '', kind: Service}]}}\n",
    );
    assert_eq!(reasons(&mut cluster), "Accepted ResolvedRefs");
    assert_eq!(answers(&mut cluster, "shop.example", to), "one");
}

#[test]
fn filters_change_requests_and_answers() {
    let mut cluster = cluster();
    let rules = "rules: [\
        {matches: [{path: {value: /old}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}, \
        {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Color, value: blue}]}}, \
        {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: X-Edge, value: 'yes'}]}}], backendRefs: [{name: one, port: 80}]}, \
        {matches: [{path: {value: /secure}}], filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]}]";
    apply(&mut cluster, &route("shop", "default", rules));
    let to = "http://172.18.255.201";
    assert_eq!(curl(&mut cluster, &format!("'{to}/old/header?key=color'")).stdout, "blue");
    let head = curl(&mut cluster, &format!("-i {to}/old/hostname")).stdout;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nX-Edge: yes\r\n"), "{head}");
    let moved =
        curl(&mut cluster, &format!("-o /dev/null -w '%{{http_code}} %{{redirect_url}}' -H 'Host: shop.example' '{to}/secure/x?y=1'"));
    assert_eq!(moved.stdout, "301 https://shop.example/secure/x?y=1");
}

#[test]
fn a_listener_with_a_certificate_speaks_tls() {
    let mut cluster = cluster();
    let listener = "HTTP}\n  - {name: https, port: 443, protocol: HTTPS, hostname: shop.example, tls: {certificateRefs: [{name: cert}]}}";
    apply(&mut cluster, &GATEWAY.replace("HTTP}", listener));
    apply(&mut cluster, &route("shop", "default", "rules: [{backendRefs: [{name: one, port: 80}]}]"));
    let to = "https://172.18.255.201/hostname";
    assert_ne!(curl(&mut cluster, &format!("-k -H 'Host: shop.example' {to}")).exit_code, 0, "there is no certificate yet");
    apply(
        &mut cluster,
        "{apiVersion: v1, kind: Secret, metadata: {name: cert}, type: kubernetes.io/tls, data: {tls.crt: Y2VydA==, tls.key: a2V5}}\n",
    );
    assert_eq!(answers(&mut cluster, "shop.example", &format!("-k {to}")), "one");
    assert_eq!(curl(&mut cluster, &format!("-H 'Host: shop.example' {to}")).exit_code, 60);
    assert_eq!(answers(&mut cluster, "other.example", &format!("-k {to}")), "404");
}
