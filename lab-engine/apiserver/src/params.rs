//! The parameters of requests (`metav1.ListOptions`, `GetOptions`, `DeleteOptions`, …).

use crate::crd::Served;
use crate::registry;
use crate::user;
use api::Object;
use api::decode::FieldValidation;
use api::fields::FieldSelector;
use api::http::{Accept, Body, Request};
use api::kinds::KindInfo;
use api::labels::Selector;
use api::status::Status;
use serde_json::Value;
use std::sync::Arc;

/// What a row of a table carries besides its cells (`includeObject`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IncludeObject {
    /// Nothing.
    None,
    /// The metadata.
    Metadata,
    /// The object.
    Object,
}

/// Who asks, and in which form the answer shall be.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The client.
    pub(crate) client: u32,
    /// Its request.
    pub(crate) id: u64,
    /// Whether objects are wanted as rows of a table.
    pub(crate) table: Option<IncludeObject>,
    /// Whether it speaks of a kind in its second version (`versions`).
    pub(crate) second_version: bool,
    /// Which program it says it is.
    pub(crate) agent: Arc<str>,
    /// Who sends it.
    pub(crate) user: user::Shared,
    /// Why it is allowed, as far as the trace tells of it.
    pub(crate) reason: Arc<str>,
}

impl Origin {
    /// Where the answer to the request goes; nobody is known yet who sends it.
    pub(crate) fn new(client: u32, id: u64, request: &Request) -> Self {
        let include = match request.param("includeObject") {
            Some("None") => IncludeObject::None,
            Some("Object") => IncludeObject::Object,
            _ => IncludeObject::Metadata,
        };
        let table = (request.accept == Accept::Table).then_some(include);
        Origin {
            client,
            id,
            table,
            agent: request.user_agent.clone(),
            user: user::Shared::default(),
            second_version: false,
            reason: "".into(),
        }
    }
}

/// Which objects a list or watch is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Their namespace; empty for all.
    pub(crate) namespace: String,
    /// Their labels.
    pub(crate) labels: Selector,
    /// Their fields.
    pub(crate) fields: FieldSelector,
}

impl Filter {
    /// Reads `labelSelector` and `fieldSelector`.
    ///
    /// # Errors
    /// 400 when a selector cannot be read, or the kind has no such field to select by.
    pub(crate) fn read(request: &Request, info: &KindInfo, served: Option<&Served>, namespace: &str) -> Result<Self, Box<Status>> {
        let bad = |message: String| Box::new(Status::bad_request(message));
        let labels = Selector::parse(request.param("labelSelector").unwrap_or_default())
            .map_err(|error| bad(format!("unable to parse requirement: {error}")))?;
        let fields = FieldSelector::parse(request.param("fieldSelector").unwrap_or_default()).map_err(bad)?;
        for requirement in &fields.requirements {
            let own = served.is_some_and(|served| served.selectable.contains(&requirement.field));
            if !own && !registry::selectable(info, &requirement.field) {
                return Err(bad(registry::not_selectable(info, &requirement.field)));
            }
        }
        Ok(Filter { namespace: namespace.to_owned(), labels, fields })
    }

    /// Whether nothing but the namespace is asked for.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.requirements.is_empty() && !self.labels.nothing && self.fields.requirements.is_empty()
    }

    /// Whether the object is meant.
    pub(crate) fn matches(&self, object: &Object) -> bool {
        let metadata = object.metadata();
        (self.namespace.is_empty() || self.namespace == metadata.namespace)
            && self.fields.requirements.iter().all(|r| {
                let value = registry::field(object, &r.field).unwrap_or_default();
                (value == r.value.as_str()) == r.equal
            })
            && self.labels.matches(&metadata.labels)
    }
}

/// Whether the request asks for `dryRun`.
///
/// # Errors
/// 422 for anything but `All`.
pub(crate) fn dry_run(request: &Request) -> Result<bool, Box<Status>> {
    match request.param("dryRun") {
        None | Some("") => Ok(false),
        Some("All") => Ok(true),
        Some(other) => {
            let error = api::status::FieldError::not_supported("dryRun", other, &["All"]);
            Err(Box::new(Status::invalid("meta.k8s.io", "CreateOptions", "", &[error])))
        }
    }
}

/// How unknown fields are treated.
///
/// # Errors
/// 422 for an unknown word.
pub(crate) fn field_validation(request: &Request) -> Result<FieldValidation, Box<Status>> {
    match request.param("fieldValidation") {
        Some("Strict") => Ok(FieldValidation::Strict),
        None | Some("" | "Warn") => Ok(FieldValidation::Warn),
        Some("Ignore") => Ok(FieldValidation::Ignore),
        Some(other) => {
            let error = api::status::FieldError::not_supported("fieldValidation", other, &["Ignore", "Strict", "Warn"]);
            Err(Box::new(Status::invalid("meta.k8s.io", "CreateOptions", "", &[error])))
        }
    }
}

/// `metav1.DeleteOptions`.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    /// Seconds granted.
    pub(crate) grace_period: Option<i64>,
    /// The UID that the object must have.
    pub(crate) uid: Option<String>,
    /// The revision that the object must have.
    pub(crate) resource_version: Option<String>,
    /// `Orphan`, `Background` or `Foreground`.
    pub(crate) propagation: Option<String>,
}

impl DeleteOptions {
    /// Reads the options from the body and the query; the query wins where it speaks, as upstream reads either.
    ///
    /// # Errors
    /// 400 and 422 for what cannot be read.
    pub(crate) fn read(request: &Request) -> Result<Self, Box<Status>> {
        let mut options = DeleteOptions::default();
        if let Body::Json(body) = &request.body {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            options.grace_period = body["gracePeriodSeconds"].as_i64();
            options.uid = text(&body["preconditions"]["uid"]);
            options.resource_version = text(&body["preconditions"]["resourceVersion"]);
            options.propagation = text(&body["propagationPolicy"]);
            if body["orphanDependents"] == Value::Bool(true) {
                options.propagation = Some("Orphan".to_owned());
            }
        }
        if let Some(seconds) = request.param("gracePeriodSeconds") {
            let bad = || Status::bad_request(format!("strconv.ParseInt: parsing {seconds:?}: invalid syntax"));
            options.grace_period = Some(seconds.parse().map_err(|_| bad())?);
        }
        if let Some(policy) = request.param("propagationPolicy") {
            options.propagation = Some(policy.to_owned());
        }
        match options.propagation.as_deref() {
            None | Some("Orphan" | "Background" | "Foreground") => Ok(options),
            Some(other) => {
                let allowed = ["Background", "Foreground", "Orphan"];
                let error = api::status::FieldError::not_supported("propagationPolicy", other, &allowed);
                Err(Box::new(Status::invalid("meta.k8s.io", "DeleteOptions", "", &[error])))
            }
        }
    }
}
