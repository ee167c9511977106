//! Validation of objects (`api-object-validation.json`): the code that requests to the API server go through.

use super::{Case, malformed, open};
use crate::{Miss, Outcome};
use api::Object;
use api::status::FieldError;
use serde_json::{Value, json};

/// Cases of the old release that v1.36 no longer agrees with.
const SUPERSEDED: &[(&str, &str)] = &[
    (
        "validate/pod/invalid-labelselector-in-preferredduringschedulingignoredduringexecution-in-podaffinity-annotations-values-sho",
        "the path of a label selector in a Pod affinity term is labelSelector.matchExpressions now, no longer matchExpressions.matchExpressions",
    ),
    ("validate/node/multiple-pre-allocated-hugepages", "nodes may have huge pages of more than one size"),
    ("validate/service/invalid-port-type-loadbalancer", "load balancers may expose port 10250"),
];

fn object(case: &Case<'_>, key: &str) -> Result<Object, Miss> {
    let value = case.value(key)?;
    let (Some(version), Some(kind)) = (value["apiVersion"].as_str(), value["kind"].as_str()) else {
        return Err(malformed("no apiVersion and kind"));
    };
    Object::decode_as(version, kind, value.clone()).map_err(|error| malformed(error.to_string()))
}

/// Errors that a later release gives another type: the field, the type of v1.15 and that of v1.36.
const RETYPED: &[(&str, &str, &str)] = &[("spec.externalTrafficPolicy", "FieldValueInvalid", "FieldValueNotSupported")];

/// Fields that a later release reports in another place, without indices: where v1.15 does and where v1.36 does.
const MOVED: &[(&str, &str)] = &[
    ("spec.clusterIP", "spec.clusterIPs"),
    ("spec.podCIDR", "spec.podCIDRs"),
    ("spec.containers.ports.containerPort", "spec.containers.ports.hostPort"),
];

/// An error: its type and its field.
type Pair = (String, String);

fn pair(error: &Value) -> Result<Pair, Miss> {
    let text = |key: &str| error[key].as_str().map(str::to_owned);
    text("type").zip(text("field")).ok_or_else(|| malformed("an error without type and field"))
}

/// The path without the indices of lists; keys of maps stay.
fn without_indices(path: &str) -> String {
    let mut parts = path.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| match part.split_once(']') {
        Some((index, rest)) if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) => kept + rest,
        _ => format!("{kept}[{part}"),
    })
}

/// Whether `found` is the error that is listed. Later releases say more exactly in which entry of a list it is.
fn fits(listed: &Pair, found: &Pair) -> bool {
    let retyped = RETYPED.contains(&(listed.1.as_str(), &listed.0, &found.0));
    let (was, is) = (without_indices(&listed.1), without_indices(&found.1));
    let moved = MOVED.contains(&(was.as_str(), is.as_str()));
    let place = listed.1 == found.1 || (!listed.1.contains('[') && listed.1 == is) || moved;
    place && (listed.0 == found.0 || retyped)
}

/// The errors must be those listed, no more and no fewer; how often each is given does not count.
fn judge(case: &Case<'_>, errors: &[FieldError]) -> Outcome {
    let texts: Vec<String> = errors.iter().map(FieldError::to_string).collect();
    case.same("valid", json!(errors.is_empty())).map_err(|_| Miss::failed("valid", json!(case.expect["valid"]), texts.join("; ")))?;
    if let Some(listed) = case.expect.get("errors").and_then(Value::as_array) {
        let expected = listed.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
        let found: Vec<Pair> = errors.iter().map(|error| (error.kind.reason().to_owned(), error.field.clone())).collect();
        let all = expected.iter().all(|one| found.iter().any(|error| fits(one, error)));
        let only = found.iter().all(|error| expected.iter().any(|one| fits(one, error)));
        if !(all && only) {
            return Err(Miss::failed("errors", json!(listed), texts.join("; ")));
        }
    }
    match case.expect.get("mustMention").and_then(Value::as_str) {
        Some(piece) if !texts.iter().any(|text| text.contains(piece)) => Err(Miss::failed("mustMention", piece, texts.join("; "))),
        _ => Ok(()),
    }
}

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let case = open(case, SUPERSEDED)?;
    let expect = &["valid", "errors", "mustMention"];
    match case.op {
        "validate" => {
            case.keys(&["object"], expect)?;
            judge(&case, &apiserver::validation::validate(&object(&case, "object")?))
        }
        "validate-podspec" => {
            case.keys(&["object"], expect)?;
            let Object::Pod(pod) = object(&case, "object")? else { return Err(malformed("no Pod")) };
            judge(&case, &apiserver::validation::validate_pod_spec(&pod.spec))
        }
        "validate-update" => {
            case.keys(&["object", "oldObject"], expect)?;
            judge(&case, &apiserver::validation::validate_update_rules(&object(&case, "object")?, &object(&case, "oldObject")?))
        }
        _ => case.unknown_op(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_more_or_of_another_type_is_a_miss() {
        let case = |errors: Value| {
            let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "b"},
                "spec": {"type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP"}]}});
            run(&json!({"id": "x", "op": "validate", "input": {"object": object}, "expect": {"valid": false, "errors": errors}}))
        };
        let error = |kind: &str, field: &str| json!({"type": kind, "field": field});
        let right = error("FieldValueRequired", "spec.sessionAffinity");
        assert!(case(json!([right])).is_ok());
        assert!(case(json!([error("FieldValueNotSupported", "spec.sessionAffinity")])).is_err());
        assert!(case(json!([right, error("FieldValueRequired", "spec.type")])).is_err());
        assert!(case(json!([error("FieldValueRequired", "spec")])).is_err());
    }

    #[test]
    fn lists_are_named_more_exactly_in_later_releases() {
        assert_eq!(without_indices("a[0].b[key].c[12]"), "a.b[key].c");
        let of = |field: &str| ("FieldValueInvalid".to_owned(), field.to_owned());
        assert!(fits(&of("spec.hostAliases.hostnames"), &of("spec.hostAliases[0].hostnames[0]")));
        assert!(!fits(&of("spec.ports[1]"), &of("spec.ports[0]")));
        assert!(fits(&of("spec.clusterIP"), &of("spec.clusterIPs[0]")) && !fits(&of("spec.clusterIPs"), &of("spec.clusterIP")));
    }
}
