//! `create`, `update`, `patch`, `delete`: from the request to a transaction and its outcome.
//!
//! An update is computed from the cached state of the object and sent with a comparison of its revision. When etcd says that someone
//! was faster, it is computed anew from what etcd has (`GuaranteedUpdate` of `storage/etcd3/store.go`), so that a request without a
//! `resourceVersion` of its own never conflicts. A refusal that was computed from the cache is checked against etcd before it is given.

use crate::chain::{subject, trace_request};
use crate::crd::Served;
use crate::field_manager::FieldOwner;
use crate::params::{self, DeleteOptions, Origin};
use crate::quota::{self, Rider};
use crate::registry;
use crate::server::{ApiServer, Call, Output, refuse};
use crate::storage;
use crate::subresource::{self, Subresource};
use api::Object;
use api::core::Service;
use api::decode::{FieldValidation, decode_object};
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::kinds::Kind;
use api::status::Status;
use api::unsimulated::unsimulated_warnings;
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
    pub(crate) info: Kind,
    /// What a custom kind is served as; `None` for built-in kinds and for what the server does by itself.
    pub(crate) served: Option<Arc<Served>>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) subresource: Subresource,
    pub(crate) action: Action,
    /// Who shall own what it changes.
    pub(crate) owner: FieldOwner,
    /// The applied configuration that it makes the object from.
    pub(crate) config: Option<serde_json::Value>,
    pub(crate) validation: FieldValidation,
    pub(crate) dry_run: bool,
    pub(crate) warnings: Vec<String>,
    /// Whether what it is computed from came from etcd and not from the cache.
    pub(crate) fresh: bool,
    /// Whether etcd holds the object in another form than it would be written in today.
    pub(crate) stale: bool,
    pub(crate) attempts: u32,
    /// Whether the name of a new object is drawn, and so may be drawn again. One that is given stays, beside a `generateName` too.
    pub(crate) draws_name: bool,
    /// Whether success means that the object is gone.
    pub(crate) deletes: bool,
    /// The state before, when the write deletes.
    pub(crate) last: Option<Object>,
    /// Whose address and ports are held for it.
    pub(crate) reserved: Option<Arc<Service>>,
    /// The `deletecollection` that it is part of.
    pub(crate) batch: Option<u64>,
    /// What is written in the same transaction: charged quotas, addresses and ports that are held.
    pub(crate) riders: Vec<Rider>,
    /// What of these etcd told when the transaction failed.
    pub(crate) told: Vec<Object>,
    /// A new Service without what it was given, to be given it anew.
    pub(crate) unallocated: Option<Arc<Service>>,
}

/// What a write does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Makes an object. It is taken while it is made, and stays only if it may have to be made again.
    Create(Option<Object>),
    Update(Object),
    Patch(PatchType, serde_json::Value),
    Delete(DeleteOptions),
    /// Deletes a Pod if its disruption budget allows it.
    Evict(DeleteOptions),
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

/// Something, or the refusal of the request.
pub(crate) type Refused<T> = Result<T, Box<Status>>;

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
        let Some(info) = self.kind_at(gvr) else { return self.pass_to_extension(origin, request, path, out) };
        if info.namespaced && path.namespace.is_none() && path.name.is_some() {
            return Err(Box::new(Status::no_such_path()));
        }
        let served = self.custom.shared(&info);
        let places_fit = info.namespaced == path.namespace.is_some() || request.method != Method::Post;
        if served.is_some() && !(places_fit && (info.namespaced || path.namespace.is_none())) {
            return Err(Box::new(Status::no_such_path()));
        }
        let subresource =
            Subresource::parse(&info, served.as_deref(), &path.subresource).ok_or_else(|| Box::new(Status::no_such_path()))?;
        trace_request(&info, subresource, &request, path, origin, out);
        if request.method == Method::Get && subresource.is_state() && subresource != Subresource::Scale {
            return self.get_or_list(now, origin, &request, &info, path, out);
        }
        if subresource == Subresource::Proxy {
            return self.pass_to_node(origin, request, path, out);
        }
        if subresource.is_kubelets() {
            return self.pass_on(origin, request, path, out);
        }
        let deletes = request.method == Method::Delete;
        if deletes && path.name.is_none() {
            return self.delete_collection(now, origin, &request, &info, path, out);
        }
        let mut write = Write {
            origin: Some(origin.clone()),
            owner: FieldOwner::read(&request)?,
            validation: params::field_validation(&request)?,
            dry_run: params::dry_run(&request)?,
            warnings: served.as_ref().and_then(|served| served.deprecated.clone()).into_iter().collect(),
            served,
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
                write.action = Action::Create(Some(read_body(&mut write, request.body)?));
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
                    return Err(Box::new(unsupported_patch(write.served.is_some())));
                };
                if type_ == PatchType::StrategicMerge && write.served.is_some() {
                    return Err(Box::new(unsupported_patch(true)));
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
        let Some(info) = object.info() else { return };
        let mut write = Write::own(info, object.metadata().namespace.clone(), object.metadata().name.clone());
        write.action = Action::Create(Some(object));
        write.riders = riders;
        // A refusal means that someone else has made it, or that its namespace is gone again.
        drop(self.create(now, write, out));
    }

    /// Makes the object of the write's action.
    pub(crate) fn create(&mut self, now: Time, mut write: Write, out: &mut Vec<Output>) -> Refused<()> {
        let Action::Create(made) = &mut write.action else { return Ok(()) };
        let Some(mut object) = made.take() else { return Ok(()) };
        let metadata = object.metadata_mut();
        if metadata.resource_version.0 != 0 {
            return Err(Box::new(Status::bad_request("resourceVersion should not be set on objects to be created")));
        }
        // An object of the cluster that names a namespace loses it (`EnsureObjectNamespaceMatchesRequestNamespace`).
        if !metadata.namespace.is_empty() && !write.namespace.is_empty() && metadata.namespace != write.namespace {
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
        write.draws_name = generated;
        write.name.clone_from(&metadata.name);
        write.warn_of(&object, None);
        registry::default(&mut object);
        if write.config.is_none() {
            object.metadata_mut().managed_fields = self.owners_of_new(now, &write, &object);
        }
        self.admission(&write, None).mutate(&mut object)?;
        self.sign_with_user(&write, &mut object);
        registry::prepare_for_create(&mut object);
        if let Some(served) = &write.served {
            served.prepare_for_create(&mut object);
        }
        self.may_define(&write, &object)?;
        if let Object::Service(service) = &mut object {
            write.unallocated = Some(service.clone());
            self.allocate(&write, Arc::make_mut(service), None)?;
        }
        let mut errors = registry::validate(&object);
        if let Some(served) = &write.served {
            errors.extend(served.validate(&object, None, Subresource::None));
        }
        if !errors.is_empty() {
            return Err(Box::new(Status::invalid(&write.info.group, &write.info.kind, &write.name, &errors)));
        }
        self.check_escalation(&write, &object, None)?;
        self.check_signer(&write, &object, None)?;
        self.admit(&mut write, &object, None)?;
        self.charge(&mut write, &object, None)?;
        self.hold(now, &mut write, Some(&object), None);
        self.send_create(now, write, object, out);
        Ok(())
    }

    fn send_create(&mut self, now: Time, mut write: Write, object: Object, out: &mut Vec<Output>) {
        let key = storage::key(&write.info, &write.namespace, &object.metadata().name);
        if write.dry_run {
            let result = match self.cache.get(&key) {
                Some(_) => Err(Box::new(Status::already_exists(&write.info.gvr(), &write.name))),
                None => Ok(object),
            };
            return self.finish(write, result, out);
        }
        let subject = subject(Verb::Create, &object);
        // What was drawn may have to be drawn again, and what was charged charged again, from the object as it is now.
        if write.draws_name || !write.riders.is_empty() {
            write.action = Action::Create(Some(object.clone()));
        }
        let value = self.codec.value(&write.info, &key, write.to_stored(object));
        let put = Op::put(key.clone(), value);
        let failure = if write.riders.is_empty() { Vec::new() } else { with_riders(&write, read_key(&key), |rider| Some(rider.read())) };
        let txn = Txn {
            compares: with_riders(&write, at_revision(&key, 0), Rider::compare),
            success: with_riders(&write, put, |rider| Some(rider.change())),
            failure,
            subject,
        };
        let id = self.call(now, Call::Write(Box::new(write)));
        out.push(Output::Etcd(etcd::Request::Txn(id, txn)));
    }

    /// Computes an update, patch or delete from the cached state.
    pub(crate) fn update(&mut self, now: Time, write: Write, out: &mut Vec<Output>) {
        let current = self.cache.get(&storage::key(&write.info, &write.namespace, &write.name)).cloned();
        self.attempt(now, write, current, out);
    }

    fn attempt(&mut self, now: Time, mut write: Write, current: Option<Object>, out: &mut Vec<Output>) {
        write.attempts += 1;
        let Some(current) = current else {
            return match write.action.clone() {
                _ if !write.fresh => self.ask_again(now, write, out),
                Action::Update(object) if registry::create_on_update(&write.info) => {
                    write.action = Action::Create(Some(object));
                    let origin = write.origin.clone();
                    if let Err(status) = origin.as_ref().map_or(Ok(()), |origin| self.may_create(origin, &write)) {
                        return self.finish(write, Err(status), out);
                    }
                    if let (Err(status), Some(origin)) = (self.create(now, write, out), origin) {
                        refuse(&origin, *status, out);
                    }
                }
                Action::Patch(PatchType::Apply, config) if write.subresource == Subresource::None => {
                    let origin = write.origin.clone();
                    if let (Err(status), Some(origin)) = (self.create_applied(now, write, config, out), origin) {
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
        let current = write.present(current);
        match self.decide(now, &mut write, &current) {
            Err(_) if !write.fresh => self.ask_again(now, write, out),
            Err(status) => self.finish(write, Err(status), out),
            Ok(Decision::Keep(object)) if write.fresh || write.dry_run => self.finish(write, Ok(object), out),
            Ok(Decision::Keep(_)) => self.ask_again(now, write, out),
            Ok(Decision::Put(object) | Decision::Remove(object)) if write.dry_run => self.finish(write, Ok(object), out),
            Ok(Decision::Put(object)) => {
                let subject = subject(Verb::Update, &object);
                let key = storage::key(&write.info, &write.namespace, &write.name);
                let value = self.codec.value(&write.info, &key, write.to_stored(object));
                self.send_update(now, write, revision, Op::put(key, value), subject, out);
            }
            Ok(Decision::Remove(object)) => {
                let subject = subject(Verb::Delete, &object);
                let key = storage::key(&write.info, &write.namespace, &write.name);
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
        let key = storage::key(&write.info, &write.namespace, &write.name);
        let txn = Txn {
            compares: with_riders(&write, at_revision(&key, revision), Rider::compare),
            success: with_riders(&write, change, |rider| Some(rider.change())),
            failure: with_riders(&write, read_key(&key), |rider| Some(rider.read())),
            subject,
        };
        let id = self.call(now, Call::Write(Box::new(write)));
        out.push(Output::Etcd(etcd::Request::Txn(id, txn)));
    }

    /// Asks etcd for the present state, to compute the write anew from that.
    fn ask_again(&mut self, now: Time, write: Write, out: &mut Vec<Output>) {
        let key = storage::key(&write.info, &write.namespace, &write.name);
        let id = self.call(now, Call::Reread(Box::new(write)));
        out.push(Output::Etcd(etcd::Request::Range(id, Range::all(KeyRange::One(key)))));
    }

    /// etcd has told the present state.
    pub(crate) fn reread(&mut self, now: Time, mut write: Write, response: &etcd::RangeResponse, out: &mut Vec<Output>) {
        write.fresh = true;
        let current = match response.kvs.first().map(|kv| self.codec.object(kv, &self.custom)).transpose() {
            Ok(current) => current,
            Err(reason) => return self.finish(write, Err(Box::new(reason.of_one())), out),
        };
        write.stale = response.kvs.first().is_some_and(|kv| self.codec.is_stale(&write.info, &kv.value));
        self.attempt(now, write, current, out);
    }

    /// etcd has carried out the transaction of a write, or found that someone was faster.
    pub(crate) fn written(&mut self, now: Time, mut write: Write, response: etcd::TxnResponse, out: &mut Vec<Output>) {
        if !response.succeeded {
            let read = |kv: &etcd::KeyValue| self.codec.object(kv, &self.custom).ok();
            write.told = quota::told(response.responses.get(1..).unwrap_or_default(), read);
        }
        if let (false, Action::Create(made)) = (response.succeeded, &mut write.action) {
            let made = made.take();
            if let Some(OpResponse::Range(own)) = response.responses.first()
                && own.kvs.is_empty()
                && let Some(object) = made
            {
                return self.charge_again(now, write, object, out);
            }
            if let Some(config) = write.config.take() {
                // Someone else made it in between: it is changed instead.
                write.action = Action::Patch(PatchType::Apply, config);
                return self.ask_again(now, write, out);
            }
            let status = Status::already_exists(&write.info.gvr(), &write.name);
            let may_draw = write.draws_name && write.attempts < NAME_ATTEMPTS;
            let Some(mut object) = made.filter(|_| may_draw) else { return self.finish(write, Err(Box::new(status)), out) };
            let name = generated_name(&object.metadata().generate_name, &mut self.rng);
            write.attempts += 1;
            write.name.clone_from(&name);
            object.metadata_mut().name = name;
            return self.send_create(now, write, object, out);
        }
        match response.responses.into_iter().next() {
            Some(OpResponse::Range(range)) if !response.succeeded => self.reread(now, write, &range, out),
            Some(OpResponse::Put { kv, .. }) => {
                let result = self.codec.object(&kv, &self.custom).map_err(|reason| Box::new(reason.of_one()));
                self.finish(write, result, out);
            }
            _ => {
                let last = write.last.take().ok_or_else(|| Box::new(Status::internal("a deletion without an object")));
                self.finish(write, last, out);
            }
        }
    }

    /// Someone else charged a quota, or took an address or a port in between: creates the object with what is free now.
    fn charge_again(&mut self, now: Time, mut write: Write, mut object: Object, out: &mut Vec<Output>) {
        let again = self.allocate_again(&mut write, &mut object).and_then(|()| self.charge(&mut write, &object, None));
        match again {
            Ok(()) => {
                self.hold(now, &mut write, Some(&object), None);
                self.send_create(now, write, object, out);
            }
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
                let object = write.present(object);
                let mut response = subresource::success(&write, object);
                response.warnings = std::mem::take(&mut write.warnings);
                out.push(Output::Respond { client: origin.client, id: origin.id, response });
            }
        }
    }
}

impl Write {
    /// A write of the server itself.
    pub(crate) fn own(info: Kind, namespace: String, name: String) -> Self {
        Write {
            origin: None,
            info,
            served: None,
            namespace,
            name,
            subresource: Subresource::None,
            action: Action::Delete(DeleteOptions::default()),
            owner: FieldOwner::server(),
            config: None,
            validation: FieldValidation::Warn,
            dry_run: false,
            warnings: Vec::new(),
            fresh: false,
            stale: false,
            attempts: 0,
            draws_name: false,
            deletes: false,
            last: None,
            reserved: None,
            batch: None,
            riders: Vec::new(),
            told: Vec::new(),
            unallocated: None,
        }
    }

    /// Adds warnings, each once.
    pub(crate) fn warn(&mut self, warnings: Vec<String>) {
        for warning in warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }

    /// Adds the warnings about what is stored but not simulated, and was not so in `old`. Only people read them.
    pub(crate) fn warn_of(&mut self, object: &Object, old: Option<&Object>) {
        if !self.origin.as_ref().is_some_and(|origin| origin.agent.starts_with("kubectl")) {
            return;
        }
        // Custom resources are there for controllers of the learner, and definitions for the server itself.
        if self.info.custom {
            return self.warnings.extend(crate::crd::object::finalizer_warnings(object, old));
        }
        if crate::crd::is_definition(&self.info) {
            let known = old.map(crate::crd::definition::warnings).unwrap_or_default();
            let own = crate::crd::definition::warnings(object).into_iter();
            return self.warnings.extend(own.filter(|warning| !known.contains(warning)));
        }
        // Admission reads the classes of Pods' priorities, and the aggregation layer reads APIServices.
        if object.is_dynamic() && !matches!(&*self.info.kind, "PriorityClass" | "APIService") {
            let text = format!("{} {}: stored, but nothing acts on it here yet", self.info.api_version(), self.info.kind);
            self.warnings.push(text);
        } else if self.subresource == Subresource::None {
            let known = old.map(unsimulated_warnings).unwrap_or_default();
            self.warnings.extend(unsimulated_warnings(object).into_iter().filter(|warning| !known.contains(warning)));
        }
    }
}

/// Custom resources have no strategies to merge by.
fn unsupported_patch(custom: bool) -> Status {
    let strategic = if custom { "" } else { ", application/strategic-merge-patch+json" };
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, \
         application/merge-patch+json{strategic}, application/apply-patch+yaml"
    );
    Status::new(415, "UnsupportedMediaType", message)
}

/// The object in a body, of the kind that the path names.
pub(crate) fn read_body(write: &mut Write, body: Body) -> Refused<Object> {
    let body = match (body, &write.served) {
        (Body::Object(object), Some(_)) => Body::Json(object.to_json()),
        (body, _) => body,
    };
    let object = match body {
        Body::Object(object) => object,
        Body::Json(mut value) => {
            if let Some(fields) = value.as_object_mut() {
                fields.entry("apiVersion").or_insert_with(|| json!(write.info.api_version()));
                fields.entry("kind").or_insert_with(|| json!(write.info.kind));
            }
            let decoded = match &write.served {
                Some(served) => served.decode(value, write.validation)?,
                None => decode_object(value, write.validation)?,
            };
            write.warnings.extend(decoded.warnings);
            decoded.object
        }
        _ => return Err(Box::new(Status::bad_request("the body of the request is no object"))),
    };
    if object.info().as_ref() != Some(&write.info) {
        let (version, kind, expected) = (object.api_version(), object.kind().to_owned(), &write.info.kind);
        let message = format!("{kind} in version {version:?} cannot be handled as a {expected}: the object is of another kind");
        return Err(Box::new(Status::bad_request(message)));
    }
    Ok(object)
}

/// Refuses an object of another name or namespace than the request's.
pub(crate) fn check_names(write: &Write, object: &Object) -> Refused<()> {
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
fn with_riders<T>(write: &Write, own: T, of: impl Fn(&Rider) -> Option<T>) -> Vec<T> {
    std::iter::once(own).chain(write.riders.iter().filter_map(of)).collect()
}

fn read_key(key: &Arc<str>) -> Op {
    Op::Range(Range::all(KeyRange::One(key.clone())))
}

pub(crate) fn at_revision(key: &Arc<str>, revision: u64) -> Compare {
    Compare::at_revision(key.clone(), revision)
}
