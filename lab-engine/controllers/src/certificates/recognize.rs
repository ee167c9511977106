//! Which requests are those of kubelets, and what their certificates may be used for (`pkg/apis/certificates/helpers.go`).

use pki::Request;
use std::collections::BTreeSet;

/// The signer of certificates with which kubelets ask the API server.
pub(super) const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// The signer of certificates with which kubelets serve.
pub(super) const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
/// The signer of certificates with which others ask the API server.
pub(super) const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
/// The signer without promises.
pub(super) const LEGACY: &str = "kubernetes.io/legacy-unknown";

/// Whether the usages are these, with or without `key encipherment`.
fn usages_are(usages: &[String], auth: &str) -> Result<(), String> {
    let own: BTreeSet<&str> = usages.iter().map(String::as_str).filter(|usage| *usage != "key encipherment").collect();
    if own == BTreeSet::from(["digital signature", auth]) {
        return Ok(());
    }
    let mut required = ["digital signature", "key encipherment", auth];
    required.sort_unstable();
    Err(format!("usages did not match [{}]", required.join(" ")))
}

fn of_node(request: &Request) -> Result<(), String> {
    if request.subject.organizations != ["system:nodes"] {
        return Err("subject organization is not system:nodes".to_owned());
    }
    Ok(())
}

fn named_for_node(request: &Request) -> Result<(), String> {
    if !request.subject.common_name.starts_with("system:node:") {
        return Err("subject common name does not begin with system:node: ".to_owned());
    }
    Ok(())
}

fn none(found: bool, what: &str) -> Result<(), String> {
    if found { Err(format!("{what} subjectAltNames are not allowed")) } else { Ok(()) }
}

/// Whether this is what a kubelet asks for as a client (`ValidateKubeletClientCSR`).
///
/// # Errors
/// What differs.
pub(super) fn kubelet_client(request: &Request, usages: &[String]) -> Result<(), String> {
    of_node(request)?;
    none(!request.dns_names.is_empty(), "DNS")?;
    none(!request.emails.is_empty(), "Email")?;
    none(!request.ip_addresses.is_empty(), "IP")?;
    none(!request.uris.is_empty(), "URI")?;
    named_for_node(request)?;
    usages_are(usages, "client auth")
}

/// Whether this is what a kubelet asks for as a server (`ValidateKubeletServingCSR`).
///
/// # Errors
/// What differs.
pub(super) fn kubelet_serving(request: &Request, usages: &[String]) -> Result<(), String> {
    of_node(request)?;
    if request.dns_names.is_empty() && request.ip_addresses.is_empty() {
        return Err("DNS or IP subjectAltName is required".to_owned());
    }
    none(!request.emails.is_empty(), "Email")?;
    none(!request.uris.is_empty(), "URI")?;
    usages_are(usages, "server auth")?;
    named_for_node(request)
}

/// Whether the usages are those of a client (`validAPIServerClientUsages`).
///
/// # Errors
/// Which is wrong or missing.
pub(super) fn client_usages(usages: &[String]) -> Result<(), String> {
    let allowed = ["digital signature", "key encipherment", "client auth"];
    if let Some(wrong) = usages.iter().find(|usage| !allowed.contains(&usage.as_str())) {
        return Err(format!("invalid usage for client certificate: {wrong}"));
    }
    if usages.iter().any(|usage| usage == "client auth") {
        return Ok(());
    }
    Err("missing required usage for client certificate: client auth".to_owned())
}
