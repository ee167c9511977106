//! `kubectl config`: shows and changes the terminal's kubeconfig.
//!
//! **Simplified here:** no `set` and `unset`; of a user only certificate, key and token can be set.

use super::about::done;
use crate::command::{Io, Job, Step};
use crate::files::Files;
use crate::flags::{Flag, Parsed, switch, value};
use crate::kubeconfig::{Cluster, Entry, FILE, Kubeconfig, Source, User};
use crate::output::Format;
use crate::output::tables::columns;
use crate::resources::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

pub(super) const FLAGS: &[Flag] = &[
    value("output", Some('o')),
    value("server", None),
    value("tls-server-name", None),
    value("certificate-authority", None),
    switch("insecure-skip-tls-verify", None),
    switch("embed-certs", None),
    switch("minify", None),
    switch("raw", None),
    switch("current", None),
    switch("flatten", None),
    switch("no-headers", None),
];

/// What stands in place of data that is not shown.
const OMITTED: &str = "DATA+OMITTED";

pub(super) fn config(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let (config, files) = (context.environment.config, context.environment.files);
    let words: Vec<&str> = parsed.words.iter().map(String::as_str).collect();
    match words[..] {
        ["current-context"] if config.current.is_empty() => Err("current-context is not set".to_owned()),
        ["current-context"] => Ok(done(format!("{}\n", config.current))),
        ["get-contexts", ref names @ ..] => contexts(config, names, parsed),
        ["get-clusters"] => Ok(done(names(config.clusters.keys()))),
        ["get-users"] => Ok(done(names(config.users.keys()))),
        ["use-context" | "use", name] => use_context(config, name),
        ["set-context", ref rest @ ..] => set_context(config, rest, parsed),
        ["set-cluster", name] => set_cluster(config, name, parsed, files),
        ["set-credentials", name] => set_credentials(config, name, parsed, files),
        ["delete-context", name] => delete_context(config, name),
        ["delete-cluster", name] => delete(config, "cluster", name, |config| config.clusters.remove(name).is_some()),
        ["delete-user", name] => delete(config, "user", name, |config| config.users.remove(name).is_some()),
        ["rename-context", old, new] => rename_context(config, old, new),
        ["view"] => view(config, parsed),
        ["set-credentials", ref rest @ ..] => Err(format!("unexpected args: [{}]", rest.join(" "))),
        ["use-context" | "use" | "set-cluster" | "rename-context", ref rest @ ..] => Err(format!("Unexpected args: [{}]", rest.join(" "))),
        [other @ ("set" | "unset"), ..] => {
            Err(format!("kubectl config {other} is not supported in this terminal: use set-context and the like"))
        }
        [other, ..] => Err(format!("unknown command {other:?} for \"kubectl config\"")),
        [] => Err(
            "kubectl config needs a command: current-context, delete-cluster, delete-context, delete-user, get-clusters, get-contexts, \
                   get-users, rename-context, set-cluster, set-context, set-credentials, use-context, view"
                .to_owned(),
        ),
    }
}

/// A job that changes the kubeconfig and tells of it.
fn change(config: Kubeconfig, told: String) -> Job {
    Box::new(move |io: &mut Io<'_>| {
        io.effects.config = Some(Box::new(config));
        io.print(told);
        Step::Done(0)
    })
}

fn names<'a>(all: impl Iterator<Item = &'a String>) -> String {
    std::iter::once("NAME\n".to_owned()).chain(all.map(|name| format!("{name}\n"))).collect()
}

fn contexts(config: &Kubeconfig, wanted: &[&str], parsed: &Parsed) -> Result<Job, String> {
    let name_only = match parsed.get("output").unwrap_or_default() {
        "" => false,
        "name" => true,
        other => {
            return Err(format!("--output {other} is not available in kubectl config get-contexts; resetting to default output format"));
        }
    };
    let missing: Vec<String> = wanted
        .iter()
        .filter(|name| !config.contexts.contains_key(**name))
        .map(|name| format!("error: context {name} not found\n"))
        .collect();
    let shown = config.contexts.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(&name.as_str()));
    let text = if name_only {
        shown.map(|(name, _)| format!("{name}\n")).collect()
    } else {
        let header =
            (!parsed.on("no-headers")).then(|| ["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"].map(str::to_owned).to_vec());
        let row = |(name, entry): (&String, &Entry)| {
            let mark = if *name == config.current { "*" } else { "" };
            [mark, name, &entry.cluster, &entry.user, &entry.namespace].map(str::to_owned).to_vec()
        };
        columns(&header.into_iter().chain(shown.map(row)).collect::<Vec<_>>())
    };
    Ok(Box::new(move |io| {
        io.print(text);
        let code = i32::from(!missing.is_empty());
        io.print_error(missing.concat());
        Step::Done(code)
    }))
}

fn use_context(config: &Kubeconfig, name: &str) -> Result<Job, String> {
    if name.is_empty() {
        return Err("empty context names are not allowed".to_owned());
    }
    if !config.contexts.contains_key(name) {
        return Err(format!("no context exists with the name: {name:?}"));
    }
    Ok(change(Kubeconfig { current: name.to_owned(), ..config.clone() }, format!("Switched to context {name:?}.\n")))
}

fn set_context(config: &Kubeconfig, words: &[&str], parsed: &Parsed) -> Result<Job, String> {
    let name = match (words, parsed.on("current")) {
        ([] | [""], false) => return Err("you must specify a non-empty context name or --current".to_owned()),
        ([name], true) if !name.is_empty() => return Err("you cannot specify both a context name and --current".to_owned()),
        ([], true) if config.current.is_empty() => return Err("no current context is set".to_owned()),
        ([_, _, ..], _) => return Err(format!("Unexpected args: [{}]", words.join(" "))),
        ([] | [""], true) => config.current.clone(),
        ([name], _) => (*name).to_owned(),
    };
    let mut config = config.clone();
    let verb = if config.contexts.contains_key(&name) { "modified" } else { "created" };
    let entry = config.contexts.entry(name.clone()).or_default();
    for (flag, field) in [("cluster", &mut entry.cluster), ("user", &mut entry.user), ("namespace", &mut entry.namespace)] {
        if let Some(new) = parsed.get(flag) {
            new.clone_into(field);
        }
    }
    Ok(change(config, format!("Context {name:?} {verb}.\n")))
}

/// The certificate or key that a flag names: its text if it is to be embedded, else its absolute path, or nothing if the path is empty.
fn source(flag: &str, parsed: &Parsed, files: &Files) -> Result<Option<Option<Source>>, String> {
    let Some(path) = parsed.get(flag) else { return Ok(None) };
    if !parsed.on("embed-certs") {
        return Ok(Some(Source::File(path.to_owned()).path().filter(|_| !path.is_empty()).map(Source::File)));
    }
    match files.read(path) {
        Some(text) => Ok(Some(Some(Source::Data(text.to_owned())))),
        None if path.is_empty() => Ok(Some(None)),
        None => Err(format!("could not stat {flag} file {path}: stat {path}: no such file or directory")),
    }
}

fn set_cluster(config: &Kubeconfig, name: &str, parsed: &Parsed, files: &Files) -> Result<Job, String> {
    let path = parsed.get("certificate-authority").unwrap_or_default();
    if name.is_empty() {
        return Err("you must specify a non-empty cluster name".to_owned());
    }
    if parsed.on("insecure-skip-tls-verify") && !path.is_empty() {
        return Err("you cannot specify a certificate authority and insecure mode at the same time".to_owned());
    }
    if parsed.on("embed-certs") && path.is_empty() {
        return Err("you must specify a --certificate-authority to embed".to_owned());
    }
    let authority = source("certificate-authority", parsed, files)?;
    let mut config = config.clone();
    let cluster: &mut Cluster = config.clusters.entry(name.to_owned()).or_default();
    if let Some(server) = parsed.get("server") {
        server.clone_into(&mut cluster.server);
        cluster.tls_server_name.clear();
    }
    if let Some(name) = parsed.get("tls-server-name") {
        name.clone_into(&mut cluster.tls_server_name);
    }
    if parsed.get("insecure-skip-tls-verify").is_some() {
        cluster.insecure = parsed.on("insecure-skip-tls-verify");
        cluster.authority = cluster.authority.take().filter(|_| !cluster.insecure);
    }
    if let Some(authority) = authority {
        cluster.insecure = cluster.insecure && authority.is_none();
        cluster.authority = authority;
    }
    Ok(change(config, format!("Cluster {name:?} set.\n")))
}

fn set_credentials(config: &Kubeconfig, name: &str, parsed: &Parsed, files: &Files) -> Result<Job, String> {
    if name.is_empty() {
        return Err("you must specify a non-empty user name".to_owned());
    }
    let given = |flag: &str| parsed.get(flag).is_some_and(|path| !path.is_empty());
    if parsed.on("embed-certs") && !given("client-certificate") && !given("client-key") {
        return Err("you must specify a --client-certificate or --client-key to embed".to_owned());
    }
    let (certificate, key) = (source("client-certificate", parsed, files)?, source("client-key", parsed, files)?);
    let mut config = config.clone();
    let user: &mut User = config.users.entry(name.to_owned()).or_default();
    user.certificate = certificate.unwrap_or(user.certificate.take());
    user.key = key.unwrap_or(user.key.take());
    if let Some(token) = parsed.get("token") {
        token.clone_into(&mut user.token);
    }
    Ok(change(config, format!("User {name:?} set.\n")))
}

fn delete(config: &Kubeconfig, kind: &str, name: &str, remove: impl FnOnce(&mut Kubeconfig) -> bool) -> Result<Job, String> {
    let mut config = config.clone();
    if !remove(&mut config) {
        return Err(format!("cannot delete {kind} {name}, not in {FILE}"));
    }
    Ok(change(config, format!("deleted {kind} {name} from {FILE}\n")))
}

fn delete_context(config: &Kubeconfig, name: &str) -> Result<Job, String> {
    let is_current = config.current == name;
    let job = delete(config, "context", name, |config| config.contexts.remove(name).is_some())?;
    Ok(Box::new(move |io| {
        if is_current {
            io.complain("warning: this removed your active context, use \"kubectl config use-context\" to select a different one");
        }
        job(io)
    }))
}

fn rename_context(config: &Kubeconfig, old: &str, new: &str) -> Result<Job, String> {
    if new.is_empty() {
        return Err("You must specify a new non-empty context name".to_owned());
    }
    let mut config = config.clone();
    let Some(entry) = config.contexts.remove(old) else {
        return Err(format!("cannot rename the context {old:?}, it's not in {FILE}"));
    };
    if old == new || config.contexts.contains_key(new) {
        return Err(format!("cannot rename the context {old:?}, the context {new:?} already exists in {FILE}"));
    }
    config.contexts.insert(new.to_owned(), entry);
    if config.current == old {
        new.clone_into(&mut config.current);
    }
    Ok(change(config, format!("Context {old:?} renamed to {new:?}.\n")))
}

/// Only what the current context needs (`MinifyConfig`).
fn minified(config: &Kubeconfig, parsed: &Parsed) -> Result<Kubeconfig, String> {
    let mut config = config.clone();
    if let Some(name) = parsed.get("context").filter(|name| !name.is_empty()) {
        name.clone_into(&mut config.current);
    }
    if config.current.is_empty() {
        return Err("current-context must exist in order to minify".to_owned());
    }
    let Some(entry) = config.contexts.get(&config.current).cloned() else {
        return Err(format!("cannot locate context {}", config.current));
    };
    if !entry.cluster.is_empty() && !config.clusters.contains_key(&entry.cluster) {
        return Err(format!("cannot locate cluster {}", entry.cluster));
    }
    if !entry.user.is_empty() && !config.users.contains_key(&entry.user) {
        return Err(format!("cannot locate user {}", entry.user));
    }
    config.clusters.retain(|name, _| *name == entry.cluster);
    config.users.retain(|name, _| *name == entry.user);
    config.contexts.retain(|name, _| *name == config.current);
    Ok(config)
}

fn view(config: &Kubeconfig, parsed: &Parsed) -> Result<Job, String> {
    let config = if parsed.on("minify") { minified(config, parsed)? } else { config.clone() };
    let raw = parsed.on("raw");
    let put = |fields: &mut Map<String, Value>, name: &str, value: Value| {
        if value != "" && value != false {
            fields.insert(name.to_owned(), value);
        }
    };
    let put_source = |fields: &mut Map<String, Value>, name: &str, source: &Option<Source>| match source {
        Some(Source::Data(text)) if raw => put(fields, &format!("{name}-data"), json!(STANDARD.encode(text))),
        Some(Source::Data(_) | Source::Own) => put(fields, &format!("{name}-data"), json!(OMITTED)),
        Some(Source::File(path)) => put(fields, name, json!(path)),
        None => {}
    };
    let cluster = |(name, cluster): (&String, &Cluster)| {
        let mut fields = Map::from_iter([("server".to_owned(), json!(cluster.server))]);
        put_source(&mut fields, "certificate-authority", &cluster.authority);
        put(&mut fields, "insecure-skip-tls-verify", json!(cluster.insecure));
        put(&mut fields, "tls-server-name", json!(cluster.tls_server_name));
        json!({"cluster": fields, "name": name})
    };
    let context = |(name, entry): (&String, &Entry)| {
        let mut fields = Map::from_iter([("cluster".to_owned(), json!(entry.cluster)), ("user".to_owned(), json!(entry.user))]);
        put(&mut fields, "namespace", json!(entry.namespace));
        json!({"context": fields, "name": name})
    };
    let user = |(name, user): (&String, &User)| {
        let mut fields = Map::new();
        put_source(&mut fields, "client-certificate", &user.certificate);
        put_source(&mut fields, "client-key", &user.key);
        put(&mut fields, "token", json!(if raw || user.token.is_empty() { &user.token } else { "REDACTED" }));
        json!({"name": name, "user": fields})
    };
    let shown = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": config.current,
        "clusters": config.clusters.iter().map(cluster).collect::<Vec<_>>(),
        "contexts": config.contexts.iter().map(context).collect::<Vec<_>>(),
        "users": config.users.iter().map(user).collect::<Vec<_>>(),
    });
    Format::parse(parsed.get("output").unwrap_or("yaml"), &Files::default())?.print(&shown).map(done)
}
