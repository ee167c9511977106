//! Authentication: who sends a request (`k8s.io/apiserver/pkg/authentication`).
//!
//! | credentials | user |
//! | --- | --- |
//! | client certificate `CN=jane, O=dev` | `jane` in `dev`, `system:authenticated` |
//! | the same, issued for a CertificateSigningRequest | the same, while it holds |
//! | bearer token of a ServiceAccount | `system:serviceaccount:NAMESPACE:NAME` in its groups |
//! | none | `system:anonymous` in `system:unauthenticated` |
//!
//! A token that is not valid is refused with 401; it never becomes the anonymous user. Who may, acts as someone else (`Impersonate-User`):
//! the filter of `k8s.io/apiserver/pkg/endpoints/filters/impersonation.go`.
//!
//! **Simplified here:** the certificates of the cluster's own parts are their subjects, so none of them expires; those that were issued for
//! a CertificateSigningRequest are real ones, but whoever shows one need not prove that he has its key. No OpenID Connect, webhook and
//! bootstrap tokens; no `Impersonate-Extra`.

use crate::authorization::forbidden;
use crate::rbac::Attributes;
use crate::server::ApiServer;
use crate::tokens::Audience;
use crate::user::{self, Info};
use api::http::{CertificateSubject, Credentials, Impersonation, Request};
use api::status::Status;
use sim::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a user's extra information says of the certificate that he showed (`CredentialIDKey`).
const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";

/// Users that were seen before, so that a request of a component costs one look.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeMap<Arc<CertificateSubject>, user::Shared>);

/// How many certificates are remembered; a lab has a few and a large cluster one per node.
const KNOWN: usize = 10_000;

impl Known {
    fn user(&mut self, subject: &Arc<CertificateSubject>) -> user::Shared {
        if let Some(user) = self.0.get(subject) {
            return user.clone();
        }
        let mut user = Info { name: subject.common_name.clone(), groups: subject.organizations.clone(), ..Info::default() };
        user.groups.push(user::AUTHENTICATED.to_owned());
        let user = Arc::new(user);
        if self.0.len() < KNOWN {
            self.0.insert(subject.clone(), user.clone());
        }
        user
    }
}

impl ApiServer {
    /// The user of a request, after impersonation.
    ///
    /// # Errors
    /// 401 for a token that is not valid, 403 where the user may not act as the one asked for.
    pub(crate) fn authenticate(&mut self, now: Time, request: &Request) -> Result<user::Shared, Box<Status>> {
        let user = match &request.credentials {
            Credentials::None => Arc::new(Info::anonymous()),
            Credentials::Certificate(subject) => self.known.user(subject),
            Credentials::Issued(pem) => {
                let issued = pki::verify(pem.as_bytes(), now).map_err(|_| Box::new(Status::unauthorized()))?;
                let mut user = Info::clone(&self.known.user(&Arc::new(issued.subject)));
                user.extra.insert(CREDENTIAL.to_owned(), vec![format!("X509SHA256={}", issued.fingerprint)]);
                Arc::new(user)
            }
            Credentials::Bearer(token) => {
                let checked = self.tokens.check(&self.cache, now, token, &Audience::server());
                Arc::new(checked.map_err(|_| Box::new(Status::unauthorized()))?.user)
            }
        };
        match &request.impersonation {
            Some(wanted) => self.impersonate(&user, wanted).map(Arc::new),
            None => Ok(user),
        }
    }

    fn impersonate(&self, user: &Info, wanted: &Impersonation) -> Result<Info, Box<Status>> {
        if wanted.user.is_empty() {
            return Err(Box::new(Status::internal("requested groups or uid without impersonating a user")));
        }
        let may = |attributes: &Attributes<'_>| self.authorize(user, attributes).map(drop).map_err(|why| forbidden(user, attributes, &why));
        let account = wanted.user.strip_prefix(user::SERVICE_ACCOUNT_PREFIX).and_then(|rest| rest.split_once(':'));
        match account {
            Some((namespace, name)) => may(&Attributes::resource("impersonate", "", "serviceaccounts").on(namespace, name))?,
            None => may(&Attributes::resource("impersonate", "", "users").on("", &wanted.user))?,
        };
        for group in &wanted.groups {
            may(&Attributes::resource("impersonate", "", "groups").on("", group))?;
        }
        if !wanted.uid.is_empty() {
            may(&Attributes::resource("impersonate", "authentication.k8s.io", "uids").on("", &wanted.uid))?;
        }
        let mut info = match account {
            Some((namespace, name)) if wanted.groups.is_empty() => Info::service_account(namespace, name, ""),
            _ => Info { name: wanted.user.clone(), groups: wanted.groups.clone(), ..Info::default() },
        };
        info.uid.clone_from(&wanted.uid);
        let group = if info.name == user::ANONYMOUS { user::UNAUTHENTICATED } else { user::AUTHENTICATED };
        if !info.is_in(group) {
            info.groups.push(group.to_owned());
        }
        Ok(info)
    }
}
