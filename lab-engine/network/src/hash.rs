//! Names made of a hash, as kube-proxy gives them to chains.

use sha2::{Digest, Sha256};

/// The first `len` characters of the base 32 (RFC 4648) of the SHA-256 of the texts, one after the other. `len` is at most 51.
pub(crate) fn base32_sha256(texts: &[&str], len: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update(text.as_bytes());
    }
    let digest = hasher.finalize();
    let bit = |at: usize| digest[at / 8] >> (7 - at % 8) & 1;
    let character = |at: usize| (0..5).fold(0_u8, |index, offset| index << 1 | bit(at * 5 + offset));
    (0..len.min(51)).map(|at| char::from(ALPHABET[usize::from(character(at))])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kube_proxy() {
        // The chain of `default/kubernetes:https`, which every cluster has.
        assert_eq!(base32_sha256(&["default/kubernetes:https", "tcp"], 16), "NPX46M4PTMTKRN6Y");
        assert_eq!(base32_sha256(&["kube-system/kube-dns:dns", "udp"], 16), "TCOU7JCQXEZGVUNU");
    }
}
