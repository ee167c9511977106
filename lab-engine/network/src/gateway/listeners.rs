//! The listeners of a Gateway: what is right with each, and what that means for the Gateway.
//!
//! **Simplified here:** `HTTP` and `HTTPS` are the protocols, and HTTPRoutes the routes; a Secret counts as a certificate when it has a `tls.crt`
//! and a `tls.key`, whatever is in them.

use super::plan::{Condition, ListenerPlan, View};
use super::references::permitted;
use super::types::{GROUP, Gateway, Listener, ObjectReference};
use crate::reverse_proxy::certificate;
use client::ObjectKey;
use std::net::Ipv4Addr;

/// The protocols that listeners can have.
const PROTOCOLS: [&str; 2] = ["HTTP", "HTTPS"];

/// The listeners of a Gateway, in order.
pub(crate) fn listeners(view: View<'_>, gateway: &Gateway) -> Vec<ListenerPlan> {
    gateway.spec.listeners.iter().map(|listener| of_listener(view, gateway, listener)).collect()
}

fn of_listener(view: View<'_>, gateway: &Gateway, listener: &Listener) -> ListenerPlan {
    let mut certificates = Vec::new();
    let accepted = accepted(gateway, listener);
    let resolved = resolved(view, gateway, listener, &mut certificates);
    let tls = listener.protocol == "HTTPS";
    let usable = accepted.holds && (!tls || !certificates.is_empty());
    let kinds = &listener.allowed_routes.kinds;
    let takes_http_routes = PROTOCOLS.contains(&listener.protocol.as_str())
        && (kinds.is_empty() || kinds.iter().any(|kind| (kind.group.as_str(), kind.kind.as_str()) == (GROUP, "HTTPRoute")));
    let programmed = if usable {
        Condition::yes("Programmed", "Programmed", "The Listener is programmed")
    } else {
        Condition::no("Programmed", "Invalid", "The Listener is invalid")
    };
    let conflicted = (accepted.reason == "ProtocolConflict").then(|| Condition { kind: "Conflicted", holds: true, ..accepted.clone() });
    let conflicted = conflicted.unwrap_or_else(|| Condition::no("Conflicted", "NoConflicts", "No conflicts"));
    ListenerPlan {
        name: listener.name.clone(),
        port: u16::try_from(listener.port).unwrap_or(0),
        tls,
        hostname: listener.hostname.to_ascii_lowercase(),
        usable,
        takes_http_routes,
        conditions: vec![accepted, conflicted, programmed, resolved],
        certificates,
        routes: Vec::new(),
    }
}

/// Whether a listener can be had at all.
fn accepted(gateway: &Gateway, listener: &Listener) -> Condition {
    let Listener { protocol, port, .. } = listener;
    if !PROTOCOLS.contains(&protocol.as_str()) {
        let message = format!("The protocol {protocol:?} is not supported; supported are \"HTTP\" and \"HTTPS\"");
        return Condition::no("Accepted", "UnsupportedProtocol", message);
    }
    let mut others = gateway.spec.listeners.iter().filter(|other| PROTOCOLS.contains(&other.protocol.as_str()));
    if others.any(|other| other.port == *port && other.protocol != *protocol) {
        let message = format!("Listeners of different protocols have the port {port}; it can have one alone");
        return Condition::no("Accepted", "ProtocolConflict", message);
    }
    if listener.tls.as_ref().is_some_and(|tls| tls.mode == "Passthrough") {
        return Condition::no("Accepted", "UnsupportedValue", "The TLS mode \"Passthrough\" is not supported for HTTPS");
    }
    Condition::yes("Accepted", "Accepted", "The Listener is accepted")
}

/// Whether everything that a listener refers to is there. Puts the certificates that are into `certificates`.
fn resolved(view: View<'_>, gateway: &Gateway, listener: &Listener, certificates: &mut Vec<ObjectKey>) -> Condition {
    const KIND: &str = "ResolvedRefs";
    let mut problem = None;
    if listener.protocol == "HTTPS" {
        let refs = listener.tls.iter().flat_map(|tls| &tls.certificate_refs);
        for reference in refs.clone() {
            match certificate_of(view, gateway, reference) {
                Ok(key) => certificates.push(key),
                Err(found) => drop(problem.get_or_insert(found)),
            }
        }
        if refs.count() == 0 {
            problem = Some(Condition::no(KIND, "InvalidCertificateRef", "A Listener of the protocol HTTPS needs tls.certificateRefs"));
        }
    }
    let unknown = listener.allowed_routes.kinds.iter().find(|kind| (kind.group.as_str(), kind.kind.as_str()) != (GROUP, "HTTPRoute"));
    let unknown = unknown.map(|kind| {
        let message = format!("The kind \"{}/{}\" is not supported; supported is \"{GROUP}/HTTPRoute\"", kind.group, kind.kind);
        Condition::no(KIND, "InvalidRouteKinds", message)
    });
    problem.or(unknown).unwrap_or_else(|| Condition::yes(KIND, "ResolvedRefs", "All references are resolved"))
}

/// The Secret that a listener refers to, or what is wrong with that.
fn certificate_of(view: View<'_>, gateway: &Gateway, reference: &ObjectReference) -> Result<ObjectKey, Condition> {
    let own = gateway.metadata().namespace.as_str();
    let namespace = if reference.namespace.is_empty() { own } else { &reference.namespace };
    let wrong = |reason, message| Err(Condition::no("ResolvedRefs", reason, message));
    if (reference.group.as_str(), reference.kind.as_str()) != ("", "Secret") {
        return wrong("InvalidCertificateRef", format!("A certificate cannot be a {}; it is a Secret", reference.kind));
    }
    let key = ObjectKey::new(namespace, reference.name.as_str());
    if !permitted(view.grants, ("Gateway", own), ("", "Secret"), &key) {
        return wrong("RefNotPermitted", format!("Certificate ref to secret {key} not permitted by any ReferenceGrant"));
    }
    let whole = view.secrets.get(&key).is_some_and(|secret| secret.data.contains_key("tls.key"));
    if !whole || certificate(view.secrets, &key).is_none() {
        return wrong("InvalidCertificateRef", format!("Secret {key} does not exist or holds no certificate (type kubernetes.io/tls)"));
    }
    Ok(key)
}

/// What is said about a Gateway with these listeners.
pub(crate) fn of_gateway(gateway: &Gateway, address: Option<Ipv4Addr>, listeners: &[ListenerPlan]) -> Vec<Condition> {
    let usable = listeners.iter().filter(|listener| listener.usable).count();
    let unsupported = gateway.spec.addresses.iter().find(|address| address.type_ != "IPAddress");
    let accepted = match unsupported {
        Some(address) => {
            let message = format!("Addresses of type {:?} are not supported; supported is \"IPAddress\"", address.type_);
            Condition::no("Accepted", "UnsupportedAddress", message)
        }
        None if usable == 0 => Condition::no("Accepted", "ListenersNotValid", "The Gateway has no valid Listeners"),
        None if usable < listeners.len() => {
            Condition::yes("Accepted", "ListenersNotValid", "The Gateway has at least one valid Listener, and one that is not")
        }
        None => Condition::yes("Accepted", "Accepted", "The Gateway is accepted"),
    };
    let programmed = match (accepted.holds, address) {
        (false, _) => Condition::no("Programmed", "Invalid", accepted.message.clone()),
        (true, Some(_)) => Condition::yes("Programmed", "Programmed", "The Gateway is programmed"),
        (true, None) => match gateway.spec.addresses.iter().find(|address| !address.value.is_empty()) {
            Some(wanted) => {
                let message = format!("The load balancer does not have the address {}, or another Gateway has it", wanted.value);
                Condition::no("Programmed", "AddressNotUsable", message)
            }
            None => Condition::no("Programmed", "AddressNotAssigned", "The load balancer has no free address"),
        },
    };
    let unresolved = listeners.iter().find(|listener| listener.conditions.iter().any(|one| one.kind == "ResolvedRefs" && !one.holds));
    let resolved = match unresolved {
        Some(listener) => {
            Condition::no("ResolvedRefs", "ListenersNotResolved", format!("Listener {:?} has unresolved references", listener.name))
        }
        None => Condition::yes("ResolvedRefs", "ResolvedRefs", "All references are resolved"),
    };
    vec![accepted, programmed, resolved]
}
