//! Who may have what signed: the admission plugins CertificateApproval, CertificateSigning and CertificateSubjectRestriction
//! (`plugin/pkg/admission/certificates`), and who asks (`pkg/registry/certificates`).

use crate::admission::Operation;
use crate::rbac::Attributes;
use crate::registry::certificate_signing_request::bytes;
use crate::server::ApiServer;
use crate::subresource::Subresource;
use crate::user::{self, Info};
use crate::write::{Refused, Write};
use api::Object;
use api::json::Rest;
use api::status::Status;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The signer of certificates for clients of the API server.
const CLIENTS: &str = "kubernetes.io/kube-apiserver-client";

fn is_request(write: &Write) -> bool {
    write.info.group_kind() == ("certificates.k8s.io", "CertificateSigningRequest")
}

/// A part of an object without a struct.
fn part<'o>(object: &'o Object, name: &str) -> &'o Value {
    match object {
        Object::Dynamic(object) => object.rest.get(name).unwrap_or(&Value::Null),
        _ => &Value::Null,
    }
}

impl ApiServer {
    /// Writes down in a new CertificateSigningRequest who asks.
    pub(crate) fn sign_with_user(&self, write: &Write, object: &mut Object) {
        let Some(user) = write.origin.as_ref().map(|origin| &origin.user).filter(|_| is_request(write)) else { return };
        let mut spec = part(object, "spec").as_object().cloned().unwrap_or_default();
        ["username", "uid", "groups", "extra"].into_iter().for_each(|field| drop(spec.remove(field)));
        spec.insert("username".to_owned(), user.name.as_str().into());
        if !user.uid.is_empty() {
            spec.insert("uid".to_owned(), user.uid.as_str().into());
        }
        if !user.groups.is_empty() {
            spec.insert("groups".to_owned(), user.groups.clone().into());
        }
        if !user.extra.is_empty() {
            spec.insert("extra".to_owned(), json!(user.extra));
        }
        if let Object::Dynamic(object) = object {
            let object = Arc::make_mut(object);
            let mut fields = Map::new();
            object.rest.restore(&mut fields);
            fields.insert("spec".to_owned(), Value::Object(spec));
            object.rest = Rest::new(fields);
        }
    }

    /// Checks whether the user may do this to a CertificateSigningRequest; `old` is what an update replaces.
    ///
    /// # Errors
    /// 403 for whoever may not approve or sign for its signer, and for clients that would be of `system:masters`.
    pub(crate) fn check_signer(&self, write: &Write, new: &Object, old: Option<&Object>) -> Refused<()> {
        let Some(user) = write.origin.as_ref().map(|origin| &origin.user).filter(|_| is_request(write)) else { return Ok(()) };
        let forbidden = |why: &str| Err(Box::new(Status::forbidden(&write.info.gvr(), &new.metadata().name, why)));
        let signer = part(old.unwrap_or(new), "spec")["signerName"].as_str().unwrap_or_default();
        let status = |object: &Object| {
            let status = part(object, "status");
            (status["certificate"].clone(), status["conditions"].clone())
        };
        let operation = self.admission(write, old).operation;
        match (operation, write.subresource) {
            (Operation::Create, Subresource::None) if signer == CLIENTS => {
                let request = match pki::Request::read(&bytes(&part(new, "spec")["request"])) {
                    Ok(request) => request,
                    Err(why) => return forbidden(&format!("failed to parse CSR: {why}")),
                };
                if request.subject.organizations.iter().any(|group| group == user::MASTERS) {
                    return forbidden(&format!("use of {CLIENTS} signer with {} group is not allowed", user::MASTERS));
                }
                Ok(())
            }
            (Operation::Update, Subresource::Approval) if !self.may_for_signer(user, "approve", signer) => {
                forbidden(&format!("user not permitted to approve requests with signerName {signer:?}"))
            }
            (Operation::Update, Subresource::Status)
                if old.is_some_and(|old| status(old) != status(new)) && !self.may_for_signer(user, "sign", signer) =>
            {
                forbidden(&format!("user not permitted to sign requests with signerName {signer:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a user may use a verb on a signer, by its name or by that of its domain (`IsAuthorizedForSignerName`).
    fn may_for_signer(&self, user: &Info, verb: &str, signer: &str) -> bool {
        let domain = format!("{}/*", signer.split('/').next().unwrap_or_default());
        let may = |name: &str| self.authorize(user, &Attributes::resource(verb, "certificates.k8s.io", "signers").on("", name)).is_ok();
        may(signer) || may(&domain)
    }
}
