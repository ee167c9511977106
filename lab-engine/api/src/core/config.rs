//! Namespaces, ConfigMaps, Secrets and ServiceAccounts.
//!
//! **Simplified here:** the values of a Secret stay base64 text; the parts that use them decode them.

use crate::meta::{Condition, ObjectMeta, StringMap};
use crate::object;
use serde_json::Value;

object! {
    /// A scope for names.
    pub struct Namespace {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// Its finalizers.
        pub spec: NamespaceSpec = "spec",
        /// Its phase.
        pub status: NamespaceStatus = "status",
    }

    /// The finalizers of a namespace.
    pub struct NamespaceSpec {
        /// `kubernetes` until the namespace is empty.
        pub finalizers: Vec<String> = "finalizers",
    }

    /// The phase of a namespace.
    pub struct NamespaceStatus {
        /// `Active` or `Terminating`.
        pub phase: String = "phase",
        /// What holds a deletion up.
        pub conditions: Vec<Condition> = "conditions",
    }

    /// Settings as keys and values.
    pub struct ConfigMap {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// Texts.
        pub data: StringMap = "data",
        /// Bytes, in base64.
        pub binary_data: StringMap = "binaryData",
        /// Whether it can no longer change.
        pub immutable: Option<bool> = "immutable",
    }

    /// Settings that should not be seen.
    pub struct Secret {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// Bytes, in base64.
        pub data: StringMap = "data",
        /// Texts, for writing only; the API server moves them to `data`.
        pub string_data: StringMap = "stringData",
        /// What the keys mean; `Opaque` by default.
        pub type_: String = "type",
        /// Whether it can no longer change.
        pub immutable: Option<bool> = "immutable",
    }

    /// An identity for Pods.
    pub struct ServiceAccount {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// Secrets that its Pods may use.
        pub secrets: Vec<Value> = "secrets",
        /// Secrets for pulling images.
        pub image_pull_secrets: Vec<Value> = "imagePullSecrets",
        /// Whether its Pods get a token.
        pub automount_service_account_token: Option<bool> = "automountServiceAccountToken",
    }

    /// A key and the file it becomes.
    pub struct KeyToPath {
        /// The key.
        pub key: String = "key",
        /// The file, relative to the mount.
        pub path: String = "path",
        /// The file's mode.
        pub mode: Option<i32> = "mode",
    }
}
