//! `kubectl set image|env|resources|selector|serviceaccount`.

use super::change::{Edit, Words, change, map_at, pod_spec};
use super::submit::Submit;
use crate::command::Job;
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::{Context, Sought, chosen};
use serde_json::{Value, json};
use std::rc::Rc;

pub(super) const FLAGS: &[Flag] = &[
    value("filename", Some('f')),
    value("selector", Some('l')),
    value("containers", Some('c')),
    value("env", Some('e')),
    value("from", None),
    value("prefix", None),
    value("keys", None),
    value("limits", None),
    value("requests", None),
    switch("all", None),
    switch("list", None),
    switch("local", None),
    switch("overwrite", None),
];

/// The objects, and the words that are changes.
fn split(context: &Context<'_>, parsed: &Parsed, is_change: impl Fn(&str) -> bool) -> Result<(Vec<Sought>, Vec<String>), String> {
    let (changes, words): (Vec<String>, Vec<String>) = parsed.words.iter().cloned().partition(|word| is_change(word));
    if words.is_empty() && parsed.get("filename").is_none() {
        return Err("one or more resources must be specified as <resource> <name> or <resource>/<name>".to_owned());
    }
    Ok((chosen(context, parsed, &words)?, changes))
}

/// Runs `edit` for every container that is meant, also those that start before the others; says whether there was one.
fn each_container(object: &mut Value, name: &str, mut edit: impl FnMut(&mut Value)) -> bool {
    let Some(spec) = pod_spec(object) else { return false };
    let mut found = false;
    for field in ["initContainers", "containers"] {
        for container in spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            if name == "*" || container["name"] == name {
                edit(container);
                found = true;
            }
        }
    }
    found
}

pub(super) fn image(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let (sought, pairs) = split(context, parsed, |word| word.contains('='))?;
    if pairs.is_empty() {
        return Err("at least one image update is required".to_owned());
    }
    let pairs: Vec<(String, String)> =
        pairs.iter().flat_map(|p| p.split(',')).filter_map(|p| p.split_once('=')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    let submit = Submit::read(context, parsed, "kubectl-set")?;
    let edit: Edit = Rc::new(move |_, object, _| {
        for (name, image) in &pairs {
            if !each_container(object, name, |container| container["image"] = json!(image)) {
                return Err(format!("unable to find container named {name:?}"));
            }
        }
        Ok(Words { changed: "image updated", unchanged: "" })
    });
    Ok(Box::new(move |io| change(sought, submit, io, edit)))
}

pub(super) fn env(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let is_change = |word: &str| word.contains('=') || (word.ends_with('-') && !word.contains('/'));
    let (sought, mut pairs) = split(context, parsed, is_change)?;
    pairs.extend(parsed.each("env").into_iter().map(str::to_owned));
    if parsed.on("list") {
        return Ok(Box::new(move |io| crate::resources::gather(sought, io, list_env)));
    }
    if parsed.get("from").is_some() {
        return Err("--from is not supported in this terminal: name the variables".to_owned());
    }
    if pairs.is_empty() {
        return Err("at least one environment variable must be provided".to_owned());
    }
    let only = parsed.get("containers").unwrap_or("*").to_owned();
    let submit = Submit::read(context, parsed, "kubectl-set")?;
    let edit: Edit = Rc::new(move |target, object, _| {
        let found = each_container(object, &only, |container| set_env(container, &pairs));
        if !found {
            return Err(format!("{}/{} does not have any containers matching {only:?}", target.info.kind, target.name));
        }
        Ok(Words { changed: "env updated", unchanged: "" })
    });
    Ok(Box::new(move |io| change(sought, submit, io, edit)))
}

fn set_env(container: &mut Value, pairs: &[String]) {
    let mut env = container["env"].as_array().cloned().unwrap_or_default();
    for pair in pairs {
        match pair.split_once('=') {
            Some((name, value)) => {
                let entry = json!({"name": name, "value": value});
                match env.iter_mut().find(|old| old["name"] == name) {
                    Some(old) => *old = entry,
                    None => env.push(entry),
                }
            }
            None => env.retain(|old| old["name"] != pair[..pair.len() - 1]),
        }
    }
    if env.is_empty() {
        if let Some(map) = container.as_object_mut() {
            map.remove("env");
        }
    } else {
        container["env"] = Value::Array(env);
    }
}

fn list_env(targets: Vec<crate::resources::Target>, io: &mut crate::command::Io<'_>) -> crate::command::Step {
    for mut target in targets {
        let (plural, name) = (target.info.plural.clone(), target.name.clone());
        let mut text = String::new();
        each_container(&mut target.live, "*", |container| {
            text.push_str(&format!("# {plural} {name}, container {}\n", container["name"].as_str().unwrap_or("")));
            for entry in container["env"].as_array().into_iter().flatten() {
                let value = entry["value"].as_str().unwrap_or("");
                text.push_str(&format!("{}={value}\n", entry["name"].as_str().unwrap_or("")));
            }
        });
        io.print(text);
    }
    crate::command::Step::Done(0)
}

pub(super) fn resources(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let (sought, _) = split(context, parsed, |_| false)?;
    let mut lists = Vec::new();
    for flag in ["limits", "requests"] {
        let mut map = serde_json::Map::new();
        for pair in parsed.all(flag) {
            let (name, quantity) =
                pair.split_once('=').ok_or_else(|| format!("invalid argument syntax {pair}, expected <resource>=<value>"))?;
            api::quantity::Quantity::parse(quantity)?;
            map.insert(name.to_owned(), json!(quantity));
        }
        if !map.is_empty() {
            lists.push((flag, map));
        }
    }
    if lists.is_empty() {
        return Err("you must specify an update to requests or limits (in the form of --requests/--limits)".to_owned());
    }
    let only = parsed.get("containers").unwrap_or("*").to_owned();
    let submit = Submit::read(context, parsed, "kubectl-set")?;
    let edit: Edit = Rc::new(move |_, object, _| {
        let found = each_container(object, &only, |container| {
            for (flag, map) in &lists {
                if let Some(existing) = map_at(container, &["resources", flag]) {
                    existing.extend(map.clone());
                }
            }
        });
        if found {
            Ok(Words { changed: "resource requirements updated", unchanged: "" })
        } else {
            Err(format!("unable to find container named {only}"))
        }
    });
    Ok(Box::new(move |io| change(sought, submit, io, edit)))
}

pub(super) fn service_account(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let Some((account, words)) = parsed.words.split_last().filter(|(_, words)| !words.is_empty()) else {
        return Err("serviceaccount is required".to_owned());
    };
    let sought = chosen(context, parsed, words)?;
    let (account, submit) = (account.clone(), Submit::read(context, parsed, "kubectl-set")?);
    let edit: Edit = Rc::new(move |_, object, _| {
        if let Some(spec) = pod_spec(object) {
            spec["serviceAccountName"] = json!(account);
        }
        Ok(Words { changed: "serviceaccount updated", unchanged: "serviceaccount updated" })
    });
    Ok(Box::new(move |io| change(sought, submit, io, edit)))
}

pub(super) fn selector(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let Some((expression, words)) = parsed.words.split_last().filter(|(_, words)| !words.is_empty()) else {
        return Err("one or more resources must be specified as <resource> <name> or <resource>/<name>".to_owned());
    };
    let mut map = serde_json::Map::new();
    for pair in expression.split(',') {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("invalid selector: {expression}"))?;
        map.insert(key.to_owned(), json!(value));
    }
    let sought = chosen(context, parsed, words)?;
    let submit = Submit::read(context, parsed, "kubectl-set")?;
    let edit: Edit = Rc::new(move |_, object, _| {
        if object["kind"] != "Service" {
            return Err(format!("setting a selector is only supported for Services: {}", object["kind"].as_str().unwrap_or("")));
        }
        object["spec"]["selector"] = Value::Object(map.clone());
        Ok(Words { changed: "selector updated", unchanged: "selector updated" })
    });
    Ok(Box::new(move |io| change(sought, submit, io, edit)))
}
