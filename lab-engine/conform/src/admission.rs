//! Facts about LimitRanger and ResourceQuota (`admission-limitranger.json`, `admission-resourcequota.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `limitrange-default` | `object`, `limitRange` | `resources` of `containers` and `initContainers`, in order; `annotation` |
//! | `limitrange-admit` | the same | `allowed`, with the defaults applied before |
//! | `quota-admit` | `operation`, `namespace`, `object`, `oldObject`, `quotas`, `limitedResources` | `allowed`, and `used` of each quota |

use crate::read::{items, object, only_keys, part, text, texts, truth, unless_superseded};
use crate::{Miss, Outcome};
use api::Object;
use api::core::{Container, LimitRange, ResourceList, ResourceQuota, ResourceRequirements};
use apiserver::admission::limit_ranger::{ANNOTATION, check, set_defaults};
use apiserver::admission::resource_quota::{self, LimitedResource, Operation, Refusal};
use serde_json::Value;
use std::sync::Arc;

/// Cases that v1.36 answers differently, and why.
const SUPERSEDED: &[(&str, &str)] = &[];

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    unless_superseded(case, SUPERSEDED)?;
    let (input, expect) = (&case["input"], &case["expect"]);
    match text("op", &case["op"])? {
        "limitrange-default" => defaults(input, expect),
        "limitrange-admit" => admit(input, expect),
        "quota-admit" => quota(input, expect),
        other => Err(Miss::Malformed(format!("the op {other} is not known"))),
    }
}

/// The object with the defaults of the LimitRange, and the LimitRange. Containers without a name get one each.
fn defaulted(input: &Value) -> Result<(Object, LimitRange), Miss> {
    only_keys("input", input, &["object", "limitRange"])?;
    let mut subject = object("object", &input["object"])?;
    let mut range = input["limitRange"].clone();
    if let Some(fields) = range.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    let range: LimitRange = part("limitRange", &range)?;
    if let Object::Pod(pod) = &mut subject {
        let pod = Arc::make_mut(pod);
        name_containers(pod);
        set_defaults(pod, &range);
    }
    Ok((subject, range))
}

fn name_containers(pod: &mut api::core::Pod) {
    let spec = &mut *pod.spec;
    let containers = spec.containers.iter_mut().chain(&mut spec.init_containers);
    for (index, container) in containers.enumerate().filter(|(_, container)| container.name.is_empty()) {
        container.name = format!("container-{index}");
    }
}

fn defaults(input: &Value, expect: &Value) -> Outcome {
    only_keys("expect", expect, &["resources", "annotation"])?;
    only_keys("expect.resources", &expect["resources"], &["containers", "initContainers"])?;
    let (subject, _) = defaulted(input)?;
    let Object::Pod(pod) = &subject else { return Err(Miss::Malformed("only Pods have defaults".to_owned())) };
    for (key, containers) in [("containers", &pod.spec.containers), ("initContainers", &pod.spec.init_containers)] {
        if expect["resources"][key].is_null() {
            continue;
        }
        let expected: Vec<ResourceRequirements> = part(key, &expect["resources"][key])?;
        let of = |list: &ResourceRequirements| (list.requests.clone(), list.limits.clone());
        let expected: Vec<_> = expected.iter().map(of).collect();
        let actual: Vec<_> = containers.iter().map(|Container { resources, .. }| of(resources)).collect();
        Miss::unless_equal(key, &expected, &actual)?;
    }
    let annotation = pod.metadata.annotations.get(ANNOTATION).map(String::as_str);
    match expect["annotation"].as_str() {
        Some(expected) => Miss::unless_equal("annotation", &Some(expected), &annotation),
        None => Ok(()),
    }
}

fn admit(input: &Value, expect: &Value) -> Outcome {
    only_keys("expect", expect, &["allowed"])?;
    let (subject, range) = defaulted(input)?;
    let checked = check(&subject, &range);
    let expected = truth("allowed", &expect["allowed"])?;
    if expected == checked.is_ok() {
        return Ok(());
    }
    Err(Miss::failed("allowed", expected, format!("{checked:?}")))
}

fn limited(value: &Value) -> Result<LimitedResource, Miss> {
    only_keys("limitedResources", value, &["apiGroup", "resource", "matchContains", "matchScopes"])?;
    Ok(LimitedResource {
        resource: text("resource", &value["resource"])?.to_owned(),
        match_contains: texts("matchContains", &value["matchContains"])?,
        match_scopes: part("matchScopes", &value["matchScopes"])?,
    })
}

fn quotas_of(list: &Value) -> Result<Vec<ResourceQuota>, Miss> {
    let quota = |item: &Value| -> Result<ResourceQuota, Miss> {
        match object("quotas", item)? {
            Object::ResourceQuota(quota) => Ok(ResourceQuota::clone(&quota)),
            other => Err(Miss::Malformed(format!("a {} is no quota", other.kind()))),
        }
    };
    items("quotas", list)?.iter().map(quota).collect()
}

fn quota(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &["operation", "namespace", "object", "oldObject", "quotas", "limitedResources"])?;
    only_keys("expect", expect, &["allowed", "used", "message"])?;
    let namespace = text("namespace", &input["namespace"])?;
    // Only the quotas of the namespace are asked.
    let (mut quotas, elsewhere): (Vec<_>, Vec<_>) =
        quotas_of(&input["quotas"])?.into_iter().partition(|quota| quota.metadata.namespace == namespace);
    if input["operation"] == "DELETE" {
        // The plugin looks at creations and updates only; a deletion need not bring an object.
        Miss::unless_equal("allowed", &truth("allowed", &expect["allowed"])?, &true)?;
        return used(&expect["used"], &[quotas, elsewhere].concat());
    }
    let mut subject = object("object", &input["object"])?;
    namespace.clone_into(&mut subject.metadata_mut().namespace);
    if let Object::Pod(pod) = &mut subject {
        name_containers(Arc::make_mut(pod));
    }
    let old = if input["oldObject"].is_null() { None } else { Some(object("oldObject", &input["oldObject"])?) };
    let limited = items("limitedResources", &input["limitedResources"])?.iter().map(limited).collect::<Result<Vec<_>, _>>()?;
    let operation = match (text("operation", &input["operation"])?, &old) {
        ("CREATE", _) => Operation::Create,
        ("UPDATE", Some(old)) => Operation::Update(old),
        (other, _) => return Err(Miss::Malformed(format!("the operation {other} is not known, or lacks oldObject"))),
    };
    let checked = resource_quota::check(&quotas, &subject, operation, &limited);
    match (truth("allowed", &expect["allowed"])?, checked) {
        (true, Ok(charged)) => {
            for (index, status) in charged {
                quotas[index].status = status;
            }
            used(&expect["used"], &[quotas, elsewhere].concat())
        }
        (false, Err(_)) => Ok(()),
        (expected, Ok(_)) => Err(Miss::failed("allowed", expected, true)),
        (expected, Err(Refusal::Forbidden(why) | Refusal::Other(why))) => Err(Miss::failed("allowed", expected, why)),
    }
}

fn used(expect: &Value, quotas: &[ResourceQuota]) -> Outcome {
    let Some(expect) = expect.as_object() else { return Ok(()) };
    for (name, list) in expect {
        let expected: ResourceList = part("used", list)?;
        let found = quotas.iter().find(|quota| quota.metadata.name == *name);
        let Some(found) = found else { return Err(Miss::Malformed(format!("there is no quota {name}"))) };
        Miss::unless_equal(format!("used.{name}"), &expected, &found.status.used)?;
    }
    Ok(())
}
