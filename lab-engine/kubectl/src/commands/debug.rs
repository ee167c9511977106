//! `kubectl debug POD --image=IMAGE`: puts an ephemeral container into a running Pod.
//!
//! **Simplified here:** nodes and copies of Pods (`--copy-to`) cannot be debugged; profiles change nothing.

use super::attach;
use super::pods_of::{find, named, pods};
use super::session::Streams;
use crate::command::{Io, Job, Step};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::Context;
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use serde_json::{Value, json};
use std::time::Duration;

/// How long it waits for the container to run.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) const FLAGS: &[Flag] = &[
    value("image", None),
    value("container", Some('c')),
    value("target", None),
    value("image-pull-policy", None),
    value("env", None),
    value("copy-to", None),
    value("profile", None),
    switch("stdin", Some('i')),
    switch("tty", Some('t')),
    switch("attach", None),
    switch("quiet", Some('q')),
];

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let word = parsed.words.first().ok_or("NAME or TYPE/NAME is required for debug")?;
    if word.starts_with("node/") || word.starts_with("nodes/") || word.starts_with("no/") {
        return Err("nodes cannot be debugged in this terminal: their files are seen through a Pod with a hostPath volume".to_owned());
    }
    if parsed.get("copy-to").is_some() {
        return Err("--copy-to is not supported in this terminal: apply a changed copy of the manifest".to_owned());
    }
    let image = parsed.get("image").ok_or("you must specify --image or --profile when not using --copy-to")?.to_owned();
    let command: Vec<String> = parsed.dash.map(|at| parsed.words[at..].to_vec()).unwrap_or_default();
    let waits = parsed.on("stdin") || parsed.on("attach");
    let mut container = json!({"image": image, "terminationMessagePolicy": "File", "resources": {}});
    let copied = [("container", "name"), ("target", "targetContainerName"), ("image-pull-policy", "imagePullPolicy")];
    for (flag, field) in copied {
        if let Some(value) = parsed.get(flag) {
            container[field] = json!(value);
        }
    }
    if !command.is_empty() {
        container["command"] = json!(command);
    }
    for (flag, field) in [("stdin", "stdin"), ("tty", "tty")] {
        if parsed.on(flag) {
            container[field] = json!(true);
        }
    }
    let quiet = parsed.on("quiet");
    let (stdin, tty) = (parsed.on("stdin"), parsed.on("tty"));
    let text = if stdin { context.environment.stdin.to_owned() } else { String::new() };
    let sought = named(context, word)?;
    Ok(Box::new(move |_| {
        find(sought, move |found, io| match found.first() {
            Some(pod) => {
                let streams = waits.then(|| Streams::new(stdin, tty, text, io));
                add(pod, container, streams, quiet, io)
            }
            None => io.error("no pods found"),
        })
    }))
}

/// Puts the container into the Pod, and connects to it if there are `streams`.
fn add(pod: &Value, mut container: Value, streams: Option<Streams>, quiet: bool, io: &mut Io<'_>) -> Step {
    if let Some(target) = container["targetContainerName"].as_str().filter(|_| !quiet) {
        io.complain(&format!(
            "Targeting container {target:?}. If you don't see processes from this container it may be because the container runtime doesn't \
             support this feature."
        ));
    }
    if container["name"].is_null() {
        let name = format!("debugger-{}", suffix(pod));
        if !quiet {
            io.complain(&format!("Defaulting debug container name to {name}."));
        }
        container["name"] = json!(name);
    }
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or("").to_owned();
    let path = ResourcePath::object(pods(), &text("namespace"), &text("name"));
    let name = container["name"].as_str().unwrap_or_default().to_owned();
    let patch = json!({"spec": {"ephemeralContainers": [container]}});
    let to = path.clone().with_subresource("ephemeralcontainers");
    let request = Request::new(Method::Patch, to).body(Body::Patch(PatchType::StrategicMerge, patch));
    let deadline = io.now + ATTACH_TIMEOUT;
    Step::ask(request, move |answer, io| match answer {
        Ok(_) => match streams {
            Some(streams) => attach::when_it_runs(path, name, streams, quiet, deadline),
            None => Step::Done(0),
        },
        Err(failure) => io.fail(&failure),
    })
}

/// Five letters for a name, other ones for each container of a Pod.
fn suffix(pod: &Value) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let count = pod["spec"]["ephemeralContainers"].as_array().map_or(0, Vec::len);
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let mut hash = uid
        .bytes()
        .fold(0x811c_9dc5_u32 ^ u32::try_from(count).unwrap_or(0), |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let mut letters = String::new();
    for _ in 0..5 {
        letters.push(char::from(LETTERS[hash as usize % LETTERS.len()]));
        hash /= 27;
    }
    letters
}
