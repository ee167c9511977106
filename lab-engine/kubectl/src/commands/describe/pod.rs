//! Pods and Pod templates: containers, volumes, tolerations.
//!
//! **Simplified here:** volumes of kinds that the kubelet does not simulate show their kind only.

use super::{annotations, controlled_by, head, labels, multiline, or_none};
use crate::output::go_text;
use crate::output::human::rfc1123;
use serde_json::Value;
use std::fmt::Write as _;

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[][..], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// Writes a line; writing to a `String` cannot fail.
macro_rules! line {
    ($out:expr, $($argument:tt)*) => {{
        let _ = writeln!($out, $($argument)*);
    }};
}
pub(super) use line;

/// The description of a Pod, without Events.
pub(super) fn pod(live: &Value) -> String {
    let (metadata, spec, status) = (&live["metadata"], &live["spec"], &live["status"]);
    let mut out = head(live);
    line!(out, "Priority:\t{}", spec["priority"].as_i64().unwrap_or(0));
    if let Some(class) = spec["priorityClassName"].as_str() {
        line!(out, "Priority Class Name:\t{class}");
    }
    line!(out, "Service Account:\t{}", text(&spec["serviceAccountName"]));
    match spec["nodeName"].as_str().filter(|name| !name.is_empty()) {
        Some(node) => line!(out, "Node:\t{node}/{}", text(&status["hostIP"])),
        None => line!(out, "Node:\t<none>"),
    }
    if !status["startTime"].is_null() {
        line!(out, "Start Time:\t{}", rfc1123(&status["startTime"]));
    }
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    if metadata["deletionTimestamp"].is_null() {
        line!(out, "Status:\t{}", text(&status["phase"]));
    } else {
        line!(out, "Status:\tTerminating (lasts <invalid>)");
        line!(out, "Termination Grace Period:\t{}s", metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0));
    }
    for (title, field) in [("Reason", "reason"), ("Message", "message")] {
        if let Some(value) = status[field].as_str().filter(|value| !value.is_empty()) {
            line!(out, "{title}:\t{value}");
        }
    }
    line!(out, "IP:\t{}", text(&status["podIP"]));
    match list(&status["podIPs"]) {
        [] => line!(out, "IPs:\t<none>"),
        ips => {
            line!(out, "IPs:");
            ips.iter().for_each(|ip| line!(out, "  IP:\t{}", text(&ip["ip"])));
        }
    }
    if let Some(owner) = controlled_by(live) {
        line!(out, "Controlled By:\t{owner}");
    }
    if let Some(node) = status["nominatedNodeName"].as_str().filter(|node| !node.is_empty()) {
        line!(out, "NominatedNodeName:\t{node}");
    }
    if !list(&spec["initContainers"]).is_empty() {
        containers(&mut out, "Init Containers", list(&spec["initContainers"]), Some(list(&status["initContainerStatuses"])), "");
    }
    containers(&mut out, "Containers", list(&spec["containers"]), Some(list(&status["containerStatuses"])), "");
    if !list(&status["conditions"]).is_empty() {
        line!(out, "Conditions:\n  Type\tStatus");
        list(&status["conditions"]).iter().for_each(|c| line!(out, "  {} \t{} ", text(&c["type"]), text(&c["status"])));
    }
    volumes(&mut out, list(&spec["volumes"]), "");
    line!(out, "QoS Class:\t{}", text(&status["qosClass"]));
    out.push_str(&labels("Node-Selectors", &spec["nodeSelector"]));
    out.push_str(&multiline("Tolerations", list(&spec["tolerations"]).iter().map(toleration)));
    out
}

/// `key=value:Effect op=Exists for 300s`.
fn toleration(toleration: &Value) -> String {
    let mut out = text(&toleration["key"]).to_owned();
    if let Some(value) = toleration["value"].as_str().filter(|value| !value.is_empty()) {
        out.push_str(&format!("={value}"));
    }
    if let Some(effect) = toleration["effect"].as_str().filter(|effect| !effect.is_empty()) {
        out.push_str(&format!(":{effect}"));
    }
    if toleration["operator"] == "Exists" && toleration["value"].as_str().unwrap_or("").is_empty() {
        let gap = if !text(&toleration["key"]).is_empty() || !text(&toleration["effect"]).is_empty() { " " } else { "" };
        out.push_str(&format!("{gap}op=Exists"));
    }
    if let Some(seconds) = toleration["tolerationSeconds"].as_i64() {
        out.push_str(&format!(" for {seconds}s"));
    }
    out
}

/// A Pod template, two columns further in than its title.
pub(in crate::commands) fn pod_template(template: &Value, _level: usize) -> String {
    let (metadata, spec) = (&template["metadata"], &template["spec"]);
    let mut out = "Pod Template:\n".to_owned();
    out.push_str(&labels("  Labels", &metadata["labels"]));
    if metadata["annotations"].as_object().is_some_and(|map| !map.is_empty()) {
        out.push_str(&annotations("  Annotations", &metadata["annotations"]));
    }
    if let Some(account) = spec["serviceAccountName"].as_str().filter(|account| !account.is_empty()) {
        line!(out, "  Service Account:\t{account}");
    }
    if !list(&spec["initContainers"]).is_empty() {
        containers(&mut out, "Init Containers", list(&spec["initContainers"]), None, "  ");
    }
    containers(&mut out, "Containers", list(&spec["containers"]), None, "  ");
    volumes(&mut out, list(&spec["volumes"]), "  ");
    if let Some(class) = spec["priorityClassName"].as_str() {
        line!(out, "  Priority Class Name:\t{class}");
    }
    out.push_str(&labels("  Node-Selectors", &spec["nodeSelector"]));
    out.push_str(&multiline("  Tolerations", list(&spec["tolerations"]).iter().map(toleration)));
    out
}

/// Containers; `statuses` is `None` for a template.
fn containers(out: &mut String, title: &str, specs: &[Value], statuses: Option<&[Value]>, space: &str) {
    if specs.is_empty() {
        return line!(out, "{space}{title}: <none>");
    }
    line!(out, "{space}{title}:");
    for spec in specs {
        let indent = if space.is_empty() { "" } else { " " };
        line!(out, "  {indent}{}:", text(&spec["name"]));
        let status = statuses.and_then(|statuses| statuses.iter().find(|status| status["name"] == spec["name"]));
        if let Some(status) = status {
            line!(out, "    Container ID:\t{}", text(&status["containerID"]));
        }
        line!(out, "    Image:\t{}", text(&spec["image"]));
        if let Some(status) = status {
            line!(out, "    Image ID:\t{}", text(&status["imageID"]));
        }
        ports(out, list(&spec["ports"]));
        for (title, field) in [("Command", "command"), ("Args", "args")] {
            if !list(&spec[field]).is_empty() {
                line!(out, "    {title}:");
                list(&spec[field]).iter().for_each(|word| line!(out, "      {}", text(word).trim_end().replace('\n', "\n      ")));
            }
        }
        if let Some(status) = status {
            state(out, "State", &status["state"]);
            if !status["lastState"]["terminated"].is_null() {
                state(out, "Last State", &status["lastState"]);
            }
            line!(out, "    Ready:\t{}", if status["ready"] == true { "True" } else { "False" });
            line!(out, "    Restart Count:\t{}", status["restartCount"].as_i64().unwrap_or(0));
        }
        details(out, spec);
    }
}

fn ports(out: &mut String, ports: &[Value]) {
    let protocol = |port: &Value| port["protocol"].as_str().unwrap_or("TCP").to_owned();
    let join = |field: &str| {
        let of = |port: &Value| {
            let name = port["name"].as_str().filter(|name| !name.is_empty()).map(|name| format!(" ({name})")).unwrap_or_default();
            format!("{}/{}{name}", port[field].as_i64().unwrap_or(0), protocol(port))
        };
        if ports.is_empty() { "<none>".to_owned() } else { ports.iter().map(of).collect::<Vec<_>>().join(", ") }
    };
    let plural = if ports.len() > 1 { "s" } else { "" };
    line!(out, "    Port{plural}:\t{}", join("containerPort"));
    line!(out, "    Host Port{plural}:\t{}", join("hostPort"));
}

fn state(out: &mut String, title: &str, state: &Value) {
    let (running, terminated) = (&state["running"], &state["terminated"]);
    if running.is_object() {
        line!(out, "    {title}:\tRunning\n      Started:\t{}", rfc1123(&running["startedAt"]));
    } else if terminated.is_object() {
        line!(out, "    {title}:\tTerminated");
        for (title, field) in [("Reason", "reason"), ("Message", "message")] {
            if let Some(value) = terminated[field].as_str().filter(|value| !value.is_empty()) {
                line!(out, "      {title}:\t{value}");
            }
        }
        line!(out, "      Exit Code:\t{}", terminated["exitCode"].as_i64().unwrap_or(0));
        if let Some(signal) = terminated["signal"].as_i64().filter(|signal| *signal > 0) {
            line!(out, "      Signal:\t{signal}");
        }
        line!(out, "      Started:\t{}", rfc1123(&terminated["startedAt"]));
        line!(out, "      Finished:\t{}", rfc1123(&terminated["finishedAt"]));
    } else {
        line!(out, "    {title}:\tWaiting");
        if let Some(reason) = state["waiting"]["reason"].as_str().filter(|reason| !reason.is_empty()) {
            line!(out, "      Reason:\t{reason}");
        }
    }
}

/// Resources, probes, environment and mounts.
fn details(out: &mut String, spec: &Value) {
    for (title, field) in [("Limits", "limits"), ("Requests", "requests")] {
        if let Some(map) = spec["resources"][field].as_object().filter(|map| !map.is_empty()) {
            line!(out, "    {title}:");
            map.iter().for_each(|(name, quantity)| line!(out, "      {name}:\t{}", go_text(quantity)));
        }
    }
    for (title, field) in [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")] {
        if spec[field].is_object() {
            line!(out, "    {title}:\t{}", probe(&spec[field]));
        }
    }
    if !list(&spec["envFrom"]).is_empty() {
        line!(out, "    Environment Variables from:");
        for source in list(&spec["envFrom"]) {
            let (kind, of) = if source["configMapRef"].is_object() { ("ConfigMap", "configMapRef") } else { ("Secret", "secretRef") };
            let prefix = source["prefix"].as_str().map(|prefix| format!(" with prefix '{prefix}'")).unwrap_or_default();
            line!(out, "      {}\t{kind}{prefix}\tOptional: {}", text(&source[of]["name"]), source[of]["optional"] == true);
        }
    }
    if list(&spec["env"]).is_empty() {
        line!(out, "    Environment:\t<none>");
    } else {
        line!(out, "    Environment:");
        list(&spec["env"]).iter().for_each(|variable| line!(out, "      {}:\t{}", text(&variable["name"]), variable_value(variable)));
    }
    if list(&spec["volumeMounts"]).is_empty() {
        line!(out, "    Mounts:\t<none>");
    } else {
        line!(out, "    Mounts:");
        let mut mounts: Vec<&Value> = list(&spec["volumeMounts"]).iter().collect();
        mounts.sort_by_key(|mount| text(&mount["mountPath"]));
        for mount in mounts {
            let mut flags = if mount["readOnly"] == true { "ro".to_owned() } else { "rw".to_owned() };
            if let Some(path) = mount["subPath"].as_str().filter(|path| !path.is_empty()) {
                flags.push_str(&format!(",path={path:?}"));
            }
            line!(out, "      {} from {} ({flags})", text(&mount["mountPath"]), text(&mount["name"]));
        }
    }
}

fn variable_value(variable: &Value) -> String {
    let from = &variable["valueFrom"];
    let optional = |reference: &Value| reference["optional"] == true;
    if from["fieldRef"].is_object() {
        let version = from["fieldRef"]["apiVersion"].as_str().unwrap_or("v1");
        return format!(" ({version}:{})", text(&from["fieldRef"]["fieldPath"]));
    }
    if from["resourceFieldRef"].is_object() {
        let container = text(&from["resourceFieldRef"]["containerName"]);
        return format!("{} ({container})", text(&from["resourceFieldRef"]["resource"]));
    }
    for (field, kind) in [("secretKeyRef", "in secret"), ("configMapKeyRef", "of config map")] {
        let reference = &from[field];
        if reference.is_object() {
            let (key, name) = (text(&reference["key"]), text(&reference["name"]));
            return format!("<set to the key '{key}' {kind} '{name}'>\tOptional: {}", optional(reference));
        }
    }
    text(&variable["value"]).replace('\n', "\n            \t")
}

fn probe(probe: &Value) -> String {
    let number = |field: &str, default: i64| probe[field].as_i64().unwrap_or(default);
    let timing = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        number("initialDelaySeconds", 0),
        number("timeoutSeconds", 1),
        number("periodSeconds", 10),
        number("successThreshold", 1),
        number("failureThreshold", 3)
    );
    let (http, tcp, grpc) = (&probe["httpGet"], &probe["tcpSocket"], &probe["grpc"]);
    if http.is_object() {
        let scheme = http["scheme"].as_str().unwrap_or("HTTP").to_lowercase();
        let path = text(&http["path"]);
        return format!("http-get {scheme}://{}:{}{path} {timing}", text(&http["host"]), go_text(&http["port"]));
    }
    if tcp.is_object() {
        return format!("tcp-socket {}:{} {timing}", text(&tcp["host"]), go_text(&tcp["port"]));
    }
    if grpc.is_object() {
        return format!("grpc <pod>:{} {} {timing}", go_text(&grpc["port"]), text(&grpc["service"]));
    }
    format!("exec {} {timing}", go_text(&probe["exec"]["command"]))
}

fn volumes(out: &mut String, volumes: &[Value], space: &str) {
    if volumes.is_empty() {
        return line!(out, "{space}Volumes:\t<none>");
    }
    line!(out, "{space}Volumes:");
    for volume in volumes {
        let indent = if space.is_empty() { "" } else { " " };
        line!(out, "  {indent}{}:", text(&volume["name"]));
        source(out, volume);
    }
}

fn source(out: &mut String, volume: &Value) {
    let optional = |source: &Value| source["optional"] == true;
    let of = |field: &str| &volume[field];
    if of("emptyDir").is_object() {
        let size = volume["emptyDir"]["sizeLimit"].as_str().unwrap_or("<unset>");
        line!(out, "    Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)");
        line!(out, "    Medium:\t{}\n    SizeLimit:\t{size}", text(&volume["emptyDir"]["medium"]));
    } else if of("configMap").is_object() {
        line!(out, "    Type:\tConfigMap (a volume populated by a ConfigMap)");
        line!(out, "    Name:\t{}\n    Optional:\t{}", text(&volume["configMap"]["name"]), optional(of("configMap")));
    } else if of("secret").is_object() {
        line!(out, "    Type:\tSecret (a volume populated by a Secret)");
        line!(out, "    SecretName:\t{}\n    Optional:\t{}", text(&volume["secret"]["secretName"]), optional(of("secret")));
    } else if of("hostPath").is_object() {
        line!(out, "    Type:\tHostPath (bare host directory volume)");
        line!(out, "    Path:\t{}\n    HostPathType:\t{}", text(&volume["hostPath"]["path"]), text(&volume["hostPath"]["type"]));
    } else if of("persistentVolumeClaim").is_object() {
        let claim = of("persistentVolumeClaim");
        line!(out, "    Type:\tPersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)");
        line!(out, "    ClaimName:\t{}\n    ReadOnly:\t{}", text(&claim["claimName"]), claim["readOnly"] == true);
    } else if of("projected").is_object() {
        line!(out, "    Type:\tProjected (a volume that contains injected data from multiple sources)");
        for source in list(&volume["projected"]["sources"]) {
            if let Some(seconds) = source["serviceAccountToken"]["expirationSeconds"].as_i64() {
                line!(out, "    TokenExpirationSeconds:\t{seconds}");
            } else if source["configMap"].is_object() {
                line!(out, "    ConfigMapName:\t{}\n    Optional:\t{}", text(&source["configMap"]["name"]), optional(&source["configMap"]));
            } else if source["secret"].is_object() {
                line!(out, "    SecretName:\t{}\n    Optional:\t{}", text(&source["secret"]["name"]), optional(&source["secret"]));
            } else if source["downwardAPI"].is_object() {
                line!(out, "    DownwardAPI:\ttrue");
            }
        }
    } else {
        let kind = volume.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).find(|name| *name != "name");
        line!(out, "    Type:\t{}", or_none(&kind.map_or(Value::Null, Value::from)));
    }
}
