//! `create deployment|job|cronjob|namespace|service|ingress|quota|poddisruptionbudget|priorityclass`.

use super::{metadata, name, pairs, required, submit};
use crate::command::{Job, Step, json_of};
use crate::commands::submit::Submit;
use crate::flags::Parsed;
use crate::resources::{Context, resolve};
use api::http::{Method, Request, ResourcePath};
use serde_json::{Value, json};

/// What follows `--`.
fn command(parsed: &Parsed) -> Option<Vec<String>> {
    parsed.dash.map(|at| parsed.words[at..].to_vec()).filter(|words| !words.is_empty())
}

/// A container's name from its image: `registry/path/nginx:1.27` is `nginx`.
fn container_name(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let base = last.split(['@', ':']).next().unwrap_or(last);
    base.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '-' }).collect()
}

pub(in crate::commands) fn namespace(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name(parsed)?}, "spec": {}, "status": {}});
    submit(context, parsed, "namespaces", object)
}

pub(in crate::commands) fn deployment(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let (name, images) = (name(parsed)?, parsed.all("image"));
    if images.is_empty() {
        return Err("required flag(s) \"image\" not set".to_owned());
    }
    let replicas = parsed.number("replicas")?.unwrap_or(1);
    let command = command(parsed);
    if command.is_some() && images.len() > 1 {
        return Err("cannot specify multiple --image options and command".to_owned());
    }
    let mut containers: Vec<Value> =
        images.iter().map(|image| json!({"image": image, "name": container_name(image), "resources": {}})).collect();
    if let Some(command) = command {
        containers[0]["command"] = json!(command);
    }
    if let Some(port) = parsed.number("port")? {
        containers[0]["ports"] = json!([{"containerPort": port}]);
    }
    let labels = json!({"app": name});
    let mut meta = metadata(context, name);
    meta["labels"] = labels.clone();
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta,
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels}, "strategy": {},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
        "status": {},
    });
    submit(context, parsed, "deployments", object)
}

fn job_spec(name: &str, image: &str, command: Option<Vec<String>>, restart: &str) -> Value {
    let mut container = json!({"image": image, "name": name, "resources": {}});
    if let Some(command) = command {
        container["command"] = json!(command);
    }
    json!({"template": {"metadata": {}, "spec": {"containers": [container], "restartPolicy": restart}}})
}

pub(in crate::commands) fn job(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let name = name(parsed)?;
    match (parsed.get("image"), parsed.get("from")) {
        (Some(_), Some(_)) | (None, None) => Err("either --image or --from must be specified".to_owned()),
        (Some(image), None) => {
            let object = json!({
                "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(context, name),
                "spec": job_spec(name, image, command(parsed), "Never"), "status": {},
            });
            submit(context, parsed, "jobs", object)
        }
        (None, Some(from)) => {
            let source = from.strip_prefix("cronjob/").or_else(|| from.strip_prefix("cj/")).ok_or("from must be an existing cronjob")?;
            let (info, jobs) = (resolve("cronjobs")?, resolve("jobs")?);
            let submit = Submit::read(context, parsed, "kubectl-create")?;
            let request = Request::new(Method::Get, ResourcePath::object(info, &context.namespace, source));
            let (namespace, mut meta) = (context.namespace.clone(), metadata(context, name));
            Ok(Box::new(move |_| {
                Step::ask(request, move |answer, io| match answer {
                    Ok(body) => {
                        let cron = json_of(body);
                        meta["annotations"] = json!({"cronjob.kubernetes.io/instantiate": "manual"});
                        let spec = cron["spec"]["jobTemplate"]["spec"].clone();
                        let object = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec, "status": {}});
                        submit.create(jobs, &namespace, object, "failed to create job", io)
                    }
                    Err(failure) => io.fail(&failure),
                })
            }))
        }
    }
}

pub(in crate::commands) fn cron_job(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let (name, image, schedule) = (name(parsed)?, required(parsed, "image")?, required(parsed, "schedule")?);
    let spec = job_spec(name, image, command(parsed), parsed.get("restart").unwrap_or("OnFailure"));
    let object = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata(context, name),
        "spec": {"jobTemplate": {"metadata": {"name": name}, "spec": spec}, "schedule": schedule}, "status": {},
    });
    submit(context, parsed, "cronjobs", object)
}

/// `create service clusterip|nodeport|loadbalancer|externalname NAME`; the type is the first word.
pub(in crate::commands) fn service(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let [type_, name] = &parsed.words[..] else {
        return Err(format!("exactly one NAME is required, got {}", parsed.words.len().saturating_sub(1)));
    };
    let type_ = match type_.as_str() {
        "clusterip" => "ClusterIP",
        "nodeport" => "NodePort",
        "loadbalancer" => "LoadBalancer",
        "externalname" => "ExternalName",
        other => return Err(format!("unknown command {other:?} for \"kubectl create service\"")),
    };
    let mut ports = Vec::new();
    for text in parsed.all("tcp") {
        let (port, target) = text.split_once(':').unwrap_or((text, text));
        let number = |text: &str| text.parse::<u16>().map_err(|_| format!("invalid port: {text}"));
        let target_port = number(target).map_or_else(|_| json!(target), |number| json!(number));
        let mut entry = json!({"name": text.replace(':', "-"), "port": number(port)?, "protocol": "TCP", "targetPort": target_port});
        if let Some(node_port) = parsed.number("node-port")? {
            entry["nodePort"] = json!(node_port);
        }
        ports.push(entry);
    }
    let headless = parsed.get("clusterip");
    if ports.is_empty() && headless != Some("None") && type_ != "ExternalName" {
        return Err("at least one tcp port specifier must be provided".to_owned());
    }
    let mut spec = json!({"selector": {"app": name}, "type": type_});
    if !ports.is_empty() {
        spec["ports"] = Value::Array(ports);
    }
    if let Some(ip) = headless {
        spec["clusterIP"] = json!(ip);
    }
    if type_ == "ExternalName" {
        spec["externalName"] = json!(required(parsed, "external-name")?);
    }
    let mut meta = metadata(context, name);
    meta["labels"] = json!({"app": name});
    let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec, "status": {"loadBalancer": {}}});
    submit(context, parsed, "services", object)
}

pub(in crate::commands) fn ingress(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let mut rules: Vec<Value> = Vec::new();
    let mut tls: Vec<Value> = Vec::new();
    for rule in parsed.each("rule") {
        let bad = || format!("rule {rule} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]");
        let (main, secret) = rule.split_once(",tls").map_or((rule, None), |(main, secret)| (main, Some(secret.trim_start_matches('='))));
        let (left, service) = main.split_once('=').ok_or_else(bad)?;
        let (host, path) = left.split_once('/').ok_or_else(bad)?;
        let (path, path_type) = path.strip_suffix('*').map_or((path, "Exact"), |path| (path, "Prefix"));
        let entry = json!({"backend": backend(service).ok_or_else(bad)?, "path": format!("/{path}"), "pathType": path_type});
        match rules.iter_mut().find(|old| old["host"].as_str().unwrap_or("") == host).and_then(|old| old["http"]["paths"].as_array_mut()) {
            Some(paths) => paths.push(entry),
            None if host.is_empty() => rules.push(json!({"http": {"paths": [entry]}})),
            None => rules.push(json!({"host": host, "http": {"paths": [entry]}})),
        }
        if let Some(secret) = secret {
            let hosts = json!([host]);
            tls.push(if secret.is_empty() { json!({"hosts": hosts}) } else { json!({"hosts": hosts, "secretName": secret}) });
        }
    }
    let mut spec = json!({});
    if let Some(service) = parsed.get("default-backend") {
        spec["defaultBackend"] =
            backend(service).ok_or_else(|| format!("default-backend should be in format servicename:serviceport: {service}"))?;
    } else if rules.is_empty() {
        return Err("not enough information provided: every ingress has to either specify a default-backend (which catches all traffic) or a list of rules (which catch specific paths)".to_owned());
    }
    if !rules.is_empty() {
        spec["rules"] = Value::Array(rules);
    }
    if !tls.is_empty() {
        spec["tls"] = Value::Array(tls);
    }
    if let Some(class) = parsed.get("class") {
        spec["ingressClassName"] = json!(class);
    }
    let mut meta = metadata(context, name(parsed)?);
    let annotations = pairs(parsed.each("annotation"))?;
    if !annotations.is_empty() {
        meta["annotations"] = Value::Object(annotations);
    }
    let object =
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec, "status": {"loadBalancer": {}}});
    submit(context, parsed, "ingresses", object)
}

fn backend(service: &str) -> Option<Value> {
    let (name, port) = service.split_once(':')?;
    let port = port.parse::<u16>().map_or_else(|_| json!({"name": port}), |number| json!({"number": number}));
    Some(json!({"service": {"name": name, "port": port}}))
}

pub(in crate::commands) fn quota(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let mut spec = json!({});
    let hard = pairs(parsed.all("hard"))?;
    if !hard.is_empty() {
        spec["hard"] = Value::Object(hard);
    }
    if !parsed.all("scopes").is_empty() {
        spec["scopes"] = json!(parsed.all("scopes"));
    }
    let object =
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata(context, name(parsed)?), "spec": spec, "status": {}});
    submit(context, parsed, "resourcequotas", object)
}

pub(in crate::commands) fn pdb(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let selector = pairs(required(parsed, "selector")?.split(','))?;
    let mut spec = json!({"selector": {"matchLabels": selector}});
    let (flag, field) = match (parsed.get("min-available"), parsed.get("max-unavailable")) {
        (Some(text), None) => (text, "minAvailable"),
        (None, Some(text)) => (text, "maxUnavailable"),
        _ => return Err("one of min-available or max-unavailable must be specified".to_owned()),
    };
    spec[field] = flag.parse::<i64>().map_or_else(|_| json!(flag), |number| json!(number));
    let object = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(context, name(parsed)?), "spec": spec,
        "status": {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
    });
    submit(context, parsed, "poddisruptionbudgets", object)
}

pub(in crate::commands) fn priority_class(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let mut object = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name(parsed)?},
        "value": parsed.number("value")?.unwrap_or(0), "preemptionPolicy": parsed.get("preemption-policy").unwrap_or("PreemptLowerPriority"),
    });
    if parsed.on("global-default") {
        object["globalDefault"] = json!(true);
    }
    if let Some(text) = parsed.get("description") {
        object["description"] = json!(text);
    }
    submit(context, parsed, "priorityclasses", object)
}
