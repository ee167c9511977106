//! StatefulSets (`statefulset.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `parent-and-ordinal` | `podName` | `parent`, `ordinal`; "" and -1 for no match |
//! | `claim-pod-name` | `statefulSetName`, `claimName` | `podName`; "" for no match |
//! | `is-member-of`, `identity-matches` | `statefulSet`, `pod` | `member`, `matches` |
//! | `claim-owner-refs` | `statefulSet`, `podName`, `podOrdinal` | `claimOwnedByPod`, `claimOwnedBySet` |
//! | `update-settled` | `running`, `update` | `images` by Pod once nothing more happens; `imagesAfterScaleToZeroAndBack` |

use super::{compare, object, parts, unknown};
use crate::read::text;
use crate::{Miss, Outcome};
use api::apps::StatefulSet;
use api::core::Pod;
use api::json::decode;
use controllers::facts::stateful_set as facts;
use controllers::facts::stateful_set::{Step, Version, View};
use serde_json::{Value, json};
use sim::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// After so many looks a set counts as not settling.
const LOOKS: usize = 1000;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let (op, input, expect) = parts(case)?;
    let set = || object::<StatefulSet>("statefulSet", &input["statefulSet"]);
    let pod = || object::<Pod>("pod", &input["pod"]);
    let found = match op {
        "parent-and-ordinal" => {
            let (parent, ordinal) = facts::parent_and_ordinal(text("podName", &input["podName"])?).unwrap_or(("", -1));
            json!({"parent": parent, "ordinal": ordinal})
        }
        "claim-pod-name" => {
            let (set, claim) = (text("statefulSetName", &input["statefulSetName"])?, text("claimName", &input["claimName"])?);
            json!({"podName": facts::claim_pod_name(set, claim).unwrap_or_default()})
        }
        "is-member-of" => json!({"member": facts::is_member_of(&set()?, &pod()?)}),
        "identity-matches" => {
            let matches = facts::identity_matches(&set()?, &pod()?);
            json!({"matches": matches, "identityMatches": matches})
        }
        "claim-owner-refs" => {
            let ordinal = input["podOrdinal"].as_i64().and_then(|ordinal| i32::try_from(ordinal).ok()).unwrap_or(-1);
            let (of_pod, of_set) = facts::claim_owners(&set()?, ordinal);
            json!({"claimOwnedByPod": of_pod, "claimOwnedBySet": of_set})
        }
        "update-settled" => settled(&input, expect.get("imagesAfterScaleToZeroAndBack").is_some())?,
        other => return Err(unknown(other)),
    };
    compare(&expect, &found)
}

/// A set whose Pods are Ready as soon as they are made.
struct World {
    set: StatefulSet,
    pods: BTreeMap<String, Arc<Pod>>,
    current: Version,
    update: Version,
}

impl World {
    /// Lets the controller look until it does nothing more.
    fn settle(&mut self) -> Outcome {
        for _ in 0..LOOKS {
            let pods: Vec<Arc<Pod>> = self.pods.values().cloned().collect();
            let view = View { set: &self.set, pods: &pods, current: &self.current, update: &self.update };
            let steps = facts::decide(Time::from_secs(60), &view, |_| true);
            let status = facts::status(Time::from_secs(60), &view);
            let done = steps.is_empty() && status == self.set.status;
            for step in steps {
                match step {
                    Step::Create(pod) => drop(self.pods.insert(pod.metadata.name.clone(), Arc::new(ready(*pod)?))),
                    Step::Delete(pod) | Step::Recreate(pod) => drop(self.pods.remove(&pod.metadata.name)),
                    Step::Mend(_) | Step::MendClaims(_) => {}
                }
            }
            self.set.status = status;
            if self.set.status.current_revision == self.update.name {
                self.current = self.update.clone();
            }
            if done {
                return Ok(());
            }
        }
        Err(Miss::failed("the set", "settles", format!("goes on after {LOOKS} looks")))
    }

    fn images(&self) -> BTreeMap<String, String> {
        let image = |pod: &Pod| pod.spec.containers.first().map(|container| container.image.clone()).unwrap_or_default();
        self.pods.iter().map(|(name, pod)| (name.clone(), image(pod))).collect()
    }
}

fn ready(mut pod: Pod) -> Result<Pod, Miss> {
    let at = json!({"type": "Ready", "status": "True", "lastTransitionTime": Time::ZERO.rfc3339()});
    pod.status.phase = "Running".to_owned();
    pod.status.conditions = vec![decode(at).map_err(|error| Miss::Malformed(error.to_string()))?];
    pod.metadata.uid.clone_from(&pod.metadata.name);
    Ok(pod)
}

fn settled(input: &Value, and_back: bool) -> Result<Value, Miss> {
    let running: StatefulSet = object("running", &input["running"])?;
    let update: StatefulSet = object("update", &input["update"])?;
    let version = |name: &str, set: &StatefulSet| Version { name: name.to_owned(), template: set.spec.template.clone() };
    let first = version("first", &running);
    let mut world = World { set: running, pods: BTreeMap::new(), current: first.clone(), update: first };
    world.settle()?;
    if update.spec.template != world.set.spec.template {
        world.update = version("second", &update);
    }
    world.set.spec = update.spec;
    world.settle()?;
    let images = world.images();
    if !and_back {
        return Ok(json!({"images": images}));
    }
    let replicas = world.set.spec.replicas;
    for size in [Some(0), replicas] {
        world.set.spec.replicas = size;
        world.settle()?;
    }
    Ok(json!({"images": images, "imagesAfterScaleToZeroAndBack": world.images()}))
}
