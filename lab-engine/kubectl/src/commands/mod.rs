//! The commands of `kubectl`, one module each, and how the words of a line choose one.

mod about;
mod apply;
mod attach;
mod auth;
mod certificate;
mod change;
mod config;
mod cp;
mod create;
mod debug;
mod delete;
mod describe;
mod drain;
mod events;
mod exec;
mod explain;
mod explain_custom;
mod field_notes;
mod get;
mod get_table;
mod history;
mod label;
mod lines;
mod logs;
mod nodes;
mod observe;
mod patch;
mod pods_of;
mod port_forward;
mod raw;
mod rollout;
mod run;
mod scale;
mod server_side;
mod session;
mod set;
mod submit;
mod top;
mod wait;

use crate::command::Job;
use crate::discovery::Discovery;
use crate::flags::{self, Flag, Parsed};
use crate::identity::Identity;
use crate::invocation::{Environment, Usage};
use crate::resources::Context;

/// Makes a command of what stood on the line.
type Build = fn(&Context<'_>, &Parsed) -> Result<Job, String>;

/// A command: its words, the flags that it knows, and how it is made. Flags of `submit` are known where `writes` says so.
struct Verb {
    words: &'static str,
    flags: &'static [Flag],
    writes: bool,
    build: Build,
}

const fn reads(words: &'static str, flags: &'static [Flag], build: Build) -> Verb {
    Verb { words, flags, writes: false, build }
}

const fn writes(words: &'static str, flags: &'static [Flag], build: Build) -> Verb {
    Verb { words, flags, writes: true, build }
}

/// The commands, sorted.
const VERBS: &[Verb] = &[
    writes("annotate", label::FLAGS, label::annotate),
    reads("api-resources", about::RESOURCES_FLAGS, about::api_resources),
    reads("api-versions", &[], about::api_versions),
    writes("apply", apply::FLAGS, apply::apply),
    reads("auth can-i", auth::FLAGS, auth::can_i),
    reads("auth whoami", auth::FLAGS, auth::whoami),
    reads("attach", attach::FLAGS, attach::build),
    writes("autoscale", run::AUTOSCALE_FLAGS, run::autoscale),
    writes("certificate approve", certificate::FLAGS, certificate::approve),
    writes("certificate deny", certificate::FLAGS, certificate::deny),
    reads("cluster-info", &[], about::cluster_info),
    reads("config", config::FLAGS, config::config),
    writes("cordon", nodes::FLAGS, nodes::cordon),
    reads("cp", cp::FLAGS, cp::build),
    writes("create", apply::FLAGS, apply::create),
    writes("create clusterrole", create::FLAGS, create::cluster_role),
    writes("create clusterrolebinding", create::BINDING_FLAGS, create::cluster_role_binding),
    writes("create cm", create::FLAGS, create::config_map),
    writes("create configmap", create::FLAGS, create::config_map),
    writes("create cronjob", create::FLAGS, create::cron_job),
    writes("create deploy", create::FLAGS, create::deployment),
    writes("create deployment", create::FLAGS, create::deployment),
    writes("create ingress", create::FLAGS, create::ingress),
    writes("create job", create::FLAGS, create::job),
    writes("create namespace", create::FLAGS, create::namespace),
    writes("create ns", create::FLAGS, create::namespace),
    writes("create pdb", create::FLAGS, create::pdb),
    writes("create poddisruptionbudget", create::FLAGS, create::pdb),
    writes("create priorityclass", create::FLAGS, create::priority_class),
    writes("create quota", create::FLAGS, create::quota),
    writes("create role", create::FLAGS, create::role),
    writes("create rolebinding", create::BINDING_FLAGS, create::role_binding),
    writes("create sa", create::FLAGS, create::service_account),
    writes("create secret docker-registry", create::FLAGS, create::secret_docker),
    writes("create secret generic", create::FLAGS, create::secret_generic),
    writes("create secret tls", create::FLAGS, create::secret_tls),
    writes("create service", create::FLAGS, create::service),
    writes("create serviceaccount", create::FLAGS, create::service_account),
    writes("create svc", create::FLAGS, create::service),
    writes("create token", create::TOKEN_FLAGS, create::token),
    reads("debug", debug::FLAGS, debug::build),
    writes("delete", delete::FLAGS, delete::build),
    reads("describe", describe::FLAGS, describe::build),
    reads("diff", apply::FLAGS, apply::diff),
    writes("drain", drain::FLAGS, drain::build),
    reads("events", events::FLAGS, events::build),
    reads("exec", exec::FLAGS, exec::build),
    reads("explain", explain::FLAGS, explain::build),
    writes("expose", run::EXPOSE_FLAGS, run::expose),
    reads("get", get::FLAGS, get::build),
    writes("label", label::FLAGS, label::label),
    reads("logs", logs::FLAGS, logs::build),
    writes("patch", patch::FLAGS, patch::build),
    reads("port-forward", port_forward::FLAGS, port_forward::build),
    writes("replace", apply::FLAGS, apply::replace),
    reads("rollout history", rollout::FLAGS, history::history),
    writes("rollout pause", rollout::FLAGS, rollout::pause),
    writes("rollout restart", rollout::FLAGS, rollout::restart),
    writes("rollout resume", rollout::FLAGS, rollout::resume),
    reads("rollout status", rollout::FLAGS, rollout::status),
    writes("rollout undo", rollout::FLAGS, history::undo),
    writes("run", run::RUN_FLAGS, run::run),
    writes("scale", scale::FLAGS, scale::build),
    writes("set env", set::FLAGS, set::env),
    writes("set image", set::FLAGS, set::image),
    writes("set resources", set::FLAGS, set::resources),
    writes("set sa", set::FLAGS, set::service_account),
    writes("set selector", set::FLAGS, set::selector),
    writes("set serviceaccount", set::FLAGS, set::service_account),
    writes("taint", nodes::FLAGS, nodes::taint),
    reads("top no", top::NODE_FLAGS, top::node),
    reads("top node", top::NODE_FLAGS, top::node),
    reads("top nodes", top::NODE_FLAGS, top::node),
    reads("top po", top::POD_FLAGS, top::pod),
    reads("top pod", top::POD_FLAGS, top::pod),
    reads("top pods", top::POD_FLAGS, top::pod),
    writes("uncordon", nodes::FLAGS, nodes::uncordon),
    reads("version", about::VERSION_FLAGS, about::version),
    reads("wait", wait::FLAGS, wait::build),
];

/// Commands of the real `kubectl` that make no sense here, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("completion", "the terminal completes by itself: press Tab"),
    ("convert", "it is a plugin that is not part of kubectl"),
    ("edit", "this terminal has no editor: change the object with 'kubectl patch', 'kubectl set' or 'kubectl apply -f'"),
    ("kustomize", "kustomizations are not supported in this terminal"),
    ("plugin", "this terminal has no plugins"),
    ("proxy", "this terminal has no ports: use 'kubectl get --raw PATH'"),
];

pub(crate) use pods_of::pods;

/// The first words of all commands, sorted, each once.
pub(crate) fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = VERBS.iter().filter_map(|verb| verb.words.split(' ').next()).collect();
    names.dedup();
    names
}

/// Makes the command that the words name, and reads who sends its requests.
///
/// # Errors
/// What cobra or the command itself prints when the words make no command.
pub(crate) fn build(args: &[String], environment: &Environment<'_>, kinds: &Discovery) -> (Result<Job, Usage>, Identity) {
    let mut identity = Identity::default();
    let job = job(args, environment, kinds, &mut identity);
    (job, identity)
}

fn job(args: &[String], environment: &Environment<'_>, kinds: &Discovery, identity: &mut Identity) -> Result<Job, Usage> {
    let Some(at) = flags::first_word(args, &[]) else {
        return Ok(Box::new(|io| {
            io.print(overview());
            crate::command::Step::Done(0)
        }));
    };
    let name = args[at].as_str();
    let mut rest: Vec<String> = args.to_vec();
    rest.remove(at);
    if name == "help" {
        return job(&["--help".to_owned()].into_iter().chain(rest).collect::<Vec<_>>(), environment, kinds, identity);
    }
    let verb = find(name, &mut rest)?;
    if rest.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--help" || arg == "-h") {
        let text = help(verb);
        return Ok(Box::new(move |io| {
            io.print(text);
            crate::command::Step::Done(0)
        }));
    }
    let known: Vec<Flag> = verb.flags.iter().chain(if verb.writes { submit::FLAGS } else { &[] }).copied().collect();
    let parsed = flags::parse(&known, &rest)
        .map_err(|message| Usage(format!("error: {message}\nSee 'kubectl {} --help' for usage.", verb.words)))?;
    let explicit = parsed.get("namespace");
    let mut namespace = explicit.map(str::to_owned);
    // The flags that choose a context or a user are here what is to be written down.
    if verb.words != "config" {
        let global = parsed.beyond(verb.flags);
        let access = environment.config.access(&global).map_err(Usage)?;
        namespace.get_or_insert_with(|| access.namespace.clone());
        *identity = Identity::read(&global, access, environment.files).map_err(Usage)?;
    }
    let namespace = namespace.unwrap_or_default();
    let context = Context { namespace, explicit: explicit.is_some(), environment: *environment, kinds };
    (verb.build)(&context, &parsed).map_err(|message| Usage(format!("error: {message}")))
}

/// The command that `name` and the words after it name, at most three words; those words are taken out of `rest`.
fn find(name: &str, rest: &mut Vec<String>) -> Result<&'static Verb, Usage> {
    let mut words = name.to_owned();
    let mut found = VERBS.iter().find(|verb| verb.words == words);
    for _ in 0..2 {
        let known = found.map_or(&[][..], |verb| verb.flags);
        let Some(at) = flags::first_word(rest, known) else { break };
        let longer = format!("{words} {}", rest[at]);
        let exact = VERBS.iter().find(|verb| verb.words == longer);
        if exact.is_none() && below(&longer).is_empty() {
            break;
        }
        (words, found) = (longer, exact);
        rest.remove(at);
    }
    if let Some(verb) = found {
        return Ok(verb);
    }
    let below = below(&words);
    if !below.is_empty() {
        return match flags::first_word(rest, &[]) {
            Some(at) => Err(Usage(format!("error: unknown command {:?} for \"kubectl {words}\"{}", rest[at], near(&rest[at], &below)))),
            None => Err(Usage(format!("Usage:\n  kubectl {words} SUBCOMMAND [options]\n\nHere: {}", below.join(", ")))),
        };
    }
    if let Some((_, why)) = ELSEWHERE.iter().find(|(verb, _)| *verb == name) {
        return Err(Usage(format!("error: kubectl {name} is not supported in this terminal: {why}")));
    }
    Err(Usage(format!("error: unknown command {name:?} for \"kubectl\"{}", near(name, &names()))))
}

/// The words that may follow these.
pub(crate) fn below(words: &str) -> Vec<&'static str> {
    VERBS.iter().filter_map(|verb| verb.words.strip_prefix(words)?.strip_prefix(' ')).collect()
}

fn overview() -> String {
    format!(
        "kubectl controls the Kubernetes cluster manager.\n\nCommands here: {}\n\nUsage:\n  kubectl [flags] [options]\n",
        names().join(", ")
    )
}

fn help(verb: &Verb) -> String {
    let mut flags: Vec<String> = verb.flags.iter().chain(if verb.writes { submit::FLAGS } else { &[] }).map(Flag::usage).collect();
    flags.sort();
    format!("Usage:\n  kubectl {} [options]\n\nOptions:\n{}", verb.words, flags.concat())
}

/// Cobra's suggestions: commands at most two letters away, or that begin so.
fn near(name: &str, known: &[&str]) -> String {
    let lower = name.to_lowercase();
    let close = |candidate: &&&str| candidate.starts_with(&lower) || distance(candidate, &lower) <= 2;
    let near: Vec<String> = known.iter().filter(close).map(|candidate| format!("\t{candidate}\n")).collect();
    if near.is_empty() { String::new() } else { format!("\n\nDid you mean this?\n{}", near.concat()) }
}

/// Levenshtein's distance; a long word is far from every command.
fn distance(a: &str, b: &str) -> usize {
    if b.len() > 32 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let next = (corner + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}
