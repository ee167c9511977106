//! `create role|clusterrole|rolebinding|clusterrolebinding|serviceaccount`.

use super::{metadata, name, submit};
use crate::command::Job;
use crate::flags::Parsed;
use crate::resources::Context;
use serde_json::{Value, json};

pub(in crate::commands) fn service_account(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(context, name(parsed)?)});
    submit(context, parsed, "serviceaccounts", object)
}

pub(in crate::commands) fn role(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    build_role(context, parsed, "Role", "roles", metadata(context, name(parsed)?))
}

pub(in crate::commands) fn cluster_role(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    build_role(context, parsed, "ClusterRole", "clusterroles", json!({"name": name(parsed)?}))
}

fn build_role(context: &Context<'_>, parsed: &Parsed, kind: &str, plural: &str, metadata: Value) -> Result<Job, String> {
    let (verbs, resources) = (parsed.all("verb"), parsed.all("resource"));
    if verbs.is_empty() {
        return Err("at least one verb must be specified".to_owned());
    }
    if resources.is_empty() {
        return Err("at least one resource must be specified".to_owned());
    }
    // Resources of one group make one rule.
    let mut rules: Vec<Value> = Vec::new();
    for word in resources {
        let (resource, subresource) = word.split_once('/').map_or((word, String::new()), |(resource, sub)| (resource, format!("/{sub}")));
        let info = if resource == "*" { None } else { Some(context.kinds.resolve(resource)?) };
        let (group, plural) = info.as_ref().map_or(("*", "*"), |info| info.group_plural());
        let named = json!(format!("{plural}{subresource}"));
        match rules.iter_mut().find(|rule| rule["apiGroups"][0] == group).and_then(|rule| rule["resources"].as_array_mut()) {
            Some(list) => list.push(named),
            None => rules.push(json!({"apiGroups": [group], "resources": [named], "verbs": verbs})),
        }
    }
    let names = parsed.all("resource-name");
    if !names.is_empty() {
        rules.iter_mut().for_each(|rule| rule["resourceNames"] = json!(names));
    }
    let object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules});
    submit(context, parsed, plural, object)
}

pub(in crate::commands) fn role_binding(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let role = match (parsed.get("role"), parsed.get("clusterrole")) {
        (Some(role), None) => ("Role", role),
        (None, Some(role)) => ("ClusterRole", role),
        _ => return Err("exactly one of clusterrole or role must be specified".to_owned()),
    };
    binding(context, parsed, ("RoleBinding", "rolebindings"), role, metadata(context, name(parsed)?))
}

pub(in crate::commands) fn cluster_role_binding(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let role = parsed.get("clusterrole").ok_or("clusterrole must be specified")?;
    binding(context, parsed, ("ClusterRoleBinding", "clusterrolebindings"), ("ClusterRole", role), json!({"name": name(parsed)?}))
}

fn binding(context: &Context<'_>, parsed: &Parsed, kind: (&str, &str), role: (&str, &str), metadata: Value) -> Result<Job, String> {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let mut subjects = Vec::new();
    subjects.extend(parsed.all("user").into_iter().map(|user| json!({"apiGroup": GROUP, "kind": "User", "name": user})));
    subjects.extend(parsed.all("group").into_iter().map(|group| json!({"apiGroup": GROUP, "kind": "Group", "name": group})));
    for account in parsed.all("serviceaccount") {
        let (namespace, name) = account.split_once(':').ok_or("serviceaccount must be <namespace>:<name>")?;
        subjects.push(json!({"kind": "ServiceAccount", "name": name, "namespace": namespace}));
    }
    let mut object = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": kind.0, "metadata": metadata,
        "roleRef": {"apiGroup": GROUP, "kind": role.0, "name": role.1},
    });
    if !subjects.is_empty() {
        object["subjects"] = Value::Array(subjects);
    }
    submit(context, parsed, kind.1, object)
}
