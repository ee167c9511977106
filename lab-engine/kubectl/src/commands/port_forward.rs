//! `kubectl port-forward TYPE/NAME [LOCAL:]REMOTE…`: lets ports of the terminal lead to a Pod.

use super::pods_of::{find, named};
use crate::command::{Io, Job, Step};
use crate::flags::{Flag, Parsed, value};
use crate::forward::Forward;
use crate::resources::Context;
use serde_json::Value;

pub(super) const FLAGS: &[Flag] = &[value("address", None), value("pod-running-timeout", None)];

/// The first local port that is given out when none is named.
const FIRST_RANDOM: u16 = 40_001;

/// A pair of ports; the local one is found when it is zero.
struct Pair {
    local: u16,
    remote: String,
}

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let (word, ports) = match &parsed.words[..] {
        [] | [_] => {
            return Err(
                "TYPE/NAME and list of ports are required for port-forward\nSee 'kubectl port-forward -h' for help and examples".to_owned()
            );
        }
        [word, ports @ ..] => (word, ports),
    };
    let pairs = ports.iter().map(|text| pair(text)).collect::<Result<Vec<Pair>, String>>()?;
    let sought = named(context, word)?;
    let taken = context.environment.ports.to_vec();
    let command = format!("kubectl port-forward {}", parsed.words.join(" "));
    let is_service = sought.info.kind == "Service";
    let service = sought.request();
    Ok(Box::new(move |_| {
        if !is_service {
            return find(sought, move |found, io| forward(found.first(), None, pairs, &taken, &command, io));
        }
        Step::json(service, move |service, _| {
            find(sought, move |found, io| forward(found.first(), Some(&service), pairs, &taken, &command, io))
        })
    }))
}

fn pair(text: &str) -> Result<Pair, String> {
    let wrong = || format!("invalid port format '{text}'");
    let (local, remote) = match text.split_once(':') {
        Some((local, remote)) => (local, remote),
        None => (text, text),
    };
    let local = match local {
        "" => 0,
        local if remote == local => local.parse().unwrap_or(0),
        local => local
            .parse()
            .map_err(|_| format!("error parsing local port '{local}': strconv.ParseUint: parsing {local:?}: invalid syntax"))?,
    };
    if remote.is_empty() || remote.contains(':') || remote == "0" {
        return Err(wrong());
    }
    Ok(Pair { local, remote: remote.to_owned() })
}

fn forward(pod: Option<&Value>, service: Option<&Value>, pairs: Vec<Pair>, taken: &[u16], command: &str, io: &mut Io<'_>) -> Step {
    let Some(pod) = pod else { return io.error("no pods found") };
    let phase = pod["status"]["phase"].as_str().unwrap_or("");
    if phase != "Running" {
        return io.error(&format!("unable to forward port because pod is not running. Current status={phase}"));
    }
    let mut opened: Vec<(u16, Forward)> = Vec::new();
    let (mut asked, mut refused) = (Vec::new(), String::new());
    for pair in pairs {
        let remote = match remote_port(pod, service, &pair.remote) {
            Ok(port) => port,
            Err(message) => return io.error(&message),
        };
        let is_free = |port: u16| !taken.contains(&port) && opened.iter().all(|(local, _)| *local != port);
        let named = if pair.local == 0 && pair.remote.parse::<u16>().is_err() { remote } else { pair.local };
        let local = if named == 0 { (FIRST_RANDOM..).find(|port| is_free(*port)).unwrap_or(FIRST_RANDOM) } else { named };
        asked.push(format!("{{{local} {remote}}}"));
        if !is_free(local) {
            refused = format!(
                "Unable to listen on port {local}: Listeners failed to create with the following errors: [unable to create listener: Error \
                 listen tcp4 127.0.0.1:{local}: bind: address already in use unable to create listener: Error listen tcp6 [::1]:{local}: bind: \
                 address already in use]"
            );
            io.complain(&refused);
            continue;
        }
        let text = |field: &str| pod["metadata"][field].as_str().unwrap_or("").to_owned();
        let forward = Forward { namespace: text("namespace"), pod: text("name"), port: remote, job: 0, command: command.to_owned() };
        io.print(format!("Forwarding from 127.0.0.1:{local} -> {remote}\nForwarding from [::1]:{local} -> {remote}\n"));
        opened.push((local, forward));
    }
    if opened.is_empty() && !refused.is_empty() {
        return io.error(&format!("unable to listen on any of the requested ports: [{}]", asked.join(" ")));
    }
    io.complain("(this terminal goes on while the ports are forwarded: try 'curl localhost:PORT'; 'jobs' lists them, 'kill %1' ends them)");
    io.effects.forwards.extend(opened);
    Step::Done(0)
}

/// The port of the Pod: of a Service, where that port of it leads.
fn remote_port(pod: &Value, service: Option<&Value>, remote: &str) -> Result<u16, String> {
    let number = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    let in_containers = |name: &str| {
        let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        let mut ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
        ports.find(|port| port["name"] == name).and_then(|port| number(&port["containerPort"]))
    };
    let Some(service) = service else {
        return match remote.parse() {
            Ok(port) => Ok(port),
            Err(_) => in_containers(remote)
                .ok_or_else(|| format!("Pod '{}' does not have a named port '{remote}'", pod["metadata"]["name"].as_str().unwrap_or(""))),
        };
    };
    let is = |port: &&Value| port["name"] == remote || remote.parse::<u64>().is_ok_and(|number| port["port"] == number);
    let name = service["metadata"]["name"].as_str().unwrap_or("");
    let found = service["spec"]["ports"].as_array().into_iter().flatten().find(is);
    let found = found.ok_or_else(|| format!("Service {name} does not have a service port {remote}"))?;
    match &found["targetPort"] {
        Value::String(target) => in_containers(target)
            .ok_or_else(|| format!("Pod '{}' does not have a named port '{target}'", pod["metadata"]["name"].as_str().unwrap_or(""))),
        target => {
            number(target).or_else(|| number(&found["port"])).ok_or_else(|| format!("Service {name} does not have a service port {remote}"))
        }
    }
}
