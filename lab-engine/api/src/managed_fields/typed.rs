//! What differs between two objects whose kind is modelled, found without writing them as JSON.
//!
//! [`Json::compare`] walks two values of a type and their schema side by side, and goes only where they differ. It finds what
//! [`compare`](super::compare::compare) finds in the same values as JSON; what is no struct, map or list of structs to the schema, such as a
//! list that is replaced whole, is compared as JSON.

use super::atom::{Atom, ListKind, MapType, TypeRef, zip};
use super::compare::{Below, Marks, by_step, leaf, lists, walk};
use super::path::PathElement;
use crate::json::{Json, Rest};
use crate::schema::Key;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The type that the schema gives to values that are compared.
#[derive(Clone, Copy, Debug)]
pub struct Place<'t>(TypeRef<'t>);

impl<'t> From<TypeRef<'t>> for Place<'t> {
    fn from(type_: TypeRef<'t>) -> Self {
        Place(type_)
    }
}

impl<'t> Place<'t> {
    /// Compares texts, numbers and the like.
    pub(crate) fn scalars<T: Json>(old: Option<&T>, new: Option<&T>) -> Marks {
        leaf(old, new)
    }

    /// Compares values as JSON.
    pub fn as_json<T: Json>(self, old: Option<&T>, new: Option<&T>) -> Marks {
        self.values(old.map(Json::to_json).as_ref(), new.map(Json::to_json).as_ref())
    }

    /// Compares values that are JSON.
    pub(crate) fn values(self, old: Option<&Value>, new: Option<&Value>) -> Marks {
        walk(self.0, old, new)
    }

    /// What the type says of objects, unless they are replaced whole.
    fn as_map(self) -> Option<MapType<'t>> {
        static OBJECT: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
        match self.0.atom(&OBJECT) {
            Atom::Map(map) if !map.atomic => Some(map),
            _ => None,
        }
    }

    /// Begins to compare two structs, or one that is new or old; `None` for one that is replaced whole.
    pub fn fields(self, old: bool, new: bool) -> Option<Fields<'t>> {
        self.as_map().map(|map| Fields { map, old, new, below: Below::default() })
    }

    /// Compares maps.
    pub(crate) fn map<T: Json>(self, old: Option<&BTreeMap<String, T>>, new: Option<&BTreeMap<String, T>>) -> Marks {
        let Some(mut fields) = self.fields(old.is_some(), new.is_some()) else { return self.as_json(old, new) };
        for (name, old, new) in zip(old, new) {
            fields.compare(name, old, new);
        }
        fields.finish()
    }

    /// Compares lists.
    pub(crate) fn list<T: Json>(self, old: Option<&[T]>, new: Option<&[T]>) -> Marks {
        let (left, right) = (old.unwrap_or_default(), new.unwrap_or_default());
        match self.0.atom(&Value::Array(Vec::new())) {
            Atom::List(kind @ ListKind::Map(keys), element) if !left.is_empty() || !right.is_empty() => {
                let step = |item: &T| self.step(kind, keys, item);
                let walk =
                    |old: Option<&T>, new: Option<&T>| if old == new { Marks::default() } else { T::compare(Place(element), old, new) };
                lists(&by_step(left, step), &by_step(right, step), walk).of(old.is_some(), new.is_some())
            }
            _ => {
                let json = |items: Option<&[T]>| items.map(|items| Value::Array(items.iter().map(Json::to_json).collect()));
                self.values(json(old).as_ref(), json(new).as_ref())
            }
        }
    }

    /// The step to an element of a list.
    fn step<T: Json>(self, kind: ListKind<'_>, keys: &[Key], item: &T) -> Option<PathElement> {
        let fields = keys.iter().filter_map(|key| item.field(key.name).map(|value| (key.name.to_owned(), value)));
        self.0.elements(kind, &[Value::Object(fields.collect())]).unwrap_or_default().pop()
    }
}

/// The fields of two structs, or of one, as they are compared.
#[derive(Debug)]
pub struct Fields<'t> {
    map: MapType<'t>,
    old: bool,
    new: bool,
    below: Below,
}

impl Fields<'_> {
    /// Compares a field; one that is left out of the JSON is none.
    pub fn compare<T: Json>(&mut self, name: &str, old: Option<&T>, new: Option<&T>) {
        if old == new {
            return;
        }
        let (old, new) = (old.filter(|old| !old.is_omitted()), new.filter(|new| !new.is_omitted()));
        if old.is_none() && new.is_none() {
            return;
        }
        let (element, type_, _) = self.map.entry(name);
        // What Go has in the place of a field that is not there is JSON.
        let absent = type_.absent().filter(|_| (old.is_none() && self.old) || (new.is_none() && self.new));
        let marks = match absent {
            Some(absent) => {
                let side = |value: Option<&T>, there: bool| value.map(Json::to_json).or_else(|| there.then(|| absent.clone()));
                walk(type_, side(old, self.old).as_ref(), side(new, self.new).as_ref())
            }
            None => T::compare(Place(type_), old, new),
        };
        self.below.push(&element, marks);
    }

    /// Compares the fields that the type does not model.
    pub fn compare_rest(&mut self, old: Option<&Rest>, new: Option<&Rest>) {
        for (name, old, new) in zip(old.and_then(Rest::as_map), new.and_then(Rest::as_map)) {
            self.compare(name, old, new);
        }
    }

    /// What differs.
    pub fn finish(self) -> Marks {
        self.below.sorted().of(self.old, self.new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Object;
    use crate::kinds::find_kind;
    use crate::managed_fields::Comparison;
    use crate::managed_fields::compare::compare;
    use crate::schema;
    use serde_json::json;

    /// The value, and all that differ from it in one place: another scalar, a part less, a list turned round or with an element twice.
    fn variants(value: &Value) -> Vec<Value> {
        let mut found = vec![value.clone()];
        match value {
            Value::Object(fields) => {
                for (name, part) in fields {
                    let mut without = fields.clone();
                    without.remove(name);
                    found.push(Value::Object(without));
                    let with = |part: Value| Value::Object(fields.clone().into_iter().chain([(name.clone(), part)]).collect());
                    found.extend(variants(part).into_iter().skip(1).map(with));
                }
            }
            Value::Array(items) => {
                found.push(Value::Array(items.iter().rev().cloned().collect()));
                for (at, item) in items.iter().enumerate() {
                    found.push(Value::Array([&items[..at], &items[at + 1..]].concat()));
                    for other in variants(item) {
                        found.push(Value::Array([&items[..=at], std::slice::from_ref(&other), &items[at + 1..]].concat()));
                        found.push(Value::Array([&items[..at], &[other], &items[at + 1..]].concat()));
                    }
                }
            }
            Value::String(text) => found.push(json!(text.replace(['1', 'e'], "2"))),
            Value::Number(_) => found.push(json!(2)),
            Value::Bool(flag) => found.push(json!(!flag)),
            Value::Null => {}
        }
        found
    }

    fn both(old: &Object, new: &Object) -> [Comparison; 2] {
        let schema = TypeRef::Schema(schema::for_kind(&old.info().unwrap()).unwrap());
        let (left, right) = (old.to_json_without_managed_fields(), new.to_json_without_managed_fields());
        [old.compare(new, Place(schema)).below(), compare(schema, &left, &right)]
    }

    #[test]
    fn objects_differ_as_their_json_does() {
        let condition = json!({"type": "Ready", "status": "True", "reason": "r", "lastTransitionTime": "2026-05-04T08:00:01Z"});
        let meta = json!({"name": "w1", "namespace": "default", "labels": {"app": "web", "tier": "1"}, "finalizers": ["e", "f"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "ReplicaSet", "name": "e", "uid": "1"}]});
        let container = json!({"name": "c", "image": "nginx", "args": ["e"], "env": [{"name": "E", "value": "1"}, {"name": "F"}],
            "resources": {"limits": {"cpu": "100m"}}, "ports": [{"containerPort": 80}, {"containerPort": 81, "protocol": "UDP"}],
            "securityContext": {"runAsUser": 1, "capabilities": {"add": ["e"]}}});
        let pod_status = json!({"phase": "Pending", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], "hostIPs": [{"ip": "1"}],
            "conditions": [condition, {"type": "Other", "status": "False"}],
            "containerStatuses": [{"name": "c", "image": "nginx", "imageID": "1", "ready": true, "restartCount": 1,
                "state": {"running": {"startedAt": "2026-05-04T08:00:01Z"}}}]});
        let objects = [
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container], "nodeSelector": {"e": "1"},
                "tolerations": [{"key": "e"}], "dnsPolicy": "None", "hostAliases": [{"ip": "1", "hostnames": ["e"]}]}, "status": pod_status}),
            json!({"apiVersion": "v1", "kind": "Event", "metadata": meta, "reason": "e", "count": 1, "type": "Normal",
                "involvedObject": {"kind": "Pod", "name": "e"}, "source": {"component": "e"}, "lastTimestamp": "2026-05-04T08:00:01Z"}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"replicas": 1, "paused": true,
                "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "e"}}, "spec": {"containers": []}}},
                "status": {"replicas": 1, "conditions": [condition]}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"clusterIPs": ["1"], "selector": {"app": "e"},
                "ports": [{"port": 80, "targetPort": "e"}, {"port": 80, "protocol": "UDP", "targetPort": 1}]}}),
            json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": meta, "template": {"spec": {"containers": [{"name": "e"}]}}}),
        ];
        for value in objects {
            let decode = |value: Value| {
                let (version, kind) = (value["apiVersion"].as_str().unwrap_or_default(), value["kind"].as_str().unwrap_or_default());
                find_kind(version, kind).and_then(|_| Object::decode_as(version, kind, value.clone()).ok())
            };
            let objects: Vec<Object> = variants(&value).into_iter().filter_map(decode).collect();
            assert!(objects.len() > 20);
            for (at, variant) in objects.iter().enumerate() {
                for (old, new) in [(&objects[0], variant), (variant, &objects[0]), (&objects[at / 2], variant)] {
                    let [typed, json] = both(old, new);
                    assert_eq!(typed, json, "{}\n{}", old.to_json(), new.to_json());
                }
            }
        }
    }
}
