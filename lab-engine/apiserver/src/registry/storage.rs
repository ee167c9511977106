//! Volumes, claims and storage classes (`pkg/apis/{core,storage}/v1/defaults.go`,
//! `pkg/registry/core/{persistentvolume,persistentvolumeclaim}/strategy.go`).
//!
//! **Simplified here:** `lastPhaseTransitionTime` is set by whoever writes the phase, as strategies do not know the time.

use super::Strategy;
use api::core::{PersistentVolume, PersistentVolumeStatus};
use api::storage::StorageClass;

fn filesystem() -> String {
    "Filesystem".to_owned()
}

impl Strategy for PersistentVolume {
    fn default(&mut self) {
        if self.status.phase.is_empty() {
            self.status.phase = "Pending".to_owned();
        }
        if self.spec.persistent_volume_reclaim_policy.is_empty() {
            self.spec.persistent_volume_reclaim_policy = "Retain".to_owned();
        }
        self.spec.volume_mode.get_or_insert_with(filesystem);
        if let Some(path) = &mut self.spec.host_path {
            path.type_.get_or_insert_default();
        }
    }

    fn prepare_for_create(&mut self) {
        self.status = PersistentVolumeStatus { phase: "Pending".to_owned(), ..PersistentVolumeStatus::default() };
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }
}

impl Strategy for StorageClass {
    fn default(&mut self) {
        self.reclaim_policy.get_or_insert_with(|| "Delete".to_owned());
        self.volume_binding_mode.get_or_insert_with(|| "Immediate".to_owned());
    }
}
