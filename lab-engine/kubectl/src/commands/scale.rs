//! `kubectl scale --replicas=N TYPE/NAME`.
//!
//! As kubectl does, it patches the `scale` subresource with a merge patch.

use super::submit::Submit;
use crate::command::{Io, Job, Step};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::{Context, Target, chosen, gather};
use api::http::{Body, Method, PatchType};
use serde_json::json;
use std::rc::Rc;

pub(super) const FLAGS: &[Flag] = &[
    value("replicas", None),
    value("current-replicas", None),
    value("resource-version", None),
    value("timeout", None),
    value("filename", Some('f')),
    value("selector", Some('l')),
    switch("all", None),
];

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let replicas = parsed.number("replicas")?.ok_or("required flag(s) \"replicas\" not set")?;
    if replicas < 0 {
        return Err("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0".to_owned());
    }
    let current = parsed.number("current-replicas")?.filter(|count| *count >= 0);
    let sought = chosen(context, parsed, &parsed.words)?;
    let submit = Rc::new(Submit::read(context, parsed, "")?);
    Ok(Box::new(move |io| {
        gather(sought, io, move |targets, io| {
            for target in targets {
                let submit = Rc::clone(&submit);
                io.later(move |io| one(target, replicas, current, &submit, io));
            }
            Step::Done(0)
        })
    }))
}

fn one(mut target: Target, replicas: i64, current: Option<i64>, submit: &Rc<Submit>, io: &mut Io<'_>) -> Step {
    let now = target.live["spec"]["replicas"].as_i64().unwrap_or(0);
    if let Some(expected) = current.filter(|expected| *expected != now) {
        return io.error(&format!("Expected replicas to be {expected}, was {now}"));
    }
    if submit.dry_run == super::submit::DryRun::Client {
        target.live["spec"]["replicas"] = json!(replicas);
        return submit.show(&target.info, &target.live, "scaled", io);
    }
    let body = Body::Patch(PatchType::Merge, json!({"spec": {"replicas": replicas}}));
    let request = submit.request(Method::Patch, target.path().with_subresource("scale"), body);
    let submit = Rc::clone(submit);
    Step::ask(request, move |answer, io| match answer {
        Ok(_) => {
            target.live["spec"]["replicas"] = json!(replicas);
            submit.show(&target.info, &target.live, "scaled", io)
        }
        Err(failure) => io.fail(&failure),
    })
}
