//! The plugins by name, and the default profile: which take part, in which order, and how much their scores weigh
//! (`pkg/scheduler/framework/plugins/registry.go`, `pkg/scheduler/apis/config/v1/default_plugins.go`).
//!
//! A new plugin is a file below `plugins/`, a line in [`plugin`] and, if it is on by default, a line in [`DEFAULT_PLUGINS`].

use crate::framework::Plugin;
use crate::framework::runtime::{Enabled, Framework};
use crate::plugins::{
    DefaultBinder, DefaultPreemption, DynamicResources, ImageLocality, InterPodAffinity, NodeAffinity, NodeName, NodePorts,
    NodeResourcesBalancedAllocation, NodeResourcesFit, NodeUnschedulable, NodeVolumeLimits, PodTopologySpread, SchedulingGates,
    TaintToleration, VolumeBinding, VolumeRestrictions, VolumeZone,
};
use api::status::FieldError;
use serde_json::Value;
use std::collections::BTreeMap;

/// The plugins of the default profile, in their order, and what their scores are multiplied by. `PrioritySort` is the queue itself.
pub(crate) const DEFAULT_PLUGINS: [(&str, i64); 18] = [
    ("SchedulingGates", 0),
    ("NodeUnschedulable", 0),
    ("NodeName", 0),
    ("TaintToleration", 3),
    ("NodeAffinity", 2),
    ("NodePorts", 0),
    ("NodeResourcesFit", 1),
    ("VolumeRestrictions", 0),
    ("NodeVolumeLimits", 0),
    ("VolumeBinding", 0),
    ("VolumeZone", 0),
    ("PodTopologySpread", 2),
    ("InterPodAffinity", 2),
    ("DynamicResources", 0),
    ("DefaultPreemption", 0),
    ("NodeResourcesBalancedAllocation", 1),
    ("ImageLocality", 1),
    ("DefaultBinder", 0),
];

/// A plugin with its arguments; null for the defaults.
///
/// # Errors
/// What is wrong with the arguments, or that there is no such plugin.
pub(crate) fn plugin(name: &str, args: &Value) -> Result<Box<dyn Plugin>, Vec<FieldError>> {
    Ok(match name {
        "SchedulingGates" => Box::new(SchedulingGates),
        "NodeUnschedulable" => Box::new(NodeUnschedulable),
        "NodeName" => Box::new(NodeName),
        "TaintToleration" => Box::new(TaintToleration),
        "NodeAffinity" => Box::new(NodeAffinity::new(args)?),
        "NodePorts" => Box::new(NodePorts),
        "NodeResourcesFit" => Box::new(NodeResourcesFit::new(args)?),
        "VolumeRestrictions" => Box::new(VolumeRestrictions),
        "NodeVolumeLimits" => Box::new(NodeVolumeLimits),
        "VolumeBinding" => Box::new(VolumeBinding),
        "VolumeZone" => Box::new(VolumeZone),
        "PodTopologySpread" => Box::new(PodTopologySpread::new(args)?),
        "InterPodAffinity" => Box::new(InterPodAffinity::new(args)?),
        "DynamicResources" => Box::new(DynamicResources),
        "DefaultPreemption" => Box::new(DefaultPreemption::new(args)?),
        "NodeResourcesBalancedAllocation" => Box::new(NodeResourcesBalancedAllocation::new(args)?),
        "ImageLocality" => Box::new(ImageLocality),
        "DefaultBinder" => Box::new(DefaultBinder),
        other => {
            let known = DEFAULT_PLUGINS.map(|(name, _)| name);
            return Err(vec![FieldError::not_supported("name", other, &known)]);
        }
    })
}

/// The framework of a profile: the default plugins, with these arguments by plugin.
///
/// # Errors
/// What is wrong with the arguments.
pub(crate) fn profile(args: &BTreeMap<String, Value>) -> Result<Framework, Vec<FieldError>> {
    let mut enabled = Vec::with_capacity(DEFAULT_PLUGINS.len());
    for (name, weight) in DEFAULT_PLUGINS {
        enabled.push(Enabled { plugin: plugin(name, args.get(name).unwrap_or(&Value::Null))?, weight });
    }
    Ok(Framework::new(enabled))
}

/// The framework with the default profile.
pub(crate) fn default_profile() -> Framework {
    // The defaults are right; were they not, the profile would have no plugins, which the test below would see.
    profile(&BTreeMap::new()).unwrap_or_else(|_| Framework::new(Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_of_the_profile_is_known_by_its_name() {
        for (name, _) in DEFAULT_PLUGINS {
            assert_eq!(plugin(name, &Value::Null).map(|plugin| plugin.name()), Ok(name));
        }
        assert!(profile(&BTreeMap::new()).is_ok());
        let wrong = BTreeMap::from([("InterPodAffinity".to_owned(), serde_json::json!({"hardPodAffinityWeight": 101}))]);
        assert!(profile(&wrong).is_err());
    }
}
