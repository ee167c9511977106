//! Reviews: questions that are asked by creating an object which is answered and never stored
//! (`pkg/registry/authorization`, `pkg/registry/authentication`), and `serviceaccounts/token`.
//!
//! `SubjectAccessReview`, `LocalSubjectAccessReview`, `SelfSubjectAccessReview`, `SelfSubjectRulesReview`, `SelfSubjectReview`,
//! `TokenReview`, `TokenRequest`.
//!
//! **Simplified here:** they are not among the built-in kinds (`api::kinds`), so the terminal's `kubectl create -f` does not know them;
//! field and label selectors of access reviews are not looked at.

use crate::params::Origin;
use crate::rbac::Attributes;
use crate::server::{ApiServer, Output};
use crate::storage;
use crate::tokens::{Audience, ISSUER, Wanted};
use crate::user::Info;
use api::Resource;
use api::core::{Node, Pod, ServiceAccount};
use api::http::{Body, Method, Request, ResourcePath, Response};
use api::json::Json;
use api::rbac::PolicyRule;
use api::status::{FieldError, Status};
use serde_json::{Value, json};
use sim::Time;
use std::collections::BTreeMap;
use std::time::Duration;

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// Seconds that a token holds unless told, and the fewest that it may.
const TOKEN_SECONDS: (u64, u64) = (3600, 600);
/// The most seconds that a token may hold (`MaxTokenExpiration`, 2^32).
const TOKEN_SECONDS_MAX: u64 = 1 << 32;

type Answer = Result<Value, Box<Status>>;

/// Whether a path leads to a review or a token.
pub(crate) fn is_review(path: &ResourcePath) -> bool {
    let gvr = &path.resource;
    match gvr.group.as_ref() {
        AUTHENTICATION => gvr.version == "v1" && matches!(gvr.resource.as_ref(), "selfsubjectreviews" | "tokenreviews"),
        AUTHORIZATION => {
            let known = ["localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"];
            gvr.version == "v1" && known.contains(&gvr.resource.as_ref())
        }
        "" => gvr.resource == ServiceAccount::INFO.plural && path.subresource == "token",
        _ => false,
    }
}

impl ApiServer {
    /// Answers a review.
    ///
    /// # Errors
    /// 405 for anything but a creation, 400 and 422 for a review that asks nothing.
    pub(crate) fn review(
        &mut self,
        now: Time,
        origin: &Origin,
        request: Request,
        path: &ResourcePath,
        out: &mut Vec<Output>,
    ) -> Result<(), Box<Status>> {
        if request.method != Method::Post {
            return Err(Box::new(Status::method_not_allowed()));
        }
        let body = match request.body {
            Body::Json(body) => body,
            Body::Object(object) => object.to_json(),
            _ => return Err(Box::new(Status::bad_request("the body of the request is no object"))),
        };
        let spec = &body["spec"];
        let (kind, status) = match path.resource.resource.as_ref() {
            "selfsubjectaccessreviews" => ("SelfSubjectAccessReview", self.access(&origin.user, spec, "SelfSubjectAccessReview")?),
            "subjectaccessreviews" => {
                ("SubjectAccessReview", self.access(&subject(spec, "SubjectAccessReview")?, spec, "SubjectAccessReview")?)
            }
            "localsubjectaccessreviews" => {
                let namespace = path.namespace.as_deref().unwrap_or_default();
                if spec["resourceAttributes"]["namespace"].as_str() != Some(namespace) {
                    let text = spec["resourceAttributes"]["namespace"].as_str().unwrap_or_default();
                    let error = FieldError::invalid("spec.resourceAttributes.namespace", text, "must match metadata.namespace");
                    return Err(invalid("LocalSubjectAccessReview", error));
                }
                let user = subject(spec, "LocalSubjectAccessReview")?;
                ("LocalSubjectAccessReview", self.access(&user, spec, "LocalSubjectAccessReview")?)
            }
            "selfsubjectrulesreviews" => ("SelfSubjectRulesReview", self.rules_review(&origin.user, spec)?),
            "selfsubjectreviews" => ("SelfSubjectReview", json!({"userInfo": user_info(&origin.user)})),
            "tokenreviews" => ("TokenReview", self.token_review(now, spec)?),
            _ => ("TokenRequest", self.token_request(now, spec, path)?),
        };
        let group = if kind == "TokenRequest" { AUTHENTICATION } else { path.resource.group.as_ref() };
        let mut answer =
            json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"creationTimestamp": null}, "status": status});
        if !spec.is_null() {
            answer["spec"] = spec.clone();
        }
        out.push(Output::Respond { client: origin.client, id: origin.id, response: Response::created(Body::Json(answer)) });
        Ok(())
    }

    fn access(&self, user: &Info, spec: &Value, kind: &str) -> Answer {
        let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
        if resource.is_null() == path.is_null() {
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            return Err(invalid(kind, FieldError::invalid("spec.resourceAttributes", "", detail)));
        }
        let word = |of: &'static str| resource[of].as_str().unwrap_or_default();
        let attributes = if path.is_null() {
            Attributes::Resource {
                verb: word("verb"),
                group: word("group"),
                resource: word("resource"),
                subresource: word("subresource"),
                namespace: word("namespace"),
                name: word("name"),
            }
        } else {
            let word = |of: &str| path[of].as_str().unwrap_or_default();
            Attributes::Path { verb: word("verb"), path: word("path") }
        };
        let (allowed, reason) = match self.authorize(user, &attributes) {
            Ok(allowed) => (true, allowed.to_string()),
            Err(reason) => (false, reason),
        };
        Ok(if reason.is_empty() { json!({"allowed": allowed}) } else { json!({"allowed": allowed, "reason": reason}) })
    }

    fn rules_review(&self, user: &Info, spec: &Value) -> Answer {
        let Some(namespace) = spec["namespace"].as_str().filter(|namespace| !namespace.is_empty()) else {
            return Err(Box::new(Status::bad_request("no namespace on request")));
        };
        let found = self.rbac.rules_for(user, namespace);
        let (paths, resources): (Vec<&PolicyRule>, Vec<&PolicyRule>) =
            found.rules.iter().partition(|rule| !rule.non_resource_urls.is_empty());
        let json = |rules: Vec<&PolicyRule>| rules.into_iter().map(Json::to_json).collect::<Vec<Value>>();
        let mut status = json!({"resourceRules": json(resources), "nonResourceRules": json(paths), "incomplete": false});
        if let Some(error) = found.errors.first() {
            (status["incomplete"], status["evaluationError"]) = (json!(true), json!(error));
        } else if user.node().is_some() {
            let error = "node authorizer does not support user rule resolution";
            (status["incomplete"], status["evaluationError"]) = (json!(true), json!(error));
        }
        Ok(status)
    }

    fn token_review(&self, now: Time, spec: &Value) -> Answer {
        let Some(token) = spec["token"].as_str().filter(|token| !token.is_empty()) else {
            return Err(Box::new(Status::bad_request("token is required for TokenReview in authentication")));
        };
        let asked = texts(&spec["audiences"]);
        let audience = if asked.is_empty() { Audience::server() } else { Audience(asked) };
        Ok(match self.tokens.check(&self.cache, now, token, &audience) {
            Ok(checked) => json!({"authenticated": true, "user": user_info(&checked.user), "audiences": checked.audiences}),
            Err(error) => json!({"error": format!("[invalid bearer token, {error}]"), "user": {}}),
        })
    }

    fn token_request(&mut self, now: Time, spec: &Value, path: &ResourcePath) -> Answer {
        let (namespace, name) = (path.namespace.as_deref().unwrap_or_default(), path.name.as_deref().unwrap_or_default());
        let found = self.cache.get(&storage::key(ServiceAccount::INFO, namespace, name));
        let account = found.and_then(|object| object.as_kind::<ServiceAccount>());
        let account = account.ok_or_else(|| Box::new(Status::not_found(&ServiceAccount::INFO.gvr(), name)))?;
        let seconds = spec["expirationSeconds"].as_u64().unwrap_or(TOKEN_SECONDS.0);
        if !(TOKEN_SECONDS.1..=TOKEN_SECONDS_MAX).contains(&seconds) {
            let detail = if seconds < TOKEN_SECONDS.1 {
                "may not specify a duration less than 10 minutes"
            } else {
                "may not specify a duration larger than 2^32 seconds"
            };
            let value = i64::try_from(seconds).unwrap_or(i64::MAX);
            return Err(invalid("TokenRequest", FieldError::invalid_number("spec.expirationSeconds", value, detail)));
        }
        let pod = bound_pod(&self.cache, namespace, name, &spec["boundObjectRef"])?;
        let asked = texts(&spec["audiences"]);
        let audiences = if asked.is_empty() { vec![ISSUER.to_owned()] } else { asked };
        let node = pod.map(|pod| pod.spec.node_name.as_str()).filter(|name| !name.is_empty());
        let node = node.map(|name| {
            let found = self.cache.get(&storage::key(Node::INFO, "", name));
            (name, found.map_or("", |node| node.metadata().uid.as_str()))
        });
        let token = self.tokens.issue(now, &Wanted { account, audiences, seconds, pod, node });
        let ends = now.saturating_add(Duration::from_secs(seconds));
        Ok(json!({"token": token, "expirationTimestamp": ends.rfc3339()}))
    }
}

/// The Pod that a token shall be bound to, if it shall be.
fn bound_pod<'a>(
    cache: &'a crate::cache::Cache,
    namespace: &str,
    account: &str,
    reference: &Value,
) -> Result<Option<&'a Pod>, Box<Status>> {
    if reference.is_null() {
        return Ok(None);
    }
    let (kind, name) = (reference["kind"].as_str().unwrap_or_default(), reference["name"].as_str().unwrap_or_default());
    if kind != "Pod" {
        return Err(Box::new(Status::bad_request(format!("cannot bind token for serviceaccount {account:?} to object of kind {kind:?}"))));
    }
    let found = cache.get(&storage::key(Pod::INFO, namespace, name)).and_then(|object| object.as_kind::<Pod>());
    let pod = found.ok_or_else(|| Box::new(Status::not_found(&Pod::INFO.gvr(), name)))?;
    if pod.spec.service_account_name != account {
        let own = &pod.spec.service_account_name;
        let why = format!("cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name {own:?}.");
        return Err(Box::new(Status::bad_request(why)));
    }
    match reference["uid"].as_str() {
        Some(uid) if !uid.is_empty() && uid != pod.metadata.uid => {
            let why = format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
            );
            Err(Box::new(Status::conflict(&Pod::INFO.gvr(), name, &why)))
        }
        _ => Ok(Some(pod)),
    }
}

fn invalid(kind: &str, error: FieldError) -> Box<Status> {
    let group = if kind == "TokenRequest" { AUTHENTICATION } else { AUTHORIZATION };
    Box::new(Status::invalid(group, kind, "", &[error]))
}

/// The user that a review is about.
fn subject(spec: &Value, kind: &str) -> Result<Info, Box<Status>> {
    let text = |of: &str| spec[of].as_str().unwrap_or_default().to_owned();
    let extra = spec["extra"].as_object().into_iter().flatten().map(|(key, values)| (key.clone(), texts(values)));
    let info = Info { name: text("user"), uid: text("uid"), groups: texts(&spec["groups"]), extra: extra.collect() };
    if info.name.is_empty() && info.groups.is_empty() {
        return Err(invalid(kind, FieldError::invalid("spec.user", "", "at least one of user or group must be specified")));
    }
    Ok(info)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `authentication.k8s.io/v1` `UserInfo`.
fn user_info(user: &Info) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        info["uid"] = json!(user.uid);
    }
    let extra: &BTreeMap<String, Vec<String>> = &user.extra;
    if !extra.is_empty() {
        info["extra"] = json!(extra);
    }
    info
}
