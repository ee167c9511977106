//! `kubectl exec POD -- COMMAND`: runs a command in a container and prints what it printed.
//!
//! **Simplified here:** the command runs to its end before its output is shown; an interactive shell (`-it … -- sh`) reads what stands on
//! standard input, not the keyboard.

use super::pods_of::{default_container, find, named, pods};
use crate::command::{Io, Job, Step, json_of};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::Context;
use api::http::{Body, Method, Request, ResourcePath};
use serde_json::Value;

pub(super) const FLAGS: &[Flag] = &[
    value("container", Some('c')),
    value("filename", Some('f')),
    value("pod-running-timeout", None),
    switch("stdin", Some('i')),
    switch("tty", Some('t')),
    switch("quiet", Some('q')),
];

const SHELLS: [&str; 6] = ["sh", "bash", "ash", "/bin/sh", "/bin/bash", "/bin/ash"];

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
    let interactive = parsed.on("stdin") && parsed.on("tty") && stdin.is_empty();
    if interactive && command.len() == 1 && SHELLS.contains(&command[0].as_str()) {
        return Err(format!(
            "an interactive shell is not supported in this terminal: run one command, as in 'kubectl exec {word} -- sh -c \"ls; env\"'"
        ));
    }
    let sought = named(context, word)?;
    let container = parsed.get("container").map(str::to_owned);
    let give = parsed.on("stdin");
    let quiet = parsed.on("quiet");
    Ok(Box::new(move |_| {
        find(sought, move |found, io| {
            let Some(pod) = found.first() else { return io.error("no pods found") };
            let name = match container {
                Some(name) => name,
                None => {
                    let (name, note) = default_container(pod);
                    if let Some(note) = note.filter(|_| !quiet) {
                        io.complain(&note);
                    }
                    name
                }
            };
            run(pod, &name, &command, give.then_some(stdin), io)
        })
    }))
}

/// Runs the command in the Pod's container, and ends with its status.
pub(super) fn run(pod: &Value, container: &str, command: &[String], stdin: Option<String>, io: &mut Io<'_>) -> Step {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or("");
    let phase = pod["status"]["phase"].as_str().unwrap_or("");
    if matches!(phase, "Succeeded" | "Failed") {
        return io.error(&format!("cannot exec into a container in a completed pod; current phase is {phase}"));
    }
    let path = ResourcePath::object(pods(), text("namespace"), text("name")).with_subresource("exec");
    let mut request = Request::new(Method::Post, path).query("container", container).query("stdout", "true").query("stderr", "true");
    for word in command {
        request = request.query("command", word.clone());
    }
    if let Some(text) = stdin.filter(|text| !text.is_empty()) {
        request = request.query("stdin", "true").body(Body::Text(text.into()));
    }
    Step::ask(request, |answer, io| match answer {
        Ok(body) => {
            let result = json_of(body);
            io.print(result["stdout"].as_str().unwrap_or(""));
            io.print_error(result["stderr"].as_str().unwrap_or(""));
            let code = result["exitCode"].as_i64().unwrap_or(0);
            if code != 0 {
                io.complain(&format!("command terminated with exit code {code}"));
            }
            Step::Done(i32::try_from(code).unwrap_or(1))
        }
        Err(failure) => io.fail(&failure),
    })
}
