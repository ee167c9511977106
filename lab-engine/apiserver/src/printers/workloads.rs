//! Deployments and ReplicaSets in tables.

use super::{Column, human};
use api::apps::{Deployment, ReplicaSet};
use api::core::PodTemplateSpec;
use api::labels::Selector;
use api::meta::LabelSelector;
use serde_json::Value;
use sim::Time;

pub(super) const DEPLOYMENT: &[Column] = &[
    ("Name", "string", 0),
    ("Ready", "string", 0),
    ("Up-to-date", "string", 0),
    ("Available", "string", 0),
    ("Age", "string", 0),
    ("Containers", "string", 1),
    ("Images", "string", 1),
    ("Selector", "string", 1),
];

pub(super) const REPLICA_SET: &[Column] = &[
    ("Name", "string", 0),
    ("Desired", "integer", 0),
    ("Current", "integer", 0),
    ("Ready", "integer", 0),
    ("Age", "string", 0),
    ("Containers", "string", 1),
    ("Images", "string", 1),
    ("Selector", "string", 1),
];

pub(super) fn deployment(deployment: &Deployment, now: Time) -> Vec<Value> {
    let status = &deployment.status;
    let mut cells = vec![
        deployment.metadata.name.as_str().into(),
        format!("{}/{}", status.ready_replicas.unwrap_or(0), deployment.spec.replicas.unwrap_or(0)).into(),
        status.updated_replicas.unwrap_or(0).into(),
        status.available_replicas.unwrap_or(0).into(),
        human::age(&deployment.metadata, now),
    ];
    cells.extend(wide(&deployment.spec.template, &deployment.spec.selector));
    cells
}

pub(super) fn replica_set(set: &ReplicaSet, now: Time) -> Vec<Value> {
    let mut cells = vec![
        set.metadata.name.as_str().into(),
        set.spec.replicas.unwrap_or(0).into(),
        set.status.replicas.into(),
        set.status.ready_replicas.unwrap_or(0).into(),
        human::age(&set.metadata, now),
    ];
    cells.extend(wide(&set.spec.template, &set.spec.selector));
    cells
}

fn wide(template: &PodTemplateSpec, selector: &LabelSelector) -> [Value; 3] {
    let containers = &template.spec.containers;
    let names: Vec<&str> = containers.iter().map(|container| container.name.as_str()).collect();
    let images: Vec<&str> = containers.iter().map(|container| container.image.as_str()).collect();
    let selector = Selector::from_label_selector(Some(selector)).map(|selector| selector.to_string()).unwrap_or_default();
    [names.join(",").into(), images.join(",").into(), human::or_none(&selector)]
}
