//! The kinds that the server serves beyond the built-in ones (`k8s.io/client-go/discovery`, `restmapper`).
//!
//! Built-in kinds need no question. A word that names none of them makes the run ask once for `/apis` in its aggregated form, and then read
//! its words again; the real `kubectl` asks at its first run and keeps the answer on disk for hours.

use crate::resources;
use api::http::{Accept, Request};
use api::kinds::{KINDS, Kind, KindInfo, find_kind, find_resource};
use serde_json::Value;
use std::cell::Cell;
use std::sync::Arc;

/// What is known of the server's kinds.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    /// Kinds that are not built in, most preferred versions first.
    custom: Vec<Kind>,
    /// Kinds that are only created, and answered: reviews.
    answered: Vec<Kind>,
    /// Whether the server was asked.
    asked: bool,
    /// Whether something was looked for that only the server knows.
    missed: Cell<bool>,
}

/// The question to the server.
pub(crate) fn request() -> Request {
    Request { accept: Accept::Discovery, ..Request::get_other("/apis") }
}

impl Discovery {
    /// Reads the answer: an `APIGroupDiscoveryList`.
    pub(crate) fn read(answer: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (mut custom, mut answered) = (Vec::new(), Vec::new());
        for group in list(&answer["items"]) {
            for version in list(&group["versions"]) {
                for resource in list(&version["resources"]) {
                    let kind = read_kind(&group["metadata"]["name"], &version["version"], &resource);
                    let lists = resource["verbs"].as_array().is_some_and(|verbs| verbs.iter().any(|verb| verb == "list"));
                    if lists { custom.extend(kind) } else { answered.extend(kind) }
                }
            }
        }
        Discovery { custom, answered, asked: true, missed: Cell::new(false) }
    }

    /// Whether the server has to be asked to know what was looked for.
    pub(crate) fn wants_answer(&self) -> bool {
        self.missed.get() && !self.asked
    }

    /// All kinds, the built-in ones first.
    pub(crate) fn all(&self) -> impl Iterator<Item = Kind> {
        self.missed.set(true);
        KINDS.iter().map(Kind::BuiltIn).chain(self.custom.iter().cloned())
    }

    /// The kind that a word names by plural, singular, short name, `plural.group` or `plural.version.group`.
    ///
    /// # Errors
    /// The text that follows `error: `.
    pub(crate) fn resolve(&self, word: &str) -> Result<Kind, String> {
        resources::resolve(word).map(Kind::BuiltIn).or_else(|message| {
            let found = self.custom.iter().find(|kind| resources::is_named(kind, &word.to_lowercase()));
            self.missed.set(true);
            found.cloned().ok_or(message)
        })
    }

    /// The kind with this `apiVersion` and `kind`.
    pub(crate) fn find_kind(&self, api_version: &str, kind: &str) -> Option<Kind> {
        find_kind(api_version, kind).map(Kind::BuiltIn).or_else(|| {
            self.missed.set(true);
            let mut known = self.custom.iter().chain(&self.answered);
            known.find(|info| info.kind == kind && info.api_version() == api_version).cloned()
        })
    }
}

/// A kind of an aggregated discovery; `None` for built-in ones.
fn read_kind(group: &Value, version: &Value, resource: &Value) -> Option<Kind> {
    let (group, version, plural) = (group.as_str()?, version.as_str()?, resource["resource"].as_str()?);
    if find_resource(group, version, plural).is_some() {
        return None;
    }
    let words = |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    Some(Kind::Custom(Arc::new(KindInfo {
        group: group.to_owned().into(),
        version: version.to_owned().into(),
        kind: resource["responseKind"]["kind"].as_str()?.to_owned().into(),
        plural: plural.to_owned().into(),
        singular: resource["singularResource"].as_str()?.to_owned().into(),
        short_names: words(&resource["shortNames"]),
        namespaced: resource["scope"] == "Namespaced",
        categories: words(&resource["categories"]),
        custom: true,
    })))
}
