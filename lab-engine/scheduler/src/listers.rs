//! Caches of the objects besides Pods and nodes that plugins look at.

use crate::pod_info::namespace_of;
use api::apps::ReplicaSet;
use api::core::{Namespace, Pod, Service};
use api::labels::Selector;
use api::meta::StringMap;
use client::{Indexer, ObjectKey};

/// Objects that plugins look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listers<'a> {
    /// For selectors on namespaces.
    pub(crate) namespaces: &'a Indexer<Namespace>,
    /// For the default topology spread.
    pub(crate) services: &'a Indexer<Service>,
    /// For the default topology spread.
    pub(crate) replica_sets: &'a Indexer<ReplicaSet>,
}

/// The labels of a namespace that has none.
pub(crate) static NO_LABELS: StringMap = StringMap::new();

impl<'a> Listers<'a> {
    /// The labels of a namespace; none when it is not known.
    pub(crate) fn namespace_labels(&self, name: &str) -> &'a StringMap {
        self.namespaces.get(&ObjectKey::new("", name)).map_or(&NO_LABELS, |namespace| &namespace.metadata.labels)
    }

    /// What the Services and the controller that a Pod belongs to select, all together (`helper.DefaultSelector`); `None` when it
    /// belongs to none.
    pub(crate) fn default_selector(&self, pod: &Pod) -> Option<Selector> {
        let labels = &pod.metadata.labels;
        let mut selector = Selector::default();
        for service in self.services.list_namespace(namespace_of(pod)) {
            let own = Selector::from_map(&service.spec.selector);
            if !own.requirements.is_empty() && own.matches(labels) {
                selector.requirements.extend(own.requirements);
            }
        }
        if let Some(owner) = pod.metadata.controller().filter(|owner| owner.kind == "ReplicaSet")
            && let Some(set) = self.replica_sets.get(&ObjectKey::new(namespace_of(pod), owner.name.as_str()))
            && let Ok(own) = Selector::from_label_selector(Some(&set.spec.selector))
        {
            selector.requirements.extend(own.requirements);
        }
        (!selector.requirements.is_empty()).then_some(selector)
    }
}
