//! What containers reach over the network: Services by name, by cluster IP, by node port, and why not.

use api::core::{Node, Pod, Service};
use cluster::{Cluster, ClusterConfig, CommandResult, ProxyMode};
use sim::{EventId, PacketHop, PacketStep, What};
use std::collections::BTreeMap;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(600);

/// A cluster with three Pods that say their names behind the Service `web`, and a Pod `client`.
fn serving(proxy_mode: ProxyMode) -> Cluster {
    let mut cluster = Cluster::booted(&ClusterConfig { proxy_mode, ..ClusterConfig::with_nodes(2) }).expect("the configuration is right");
    run(
        &mut cluster,
        "kubectl create deployment web --image=registry.k8s.io/e2e-test-images/agnhost:2.53 --replicas=3 -- /agnhost netexec --http-port=8080",
    );
    run(&mut cluster, "kubectl rollout status deployment/web");
    run(&mut cluster, "kubectl expose deployment web --port=80 --target-port=8080 --type=NodePort");
    run(&mut cluster, "kubectl run client --image=busybox:1.36 -- sleep 100000");
    run(&mut cluster, "kubectl wait --for=condition=Ready pod/client");
    cluster.advance(Duration::from_secs(2), u64::MAX);
    cluster
}

/// What a command gives that must succeed.
fn run(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, LIMIT);
    assert_eq!(result.exit_code, 0, "{line}: {}", result.stderr);
    result.stdout
}

fn in_client(cluster: &mut Cluster, command: &str) -> CommandResult {
    cluster.run_line(&format!("kubectl exec client -- {command}"), LIMIT)
}

fn service(cluster: &Cluster) -> Service {
    let mut services = cluster.objects().filter_map(|object| object.as_kind::<Service>());
    Service::clone(services.find(|service| service.metadata.name == "web").expect("the Service is there"))
}

/// Who answers how often.
fn answers(cluster: &mut Cluster, url: &str, times: usize) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for _ in 0..times {
        let result = in_client(cluster, &format!("wget -qO- {url}"));
        assert_eq!(result.exit_code, 0, "{url}: {}", result.stderr);
        *answers.entry(result.stdout).or_default() += 1;
    }
    answers
}

#[test]
fn a_service_is_reached_by_name_by_address_and_by_node_port() {
    let mut cluster = serving(ProxyMode::Iptables);
    let pods: Vec<Pod> = cluster.objects().filter_map(|object| object.as_kind::<Pod>()).map(|pod| Pod::clone(pod)).collect();
    let by_name = answers(&mut cluster, "http://web/hostname", 30);
    assert_eq!(by_name.len(), 3, "chance reaches all of them: {by_name:?}");
    assert!(by_name.keys().all(|name| pods.iter().any(|pod| pod.metadata.name == *name)), "{by_name:?}");
    let spec = service(&cluster).spec;
    answers(&mut cluster, &format!("http://{}/hostname", spec.cluster_ip), 1);
    answers(&mut cluster, "http://web.default.svc.cluster.local:80/hostname", 1);
    let node = cluster.objects().find_map(|object| object.as_kind::<Node>()).map(|node| node.status.addresses[0].address.clone()).unwrap();
    answers(&mut cluster, &format!("http://{node}:{}/hostname", spec.ports[0].node_port.unwrap()), 1);
    // Pods reach one another without any translation; the server sees the client's own address.
    let client = pods.iter().find(|pod| pod.metadata.name == "client").unwrap();
    let server = pods.iter().find(|pod| pod.metadata.name != "client").unwrap();
    let seen = in_client(&mut cluster, &format!("wget -qO- http://{}:8080/clientip", server.status.pod_ip)).stdout;
    assert!(seen.starts_with(&client.status.pod_ip), "{seen}");
}

#[test]
fn names_and_ports_that_lead_nowhere_say_why() {
    let mut cluster = serving(ProxyMode::Iptables);
    let lookup = in_client(&mut cluster, "nslookup web");
    assert!(lookup.stdout.contains("Name:\tweb.default.svc.cluster.local\nAddress: 10."), "{}", lookup.stdout);
    let unknown = in_client(&mut cluster, "wget -qO- http://nobody/");
    assert_eq!((unknown.exit_code, unknown.stderr.contains("wget: bad address 'nobody'")), (1, true), "{}", unknown.stderr);
    run(&mut cluster, "kubectl scale deployment web --replicas=0");
    cluster.advance(Duration::from_secs(60), u64::MAX);
    let ip = service(&cluster).spec.cluster_ip;
    let refused = in_client(&mut cluster, "wget -qO- http://web/");
    assert!(refused.stderr.contains(&format!("wget: can't connect to remote host ({ip}): Connection refused")), "{}", refused.stderr);
    let (before, silent) = (cluster.now(), in_client(&mut cluster, "wget -T 5 -qO- http://10.99.99.99/"));
    assert!(silent.stderr.contains("wget: download timed out"), "{}", silent.stderr);
    assert!(cluster.now().since(before) >= Duration::from_secs(5));
}

#[test]
fn the_rules_of_a_node_can_be_looked_at() {
    for (mode, command, expected) in [
        (ProxyMode::Iptables, "iptables-save -t nat", "default/web cluster IP"),
        (ProxyMode::Ipvs, "ipvsadm -Ln", "Masq    1"),
        (ProxyMode::Nftables, "nft list ruleset", "-default/web/tcp/"),
    ] {
        let mut cluster = serving(mode);
        assert_eq!(answers(&mut cluster, "http://web/hostname", 9).len(), 3);
        let text = in_client(&mut cluster, command).stdout;
        let ip = service(&cluster).spec.cluster_ip;
        assert!(text.contains(expected) && text.contains(&ip), "{text}");
        let connections = in_client(&mut cluster, "conntrack -L").stdout;
        assert!(connections.contains(&format!("dst={ip}")), "{connections}");
    }
}

/// The hops of the connections that began after an event, connection by connection, in a word each.
fn ways(cluster: &Cluster, after: EventId) -> Vec<Vec<String>> {
    let mut ways: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for event in cluster.trace().after(after) {
        let What::Packet(hop) = &event.what else { continue };
        let word = match &hop.step {
            PacketStep::Sent { asks, .. } => format!("sent {asks}"),
            PacketStep::Routed(routing) => format!("routed{}", if routing.dnat.is_some() { " dnat" } else { "" }),
            PacketStep::Allowed { isolation } => format!("allowed {} {:?}", isolation.direction, isolation.policies),
            PacketStep::Forwarded { from, to } => format!("{from} to {to}"),
            PacketStep::Arrived { at } => format!("arrived {}", at.kind),
            PacketStep::Answered { with } => format!("answered {with}"),
            PacketStep::Refused { reason } => format!("refused {reason}"),
            PacketStep::Dropped { reason, isolation: None } => format!("dropped {reason}"),
            PacketStep::Dropped { isolation: Some(isolation), .. } => format!("dropped {} {:?}", isolation.direction, isolation.policies),
            PacketStep::TimedOut { .. } => "timed out".to_owned(),
        };
        ways.entry(hop.connection).or_default().push(word);
    }
    ways.into_values().collect()
}

#[test]
fn a_packets_way_is_told_hop_by_hop() {
    for (mode, routed) in [(ProxyMode::Iptables, "KUBE-SVC-"), (ProxyMode::Ipvs, "rr"), (ProxyMode::Nftables, "service-")] {
        let mut cluster = serving(mode);
        let start = cluster.trace().last_id();
        answers(&mut cluster, "http://web/hostname", 1);
        let ways = ways(&cluster, start);
        let [dns, http] = &ways[..] else { panic!("{ways:?}") };
        assert_eq!(dns.first().map(String::as_str), Some("sent DNS A web.default.svc.cluster.local"), "{dns:?}");
        assert!(dns.last().is_some_and(|hop| hop.starts_with("answered DNS 10.")), "{dns:?}");
        assert_eq!((http[0].as_str(), http[1].as_str()), ("sent GET http://web/hostname", "routed dnat"));
        assert_eq!(http[http.len() - 2..], ["arrived Pod", "answered HTTP 200"]);
        // Every hop is the consequence of the one before.
        let trace = cluster.trace();
        let last = trace.iter().rfind(|event| matches!(&event.what, What::Packet(hop) if matches!(hop.step, PacketStep::Answered { .. })));
        let why: Vec<_> = trace.why(last.unwrap().id).take(http.len()).map(|event| event.what.clone()).collect();
        assert!(matches!(why.last(), Some(What::Packet(hop)) if matches!(hop.step, PacketStep::Sent { .. })), "{why:?}");
        let routing = why.iter().find_map(|what| match what {
            What::Packet(hop) => {
                if let PacketStep::Routed(routing) = &hop.step {
                    Some(routing)
                } else {
                    None
                }
            }
            _ => None,
        });
        let text = serde_json::to_string(routing.unwrap()).unwrap();
        assert!(text.contains(routed), "{text}");
        // A view reads what the trace writes.
        let data = serde_json::to_value(why.last().unwrap()).unwrap();
        let hop: PacketHop = serde_json::from_value(data).unwrap();
        assert!(matches!(hop.step, PacketStep::Sent { pod: Some(pod), .. } if &*pod.name == "client"));
    }
}

/// Puts a policy into namespace `default`, and gives agents the time to learn of it.
fn apply(cluster: &mut Cluster, name: &str, spec: &str) {
    let text = format!("{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}}}, spec: {spec}}}\n");
    cluster.terminal_mut().files_mut().write(&format!("{name}.yaml"), &text).expect("the file is small");
    run(cluster, &format!("kubectl apply -f {name}.yaml"));
    cluster.advance(Duration::from_secs(1), u64::MAX);
}

#[test]
fn network_policies_drop_what_they_do_not_allow() {
    let mut cluster = serving(ProxyMode::Iptables);
    answers(&mut cluster, "http://web/hostname", 1);
    apply(&mut cluster, "closed", "{podSelector: {matchLabels: {app: web}}}");
    let start = cluster.trace().last_id();
    let refused = in_client(&mut cluster, "wget -T 3 -qO- http://web/hostname");
    assert_eq!((refused.exit_code, refused.stderr.contains("wget: download timed out")), (1, true), "{}", refused.stderr);
    let told = ways(&cluster, start).pop().unwrap();
    assert_eq!(told[told.len() - 2..], ["dropped ingress [\"closed\"]", "timed out"], "{told:?}");
    // Policies add up.
    apply(
        &mut cluster,
        "from-client",
        "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {run: client}}}], ports: [{port: 8080}]}]}",
    );
    let start = cluster.trace().last_id();
    answers(&mut cluster, "http://web/hostname", 1);
    let told = ways(&cluster, start).pop().unwrap();
    assert!(told.iter().any(|hop| hop == "allowed ingress [\"from-client\"]"), "{told:?}");
    // The probes of the kubelet are not bound, so the Pods stay Ready.
    cluster.advance(Duration::from_secs(60), u64::MAX);
    assert!(run(&mut cluster, "kubectl get deployment web").contains("3/3"));
    // What may not go out does not even reach the DNS server.
    apply(&mut cluster, "no-egress", "{podSelector: {matchLabels: {run: client}}, policyTypes: [Egress]}");
    let start = cluster.trace().last_id();
    let silent = in_client(&mut cluster, "wget -T 3 -qO- http://web/hostname");
    assert!(silent.stderr.contains("wget: bad address 'web'"), "{}", silent.stderr);
    assert!(ways(&cluster, start)[0].contains(&"dropped egress [\"no-egress\"]".to_owned()));
    run(&mut cluster, "kubectl delete networkpolicy closed from-client no-egress");
    cluster.advance(Duration::from_secs(1), u64::MAX);
    answers(&mut cluster, "http://web/hostname", 1);
}
