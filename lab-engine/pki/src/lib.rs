//! Certificates: requests for them are read (PKCS #10), certificates are issued and verified (X.509).
//!
//! ```text
//! openssl req -new -key jane.key -subj "/CN=jane/O=dev"  ─►  Request { CN=jane, O=[dev], … }  ─►  issue  ─►  a certificate
//! ```
//!
//! What is read and written are the real formats: any tool can make a request, and `openssl x509 -text` shows a certificate.
//!
//! **Simplified here:** the cluster's authority signs with a keyed hash (HMAC-SHA-256) in place of a key pair, so that only the cluster can
//! verify what it issued; the signature of a request is not checked, and whoever shows a certificate is taken to have its key.

mod certificate;
mod request;
mod usage;

pub use certificate::{Certificate, expires, issue, verify};
pub use request::Request;
pub use usage::{is_known_usage, known_usages};

/// The label of a request in PEM.
pub const REQUEST_LABEL: &str = "CERTIFICATE REQUEST";
/// The label of a certificate in PEM.
pub const CERTIFICATE_LABEL: &str = "CERTIFICATE";

/// Why something is no certificate, or none that holds, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

fn malformed(what: &str) -> impl Fn(der::Error) -> Error {
    move |error| Error(format!("x509: malformed {what}: {error}"))
}
