//! What a key may be used for: the words of the API and the extensions of a certificate (`k8s.io/client-go/util/certificate/csr`,
//! `pkg/controller/certificates/signer`).

use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::KeyUsages;

/// Usages of the key itself, in the order of the bits.
const KEY_USAGES: [(&str, KeyUsages); 10] = [
    ("signing", KeyUsages::DigitalSignature),
    ("digital signature", KeyUsages::DigitalSignature),
    ("content commitment", KeyUsages::NonRepudiation),
    ("key encipherment", KeyUsages::KeyEncipherment),
    ("data encipherment", KeyUsages::DataEncipherment),
    ("key agreement", KeyUsages::KeyAgreement),
    ("cert sign", KeyUsages::KeyCertSign),
    ("crl sign", KeyUsages::CRLSign),
    ("encipher only", KeyUsages::EncipherOnly),
    ("decipher only", KeyUsages::DecipherOnly),
];

/// Purposes, with their identifiers.
const PURPOSES: [(&str, &str); 13] = [
    ("any", "2.5.29.37.0"),
    ("server auth", "1.3.6.1.5.5.7.3.1"),
    ("client auth", "1.3.6.1.5.5.7.3.2"),
    ("code signing", "1.3.6.1.5.5.7.3.3"),
    ("email protection", "1.3.6.1.5.5.7.3.4"),
    ("s/mime", "1.3.6.1.5.5.7.3.4"),
    ("ipsec end system", "1.3.6.1.5.5.7.3.5"),
    ("ipsec tunnel", "1.3.6.1.5.5.7.3.6"),
    ("ipsec user", "1.3.6.1.5.5.7.3.7"),
    ("timestamping", "1.3.6.1.5.5.7.3.8"),
    ("ocsp signing", "1.3.6.1.5.5.7.3.9"),
    ("microsoft sgc", "1.3.6.1.4.1.311.10.3.3"),
    ("netscape sgc", "2.16.840.1.113730.4.1"),
];

/// Whether the API knows a usage (`allValidUsages`).
pub fn is_known_usage(usage: &str) -> bool {
    KEY_USAGES.iter().any(|(name, _)| *name == usage) || PURPOSES.iter().any(|(name, _)| *name == usage)
}

/// All usages that the API knows, sorted.
pub fn known_usages() -> Vec<&'static str> {
    let mut names: Vec<&str> = KEY_USAGES.iter().map(|(name, _)| *name).chain(PURPOSES.iter().map(|(name, _)| *name)).collect();
    names.sort_unstable();
    names
}

/// The usages of the key among these.
pub(crate) fn of_key(usages: &[String]) -> impl Iterator<Item = KeyUsages> {
    let known = |usage: &String| KEY_USAGES.iter().find(|(name, _)| name == usage).map(|(_, flag)| *flag);
    usages.iter().filter_map(known)
}

/// The purposes among these, each once.
pub(crate) fn purposes(usages: &[String]) -> Vec<ObjectIdentifier> {
    let mut found = Vec::new();
    for (_, oid) in usages.iter().filter_map(|usage| PURPOSES.iter().find(|(name, _)| name == usage)) {
        let oid = ObjectIdentifier::new_unwrap(oid);
        if !found.contains(&oid) {
            found.push(oid);
        }
    }
    found
}

/// Whether a certificate with these purposes may say who a client is; one without any may be used for all.
pub(crate) fn is_for_clients(purposes: &[ObjectIdentifier]) -> bool {
    let allowed = [ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2"), ObjectIdentifier::new_unwrap("2.5.29.37.0")];
    purposes.is_empty() || purposes.iter().any(|purpose| allowed.contains(purpose))
}
