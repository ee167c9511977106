//! Workloads that keep Pods running, in tables.

use super::{Column, human};
use api::apps::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use api::core::{PodTemplateSpec, ReplicationController};
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

pub(super) const STATEFUL_SET: &[Column] =
    &[("Name", "string", 0), ("Ready", "string", 0), ("Age", "string", 0), ("Containers", "string", 1), ("Images", "string", 1)];

pub(super) const DAEMON_SET: &[Column] = &[
    ("Name", "string", 0),
    ("Desired", "integer", 0),
    ("Current", "integer", 0),
    ("Ready", "integer", 0),
    ("Up-to-date", "integer", 0),
    ("Available", "integer", 0),
    ("Node Selector", "string", 0),
    ("Age", "string", 0),
    ("Containers", "string", 1),
    ("Images", "string", 1),
    ("Selector", "string", 1),
];

pub(super) const CONTROLLER_REVISION: &[Column] =
    &[("Name", "string", 0), ("Controller", "string", 0), ("Revision", "string", 0), ("Age", "string", 0)];

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

pub(super) fn replication_controller(controller: &ReplicationController, now: Time) -> Vec<Value> {
    let mut cells = vec![
        controller.metadata.name.as_str().into(),
        controller.spec.replicas.unwrap_or(0).into(),
        controller.status.replicas.into(),
        controller.status.ready_replicas.unwrap_or(0).into(),
        human::age(&controller.metadata, now),
    ];
    let template = controller.spec.template.clone().unwrap_or_default();
    cells.extend(containers(&template));
    cells.push(human::labels(&controller.spec.selector).into());
    cells
}

pub(super) fn stateful_set(set: &StatefulSet, now: Time) -> Vec<Value> {
    let ready = set.status.ready_replicas.unwrap_or(0);
    let mut cells = vec![
        set.metadata.name.as_str().into(),
        format!("{ready}/{}", set.spec.replicas.unwrap_or(0)).into(),
        human::age(&set.metadata, now),
    ];
    cells.extend(containers(&set.spec.template));
    cells
}

pub(super) fn daemon_set(set: &DaemonSet, now: Time) -> Vec<Value> {
    let status = &set.status;
    let mut cells = vec![
        set.metadata.name.as_str().into(),
        status.desired_number_scheduled.into(),
        status.current_number_scheduled.into(),
        status.number_ready.into(),
        status.updated_number_scheduled.unwrap_or(0).into(),
        status.number_available.unwrap_or(0).into(),
        human::labels(&set.spec.template.spec.node_selector).into(),
        human::age(&set.metadata, now),
    ];
    cells.extend(wide(&set.spec.template, &set.spec.selector));
    cells
}

pub(super) fn controller_revision(revision: &ControllerRevision, now: Time) -> Vec<Value> {
    let owner = revision.metadata.controller().map(|owner| {
        let group = owner.api_version.split_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
        format!("{}{group}/{}", owner.kind.to_lowercase(), owner.name)
    });
    vec![
        revision.metadata.name.as_str().into(),
        human::or_none(owner.as_deref().unwrap_or_default()),
        revision.revision.into(),
        human::age(&revision.metadata, now),
    ]
}

/// Names and images of the containers.
pub(super) fn containers(template: &PodTemplateSpec) -> [Value; 2] {
    let containers = &template.spec.containers;
    let names: Vec<&str> = containers.iter().map(|container| container.name.as_str()).collect();
    let images: Vec<&str> = containers.iter().map(|container| container.image.as_str()).collect();
    [names.join(",").into(), images.join(",").into()]
}

/// Names and images of the containers, and the selector.
pub(super) fn wide(template: &PodTemplateSpec, selector: &LabelSelector) -> [Value; 3] {
    let [names, images] = containers(template);
    let selector = Selector::from_label_selector(Some(selector)).map(|selector| selector.to_string()).unwrap_or_default();
    [names, images, human::or_none(&selector)]
}
