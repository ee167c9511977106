//! `kubectl exec POD -- COMMAND`: runs a command in a container, prints what it prints, and gives it what is typed.

use super::pods_of::{chosen_container, find, named, pods};
use super::session::{Streams, connect};
use crate::command::{Io, Job, Step};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::Context;
use api::http::{Method, Request, ResourcePath};
use serde_json::Value;

pub(super) const FLAGS: &[Flag] = &[
    value("container", Some('c')),
    value("filename", Some('f')),
    value("pod-running-timeout", None),
    switch("stdin", Some('i')),
    switch("tty", Some('t')),
    switch("quiet", Some('q')),
];

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let word = parsed.words.first().ok_or("pod, type/name or --filename must be specified")?;
    let command = match parsed.dash {
        Some(0) => return Err("pod, type/name or --filename must be specified".to_owned()),
        Some(at) if at > 1 => return Err("exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead".to_owned()),
        Some(at) => parsed.words[at..].to_vec(),
        None if parsed.words.len() > 1 => {
            return Err("exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead".to_owned());
        }
        None => Vec::new(),
    };
    if command.is_empty() {
        return Err("you must specify at least one command for the container".to_owned());
    }
    let stdin = context.environment.stdin.to_owned();
    let sought = named(context, word)?;
    let container = parsed.get("container").map(str::to_owned);
    let (give, tty) = (parsed.on("stdin"), parsed.on("tty"));
    let quiet = parsed.on("quiet");
    Ok(Box::new(move |_| {
        find(sought, move |found, io| {
            let Some(pod) = found.first() else { return io.error("no pods found") };
            let name = chosen_container(pod, container, quiet, io);
            let streams = Streams::new(give, tty, if give { stdin } else { String::new() }, io);
            run(pod, &name, &command, streams, io)
        })
    }))
}

/// Runs the command in the Pod's container, and ends with its status.
pub(super) fn run(pod: &Value, container: &str, command: &[String], streams: Streams, io: &mut Io<'_>) -> Step {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or("");
    let phase = pod["status"]["phase"].as_str().unwrap_or("");
    if matches!(phase, "Succeeded" | "Failed") {
        return io.error(&format!("cannot exec into a container in a completed pod; current phase is {phase}"));
    }
    let path = ResourcePath::object(pods(), text("namespace"), text("name")).with_subresource("exec");
    let mut request = Request::new(Method::Post, path).query("container", container);
    for word in command {
        request = request.query("command", word.clone());
    }
    connect(request, streams, |end, io| match end {
        Ok(0) => Step::Done(0),
        Ok(code) => {
            io.complain(&format!("command terminated with exit code {code}"));
            Step::Done(code)
        }
        Err(broken) => broken.fail(io),
    })
}
