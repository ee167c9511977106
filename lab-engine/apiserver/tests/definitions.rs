//! What a CustomResourceDefinition must fulfil, rule by rule, and hostile ones.

mod common;

use api::http::PatchType;
use common::{Harness, json, refusal};
use serde_json::{Value, json};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn definition(schema: Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "foos.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

/// A definition whose objects have this schema for their spec.
fn with_spec(spec: Value) -> Value {
    definition(json!({"type": "object", "properties": {"spec": spec}}))
}

/// What is wrong with a definition.
fn wrong(definition: Value) -> String {
    let (code, message) = refusal(Harness::new().post(CRDS, definition));
    assert_eq!(code, 422, "{message}");
    message.split_once("is invalid: ").map_or(message.as_str(), |(_, all)| all).to_owned()
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut definition = definition(json!({"type": "object"}));
    change(&mut definition);
    definition
}

#[test]
fn names_scope_and_versions() {
    assert_eq!(
        wrong(changed(|crd| crd["metadata"]["name"] = json!("bars.example.com"))),
        "metadata.name: Invalid value: \"bars.example.com\": must be spec.names.plural+\".\"+spec.group"
    );
    assert_eq!(
        wrong(changed(|crd| crd["spec"]["scope"] = json!("Local"))),
        "spec.scope: Unsupported value: \"Local\": supported values: \"Cluster\", \"Namespaced\""
    );
    let bare = changed(|crd| {
        crd["spec"]["group"] = json!("example");
        crd["metadata"]["name"] = json!("foos.example");
    });
    assert_eq!(wrong(bare), "spec.group: Invalid value: \"example\": should be a domain with at least one dot");
    let none = changed(|crd| crd["spec"]["versions"][0]["storage"] = json!(false));
    let message = wrong(none);
    assert!(message.contains("must have exactly one version marked as storage version"), "{message}");
    assert!(message.contains("status.storedVersions: Invalid value: []: must have at least one stored version"), "{message}");
    let twice = changed(|crd| {
        let first = crd["spec"]["versions"][0].clone();
        crd["spec"]["versions"].as_array_mut().unwrap().push(first);
    });
    assert!(wrong(twice).contains("must contain unique version names"));
    let bare = changed(|crd| crd["spec"]["versions"][0]["schema"] = Value::Null);
    assert_eq!(wrong(bare), "spec.versions[0].schema.openAPIV3Schema: Required value");
    let short = changed(|crd| crd["spec"]["names"]["shortNames"] = json!(["Big"]));
    assert!(wrong(short).starts_with("spec.names.shortNames[0]: Invalid value: \"Big\": a DNS-1035 label must"));
    let webhook = changed(|crd| crd["spec"]["conversion"] = json!({"strategy": "Webhook"}));
    assert!(wrong(webhook).starts_with("spec.conversion.strategy: Forbidden: conversion webhooks are not supported"));
    let protected = changed(|crd| {
        crd["spec"]["group"] = json!("example.k8s.io");
        crd["metadata"]["name"] = json!("foos.example.k8s.io");
    });
    assert!(wrong(protected).starts_with("metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have"));
}

#[test]
fn schemas_are_structural() {
    let root = "spec.validation.openAPIV3Schema";
    let spec = format!("{root}.properties[spec]");
    let cases = [
        (definition(json!({})), format!("{root}.type: Required value: must not be empty at the root")),
        (with_spec(json!({})), format!("{spec}.type: Required value: must not be empty for specified object fields")),
        (with_spec(json!({"type": "array"})), format!("{spec}.items: Required value: must be specified")),
        (
            with_spec(json!({"type": "integer", "anyOf": [{"type": "integer"}]})),
            format!("{spec}.anyOf[0].type: Forbidden: must be empty to be structural"),
        ),
        (
            definition(json!({"type": "object", "anyOf": [{"properties": {"a": {"minimum": 1}}}]})),
            format!("{root}.properties[a]: Required value: because it is defined in {root}.anyOf[0].properties[a]"),
        ),
        (
            with_spec(json!({"type": "string", "pattern": "("})),
            format!("{spec}.pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: "),
        ),
        (
            with_spec(json!({"type": "integer", "default": "x"})),
            format!("{spec}.default: Invalid value: \"string\": {spec}.default in body must be of type integer: \"string\""),
        ),
        (
            with_spec(json!({"type": "object", "default": {"a": 1}})),
            format!("{spec}.default: Invalid value: {{\"a\":1}}: must not have unknown fields"),
        ),
        (
            with_spec(json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}})),
            format!("{spec}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"),
        ),
        (
            with_spec(json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}})),
            format!("{spec}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"),
        ),
        (
            with_spec(json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"],
                             "items": {"type": "object", "properties": {"a": {"type": "string"}}}})),
            format!(
                "{spec}.items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            ),
        ),
        (
            definition(
                json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
            ),
            format!(
                "{root}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"
            ),
        ),
    ];
    for (crd, expected) in cases {
        let message = wrong(crd);
        assert!(message.starts_with(&expected), "{message}\nwanted {expected}");
    }
}

#[test]
fn what_is_structural_is_accepted() {
    for spec in [
        json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        json!({"x-kubernetes-preserve-unknown-fields": true}),
        json!({"type": "object", "properties": {"a": {"type": "integer"}}, "oneOf": [{"required": ["a"]}, {"properties": {"a": {"minimum": 1}}}]}),
        json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}),
        json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"],
               "items": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}}),
    ] {
        let response = Harness::new().post(CRDS, with_spec(spec.clone()));
        assert_eq!(response.code, 201, "{spec}: {response:?}");
    }
}

#[test]
fn rules_are_compiled_and_their_cost_is_bounded() {
    let rule = |type_: Value, rule: Value| {
        let mut schema = type_;
        schema["x-kubernetes-validations"] = json!([rule]);
        with_spec(schema)
    };
    let object = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let at = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0]";
    let message = wrong(rule(object.clone(), json!({"rule": "self.b > 0"})));
    assert!(message.starts_with(&format!("{at}.rule: Invalid value: ")), "{message}");
    assert!(message.contains("compilation failed: ERROR: <input>:1:5: undefined field 'b'\n | self.b > 0\n | ....^"), "{message}");
    assert!(wrong(rule(object.clone(), json!({"rule": "this.a > 0"}))).contains("undeclared reference to 'this' (in container '')"));
    assert!(wrong(rule(object.clone(), json!({"rule": "self.a >"}))).contains("Syntax error"));
    assert!(wrong(rule(object.clone(), json!({"rule": " "}))).contains(&format!("{at}.rule: Required value: rule is not specified")));
    let optional = json!({"rule": "self.a > 0", "optionalOldSelf": true});
    assert!(wrong(rule(object.clone(), optional)).contains("may not be set if oldSelf is not used in rule"));
    assert!(
        wrong(rule(object, json!({"rule": "self.a > 0", "fieldPath": ".b"})))
            .contains("fieldPath: Invalid value: \".b\": must be a valid path")
    );
    let list = json!({"type": "array", "items": {"type": "string"}});
    let walk = json!({"rule": "self.all(x, x.contains('a string'))"});
    let message = wrong(rule(list.clone(), walk.clone()));
    assert_eq!(
        message,
        format!(
            "{at}.rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding \
             maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
        )
    );
    let bounded = json!({"type": "array", "maxItems": 25, "items": {"type": "string", "maxLength": 10}});
    assert_eq!(Harness::new().post(CRDS, rule(bounded, walk)).code, 201);
    // What takes the same for each element of one list is no danger; for lists within lists it is.
    let numbers = json!({"type": "array", "items": {"type": "integer"}});
    let equal = json!({"rule": "self.all(x, x == 5)"});
    assert_eq!(Harness::new().post(CRDS, rule(numbers.clone(), equal.clone())).code, 201);
    let mut inner = numbers;
    inner["x-kubernetes-validations"] = json!([equal]);
    assert!(wrong(with_spec(json!({"type": "array", "items": inner}))).contains("exceeds budget by factor of more than 100x"));
    let each = json!({"type": "array", "items": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0"}]}});
    assert_eq!(Harness::new().post(CRDS, with_spec(each)).code, 201);
    let items = json!({"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}});
    assert!(wrong(with_spec(items)).contains("oldSelf cannot be used on the uncorrelatable portion of the schema within"));
}

#[test]
fn columns_scale_and_selectable_fields() {
    let version = |name: &str, value: Value| {
        changed(|crd| {
            crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"] =
                json!({"spec": {"type": "object", "properties": {"n": {"type": "number"}}}});
            crd["spec"]["versions"][0][name] = value;
        })
    };
    assert_eq!(
        wrong(version("additionalPrinterColumns", json!([{"name": "A", "type": "text", "jsonPath": "spec.n"}]))),
        "[spec.additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of boolean,date,integer,number,string, \
         spec.additionalPrinterColumns[0].JSONPath: Invalid value: \"spec.n\": must be a simple json path starting with .]"
    );
    assert_eq!(
        wrong(version("subresources", json!({"scale": {"specReplicasPath": ".n", "statusReplicasPath": ".status.n"}}))),
        "spec.subresources.scale.specReplicasPath: Invalid value: \".n\": should be a json path under .spec"
    );
    assert_eq!(
        wrong(version("selectableFields", json!([{"jsonPath": ".spec.n"}]))),
        "spec.selectableFields[0].jsonPath: Invalid value: \".spec.n\": must point to a field of type string, boolean or integer. Enum \
         string fields and strings with formats are allowed."
    );
    let status = json!({"status": {}});
    let mut limited = version("subresources", status);
    limited["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["maxProperties"] = json!(3);
    assert!(wrong(limited).contains("fields are allowed at the root of the schema if the status subresource is enabled"));
}

#[test]
fn formats_that_nothing_knows_are_warned_of() {
    let spec = json!({"type": "object", "properties": {
        "a": {"type": "string", "format": "date-time"}, "b": {"type": "string", "format": "color"}, "c": {"type": "integer", "format": "int32"},
    }});
    assert_eq!(Harness::new().post(CRDS, with_spec(spec)).warnings, ["unrecognized format \"color\""]);
}

#[test]
fn what_an_established_definition_cannot_change() {
    let mut harness = Harness::new();
    harness.post(CRDS, definition(json!({"type": "object"})));
    let path = format!("{CRDS}/foos.example.com");
    let refused = harness.patch(&path, PatchType::Merge, json!({"spec": {"scope": "Cluster", "names": {"kind": "Bar", "plural": "bars"}}}));
    let message = refusal(refused).1;
    for part in [
        "metadata.name: Invalid value: \"foos.example.com\": must be spec.names.plural",
        "spec.scope: Invalid value: \"Cluster\": field is immutable",
        "spec.names.kind: Invalid value: \"Bar\": field is immutable",
        "spec.names.plural: Invalid value: \"bars\": field is immutable",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let renamed = json(harness.patch(&path, PatchType::Merge, json!({"spec": {"names": {"shortNames": ["fo"]}}})));
    assert_eq!(renamed["metadata"]["generation"], 2);
    assert_eq!(json(harness.get("/apis/example.com/v1"))["resources"][0]["shortNames"], json!(["fo"]));
}

#[test]
fn hostile_definitions_end_in_a_message_soon() {
    // As deep as JSON is read.
    let mut deep = json!({"type": "string"});
    for _ in 0..45 {
        deep = json!({"type": "object", "properties": {"a": deep}});
    }
    assert!(wrong(with_spec(deep)).contains("must not nest deeper than 40"));
    let wide: Value = (0..51_000).map(|n| (format!("f{n}"), json!({"type": "string"}))).collect::<serde_json::Map<_, _>>().into();
    assert!(wrong(with_spec(json!({"type": "object", "properties": wide}))).contains("nor hold more than 50000 schemas"));
    let bomb = with_spec(json!({"type": "string", "pattern": "(a{0,1000}){0,1000}"}));
    assert!(wrong(bomb).contains("must be a valid regular expression"));
    let recursive = format!("{}true{}", "[".repeat(3000), "]".repeat(3000));
    let rule = |rule: &str| with_spec(json!({"type": "object", "x-kubernetes-validations": [{"rule": rule}]}));
    assert!(wrong(rule(&recursive)).contains("compilation failed"));
    assert!(wrong(rule(&format!("{}1 > 0", "1+".repeat(2000)))).contains("nests more than 120 deep"));
    assert!(wrong(rule(&"1+".repeat(8000))).contains("at most 10000 are read"));
    let doubling = format!("['aaaa']{}.size() > 0", ".map(v, v + v)".repeat(60));
    assert!(wrong(rule(&doubling)).contains("estimated rule cost exceeds budget"));
    let many: Vec<Value> = (0..100).map(|n| json!({"name": format!("v{n}")})).collect();
    assert!(wrong(changed(|crd| crd["spec"]["versions"] = json!(many))).contains("must have at most 32 items"));
}

#[test]
fn huge_enums_and_slow_patterns_cost_little() {
    let allowed: Vec<String> = (0..50_000).map(|n| format!("value-{n}")).collect();
    let mut harness = Harness::new();
    let spec = json!({"type": "object", "properties": {
        "one": {"type": "string", "enum": allowed}, "slow": {"type": "string", "pattern": "^(a+)+$"},
    }});
    assert_eq!(harness.post(CRDS, with_spec(spec)).code, 201);
    let foo = json!({"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "a"},
                     "spec": {"one": "value-49999", "slow": format!("{}b", "a".repeat(20_000))}});
    let message = refusal(harness.post("/apis/example.com/v1/namespaces/default/foos", foo)).1;
    assert!(message.contains("should match '^(a+)+$'"));
}

#[test]
fn objects_that_would_take_too_long_are_refused() {
    let mut harness = Harness::new();
    let alternatives: Vec<Value> = (0..500).map(|n| json!({"minimum": n})).collect();
    let spec = json!({"type": "object", "properties": {
        "wide": {"type": "array", "items": {"type": "integer", "allOf": alternatives}},
        "long": {"type": "string", "pattern": "^(a?){200}a{200}$"},
    }});
    assert_eq!(harness.post(CRDS, with_spec(spec)).code, 201);
    let mut post = |spec: Value| {
        let foo = json!({"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "a"}, "spec": spec});
        refusal(harness.post("/apis/example.com/v1/namespaces/default/foos", foo)).1
    };
    assert!(post(json!({"wide": vec![1000; 20_000]})).contains("too large to be validated against its schema here"));
    let message = post(json!({"long": "a".repeat(500_000)}));
    assert!(message.contains("too many to be matched with"), "{message}");
}

/// The definitions of the documentation, where the collection of manifests is at hand.
#[test]
fn definitions_of_the_documentation_are_accepted() {
    let mut left = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus"))];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let Some(text) = path.extension().filter(|end| *end == "yaml").and_then(|_| std::fs::read_to_string(&path).ok()) else { continue };
        for document in api::yaml::read_documents(&text).unwrap_or_default() {
            if document.value["kind"] == "CustomResourceDefinition" && document.value["spec"].is_object() {
                let response = Harness::new().post(&format!("{CRDS}?fieldValidation=Strict"), document.value);
                assert_eq!(response.code, 201, "{}: {:?}", path.display(), response.result);
            }
        }
    }
}
