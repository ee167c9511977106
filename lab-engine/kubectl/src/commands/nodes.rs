//! `kubectl cordon`, `uncordon` and `taint` (drain: [`super::drain`]).

use super::change::{Edit, Words, change};
use super::submit::Submit;
use crate::command::Job;
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::{Context, Sought, chosen, resolve};
use serde_json::{Value, json};
use std::rc::Rc;

pub(super) const FLAGS: &[Flag] = &[value("selector", Some('l')), switch("overwrite", None), switch("all", None)];

/// The nodes that words name, with or without `node/`.
///
/// # Errors
/// The text that follows `error: `.
pub(super) fn named(parsed: &Parsed, usage: &str) -> Result<Vec<Sought>, String> {
    let info = resolve("nodes")?;
    let one = |name: Option<String>, query| Sought { info: info.into(), namespace: String::new(), name, query };
    if let Some(selector) = parsed.get("selector") {
        return Ok(vec![one(None, vec![("labelSelector", selector.to_owned())])]);
    }
    if parsed.words.is_empty() {
        return Err(format!("USAGE: {usage}"));
    }
    let name = |word: &String| word.strip_prefix("node/").or_else(|| word.strip_prefix("nodes/")).unwrap_or(word).to_owned();
    Ok(parsed.words.iter().map(|word| one(Some(name(word)), Vec::new())).collect())
}

pub(super) fn cordon(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    set_unschedulable(context, parsed, true)
}

pub(super) fn uncordon(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    set_unschedulable(context, parsed, false)
}

fn set_unschedulable(context: &Context<'_>, parsed: &Parsed, on: bool) -> Result<Job, String> {
    let usage = if on { "cordon NODE [flags]" } else { "uncordon NODE [flags]" };
    let sought = named(parsed, usage)?;
    let submit = Submit::read(context, parsed, "")?;
    Ok(Box::new(move |io| change(sought, submit, io, cordoning(on))))
}

/// Sets or takes away `spec.unschedulable`.
pub(super) fn cordoning(on: bool) -> Edit {
    Rc::new(move |_, object, _| {
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            if on {
                spec.insert("unschedulable".to_owned(), json!(true));
            } else {
                spec.remove("unschedulable");
            }
        } else if on {
            object["spec"] = json!({"unschedulable": true});
        }
        Ok(if on {
            Words { changed: "cordoned", unchanged: "already cordoned" }
        } else {
            Words { changed: "uncordoned", unchanged: "already uncordoned" }
        })
    })
}

/// `key=value:Effect`, `key:Effect`, `key:Effect-` or `key-`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Taint {
    key: String,
    value: String,
    effect: String,
    remove: bool,
}

fn read_taint(word: &str) -> Result<Taint, String> {
    let (word, remove) = word.strip_suffix('-').map_or((word, false), |word| (word, true));
    let (pair, effect) = match word.rsplit_once(':') {
        Some((pair, effect)) => (pair, effect),
        None if remove => (word, ""),
        None => return Err(format!("invalid taint spec: {word}")),
    };
    if !effect.is_empty() && !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
        return Err(format!("invalid taint effect: {effect}, unsupported taint effect"));
    }
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    Ok(Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned(), remove })
}

pub(super) fn taint(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let is_taint = |word: &str| word.contains(':') || word.ends_with('-') || word.contains('=');
    let (specs, words): (Vec<String>, Vec<String>) = parsed.words.iter().cloned().partition(|word| is_taint(word));
    if words.is_empty() {
        return Err("one or more resources must be specified as <resource> <name> or <resource>/<name>".to_owned());
    }
    if specs.is_empty() {
        return Err("at least one taint update is required".to_owned());
    }
    let taints = specs.iter().map(|spec| read_taint(spec)).collect::<Result<Vec<_>, _>>()?;
    let sought = chosen(context, parsed, &words)?;
    if let Some(other) = sought.iter().find(|one| one.info.kind != "Node") {
        return Err(format!("invalid resource type {}, only node(s) is supported", other.info.kind));
    }
    let overwrite = parsed.on("overwrite");
    let submit = Submit::read(context, parsed, "kubectl-taint")?;
    let edit: Edit = Rc::new(move |target, object, _| apply(&taints, overwrite, &target.name, object));
    Ok(Box::new(move |io| change(sought, submit, io, edit)))
}

fn apply(taints: &[Taint], overwrite: bool, node: &str, object: &mut Value) -> Result<Words, String> {
    let mut list = object["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let same = |old: &Value, taint: &Taint| {
        old["key"] == taint.key.as_str() && (taint.effect.is_empty() || old["effect"] == taint.effect.as_str())
    };
    let mut missing = Vec::new();
    for taint in taints {
        let exists = list.iter().any(|old| same(old, taint));
        if taint.remove {
            if !exists {
                let effect = if taint.effect.is_empty() { String::new() } else { format!(":{}", taint.effect) };
                missing.push(format!("taint \"{}{effect}\" not found", taint.key));
            }
            list.retain(|old| !same(old, taint));
            continue;
        }
        if exists && !overwrite {
            return Err(format!("node {node} already has {} taint(s) with same effect(s) and --overwrite is false", taint.key));
        }
        list.retain(|old| !same(old, taint));
        let mut new = json!({"key": taint.key, "effect": taint.effect});
        if !taint.value.is_empty() {
            new["value"] = json!(taint.value);
        }
        list.push(new);
    }
    if !missing.is_empty() {
        return Err(missing.join("\n"));
    }
    object["spec"]["taints"] = Value::Array(list);
    let removed = taints.iter().filter(|taint| taint.remove).count();
    let changed = match removed {
        0 => "tainted",
        removed if removed == taints.len() => "untainted",
        _ => "modified",
    };
    Ok(Words { changed, unchanged: changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_are_read_and_applied() {
        let mut node = json!({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}});
        let add = [read_taint("b=1:NoExecute").unwrap(), read_taint("a-").unwrap()];
        assert_eq!(apply(&add, false, "n", &mut node).unwrap().changed, "modified");
        assert_eq!(node["spec"]["taints"], json!([{"key": "b", "value": "1", "effect": "NoExecute"}]));
        let again = apply(&add[..1], false, "n", &mut node).unwrap_err();
        assert_eq!(again, "node n already has b taint(s) with same effect(s) and --overwrite is false");
        assert_eq!(apply(&[read_taint("x:NoSchedule-").unwrap()], false, "n", &mut node).unwrap_err(), "taint \"x:NoSchedule\" not found");
        assert!(read_taint("a=b:Never").is_err() && read_taint("a").is_err());
    }
}
