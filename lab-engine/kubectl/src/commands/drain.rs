//! `kubectl drain`: cordons a node and evicts its Pods (`k8s.io/kubectl/pkg/drain`).

use super::nodes::{cordoning, named};
use super::observe::{self, list};
use super::pods_of::pods;
use super::submit::{DryRun, Submit};
use crate::command::{Io, Job, Step};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::{Context, Target, gather};
use api::http::{Body, Method, Request, ResourcePath};
use serde_json::{Value, json};
use sim::Time;
use std::rc::Rc;
use std::time::Duration;

pub(super) const FLAGS: &[Flag] = &[
    value("selector", Some('l')),
    value("pod-selector", None),
    value("grace-period", None),
    value("timeout", None),
    value("skip-wait-for-delete-timeout", None),
    value("chunk-size", None),
    switch("ignore-daemonsets", None),
    switch("delete-emptydir-data", None),
    switch("force", None),
    switch("disable-eviction", None),
];

/// How long it waits before it asks again for an eviction that a budget forbids.
const RETRY: Duration = Duration::from_secs(5);

struct Options {
    ignore_daemonsets: bool,
    delete_emptydir: bool,
    force: bool,
    grace: Option<i64>,
    pod_selector: Option<String>,
    submit: Rc<Submit>,
    timeout: Option<crate::flags::GoDuration>,
}

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let sought = named(parsed, "drain NODE [flags]")?;
    let options = Rc::new(Options {
        ignore_daemonsets: parsed.on("ignore-daemonsets"),
        delete_emptydir: parsed.on("delete-emptydir-data"),
        force: parsed.on("force"),
        grace: parsed.number("grace-period")?.filter(|seconds| *seconds >= 0),
        pod_selector: parsed.get("pod-selector").map(str::to_owned),
        submit: Rc::new(Submit::read(context, parsed, "")?),
        timeout: parsed.duration("timeout")?.filter(|timeout| timeout.0 > 0),
    });
    Ok(Box::new(move |io| {
        gather(sought, io, move |targets, io| {
            for target in targets {
                let options = Rc::clone(&options);
                let cordon = target.clone();
                let submit = Rc::clone(&options.submit);
                io.later(move |io| super::change::one(cordon, &submit, &cordoning(true), io));
                io.later(move |_| drain(target, options));
            }
            Step::Done(0)
        })
    }))
}

fn drain(node: Target, options: Rc<Options>) -> Step {
    let mut request = Request::new(Method::Get, ResourcePath::collection(pods(), ""));
    request = request.query("fieldSelector", format!("spec.nodeName={}", node.name));
    if let Some(selector) = &options.pod_selector {
        request = request.query("labelSelector", selector.clone());
    }
    list(request, move |found, io| {
        let chosen = match choose(found, &options) {
            Ok((chosen, warnings)) => {
                if !warnings.is_empty() {
                    io.complain(&format!("Warning: {}", warnings.join("; ")));
                }
                chosen
            }
            Err(errors) => {
                let (name, text) = (&node.name, errors.join(", "));
                let whole = if errors.len() > 1 { format!("[{text}]") } else { text };
                io.complain(&format!(
                    "error: unable to drain node {name:?} due to error: {whole}, continuing command...\n\
                     There are pending nodes to be drained:\n {name}\n{}",
                    errors.join("\n")
                ));
                return Step::Done(1);
            }
        };
        let deadline = options.timeout.map(|timeout| timeout.after(io.now));
        let dry = options.submit.dry_run != DryRun::None;
        for pod in &chosen {
            let (namespace, name) = id(pod);
            io.print(format!("evicting pod {namespace}/{name}{}\n", options.submit.suffix()));
        }
        if !dry {
            for pod in chosen {
                let options = Rc::clone(&options);
                let (namespace, name) = id(&pod);
                io.later(move |_| evict(namespace, name, options, deadline));
            }
        }
        let suffix = options.submit.suffix();
        io.later(move |io| {
            io.print(format!("node/{} drained{suffix}\n", node.name));
            Step::Done(0)
        });
        Step::Done(0)
    })
}

fn id(pod: &Value) -> (String, String) {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or("").to_owned();
    (text("namespace"), text("name"))
}

/// The Pods that are evicted, and warnings; or what stands against it.
fn choose(found: Vec<Value>, options: &Options) -> Result<(Vec<Value>, Vec<String>), Vec<String>> {
    let (mut chosen, mut daemons, mut unmanaged, mut local) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for pod in found {
        let (namespace, name) = id(&pod);
        let name = format!("{namespace}/{name}");
        if !pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null() {
            continue;
        }
        let finished = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let owner = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten().find(|owner| owner["controller"] == true);
        if owner.is_some_and(|owner| owner["kind"] == "DaemonSet") && !finished {
            daemons.push(name);
            continue;
        }
        let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
        if volumes.clone().any(|volume| !volume["emptyDir"].is_null()) && !finished {
            local.push(name.clone());
        }
        if owner.is_none() && !finished {
            unmanaged.push(name);
        }
        chosen.push(pod);
    }
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let mut judge = |names: Vec<String>, allowed: bool, fatal: &str, warning: &str| {
        if !names.is_empty() {
            let names = names.join(", ");
            if allowed { warnings.push(format!("{warning}: {names}")) } else { errors.push(format!("cannot delete {fatal}: {names}")) }
        }
    };
    judge(
        daemons,
        options.ignore_daemonsets,
        "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)",
        "ignoring DaemonSet-managed Pods",
    );
    judge(
        unmanaged,
        options.force,
        "cannot delete Pods that declare no controller (use --force to override)",
        "deleting Pods that declare no controller",
    );
    if !options.delete_emptydir {
        judge(local, false, "Pods with local storage (use --delete-emptydir-data to override)", "");
    }
    if errors.is_empty() { Ok((chosen, warnings)) } else { Err(errors) }
}

/// Asks for an eviction, again when a budget forbids it for now, then waits until the Pod is gone.
fn evict(namespace: String, name: String, options: Rc<Options>, deadline: Option<Time>) -> Step {
    let path = ResourcePath::object(pods(), &namespace, &name);
    let mut body = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}, "deleteOptions": {},
    });
    if let Some(seconds) = options.grace {
        body["deleteOptions"]["gracePeriodSeconds"] = json!(seconds);
    }
    let request = Request::new(Method::Post, path.clone().with_subresource("eviction")).body(Body::Json(body));
    Step::ask(request, move |answer, io| match answer {
        Ok(_) => observe::until_gone(path, deadline, move |gone, io| {
            if gone {
                io.print(format!("pod/{name} evicted\n"));
                return Step::Done(0);
            }
            io.error(&format!("error when waiting for pod {name:?} in namespace {namespace:?} to terminate: global timeout reached"))
        }),
        Err(failure) if failure.is_not_found() => Step::Done(0),
        Err(crate::command::Failure::Refused(status)) if status.code == 429 => {
            io.complain(&format!("error when evicting pods/{name:?} -n {namespace:?} (will retry after 5s): {}", status.message));
            again(namespace, name, options, deadline, io)
        }
        Err(failure) => io.fail(&failure),
    })
}

fn again(namespace: String, name: String, options: Rc<Options>, deadline: Option<Time>, io: &mut Io<'_>) -> Step {
    let next = io.now + RETRY;
    if deadline.is_some_and(|deadline| next > deadline) {
        return io.error("global timeout reached");
    }
    Step::Sleep(next, Box::new(move |_| evict(namespace, name, options, deadline)))
}
