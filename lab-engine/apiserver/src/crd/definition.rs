//! CustomResourceDefinitions as objects: defaults, what only the server sets, and validation
//! (`pkg/registry/customresourcedefinition`, `pkg/apis/apiextensions/validation`).
//!
//! Fields that are the same in all versions are validated once and named as upstream names them, whose internal type has them above the
//! versions: `spec.validation.openAPIV3Schema…`.
//!
//! **Simplified here:** a definition with a conversion webhook is refused: nothing could call it.

use crate::crd::{formats, structural};
use api::json::Rest;
use api::jsonpath::JsonPath;
use api::meta::Timestamp;
use api::names;
use api::status::{FieldError, FieldErrorKind};
use api::{Dynamic, Object};
use serde_json::{Map, Value, json};
use sim::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The finalizer with which a definition waits for its objects to be deleted.
pub(crate) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// How many versions a definition may have here.
const MAX_VERSIONS: usize = 32;

/// How many fields a version may be selected by (`MaxSelectableFields`).
const MAX_SELECTABLE: usize = 8;

/// The annotation without which groups of Kubernetes are not open to definitions.
const APPROVED: &str = "api-approved.kubernetes.io";

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

type Errors = Vec<FieldError>;

/// The fields of an object besides its metadata, to change.
pub(crate) fn edit(object: &mut Dynamic, change: impl FnOnce(&mut Map<String, Value>)) {
    let mut fields = Map::new();
    object.rest.restore(&mut fields);
    change(&mut fields);
    object.rest = Rest::new(fields);
}

/// A field of the object besides its metadata.
pub(crate) fn part<'o>(object: &'o Dynamic, name: &str) -> &'o Value {
    object.rest.get(name).unwrap_or(&Value::Null)
}

/// Sets what the author left out (`SetDefaults_CustomResourceDefinition`).
pub(crate) fn default(object: &mut Dynamic) {
    edit(object, |fields| {
        let Some(Value::Object(spec)) = fields.get_mut("spec") else { return };
        if let Some(Value::Object(names)) = spec.get_mut("names")
            && let Some(kind) = names.get("kind").and_then(Value::as_str).map(str::to_owned)
        {
            let empty = |names: &Map<String, Value>, name: &str| names.get(name).is_none_or(|value| value.as_str() == Some(""));
            if empty(names, "singular") {
                names.insert("singular".to_owned(), json!(kind.to_lowercase()));
            }
            if empty(names, "listKind") && !kind.is_empty() {
                names.insert("listKind".to_owned(), json!(format!("{kind}List")));
            }
        }
        spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    });
}

/// Drops the status that the author gave, and begins it.
pub(crate) fn prepare_for_create(object: &mut Dynamic) {
    object.metadata.generation = Some(1);
    let stored: Vec<Value> = storage_version(part(object, "spec")).map(Value::from).into_iter().collect();
    edit(object, |fields| {
        fields.insert("status".to_owned(), json!({"storedVersions": stored}));
    });
}

/// Keeps the status, notes a new storage version in it, and counts the change of the spec.
pub(crate) fn prepare_for_update(object: &mut Dynamic, old: &Dynamic) {
    if part(object, "spec") != part(old, "spec") {
        object.metadata.generation = Some(old.metadata.generation.unwrap_or(0) + 1);
    }
    let mut status = part(old, "status").clone();
    if let (Some(version), Some(stored)) = (storage_version(part(object, "spec")), status["storedVersions"].as_array_mut())
        && !stored.iter().any(|one| one == version)
    {
        stored.push(json!(version));
    }
    edit(object, |fields| {
        fields.insert("status".to_owned(), status);
    });
}

/// Marks a definition that is deleted for the first time: it waits for its objects (`customresourcedefinition/etcd.go`, `Delete`).
fn mark_deleted(object: &mut Dynamic, now: Time) {
    if object.metadata.is_deleting() {
        return;
    }
    if !object.metadata.finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        object.metadata.finalizers.push(FINALIZER.to_owned());
    }
    set_condition(
        object,
        now,
        "Terminating",
        ("True", "InstanceDeletionPending", "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"),
    );
}

/// A definition as its deletion leaves it; `None` for objects of other kinds.
pub(crate) fn marked_deleted(object: &Object, now: Time) -> Option<Object> {
    let mut definition = Dynamic::clone(super::definition_of(object)?);
    mark_deleted(&mut definition, now);
    Some(Object::Dynamic(Arc::new(definition)))
}

/// Sets a condition of the status: status, reason, message. Its time changes only with its status.
pub(crate) fn set_condition(object: &mut Dynamic, now: Time, type_: &str, told: (&str, &str, &str)) {
    let (status, reason, message) = told;
    let mut new = json!({"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": Timestamp::from(now).to_string()});
    edit(object, |fields| {
        let of = fields.entry("status").or_insert_with(|| json!({}));
        if !of["conditions"].is_array() {
            of["conditions"] = json!([]);
        }
        let Some(conditions) = of["conditions"].as_array_mut() else { return };
        match conditions.iter_mut().find(|condition| condition["type"] == type_) {
            Some(old) => {
                if old["status"] == status {
                    new["lastTransitionTime"] = old["lastTransitionTime"].take();
                }
                *old = new;
            }
            None => conditions.push(new),
        }
    });
}

/// Keeps all but the status.
pub(crate) fn prepare_status_update(object: &mut Dynamic, old: &Dynamic) {
    let status = part(object, "status").clone();
    let resource_version = object.metadata.resource_version;
    *object = old.clone();
    object.metadata.resource_version = resource_version;
    edit(object, |fields| {
        fields.insert("status".to_owned(), status);
    });
}

/// The name of the version in which objects are stored.
pub(crate) fn storage_version(spec: &Value) -> Option<&str> {
    versions(spec).iter().find(|version| version["storage"] == true)?["name"].as_str()
}

fn versions(spec: &Value) -> &[Value] {
    spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn invalid(path: impl Into<String>, value: &str, detail: impl Into<String>) -> FieldError {
    FieldError::invalid(path, value, detail)
}

/// What a definition is warned of: formats that nothing knows, and sets of what is no scalar.
pub(crate) fn warnings(object: &Object) -> Vec<String> {
    let mut warnings = BTreeSet::new();
    if let Some(definition) = super::definition_of(object) {
        for version in versions(part(definition, "spec")) {
            schema_warnings(&version["schema"]["openAPIV3Schema"], &mut warnings);
        }
    }
    warnings.into_iter().collect()
}

fn schema_warnings(schema: &Value, warnings: &mut BTreeSet<String>) {
    let (type_, format) = (text(schema, "type"), text(schema, "format"));
    if !format.is_empty() && !formats::is_known(type_, format) {
        warnings.insert(format!("unrecognized format {format:?}"));
    }
    let items = text(&schema["items"], "type");
    if text(schema, "x-kubernetes-list-type") == "set" && matches!(items, "object" | "array") {
        warnings.insert(format!(
            "x-kubernetes-list-type: set for items of type {items:?} is not supported by server-side apply or CEL validation rules"
        ));
    }
    let parts = schema["properties"].as_object().into_iter().flatten().map(|(_, part)| part);
    parts.chain([&schema["items"], &schema["additionalProperties"]]).filter(|part| part.is_object()).for_each(|part| {
        schema_warnings(part, warnings);
    });
}

/// What is wrong with a definition; `old` is what an update replaces.
pub(crate) fn validate(object: &Dynamic, old: Option<&Dynamic>) -> Errors {
    let mut errors = Vec::new();
    let spec = part(object, "spec");
    let wanted = format!("{}.{}", text(&spec["names"], "plural"), text(spec, "group"));
    if object.metadata.name != wanted {
        errors.push(invalid("metadata.name", &object.metadata.name, "must be spec.names.plural+\".\"+spec.group"));
    }
    group_and_scope(spec, &mut errors);
    version_list(spec, &mut errors);
    names_of(spec, &mut errors);
    conversion(&spec["conversion"], &mut errors);
    if let Some(old) = old {
        immutable(object, old, &mut errors);
    }
    stored_versions(part(object, "status"), spec, &mut errors);
    approval(object, &mut errors);
    if spec["preserveUnknownFields"] == true {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.push(FieldError::new(FieldErrorKind::Invalid, "spec.preserveUnknownFields", "true", detail));
    }
    errors
}

fn group_and_scope(spec: &Value, errors: &mut Errors) {
    let group = text(spec, "group");
    let wrong = names::dns1123_subdomain(group);
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else if !wrong.is_empty() {
        errors.push(invalid("spec.group", group, wrong.join(",")));
    } else if !group.contains('.') {
        errors.push(invalid("spec.group", group, "should be a domain with at least one dot"));
    }
    match text(spec, "scope") {
        "" => errors.push(FieldError::required("spec.scope", "")),
        "Cluster" | "Namespaced" => {}
        other => errors.push(FieldError::not_supported("spec.scope", other, &["Cluster", "Namespaced"])),
    }
}

fn version_list(spec: &Value, errors: &mut Errors) {
    let versions = versions(spec);
    if versions.len() > MAX_VERSIONS {
        let detail = format!("must have at most {MAX_VERSIONS} items");
        errors.push(FieldError::new(FieldErrorKind::TooMany, "spec.versions", versions.len().to_string(), detail));
        return;
    }
    for (index, version) in versions.iter().enumerate() {
        if version["schema"]["openAPIV3Schema"].is_null() {
            errors.push(FieldError::required(format!("spec.versions[{index}].schema.openAPIV3Schema"), ""));
        }
    }
    let shared = |name: &str| versions.windows(2).all(|pair| pair[0][name] == pair[1][name]);
    for (index, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{index}]");
        let wrong = names::dns1035_label(text(version, "name"));
        if !wrong.is_empty() {
            errors.push(invalid(format!("{path}.name"), text(version, "name"), wrong.join(",")));
        }
        deprecation(version, &path, errors);
        parts_of_version(version, &path, &|name| !shared(name), errors);
    }
    let names: Vec<&str> = versions.iter().map(|version| text(version, "name")).collect();
    let shown = || Value::from(versions.to_vec()).to_string();
    if names.iter().enumerate().any(|(index, name)| names[..index].contains(name)) {
        errors.push(FieldError::new(FieldErrorKind::Invalid, "spec.versions", shown(), "must contain unique version names"));
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.push(FieldError::new(FieldErrorKind::Invalid, "spec.versions", shown(), detail));
    }
    if let Some(first) = versions.first() {
        parts_of_version(first, "spec", &shared, errors);
    }
}

/// Schema, subresources, columns and fields for selection: of one version, or of all where they are the same. `wanted` tells which.
fn parts_of_version(version: &Value, path: &str, wanted: &dyn Fn(&str) -> bool, errors: &mut Errors) {
    let schema = &version["schema"]["openAPIV3Schema"];
    if wanted("schema") && !schema.is_null() {
        let under = if path == "spec" { "validation" } else { "schema" };
        let status = !version["subresources"]["status"].is_null();
        structural::validate(schema, status, &format!("{path}.{under}.openAPIV3Schema"), errors);
    }
    if wanted("subresources") {
        subresources(&version["subresources"], &format!("{path}.subresources"), errors);
    }
    if wanted("additionalPrinterColumns") {
        for (index, column) in version["additionalPrinterColumns"].as_array().into_iter().flatten().enumerate() {
            self::column(column, &format!("{path}.additionalPrinterColumns[{index}]"), errors);
        }
    }
    if wanted("selectableFields") {
        let fields = version["selectableFields"].as_array().map(Vec::as_slice).unwrap_or_default();
        selectable(fields, schema, &format!("{path}.selectableFields"), errors);
    }
}

fn deprecation(version: &Value, path: &str, errors: &mut Errors) {
    let Some(warning) = version["deprecationWarning"].as_str() else { return };
    let path = format!("{path}.deprecationWarning");
    if version["deprecated"] != true {
        errors.push(invalid(path, warning, "can only be set for deprecated versions"));
        return;
    }
    if warning.len() > 256 {
        errors.push(invalid(path.clone(), warning, "must be <= 256 characters long"));
    }
    if warning.is_empty() {
        errors.push(invalid(path.clone(), warning, "must not be an empty string"));
    }
    if let Some(at) = warning.find(char::is_control) {
        let detail = format!("must only contain printable UTF-8 characters; non-printable character found at index {at}");
        errors.push(invalid(path, warning, detail));
    }
}

fn subresources(value: &Value, path: &str, errors: &mut Errors) {
    let scale = &value["scale"];
    if scale.is_null() {
        return;
    }
    for (name, below) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
        let (at, given) = (format!("{path}.scale.{name}"), text(scale, name));
        if given.is_empty() {
            errors.push(FieldError::required(at, ""));
        } else if !given.starts_with('.') {
            errors.push(invalid(at, given, "must be a simple json path starting with ."));
        } else if !given.strip_prefix(below).is_some_and(|rest| rest.starts_with('.')) {
            errors.push(invalid(at, given, format!("should be a json path under {below}")));
        }
    }
    let selector = text(scale, "labelSelectorPath");
    let at = format!("{path}.scale.labelSelectorPath");
    if !selector.is_empty() && !selector.starts_with('.') {
        errors.push(invalid(at, selector, "must be a simple json path starting with ."));
    } else if !selector.is_empty() && !selector.starts_with(".spec.") && !selector.starts_with(".status.") {
        errors.push(invalid(at, selector, "should be a json path under either .spec or .status"));
    }
}

fn column(column: &Value, path: &str, errors: &mut Errors) {
    if text(column, "name").is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), ""));
    }
    let (type_, format) = (text(column, "type"), text(column, "format"));
    let one_of = |allowed: &[&str]| format!("must be one of {}", allowed.join(","));
    if type_.is_empty() {
        errors.push(FieldError::required(format!("{path}.type"), one_of(&COLUMN_TYPES)));
    } else if !COLUMN_TYPES.contains(&type_) {
        errors.push(invalid(format!("{path}.type"), type_, one_of(&COLUMN_TYPES)));
    }
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        errors.push(invalid(format!("{path}.format"), format, one_of(&COLUMN_FORMATS)));
    }
    let json_path = text(column, "jsonPath");
    if json_path.is_empty() {
        errors.push(FieldError::required(format!("{path}.JSONPath"), ""));
    } else if !json_path.starts_with('.') {
        errors.push(invalid(format!("{path}.JSONPath"), json_path, "must be a simple json path starting with ."));
    } else if let Err(error) = JsonPath::parse(&format!("{{{json_path}}}")) {
        errors.push(invalid(format!("{path}.JSONPath"), json_path, error));
    }
}

fn selectable(fields: &[Value], schema: &Value, path: &str, errors: &mut Errors) {
    for (index, field) in fields.iter().enumerate() {
        let (at, given) = (format!("{path}[{index}].jsonPath"), text(field, "jsonPath"));
        let Some(steps) = given.strip_prefix('.') else {
            errors.push(match given {
                "" => FieldError::required(at, ""),
                given => invalid(at, given, "is an invalid path: does not start with a '.'"),
            });
            continue;
        };
        let found = steps.split('.').try_fold(schema, |schema, step| schema["properties"].get(step));
        if steps.starts_with("metadata.") || steps == "metadata" {
            errors.push(invalid(at.clone(), given, "must not point to fields in metadata"));
        } else if steps.contains(['[', ']']) {
            errors.push(invalid(at.clone(), given, "is an invalid path: array notation is not allowed"));
        } else if let Some(found) = found {
            if !matches!(text(found, "type"), "string" | "boolean" | "integer") {
                let detail =
                    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
                errors.push(invalid(at.clone(), given, detail));
            }
        } else {
            errors.push(invalid(at.clone(), given, "is an invalid path: does not refer to a valid field"));
        }
        if fields[..index].iter().any(|other| text(other, "jsonPath") == given) {
            errors.push(FieldError::new(FieldErrorKind::Duplicate, at, format!("{given:?}"), ""));
        }
    }
    if fields.len() > MAX_SELECTABLE {
        let detail = format!("must have at most {MAX_SELECTABLE} items");
        errors.push(FieldError::new(FieldErrorKind::TooMany, path, fields.len().to_string(), detail));
    }
}

fn names_of(spec: &Value, errors: &mut Errors) {
    let own = &spec["names"];
    for name in ["plural", "singular", "kind", "listKind"] {
        if text(own, name).is_empty() {
            errors.push(FieldError::required(format!("spec.names.{name}"), ""));
        }
    }
    let check = |path: String, word: &str, errors: &mut Errors| {
        let wrong = names::dns1035_label(word);
        if !word.is_empty() && !wrong.is_empty() {
            errors.push(invalid(path, word, wrong.join(",")));
        }
    };
    check("spec.names.plural".to_owned(), text(own, "plural"), errors);
    check("spec.names.singular".to_owned(), text(own, "singular"), errors);
    for name in ["kind", "listKind"] {
        let word = text(own, name);
        let wrong = names::dns1035_label(&word.to_lowercase());
        if !word.is_empty() && !wrong.is_empty() {
            let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
            errors.push(invalid(format!("spec.names.{name}"), word, detail));
        }
    }
    let words = |name: &str| own[name].as_array().into_iter().flatten().filter_map(Value::as_str).enumerate();
    for (index, word) in words("shortNames") {
        check(format!("spec.names.shortNames[{index}]"), word, errors);
    }
    if !text(own, "kind").is_empty() && text(own, "kind") == text(own, "listKind") {
        errors.push(invalid("spec.names.listKind", text(own, "listKind"), "kind and listKind may not be the same"));
    }
    for (index, word) in words("categories") {
        check(format!("spec.names.categories[{index}]"), word, errors);
    }
}

fn conversion(value: &Value, errors: &mut Errors) {
    let webhook = &value["webhook"];
    match text(value, "strategy") {
        "None" => {
            if !webhook["clientConfig"].is_null() {
                let detail = "should not be set when strategy is not set to Webhook";
                errors.push(FieldError::forbidden("spec.conversion.webhookClientConfig", detail));
            }
            if webhook["conversionReviewVersions"].as_array().is_some_and(|versions| !versions.is_empty()) {
                let detail = "should not be set when strategy is not set to Webhook";
                errors.push(FieldError::forbidden("spec.conversion.conversionReviewVersions", detail));
            }
        }
        "Webhook" => {
            let detail = "conversion webhooks are not supported in this cluster: use strategy None, which changes only the apiVersion";
            errors.push(FieldError::forbidden("spec.conversion.strategy", detail));
        }
        "" => errors.push(FieldError::required("spec.conversion.strategy", "")),
        other => errors.push(FieldError::not_supported("spec.conversion.strategy", other, &["None", "Webhook"])),
    }
}

fn immutable(object: &Dynamic, old: &Dynamic, errors: &mut Errors) {
    let (new, before) = (part(object, "spec"), part(old, "spec"));
    let mut same = |pointer: &str, path: &str| {
        let (new, before) = (new.pointer(pointer), before.pointer(pointer));
        if new != before {
            let shown = new.map_or_else(String::new, Value::to_string);
            errors.push(FieldError::new(FieldErrorKind::Invalid, path, shown, "field is immutable"));
        }
    };
    if condition(part(old, "status"), "Established") {
        same("/scope", "spec.scope");
        same("/names/kind", "spec.names.kind");
    }
    same("/group", "spec.group");
    same("/names/plural", "spec.names.plural");
}

/// Whether a condition of the status is true.
pub(crate) fn condition(status: &Value, type_: &str) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == type_ && condition["status"] == "True")
}

fn stored_versions(status: &Value, spec: &Value, errors: &mut Errors) {
    let stored: Vec<&str> = status["storedVersions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let shown = || json!(stored).to_string();
    if stored.is_empty() {
        errors.push(FieldError::new(FieldErrorKind::Invalid, "status.storedVersions", shown(), "must have at least one stored version"));
        return;
    }
    if let Some(version) = storage_version(spec).filter(|version| !stored.contains(version)) {
        let detail = format!("must have the storage version {version}");
        errors.push(FieldError::new(FieldErrorKind::Invalid, "status.storedVersions", shown(), detail));
    }
    for (index, version) in stored.iter().enumerate() {
        if !versions(spec).iter().any(|own| text(own, "name") == *version) {
            let detail = format!(
                "missing from spec.versions; {version} was previously a storage version, and must remain in spec.versions until a storage \
                 migration ensures no data remains persisted in {version} and removes {version} from status.storedVersions"
            );
            errors.push(invalid(format!("status.storedVersions[{index}]"), version, detail));
        }
    }
}

/// Groups of Kubernetes itself are open only with an approval.
fn approval(object: &Dynamic, errors: &mut Errors) {
    let group = text(part(object, "spec"), "group");
    let protected = ["k8s.io", "kubernetes.io"].iter().any(|domain| group == *domain || group.ends_with(&format!(".{domain}")));
    if !protected {
        return;
    }
    let path = format!("metadata.annotations[{APPROVED}]");
    match object.metadata.annotations.get(APPROVED).map(String::as_str) {
        None | Some("") => {
            let detail = format!(
                "protected groups must have approval annotation {APPROVED:?}, see https://github.com/kubernetes/enhancements/pull/1111"
            );
            errors.push(FieldError::required(path, detail));
        }
        Some(value) if value.starts_with("unapproved") || value.contains("://") => {}
        Some(value) => {
            let detail = format!(
                "protected groups must have approval annotation {APPROVED:?} with either a URL or a reason starting with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111"
            );
            errors.push(invalid(path, value, detail));
        }
    }
}
