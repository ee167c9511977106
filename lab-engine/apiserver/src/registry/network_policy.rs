//! NetworkPolicies (`pkg/apis/networking/v1/defaults.go`, `ValidateNetworkPolicySpec`).

use super::dynamic::Rules;
use super::meta;
use super::report::{Report, list, text};
use api::intstr::IntOrString;
use api::json::decode;
use api::meta::{LabelSelector, ObjectMeta};
use api::names;
use api::status::FieldError;
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// The rules of NetworkPolicies.
pub(super) const RULES: Rules = Rules { default: defaults, validate, status: false, counted: true, fixed: false };

fn defaults(fields: &mut Map<String, Value>) {
    let Some(Value::Object(spec)) = fields.get_mut("spec") else { return };
    for direction in ["ingress", "egress"] {
        let rules = spec.get_mut(direction).and_then(Value::as_array_mut).into_iter().flatten();
        for port in rules.filter_map(|rule| rule.get_mut("ports")?.as_array_mut()).flatten().filter_map(Value::as_object_mut) {
            port.entry("protocol").or_insert_with(|| json!("TCP"));
        }
    }
    if spec.get("policyTypes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let outward = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
        let types = if outward { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        spec.insert("policyTypes".to_owned(), types);
    }
}

fn validate(_: &ObjectMeta, value: &Value, _: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = value.get("spec").unwrap_or(&Value::Null);
    selector(spec, "podSelector", "spec", errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in list(spec, direction).iter().enumerate() {
            let path = format!("spec.{direction}[{index}]");
            for (at, one) in list(rule, "ports").iter().enumerate() {
                port(one, &format!("{path}.ports[{at}]"), errors);
            }
            for (at, one) in list(rule, peers).iter().enumerate() {
                peer(one, &format!("{path}.{peers}[{at}]"), errors);
            }
        }
    }
    let types = list(spec, "policyTypes");
    if types.len() > 2 {
        return errors.invalid_json("spec.policyTypes", &spec["policyTypes"], "may not specify more than two policyTypes");
    }
    for (index, kind) in types.iter().filter_map(Value::as_str).enumerate().filter(|(_, kind)| !matches!(*kind, "Ingress" | "Egress")) {
        errors.not_supported(format!("spec.policyTypes[{index}]"), kind, &["Ingress", "Egress"]);
    }
}

/// Appends what is wrong with the label selector in a field. Whether it is there.
fn selector(value: &Value, field: &str, path: &str, errors: &mut Vec<FieldError>) -> bool {
    let Some(selector) = value.get(field) else { return false };
    let selector: LabelSelector = decode(selector.clone()).unwrap_or_default();
    meta::label_selector(&selector, &format!("{path}.{field}"), errors);
    true
}

fn port(port: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(protocol) = port.get("protocol").and_then(Value::as_str).filter(|p| !matches!(*p, "TCP" | "UDP" | "SCTP")) {
        errors.not_supported(format!("{path}.protocol"), protocol, &["TCP", "UDP", "SCTP"]);
    }
    let (own, end_path) = (format!("{path}.port"), format!("{path}.endPort"));
    let end = port.get("endPort").and_then(Value::as_i64);
    let number = port.get("port").map(|port| decode::<IntOrString>(port.clone()).unwrap_or_default());
    match (number, end) {
        (Some(IntOrString::Int(number)), end) => {
            errors.within(own, number, 1, 65_535);
            if let Some(end) = end {
                if end < i64::from(number) {
                    errors.invalid_number(&end_path, end, "must be greater than or equal to `port`");
                }
                errors.within(end_path, end, 1, 65_535);
            }
        }
        (Some(IntOrString::String(name)), end) => {
            if let Some(end) = end {
                errors.invalid_number(end_path, end, "may not be specified when `port` is non-numeric");
            }
            errors.malformed(&own, &name, names::port_name(&name));
        }
        (None, Some(end)) => errors.invalid_number(end_path, end, "may not be specified when `port` is not specified"),
        (None, None) => {}
    }
}

fn peer(peer: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let pods = selector(peer, "podSelector", path, errors);
    let namespaces = selector(peer, "namespaceSelector", path, errors);
    let block = peer.get("ipBlock");
    if let Some(block) = block {
        ip_block(block, &format!("{path}.ipBlock"), errors);
    }
    match (pods || namespaces, block.is_some()) {
        (false, false) => errors.required(path, "must specify a peer"),
        (true, true) => errors.forbidden(path, "may not specify both ipBlock and another peer"),
        _ => {}
    }
}

/// The address of a network and how many of its bits count.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    Some((address.parse().ok()?, bits.parse().ok()?))
}

/// Whether an address lies in a network.
fn contains((network, bits): (IpAddr, u32), address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32_u32.saturating_sub(bits);
            u32::from(network).checked_shr(shift).unwrap_or(0) == u32::from(address).checked_shr(shift).unwrap_or(0)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128_u32.saturating_sub(bits);
            u128::from(network).checked_shr(shift).unwrap_or(0) == u128::from(address).checked_shr(shift).unwrap_or(0)
        }
        _ => false,
    }
}

fn ip_block(block: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let (own, cidr) = (format!("{path}.cidr"), text(block, "cidr"));
    if cidr.is_empty() {
        return errors.required(own, "");
    }
    errors.malformed(&own, cidr, names::cidr(cidr));
    let Some(outer) = network(cidr) else { return };
    for (index, except) in list(block, "except").iter().filter_map(Value::as_str).enumerate() {
        let path = format!("{path}.except[{index}]");
        errors.malformed(&path, except, names::cidr(except));
        let Some(inner) = network(except) else { continue };
        if !contains(outer, inner.0) || outer.1 >= inner.1 {
            errors.invalid(path, except, "must be a strict subset of `cidr`");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;
    use api::Object;

    fn check(spec: Value) -> Vec<String> {
        let value = json!({"metadata": {"name": "np", "namespace": "default"}, "spec": spec});
        let mut object = Object::decode_as("networking.k8s.io/v1", "NetworkPolicy", value).unwrap();
        registry::default(&mut object);
        registry::validate(&object).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn exceptions_lie_within_their_block() {
        let of = |except: &str| {
            check(json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": [except]}}]}]}))
        };
        assert!(of("10.1.0.0/16").is_empty());
        let path = "spec.ingress[0].from[0].ipBlock.except[0]";
        for bad in ["11.0.0.0/16", "10.0.0.0/8"] {
            assert_eq!(of(bad), [format!("{path}: Invalid value: \"{bad}\": must be a strict subset of `cidr`")]);
        }
    }

    #[test]
    fn a_peer_is_one_thing() {
        let of = |peer: Value| check(json!({"podSelector": {}, "egress": [{"to": [peer]}]}));
        assert_eq!(of(json!({})), ["spec.egress[0].to[0]: Required value: must specify a peer"]);
        let both = json!({"podSelector": {}, "ipBlock": {"cidr": "0.0.0.0/0"}});
        assert_eq!(of(both), ["spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer"]);
    }

    #[test]
    fn ranges_of_ports_have_numbers() {
        let of = |port: Value| check(json!({"podSelector": {}, "egress": [{"ports": [port]}]}));
        let path = "spec.egress[0].ports[0].endPort: Invalid value";
        assert_eq!(of(json!({"port": 80, "endPort": 79})), [format!("{path}: 79: must be greater than or equal to `port`")]);
        assert_eq!(of(json!({"endPort": 79})), [format!("{path}: 79: may not be specified when `port` is not specified")]);
    }
}
