//! `kubectl rollout status|restart|pause|resume` (history and undo: [`super::history`]).

use super::change::{Edit, Words, change, map_at};
use super::observe::{self, Seen};
use super::submit::Submit;
use crate::command::{Io, Job, Step};
use crate::flags::{Flag, GoDuration, Parsed, optional, value};
use crate::resources::{Context, Sought, Target, chosen, gather, sought};
use serde_json::{Value, json};
use std::rc::Rc;

pub(super) const FLAGS: &[Flag] = &[
    value("filename", Some('f')),
    value("selector", Some('l')),
    value("revision", None),
    value("to-revision", None),
    value("timeout", None),
    Flag { name: "watch", short: Some('w'), alone: Some("true") },
    optional("recursive", "true"),
];

/// The objects of a `rollout` command.
pub(super) fn objects(context: &Context<'_>, parsed: &Parsed) -> Result<Vec<Sought>, String> {
    if parsed.words.is_empty() && parsed.get("filename").is_none() {
        return Err("required resource not specified".to_owned());
    }
    if parsed.get("selector").is_some() { sought(context, parsed, &parsed.words) } else { chosen(context, parsed, &parsed.words) }
}

pub(super) fn status(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let sought = objects(context, parsed)?;
    let follow = parsed.get("watch").is_none() || parsed.on("watch");
    let timeout = parsed.duration("timeout")?.filter(|timeout| timeout.0 > 0);
    if let Some(revision) = parsed.number("revision")?.filter(|revision| *revision < 0) {
        return Err(format!("revision must be a positive integer: {revision}"));
    }
    Ok(Box::new(move |io| {
        gather(sought, io, move |targets, io| {
            for target in targets {
                io.later(move |io| status_of(target, follow, timeout, io));
            }
            Step::Done(0)
        })
    }))
}

fn status_of(target: Target, follow: bool, timeout: Option<GoDuration>, io: &mut Io<'_>) -> Step {
    let view = match &*target.info.kind {
        "Deployment" => deployment_status,
        "DaemonSet" => daemon_set_status,
        "StatefulSet" => stateful_set_status,
        other => return io.error(&format!("no status viewer has been implemented for {other}")),
    };
    let deadline = timeout.map(|timeout| timeout.after(io.now));
    let gone = format!("object has been deleted: {:?}", target.name);
    observe::object(target.path(), deadline, move |seen, io| match seen {
        Seen::Timeout => Some(io.error("timed out waiting for the condition")),
        Seen::Object(None) => Some(io.error(&gone)),
        Seen::Object(Some(object)) => match view(object) {
            Ok((message, done)) => {
                io.print(message);
                (done || !follow).then_some(Step::Done(0))
            }
            Err(message) => Some(io.error(&message)),
        },
    })
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// Only what is rolled out by itself has a rollout.
fn rolls_by_itself(object: &Value) -> Result<(), String> {
    if object["spec"]["updateStrategy"]["type"] == "RollingUpdate" {
        Ok(())
    } else {
        Err("rollout status is only available for RollingUpdate strategy type".to_owned())
    }
}

/// How far a rollout is, and whether it is done (`DaemonSetStatusViewer.Status`).
fn daemon_set_status(object: &Value) -> Result<(String, bool), String> {
    rolls_by_itself(object)?;
    if number(object, "/metadata/generation") > number(object, "/status/observedGeneration") {
        return Ok(("Waiting for daemon set spec update to be observed...\n".to_owned(), false));
    }
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    let (wanted, updated, available) = (
        number(object, "/status/desiredNumberScheduled"),
        number(object, "/status/updatedNumberScheduled"),
        number(object, "/status/numberAvailable"),
    );
    let waiting = |what: String| Ok((format!("Waiting for daemon set {name:?} rollout to finish: {what}...\n"), false));
    if updated < wanted {
        return waiting(format!("{updated} out of {wanted} new pods have been updated"));
    }
    if available < wanted {
        return waiting(format!("{available} of {wanted} updated pods are available"));
    }
    Ok((format!("daemon set {name:?} successfully rolled out\n"), true))
}

/// How far a rollout is, and whether it is done (`StatefulSetStatusViewer.Status`).
fn stateful_set_status(object: &Value) -> Result<(String, bool), String> {
    rolls_by_itself(object)?;
    let observed = number(object, "/status/observedGeneration");
    if observed == 0 || number(object, "/metadata/generation") > observed {
        return Ok(("Waiting for statefulset spec update to be observed...\n".to_owned(), false));
    }
    let (wanted, ready) = (number(object, "/spec/replicas"), number(object, "/status/readyReplicas"));
    if ready < wanted {
        return Ok((format!("Waiting for {} pods to be ready...\n", wanted - ready), false));
    }
    let updated = number(object, "/status/updatedReplicas");
    if let Some(partition) = object.pointer("/spec/updateStrategy/rollingUpdate/partition").and_then(Value::as_i64) {
        let wanted = wanted - partition;
        return Ok(if updated < wanted {
            (format!("Waiting for partitioned roll out to finish: {updated} out of {wanted} new pods have been updated...\n"), false)
        } else {
            (format!("partitioned roll out complete: {updated} new pods have been updated...\n"), true)
        });
    }
    let revision = |field: &str| object["status"][field].as_str().unwrap_or("").to_owned();
    let (from, to) = (revision("currentRevision"), revision("updateRevision"));
    Ok(if from == to {
        let count = number(object, "/status/currentReplicas");
        (format!("statefulset rolling update complete {count} pods at revision {from}...\n"), true)
    } else {
        (format!("waiting for statefulset rolling update to complete {updated} pods at revision {to}...\n"), false)
    })
}

/// How far a rollout is, and whether it is done (`DeploymentStatusViewer.Status`).
fn deployment_status(object: &Value) -> Result<(String, bool), String> {
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    if number("/metadata/generation") > number("/status/observedGeneration") {
        return Ok(("Waiting for deployment spec update to be observed...\n".to_owned(), false));
    }
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    if conditions.clone().any(|c| c["type"] == "Progressing" && c["reason"] == "ProgressDeadlineExceeded") {
        return Err(format!("deployment {name:?} exceeded its progress deadline"));
    }
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
    let (replicas, updated, available) =
        (number("/status/replicas"), number("/status/updatedReplicas"), number("/status/availableReplicas"));
    let waiting = |what: String| Ok((format!("Waiting for deployment {name:?} rollout to finish: {what}...\n"), false));
    if updated < wanted {
        return waiting(format!("{updated} out of {wanted} new replicas have been updated"));
    }
    if replicas > updated {
        return waiting(format!("{} old replicas are pending termination", replicas - updated));
    }
    if available < updated {
        return waiting(format!("{available} of {updated} updated replicas are available"));
    }
    Ok((format!("deployment {name:?} successfully rolled out\n"), true))
}

fn is_paused(object: &Value) -> bool {
    object["spec"]["paused"] == true
}

/// Whether the kind has a template that can be rolled out.
fn rolls_out(target: &Target, doing: &str) -> Result<(), String> {
    if matches!(&*target.info.kind, "Deployment" | "DaemonSet" | "StatefulSet") {
        Ok(())
    } else {
        Err(format!("{} {:?} {doing} is not supported", target.info.group_resource(), target.name))
    }
}

pub(super) fn restart(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    edit(context, parsed, "kubectl-rollout", |target, object, io| {
        rolls_out(target, "restarting")?;
        if is_paused(object) {
            return Err("can't restart paused deployment (run rollout resume first)".to_owned());
        }
        if let Some(annotations) = map_at(object, &["spec", "template", "metadata", "annotations"]) {
            annotations.insert("kubectl.kubernetes.io/restartedAt".to_owned(), json!(io.now.rfc3339()));
        }
        // Twice in the same second changes nothing, but upstream says so all the same.
        Ok(Words { changed: "restarted", unchanged: "restarted" })
    })
}

pub(super) fn pause(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    edit(context, parsed, "kubectl-rollout", |target, object, _| {
        if target.info.kind != "Deployment" {
            return Err(format!("{} {:?} pausing is not supported", target.info.group_resource(), target.name));
        }
        if is_paused(object) {
            return Err(format!("{} {:?} is already paused", target.info.group_resource(), target.name));
        }
        object["spec"]["paused"] = json!(true);
        Ok(Words { changed: "paused", unchanged: "paused" })
    })
}

pub(super) fn resume(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    edit(context, parsed, "kubectl-rollout", |target, object, _| {
        if target.info.kind != "Deployment" {
            return Err(format!("{} {:?} resuming is not supported", target.info.group_resource(), target.name));
        }
        if !is_paused(object) {
            return Err(format!("{} {:?} is not paused", target.info.group_resource(), target.name));
        }
        object["spec"]["paused"] = json!(false);
        Ok(Words { changed: "resumed", unchanged: "resumed" })
    })
}

fn edit(
    context: &Context<'_>,
    parsed: &Parsed,
    manager: &str,
    edit: impl Fn(&Target, &mut Value, &mut Io<'_>) -> Result<Words, String> + 'static,
) -> Result<Job, String> {
    let sought = objects(context, parsed)?;
    let submit = Submit::read(context, parsed, manager)?;
    let edit: Edit = Rc::new(edit);
    Ok(Box::new(move |io| change(sought, submit, io, edit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_tell_how_far_they_are_in_their_own_words() {
        let set = |wanted: i64, ready: i64, updated: i64, partition: Value| {
            stateful_set_status(&json!({"metadata": {"generation": 2},
                "spec": {"replicas": wanted, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}},
                "status": {"observedGeneration": 2, "readyReplicas": ready, "updatedReplicas": updated}}))
            .unwrap()
        };
        assert_eq!(set(3, 1, 3, json!(0)), ("Waiting for 2 pods to be ready...\n".to_owned(), false));
        let partial = "Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...\n";
        assert_eq!(set(3, 3, 1, json!(1)), (partial.to_owned(), false));
        assert_eq!(set(3, 3, 2, json!(1)), ("partitioned roll out complete: 2 new pods have been updated...\n".to_owned(), true));
        let daemons = |updated: i64, available: i64| {
            daemon_set_status(&json!({"metadata": {"name": "log"}, "spec": {"updateStrategy": {"type": "RollingUpdate"}},
                "status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": updated, "numberAvailable": available}}))
            .unwrap()
        };
        let waiting = "Waiting for daemon set \"log\" rollout to finish: 2 of 3 updated pods are available...\n";
        assert_eq!(daemons(3, 2), (waiting.to_owned(), false));
        assert_eq!(daemons(3, 3), ("daemon set \"log\" successfully rolled out\n".to_owned(), true));
        let on_delete = json!({"spec": {"updateStrategy": {"type": "OnDelete"}}});
        assert!(daemon_set_status(&on_delete).unwrap_err().ends_with("RollingUpdate strategy type"));
    }

    #[test]
    fn the_status_tells_how_far_a_rollout_is() {
        let status = |generation: i64, replicas: i64, updated: i64, available: i64| {
            let object = json!({
                "metadata": {"name": "web", "generation": generation}, "spec": {"replicas": 3},
                "status": {"observedGeneration": 1, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available},
            });
            deployment_status(&object).unwrap()
        };
        let waiting = |what: &str| (format!("Waiting for deployment \"web\" rollout to finish: {what}...\n"), false);
        assert_eq!(status(2, 3, 3, 3), ("Waiting for deployment spec update to be observed...\n".to_owned(), false));
        assert_eq!(status(1, 3, 1, 3), waiting("1 out of 3 new replicas have been updated"));
        assert_eq!(status(1, 4, 3, 3), waiting("1 old replicas are pending termination"));
        assert_eq!(status(1, 3, 3, 2), waiting("2 of 3 updated replicas are available"));
        assert_eq!(status(1, 3, 3, 3), ("deployment \"web\" successfully rolled out\n".to_owned(), true));
    }
}
