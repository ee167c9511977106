//! CertificateSigningRequests on their way: approved, signed, cleaned away (`pkg/controller/certificates`).
//!
//! ```text
//! a kubelet's request ─► csrapproving: may its author ask for this? ─► Approved ─► csrsigning ─► status.certificate ─► csrcleaner
//! a person's request  ─► kubectl certificate approve               ─┘
//! ```

mod approver;
mod cleaner;
mod recognize;
mod signer;

pub(crate) use approver::CertificateApprover;
pub(crate) use cleaner::CertificateCleaner;
pub(crate) use signer::CertificateSigner;

use crate::caches::Caches;
use crate::driver::{Call, Driver};
use crate::graph::GraphEvent;
use api::http::{Body, Method, Request, ResourcePath};
use api::json::Rest;
use api::kinds::{KindInfo, find_resource};
use api::{Dynamic, Object};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::{Input, ObjectKey, Outbox};
use serde_json::{Map, Value, json};
use sim::Time;
use std::sync::Arc;

const GROUP: &str = "certificates.k8s.io";

/// The kind CertificateSigningRequest.
pub(crate) fn info() -> &'static KindInfo {
    find_resource(GROUP, "v1", "certificatesigningrequests").unwrap_or(&api::kinds::KINDS[0])
}

/// The three controllers.
#[derive(Debug)]
pub(crate) struct CertificateControllers {
    approver: Driver<CertificateApprover>,
    signer: Driver<CertificateSigner>,
    cleaner: Driver<CertificateCleaner>,
}

impl CertificateControllers {
    pub(crate) fn new(agent: &Arc<str>) -> Self {
        CertificateControllers {
            approver: Driver::new("certificatesigningrequest-approving-controller", agent, CertificateApprover::default()),
            signer: Driver::new("certificatesigningrequest-signing-controller", agent, CertificateSigner),
            cleaner: Driver::new("certificatesigningrequest-cleaner-controller", agent, CertificateCleaner),
        }
    }

    /// Queues a request that is new or has changed.
    pub(crate) fn observe(&mut self, event: &GraphEvent) {
        let GraphEvent::Set(item, old) = event else { return };
        if item.info == *info() {
            let key = ObjectKey::new("", item.metadata().name.as_str());
            self.approver.queue.add(key.clone());
            self.signer.queue.add(key.clone());
            if old.is_none() {
                self.cleaner.queue.add(key);
            }
        }
    }

    /// Takes an answer; whether it was for one of them.
    pub(crate) fn handle(&mut self, now: Time, input: &Input, caches: &Caches, out: &mut Outbox) -> bool {
        self.approver.handle(now, input, caches, out)
            || self.signer.handle(now, input, caches, out)
            || self.cleaner.handle(now, input, caches, out)
    }

    /// Works on every request that is due.
    pub(crate) fn work(&mut self, now: Time, caches: &Caches, out: &mut Outbox) {
        self.approver.work(now, caches, out);
        self.signer.work(now, caches, out);
        self.cleaner.work(now, caches, out);
    }

    pub(crate) fn next_wake(&self) -> Option<Time> {
        [self.approver.next_wake(), self.signer.next_wake(), self.cleaner.next_wake()].into_iter().flatten().min()
    }
}

/// A CertificateSigningRequest as the controllers read it.
#[derive(Clone, Debug)]
pub(crate) struct View<'c> {
    pub(crate) object: &'c Arc<Dynamic>,
    pub(crate) spec: &'c Value,
    pub(crate) status: &'c Value,
}

impl<'c> View<'c> {
    /// The request of this name.
    pub(crate) fn find(caches: &'c Caches, key: &ObjectKey) -> Option<Self> {
        let Object::Dynamic(object) = &caches.graph.find(info(), "", &key.name)?.object else { return None };
        let part = |name: &str| object.rest.get(name).unwrap_or(&Value::Null);
        Some(View { object, spec: part("spec"), status: part("status") })
    }

    pub(crate) fn signer(&self) -> &'c str {
        self.spec["signerName"].as_str().unwrap_or_default()
    }

    pub(crate) fn usages(&self) -> Vec<String> {
        let usages = self.spec["usages"].as_array().into_iter().flatten();
        usages.filter_map(|usage| usage.as_str().map(str::to_owned)).collect()
    }

    /// What the author sent.
    pub(crate) fn request(&self) -> Result<pki::Request, pki::Error> {
        pki::Request::read(&bytes(&self.spec["request"]))
    }

    /// The certificate, in PEM, if it was issued.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        Some(bytes(&self.status["certificate"])).filter(|bytes| !bytes.is_empty())
    }

    pub(crate) fn conditions(&self) -> &'c [Value] {
        self.status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a condition holds.
    pub(crate) fn is(&self, type_: &str) -> bool {
        self.conditions().iter().any(|condition| condition["type"] == type_ && condition["status"] == "True")
    }

    /// The write of the request with a changed status, to a subresource.
    pub(crate) fn put<N>(&self, subresource: &'static str, note: N, change: impl FnOnce(&mut Map<String, Value>)) -> Call<N> {
        let mut changed = Dynamic::clone(self.object);
        let mut fields = Map::new();
        changed.rest.restore(&mut fields);
        let mut status = self.status.as_object().cloned().unwrap_or_default();
        change(&mut status);
        fields.insert("status".to_owned(), Value::Object(status));
        changed.rest = Rest::new(fields);
        let path = ResourcePath::object(info(), "", &self.object.metadata.name).with_subresource(subresource);
        Call { request: Request::new(Method::Put, path).body(Body::Object(Object::Dynamic(Arc::new(changed)))), note }
    }
}

/// Adds a condition.
fn add_condition(status: &mut Map<String, Value>, type_: &str, reason: &str, message: &str) {
    let condition = json!({"type": type_, "status": "True", "reason": reason, "message": message});
    match status.get_mut("conditions").and_then(Value::as_array_mut) {
        Some(conditions) => conditions.push(condition),
        None => drop(status.insert("conditions".to_owned(), json!([condition]))),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    value.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default()
}
