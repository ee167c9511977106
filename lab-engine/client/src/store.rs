//! The cache behind an informer: objects by key, and indices over them (`client-go/tools/cache/store.go`, `thread_safe_store.go`).
//!
//! An index is a function from an object to the values under which it is found, for example the UID of its controller. The cache keeps
//! the places of the objects of each value together, so a look-up costs what it finds, not what the cache holds. A newer state of an object
//! that stands under the same values is put in its place, and no index is touched.

use crate::reflector::Reflected;
use api::meta::ResourceVersion;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

/// Namespace and name: what a work queue holds and a cache is keyed by (`cache.ObjectName`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The namespace; empty for objects of the cluster.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ObjectKey {
    /// A key; `namespace` is empty for objects of the cluster.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        ObjectKey { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object (`MetaNamespaceKeyFunc`).
    pub fn of<R: Reflected>(object: &R) -> Self {
        let metadata = object.metadata();
        ObjectKey::new(metadata.namespace.as_str(), metadata.name.as_str())
    }

    /// Reads a key as it is printed (`SplitMetaNamespaceKey`).
    ///
    /// # Errors
    /// The message of upstream for a text with more than one slash.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split('/').collect::<Vec<_>>()[..] {
            [name] => Ok(ObjectKey::new("", name)),
            [namespace, name] => Ok(ObjectKey::new(namespace, name)),
            _ => Err(format!("unexpected key format: {text:?}")),
        }
    }
}

/// Namespace and name, owned or borrowed, so that looking an object up copies neither.
trait Named {
    fn parts(&self) -> (&str, &str);
}

impl Named for ObjectKey {
    fn parts(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}

impl Named for (&str, &str) {
    fn parts(&self) -> (&str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Named + 'a> for ObjectKey {
    fn borrow(&self) -> &(dyn Named + 'a) {
        self
    }
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Named + '_ {}

impl PartialOrd for dyn Named + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Named + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl fmt::Display for ObjectKey {
    /// `default/web`, or `node-1` for objects of the cluster.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// The values under which an index finds an object (`cache.IndexFunc`).
pub type IndexFunc<R> = fn(&R) -> Vec<String>;

#[derive(Debug)]
struct Index<R> {
    function: IndexFunc<R>,
    /// The places of the objects of each value.
    places: BTreeMap<String, BTreeMap<ObjectKey, usize>>,
}

/// Objects of one kind by key, with indices.
#[derive(Debug)]
pub struct Indexer<R> {
    places: BTreeMap<ObjectKey, usize>,
    /// The objects by place; `None` at those that are free.
    objects: Vec<Option<Arc<R>>>,
    free: Vec<usize>,
    indices: BTreeMap<&'static str, Index<R>>,
    newest: ResourceVersion,
}

impl<R> Default for Indexer<R> {
    fn default() -> Self {
        let (places, objects, free) = (BTreeMap::new(), Vec::new(), Vec::new());
        Indexer { places, objects, free, indices: BTreeMap::new(), newest: ResourceVersion::default() }
    }
}

impl<R: Reflected> Indexer<R> {
    /// Adds an index under `name`; objects already in the cache are indexed at once. A second index of the same name replaces the first.
    pub fn add_index(&mut self, name: &'static str, function: IndexFunc<R>) {
        let mut index = Index { function, places: BTreeMap::new() };
        for (key, &place) in &self.places {
            if let Some(object) = &self.objects[place] {
                index.insert(key, place, object);
            }
        }
        self.indices.insert(name, index);
    }

    /// The object with this key.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<R>> {
        self.at(*self.places.get(key)?)
    }

    fn at(&self, place: usize) -> Option<&Arc<R>> {
        self.objects.get(place)?.as_ref()
    }

    /// All objects, by namespace, then by name.
    pub fn list(&self) -> impl Iterator<Item = &Arc<R>> + Clone {
        self.places.values().filter_map(|&place| self.at(place))
    }

    /// The objects of one namespace, by name.
    pub fn list_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<R>> {
        let from: &dyn Named = &(namespace, "");
        let places = self.places.range::<dyn Named + '_, _>((Bound::Included(from), Bound::Unbounded));
        places.take_while(move |(key, _)| key.namespace == namespace).filter_map(|(_, &place)| self.at(place))
    }

    /// The objects that the index `name` finds under `value`, by key. Empty when there is no such index.
    pub fn by_index<'a>(&'a self, name: &str, value: &str) -> impl Iterator<Item = &'a Arc<R>> {
        let places = self.indices.get(name).and_then(|index| index.places.get(value));
        places.into_iter().flat_map(BTreeMap::values).filter_map(|&place| self.at(place))
    }

    /// The values under which the index `name` finds something, in order. Empty when there is no such index.
    pub fn index_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.indices.get(name).into_iter().flat_map(|index| index.places.keys().map(String::as_str))
    }

    /// The names of the indices, in order.
    pub fn index_names(&self) -> impl Iterator<Item = &'static str> {
        self.indices.keys().copied()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Puts an object in, and returns the one it replaces.
    pub fn insert(&mut self, object: Arc<R>) -> Option<Arc<R>> {
        let metadata = object.metadata();
        self.has_seen(metadata.resource_version);
        let name: &dyn Named = &(metadata.namespace.as_str(), metadata.name.as_str());
        if let Some((key, &place)) = self.places.get_key_value(name) {
            let old = self.objects[place].replace(object.clone());
            for index in self.indices.values_mut() {
                index.replace(key, place, old.as_deref(), &object);
            }
            return old;
        }
        let key = ObjectKey::of(object.as_ref());
        let place = self.free.pop().unwrap_or(self.objects.len());
        for index in self.indices.values_mut() {
            index.insert(&key, place, &object);
        }
        match self.objects.get_mut(place) {
            Some(free) => *free = Some(object),
            None => self.objects.push(Some(object)),
        }
        self.places.insert(key, place);
        None
    }

    /// Takes an object out whose last state is known.
    pub fn delete(&mut self, last: &R) -> Option<Arc<R>> {
        self.has_seen(last.metadata().resource_version);
        self.remove(&ObjectKey::of(last))
    }

    /// Puts these objects in the place of all others. `version` is that of the list that had them.
    pub fn replace(&mut self, objects: Vec<Arc<R>>, version: ResourceVersion) {
        self.places.clear();
        self.objects.clear();
        self.free.clear();
        self.indices.values_mut().for_each(|index| index.places.clear());
        for object in objects {
            self.insert(object);
        }
        self.has_seen(version);
    }

    /// The version of what came in last; 0 before anything with a version did (`LastStoreSyncResourceVersion`).
    pub fn resource_version(&self) -> ResourceVersion {
        self.newest
    }

    fn has_seen(&mut self, version: ResourceVersion) {
        if version != ResourceVersion::default() {
            self.newest = version;
        }
    }

    /// Takes an object out.
    pub fn remove(&mut self, key: &ObjectKey) -> Option<Arc<R>> {
        let place = self.places.remove(key)?;
        self.free.push(place);
        let old = self.objects[place].take()?;
        for index in self.indices.values_mut() {
            index.remove(key, &old);
        }
        Some(old)
    }

    /// The keys of all objects, in order.
    pub fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.places.keys()
    }
}

impl<R> Index<R> {
    /// A new state stands at the place of the old one. Mostly it is found under the same values.
    fn replace(&mut self, key: &ObjectKey, place: usize, old: Option<&R>, new: &R) {
        let (before, after) = (old.map(self.function).unwrap_or_default(), (self.function)(new));
        if before != after {
            self.remove_from(key, before);
            self.insert_under(key, place, after);
        }
    }

    fn insert(&mut self, key: &ObjectKey, place: usize, object: &R) {
        self.insert_under(key, place, (self.function)(object));
    }

    fn insert_under(&mut self, key: &ObjectKey, place: usize, values: Vec<String>) {
        for value in values {
            self.places.entry(value).or_default().insert(key.clone(), place);
        }
    }

    fn remove(&mut self, key: &ObjectKey, object: &R) {
        self.remove_from(key, (self.function)(object));
    }

    fn remove_from(&mut self, key: &ObjectKey, values: Vec<String>) {
        for value in values {
            if let Some(places) = self.places.get_mut(&value) {
                places.remove(key);
                if places.is_empty() {
                    self.places.remove(&value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::core::Pod;

    fn pod(name: &str, node: &str) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.namespace = "default".to_owned();
        pod.metadata.name = name.to_owned();
        pod.spec.node_name = node.to_owned();
        Arc::new(pod)
    }

    #[test]
    fn an_index_follows_its_objects() {
        let mut pods = Indexer::default();
        pods.insert(pod("early", "a"));
        pods.add_index("node", |pod: &Pod| vec![pod.spec.node_name.clone()]);
        pods.insert(pod("web", "a"));
        pods.insert(pod("early", "b"));
        let names = |node: &str| pods.by_index("node", node).map(|pod| pod.metadata.name.clone()).collect::<Vec<_>>();
        assert_eq!((names("a"), names("b")), (vec!["web".to_owned()], vec!["early".to_owned()]));
        assert_eq!(pods.index_values("node").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(pods.list_namespace("default").count(), 2);
        assert_eq!(pods.list_namespace("defaul").count(), 0);
        pods.remove(&ObjectKey::new("default", "early"));
        assert_eq!(pods.by_index("node", "b").count(), 0);
        pods.insert(pod("late", "c"));
        pods.insert(pod("more", "c"));
        pods.insert(pod("web", "a"));
        let names = |node: &str| pods.by_index("node", node).map(|pod| pod.metadata.name.clone()).collect::<Vec<_>>();
        assert_eq!((names("a"), names("c")), (vec!["web".to_owned()], vec!["late".to_owned(), "more".to_owned()]));
        assert_eq!(pods.list().map(|pod| pod.metadata.name.as_str()).collect::<Vec<_>>(), ["late", "more", "web"]);
        assert_eq!(pods.get(&ObjectKey::new("default", "late")).map(|pod| pod.spec.node_name.as_str()), Some("c"));
        pods.replace(vec![pod("only", "a")], ResourceVersion(9));
        assert_eq!((pods.len(), pods.by_index("node", "a").count(), pods.by_index("node", "c").count()), (1, 1, 0));
    }
}
