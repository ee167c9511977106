//! `kubectl logs`: of a Pod, of a workload's Pod, or of all Pods that a label selects; once, or following with `-f`.

use super::observe::list;
use super::pods_of::{chosen_container, container_names, find, named, pods};
use crate::command::{Io, Job, News, Step};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::Context;
use api::http::{Body, Method, Request, ResourcePath};
use serde_json::Value;

pub(super) const FLAGS: &[Flag] = &[
    value("container", Some('c')),
    value("tail", None),
    value("since", None),
    value("since-time", None),
    value("selector", Some('l')),
    value("limit-bytes", None),
    value("max-log-requests", None),
    value("pod-running-timeout", None),
    switch("follow", Some('f')),
    switch("previous", Some('p')),
    switch("timestamps", None),
    switch("all-containers", None),
    switch("all-pods", None),
    switch("prefix", None),
    switch("ignore-errors", None),
];

const USAGE: &str = "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n\
    POD or TYPE/NAME is a required argument for the logs command\nSee 'kubectl logs -h' for help and examples";

/// How many logs are followed at once unless more are allowed.
const MAX_FOLLOWED: i64 = 5;

#[derive(Clone, Debug)]
struct Options {
    container: Option<String>,
    all_containers: bool,
    all_pods: bool,
    follow: bool,
    prefix: bool,
    max: i64,
    query: Vec<(&'static str, String)>,
}

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let mut options = options(parsed)?;
    if let Some(selector) = parsed.get("selector") {
        if !parsed.words.is_empty() {
            return Err("only a selector (-l) or a POD name is allowed".to_owned());
        }
        if parsed.get("tail").is_none() {
            options.query.push(("tailLines", "10".to_owned()));
        }
        let request = Request::new(Method::Get, ResourcePath::collection(pods(), &context.namespace));
        let request = request.query("labelSelector", selector);
        let namespace = context.namespace.clone();
        return Ok(Box::new(move |_| {
            list(request, move |found, io| {
                if found.is_empty() {
                    io.complain(&format!("No resources found in {namespace} namespace."));
                }
                print(found, options, io)
            })
        }));
    }
    let word = parsed.words.first().ok_or(USAGE)?;
    if parsed.words.len() > 2 {
        return Err(USAGE.to_owned());
    }
    if let Some(container) = parsed.words.get(1) {
        if options.container.is_some() {
            return Err("only one of -c or an inline [CONTAINER] arg is allowed".to_owned());
        }
        options.container = Some(container.clone());
    }
    let sought = named(context, word)?;
    let workload = sought.info != *pods();
    let title = format!("{}/{}", sought.info.singular, sought.name.as_deref().unwrap_or(""));
    Ok(Box::new(move |_| {
        find(sought, move |mut found, io| {
            if found.is_empty() {
                return io.error(&format!("timed out waiting for the condition: no pods found for {title}"));
            }
            if workload && !options.all_pods {
                if found.len() > 1 {
                    let chosen = found[0]["metadata"]["name"].as_str().unwrap_or("");
                    io.complain(&format!("Found {} pods, using pod/{chosen}", found.len()));
                }
                found.truncate(1);
            }
            print(found, options, io)
        })
    }))
}

fn options(parsed: &Parsed) -> Result<Options, String> {
    let mut query = Vec::new();
    for flag in ["previous", "timestamps"] {
        query.extend(parsed.on(flag).then(|| (flag, "true".to_owned())));
    }
    if let Some(lines) = parsed.number("tail")? {
        if lines < -1 {
            return Err("--tail must be greater than or equal to -1".to_owned());
        }
        query.extend((lines >= 0).then(|| ("tailLines", lines.to_string())));
    }
    if let Some(since) = parsed.duration("since")? {
        if since.0 < 0 {
            return Err("--since must be greater than 0".to_owned());
        }
        // Rounded up, as the API takes whole seconds.
        query.extend((since.0 > 0).then(|| ("sinceSeconds", ((since.0 + 999_999_999) / 1_000_000_000).to_string())));
    }
    if let Some(bytes) = parsed.number("limit-bytes")? {
        query.push(("limitBytes", bytes.to_string()));
    }
    let follow = parsed.on("follow");
    query.extend(follow.then(|| ("follow", "true".to_owned())));
    Ok(Options {
        container: parsed.get("container").map(str::to_owned),
        all_containers: parsed.on("all-containers") || parsed.on("all-pods"),
        all_pods: parsed.on("all-pods"),
        follow,
        prefix: parsed.on("prefix") || parsed.on("all-pods"),
        max: parsed.number("max-log-requests")?.unwrap_or(MAX_FOLLOWED),
        query,
    })
}

/// Prints the logs of the Pods' containers: one after the other, or all at once when they are followed.
fn print(found: Vec<Value>, options: Options, io: &mut Io<'_>) -> Step {
    let mut requests = Vec::new();
    for pod in &found {
        let names = if options.all_containers {
            container_names(pod)
        } else if let Some(name) = &options.container {
            if !container_names(pod).contains(name) {
                let pod = pod["metadata"]["name"].as_str().unwrap_or("");
                return io.error(&format!("container {name} is not valid for pod {pod}"));
            }
            vec![name.clone()]
        } else {
            vec![chosen_container(pod, None, false, io)]
        };
        for container in names {
            let name = pod["metadata"]["name"].as_str().unwrap_or("");
            let namespace = pod["metadata"]["namespace"].as_str().unwrap_or("");
            let path = ResourcePath::object(pods(), namespace, name).with_subresource("log");
            let mut request = Request::new(Method::Get, path).query("container", container.clone());
            request.query.extend(options.query.iter().map(|(name, text)| ((*name).into(), text.clone())));
            let prefix = if options.prefix { format!("[pod/{name}/{container}] ") } else { String::new() };
            requests.push((request, prefix));
        }
    }
    if options.follow {
        let count = i64::try_from(requests.len()).unwrap_or(i64::MAX);
        if count > options.max {
            return io.error(&format!(
                "you are attempting to follow {count} log streams, but maximum allowed concurrency is {}, \
                 use --max-log-requests to increase the limit",
                options.max
            ));
        }
        return follow(requests);
    }
    for (request, prefix) in requests {
        io.later(move |_| {
            Step::ask(request, move |answer, io| match answer {
                Ok(Body::Text(text)) => {
                    io.print(prefixed(&text, &prefix));
                    Step::Done(0)
                }
                Ok(_) => Step::Done(0),
                Err(failure) => io.fail(&failure),
            })
        });
    }
    Step::Done(0)
}

fn prefixed(text: &str, prefix: &str) -> String {
    if prefix.is_empty() { text.to_owned() } else { text.lines().map(|line| format!("{prefix}{line}\n")).collect() }
}

fn follow(requests: Vec<(Request, String)>) -> Step {
    let (requests, prefixes): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
    let mut open = requests.len();
    if open == 0 {
        return Step::Done(0);
    }
    let on = move |number: usize, news: News, io: &mut Io<'_>| {
        let prefix = &prefixes[number];
        let last = match news {
            News::Answer(Ok(Body::Text(text))) => {
                io.print(prefixed(&text, prefix));
                false
            }
            News::Text(text, last) => {
                io.print(prefixed(&text, prefix));
                last
            }
            News::Answer(Err(failure)) => return Some(io.fail(&failure)),
            News::Ended => true,
            News::Answer(Ok(_)) | News::Events(_) | News::Deadline => false,
        };
        open -= usize::from(last);
        (open == 0).then_some(Step::Done(0))
    };
    Step::Watch(requests, None, Box::new(on))
}
