//! Requests for certificates (`k8s.io/api/certificates/v1`, `ParseCSR`; RFC 2986).

use crate::{Error, REQUEST_LABEL, malformed};
use api::http::CertificateSubject;
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::request::{CertReq, ExtensionReq};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// A request that was read.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whom the certificate shall be for.
    pub subject: CertificateSubject,
    /// The parts of its name that `kubectl describe csr` shows, with their values.
    pub name: Vec<(&'static str, Vec<String>)>,
    /// The names of hosts that it shall hold for.
    pub dns_names: Vec<String>,
    /// Their addresses.
    pub ip_addresses: Vec<IpAddr>,
    /// Addresses of mail.
    pub emails: Vec<String>,
    /// URIs.
    pub uris: Vec<String>,
    /// How long its public key is, in bits.
    pub key_bits: usize,
    pub(crate) parsed: CertReq,
    pub(crate) alternatives: Option<Extension>,
}

impl Request {
    /// Reads a request in PEM.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(pem: &[u8]) -> Result<Self, Error> {
        let label = Error(format!("PEM block type must be {REQUEST_LABEL}"));
        let (found, bytes) = der::pem::decode_vec(pem).map_err(|_| label.clone())?;
        if found != REQUEST_LABEL {
            return Err(label);
        }
        let parsed = CertReq::from_der(&bytes).map_err(malformed("certificate request"))?;
        let mut request = Request {
            subject: subject(&parsed.info.subject),
            name: written(&parsed.info.subject),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            emails: Vec::new(),
            uris: Vec::new(),
            key_bits: parsed.info.public_key.subject_public_key.bit_len(),
            alternatives: None,
            parsed,
        };
        request.read_alternatives()?;
        Ok(request)
    }

    fn read_alternatives(&mut self) -> Result<(), Error> {
        let wrong = malformed("subject alternative name");
        let values = self.parsed.info.attributes.iter().filter(|attribute| attribute.oid == EXTENSION_REQUEST);
        for value in values.flat_map(|attribute| attribute.values.iter()) {
            let extensions = value.to_der().and_then(|bytes| ExtensionReq::from_der(&bytes)).map_err(&wrong)?;
            let found = extensions.0.into_iter().find(|extension| extension.extn_id == SUBJECT_ALT_NAME);
            self.alternatives = self.alternatives.take().or(found);
        }
        let Some(extension) = &self.alternatives else { return Ok(()) };
        for name in SubjectAltName::from_der(extension.extn_value.as_bytes()).map_err(&wrong)?.0 {
            match name {
                GeneralName::DnsName(name) => self.dns_names.push(name.to_string()),
                GeneralName::Rfc822Name(name) => self.emails.push(name.to_string()),
                GeneralName::UniformResourceIdentifier(name) => self.uris.push(name.to_string()),
                GeneralName::IpAddress(bytes) => self.ip_addresses.extend(address(bytes.as_bytes())),
                _ => {}
            }
        }
        Ok(())
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))).ok()
}

/// The values of an attribute of a name.
fn values(name: &Name, oid: ObjectIdentifier) -> impl Iterator<Item = String> {
    let own = name.iter().filter(move |attribute| attribute.oid == oid);
    own.map(|attribute| String::from_utf8_lossy(attribute.value.value()).into_owned())
}

/// Who a name is to the API server: the last common name, and all organizations.
pub(crate) fn subject(name: &Name) -> CertificateSubject {
    CertificateSubject {
        common_name: values(name, COMMON_NAME).last().unwrap_or_default(),
        organizations: values(name, ORGANIZATION).collect(),
    }
}

/// The parts of a name that are shown.
fn written(name: &Name) -> Vec<(&'static str, Vec<String>)> {
    const PARTS: [(&str, &str); 7] = [
        ("2.5.4.3", "Common Name"),
        ("2.5.4.5", "Serial Number"),
        ("2.5.4.10", "Organization"),
        ("2.5.4.11", "Organizational Unit"),
        ("2.5.4.6", "Country"),
        ("2.5.4.7", "Locality"),
        ("2.5.4.8", "Province"),
    ];
    let part = |(oid, label): (&str, &'static str)| {
        let all: Vec<String> = values(name, ObjectIdentifier::new_unwrap(oid)).collect();
        // The common name and the serial number are shown even when they are empty.
        (!all.is_empty() || matches!(oid, "2.5.4.3" | "2.5.4.5")).then_some((label, all))
    };
    PARTS.into_iter().filter_map(part).collect()
}
