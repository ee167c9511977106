//! What every namespace has: the ServiceAccount `default` (`pkg/controller/serviceaccount`) and the ConfigMap `kube-root-ca.crt` with the
//! certificate of the cluster's authority (`pkg/controller/certificates/rootcacertpublisher`). What is deleted or changed is mended.
//!
//! **Simplified here:** the certificate is a text that no one checks. The API server makes the first `default` of a namespace itself, so that
//! a Pod that is created right after its namespace finds it.

use crate::caches::Caches;
use crate::driver::{Answer, Call, Controller, Plan, Sink};
use api::Resource;
use api::core::{ConfigMap, Namespace, ServiceAccount};
use api::meta::{ObjectMeta, StringMap};
use client::ObjectKey;
use sim::Time;
use std::sync::Arc;
use std::time::Duration;

/// The ConfigMap with the certificate (`RootCACertConfigMapName`).
pub(crate) const ROOT_CA: &str = "kube-root-ca.crt";
/// The ServiceAccount that Pods have unless told.
const DEFAULT: &str = "default";
/// So long after a namespace appears its account is looked at, when the one that the API server makes is there.
pub(crate) const SETTLING: Duration = Duration::from_secs(1);

/// What the ConfigMap says of itself.
const DESCRIPTION: (&str, &str) = (
    "kubernetes.io/description",
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or \
     kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
);
/// The certificate: the words "Clusterbook simulated certificate authority", in base64.
pub const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
                           Q2x1c3RlcmJvb2sgc2ltdWxhdGVkIGNlcnRpZmljYXRlIGF1dGhvcml0eQ==\n\
                           -----END CERTIFICATE-----\n";

/// Keeps what every namespace has. Its keys are names of namespaces.
#[derive(Debug)]
pub(crate) struct NamespaceContent;

fn root_ca(namespace: &str) -> ConfigMap {
    let metadata = ObjectMeta {
        name: ROOT_CA.to_owned(),
        namespace: namespace.to_owned(),
        annotations: StringMap::from([(DESCRIPTION.0.to_owned(), DESCRIPTION.1.to_owned())]),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, data: StringMap::from([("ca.crt".to_owned(), CERTIFICATE.to_owned())]), ..ConfigMap::default() }
}

/// The write that mends the ConfigMap, if it needs one.
fn mend_root_ca(namespace: &str, present: Option<&Arc<ConfigMap>>) -> Option<Call<()>> {
    let wanted = root_ca(namespace);
    let Some(present) = present else { return Some(Call::create(wanted, ())) };
    let described = present.metadata.annotations.get(DESCRIPTION.0).is_some_and(|text| !text.is_empty());
    if present.data == wanted.data && described {
        return None;
    }
    let mut changed = ConfigMap::clone(present);
    changed.data = wanted.data;
    changed.metadata.annotations.extend(wanted.metadata.annotations);
    Some(Call::update(changed, ()))
}

impl Controller for NamespaceContent {
    type Note = ();

    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<()> {
        let mut plan = Plan::default();
        let namespace: Option<&Arc<Namespace>> = caches.namespaces.lister().get(key);
        let Some(namespace) = namespace.filter(|namespace| namespace.status.phase != "Terminating") else { return plan };
        let name = &key.name;
        let mut calls: Vec<Call<()>> =
            mend_root_ca(name, caches.root_cas.lister().get(&ObjectKey::new(name.as_str(), ROOT_CA))).into_iter().collect();
        let settled = namespace.metadata.creation_timestamp.is_none_or(|made| now >= made.0 + SETTLING);
        if settled && caches.service_accounts.lister().get(&ObjectKey::new(name.as_str(), DEFAULT)).is_none() {
            let mut account = ServiceAccount::default();
            (account.metadata.name, account.metadata.namespace) = (DEFAULT.to_owned(), name.clone());
            calls.push(Call::create(account, ()));
        }
        if !calls.is_empty() {
            plan.decision = Some((namespace.object_ref(), "make what every namespace has".to_owned()));
            plan.phases.push_back(calls);
        }
        plan
    }

    fn answered(&mut self, _: &ObjectKey, (): &(), answer: Answer, _: &mut Sink<'_>) -> Result<(), String> {
        match answer {
            Err(refusal) if refusal.code != 409 && refusal.code != 404 && !refusal.namespace_terminating => Err(refusal.message),
            _ => Ok(()),
        }
    }
}
