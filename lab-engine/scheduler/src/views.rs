//! Objects besides Pods and nodes as the plugins see them: claims, volumes, storage classes, disruption budgets, owners of Pods.
//!
//! Each view takes from an object what scheduling needs, once, when the object comes in. It reads the object's JSON, so it does not matter
//! whether the engine has a struct for the kind.

use crate::pod_info::selector_or_nothing;
use api::Object;
use api::core::NodeSelectorTerm;
use api::json::{Json, decode};
use api::kinds::find_resource;
use api::labels::Selector;
use api::meta::ObjectMeta;
use api::quantity::Quantity;
use client::{Delta, Indexer, Informer, InformerStatus, Input, ListOptions, Outbox, Reflected, Reflector};
use serde_json::Value;
use sim::{Rng, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Declares a view: its kind, and how it is read from the object's JSON.
macro_rules! views {
    ($($(#[$doc:meta])* $name:ident ($kind:literal) { $($(#[$field_doc:meta])* $field:ident: $type:ty = $read:expr,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub(crate) struct $name {
                /// Its metadata.
                pub(crate) metadata: ObjectMeta,
                $($(#[$field_doc])* pub(crate) $field: $type,)*
            }

            impl $name {
                /// Reads the view from an object's metadata and JSON.
                pub(crate) fn read(metadata: ObjectMeta, json: &Value) -> Self {
                    $name { $($field: $read(json),)* metadata }
                }
            }

            impl Reflected for $name {
                fn reflect(object: &Object) -> Option<Arc<Self>> {
                    (object.kind() == $kind).then(|| Arc::new($name::read(object.metadata().clone(), &object.to_json())))
                }

                fn metadata(&self) -> &ObjectMeta {
                    &self.metadata
                }
            }
        )*
    };
}

views! {
    /// A PersistentVolumeClaim.
    Claim("PersistentVolumeClaim") {
        /// The volume that it is bound to; empty for none yet.
        volume: String = |json: &Value| text(&json["spec"]["volumeName"]),
        /// Its class, also when an annotation names it, as of old (`GetPersistentVolumeClaimClass`).
        class: Option<String> = |json: &Value| class(json),
        /// How it may be used.
        access_modes: BTreeSet<String> = |json: &Value| texts(&json["spec"]["accessModes"]),
        /// How much it asks for, in bytes.
        request: i64 = |json: &Value| bytes(&json["spec"]["resources"]["requests"]["storage"]),
        /// `Filesystem` or `Block`.
        mode: String = |json: &Value| mode(json),
        /// Which volumes will do.
        selector: Option<Selector> = |json: &Value| {
            let selector = &json["spec"]["selector"];
            (!selector.is_null()).then(|| read_selector(selector))
        },
        /// `Pending`, `Bound` or `Lost`.
        phase: String = |json: &Value| text(&json["status"]["phase"]),
    }

    /// A PersistentVolume.
    Volume("PersistentVolume") {
        /// Its class.
        class: String = |json: &Value| class(json).unwrap_or_default(),
        /// How it may be used.
        access_modes: BTreeSet<String> = |json: &Value| texts(&json["spec"]["accessModes"]),
        /// How much it holds, in bytes.
        capacity: i64 = |json: &Value| bytes(&json["spec"]["capacity"]["storage"]),
        /// `Filesystem` or `Block`.
        mode: String = |json: &Value| mode(json),
        /// The claim that it belongs to: namespace, name, UID.
        claim: Option<(String, String, String)> = |json: &Value| {
            let claim = &json["spec"]["claimRef"];
            (!claim.is_null()).then(|| (text(&claim["namespace"]), text(&claim["name"]), text(&claim["uid"])))
        },
        /// From which nodes it can be reached; `None` for all.
        node_affinity: Option<Vec<NodeSelectorTerm>> = |json: &Value| {
            let required = &json["spec"]["nodeAffinity"]["required"];
            (!required.is_null()).then(|| part(&required["nodeSelectorTerms"]))
        },
        /// The CSI driver and what it calls the volume.
        csi: Option<(String, String)> = |json: &Value| {
            let csi = &json["spec"]["csi"];
            (!csi.is_null()).then(|| (text(&csi["driver"]), text(&csi["volumeHandle"])))
        },
        /// `Available`, `Bound`, `Released`, …
        phase: String = |json: &Value| text(&json["status"]["phase"]),
    }

    /// A StorageClass.
    StorageClass("StorageClass") {
        /// Who makes volumes of the class.
        provisioner: String = |json: &Value| text(&json["provisioner"]),
        /// `Immediate` or `WaitForFirstConsumer`; `None` in an object that was not defaulted.
        binding_mode: Option<String> = |json: &Value| json["volumeBindingMode"].as_str().map(str::to_owned),
        /// Where volumes may be made: any of these sets of labels, each with the values that will do; empty for anywhere.
        allowed_topologies: Vec<BTreeMap<String, BTreeSet<String>>> = |json: &Value| topologies(&json["allowedTopologies"]),
    }

    /// A CSINode.
    CsiNode("CSINode") {
        /// The drivers of the node, with how many volumes each can attach if that is known.
        limits: BTreeMap<String, Option<i64>> = |json: &Value| {
            let drivers = json["spec"]["drivers"].as_array().into_iter().flatten();
            drivers.map(|driver| (text(&driver["name"]), driver["allocatable"]["count"].as_i64())).collect()
        },
    }

    /// A PodDisruptionBudget.
    DisruptionBudget("PodDisruptionBudget") {
        /// The Pods that it protects; an empty one of the API protects all of its namespace.
        selector: Selector = |json: &Value| read_selector(&json["spec"]["selector"]),
        /// How many may go now.
        allowed: i64 = |json: &Value| json["status"]["disruptionsAllowed"].as_i64().unwrap_or(0),
        /// Pods whose end was granted already.
        disrupted: BTreeSet<String> = |json: &Value| {
            json["status"]["disruptedPods"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
        },
    }

    /// A ReplicationController.
    ReplicationController("ReplicationController") {
        /// The Pods that it has.
        selector: Selector = |json: &Value| Selector::from_map(&part(&json["spec"]["selector"])),
    }

    /// A StatefulSet.
    StatefulSet("StatefulSet") {
        /// The Pods that it has.
        selector: Selector = |json: &Value| read_selector(&json["spec"]["selector"]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

/// A part of an object that passed the API server's decoder; what cannot be read is empty.
fn part<T: Json + Default>(value: &Value) -> T {
    if value.is_null() { T::default() } else { decode(value.clone()).unwrap_or_default() }
}

fn read_selector(value: &Value) -> Selector {
    let selector: Option<api::meta::LabelSelector> = if value.is_null() { None } else { decode(value.clone()).ok() };
    selector_or_nothing(Selector::from_label_selector(selector.as_ref()))
}

fn bytes(value: &Value) -> i64 {
    value.as_str().and_then(|text| Quantity::parse(text).ok()).map_or(0, |quantity| quantity.value())
}

fn mode(json: &Value) -> String {
    json["spec"]["volumeMode"].as_str().unwrap_or("Filesystem").to_owned()
}

/// The class of a claim or volume: the annotation of old counts more than the field.
fn class(json: &Value) -> Option<String> {
    let annotation = &json["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
    annotation.as_str().or(json["spec"]["storageClassName"].as_str()).map(str::to_owned)
}

fn topologies(value: &Value) -> Vec<BTreeMap<String, BTreeSet<String>>> {
    let terms = value.as_array().into_iter().flatten();
    let requirements = |term: &Value| -> BTreeMap<String, BTreeSet<String>> {
        let all = term["matchLabelExpressions"].as_array().into_iter().flatten();
        all.map(|requirement| (text(&requirement["key"]), texts(&requirement["values"]))).collect()
    };
    terms.map(requirements).collect()
}

/// Keeps up with one kind of object. Where the API server has no such kind there are none.
#[derive(Debug)]
pub(crate) struct Watched<R> {
    informer: Option<Informer<R>>,
    none: Indexer<R>,
}

impl<R: Reflected> Watched<R> {
    /// Begins nothing until [`Watched::start`].
    pub(crate) fn new(group: &str, plural: &str, agent: &Arc<str>, rng: &Rng) -> Self {
        let informer = find_resource(group, "v1", plural)
            .map(|info| Informer::of(Reflector::of_kind(info.into(), ListOptions::default(), agent.clone(), rng.stream(plural))));
        Watched { informer, none: Indexer::default() }
    }

    /// Asks for everything there is.
    pub(crate) fn start(&mut self, now: Time, out: &mut Outbox) {
        if let Some(informer) = &mut self.informer {
            informer.start(now, out);
        }
    }

    /// Applies an input, and says what changed.
    pub(crate) fn handle(&mut self, now: Time, input: &Input, out: &mut Outbox) -> Vec<Delta<R>> {
        self.informer.as_mut().and_then(|informer| informer.handle(now, input, out)).unwrap_or_default()
    }

    /// Whether everything there was at the start is known.
    pub(crate) fn has_synced(&self) -> bool {
        self.informer.as_ref().is_none_or(Informer::has_synced)
    }

    /// The objects.
    pub(crate) fn lister(&self) -> &Indexer<R> {
        self.informer.as_ref().map_or(&self.none, Informer::lister)
    }

    /// How it stands; nothing where there is no such kind.
    pub(crate) fn status(&self) -> Option<InformerStatus> {
        self.informer.as_ref().map(Informer::status)
    }

    /// When it wants to be woken next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.informer.as_ref().and_then(Informer::next_wake)
    }
}
