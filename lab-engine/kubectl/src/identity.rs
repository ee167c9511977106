//! Who sends the requests of a run: the user of the context, and the flags `--as`, `--as-group`, `--as-uid`, `--token`,
//! `--client-certificate` and `--client-key`.
//!
//! **Simplified here:** the key that belongs to a certificate must be there, but is not looked at.

use crate::files::Files;
use crate::flags::Parsed;
use crate::kubeconfig::{Access, Source};
use api::http::{Credentials, Impersonation, Request};

/// Who sends the requests of a run, besides the certificate of the terminal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    token: Option<String>,
    certificate: Option<String>,
    impersonation: Option<Box<Impersonation>>,
    /// What is printed in place of a request, when none can be sent.
    pub(crate) blocked: Option<String>,
}

impl Identity {
    /// Reads the flags of a line, which go before what the user of the context has.
    ///
    /// # Errors
    /// All that is printed.
    pub(crate) fn read(parsed: &Parsed, access: Access, files: &Files) -> Result<Self, String> {
        let text = |name: &str| parsed.get(name).unwrap_or_default().to_owned();
        let wanted = Impersonation {
            user: text("as"),
            uid: text("as-uid"),
            groups: parsed.each("as-group").into_iter().map(str::to_owned).collect(),
        };
        if wanted.user.is_empty() && (!wanted.uid.is_empty() || !wanted.groups.is_empty()) {
            return Err("error: requesting uid, groups or user-extra for  without impersonating a user".to_owned());
        }
        let impersonation = (!wanted.user.is_empty()).then(|| Box::new(wanted));
        let Access { user_name, mut user, blocked, .. } = access;
        let file = |flag: &str| parsed.get(flag).map(|path| Source::File(path.to_owned()));
        if let Some(certificate) = file("client-certificate") {
            // The key of the user's other certificate does not belong to this one.
            (user.certificate, user.key) = (Some(certificate), user.key.filter(|key| *key != Source::Own));
        }
        user.key = file("client-key").or(user.key);
        let certificate = user.certificate(&user_name, files).map_err(|wrong| match &wrong[..] {
            [one] => format!("error: {one}"),
            all => format!("Error in configuration: \n* {}", all.join("\n* ")),
        })?;
        let token = parsed.get("token").map(str::to_owned).or(Some(user.token)).filter(|token| !token.is_empty());
        // Who has nothing to show is asked for a name and a password; nobody answers.
        let unknown = || "Please enter Username: error: EOF".to_owned();
        let blocked = blocked.or_else(|| (token.is_none() && user.certificate.is_none()).then(unknown));
        Ok(Identity { token, certificate, impersonation, blocked })
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
