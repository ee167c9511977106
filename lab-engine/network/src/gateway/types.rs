//! The kinds of the Gateway API as the controller reads them (`sigs.k8s.io/gateway-api/apis/v1`).
//!
//! They are custom resources: the API server knows them by their CustomResourceDefinitions alone, which check them and fill in defaults.
//! [`Custom`] reads the `spec` of one and leaves its status as JSON.

use api::http::{Body, Method, Request, ResourcePath};
use api::json::{self, Json, Rest};
use api::kinds::{Kind, KindInfo, Names};
use api::meta::{LabelSelector, ObjectMeta};
use api::{Dynamic, Object, object};
use client::Reflected;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// The group of all kinds.
pub(crate) const GROUP: &str = "gateway.networking.k8s.io";

object! {
    /// The controller of a class.
    pub struct GatewayClassSpec {
        /// The controller's name.
        pub controller_name: String = "controllerName",
    }

    /// Where traffic comes in.
    pub struct GatewaySpec {
        /// The class, which names the controller.
        pub gateway_class_name: String = "gatewayClassName",
        /// The ports.
        pub listeners: Vec<Listener> = "listeners",
        /// The addresses that are wanted.
        pub addresses: Vec<GatewaySpecAddress> = "addresses",
    }

    /// An address that is wanted.
    pub struct GatewaySpecAddress {
        /// `IPAddress`, `Hostname` or `NamedAddress`.
        pub type_: String = "type",
        /// The address; any when it is empty.
        pub value: String = "value",
    }

    /// A port, and what may attach to it.
    pub struct Listener {
        /// Its name.
        pub name: String = "name",
        /// The hosts that it is for; all when it is empty. `*.` at its head stands for one label or more.
        pub hostname: String = "hostname",
        /// The port.
        pub port: i32 = "port",
        /// `HTTP`, `HTTPS`, `TLS`, `TCP` or `UDP`.
        pub protocol: String = "protocol",
        /// Its certificates.
        pub tls: Option<ListenerTLSConfig> = "tls",
        /// Which routes may attach.
        pub allowed_routes: AllowedRoutes = "allowedRoutes",
    }

    /// The certificates of a port.
    pub struct ListenerTLSConfig {
        /// `Terminate` or `Passthrough`.
        pub mode: String = "mode",
        /// The Secrets.
        pub certificate_refs: Vec<ObjectReference> = "certificateRefs",
    }

    /// An object that another one needs, in its own namespace when none is named.
    pub struct ObjectReference {
        /// Its group.
        pub group: String = "group",
        /// Its kind.
        pub kind: String = "kind",
        /// Its namespace.
        pub namespace: String = "namespace",
        /// Its name.
        pub name: String = "name",
    }

    /// Which routes may attach to a port.
    pub struct AllowedRoutes {
        /// From which namespaces.
        pub namespaces: RouteNamespaces = "namespaces",
        /// Of which kinds; of all that fit the protocol when there are none.
        pub kinds: Vec<RouteGroupKind> = "kinds",
    }

    /// Namespaces from which routes may attach.
    pub struct RouteNamespaces {
        /// `Same`, `All` or `Selector`.
        pub from: String = "from",
        /// The labels of the namespaces.
        pub selector: Option<LabelSelector> = "selector",
    }

    /// A kind of routes.
    pub struct RouteGroupKind {
        /// Its group.
        pub group: String = "group",
        /// Its kind.
        pub kind: String = "kind",
    }

    /// Where HTTP requests go.
    pub struct HTTPRouteSpec {
        /// The Gateways that it is for.
        pub parent_refs: Vec<ParentReference> = "parentRefs",
        /// The hosts that it is for; all of its listeners' when there are none.
        pub hostnames: Vec<String> = "hostnames",
        /// The rules.
        pub rules: Vec<HTTPRouteRule> = "rules",
    }

    /// A Gateway, or one listener of it.
    pub struct ParentReference {
        /// Its group.
        pub group: String = "group",
        /// Its kind.
        pub kind: String = "kind",
        /// Its namespace; the route's own when it is empty.
        pub namespace: String = "namespace",
        /// Its name.
        pub name: String = "name",
        /// The listener of this name alone.
        pub section_name: String = "sectionName",
        /// The listeners of this port alone.
        pub port: Option<i32> = "port",
    }

    /// What is done with which requests.
    pub struct HTTPRouteRule {
        /// The requests: those that any of these matches.
        pub matches: Vec<HTTPRouteMatch> = "matches",
        /// What is changed of them.
        pub filters: Vec<HTTPRouteFilter> = "filters",
        /// Where they go.
        pub backend_refs: Vec<HTTPBackendRef> = "backendRefs",
    }

    /// Requests of which all of this is true.
    pub struct HTTPRouteMatch {
        /// Their path.
        pub path: HTTPPathMatch = "path",
        /// Their headers.
        pub headers: Vec<HTTPValueMatch> = "headers",
        /// The parameters of their query.
        pub query_params: Vec<HTTPValueMatch> = "queryParams",
        /// Their method; any when it is empty.
        pub method: String = "method",
    }

    /// A path.
    pub struct HTTPPathMatch {
        /// `Exact`, `PathPrefix` or `RegularExpression`.
        pub type_: String = "type",
        /// What it is compared with.
        pub value: String = "value",
    }

    /// The value of a header, or of a parameter.
    pub struct HTTPValueMatch {
        /// `Exact` or `RegularExpression`.
        pub type_: String = "type",
        /// The name of the header or parameter.
        pub name: String = "name",
        /// What its value is compared with.
        pub value: String = "value",
    }

    /// A change of a request or of its answer.
    pub struct HTTPRouteFilter {
        /// Which of the fields below it is about.
        pub type_: String = "type",
        /// Changes headers of the request.
        pub request_header_modifier: Option<HTTPHeaderFilter> = "requestHeaderModifier",
        /// Changes headers of the answer.
        pub response_header_modifier: Option<HTTPHeaderFilter> = "responseHeaderModifier",
        /// Answers that the client should ask elsewhere.
        pub request_redirect: Option<HTTPRequestRedirectFilter> = "requestRedirect",
        /// Changes host and path of the request.
        pub url_rewrite: Option<HTTPURLRewriteFilter> = "urlRewrite",
    }

    /// Changes of headers.
    pub struct HTTPHeaderFilter {
        /// Headers that take the place of those of the same names.
        pub set: Vec<HTTPHeader> = "set",
        /// Headers that are put beside those of the same names.
        pub add: Vec<HTTPHeader> = "add",
        /// The names of headers that are taken out.
        pub remove: Vec<String> = "remove",
    }

    /// A header.
    pub struct HTTPHeader {
        /// Its name.
        pub name: String = "name",
        /// Its value.
        pub value: String = "value",
    }

    /// Where a client should ask. What is not given stays as it was asked.
    pub struct HTTPRequestRedirectFilter {
        /// `http` or `https`.
        pub scheme: String = "scheme",
        /// The host.
        pub hostname: String = "hostname",
        /// The path.
        pub path: Option<HTTPPathModifier> = "path",
        /// The port.
        pub port: Option<i32> = "port",
        /// The status of the answer.
        pub status_code: Option<i32> = "statusCode",
    }

    /// Host and path of a request as it goes on.
    pub struct HTTPURLRewriteFilter {
        /// The host.
        pub hostname: String = "hostname",
        /// The path.
        pub path: Option<HTTPPathModifier> = "path",
    }

    /// Another path.
    pub struct HTTPPathModifier {
        /// `ReplaceFullPath` or `ReplacePrefixMatch`.
        pub type_: String = "type",
        /// The whole path.
        pub replace_full_path: String = "replaceFullPath",
        /// What stands for the prefix that matched.
        pub replace_prefix_match: String = "replacePrefixMatch",
    }

    /// Where a share of the requests goes.
    pub struct HTTPBackendRef {
        /// Its group.
        pub group: String = "group",
        /// Its kind.
        pub kind: String = "kind",
        /// Its namespace; the route's own when it is empty.
        pub namespace: String = "namespace",
        /// Its name.
        pub name: String = "name",
        /// The port of the Service.
        pub port: Option<i32> = "port",
        /// Its share, in proportion to the sum of all; 1 when it is not given.
        pub weight: Option<i32> = "weight",
        /// What is changed of the requests that go there.
        pub filters: Vec<HTTPRouteFilter> = "filters",
    }

    /// Objects of other namespaces that may refer to objects of this one.
    pub struct ReferenceGrantSpec {
        /// Who may refer.
        pub from: Vec<ReferenceGrantFrom> = "from",
        /// To what.
        pub to: Vec<ReferenceGrantTo> = "to",
    }

    /// Who may refer.
    pub struct ReferenceGrantFrom {
        /// The group.
        pub group: String = "group",
        /// The kind.
        pub kind: String = "kind",
        /// The namespace.
        pub namespace: String = "namespace",
    }

    /// To what.
    pub struct ReferenceGrantTo {
        /// The group.
        pub group: String = "group",
        /// The kind.
        pub kind: String = "kind",
        /// The object's name; all of the kind when it is empty.
        pub name: String = "name",
    }
}

/// A kind of the Gateway API.
pub(crate) trait CustomKind: Json + std::fmt::Debug {
    /// Kind, plural and singular name.
    const NAMES: [&'static str; 3];
    /// Whether its objects live in namespaces.
    const NAMESPACED: bool;

    /// The handle by which it is asked for.
    fn kind() -> Kind {
        let [kind, plural, singular] = Self::NAMES.map(Cow::Borrowed);
        let none = || Names::BuiltIn(&[]);
        Kind::Custom(Arc::new(KindInfo {
            group: GROUP.into(),
            version: "v1".into(),
            kind,
            plural,
            singular,
            short_names: none(),
            namespaced: Self::NAMESPACED,
            categories: none(),
            custom: true,
        }))
    }
}

macro_rules! kinds {
    ($($spec:ident $names:expr, $namespaced:literal;)*) => {$(
        impl CustomKind for $spec {
            const NAMES: [&'static str; 3] = $names;
            const NAMESPACED: bool = $namespaced;
        }
    )*};
}

kinds! {
    GatewayClassSpec ["GatewayClass", "gatewayclasses", "gatewayclass"], false;
    GatewaySpec ["Gateway", "gateways", "gateway"], true;
    HTTPRouteSpec ["HTTPRoute", "httproutes", "httproute"], true;
    ReferenceGrantSpec ["ReferenceGrant", "referencegrants", "referencegrant"], true;
}

/// Names the controller of Gateways.
pub(crate) type GatewayClass = Custom<GatewayClassSpec>;
/// An entrance for traffic.
pub(crate) type Gateway = Custom<GatewaySpec>;
/// Permits references from other namespaces.
pub(crate) type ReferenceGrant = Custom<ReferenceGrantSpec>;

/// A custom resource whose `spec` was read.
#[derive(Clone, Debug)]
pub(crate) struct Custom<S> {
    object: Arc<Dynamic>,
    /// What it wants.
    pub(crate) spec: S,
}

impl<S: CustomKind> Custom<S> {
    /// Reads an object; `None` when it is none of this kind.
    pub(crate) fn read(object: &Object) -> Option<Self> {
        let Object::Dynamic(object) = object else { return None };
        // What does not read as this kind, because somebody replaced its definition, is nobody's business.
        let spec = json::decode(object.rest.get("spec").cloned().unwrap_or_else(|| Value::Object(Map::new()))).ok()?;
        Some(Custom { object: object.clone(), spec })
    }

    /// Its metadata.
    pub(crate) fn metadata(&self) -> &ObjectMeta {
        &self.object.metadata
    }

    /// Its status; null when it has none.
    pub(crate) fn status(&self) -> &Value {
        self.object.rest.get("status").unwrap_or(&Value::Null)
    }

    /// The request that gives it this status.
    pub(crate) fn put_status(&self, status: Value) -> Request {
        let mut changed = Dynamic::clone(&self.object);
        let mut fields = Map::new();
        changed.rest.restore(&mut fields);
        fields.insert("status".to_owned(), status);
        changed.rest = Rest::new(fields);
        let ObjectMeta { namespace, name, .. } = self.metadata();
        let path = ResourcePath::object(&S::kind(), namespace, name).with_subresource("status");
        Request::new(Method::Put, path).body(Body::Object(Object::Dynamic(Arc::new(changed))))
    }
}

impl<S: CustomKind> Reflected for Custom<S> {
    fn reflect(object: &Object) -> Option<Arc<Self>> {
        Custom::read(object).map(Arc::new)
    }

    fn metadata(&self) -> &ObjectMeta {
        Custom::metadata(self)
    }
}
