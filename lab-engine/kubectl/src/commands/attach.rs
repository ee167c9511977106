//! `kubectl attach POD`: connects to the first process of a container, and to its terminal with `-it`.
//!
//! **Simplified here:** nothing detaches but the end of the process or of the connection.

use super::observe::{self, Seen};
use super::pods_of::{chosen_container, find, named, pods};
use super::session::{Broken, Streams, connect};
use crate::command::{Io, Job, Step};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::Context;
use api::http::{Body, Method, Request, ResourcePath};
use serde_json::Value;
use sim::Time;

pub(super) const FLAGS: &[Flag] = &[
    value("container", Some('c')),
    value("pod-running-timeout", None),
    switch("stdin", Some('i')),
    switch("tty", Some('t')),
    switch("quiet", Some('q')),
];

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let word = match &parsed.words[..] {
        [] => return Err("at least 1 argument is required for attach".to_owned()),
        [word] => word,
        words => return Err(format!("expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw {}: {words:?}", words.len())),
    };
    let sought = named(context, word)?;
    let container = parsed.get("container").map(str::to_owned);
    let (stdin, tty, quiet) = (parsed.on("stdin"), parsed.on("tty"), parsed.on("quiet"));
    if tty && !stdin {
        return Err("-i/--stdin is required for containers with -t/--tty=true".to_owned());
    }
    let text = context.environment.stdin.to_owned();
    Ok(Box::new(move |_| {
        find(sought, move |found, io| {
            let Some(pod) = found.first() else { return io.error("no pods found") };
            let name = chosen_container(pod, container, quiet, io);
            let streams = Streams::new(stdin, tty, text, io);
            attach(pod, &name, streams, quiet, io, |end, io| match end {
                Ok(_) => Step::Done(0),
                Err(broken) => broken.fail(io),
            })
        })
    }))
}

/// Attaches to a container of a Pod, and goes on with how the connection ended.
pub(super) fn attach(
    pod: &Value,
    container: &str,
    mut streams: Streams,
    quiet: bool,
    io: &mut Io<'_>,
    then: impl FnOnce(Result<i32, Broken>, &mut Io<'_>) -> Step + 'static,
) -> Step {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or("");
    let phase = pod["status"]["phase"].as_str().unwrap_or("");
    if matches!(phase, "Succeeded" | "Failed") {
        return io.error(&format!("cannot attach a container in a completed pod; current phase is {phase}"));
    }
    let of = |field: &str| pod["spec"][field].as_array().into_iter().flatten();
    let spec = of("containers").chain(of("initContainers")).chain(of("ephemeralContainers")).find(|spec| spec["name"] == container);
    let Some(spec) = spec else {
        return io.error(&format!("container not found ({container})"));
    };
    if streams.tty && spec["tty"] != true {
        streams.tty = false;
        io.complain(&format!("error: Unable to use a TTY - container {container} did not allocate one"));
    }
    if streams.tty && !quiet {
        io.complain("If you don't see a command prompt, try pressing enter.");
    }
    let resumes = streams.tty && !quiet && pod["spec"]["restartPolicy"] == "Always" && is_regular(pod, container);
    let message =
        format!("Session ended, resume using 'kubectl attach {} -c {container} -i -t' command when the pod is running\n", text("name"));
    let path = ResourcePath::object(pods(), text("namespace"), text("name")).with_subresource("attach");
    let request = Request::new(Method::Post, path).query("container", container.to_owned());
    connect(request, streams, move |end, io| {
        if resumes && end.is_ok() {
            io.print(message);
        }
        then(end, io)
    })
}

/// Waits until a container of a Pod runs, connects to it, and ends with its exit code; of one that ends sooner, prints the log.
pub(super) fn when_it_runs(path: ResourcePath, container: String, streams: Streams, quiet: bool, deadline: Time) -> Step {
    let mut streams = Some(streams);
    let log = path.clone();
    observe::object(path, Some(deadline), move |seen, io| match seen {
        Seen::Timeout => Some(io.error("timed out waiting for the condition")),
        Seen::Object(None) => Some(io.error("the Pod is gone")),
        Seen::Object(Some(pod)) => {
            let state = state_of(pod, &container)?;
            if let Some(code) = exit_code(state) {
                return Some(print_log(log.clone(), &container, code));
            }
            if state["running"].is_null() {
                return None;
            }
            let streams = streams.take()?;
            let (path, name) = (log.clone(), container.clone());
            // A container that is started again and again has no end to wait for.
            let restarts = pod["spec"]["restartPolicy"] == "Always" && is_regular(pod, &container);
            Some(attach(pod, &container, streams, quiet, io, move |end, io| match end {
                Ok(_) if restarts => Step::Done(0),
                Ok(_) => until_it_ended(path, name, |_, code| Step::Done(code)),
                // It has ended since it was seen to run.
                Err(broken @ Broken::Refused(_)) => {
                    let (message, pod) = (broken.message(), path.name.clone().unwrap_or_default());
                    io.complain(&format!("warning: couldn't attach to pod/{pod}, falling back to streaming logs: {message}"));
                    let log = path.clone();
                    until_it_ended(path, name, move |name, code| print_log(log, &name, code))
                }
                Err(broken) => broken.fail(io),
            }))
        }
    })
}

/// Waits for the end of a container, and goes on with its name and exit code.
fn until_it_ended(path: ResourcePath, container: String, then: impl FnOnce(String, i32) -> Step + 'static) -> Step {
    let mut then = Some(then);
    observe::object(path, None, move |seen, _| match seen {
        Seen::Object(Some(pod)) => {
            let code = state_of(pod, &container).and_then(exit_code)?;
            then.take().map(|then| then(container.clone(), code))
        }
        Seen::Object(None) | Seen::Timeout => Some(Step::Done(0)),
    })
}

fn is_regular(pod: &Value, container: &str) -> bool {
    pod["spec"]["containers"].as_array().into_iter().flatten().any(|spec| spec["name"] == container)
}

fn state_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    let of = |field: &str| pod["status"][field].as_array().into_iter().flatten();
    let mut statuses = of("containerStatuses").chain(of("ephemeralContainerStatuses"));
    statuses.find(|status| status["name"] == container).map(|status| &status["state"])
}

fn exit_code(state: &Value) -> Option<i32> {
    state["terminated"]["exitCode"].as_i64().map(|code| i32::try_from(code).unwrap_or(1))
}

fn print_log(path: ResourcePath, container: &str, code: i32) -> Step {
    let request = Request::new(Method::Get, path.with_subresource("log")).query("container", container.to_owned());
    Step::ask(request, move |answer, io| match answer {
        Ok(Body::Text(text)) => {
            io.print(&*text);
            Step::Done(code)
        }
        Ok(_) => Step::Done(code),
        Err(failure) => io.fail(&failure),
    })
}
