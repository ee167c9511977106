//! Patches: JSON patch (RFC 6902), JSON merge patch (RFC 7386) and strategic merge patch
//! (`k8s.io/apimachinery/pkg/util/strategicpatch`), and the patches that `kubectl apply` computes ([`three_way`]).
//!
//! Lists whose field has a merge key are merged element by element; all others are replaced. A patch steers this with `$patch`,
//! `$retainKeys`, `$deleteFromPrimitiveList/FIELD` and `$setElementOrder/FIELD`.
//!
//! **Simplified here:** merged lists of lists do not exist, as upstream.

pub mod three_way;

pub use three_way::{strategic_conflict, three_way_merge, three_way_strategic, three_way_strategic_with};

use crate::kinds::KindInfo;
use crate::schema::{self, PatchStrategy, Type, TypeSchema};
use crate::yaml::MAX_BYTES;
use json_patch::PatchOperation;
use serde_json::{Map, Value};

/// The most operations in a JSON patch.
const MAX_OPERATIONS: usize = 10_000;

const DELETE_PREFIX: &str = "$deleteFromPrimitiveList/";
const ORDER_PREFIX: &str = "$setElementOrder/";

/// Applies a JSON patch.
///
/// # Errors
/// When the patch is none, an operation cannot be applied, or its copies grow beyond the size of a request.
pub fn json_patch(mut original: Value, patch: &Value) -> Result<Value, String> {
    let operations: Vec<PatchOperation> = serde_json::from_value(patch.clone()).map_err(|error| error.to_string())?;
    if operations.len() > MAX_OPERATIONS {
        return Err(format!("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}", operations.len()));
    }
    let mut copied = 0;
    for operation in &operations {
        if let PatchOperation::Copy(copy) = operation {
            copied += original.pointer(copy.from.as_str()).map_or(0, |value| value.to_string().len());
            if copied > MAX_BYTES {
                let why = format!("the accumulated size increase of copy is {copied}, exceeding the limit {MAX_BYTES}");
                return Err(format!("Unable to complete the copy, {why}"));
            }
        }
        json_patch::patch(&mut original, std::slice::from_ref(operation)).map_err(|error| error.to_string())?;
    }
    Ok(original)
}

/// Applies a JSON merge patch: maps are merged, null deletes, everything else is replaced.
pub fn merge(mut original: Value, patch: &Value) -> Value {
    json_patch::merge(&mut original, patch);
    original
}

/// Applies a strategic merge patch to an object of a kind.
///
/// # Errors
/// The message of upstream for directives that do not exist and list elements without their merge key.
pub fn strategic_merge(info: &KindInfo, original: Value, patch: &Value) -> Result<Value, String> {
    merge_values(schema::for_kind(info).map(|schema| schema as Schema<'_>), original, patch)
}

/// Applies a strategic merge patch to an object of the given schema.
///
/// # Errors
/// As [`strategic_merge`].
pub fn strategic_merge_with(schema: &dyn PatchSchema, original: Value, patch: &Value) -> Result<Value, String> {
    merge_values(Some(schema), original, patch)
}

/// What a strategic merge patch must know of a struct (`strategicpatch.LookupPatchMeta`).
pub trait PatchSchema {
    /// How the field with this name is patched. A field that is not known is replaced.
    fn plan(&self, name: &str) -> FieldPlan<'_>;
}

type Schema<'s> = &'s dyn PatchSchema;

/// How a field is patched, and what is below it.
#[derive(Clone, Copy, Default)]
pub struct FieldPlan<'s> {
    /// The struct that the field, or each element of its list, is.
    pub below: Option<&'s dyn PatchSchema>,
    /// How the field itself is patched.
    pub patch: PatchStrategy,
}

impl PatchSchema for TypeSchema {
    fn plan(&self, name: &str) -> FieldPlan<'_> {
        let Some(field) = self.get(name) else { return FieldPlan::default() };
        // A map's values have the schema, the map itself has none.
        let below = match &field.type_ {
            Type::List(element) => element.as_struct(),
            Type::Map(_) => None,
            type_ => type_.as_struct(),
        };
        FieldPlan { below: below.map(|schema| schema as Schema<'_>), patch: field.patch }
    }
}

fn plan<'s>(schema: Option<Schema<'s>>, name: &str) -> FieldPlan<'s> {
    schema.map(|schema| schema.plan(name)).unwrap_or_default()
}

fn merge_values(schema: Option<Schema<'_>>, original: Value, patch: &Value) -> Result<Value, String> {
    match (original, patch) {
        (Value::Object(original), Value::Object(patch)) => merge_maps(schema, original, patch).map(Value::Object),
        (_, Value::Object(patch)) => merge_maps(schema, Map::new(), patch).map(Value::Object),
        (_, patch) => Ok(patch.clone()),
    }
}

fn merge_maps(
    schema: Option<Schema<'_>>,
    mut original: Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    match patch.get("$patch").map(|directive| directive.as_str().unwrap_or_default()) {
        Some("replace") => return merge_maps(schema, Map::new(), &without_directive(patch)),
        Some("delete") => return Ok(Map::new()),
        None | Some("merge") => {}
        Some(other) => return Err(format!("Unknown patch type found: {other}")),
    }
    if let Some(Value::Array(keys)) = patch.get("$retainKeys") {
        original.retain(|key, _| keys.iter().any(|kept| kept == key));
    }
    let before = original.clone();
    for (name, value) in patch {
        if let Some(field) = name.strip_prefix(DELETE_PREFIX) {
            if let (Some(Value::Array(items)), Value::Array(gone)) = (original.get_mut(field), value) {
                items.retain(|item| !gone.contains(item));
            }
        } else if name.starts_with('$') {
            // `$patch` and `$retainKeys` are done; `$setElementOrder` comes when all elements are there.
        } else if value.is_null() {
            original.remove(name);
        } else {
            let merged = merge_field(plan(schema, name), original.remove(name), value)?;
            original.insert(name.clone(), merged);
        }
    }
    for (name, order) in patch {
        if let (Some(field), Value::Array(order)) = (name.strip_prefix(ORDER_PREFIX), order)
            && let Some(Value::Array(items)) = original.get_mut(field)
        {
            let key = plan(schema, field).patch.merge_key;
            let listed = patch.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            check_order(listed, order, field, key)?;
            let before = before.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            set_order(items, order, &server_order(before, listed, key), key);
        }
    }
    Ok(original)
}

fn without_directive(patch: &Map<String, Value>) -> Map<String, Value> {
    patch.iter().filter(|(name, _)| *name != "$patch").map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn merge_field(plan: FieldPlan<'_>, original: Option<Value>, patch: &Value) -> Result<Value, String> {
    if plan.patch.replace {
        return Ok(patch.clone());
    }
    match (original, patch) {
        (original, Value::Array(patch)) if plan.patch.merge => {
            let items = match original {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            };
            merge_lists(plan, items, patch).map(Value::Array)
        }
        (Some(original), patch) => merge_values(plan.below, original, patch),
        (None, patch) => merge_values(plan.below, Value::Null, patch),
    }
}

fn merge_lists(plan: FieldPlan<'_>, mut items: Vec<Value>, patch: &[Value]) -> Result<Vec<Value>, String> {
    let Some(key) = plan.patch.merge_key else {
        for item in patch {
            if !items.contains(item) {
                items.push(item.clone());
            }
        }
        return Ok(items);
    };
    let directive = |item: &Value| item.get("$patch").and_then(Value::as_str).map(str::to_owned);
    if patch.iter().any(|item| directive(item).as_deref() == Some("replace")) {
        items.clear();
    }
    for item in patch {
        let name = item.get(key);
        match (directive(item).as_deref(), name) {
            (Some("replace"), None) => {}
            (_, None) => return Err(format!("map: {item} does not contain declared merge key: {key}")),
            (Some("delete"), Some(name)) => items.retain(|old| old.get(key) != Some(name)),
            (_, Some(name)) => match items.iter_mut().find(|old| old.get(key) == Some(name)) {
                Some(old) => *old = merge_values(plan.below, old.take(), item)?,
                None => items.push(merge_values(plan.below, Value::Null, item)?),
            },
        }
    }
    Ok(items)
}

/// What tells an element of a merged list apart.
fn identity<'v>(value: &'v Value, key: Option<&str>) -> &'v Value {
    key.map_or(value, |key| value.get(key).unwrap_or(&Value::Null))
}

/// Refuses a list in a patch whose elements stand in another order than `$setElementOrder` gives (`validatePatchWithSetOrderList`).
fn check_order(listed: &[Value], order: &[Value], field: &str, key: Option<&str>) -> Result<(), String> {
    let mut rest = order.iter();
    for item in listed.iter().filter(|item| item.get("$patch").is_none()) {
        if !rest.any(|next| identity(next, key) == identity(item, key)) {
            let (listed, order) = (Value::from(listed), Value::from(order));
            return Err(format!("The order in patch list:\n{listed}\n doesn't match {ORDER_PREFIX}{field} list:\n{order}\n"));
        }
    }
    Ok(())
}

/// The order of a list before the patch, as upstream sees it when it orders the merged list: the patch's deletions are done in place, and
/// elements that the patch adds take the places that became free.
fn server_order(before: &[Value], listed: &[Value], key: Option<&str>) -> Vec<Value> {
    let same = |a: &Value, b: &Value| identity(a, key) == identity(b, key);
    let (gone, given): (Vec<&Value>, Vec<&Value>) = listed.iter().partition(|item| item.get("$patch").is_some_and(|d| d == "delete"));
    let mut order: Vec<Value> = before.iter().filter(|item| !gone.iter().any(|other| same(item, other))).cloned().collect();
    let free = before.len() - order.len();
    let added = given.into_iter().filter(|item| !before.iter().any(|other| same(item, other)));
    order.extend(added.take(free).cloned());
    order
}

/// Brings the elements named in `order` into that order. The others stay before those that they stood before (`mergeSortedSlice`).
fn set_order(items: &mut Vec<Value>, order: &[Value], before: &[Value], key: Option<&str>) {
    let place = |list: &[Value], item: &Value| list.iter().position(|other| identity(other, key) == identity(item, key));
    let (mut named, others): (Vec<_>, Vec<_>) = std::mem::take(items).into_iter().partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    let mut others = others.into_iter().peekable();
    for item in named {
        let was = place(before, &item);
        while let Some(other) = others.next_if(|other| matches!((place(before, other), was), (Some(other), Some(was)) if other < was)) {
            items.push(other);
        }
        items.push(item);
    }
    items.extend(others);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find_kind;
    use serde_json::json;

    fn pod(original: Value, patch: Value) -> Result<Value, String> {
        strategic_merge(find_kind("v1", "Pod").unwrap(), original, &patch)
    }

    #[test]
    fn containers_are_merged_by_name() {
        let original = json!({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "args": ["1"]}]}});
        let patch = json!({"spec": {"containers": [{"name": "b", "args": ["2"]}, {"name": "a", "$patch": "delete"}, {"name": "c"}]}});
        assert_eq!(pod(original.clone(), patch).unwrap(), json!({"spec": {"containers": [{"name": "b", "args": ["2"]}, {"name": "c"}]}}));
        let patch = json!({"spec": {"containers": [{"$patch": "replace"}, {"name": "z"}]}});
        assert_eq!(pod(original.clone(), patch).unwrap(), json!({"spec": {"containers": [{"name": "z"}]}}));
        let order = json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}});
        assert_eq!(pod(original.clone(), order).unwrap()["spec"]["containers"][0]["name"], "b");
        let error = pod(original, json!({"spec": {"containers": [{"image": "x"}]}})).unwrap_err();
        assert!(error.contains("does not contain declared merge key: name"), "{error}");
    }

    #[test]
    fn directives_replace_delete_and_retain() {
        let original = json!({"metadata": {"labels": {"a": "1"}, "finalizers": ["x", "y"]}});
        let replace = json!({"metadata": {"labels": {"$patch": "replace", "b": "2"}, "$deleteFromPrimitiveList/finalizers": ["x"]}});
        assert_eq!(pod(original.clone(), replace).unwrap(), json!({"metadata": {"labels": {"b": "2"}, "finalizers": ["y"]}}));
        let retain = json!({"metadata": {"$retainKeys": ["labels"], "labels": {"a": null}}});
        assert_eq!(pod(original.clone(), retain).unwrap(), json!({"metadata": {"labels": {}}}));
        let union = json!({"metadata": {"finalizers": ["y", "z"]}});
        assert_eq!(pod(original.clone(), union).unwrap()["metadata"]["finalizers"], json!(["x", "y", "z"]));
        assert_eq!(pod(original, json!({"$patch": "boo"})).unwrap_err(), "Unknown patch type found: boo");
    }

    #[test]
    fn json_patches_are_bounded() {
        let patch = json!([{"op": "test", "path": "/a", "value": 1}, {"op": "add", "path": "/b", "value": 2}]);
        assert_eq!(json_patch(json!({"a": 1}), &patch), Ok(json!({"a": 1, "b": 2})));
        assert!(json_patch(json!({"a": 2}), &patch).is_err());
        let doubling: Vec<Value> = (0..100).map(|i| json!({"op": "copy", "from": "", "path": format!("/{i}")})).collect();
        assert!(json_patch(json!({"a": "x".repeat(100)}), &json!(doubling)).unwrap_err().contains("accumulated size increase"));
        assert_eq!(merge(json!({"a": {"b": 1, "c": 2}}), &json!({"a": {"b": null}})), json!({"a": {"c": 2}}));
    }
}
