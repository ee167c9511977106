//! csrsigning: issues the certificates of approved requests to the four signers of the cluster
//! (`pkg/controller/certificates/signer/signer.go`).
//!
//! A request that is not as its signer wants it gets the condition `Failed`.

use super::recognize::{CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY, client_usages, kubelet_client, kubelet_serving};
use super::{View, add_condition};
use crate::caches::Caches;
use crate::driver::{Answer, Controller, Plan, Sink, succeeded};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::ObjectKey;
use sim::{ObjectRef, Time};

/// How long certificates hold, in seconds (`--cluster-signing-duration`).
const LONGEST: i64 = 365 * 24 * 3600;
/// The shortest time that is granted.
const SHORTEST: i64 = 600;
/// So much earlier than now a certificate begins, in seconds.
const BACKDATE: i64 = 300;
/// Below this time it is not taken off the end.
const SHORT: i64 = 8 * 3600;

/// Issues certificates.
#[derive(Debug, Default)]
pub(crate) struct CertificateSigner;

/// Whether a request is as its signer wants it; `None` when the signer is not of the cluster.
fn judge(view: &View<'_>, request: &pki::Request) -> Option<Result<(), String>> {
    let usages = view.usages();
    Some(match view.signer() {
        KUBELET_SERVING => kubelet_serving(request, &usages),
        KUBELET_CLIENT => kubelet_client(request, &usages),
        CLIENT => client_usages(&usages),
        LEGACY => Ok(()),
        _ => return None,
    })
}

/// From when until when a certificate holds, in seconds since 1970 (`PermissiveSigningPolicy`).
fn validity(now: Time, wanted: Option<i64>) -> (i64, i64) {
    let seconds = wanted.map_or(LONGEST, |wanted| wanted.clamp(SHORTEST, LONGEST));
    let now = now.unix_seconds();
    let until = if seconds < SHORT { now + seconds } else { now + seconds - BACKDATE };
    (now - BACKDATE, until)
}

impl Controller for CertificateSigner {
    type Note = ();

    /// Models `signer.handle`.
    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<()> {
        let mut plan = Plan::default();
        let Some(view) = View::find(caches, key) else { return plan };
        if !view.is("Approved") || view.is("Denied") || view.is("Failed") || view.certificate().is_some() {
            return plan;
        }
        let Ok(request) = view.request() else { return plan };
        let Some(judgement) = judge(&view, &request) else { return plan };
        let (from, until) = validity(now, view.spec["expirationSeconds"].as_i64());
        let issued = judgement.map(|()| pki::issue(&request, &view.usages(), &view.object.metadata.uid, from, until));
        let (call, decision) = match issued {
            Ok(Ok(certificate)) => {
                let call =
                    view.put("status", (), |status| drop(status.insert("certificate".to_owned(), STANDARD.encode(certificate).into())));
                (call, format!("sign it for {}", view.signer()))
            }
            Ok(Err(error)) => {
                (view.put("status", (), |status| add_condition(status, "Failed", "SignerValidationFailure", &error.0)), error.0.clone())
            }
            Err(why) => (view.put("status", (), |status| add_condition(status, "Failed", "SignerValidationFailure", &why)), why.clone()),
        };
        plan.decision = Some((ObjectRef::new("CertificateSigningRequest", "", view.object.metadata.name.as_str()), decision));
        plan.phases.push_back(vec![call]);
        plan
    }

    fn answered(&mut self, _: &ObjectKey, (): &(), answer: Answer, _: &mut Sink<'_>) -> Result<(), String> {
        succeeded(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_begins_five_minutes_ago_and_holds_as_long_as_asked() {
        let now = Time::from_secs(0);
        let relative = |wanted| {
            let (from, until) = validity(now, wanted);
            (from - Time::EPOCH, until - Time::EPOCH)
        };
        assert_eq!(relative(None), (-300, 365 * 86400 - 300));
        assert_eq!(relative(Some(3600)), (-300, 3600), "a short time is granted in full");
        assert_eq!(relative(Some(1)), (-300, 600));
        assert_eq!(relative(Some(i64::MAX)), (-300, 365 * 86400 - 300));
    }
}
