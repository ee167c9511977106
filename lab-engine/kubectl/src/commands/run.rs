//! `kubectl run`, `expose` and `autoscale`.
//!
//! **Simplified here:** `run -it` waits until the Pod ends and then prints its log; the keyboard is not connected.

use super::attach;
use super::pods_of::pods;
use super::session::Streams;
use super::submit::{DryRun, Submit};
use crate::command::{Io, Job, Step, json_of};
use crate::flags::{Flag, Parsed, optional, switch, value};
use crate::resources::{Context, Target, chosen, gather, resolve};
use api::http::{Body, Method, Request, ResourcePath};
use serde_json::{Map, Value, json};
use std::rc::Rc;
use std::time::Duration;

pub(super) const RUN_FLAGS: &[Flag] = &[
    value("image", None),
    value("port", None),
    value("env", None),
    value("labels", Some('l')),
    value("annotations", None),
    value("restart", None),
    value("image-pull-policy", None),
    value("overrides", None),
    value("override-type", None),
    value("grace-period", None),
    value("pod-running-timeout", None),
    switch("command", None),
    switch("expose", None),
    switch("rm", None),
    switch("stdin", Some('i')),
    switch("tty", Some('t')),
    switch("quiet", Some('q')),
    switch("privileged", None),
    switch("force", None),
    optional("attach", "true"),
    optional("wait", "true"),
];

/// How long an attached run waits for the Pod to start (`--pod-running-timeout`).
const RUNNING_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn run(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let words = &parsed.words;
    let name =
        words.first().filter(|_| parsed.dash != Some(0)).ok_or("NAME is required for run\nSee 'kubectl run -h' for help and examples")?;
    let image = parsed.get("image").filter(|image| !image.is_empty()).ok_or("required flag(s) \"image\" not set")?;
    let restart = parsed.get("restart").unwrap_or("Always");
    if !matches!(restart, "Always" | "OnFailure" | "Never") {
        return Err(format!("invalid restart policy: {restart}\nSee 'kubectl run -h' for help and examples"));
    }
    let attach = parsed.on("stdin") || parsed.on("attach");
    if parsed.on("rm") && !attach {
        return Err("--rm should only be used for attached containers".to_owned());
    }
    if parsed.on("tty") && !parsed.on("stdin") {
        return Err("-i/--stdin is required for containers with -t/--tty=true".to_owned());
    }
    let object = pod_of(context, parsed, name, image, restart)?;
    let submit = Submit::read(context, parsed, "kubectl-run")?;
    if attach && submit.dry_run != DryRun::None {
        return Err("--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)".to_owned());
    }
    let service = match (parsed.on("expose"), parsed.number("port")?) {
        (true, None) => return Err("--port must be set when exposing a service".to_owned()),
        (true, Some(port)) => Some(service_of(context, name, port, &object)),
        (false, _) => None,
    };
    let (namespace, name) = (context.namespace.clone(), name.clone());
    let stdin = parsed.on("stdin");
    let text = if stdin { context.environment.stdin.to_owned() } else { String::new() };
    let attached = Attached { stdin, tty: parsed.on("tty"), quiet: parsed.on("quiet"), remove: parsed.on("rm"), text };
    let services = resolve("services")?;
    Ok(Box::new(move |io| {
        if attach {
            return start_attached(submit, namespace, name, object, attached);
        }
        // The Service comes first, as upstream prints it.
        if let Some(service) = service {
            let (submit, namespace) = (submit.clone(), namespace.clone());
            io.later(move |io| submit.create(services, &namespace, service, "", io));
        }
        io.later(move |io| submit.create(pods(), &namespace, object, "", io));
        Step::Done(0)
    }))
}

fn pairs(texts: &[&str], what: &str) -> Result<Map<String, Value>, String> {
    let pair = |text: &&str| {
        let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| format!("unexpected {what}: {text}"))?;
        Ok((key.to_owned(), json!(value)))
    };
    texts.iter().map(pair).collect()
}

fn pod_of(context: &Context<'_>, parsed: &Parsed, name: &str, image: &str, restart: &str) -> Result<Value, String> {
    let mut container = json!({"image": image, "name": name, "resources": {}});
    if parsed.words.len() > 1 {
        container[if parsed.on("command") { "command" } else { "args" }] = json!(parsed.words[1..]);
    }
    if let Some(port) = parsed.number("port")? {
        container["ports"] = json!([{"containerPort": port}]);
    }
    let env: Vec<Value> =
        pairs(&parsed.each("env"), "env")?.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    if !env.is_empty() {
        container["env"] = Value::Array(env);
    }
    if let Some(policy) = parsed.get("image-pull-policy") {
        container["imagePullPolicy"] = json!(policy);
    }
    for (flag, fields) in [("stdin", &["stdin", "stdinOnce"][..]), ("tty", &["tty"][..])] {
        if parsed.on(flag) {
            fields.iter().for_each(|field| container[*field] = json!(true));
        }
    }
    if parsed.on("privileged") {
        container["securityContext"] = json!({"privileged": true});
    }
    let mut labels = pairs(&parsed.all("labels"), "label spec")?;
    if labels.is_empty() {
        labels.insert("run".to_owned(), json!(name));
    }
    let mut metadata = json!({"labels": labels, "name": name});
    let annotations = pairs(&parsed.each("annotations"), "annotation spec")?;
    if !annotations.is_empty() {
        metadata["annotations"] = Value::Object(annotations);
    }
    if context.explicit {
        metadata["namespace"] = json!(context.namespace);
    }
    let spec = json!({"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": restart});
    let mut object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {}});
    if let Some(text) = parsed.get("overrides") {
        let patch: Value = serde_json::from_str(text).map_err(|error| format!("unable to parse overrides: {error}"))?;
        object = match parsed.get("override-type").unwrap_or("merge") {
            "merge" => api::patch::merge(object, &patch),
            "strategic" => api::patch::strategic_merge(pods(), object, &patch)?,
            _ => api::patch::json_patch(object, &patch)?,
        };
    }
    Ok(object)
}

fn service_of(context: &Context<'_>, name: &str, port: i64, pod: &Value) -> Value {
    let mut metadata = json!({"name": name});
    if context.explicit {
        metadata["namespace"] = json!(context.namespace);
    }
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {"ports": [{"port": port, "protocol": "TCP", "targetPort": port}], "selector": pod["metadata"]["labels"]},
        "status": {"loadBalancer": {}},
    })
}

/// What `--stdin`, `--tty`, `--quiet` and `--rm` say, and what stands on standard input.
struct Attached {
    stdin: bool,
    tty: bool,
    quiet: bool,
    remove: bool,
    text: String,
}

/// Creates the Pod, connects to its container, waits for its end and, with `--rm`, deletes it.
fn start_attached(submit: Submit, namespace: String, name: String, object: Value, attached: Attached) -> Step {
    let Attached { stdin, tty, quiet, remove, text } = attached;
    let request = submit.request(Method::Post, ResourcePath::collection(pods(), &namespace), Body::Json(object));
    Step::json(request, move |_, io| {
        let path = ResourcePath::object(pods(), &namespace, &name);
        let (gone, container) = (path.clone(), name.clone());
        let deadline = io.now + RUNNING_TIMEOUT;
        let streams = Streams::new(stdin, tty, text, io);
        io.later(move |_| attach::when_it_runs(path, container, streams, quiet, deadline));
        if remove {
            io.later(move |_| {
                let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
                let request = Request::new(Method::Delete, gone).body(Body::Json(options));
                Step::json(request, move |_, io| {
                    io.print(super::delete::deleted_line(pods(), &namespace, &name, false));
                    Step::Done(0)
                })
            });
        }
        Step::Done(0)
    })
}

pub(super) const EXPOSE_FLAGS: &[Flag] = &[
    value("filename", Some('f')),
    value("port", None),
    value("target-port", None),
    value("protocol", None),
    value("name", None),
    value("type", None),
    value("selector", None),
    value("labels", Some('l')),
    value("external-ip", None),
    value("load-balancer-ip", None),
    value("cluster-ip", None),
    value("session-affinity", None),
    value("overrides", None),
];

#[derive(Clone, Debug)]
struct Expose {
    flags: Map<String, Value>,
    port: Option<i64>,
    explicit: bool,
}

pub(super) fn expose(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let sought = chosen(context, &without_selector(parsed), &parsed.words)?;
    let names = ["target-port", "protocol", "name", "type", "selector", "labels", "external-ip", "cluster-ip", "session-affinity"];
    let flags = names.iter().filter_map(|name| parsed.get(name).map(|text| ((*name).to_owned(), json!(text)))).collect();
    let options = Expose { flags, port: parsed.number("port")?, explicit: context.explicit };
    let submit = Rc::new(Submit::read(context, parsed, "kubectl-expose")?);
    let services = resolve("services")?;
    Ok(Box::new(move |io| {
        gather(sought, io, move |targets, io| {
            for target in targets {
                let (options, submit) = (options.clone(), Rc::clone(&submit));
                io.later(move |io| match options.service(&target) {
                    Ok(service) if submit.dry_run == DryRun::Client => submit.show(services, &service, "exposed", io),
                    Ok(service) => {
                        let path = ResourcePath::collection(services, &target.namespace);
                        Step::ask(submit.request(Method::Post, path, Body::Json(service)), move |answer, io| match answer {
                            Ok(body) => submit.show(services, &json_of(body), "exposed", io),
                            Err(failure) => io.fail(&failure),
                        })
                    }
                    Err(message) => io.error(&message),
                });
            }
            Step::Done(0)
        })
    }))
}

/// The line without `--selector`, which here is that of the Service.
fn without_selector(parsed: &Parsed) -> Parsed {
    parsed.without("selector")
}

impl Expose {
    fn flag(&self, name: &str) -> Option<&str> {
        self.flags.get(name).and_then(Value::as_str)
    }

    fn service(&self, target: &Target) -> Result<Value, String> {
        let live = &target.live;
        let selector = match (self.flag("selector"), &*target.info.kind) {
            (Some(text), _) => Value::Object(pairs(&text.split(',').collect::<Vec<_>>(), "selector")?),
            (None, "Pod") => live["metadata"]["labels"].clone(),
            (None, "Service" | "ReplicationController") => live["spec"]["selector"].clone(),
            (None, "Deployment" | "ReplicaSet") => {
                if live["spec"]["selector"]["matchExpressions"].as_array().is_some_and(|list| !list.is_empty()) {
                    return Err(format!("couldn't convert expressions - {:?}", super::pods_of::selector(live)));
                }
                live["spec"]["selector"]["matchLabels"].clone()
            }
            (None, _) => return Err(format!("cannot expose a {}", target.info.kind)),
        };
        if selector.as_object().is_none_or(|map| map.is_empty()) {
            return Err(format!(
                "couldn't retrieve selectors via --selector flag or introspection: the {} has no labels and cannot be exposed",
                target.info.singular
            ));
        }
        let mut spec = json!({"ports": self.ports(target)?, "selector": selector});
        for (flag, field) in [("type", "type"), ("cluster-ip", "clusterIP"), ("session-affinity", "sessionAffinity")] {
            if let Some(text) = self.flag(flag) {
                spec[field] = json!(text);
            }
        }
        if let Some(ip) = self.flag("external-ip") {
            spec["externalIPs"] = json!([ip]);
        }
        let mut metadata = json!({"name": self.flag("name").unwrap_or(&target.name)});
        let labels = match self.flag("labels") {
            Some(text) => Value::Object(pairs(&text.split(',').collect::<Vec<_>>(), "label spec")?),
            None => live["metadata"]["labels"].clone(),
        };
        if !labels.is_null() {
            metadata["labels"] = labels;
        }
        if self.explicit {
            metadata["namespace"] = json!(target.namespace);
        }
        Ok(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec, "status": {"loadBalancer": {}}}))
    }

    /// The ports: that of `--port`, else all that the containers declare.
    fn ports(&self, target: &Target) -> Result<Value, String> {
        let protocol = self.flag("protocol").unwrap_or("TCP");
        let own =
            |port: i64| self.flag("target-port").map_or(json!(port), |text| text.parse::<i64>().map_or_else(|_| json!(text), |n| json!(n)));
        if let Some(port) = self.port {
            return Ok(json!([{"port": port, "protocol": protocol, "targetPort": own(port)}]));
        }
        let mut live = target.live.clone();
        let mut declared: Vec<(i64, String)> = Vec::new();
        if target.info.kind == "Service" {
            declared.extend(
                live["spec"]["ports"].as_array().into_iter().flatten().filter_map(|p| Some((p["port"].as_i64()?, "TCP".to_owned()))),
            );
        } else if let Some(spec) = super::change::pod_spec(&mut live) {
            let containers = spec["containers"].as_array().into_iter().flatten();
            for port in containers.flat_map(|container| container["ports"].as_array().into_iter().flatten()) {
                let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
                declared.extend(port["containerPort"].as_i64().map(|number| (number, protocol)));
            }
        }
        if declared.is_empty() {
            return Err("couldn't find port via --port flag or introspection\nSee 'kubectl expose -h' for help and examples".to_owned());
        }
        let several = declared.len() > 1;
        let port = |(index, (number, protocol)): (usize, (i64, String))| {
            let mut port = json!({"port": number, "protocol": protocol, "targetPort": own(number)});
            if several {
                port["name"] = json!(format!("port-{}", index + 1));
            }
            port
        };
        Ok(Value::Array(declared.into_iter().enumerate().map(port).collect()))
    }
}

pub(super) const AUTOSCALE_FLAGS: &[Flag] = &[
    value("filename", Some('f')),
    value("min", None),
    value("max", None),
    value("cpu-percent", None),
    value("cpu", None),
    value("memory", None),
    value("name", None),
];

pub(super) fn autoscale(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let max = parsed.number("max")?.ok_or("required flag(s) \"max\" not set")?;
    let min = parsed.number("min")?.filter(|min| *min >= 0);
    if max < 1 {
        return Err(format!("--max=MAXPODS is required and must be at least 1, max: {max}"));
    }
    if min.is_some_and(|min| min > max) {
        return Err(format!("--max=MAXPODS must be larger or equal to --min=MINPODS, max: {max}, min: {}", min.unwrap_or(0)));
    }
    let mut metrics = Vec::new();
    for (flag, resource) in [("cpu-percent", "cpu"), ("cpu", "cpu"), ("memory", "memory")] {
        let Some(text) = parsed.get(flag) else { continue };
        let percent = text.strip_suffix('%').or((flag == "cpu-percent").then_some(text));
        let target = match percent.map(str::parse::<i64>) {
            Some(Ok(percent)) => json!({"type": "Utilization", "averageUtilization": percent}),
            Some(Err(_)) => return Err(format!("invalid value for --{flag}: {text}")),
            None => json!({"type": "AverageValue", "averageValue": text}),
        };
        metrics.push(json!({"type": "Resource", "resource": {"name": resource, "target": target}}));
    }
    let sought = chosen(context, parsed, &parsed.words)?;
    let (name, explicit) = (parsed.get("name").map(str::to_owned), context.explicit);
    let submit = Rc::new(Submit::read(context, parsed, "kubectl-autoscale")?);
    let info = resolve("horizontalpodautoscalers")?;
    Ok(Box::new(move |io| {
        gather(sought, io, move |targets, io| {
            for target in targets {
                let mut metadata = json!({"name": name.as_deref().unwrap_or(&target.name)});
                if explicit {
                    metadata["namespace"] = json!(target.namespace);
                }
                let reference = json!({"apiVersion": target.info.api_version(), "kind": target.info.kind, "name": target.name});
                let mut spec = json!({"maxReplicas": max, "scaleTargetRef": reference});
                if let Some(min) = min {
                    spec["minReplicas"] = json!(min);
                }
                if !metrics.is_empty() {
                    spec["metrics"] = json!(metrics);
                }
                let object = json!({"apiVersion": info.api_version(), "kind": info.kind, "metadata": metadata, "spec": spec});
                let submit = Rc::clone(&submit);
                io.later(move |io| send_autoscaler(info, &target.namespace, object, submit, io));
            }
            Step::Done(0)
        })
    }))
}

fn send_autoscaler(info: &'static api::kinds::KindInfo, namespace: &str, object: Value, submit: Rc<Submit>, io: &mut Io<'_>) -> Step {
    if submit.dry_run == DryRun::Client {
        return submit.show(info, &object, "autoscaled", io);
    }
    let request = submit.request(Method::Post, ResourcePath::collection(info, namespace), Body::Json(object));
    Step::ask(request, move |answer, io| match answer {
        Ok(body) => submit.show(info, &json_of(body), "autoscaled", io),
        Err(failure) => io.fail(&failure),
    })
}
