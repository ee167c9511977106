//! Certificates of the cluster's authority (`pkg/controller/certificates/authority`; RFC 5280).

use crate::request::{Request, subject};
use crate::usage::{is_for_clients, of_key, purposes};
use crate::{CERTIFICATE_LABEL, Error, malformed};
use api::http::CertificateSubject;
use der::asn1::{BitString, ObjectIdentifier, OctetString, UtcTime};
use der::pem::LineEnding;
use der::{Decode, Encode, Sequence};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::time::Duration;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};
use x509_cert::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// The name of the authority.
const AUTHORITY: &str = "CN=kubernetes";
/// The key with which it signs.
const KEY: &[u8] = b"the key of the simulated authority";
/// How it signs: hmacWithSHA256 (RFC 4231).
const ALGORITHM: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");

const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");

/// `TBSCertificate`: what is signed.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct Signed {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial_number: SerialNumber,
    signature: AlgorithmIdentifier,
    issuer: Name,
    validity: Validity,
    subject: Name,
    public_key: SubjectPublicKeyInfo,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

/// `Certificate`.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct Whole {
    signed: Signed,
    algorithm: AlgorithmIdentifier,
    signature: BitString,
}

/// A certificate of the authority that holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it is for.
    pub subject: CertificateSubject,
    /// The SHA-256 of the whole, in hexadecimal digits.
    pub fingerprint: String,
}

fn algorithm() -> AlgorithmIdentifier {
    AlgorithmIdentifier { oid: ALGORITHM, parameters: None }
}

fn mac(signed: &Signed) -> Result<Vec<u8>, der::Error> {
    // A key of any length will do.
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).map_err(|_| der::Error::from(der::ErrorKind::Failed))?;
    mac.update(&signed.to_der()?);
    Ok(mac.finalize().into_bytes().to_vec())
}

/// Seconds since 1970 as a time of a certificate.
fn moment(seconds: i64) -> Result<Time, der::Error> {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    UtcTime::from_unix_duration(since).map(Time::UtcTime)
}

fn extensions(request: &Request, usages: &[String]) -> Result<Vec<Extension>, der::Error> {
    let extension = |extn_id, critical, value: Vec<u8>| -> Result<Extension, der::Error> {
        Ok(Extension { extn_id, critical, extn_value: OctetString::new(value)? })
    };
    let mut all: Vec<Extension> = Vec::new();
    let key = of_key(usages).fold(None, |flags: Option<KeyUsage>, flag| {
        let mut usage = flags.unwrap_or(KeyUsage(flag.into()));
        usage.0 |= flag;
        Some(usage)
    });
    if let Some(usage) = key {
        all.push(extension(KEY_USAGE, true, usage.to_der()?)?);
    }
    let purposes = purposes(usages);
    if !purposes.is_empty() {
        all.push(extension(EXTENDED_KEY_USAGE, false, ExtendedKeyUsage(purposes).to_der()?)?);
    }
    all.push(extension(BASIC_CONSTRAINTS, true, BasicConstraints { ca: false, path_len_constraint: None }.to_der()?)?);
    all.extend(request.alternatives.clone());
    Ok(all)
}

/// Issues the certificate that a request asks for, in PEM. `serial` is any text that is of this certificate only; times are in seconds
/// since 1970.
///
/// # Errors
/// What of the request cannot be written.
pub fn issue(request: &Request, usages: &[String], serial: &str, from: i64, until: i64) -> Result<String, Error> {
    let sign = || -> Result<String, der::Error> {
        let digest = Sha256::digest(serial.as_bytes());
        // A serial number is positive.
        let serial: Vec<u8> = std::iter::once(digest[0] & 0x7f | 0x01).chain(digest[1..16].iter().copied()).collect();
        let signed = Signed {
            version: 2,
            serial_number: SerialNumber::new(&serial)?,
            signature: algorithm(),
            issuer: AUTHORITY.parse()?,
            validity: Validity::new(moment(from)?, moment(until)?),
            subject: request.parsed.info.subject.clone(),
            public_key: request.parsed.info.public_key.clone(),
            extensions: Some(extensions(request, usages)?),
        };
        let signature = BitString::from_bytes(&mac(&signed)?)?;
        let whole = Whole { signed, algorithm: algorithm(), signature }.to_der()?;
        Ok(der::pem::encode_string(CERTIFICATE_LABEL, LineEnding::LF, &whole)?)
    };
    sign().map_err(malformed("certificate"))
}

/// Until when a certificate in PEM holds, in seconds since 1970; `None` when it cannot be read.
pub fn expires(pem: &[u8]) -> Option<i64> {
    let (_, bytes) = der::pem::decode_vec(pem).ok()?;
    i64::try_from(Whole::from_der(&bytes).ok()?.signed.validity.not_after.to_unix_duration().as_secs()).ok()
}

/// Whom a certificate in PEM is for, if the authority issued it for clients and it holds now.
///
/// # Errors
/// Why it does not say who a client is, in the words of Go's `crypto/x509`.
pub fn verify(pem: &[u8], now: sim::Time) -> Result<Certificate, Error> {
    let unreadable = || Error("tls: failed to find any PEM data in certificate input".to_owned());
    let (label, bytes) = der::pem::decode_vec(pem).map_err(|_| unreadable())?;
    if label != CERTIFICATE_LABEL {
        return Err(unreadable());
    }
    let unknown = || Error("x509: certificate signed by unknown authority".to_owned());
    let whole = Whole::from_der(&bytes).map_err(|_| unknown())?;
    let signature = mac(&whole.signed).map_err(malformed("certificate"))?;
    if whole.algorithm.oid != ALGORITHM || whole.signature.as_bytes() != Some(&signature) {
        return Err(unknown());
    }
    let seconds = now.unix_seconds();
    let (from, until) = (whole.signed.validity.not_before, whole.signed.validity.not_after);
    let at = |time: Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    let expired =
        |why: String| Err(Error(format!("x509: certificate has expired or is not yet valid: current time {} {why}", now.rfc3339())));
    if seconds < at(from) {
        return expired(format!("is before {}", from.to_date_time()));
    }
    if seconds > at(until) {
        return expired(format!("is after {}", until.to_date_time()));
    }
    let wrong = malformed("extended key usage");
    let usage = whole.signed.extensions.iter().flatten().find(|extension| extension.extn_id == EXTENDED_KEY_USAGE);
    let purposes = usage.map(|usage| ExtendedKeyUsage::from_der(usage.extn_value.as_bytes())).transpose().map_err(wrong)?;
    if !is_for_clients(&purposes.map(|purposes| purposes.0).unwrap_or_default()) {
        return Err(Error("x509: certificate specifies an incompatible key usage".to_owned()));
    }
    let fingerprint = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Certificate { subject: subject(&whole.signed.subject), fingerprint })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `openssl req -new -key KEY -subj "/O=dev/CN=jane"` prints for a key on the curve prime256v1.
    const JANE: &str = "-----BEGIN CERTIFICATE REQUEST-----
MIHWMH8CAQAwHTEMMAoGA1UECgwDZGV2MQ0wCwYDVQQDDARqYW5lMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEe8cQ3CGN2gFcsmdmEsfjZAe0zAwB0NtEZLTJT0c1
BDfH9u1IyMd+U5XVzgdyWyJmJ56xkL7rezhGfI8xFpTu4KAAMAoGCCqGSM49BAMC
A0cAMEQCIAlVkNpGaiQtx8fAHdvt/v1ikRbHF8MvydobcYkgHfsnAiA6dS0Ia53K
LIIS1MsRHK9nBeasxZWqKN3Eec9Xmw/D3g==
-----END CERTIFICATE REQUEST-----
";

    #[test]
    fn a_certificate_holds_in_its_time_and_as_it_was_issued() {
        let request = Request::read(JANE.as_bytes()).unwrap();
        let jane = CertificateSubject { common_name: "jane".to_owned(), organizations: vec!["dev".to_owned()] };
        assert_eq!(request.subject, jane);
        let usages = ["client auth", "digital signature"].map(str::to_owned);
        let epoch = sim::Time::EPOCH;
        let pem = issue(&request, &usages, "1", epoch, epoch + 600).unwrap();
        let at = |seconds| verify(pem.as_bytes(), sim::Time::from_secs(seconds));
        assert_eq!(at(600).unwrap().subject, jane);
        let late = "x509: certificate has expired or is not yet valid: current time 2026-05-04T08:10:01Z is after 2026-05-04T08:10:00Z";
        assert_eq!((at(601).unwrap_err().0.as_str(), expires(pem.as_bytes())), (late, Some(epoch + 600)));
        let server = issue(&request, &["server auth".to_owned()], "2", epoch, epoch + 600).unwrap();
        let refused = verify(server.as_bytes(), sim::Time::ZERO).unwrap_err();
        assert_eq!(refused.0, "x509: certificate specifies an incompatible key usage");
    }

    #[test]
    fn what_was_changed_or_is_no_certificate_is_refused() {
        let request = Request::read(JANE.as_bytes()).unwrap();
        let pem = issue(&request, &["client auth".to_owned()], "1", sim::Time::EPOCH, sim::Time::EPOCH + 600).unwrap();
        let (_, mut bytes) = der::pem::decode_vec(pem.as_bytes()).unwrap();
        let name = bytes.windows(4).position(|window| window == b"jane").unwrap();
        bytes[name] = b'k';
        let forged = der::pem::encode_string(CERTIFICATE_LABEL, LineEnding::LF, &bytes).unwrap();
        let refused = verify(forged.as_bytes(), sim::Time::ZERO).unwrap_err();
        assert_eq!(refused.0, "x509: certificate signed by unknown authority");
        assert!(verify(JANE.as_bytes(), sim::Time::ZERO).is_err());
        assert_eq!(Request::read(pem.as_bytes()).unwrap_err().0, "PEM block type must be CERTIFICATE REQUEST");
    }
}
