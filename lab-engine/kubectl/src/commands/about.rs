//! What tells about the cluster and the client: `api-resources`, `api-versions`, `version`, `cluster-info`.

use crate::command::{Io, Job, Step};
use crate::flags::{Flag, Parsed, optional, switch, value};
use crate::kubeconfig::SERVER;
use crate::output::tables::columns;
use crate::output::yaml;
use crate::resources::Context;
use api::http::Request;
use api::kinds::{Kind, KindInfo};
use serde_json::json;
use std::collections::BTreeSet;

/// A job that prints a text.
pub(super) fn done(text: String) -> Job {
    Box::new(move |io| {
        io.print(text);
        Step::Done(0)
    })
}

pub(super) const RESOURCES_FLAGS: &[Flag] = &[
    value("output", Some('o')),
    value("api-group", None),
    value("verbs", None),
    value("categories", None),
    value("sort-by", None),
    optional("namespaced", "true"),
    switch("no-headers", None),
    optional("cached", "true"),
];

pub(super) fn api_resources(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let mut kinds: Vec<Kind> = context.kinds.all().collect();
    if parsed.get("namespaced").is_some() {
        kinds.retain(|info| info.namespaced == parsed.on("namespaced"));
    }
    if let Some(group) = parsed.get("api-group") {
        kinds.retain(|info| info.group == group);
    }
    let verbs =
        |info: &KindInfo| if info.kind == "Binding" { "create" } else { "create,delete,deletecollection,get,list,patch,update,watch" };
    let wanted = parsed.all("verbs");
    kinds.retain(|info| wanted.iter().all(|verb| verbs(info).split(',').any(|own| own == *verb)));
    let categories = parsed.all("categories");
    kinds.retain(|info| categories.iter().all(|category| info.categories.contains(category)));
    // Of a resource with several versions the preferred one is shown; it comes first.
    kinds.sort_by(|a, b| a.group_plural().cmp(&b.group_plural()));
    kinds.dedup_by(|a, b| a.group_plural() == b.group_plural());
    match parsed.get("sort-by") {
        None | Some("") => {}
        Some("name") => kinds.sort_by(|a, b| a.plural.cmp(&b.plural)),
        Some("kind") => kinds.sort_by(|a, b| a.kind.cmp(&b.kind)),
        Some(other) => return Err(format!("--sort-by accepts only name or kind, not {other}")),
    }
    let wide = match parsed.get("output") {
        None | Some("") => false,
        Some("wide") => true,
        Some("name") => return Ok(done(kinds.iter().map(|info| format!("{}\n", info.group_resource())).collect())),
        Some(other) => return Err(format!("--output {other} is not available")),
    };
    let mut rows = Vec::new();
    if !parsed.on("no-headers") {
        let names = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"];
        let more = if wide { &["VERBS", "CATEGORIES"][..] } else { &[] };
        rows.push(names.iter().chain(more).map(|name| (*name).to_owned()).collect());
    }
    for info in kinds {
        let own = [&info.plural, &info.kind].map(|name| name.to_string());
        let [plural, kind] = own;
        let mut row = vec![plural, info.short_names.join(","), info.api_version(), info.namespaced.to_string(), kind];
        if wide {
            row.extend([verbs(&info).to_owned(), info.categories.join(",")]);
        }
        rows.push(row);
    }
    Ok(done(columns(&rows)))
}

pub(super) fn api_versions(context: &Context<'_>, _: &Parsed) -> Result<Job, String> {
    let versions: BTreeSet<String> = context.kinds.all().map(|info| info.api_version()).collect();
    Ok(done(versions.into_iter().map(|version| format!("{version}\n")).collect()))
}

pub(super) const VERSION_FLAGS: &[Flag] = &[switch("client", None), value("output", Some('o'))];

/// The client's own version.
const VERSION: &str = "v1.36.0";

pub(super) fn version(_: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let client = json!({"major": "1", "minor": "36", "gitVersion": VERSION, "gitTreeState": "clean", "platform": "linux/amd64"});
    let format = parsed.get("output").unwrap_or("").to_owned();
    if !matches!(format.as_str(), "" | "yaml" | "json") {
        return Err("--output must be 'yaml' or 'json'".to_owned());
    }
    let print = move |server: Option<serde_json::Value>, io: &mut Io<'_>| {
        let mut whole = json!({"clientVersion": client, "kustomizeVersion": "v5.8.0"});
        if let Some(server) = server {
            whole["serverVersion"] = server;
        }
        let text = |side: &str| whole[side]["gitVersion"].as_str().map(str::to_owned);
        io.print(match format.as_str() {
            "yaml" => yaml::write(&whole),
            "json" => crate::output::tables::json(&whole),
            _ => {
                let server = text("serverVersion").map(|version| format!("Server Version: {version}\n")).unwrap_or_default();
                format!("Client Version: {VERSION}\nKustomize Version: v5.8.0\n{server}")
            }
        });
        Step::Done(0)
    };
    if parsed.on("client") {
        return Ok(Box::new(move |io| print(None, io)));
    }
    Ok(Box::new(move |_| Step::json(Request::get_other("/version"), move |server, io| print(Some(server), io))))
}

pub(super) fn cluster_info(_: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    if parsed.words.first().is_some_and(|word| word == "dump") {
        return Err("a dump of the cluster is not supported in this terminal: use 'kubectl get all -A -o yaml'".to_owned());
    }
    Ok(Box::new(|_| {
        Step::json(Request::get_other("/version"), |_, io| {
            io.print(format!(
                "Kubernetes control plane is running at {SERVER}\n\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n"
            ));
            Step::Done(0)
        })
    }))
}
