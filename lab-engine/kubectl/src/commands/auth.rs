//! `auth can-i` and `auth whoami` (`k8s.io/kubectl/pkg/cmd/auth`).
//!
//! **Simplified here:** `auth reconcile` is left out, and so are the columns that `whoami` shows of certificates.

use crate::command::{Io, Job, Step};
use crate::flags::{Flag, Parsed, switch, value};
use crate::output::tables::columns;
use crate::output::{Format, yaml};
use crate::resources::Context;
use api::http::{Body, Method, Request, ResourcePath};
use api::kinds::Gvr;
use serde_json::{Value, json};
use std::borrow::Cow;

pub(super) const FLAGS: &[Flag] = &[
    value("subresource", None),
    value("output", Some('o')),
    switch("list", None),
    switch("quiet", Some('q')),
    switch("all-namespaces", Some('A')),
    switch("no-headers", None),
];

fn review(group: &'static str, resource: &'static str, kind: &str, spec: &Value) -> Request {
    let resource = Gvr { group: Cow::Borrowed(group), version: Cow::Borrowed("v1"), resource: Cow::Borrowed(resource) };
    let path = ResourcePath { resource, namespace: None, name: None, subresource: Cow::Borrowed("") };
    let body = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {}, "spec": spec});
    Request::new(Method::Post, path).body(Body::Json(body))
}

pub(super) fn can_i(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let namespace = if parsed.on("all-namespaces") { String::new() } else { context.namespace.clone() };
    if parsed.on("list") {
        if !parsed.words.is_empty() {
            return Err("list option must be specified with no arguments".to_owned());
        }
        return Ok(list(&context.namespace, parsed.on("no-headers")));
    }
    let [verb, what] = &parsed.words[..] else {
        return Err("you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i -h' for help and examples.".to_owned());
    };
    let mut warning = None;
    let spec = if what.starts_with('/') {
        if parsed.get("subresource").is_some() {
            return Err("--subresource can not be used with NonResourceURL".to_owned());
        }
        json!({"nonResourceAttributes": {"verb": verb, "path": what}})
    } else {
        let (word, name) = what.split_once('/').unwrap_or((what, ""));
        if parsed.on("all-namespaces") && !name.is_empty() {
            return Err("--all-namespaces can not be used with resourceName".to_owned());
        }
        let (group, resource) = match context.kinds.resolve(word) {
            Ok(info) => {
                if !info.namespaced {
                    let of = if info.group.is_empty() { String::new() } else { format!(" in group '{}'", info.group) };
                    warning = Some(format!("Warning: resource '{}' is not namespace scoped{of}\n", info.plural));
                }
                (info.group.to_string(), info.plural.to_string())
            }
            Err(_) => {
                let (resource, group) = word.split_once('.').unwrap_or((word, ""));
                if word != "*" {
                    warning = Some(format!("Warning: the server doesn't have a resource type '{resource}'\n"));
                }
                ((if word == "*" { "*" } else { group }).to_owned(), resource.to_owned())
            }
        };
        let subresource = parsed.get("subresource").unwrap_or_default();
        json!({"resourceAttributes": {
            "namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource, "name": name,
        }})
    };
    let quiet = parsed.on("quiet");
    Ok(Box::new(move |io| {
        if let Some(warning) = warning {
            io.complain(&warning);
        }
        let request = review("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", &spec);
        Step::json(request, move |answer, io| tell(&answer["status"], quiet, io))
    }))
}

fn tell(status: &Value, quiet: bool, io: &mut Io<'_>) -> Step {
    let allowed = status["allowed"] == json!(true);
    if !quiet {
        let mut text = if allowed { "yes".to_owned() } else { "no".to_owned() };
        for why in ["reason", "evaluationError"].iter().filter_map(|field| status[field].as_str()).filter(|_| !allowed) {
            text.push_str(&format!(" - {why}"));
        }
        io.print(format!("{text}\n"));
    }
    Step::Done(i32::from(!allowed))
}

/// All that the user may do in a namespace, one row per resource.
fn list(namespace: &str, no_headers: bool) -> Job {
    let spec = json!({"namespace": namespace});
    Box::new(move |_| {
        let request = review("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", &spec);
        Step::json(request, move |answer, io| {
            let status = &answer["status"];
            if status["incomplete"] == json!(true) {
                let mut warning = "warning: the list may be incomplete".to_owned();
                if let Some(error) = status["evaluationError"].as_str() {
                    warning.push_str(&format!(": {error}"));
                }
                io.complain(&warning);
            }
            let mut rows: Vec<Vec<String>> = Vec::new();
            if !no_headers {
                rows.push(["Resources", "Non-Resource URLs", "Resource Names", "Verbs"].map(str::to_owned).to_vec());
            }
            rows.extend(rules(status));
            io.print(columns(&rows));
            Step::Done(0)
        })
    })
}

/// The rows of the list: rules broken into single resources and joined where only their verbs differ, sorted by their verbs.
fn rules(status: &Value) -> Vec<Vec<String>> {
    let texts =
        |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect() };
    let names_of = |value: &Value| {
        let names = texts(value);
        if names.is_empty() { vec![String::new()] } else { names }
    };
    // Group, resource, name, path; and the verbs.
    let mut pieces: Vec<([String; 4], Vec<String>)> = Vec::new();
    let mut add = |key: [String; 4], verbs: Vec<String>| match pieces.iter_mut().find(|(other, _)| *other == key && key[3].is_empty()) {
        Some((_, own)) => own.extend(verbs),
        None => pieces.push((key, verbs)),
    };
    for rule in status["resourceRules"].as_array().into_iter().flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for name in names_of(&rule["resourceNames"]) {
                    add([group.clone(), resource.clone(), name, String::new()], texts(&rule["verbs"]));
                }
            }
        }
    }
    for rule in status["nonResourceRules"].as_array().into_iter().flatten() {
        for url in texts(&rule["nonResourceURLs"]) {
            for verb in texts(&rule["verbs"]) {
                add([String::new(), String::new(), String::new(), url.clone()], vec![verb]);
            }
        }
    }
    let listed =
        |values: &[String]| format!("[{}]", values.iter().filter(|value| !value.is_empty()).cloned().collect::<Vec<_>>().join(" "));
    pieces.sort_by_key(|(key, verbs)| (listed(verbs), key.clone()));
    pieces.dedup();
    let row = |([group, resource, name, url], verbs): ([String; 4], Vec<String>)| {
        vec![combine(&resource, &group), listed(&[url]), listed(&[name]), listed(&verbs)]
    };
    pieces.into_iter().map(row).collect()
}

/// `deployments.apps/scale` of `deployments/scale` and `apps`.
fn combine(resource: &str, group: &str) -> String {
    let (of, part) = resource.split_once('/').map_or((resource, None), |(of, part)| (of, Some(part)));
    let dot = if group.is_empty() { "" } else { "." };
    let part = part.map(|part| format!("/{part}")).unwrap_or_default();
    format!("{of}{dot}{group}{part}")
}

pub(super) fn whoami(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let format = match parsed.get("output") {
        None | Some("") => None,
        Some(text) => Some(Format::parse(text, context.environment.files)?),
    };
    Ok(Box::new(move |_| {
        let request = review("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", &json!({}));
        Step::json(request, move |mut answer, io| {
            if let Some(fields) = answer.as_object_mut() {
                fields.remove("spec");
            }
            match &format {
                None => io.print(columns(&attributes(&answer["status"]["userInfo"]))),
                Some(format) => io.print(format.print(&answer).unwrap_or_else(|_| yaml::write(&answer))),
            }
            Step::Done(0)
        })
    }))
}

fn attributes(user: &Value) -> Vec<Vec<String>> {
    let listed = |value: &Value| {
        let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        format!("[{}]", texts.collect::<Vec<_>>().join(" "))
    };
    let mut rows = vec![vec!["ATTRIBUTE".to_owned(), "VALUE".to_owned()]];
    for (label, field) in [("Username", "username"), ("UID", "uid")] {
        if let Some(text) = user[field].as_str().filter(|text| !text.is_empty()) {
            rows.push(vec![label.to_owned(), text.to_owned()]);
        }
    }
    if user["groups"].as_array().is_some_and(|groups| !groups.is_empty()) {
        rows.push(vec!["Groups".to_owned(), listed(&user["groups"])]);
    }
    for (key, values) in user["extra"].as_object().into_iter().flatten() {
        rows.push(vec![format!("Extra: {key}"), listed(values)]);
    }
    rows
}
