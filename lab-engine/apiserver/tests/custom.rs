//! Custom resources, from their definition to their end.

mod common;

use api::http::{Accept, Body, Method, PatchType};
use common::{Harness, json, refusal, request};
use serde_json::{Value, json};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const TABS: &str = "/apis/stable.example.com/v1/namespaces/default/crontabs";

/// The schema of the version that is stored.
fn schema() -> Value {
    json!({"type": "object", "properties": {
        "spec": {
            "type": "object", "required": ["cronSpec"],
            "properties": {
                "cronSpec": {"type": "string", "pattern": "^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$"},
                "image": {"type": "string", "default": "busybox"},
                "color": {"type": "string", "enum": ["red", "green"]},
                "replicas": {"type": "integer", "minimum": 0, "maximum": 10, "default": 1},
                "maxReplicas": {"type": "integer"},
            },
            "x-kubernetes-validations": [{
                "rule": "!has(self.maxReplicas) || self.replicas <= self.maxReplicas",
                "messageExpression": "'at most ' + string(self.maxReplicas) + ' replicas'", "fieldPath": ".replicas",
            }],
        },
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "labelSelector": {"type": "string"}}},
    }})
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "crontabs.stable.example.com"},
        "spec": {
            "group": "stable.example.com", "scope": "Namespaced",
            "names": {"plural": "crontabs", "kind": "CronTab", "shortNames": ["ct"], "categories": ["all", "timers"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema()},
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
                    "labelSelectorPath": ".status.labelSelector",
                }},
                "selectableFields": [{"jsonPath": ".spec.color"}],
                "additionalPrinterColumns": [
                    {"name": "Spec", "type": "string", "jsonPath": ".spec.cronSpec"},
                    {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
            }],
        },
    })
}

fn tab(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": name}, "spec": spec})
}

fn harness() -> Harness {
    let mut harness = Harness::new();
    assert_eq!(harness.post(CRDS, definition()).code, 201);
    harness
}

fn condition(object: &Value, type_: &str) -> Option<(String, String)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == type_)?;
    Some((found["status"].as_str()?.to_owned(), found["reason"].as_str()?.to_owned()))
}

fn pair(a: &str, b: &str) -> Option<(String, String)> {
    Some((a.to_owned(), b.to_owned()))
}

#[test]
fn a_definition_is_defaulted_named_and_established() {
    let mut harness = Harness::new();
    let (code, message) = refusal(harness.get(TABS));
    assert_eq!((code, message.as_str()), (404, "the server could not find the requested resource"));
    let created = json(harness.post(CRDS, definition()));
    assert_eq!(created["status"], json!({"storedVersions": ["v1"]}));
    assert_eq!(created["spec"]["conversion"], json!({"strategy": "None"}));
    let seen = json(harness.get(&format!("{CRDS}/crontabs.stable.example.com")));
    assert_eq!(condition(&seen, "NamesAccepted"), pair("True", "NoConflicts"));
    assert_eq!(condition(&seen, "Established"), pair("True", "InitialNamesAccepted"));
    assert_eq!(seen["status"]["acceptedNames"]["listKind"], "CronTabList");
    assert_eq!(seen["status"]["acceptedNames"]["singular"], "crontab");
    assert_eq!(json(harness.get(TABS))["kind"], "CronTabList");
}

#[test]
fn names_belong_to_the_first_that_takes_them() {
    let mut harness = harness();
    let mut other = definition();
    other["metadata"]["name"] = json!("tabs.stable.example.com");
    other["spec"]["names"] = json!({"plural": "tabs", "kind": "Tab", "shortNames": ["ct"]});
    harness.post(CRDS, other);
    let path = format!("{CRDS}/tabs.stable.example.com");
    let seen = json(harness.get(&path));
    assert_eq!(condition(&seen, "NamesAccepted"), pair("False", "ShortNamesConflict"));
    assert_eq!(condition(&seen, "Established"), pair("False", "NotAccepted"));
    assert_eq!(refusal(harness.get("/apis/stable.example.com/v1/tabs")).0, 404);
    // When the first is gone, they are free.
    harness.delete(&format!("{CRDS}/crontabs.stable.example.com"));
    assert_eq!(condition(&json(harness.get(&path)), "Established"), pair("True", "InitialNamesAccepted"));
}

#[test]
fn objects_are_pruned_defaulted_and_validated() {
    let mut harness = harness();
    let good = tab("good", json!({"cronSpec": "* * * * */5", "foo": 1}));
    let strict = format!("{TABS}?fieldValidation=Strict");
    assert_eq!(
        refusal(harness.post(&strict, good.clone())).1,
        "CronTab in version \"v1\" cannot be handled as a CronTab: strict decoding error: unknown field \"spec.foo\""
    );
    let warned = harness.post(TABS, good);
    assert_eq!(warned.warnings, ["unknown field \"spec.foo\""]);
    let made = json(warned);
    assert_eq!(made["spec"], json!({"cronSpec": "* * * * */5", "image": "busybox", "replicas": 1}));
    assert_eq!(made["metadata"]["generation"], 1);
    let wrong = |harness: &mut Harness, spec: Value| refusal(harness.post(TABS, tab("bad", spec))).1;
    let invalid = "CronTab.stable.example.com \"bad\" is invalid: ";
    assert_eq!(
        wrong(&mut harness, json!({"cronSpec": "* * * * *", "replicas": "3"})),
        format!(
            "{invalid}[spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\", \
             .spec.replicas: Invalid value: 0: .spec.replicas accessor error: 3 is of the type string, expected int64, \
             <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to \
             complete validation]"
        )
    );
    assert_eq!(
        wrong(&mut harness, json!({"cronSpec": "soon"})),
        format!(
            "{invalid}spec.cronSpec: Invalid value: \"soon\": spec.cronSpec in body should match \
             '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){{4}}$'"
        )
    );
    assert_eq!(
        wrong(&mut harness, json!({"cronSpec": "* * * * *", "replicas": 3, "maxReplicas": 2})),
        format!("{invalid}spec.replicas: Invalid value: at most 2 replicas")
    );
    assert!(
        wrong(&mut harness, json!({"color": "blue"}))
            .contains("spec.color: Unsupported value: \"blue\": supported values: \"red\", \"green\"")
    );
    let mut other = tab("bad", json!({"cronSpec": "* * * * *"}));
    other["apiVersion"] = json!("stable.example.com/v2");
    assert_eq!(
        refusal(harness.post(TABS, other)).1,
        "the API version in the data (stable.example.com/v2) does not match the expected API version (stable.example.com/v1)"
    );
}

#[test]
fn spec_status_and_scale_are_written_apart() {
    let mut harness = harness();
    harness.post(TABS, tab("a", json!({"cronSpec": "* * * * *"})));
    let path = format!("{TABS}/a");
    let change = json!({"spec": {"replicas": 2}, "status": {"replicas": 1}});
    let changed = json(harness.patch(&path, PatchType::Merge, change));
    assert_eq!((&changed["metadata"]["generation"], changed.get("status")), (&json!(2), None));
    let status = json!({"spec": {"replicas": 9}, "status": {"replicas": 1, "labelSelector": "app=a"}});
    let changed = json(harness.patch(&format!("{path}/status"), PatchType::Merge, status));
    assert_eq!(changed["status"], json!({"replicas": 1, "labelSelector": "app=a"}));
    assert_eq!((&changed["spec"]["replicas"], &changed["metadata"]["generation"]), (&json!(2), &json!(2)));
    let scale = json(harness.get(&format!("{path}/scale")));
    assert_eq!((&scale["spec"], &scale["status"]), (&json!({"replicas": 2}), &json!({"replicas": 1, "selector": "app=a"})));
    let scaled = json(harness.patch(&format!("{path}/scale"), PatchType::Merge, json!({"spec": {"replicas": 4}})));
    assert_eq!(scaled["spec"]["replicas"], 4);
    assert_eq!(json(harness.get(&path))["spec"]["replicas"], 4);
    let wrong = harness.patch(&format!("{path}/status"), PatchType::Merge, json!({"status": {"replicas": "x"}}));
    assert!(refusal(wrong).1.contains("status.replicas in body must be of type integer"));
    let strategic = harness.patch(&path, PatchType::StrategicMerge, json!({"spec": {"replicas": 1}}));
    assert_eq!(refusal(strategic).0, 415);
    assert_eq!(refusal(harness.get(&format!("{path}/log"))).0, 404);
}

#[test]
fn tables_selectors_and_discovery_know_the_kind() {
    let mut harness = harness();
    for (name, color) in [("a", "red"), ("b", "green")] {
        harness.post(TABS, tab(name, json!({"cronSpec": "* * * * *", "color": color})));
    }
    let table = harness.table(TABS);
    let names: Vec<&str> = table["columnDefinitions"].as_array().unwrap().iter().filter_map(|column| column["name"].as_str()).collect();
    assert_eq!(names, ["Name", "Spec", "Replicas", "Age"]);
    assert_eq!(table["rows"][0]["cells"], json!(["a", "* * * * *", 1, "0s"]));
    let red = json(harness.get(&format!("{TABS}?fieldSelector=spec.color=red")));
    assert_eq!(red["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(refusal(harness.get(&format!("{TABS}?fieldSelector=spec.image=x"))).0, 400);
    let list = json(harness.get("/apis/stable.example.com/v1"));
    let resources: Vec<&str> = list["resources"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(resources, ["crontabs", "crontabs/scale", "crontabs/status"]);
    assert_eq!(list["resources"][0]["shortNames"], json!(["ct"]));
    let mut all = request(Method::Get, "/apis");
    all.accept = Accept::Discovery;
    let all = json(harness.ask(all));
    let group = all["items"].as_array().unwrap().iter().find(|group| group["metadata"]["name"] == "stable.example.com").unwrap();
    let resource = &group["versions"][0]["resources"][0];
    assert_eq!((&resource["resource"], &resource["scope"]), (&json!("crontabs"), &json!("Namespaced")));
    assert_eq!(resource["subresources"].as_array().map(Vec::len), Some(2));
}

#[test]
fn openapi_describes_built_in_and_custom_kinds() {
    let mut harness = harness();
    let index = json(harness.get("/openapi/v3"));
    let url = |index: &Value| index["paths"]["apis/stable.example.com/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
    let before = url(&index);
    let document = json(harness.get(&before));
    let schema = &document["components"]["schemas"]["com.example.stable.v1.CronTab"];
    assert_eq!(schema["properties"]["spec"]["properties"]["replicas"]["maximum"], 10);
    assert_eq!(schema["properties"]["metadata"]["allOf"][0]["$ref"], "#/components/schemas/io.k8s.ObjectMeta");
    assert!(document["components"]["schemas"]["io.k8s.ObjectMeta"]["properties"]["labels"].is_object());
    let apps = json(harness.get("/openapi/v3/apis/apps/v1"));
    assert_eq!(apps["components"]["schemas"]["io.k8s.Deployment"]["x-kubernetes-group-version-kind"][0]["kind"], "Deployment");
    assert!(apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"].is_object());
    let change = json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/replicas/maximum", "value": 20}]);
    let path = format!("{CRDS}/crontabs.stable.example.com");
    assert_eq!(harness.patch(&path, PatchType::Json, change).code, 200);
    assert_ne!(url(&json(harness.get("/openapi/v3"))), before);
    assert_eq!(refusal(harness.get("/openapi/v2")).0, 404);
}

#[test]
fn versions_differ_by_name_and_defaults_are_set_when_read() {
    let mut harness = harness();
    harness.post(TABS, tab("a", json!({"cronSpec": "* * * * *"})));
    let mut two = definition();
    let mut newer = two["spec"]["versions"][0].clone();
    newer["name"] = json!("v2");
    newer["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["zone"] = json!({"type": "string", "default": "UTC"});
    two["spec"]["versions"][0]["storage"] = json!(false);
    two["spec"]["versions"][0]["deprecated"] = json!(true);
    two["spec"]["versions"].as_array_mut().unwrap().push(newer);
    let path = format!("{CRDS}/crontabs.stable.example.com");
    let changed = json(harness.put(&path, two));
    assert_eq!(changed["status"]["storedVersions"], json!(["v1", "v2"]));
    let v2 = "/apis/stable.example.com/v2/namespaces/default/crontabs";
    let seen = json(harness.get(&format!("{v2}/a")));
    assert_eq!((&seen["apiVersion"], &seen["spec"]["zone"]), (&json!("stable.example.com/v2"), &json!("UTC")));
    let old = harness.patch(&format!("{TABS}/a"), PatchType::Merge, json!({"spec": {"replicas": 2}}));
    assert_eq!(old.warnings, ["stable.example.com/v1 CronTab is deprecated"]);
    assert_eq!(json(old)["apiVersion"], "stable.example.com/v1");
    let watch = harness.watch(&format!("{v2}?resourceVersion=0&labelSelector="));
    harness.patch(&format!("{TABS}/a"), PatchType::Merge, json!({"spec": {"replicas": 3}}));
    assert!(harness.seen(watch).contains(&"MODIFIED a".to_owned()));
    let group = json(harness.get("/apis/stable.example.com"));
    assert_eq!(group["preferredVersion"]["version"], "v2");
    // A version in which objects may lie cannot go.
    let refused = harness.patch(&path, PatchType::Json, json!([{"op": "remove", "path": "/spec/versions/0"}]));
    assert!(refusal(refused).1.contains("status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions"));
}

#[test]
fn objects_go_with_their_definition() {
    let mut harness = harness();
    harness.post(TABS, tab("plain", json!({"cronSpec": "* * * * *"})));
    let mut held = tab("held", json!({"cronSpec": "* * * * *"}));
    held["metadata"]["finalizers"] = json!(["example.com/wait", "wait"]);
    assert_eq!(
        harness.post(TABS, held).warnings,
        [
            "metadata.finalizers: \"wait\": prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers"
        ]
    );
    let path = format!("{CRDS}/crontabs.stable.example.com");
    let deleted = json(harness.delete(&path));
    assert_eq!(deleted["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    assert_eq!(condition(&deleted, "Terminating"), pair("True", "InstanceDeletionPending"));
    assert_eq!(condition(&json(harness.get(&path)), "Terminating"), pair("True", "InstanceDeletionInProgress"));
    assert_eq!(json(harness.get(TABS))["items"].as_array().map(Vec::len), Some(1));
    let late = harness.post(TABS, tab("late", json!({"cronSpec": "* * * * *"})));
    assert_eq!(
        refusal(late).1,
        "crontabs.stable.example.com \"late\" is forbidden: create not allowed while custom resource definition is terminating"
    );
    harness.patch(&format!("{TABS}/held"), PatchType::Merge, json!({"metadata": {"finalizers": null}}));
    assert_eq!(refusal(harness.get(&path)).0, 404);
    assert_eq!(refusal(harness.get(TABS)).0, 404);
}

#[test]
fn rbac_quota_and_namespaces_hold_for_custom_kinds() {
    let mut harness = harness();
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
                       "spec": {"hard": {"count/crontabs.stable.example.com": "2"}}});
    harness.post("/api/v1/namespaces/default/resourcequotas", quota);
    harness.count("few", json!({"count/crontabs.stable.example.com": "0"}));
    for name in ["a", "b"] {
        assert_eq!(harness.post(TABS, tab(name, json!({"cronSpec": "* * * * *"}))).code, 201);
    }
    let message = refusal(harness.post(TABS, tab("c", json!({"cronSpec": "* * * * *"})))).1;
    assert!(message.contains("exceeded quota: few, requested: count/crontabs.stable.example.com=1"), "{message}");
    let used = json(harness.get("/api/v1/namespaces/default/resourcequotas/few"));
    assert_eq!(used["status"]["used"]["count/crontabs.stable.example.com"], "2");
    let mut jane = request(Method::Get, TABS);
    jane.credentials = common::certificate("jane", &["dev"]);
    assert_eq!(
        refusal(harness.ask(jane)).1,
        "crontabs.stable.example.com is forbidden: User \"jane\" cannot list resource \"crontabs\" in API group \"stable.example.com\" in \
         the namespace \"default\""
    );
    let missing = harness.post("/apis/stable.example.com/v1/namespaces/nowhere/crontabs", tab("a", json!({"cronSpec": "* * * * *"})));
    assert_eq!(refusal(missing).1, "namespaces \"nowhere\" not found");
    assert_eq!(refusal(harness.post("/apis/stable.example.com/v1/crontabs", tab("a", json!({})))).0, 404);
}

#[test]
fn a_collection_of_custom_objects_can_be_deleted() {
    let mut harness = harness();
    for name in ["a", "b"] {
        harness.post(TABS, tab(name, json!({"cronSpec": "* * * * *"})));
    }
    assert_eq!(harness.delete(TABS).code, 200);
    let left = harness.get(TABS).result.unwrap();
    assert!(matches!(left, Body::List(list) if list.items.is_empty()));
}
