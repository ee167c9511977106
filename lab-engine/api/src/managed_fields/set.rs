//! Sets of field paths (`fieldpath.Set`): sorted trees whose unchanged parts are shared.

use super::path::PathElement;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A set of paths. Cloning shares it; an operation that changes nothing gives the set it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set(Option<Arc<[Node]>>);

/// A step, and what the set has at and below it: never nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The step.
    pub element: PathElement,
    /// Whether the path that ends here is in the set.
    pub member: bool,
    /// The paths that go on.
    pub below: Set,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }

    fn is_same(&self, other: &Node) -> bool {
        self.member == other.member && self.below.is_same(&other.below) && self.element == other.element
    }
}

impl Set {
    /// A set of sorted steps; those with nothing at and below them are left out.
    pub(super) fn of(mut nodes: Vec<Node>) -> Set {
        nodes.retain(|node| !node.is_empty());
        if nodes.is_empty() { Set(None) } else { Set(Some(nodes.into())) }
    }

    pub(super) fn shared(nodes: Arc<[Node]>) -> Set {
        Set(Some(nodes))
    }

    pub(super) fn as_shared(&self) -> Option<&Arc<[Node]>> {
        self.0.as_ref()
    }

    /// The steps, sorted.
    pub fn nodes(&self) -> &[Node] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether no path is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether both are one set in memory, or both empty.
    pub fn is_same(&self, other: &Set) -> bool {
        match (&self.0, &other.0) {
            (Some(left), Some(right)) => Arc::ptr_eq(left, right),
            (None, None) => true,
            _ => false,
        }
    }

    /// What the set has at a step.
    pub fn get(&self, element: &PathElement) -> Option<&Node> {
        let nodes = self.nodes();
        nodes.binary_search_by(|node| node.element.cmp(element)).ok().map(|at| &nodes[at])
    }

    /// Whether the path is in the set. The empty path never is.
    pub fn has(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.get(last).is_some_and(|node| node.member),
            [first, rest @ ..] => self.get(first).is_some_and(|node| node.below.has(rest)),
        }
    }

    /// Adds a path. The empty path is not kept.
    pub fn insert(&mut self, path: &[PathElement]) {
        let Some((first, rest)) = path.split_first() else { return };
        let mut nodes = self.nodes().to_vec();
        let at = nodes.binary_search_by(|node| node.element.cmp(first)).unwrap_or_else(|at| {
            nodes.insert(at, Node { element: first.clone(), member: false, below: Set::default() });
            at
        });
        if rest.is_empty() {
            nodes[at].member = true;
        } else {
            nodes[at].below.insert(rest);
        }
        *self = Set::of(nodes);
    }

    /// The set of these paths of plain fields.
    pub fn of_fields(paths: &[&[&'static str]]) -> Set {
        let mut set = Set::default();
        for path in paths {
            set.insert(&path.iter().map(|name| PathElement::field(name)).collect::<Vec<_>>());
        }
        set
    }

    /// All paths of either set.
    pub fn union(&self, other: &Set) -> Set {
        if other.is_empty() || self.is_same(other) {
            return self.clone();
        }
        if self.is_empty() {
            return other.clone();
        }
        self.combine(other, |left, right| match (left, right) {
            (Some(left), Some(right)) => {
                Some(Node { element: left.element.clone(), member: left.member || right.member, below: left.below.union(&right.below) })
            }
            (one, other) => one.or(other).cloned(),
        })
    }

    /// The paths of both sets.
    pub fn intersection(&self, other: &Set) -> Set {
        if self.is_same(other) {
            return self.clone();
        }
        self.combine(other, |left, right| {
            let (left, right) = (left?, right?);
            let below = left.below.intersection(&right.below);
            Some(Node { element: left.element.clone(), member: left.member && right.member, below })
        })
    }

    /// The paths that are not in the other set.
    pub fn difference(&self, other: &Set) -> Set {
        if self.is_empty() || other.is_empty() {
            return self.clone();
        }
        self.combine(other, |left, right| {
            let left = left?;
            let Some(right) = right else { return Some(left.clone()) };
            let below = left.below.difference(&right.below);
            Some(Node { element: left.element.clone(), member: left.member && !right.member, below })
        })
    }

    /// The paths that are neither in the other set nor below one of its paths.
    pub fn recursive_difference(&self, other: &Set) -> Set {
        if self.is_empty() || other.is_empty() {
            return self.clone();
        }
        self.combine(other, |left, right| {
            let left = left?;
            let Some(right) = right else { return Some(left.clone()) };
            let below = left.below.recursive_difference(&right.below);
            (!right.member).then(|| Node { element: left.element.clone(), member: left.member, below })
        })
    }

    /// Walks two sorted lists side by side; gives this set itself when nothing changed.
    fn combine(&self, other: &Set, mut merge: impl FnMut(Option<&Node>, Option<&Node>) -> Option<Node>) -> Set {
        let (mut left, mut right) = (self.nodes(), other.nodes());
        let mut nodes = Vec::with_capacity(left.len().max(right.len()));
        loop {
            let order = match (left.first(), right.first()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(l), Some(r)) => l.element.cmp(&r.element),
            };
            let l = if order.is_le() { left.split_off_first() } else { None };
            let r = if order.is_ge() { right.split_off_first() } else { None };
            nodes.extend(merge(l, r).filter(|node| !node.is_empty()));
        }
        let old = self.nodes();
        if nodes.len() == old.len() && nodes.iter().zip(old).all(|(new, old)| new.is_same(old)) {
            return self.clone();
        }
        Set::of(nodes)
    }

    /// Each path, those that end at a level before those that go on.
    pub fn for_each(&self, visit: &mut impl FnMut(&[PathElement])) {
        self.for_each_below(&mut Vec::new(), visit);
    }

    fn for_each_below(&self, path: &mut Vec<PathElement>, visit: &mut impl FnMut(&[PathElement])) {
        for members in [true, false] {
            for node in self.nodes() {
                path.push(node.element.clone());
                match members {
                    true if node.member => visit(path),
                    true => {}
                    false => node.below.for_each_below(path, visit),
                }
                path.pop();
            }
        }
    }

    /// The form of `FieldsV1`.
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        for node in self.nodes() {
            let mut below = node.below.to_json();
            if node.member && !node.below.is_empty() {
                below["."] = Value::Object(Map::new());
            }
            fields.insert(node.element.text(), below);
        }
        Value::Object(fields)
    }

    /// Reads the form of `FieldsV1`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(value: &Value) -> Result<Set, String> {
        let Value::Object(fields) = value else { return Err(format!("expected an object, got {value}")) };
        let mut nodes = Vec::with_capacity(fields.len());
        for (text, below) in fields.iter().filter(|(text, _)| *text != ".") {
            let member = below.as_object().is_some_and(|below| below.is_empty() || below.contains_key("."));
            nodes.push(Node { element: PathElement::parse(text)?, member, below: Set::from_json(below)? });
        }
        nodes.sort_by(|left, right| left.element.cmp(&right.element));
        Ok(Set::of(nodes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(value: Value) -> Set {
        Set::from_json(&value).unwrap()
    }

    #[test]
    fn sets_are_combined_path_by_path() {
        let left = set(json!({"f:a": {".": {}, "f:x": {}}, "f:b": {}, "f:c": {"f:y": {}}}));
        let right = set(json!({"f:a": {"f:x": {}}, "f:c": {}}));
        assert_eq!(left.union(&right), set(json!({"f:a": {".": {}, "f:x": {}}, "f:b": {}, "f:c": {".": {}, "f:y": {}}})));
        assert_eq!(left.intersection(&right), set(json!({"f:a": {"f:x": {}}})));
        assert_eq!(left.difference(&right), set(json!({"f:a": {}, "f:b": {}, "f:c": {"f:y": {}}})));
        assert_eq!(left.recursive_difference(&right), set(json!({"f:a": {}, "f:b": {}})));
        assert!(left.difference(&left).is_empty());
    }

    #[test]
    fn what_does_not_change_is_shared() {
        let left = set(json!({"f:a": {"f:x": {}}, "f:b": {}}));
        let part = set(json!({"f:a": {"f:x": {}}}));
        assert!(left.union(&part).is_same(&left));
        assert!(left.difference(&set(json!({"f:z": {}}))).is_same(&left));
        assert!(left.intersection(&left.clone()).is_same(&left));
    }

    #[test]
    fn paths_are_listed_by_level() {
        let mut paths = Vec::new();
        set(json!({"f:a": {"f:x": {}}, "f:b": {}}))
            .for_each(&mut |path| paths.push(path.iter().map(|e| e.to_string()).collect::<String>()));
        assert_eq!(paths, [".b", ".a.x"]);
    }

    #[test]
    fn fields_v1_reads_back_as_it_was() {
        let value = json!({"f:spec": {"f:containers": {r#"k:{"name":"a"}"#: {".": {}, "f:name": {}}}}, "f:status": {}});
        assert_eq!(set(value.clone()).to_json(), value);
        assert!(Set::from_json(&json!({"spec": {}})).is_err());
        assert!(Set::from_json(&json!({"f:spec": true})).is_err());
    }
}
