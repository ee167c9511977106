//! Facts about which Pods are endpoints of a Service, and how (`endpoints.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `should-pod-be-in-endpoints` | `pod`, `includeTerminating` | `include` |
//! | `should-set-hostname` | `pod`, `service` | `setHostname` |
//! | `pod-endpoints-changed` | `oldPod`, `newPod` | `podChanged`, `labelsChanged` |
//! | `endpoints-equal` | `endpoint1`, `endpoint2` | `equal` |
//! | `pod-to-endpoint` | `pod`, `node`, `service`, `addressType` | `endpoint` |
//! | `endpoint-ports` | `service`, `pod` | `ports` |
//! | `service-address-types` | `service` | `addressTypes`, as a set |

use crate::read::{bare, in_engine_time, only_keys, part, text, texts, truth, unless_superseded};
use crate::{Miss, Outcome};
use api::core::{Node, Pod, Service};
use api::discovery::{Endpoint, EndpointPort};
use api::json::Json;
use controllers::endpoints::pods;
use serde_json::Value;
use std::collections::BTreeSet;

/// Cases that v1.36 answers differently, and why.
const SUPERSEDED: &[(&str, &str)] = &[];

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    unless_superseded(case, SUPERSEDED)?;
    let case = in_engine_time(case);
    let (input, expect) = (&case["input"], &case["expect"]);
    let pod = |key: &str| bare::<Pod>(key, &input[key]);
    let service = || bare::<Service>("service", &input["service"]);
    let truth_is = |key: &str, actual: bool| Miss::unless_equal(key, &truth(key, &expect[key])?, &actual);
    match text("op", &case["op"])? {
        "should-pod-be-in-endpoints" => {
            only_keys("input", input, &["pod", "includeTerminating"])?;
            only_keys("expect", expect, &["include"])?;
            let terminating = truth("includeTerminating", &input["includeTerminating"])?;
            truth_is("include", pods::should_be_in_endpoints(&pod("pod")?, terminating))
        }
        "should-set-hostname" => {
            only_keys("input", input, &["pod", "service"])?;
            only_keys("expect", expect, &["setHostname"])?;
            truth_is("setHostname", pods::should_set_hostname(&pod("pod")?, &service()?))
        }
        "pod-endpoints-changed" => {
            only_keys("input", input, &["oldPod", "newPod"])?;
            only_keys("expect", expect, &["podChanged", "labelsChanged"])?;
            let (pod_changed, labels_changed) = pods::pod_endpoints_changed(&pod("oldPod")?, &pod("newPod")?);
            truth_is("podChanged", pod_changed)?;
            truth_is("labelsChanged", labels_changed)
        }
        "endpoints-equal" => {
            only_keys("input", input, &["endpoint1", "endpoint2"])?;
            only_keys("expect", expect, &["equal"])?;
            let endpoint = |key: &str| part::<Endpoint>(key, &input[key]);
            truth_is("equal", pods::endpoints_equal(&endpoint("endpoint1")?, &endpoint("endpoint2")?))
        }
        "pod-to-endpoint" => {
            only_keys("input", input, &["pod", "node", "service", "addressType"])?;
            only_keys("expect", expect, &["endpoint"])?;
            let node = (!input["node"].is_null()).then(|| bare::<Node>("node", &input["node"])).transpose()?;
            let family = text("addressType", &input["addressType"])?;
            let found = pods::pod_to_endpoint(&pod("pod")?, node.as_ref(), &service()?, family);
            let expected: Endpoint = part("endpoint", &expect["endpoint"])?;
            Miss::unless_equal("endpoint", &expected.to_json(), &found.to_json())
        }
        "endpoint-ports" => {
            only_keys("input", input, &["service", "pod"])?;
            only_keys("expect", expect, &["ports"])?;
            let expected: Vec<EndpointPort> = part("ports", &expect["ports"])?;
            let found = pods::endpoint_ports(&service()?, &pod("pod")?);
            Miss::unless_equal("ports", &expected.to_json(), &found.to_json())
        }
        "service-address-types" => {
            only_keys("input", input, &["service"])?;
            only_keys("expect", expect, &["addressTypes"])?;
            let expected: BTreeSet<String> = texts("addressTypes", &expect["addressTypes"])?.into_iter().collect();
            let found = pods::service_address_types(&service()?).into_iter().map(str::to_owned).collect();
            Miss::unless_equal("addressTypes", &expected, &found)
        }
        other => Err(Miss::Malformed(format!("the op {other} is not known"))),
    }
}
