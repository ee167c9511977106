//! Which backend an HTTP request reaches by the rules of Ingresses.
//!
//! The host decides first: a rule that names it, else one with a wildcard for its first label, else one without a host. Of the paths of
//! those rules an exact one wins, else the longest prefix, element by element. A request that nothing matches goes to the default backend.
//!
//! It models <https://kubernetes.io/docs/concepts/services-networking/ingress/> as ingress-nginx carries it out.
//!
//! **Simplified here:** `ImplementationSpecific` means `Prefix`; no annotations, no resource backends.

use crate::reverse_proxy::host_name;
use api::networking::{Ingress, IngressBackend, IngressRule};

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Routed<'a> {
    /// The Ingress that says so.
    pub ingress: &'a Ingress,
    /// The backend.
    pub backend: &'a IngressBackend,
    /// Whether a rule matched, and it is not the default backend.
    pub matched: bool,
}

/// How well a rule's host fits, better ones greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum HostFit {
    Any,
    Wildcard,
    Named,
}

fn host_fit(rule: &IngressRule, host: &str) -> Option<HostFit> {
    let (wanted, host) = (rule.host.to_ascii_lowercase(), host.to_ascii_lowercase());
    if wanted.is_empty() {
        return Some(HostFit::Any);
    }
    if wanted == host {
        return Some(HostFit::Named);
    }
    let suffix = wanted.strip_prefix("*.")?;
    let (label, rest) = host.split_once('.')?;
    (!label.is_empty() && rest == suffix).then_some(HostFit::Wildcard)
}

/// How well a path fits: exact before prefix, long before short. `None` when it does not.
fn path_fit(path_type: &str, wanted: &str, path: &str) -> Option<(bool, usize)> {
    if path_type == "Exact" {
        return (wanted == path).then_some((true, wanted.len()));
    }
    let wanted = wanted.trim_end_matches('/');
    let rest = path.strip_prefix(wanted)?;
    (rest.is_empty() || rest.starts_with('/')).then_some((false, wanted.len()))
}

/// Finds the backend of a request; `None` when nothing matches and no Ingress has a default backend. Of rules that fit alike the first
/// wins, so Ingresses are given oldest first. `path` may have a query.
pub fn route<'a>(ingresses: impl IntoIterator<Item = &'a Ingress> + Clone, host: &str, path: &str) -> Option<Routed<'a>> {
    let host = host_name(host);
    let path = path.split(['?', '#']).next().unwrap_or("/");
    let rules = || ingresses.clone().into_iter().flat_map(|ingress| ingress.spec.rules.iter().map(move |rule| (ingress, rule)));
    let best_host = rules().filter_map(|(_, rule)| host_fit(rule, host)).max();
    let mut best: Option<((bool, usize), Routed<'a>)> = None;
    for (ingress, rule) in rules().filter(|(_, rule)| best_host.is_some() && host_fit(rule, host) == best_host) {
        for candidate in rule.http.iter().flat_map(|http| &http.paths) {
            let wanted = if candidate.path.is_empty() { "/" } else { &candidate.path };
            let Some(fit) = path_fit(candidate.path_type.as_deref().unwrap_or(""), wanted, path) else { continue };
            if best.is_none_or(|(best_fit, _)| fit > best_fit) {
                best = Some((fit, Routed { ingress, backend: &candidate.backend, matched: true }));
            }
        }
    }
    best.map(|(_, routed)| routed).or_else(|| {
        let defaults = ingresses.into_iter().filter_map(|ingress| ingress.spec.default_backend.as_ref().map(|backend| (ingress, backend)));
        defaults.map(|(ingress, backend)| Routed { ingress, backend, matched: false }).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ingress() -> Ingress {
        let path = |path: &str, kind: &str, service: &str| json!({"path": path, "pathType": kind, "backend": {"service": {"name": service, "port": {"number": 80}}}});
        api::json::decode(json!({"metadata": {"name": "web"}, "spec": {"rules": [
            {"host": "*.shop.example", "http": {"paths": [path("/", "Prefix", "wild")]}},
            {"host": "www.shop.example", "http": {"paths": [
                path("/cart/", "Prefix", "cart"), path("/cart", "Exact", "cart-root"), path("/c", "ImplementationSpecific", "c"),
            ]}},
        ]}}))
        .unwrap()
    }

    #[test]
    fn the_best_host_and_then_the_best_path_win() {
        let ingress = ingress();
        let backend = |host: &str, path: &str| {
            route([&ingress], host, path)
                .map(|routed| routed.backend.service.as_ref().map(|service| service.name.clone()).unwrap_or_default())
        };
        assert_eq!(backend("WWW.shop.example:8080", "/cart?x=1").as_deref(), Some("cart-root"));
        assert_eq!(backend("www.shop.example", "/cart/1").as_deref(), Some("cart"));
        assert_eq!(backend("www.shop.example", "/c/1").as_deref(), Some("c"));
        assert_eq!(backend("api.shop.example", "/cart").as_deref(), Some("wild"));
        assert_eq!(backend("www.shop.example", "/other"), None, "a named host does not fall back to a wildcard's paths");
        assert_eq!(backend("a.b.shop.example", "/"), None, "a wildcard stands for one label");
        assert_eq!(backend("shop.example", "/"), None);
    }
}
