//! Decides what a write of an object that is there makes of it: defaults, strategy, admission, validation, in the order of a real server
//! (`staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go`, `rest/update.go`).

use crate::admission::{Admission, Operation};
use crate::field_manager;
use crate::registry;
use crate::server::ApiServer;
use crate::subresource::{self, Subresource};
use crate::versions;
use crate::write::{Action, Decision, Refused, Write, check_names};
use api::Object;
use api::core::Pod;
use api::decode::decode_object;
use api::http::PatchType;
use api::status::Status;
use sim::Time;
use std::sync::Arc;

impl ApiServer {
    pub(crate) fn decide(&mut self, now: Time, write: &mut Write, current: &Object) -> Refused<Decision> {
        let decision = self.decide_object(now, write, current)?;
        match &decision {
            Decision::Put(object) => self.hold(now, write, Some(object), Some(current)),
            Decision::Remove(_) => self.hold(now, write, None, Some(current)),
            Decision::Keep(_) => {}
        }
        Ok(decision)
    }

    fn decide_object(&mut self, now: Time, write: &mut Write, current: &Object) -> Refused<Decision> {
        let new = match &write.action {
            Action::Delete(options) | Action::Evict(options) => {
                let mut admission = self.admission(write, Some(current));
                admission.validate_delete()?;
                let (options, warnings) = (options.clone(), admission.warnings);
                write.warn(warnings);
                if matches!(write.action, Action::Evict(_)) {
                    return self.evict(now, write, current, &options);
                }
                let marked = crate::crd::definition::marked_deleted(current, now);
                return registry::delete::decide(now, &write.info, marked.as_ref().unwrap_or(current), &options);
            }
            Action::Bind(node, uid) => {
                let pod = current.as_kind::<Pod>().ok_or_else(|| Box::new(Status::internal("only Pods are bound")))?;
                return subresource::bound(pod, node, uid, now).map(|pod| Decision::Put(pod.into()));
            }
            Action::Update(object) => object.clone(),
            Action::Patch(PatchType::Apply, config) => {
                let object = self.apply(now, write, Some(current), config)?;
                check_names(write, &object)?;
                object
            }
            Action::Patch(type_, patch) => {
                let second = write.origin.as_ref().is_some_and(|origin| origin.second_version);
                let patched = registry::patch::apply(&write.info, current, second, *type_, patch)?;
                let patched = if second { versions::to_first(patched, write.validation)? } else { patched };
                let decoded = match &write.served {
                    Some(served) => served.decode(patched, write.validation)?,
                    None => decode_object(patched, write.validation)?,
                };
                write.warnings = write.served.iter().filter_map(|served| served.deprecated.clone()).chain(decoded.warnings).collect();
                check_names(write, &decoded.object)?;
                decoded.object
            }
            Action::Create(_) => return Err(Box::new(Status::internal("a creation is no update"))),
        };
        write.riders.clear();
        let decision = self.decide_update(now, write, current, new)?;
        if let Decision::Put(object) = &decision {
            self.admit(write, object, Some(current))?;
            if matches!(write.subresource, Subresource::None | Subresource::Scale) {
                self.check_escalation(write, object, Some(current))?;
            }
            self.check_signer(write, object, Some(current))?;
            if matches!(write.subresource, Subresource::None | Subresource::Scale | Subresource::Resize) {
                self.charge(write, object, Some(current))?;
            }
            write.warn_of(object, Some(current));
        }
        Ok(decision)
    }

    pub(crate) fn admission<'a>(&'a self, write: &'a Write, old: Option<&'a Object>) -> Admission<'a> {
        Admission {
            cache: &self.cache,
            config: &self.config,
            token_volume: &self.token_volume,
            info: &write.info,
            subresource: write.subresource,
            user: write.origin.as_ref().map(|origin| &*origin.user),
            operation: match (&write.action, old) {
                (Action::Delete(_) | Action::Evict(_), _) => Operation::Delete,
                (_, Some(_)) => Operation::Update,
                (_, None) => Operation::Create,
            },
            dry_run: write.dry_run,
            old,
            warnings: Vec::new(),
        }
    }

    /// Lets the plugins check an object that passed validation.
    pub(crate) fn admit(&self, write: &mut Write, object: &Object, old: Option<&Object>) -> Refused<()> {
        let mut admission = self.admission(write, old);
        admission.validate(object)?;
        let warnings = admission.warnings;
        write.warn(warnings);
        Ok(())
    }

    fn decide_update(&mut self, now: Time, write: &Write, current: &Object, mut new: Object) -> Refused<Decision> {
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
        registry::default_update(&mut new, current);
        let managed = match &write.action {
            Action::Patch(PatchType::Apply, _) => new.metadata().managed_fields.clone(),
            _ => self.owners(now, write, current, &new),
        };
        if matches!(write.subresource, Subresource::None | Subresource::Scale) {
            registry::prepare_for_update(&mut new, current);
            if let Some(served) = &write.served {
                served.prepare_for_update(&mut new, current, write.subresource);
            }
            if let (Object::Service(service), Object::Service(old)) = (&mut new, current) {
                self.allocate(write, Arc::make_mut(service), Some(old))?;
            }
            let mut errors = registry::validate_update(&new, current);
            if let Some(served) = &write.served {
                errors.extend(served.validate(&new, Some(current), write.subresource));
            }
            if !errors.is_empty() {
                return Err(Box::new(Status::invalid(&write.info.group, &write.info.kind, &write.name, &errors)));
            }
        } else if write.subresource.is_part_of_spec() {
            let errors = registry::update_part(&mut new, current, write.subresource);
            if !errors.is_empty() {
                return Err(Box::new(Status::invalid(&write.info.group, &write.info.kind, &write.name, &errors)));
            }
        } else {
            registry::prepare_status_update(&mut new, current, write.subresource);
            let errors = registry::status_rules(&mut new, current, write.subresource, now);
            if !errors.is_empty() {
                return Err(Box::new(Status::invalid(&write.info.group, &write.info.kind, &write.name, &errors)));
            }
            if let Some(served) = &write.served {
                served.prepare_for_update(&mut new, current, write.subresource);
                let errors = served.validate(&new, Some(current), write.subresource);
                if !errors.is_empty() {
                    return Err(Box::new(Status::invalid(&write.info.group, &write.info.kind, &write.name, &errors)));
                }
            }
        }
        new.metadata_mut().managed_fields = managed;
        field_manager::ignore_times(&mut new, current);
        Ok(if registry::delete::is_done(&new, current) {
            Decision::Remove(new)
        } else if new == *current && !write.stale {
            Decision::Keep(new)
        } else {
            Decision::Put(new)
        })
    }
}
