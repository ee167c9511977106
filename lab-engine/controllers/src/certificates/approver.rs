//! csrapproving: approves what a kubelet asks for itself, if its author may ask for that
//! (`pkg/controller/certificates/approver/sarapprove.go`).

use super::recognize::{KUBELET_CLIENT, kubelet_client};
use super::{GROUP, View, add_condition};
use crate::caches::Caches;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink};
use api::Object;
use api::http::{Body, Method, Request, ResourcePath};
use api::kinds::Gvr;
use client::ObjectKey;
use serde_json::{Value, json};
use sim::Time;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What may be asked for, and what is said when it is approved, in the order in which they are tried.
const RECOGNIZED: [(&str, &str); 2] = [
    ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview."),
    ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."),
];

/// What a call is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// Whether the author may ask for what [`RECOGNIZED`] has at this place.
    Review(usize),
    /// The approval.
    Approve,
}

/// A request about which the authorizer is asked.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// Places in [`RECOGNIZED`] that are to be tried.
    open: Vec<usize>,
    allowed: Option<usize>,
}

/// Approves the requests of kubelets.
#[derive(Debug, Default)]
pub(crate) struct CertificateApprover {
    asked: BTreeMap<ObjectKey, Asked>,
}

/// The question whether the author of a request may ask for something.
fn review(view: &View<'_>, subresource: &str) -> Request {
    let resource =
        Gvr { group: Cow::Borrowed("authorization.k8s.io"), version: Cow::Borrowed("v1"), resource: Cow::Borrowed("subjectaccessreviews") };
    let path = ResourcePath { resource, namespace: None, name: None, subresource: Cow::Borrowed("") };
    let spec = json!({
        "user": view.spec["username"], "uid": view.spec["uid"].as_str().unwrap_or_default(), "groups": view.spec["groups"],
        "extra": view.spec["extra"],
        "resourceAttributes": {"group": GROUP, "resource": "certificatesigningrequests", "verb": "create", "subresource": subresource,
            "version": "*"},
    });
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}, "spec": spec});
    Request::new(Method::Post, path).body(Body::Json(body))
}

impl Controller for CertificateApprover {
    type Note = Note;

    /// Models `sarApprover.handle`.
    fn reconcile(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note> {
        let plan = Plan::default();
        let Some(view) = View::find(caches, key) else { return plan };
        if view.certificate().is_some() || view.is("Approved") || view.is("Denied") || view.signer() != KUBELET_CLIENT {
            return plan;
        }
        let Ok(request) = view.request() else { return plan };
        if kubelet_client(&request, &view.usages()).is_err() {
            return plan;
        }
        let itself = view.spec["username"] == request.subject.common_name;
        let open = (0..RECOGNIZED.len()).rev().filter(|index| itself || RECOGNIZED[*index].0 != "selfnodeclient").collect();
        self.asked.insert(key.clone(), Asked { open, allowed: None });
        plan
    }

    fn answered(&mut self, key: &ObjectKey, note: &Note, answer: Answer, _: &mut Sink<'_>) -> Result<(), String> {
        let object = answer.map_err(|refusal| refusal.message)?;
        if let (Note::Review(index), Object::Dynamic(review)) = (note, &object)
            && review.rest.get("status").is_some_and(|status| status["allowed"] == Value::Bool(true))
            && let Some(asked) = self.asked.get_mut(key)
        {
            asked.allowed = Some(*index);
        }
        Ok(())
    }

    /// Asks about one after the other until one is allowed, then approves.
    fn proceed(&mut self, _: Time, caches: &Caches, key: &ObjectKey, _: &mut Sink<'_>) -> Vec<Call<Note>> {
        let (Some(view), Some(asked)) = (View::find(caches, key), self.asked.get_mut(key)) else { return Vec::new() };
        if let Some(index) = asked.allowed {
            self.asked.remove(key);
            let message = RECOGNIZED[index].1;
            return vec![view.put("approval", Note::Approve, |status| add_condition(status, "Approved", "AutoApproved", message))];
        }
        match asked.open.pop() {
            Some(index) => vec![Call { request: review(&view, RECOGNIZED[index].0), note: Note::Review(index) }],
            // Nobody is told: as upstream, it is tried again when the request changes.
            None => Vec::new(),
        }
    }

    fn conclude(&mut self, _: Time, _: &Caches, key: &ObjectKey, _: Option<&str>) -> Conclusion<Note> {
        self.asked.remove(key);
        (None, None)
    }
}
