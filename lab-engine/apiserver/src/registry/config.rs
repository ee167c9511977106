//! ConfigMaps, Secrets and ServiceAccounts (`pkg/registry/core/{configmap,secret,serviceaccount}`).

use super::{Strategy, meta};
use api::core::{ConfigMap, Secret, ServiceAccount};
use api::meta::StringMap;
use api::names;
use api::status::{FieldError, FieldErrorKind};
use std::borrow::Cow;

/// How many bytes the values may have together (`MaxSecretSize`).
const MAX_SIZE: usize = 1024 * 1024;

fn keys<'a>(keys: impl Iterator<Item = &'a String>, path: &str, errors: &mut Vec<FieldError>) {
    for key in keys {
        errors.extend(names::config_key(key).into_iter().map(|detail| FieldError::invalid(format!("{path}[{key}]"), key, detail)));
    }
}

fn size(bytes: usize, path: &str, errors: &mut Vec<FieldError>) {
    if bytes > MAX_SIZE {
        errors.push(FieldError::new(FieldErrorKind::TooLong, path, "", format!("may not be more than {MAX_SIZE} bytes")));
    }
}

fn sealed(immutable: [Option<bool>; 2], changed: &[(&str, bool)], errors: &mut Vec<FieldError>) {
    let [new, old] = immutable;
    if old != Some(true) {
        return;
    }
    if new != Some(true) {
        errors.push(FieldError::forbidden("immutable", "field is immutable when `immutable` is set"));
    }
    for (path, _) in changed.iter().filter(|(_, changed)| *changed) {
        errors.push(FieldError::forbidden(*path, "field is immutable when `immutable` is set"));
    }
}

impl Strategy for ConfigMap {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        keys(self.data.keys(), "data", errors);
        keys(self.binary_data.keys(), "binaryData", errors);
        for key in self.binary_data.keys().filter(|key| self.data.contains_key(*key)) {
            errors.push(FieldError::invalid(format!("data[{key}]"), key, "duplicate of key present in binaryData"));
        }
        size(self.data.values().chain(self.binary_data.values()).map(String::len).sum(), "", errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        let changed = [("data", self.data != old.data), ("binaryData", self.binary_data != old.binary_data)];
        sealed([self.immutable, old.immutable], &changed, errors);
        self.validate(errors);
    }
}

impl Strategy for Secret {
    fn default(&mut self) {
        if self.type_.is_empty() {
            self.type_ = "Opaque".to_owned();
        }
        for (key, text) in std::mem::take(&mut self.string_data) {
            self.data.insert(key, base64(text.as_bytes()));
        }
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        keys(self.data.keys(), "data", errors);
        size(self.data.values().map(|value| value.len() / 4 * 3).sum(), "data", errors);
        let account = "kubernetes.io/service-account.name";
        if self.type_ == "kubernetes.io/service-account-token" && self.metadata.annotations.get(account).is_none_or(String::is_empty) {
            errors.push(FieldError::required(format!("metadata.annotations[{account}]"), ""));
        }
        required_keys(&self.type_, &self.data, errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        meta::immutable(&self.type_, &old.type_, "type", errors);
        sealed([self.immutable, old.immutable], &[("data", self.data != old.data)], errors);
        self.validate(errors);
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        (name == "type").then_some(Cow::Borrowed(self.type_.as_str()))
    }
}

/// The keys that Secrets of some types must have.
fn required_keys(type_: &str, data: &StringMap, errors: &mut Vec<FieldError>) {
    let required: &[&str] = match type_ {
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in required.iter().filter(|key| !data.contains_key(**key)) {
        errors.push(FieldError::required(format!("data[{key}]"), ""));
    }
}

impl Strategy for ServiceAccount {}

/// Base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = usize::try_from(group >> (18 - 6 * place) & 63).unwrap_or(0);
            text.push(if place <= chunk.len() { char::from(ALPHABET[digit]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_rfc_4648_says() {
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }
}
