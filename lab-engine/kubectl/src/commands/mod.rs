//! The commands of `kubectl`, one module each, and how the words of a line choose one.

mod apply;
mod delete;
mod exec;
mod get;
mod get_table;
mod lines;
mod logs;
mod observe;
mod pods_of;
mod scale;
mod submit;

use crate::command::Job;
use crate::flags::{self, Flag, Parsed};
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
    writes("apply", apply::FLAGS, apply::apply),
    writes("create", apply::FLAGS, apply::create),
    writes("delete", delete::FLAGS, delete::build),
    reads("diff", apply::FLAGS, apply::diff),
    reads("exec", exec::FLAGS, exec::build),
    reads("get", get::FLAGS, get::build),
    reads("logs", logs::FLAGS, logs::build),
    writes("replace", apply::FLAGS, apply::replace),
    writes("scale", scale::FLAGS, scale::build),
];

/// Commands of the real `kubectl` that make no sense here, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("attach", "this terminal has no keyboard for a container: use 'kubectl logs -f' or 'kubectl exec POD -- COMMAND'"),
    ("certificate", "certificate signing requests are not simulated"),
    ("completion", "the terminal completes by itself: press Tab"),
    ("convert", "it is a plugin that is not part of kubectl"),
    ("cp", "copy with 'kubectl exec POD -- cat FILE > FILE'"),
    ("debug", "ephemeral containers are not simulated"),
    ("edit", "this terminal has no editor: change the object with 'kubectl patch', 'kubectl set' or 'kubectl apply -f'"),
    ("kustomize", "kustomizations are not supported in this terminal"),
    ("plugin", "this terminal has no plugins"),
    ("port-forward", "this terminal has no ports: ask from inside, with 'kubectl exec POD -- wget -qO- HOST'"),
    ("proxy", "this terminal has no ports: use 'kubectl get --raw PATH'"),
];

/// The first words of all commands, sorted, each once.
pub(crate) fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = VERBS.iter().filter_map(|verb| verb.words.split(' ').next()).collect();
    names.dedup();
    names
}

/// Makes the command that the words name.
///
/// # Errors
/// What cobra or the command itself prints when the words make no command.
pub(crate) fn build(args: &[String], environment: &Environment<'_>) -> Result<Job, Usage> {
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
        return build(&["--help".to_owned()].into_iter().chain(rest).collect::<Vec<_>>(), environment);
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
    let namespace = explicit.unwrap_or(environment.namespace).to_owned();
    let context = Context { namespace, explicit: explicit.is_some(), environment: *environment };
    (verb.build)(&context, &parsed).map_err(|message| Usage(format!("error: {message}")))
}

/// The command that `name` and the word after it name; that word is taken out of `rest`.
fn find(name: &str, rest: &mut Vec<String>) -> Result<&'static Verb, Usage> {
    let own = VERBS.iter().find(|verb| verb.words == name);
    let known = own.map_or(&[][..], |verb| verb.flags);
    if let Some(at) = flags::first_word(rest, known) {
        let both = format!("{name} {}", rest[at]);
        if let Some(verb) = VERBS.iter().find(|verb| verb.words == both) {
            rest.remove(at);
            // `create secret generic`, `create service clusterip`.
            return if own.is_none() || verb.words.contains(' ') { deeper(verb, rest) } else { Ok(verb) };
        }
    }
    if let Some(verb) = own {
        return Ok(verb);
    }
    let below: Vec<&str> = VERBS.iter().filter_map(|verb| verb.words.strip_prefix(name)?.strip_prefix(' ')).collect();
    if !below.is_empty() {
        return match flags::first_word(rest, &[]) {
            Some(at) => Err(Usage(format!("error: unknown command {:?} for \"kubectl {name}\"{}", rest[at], near(&rest[at], &below)))),
            None => Err(Usage(format!("Usage:\n  kubectl {name} SUBCOMMAND [options]\n\nHere: {}", below.join(", ")))),
        };
    }
    if let Some((_, why)) = ELSEWHERE.iter().find(|(verb, _)| *verb == name) {
        return Err(Usage(format!("error: kubectl {name} is not supported in this terminal: {why}")));
    }
    Err(Usage(format!("error: unknown command {name:?} for \"kubectl\"{}", near(name, &names()))))
}

fn deeper(verb: &'static Verb, rest: &mut Vec<String>) -> Result<&'static Verb, Usage> {
    if let Some(at) = flags::first_word(rest, verb.flags) {
        let longer = format!("{} {}", verb.words, rest[at]);
        if let Some(found) = VERBS.iter().find(|other| other.words == longer) {
            rest.remove(at);
            return Ok(found);
        }
    }
    Ok(verb)
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
