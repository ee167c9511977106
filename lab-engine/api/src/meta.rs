//! What all objects share: `ObjectMeta` and its parts (`k8s.io/apimachinery/pkg/apis/meta/v1`).
//!
//! **Simplified here:** `selfLink` is kept as it comes, nothing reads it. A [`Timestamp`] before the start of the run is read as the start
//! of the run.

use crate::json::{DecodeError, Json, Position};
use crate::managed_fields::{ManagedFields, Marks, Place};
use crate::object;
use crate::shared::SharedVec;
use serde_json::Value;
use sim::Time;
use std::fmt;

pub use crate::string_map::StringMap;

/// `metav1.Time`: an instant, written with whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub Time);

/// `metav1.MicroTime`: an instant, written with microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MicroTime(pub Time);

impl From<Time> for Timestamp {
    fn from(at: Time) -> Self {
        Timestamp(Time::from_secs(at.as_secs()))
    }
}

impl From<Time> for MicroTime {
    fn from(at: Time) -> Self {
        MicroTime(at)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.rfc3339())
    }
}

/// Reads the text of a timestamp, clamping what lies before the start of the run.
fn read_time(value: &Value, position: &Position) -> Result<Time, DecodeError> {
    let Value::String(text) = value else {
        return Err(position.wrong_type(value, "v1.Time"));
    };
    match Time::parse_rfc3339(text) {
        Ok(at) => Ok(at),
        Err(_)
            if text.len() >= 20
                && text.ends_with('Z')
                && text[..4].bytes().all(|b| b.is_ascii_digit())
                && text.as_str() < Time::ZERO.rfc3339().as_str() =>
        {
            Ok(Time::ZERO)
        }
        Err(_) => Err(position.meaningless(format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?}"))),
    }
}

impl Json for Timestamp {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        read_time(&value, position).map(Timestamp::from)
    }

    fn to_json(&self) -> Value {
        Value::String(self.0.rfc3339())
    }

    fn compare(_: Place<'_>, old: Option<&Self>, new: Option<&Self>) -> Marks {
        Place::scalars(old, new)
    }
}

impl Json for MicroTime {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        read_time(&value, position).map(MicroTime)
    }

    fn to_json(&self) -> Value {
        Value::String(self.0.rfc3339_micro())
    }
}

/// `metadata.resourceVersion`: the revision of the store at which the object was last written. 0 stands for "not set".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceVersion(pub u64);

impl Json for ResourceVersion {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        match &value {
            Value::String(text) if text.is_empty() => Ok(ResourceVersion(0)),
            Value::String(text) => text
                .parse()
                .map(ResourceVersion)
                .map_err(|_| position.meaningless(format!("Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"))),
            _ => Err(position.wrong_type(&value, "string")),
        }
    }

    fn to_json(&self) -> Value {
        Value::String(self.0.to_string())
    }

    fn is_omitted(&self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

object! {
    /// `metav1.ObjectMeta`: name, labels and the book-keeping of the API server.
    pub struct ObjectMeta {
        /// Unique within namespace and kind.
        pub name: String = "name",
        /// Prefix from which the API server makes a name when `name` is empty.
        pub generate_name: String = "generateName",
        /// The namespace; empty for objects of the cluster.
        pub namespace: String = "namespace",
        /// Set by the API server at creation, never used twice.
        pub uid: String = "uid",
        /// Revision of the last write.
        pub resource_version: ResourceVersion = "resourceVersion",
        /// Counts the changes of the desired state; 0 where the kind has none.
        pub generation: Option<i64> = "generation",
        /// When the object was made.
        pub creation_timestamp: Option<Timestamp> = "creationTimestamp",
        /// When the object is to be gone; set by a delete that has to wait.
        pub deletion_timestamp: Option<Timestamp> = "deletionTimestamp",
        /// Seconds granted for the deletion.
        pub deletion_grace_period_seconds: Option<i64> = "deletionGracePeriodSeconds",
        /// Keys and values for selection.
        pub labels: StringMap = "labels",
        /// Keys and values for anything else.
        pub annotations: StringMap = "annotations",
        /// Who depends on whom, for garbage collection.
        pub owner_references: SharedVec<OwnerReference> = "ownerReferences",
        /// What must be done before the object may go.
        pub finalizers: Vec<String> = "finalizers",
        /// Which manager owns which field.
        pub managed_fields: ManagedFields = "managedFields",
    }

    /// `metav1.OwnerReference`: an object that this one belongs to.
    pub struct OwnerReference {
        /// Group and version of the owner.
        pub api_version: String = "apiVersion",
        /// Kind of the owner.
        pub kind: String = "kind",
        /// Name of the owner.
        pub name: String = "name",
        /// UID of the owner.
        pub uid: String = "uid",
        /// Whether the owner is the managing controller.
        pub controller: Option<bool> = "controller",
        /// Whether the owner cannot go first in foreground deletion.
        pub block_owner_deletion: Option<bool> = "blockOwnerDeletion",
    }

    /// `metav1.LabelSelector`: requirements on labels, all of which must hold. An empty one matches everything.
    pub struct LabelSelector {
        /// Labels that must be equal.
        pub match_labels: StringMap = "matchLabels",
        /// Requirements with operators.
        pub match_expressions: Vec<LabelSelectorRequirement> = "matchExpressions",
    }

    /// `metav1.LabelSelectorRequirement`.
    pub struct LabelSelectorRequirement {
        /// The label's key.
        pub key: String = "key",
        /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
        pub operator: String = "operator",
        /// The values for `In` and `NotIn`.
        pub values: Vec<String> = "values",
    }

    /// `metav1.Condition` and the older per-kind conditions with the same fields.
    pub struct Condition {
        /// What it says something about, for example `Ready`.
        pub type_: String = "type",
        /// `True`, `False` or `Unknown`.
        pub status: String = "status",
        /// The generation of the object that it was computed for.
        pub observed_generation: Option<i64> = "observedGeneration",
        /// When it was last probed (Pods).
        pub last_probe_time: Option<Timestamp> = "lastProbeTime",
        /// When the kubelet last reported it (Nodes).
        pub last_heartbeat_time: Option<Timestamp> = "lastHeartbeatTime",
        /// When it was last updated (Deployments).
        pub last_update_time: Option<Timestamp> = "lastUpdateTime",
        /// When `status` last changed.
        pub last_transition_time: Option<Timestamp> = "lastTransitionTime",
        /// Why, in one CamelCase word.
        pub reason: String = "reason",
        /// Why, in words.
        pub message: String = "message",
    }
}

impl ObjectMeta {
    /// The owner that is the managing controller (`metav1.GetControllerOf`).
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller == Some(true))
    }

    /// Whether the object is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}

/// The condition of the given type.
pub fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of the given type has status `True`.
pub fn condition_is_true(conditions: &[Condition], type_: &str) -> bool {
    condition(conditions, type_).is_some_and(|condition| condition.status == "True")
}
