//! ConfigMaps, Secrets and ServiceAccounts (`pkg/registry/core/{configmap,secret,serviceaccount}`).

use super::{Strategy, meta};
use api::core::{ConfigMap, Secret, ServiceAccount};
use api::meta::StringMap;
use api::names;
use api::status::{FieldError, FieldErrorKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// How many bytes the values may have together (`MaxSecretSize`).
const MAX_SIZE: usize = 1024 * 1024;

fn keys<'a>(keys: impl Iterator<Item = &'a String>, path: &str, errors: &mut Vec<FieldError>) {
    for key in keys {
        errors.extend(names::config_key(key).into_iter().map(|detail| FieldError::invalid(format!("{path}[{key}]"), key, detail)));
    }
}

/// A text in base64 without its line breaks, which count for nothing (Go's `encoding/base64`).
fn unbroken(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], "").into() } else { text.into() }
}

/// How many bytes a text in base64 stands for.
fn decoded_len(text: &str) -> usize {
    let text = unbroken(text);
    let padding = text.bytes().rev().take_while(|&byte| byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
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
        let bytes = self.binary_data.values().map(|value| decoded_len(value));
        // Upstream names the object as a whole by a path without a name.
        size(self.data.values().map(String::len).chain(bytes).sum(), "[]", errors);
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
        size(self.data.values().map(|value| decoded_len(value)).sum(), "data", errors);
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
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" if data.get("ssh-privatekey").is_none_or(String::is_empty) => {
            return errors.push(FieldError::required("data[ssh-privatekey]", ""));
        }
        // One of both is enough.
        "kubernetes.io/basic-auth" if !["username", "password"].iter().any(|key| data.contains_key(*key)) => &["username", "password"],
        _ => &[],
    };
    for key in required {
        match data.get(*key) {
            None => errors.push(FieldError::required(format!("data[{key}]"), "")),
            Some(value) if key.starts_with(".docker") => registry_config(value, &format!("data[{key}]"), errors),
            Some(_) => {}
        }
    }
}

/// Appends that credentials for registries are not written as JSON.
fn registry_config(value: &str, path: &str, errors: &mut Vec<FieldError>) {
    let bytes = STANDARD.decode(&*unbroken(value)).unwrap_or_default();
    if let Err(error) = serde_json::from_slice::<Map<String, Value>>(&bytes) {
        errors.push(FieldError::invalid(path, "<secret contents redacted>", error.to_string()));
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
            assert_eq!(decoded_len(encoded), text.len());
        }
    }

    #[test]
    fn credentials_of_registries_are_json_in_base64_with_or_without_line_breaks() {
        let wrong = |data: &str| {
            let mut errors = Vec::new();
            registry_config(data, "data[.dockercfg]", &mut errors);
            errors.len()
        };
        assert_eq!((wrong("e30="), wrong("e3\n0=\n"), wrong("bm8="), wrong("")), (0, 0, 1, 1));
    }
}
