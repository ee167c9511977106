//! `DefaultBinder`: writes the binding of a Pod to its node (`plugins/defaultbinder`).

use crate::framework::{Bind, ClusterEvent, Plugin, QueueingHint};
use crate::pod_info::{PodInfo, namespace_of};
use api::core::{Binding, ObjectReference, Pod};
use api::http::{Body, Method, Request, ResourcePath};
use api::meta::ObjectMeta;
use api::{Object, Resource};

/// The plugin.
#[derive(Debug)]
pub(crate) struct DefaultBinder;

impl Plugin for DefaultBinder {
    fn name(&self) -> &'static str {
        "DefaultBinder"
    }

    fn queueing_hint(&self, _pod: &PodInfo, _event: &ClusterEvent<'_>) -> QueueingHint {
        QueueingHint::Skip
    }

    fn as_bind(&self) -> Option<&dyn Bind> {
        Some(self)
    }
}

impl Bind for DefaultBinder {
    fn bind(&self, pod: &PodInfo, node: &str) -> Request {
        let metadata = &pod.pod.metadata;
        let (namespace, name) = (namespace_of(&pod.pod), metadata.name.as_str());
        let binding = Binding {
            metadata: ObjectMeta { namespace: namespace.into(), name: name.into(), uid: metadata.uid.clone(), ..ObjectMeta::default() },
            target: ObjectReference { kind: "Node".to_owned(), name: node.to_owned(), ..ObjectReference::default() },
            ..Binding::default()
        };
        let path = ResourcePath::object(Pod::INFO, namespace, name).with_subresource("binding");
        Request::new(Method::Post, path).body(Body::Object(Object::from(binding)))
    }
}
