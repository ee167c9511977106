//! A configuration merged into an object (`typed.Merge`), and fields taken out of an object (`typed.RemoveItems`).

use super::atom::{Atom, ListKind, MapType, TypeRef, zip};
use super::path::PathElement;
use super::set::Set;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The object with the configuration in it. Nothing is removed; where both speak, the configuration is right.
pub(super) fn merge(type_: TypeRef<'_>, live: &Value, config: &Value) -> Value {
    walk(type_, Some(live), Some(config)).unwrap_or_else(|| Value::Object(Map::new()))
}

fn walk(type_: TypeRef<'_>, live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
    let shown = config.filter(|config| !config.is_null()).or(live).or(config)?;
    let leaf = || config.or(live).cloned();
    match type_.atom(shown) {
        Atom::Scalar(_) | Atom::List(ListKind::Atomic, _) | Atom::Map(MapType { atomic: true, .. }) => leaf(),
        Atom::List(kind, element) => {
            let (l, r) = (live.and_then(Value::as_array), config.and_then(Value::as_array));
            if l.is_none_or(Vec::is_empty) && r.is_none_or(Vec::is_empty) {
                return leaf();
            }
            let merged = lists(type_, kind, element, l.map_or(&[][..], Vec::as_slice), r.map_or(&[][..], Vec::as_slice));
            (!merged.is_empty()).then_some(Value::Array(merged))
        }
        Atom::Map(map) => {
            let (l, r) = (live.and_then(Value::as_object), config.and_then(Value::as_object));
            if l.is_none_or(Map::is_empty) && r.is_none_or(Map::is_empty) {
                return leaf();
            }
            let entries = zip(l, r).filter_map(|(key, l, r)| Some((key.clone(), walk(map.entry(key).1, l, r)?)));
            let merged: Map<String, Value> = entries.collect();
            (!merged.is_empty()).then_some(Value::Object(merged))
        }
    }
}

/// Elements of the configuration stand in its order; elements that only the object has keep their place among those of both.
fn lists(type_: TypeRef<'_>, kind: ListKind<'_>, element: TypeRef<'_>, live: &[Value], config: &[Value]) -> Vec<Value> {
    let steps = |items| type_.elements(kind, items);
    let (Ok(left), Ok(right)) = (steps(live), steps(config)) else { return config.to_vec() };
    // Elements of the object that stand twice are not merged, since nobody can say which is meant.
    let mut twice = BTreeSet::new();
    let mut live_of = BTreeMap::<&PathElement, &Value>::new();
    for (step, item) in left.iter().zip(live) {
        if live_of.insert(step, item).is_some() {
            twice.insert(step);
        }
    }
    let config_of: BTreeMap<&PathElement, &Value> = right.iter().zip(config).collect();
    let merged = |step: &PathElement| {
        let live = live_of.get(step).copied().filter(|_| !twice.contains(step));
        walk(element, live, config_of.get(step).copied())
    };
    let mut shared: VecDeque<&PathElement> = right.iter().filter(|step| live_of.contains_key(step)).collect();
    let mut out = Vec::with_capacity(live.len().max(config.len()));
    let mut done = BTreeSet::new();
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if l < left.len() && r < right.len() {
            if left[l] == right[r] {
                done.insert(&left[l]);
                out.extend(merged(&left[l]));
                (l, r) = (l + 1, r + 1);
                shared.pop_front();
                continue;
            }
            if config_of.contains_key(&left[l]) && shared.front().is_some_and(|next| **next != left[l]) {
                // Shared, but its turn comes later, where the configuration has it.
                l += 1;
                continue;
            }
        }
        if l < left.len() {
            if !config_of.contains_key(&left[l]) {
                out.extend(walk(element, Some(&live[l]), None));
                l += 1;
                continue;
            }
            if done.contains(&left[l]) {
                l += 1;
            }
        }
        if r < right.len() {
            done.insert(&right[r]);
            out.extend(merged(&right[r]));
            if shared.front().is_some_and(|next| **next == right[r]) {
                shared.pop_front();
            }
            r += 1;
        }
    }
    out
}

/// The value without what the set names. Empty lists and maps become null.
pub(super) fn remove(type_: TypeRef<'_>, value: &Value, gone: &Set) -> Value {
    if gone.is_empty() {
        return value.clone();
    }
    match (type_.atom(value), value) {
        (Atom::List(ListKind::Atomic, _), Value::Array(_)) | (Atom::Map(MapType { atomic: true, .. }), Value::Object(_)) => Value::Null,
        (Atom::List(kind, element), Value::Array(items)) => {
            let Ok(steps) = type_.elements(kind, items) else { return value.clone() };
            let kept = steps.iter().zip(items).filter_map(|(step, item)| match gone.get(step) {
                None => Some(item.clone()),
                Some(node) if node.member => None,
                Some(node) => Some(remove(element, item, &node.below)),
            });
            let kept: Vec<Value> = kept.collect();
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
        (Atom::Map(map), Value::Object(fields)) => {
            let kept = fields.iter().filter_map(|(name, value)| {
                let (step, type_, _) = map.entry(name);
                let kept = match gone.get(&step) {
                    None => value.clone(),
                    Some(node) if node.member => return None,
                    Some(node) => remove(type_, value, &node.below),
                };
                Some((name.clone(), kept))
            });
            let kept: Map<String, Value> = kept.collect();
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        _ => value.clone(),
    }
}

/// The set, with each named struct field that has paths below it as a member (`EnsureNamedFieldsAreMembers`).
pub(super) fn with_named_fields(type_: TypeRef<'_>, set: &Set) -> Set {
    let nodes = set.nodes().iter().map(|node| {
        let mut node = node.clone();
        let below = match &node.element {
            PathElement::Field(name) => match type_.atom(&Value::Object(Map::new())) {
                Atom::Map(map) => {
                    let (_, type_, named) = map.entry(name.as_str());
                    node.member |= named && !node.below.is_empty();
                    type_
                }
                _ => TypeRef::Deduced,
            },
            PathElement::Key(_) => match type_.atom(&Value::Array(Vec::new())) {
                Atom::List(_, element) => element,
                _ => TypeRef::Deduced,
            },
            _ => TypeRef::Deduced,
        };
        node.below = with_named_fields(below, &node.below);
        node
    });
    Set::of(nodes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find_kind;
    use serde_json::json;

    fn pod() -> TypeRef<'static> {
        TypeRef::Schema(crate::schema::for_kind(find_kind("v1", "Pod").unwrap()).unwrap())
    }

    #[test]
    fn maps_and_keyed_lists_are_merged_and_atomic_ones_replaced() {
        let live = json!({"metadata": {"labels": {"a": "1"}, "finalizers": ["x"]}, "spec": {"nodeSelector": {"k": "v"},
            "containers": [{"name": "c", "image": "1", "args": ["a"]}]}});
        let config = json!({"metadata": {"labels": {"b": "2"}, "finalizers": ["y"]}, "spec": {"nodeSelector": {"l": "w"},
            "containers": [{"name": "c", "args": ["b"]}]}});
        assert_eq!(
            merge(pod(), &live, &config),
            json!({"metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x", "y"]}, "spec": {"nodeSelector": {"l": "w"},
                "containers": [{"name": "c", "image": "1", "args": ["b"]}]}})
        );
    }

    #[test]
    fn merged_lists_keep_foreign_elements_in_place() {
        let order = |live: &[&str], config: &[&str]| {
            let list = |names: &[&str]| json!({"metadata": {"finalizers": names}});
            let merged = merge(pod(), &list(live), &list(config));
            merged["metadata"]["finalizers"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect::<String>()
        };
        assert_eq!(order(&["a", "b", "c"], &["b"]), "abc");
        assert_eq!(order(&["a", "b", "c"], &["c", "a"]), "bca");
        assert_eq!(order(&["a", "b"], &["c", "b", "d"]), "acbd");
        assert_eq!(order(&[], &["b", "a"]), "ba");
        assert_eq!(order(&["a", "x", "b"], &["b", "a"]), "xba");
    }

    #[test]
    fn removing_goes_by_path() {
        let value = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"nodeSelector": {"k": "v"},
            "containers": [{"name": "c", "image": "1"}, {"name": "d"}]}});
        let gone = json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:nodeSelector": {"f:k": {}},
            "f:containers": {r#"k:{"name":"c"}"#: {"f:image": {}}, r#"k:{"name":"d"}"#: {}}}});
        assert_eq!(
            remove(pod(), &value, &Set::from_json(&gone).unwrap()),
            json!({"metadata": {"labels": {"b": "2"}}, "spec": {"nodeSelector": null, "containers": [{"name": "c"}]}})
        );
    }
}
