//! Managed fields and server-side apply (`sigs.k8s.io/structured-merge-diff/v6`, `k8s.io/apimachinery/pkg/util/managedfields`).
//!
//! For each object the API server keeps who set which field. A field belongs to whoever changed it last, or to all who applied the value
//! that it has. [`Writing::create`] and [`Writing::update`] keep that record: the old and the new object are compared, along the
//! lists and maps of their [schema](crate::schema), and what changed goes from its owners to the writer. [`Writing::apply`] merges a
//! configuration into an object: fields that it no longer names go, unless someone else owns them; fields that others own are conflicts.
//!
//! A set of fields is a tree whose parts are shared between objects ([`Interner`]): the Pods of a ReplicaSet have one set in common for
//! what the controller wrote, and differ in a few steps in what the kubelet wrote. Comparing walks only the fields that differ
//! ([`Object::compare`](crate::Object::compare)).
//!
//! **Simplified here:** each kind has one version, so entries of other versions are dropped as upstream drops those of versions that are no
//! longer served. Fields of Go's zero value that `omitempty` does not hide count as set.

mod atom;
mod compare;
mod convert;
mod custom;
mod entry;
mod interner;
mod merge;
mod path;
mod set;
mod typed;
mod updater;
mod upgrade;

pub use compare::{Comparison, Marks};
pub use custom::{CustomKey, CustomList, CustomMap, CustomType};
pub use entry::{ManagedFields, ManagedFieldsEntry, Manager, Operation};
pub use interner::Interner;
pub use path::{Name, PathElement, Scalar};
pub use set::{Node, Set};
pub use typed::{Fields, Place};
pub use updater::{Applied, ApplyError, Conflict, Made, Writing};
pub use upgrade::{annotation_owners, upgrade};
