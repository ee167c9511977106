//! csrcleaner: deletes requests whose time is over (`pkg/controller/certificates/cleaner/cleaner.go`).
//!
//! | request | after |
//! | --- | --- |
//! | issued, denied or failed | an hour |
//! | neither approved nor denied, or approved and not issued | a day |
//! | its certificate has expired | at once |
//!
//! **Simplified here:** each request is looked at every hour from the time it was first seen; upstream looks at all together.

use super::{View, info};
use crate::caches::Caches;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink, succeeded_or_gone};
use api::http::{Method, Request, ResourcePath};
use client::ObjectKey;
use serde_json::Value;
use sim::{ObjectRef, Time};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How often requests are looked at (`pollingInterval`).
const POLLING: Duration = HOUR;

/// Deletes old requests.
#[derive(Debug, Default)]
pub(crate) struct CertificateCleaner;

/// Why a request is over, if it is.
fn over(now: Time, view: &View<'_>) -> Option<&'static str> {
    let old = |at: Option<Time>, limit: Duration| at.is_some_and(|at| now.since(at) > limit);
    let updated = |condition: &Value| condition["lastUpdateTime"].as_str().and_then(|at| Time::parse_rfc3339(at).ok());
    let conditions = view.conditions();
    let since = |type_: &str, limit| conditions.iter().any(|condition| condition["type"] == type_ && old(updated(condition), limit));
    let certificate = view.certificate();
    let expired = certificate.as_deref().and_then(pki::expires).is_some_and(|until| until < now.unix_seconds());
    let pending = conditions.is_empty() && old(view.object.metadata.creation_timestamp.map(|at| at.0), DAY);
    let reasons = [
        (since("Approved", HOUR) && certificate.is_some(), "it was issued more than an hour ago"),
        (since("Denied", HOUR), "it was denied more than an hour ago"),
        (since("Failed", HOUR), "it failed more than an hour ago"),
        (pending, "nobody has approved it for a day"),
        (expired, "its certificate has expired"),
        (since("Approved", DAY) && certificate.is_none(), "nobody has signed it for a day"),
    ];
    reasons.into_iter().find_map(|(holds, why)| holds.then_some(why))
}

impl Controller for CertificateCleaner {
    type Note = ();

    /// Models `CSRCleanerController.handle`.
    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<()> {
        let mut plan = Plan::default();
        if let Some(view) = View::find(caches, key)
            && let Some(why) = over(now, &view)
        {
            plan.decision = Some((ObjectRef::new("CertificateSigningRequest", "", key.name.as_str()), format!("delete it: {why}")));
            plan.phases
                .push_back(vec![Call { request: Request::new(Method::Delete, ResourcePath::object(info(), "", &key.name)), note: () }]);
        }
        plan
    }

    fn answered(&mut self, _: &ObjectKey, (): &(), answer: Answer, _: &mut Sink<'_>) -> Result<(), String> {
        succeeded_or_gone(answer)
    }

    fn conclude(&mut self, _: Time, caches: &Caches, key: &ObjectKey, _: Option<&str>) -> Conclusion<()> {
        (None, View::find(caches, key).map(|_| POLLING))
    }
}
