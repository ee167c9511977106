//! `kubectl apply --server-side` and `kubectl diff --server-side`: the server merges.
//!
//! An object that was applied on the client's side before is taken over after the first apply, as upstream does it: the annotation gets an
//! applier of its own, what the old manager owns goes to the new one, and the configuration is applied once more, so that fields which it no
//! longer names go away.
//!
//! **Simplified here:** no `--subresource`.

use super::apply::LAST_APPLIED;
use super::submit::{DryRun, Submit};
use crate::command::{Failure, Io, Step, json_of};
use crate::manifest::Manifest;
use api::http::{Body, Method, PatchType, Request};
use api::managed_fields::{ManagedFields, Operation, annotation_owners, upgrade};
use serde_json::{Value, json};
use std::rc::Rc;

/// The manager of server-side apply unless another is named; for it alone the server keeps the annotation right.
pub(super) const MANAGER: &str = "kubectl";
/// Who applies the annotation of objects that are taken over.
const ANNOTATION_MANAGER: &str = "kubectl-last-applied";
/// How often managed fields that someone else changed are taken over anew (`maxPatchRetry`).
const MAX_ATTEMPTS: u32 = 5;

const HINT: &str = "Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts";

/// A manifest on its way.
#[derive(Clone)]
struct Applying {
    manifest: Rc<Manifest>,
    force: bool,
    submit: Rc<Submit>,
}

/// Applies a manifest.
pub(super) fn one(manifest: Manifest, force: bool, submit: Rc<Submit>) -> Step {
    let applying = Applying { manifest: Rc::new(manifest), force, submit };
    Step::ask(applying.request(), move |answer, io| match answer {
        Ok(body) => applying.keep_annotation(json_of(body), io),
        Err(failure) => refused(&failure, io),
    })
}

/// The request that applies a manifest, as `kubectl diff` tries it.
pub(super) fn trial(manifest: &Manifest, force: bool, manager: &str) -> Request {
    let body = Body::Patch(PatchType::Apply, manifest.value.clone());
    let request = Request::new(Method::Patch, manifest.path()).body(body);
    request.query("fieldManager", manager).query("force", force.to_string()).query("dryRun", "All")
}

fn refused(failure: &Failure, io: &mut Io<'_>) -> Step {
    match failure {
        Failure::Refused(status) if status.reason == "Conflict" => io.error(&format!("{}\n{HINT}", status.message)),
        failure => io.fail(failure),
    }
}

fn managed_fields(object: &Value) -> ManagedFields {
    let value = object["metadata"]["managedFields"].clone();
    if value.is_null() { ManagedFields::Absent } else { api::json::decode(value).unwrap_or_default() }
}

impl Applying {
    fn request(&self) -> Request {
        let body = Body::Patch(PatchType::Apply, self.manifest.value.clone());
        self.submit.request(Method::Patch, self.manifest.path(), body).query("force", self.force.to_string())
    }

    /// Lets an applier own the annotation of client-side apply, so that it outlives the old manager.
    fn keep_annotation(self, object: Value, io: &mut Io<'_>) -> Step {
        let annotation = object["metadata"]["annotations"].get(LAST_APPLIED).cloned();
        let Some(annotation) = annotation.filter(|_| self.submit.manager() == MANAGER) else { return self.take_over(object, 1, io) };
        if !annotation_owners(&managed_fields(&object), LAST_APPLIED, Operation::Apply).is_empty() {
            return self.take_over(object, 1, io);
        }
        let mut config = json!({
            "apiVersion": self.manifest.info.api_version(), "kind": self.manifest.info.kind,
            "metadata": {"name": object["metadata"]["name"], "annotations": {LAST_APPLIED: annotation}},
        });
        if self.manifest.info.namespaced {
            config["metadata"]["namespace"] = json!(self.manifest.namespace);
        }
        let body = Body::Patch(PatchType::Apply, config);
        let request = self.submit.as_manager(ANNOTATION_MANAGER).request(Method::Patch, self.manifest.path(), body);
        Step::ask(request, move |answer, io| match answer {
            Ok(body) => self.take_over(json_of(body), 1, io),
            Err(failure) => {
                let what = "failed to migrate kubectl.kubernetes.io/last-applied-configuration for Server-Side Apply";
                warn(what, &failure, io);
                self.done(&object, io)
            }
        })
    }

    /// Takes over what managers of client-side apply own.
    fn take_over(self, object: Value, attempt: u32, io: &mut Io<'_>) -> Step {
        let managed = managed_fields(&object);
        let names = annotation_owners(&managed, LAST_APPLIED, Operation::Update);
        let Some(upgraded) = upgrade(&managed, &names, self.submit.manager()) else { return self.done(&object, io) };
        let patch = json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": api::json::Json::to_json(&upgraded)},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": object["metadata"]["resourceVersion"]},
        ]);
        let request = self.submit.request(Method::Patch, self.manifest.path(), Body::Patch(PatchType::Json, patch));
        Step::ask(request, move |answer, io| match answer {
            Ok(_) => self.apply_again(object),
            Err(Failure::Refused(status)) if status.reason == "Conflict" && attempt < MAX_ATTEMPTS => {
                let get = Request::new(Method::Get, self.manifest.path());
                Step::ask(get, move |answer, io| match answer {
                    Ok(body) => self.take_over(json_of(body), attempt + 1, io),
                    Err(failure) => io.fail(&failure),
                })
            }
            Err(failure) => {
                warn("server rejected managed fields migration to Server-Side Apply", &failure, io);
                self.done(&object, io)
            }
        })
    }

    /// Applies once more, now that the fields of the old manager are this one's.
    fn apply_again(self, object: Value) -> Step {
        Step::ask(self.request(), move |answer, io| match answer {
            Ok(body) => self.done(&json_of(body), io),
            Err(failure) => {
                warn("failed to re-apply configuration after performing Server-Side Apply migration", &failure, io);
                self.done(&object, io)
            }
        })
    }

    fn done(&self, object: &Value, io: &mut Io<'_>) -> Step {
        if !object["metadata"]["deletionTimestamp"].is_null() {
            io.complain(&format!("Warning: Detected changes to resource {} which is currently being deleted.", self.manifest.name));
        }
        self.submit.show(&self.manifest.info, object, "serverside-applied", io)
    }
}

fn warn(what: &str, failure: &Failure, io: &mut Io<'_>) {
    let error = failure.message();
    io.complain(&format!("Warning: {what}. This is non-fatal and will be retried next time you apply. Error: {error}"));
}

/// Refuses flags that do not go together.
///
/// # Errors
/// The text that follows `error: `.
pub(super) fn check_flags(server_side: bool, force_conflicts: bool, force: bool, dry_run: DryRun) -> Result<(), String> {
    let wrong = [
        (force_conflicts && !server_side, "--force-conflicts only works with --server-side"),
        (
            server_side && dry_run == DryRun::Client,
            "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)",
        ),
        (server_side && force, "--force cannot be used with --server-side"),
        (force && dry_run == DryRun::Server, "--dry-run=server cannot be used with --force"),
    ];
    wrong.iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, message)| Err((*message).to_owned()))
}
