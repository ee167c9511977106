//! Server-side apply and the record of who owns which field, through the API server.

mod common;

use api::http::{Body, Method, PatchType, Request, Response};
use api::patch::merge;
use common::{Harness, json, refusal, request};
use serde_json::{Value, json};
use std::time::Duration;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";

fn apply_request(url: &str, manager: &str, config: Value) -> Request {
    request(Method::Patch, url).query("fieldManager", manager).body(Body::Patch(PatchType::Apply, config))
}

fn apply(harness: &mut Harness, manager: &str, config: Value) -> Response {
    harness.ask(apply_request(WEB, manager, config))
}

fn force(harness: &mut Harness, manager: &str, config: Value) -> Response {
    harness.ask(apply_request(WEB, manager, config).query("force", "true"))
}

fn update(harness: &mut Harness, url: &str, manager: &str, patch: Value) -> Value {
    json(harness.ask(request(Method::Patch, url).query("fieldManager", manager).body(Body::Patch(PatchType::Merge, patch))))
}

/// A Deployment with nothing but what it needs.
fn deployment(more: Value) -> Value {
    let config = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}},
    }});
    merge(config, &more)
}

/// A configuration that names only these fields.
fn part(more: Value) -> Value {
    merge(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}), &more)
}

fn replicas(count: u32) -> Value {
    json!({"spec": {"replicas": count}})
}

fn web(harness: &mut Harness) -> Value {
    json(harness.get(WEB))
}

/// Manager, operation and subresource of each entry, and its fields.
fn owners(object: &Value) -> Vec<(String, Value)> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let name = |entry: &Value| {
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("manager"), text("operation"), text("subresource")).trim_end().to_owned()
    };
    entries.iter().map(|entry| (name(entry), entry["fieldsV1"].clone())).collect()
}

fn owned(object: &Value, owner: &str) -> Value {
    owners(object).into_iter().find(|(name, _)| name == owner).map_or(Value::Null, |(_, fields)| fields)
}

/// What the API server of a real cluster says of `kubectl create deployment web --image=nginx:1`.
#[test]
fn whoever_creates_an_object_owns_what_it_and_the_defaults_set() {
    let mut harness = Harness::new();
    let created = json(
        harness.ask(
            request(Method::Post, &format!("{DEPLOYMENTS}?fieldManager=kubectl-create"))
                .body(Body::Json(deployment(json!({"metadata": {"labels": {"app": "web"}}, "spec": {"replicas": 1, "strategy": {}}})))),
        ),
    );
    let container = json!({
        ".": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {}, "f:resources": {}, "f:terminationMessagePath": {},
        "f:terminationMessagePolicy": {},
    });
    assert_eq!(
        created["metadata"]["managedFields"],
        json!([{
            "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "manager": "kubectl-create", "operation": "Update",
            "time": created["metadata"]["creationTimestamp"],
            "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {
                    "f:progressDeadlineSeconds": {}, "f:replicas": {}, "f:revisionHistoryLimit": {}, "f:selector": {},
                    "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}, "f:type": {}},
                    "f:template": {
                        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                        "f:spec": {
                            "f:containers": {"k:{\"name\":\"c\"}": container},
                            "f:dnsPolicy": {}, "f:restartPolicy": {}, "f:schedulerName": {}, "f:securityContext": {},
                            "f:terminationGracePeriodSeconds": {},
                        },
                    },
                },
            },
        }])
    );
}

#[test]
fn two_appliers_conflict_share_and_give_up_fields() {
    let mut harness = Harness::new();
    let made = apply(&mut harness, "alice", deployment(replicas(3)));
    assert_eq!(made.code, 201);
    let fields = owned(&json(made), "alice Apply");
    assert_eq!(fields["f:spec"]["f:replicas"], json!({}));
    assert_eq!(fields["f:spec"].get("f:strategy"), None, "defaults belong to nobody");
    assert_eq!(fields.get("f:metadata"), None, "the name belongs to nobody");

    let (code, message) = refusal(apply(&mut harness, "bob", part(replicas(5))));
    assert_eq!((code, message.as_str()), (409, "Apply failed with 1 conflict: conflict with \"alice\": .spec.replicas"));
    // The same value is shared, and an apply that changes nothing of the object has no time of its own.
    let shared = json(apply(&mut harness, "bob", part(replicas(3))));
    assert_eq!(owned(&shared, "bob Apply"), json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(owned(&shared, "alice Apply")["f:spec"]["f:replicas"], json!({}));
    // Who leaves a shared field out leaves it to the other.
    let left = json(apply(&mut harness, "alice", deployment(json!({}))));
    assert_eq!((&left["spec"]["replicas"], owned(&left, "alice Apply")["f:spec"].get("f:replicas")), (&json!(3), None));
    // Force takes the field.
    let forced = json(force(&mut harness, "alice", deployment(replicas(7))));
    assert_eq!((&forced["spec"]["replicas"], owned(&forced, "bob Apply")), (&json!(7), Value::Null));
    // The last owner takes the field with it: the default is back.
    let gone = json(apply(&mut harness, "alice", deployment(json!({}))));
    assert_eq!(gone["spec"]["replicas"], json!(1));
    assert_eq!(owners(&gone).len(), 1);
}

#[test]
fn conflicts_are_told_by_manager_and_path() {
    let mut harness = Harness::new();
    json(apply(&mut harness, "alice", deployment(json!({"spec": {"minReadySeconds": 5}}))));
    update(&mut harness, &format!("{WEB}/scale"), "kubectl-scale", replicas(2));
    let config =
        json!({"spec": {"replicas": 4, "minReadySeconds": 6, "template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}});
    let response = apply(&mut harness, "bob", part(config));
    let status = response.result.unwrap_err();
    assert_eq!(
        status.message,
        "Apply failed with 3 conflicts: conflicts with \"alice\":\n- .spec.minReadySeconds\n\
         - .spec.template.spec.containers[name=\"c\"].image\n\
         conflicts with \"kubectl-scale\" with subresource \"scale\" using apps/v1:\n- .spec.replicas"
    );
    assert_eq!((status.code, status.reason), (409, "Conflict"));
    let cause = &status.details.causes[2];
    assert_eq!((cause.reason, cause.field.as_str()), ("FieldManagerConflict", ".spec.replicas"));
    assert_eq!(cause.message, "conflict with \"kubectl-scale\" with subresource \"scale\" using apps/v1");
}

#[test]
fn what_is_no_longer_applied_goes_unless_it_belongs_to_someone() {
    let mut harness = Harness::new();
    let labels = |labels: Value| deployment(json!({"metadata": {"labels": labels}}));
    json(apply(&mut harness, "alice", labels(json!({"a": "1", "b": "2"}))));
    update(&mut harness, WEB, "kubectl-label", json!({"metadata": {"labels": {"b": "3", "c": "4"}}}));
    let containers = json!([{"name": "c", "image": "nginx:1"}, {"name": "log", "image": "busybox"}]);
    let sidecar = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    json(apply(&mut harness, "carol", part(sidecar)));
    let (a_is_left_out, b_belongs_to_kubectl_label) = (json!({}), json!({"b": "3", "c": "4"}));
    let object = json(apply(&mut harness, "alice", labels(a_is_left_out)));
    assert_eq!(object["metadata"]["labels"], b_belongs_to_kubectl_label);
    let names = |object: &Value| {
        let containers = object["spec"]["template"]["spec"]["containers"].as_array().unwrap();
        containers.iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&object), ["c", "log"]);
    let object = json(apply(&mut harness, "carol", part(json!({}))));
    assert_eq!(names(&object), ["c"]);
    assert_eq!(owned(&object, "carol Apply"), Value::Null);
}

#[test]
fn an_apply_that_changes_nothing_is_not_written() {
    let mut harness = Harness::new();
    let first = json(apply(&mut harness, "alice", deployment(replicas(2))));
    harness.advance(Duration::from_secs(10));
    assert_eq!(json(apply(&mut harness, "alice", deployment(replicas(2)))), first);
    // The same for an update: only its time would be new.
    let body = json!({"metadata": {"labels": {"x": "y"}}});
    let labelled = update(&mut harness, WEB, "kubectl-label", body.clone());
    harness.advance(Duration::from_secs(10));
    assert_eq!(update(&mut harness, WEB, "kubectl-label", body), labelled);
    harness.advance(Duration::from_secs(10));
    let relabelled = update(&mut harness, WEB, "kubectl-label", json!({"metadata": {"labels": {"x": "z"}}}));
    assert_ne!(relabelled["metadata"]["managedFields"][1]["time"], labelled["metadata"]["managedFields"][1]["time"]);
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut harness = Harness::new();
    let ask = |harness: &mut Harness, url: &str, config: Value| {
        refusal(harness.ask(request(Method::Patch, &format!("{WEB}{url}")).body(Body::Patch(PatchType::Apply, config))))
    };
    let required = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
    assert_eq!(ask(&mut harness, "", deployment(json!({}))), (422, required.to_owned()));
    let sent = deployment(json!({"metadata": {"managedFields": []}}));
    assert_eq!(ask(&mut harness, "?fieldManager=a", sent), (400, "metadata.managedFields must be nil".to_owned()));
    let other = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}});
    assert_eq!(ask(&mut harness, "?fieldManager=a", other), (400, "invalid object type: /v1, Kind=Pod".to_owned()));
    let unknown = deployment(json!({"metadata": {"namespace": "default"}, "spec": {"replcas": 1}}));
    let message =
        "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.replcas: field not declared in schema";
    assert_eq!(ask(&mut harness, "?fieldManager=a", unknown), (500, message.to_owned()));
    assert_eq!(ask(&mut harness, "/status?fieldManager=a", part(json!({}))).0, 404);
    let merge = request(Method::Patch, &format!("{WEB}?force=true")).body(Body::Patch(PatchType::Merge, json!({})));
    let forbidden = "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch";
    assert_eq!(refusal(harness.ask(merge)), (422, forbidden.to_owned()));
    let long = format!("?fieldManager={}", "x".repeat(129));
    assert_eq!(ask(&mut harness, &long, deployment(json!({}))).0, 422);
}

#[test]
fn a_dry_run_tells_and_writes_nothing() {
    let mut harness = Harness::new();
    let dry = |config| apply_request(WEB, "alice", config).query("dryRun", "All");
    assert_eq!(harness.ask(dry(deployment(replicas(2)))).code, 201);
    assert_eq!(harness.get(WEB).code, 404);
    json(apply(&mut harness, "alice", deployment(replicas(2))));
    assert_eq!(json(harness.ask(dry(deployment(replicas(3)))))["spec"]["replicas"], json!(3));
    assert_eq!(web(&mut harness)["spec"]["replicas"], json!(2));
}

#[test]
fn of_two_who_make_an_object_at_once_the_second_changes_it() {
    let mut harness = Harness::new();
    let label = |manager: &str, label: &str| apply_request(WEB, manager, deployment(json!({"metadata": {"labels": {label: "1"}}})));
    let answers = harness.race([label("alice", "a"), label("bob", "b")]);
    assert!(answers.iter().all(|answer| answer.result.is_ok()), "{answers:?}");
    assert_eq!(web(&mut harness)["metadata"]["labels"], json!({"a": "1", "b": "1"}));
}

#[test]
fn subresources_have_owners_of_their_own() {
    let mut harness = Harness::new();
    json(apply(&mut harness, "alice", deployment(replicas(2))));
    let status = json!({"spec": {"replicas": 9}, "metadata": {"labels": {"no": "label"}}, "status": {"replicas": 2, "conditions": [
        {"type": "Available", "status": "True"}]}});
    let object = update(&mut harness, &format!("{WEB}/status"), "kube-controller-manager", status);
    assert_eq!(object["spec"]["replicas"], json!(2));
    assert_eq!(
        owned(&object, "kube-controller-manager Update status"),
        json!({"f:status": {"f:replicas": {},
            "f:conditions": {".": {}, "k:{\"type\":\"Available\"}": {".": {}, "f:type": {}, "f:status": {}}}}})
    );
    // A write of the object cannot take the status away.
    let object = update(&mut harness, WEB, "kubectl-edit", json!({"status": null, "metadata": {"labels": {"l": "1"}}}));
    assert!(owned(&object, "kube-controller-manager Update status").is_object());
    assert_eq!(owned(&object, "kubectl-edit Update"), json!({"f:metadata": {"f:labels": {".": {}, "f:l": {}}}}));
    // The scale belongs to whoever changed it, without a time, as upstream has it.
    update(&mut harness, &format!("{WEB}/scale"), "kubectl-scale", replicas(4));
    let object = web(&mut harness);
    assert_eq!(owned(&object, "alice Apply")["f:spec"].get("f:replicas"), None);
    let entry = json!({"manager": "kubectl-scale", "operation": "Update", "apiVersion": "apps/v1", "subresource": "scale",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}});
    assert!(object["metadata"]["managedFields"].as_array().unwrap().contains(&entry), "{object}");
    let scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 5}});
    let url = format!("{WEB}/scale");
    let (_, message) = refusal(harness.ask(apply_request(&url, "bob", scale.clone())));
    assert_eq!(
        message,
        "Apply failed with 1 conflict: conflict with \"kubectl-scale\" with subresource \"scale\" using apps/v1: .spec.replicas"
    );
    assert_eq!(json(harness.ask(apply_request(&url, "bob", scale).query("force", "1")))["spec"]["replicas"], json!(5));
    assert_eq!(owned(&web(&mut harness), "bob Apply scale"), json!({"f:spec": {"f:replicas": {}}}));
}

#[test]
fn the_record_can_be_dropped_and_begins_again_with_the_first_apply() {
    let mut harness = Harness::new();
    json(apply(&mut harness, "alice", deployment(replicas(2))));
    // What cannot be read is not taken over.
    let broken = json!({"metadata": {"managedFields": [{"manager": "x", "operation": "Paint"}]}});
    assert_eq!(owners(&update(&mut harness, WEB, "x", broken)).len(), 1);
    let object = update(&mut harness, WEB, "x", json!({"metadata": {"managedFields": [{}]}}));
    assert_eq!(owners(&object), []);
    assert_eq!(owners(&update(&mut harness, WEB, "x", json!({"metadata": {"labels": {"a": "1"}}}))), []);
    let (_, message) = refusal(apply(&mut harness, "bob", part(replicas(3))));
    let conflict = "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1: .spec.replicas";
    assert_eq!(message, conflict);
    let object = json(apply(&mut harness, "bob", part(json!({"metadata": {"annotations": {"b": "1"}}}))));
    let names: Vec<String> = owners(&object).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["bob Apply", "before-first-apply Update"]);
}

#[test]
fn the_oldest_of_many_managers_become_one() {
    let mut harness = Harness::new();
    json(apply(&mut harness, "alice", deployment(json!({}))));
    for number in 1..=12 {
        harness.advance(Duration::from_secs(1));
        let label = format!("l{number}");
        update(&mut harness, WEB, &format!("manager-{number:02}"), json!({"metadata": {"labels": {label: "x"}}}));
    }
    let object = web(&mut harness);
    let names: Vec<String> = owners(&object).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 11);
    assert_eq!(names[..3], ["alice Apply", "ancient-changes Update", "manager-04 Update"]);
    let labels = json!({".": {}, "f:l1": {}, "f:l2": {}, "f:l3": {}});
    assert_eq!(owned(&object, "ancient-changes Update"), json!({"f:metadata": {"f:labels": labels}}));
}

#[test]
fn kubectl_may_take_over_what_it_applied_on_its_own_side() {
    let mut harness = Harness::new();
    const LAST: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let config = deployment(replicas(2));
    let mut sent = config.clone();
    sent["metadata"]["annotations"] = json!({LAST: config.to_string()});
    let url = format!("{DEPLOYMENTS}?fieldManager=kubectl-client-side-apply");
    json(harness.ask(request(Method::Post, &url).body(Body::Json(sent))));
    // Only the manager `kubectl` may, and only where the object still is as it was applied.
    assert_eq!(apply(&mut harness, "helm", deployment(replicas(3))).code, 409);
    let object = json(apply(&mut harness, "kubectl", deployment(replicas(3))));
    assert_eq!(object["spec"]["replicas"], json!(3));
    let remembered: Value = serde_json::from_str(object["metadata"]["annotations"][LAST].as_str().unwrap()).unwrap();
    assert_eq!(remembered, deployment(replicas(3)));
    update(&mut harness, WEB, "other", replicas(8));
    let (_, message) = refusal(apply(&mut harness, "kubectl", deployment(replicas(4))));
    assert_eq!(message, "Apply failed with 1 conflict: conflict with \"other\" using apps/v1: .spec.replicas");
}

#[test]
fn kinds_without_a_struct_are_applied_by_their_schema() {
    let mut harness = Harness::new();
    let url = "/apis/networking.k8s.io/v1/namespaces/default/ingresses/web";
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let rule = |host: &str| json!({"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}});
    let config = |hosts: &[&str]| {
        let rules: Vec<Value> = hosts.iter().map(|host| rule(host)).collect();
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
            "spec": {"ingressClassName": "nginx", "rules": rules}})
    };
    let made = json(harness.ask(apply_request(url, "alice", config(&["a"]))));
    assert_eq!(owned(&made, "alice Apply"), json!({"f:spec": {"f:ingressClassName": {}, "f:rules": {}}}));
    let (_, message) = refusal(harness.ask(apply_request(url, "bob", config(&["b"]))));
    assert_eq!(message, "Apply failed with 1 conflict: conflict with \"alice\": .spec.rules");
}

/// Lists of custom objects merge as the schema of their definition says, whatever their elements look like.
#[test]
fn custom_objects_merge_as_their_definition_says() {
    let mut harness = Harness::new();
    let item = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"}, "weight": {"type": "integer"}, "zone": {"type": "string", "default": "a"},
    }});
    let spec = json!({"type": "object", "properties": {
        "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "zone"], "items": item},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "order": {"type": "array", "items": item},
        "place": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}},
    }});
    let made = harness.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "plans.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "plans", "kind": "Plan"}, "versions": [{
            "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
        }]},
    }));
    assert_eq!(made.code, 201, "{made:?}");
    let plan = "/apis/example.com/v1/namespaces/default/plans/p";
    let mut apply = |manager: &str, spec: Value| {
        let config = json!({"apiVersion": "example.com/v1", "kind": "Plan", "metadata": {"name": "p"}, "spec": spec});
        harness.ask(apply_request(plan, manager, config))
    };
    apply("a", json!({"parts": [{"name": "x", "weight": 1}], "tags": ["one"], "order": [{"name": "x"}], "place": {"x": 1}}));
    let both = json(apply("b", json!({"parts": [{"name": "x", "zone": "b", "weight": 2}, {"name": "y"}], "tags": ["two"]})));
    let parts = json!([
        {"name": "x", "weight": 1, "zone": "a"}, {"name": "x", "zone": "b", "weight": 2}, {"name": "y", "zone": "a"},
    ]);
    assert_eq!((&both["spec"]["parts"], &both["spec"]["tags"]), (&parts, &json!(["one", "two"])));
    // The key that was left out is the default, so this is the element of `a`.
    let (code, why) = refusal(apply("b", json!({"parts": [{"name": "x", "zone": "a", "weight": 3}]})));
    assert!(code == 409 && why.contains(r#".spec.parts[name="x",zone="a"].weight"#), "{why}");
    // A list without a type and a map that is atomic have one owner.
    let (_, why) = refusal(apply("b", json!({"order": [{"name": "y"}], "place": {"y": 2}})));
    assert!(why.contains(".spec.order") && why.contains(".spec.place") && !why.contains("place.y"), "{why}");
    let less = json(apply("b", json!({"tags": ["two"]})));
    assert_eq!(less["spec"]["parts"], json!([{"name": "x", "weight": 1, "zone": "a"}]));
}
