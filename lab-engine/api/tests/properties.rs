//! Properties of quantities, selectors and patches on generated input.

use api::fields::FieldSelector;
use api::kinds::find_kind;
use api::labels::Selector;
use api::patch::{merge, strategic_merge, three_way_merge, three_way_strategic};
use api::quantity::Quantity;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Objects of texts and objects, without null.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!(1)), Just(json!("x")), Just(json!(true)), Just(json!([1, 2]))];
    leaf.prop_recursive(3, 20, 4, |inner| proptest::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| json!(map)))
}

/// Pods with containers in any order.
fn pod() -> impl Strategy<Value = Value> {
    let names = proptest::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4).prop_shuffle();
    let labels = proptest::collection::btree_map("[a-c]", "[x-z]", 0..3);
    (names, labels, "[x-z]", proptest::collection::btree_set("[p-r]", 0..3)).prop_map(pod_of)
}

fn pod_of((names, labels, image, finalizers): (Vec<&str>, BTreeMap<String, String>, String, BTreeSet<String>)) -> Value {
    let containers: Vec<Value> = names.iter().map(|name| json!({"name": name, "image": image})).collect();
    json!({"metadata": {"labels": labels, "finalizers": finalizers}, "spec": {"containers": containers}})
}

proptest! {
    #[test]
    fn reading_never_panics(text in ".{0,40}", number in "[-+]?[0-9.]{0,30}[eEinumkKMGTP]{0,2}[-+]?[0-9]{0,12}") {
        let _ = Selector::parse(&text);
        let _ = FieldSelector::parse(&text);
        let _ = Quantity::parse(&text);
        let _ = api::yaml::read_documents(&text);
        if let Ok(quantity) = Quantity::parse(&number) {
            prop_assert_eq!(Quantity::parse(&quantity.to_string()), Ok(quantity));
            let _ = (quantity.round_up(3), quantity.scaled_value(-9), quantity.scaled_value(40), quantity.decimal());
        }
    }

    #[test]
    fn patches_never_panic(original in tree(), patch in tree()) {
        let pod = find_kind("v1", "Pod").unwrap();
        let _ = strategic_merge(pod, original.clone(), &json!({"metadata": patch.clone(), "spec": {"containers": [patch.clone()]}}));
        let _ = three_way_strategic(pod, &original, &patch, &original);
        let _ = api::Object::decode_as("v1", "Pod", json!({"metadata": original.clone(), "spec": {"containers": [patch.clone()]}}));
        let _ = merge(original, &patch);
    }

    #[test]
    fn a_merge_patch_leads_to_what_it_was_made_for(original in tree(), modified in tree()) {
        let (original, modified) = (json!({"a": original}), json!({"a": modified}));
        let patch = three_way_merge(&original, &modified, &original);
        prop_assert_eq!(merge(original, &patch), modified);
    }

    #[test]
    fn a_strategic_patch_leads_to_what_it_was_made_for(original in pod(), modified in pod()) {
        let kind = find_kind("v1", "Pod").unwrap();
        let patch = three_way_strategic(kind, &original, &modified, &original).unwrap();
        prop_assert_eq!(strategic_merge(kind, original, &patch).unwrap(), modified);
    }
}
