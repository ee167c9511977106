//! `kubectl patch`: a strategic merge patch unless `--type` says otherwise, written in JSON or YAML.

use super::submit::{DryRun, Submit};
use crate::command::{Failure, Io, Job, Step, json_of};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::{Context, Target, chosen, gather};
use api::http::{Body, Method, PatchType};
use api::yaml::read_documents;
use serde_json::Value;
use std::borrow::Cow;
use std::rc::Rc;

pub(super) const FLAGS: &[Flag] = &[
    value("patch", Some('p')),
    value("patch-file", None),
    value("type", None),
    value("filename", Some('f')),
    value("subresource", None),
    switch("local", None),
];

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let kind = match parsed.get("type").unwrap_or("strategic") {
        "strategic" => PatchType::StrategicMerge,
        "merge" => PatchType::Merge,
        "json" => PatchType::Json,
        other => return Err(format!("--type must be one of [json merge strategic], not {other:?}")),
    };
    let text = match (parsed.get("patch"), parsed.get("patch-file")) {
        (Some(text), None) => text.to_owned(),
        (None, Some("-")) => context.environment.stdin.to_owned(),
        (None, Some(path)) => {
            context.environment.files.read(path).ok_or_else(|| format!("open {path}: no such file or directory"))?.to_owned()
        }
        (Some(_), Some(_)) => return Err("cannot specify --patch and --patch-file together".to_owned()),
        (None, None) => return Err("must specify --patch or --patch-file containing the contents of the patch".to_owned()),
    };
    let documents =
        read_documents(&text).map_err(|error| format!("unable to parse {text:?}: yaml: line {}: {}", error.line, error.message))?;
    let patch = documents.into_iter().next().map(|document| document.value).unwrap_or(Value::Null);
    if !patch.is_object() && !patch.is_array() {
        return Err(format!("unable to parse {text:?}: the patch is neither an object nor a list"));
    }
    let subresource = parsed.get("subresource").unwrap_or("").to_owned();
    let sought = chosen(context, parsed, &parsed.words)?;
    let submit = Rc::new(Submit::read(context, parsed, "kubectl-patch")?);
    Ok(Box::new(move |io| {
        gather(sought, io, move |targets, io| {
            for target in targets {
                let (submit, patch, subresource) = (Rc::clone(&submit), patch.clone(), subresource.clone());
                io.later(move |io| one(&target, kind, patch, subresource, &submit, io));
            }
            Step::Done(0)
        })
    }))
}

fn one(target: &Target, kind: PatchType, patch: Value, subresource: String, submit: &Rc<Submit>, io: &mut Io<'_>) -> Step {
    let words = |before: &Value, after: &Value| {
        let strip = |value: &Value| {
            let mut value = value.clone();
            for field in ["managedFields", "resourceVersion", "generation"] {
                if let Some(metadata) = value["metadata"].as_object_mut() {
                    metadata.remove(field);
                }
            }
            value
        };
        if strip(before) == strip(after) { "patched (no change)" } else { "patched" }
    };
    if submit.dry_run == DryRun::Client {
        let patched = match kind {
            PatchType::Json => api::patch::json_patch(target.live.clone(), &patch),
            PatchType::Merge => Ok(api::patch::merge(target.live.clone(), &patch)),
            _ => api::patch::strategic_merge(&target.info, target.live.clone(), &patch),
        };
        return match patched {
            Ok(patched) => submit.show(&target.info, &patched, words(&target.live, &patched), io),
            Err(message) => io.error(&message),
        };
    }
    let mut path = target.path();
    path.subresource = Cow::Owned(subresource);
    let request = submit.request(Method::Patch, path, Body::Patch(kind, patch));
    let (submit, before, info) = (Rc::clone(submit), target.live.clone(), target.info.clone());
    Step::ask(request, move |answer, io| match answer {
        Ok(body) => {
            let after = json_of(body);
            let shown = if after["metadata"]["name"].is_null() { &before } else { &after };
            submit.show(&info, shown, words(&before, &after), io)
        }
        Err(Failure::Refused(status)) if status.reason == "UnsupportedMediaType" => {
            let type_ = match kind {
                PatchType::Json => "application/json-patch+json",
                PatchType::Merge => "application/merge-patch+json",
                PatchType::StrategicMerge => "application/strategic-merge-patch+json",
                PatchType::Apply => "application/apply-patch+yaml",
            };
            io.error(&format!("{type_} is not supported by {}, Kind={}: {}", info.api_version(), info.kind, status.message))
        }
        Err(failure) => io.fail(&failure),
    })
}
