//! What differs between two objects, as sets of field paths (`typed.Compare`).

use super::atom::{Atom, ListKind, MapType, TypeRef, zip};
use super::path::PathElement;
use super::set::{Node, Set};
use serde_json::{Map, Value};

/// What differs between two objects. A path is in one of the sets at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Fields that only the new object has.
    pub added: Set,
    /// Fields that both have, with other values.
    pub modified: Set,
    /// Fields that only the old object has.
    pub removed: Set,
}

impl Comparison {
    /// The same without what is at and below the paths of `ignored`.
    pub fn without(&self, ignored: &Set) -> Comparison {
        Comparison {
            added: self.added.recursive_difference(ignored),
            modified: self.modified.recursive_difference(ignored),
            removed: self.removed.recursive_difference(ignored),
        }
    }
}

/// Compares two values of a type. Fields that are the same in both may be left out of both.
pub(super) fn compare(type_: TypeRef<'_>, old: &Value, new: &Value) -> Comparison {
    walk(type_, Some(old), Some(new)).below()
}

/// What one of the sets has at and below a value.
#[derive(Debug, Default)]
struct Mark {
    member: bool,
    below: Set,
}

/// What is added, modified and removed at and below a value.
#[derive(Debug, Default)]
pub struct Marks([Mark; 3]);

impl Marks {
    /// What differs below the value.
    pub(super) fn below(self) -> Comparison {
        let [added, modified, removed] = self.0;
        Comparison { added: added.below, modified: modified.below, removed: removed.below }
    }

    /// The same for a value that only one of the objects may have.
    pub(super) fn of(mut self, old: bool, new: bool) -> Marks {
        self.0[ADDED].member |= !old;
        self.0[REMOVED].member |= old && !new;
        self
    }
}

const ADDED: usize = 0;
const MODIFIED: usize = 1;
const REMOVED: usize = 2;

/// The sets below a value, as they grow.
#[derive(Debug, Default)]
pub(super) struct Below([Vec<Node>; 3]);

impl Below {
    pub(super) fn push(&mut self, element: &PathElement, marks: Marks) {
        for (nodes, mark) in self.0.iter_mut().zip(marks.0) {
            if mark.member || !mark.below.is_empty() {
                nodes.push(Node { element: element.clone(), member: mark.member, below: mark.below });
            }
        }
    }

    fn push_one(&mut self, which: usize, element: &PathElement) {
        self.0[which].push(Node { element: element.clone(), member: true, below: Set::default() });
    }

    /// The marks of the value. Steps came sorted, each at most once to each of the sets.
    fn finish(self) -> Marks {
        Marks(self.0.map(|nodes| Mark { member: false, below: Set::of(nodes) }))
    }

    /// The same for steps in any order.
    pub(super) fn sorted(mut self) -> Marks {
        for nodes in &mut self.0 {
            nodes.sort_by(|left, right| left.element.cmp(&right.element));
        }
        self.finish()
    }
}

/// A value that is replaced whole.
pub(super) fn leaf<T: PartialEq>(old: Option<&T>, new: Option<&T>) -> Marks {
    let mut marks = Marks::default();
    match (old, new) {
        (None, _) => marks.0[ADDED].member = true,
        (_, None) => marks.0[REMOVED].member = true,
        (old, new) => marks.0[MODIFIED].member = old != new,
    }
    marks
}

pub(super) fn walk(type_: TypeRef<'_>, old: Option<&Value>, new: Option<&Value>) -> Marks {
    let Some(shown) = new.filter(|new| !new.is_null()).or(old).or(new) else { return Marks::default() };
    let atom = type_.atom(shown);
    if let (Some(old_value), Some(new_value)) = (old, new)
        && !old_value.is_null()
        && std::mem::discriminant(&type_.atom(old_value)) != std::mem::discriminant(&atom)
    {
        return other_shape(type_, old_value, new_value);
    }
    let marks = match atom {
        Atom::Scalar(_) => return leaf(old, new),
        Atom::List(kind, element) => {
            let (l, r) = (old.and_then(Value::as_array), new.and_then(Value::as_array));
            let nothing = l.is_none_or(Vec::is_empty) && r.is_none_or(Vec::is_empty);
            if nothing || matches!(kind, ListKind::Atomic) {
                return leaf(old, new);
            }
            let step = |item: &Value| type_.elements(kind, std::slice::from_ref(item)).unwrap_or_default().pop();
            let by_step = |items: Option<_>| by_step(items.map_or(&[][..], Vec::as_slice), step);
            lists(&by_step(l), &by_step(r), |old, new| walk(element, old, new))
        }
        Atom::Map(map) => {
            let (l, r) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
            let nothing = l.is_none_or(Map::is_empty) && r.is_none_or(Map::is_empty);
            if nothing || map.atomic {
                return leaf(old, new);
            }
            maps(map, l, r)
        }
    };
    marks.of(old.is_some(), new.is_some())
}

/// A value without a type of its own that became something else: what was below it goes, what is below it now comes.
fn other_shape(type_: TypeRef<'_>, old: &Value, new: &Value) -> Marks {
    let [_, _, removed] = walk(type_, Some(old), None).0;
    let [added, _, _] = walk(type_, None, Some(new)).0;
    let either_is_leaf = removed.below.is_empty() || added.below.is_empty();
    Marks([
        Mark { member: false, below: added.below },
        Mark { member: either_is_leaf, below: Set::default() },
        Mark { member: false, below: removed.below },
    ])
}

fn maps(map: MapType<'_>, old: Option<&Map<String, Value>>, new: Option<&Map<String, Value>>) -> Marks {
    let mut below = Below::default();
    for (key, left, right) in zip(old, new) {
        let (element, type_, _) = map.entry(key);
        let left = left.or_else(|| old.and_then(|_| type_.absent()));
        let right = right.or_else(|| new.and_then(|_| type_.absent()));
        below.push(&element, walk(type_, left, right));
    }
    below.finish()
}

/// The elements of a list with their steps.
type Steps<'v, T> = [(PathElement, &'v T)];

/// Elements that cannot be told apart are compared as one.
pub(super) fn lists<T: PartialEq>(
    mut left: &Steps<'_, T>,
    mut right: &Steps<'_, T>,
    walk: impl Fn(Option<&T>, Option<&T>) -> Marks,
) -> Marks {
    let mut below = Below::default();
    while let Some(step) = left.first().into_iter().chain(right.first()).map(|(step, _)| step).min() {
        let (l, r) = (take_all(&mut left, step), take_all(&mut right, step));
        match (l, r) {
            ([] | [_], [] | [_]) => below.push(step, walk(l.first().map(|l| l.1), r.first().map(|r| r.1))),
            ([_, _, ..], [_, _, ..]) if l != r => below.push_one(MODIFIED, step),
            ([_, _, ..], [_, _, ..]) => {}
            ([_, _, ..], r) => {
                if let [(_, one)] = r {
                    below.push(step, walk(None, Some(one)));
                }
                below.push_one(REMOVED, step);
            }
            (l, _) => {
                if let [(_, one)] = l {
                    below.push(step, walk(Some(one), None));
                }
                below.push_one(ADDED, step);
            }
        }
    }
    below.finish()
}

/// Takes the elements at the front that have the step.
fn take_all<'s, 'v, T>(items: &mut &'s Steps<'v, T>, step: &PathElement) -> &'s Steps<'v, T> {
    let count = items.iter().take_while(|(other, _)| other == step).count();
    let (taken, rest) = items.split_at(count);
    *items = rest;
    taken
}

/// The elements of a list with their steps, sorted by them. An element without a step cannot be spoken of; validation has named it.
pub(super) fn by_step<T>(items: &[T], step: impl Fn(&T) -> Option<PathElement>) -> Vec<(PathElement, &T)> {
    let mut found: Vec<(PathElement, &T)> = items.iter().filter_map(|item| step(item).map(|step| (step, item))).collect();
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find_kind;
    use serde_json::json;

    fn pod(old: Value, new: Value) -> [Value; 3] {
        let schema = crate::schema::for_kind(find_kind("v1", "Pod").unwrap()).unwrap();
        let comparison = compare(TypeRef::Schema(schema), &old, &new);
        [comparison.added.to_json(), comparison.modified.to_json(), comparison.removed.to_json()]
    }

    #[test]
    fn maps_lists_and_sets_are_compared_entry_by_entry() {
        let old = json!({"metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x"]},
            "spec": {"containers": [{"name": "c", "image": "1", "args": ["a"]}], "nodeSelector": {"k": "v"}}});
        let new = json!({"metadata": {"labels": {"a": "3"}, "finalizers": ["x", "y"]},
            "spec": {"containers": [{"name": "c", "image": "2", "args": ["b"]}, {"name": "d"}], "nodeSelector": {"k": "w"}}});
        let [added, modified, removed] = pod(old, new);
        assert_eq!(
            added,
            json!({"f:metadata": {"f:finalizers": {"v:\"y\"": {}}},
                "f:spec": {"f:containers": {r#"k:{"name":"d"}"#: {".": {}, "f:name": {}}}}})
        );
        let container = json!({"f:image": {}, "f:args": {}});
        assert_eq!(
            modified,
            json!({"f:metadata": {"f:labels": {"f:a": {}}},
                "f:spec": {"f:containers": {r#"k:{"name":"c"}"#: container}, "f:nodeSelector": {}}})
        );
        assert_eq!(removed, json!({"f:metadata": {"f:labels": {"f:b": {}}}}));
    }

    #[test]
    fn a_new_object_has_no_fields_where_go_has_empty_structs() {
        let new = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "c", "resources": {}}], "volumes": []}});
        let [added, modified, _] = pod(json!({}), new);
        let containers = json!({r#"k:{"name":"c"}"#: {".": {}, "f:name": {}, "f:resources": {}}});
        let spec = json!({"f:containers": containers, "f:volumes": {}});
        assert_eq!(added, json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": spec}));
        assert_eq!(modified, json!({}));
    }

    #[test]
    fn elements_that_stand_twice_are_one() {
        let env = |values: &[&str]| {
            let env: Vec<Value> = values.iter().map(|value| json!({"name": "E", "value": value})).collect();
            json!({"spec": {"containers": [{"name": "c", "env": env}]}})
        };
        let path = |below: Value| json!({"f:spec": {"f:containers": {r#"k:{"name":"c"}"#: {"f:env": {r#"k:{"name":"E"}"#: below}}}}});
        assert_eq!(pod(env(&["1", "2"]), env(&["1", "3"])), [json!({}), path(json!({})), json!({})]);
        let whole = json!({"f:name": {}, "f:value": {}});
        assert_eq!(pod(env(&["1"]), env(&["1", "2"]))[0], path(json!({})));
        assert_eq!(pod(env(&["1"]), env(&["1", "2"]))[2], path(json!({".": {}, "f:name": {}, "f:value": {}})));
        assert_eq!(pod(env(&["1", "2"]), env(&["1"]))[0], path(json!({".": {}, "f:name": whole["f:name"], "f:value": {}})));
    }

    #[test]
    fn values_of_any_type_are_compared_by_what_they_are() {
        let schema = TypeRef::Deduced;
        let changed = compare(schema, &json!({"a": {"x": 1}, "b": [1], "c": 1}), &json!({"a": {"x": 2, "y": 1}, "b": [2], "c": {"z": 1}}));
        assert_eq!(changed.modified.to_json(), json!({"f:a": {"f:x": {}}, "f:b": {}, "f:c": {}}));
        assert_eq!(changed.added.to_json(), json!({"f:a": {"f:y": {}}, "f:c": {"f:z": {}}}));
        assert!(changed.removed.is_empty());
    }
}
