//! The controllers of definitions inside the API server: names, establishing, and the objects of what is deleted
//! (`pkg/controller/{status,establish,finalizer}`).
//!
//! **Simplified here:** they work as soon as a change is seen; an establishing controller of several servers would wait five seconds. A
//! question for all kinds that comes while a definition is being named is answered when it is: a real `kubectl` takes longer to start than
//! that.

use crate::cache::Change;
use crate::crd::definition::{FINALIZER, condition, edit, part, set_condition};
use crate::crd::{MAX_DEFINITIONS, definition_of};
use crate::params::DeleteOptions;
use crate::server::{ApiServer, Call, Output};
use crate::storage;
use crate::write::{Action, Write, at_revision};
use api::http::{Accept, Request};
use api::kinds::{Gvr, Kind, find_kind, find_resource};
use api::status::Status;
use api::{Dynamic, Object};
use etcd::{KeyRange, Op, Txn};
use serde_json::{Value, json};
use sim::{Time, Verb};
use std::collections::BTreeSet;
use std::sync::Arc;

impl ApiServer {
    /// Takes note of a changed definition, or of an object whose definition waits for it.
    pub(crate) fn observe_definition(&mut self, now: Time, change: &Change, out: &mut Vec<Output>) {
        if let Some(definition) = definition_of(&change.object) {
            if change.deleted {
                self.custom.remove(definition);
                self.end_watches(definition, out);
                self.reconsider_group(now, definition, out);
            } else {
                self.custom.put(definition);
                if !self.name(now, definition, out) {
                    self.finalize_definition(now, definition, out);
                }
            }
        } else if change.deleted && change.info.is_custom() {
            let name = format!("{}.{}", change.info.plural, change.info.group);
            let found = self.definitions().find(|definition| definition.metadata.name == name);
            if let Some(definition) = found {
                self.finalize_definition(now, &definition, out);
            }
        }
    }

    /// The kind that a path names.
    pub(crate) fn kind_at(&self, gvr: &Gvr) -> Option<Kind> {
        let built_in = find_resource(&gvr.group, &gvr.version, &gvr.resource).map(Kind::from);
        built_in.or_else(|| self.custom.find(gvr).map(|served| served.kind.clone()))
    }

    fn definitions(&self) -> impl Iterator<Item = Arc<Dynamic>> {
        let info = find_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
        let prefix = info.map(storage::resource_prefix).unwrap_or_default();
        self.cache.range_of(prefix).filter_map(definition_of).cloned()
    }

    /// Refuses a definition too many, and objects of a definition that is being deleted.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn may_define(&self, write: &Write, object: &Object) -> Result<(), Box<Status>> {
        let forbidden = |why: &str| Err(Box::new(Status::forbidden(&write.info.gvr(), &write.name, why)));
        if write.served.as_ref().is_some_and(|served| served.terminating) {
            return forbidden("create not allowed while custom resource definition is terminating");
        }
        if definition_of(object).is_some() && self.definitions().count() >= MAX_DEFINITIONS {
            return forbidden(&format!("this cluster holds at most {MAX_DEFINITIONS} CustomResourceDefinitions"));
        }
        Ok(())
    }

    /// Accepts the names of a definition, then establishes it; says whether something was written.
    fn name(&mut self, now: Time, definition: &Arc<Dynamic>, out: &mut Vec<Output>) -> bool {
        let (spec, status) = (part(definition, "spec"), part(definition, "status"));
        let mut changed = Dynamic::clone(definition);
        if spec["names"] != status["acceptedNames"] {
            let (accepted, told) = self.accept(definition);
            edit(&mut changed, |fields| {
                fields.entry("status").or_insert_with(|| json!({}))["acceptedNames"] = accepted;
            });
            let good = told.0 == "True";
            set_condition(&mut changed, now, "NamesAccepted", (told.0, told.1, &told.2));
            if !condition(status, "Established") {
                let establishing = ("False", "Installing", "the initial names have been accepted");
                let refused = ("False", "NotAccepted", "not all names are accepted");
                set_condition(&mut changed, now, "Established", if good { establishing } else { refused });
            }
        } else if condition(status, "NamesAccepted") && !condition(status, "Established") {
            let told = ("True", "InitialNamesAccepted", "the initial names have been accepted");
            set_condition(&mut changed, now, "Established", told);
        }
        let writes = changed != **definition;
        if writes {
            self.put_own(now, Object::Dynamic(Arc::new(changed)), out);
        }
        writes
    }

    /// The names that a definition can have beside the others of its group, and whether those are all it asks for.
    fn accept(&self, definition: &Arc<Dynamic>) -> (Value, (&'static str, &'static str, String)) {
        let group = &part(definition, "spec")["group"];
        let (mut resources, mut kinds) = (BTreeSet::new(), BTreeSet::new());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for other in self.definitions() {
            if part(&other, "spec")["group"] == *group && other.metadata.name != definition.metadata.name {
                let names = &part(&other, "status")["acceptedNames"];
                resources.extend([text(&names["plural"]), text(&names["singular"])]);
                resources.extend(names["shortNames"].as_array().into_iter().flatten().map(text));
                kinds.extend([text(&names["kind"]), text(&names["listKind"])]);
            }
        }
        let wanted = &part(definition, "spec")["names"];
        let mut accepted = match &part(definition, "status")["acceptedNames"] {
            Value::Null => json!({"plural": "", "kind": ""}),
            names => names.clone(),
        };
        let mut told = ("True", "NoConflicts", "no conflicts found".to_owned());
        let in_use = |name: &str| format!("{name:?} is already in use");
        for (name, used, reason) in [
            ("plural", &resources, "PluralConflict"),
            ("singular", &resources, "SingularConflict"),
            ("kind", &kinds, "KindConflict"),
            ("listKind", &kinds, "ListKindConflict"),
        ] {
            let asked = text(&wanted[name]);
            if accepted[name] != wanted[name] && used.contains(&asked) {
                told = ("False", reason, in_use(&asked));
            } else if !wanted[name].is_null() {
                accepted[name] = wanted[name].clone();
            }
        }
        let short: Vec<String> = wanted["shortNames"].as_array().into_iter().flatten().map(text).collect();
        let taken: Vec<String> = short.iter().filter(|name| resources.contains(*name)).map(|name| in_use(name)).collect();
        match &taken[..] {
            [] => copy(wanted, &mut accepted, "shortNames"),
            [one] => told = ("False", "ShortNamesConflict", one.clone()),
            several => told = ("False", "ShortNamesConflict", format!("[{}]", several.join(", "))),
        }
        copy(wanted, &mut accepted, "categories");
        (accepted, told)
    }

    /// Whether a request asks for all kinds while one is about to be there.
    pub(crate) fn awaits_names(&self, request: &Request) -> bool {
        request.accept == Accept::Discovery && self.definitions().any(|definition| is_being_named(&definition))
    }

    /// Serves what waited for names, once all definitions have theirs or are refused them.
    pub(crate) fn serve_named(&mut self, now: Time, out: &mut Vec<Output>) {
        if !self.awaiting_names.is_empty() && !self.definitions().any(|definition| is_being_named(&definition)) {
            for (client, id, request) in std::mem::take(&mut self.awaiting_names) {
                self.serve(now, client, id, *request, out);
            }
        }
    }

    /// Names became free: the other definitions of the group may have them now.
    fn reconsider_group(&mut self, now: Time, gone: &Dynamic, out: &mut Vec<Output>) {
        let group = &part(gone, "spec")["group"];
        let others: Vec<Arc<Dynamic>> = self.definitions().filter(|other| part(other, "spec")["group"] == *group).collect();
        for other in others {
            self.name(now, &other, out);
        }
    }

    /// Deletes the objects of a definition that is being deleted; lets it go when there are none.
    fn finalize_definition(&mut self, now: Time, definition: &Arc<Dynamic>, out: &mut Vec<Output>) {
        let waits = definition.metadata.finalizers.iter().any(|finalizer| finalizer == FINALIZER);
        if !definition.metadata.is_deleting() || !waits {
            return;
        }
        let mut changed = Dynamic::clone(definition);
        let established = condition(part(definition, "status"), "Established");
        let instances = self.instances(definition);
        let told = match (established, instances.is_empty()) {
            (false, _) => ("False", "NeverEstablished", "resource was never established"),
            (true, true) => ("False", "InstanceDeletionCompleted", "removed all instances"),
            (true, false) => ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"),
        };
        set_condition(&mut changed, now, "Terminating", told);
        if told.0 == "False" {
            changed.metadata.finalizers.retain(|finalizer| finalizer != FINALIZER);
            if changed.metadata.finalizers.is_empty() {
                return self.remove_own(now, Object::Dynamic(Arc::new(changed)), out);
            }
        }
        if changed != **definition {
            self.put_own(now, Object::Dynamic(Arc::new(changed)), out);
        }
        for object in instances.into_iter().filter(|object| !object.metadata().is_deleting()) {
            let Some(info) = object.info() else { continue };
            let mut write = Write::own(info, object.metadata().namespace.clone(), object.metadata().name.clone());
            write.action = Action::Delete(DeleteOptions::default());
            self.update(now, write, out);
        }
    }

    /// Deletes an object, if it still has the revision that it carries.
    fn remove_own(&mut self, now: Time, object: Object, out: &mut Vec<Output>) {
        let Some(info) = object.info() else { return };
        let metadata = object.metadata();
        let key = storage::key(&info, &metadata.namespace, &metadata.name);
        let subject = Some((Verb::Delete, object.object_ref()));
        let compares = vec![at_revision(&key, metadata.resource_version.0)];
        let txn = Txn { compares, success: vec![Op::Delete(KeyRange::One(key))], failure: Vec::new(), subject };
        let id = self.call(now, Call::Own);
        out.push(Output::Etcd(etcd::Request::Txn(id, txn)));
    }

    /// The objects of a definition, whichever version they are stored in.
    fn instances(&self, definition: &Dynamic) -> Vec<Object> {
        let spec = part(definition, "spec");
        let prefix = format!(
            "{}{}/{}/",
            storage::ROOT,
            spec["group"].as_str().unwrap_or_default(),
            spec["names"]["plural"].as_str().unwrap_or_default()
        );
        self.cache.range_of(prefix).cloned().collect()
    }

    /// Ends the watches of what is served no more.
    fn end_watches(&mut self, definition: &Dynamic, out: &mut Vec<Output>) {
        let spec = part(definition, "spec");
        let (group, plural) = (spec["group"].as_str().unwrap_or_default(), spec["names"]["plural"].as_str().unwrap_or_default());
        for (client, id) in self.watchers.end_resource(group, plural) {
            out.push(Output::WatchEnded { client, id });
        }
    }
}

fn is_being_named(definition: &Dynamic) -> bool {
    let status = part(definition, "status");
    let named = status["conditions"].as_array().is_some_and(|conditions| !conditions.is_empty());
    !named || (condition(status, "NamesAccepted") && !condition(status, "Established"))
}

fn copy(from: &Value, to: &mut Value, name: &str) {
    match from.get(name) {
        Some(value) => to[name] = value.clone(),
        None => drop(to.as_object_mut().map(|fields| fields.remove(name))),
    }
}
