//! The Pods that a workload stands for in `logs` and `exec` (`polymorphichelpers.AttachablePodForObject`).

use super::observe::list;
use crate::command::{Io, Step, json_of};
use crate::resources::{Context, Sought, resolve};
use api::http::{Method, Request, ResourcePath};
use api::kinds::{Kind, KindInfo};
use serde_json::Value;

/// Reads `POD` or `TYPE/NAME`.
///
/// # Errors
/// The text that follows `error: `.
pub(super) fn named(context: &Context<'_>, word: &str) -> Result<Sought, String> {
    let (info, name) = match word.split_once('/') {
        Some((kind, name)) => (context.kinds.resolve(kind)?, name),
        None => (Kind::BuiltIn(resolve("pods")?), word),
    };
    let namespace = if info.namespaced { context.namespace.clone() } else { String::new() };
    Ok(Sought { info, namespace, name: Some(name.to_owned()), query: Vec::new() })
}

/// The label selector of an object, as a query writes it.
pub(super) fn selector(object: &Value) -> String {
    let spec = &object["spec"]["selector"];
    let map = spec.get("matchLabels").unwrap_or(spec);
    let mut terms: Vec<String> =
        map.as_object().into_iter().flatten().filter_map(|(key, value)| value.as_str().map(|value| format!("{key}={value}"))).collect();
    for expression in spec["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or("");
        let values: Vec<&str> = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        terms.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values.join(",")),
            Some("NotIn") => format!("{key} notin ({})", values.join(",")),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    terms.join(",")
}

/// The kind of Pods.
pub(crate) fn pods() -> &'static KindInfo {
    <api::core::Pod as api::Resource>::INFO
}

/// Finds the Pods of what is named, then goes on with them: the Pod itself, or those that the workload selects, oldest first.
pub(super) fn find(sought: Sought, then: impl FnOnce(Vec<Value>, &mut Io<'_>) -> Step + 'static) -> Step {
    Step::ask(sought.request(), move |answer, io| {
        let object = match answer {
            Ok(body) => json_of(body),
            Err(failure) => return io.fail(&failure),
        };
        if sought.info == *pods() {
            return then(vec![object], io);
        }
        let selector = selector(&object);
        if selector.is_empty() {
            return io.error(&format!("cannot attach to {}: selector is empty", sought.info.kind));
        }
        let request = Request::new(Method::Get, ResourcePath::collection(pods(), &sought.namespace)).query("labelSelector", selector);
        list(request, move |mut found, io| {
            // Ready ones first, then the older ones (`podutils.ByLogging` in short).
            found.sort_by_key(|pod| {
                let ready = |c: &Value| c["type"] == "Ready" && c["status"] == "True";
                let is_ready = pod["status"]["conditions"].as_array().into_iter().flatten().any(ready);
                (!is_ready, pod["metadata"]["creationTimestamp"].as_str().unwrap_or("").to_owned())
            });
            then(found, io)
        })
    })
}

/// The container that is meant; when none is named, kubectl prints which it takes, unless it shall be `quiet`.
pub(super) fn chosen_container(pod: &Value, named: Option<String>, quiet: bool, io: &mut Io<'_>) -> String {
    named.unwrap_or_else(|| {
        let (name, note) = default_container(pod);
        if let Some(note) = note.filter(|_| !quiet) {
            io.complain(&note);
        }
        name
    })
}

/// The container that is meant when none is named, and the note that kubectl prints about it.
fn default_container(pod: &Value) -> (String, Option<String>) {
    let names = container_names(pod);
    let annotation = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    if let Some(name) = annotation.filter(|name| names.iter().any(|other| other == name)) {
        return (name.to_owned(), None);
    }
    let first = pod["spec"]["containers"][0]["name"].as_str().unwrap_or("").to_owned();
    let several = names.len() > 1;
    let list = all_names(pod).join(", ");
    let note = several.then(|| format!("Defaulted container {first:?} out of: {list}"));
    (first, note)
}

/// The containers, then the init containers.
pub(super) fn container_names(pod: &Value) -> Vec<String> {
    let of = |field: &str| {
        pod["spec"][field].as_array().into_iter().flatten().filter_map(|c| c["name"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let mut names = of("containers");
    names.extend(of("initContainers"));
    names
}

fn all_names(pod: &Value) -> Vec<String> {
    let inits = pod["spec"]["initContainers"].as_array().map_or(0, Vec::len);
    let names = container_names(pod);
    let own = names.len() - inits;
    names.into_iter().enumerate().map(|(index, name)| if index < own { name } else { format!("{name} (init)") }).collect()
}
