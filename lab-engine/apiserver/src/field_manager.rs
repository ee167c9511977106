//! Who owns which field of an object, on all writes, and server-side apply (`pkg/endpoints/handlers/patch.go`, `fieldmanager`).
//!
//! A manager is who the request says it is (`fieldManager`), or the program that sends it. Its fields are found after defaults and before
//! admission, so that what admission adds belongs to nobody, as upstream. What a write cannot change is not looked at: the status in
//! writes of the object, the spec in writes of the status ([`ignored`]).
//!
//! **Simplified here:** what the server itself writes (usage that is charged to quotas, names of definitions) has no owner.

use crate::server::{ApiServer, Output};
use crate::subresource::Subresource;
use crate::write::{Action, Write, check_names};
use api::Object;
use api::decode::{FieldValidation, decode_object};
use api::http::{Body, PatchType, Request};
use api::kinds::Kind;
use api::managed_fields::{ApplyError, Interner, Made, ManagedFields, Set, Writing};
use api::schema;
use api::status::{Cause, Details, FieldError, FieldErrorKind, Status};
use serde_json::{Value, json};
use sim::Time;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// The longest name of a manager, in bytes (`FieldManagerMaxLength`).
const MAX_NAME: usize = 128;
/// What the server calls itself.
const SELF: &str = "kube-apiserver";

/// Who writes, as the record of field owners knows it.
#[derive(Clone, Debug)]
pub(crate) struct FieldOwner {
    manager: Arc<str>,
    /// Whether an apply takes fields from others.
    force: bool,
}

impl FieldOwner {
    /// The server itself.
    pub(crate) fn server() -> Self {
        FieldOwner { manager: SELF.into(), force: false }
    }

    /// Reads `fieldManager` and `force`.
    ///
    /// # Errors
    /// 422 for a name that is none, an apply without one, and `force` for anything else than an apply.
    pub(crate) fn read(request: &Request) -> Result<Self, Box<Status>> {
        let applies = matches!(&request.body, Body::Patch(PatchType::Apply, _));
        let name = request.param("fieldManager").unwrap_or_default();
        let forced = request.param("force").filter(|_| matches!(request.body, Body::Patch(..)));
        let mut errors = Vec::new();
        if applies && name.is_empty() {
            errors.push(FieldError::required("fieldManager", "is required for apply patch"));
        }
        if !applies && forced.is_some() {
            errors.push(FieldError::forbidden("force", "may not be specified for non-apply patch"));
        }
        if name.len() > MAX_NAME {
            let detail = format!("may not be more than {MAX_NAME} bytes");
            errors.push(FieldError::new(FieldErrorKind::TooLong, "fieldManager", "", detail));
        }
        if name.chars().any(char::is_control) {
            errors.push(FieldError::invalid("fieldManager", name, "should only contain printable characters"));
        }
        if !errors.is_empty() {
            let kind = match request.body {
                Body::Patch(..) => "PatchOptions",
                _ if request.method == api::http::Method::Put => "UpdateOptions",
                _ => "CreateOptions",
            };
            return Err(Box::new(Status::invalid("meta.k8s.io", kind, "", &errors)));
        }
        let manager = if name.is_empty() { of_agent(&request.user_agent) } else { name.into() };
        Ok(FieldOwner { manager, force: request.flag("force") })
    }
}

/// The program's name: what stands before the first `/` (`prefixFromUserAgent`).
fn of_agent(agent: &Arc<str>) -> Arc<str> {
    let name = agent.split('/').next().unwrap_or_default();
    if name.len() == agent.len() && name.len() <= MAX_NAME {
        return agent.clone();
    }
    let mut short = String::new();
    for letter in name.chars().filter(|letter| !letter.is_control()) {
        if short.len() + letter.len_utf8() > MAX_NAME {
            break;
        }
        short.push(letter);
    }
    short.into()
}

/// What is remembered so that the record costs little.
#[derive(Debug, Default)]
pub(crate) struct FieldSets {
    interner: Interner,
    /// The last object that was made of each built-in kind, by group and kind.
    made: BTreeMap<(&'static str, &'static str), Option<Made>>,
    /// In its place for a custom kind.
    other: Option<Made>,
}

impl FieldSets {
    fn made(&mut self, kind: &Kind) -> &mut Option<Made> {
        match kind {
            Kind::BuiltIn(info) => self.made.entry((&*info.group, &*info.kind)).or_default(),
            Kind::Custom(_) => {
                self.other = None;
                &mut self.other
            }
        }
    }

    /// The entries with sets of fields that objects have in common kept once.
    fn shared(&mut self, managed: ManagedFields) -> ManagedFields {
        let mut entries = managed.entries().to_vec();
        self.interner.intern(&mut entries);
        entries.into()
    }
}

/// Fields that a write cannot change (`GetResetFields` of the strategies).
fn ignored(write: &Write, subresource: Subresource) -> &'static Set {
    let info = &write.info;
    static NOTHING: LazyLock<Set> = LazyLock::new(Set::default);
    static STATUS: LazyLock<Set> = LazyLock::new(|| Set::of_fields(&[&["status"]]));
    static SPEC: LazyLock<Set> = LazyLock::new(|| Set::of_fields(&[&["spec"]]));
    static SPEC_AND_LABELS: LazyLock<Set> = LazyLock::new(|| Set::of_fields(&[&["spec"], &["metadata", "labels"]]));
    static SPEC_AND_METADATA: LazyLock<Set> = LazyLock::new(|| Set::of_fields(&[&["spec"], &["metadata"]]));
    static OF_POD_STATUS: LazyLock<Set> =
        LazyLock::new(|| Set::of_fields(&[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]]));
    match (subresource, &*info.group, &*info.kind) {
        (Subresource::None, ..) if has_status(write) => &STATUS,
        (Subresource::Finalize, ..) => &STATUS,
        (Subresource::Status, "", "Pod") => &OF_POD_STATUS,
        (Subresource::Status, "apps", "Deployment") => &SPEC_AND_LABELS,
        (Subresource::Status, "apiextensions.k8s.io" | "flowcontrol.apiserver.k8s.io", _) => &SPEC_AND_METADATA,
        (Subresource::Status, _, "VolumeAttachment") => &SPEC_AND_METADATA,
        (Subresource::Status, ..) => &SPEC,
        _ => &NOTHING,
    }
}

fn has_status(write: &Write) -> bool {
    let built_in = || schema::for_kind(&write.info).is_some_and(|schema| schema.get("status").is_some());
    write.served.as_ref().map_or_else(built_in, |served| served.status)
}

/// How the record sees a write.
fn writing(now: Time, write: &Write) -> Writing<'_> {
    Writing {
        info: &write.info,
        type_: write.served.as_ref().map(|served| &served.type_),
        subresource: write.subresource.as_str(),
        ignored: ignored(write, write.subresource),
        manager: &write.owner.manager,
        // As upstream, the record of a new owner by `scale` has no time.
        now: (write.subresource != Subresource::Scale).then(|| now.into()),
    }
}

impl ApiServer {
    /// Who owns what of a new object that has its defaults.
    pub(crate) fn owners_of_new(&mut self, now: Time, write: &Write, new: &Object) -> ManagedFields {
        let made = self.field_sets.made(&write.info);
        let managed = writing(now, write).create(new, made);
        self.field_sets.shared(managed)
    }

    /// Who owns what after an update that is no apply; `new` has its defaults.
    pub(crate) fn owners(&mut self, now: Time, write: &Write, live: &Object, new: &Object) -> ManagedFields {
        let managed = writing(now, write).update(live, new);
        self.field_sets.shared(managed)
    }

    /// The object with a configuration applied, and with who owns what then.
    ///
    /// # Errors
    /// 400 when the configuration is for something else, 409 when others own what it would change, 500 when it does not fit its kind.
    pub(crate) fn apply(&mut self, now: Time, write: &Write, live: Option<&Object>, config: &Value) -> Result<Object, Box<Status>> {
        let applied = writing(now, write).apply(live, config, write.owner.force).map_err(refusal)?;
        let mut object = match (applied.object, live) {
            (None, Some(live)) => live.clone(),
            (merged, _) => {
                let mut merged = merged.unwrap_or_else(|| json!({}));
                merged["apiVersion"] = write.info.api_version().into();
                merged["kind"] = (&*write.info.kind).into();
                match &write.served {
                    Some(served) => served.decode(merged, FieldValidation::Ignore)?.object,
                    None => decode_object(merged, FieldValidation::Ignore)?.object,
                }
            }
        };
        object.metadata_mut().managed_fields = self.field_sets.shared(applied.managed_fields);
        Ok(object)
    }

    /// Makes an object of an applied configuration.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and those of a create.
    pub(crate) fn create_applied(&mut self, now: Time, mut write: Write, config: Value, out: &mut Vec<Output>) -> Result<(), Box<Status>> {
        if let Some(origin) = &write.origin {
            self.may_create(origin, &write)?;
        }
        let object = self.apply(now, &write, None, &config)?;
        check_names(&write, &object)?;
        let uid = &object.metadata().uid;
        if !uid.is_empty() {
            let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(Box::new(Status::conflict(&write.info.gvr(), &write.name, &why)));
        }
        write.config = Some(config);
        write.action = Action::Create(Some(object));
        self.create(now, write, out)
    }
}

/// Takes back new times in a record that says the same otherwise, when nothing else changes (`IgnoreManagedFieldsTimestampsTransformer`).
pub(crate) fn ignore_times(new: &mut Object, old: &Object) {
    let kept = &old.metadata().managed_fields;
    let managed = &new.metadata().managed_fields;
    if managed == kept || !managed.same_but_times(kept) {
        return;
    }
    let managed = std::mem::replace(&mut new.metadata_mut().managed_fields, kept.clone());
    if new != old {
        new.metadata_mut().managed_fields = managed;
    }
}

fn refusal(error: ApplyError) -> Box<Status> {
    let message = error.to_string();
    Box::new(match error {
        ApplyError::BadRequest(_) => Status::bad_request(message),
        ApplyError::Typed(_) => Status::new(500, "", message),
        ApplyError::Conflicts(conflicts) => {
            let causes = conflicts.into_iter().map(|conflict| Cause {
                reason: "FieldManagerConflict",
                message: format!("conflict with {}", conflict.manager),
                field: conflict.path,
            });
            let details = Details { causes: causes.collect(), ..Details::default() };
            Status { details, ..Status::new(409, "Conflict", message) }
        }
    })
}
