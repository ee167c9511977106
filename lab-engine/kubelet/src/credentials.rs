//! Credentials for registries, from the Secrets that a Pod names in `imagePullSecrets` (`pkg/credentialprovider`).
//!
//! **Simplified here:** a registry believes whoever shows any credentials for it; the files of nodes and credential plugins are not there.

use crate::volumes::{Known, Objects, RefKind, decode_base64};
use api::core::Pod;
use std::collections::BTreeSet;

/// The registries that somebody has credentials for, by host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keyring(BTreeSet<String>);

impl Keyring {
    /// The credentials of a Pod, and the Secrets that could not be read.
    pub(crate) fn of(pod: &Pod, objects: &Objects) -> (Self, Vec<String>) {
        let mut keyring = Keyring::default();
        let mut missing = Vec::new();
        for reference in &pod.spec.image_pull_secrets {
            match objects.known.get(&(RefKind::Secret, reference.name.clone())) {
                Some(Known::Secret(secret)) => {
                    let config = secret.data.get(".dockerconfigjson").or_else(|| secret.data.get(".dockercfg"));
                    keyring.read(&config.map(|config| decode_base64(config)).unwrap_or_default());
                }
                _ => missing.push(reference.name.clone()),
            }
        }
        (keyring, missing)
    }

    /// Adds the registries of a docker configuration.
    fn read(&mut self, config: &str) {
        let config: serde_json::Value = serde_json::from_str(config).unwrap_or_default();
        let servers = config["auths"].as_object().or_else(|| config.as_object()).into_iter().flatten();
        self.0.extend(servers.map(|(server, _)| host(server)));
    }

    /// Whether there are credentials for a registry.
    pub(crate) fn knows(&self, host: &str) -> bool {
        self.0.contains(host)
    }
}

/// The host of a server as configurations name it: `https://index.docker.io/v1/` is Docker's.
fn host(server: &str) -> String {
    let server = server.trim_start_matches("https://").trim_start_matches("http://");
    match server.split('/').next().unwrap_or_default() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_their_host() {
        let mut keyring = Keyring::default();
        keyring.read(r#"{"auths": {"https://index.docker.io/v1/": {"auth": "x"}, "registry.example.com": {}}}"#);
        assert!(keyring.knows("docker.io") && keyring.knows("registry.example.com") && !keyring.knows("quay.io"));
        keyring.read("no JSON");
    }
}
