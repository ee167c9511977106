//! The types of custom resources, as far as server-side apply asks: what the schema of a definition says about merging
//! (`x-kubernetes-list-type`, `x-kubernetes-list-map-keys`, `x-kubernetes-map-type`).

use crate::kinds::find_kind;
use crate::schema::{self, Field};
use serde_json::Value;
use std::collections::BTreeMap;

/// The type of a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum CustomType {
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A number or a text.
    Scalar,
    /// A list of elements of one type.
    List(CustomList, Box<CustomType>),
    /// An object.
    Map(CustomMap),
    /// The metadata of an object.
    Metadata,
    /// Anything: objects are merged, lists replaced.
    #[default]
    Open,
}

/// How the elements of a list are told apart.
#[derive(Clone, Debug, PartialEq)]
pub enum CustomList {
    /// Not at all: the list is replaced whole.
    Atomic,
    /// By their value.
    Set,
    /// By these fields, at least one.
    Map(Vec<CustomKey>),
}

/// A field that tells elements apart.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomKey {
    /// Its name.
    pub name: String,
    /// Its value where it is left out.
    pub default: Option<Value>,
}

/// An object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomMap {
    /// Its named fields.
    pub fields: BTreeMap<String, CustomType>,
    /// What other entries are; `None` where there are none.
    pub element: Option<Box<CustomType>>,
    /// Whether it is replaced whole.
    pub atomic: bool,
}

/// The field of built-in kinds that the metadata of custom resources is like.
pub(super) fn metadata() -> Option<&'static Field> {
    schema::for_kind(find_kind("v1", "ConfigMap")?)?.get("metadata")
}
