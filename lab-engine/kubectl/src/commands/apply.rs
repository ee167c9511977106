//! `kubectl apply`, `create -f` and `replace`: objects as files describe them.
//!
//! Client-side apply remembers what was applied in an annotation; the patch that it sends is the three-way one of
//! [`api::patch::three_way_strategic`], or for custom kinds [`api::patch::three_way_merge`]. Server-side apply is in `server_side`.
//!
//! **Simplified here:** no `--prune`, no kustomizations.

use super::change::{merged, three_way};
use super::server_side;
use super::submit::{DryRun, Submit};
use crate::command::{Io, Job, Step, json_of};
use crate::flags::{Flag, Parsed, switch, value};
use crate::manifest::{Manifest, load, load_known};
use crate::output::without_managed_fields;
use crate::resources::{Context, result_name};
use api::http::{Body, Method, Request, ResourcePath};
use api::labels::Selector;
use serde_json::{Value, json};
use std::rc::Rc;

pub(super) const FLAGS: &[Flag] = &[
    value("filename", Some('f')),
    value("kustomize", Some('k')),
    value("selector", Some('l')),
    value("grace-period", None),
    value("timeout", None),
    switch("server-side", None),
    switch("force-conflicts", None),
    value("field-manager", None),
    switch("force", None),
    switch("overwrite", None),
    switch("wait", None),
    switch("recursive", Some('R')),
    switch("all", None),
];

/// The annotation that remembers what was applied.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Create { save: bool },
    Replace { force: bool },
    ClientSide,
    ServerSide { force: bool },
}

pub(super) fn apply(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    if let Some(word) = parsed.words.first() {
        return Err(format!("Unexpected args: [{word}]\nSee 'kubectl apply -h' for help and examples"));
    }
    let mode = if parsed.on("server-side") { Mode::ServerSide { force: parsed.on("force-conflicts") } } else { Mode::ClientSide };
    build(context, parsed, mode)
}

pub(super) fn create(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    if parsed.get("filename").is_none()
        && let Some(word) = parsed.words.first()
    {
        return Err(format!("Unexpected args: [{word}]\nSee 'kubectl create -h' for help and examples"));
    }
    build(context, parsed, Mode::Create { save: parsed.on("save-config") })
}

pub(super) fn replace(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    build(context, parsed, Mode::Replace { force: parsed.on("force") })
}

fn build(context: &Context<'_>, parsed: &Parsed, mode: Mode) -> Result<Job, String> {
    if parsed.get("kustomize").is_some() {
        return Err("kustomizations are not supported in this terminal: use -f".to_owned());
    }
    let paths = parsed.all("filename");
    if paths.is_empty() {
        return Err("must specify one of -f and -k".to_owned());
    }
    let selector = Selector::parse(parsed.get("selector").unwrap_or(""))?;
    let (mut manifests, unknown) = load_known(&paths, context)?;
    manifests.retain(|manifest| {
        let pairs = manifest.value["metadata"]["labels"].as_object().into_iter().flatten();
        selector.matches(&pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or("").to_owned())).collect())
    });
    let verb = match mode {
        Mode::Create { .. } => "create",
        Mode::Replace { .. } => "replace",
        _ => "apply",
    };
    if manifests.is_empty() {
        return Err(if unknown.is_empty() { format!("no objects passed to {verb}") } else { unknown.join("\n") });
    }
    let manager = match mode {
        Mode::Create { .. } => "kubectl-create",
        Mode::Replace { .. } => "kubectl-replace",
        Mode::ClientSide => "kubectl-client-side-apply",
        Mode::ServerSide { .. } => server_side::MANAGER,
    };
    let submit = Rc::new(Submit::read(context, parsed, manager)?);
    if verb == "apply" {
        let server_side = matches!(mode, Mode::ServerSide { .. });
        server_side::check_flags(server_side, parsed.on("force-conflicts"), parsed.on("force"), submit.dry_run)?;
    }
    Ok(Box::new(move |io| {
        for manifest in manifests {
            let submit = Rc::clone(&submit);
            io.later(move |io| one(manifest, mode, submit, io));
        }
        for message in unknown {
            io.later(move |io| io.error(&message));
        }
        Step::Done(0)
    }))
}

/// Deals with one object.
fn one(manifest: Manifest, mode: Mode, submit: Rc<Submit>, io: &mut Io<'_>) -> Step {
    match mode {
        Mode::ClientSide | Mode::ServerSide { .. } if manifest.name.is_empty() => io.error(&nameless(&manifest, mode)),
        Mode::Create { save } => {
            let value = if save { with_last_applied(&manifest.value) } else { manifest.value.clone() };
            send_create(manifest, value, submit, io)
        }
        Mode::Replace { force } => replace_one(manifest, force, submit),
        Mode::ClientSide => Step::ask(Request::new(Method::Get, manifest.path()), move |answer, io| match answer {
            Ok(body) => patch(manifest, &json_of(body), submit, io),
            Err(failure) if failure.is_not_found() => {
                let value = with_last_applied(&manifest.value);
                send_create(manifest, value, submit, io)
            }
            Err(failure) => {
                io.complain(&manifest.explain(&failure, "retrieving current configuration of"));
                Step::Done(1)
            }
        }),
        Mode::ServerSide { force } => server_side::one(manifest, force, submit),
    }
}

/// Why an object without a name cannot be applied.
fn nameless(manifest: &Manifest, mode: Mode) -> String {
    let source = &manifest.source;
    if manifest.value["metadata"]["generateName"].as_str().is_some_and(|prefix| !prefix.is_empty()) {
        return format!("from {source}: cannot use generate name with apply");
    }
    let empty = "resource name may not be empty";
    if mode != Mode::ClientSide {
        return empty.to_owned();
    }
    let (info, version) = (&manifest.info, manifest.info.api_version());
    // The core group is an empty text before the slash.
    let version = if info.group.is_empty() { format!("/{version}") } else { version };
    let (plural, kind, namespace) = (&info.plural, &info.kind, &manifest.namespace);
    format!(
        "error when retrieving current configuration of:\nResource: \"{version}, Resource={plural}\", GroupVersionKind: \"{version}, \
         Kind={kind}\"\nName: \"\", Namespace: {namespace:?}\nfrom server for: {source:?}: {empty}"
    )
}

/// Sends a write of the manifest and tells what came of it.
fn finish(request: Request, manifest: Manifest, verb: &'static str, doing: &'static str, submit: Rc<Submit>) -> Step {
    Step::ask(request, move |answer, io| match answer {
        Ok(body) => submit.show(&manifest.info, &json_of(body), verb, io),
        Err(failure) => {
            io.complain(&manifest.explain(&failure, doing));
            Step::Done(1)
        }
    })
}

fn send_create(manifest: Manifest, value: Value, submit: Rc<Submit>, io: &mut Io<'_>) -> Step {
    if submit.dry_run == DryRun::Client {
        return submit.show(&manifest.info, &value, "created", io);
    }
    let path = ResourcePath::collection(&manifest.info, &manifest.namespace);
    let request = submit.request(Method::Post, path, Body::Json(value));
    finish(request, manifest, "created", "creating", submit)
}

fn patch(manifest: Manifest, live: &Value, submit: Rc<Submit>, io: &mut Io<'_>) -> Step {
    let last = live.pointer("/metadata/annotations").and_then(|annotations| annotations[LAST_APPLIED].as_str());
    if last.is_none() && submit.dry_run != DryRun::Client {
        let object = format!("{}/{}", manifest.info.plural, manifest.name);
        io.complain(&format!(
            "Warning: resource {object} is missing the {LAST_APPLIED} annotation which is required by kubectl apply. kubectl apply should \
             only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing \
             annotation will be patched automatically."
        ));
    }
    let last = last.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let wanted = with_last_applied(&manifest.value);
    let (type_, patch) = match three_way(&manifest.info, &last, &wanted, live) {
        Ok(patch) => patch,
        Err(message) => return io.error(&message),
    };
    if patch == json!({}) {
        return submit.show(&manifest.info, live, "unchanged", io);
    }
    if submit.dry_run == DryRun::Client {
        return match merged(&manifest.info, live.clone(), &patch) {
            Ok(merged) => submit.show(&manifest.info, &merged, "configured", io),
            Err(message) => io.error(&message),
        };
    }
    let request = submit.request(Method::Patch, manifest.path(), Body::Patch(type_, patch));
    finish(request, manifest, "configured", "applying patch to", submit)
}

fn replace_one(manifest: Manifest, force: bool, submit: Rc<Submit>) -> Step {
    if !force {
        let request = submit.request(Method::Put, manifest.path(), Body::Json(manifest.value.clone()));
        return finish(request, manifest, "replaced", "replacing", submit);
    }
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "gracePeriodSeconds": 0});
    let request = Request::new(Method::Delete, manifest.path()).body(Body::Json(options));
    Step::ask(request, move |answer, io| {
        match answer {
            Ok(_) => io.print(super::delete::deleted_line(&manifest.info, &manifest.namespace, &manifest.name, false)),
            Err(failure) if failure.is_not_found() => {}
            Err(failure) => return io.fail(&failure),
        }
        let path = manifest.path();
        super::observe::until_gone(path, None, move |gone, _| {
            if !gone {
                return Step::Done(1);
            }
            let path = ResourcePath::collection(&manifest.info, &manifest.namespace);
            let request = submit.request(Method::Post, path, Body::Json(manifest.value.clone()));
            finish(request, manifest, "replaced", "replacing", submit)
        })
    })
}

/// The object with the annotation that remembers it.
fn with_last_applied(value: &Value) -> Value {
    let mut remembered = value.clone();
    if let Some(metadata) = remembered.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, value| name != "creationTimestamp" || !value.is_null());
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        // What is no map of annotations gives way to one.
        if !annotations.is_object() {
            *annotations = json!({});
        }
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.remove(LAST_APPLIED);
        }
    }
    let text = format!("{remembered}\n");
    if let Some(annotations) = remembered.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.insert(LAST_APPLIED.to_owned(), Value::String(text));
    }
    remembered
}

/// `kubectl diff`: says whether the files differ from the cluster; the difference is that of the objects' YAML.
///
/// **Simplified here:** the merged object is computed by the client unless `--server-side` is given, and the text is a plain list of lines
/// without hunks.
pub(super) fn diff(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let paths = parsed.all("filename");
    if paths.is_empty() {
        return Err("must specify one of -f and -k".to_owned());
    }
    let manifests = load(&paths, context)?;
    let (server_side, force) = (parsed.on("server-side"), parsed.on("force-conflicts"));
    let manager = parsed.get("field-manager").unwrap_or(server_side::MANAGER).to_owned();
    Ok(Box::new(move |io| {
        for manifest in manifests {
            let manager = manager.clone();
            io.later(move |_| {
                Step::ask(Request::new(Method::Get, manifest.path()), move |answer, io| {
                    let live = match answer {
                        Ok(body) => json_of(body),
                        Err(failure) if failure.is_not_found() => json!({}),
                        Err(failure) => return io.fail(&failure),
                    };
                    if server_side {
                        return Step::ask(server_side::trial(&manifest, force, &manager), move |answer, io| match answer {
                            Ok(body) => print_difference(&manifest, live, json_of(body), io),
                            Err(failure) => io.fail(&failure),
                        });
                    }
                    let last = live["metadata"]["annotations"][LAST_APPLIED].as_str();
                    let last = last.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
                    let after = three_way(&manifest.info, &last, &manifest.value, &live)
                        .and_then(|(_, patch)| merged(&manifest.info, live.clone(), &patch));
                    match after {
                        Ok(merged) => print_difference(&manifest, live, merged, io),
                        Err(message) => io.error(&message),
                    }
                })
            });
        }
        Step::Done(0)
    }))
}

fn print_difference(manifest: &Manifest, mut live: Value, mut merged: Value, io: &mut Io<'_>) -> Step {
    (live, merged) = (without_managed_fields(live), without_managed_fields(merged));
    for value in [&mut live, &mut merged] {
        if let Some(annotations) = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
    }
    if live == merged {
        return Step::Done(0);
    }
    let text = |value: &Value| if *value == json!({}) { String::new() } else { crate::output::yaml::write(value) };
    let (old, new) = (text(&live), text(&merged));
    let name = result_name(&manifest.info, &manifest.name);
    io.print(format!("--- LIVE {name}\n+++ MERGED {name}\n{}", super::lines::difference(&old, &new)));
    Step::Done(1)
}
