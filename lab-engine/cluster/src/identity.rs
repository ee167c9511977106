//! Who the parts of a cluster are to the API server: the subjects of their client certificates, as `kubeadm` makes them.
//!
//! | part | user | groups |
//! | --- | --- | --- |
//! | `kube-scheduler`, `kube-scheduler-2` … | `system:kube-scheduler` | |
//! | `kube-controller-manager` … | `system:kube-controller-manager` | |
//! | `kubelet/NODE` | `system:node:NODE` | `system:nodes` |
//! | `kube-proxy/NODE` | `system:kube-proxy` | `system:node-proxier` |
//! | `coredns…` | `system:coredns` | |
//! | `metrics-server` | `system:serviceaccount:kube-system:metrics-server` | those of a ServiceAccount |
//! | `prometheus-adapter` | `system:serviceaccount:monitoring:prometheus-adapter` | those of a ServiceAccount |
//! | `kube-apiserver-front` | whoever's request it passes on | |
//! | `kubectl`, and any other | `kubernetes-admin` | `system:masters` |
//!
//! **Simplified here:** kube-proxy, CoreDNS, metrics-server and the adapter have certificates where a real cluster gives them tokens of
//! ServiceAccounts; the controllers share the identity of the controller manager; the agents of NetworkPolicies and the controllers of
//! Ingresses and of Gateways are the administrator, where a real cluster gives each a ServiceAccount with a role of its own.

use api::http::{CertificateSubject, Credentials};
use std::sync::Arc;

/// The certificate of the part with this endpoint.
pub(crate) fn of(endpoint: &str) -> Credentials {
    let (part, node) = endpoint.split_once('/').unwrap_or((endpoint, ""));
    if part == "kube-apiserver-front" {
        return Credentials::None;
    }
    let account = match part {
        "metrics-server" => Some("kube-system"),
        "prometheus-adapter" => Some("monitoring"),
        _ => None,
    };
    if let Some(namespace) = account {
        let common_name = format!("system:serviceaccount:{namespace}:{part}");
        let organizations = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
        return Credentials::Certificate(Arc::new(CertificateSubject { common_name, organizations }));
    }
    let replica = |name: &str| part.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    let (common_name, organization) = match part {
        _ if replica("kube-scheduler") => ("system:kube-scheduler".to_owned(), None),
        _ if replica("kube-controller-manager") => ("system:kube-controller-manager".to_owned(), None),
        "kubelet" => (format!("system:node:{node}"), Some("system:nodes")),
        "kube-proxy" => ("system:kube-proxy".to_owned(), Some("system:node-proxier")),
        _ if part.starts_with("coredns") => ("system:coredns".to_owned(), None),
        _ => ("kubernetes-admin".to_owned(), Some("system:masters")),
    };
    let organizations = organization.into_iter().map(str::to_owned).collect();
    Credentials::Certificate(Arc::new(CertificateSubject { common_name, organizations }))
}
