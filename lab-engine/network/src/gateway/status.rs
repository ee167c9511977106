//! The statuses that follow from a plan, as the JSON that is written.
//!
//! A condition keeps its `lastTransitionTime` as long as its `status` stays, and an object is written only when its status is another one.

use super::plan::{Condition, GATEWAY_CONTROLLERS, GatewayPlan, ListenerPlan, Plan, RoutePlan};
use super::types::{Custom, CustomKind, GROUP, HTTPRouteSpec};
use api::http::Request;
use api::json::Json;
use client::ObjectKey;
use serde_json::{Value, json};
use sim::Time;

/// Kind and name of an object whose status is written.
pub(crate) type Target = (&'static str, ObjectKey);

/// The writes that bring all statuses up to date.
pub(crate) fn writes(plan: &Plan, now: Time) -> Vec<(Target, Request)> {
    let mut writes = Vec::new();
    for (class, conditions) in &plan.classes {
        let conditions = merged(conditions, &class.status()["conditions"], class.metadata().generation, now);
        writes.extend(write(class, json!({"conditions": conditions})));
    }
    for gateway in &plan.gateways {
        writes.extend(write(&gateway.gateway, of_gateway(gateway, now)));
    }
    for route in &plan.routes {
        writes.extend(write::<HTTPRouteSpec>(&route.route, of_route(route, now)));
    }
    writes
}

/// The write of a status, if the object has another one.
fn write<S: CustomKind>(object: &Custom<S>, status: Value) -> Option<(Target, Request)> {
    (*object.status() != status).then(|| ((S::NAMES[0], ObjectKey::of(object)), object.put_status(status)))
}

/// Conditions as JSON. `old` are those that the object has.
fn merged(conditions: &[Condition], old: &Value, generation: Option<i64>, now: Time) -> Value {
    let all = conditions.iter().map(|condition| {
        let Condition { kind, holds, reason, message } = condition;
        let status = if *holds { "True" } else { "False" };
        let mut before = old.as_array().into_iter().flatten();
        let same = before.find(|known| known["type"] == *kind && known["status"] == status);
        let since = same.map_or_else(|| json!(now.rfc3339()), |known| known["lastTransitionTime"].clone());
        json!({
            "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since,
            "observedGeneration": generation.unwrap_or(0),
        })
    });
    all.collect()
}

/// The entry of a list that has this value in a field.
fn entry<'a>(list: &'a Value, field: &str, value: &Value) -> &'a Value {
    list.as_array().into_iter().flatten().find(|entry| entry[field] == *value).unwrap_or(&Value::Null)
}

fn of_gateway(plan: &GatewayPlan, now: Time) -> Value {
    let (generation, old) = (plan.gateway.metadata().generation, plan.gateway.status());
    let listeners = plan.listeners.iter().map(|listener| {
        let ListenerPlan { name, takes_http_routes, conditions, routes, .. } = listener;
        let known = &entry(&old["listeners"], "name", &json!(name))["conditions"];
        let kinds = if *takes_http_routes { json!([{"group": GROUP, "kind": "HTTPRoute"}]) } else { json!([]) };
        json!({
            "name": name, "supportedKinds": kinds, "attachedRoutes": routes.len(),
            "conditions": merged(conditions, known, generation, now),
        })
    });
    let listeners: Value = listeners.collect();
    let mut status = json!({"conditions": merged(&plan.conditions, &old["conditions"], generation, now), "listeners": listeners});
    if let Some(address) = plan.address {
        status["addresses"] = json!([{"type": "IPAddress", "value": address.to_string()}]);
    }
    status
}

/// The status of a route: what other controllers said about it, and what this one says.
fn of_route(plan: &RoutePlan, now: Time) -> Value {
    let (generation, old) = (plan.route.metadata().generation, &plan.route.status()["parents"]);
    let is_own = |parent: &Value| parent["controllerName"].as_str().is_some_and(|name| GATEWAY_CONTROLLERS.contains(&name));
    let others = old.as_array().into_iter().flatten().filter(|parent| !is_own(parent)).cloned();
    let own = plan.parents.iter().map(|(parent, controller, conditions)| {
        let reference = parent.to_json();
        let known = &entry(old, "parentRef", &reference)["conditions"];
        json!({"parentRef": reference, "controllerName": controller, "conditions": merged(conditions, known, generation, now)})
    });
    json!({"parents": others.chain(own).collect::<Value>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_the_time_of_its_last_change() {
        let (first, later) = (Time::from_secs(10), Time::from_secs(20));
        let accepted = [Condition::yes("Accepted", "Accepted", "The Route is accepted")];
        let old = merged(&accepted, &Value::Null, Some(1), first);
        assert_eq!(merged(&accepted, &old, Some(1), later), old, "there is nothing to write");
        let newer = merged(&accepted, &old, Some(2), later);
        assert_eq!((&newer[0]["lastTransitionTime"], &newer[0]["observedGeneration"]), (&old[0]["lastTransitionTime"], &json!(2)));
        let refused = merged(&[Condition::no("Accepted", "NoMatchingParent", "No Listener")], &old, Some(2), later);
        assert_eq!((&refused[0]["status"], &refused[0]["lastTransitionTime"]), (&json!("False"), &json!(later.rfc3339())));
    }
}
