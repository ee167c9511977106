//! IPAddresses and ServiceCIDRs (`ValidateIPAddress`, `ValidateServiceCIDR` of `pkg/apis/networking/validation`).

use super::dynamic::Rules;
use super::meta;
use super::report::{Report, list, text};
use api::meta::ObjectMeta;
use api::names;
use api::status::FieldError;
use serde_json::Value;

/// The rules of IPAddresses.
pub(super) const ADDRESS: Rules = Rules { default: |_| {}, validate: address, status: false, counted: true, fixed: false };
/// The rules of ServiceCIDRs.
pub(super) const RANGE: Rules = Rules { default: |_| {}, validate: range, status: true, counted: true, fixed: false };

fn address(_: &ObjectMeta, value: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let parent = |value: &Value| value.pointer("/spec/parentRef").cloned();
    if let Some(old) = old {
        return meta::immutable(&parent(value), &parent(old), "spec.parentRef", errors);
    }
    let path = "spec.parentRef";
    let Some(parent) = parent(value) else { return errors.required(path, "") };
    let group = text(&parent, "group");
    if !group.is_empty() {
        errors.subdomain(&format!("{path}.group"), group);
    }
    for field in ["resource", "name", "namespace"] {
        match text(&parent, field) {
            "" if field == "namespace" => {}
            "" => errors.required(format!("{path}.{field}"), ""),
            name => errors.malformed(&format!("{path}.{field}"), name, meta::path_segment(name)),
        }
    }
}

fn cidrs(value: &Value) -> Vec<&str> {
    value.get("spec").map(|spec| list(spec, "cidrs").iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

fn range(_: &ObjectMeta, value: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let (path, is) = ("spec.cidrs", cidrs(value));
    let Some(old) = old else { return check_range(value, errors) };
    let was = cidrs(old);
    let immutable = "field is immutable";
    match (was.len(), is.len()) {
        (old, new) if old == new => {
            for (index, new) in is.iter().enumerate().filter(|(index, new)| was[*index] != **new) {
                errors.invalid(format!("{path}[{index}]"), new, immutable);
            }
        }
        // A second family may come.
        (1, 2) => {
            if is[0] != was[0] {
                errors.invalid(format!("{path}[0]"), is[0], immutable);
            }
            check_range(value, errors);
        }
        _ => errors.invalid_json(path, &Value::from(is), immutable),
    }
}

fn check_range(value: &Value, errors: &mut Vec<FieldError>) {
    let (path, cidrs) = ("spec.cidrs", cidrs(value));
    match cidrs.len() {
        0 => return errors.required(path, "at least one CIDR required"),
        1 | 2 => {}
        _ => return errors.invalid_json(path, &value["spec"], "may only hold up to 2 values"),
    }
    let before = errors.len();
    for (index, cidr) in cidrs.iter().enumerate() {
        errors.malformed(&format!("{path}[{index}]"), cidr, names::cidr(cidr));
    }
    if let ([one, other], true) = (cidrs.as_slice(), errors.len() == before)
        && one.contains(':') == other.contains(':')
    {
        let detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        errors.invalid_json(path, &Value::from(cidrs), detail);
    }
}
