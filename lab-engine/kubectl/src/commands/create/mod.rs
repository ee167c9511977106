//! The generators of `kubectl create`: one command line, one object.

mod config;
mod rbac;
mod token;
mod workloads;

pub(super) use config::{config_map, secret_docker, secret_generic, secret_tls};
pub(super) use rbac::{cluster_role, cluster_role_binding, role, role_binding, service_account};
pub(super) use token::{TOKEN_FLAGS, token};
pub(super) use workloads::{cron_job, deployment, ingress, job, namespace, pdb, priority_class, quota, service};

use super::submit::Submit;
use crate::command::Job;
use crate::flags::{Flag, Parsed, optional, switch, value};
use crate::resources::{Context, resolve};
use serde_json::{Map, Value, json};

/// The flags of all generators.
pub(super) const FLAGS: &[Flag] = &[
    value("image", None),
    value("replicas", Some('r')),
    value("port", None),
    value("from-literal", None),
    value("from-file", None),
    value("from-env-file", None),
    value("type", None),
    value("cert", None),
    value("key", None),
    value("docker-server", None),
    value("docker-username", None),
    value("docker-password", None),
    value("docker-email", None),
    value("verb", None),
    value("resource", None),
    value("resource-name", None),
    value("role", None),
    value("clusterrole", None),
    value("serviceaccount", None),
    value("group", None),
    value("tcp", None),
    value("clusterip", None),
    value("node-port", None),
    value("external-name", None),
    value("schedule", None),
    value("restart", None),
    value("from", None),
    value("rule", None),
    value("class", None),
    value("default-backend", None),
    value("annotation", None),
    value("hard", None),
    value("scopes", None),
    value("value", None),
    value("description", None),
    value("preemption-policy", None),
    value("min-available", None),
    value("max-unavailable", None),
    value("selector", None),
    switch("global-default", None),
    switch("append-hash", None),
    optional("allow-missing-template-keys", "true"),
];

/// The flag `--user` is kubectl's own too; it is read as the binding's.
pub(super) const BINDING_FLAGS: &[Flag] =
    &[value("role", None), value("clusterrole", None), value("serviceaccount", None), value("user", None), value("group", None)];

/// The object's name, which must be given once.
fn name(parsed: &Parsed) -> Result<&str, String> {
    match &parsed.words[..parsed.dash.unwrap_or(parsed.words.len())] {
        [name] => Ok(name),
        other => Err(format!("exactly one NAME is required, got {}", other.len())),
    }
}

/// Metadata: the name, and the namespace where one was given.
fn metadata(context: &Context<'_>, name: &str) -> Value {
    if context.explicit { json!({"name": name, "namespace": context.namespace}) } else { json!({"name": name}) }
}

/// Creates what a generator made.
fn submit(context: &Context<'_>, parsed: &Parsed, kind: &str, object: Value) -> Result<Job, String> {
    let info = resolve(kind)?;
    let submit = Submit::read(context, parsed, "kubectl-create")?;
    let namespace = context.namespace.clone();
    let failed = if info.kind == "Namespace" || info.kind == "Secret" || matches!(&*info.kind, "Deployment" | "Job" | "ConfigMap") {
        format!("failed to create {}", info.singular)
    } else {
        String::new()
    };
    Ok(Box::new(move |io| submit.create(info, &namespace, object, &failed, io)))
}

/// A value that must be given.
fn required<'p>(parsed: &'p Parsed, flag: &str) -> Result<&'p str, String> {
    parsed.get(flag).filter(|text| !text.is_empty()).ok_or_else(|| format!("required flag(s) {flag:?} not set"))
}

/// `a=b` pairs as a mapping.
fn pairs<'p>(texts: impl IntoIterator<Item = &'p str>) -> Result<Map<String, Value>, String> {
    let pair = |text: &str| {
        let (key, value) = text.split_once('=').ok_or_else(|| format!("Invalid literal source {text}, expected key=value"))?;
        Ok((key.to_owned(), json!(value)))
    };
    texts.into_iter().map(pair).collect()
}
