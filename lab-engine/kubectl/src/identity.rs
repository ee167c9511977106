//! The flags by which a user says who he is: `--as`, `--as-group`, `--as-uid`, `--token`, `--client-certificate`.
//!
//! **Simplified here:** the key that belongs to a certificate must be there, but is not looked at.

use crate::files::Files;
use crate::flags::Parsed;
use api::http::{Credentials, Impersonation, Request};

/// Who sends the requests of a run, besides the certificate of the terminal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    token: Option<String>,
    certificate: Option<String>,
    impersonation: Option<Box<Impersonation>>,
}

impl Identity {
    /// Reads the flags of a line.
    ///
    /// # Errors
    /// The text that follows `error: `.
    pub(crate) fn read(parsed: &Parsed, files: &Files) -> Result<Self, String> {
        let text = |name: &str| parsed.get(name).unwrap_or_default().to_owned();
        let wanted = Impersonation {
            user: text("as"),
            uid: text("as-uid"),
            groups: parsed.each("as-group").into_iter().map(str::to_owned).collect(),
        };
        if wanted.user.is_empty() && (!wanted.uid.is_empty() || !wanted.groups.is_empty()) {
            return Err("requesting uid, groups or user-extra for  without impersonating a user".to_owned());
        }
        let impersonation = (!wanted.user.is_empty()).then(|| Box::new(wanted));
        let file = |flag: &str, kind: &str| {
            let path = parsed.get(flag);
            let missing =
                |path: &str| format!("unable to read {kind} {path} for kubernetes-admin due to open {path}: no such file or directory");
            path.map(|path| files.read(path).map(str::to_owned).ok_or_else(|| missing(path))).transpose()
        };
        let certificate = file("client-certificate", "client-cert")?;
        if certificate.is_some() && file("client-key", "client-key")?.is_none() {
            let why = "client-key-data or client-key must be specified for kubernetes-admin to use the clientCert authentication method.";
            return Err(why.to_owned());
        }
        Ok(Identity { token: parsed.get("token").map(str::to_owned), certificate, impersonation })
    }

    /// The request as this identity sends it. A token takes the place of the certificate.
    pub(crate) fn send(&self, mut request: Request) -> Request {
        if let Some(certificate) = &self.certificate {
            request.credentials = Credentials::Issued(certificate.as_str().into());
        }
        if let Some(token) = &self.token {
            request.credentials = Credentials::Bearer(token.as_str().into());
        }
        request.impersonation.clone_from(&self.impersonation);
        request
    }
}
