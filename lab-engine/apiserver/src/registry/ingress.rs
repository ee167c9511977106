//! Ingresses and IngressClasses (`pkg/apis/networking/validation/validation.go`).

use super::dynamic::Rules;
use super::meta;
use super::report::{Report, list, number, text};
use api::meta::ObjectMeta;
use api::names;
use api::status::FieldError;
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// Names the class in manifests from before there was a field for it.
const OLD_CLASS: &str = "kubernetes.io/ingress.class";
const MAX_CONTROLLER: usize = 250;

/// The rules of Ingresses.
pub(super) const INGRESS: Rules = Rules { default: |_| {}, validate: ingress, status: true, counted: true, fixed: false };
/// The rules of IngressClasses.
pub(super) const CLASS: Rules = Rules { default: class_defaults, validate: class, status: false, counted: true, fixed: false };

fn ingress(metadata: &ObjectMeta, value: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = value.get("spec").unwrap_or(&Value::Null);
    let rules = list(spec, "rules");
    let backend_of_all = spec.get("defaultBackend");
    if rules.is_empty() && backend_of_all.is_none() {
        let given = spec.get("rules").unwrap_or(&Value::Null);
        errors.invalid_json("spec", given, "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(of_all) = backend_of_all {
        backend(of_all, "spec.defaultBackend", errors);
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        host(text(rule, "host"), &format!("{path}.host"), errors);
        if let Some(http) = rule.get("http") {
            paths(list(http, "paths"), &format!("{path}.http.paths"), errors);
        }
    }
    for (index, tls) in list(spec, "tls").iter().enumerate() {
        let path = format!("spec.tls[{index}]");
        for (at, host) in list(tls, "hosts").iter().filter_map(Value::as_str).enumerate() {
            errors.malformed(&format!("{path}.hosts[{at}]"), host, wrong_host(host));
        }
        let secret = text(tls, "secretName");
        if !secret.is_empty() {
            errors.subdomain(&format!("{path}.secretName"), secret);
        }
    }
    let class = spec.get("ingressClassName").and_then(Value::as_str);
    if let Some(class) = class {
        errors.subdomain("spec.ingressClassName", class);
    }
    let annotation = metadata.annotations.get(OLD_CLASS);
    if let (None, Some(annotation), Some(class)) = (old, annotation, class)
        && annotation != class
    {
        errors.invalid(format!("annotations.{OLD_CLASS}"), annotation, "must match `ingressClassName` when both are specified");
    }
}

fn wrong_host(host: &str) -> Vec<String> {
    if host.contains('*') { names::wildcard_dns1123_subdomain(host) } else { names::dns1123_subdomain(host) }
}

fn host(host: &str, path: &str, errors: &mut Vec<FieldError>) {
    if host.is_empty() {
        return;
    }
    if host.parse::<IpAddr>().is_ok() {
        errors.invalid(path, host, "must be a DNS name, not an IP address");
    }
    errors.malformed(path, host, wrong_host(host));
}

fn paths(paths: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    if paths.is_empty() {
        errors.required(path, "");
    }
    for (index, one) in paths.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(kind) = one.get("pathType").and_then(Value::as_str) else {
            errors.required(format!("{path}.pathType"), "pathType must be specified");
            continue;
        };
        let (own, at) = (text(one, "path"), format!("{path}.path"));
        match kind {
            "Exact" | "Prefix" => {
                if !own.starts_with('/') {
                    errors.invalid(&at, own, "must be an absolute path");
                }
                for part in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|part| own.contains(part)) {
                    errors.invalid(&at, own, format!("must not contain '{part}'"));
                }
                for end in ["/..", "/."].into_iter().filter(|end| own.ends_with(end)) {
                    errors.invalid(&at, own, format!("cannot end with '{end}'"));
                }
            }
            "ImplementationSpecific" if !own.is_empty() && !own.starts_with('/') => errors.invalid(at, own, "must be an absolute path"),
            "ImplementationSpecific" => {}
            other => errors.not_supported(format!("{path}.pathType"), other, &["Exact", "ImplementationSpecific", "Prefix"]),
        }
        backend(one.get("backend").unwrap_or(&Value::Null), &format!("{path}.backend"), errors);
    }
}

fn backend(backend: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match (backend.get("resource"), backend.get("service")) {
        (Some(_), Some(_)) => errors.invalid(path, "", "cannot set both resource and service backends"),
        (Some(resource), None) => reference(resource, &format!("{path}.resource"), errors),
        (None, Some(service)) => {
            match text(service, "name") {
                "" => errors.required(format!("{path}.service.name"), ""),
                name => errors.malformed(&format!("{path}.service.name"), name, names::dns1035_label(name)),
            }
            let port = service.get("port").unwrap_or(&Value::Null);
            let own = format!("{path}.service.port");
            match (text(port, "name"), number(port, "number")) {
                ("", 0) => errors.required(path, "port name or number is required"),
                ("", number) => errors.within(format!("{own}.number"), number, 1, 65_535),
                (name, 0) => errors.malformed(&format!("{own}.name"), name, names::port_name(name)),
                _ => errors.invalid(path, "", "cannot set both port name & port number"),
            }
        }
        (None, None) => errors.invalid(path, "", "resource or service backend is required"),
    }
}

/// An object of any kind, by group, kind and name.
fn reference(reference: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(group) = reference.get("apiGroup").and_then(Value::as_str) {
        errors.subdomain(&format!("{path}.apiGroup"), group);
    }
    for field in ["kind", "name"] {
        match text(reference, field) {
            "" => errors.required(format!("{path}.{field}"), ""),
            name => errors.malformed(&format!("{path}.{field}"), name, meta::path_segment(name)),
        }
    }
}

fn class_defaults(fields: &mut Map<String, Value>) {
    if let Some(Value::Object(parameters)) = fields.get_mut("spec").and_then(|spec| spec.get_mut("parameters")) {
        parameters.entry("scope").or_insert_with(|| json!("Cluster"));
    }
}

fn class(_: &ObjectMeta, value: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = value.get("spec").unwrap_or(&Value::Null);
    let controller = |value: &Value| value.get("spec").map(|spec| text(spec, "controller").to_owned()).unwrap_or_default();
    if let Some(old) = old {
        meta::immutable(&controller(value), &controller(old), "spec.controller", errors);
    }
    let path = "spec.controller";
    match text(spec, "controller") {
        "" => errors.required(path, ""),
        name => {
            if name.len() > MAX_CONTROLLER {
                errors.too_long(path, MAX_CONTROLLER);
            }
            errors.malformed(path, name, names::domain_prefixed_path(name));
        }
    }
    let Some(parameters) = spec.get("parameters") else { return };
    let path = "spec.parameters";
    reference(parameters, path, errors);
    let namespace = parameters.get("namespace").and_then(Value::as_str);
    let own = format!("{path}.namespace");
    match (text(parameters, "scope"), namespace) {
        ("", _) => errors.required(format!("{path}.scope"), ""),
        ("Namespace", None) => errors.required(own, "`parameters.scope` is set to 'Namespace'"),
        ("Namespace", Some(namespace)) => errors.label(&own, namespace),
        ("Cluster", Some(_)) => errors.forbidden(own, "`parameters.scope` is set to 'Cluster'"),
        ("Cluster", None) => {}
        (other, _) => errors.not_supported(format!("{path}.scope"), other, &["Cluster", "Namespace"]),
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::validate;
    use api::Object;
    use serde_json::{Value, json};

    fn check(spec: Value) -> Vec<String> {
        let value = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec});
        let object = Object::decode_as("networking.k8s.io/v1", "Ingress", value).unwrap();
        validate(&object).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn paths_have_a_type_and_a_backend() {
        let service = json!({"service": {"name": "web", "port": {"number": 80}}});
        let rule = |path: Value| json!({"rules": [{"host": "example.com", "http": {"paths": [path]}}]});
        assert!(check(rule(json!({"path": "/", "pathType": "Prefix", "backend": service}))).is_empty());
        let path = "spec.rules[0].http.paths[0]";
        assert_eq!(
            check(rule(json!({"path": "/", "backend": service}))),
            [format!("{path}.pathType: Required value: pathType must be specified")]
        );
        assert_eq!(
            check(rule(json!({"path": "a//b", "pathType": "Exact", "backend": {"service": {"name": "web"}}}))),
            [
                format!("{path}.path: Invalid value: \"a//b\": must be an absolute path"),
                format!("{path}.path: Invalid value: \"a//b\": must not contain '//'"),
                format!("{path}.backend: Required value: port name or number is required")
            ]
        );
    }

    #[test]
    fn an_ingress_leads_somewhere() {
        assert_eq!(check(json!({})), ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]);
    }
}
