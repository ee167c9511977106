//! The ReplicationController controller: the ReplicaSet controller for the elder kind (`pkg/controller/replication`).

use crate::caches::Caches;
use crate::replica_set::Replicates;
use api::apps::ReplicaSetStatus;
use api::core::{PodTemplateSpec, ReplicationController, ReplicationControllerStatus};
use client::Indexer;

/// What a controller without a template makes Pods of; validation lets none in.
static NOTHING: std::sync::LazyLock<PodTemplateSpec> = std::sync::LazyLock::new(PodTemplateSpec::default);

impl Replicates for ReplicationController {
    fn cache(caches: &Caches) -> &Indexer<Self> {
        caches.replication_controllers.lister()
    }

    fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    fn min_ready_seconds(&self) -> Option<i32> {
        self.spec.min_ready_seconds
    }

    fn template(&self) -> &PodTemplateSpec {
        self.spec.template.as_ref().unwrap_or(&NOTHING)
    }

    fn status(&self) -> ReplicaSetStatus {
        let own = &self.status;
        ReplicaSetStatus {
            replicas: own.replicas,
            fully_labeled_replicas: own.fully_labeled_replicas,
            ready_replicas: own.ready_replicas,
            available_replicas: own.available_replicas,
            // The elder kind does not tell of Pods on their way out.
            terminating_replicas: None,
            observed_generation: own.observed_generation,
            conditions: own.conditions.clone(),
            rest: own.rest.clone(),
        }
    }

    fn with_status(&self, status: ReplicaSetStatus) -> Self {
        let status = ReplicationControllerStatus {
            replicas: status.replicas,
            fully_labeled_replicas: status.fully_labeled_replicas,
            ready_replicas: status.ready_replicas,
            available_replicas: status.available_replicas,
            observed_generation: status.observed_generation,
            conditions: status.conditions,
            rest: status.rest,
        };
        ReplicationController { status, ..self.clone() }
    }
}
