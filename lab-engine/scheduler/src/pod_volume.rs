//! The volumes of a Pod that bear on where it can run: claims, CSI volumes, disks of clouds of old.

use api::core::{Pod, Volume};
use api::json::Json;
use serde_json::Value;

/// A volume of a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PodVolume {
    /// Of a claim, by its name in the Pod's namespace.
    Claim(String),
    /// Of a claim that is made for the Pod and lives as long, by its name.
    Ephemeral(String),
    /// Of a CSI driver, without a claim: the driver, the volume's name in the Pod.
    InlineCsi(String, String),
    /// A disk that only one machine can write to.
    Disk(Disk),
}

/// A disk that only one machine can write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    /// A persistent disk of GCE: name, read-only.
    Gce(String, bool),
    /// A volume of AWS: id.
    AwsEbs(String),
    /// An iSCSI target: name, read-only.
    Iscsi(String, bool),
    /// An image of Ceph: monitors, pool, image, read-only.
    Rbd(Vec<String>, String, String, bool),
}

impl Disk {
    /// Whether both cannot be on one node (`isVolumeConflict`).
    pub(crate) fn conflicts(&self, other: &Disk) -> bool {
        match (self, other) {
            (Disk::Gce(a, a_reads), Disk::Gce(b, b_reads)) => a == b && !(*a_reads && *b_reads),
            (Disk::AwsEbs(a), Disk::AwsEbs(b)) => a == b,
            (Disk::Iscsi(a, a_reads), Disk::Iscsi(b, b_reads)) => a == b && !(*a_reads && *b_reads),
            (Disk::Rbd(a_monitors, a_pool, a_image, a_reads), Disk::Rbd(b_monitors, b_pool, b_image, b_reads)) => {
                let shared = a_monitors.iter().any(|monitor| b_monitors.contains(monitor));
                shared && a_pool == b_pool && a_image == b_image && !(*a_reads && *b_reads)
            }
            _ => false,
        }
    }
}

impl PodVolume {
    /// The claim, if it has one.
    pub(crate) fn claim(&self) -> Option<&str> {
        match self {
            PodVolume::Claim(name) | PodVolume::Ephemeral(name) => Some(name),
            PodVolume::InlineCsi(..) | PodVolume::Disk(_) => None,
        }
    }
}

/// The volumes of a Pod that bear on where it can run, in their order.
pub(crate) fn pod_volumes(pod: &Pod) -> Vec<PodVolume> {
    // Nearly every Pod has only volumes that are made on the node.
    let made_there = |volume: &Volume| {
        volume.projected.is_some()
            || volume.empty_dir.is_some()
            || volume.config_map.is_some()
            || volume.secret.is_some()
            || volume.host_path.is_some()
            || volume.downward_api.is_some()
    };
    pod.spec.volumes.iter().filter(|volume| !made_there(volume)).filter_map(|volume| read(pod, &volume.to_json())).collect()
}

fn read(pod: &Pod, volume: &Value) -> Option<PodVolume> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let reads = |source: &Value| source["readOnly"] == true;
    let source = |name: &str| volume.get(name).filter(|source| !source.is_null());
    let name = text(&volume["name"]);
    if let Some(claim) = source("persistentVolumeClaim") {
        return Some(PodVolume::Claim(text(&claim["claimName"])));
    }
    if source("ephemeral").is_some() {
        return Some(PodVolume::Ephemeral(format!("{}-{name}", pod.metadata.name)));
    }
    if let Some(csi) = source("csi") {
        return Some(PodVolume::InlineCsi(text(&csi["driver"]), name));
    }
    if let Some(disk) = source("gcePersistentDisk") {
        return Some(PodVolume::Disk(Disk::Gce(text(&disk["pdName"]), reads(disk))));
    }
    if let Some(disk) = source("awsElasticBlockStore") {
        return Some(PodVolume::Disk(Disk::AwsEbs(text(&disk["volumeID"]))));
    }
    if let Some(disk) = source("iscsi") {
        return Some(PodVolume::Disk(Disk::Iscsi(text(&disk["iqn"]), reads(disk))));
    }
    let disk = source("rbd")?;
    let monitors = disk["monitors"].as_array().into_iter().flatten().map(text).collect();
    let pool = disk["pool"].as_str().unwrap_or("rbd").to_owned();
    Some(PodVolume::Disk(Disk::Rbd(monitors, pool, text(&disk["image"]), reads(disk))))
}
