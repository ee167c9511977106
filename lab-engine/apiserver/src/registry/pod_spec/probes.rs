//! What probes and hooks of a container do (`validateProbe`, `validateLifecycle`, `validateHandler`).

use super::super::report::Report;
use api::core::{Container, ExecAction, HttpGetAction, Lifecycle, Probe, TcpSocketAction};
use api::intstr::IntOrString;
use api::names;
use api::status::FieldError;

/// One of these must be set.
#[derive(Default)]
struct Handler<'a> {
    exec: Option<&'a ExecAction>,
    http_get: Option<&'a HttpGetAction>,
    tcp_socket: Option<&'a TcpSocketAction>,
    grpc: Option<i32>,
    sleep: Option<i64>,
}

/// Appends what is wrong with the probes and hooks of a container that may have some. `grace`: the Pod's grace period in seconds.
pub(super) fn probes(container: &Container, grace: Option<i64>, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(hooks) = &container.lifecycle {
        lifecycle(hooks, grace, &format!("{path}.lifecycle"), errors);
    }
    for (field, one) in [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ] {
        let Some(one) = one else { continue };
        let path = format!("{path}.{field}");
        probe(one, &path, errors);
        let successes = one.success_threshold.unwrap_or(0);
        match (field, one.termination_grace_period_seconds) {
            ("readinessProbe", Some(seconds)) => {
                errors.invalid_number(format!("{path}.terminationGracePeriodSeconds"), seconds, "must not be set for readinessProbes");
            }
            ("readinessProbe", None) => {}
            _ if successes != 1 => errors.invalid_number(format!("{path}.successThreshold"), successes, "must be 1"),
            _ => {}
        }
    }
}

/// Appends that an init container which ends before the others start has neither probes nor hooks.
pub(super) fn none(container: &Container, path: &str, errors: &mut Vec<FieldError>) {
    for (field, set) in [
        ("lifecycle", container.lifecycle.is_some()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
    ] {
        if set {
            errors.forbidden(format!("{path}.{field}"), "may not be set for init containers without restartPolicy=Always");
        }
    }
}

fn lifecycle(hooks: &Lifecycle, grace: Option<i64>, path: &str, errors: &mut Vec<FieldError>) {
    for (field, hook) in [("postStart", &hooks.post_start), ("preStop", &hooks.pre_stop)] {
        let Some(hook) = hook else { continue };
        let what = Handler {
            exec: hook.exec.as_ref(),
            http_get: hook.http_get.as_ref(),
            tcp_socket: hook.tcp_socket.as_ref(),
            grpc: None,
            sleep: hook.sleep.as_ref().map(|sleep| sleep.seconds),
        };
        handler(&what, grace, &format!("{path}.{field}"), errors);
    }
}

fn probe(probe: &Probe, path: &str, errors: &mut Vec<FieldError>) {
    let what = Handler {
        exec: probe.exec.as_ref(),
        http_get: probe.http_get.as_ref(),
        tcp_socket: probe.tcp_socket.as_ref(),
        grpc: probe.grpc.as_ref().map(|grpc| grpc.port),
        sleep: None,
    };
    handler(&what, None, path, errors);
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        errors.non_negative(format!("{path}.{field}"), value.unwrap_or(0));
    }
    if let Some(seconds) = probe.termination_grace_period_seconds.filter(|&seconds| seconds <= 0) {
        errors.invalid_number(format!("{path}.terminationGracePeriodSeconds"), seconds, "must be greater than 0");
    }
}

fn handler(handler: &Handler<'_>, grace: Option<i64>, path: &str, errors: &mut Vec<FieldError>) {
    let set = [
        ("exec", handler.exec.is_some()),
        ("httpGet", handler.http_get.is_some()),
        ("tcpSocket", handler.tcp_socket.is_some()),
        ("grpc", handler.grpc.is_some()),
        ("sleep", handler.sleep.is_some()),
    ];
    let mut chosen = set.iter().filter(|(_, set)| *set).map(|(field, _)| *field);
    match chosen.next() {
        None => errors.required(path, "must specify a handler type"),
        Some(field) => content(handler, field, grace, &format!("{path}.{field}"), errors),
    }
    for field in chosen {
        errors.forbidden(format!("{path}.{field}"), "may not specify more than 1 handler type");
    }
}

fn content(handler: &Handler<'_>, field: &str, grace: Option<i64>, path: &str, errors: &mut Vec<FieldError>) {
    match (field, handler) {
        ("exec", Handler { exec: Some(exec), .. }) if exec.command.is_empty() => errors.required(format!("{path}.command"), ""),
        ("httpGet", Handler { http_get: Some(get), .. }) => {
            if get.path.is_empty() {
                errors.required(format!("{path}.path"), "");
            }
            port(&get.port, &format!("{path}.port"), errors);
            if !matches!(get.scheme.as_str(), "HTTP" | "HTTPS") {
                errors.not_supported(format!("{path}.scheme"), &get.scheme, &["HTTP", "HTTPS"]);
            }
            for header in &get.http_headers {
                errors.malformed(&format!("{path}.httpHeaders"), &header.name, names::http_header_name(&header.name));
            }
        }
        ("tcpSocket", Handler { tcp_socket: Some(socket), .. }) => port(&socket.port, &format!("{path}.port"), errors),
        ("grpc", Handler { grpc: Some(number), .. }) => port(&IntOrString::Int(*number), &format!("{path}.port"), errors),
        ("sleep", Handler { sleep: Some(seconds), .. }) => {
            if let Some(grace) = grace.filter(|grace| !(0..=*grace).contains(seconds)) {
                let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                errors.invalid_number(path, *seconds, detail);
            }
        }
        _ => {}
    }
}

/// Appends what is wrong with a port that may be a number or a name (`ValidatePortNumOrName`).
pub(in super::super) fn port(port: &IntOrString, path: &str, errors: &mut Vec<FieldError>) {
    match port {
        IntOrString::Int(number) => {
            if let Some(detail) = names::port_number(*number) {
                errors.invalid_number(path, *number, detail);
            }
        }
        IntOrString::String(name) => errors.malformed(path, name, names::port_name(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    fn check(container: Value) -> Vec<String> {
        let container: Container = decode(container).unwrap();
        let mut errors = Vec::new();
        probes(&container, Some(30), "c", &mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn a_probe_has_one_handler() {
        assert_eq!(check(json!({"readinessProbe": {}})), ["c.readinessProbe: Required value: must specify a handler type"]);
        assert_eq!(
            check(json!({"readinessProbe": {"exec": {"command": ["true"]}, "grpc": {"port": 1}}})),
            ["c.readinessProbe.grpc: Forbidden: may not specify more than 1 handler type"]
        );
        assert_eq!(
            check(json!({"livenessProbe": {"exec": {"command": ["true"]}, "successThreshold": 2}})),
            ["c.livenessProbe.successThreshold: Invalid value: 2: must be 1"]
        );
    }

    #[test]
    fn a_hook_sleeps_no_longer_than_the_grace_period() {
        assert!(check(json!({"lifecycle": {"preStop": {"sleep": {"seconds": 30}}}})).is_empty());
        assert_eq!(
            check(json!({"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}})),
            ["c.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)"]
        );
    }
}
