//! The patches of `kubectl apply`: from what was applied last, what is to be, and what is.
//!
//! A field that was applied and is no longer wanted is deleted; a wanted field that differs is set; fields that others set stay.

use super::{DELETE_PREFIX, FieldPlan, ORDER_PREFIX, PatchSchema, Schema, plan};
use crate::kinds::KindInfo;
use crate::schema;
use serde_json::{Map, Value, json};

/// The strategic merge patch (`CreateThreeWayMergePatch`, overwriting); `{}` when there is nothing to do.
///
/// # Errors
/// The message of upstream for list elements without their merge key.
pub fn three_way_strategic(info: &KindInfo, last_applied: &Value, modified: &Value, current: &Value) -> Result<Value, String> {
    three_way(schema::for_kind(info).map(|schema| schema as Schema<'_>), last_applied, modified, current)
}

/// As [`three_way_strategic`], for objects of the given schema.
///
/// # Errors
/// As [`three_way_strategic`].
pub fn three_way_strategic_with(
    schema: &dyn PatchSchema,
    last_applied: &Value,
    modified: &Value,
    current: &Value,
) -> Result<Value, String> {
    three_way(Some(schema), last_applied, modified, current)
}

fn three_way(schema: Option<Schema<'_>>, last_applied: &Value, modified: &Value, current: &Value) -> Result<Value, String> {
    let map = |value: &Value| value.as_object().cloned().unwrap_or_default();
    diff_maps(schema, &map(last_applied), &map(modified), &map(current)).map(Value::Object)
}

/// The JSON merge patch for kinds without a schema (`CreateThreeWayJSONMergePatch`); `{}` when there is nothing to do.
pub fn three_way_merge(last_applied: &Value, modified: &Value, current: &Value) -> Value {
    let (Some(modified), Some(current)) = (modified.as_object(), current.as_object()) else {
        return modified.clone();
    };
    let mut patch = Map::new();
    for name in last_applied.as_object().into_iter().flat_map(Map::keys) {
        if !modified.contains_key(name) {
            patch.insert(name.clone(), Value::Null);
        }
    }
    for (name, wanted) in modified {
        match current.get(name) {
            Some(found @ Value::Object(_)) if wanted.is_object() => {
                let below = three_way_merge(last_applied.get(name).unwrap_or(&Value::Null), wanted, found);
                if below != json!({}) {
                    patch.insert(name.clone(), below);
                }
            }
            Some(found) if found == wanted => {}
            _ => {
                patch.insert(name.clone(), wanted.clone());
            }
        }
    }
    Value::Object(patch)
}

type Fields = Map<String, Value>;

fn diff_maps(schema: Option<Schema<'_>>, last: &Fields, modified: &Fields, current: &Fields) -> Result<Fields, String> {
    let mut patch = Map::new();
    for name in last.keys().filter(|name| !modified.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, wanted) in modified {
        let plan = plan(schema, name);
        match (wanted, current.get(name)) {
            (Value::Object(wanted), Some(Value::Object(found))) if !plan.patch.replace => {
                let empty = Map::new();
                let last = last.get(name).and_then(Value::as_object).unwrap_or(&empty);
                let mut below = diff_maps(plan.below, last, wanted, found)?;
                if plan.patch.retain_keys {
                    retain_keys(&mut below, wanted, found);
                }
                if !below.is_empty() {
                    patch.insert(name.clone(), Value::Object(below));
                }
            }
            (Value::Array(wanted), Some(Value::Array(found))) if plan.patch.merge => {
                let last = last.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                diff_lists(plan, name, [last, wanted, found], &mut patch)?;
            }
            (wanted, Some(found)) if wanted == found => {}
            (wanted, _) => {
                patch.insert(name.clone(), wanted.clone());
            }
        }
    }
    Ok(patch)
}

/// Tells of a union which fields it keeps, when something in it changes or others have added to it.
fn retain_keys(below: &mut Fields, wanted: &Fields, found: &Fields) {
    let kept: Vec<&str> = wanted.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str()).collect();
    let foreign = found.iter().any(|(name, value)| !value.is_null() && !wanted.contains_key(name));
    if !kept.is_empty() && (foreign || !below.is_empty()) {
        below.insert("$retainKeys".to_owned(), json!(kept));
    }
}

/// The patch for a merged list, from the last applied, the wanted and the found elements.
fn diff_lists(plan: FieldPlan<'_>, name: &str, [last, wanted, found]: [&[Value]; 3], patch: &mut Fields) -> Result<(), String> {
    let Some(key) = plan.patch.merge_key else {
        let added: Vec<Value> = wanted.iter().filter(|item| !found.contains(item)).cloned().collect();
        let mut gone: Vec<Value> = Vec::new();
        for item in last.iter().filter(|item| !wanted.contains(item)) {
            if !gone.contains(item) {
                gone.push(item.clone());
            }
        }
        if !wanted.is_empty() && (!gone.is_empty() || wanted != found) {
            patch.insert(format!("{ORDER_PREFIX}{name}"), Value::Array(wanted.to_vec()));
        }
        if !gone.is_empty() {
            patch.insert(format!("{DELETE_PREFIX}{name}"), Value::Array(gone));
        }
        if !added.is_empty() {
            patch.insert(name.to_owned(), Value::Array(added));
        }
        return Ok(());
    };
    let (last, mut items, found) = (by_key(last, key)?, Vec::new(), by_key(found, key)?);
    let wanted = by_key(wanted, key)?;
    // Of elements with the same key the first is the counterpart of the first, the second that of the second.
    let counterpart = |list: &[(&Value, &Fields)], place: usize| {
        let id = wanted[place].0;
        let before = wanted[..place].iter().filter(|(other, _)| *other == id).count();
        list.iter().enumerate().filter(|(_, (other, _))| *other == id).map(|(index, _)| index).nth(before)
    };
    let mut places = Vec::new();
    for (place, (id, item)) in wanted.iter().enumerate() {
        let Some(index) = counterpart(&found, place) else {
            items.push(Value::Object((*item).clone()));
            continue;
        };
        places.push(index);
        let empty = Map::new();
        let last = counterpart(&last, place).map_or(&empty, |index| last[index].1);
        let mut below = diff_maps(plan.below, last, item, found[index].1)?;
        if plan.patch.retain_keys {
            retain_keys(&mut below, item, found[index].1);
        }
        if !below.is_empty() {
            below.insert(key.to_owned(), (*id).clone());
            items.push(Value::Object(below));
        }
    }
    for (id, _) in last.iter().filter(|(id, _)| wanted.iter().all(|(other, _)| other != id)) {
        items.push(json!({"$patch": "delete", key: id}));
    }
    if !wanted.is_empty() && (!items.is_empty() || wanted.len() != found.len() || !places.is_sorted()) {
        patch.insert(format!("{ORDER_PREFIX}{name}"), wanted.iter().map(|(id, _)| json!({key: id})).collect());
    }
    if !items.is_empty() {
        patch.insert(name.to_owned(), Value::Array(items));
    }
    Ok(())
}

/// The elements of a list with the values of their merge key.
fn by_key<'v>(items: &'v [Value], key: &str) -> Result<Vec<(&'v Value, &'v Fields)>, String> {
    let element = |item: &'v Value| item.as_object().and_then(|fields| fields.get(key).map(|id| (id, fields)));
    items.iter().map(|item| element(item).ok_or_else(|| format!("map: {item} does not contain declared merge key: {key}"))).collect()
}

/// Whether a patch would undo what others changed since the object was applied last (`mergingMapFieldsHaveConflicts`): some field is
/// changed both by the patch from [`three_way_strategic_with`] and between `last_applied` and `current`, to different values.
///
/// # Errors
/// The message of upstream for list elements without their merge key.
pub fn strategic_conflict(schema: &dyn PatchSchema, patch: &Value, last_applied: &Value, current: &Value) -> Result<bool, String> {
    let changed = three_way(Some(schema), last_applied, current, last_applied)?;
    Ok(values_conflict(FieldPlan { below: Some(schema), ..FieldPlan::default() }, patch, &changed))
}

fn values_conflict(plan: FieldPlan<'_>, left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.get("$patch") != right.get("$patch")
                || left.iter().any(|(name, value)| {
                    let field = super::plan(plan.below, name);
                    !name.starts_with('$') && right.get(name).is_some_and(|other| values_conflict(field, value, other))
                })
        }
        (Value::Array(left), Value::Array(right)) if plan.patch.merge => plan.patch.merge_key.is_some_and(|key| {
            left.iter().any(|item| {
                let other = right.iter().find(|other| other.get(key) == item.get(key));
                let element = FieldPlan { below: plan.below, ..FieldPlan::default() };
                other.is_some_and(|other| values_conflict(element, item, other))
            })
        }),
        (left, right) => left != right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find_kind;
    use crate::patch::{merge, strategic_merge};

    #[test]
    fn apply_deletes_what_it_once_set_and_keeps_what_others_set() {
        let pod = find_kind("v1", "Pod").unwrap();
        let last =
            json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"containers": [{"name": "x"}, {"name": "y", "image": "1"}]}});
        let modified = json!({"metadata": {"labels": {"a": "3"}}, "spec": {"containers": [{"name": "y", "image": "2"}]}});
        let current = json!({"metadata": {"labels": {"a": "1", "b": "2", "c": "theirs"}},
            "spec": {"containers": [{"name": "x"}, {"name": "y", "image": "1", "args": ["theirs"]}, {"name": "sidecar"}]}});
        let patch = three_way_strategic(pod, &last, &modified, &current).unwrap();
        assert_eq!(
            patch,
            json!({"metadata": {"labels": {"a": "3", "b": null}}, "spec": {
                "$setElementOrder/containers": [{"name": "y"}],
                "containers": [{"name": "y", "image": "2"}, {"$patch": "delete", "name": "x"}]}})
        );
        let result = strategic_merge(pod, current, &patch).unwrap();
        assert_eq!(result["metadata"]["labels"], json!({"a": "3", "c": "theirs"}));
        assert_eq!(result["spec"]["containers"], json!([{"name": "y", "image": "2", "args": ["theirs"]}, {"name": "sidecar"}]));
        let again = three_way_strategic(pod, &modified, &modified, &result);
        let order = json!({"spec": {"$setElementOrder/containers": [{"name": "y"}]}});
        assert_eq!(again, Ok(order), "others have added to the list, so its order is told");
    }

    #[test]
    fn a_union_names_the_keys_it_keeps() {
        let deployment = find_kind("apps/v1", "Deployment").unwrap();
        let current = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let modified = json!({"spec": {"strategy": {"type": "Recreate"}}});
        let patch = three_way_strategic(deployment, &json!({}), &modified, &current).unwrap();
        assert_eq!(strategic_merge(deployment, current, &patch).unwrap(), modified);
    }

    #[test]
    fn a_union_to_which_others_added_is_told_what_it_keeps() {
        let deployment = find_kind("apps/v1", "Deployment").unwrap();
        let wanted = json!({"spec": {"strategy": {"type": "RollingUpdate"}}});
        let current = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let patch = three_way_strategic(deployment, &wanted, &wanted, &current).unwrap();
        assert_eq!(patch, json!({"spec": {"strategy": {"$retainKeys": ["type"]}}}));
    }

    #[test]
    fn elements_with_the_same_key_are_compared_in_their_order() {
        let pod = find_kind("v1", "Pod").unwrap();
        let of = |env: Value| json!({"spec": {"containers": [{"name": "x", "env": env}]}});
        let twice = of(json!([{"name": "A", "value": "1"}, {"name": "B"}, {"name": "A", "value": "2"}]));
        assert_eq!(three_way_strategic(pod, &twice, &twice, &twice), Ok(json!({})));
    }

    #[test]
    fn merge_patches_work_alike_but_replace_lists() {
        let (last, modified, current) =
            (json!({"a": 1, "l": [1]}), json!({"l": [2], "m": {"x": 1}}), json!({"a": 1, "l": [1], "m": {"y": 2}}));
        let patch = three_way_merge(&last, &modified, &current);
        assert_eq!(patch, json!({"a": null, "l": [2], "m": {"x": 1}}));
        assert_eq!(merge(current, &patch), json!({"l": [2], "m": {"x": 1, "y": 2}}));
    }
}
