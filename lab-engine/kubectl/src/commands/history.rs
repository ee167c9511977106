//! `kubectl rollout history` and `kubectl rollout undo`, from the ReplicaSets of a Deployment.

use super::describe::{pod_template, tabs};
use super::observe::list;
use super::pods_of::selector;
use super::rollout::objects;
use super::submit::{DryRun, Submit};
use crate::command::{Io, Job, Step, json_of};
use crate::flags::Parsed;
use crate::resources::{Context, Target, gather, resolve};
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

const REVISION: &str = "deployment.kubernetes.io/revision";
const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

/// The ReplicaSets of a Deployment by revision.
fn revisions(target: &Target, then: impl FnOnce(BTreeMap<i64, Value>, &mut Io<'_>) -> Step + 'static) -> Step {
    let Ok(info) = resolve("replicasets") else { return Step::Done(1) };
    let request = Request::new(Method::Get, ResourcePath::collection(info, &target.namespace));
    let uid = target.live["metadata"]["uid"].clone();
    list(request.query("labelSelector", selector(&target.live)), move |sets, io| {
        let owned = |set: &Value| set["metadata"]["ownerReferences"].as_array().into_iter().flatten().any(|owner| owner["uid"] == uid);
        let revision = |set: &Value| set["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse::<i64>().ok());
        let found = sets.into_iter().filter(owned).filter_map(|set| Some((revision(&set)?, set))).collect();
        then(found, io)
    })
}

fn is_deployment(target: &Target, what: &str) -> Result<(), String> {
    if target.info.kind == "Deployment" { Ok(()) } else { Err(format!("no {what} has been implemented for {:?}", target.info.kind)) }
}

pub(super) fn history(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let sought = objects(context, parsed)?;
    let revision = parsed.number("revision")?.unwrap_or(0);
    if revision < 0 {
        return Err(format!("revision must be a positive integer: {revision}"));
    }
    Ok(Box::new(move |io| {
        gather(sought, io, move |targets, io| {
            for target in targets {
                io.later(move |io| match is_deployment(&target, "history viewer") {
                    Ok(()) => {
                        let title = target.result_name();
                        revisions(&target, move |sets, io| print_history(&title, revision, &sets, io))
                    }
                    Err(message) => io.error(&message),
                });
            }
            Step::Done(0)
        })
    }))
}

fn print_history(title: &str, revision: i64, sets: &BTreeMap<i64, Value>, io: &mut Io<'_>) -> Step {
    if revision > 0 {
        let Some(set) = sets.get(&revision) else { return io.error("unable to find the specified revision") };
        let mut template = set["spec"]["template"].clone();
        if let Some(cause) = set["metadata"]["annotations"][CHANGE_CAUSE].as_str() {
            template["metadata"]["annotations"] = json!({CHANGE_CAUSE: cause});
        }
        io.print(format!("{title} with revision #{revision}\n{}\n", tabs(&pod_template(&template, 0))));
        return Step::Done(0);
    }
    if sets.is_empty() {
        io.print("No rollout history found.\n");
        return Step::Done(0);
    }
    let mut lines = "REVISION\tCHANGE-CAUSE\n".to_owned();
    for (number, set) in sets {
        let cause = set["metadata"]["annotations"][CHANGE_CAUSE].as_str().unwrap_or("<none>");
        lines.push_str(&format!("{number}\t{cause}\n"));
    }
    io.print(format!("{title} \n{}\n", tabs(&lines)));
    Step::Done(0)
}

pub(super) fn undo(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let sought = objects(context, parsed)?;
    let to = parsed.number("to-revision")?.unwrap_or(0);
    let submit = Rc::new(Submit::read(context, parsed, "")?);
    Ok(Box::new(move |io| {
        gather(sought, io, move |targets, io| {
            for target in targets {
                let submit = Rc::clone(&submit);
                io.later(move |io| undo_one(target, to, submit, io));
            }
            Step::Done(0)
        })
    }))
}

fn undo_one(target: Target, to: i64, submit: Rc<Submit>, io: &mut Io<'_>) -> Step {
    if let Err(message) = is_deployment(&target, "rollbacker") {
        return io.error(&message);
    }
    if target.live["spec"]["paused"] == true {
        return io.error("you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again");
    }
    let key = target.clone();
    revisions(&key, move |sets, io| {
        let set = match to {
            0 => sets.iter().rev().nth(1).map(|(_, set)| set),
            to => sets.get(&to),
        };
        let Some(set) = set else {
            return io.error(&if to > 0 {
                format!("unable to find specified revision {to} in history")
            } else {
                format!("no rollout history found for deployment {:?}", target.name)
            });
        };
        let mut template = set["spec"]["template"].clone();
        if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove("pod-template-hash");
        }
        if submit.dry_run == DryRun::Client {
            io.print(tabs(&pod_template(&template, 0)));
            return Step::Done(0);
        }
        if template == target.live["spec"]["template"] {
            let revision = set["metadata"]["annotations"][REVISION].as_str().unwrap_or("");
            io.print(format!("{} skipped rollback (current template already matches revision {revision})\n", target.result_name()));
            return Step::Done(0);
        }
        // As upstream: the template is replaced, and the annotations are those of the old ReplicaSet.
        let mut patch = vec![json!({"op": "replace", "path": "/spec/template", "value": template})];
        if let Some(cause) = set["metadata"]["annotations"][CHANGE_CAUSE].as_str() {
            let path = format!("/metadata/annotations/{}", CHANGE_CAUSE.replace('/', "~1"));
            patch.push(json!({"op": "add", "path": path, "value": cause}));
        }
        let request = submit.request(Method::Patch, target.path(), Body::Patch(PatchType::Json, Value::Array(patch)));
        Step::ask(request, move |answer, io| match answer {
            Ok(body) => submit.show(&target.info, &json_of(body), "rolled back", io),
            Err(failure) => io.fail(&failure),
        })
    })
}
