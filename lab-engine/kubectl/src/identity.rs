//! The flags by which a user says who he is: `--as`, `--as-group`, `--as-uid`, `--token`.

use crate::flags::Parsed;
use api::http::{Credentials, Impersonation, Request};

/// Who sends the requests of a run, besides the certificate of the terminal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    token: Option<String>,
    impersonation: Option<Box<Impersonation>>,
}

impl Identity {
    /// Reads the flags of a line.
    ///
    /// # Errors
    /// The text that follows `error: `.
    pub(crate) fn read(parsed: &Parsed) -> Result<Self, String> {
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
        Ok(Identity { token: parsed.get("token").map(str::to_owned), impersonation })
    }

    /// The request as this identity sends it. A token takes the place of the certificate.
    pub(crate) fn send(&self, mut request: Request) -> Request {
        if let Some(token) = &self.token {
            request.credentials = Credentials::Bearer(token.as_str().into());
        }
        request.impersonation.clone_from(&self.impersonation);
        request
    }
}
