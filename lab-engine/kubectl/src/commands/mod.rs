//! The commands of `kubectl`, one module each.

mod apply;
mod delete;
mod get;
mod logs;
mod scale;

use crate::command::Command;
use crate::flags::{self, Flag, Parsed};
use crate::invocation::{Environment, Usage};

/// The commands that exist here, sorted.
pub(crate) const NAMES: [&str; 6] = ["apply", "create", "delete", "get", "logs", "scale"];

/// Makes the command that the words name.
///
/// # Errors
/// What cobra or the command itself prints when the words make no command.
pub(crate) fn build(args: &[String], environment: &Environment<'_>) -> Result<Box<dyn Command>, Usage> {
    let Some((name, rest)) = args.split_first() else {
        return Err(Usage(format!("kubectl controls the Kubernetes cluster manager.\n\nHere: {}", NAMES.join(", "))));
    };
    let known: &[Flag] = match name.as_str() {
        "apply" | "create" => &apply::FLAGS,
        "delete" => &delete::FLAGS,
        "get" => &get::FLAGS,
        "logs" => &logs::FLAGS,
        "scale" => &scale::FLAGS,
        _ => return Err(unknown(name)),
    };
    let parsed = flags::parse(known, rest).map_err(|message| Usage(format!("error: {message}\nSee 'kubectl {name} --help' for usage.")))?;
    let namespace = parsed.get("namespace").unwrap_or("default").to_owned();
    let built = match name.as_str() {
        "apply" => apply::build(&parsed, namespace, environment, true),
        "create" => apply::build(&parsed, namespace, environment, false),
        "delete" => delete::build(&parsed, namespace, environment),
        "get" => get::build(&parsed, namespace),
        "logs" => logs::build(&parsed, namespace),
        _ => scale::build(&parsed, namespace),
    };
    built.map_err(|message| Usage(format!("error: {message}")))
}

/// The paths of `-f`, or the error of a command that needs one.
fn filenames(parsed: &Parsed) -> Result<Vec<&str>, String> {
    let paths = parsed.all("filename");
    if paths.is_empty() { Err("must specify one of -f and -k".to_owned()) } else { Ok(paths) }
}

fn unknown(name: &str) -> Usage {
    let near: Vec<String> =
        NAMES.iter().filter(|known| known.starts_with(name) || distance(known, name) <= 2).map(|k| format!("\t{k}\n")).collect();
    let hint = if near.is_empty() { String::new() } else { format!("\n\nDid you mean this?\n{}", near.concat()) };
    Usage(format!("error: unknown command {name:?} for \"kubectl\"{hint}"))
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
