//! `kubectl cp SOURCE DESTINATION`: copies files from or to a container through its `tar`.

use super::pods_of::{chosen_container, find, named, pods};
use crate::command::{Io, Job, Step, json_of};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::Context;
use api::archive::{self, Member};
use api::http::{Body, Method, Request, ResourcePath};
use serde_json::Value;

pub(super) const FLAGS: &[Flag] = &[value("container", Some('c')), value("retries", None), switch("no-preserve", None)];

/// A place: a path, in a Pod or at home.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    pod: Option<(Option<String>, String)>,
    path: String,
}

/// Reads `PATH`, `POD:PATH` or `NAMESPACE/POD:PATH`.
fn place(text: &str) -> Result<Place, String> {
    let Some((pod, path)) = text.split_once(':') else { return Ok(Place { pod: None, path: text.to_owned() }) };
    let pod = match pod.split('/').collect::<Vec<_>>()[..] {
        [""] | ["", ..] => return Err("filespec must match the canonical format: [[namespace/]pod:]file/path".to_owned()),
        [pod] => (None, pod.to_owned()),
        [namespace, pod] => (Some(namespace.to_owned()), pod.to_owned()),
        _ => return Err("filespec must match the canonical format: [[namespace/]pod:]file/path".to_owned()),
    };
    Ok(Place { pod: Some(pod), path: path.to_owned() })
}

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let [source, destination] = &parsed.words[..] else { return Err("source and destination are required".to_owned()) };
    let (source, destination) = (place(source)?, place(destination)?);
    if source.path.is_empty() || destination.path.is_empty() {
        return Err("filepath can not be empty".to_owned());
    }
    let (remote, upload) = match (&source.pod, &destination.pod) {
        (Some(_), Some(_)) => return Err(format!("one of src or dest must be a local file specification: {source:?} {destination:?}")),
        (None, None) => return Err("one of src or dest must be a remote file specification".to_owned()),
        (Some(pod), None) => (pod.clone(), None),
        (None, Some(pod)) => (pod.clone(), Some(local_members(context, &source.path, &destination.path)?)),
    };
    let mut sought = named(context, &remote.1)?;
    if let Some(namespace) = remote.0 {
        sought.namespace = namespace;
    }
    let container = parsed.get("container").map(str::to_owned);
    Ok(Box::new(move |_| {
        find(sought, move |found, io| {
            let Some(pod) = found.first() else { return io.error("no pods found") };
            let container = chosen_container(pod, container, false, io);
            match upload {
                Some(archive) => {
                    let folder = destination.path.trim_end_matches('/').rsplit_once('/').map_or(".", |(folder, _)| folder);
                    let folder = if folder.is_empty() { "/" } else { folder };
                    tar(pod, &container, &["tar", "-xmf", "-", "-C", folder], Some(archive), |_, _| Step::Done(0))
                }
                None => {
                    let from = source.path.clone();
                    tar(pod, &container, &["tar", "cf", "-", &source.path], None, move |text, io| {
                        unpack(&text, &from, &destination.path, io)
                    })
                }
            }
        })
    }))
}

/// The learner's files below a path, as an archive whose members are named after the destination.
fn local_members(context: &Context<'_>, source: &str, destination: &str) -> Result<String, String> {
    let files = context.environment.files;
    let target = destination.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    // A directory that is named as one takes the file under its own name.
    let target = if destination.ends_with('/') || target.is_empty() { format!("{target}/{name}") } else { target.to_owned() };
    let target = target.trim_start_matches('/');
    let members: Vec<Member> = match files.read(source) {
        Some(text) => vec![Member { name: target.to_owned(), text: text.to_owned() }],
        None => {
            let prefix = format!("{}/", source.trim_start_matches("./").trim_end_matches('/'));
            let below = files.iter().filter_map(|(path, text)| Some((path.strip_prefix(&prefix)?, text)));
            below.map(|(rest, text)| Member { name: format!("{target}/{rest}"), text: text.to_owned() }).collect()
        }
    };
    if members.is_empty() {
        return Err(format!("{source} doesn't exist in local filesystem"));
    }
    archive::write(&members)
}

/// Runs `tar` in a container, and goes on with what it printed.
fn tar(
    pod: &Value,
    container: &str,
    command: &[&str],
    stdin: Option<String>,
    then: impl FnOnce(String, &mut Io<'_>) -> Step + 'static,
) -> Step {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or("");
    let path = ResourcePath::object(pods(), text("namespace"), text("name")).with_subresource("exec");
    let mut request = Request::new(Method::Post, path).query("container", container.to_owned());
    for word in command {
        request = request.query("command", (*word).to_owned());
    }
    if let Some(stdin) = stdin {
        request = request.query("stdin", "true").body(Body::Text(stdin.into()));
    }
    Step::ask(request, move |answer, io| match answer {
        Ok(body) => {
            let result = json_of(body);
            io.print_error(result["stderr"].as_str().unwrap_or(""));
            match result["exitCode"].as_i64() {
                Some(0) => then(result["stdout"].as_str().unwrap_or("").to_owned(), io),
                code => {
                    let code = code.unwrap_or(1);
                    io.complain(&format!("command terminated with exit code {code}"));
                    Step::Done(i32::try_from(code).unwrap_or(1))
                }
            }
        }
        Err(failure) => io.fail(&failure),
    })
}

/// Writes the members of an archive to where the copy is wanted.
fn unpack(text: &str, from: &str, to: &str, io: &mut Io<'_>) -> Step {
    let members = match archive::read(text) {
        Ok(members) => members,
        Err(error) => return io.error(&format!("tar: {error}")),
    };
    let prefix = from.trim_matches('/');
    for member in members.into_iter().filter(|member| !member.name.ends_with('/')) {
        let rest = member.name.strip_prefix(prefix).unwrap_or(&member.name).trim_start_matches('/');
        let base = to.trim_end_matches('/');
        let path = if rest.is_empty() { base.to_owned() } else { format!("{base}/{rest}") };
        io.effects.files.push((path.trim_start_matches("./").to_owned(), member.text));
    }
    Step::Done(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let pod = |namespace: Option<&str>, pod: &str, path: &str| Place {
            pod: Some((namespace.map(str::to_owned), pod.to_owned())),
            path: path.to_owned(),
        };
        assert_eq!(place("a/b"), Ok(Place { pod: None, path: "a/b".to_owned() }));
        assert_eq!(place("web:/tmp/a"), Ok(pod(None, "web", "/tmp/a")));
        assert_eq!(place("ns/web:/a:b"), Ok(pod(Some("ns"), "web", "/a:b")));
        assert!(place(":/a").is_err() && place("a/b/c:/d").is_err());
    }
}
