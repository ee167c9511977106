//! Custom resources: definitions, what they serve, and the objects (`k8s.io/apiextensions-apiserver`).
//!
//! [`CustomResources`] is the registry that the server asks for kinds which are not built in; it follows the definitions in the watch cache.
//! A [`Served`] is one version of one resource with its schema read, shared by every request that is about it.
//!
//! **Simplified here:** between versions only the `apiVersion` changes (strategy `None`); the metadata of embedded objects is kept as
//! it comes.

pub(crate) mod cel;
pub(crate) mod check;
pub(crate) mod columns;
mod cost;
pub(crate) mod definition;
mod extensions;
pub(crate) mod formats;
mod merging;
pub(crate) mod naming;
pub(crate) mod object;
pub(crate) mod rules;
pub(crate) mod schema;
mod shape;
mod structural;

use crate::crd::columns::Columns;
use crate::crd::definition::{condition, part, storage_version};
use crate::crd::schema::Schema;
use api::kinds::{Gvr, Kind, KindInfo, Names};
use api::managed_fields::CustomType;
use api::{Dynamic, Object};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where definitions lie in etcd.
pub(crate) const DEFINITIONS: &str = "/registry/apiextensions.k8s.io/customresourcedefinitions/";

/// How many definitions a cluster may have here.
pub(crate) const MAX_DEFINITIONS: usize = 500;

/// The paths of the `scale` subresource, as steps.
#[derive(Debug)]
pub(crate) struct ScalePaths {
    pub(crate) spec: Vec<String>,
    pub(crate) status: Vec<String>,
    /// Empty when there is none.
    pub(crate) selector: Vec<String>,
    /// The first path as it was written.
    pub(crate) written: String,
}

/// One served version of a custom resource.
#[derive(Debug)]
pub(crate) struct Served {
    /// Its kind.
    pub(crate) kind: Kind,
    /// The kind in the version in which objects are stored.
    pub(crate) stored: Kind,
    /// Its schema.
    pub(crate) schema: Schema,
    /// What server-side apply asks of the schema.
    pub(crate) type_: CustomType,
    /// Whether the schema has defaults, so that reading an object may change it.
    has_defaults: bool,
    /// Its schema as written.
    pub(crate) written: Value,
    /// Whether the status is a subresource.
    pub(crate) status: bool,
    /// The `scale` subresource.
    pub(crate) scale: Option<ScalePaths>,
    /// The columns of its table.
    pub(crate) columns: Columns,
    /// The fields it can be selected by, as `spec.color`.
    pub(crate) selectable: Vec<String>,
    /// What its use is warned of.
    pub(crate) deprecated: Option<String>,
    /// Whether the definition is being deleted, so that nothing new is made.
    pub(crate) terminating: bool,
}

/// All custom resources that are served.
#[derive(Debug, Default)]
pub(crate) struct CustomResources {
    /// The served versions by group and plural name, most preferred first.
    resources: BTreeMap<(String, String), Vec<Arc<Served>>>,
    /// What each was made of.
    definitions: BTreeMap<(String, String), Arc<Dynamic>>,
}

/// Whether an object is a definition.
pub(crate) fn definition_of(object: &Object) -> Option<&Arc<Dynamic>> {
    match object {
        Object::Dynamic(object) if is_definition(object.info.as_deref()?) => Some(object),
        _ => None,
    }
}

/// Whether a kind is that of definitions.
pub(crate) fn is_definition(info: &KindInfo) -> bool {
    info.group_kind() == ("apiextensions.k8s.io", "CustomResourceDefinition")
}

impl CustomResources {
    /// What the definitions among `objects` serve.
    pub(crate) fn of<'a>(objects: impl Iterator<Item = &'a Object>) -> Self {
        let mut all = CustomResources::default();
        objects.filter_map(definition_of).for_each(|definition| all.put(definition));
        all
    }

    /// A definition is new or has changed.
    pub(crate) fn put(&mut self, definition: &Arc<Dynamic>) {
        let key = key_of(definition);
        let (spec, status) = (part(definition, "spec"), part(definition, "status"));
        if !condition(status, "NamesAccepted") && !condition(status, "Established") {
            self.resources.remove(&key);
            self.definitions.remove(&key);
            return;
        }
        let unchanged = self.definitions.get(&key).is_some_and(|old| {
            part(old, "spec") == spec
                && part(old, "status")["acceptedNames"] == status["acceptedNames"]
                && old.metadata.is_deleting() == definition.metadata.is_deleting()
        });
        if !unchanged {
            self.resources.insert(key.clone(), versions(definition));
        }
        self.definitions.insert(key, definition.clone());
    }

    /// A definition is gone.
    pub(crate) fn remove(&mut self, definition: &Dynamic) {
        let key = key_of(definition);
        self.resources.remove(&key);
        self.definitions.remove(&key);
    }

    /// The version of a resource that a URL names.
    pub(crate) fn find(&self, gvr: &Gvr) -> Option<&Arc<Served>> {
        // The key is a pair of texts: built-in groups, which are most, never come here.
        let versions = self.resources.get(&(gvr.group.to_string(), gvr.resource.to_string()))?;
        versions.iter().find(|served| served.kind.version == gvr.version)
    }

    /// The version of a resource that a kind stands for; `None` for built-in kinds.
    pub(crate) fn served(&self, kind: &Kind) -> Option<&Served> {
        if kind.is_custom() { self.find(&kind.gvr()).map(|served| &**served) } else { None }
    }

    /// As [`served`](Self::served), to keep.
    pub(crate) fn shared(&self, kind: &Kind) -> Option<Arc<Served>> {
        if kind.is_custom() { self.find(&kind.gvr()).cloned() } else { None }
    }

    /// All versions that are served, by group and plural name, most preferred first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.resources.values().flatten()
    }
}

fn key_of(definition: &Dynamic) -> (String, String) {
    let spec = part(definition, "spec");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&spec["group"]), text(&spec["names"]["plural"]))
}

/// The served versions of a definition, most preferred first.
fn versions(definition: &Dynamic) -> Vec<Arc<Served>> {
    let spec = part(definition, "spec");
    let stored = storage_version(spec).unwrap_or_default();
    let mut versions: Vec<Arc<Served>> = spec["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|version| version["served"] == true)
        .map(|version| Arc::new(served(definition, version, stored)))
        .collect();
    versions.sort_by_key(|served| priority(&served.kind.version));
    versions
}

/// Orders versions from the most preferred: GA before beta before alpha, newer before older, others last by name
/// (`k8s.io/apimachinery/pkg/version.CompareKubeAwareVersionStrings`).
pub(crate) fn priority(version: &str) -> (u8, std::cmp::Reverse<u64>, std::cmp::Reverse<u64>, String) {
    let number = |text: &str| (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?;
    let parsed = version.strip_prefix('v').and_then(|rest| {
        for (word, stage) in [("alpha", 2), ("beta", 1)] {
            if let Some((major, minor)) = rest.split_once(word) {
                return Some((stage, number(major)?, if minor.is_empty() { 0 } else { number(minor)? }));
            }
        }
        Some((0, number(rest)?, 0))
    });
    let (stage, major, minor) = parsed.unwrap_or((3, 0, 0));
    (stage, std::cmp::Reverse(major), std::cmp::Reverse(minor), version.to_owned())
}

fn served(definition: &Dynamic, version: &Value, stored: &str) -> Served {
    let spec = part(definition, "spec");
    let names = match &part(definition, "status")["acceptedNames"] {
        Value::Null => &spec["names"],
        accepted => accepted,
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let words = |value: &Value| -> Names { value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect() };
    let info = |version: &str| {
        Kind::Custom(Arc::new(KindInfo {
            group: text(&spec["group"]).into(),
            version: version.to_owned().into(),
            kind: text(&names["kind"]).into(),
            plural: text(&spec["names"]["plural"]).into(),
            singular: text(&names["singular"]).into(),
            short_names: words(&names["shortNames"]),
            namespaced: spec["scope"] == "Namespaced",
            categories: words(&names["categories"]),
            custom: true,
        }))
    };
    let name = version["name"].as_str().unwrap_or_default();
    let kind = info(name);
    let schema = Schema::read(&version["schema"]["openAPIV3Schema"]);
    let steps = |value: &Value| value.as_str().unwrap_or_default().split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect();
    let scale = &version["subresources"]["scale"];
    let warning = || format!("{}/{name} {} is deprecated", kind.group, kind.kind);
    Served {
        deprecated: (version["deprecated"] == true).then(|| version["deprecationWarning"].as_str().map_or_else(warning, str::to_owned)),
        stored: info(stored),
        has_defaults: shape::has_defaults(&schema),
        type_: merging::of_object(&schema),
        schema,
        written: version["schema"]["openAPIV3Schema"].clone(),
        status: version["subresources"]["status"].is_object(),
        scale: scale.is_object().then(|| ScalePaths {
            spec: steps(&scale["specReplicasPath"]),
            status: steps(&scale["statusReplicasPath"]),
            selector: steps(&scale["labelSelectorPath"]),
            written: text(&scale["specReplicasPath"]),
        }),
        columns: Columns::read(&version["additionalPrinterColumns"]),
        selectable: version["selectableFields"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|field| Some(field["jsonPath"].as_str()?.trim_start_matches('.').to_owned()))
            .collect(),
        terminating: definition.metadata.is_deleting(),
        kind,
    }
}
