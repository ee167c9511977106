//! Encryption at rest: what an `EncryptionConfiguration` says of the values in etcd (`k8s.io/apiserver/pkg/storage/value/encrypt`).
//!
//! ```text
//! k8s:enc:aescbc:v1:key1:<16 bytes of IV><blocks>          k8s:enc:aesgcm:v1:key1:<12 bytes of nonce><text><tag>
//! ```
//!
//! The first provider writes, with its first key; every provider reads what begins with the name of one of its keys. What was written
//! otherwise is written anew at the next write, even one that changes nothing. AES-GCM binds a value to its key in etcd, so that it
//! cannot be put elsewhere.
//!
//! **Simplified here:** no `secretbox` and no `kms`; what cannot be decrypted is not seen, where a real server answers every list of its
//! resource with an error.

use aes_gcm::aead::{Aead, KeyInit, Nonce, Payload};
use aes_gcm::aes::{Aes128, Aes192, Aes256};
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm};
use api::kinds::KindInfo;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use serde_json::Value;
use sim::Rng;

type Aes192Gcm = AesGcm<Aes192, aes_gcm::aead::consts::U12>;

/// What all encrypted values begin with.
const PREFIX: &[u8] = b"k8s:enc:";

/// Which resources are encrypted, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncryptionConfig {
    groups: Vec<Group>,
}

/// Resources and their providers; the first group that names a resource counts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    resources: Vec<String>,
    providers: Vec<Provider>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Provider {
    Identity,
    Aes(Mode, Vec<Key>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Cbc,
    Gcm,
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    name: String,
    secret: Vec<u8>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

impl EncryptionConfig {
    /// Reads an `EncryptionConfiguration` of `apiserver.config.k8s.io/v1`.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path, in upstream's words where it has them.
    pub fn parse(document: &Value) -> Result<Self, String> {
        let (version, kind) = (&document["apiVersion"], &document["kind"]);
        if version != "apiserver.config.k8s.io/v1" || kind != "EncryptionConfiguration" {
            return Err(format!("apiserver.config.k8s.io/v1 EncryptionConfiguration was expected, not {version} {kind}"));
        }
        let groups = document["resources"].as_array().filter(|groups| !groups.is_empty());
        let groups = groups.ok_or("resources: Required value: at least one resource is required")?.iter().enumerate();
        let groups = groups.map(|(index, group)| Group::parse(&format!("resources[{index}]"), group)).collect::<Result<_, _>>()?;
        Ok(EncryptionConfig { groups })
    }

    /// The providers of a resource; empty when its values are not transformed.
    fn providers(&self, info: &KindInfo) -> &[Provider] {
        let named = |group: &&Group| group.resources.iter().any(|pattern| names(pattern, info));
        self.groups.iter().find(named).map(|group| group.providers.as_slice()).unwrap_or_default()
    }

    /// The bytes to store of a value, if they are not to be stored as they are.
    pub(crate) fn seal(&self, info: &KindInfo, at: &str, plain: &[u8], rng: &mut Rng) -> Option<Vec<u8>> {
        match self.providers(info).first()? {
            Provider::Identity => None,
            Provider::Aes(mode, keys) => keys.first()?.seal(*mode, at, plain, rng),
        }
    }

    /// The value that stored bytes hold.
    ///
    /// # Errors
    /// When no provider can read them, in upstream's words.
    pub(crate) fn open(&self, info: &KindInfo, at: &str, stored: &[u8]) -> Result<Vec<u8>, String> {
        if !is_sealed(stored) || self.providers(info).is_empty() {
            return open_nothing(stored.to_vec());
        }
        let keys = self.providers(info).iter().flat_map(|provider| match provider {
            Provider::Identity => Vec::new(),
            Provider::Aes(mode, keys) => keys.iter().map(|key| (*mode, key)).collect(),
        });
        let mut opened = keys.filter_map(|(mode, key)| key.open(mode, at, stored.strip_prefix(key.prefix(mode).as_bytes())?));
        opened.next().ok_or_else(|| "no matching prefix found".to_owned())
    }

    /// Whether the next write must write a value anew: it was not written as it would be today. `stored` is `None` for plain values.
    pub(crate) fn is_stale(&self, info: &KindInfo, stored: Option<&[u8]>) -> bool {
        match (self.providers(info).first(), stored) {
            (None | Some(Provider::Identity), stored) => stored.is_some(),
            (Some(Provider::Aes(mode, keys)), Some(stored)) => {
                !keys.first().is_some_and(|key| stored.starts_with(key.prefix(*mode).as_bytes()))
            }
            (Some(Provider::Aes(..)), None) => true,
        }
    }
}

/// The value that stored bytes hold where nothing is encrypted (`identity.NewEncryptCheckTransformer`).
///
/// # Errors
/// When they are.
pub(crate) fn open_nothing(stored: Vec<u8>) -> Result<Vec<u8>, String> {
    if is_sealed(&stored) { Err("identity transformer tried to read encrypted data".to_owned()) } else { Ok(stored) }
}

/// Whether bytes say of themselves that they are encrypted.
pub(crate) fn is_sealed(stored: &[u8]) -> bool {
    stored.starts_with(PREFIX)
}

/// Whether an entry such as `secrets`, `deployments.apps`, `*.apps`, `*.` (core) or `*.*` names a resource.
fn names(pattern: &str, info: &KindInfo) -> bool {
    let (resource, group) = pattern.split_once('.').unwrap_or((pattern, ""));
    (resource == "*" || resource == info.plural) && (group == "*" || group == info.group)
}

impl Group {
    fn parse(path: &str, value: &Value) -> Result<Self, String> {
        let resources: Vec<String> =
            value["resources"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        if resources.is_empty() {
            return Err(format!("{path}.resources: Required value: at least one resource is required"));
        }
        let providers = value["providers"].as_array().filter(|providers| !providers.is_empty());
        let providers = providers.ok_or_else(|| format!("{path}.providers: Required value: at least one provider is required"))?;
        let providers = providers.iter().enumerate();
        let providers = providers
            .map(|(index, provider)| Provider::parse(&format!("{path}.providers[{index}]"), provider))
            .collect::<Result<_, _>>()?;
        Ok(Group { resources, providers })
    }
}

impl Provider {
    fn parse(path: &str, value: &Value) -> Result<Self, String> {
        let mut fields = value.as_object().into_iter().flatten();
        let (Some((name, settings)), None) = (fields.next(), fields.next()) else {
            return Err(format!("{path}: Invalid value: exactly one provider is expected in an entry"));
        };
        let mode = match name.as_str() {
            "identity" => return Ok(Provider::Identity),
            "aescbc" => Mode::Cbc,
            "aesgcm" => Mode::Gcm,
            other => return Err(format!("{path}.{other}: there are the providers identity, aescbc and aesgcm here")),
        };
        let keys = settings["keys"].as_array().filter(|keys| !keys.is_empty());
        let keys = keys.ok_or_else(|| format!("{path}.{name}.keys: Required value: at least one key is required"))?.iter().enumerate();
        let keys = keys.map(|(index, key)| Key::parse(&format!("{path}.{name}.keys[{index}]"), key)).collect::<Result<_, _>>()?;
        Ok(Provider::Aes(mode, keys))
    }
}

impl Key {
    fn parse(path: &str, value: &Value) -> Result<Self, String> {
        let name = value["name"].as_str().unwrap_or_default();
        if name.is_empty() || name.contains(':') {
            return Err(format!("{path}.name: Required value: a name without colons is expected"));
        }
        let text = value["secret"].as_str().unwrap_or_default();
        let secret =
            STANDARD.decode(text).map_err(|_| format!("{path}.secret: Invalid value: \"REDACTED\": secrets must be base64 encoded"))?;
        if !matches!(secret.len(), 16 | 24 | 32) {
            let found = secret.len();
            let detail = "secret is not of the expected length";
            return Err(format!("{path}.secret: Invalid value: \"REDACTED\": {detail}, got {found}, expected one of [16 24 32]"));
        }
        Ok(Key { name: name.to_owned(), secret })
    }

    fn prefix(&self, mode: Mode) -> String {
        let mode = match mode {
            Mode::Cbc => "aescbc",
            Mode::Gcm => "aesgcm",
        };
        format!("k8s:enc:{mode}:v1:{}:", self.name)
    }

    fn seal(&self, mode: Mode, at: &str, plain: &[u8], rng: &mut Rng) -> Option<Vec<u8>> {
        let length = match mode {
            Mode::Cbc => 16,
            Mode::Gcm => 12,
        };
        let start: Vec<u8> = (0..length).map(|_| u8::try_from(rng.below(256)).unwrap_or_default()).collect();
        let sealed = match (mode, self.secret.len()) {
            (Mode::Cbc, 16) => seal_cbc::<Encryptor<Aes128>>(&self.secret, &start, plain),
            (Mode::Cbc, 24) => seal_cbc::<Encryptor<Aes192>>(&self.secret, &start, plain),
            (Mode::Cbc, _) => seal_cbc::<Encryptor<Aes256>>(&self.secret, &start, plain),
            (Mode::Gcm, 16) => seal_gcm::<Aes128Gcm>(&self.secret, &start, at, plain),
            (Mode::Gcm, 24) => seal_gcm::<Aes192Gcm>(&self.secret, &start, at, plain),
            (Mode::Gcm, _) => seal_gcm::<Aes256Gcm>(&self.secret, &start, at, plain),
        }?;
        Some([self.prefix(mode).into_bytes(), start, sealed].concat())
    }

    fn open(&self, mode: Mode, at: &str, stored: &[u8]) -> Option<Vec<u8>> {
        match (mode, self.secret.len()) {
            (Mode::Cbc, 16) => open_cbc::<Decryptor<Aes128>>(&self.secret, stored),
            (Mode::Cbc, 24) => open_cbc::<Decryptor<Aes192>>(&self.secret, stored),
            (Mode::Cbc, _) => open_cbc::<Decryptor<Aes256>>(&self.secret, stored),
            (Mode::Gcm, 16) => open_gcm::<Aes128Gcm>(&self.secret, at, stored),
            (Mode::Gcm, 24) => open_gcm::<Aes192Gcm>(&self.secret, at, stored),
            (Mode::Gcm, _) => open_gcm::<Aes256Gcm>(&self.secret, at, stored),
        }
    }
}

fn seal_cbc<C: KeyIvInit + BlockModeEncrypt>(secret: &[u8], iv: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    Some(C::new_from_slices(secret, iv).ok()?.encrypt_padded_vec::<Pkcs7>(plain))
}

fn open_cbc<C: KeyIvInit + BlockModeDecrypt>(secret: &[u8], stored: &[u8]) -> Option<Vec<u8>> {
    let (iv, sealed) = stored.split_at_checked(16)?;
    C::new_from_slices(secret, iv).ok()?.decrypt_padded_vec::<Pkcs7>(sealed).ok()
}

fn seal_gcm<C: KeyInit + Aead>(secret: &[u8], nonce: &[u8], at: &str, plain: &[u8]) -> Option<Vec<u8>> {
    let nonce = <&Nonce<C>>::try_from(nonce).ok()?;
    C::new_from_slice(secret).ok()?.encrypt(nonce, Payload { msg: plain, aad: at.as_bytes() }).ok()
}

fn open_gcm<C: KeyInit + Aead>(secret: &[u8], at: &str, stored: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = stored.split_at_checked(12)?;
    let nonce = <&Nonce<C>>::try_from(nonce).ok()?;
    C::new_from_slice(secret).ok()?.decrypt(nonce, Payload { msg: sealed, aad: at.as_bytes() }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Resource;
    use api::core::{ConfigMap, Secret};
    use serde_json::json;
    use sim::Seed;

    const AT: &str = "/registry/secrets/default/x";

    fn config(providers: &Value) -> EncryptionConfig {
        let document = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration",
            "resources": [{"resources": ["secrets"], "providers": providers}]});
        EncryptionConfig::parse(&document).unwrap()
    }

    fn keys(bytes: usize) -> Value {
        json!({"keys": [{"name": "key1", "secret": STANDARD.encode(vec![7; bytes])}]})
    }

    #[test]
    fn what_is_sealed_opens_and_only_with_its_key() {
        for mode in ["aescbc", "aesgcm"] {
            for bytes in [16, 24, 32] {
                let config = config(&json!([{mode: keys(bytes)}, {"identity": {}}]));
                let sealed = config.seal(Secret::INFO, AT, b"plain text", &mut Seed(1).stream("x")).unwrap();
                assert!(sealed.starts_with(format!("k8s:enc:{mode}:v1:key1:").as_bytes()));
                assert!(!sealed.windows(5).any(|window| window == b"plain"));
                assert_eq!(config.open(Secret::INFO, AT, &sealed).ok().as_deref(), Some(&b"plain text"[..]));
                let mut broken = sealed.clone();
                let last = broken.len() - 1;
                broken[last] ^= 1;
                assert_ne!(config.open(Secret::INFO, AT, &broken).ok().as_deref(), Some(&b"plain text"[..]));
                assert!(!config.is_stale(Secret::INFO, Some(&sealed)) && config.is_stale(Secret::INFO, None));
                assert_eq!(config.seal(ConfigMap::INFO, AT, b"x", &mut Seed(1).stream("x")), None);
            }
        }
        let gcm = config(&json!([{"aesgcm": keys(32)}]));
        let sealed = gcm.seal(Secret::INFO, AT, b"x", &mut Seed(1).stream("x")).unwrap();
        assert_eq!(gcm.open(Secret::INFO, "/registry/secrets/default/other", &sealed).ok(), None, "a value stays where it is");
    }

    #[test]
    fn a_key_of_the_wrong_length_is_told() {
        let document = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration",
            "resources": [{"resources": ["secrets"], "providers": [{"aescbc": keys(8)}]}]});
        assert_eq!(
            EncryptionConfig::parse(&document).unwrap_err(),
            "resources[0].providers[0].aescbc.keys[0].secret: Invalid value: \"REDACTED\": secret is not of the expected length, got 8, \
             expected one of [16 24 32]"
        );
    }
}
