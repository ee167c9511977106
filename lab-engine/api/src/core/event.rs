//! Events: what components tell the world about an object.

use crate::meta::{MicroTime, ObjectMeta, Timestamp};
use crate::object;

object! {
    /// Something that a component reports about an object.
    pub struct Event {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// The object.
        pub involved_object: ObjectReference = "involvedObject",
        /// Why, in one word.
        pub reason: String = "reason",
        /// What, in words.
        pub message: String = "message",
        /// Who reports.
        pub source: EventSource = "source",
        /// When it was first seen.
        pub first_timestamp: Option<Timestamp> = "firstTimestamp",
        /// When it was last seen.
        pub last_timestamp: Option<Timestamp> = "lastTimestamp",
        /// How often it was seen.
        pub count: Option<i32> = "count",
        /// `Normal` or `Warning`.
        pub type_: String = "type",
        /// When it was first seen, precisely.
        pub event_time: Option<MicroTime> = "eventTime",
        /// What was done, for example `Binding`.
        pub action: String = "action",
        /// Who reports, for example `default-scheduler`.
        pub reporting_component: String = "reportingComponent",
        /// Which instance reports.
        pub reporting_instance: String = "reportingInstance",
    }

    /// An object, or a part of it.
    pub struct ObjectReference {
        /// Its kind.
        pub kind: String = "kind",
        /// Its namespace.
        pub namespace: String = "namespace",
        /// Its name.
        pub name: String = "name",
        /// Its UID.
        pub uid: String = "uid",
        /// Its group and version.
        pub api_version: String = "apiVersion",
        /// Its revision.
        pub resource_version: String = "resourceVersion",
        /// The part, for example `spec.containers{web}`.
        pub field_path: String = "fieldPath",
    }

    /// Who reports.
    pub struct EventSource {
        /// The component.
        pub component: String = "component",
        /// The node.
        pub host: String = "host",
    }

    /// The body of `pods/binding`: which node a Pod goes to.
    pub struct Binding {
        /// The Pod's name and namespace.
        pub metadata: ObjectMeta = "metadata",
        /// The node.
        pub target: ObjectReference = "target",
    }
}
