//! Facts about kube-proxy and Ingresses (`proxy-iptables.json`, `proxy-ipvs.json`, `ingress.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `packet-flow` | `proxyConfig`, `services`, `endpointSlices`, `packet` | `verdict`, `endpoints` as a set, `masquerade` |
//! | `categorize-endpoints` | `node`, `service`, `endpointSlices` | `clusterEndpoints`, `localEndpoints`, `allEndpoints`, `hasAnyEndpoints` |
//! | `sync` | `proxyConfig`, `services`, `endpointSlices` | `virtualServers`, or `virtualServerCount` and `virtualServersInclude` |
//! | `node-ips` | `ipFamily`, `deviceAddresses` | `nodeIPs` as a set |
//! | `service-map`, `health-check-node-ports` | `services` | `servicePortCount`, `healthCheckNodePorts` |
//! | `route` | `ingresses`, `request` | `matched`, `backend` |
//!
//! A packet's flow is found by walking rules: those of mode `iptables`, as they read back from their text.

use crate::read::{bare, items, only_keys, part, text, texts, truth};
use crate::{Miss, Outcome};
use api::core::{Node, Service};
use api::discovery::EndpointSlice;
use api::json::Json;
use api::networking::Ingress;
use network::ingress::route;
use network::ipvs::{self, Scheduler};
use network::netfilter::walk::{HostAddresses, Verdict, Walk, explore};
use network::netfilter::{Ruleset, text as iptables_text};
use network::proxy::{LocalTrafficDetector, ProxyConfig, ProxyState, categorize_endpoints};
use network::{IpFamily, Packet, Protocol, iptables};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let (input, expect) = (&case["input"], &case["expect"]);
    match text("op", &case["op"])? {
        "packet-flow" => packet_flow(input, expect),
        "categorize-endpoints" => categorize(input, expect),
        "sync" => sync(input, expect),
        "node-ips" => node_ips(input, expect),
        "service-map" | "health-check-node-ports" => service_map(input, expect),
        "route" => ingress(input, expect),
        other => Err(Miss::Malformed(format!("the op {other} is not known"))),
    }
}

fn parsed<T: std::str::FromStr>(at: &str, value: &Value) -> Result<T, Miss> {
    let text = text(at, value)?;
    text.parse().map_err(|_| Miss::Malformed(format!("{at}: {text:?} cannot be read")))
}

fn list<T>(at: &str, value: &Value, read: impl Fn(&Value) -> Result<T, Miss>) -> Result<Vec<T>, Miss> {
    items(at, value)?.iter().map(read).collect()
}

fn family(value: &Value) -> Result<IpFamily, Miss> {
    match text("ipFamily", value)? {
        "" | "IPv4" => Ok(IpFamily::V4),
        "IPv6" => Ok(IpFamily::V6),
        other => Err(Miss::Malformed(format!("the family {other} is not known"))),
    }
}

fn config(value: &Value) -> Result<ProxyConfig, Miss> {
    const KEYS: &[&str] = &[
        "ipFamily",
        "nodeName",
        "nodeIPs",
        "localTrafficDetector",
        "masqueradeAll",
        "localhostNodePorts",
        "nodePortAddresses",
        "scheduler",
    ];
    only_keys("proxyConfig", value, KEYS)?;
    let family = family(&value["ipFamily"])?;
    let detector = &value["localTrafficDetector"];
    let local_detector = match text("localTrafficDetector", &detector["type"])? {
        "" | "none" => LocalTrafficDetector::None,
        "ClusterCIDR" | "NodeCIDR" => LocalTrafficDetector::Cidr(parsed("cidr", &detector["cidr"])?),
        other => return Err(Miss::Malformed(format!("the detector {other} is not known"))),
    };
    let flag = |key: &str, default: bool| if value[key].is_null() { Ok(default) } else { truth(key, &value[key]) };
    Ok(ProxyConfig {
        family,
        node_name: text("nodeName", &value["nodeName"])?.to_owned(),
        node_ips: list("nodeIPs", &value["nodeIPs"], |ip| parsed("nodeIPs", ip))?,
        local_detector,
        masquerade_all: flag("masqueradeAll", false)?,
        localhost_node_ports: flag("localhostNodePorts", true)?,
        node_port_addresses: list("nodePortAddresses", &value["nodePortAddresses"], |range| parsed("nodePortAddresses", range))?,
        ..ProxyConfig::new(family, "", IpAddr::from([0, 0, 0, 0]))
    })
}

fn state(config: &ProxyConfig, input: &Value) -> Result<ProxyState, Miss> {
    let services = list("services", &input["services"], |service| bare::<Service>("services", service))?;
    let slices = list("endpointSlices", &input["endpointSlices"], |slice| bare::<EndpointSlice>("endpointSlices", slice))?;
    Ok(ProxyState::build(config, &services, &slices))
}

fn packet_flow(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &["proxyConfig", "services", "endpointSlices", "packet"])?;
    only_keys("expect", expect, &["verdict", "endpoints", "masquerade"])?;
    let config = config(&input["proxyConfig"])?;
    let state = state(&config, input)?;
    let packet = &input["packet"];
    only_keys("packet", packet, &["sourceIP", "protocol", "destIP", "destPort", "sourcePort"])?;
    let protocol = Protocol::parse(text("protocol", &packet["protocol"])?).ok_or_else(|| Miss::Malformed("no such protocol".to_owned()))?;
    let port = packet["destPort"].as_u64().and_then(|port| u16::try_from(port).ok());
    let packet = Packet {
        protocol,
        source: SocketAddr::new(parsed("sourceIP", &packet["sourceIP"])?, 40_000),
        destination: SocketAddr::new(parsed("destIP", &packet["destIP"])?, port.ok_or_else(|| Miss::Malformed("no destPort".to_owned()))?),
    };
    let host = HostAddresses { local: config.node_ips.iter().copied().collect(), egress: config.node_ip() };
    let text = iptables_text::save(&iptables::build(&config, &state));
    let rules: Ruleset =
        iptables_text::restore(config.family, &text).map_err(|error| Miss::failed("the text of the rules", "rules", error))?;
    judge_flow("iptables", &explore(&rules, &host, packet), expect)
}

/// Compares all ways that a packet could take with the expectation.
fn judge_flow(mode: &str, walks: &[Walk], expect: &Value) -> Outcome {
    let verdicts: BTreeSet<&str> = walks
        .iter()
        .map(|walk| match walk.verdict {
            Verdict::Reject => "REJECT",
            Verdict::Drop => "DROP",
            _ if walk.dnat.is_some() => "DNAT",
            Verdict::Accept => "ACCEPT",
            Verdict::Policy => "NO_MATCH",
        })
        .collect();
    Miss::unless_equal(format!("{mode}: verdict"), &BTreeSet::from([text("verdict", &expect["verdict"])?]), &verdicts)?;
    let expected: BTreeSet<String> = texts("endpoints", &expect["endpoints"])?.into_iter().collect();
    let found: BTreeSet<String> = walks.iter().filter_map(|walk| walk.dnat.map(|to| to.to_string())).collect();
    Miss::unless_equal(format!("{mode}: endpoints"), &expected, &found)?;
    if expect["masquerade"].is_null() {
        return Ok(());
    }
    let masquerade = truth("masquerade", &expect["masquerade"])?;
    let found: BTreeSet<bool> = walks.iter().map(|walk| walk.masqueraded).collect();
    Miss::unless_equal(format!("{mode}: masquerade"), &BTreeSet::from([masquerade]), &found)
}

fn categorize(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &["node", "service", "endpointSlices", "proxyConfig"])?;
    only_keys("expect", expect, &["clusterEndpoints", "localEndpoints", "allEndpoints", "hasAnyEndpoints"])?;
    let node: Node = bare("node", &input["node"])?;
    let mut config = ProxyConfig::new(IpFamily::V4, node.metadata.name.clone(), IpAddr::from([192, 168, 0, 1]));
    config.node_labels = node.metadata.labels;
    let input = json!({"services": [input["service"]], "endpointSlices": input["endpointSlices"]});
    let state = state(&config, &input)?;
    let (name, port) = state.services.first_key_value().ok_or_else(|| Miss::Malformed("the service has no port".to_owned()))?;
    let found = categorize_endpoints(state.endpoints(name), port, &config);
    let set = |list: &[&network::proxy::Endpoint]| list.iter().map(|endpoint| endpoint.address.to_string()).collect::<BTreeSet<_>>();
    let expected = |key: &str| match &expect[key] {
        Value::Null => Ok(None),
        list => texts(key, list).map(|list| Some(list.into_iter().collect::<BTreeSet<_>>())),
    };
    let given = |key: &str| expect.get(key).is_some();
    if given("clusterEndpoints") {
        Miss::unless_equal("clusterEndpoints", &expected("clusterEndpoints")?, &found.cluster.as_deref().map(set))?;
    }
    if given("localEndpoints") {
        Miss::unless_equal("localEndpoints", &expected("localEndpoints")?, &found.local.as_deref().map(set))?;
    }
    if given("allEndpoints") {
        Miss::unless_equal("allEndpoints", &expected("allEndpoints")?.unwrap_or_default(), &set(&found.all))?;
    }
    if given("hasAnyEndpoints") {
        Miss::unless_equal("hasAnyEndpoints", &truth("hasAnyEndpoints", &expect["hasAnyEndpoints"])?, &found.any)?;
    }
    Ok(())
}

fn sync(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &["proxyConfig", "services", "endpointSlices"])?;
    only_keys("expect", expect, &["virtualServers", "virtualServerCount", "virtualServersInclude"])?;
    let config = config(&input["proxyConfig"])?;
    let scheduler = text("scheduler", &input["proxyConfig"]["scheduler"])?;
    let scheduler = Scheduler::parse(scheduler).ok_or_else(|| Miss::Malformed(format!("the scheduler {scheduler} is not known")))?;
    let ipvs = ipvs::build(&config, &state(&config, input)?, scheduler);
    let found: Vec<Value> = ipvs
        .servers
        .iter()
        .map(|((protocol, address), server)| {
            let real: Vec<Value> =
                server.real_servers.iter().map(|real| json!({"address": real.ip(), "port": real.port(), "weight": 1})).collect();
            let (address, port, protocol) = (address.ip(), address.port(), protocol.upper());
            json!({"address": address, "port": port, "protocol": protocol, "scheduler": server.scheduler.name(), "realServers": real})
        })
        .collect();
    if let Some(count) = expect["virtualServerCount"].as_u64() {
        Miss::unless_equal("virtualServerCount", &count, &(found.len() as u64))?;
    }
    for (key, all) in [("virtualServers", true), ("virtualServersInclude", false)] {
        let wanted = items(key, &expect[key])?;
        let wrong_count = all && !expect[key].is_null() && wanted.len() != found.len();
        if wrong_count || wanted.iter().any(|server| !is_among(server, &found)) {
            return Err(Miss::failed(key, &expect[key], Value::from(found)));
        }
    }
    Ok(())
}

/// Whether a virtual server was found that is all that the expected one says.
fn is_among(wanted: &Value, found: &[Value]) -> bool {
    let wanted = in_order(wanted);
    let fits = |server: &Value| wanted.as_object().is_some_and(|said| said.iter().all(|(key, value)| server[key.as_str()] == *value));
    found.iter().any(fits)
}

/// A virtual server with its real servers in the order of their addresses' text.
fn in_order(server: &Value) -> Value {
    let mut server = server.clone();
    if let Some(real) = server["realServers"].as_array_mut() {
        real.sort_by_key(|real| format!("{}:{}", real["address"].as_str().unwrap_or(""), real["port"]));
    }
    server
}

fn node_ips(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &["ipFamily", "deviceAddresses"])?;
    only_keys("expect", expect, &["nodeIPs"])?;
    let devices = input["deviceAddresses"].as_object().ok_or_else(|| Miss::Malformed("deviceAddresses is no object".to_owned()))?;
    let devices = devices.iter().map(|(device, ips)| Ok((device.clone(), list(device, ips, |ip| parsed(device, ip))?)));
    let devices: BTreeMap<String, Vec<IpAddr>> = devices.collect::<Result<_, Miss>>()?;
    let expected: BTreeSet<IpAddr> = list("nodeIPs", &expect["nodeIPs"], |ip| parsed("nodeIPs", ip))?.into_iter().collect();
    Miss::unless_equal("nodeIPs", &expected, &ipvs::node_ips(&devices, family(&input["ipFamily"])?))
}

fn service_map(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &["services", "proxyConfig", "endpointSlices"])?;
    only_keys("expect", expect, &["servicePortCount", "healthCheckNodePorts"])?;
    let config = match &input["proxyConfig"] {
        Value::Null => ProxyConfig::new(IpFamily::V4, "node", IpAddr::from([192, 168, 0, 1])),
        value => config(value)?,
    };
    let state = state(&config, input)?;
    if let Some(count) = expect["servicePortCount"].as_u64() {
        Miss::unless_equal("servicePortCount", &count, &(state.services.len() as u64))?;
    }
    let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (name, port) in &state.services {
        if let Some(port) = port.health_check_node_port {
            found.insert((name.namespace.clone(), name.name.clone()), u64::from(port));
        }
    }
    let expected = match &expect["healthCheckNodePorts"] {
        Value::Null => return Ok(()),
        Value::Object(by_service) => by_service.values().filter_map(Value::as_u64).collect(),
        other => list("healthCheckNodePorts", other, |entry| {
            let named = ["port", "healthCheckNodePort", "nodePort"].iter().find_map(|key| entry[*key].as_u64());
            entry.as_u64().or(named).ok_or_else(|| Miss::Malformed(format!("healthCheckNodePorts: {entry} has no port")))
        })?,
    };
    let expected: BTreeSet<u64> = expected.into_iter().collect();
    Miss::unless_equal("healthCheckNodePorts", &expected, &found.into_values().collect())
}

fn ingress(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &["ingresses", "request"])?;
    only_keys("expect", expect, &["matched", "backend"])?;
    let request = &input["request"];
    only_keys("request", request, &["host", "path"])?;
    let ingresses = list("ingresses", &input["ingresses"], |ingress| bare::<Ingress>("ingresses", ingress))?;
    let routed = route(&ingresses, text("host", &request["host"])?, text("path", &request["path"])?);
    if !expect["matched"].is_null() {
        Miss::unless_equal("matched", &truth("matched", &expect["matched"])?, &routed.is_some_and(|routed| routed.matched))?;
    }
    if expect.get("backend").is_none() {
        return Ok(());
    }
    let expected = (!expect["backend"].is_null()).then(|| part("backend", &expect["backend"])).transpose()?;
    let expected: Option<api::networking::IngressBackend> = expected;
    Miss::unless_equal("backend", &expected.map(|backend| backend.to_json()), &routed.map(|routed| routed.backend.to_json()))
}
