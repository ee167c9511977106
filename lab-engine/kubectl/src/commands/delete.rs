//! `kubectl delete`: by name, file, label or `--all`; unless told otherwise it waits until the objects are gone.

use super::observe;
use super::submit::{DryRun, Submit};
use crate::command::{Io, Job, Step, json_of};
use crate::flags::{Flag, Parsed, optional, switch, value};
use crate::resources::{Context, Sought, Target, chosen, gather, singular};
use api::http::{Body, Method, Request, ResourcePath};
use api::kinds::KindInfo;
use serde_json::{Value, json};
use sim::Time;
use std::rc::Rc;

pub(super) const FLAGS: &[Flag] = &[
    value("filename", Some('f')),
    value("kustomize", Some('k')),
    value("selector", Some('l')),
    value("field-selector", None),
    value("grace-period", None),
    value("timeout", None),
    value("raw", None),
    optional("cascade", "background"),
    optional("wait", "true"),
    switch("all", None),
    switch("all-namespaces", Some('A')),
    switch("force", None),
    switch("now", None),
    switch("ignore-not-found", None),
    switch("recursive", Some('R')),
    switch("interactive", Some('i')),
];

struct Options {
    body: Value,
    submit: Submit,
    force: bool,
    ignore_not_found: bool,
    wait: bool,
    timeout: Option<crate::flags::GoDuration>,
}

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let selects = parsed.on("all") || parsed.get("selector").is_some() || parsed.get("field-selector").is_some();
    let sought = chosen(context, parsed, &parsed.words).map_err(|message| match message.as_str() {
        "resource(s) were provided, but no name was specified" => {
            "resource(s) were provided, but no name, label selector, or --all flag specified".to_owned()
        }
        _ => message,
    })?;
    if parsed.on("all") && parsed.get("selector").is_some() {
        return Err("cannot set --all and --selector at the same time".to_owned());
    }
    let options = Rc::new(options(context, parsed)?);
    let namespaced = sought.iter().any(|one| one.info.namespaced);
    Ok(Box::new(move |io| {
        if options.force && namespaced && options.submit.dry_run == DryRun::None {
            io.complain(
                "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. \
                 The resource may continue to run on the cluster indefinitely.",
            );
        }
        if sought.iter().all(|one| one.name.is_some()) {
            return all(sought.into_iter().map(by_name).collect(), options, io);
        }
        debug_assert!(selects, "without a name something selects");
        gather(sought, io, move |targets, io| {
            if targets.is_empty() {
                io.print("No resources found\n");
            }
            all(targets, options, io)
        })
    }))
}

fn by_name(sought: Sought) -> Target {
    Target { info: sought.info, namespace: sought.namespace, name: sought.name.unwrap_or_default(), live: Value::Null }
}

fn options(context: &Context<'_>, parsed: &Parsed) -> Result<Options, String> {
    let force = parsed.on("force");
    let mut grace = parsed.number("grace-period")?.unwrap_or(-1);
    if parsed.on("now") {
        if grace != -1 {
            return Err("--now and --grace-period cannot be specified together".to_owned());
        }
        grace = 1;
    }
    let mut ignore_not_found = parsed.on("ignore-not-found");
    if parsed.on("all") && parsed.get("ignore-not-found").is_none() {
        ignore_not_found = true;
    }
    if grace == 0 && !force {
        // As upstream: one second, so that the deletion is still seen through.
        grace = 1;
    }
    if force && grace < 0 {
        grace = 0;
    }
    let cascade = match parsed.get("cascade") {
        None | Some("background" | "true") => "Background",
        Some("foreground") => "Foreground",
        Some("orphan" | "false") => "Orphan",
        Some(other) => return Err(format!("invalid cascade value ({other}). Must be \"background\", \"foreground\", or \"orphan\"")),
    };
    let mut body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": cascade});
    if grace >= 0 {
        body["gracePeriodSeconds"] = json!(grace);
    }
    let wait = match parsed.get("wait") {
        Some(_) => parsed.on("wait"),
        None => !force || grace > 0,
    };
    let timeout = parsed.duration("timeout")?.filter(|timeout| timeout.0 > 0);
    Ok(Options { body, submit: Submit::read(context, parsed, "")?, force, ignore_not_found, wait, timeout })
}

/// Deletes all targets, then waits for those that were there.
fn all(targets: Vec<Target>, options: Rc<Options>, io: &mut Io<'_>) -> Step {
    let gone = Gone::default();
    for target in targets {
        let (options, gone) = (Rc::clone(&options), Rc::clone(&gone));
        io.later(move |io| one(target, options, gone, io));
    }
    io.later(move |io| {
        let deadline = options.timeout.map(|timeout| timeout.after(io.now));
        if options.wait && options.submit.dry_run == DryRun::None {
            for (path, uid) in gone.take() {
                io.later(move |_| wait(path, uid, deadline));
            }
        }
        Step::Done(0)
    });
    Step::Done(0)
}

/// Objects that were there, with their UIDs.
type Gone = Rc<std::cell::RefCell<Vec<(ResourcePath, Value)>>>;

fn one(target: Target, options: Rc<Options>, gone: Gone, io: &mut Io<'_>) -> Step {
    let path = target.path();
    let submit = &options.submit;
    let told = move |options: &Options, io: &mut Io<'_>| {
        if options.submit.prints_objects() {
            let object = json!({"apiVersion": target.info.api_version(), "kind": target.info.kind, "metadata": {"name": target.name}});
            return options.submit.show(&target.info, &object, "deleted", io);
        }
        let line = deleted_line(&target.info, &target.namespace, &target.name, options.force);
        io.print(line.replace('\n', &format!("{}\n", options.submit.suffix())));
        Step::Done(0)
    };
    if submit.dry_run == DryRun::Client {
        return told(&options, io);
    }
    let request = submit.request(Method::Delete, path.clone(), Body::Json(options.body.clone()));
    Step::ask(request, move |answer, io| match answer {
        Ok(body) => {
            let answer = json_of(body);
            // The answer is the object, or a `Status` about it.
            let uid = answer.pointer("/details/uid").or_else(|| answer.pointer("/metadata/uid")).cloned();
            gone.borrow_mut().push((path, uid.unwrap_or_default()));
            told(&options, io)
        }
        Err(failure) if options.ignore_not_found && failure.is_not_found() => Step::Done(0),
        Err(failure) => io.fail(&failure),
    })
}

/// `pod "web" deleted from default namespace` and a line's end.
pub(super) fn deleted_line(info: &KindInfo, namespace: &str, name: &str, force: bool) -> String {
    let place = if namespace.is_empty() { String::new() } else { format!(" from {namespace} namespace") };
    format!("{} {name:?} {}deleted{place}\n", singular(info), if force { "force " } else { "" })
}

/// Waits until the object is gone. Another one of its name is not waited for.
fn wait(path: ResourcePath, uid: Value, deadline: Option<Time>) -> Step {
    let name = format!("{}/{}", path.resource.resource, path.name.as_deref().unwrap_or(""));
    // Most objects are gone at once: one question is cheaper than a watch.
    Step::ask(Request::new(Method::Get, path.clone()), move |answer, io| match answer {
        Ok(body) if !uid.is_null() && json_of(body.clone())["metadata"]["uid"] != uid => Step::Done(0),
        Ok(_) => observe::until_gone(path, deadline, move |gone, io| {
            if gone { Step::Done(0) } else { io.error(&format!("timed out waiting for the condition on {name}")) }
        }),
        Err(failure) if failure.is_not_found() => Step::Done(0),
        Err(failure) => io.fail(&failure),
    })
}
