//! Any object: one variant per simulated kind, and [`Dynamic`] for all others.
//!
//! Objects travel by [`Arc`]: from the store to the watch cache, over the simulated network and into every informer it is one object,
//! copied only by whoever changes it.

use crate::apps::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use crate::autoscaling::HorizontalPodAutoscaler;
use crate::batch::{CronJob, Job};
use crate::coordination::Lease;
use crate::core::{
    Binding, ConfigMap, Endpoints, Event, LimitRange, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, ReplicationController,
    ResourceQuota, Secret, Service, ServiceAccount,
};
use crate::discovery::EndpointSlice;
use crate::json::{self, DecodeError, Json, Position, Rest};
use crate::kinds::{Kind, KindInfo, find_kind};
use crate::managed_fields::{Marks, Place};
use crate::meta::ObjectMeta;
use crate::networking::{Ingress, IngressClass, NetworkPolicy};
use crate::policy::PodDisruptionBudget;
use crate::rbac::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use crate::storage::StorageClass;
use serde_json::{Map, Value};
use sim::ObjectRef;
use std::borrow::Cow;
use std::sync::Arc;

/// A simulated kind's struct.
pub trait Resource: Json + Clone + std::fmt::Debug + 'static {
    /// Its kind.
    const INFO: &'static KindInfo;

    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;

    /// Its metadata, to change.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;

    /// The object as one of any kind.
    fn into_object(self: Arc<Self>) -> Object;

    /// The object, if it is of this kind.
    fn from_object(object: &Object) -> Option<&Arc<Self>>;

    /// How the trace names it.
    fn object_ref(&self) -> ObjectRef {
        let metadata = self.metadata();
        ObjectRef::new(&*Self::INFO.kind, metadata.namespace.as_str(), metadata.name.as_str())
    }
}

/// An object of a kind without a struct of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Dynamic {
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its `kind`.
    pub kind: String,
    /// The kind that this names; `None` for what no API server serves, such as a table.
    pub info: Option<Kind>,
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Everything else.
    pub rest: Rest,
}

impl Dynamic {
    /// Reads an object of the given kind from its fields, without `apiVersion` and `kind`.
    ///
    /// # Errors
    /// The first [`DecodeError`] in the metadata.
    pub fn decode(api_version: &str, kind: &str, info: Option<Kind>, mut fields: Map<String, Value>) -> Result<Dynamic, DecodeError> {
        let metadata = fields.remove("metadata").filter(|metadata| !metadata.is_null());
        let metadata = metadata.map_or(Ok(ObjectMeta::default()), |metadata| Position::default().field(DYNAMIC, "metadata", metadata))?;
        Ok(Dynamic { api_version: api_version.to_owned(), kind: kind.to_owned(), info, metadata, rest: Rest::new(fields) })
    }
}

/// The entry of [`KINDS`](crate::kinds::KINDS) for a kind that is certainly there.
const fn builtin(group: &str, kind: &str) -> &'static KindInfo {
    let mut i = 0;
    while i < crate::kinds::KINDS.len() {
        let info = &crate::kinds::KINDS[i];
        if let (Cow::Borrowed(own_group), Cow::Borrowed(own_kind)) = (&info.group, &info.kind)
            && str_eq(own_group, group)
            && str_eq(own_kind, kind)
        {
            return info;
        }
        i += 1;
    }
    panic!("no such kind")
}

const fn str_eq(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

macro_rules! simulated {
    ($($group:literal $name:ident,)*) => {
        /// An object of any kind, shared.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Object {
            $(
                #[doc = concat!("A ", stringify!($name), ".")]
                $name(Arc<$name>),
            )*
            /// An object of another kind.
            Dynamic(Arc<Dynamic>),
        }

        $(impl Resource for $name {
            const INFO: &'static KindInfo = builtin($group, stringify!($name));

            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }

            fn into_object(self: Arc<Self>) -> Object {
                Object::$name(self)
            }

            fn from_object(object: &Object) -> Option<&Arc<Self>> {
                match object {
                    Object::$name(object) => Some(object),
                    _ => None,
                }
            }
        })*

        impl Object {
            /// The metadata.
            pub fn metadata(&self) -> &ObjectMeta {
                match self {
                    $(Object::$name(object) => &object.metadata,)*
                    Object::Dynamic(object) => &object.metadata,
                }
            }

            /// The metadata, to change; the object is copied if it is shared.
            pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
                match self {
                    $(Object::$name(object) => &mut Arc::make_mut(object).metadata,)*
                    Object::Dynamic(object) => &mut Arc::make_mut(object).metadata,
                }
            }

            /// The kind.
            pub fn kind(&self) -> &str {
                match self {
                    $(Object::$name(_) => stringify!($name),)*
                    Object::Dynamic(object) => &object.kind,
                }
            }

            /// The kind as the API server knows it; `None` for what it does not serve.
            pub fn info(&self) -> Option<Kind> {
                match self {
                    $(Object::$name(_) => Some(Kind::BuiltIn($name::INFO)),)*
                    Object::Dynamic(object) => object.info.clone(),
                }
            }

            /// Group and version, for example `apps/v1`.
            pub fn api_version(&self) -> String {
                match self {
                    $(Object::$name(_) => $name::INFO.api_version(),)*
                    Object::Dynamic(object) => object.api_version.clone(),
                }
            }

            /// The object as JSON, with `apiVersion` and `kind`, without its managed fields.
            pub fn to_json_without_managed_fields(&self) -> Value {
                let value = match self {
                    $(Object::$name(object) => object.to_json(),)*
                    Object::Dynamic(object) => {
                        let mut fields = Map::new();
                        fields.insert("metadata".to_owned(), object.metadata.to_json());
                        object.rest.restore(&mut fields);
                        Value::Object(fields)
                    }
                };
                with_type(value, self.api_version(), self.kind().to_owned())
            }

            /// What differs between two objects of a kind, but for their managed fields. Objects of different kinds are compared as JSON,
            /// with their types.
            pub fn compare(&self, new: &Object, place: Place<'_>) -> Marks {
                match (self, new) {
                    $((Object::$name(old), Object::$name(new)) => Json::compare(place, Some(&**old), Some(&**new)),)*
                    (Object::Dynamic(old), Object::Dynamic(new)) if let Some(mut fields) = place.fields(true, true) => {
                        fields.compare("metadata", Some(&old.metadata), Some(&new.metadata));
                        fields.compare_rest(Some(&old.rest), Some(&new.rest));
                        fields.finish()
                    }
                    (old, new) => {
                        place.values(Some(&old.to_json_without_managed_fields()), Some(&new.to_json_without_managed_fields()))
                    }
                }
            }

            /// The paths of all fields that are kept but not simulated.
            pub fn unsimulated(&self) -> Vec<String> {
                let mut paths = Vec::new();
                match self {
                    $(Object::$name(object) => object.unsimulated("", &mut paths),)*
                    Object::Dynamic(_) => {}
                }
                paths
            }

            /// Reads an object of the given kind from JSON; `apiVersion` and `kind` in it are not looked at.
            ///
            /// # Errors
            /// The first [`DecodeError`] in the value.
            pub fn decode_as(api_version: &str, kind: &str, value: Value) -> Result<Object, DecodeError> {
                let Value::Object(mut fields) = value else {
                    return Err(Position::default().wrong_type(&value, "v1.TypeMeta"));
                };
                fields.remove("apiVersion");
                fields.remove("kind");
                let info = find_kind(api_version, kind);
                $(if info == Some($name::INFO) {
                    return json::decode::<$name>(Value::Object(fields)).map(|object| Object::$name(Arc::new(object)));
                })*
                Dynamic::decode(api_version, kind, info.map(Kind::BuiltIn), fields).map(|object| Object::Dynamic(Arc::new(object)))
            }
        }

        $(impl From<$name> for Object {
            fn from(object: $name) -> Object {
                Object::$name(Arc::new(object))
            }
        })*
    };
}

/// What errors call an object without a struct of its own.
const DYNAMIC: &str = "PartialObjectMetadata";

simulated! {
    "" Binding,
    "rbac.authorization.k8s.io" ClusterRole,
    "rbac.authorization.k8s.io" ClusterRoleBinding,
    "" ConfigMap,
    "apps" ControllerRevision,
    "batch" CronJob,
    "apps" DaemonSet,
    "apps" Deployment,
    "discovery.k8s.io" EndpointSlice,
    "" Endpoints,
    "" Event,
    "autoscaling" HorizontalPodAutoscaler,
    "networking.k8s.io" Ingress,
    "networking.k8s.io" IngressClass,
    "batch" Job,
    "coordination.k8s.io" Lease,
    "" LimitRange,
    "" Namespace,
    "networking.k8s.io" NetworkPolicy,
    "" Node,
    "" PersistentVolume,
    "" PersistentVolumeClaim,
    "" Pod,
    "policy" PodDisruptionBudget,
    "apps" ReplicaSet,
    "" ReplicationController,
    "" ResourceQuota,
    "rbac.authorization.k8s.io" Role,
    "rbac.authorization.k8s.io" RoleBinding,
    "" Secret,
    "" Service,
    "" ServiceAccount,
    "apps" StatefulSet,
    "storage.k8s.io" StorageClass,
}

fn with_type(value: Value, api_version: String, kind: String) -> Value {
    match value {
        Value::Object(mut fields) => {
            fields.insert("apiVersion".to_owned(), Value::String(api_version));
            fields.insert("kind".to_owned(), Value::String(kind));
            Value::Object(fields)
        }
        other => other,
    }
}

impl Object {
    /// The object as JSON, with `apiVersion` and `kind`.
    pub fn to_json(&self) -> Value {
        let mut value = self.to_json_without_managed_fields();
        let managed = &self.metadata().managed_fields;
        if !managed.entries().is_empty() {
            value["metadata"]["managedFields"] = managed.to_json();
        }
        value
    }

    /// Whether nothing in the engine acts on the kind.
    pub fn is_dynamic(&self) -> bool {
        matches!(self, Object::Dynamic(_))
    }

    /// How the trace names the object.
    pub fn object_ref(&self) -> ObjectRef {
        let metadata = self.metadata();
        ObjectRef::new(self.kind(), metadata.namespace.as_str(), metadata.name.as_str())
    }

    /// The object as one of the kind `R`, if it is.
    pub fn as_kind<R: Resource>(&self) -> Option<&Arc<R>> {
        R::from_object(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_reads_back_as_it_was() {
        let value = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "nginx", "resources": {}, "securityContext": {"runAsUser": 1000}}]},
            "status": {},
        });
        let object = Object::decode_as("v1", "Pod", value.clone()).unwrap();
        assert_eq!(object.to_json(), value);
        assert_eq!(object.unsimulated(), ["spec.containers[0].securityContext"]);
        assert_eq!(object.object_ref().to_string(), "Pod web");
        assert!(object.as_kind::<Pod>().is_some() && object.as_kind::<Node>().is_none());
    }

    #[test]
    fn kinds_without_a_struct_are_kept_whole() {
        let value = json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "pi"}, "template": {"spec": {}}});
        let object = Object::decode_as("v1", "PodTemplate", value.clone()).unwrap();
        assert!(object.is_dynamic());
        assert_eq!(object.to_json(), value);
    }
}
