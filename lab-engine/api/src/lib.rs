//! Kubernetes objects: their types, how they are read and written, and how they are asked for.
//!
//! Types are compact hand-written structs for what the engine simulates; what they do not model they keep (see [`json`]). Requests and
//! responses have the shape of HTTP (see [`http`]); refusals are [`status::Status`] objects in Kubernetes' own words.

// `object!` names this crate as `api`, also from inside.
extern crate self as api;

pub mod apps;
pub mod archive;
pub mod autoscaling;
pub mod batch;
pub mod channels;
pub mod coordination;
pub mod core;
pub mod cron;
pub mod decode;
pub mod discovery;
pub mod fields;
pub mod http;
pub mod intstr;
pub mod json;
pub mod jsonpath;
pub mod kinds;
pub mod labels;
pub mod managed_fields;
pub mod meta;
pub mod names;
pub mod networking;
pub mod node_affinity;
mod object;
pub mod patch;
pub mod policy;
pub mod quantity;
pub mod quota;
pub mod rbac;
pub mod schema;
pub mod shared;
pub mod status;
pub mod storage;
pub mod string_map;
pub mod taints;
pub mod time_zone;
pub mod unsimulated;
pub mod yaml;

pub use object::{Dynamic, Object, Resource};
