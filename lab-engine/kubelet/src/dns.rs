//! The `/etc/resolv.conf` of a Pod's containers (`pkg/kubelet/network/dns`).
//!
//! | `dnsPolicy` | begins with |
//! | --- | --- |
//! | `ClusterFirst`, on a network of its own; `ClusterFirstWithHostNet` | the cluster's server, its search list before the node's, `ndots:5` |
//! | `Default`; `ClusterFirst` on the host's network | what the node has |
//! | `None` | nothing |
//!
//! What `dnsConfig` names is added: servers and domains behind those that are there, options in the place of those of the same name.

use api::core::Pod;
use serde_json::Value;

/// The address of the cluster's DNS (`clusterDNS`).
const CLUSTER_DNS: &str = "10.96.0.10";
/// The domain of the cluster (`clusterDomain`).
const CLUSTER_DOMAIN: &str = "cluster.local";
/// How many servers a resolver looks at (`MaxDNSNameservers`).
const MAX_SERVERS: usize = 3;
/// How many domains it searches (`MaxDNSSearchPaths`), and how long their list may be (`MaxDNSSearchListChars`).
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_CHARS: usize = 2_048;

/// What a resolver is told.
#[derive(Debug, Default)]
struct Settings {
    servers: Vec<String>,
    searches: Vec<String>,
    /// Names, and values where they have one.
    options: Vec<(String, Option<String>)>,
}

impl Settings {
    /// Those of the node.
    fn of_node() -> Self {
        let options = vec![("ndots".to_owned(), Some("0".to_owned()))];
        Settings { servers: vec!["172.18.0.1".to_owned()], searches: Vec::new(), options }
    }

    /// Those of the cluster for a namespace.
    fn of_cluster(namespace: &str) -> Self {
        let searches = vec![format!("{namespace}.svc.{CLUSTER_DOMAIN}"), format!("svc.{CLUSTER_DOMAIN}"), CLUSTER_DOMAIN.to_owned()];
        Settings { servers: vec![CLUSTER_DNS.to_owned()], searches, options: vec![("ndots".to_owned(), Some("5".to_owned()))] }
    }

    /// Adds what a Pod's `dnsConfig` says.
    fn add(&mut self, config: &Value) {
        let texts = |field: &str| config[field].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        for (list, added) in
            [(&mut self.servers, texts("nameservers").collect::<Vec<_>>()), (&mut self.searches, texts("searches").collect())]
        {
            for text in added {
                if !list.contains(&text) {
                    list.push(text);
                }
            }
        }
        for option in config["options"].as_array().into_iter().flatten() {
            let Some(name) = option["name"].as_str() else { continue };
            let value = option["value"].as_str().map(str::to_owned);
            match self.options.iter_mut().find(|(known, _)| known == name) {
                Some(known) => known.1 = value,
                None => self.options.push((name.to_owned(), value)),
            }
        }
    }

    fn text(mut self) -> String {
        self.servers.truncate(MAX_SERVERS);
        self.searches.truncate(MAX_SEARCHES);
        while self.searches.iter().map(|domain| domain.len() + 1).sum::<usize>() > MAX_SEARCH_CHARS + 1 {
            self.searches.pop();
        }
        let mut text = String::new();
        if !self.searches.is_empty() {
            text.push_str(&format!("search {}\n", self.searches.join(" ")));
        }
        self.servers.iter().for_each(|server| text.push_str(&format!("nameserver {server}\n")));
        let option = |(name, value): &(String, Option<String>)| match value {
            Some(value) if !value.is_empty() => format!("{name}:{value}"),
            _ => name.clone(),
        };
        if !self.options.is_empty() {
            text.push_str(&format!("options {}\n", self.options.iter().map(option).collect::<Vec<_>>().join(" ")));
        }
        text
    }
}

/// The file.
pub(crate) fn resolv_conf(pod: &Pod) -> String {
    let namespace = if pod.metadata.namespace.is_empty() { "default" } else { &pod.metadata.namespace };
    let on_host = pod.spec.host_network == Some(true);
    let mut settings = match pod.spec.dns_policy.as_str() {
        "None" => Settings::default(),
        "Default" => Settings::of_node(),
        "ClusterFirstWithHostNet" => Settings::of_cluster(namespace),
        _ if on_host => Settings::of_node(),
        _ => Settings::of_cluster(namespace),
    };
    if let Some(config) = pod.spec.rest.get("dnsConfig") {
        settings.add(config);
    }
    settings.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file(spec: Value) -> String {
        let pod: Pod = api::json::decode(json!({"metadata": {"name": "p", "namespace": "shop"}, "spec": spec})).unwrap();
        resolv_conf(&pod)
    }

    #[test]
    fn the_policy_says_where_it_begins_and_the_config_adds_to_it() {
        let cluster = "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n";
        let node = "nameserver 172.18.0.1\noptions ndots:0\n";
        assert_eq!(file(json!({"dnsPolicy": "ClusterFirst"})), cluster);
        assert_eq!(file(json!({"dnsPolicy": "ClusterFirst", "hostNetwork": true})), node);
        assert_eq!(file(json!({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": true})), cluster);
        assert_eq!(file(json!({"dnsPolicy": "Default"})), node);
        // The example of the documentation on Pods' DNS.
        let config = json!({
            "nameservers": ["192.0.2.1"], "searches": ["ns1.svc.cluster-domain.example", "my.dns.search.suffix"],
            "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
        });
        let own = "search ns1.svc.cluster-domain.example my.dns.search.suffix\nnameserver 192.0.2.1\noptions ndots:2 edns0\n";
        assert_eq!(file(json!({"dnsPolicy": "None", "dnsConfig": config})), own);
        let added = "search shop.svc.cluster.local svc.cluster.local cluster.local ns1.svc.cluster-domain.example my.dns.search.suffix\n\
                     nameserver 10.96.0.10\nnameserver 192.0.2.1\noptions ndots:2 edns0\n";
        assert_eq!(file(json!({"dnsPolicy": "ClusterFirst", "dnsConfig": config})), added);
        let many = json!({"nameservers": ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"]});
        assert_eq!(file(json!({"dnsPolicy": "ClusterFirst", "dnsConfig": many})).matches("nameserver").count(), 3);
    }
}
