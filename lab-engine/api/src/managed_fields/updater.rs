//! The bookkeeping of a write (`merge.Updater` and the chain of managers in `apimachinery/pkg/util/managedfields/internal`).

use super::atom::TypeRef;
use super::compare::{Comparison, compare};
use super::convert::{field_set, validate};
use super::custom::CustomType;
use super::entry::{ManagedFields, ManagedFieldsEntry, Manager, Operation};
use super::merge::{merge, remove, with_named_fields};
use super::path::PathElement;
use super::set::Set;
use super::typed::Place;
use crate::Object;
use crate::kinds::KindInfo;
use crate::meta::Timestamp;
use crate::schema;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// So many managers that are no appliers are told apart; the oldest become one.
const MAX_UPDATE_MANAGERS: usize = 10;
const OLD_UPDATES: &str = "ancient-changes";
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// The manager whose conflicts with what it applied on the client's side do not count.
const KUBECTL: &str = "kubectl";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Fields that nobody owns.
static STRIPPED: LazyLock<Set> = LazyLock::new(|| {
    let mut set = Set::of_fields(&[&["apiVersion"], &["kind"], &["metadata"]]);
    let own =
        ["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields", "resourceVersion"];
    for name in own {
        set.insert(&[PathElement::field("metadata"), PathElement::field(name)]);
    }
    set
});

/// A write as the record of field owners sees it.
#[derive(Clone, Copy, Debug)]
pub struct Writing<'w> {
    /// The kind of the object.
    pub info: &'w KindInfo,
    /// What its definition says about its type, for a custom kind.
    pub type_: Option<&'w CustomType>,
    /// The subresource that is written; empty for the object itself.
    pub subresource: &'w str,
    /// Fields that this way of writing cannot change (`GetResetFields`).
    pub ignored: &'w Set,
    /// Who writes.
    pub manager: &'w str,
    /// When; nothing where the time of an entry is not to change.
    pub now: Option<Timestamp>,
}

/// A field that someone else owns and that an apply would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Who owns it.
    pub manager: Arc<Manager>,
    /// The path, for example `.spec.replicas`.
    pub path: String,
    elements: Vec<PathElement>,
}

/// Why a configuration is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// The request makes no sense.
    BadRequest(String),
    /// The configuration does not fit its kind.
    Typed(String),
    /// Others own what it would change; by manager and path, at least one.
    Conflicts(Vec<Conflict>),
}

/// `Apply failed with 1 conflict: conflict with "kubectl-scale" with subresource "scale" using apps/v1: .spec.replicas`.
impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conflicts = match self {
            ApplyError::BadRequest(message) | ApplyError::Typed(message) => return f.write_str(message),
            ApplyError::Conflicts(conflicts) => conflicts,
        };
        if let [only] = &conflicts[..] {
            return write!(f, "Apply failed with 1 conflict: conflict with {}: {}", only.manager, only.path);
        }
        write!(f, "Apply failed with {} conflicts: ", conflicts.len())?;
        let mut before: Option<&Conflict> = None;
        for conflict in conflicts {
            if before.is_none_or(|before| before.manager != conflict.manager) {
                let line_break = if before.is_some() { "\n" } else { "" };
                write!(f, "{line_break}conflicts with {}:", conflict.manager)?;
            }
            write!(f, "\n- {}", conflict.path)?;
            before = Some(conflict);
        }
        Ok(())
    }
}

impl std::error::Error for ApplyError {}

/// An object that was made, with all its fields: the next of its kind has mostly the same.
#[derive(Clone, Debug)]
pub struct Made {
    object: Object,
    fields: Set,
}

/// What an apply makes of an object.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object as JSON, without its managed fields; `None` when it stays as it is.
    pub object: Option<Value>,
    /// Who owns what of it.
    pub managed_fields: ManagedFields,
}

impl Writing<'_> {
    fn type_ref(&self) -> TypeRef<'_> {
        let built_in = || schema::for_kind(self.info).map(TypeRef::Schema);
        self.type_.map(TypeRef::Custom).or_else(built_in).unwrap_or(TypeRef::Deduced)
    }

    /// Whether group and version are those of the kind.
    fn is_version(&self, text: &str) -> bool {
        match text.split_once('/') {
            Some((group, version)) => (group, version) == (&*self.info.group, &*self.info.version),
            None => self.info.group.is_empty() && text == self.info.version,
        }
    }

    fn as_manager(&self, name: &str, operation: Operation) -> Manager {
        Manager { name: name.into(), operation, api_version: self.info.api_version().into(), subresource: self.subresource.into() }
    }

    /// All fields of a new object: those of an object that was made before, but for what differs.
    fn fields_of(&self, new: &Object, before: Option<&Made>) -> Set {
        let type_ = self.type_ref();
        if let Some(Made { object, fields }) = before {
            let Comparison { added, removed, .. } = object.compare(new, Place::from(type_)).below();
            return fields.difference(&removed).union(&added);
        }
        let Comparison { added, modified, .. } = compare(type_, &Value::Object(Map::new()), &new.to_json_without_managed_fields());
        added.union(&modified)
    }

    /// Who owns what of a new object, with its defaults, before admission; its own managed fields are what the request sent. `made` is an
    /// object of the kind made before, if one is known, and this one after.
    pub fn create(&self, new: &Object, made: &mut Option<Made>) -> ManagedFields {
        let fields = self.fields_of(new, made.as_ref());
        let owned = fields.recursive_difference(self.ignored);
        *made = Some(Made { object: new.clone(), fields });
        let sent = new.metadata().managed_fields.entries().to_vec();
        cap(self.updated(sent, &owned, &Set::default(), self.manager)).into()
    }

    /// Who owns what after an update or a patch that is no apply. `new` is the object with its defaults, before admission; its own managed
    /// fields are what the request sent.
    pub fn update(&self, live: &Object, new: &Object) -> ManagedFields {
        let kept = live.metadata().managed_fields.entries();
        let entries = match &new.metadata().managed_fields {
            _ if !self.subresource.is_empty() => kept,
            ManagedFields::Reset => &[],
            ManagedFields::Entries(sent) => sent,
            ManagedFields::Absent | ManagedFields::Invalid(_) => kept,
        };
        if entries.is_empty() {
            // Whoever dropped the record does not get a new one before the first apply.
            return ManagedFields::Absent;
        }
        let Comparison { added, modified, removed } = live.compare(new, Place::from(self.type_ref())).below().without(self.ignored);
        cap(self.updated(entries.to_vec(), &added.union(&modified), &removed, self.manager)).into()
    }

    /// The entries after a change by `name`.
    fn updated(&self, mut entries: Vec<ManagedFieldsEntry>, changed: &Set, removed: &Set, name: &str) -> Vec<ManagedFieldsEntry> {
        let own = changed.difference(&STRIPPED);
        self.take_away(&mut entries, &changed.union(removed));
        if own.is_empty() {
            return entries;
        }
        let name = if name.is_empty() { "unknown" } else { name };
        // Those of other versions are gone.
        let is_own = |manager: &Manager| {
            *manager.name == *name && manager.operation == Operation::Update && *manager.subresource == *self.subresource
        };
        match entries.iter_mut().find(|entry| is_own(&entry.manager)) {
            Some(entry) => {
                entry.fields = entry.fields.union(&own);
                entry.time = self.now.or(entry.time);
            }
            None => {
                let manager = Arc::new(self.as_manager(name, Operation::Update));
                entries.push(ManagedFieldsEntry { manager, time: self.now, fields: own });
            }
        }
        entries
    }

    /// Takes fields from all managers, and drops managers that own nothing, or wrote in a version that is no more.
    fn take_away(&self, entries: &mut Vec<ManagedFieldsEntry>, fields: &Set) {
        entries.retain_mut(|entry| {
            entry.fields = entry.fields.difference(fields);
            !entry.fields.is_empty() && self.is_version(&entry.manager.api_version)
        });
    }

    /// Applies a configuration to an object, or makes one of it when there is none.
    ///
    /// # Errors
    /// When the configuration does not fit, or others own what it would change and it is not forced.
    pub fn apply(&self, live: Option<&Object>, config: &Value, force: bool) -> Result<Applied, ApplyError> {
        self.check_config(config)?;
        let managed = live.map(|live| &live.metadata().managed_fields);
        if let Some(ManagedFields::Invalid(why)) = managed {
            return Err(ApplyError::Typed(format!("failed to decode managed fields: {why}")));
        }
        let mut entries = managed.map(|managed| managed.entries().to_vec()).unwrap_or_default();
        if let (true, Some(live)) = (entries.is_empty(), live) {
            let fields = self.fields_of(live, None).recursive_difference(self.ignored);
            entries = self.updated(entries, &fields, &Set::default(), BEFORE_FIRST_APPLY);
        }
        let live = live.map_or_else(|| Value::Object(Map::new()), Object::to_json_without_managed_fields);
        let mut applied = self.apply_typed(&live, config, entries.clone(), force);
        if let (KUBECTL, Err(conflicts)) = (self.manager, &mut applied)
            && let Some(allowed) = self.allowed_conflicts(&live)
        {
            conflicts.retain(|conflict| !allowed.has(&conflict.elements));
            if conflicts.is_empty() {
                applied = self.apply_typed(&live, config, entries, true);
            }
        }
        let (merged, entries) = applied.map_err(ApplyError::Conflicts)?;
        let mut object = (merged != live).then_some(merged);
        if self.manager == KUBECTL {
            remember(&live, &mut object, config);
        }
        Ok(Applied { object, managed_fields: entries.into() })
    }

    fn check_config(&self, config: &Value) -> Result<(), ApplyError> {
        let text = |name: &str| config[name].as_str().unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if version != self.info.api_version() || kind != self.info.kind {
            let message = format!(
                "invalid object type: {}, Kind={kind}",
                if version.contains('/') { version.to_owned() } else { format!("/{version}") }
            );
            return Err(ApplyError::BadRequest(message));
        }
        let metadata = &config["metadata"];
        if !metadata["managedFields"].is_null() {
            return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
        }
        validate(self.type_ref(), config, false).map_err(|why| {
            let name = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
            let slash = if self.info.group.is_empty() { "/" } else { "" };
            let gvk = format!("{slash}{version}, Kind={kind}");
            ApplyError::Typed(format!("failed to create typed patch object ({}/{}; {gvk}): {why}", name("namespace"), name("name")))
        })
    }

    /// The merged object and its entries, or the conflicts by manager and path.
    fn apply_typed(
        &self,
        live: &Value,
        config: &Value,
        mut entries: Vec<ManagedFieldsEntry>,
        force: bool,
    ) -> Result<(Value, Vec<ManagedFieldsEntry>), Vec<Conflict>> {
        let type_ = self.type_ref();
        let own = field_set(type_, config).recursive_difference(self.ignored);
        let manager = self.as_manager(self.manager, Operation::Apply);
        let place = entries.iter().position(|entry| entry.manager.is(&manager));
        let last = place.map(|place| entries.remove(place));
        let last_fields = last.as_ref().map(|last| last.fields.clone()).unwrap_or_default();
        let merged = self.pruned(merge(type_, live, config), &last_fields, &own, &entries);
        let comparison = compare(type_, live, &merged).without(self.ignored);
        let changed = comparison.modified.union(&comparison.added);
        let mut conflicts = Vec::new();
        for entry in entries.iter().filter(|_| !force) {
            entry.fields.intersection(&changed).for_each(&mut |path| {
                let text = path.iter().map(PathElement::to_string).collect();
                conflicts.push(Conflict { manager: entry.manager.clone(), path: text, elements: path.to_vec() });
            });
        }
        if !conflicts.is_empty() {
            conflicts.sort_by(|left, right| left.manager.cmp(&right.manager));
            return Err(conflicts);
        }
        self.take_away(&mut entries, &changed.union(&comparison.removed));
        let fields = own.difference(&STRIPPED);
        if !fields.is_empty() {
            // An apply that changes nothing has no time of its own.
            let kept = last.and_then(|last| last.time);
            let time = if merged == *live { kept } else { self.now.or(kept) };
            entries.push(ManagedFieldsEntry { manager: Arc::new(manager), time, fields });
        }
        Ok((merged, entries))
    }

    /// Takes out what the manager applied last time and does not apply now, unless someone else owns it.
    fn pruned(&self, merged: Value, last: &Set, own: &Set, others: &[ManagedFieldsEntry]) -> Value {
        if last.difference(own).is_empty() {
            return merged;
        }
        let type_ = self.type_ref();
        let named = |set: &Set| with_named_fields(type_, set);
        let last = named(last);
        let owned = others.iter().fold(own.clone(), |all, entry| all.union(&entry.fields));
        let all = named(&field_set(type_, &merged));
        let without_last = named(&field_set(type_, &remove(type_, &merged, &last)));
        let with_owned = remove(type_, &merged, &all.difference(&without_last.union(&named(&owned))));
        let kept = named(&field_set(type_, &with_owned));
        // What nobody owns goes only if this manager applied it.
        remove(type_, &merged, &all.difference(&kept).intersection(&last))
    }

    /// The fields that still are as `kubectl apply` left them on the client's side: these may change hands without force.
    fn allowed_conflicts(&self, live: &Value) -> Option<Set> {
        let last: Value = serde_json::from_str(live["metadata"]["annotations"][LAST_APPLIED].as_str()?).ok()?;
        let type_ = self.type_ref();
        if last["apiVersion"].as_str() != Some(&self.info.api_version()) || validate(type_, &last, false).is_err() {
            return None;
        }
        let Comparison { added, modified, removed } = compare(type_, &last, live);
        Some(field_set(type_, &last).difference(&modified).difference(&added).difference(&removed))
    }
}

/// Keeps the annotation of client-side apply right, where there is one (`lastAppliedUpdater`).
fn remember(live: &Value, object: &mut Option<Value>, config: &Value) {
    let annotation = |value: &Value| value["metadata"]["annotations"][LAST_APPLIED].as_str().is_some_and(|text| !text.is_empty());
    if !annotation(object.as_ref().unwrap_or(live)) {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    let text = Value::String(format!("{config}\n"));
    if live["metadata"]["annotations"][LAST_APPLIED] != text {
        object.get_or_insert_with(|| live.clone())["metadata"]["annotations"][LAST_APPLIED] = text;
    }
}

/// Makes the oldest managers one where there are too many that are no appliers (`capManagersManager`).
fn cap(mut entries: Vec<ManagedFieldsEntry>) -> Vec<ManagedFieldsEntry> {
    let is_update = |entry: &ManagedFieldsEntry| entry.manager.operation == Operation::Update;
    let mut count = entries.iter().filter(|entry| is_update(entry)).count();
    if count <= MAX_UPDATE_MANAGERS {
        return entries;
    }
    entries.sort_by(|left, right| (left.time, &left.manager).cmp(&(right.time, &right.manager)));
    let (mut updates, mut rest): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_update);
    // All are of one version here, since those of others are dropped.
    let mut oldest = updates.remove(0);
    while count > MAX_UPDATE_MANAGERS && !updates.is_empty() {
        let next = updates.remove(0);
        let manager = Manager { name: OLD_UPDATES.into(), subresource: "".into(), ..Manager::clone(&next.manager) };
        let fields = oldest.fields.union(&next.fields);
        oldest = ManagedFieldsEntry { manager: Arc::new(manager), time: next.time, fields };
        count -= 1;
    }
    rest.push(oldest);
    rest.append(&mut updates);
    rest
}
