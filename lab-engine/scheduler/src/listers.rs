//! Caches of the objects besides Pods and nodes that plugins look at.

use crate::pod_info::namespace_of;
use crate::views::{Claim, CsiNode, DisruptionBudget, ReplicationController, StatefulSet, StorageClass, Volume, Watched};
use api::apps::ReplicaSet;
use api::core::{Namespace, Pod, Service};
use api::labels::Selector;
use api::meta::StringMap;
use client::{Indexer, Informer, InformerStatus, Input, ListOptions, ObjectKey, Outbox};
use sim::{Rng, Time};
use std::sync::Arc;

/// Objects that plugins look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listers<'a> {
    /// For selectors on namespaces.
    pub(crate) namespaces: &'a Indexer<Namespace>,
    /// For the default topology spread.
    pub(crate) services: &'a Indexer<Service>,
    /// For the default topology spread.
    pub(crate) replica_sets: &'a Indexer<ReplicaSet>,
    /// For the default topology spread.
    pub(crate) replication_controllers: &'a Indexer<ReplicationController>,
    /// For the default topology spread.
    pub(crate) stateful_sets: &'a Indexer<StatefulSet>,
    /// For volumes.
    pub(crate) claims: &'a Indexer<Claim>,
    /// For volumes.
    pub(crate) volumes: &'a Indexer<Volume>,
    /// For volumes.
    pub(crate) storage_classes: &'a Indexer<StorageClass>,
    /// For limits of attached volumes.
    pub(crate) csi_nodes: &'a Indexer<CsiNode>,
    /// For preemption.
    pub(crate) budgets: &'a Indexer<DisruptionBudget>,
}

/// What changed in the caches, as far as waiting Pods may care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Anything at all.
    pub(crate) any: bool,
    /// A namespace came or changed.
    pub(crate) namespaces: bool,
    /// A claim came or changed.
    pub(crate) claims: bool,
    /// A volume came or changed.
    pub(crate) volumes: bool,
    /// A storage class came or changed.
    pub(crate) storage_classes: bool,
    /// The drivers of a node changed.
    pub(crate) csi_nodes: bool,
}

/// The caches, kept up to date.
#[derive(Debug)]
pub(crate) struct Caches {
    namespaces: Informer<Namespace>,
    services: Informer<Service>,
    replica_sets: Informer<ReplicaSet>,
    replication_controllers: Watched<ReplicationController>,
    stateful_sets: Watched<StatefulSet>,
    claims: Watched<Claim>,
    volumes: Watched<Volume>,
    storage_classes: Watched<StorageClass>,
    csi_nodes: Watched<CsiNode>,
    budgets: Watched<DisruptionBudget>,
}

impl Caches {
    /// Empty caches. `agent` is the user agent of their requests.
    pub(crate) fn new(agent: &Arc<str>, rng: &Rng) -> Self {
        let all = ListOptions::default;
        Caches {
            namespaces: Informer::new(all(), agent.clone(), rng.stream("namespaces")),
            services: Informer::new(all(), agent.clone(), rng.stream("services")),
            replica_sets: Informer::new(all(), agent.clone(), rng.stream("replicasets")),
            replication_controllers: Watched::new("", "replicationcontrollers", agent, rng),
            stateful_sets: Watched::new("apps", "statefulsets", agent, rng),
            claims: Watched::new("", "persistentvolumeclaims", agent, rng),
            volumes: Watched::new("", "persistentvolumes", agent, rng),
            storage_classes: Watched::new("storage.k8s.io", "storageclasses", agent, rng),
            csi_nodes: Watched::new("storage.k8s.io", "csinodes", agent, rng),
            budgets: Watched::new("policy", "poddisruptionbudgets", agent, rng),
        }
    }

    /// Asks for everything there is.
    pub(crate) fn start(&mut self, now: Time, out: &mut Outbox) {
        self.namespaces.start(now, out);
        self.services.start(now, out);
        self.replica_sets.start(now, out);
        self.replication_controllers.start(now, out);
        self.stateful_sets.start(now, out);
        self.claims.start(now, out);
        self.volumes.start(now, out);
        self.storage_classes.start(now, out);
        self.csi_nodes.start(now, out);
        self.budgets.start(now, out);
    }

    /// Whether everything there was at the start is known.
    pub(crate) fn has_synced(&self) -> bool {
        self.namespaces.has_synced()
            && self.services.has_synced()
            && self.replica_sets.has_synced()
            && self.replication_controllers.has_synced()
            && self.stateful_sets.has_synced()
            && self.claims.has_synced()
            && self.volumes.has_synced()
            && self.storage_classes.has_synced()
            && self.csi_nodes.has_synced()
            && self.budgets.has_synced()
    }

    /// How the informers stand.
    pub(crate) fn statuses(&self) -> Vec<InformerStatus> {
        let known = [self.namespaces.status(), self.services.status(), self.replica_sets.status()];
        let watched = [
            self.replication_controllers.status(),
            self.stateful_sets.status(),
            self.claims.status(),
            self.volumes.status(),
            self.storage_classes.status(),
            self.csi_nodes.status(),
            self.budgets.status(),
        ];
        known.into_iter().chain(watched.into_iter().flatten()).collect()
    }

    /// Applies an input.
    pub(crate) fn handle(&mut self, now: Time, input: &Input, out: &mut Outbox) -> Changed {
        let mut changed = Changed {
            namespaces: self.namespaces.handle(now, input, out).is_some_and(|deltas| !deltas.is_empty()),
            claims: !self.claims.handle(now, input, out).is_empty(),
            volumes: !self.volumes.handle(now, input, out).is_empty(),
            storage_classes: !self.storage_classes.handle(now, input, out).is_empty(),
            csi_nodes: !self.csi_nodes.handle(now, input, out).is_empty(),
            any: false,
        };
        // Nobody waits for these: they only bear on scores and on whom to preempt.
        let services = self.services.handle(now, input, out).is_some_and(|deltas| !deltas.is_empty());
        let replica_sets = self.replica_sets.handle(now, input, out).is_some_and(|deltas| !deltas.is_empty());
        let replication_controllers = !self.replication_controllers.handle(now, input, out).is_empty();
        let stateful_sets = !self.stateful_sets.handle(now, input, out).is_empty();
        let budgets = !self.budgets.handle(now, input, out).is_empty();
        let storage = changed.claims || changed.volumes || changed.storage_classes || changed.csi_nodes;
        let owners = services || replica_sets || replication_controllers || stateful_sets;
        changed.any = changed.namespaces || storage || owners || budgets;
        changed
    }

    /// When one of them wants to be woken next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        let all = [
            self.namespaces.next_wake(),
            self.services.next_wake(),
            self.replica_sets.next_wake(),
            self.replication_controllers.next_wake(),
            self.stateful_sets.next_wake(),
            self.claims.next_wake(),
            self.volumes.next_wake(),
            self.storage_classes.next_wake(),
            self.csi_nodes.next_wake(),
            self.budgets.next_wake(),
        ];
        all.into_iter().flatten().min()
    }

    /// The objects.
    pub(crate) fn listers(&self) -> Listers<'_> {
        Listers {
            namespaces: self.namespaces.lister(),
            services: self.services.lister(),
            replica_sets: self.replica_sets.lister(),
            replication_controllers: self.replication_controllers.lister(),
            stateful_sets: self.stateful_sets.lister(),
            claims: self.claims.lister(),
            volumes: self.volumes.lister(),
            storage_classes: self.storage_classes.lister(),
            csi_nodes: self.csi_nodes.lister(),
            budgets: self.budgets.lister(),
        }
    }
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
            let chosen = &service.spec.selector;
            if !chosen.is_empty() && chosen.iter().all(|(key, value)| labels.get(key) == Some(value)) {
                selector.requirements.extend(Selector::from_map(chosen).requirements);
            }
        }
        if let Some(owner) = pod.metadata.controller() {
            let key = ObjectKey::new(namespace_of(pod), owner.name.as_str());
            let own = match owner.kind.as_str() {
                "ReplicaSet" => {
                    let set = self.replica_sets.get(&key);
                    set.and_then(|set| Selector::from_label_selector(Some(&set.spec.selector)).ok())
                }
                "ReplicationController" => self.replication_controllers.get(&key).map(|controller| controller.selector.clone()),
                "StatefulSet" => self.stateful_sets.get(&key).map(|set| set.selector.clone()),
                _ => None,
            };
            selector.requirements.extend(own.into_iter().flat_map(|own| own.requirements));
        }
        (!selector.requirements.is_empty()).then_some(selector)
    }
}
