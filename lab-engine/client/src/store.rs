//! The cache behind an informer: objects by key, and indices over them (`client-go/tools/cache/store.go`, `thread_safe_store.go`).
//!
//! An index is a function from an object to the values under which it is found, for example the UID of its controller. The cache keeps
//! the objects of each value together, so a look-up costs what it finds, not what the cache holds.

use crate::reflector::Reflected;
use api::meta::ResourceVersion;
use std::collections::BTreeMap;
use std::fmt;
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
    objects: BTreeMap<String, BTreeMap<ObjectKey, Arc<R>>>,
}

/// Objects of one kind by key, with indices.
#[derive(Debug)]
pub struct Indexer<R> {
    objects: BTreeMap<ObjectKey, Arc<R>>,
    indices: BTreeMap<&'static str, Index<R>>,
    newest: ResourceVersion,
}

impl<R> Default for Indexer<R> {
    fn default() -> Self {
        Indexer { objects: BTreeMap::new(), indices: BTreeMap::new(), newest: ResourceVersion::default() }
    }
}

impl<R: Reflected> Indexer<R> {
    /// Adds an index under `name`; objects already in the cache are indexed at once. A second index of the same name replaces the first.
    pub fn add_index(&mut self, name: &'static str, function: IndexFunc<R>) {
        let mut index = Index { function, objects: BTreeMap::new() };
        for (key, object) in &self.objects {
            index.insert(key, object);
        }
        self.indices.insert(name, index);
    }

    /// The object with this key.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<R>> {
        self.objects.get(key)
    }

    /// All objects, by namespace, then by name.
    pub fn list(&self) -> impl Iterator<Item = &Arc<R>> + Clone {
        self.objects.values()
    }

    /// The objects of one namespace, by name.
    pub fn list_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<R>> {
        let from = ObjectKey::new(namespace, "");
        self.objects.range(from..).take_while(move |(key, _)| key.namespace == namespace).map(|(_, object)| object)
    }

    /// The objects that the index `name` finds under `value`, by key. Empty when there is no such index.
    pub fn by_index<'a>(&'a self, name: &str, value: &str) -> impl Iterator<Item = &'a Arc<R>> {
        self.indices.get(name).and_then(|index| index.objects.get(value)).into_iter().flat_map(BTreeMap::values)
    }

    /// The values under which the index `name` finds something, in order. Empty when there is no such index.
    pub fn index_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.indices.get(name).into_iter().flat_map(|index| index.objects.keys().map(String::as_str))
    }

    /// The names of the indices, in order.
    pub fn index_names(&self) -> impl Iterator<Item = &'static str> {
        self.indices.keys().copied()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Puts an object in, and returns the one it replaces.
    pub fn insert(&mut self, object: Arc<R>) -> Option<Arc<R>> {
        let key = ObjectKey::of(object.as_ref());
        self.has_seen(object.metadata().resource_version);
        if let Some(place) = self.objects.get_mut(&key) {
            let old = std::mem::replace(place, object.clone());
            for index in self.indices.values_mut() {
                index.replace(&key, &old, &object);
            }
            return Some(old);
        }
        for index in self.indices.values_mut() {
            index.insert(&key, &object);
        }
        self.objects.insert(key, object);
        None
    }

    /// Takes an object out whose last state is known.
    pub fn delete(&mut self, last: &R) -> Option<Arc<R>> {
        self.has_seen(last.metadata().resource_version);
        self.remove(&ObjectKey::of(last))
    }

    /// Puts these objects in the place of all others. `version` is that of the list that had them.
    pub fn replace(&mut self, objects: Vec<Arc<R>>, version: ResourceVersion) {
        self.objects.clear();
        self.indices.values_mut().for_each(|index| index.objects.clear());
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
        let old = self.objects.remove(key)?;
        for index in self.indices.values_mut() {
            index.remove(key, &old);
        }
        Some(old)
    }

    /// The keys of all objects, in order.
    pub fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.objects.keys()
    }
}

impl<R> Index<R> {
    /// Puts a new state in the place of the old one. Mostly it stands under the same values.
    fn replace(&mut self, key: &ObjectKey, old: &R, new: &Arc<R>) {
        let (before, after) = ((self.function)(old), (self.function)(new));
        if before != after {
            self.remove_from(key, before);
            return self.insert_under(key, new, after);
        }
        for value in after {
            if let Some(place) = self.objects.get_mut(&value).and_then(|objects| objects.get_mut(key)) {
                *place = new.clone();
            }
        }
    }

    fn insert(&mut self, key: &ObjectKey, object: &Arc<R>) {
        self.insert_under(key, object, (self.function)(object));
    }

    fn insert_under(&mut self, key: &ObjectKey, object: &Arc<R>, values: Vec<String>) {
        for value in values {
            self.objects.entry(value).or_default().insert(key.clone(), object.clone());
        }
    }

    fn remove(&mut self, key: &ObjectKey, object: &R) {
        self.remove_from(key, (self.function)(object));
    }

    fn remove_from(&mut self, key: &ObjectKey, values: Vec<String>) {
        for value in values {
            if let Some(objects) = self.objects.get_mut(&value) {
                objects.remove(key);
                if objects.is_empty() {
                    self.objects.remove(&value);
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
    }
}
