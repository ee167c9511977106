//! `kubectl rollout history` and `kubectl rollout undo`, from the ReplicaSets of a Deployment and the ControllerRevisions of other sets.

use super::describe::{pod_template, tabs};
use super::observe::list;
use super::pods_of::selector;
use super::rollout::objects;
use super::submit::{DryRun, Submit};
use crate::command::{Io, Job, Step, json_of};
use crate::flags::Parsed;
use crate::output::go_text;
use crate::resources::{Context, Target, gather, resolve};
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

const REVISION: &str = "deployment.kubernetes.io/revision";
const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

/// The versions of a workload by number: the ReplicaSets of a Deployment, the ControllerRevisions of a DaemonSet or StatefulSet. All have the
/// template under `spec`.
fn revisions(target: &Target, then: impl FnOnce(BTreeMap<i64, Value>, &mut Io<'_>) -> Step + 'static) -> Step {
    let of_deployment = target.info.kind == "Deployment";
    let Ok(info) = resolve(if of_deployment { "replicasets" } else { "controllerrevisions" }) else { return Step::Done(1) };
    let request = Request::new(Method::Get, ResourcePath::collection(info, &target.namespace));
    let uid = target.live["metadata"]["uid"].clone();
    list(request.query("labelSelector", selector(&target.live)), move |versions, io| {
        let owned =
            |version: &Value| version["metadata"]["ownerReferences"].as_array().into_iter().flatten().any(|owner| owner["uid"] == uid);
        let numbered = |mut version: Value| {
            if of_deployment {
                let number = version["metadata"]["annotations"][REVISION].as_str()?.parse::<i64>().ok()?;
                return Some((number, version));
            }
            let mut template = version["data"]["spec"]["template"].take();
            template.as_object_mut()?.remove("$patch");
            version["spec"]["template"] = template;
            Some((version["revision"].as_i64()?, version))
        };
        let found = versions.into_iter().filter(owned).filter_map(numbered).collect();
        then(found, io)
    })
}

fn has_history(target: &Target, what: &str) -> Result<(), String> {
    if matches!(&*target.info.kind, "Deployment" | "DaemonSet" | "StatefulSet") {
        Ok(())
    } else {
        Err(format!("no {what} has been implemented for {:?}", target.info.kind))
    }
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
                io.later(move |io| match has_history(&target, "history viewer") {
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
    if let Err(message) = has_history(&target, "rollbacker") {
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
            return io.error(&match (to, &*target.info.kind) {
                (1.., _) => format!("unable to find specified revision {to} in history"),
                (_, "Deployment") => format!("no rollout history found for deployment {:?}", target.name),
                _ => "no last revision to roll back to".to_owned(),
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
            let numbers = [&set["metadata"]["annotations"][REVISION], &set["revision"]];
            let revision = numbers.into_iter().filter(|number| !number.is_null()).map(go_text).next().unwrap_or_default();
            io.print(format!("{} skipped rollback (current template already matches revision {revision})\n", target.result_name()));
            return Step::Done(0);
        }
        if target.info.kind != "Deployment" {
            // What a ControllerRevision holds is a patch.
            template["$patch"] = json!("replace");
            let body = Body::Patch(PatchType::StrategicMerge, json!({"spec": {"template": template}}));
            return roll_back(target, submit, body);
        }
        // As upstream: the template is replaced, and the annotations are those of the old ReplicaSet.
        let mut patch = vec![json!({"op": "replace", "path": "/spec/template", "value": template})];
        if let Some(cause) = set["metadata"]["annotations"][CHANGE_CAUSE].as_str() {
            let path = format!("/metadata/annotations/{}", CHANGE_CAUSE.replace('/', "~1"));
            patch.push(json!({"op": "add", "path": path, "value": cause}));
        }
        roll_back(target, submit, Body::Patch(PatchType::Json, Value::Array(patch)))
    })
}

fn roll_back(target: Target, submit: Rc<Submit>, body: Body) -> Step {
    let request = submit.request(Method::Patch, target.path(), body);
    Step::ask(request, move |answer, io| match answer {
        Ok(body) => submit.show(&target.info, &json_of(body), "rolled back", io),
        Err(failure) => io.fail(&failure),
    })
}
