//! Where the data of PersistentVolumes lies: a disk array outside the cluster that every node reaches.
//!
//! A node that mounts a volume has its files at a path of its own and writes changes through to the array; a node that mounts it later
//! begins with what is there. So data outlives Pods and follows them to other nodes.
//!
//! **Simplified here:** a node that has a volume mounted does not see what another one writes meanwhile; a volume's size is not enforced;
//! volumes of the kinds `hostPath` and `local` lie in the array like all others.

use crate::runtime::fs::Tree;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// What is known of a volume: how often it was written, and its files.
type Stored = (u64, Tree);

/// The disk array. Clones are the same array.
#[derive(Clone, Default)]
pub struct Storage(Rc<RefCell<BTreeMap<String, Stored>>>);

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("volumes", &self.0.borrow().len()).finish()
    }
}

/// The volumes that a node has mounted.
#[derive(Debug, Default)]
pub(crate) struct Disks {
    storage: Storage,
    /// By PersistentVolume: what the node's files were when it last looked or wrote.
    known: BTreeMap<String, Stored>,
}

/// Where a node has the files of a PersistentVolume.
pub(crate) fn mount_path(volume: &str) -> String {
    format!("/var/lib/kubelet/plugins/kubernetes.io/csi/{volume}/globalmount")
}

impl Disks {
    pub(crate) fn new(storage: Storage) -> Self {
        Disks { storage, known: BTreeMap::new() }
    }

    /// Makes the files of a volume those of the array, unless the node has written them last.
    pub(crate) fn mount(&mut self, volume: &str, host: &mut Tree) {
        let path = mount_path(volume);
        // A node whose disk is full shows an empty directory, or none.
        let _ = host.make_dirs(&path);
        let stored = self.storage.0.borrow().get(volume).cloned();
        let known = self.known.get(volume).map(|(revision, _)| *revision);
        let Some((revision, tree)) = stored.filter(|(revision, _)| known != Some(*revision)) else { return };
        let _ = host.replace_below(&path, &tree);
        self.known.insert(volume.to_owned(), (revision, tree));
    }

    /// Writes the files of a volume through to the array if they changed on this node.
    pub(crate) fn write_through(&mut self, volume: &str, host: &Tree) {
        let tree = host.subtree(&mount_path(volume));
        let known = self.known.entry(volume.to_owned()).or_default();
        if known.1.same_files(&tree) {
            return;
        }
        let mut volumes = self.storage.0.borrow_mut();
        let stored = volumes.entry(volume.to_owned()).or_default();
        *stored = (stored.0 + 1, tree);
        known.clone_from(stored);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_follows_a_volume_to_another_node() {
        let storage = Storage::default();
        let (mut a, mut b) = (Disks::new(storage.clone()), Disks::new(storage));
        let (mut on_a, mut on_b) = (Tree::default(), Tree::default());
        let file = |name: &str| format!("{}/{name}", mount_path("pv"));
        a.mount("pv", &mut on_a);
        on_a.put(&file("dir/one"), "1".to_owned(), 0o600).unwrap();
        a.write_through("pv", &on_a);
        b.mount("pv", &mut on_b);
        assert_eq!(on_b.read(&file("dir/one")), Ok("1"));
        on_b.remove(&file("dir"), true).unwrap();
        on_b.put(&file("two"), "2".to_owned(), 0o644).unwrap();
        b.write_through("pv", &on_b);
        a.mount("pv", &mut on_a);
        assert_eq!((on_a.exists(&file("dir/one")), on_a.read(&file("two"))), (false, Ok("2")));
    }
}
