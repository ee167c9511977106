//! The syntax of names, addresses and numbers (`api-validation.json`).

use super::{Case, malformed, open};
use crate::{Miss, Outcome};
use api::names;
use serde_json::{Value, json};

/// A check of a text.
type Check = fn(&str) -> Vec<String>;

/// Checks of texts, by the name of the upstream function.
const TEXTS: &[(&str, Check)] = &[
    ("IsCIdentifier", names::c_identifier),
    ("IsConfigMapKey", names::config_key),
    ("IsDNS1035Label", names::dns1035_label),
    ("IsDNS1123Label", names::dns1123_label),
    ("IsDNS1123Subdomain", names::dns1123_subdomain),
    ("IsDNS1123SubdomainWithUnderscore", names::dns1123_subdomain_with_underscore),
    ("IsDomainPrefixedPath", names::domain_prefixed_path),
    ("IsFullyQualifiedDomainName", names::fully_qualified_domain_name),
    ("IsFullyQualifiedName", names::fully_qualified_name),
    ("IsHTTPHeaderName", names::http_header_name),
    ("IsQualifiedName", names::qualified_name),
    ("IsValidCIDR", names::cidr),
    ("IsValidIP", names::ip),
    ("IsValidIPv4Address", names::ipv4),
    ("IsValidIPv6Address", names::ipv6),
    ("IsValidLabelValue", names::label_value),
    ("IsValidPercent", names::percent),
    ("IsValidPortName", names::port_name),
    ("IsValidSocketAddr", names::socket_address),
    ("IsWildcardDNS1123Subdomain", names::wildcard_dns1123_subdomain),
];

/// An address as these checks read it in the release of the cases, and as later releases still read it in old objects: zeros before the numbers
/// of an IPv4 address count for nothing (`ParseIPSloppy`).
fn sloppy(address: &str) -> String {
    let number = |part: &str| match part.trim_start_matches('0') {
        "" if !part.is_empty() => "0".to_owned(),
        kept => kept.to_owned(),
    };
    let is_ipv4 = address.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_ipv4 { address.split('.').map(number).collect::<Vec<_>>().join(".") } else { address.to_owned() }
}

fn wrong(case: &Case<'_>) -> Result<bool, Miss> {
    let check = case.text("check")?;
    Ok(match check {
        "IsValidPortNum" => names::port_number(case.integer("value")?).is_some(),
        "IsValidGroupID" | "IsValidUserID" => names::user_id(case.integer("value")?).is_some(),
        "IsInRange" => names::in_range(case.integer("value")?, case.integer("min")?, case.integer("max")?).is_some(),
        _ => {
            let (_, judge) = TEXTS.iter().find(|(name, _)| *name == check).ok_or_else(|| malformed(format!("unknown check {check:?}")))?;
            let value = case.text("value")?;
            let ip = matches!(check, "IsValidIP" | "IsValidIPv4Address");
            let why = if ip { judge(&sloppy(value)) } else { judge(value) };
            !why.is_empty()
        }
    })
}

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let case = open(case, &[])?;
    if case.op != "syntax-check" {
        return case.unknown_op();
    }
    case.keys(&["check", "value", "min", "max"], &["valid"])?;
    case.same("valid", json!(!wrong(&case)?))
}
