//! What the reader of a manifest's page has done before, and which manifests are meant to end in another way than with everything ready.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The table that comes with the program, for the manifests of the documentation and of the collections beside it.
const TABLE: &str = include_str!("prepared.yaml");

/// What is known of a manifest. What comes before it comes in the order of the fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The manifest's path; a corpus may put folders before it.
    pub path: String,
    /// How many nodes the page asks for.
    #[serde(default)]
    pub nodes: Option<usize>,
    /// What one of the nodes, `node-2`, has more of than others: capacity by the name of the resource.
    #[serde(default)]
    pub resources: BTreeMap<String, String>,
    /// Whether the cluster lacks a default StorageClass.
    #[serde(default)]
    pub no_default_class: bool,
    /// What the reader writes in the place of a placeholder: text by text.
    #[serde(default)]
    pub fills: BTreeMap<String, String>,
    /// Kinds of add-ons that the reader has installed.
    #[serde(default)]
    pub installs: Vec<Installed>,
    /// Objects that the reader has, as YAML.
    #[serde(default)]
    pub objects: Option<String>,
    /// Manifests of the same corpus that are applied before, by the ends of their paths.
    #[serde(default)]
    pub first: Vec<String>,
    /// Lines of the terminal that prepare it.
    #[serde(default)]
    pub before: Vec<String>,
    /// How many seconds of the cluster's time it may take, when it is made to take long.
    #[serde(default)]
    pub within: Option<u64>,
    /// What the cluster says in the end, if not everything is to be ready: in the answer, a Pod's state or an event.
    #[serde(default)]
    pub ends: Option<String>,
    /// What the cluster does otherwise, or cannot do, so that it waits or is refused here and not in Kubernetes.
    #[serde(default)]
    pub limit: Option<String>,
    /// Why it ends so, or what stands in for what, for whoever reads the table and the report.
    #[serde(default)]
    pub why: Option<String>,
}

/// A kind of an add-on: `networking.istio.io/v1beta1 VirtualService`, with ` cluster` behind it for one that lies in no namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Installed {
    group: String,
    version: String,
    kind: String,
    in_cluster: bool,
}

impl TryFrom<String> for Installed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let (api_version, kind, in_cluster) = match words[..] {
            [api_version, kind] => (api_version, kind, false),
            [api_version, kind, "cluster"] => (api_version, kind, true),
            _ => return Err(format!("{text:?} is not `GROUP/VERSION KIND` nor `GROUP/VERSION KIND cluster`")),
        };
        let (group, version) = api_version.split_once('/').ok_or_else(|| format!("{api_version:?} has no group"))?;
        Ok(Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned(), in_cluster })
    }
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.group, self.version, self.kind)
    }
}

impl Installed {
    /// A definition of the kind that lets any fields be: what add-ons check is theirs.
    pub fn definition(&self) -> String {
        let Self { group, version, kind, in_cluster } = self;
        let scope = if *in_cluster { "Cluster" } else { "Namespaced" };
        let singular = kind.to_lowercase();
        let plural = match singular.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None if singular.ends_with('s') => format!("{singular}es"),
            None => format!("{singular}s"),
        };
        // Groups below `k8s.io` are protected: their definitions say who approved them.
        format!(
            "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: {plural}.{group}
  annotations: {{api-approved.kubernetes.io: 'unapproved, stands in for the definition of an add-on'}}
spec:
  group: {group}
  scope: {scope}
  names: {{kind: {kind}, plural: {plural}, singular: {singular}}}
  versions:
  - name: {version}
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"
        )
    }
}

/// What is known of all manifests.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    known: BTreeMap<String, Expected>,
}

impl Prepared {
    /// The table that comes with the program.
    ///
    /// # Errors
    /// When it is not right, which a test excludes.
    pub fn with_program() -> Result<Self> {
        Self::parse(TABLE)
    }

    /// Reads a table.
    ///
    /// # Errors
    /// When it is no list of [`Expected`], names a path twice, or says that a manifest ends otherwise and not why.
    pub fn parse(text: &str) -> Result<Self> {
        let entries: Vec<Expected> = serde_yaml::from_str(text).context("the table of manifests")?;
        let mut known = BTreeMap::new();
        for entry in entries {
            let path = entry.path.clone();
            if (entry.ends.is_some() || !entry.fills.is_empty()) && entry.why.is_none() {
                bail!("the table of manifests does not say why {path} ends otherwise, or what fills its placeholders");
            }
            if known.insert(path.clone(), entry).is_some() {
                bail!("the table of manifests has {path} twice");
            }
        }
        Ok(Self { known })
    }

    /// What is known of the manifest at this path: the entry whose path is its end, folder by folder.
    pub fn of(&self, path: &str) -> Option<&Expected> {
        ends_of(path).find_map(|end| self.known.get(end))
    }
}

/// A path, and what is left of it without its first folders.
fn ends_of(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |rest| rest.split_once('/').map(|(_, rest)| rest))
}

/// Whether a path ends with the other, folder by folder.
pub fn is_end(path: &str, end: &str) -> bool {
    ends_of(path).any(|rest| rest == end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_that_comes_along_is_right_and_says_something_of_each() {
        let prepared = Prepared::with_program().unwrap();
        let idle = |entry: &Expected| {
            let Expected {
                path: _,
                nodes,
                resources,
                no_default_class,
                fills,
                installs,
                objects,
                first,
                before,
                within,
                ends,
                limit,
                why: _,
            } = entry;
            let prepares = nodes.is_some()
                || *no_default_class
                || !(resources.is_empty() && fills.is_empty() && installs.is_empty() && first.is_empty() && before.is_empty())
                || objects.is_some();
            !prepares && within.is_none() && ends.is_none() && limit.is_none()
        };
        let idle: Vec<&String> = prepared.known.iter().filter(|(_, entry)| idle(entry)).map(|(path, _)| path).collect();
        assert!(idle.is_empty(), "nothing is said about {idle:?}");
    }

    #[test]
    fn an_entry_is_found_below_other_folders() {
        let prepared = Prepared::parse("- {path: pods/a.yaml, before: [date]}\n").unwrap();
        assert!(prepared.of("examples/pods/a.yaml").is_some() && prepared.of("pods/a.yaml").is_some());
        assert!(prepared.of("a.yaml").is_none() && prepared.of("otherpods/a.yaml").is_none());
        assert!(Prepared::parse("- {path: a}\n- {path: a}\n").is_err());
        assert!(Prepared::parse("- {path: a, ends: Error}\n").is_err(), "no reason is given");
    }

    #[test]
    fn kinds_of_add_ons_are_named_as_manifests_name_them() {
        let kind = |text: &str| Installed::try_from(text.to_owned());
        let definition = kind("storage.example.com/v1 SnapshotClass cluster").unwrap().definition();
        assert!(definition.contains("name: snapshotclasses.storage.example.com") && definition.contains("scope: Cluster"), "{definition}");
        assert!(kind("example.com/v1 Policy").unwrap().definition().contains("plural: policies"));
        assert!(kind("v1 Pod").is_err() && kind("example.com/v1").is_err());
    }
}
