//! CertificateSigningRequests (`describeCertificateSigningRequest`).

use super::kinds::list;
use super::pod::line;
use super::{annotations, head, labels};
use crate::output::human::rfc1123;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::fmt::Write as _;

/// What became of a request, as `kubectl get csr` says it (`extractCSRStatus`).
fn status(live: &Value) -> String {
    let has = |type_: &str| list(&live["status"]["conditions"]).iter().any(|condition| condition["type"] == type_);
    let decided = ["Denied", "Approved"].into_iter().find(|type_| has(type_)).unwrap_or("Pending");
    let failed = if has("Failed") { ",Failed" } else { "" };
    let issued = if live["status"]["certificate"].as_str().is_some_and(|text| !text.is_empty()) { ",Issued" } else { "" };
    format!("{decided}{failed}{issued}")
}

pub(super) fn request(live: &Value) -> String {
    let (metadata, spec) = (&live["metadata"], &live["spec"]);
    let mut out = head(live);
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    line!(out, "CreationTimestamp:\t{}", rfc1123(&metadata["creationTimestamp"]));
    line!(out, "Requesting User:\t{}", spec["username"].as_str().unwrap_or(""));
    if let Some(signer) = spec["signerName"].as_str().filter(|signer| !signer.is_empty()) {
        line!(out, "Signer:\t{signer}");
    }
    if let Some(seconds) = spec["expirationSeconds"].as_u64() {
        line!(out, "Requested Duration:\t{}", crate::output::human::duration(std::time::Duration::from_secs(seconds)));
    }
    line!(out, "Status:\t{}", status(live));
    let bytes = spec["request"].as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let Ok(request) = pki::Request::read(&bytes) else { return out };
    line!(out, "Subject:");
    for (label, values) in &request.name {
        line!(out, "\t{label}:\t{}", values.join("\n\t\t"));
    }
    let addresses: Vec<String> = request.ip_addresses.iter().map(ToString::to_string).collect();
    let names =
        [("DNS Names", &request.dns_names), ("Email Addresses", &request.emails), ("URIs", &request.uris), ("IP Addresses", &addresses)];
    if names.iter().any(|(_, values)| !values.is_empty()) {
        line!(out, "Subject Alternative Names:");
        for (label, values) in names.iter().filter(|(_, values)| !values.is_empty()) {
            line!(out, "\t{label}:\t{}", values.join("\n\t\t"));
        }
    }
    out
}
