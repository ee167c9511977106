//! Which route is attached to which listener, and what is said about it.

use super::*;
use crate::gateway::types::{Custom, CustomKind, HTTPRouteSpec};
use client::Reflected;
use serde_json::{Value, json};

/// Caches that a test fills.
#[derive(Default)]
struct World {
    classes: Indexer<GatewayClass>,
    gateways: Indexer<Gateway>,
    routes: Indexer<HttpRoute>,
    grants: Indexer<ReferenceGrant>,
    namespaces: Indexer<Namespace>,
    services: Indexer<Service>,
    secrets: Indexer<Secret>,
    made: u64,
}

impl World {
    /// A class, the namespaces `infra`, `shop` and `blog`, and a Service `web` in each.
    fn new() -> Self {
        let mut world = World::default();
        let class = json!({"controllerName": "example.com/gateway-controller"});
        world.classes.insert(custom("", "example", class, 0));
        for namespace in ["infra", "shop", "blog"] {
            let labels = json!({"name": namespace, "labels": {"team": namespace}});
            world.namespaces.insert(Arc::new(api::json::decode(json!({"metadata": labels})).unwrap()));
            let service = json!({"metadata": {"name": "web", "namespace": namespace}, "spec": {"ports": [{"port": 80}]}});
            world.services.insert(Arc::new(api::json::decode(service).unwrap()));
        }
        world
    }

    fn gateway(&mut self, name: &str, listeners: Value) {
        self.made += 1;
        let spec = json!({"gatewayClassName": "example", "listeners": listeners});
        self.gateways.insert(custom("infra", name, spec, self.made));
    }

    /// A route in `shop` to `web` of a namespace.
    fn route(&mut self, name: &str, parent: Value, hostnames: Value, backend: &str) {
        self.made += 1;
        let backend = json!({"group": "", "kind": "Service", "name": "web", "namespace": backend, "port": 80, "weight": 1});
        let rules = json!([{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [backend]}]);
        let spec = json!({"parentRefs": [parent], "hostnames": hostnames, "rules": rules});
        self.routes.insert(HttpRoute::reflect(&object::<HTTPRouteSpec>("shop", name, spec, self.made)).unwrap());
    }

    fn plan(&self) -> Plan {
        const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(172, 18, 255, 201), Ipv4Addr::new(172, 18, 255, 202)];
        plan(View {
            classes: &self.classes,
            gateways: &self.gateways,
            routes: &self.routes,
            grants: &self.grants,
            namespaces: &self.namespaces,
            services: &self.services,
            secrets: &self.secrets,
            addresses: &ADDRESSES,
        })
    }
}

/// An object of the kind of `S`.
fn object<S: CustomKind>(namespace: &str, name: &str, spec: Value, created: u64) -> api::Object {
    let created = sim::Time::from_secs(created).rfc3339();
    let object = json!({"metadata": {"namespace": namespace, "name": name, "creationTimestamp": created}, "spec": spec});
    api::Object::decode_as("gateway.networking.k8s.io/v1", S::NAMES[0], object).unwrap()
}

fn custom<S: CustomKind>(namespace: &str, name: &str, spec: Value, created: u64) -> Arc<Custom<S>> {
    Custom::reflect(&object::<S>(namespace, name, spec, created)).unwrap()
}

fn listener(name: &str, port: u16, hostname: &str, from: &str) -> Value {
    let selector = json!({"matchLabels": {"team": "shop"}});
    json!({
        "name": name, "port": port, "protocol": "HTTP", "hostname": hostname,
        "allowedRoutes": {"namespaces": {"from": from, "selector": selector}},
    })
}

fn parent(section: &str, port: Option<u16>) -> Value {
    json!({
        "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge", "namespace": "infra", "sectionName": section, "port": port,
    })
}

/// Conditions as `Type=Status/Reason`.
fn said(conditions: &[Condition]) -> String {
    let one = |one: &Condition| format!("{}={}/{}", one.kind, if one.holds { "True" } else { "False" }, one.reason);
    conditions.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// What is said about the only route.
fn of_route(world: &World) -> String {
    said(&world.plan().routes[0].parents[0].2)
}

#[test]
fn a_route_is_attached_where_name_port_namespace_and_hostname_allow() {
    let listeners =
        json!([listener("same", 80, "", "Same"), listener("shop", 81, "*.shop.example", "Selector"), listener("all", 82, "", "All"),]);
    let attached = |parent: Value, hostnames: Value| {
        let mut world = World::new();
        world.gateway("edge", listeners.clone());
        world.route("route", parent, hostnames, "shop");
        let plan = world.plan();
        let names = plan.gateways[0].listeners.iter().filter(|listener| !listener.routes.is_empty()).map(|listener| listener.name.clone());
        (names.collect::<Vec<_>>().join(" "), plan.routes[0].parents[0].2[0].reason)
    };
    assert_eq!(attached(parent("", None), json!([])), ("shop all".to_owned(), "Accepted"));
    assert_eq!(attached(parent("", Some(82)), json!([])), ("all".to_owned(), "Accepted"));
    assert_eq!(attached(parent("", None), json!(["a.blog.example"])), ("all".to_owned(), "Accepted"));
    assert_eq!(attached(parent("shop", None), json!(["a.blog.example"])), (String::new(), "NoMatchingListenerHostname"));
    assert_eq!(attached(parent("same", None), json!([])), (String::new(), "NotAllowedByListeners"));
    assert_eq!(attached(parent("none", None), json!([])), (String::new(), "NoMatchingParent"));
    assert_eq!(attached(parent("all", Some(80)), json!([])), (String::new(), "NoMatchingParent"));
}

#[test]
fn a_backend_of_another_namespace_needs_a_grant() {
    let mut world = World::new();
    world.gateway("edge", json!([listener("all", 80, "", "All")]));
    world.route("route", parent("", None), json!([]), "blog");
    assert_eq!(of_route(&world), "Accepted=True/Accepted ResolvedRefs=False/RefNotPermitted");
    let grant = |from: &str, name: &str| {
        let source = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": from});
        custom("blog", "grant", json!({"from": [source], "to": [{"group": "", "kind": "Service", "name": name}]}), 1)
    };
    for (from, name, reason) in [("infra", "web", "RefNotPermitted"), ("shop", "api", "RefNotPermitted"), ("shop", "web", "ResolvedRefs")] {
        world.grants.insert(grant(from, name));
        assert!(of_route(&world).ends_with(reason), "{from} {name}");
    }
    world.services = Indexer::default();
    assert!(of_route(&world).ends_with("False/BackendNotFound"));
}

#[test]
fn listeners_are_told_what_is_wrong_with_them() {
    let mut world = World::new();
    let https = json!({"name": "tls", "port": 443, "protocol": "HTTPS", "tls": {
        "mode": "Terminate", "certificateRefs": [{"group": "", "kind": "Secret", "name": "cert"}]}});
    let kinds =
        json!({"name": "kinds", "port": 82, "protocol": "HTTP", "allowedRoutes": {"kinds": [{"group": "a.example", "kind": "TCPRoute"}]}});
    let udp = json!({"name": "udp", "port": 53, "protocol": "UDP"});
    let conflicting = json!({"name": "conflict", "port": 443, "protocol": "HTTP"});
    let of = |world: &World, at: usize| said(&world.plan().gateways[0].listeners[at].conditions);
    world.gateway("edge", json!([listener("web", 80, "", "Same"), https, udp, kinds]));
    let fine = "Accepted=True/Accepted Conflicted=False/NoConflicts Programmed=True/Programmed ResolvedRefs=True/ResolvedRefs";
    assert_eq!(of(&world, 0), fine);
    assert!(of(&world, 1).ends_with("Programmed=False/Invalid ResolvedRefs=False/InvalidCertificateRef"));
    assert!(of(&world, 2).starts_with("Accepted=False/UnsupportedProtocol"));
    assert!(of(&world, 3).ends_with("Programmed=True/Programmed ResolvedRefs=False/InvalidRouteKinds"));
    let gateway = |world: &World| said(&world.plan().gateways[0].conditions);
    assert_eq!(gateway(&world), "Accepted=True/ListenersNotValid Programmed=True/Programmed ResolvedRefs=False/ListenersNotResolved");
    let secret = json!({"metadata": {"name": "cert", "namespace": "infra"}, "data": {"tls.crt": "Y2VydA==", "tls.key": "a2V5"}});
    world.secrets.insert(Arc::new(api::json::decode(secret).unwrap()));
    assert_eq!(of(&world, 1), fine);
    world.gateway("edge", json!([https, conflicting]));
    assert!(of(&world, 0).starts_with("Accepted=False/ProtocolConflict Conflicted=True/ProtocolConflict Programmed=False/Invalid"));
    assert_eq!(gateway(&world), "Accepted=False/ListenersNotValid Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs");
}

#[test]
fn gateways_get_addresses_in_order_and_keep_them() {
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world.gateway(name, json!([listener("web", 80, "", "Same")]));
    }
    let addresses = |world: &World| -> Vec<Option<String>> {
        world.plan().gateways.iter().map(|gateway| gateway.address.map(|address| address.to_string())).collect()
    };
    let [first, second] = ["172.18.255.201", "172.18.255.202"].map(|address| Some(address.to_owned()));
    assert_eq!(addresses(&world), [first.clone(), second.clone(), None]);
    assert!(said(&world.plan().gateways[2].conditions).contains("Programmed=False/AddressNotAssigned"));
    let spec = |wanted: &str| {
        let wanted = json!([{"type": "IPAddress", "value": wanted}]);
        json!({"gatewayClassName": "example", "listeners": [listener("web", 80, "", "Same")], "addresses": wanted})
    };
    world.gateways.insert(custom("infra", "c", spec("172.18.255.201"), 9));
    assert_eq!(addresses(&world), [second.clone(), None, first.clone()], "the address that one wants is not given to another");
    world.gateways.insert(custom("infra", "c", spec("192.0.2.1"), 9));
    assert_eq!(addresses(&world), [first, second, None]);
    assert!(said(&world.plan().gateways[2].conditions).contains("Programmed=False/AddressNotUsable"));
}

#[test]
fn what_others_act_on_is_left_alone() {
    let mut world = World::new();
    world.gateway("edge", json!([listener("web", 80, "", "All")]));
    world.route("route", parent("", None), json!([]), "shop");
    world.classes.insert(custom("", "example", json!({"controllerName": "istio.io/gateway-controller"}), 0));
    let plan = world.plan();
    assert_eq!((plan.classes.len(), plan.gateways.len(), plan.routes.len()), (0, 0, 0));
}
