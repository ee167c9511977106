//! `create`, `update`, `patch`, `delete`: from the request to a transaction and its outcome.
//!
//! An update is computed from the cached state of the object and sent with a comparison of its revision. When etcd says that someone
//! was faster, it is computed anew from what etcd has (`GuaranteedUpdate` of `storage/etcd3/store.go`), so that a request without a
//! `resourceVersion` of its own never conflicts. A refusal that was computed from the cache is checked against etcd before it is given.

use crate::chain::{subject, trace_request};
use crate::params::{self, DeleteOptions, Origin};
use crate::proposed::value_of;
use crate::quota::{self, Rider};
use crate::registry;
use crate::server::{ApiServer, Call, Output, refuse};
use crate::storage::{self, object_of};
use crate::subresource::{self, Subresource};
use api::Object;
use api::core::{Pod, Service};
use api::decode::{FieldValidation, decode_object, unsimulated_warnings};
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::kinds::{KindInfo, find_resource};
use api::status::Status;
use etcd::{Compare, KeyRange, Op, OpResponse, Range, Txn};
use serde_json::json;
use sim::{ObjectRef, Time, Verb};
use std::sync::Arc;

/// How often a generated name that is taken is drawn anew (`maxNameGenerationCreateAttempts`).
const NAME_ATTEMPTS: u32 = 8;

/// A write on its way.
#[derive(Debug)]
pub(crate) struct Write {
    /// Who asks; `None` for what the server does by itself.
    pub(crate) origin: Option<Origin>,
    pub(crate) info: &'static KindInfo,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) subresource: Subresource,
    pub(crate) action: Action,
    pub(crate) validation: FieldValidation,
    pub(crate) dry_run: bool,
    pub(crate) warnings: Vec<String>,
    /// Whether what it is computed from came from etcd and not from the cache.
    pub(crate) fresh: bool,
    pub(crate) attempts: u32,
    /// Whether success means that the object is gone.
    pub(crate) deletes: bool,
    /// The state before, when the write deletes.
    pub(crate) last: Option<Object>,
    /// Whose address and ports are held for it.
    pub(crate) reserved: Option<Arc<Service>>,
    /// The `deletecollection` that it is part of.
    pub(crate) batch: Option<u64>,
    /// What is written in the same transaction: charged quotas.
    pub(crate) riders: Vec<Rider>,
    /// Quotas as etcd told them when the transaction failed.
    pub(crate) told_quotas: Vec<Object>,
}

/// What a write does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Create(Object),
    Update(Object),
    Patch(PatchType, serde_json::Value),
    Delete(DeleteOptions),
    /// Assigns a Pod to a node; with the UID that the Pod must have, if told.
    Bind(Arc<str>, String),
}

/// What was computed.
#[derive(Debug)]
pub(crate) enum Decision {
    Put(Object),
    /// Delete; the object is its last state.
    Remove(Object),
    /// There is nothing to write.
    Keep(Object),
}

type Refused<T> = Result<T, Box<Status>>;

impl ApiServer {
    /// Finds out what a request for a resource wants.
    pub(crate) fn route(
        &mut self,
        now: Time,
        origin: &Origin,
        request: Request,
        path: &ResourcePath,
        out: &mut Vec<Output>,
    ) -> Refused<()> {
        let gvr = &path.resource;
        let info = find_resource(&gvr.group, &gvr.version, &gvr.resource).ok_or_else(|| Box::new(Status::no_such_path()))?;
        if info.namespaced && path.namespace.is_none() && path.name.is_some() {
            return Err(Box::new(Status::no_such_path()));
        }
        let subresource = Subresource::parse(info, &path.subresource).ok_or_else(|| Box::new(Status::no_such_path()))?;
        trace_request(info, subresource, &request, path, origin, out);
        if request.method == Method::Get && subresource.is_state() && subresource != Subresource::Scale {
            return self.get_or_list(now, origin, &request, info, path, out);
        }
        if subresource.is_kubelets() {
            return self.pass_on(origin, request, path, out);
        }
        let deletes = request.method == Method::Delete;
        if deletes && path.name.is_none() {
            return self.delete_collection(now, origin, &request, info, path, out);
        }
        let mut write = Write {
            origin: Some(origin.clone()),
            validation: params::field_validation(&request)?,
            dry_run: params::dry_run(&request)?,
            ..Write::own(info, path.namespace.clone().unwrap_or_default(), path.name.clone().unwrap_or_default())
        };
        write.subresource = subresource;
        if !subresource.is_object_or_status() {
            return self.write_subresource(now, write, request, out);
        }
        self.start_write(now, write, request, path, out)
    }

    /// Begins a write of the object or its status.
    fn start_write(&mut self, now: Time, mut write: Write, request: Request, path: &ResourcePath, out: &mut Vec<Output>) -> Refused<()> {
        match (request.method, &path.name) {
            (Method::Post, None) => {
                write.action = Action::Create(read_body(&mut write, request.body)?);
                self.create(now, write, out)
            }
            (Method::Put, Some(_)) => {
                let object = read_body(&mut write, request.body)?;
                check_names(&write, &object)?;
                write.action = Action::Update(object);
                self.update(now, write, out);
                Ok(())
            }
            (Method::Patch, Some(_)) => {
                let Body::Patch(type_, patch) = request.body else {
                    return Err(Box::new(unsupported_patch()));
                };
                if type_ == PatchType::Apply {
                    return Err(Box::new(unsupported_patch()));
                }
                write.action = Action::Patch(type_, patch);
                self.update(now, write, out);
                Ok(())
            }
            (Method::Delete, Some(_)) if write.subresource == Subresource::None => {
                write.action = Action::Delete(DeleteOptions::read(&request)?);
                self.update(now, write, out);
                Ok(())
            }
            _ => Err(Box::new(Status::method_not_allowed())),
        }
    }

    /// Creates an object in the name of the server itself, with others in the same transaction.
    pub(crate) fn create_own(&mut self, now: Time, object: Object, riders: Vec<Rider>, out: &mut Vec<Output>) {
        let Some(info) = storage::info_of(&object) else { return };
        let mut write = Write::own(info, object.metadata().namespace.clone(), object.metadata().name.clone());
        write.action = Action::Create(object);
        write.riders = riders;
        // A refusal means that someone else has made it, or that its namespace is gone again.
        drop(self.create(now, write, out));
    }

    fn create(&mut self, now: Time, mut write: Write, out: &mut Vec<Output>) -> Refused<()> {
        let Action::Create(object) = &mut write.action else { return Ok(()) };
        let metadata = object.metadata_mut();
        if metadata.resource_version.0 != 0 {
            return Err(Box::new(Status::bad_request("resourceVersion should not be set on objects to be created")));
        }
        if !metadata.namespace.is_empty() && metadata.namespace != write.namespace {
            let message = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Box::new(Status::bad_request(message)));
        }
        metadata.namespace.clone_from(&write.namespace);
        metadata.uid = self.rng.uuid();
        metadata.creation_timestamp = Some(now.into());
        metadata.deletion_timestamp = None;
        metadata.deletion_grace_period_seconds = None;
        let generated = metadata.name.is_empty() && !metadata.generate_name.is_empty();
        if generated {
            metadata.name = generated_name(&metadata.generate_name, &mut self.rng);
        }
        write.name.clone_from(&metadata.name);
        let mut object = object.clone();
        write.warn_of(&object, None);
        registry::default(&mut object);
        crate::admission::mutate_create(&self.cache, write.info, &mut object)?;
        registry::prepare_for_create(&mut object);
        if let Object::Service(service) = &mut object {
            registry::service::allocate(Arc::make_mut(service), None, &self.services, &mut self.rng)
                .map_err(|errors| Box::new(Status::invalid("", "Service", &write.name, &errors)))?;
        }
        let errors = registry::validate(&object);
        if !errors.is_empty() {
            return Err(Box::new(Status::invalid(write.info.group, write.info.kind, &write.name, &errors)));
        }
        self.check_escalation(&write, &object, None)?;
        crate::admission::validate_create(&self.cache, write.info, &object)?;
        self.charge(&mut write, &object, None)?;
        if let (Object::Service(service), false) = (&object, write.dry_run) {
            self.services.take(service);
            write.reserved = Some(service.clone());
        }
        self.send_create(now, write, object, out);
        Ok(())
    }

    fn send_create(&mut self, now: Time, mut write: Write, object: Object, out: &mut Vec<Output>) {
        let key = storage::key(write.info, &write.namespace, &object.metadata().name);
        if write.dry_run {
            let result = match self.cache.get(&key) {
                Some(_) => Err(Box::new(Status::already_exists(&write.info.gvr(), &write.name))),
                None => Ok(object),
            };
            return self.finish(write, result, out);
        }
        let subject = subject(Verb::Create, &object);
        // What was drawn may have to be drawn again, and what was charged charged again, from the object as it is now.
        if !object.metadata().generate_name.is_empty() || !write.riders.is_empty() {
            write.action = Action::Create(object.clone());
        }
        let put = Op::put(key.clone(), value_of(object));
        let failure = if write.riders.is_empty() { Vec::new() } else { with_riders(&write, read_key(&key), Rider::read) };
        let txn = Txn {
            compares: with_riders(&write, at_revision(&key, 0), Rider::compare),
            success: with_riders(&write, put, Rider::put),
            failure,
            subject,
        };
        let id = self.call(now, Call::Write(Box::new(write)));
        out.push(Output::Etcd(etcd::Request::Txn(id, txn)));
    }

    /// Computes an update, patch or delete from the cached state.
    pub(crate) fn update(&mut self, now: Time, write: Write, out: &mut Vec<Output>) {
        let current = self.cache.get(&storage::key(write.info, &write.namespace, &write.name)).cloned();
        self.attempt(now, write, current, out);
    }

    fn attempt(&mut self, now: Time, mut write: Write, current: Option<Object>, out: &mut Vec<Output>) {
        write.attempts += 1;
        let Some(current) = current else {
            return match write.action.clone() {
                _ if !write.fresh => self.ask_again(now, write, out),
                Action::Update(object) if registry::create_on_update(write.info) => {
                    write.action = Action::Create(object);
                    let origin = write.origin.clone();
                    if let Err(status) = origin.as_ref().map_or(Ok(()), |origin| self.may_create(origin, &write)) {
                        return self.finish(write, Err(status), out);
                    }
                    if let (Err(status), Some(origin)) = (self.create(now, write, out), origin) {
                        refuse(&origin, *status, out);
                    }
                }
                _ => {
                    let status = Status::not_found(&write.info.gvr(), &write.name);
                    self.finish(write, Err(Box::new(status)), out);
                }
            };
        };
        let revision = current.metadata().resource_version.0;
        match self.decide(now, &mut write, &current) {
            Err(_) if !write.fresh => self.ask_again(now, write, out),
            Err(status) => self.finish(write, Err(status), out),
            Ok(Decision::Keep(object)) if write.fresh || write.dry_run => self.finish(write, Ok(object), out),
            Ok(Decision::Keep(_)) => self.ask_again(now, write, out),
            Ok(Decision::Put(object) | Decision::Remove(object)) if write.dry_run => self.finish(write, Ok(object), out),
            Ok(Decision::Put(object)) => {
                let subject = subject(Verb::Update, &object);
                let key = storage::key(write.info, &write.namespace, &write.name);
                self.send_update(now, write, revision, Op::put(key, value_of(object)), subject, out);
            }
            Ok(Decision::Remove(object)) => {
                let subject = subject(Verb::Delete, &object);
                let key = storage::key(write.info, &write.namespace, &write.name);
                (write.deletes, write.last) = (true, Some(object));
                self.send_update(now, write, revision, Op::Delete(KeyRange::One(key)), subject, out);
            }
        }
    }

    /// Sends the change of an object that is at `revision`.
    fn send_update(
        &mut self,
        now: Time,
        write: Write,
        revision: u64,
        change: Op,
        subject: Option<(Verb, ObjectRef)>,
        out: &mut Vec<Output>,
    ) {
        let key = storage::key(write.info, &write.namespace, &write.name);
        let txn = Txn {
            compares: with_riders(&write, at_revision(&key, revision), Rider::compare),
            success: with_riders(&write, change, Rider::put),
            failure: with_riders(&write, read_key(&key), Rider::read),
            subject,
        };
        let id = self.call(now, Call::Write(Box::new(write)));
        out.push(Output::Etcd(etcd::Request::Txn(id, txn)));
    }

    /// Asks etcd for the present state, to compute the write anew from that.
    fn ask_again(&mut self, now: Time, write: Write, out: &mut Vec<Output>) {
        let key = storage::key(write.info, &write.namespace, &write.name);
        let id = self.call(now, Call::Reread(Box::new(write)));
        out.push(Output::Etcd(etcd::Request::Range(id, Range::all(KeyRange::One(key)))));
    }

    /// etcd has told the present state.
    pub(crate) fn reread(&mut self, now: Time, mut write: Write, response: &etcd::RangeResponse, out: &mut Vec<Output>) {
        write.fresh = true;
        let current = response.kvs.first().and_then(|kv| object_of(&kv.value));
        self.attempt(now, write, current, out);
    }

    /// etcd has carried out the transaction of a write, or found that someone was faster.
    pub(crate) fn written(&mut self, now: Time, mut write: Write, response: etcd::TxnResponse, out: &mut Vec<Output>) {
        if !response.succeeded {
            write.told_quotas = quota::told(response.responses.get(1..).unwrap_or_default());
        }
        if let (false, Action::Create(object)) = (response.succeeded, &write.action) {
            if let Some(OpResponse::Range(own)) = response.responses.first()
                && own.kvs.is_empty()
            {
                let object = object.clone();
                return self.charge_again(now, write, object, out);
            }
            let status = Status::already_exists(&write.info.gvr(), &write.name);
            if object.metadata().generate_name.is_empty() || write.attempts >= NAME_ATTEMPTS {
                return self.finish(write, Err(Box::new(status)), out);
            }
            let mut object = object.clone();
            let name = generated_name(&object.metadata().generate_name, &mut self.rng);
            write.attempts += 1;
            write.name.clone_from(&name);
            object.metadata_mut().name = name;
            return self.send_create(now, write, object, out);
        }
        match response.responses.into_iter().next() {
            Some(OpResponse::Range(range)) if !response.succeeded => self.reread(now, write, &range, out),
            Some(OpResponse::Put { kv, .. }) => {
                let result = object_of(&kv.value).ok_or_else(|| Box::new(Status::internal("a value is no object")));
                self.finish(write, result, out);
            }
            _ => {
                let last = write.last.take().ok_or_else(|| Box::new(Status::internal("a deletion without an object")));
                self.finish(write, last, out);
            }
        }
    }

    /// Someone else charged a quota in between: creates the object with the quotas as they are now.
    fn charge_again(&mut self, now: Time, mut write: Write, object: Object, out: &mut Vec<Output>) {
        match self.charge(&mut write, &object, None) {
            Ok(()) => self.send_create(now, write, object, out),
            Err(status) => self.finish(write, Err(status), out),
        }
    }

    /// Answers a write.
    pub(crate) fn finish(&mut self, mut write: Write, result: Refused<Object>, out: &mut Vec<Output>) {
        if let Some(service) = write.reserved.take() {
            match &result {
                // The reservation ends when the cache shows the Service itself.
                Ok(object) => self.services.release_at(object.metadata().resource_version.0, service),
                Err(_) => self.services.release(&service),
            }
        }
        if let Some(number) = write.batch {
            return self.batch_part_done(number, result, out);
        }
        let Some(origin) = &write.origin else { return };
        match result {
            Err(status) => refuse(origin, *status, out),
            Ok(object) => {
                let mut response = subresource::success(&write, object);
                response.warnings = std::mem::take(&mut write.warnings);
                out.push(Output::Respond { client: origin.client, id: origin.id, response });
            }
        }
    }

    fn decide(&mut self, now: Time, write: &mut Write, current: &Object) -> Refused<Decision> {
        let new = match &write.action {
            Action::Delete(options) => return registry::delete::decide(now, write.info, current, options),
            Action::Bind(node, uid) => {
                let pod = current.as_kind::<Pod>().ok_or_else(|| Box::new(Status::internal("only Pods are bound")))?;
                return subresource::bound(pod, node, uid, now).map(|pod| Decision::Put(pod.into()));
            }
            Action::Update(object) => object.clone(),
            Action::Patch(type_, patch) => {
                let patched = registry::patch::apply(write.info, current, *type_, patch)?;
                let decoded = decode_object(patched, write.validation)?;
                write.warnings = decoded.warnings;
                check_names(write, &decoded.object)?;
                decoded.object
            }
            Action::Create(_) => return Err(Box::new(Status::internal("a creation is no update"))),
        };
        write.riders.clear();
        let decision = self.decide_update(write, current, new)?;
        if let Decision::Put(object) = &decision {
            if matches!(write.subresource, Subresource::None | Subresource::Scale) {
                crate::admission::admit_update(&self.cache, write.info, object)?;
                self.check_escalation(write, object, Some(current))?;
                self.charge(write, object, Some(current))?;
            }
            write.warn_of(object, Some(current));
        }
        Ok(decision)
    }

    fn decide_update(&mut self, write: &Write, current: &Object, mut new: Object) -> Refused<Decision> {
        let old = current.metadata();
        let gvr = write.info.gvr();
        {
            let metadata = new.metadata_mut();
            if metadata.resource_version.0 != 0 && metadata.resource_version != old.resource_version {
                let why = "the object has been modified; please apply your changes to the latest version and try again";
                return Err(Box::new(Status::conflict(&gvr, &write.name, why)));
            }
            if !metadata.uid.is_empty() && metadata.uid != old.uid {
                let why = format!("Precondition failed: UID in precondition: {}, UID in object meta: {}", metadata.uid, old.uid);
                return Err(Box::new(Status::conflict(&gvr, &write.name, &why)));
            }
            metadata.resource_version = old.resource_version;
            metadata.uid.clone_from(&old.uid);
            metadata.namespace.clone_from(&old.namespace);
            metadata.creation_timestamp = old.creation_timestamp;
            metadata.deletion_timestamp = old.deletion_timestamp;
            metadata.deletion_grace_period_seconds = old.deletion_grace_period_seconds;
            metadata.generation = old.generation;
            metadata.generate_name.clone_from(&old.generate_name);
        }
        registry::default(&mut new);
        if matches!(write.subresource, Subresource::None | Subresource::Scale) {
            registry::prepare_for_update(&mut new, current);
            if let (Object::Service(service), Object::Service(old)) = (&mut new, current) {
                registry::service::allocate(Arc::make_mut(service), Some(old), &self.services, &mut self.rng)
                    .map_err(|errors| Box::new(Status::invalid("", "Service", &write.name, &errors)))?;
            }
            let errors = registry::validate_update(&new, current);
            if !errors.is_empty() {
                return Err(Box::new(Status::invalid(write.info.group, write.info.kind, &write.name, &errors)));
            }
        } else {
            registry::prepare_status_update(&mut new, current, write.subresource);
        }
        Ok(if registry::delete::is_done(&new, current) {
            Decision::Remove(new)
        } else if new == *current {
            Decision::Keep(new)
        } else {
            Decision::Put(new)
        })
    }
}

impl Write {
    /// A write of the server itself.
    pub(crate) fn own(info: &'static KindInfo, namespace: String, name: String) -> Self {
        Write {
            origin: None,
            info,
            namespace,
            name,
            subresource: Subresource::None,
            action: Action::Delete(DeleteOptions::default()),
            validation: FieldValidation::Warn,
            dry_run: false,
            warnings: Vec::new(),
            fresh: false,
            attempts: 0,
            deletes: false,
            last: None,
            reserved: None,
            batch: None,
            riders: Vec::new(),
            told_quotas: Vec::new(),
        }
    }

    /// Adds the warnings about what is stored but not simulated, and was not so in `old`. Only people read them.
    fn warn_of(&mut self, object: &Object, old: Option<&Object>) {
        if !self.origin.as_ref().is_some_and(|origin| origin.agent.starts_with("kubectl")) {
            return;
        }
        // Admission reads the classes of Pods' priorities.
        if object.is_dynamic() && self.info.kind != "PriorityClass" {
            let text = format!("{} {}: stored, but nothing acts on it here yet", self.info.api_version(), self.info.kind);
            self.warnings.push(text);
        } else if self.subresource == Subresource::None {
            let known = old.map(unsimulated_warnings).unwrap_or_default();
            self.warnings.extend(unsimulated_warnings(object).into_iter().filter(|warning| !known.contains(warning)));
        }
    }
}

fn unsupported_patch() -> Status {
    Status::new(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, \
         application/merge-patch+json, application/strategic-merge-patch+json",
    )
}

/// The object in a body, of the kind that the path names.
pub(crate) fn read_body(write: &mut Write, body: Body) -> Refused<Object> {
    let object = match body {
        Body::Object(object) => object,
        Body::Json(mut value) => {
            if let Some(fields) = value.as_object_mut() {
                fields.entry("apiVersion").or_insert_with(|| json!(write.info.api_version()));
                fields.entry("kind").or_insert_with(|| json!(write.info.kind));
            }
            let decoded = decode_object(value, write.validation)?;
            write.warnings.extend(decoded.warnings);
            decoded.object
        }
        _ => return Err(Box::new(Status::bad_request("the body of the request is no object"))),
    };
    if storage::info_of(&object) != Some(write.info) {
        let (version, kind, expected) = (object.api_version(), object.kind().to_owned(), write.info.kind);
        let message = format!("{kind} in version {version:?} cannot be handled as a {expected}: the object is of another kind");
        return Err(Box::new(Status::bad_request(message)));
    }
    Ok(object)
}

fn check_names(write: &Write, object: &Object) -> Refused<()> {
    let metadata = object.metadata();
    if metadata.name != write.name && !metadata.name.is_empty() {
        let message = format!("the name of the object ({}) does not match the name on the URL ({})", metadata.name, write.name);
        return Err(Box::new(Status::bad_request(message)));
    }
    if metadata.name.is_empty() {
        return Err(Box::new(Status::bad_request("name must be provided")));
    }
    if !metadata.namespace.is_empty() && metadata.namespace != write.namespace {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Box::new(Status::bad_request(message)));
    }
    Ok(())
}

/// The prefix, cut so that five random characters fit (`names.SimpleNameGenerator`).
fn generated_name(prefix: &str, rng: &mut sim::Rng) -> String {
    let cut = prefix.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|&end| end <= 58).last().unwrap_or(0);
    format!("{}{}", &prefix[..cut], rng.name_suffix(5))
}

/// A part of a transaction, and the same part of each rider.
fn with_riders<T>(write: &Write, own: T, of: impl Fn(&Rider) -> T) -> Vec<T> {
    std::iter::once(own).chain(write.riders.iter().map(of)).collect()
}

fn read_key(key: &Arc<str>) -> Op {
    Op::Range(Range::all(KeyRange::One(key.clone())))
}

pub(crate) fn at_revision(key: &Arc<str>, revision: u64) -> Compare {
    Compare::at_revision(key.clone(), revision)
}
