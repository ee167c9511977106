//! The configuration of the scheduler (`KubeSchedulerConfiguration`): its profiles, and how much of a big cluster it looks at.
//!
//! **Simplified here:** a profile has the plugins of the default one; their arguments can be set, which of them take part cannot.

use crate::framework::runtime::Framework;
use crate::framework::{ClusterEvent, QueueingHint};
use crate::pod_info::PodInfo;
use crate::registry::{default_profile, profile};
use crate::scheduler::NAME;
use api::core::Pod;
use api::status::FieldError;
use client::leader_election::LeaderElectionConfig;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What can be set (`KubeSchedulerConfiguration`).
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerConfig {
    /// The profiles; a Pod names the one it wants by `spec.schedulerName`.
    pub profiles: Vec<SchedulerProfile>,
    /// Of how many nodes that fit the best is chosen, in percent of all; 0 for a share that falls with the size of the cluster
    /// (`percentageOfNodesToScore`).
    pub percentage_of_nodes_to_score: u32,
    /// With it, only the replica that holds the lease works.
    pub leader_election: Option<LeaderElectionConfig>,
}

impl Default for SchedulerConfig {
    /// One profile, `default-scheduler`; no leader election.
    fn default() -> Self {
        let profile = SchedulerProfile { scheduler_name: NAME.to_owned(), plugin_config: BTreeMap::new() };
        SchedulerConfig { profiles: vec![profile], percentage_of_nodes_to_score: 0, leader_election: None }
    }
}

/// A way of scheduling (`KubeSchedulerProfile`).
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerProfile {
    /// The name by which Pods ask for it.
    pub scheduler_name: String,
    /// Arguments by plugin, as `pluginConfig[*].args` holds them.
    pub plugin_config: BTreeMap<String, Value>,
}

/// The frameworks of all profiles.
#[derive(Debug)]
pub(crate) struct Profiles {
    by_name: BTreeMap<String, Framework>,
    default: Framework,
}

impl Default for Profiles {
    fn default() -> Self {
        Profiles { by_name: BTreeMap::from([(NAME.to_owned(), default_profile())]), default: default_profile() }
    }
}

impl Profiles {
    /// The frameworks of a configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(config: &SchedulerConfig) -> Result<Self, Vec<FieldError>> {
        let (mut by_name, mut errors) = (BTreeMap::new(), Vec::new());
        for (index, entry) in config.profiles.iter().enumerate() {
            let at = format!("profiles[{index}]");
            if entry.scheduler_name.is_empty() {
                errors.push(FieldError::required(format!("{at}.schedulerName"), ""));
            }
            match profile(&entry.plugin_config) {
                Ok(framework) => {
                    if by_name.insert(entry.scheduler_name.clone(), framework).is_some() {
                        errors.push(FieldError::invalid(format!("{at}.schedulerName"), &entry.scheduler_name, "duplicate profile name"));
                    }
                }
                Err(wrong) => errors.extend(wrong),
            }
        }
        if config.profiles.is_empty() {
            errors.push(FieldError::required("profiles", ""));
        }
        if config.percentage_of_nodes_to_score > 100 {
            let percent = i64::from(config.percentage_of_nodes_to_score);
            errors.push(FieldError::invalid_number("percentageOfNodesToScore", percent, "not in valid range [0-100]"));
        }
        if errors.is_empty() { Ok(Profiles { by_name, default: default_profile() }) } else { Err(errors) }
    }

    /// Whether the Pod asks for one of them.
    pub(crate) fn knows(&self, pod: &Pod) -> bool {
        self.by_name.contains_key(&pod.spec.scheduler_name)
    }

    /// The framework that the Pod asks for.
    pub(crate) fn of(&self, pod: &PodInfo) -> &Framework {
        self.by_name.get(&pod.pod.spec.scheduler_name).unwrap_or(&self.default)
    }

    /// The plugin that keeps the Pod out of the queue, if one does.
    pub(crate) fn run_pre_enqueue(&self, pod: &PodInfo) -> Option<&'static str> {
        self.of(pod).run_pre_enqueue(pod)
    }

    /// Whether the event may make a Pod schedulable that these plugins refused.
    pub(crate) fn queueing_hint(&self, pod: &PodInfo, refused_by: &BTreeSet<&'static str>, event: &ClusterEvent<'_>) -> QueueingHint {
        self.of(pod).queueing_hint(pod, refused_by, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_said_all_at_once() {
        assert!(Profiles::new(&SchedulerConfig::default()).is_ok());
        let args = json!({"scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 0}]}});
        let packing =
            SchedulerProfile { scheduler_name: String::new(), plugin_config: BTreeMap::from([("NodeResourcesFit".to_owned(), args)]) };
        let config = SchedulerConfig { profiles: vec![packing], percentage_of_nodes_to_score: 101, leader_election: None };
        let fields: Vec<String> = Profiles::new(&config).unwrap_err().into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["profiles[0].schedulerName", "scoringStrategy.resources[0].weight", "percentageOfNodesToScore"]);
    }
}
