//! `create configmap` and `create secret generic|tls|docker-registry`.

use super::{metadata, name, required, submit};
use crate::command::Job;
use crate::flags::Parsed;
use crate::resources::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// What `--from-literal`, `--from-file` and `--from-env-file` give, in order of keys.
fn sources(context: &Context<'_>, parsed: &Parsed) -> Result<Map<String, Value>, String> {
    let mut data = Map::new();
    let mut add = |key: &str, value: &str| {
        if data.insert(key.to_owned(), json!(value)).is_some() {
            return Err(format!("cannot add key {key:?}, another key by that name already exists in Data"));
        }
        Ok(())
    };
    let files = context.environment.files;
    for path in parsed.each("from-file") {
        let (key, path) = match path.split_once('=') {
            Some((key, path)) => (Some(key), path),
            None => (None, path),
        };
        if let Some(text) = files.read(path) {
            add(key.unwrap_or_else(|| path.rsplit('/').next().unwrap_or(path)), text)?;
            continue;
        }
        let inside: Vec<(&str, &str)> = files.in_folder(path);
        if inside.is_empty() || key.is_some() {
            return Err(format!("error reading {path}: no such file or directory"));
        }
        for (path, text) in inside {
            add(path.rsplit('/').next().unwrap_or(path), text)?;
        }
    }
    for path in parsed.each("from-env-file") {
        let text = files.read(path).ok_or_else(|| format!("error reading {path}: no such file or directory"))?;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            add(key, value)?;
        }
    }
    for literal in parsed.each("from-literal") {
        let bad = || format!("invalid literal source {literal}, expected key=value");
        let (key, value) = literal.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(bad)?;
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        add(key, value)?;
    }
    Ok(data)
}

pub(in crate::commands) fn config_map(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(context, name(parsed)?)});
    let data = sources(context, parsed)?;
    if !data.is_empty() {
        object["data"] = Value::Object(data);
    }
    submit(context, parsed, "configmaps", object)
}

fn secret(context: &Context<'_>, parsed: &Parsed, type_: &str, data: Map<String, Value>) -> Result<Job, String> {
    let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(context, name(parsed)?)});
    let encode = |(key, value): (String, Value)| (key, json!(STANDARD.encode(value.as_str().unwrap_or(""))));
    let data: Map<String, Value> = data.into_iter().map(encode).collect();
    if !data.is_empty() {
        object["data"] = Value::Object(data);
    }
    if !type_.is_empty() {
        object["type"] = json!(type_);
    }
    submit(context, parsed, "secrets", object)
}

pub(in crate::commands) fn secret_generic(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    secret(context, parsed, parsed.get("type").unwrap_or(""), sources(context, parsed)?)
}

pub(in crate::commands) fn secret_tls(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let read = |flag: &str| {
        let path = required(parsed, flag)?;
        context.environment.files.read(path).ok_or_else(|| format!("open {path}: no such file or directory"))
    };
    let data = Map::from_iter([("tls.crt".to_owned(), json!(read("cert")?)), ("tls.key".to_owned(), json!(read("key")?))]);
    secret(context, parsed, "kubernetes.io/tls", data)
}

pub(in crate::commands) fn secret_docker(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let (user, password) = (required(parsed, "docker-username")?, required(parsed, "docker-password")?);
    let server = parsed.get("docker-server").unwrap_or("https://index.docker.io/v1/");
    let mut entry = json!({"username": user, "password": password, "auth": STANDARD.encode(format!("{user}:{password}"))});
    if let Some(email) = parsed.get("docker-email") {
        entry["email"] = json!(email);
    }
    let config = json!({"auths": {server: entry}}).to_string();
    let data = Map::from_iter([(".dockerconfigjson".to_owned(), json!(config))]);
    secret(context, parsed, "kubernetes.io/dockerconfigjson", data)
}
