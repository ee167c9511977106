//! The modes of kube-proxy agree on where packets go, and their rules are named and printed as upstream's; and the real tools take them.

use network::addr::{IpFamily, Packet, Protocol};
use network::netfilter::text;
use network::netfilter::walk::{HostAddresses, Verdict, Walk, explore};
use network::proxy::{LocalTrafficDetector, ProxyConfig, ProxyState};
use network::{iptables, nftables};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};

fn config() -> ProxyConfig {
    let detector = LocalTrafficDetector::Cidr("10.244.0.0/16".parse().expect("the text is right"));
    ProxyConfig { local_detector: detector, ..ProxyConfig::new(IpFamily::V4, "here", IpAddr::from([192, 168, 0, 2])) }
}

fn slice(service: &str, endpoints: &[(&str, &str)]) -> Value {
    let endpoints: Vec<Value> = endpoints.iter().map(|(ip, node)| json!({"addresses": [ip], "nodeName": node})).collect();
    json!({
        "metadata": {"name": format!("{service}-1"), "namespace": "ns", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints,
    })
}

/// Services of all kinds: `plain`, `local` (both policies), `ranged` (a load balancer for few), `empty` and `elsewhere`.
fn state() -> ProxyState {
    let service = |name: &str, number: u8, spec: Value| {
        let mut merged = json!({"clusterIP": format!("10.96.0.{number}"), "ports": [{"name": "http", "port": 80, "nodePort": 30000 + u32::from(number)}]});
        merged.as_object_mut().expect("the text is right").extend(spec.as_object().expect("the text is right").clone());
        let status = json!({"loadBalancer": {"ingress": [{"ip": format!("1.2.3.{number}")}]}});
        api::json::decode(json!({"metadata": {"name": name, "namespace": "ns"}, "spec": merged, "status": status}))
            .expect("the text is right")
    };
    let local = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Local"});
    let services = [
        service("plain", 1, json!({"type": "LoadBalancer", "sessionAffinity": "ClientIP"})),
        service("local", 2, local.clone()),
        service("ranged", 3, json!({"type": "LoadBalancer", "loadBalancerSourceRanges": ["203.0.113.0/25"], "externalIPs": ["192.0.2.7"]})),
        service("empty", 4, json!({"type": "LoadBalancer"})),
        service("elsewhere", 5, local),
    ];
    let both = [("10.244.0.5", "here"), ("10.244.1.5", "there")];
    let slices = [slice("plain", &both), slice("local", &both), slice("ranged", &both), slice("elsewhere", &both[1..])];
    let slices = slices.map(|slice| api::json::decode(slice).expect("the text is right"));
    ProxyState::build(&config(), &services, &slices)
}

/// All that can become of a packet, in words.
fn outcomes(walks: &[Walk]) -> BTreeSet<String> {
    let words = |walk: &Walk| match walk.verdict {
        Verdict::Accept | Verdict::Policy => format!("{:?} masqueraded={}", walk.dnat, walk.masqueraded),
        verdict => format!("{verdict:?}"),
    };
    walks.iter().map(words).collect()
}

#[test]
fn iptables_and_nftables_send_packets_the_same_way() {
    let (config, state) = (config(), state());
    let (rules, table) = (iptables::build(&config, &state), nftables::build(&config, &state));
    let host = HostAddresses { local: config.node_ips.iter().copied().collect(), egress: config.node_ip() };
    let mut seen = BTreeSet::new();
    for source in ["10.244.0.9", "10.244.0.5", "192.168.0.2", "203.0.113.9", "203.0.113.200"] {
        for number in 1..=5 {
            let node_port = format!("192.168.0.2:{}", 30_000 + number);
            for destination in [format!("10.96.0.{number}:80"), format!("1.2.3.{number}:80"), node_port, "192.0.2.7:80".to_owned()] {
                let source = SocketAddr::new(source.parse().unwrap(), 40_000);
                let packet = Packet { protocol: Protocol::Tcp, source, destination: destination.parse().unwrap() };
                let by_rules = outcomes(&explore(&rules, &host, packet));
                let by_table = outcomes(&table.explore(&host, packet));
                // What a node itself sends to an external address without endpoints passes in mode iptables: KUBE-EXTERNAL-SERVICES is
                // not called in OUTPUT.
                let external = !destination.starts_with("10.") && !destination.starts_with("192.168.");
                let unguarded = external && host.is_local(source.ip()) && (by_table.contains("Reject") || by_table.contains("Drop"));
                if unguarded && by_rules.iter().all(|words| words.starts_with("None")) {
                    continue;
                }
                assert_eq!(by_rules, by_table, "{packet}");
                seen.extend(by_rules.into_iter().map(|words| words.split('.').next().unwrap_or("").to_owned()));
            }
        }
    }
    assert!(seen.len() >= 3, "packets pass, vanish and are refused: {seen:?}");
}

#[test]
fn what_is_walked_is_what_is_printed() {
    let (config, state) = (config(), state());
    let saved = text::save(&iptables::build(&config, &state));
    assert_eq!(text::save(&text::restore(IpFamily::V4, &saved).unwrap()), saved);
    for line in [
        "-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
        "-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment \"ns/plain:http cluster IP\" -m tcp --dport 80 -j KUBE-SVC-",
        "-A KUBE-SERVICES -d 1.2.3.3/32 -p tcp -m comment --comment \"ns/ranged:http loadbalancer IP\" -m tcp --dport 80 -j KUBE-FW-",
        "-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment \"ns/elsewhere:http has no local endpoints\" -m addrtype --dst-type LOCAL -m tcp --dport 30005 -j DROP",
        "-A KUBE-SERVICES -d 10.96.0.4/32 -p tcp -m comment --comment \"ns/empty:http has no endpoints\" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable",
        "-m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-",
        "-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully",
    ] {
        assert!(saved.contains(line), "{line} is not in\n{saved}");
    }
}

#[test]
fn nftables_names_are_those_of_kube_proxy() {
    // From the enhancement's own example of a Service `ns1/svc1`.
    let name = network::proxy::ServicePortName {
        namespace: "ns1".to_owned(),
        name: "svc1".to_owned(),
        port: "p80".to_owned(),
        protocol: Protocol::Tcp,
    };
    assert_eq!(&*nftables::service_name("service-", &name), "service-ULMVA6XW-ns1/svc1/tcp/p80");
    let endpoint = "10.180.0.1:80".parse().unwrap();
    assert_eq!(&*nftables::endpoint_name("endpoint-", &name, endpoint), "endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80");
    let listed = nftables::list_ruleset(&nftables::build(&config(), &state()));
    for line in [
        "\t\ttype nat hook prerouting priority dstnat; policy accept;",
        "\t\tip daddr . meta l4proto . th dport vmap @service-ips",
        "10.96.0.4 . tcp . 80 comment \"ns/empty:http\" : goto reject-chain",
        "tcp . 30005 comment \"ns/elsewhere:http\" : drop",
        "numgen random mod 2 vmap { 0 : goto endpoint-",
    ] {
        assert!(listed.contains(line), "{line} is not in\n{listed}");
    }
}

/// Gives a text to a tool; `None` when the tool is not installed or may not be used here.
fn accepted(tool: &str, args: &[&str], text: &str) -> Option<bool> {
    let mut child = Command::new(tool).args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok()?;
    child.stdin.take()?.write_all(text.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if error.contains("Permission denied") || error.contains("Operation not permitted") || error.contains("Failed to initialize") {
        return None;
    }
    eprintln!("{error}");
    Some(output.status.success())
}

#[test]
fn iptables_restore_takes_the_rules() {
    for localhost_node_ports in [true, false] {
        let config = ProxyConfig { localhost_node_ports, ..config() };
        let text = text::save(&iptables::build(&config, &state()));
        match accepted("iptables-restore", &["--test"], &text) {
            Some(accepted) => assert!(accepted, "iptables-restore --test refuses:\n{text}"),
            None => eprintln!("skipped: iptables-restore is not installed, or not allowed here"),
        }
    }
}

#[test]
fn nft_takes_the_table() {
    let text = nftables::list_ruleset(&nftables::build(&config(), &state()));
    match accepted("nft", &["-c", "-f", "-"], &text) {
        Some(accepted) => assert!(accepted, "nft -c refuses:\n{text}"),
        None => eprintln!("skipped: nft is not installed, or not allowed here"),
    }
}
