//! `kubectl certificate approve` and `kubectl certificate deny` (`k8s.io/kubectl/pkg/cmd/certificates`).

use super::submit::{DryRun, Submit};
use crate::command::{Io, Job, Step};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::{Context, Target, chosen, gather};
use api::http::{Body, Method};
use serde_json::{Value, json};
use std::rc::Rc;

pub(super) const FLAGS: &[Flag] = &[value("filename", Some('f')), switch("force", None)];

/// How often a write is tried when somebody else was faster.
const ATTEMPTS: u32 = 10;

/// What is decided about a request.
struct Decision {
    type_: &'static str,
    opposite: &'static str,
    reason: &'static str,
    message: &'static str,
    done: &'static str,
    force: bool,
    submit: Submit,
}

pub(super) fn approve(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let message = "This CSR was approved by kubectl certificate approve.";
    build(context, parsed, ["Approved", "Denied", "KubectlApprove", message, "approved"])
}

pub(super) fn deny(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let message = "This CSR was denied by kubectl certificate deny.";
    build(context, parsed, ["Denied", "Approved", "KubectlDeny", message, "denied"])
}

fn build(context: &Context<'_>, parsed: &Parsed, [type_, opposite, reason, message, done]: [&'static str; 5]) -> Result<Job, String> {
    if parsed.words.is_empty() && parsed.get("filename").is_none() {
        return Err("one or more CSRs must be specified as <name> or -f <filename>".to_owned());
    }
    let mut words = parsed.words.clone();
    if !words.is_empty() && !words.iter().any(|word| word.contains('/')) {
        words.insert(0, "certificatesigningrequests".to_owned());
    }
    let sought = chosen(context, parsed, &words)?;
    let submit = Submit::read(context, parsed, "")?;
    let decision = Rc::new(Decision { type_, opposite, reason, message, done, force: parsed.on("force"), submit });
    Ok(Box::new(move |io| {
        gather(sought, io, move |targets, io| {
            for target in targets {
                let decision = Rc::clone(&decision);
                io.later(move |io| decide(target, &decision, ATTEMPTS, io));
            }
            Step::Done(0)
        })
    }))
}

/// Adds the condition, unless it is there (`addConditionIfNeeded`).
fn decide(mut target: Target, decision: &Rc<Decision>, attempts: u32, io: &mut Io<'_>) -> Step {
    let conditions = target.live["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let has = |type_: &str| conditions.iter().any(|condition| condition["type"] == type_);
    if has(decision.opposite) {
        return io.error(&format!("certificate signing request {:?} is already {}", target.name, decision.opposite));
    }
    if (has(decision.type_) && !decision.force) || decision.submit.dry_run == DryRun::Client {
        return decision.submit.show(&target.info, &target.live, decision.done, io);
    }
    let now = io.now.rfc3339();
    let condition =
        json!({"type": decision.type_, "status": "True", "reason": decision.reason, "message": decision.message, "lastUpdateTime": now});
    let all: Vec<Value> = conditions.into_iter().filter(|old| old["type"] != decision.type_).chain([condition]).collect();
    target.live["status"]["conditions"] = all.into();
    let request = decision.submit.request(Method::Put, target.path().with_subresource("approval"), Body::Json(target.live.clone()));
    let decision = Rc::clone(decision);
    Step::ask(request, move |answer, io| match answer {
        Ok(_) => decision.submit.show(&target.info, &target.live, decision.done, io),
        Err(failure) if failure.is_conflict() && attempts > 1 => {
            Step::json(api::http::Request::new(Method::Get, target.path()), move |live, io| {
                decide(Target { live, ..target }, &decision, attempts - 1, io)
            })
        }
        Err(failure) => io.fail(&failure),
    })
}
