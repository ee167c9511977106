//! Snapshot files: the key space up to an entry, with a checksum, so that the log before it need not be kept.
//!
//! A file is named by the entry that it ends with (`0000000000000002-000000000000000a.snap`: term and index). A file that cannot be read is
//! put aside under another name, and the next older one serves. A file counts only if the log says that it was finished
//! ([`crate::wal::valid_snapshots`]).
//!
//! Models `server/etcdserver/api/snap` of etcd v3.6.
//!
//! **Simplified here:** the key space is in the file; etcd has it in the database beside, from which it is sent to other members.

use crate::disk::SimDisk;
use crate::pb;
use crate::wal::{SnapshotMark, checksum};
use prost::Message;
use thiserror::Error;

/// Why a snapshot file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SnapError {
    /// There is none that the log tells of.
    #[error("snap: no available snapshot")]
    NoSnapshot,
    /// There is nothing in it.
    #[error("snap: empty snapshot")]
    Empty,
    /// It is not what was written.
    #[error("snap: crc mismatch")]
    CrcMismatch,
    /// It is none.
    #[error("proto: cannot parse invalid wire-format data")]
    Unmarshal,
}

fn name(dir: &str, term: u64, index: u64) -> String {
    format!("{dir}/{term:016x}-{index:016x}.snap")
}

/// Writes a snapshot. It is safe after [`sync`].
pub(crate) fn write(disk: &mut SimDisk, dir: &str, snapshot: &pb::Snapshot) {
    let data = snapshot.encode_to_vec();
    let file = pb::SnapshotFile { crc: checksum(0, &data), data: Some(data) };
    let name = name(dir, snapshot.metadata.term, snapshot.metadata.index);
    disk.set_len(&name, 0);
    disk.write(&name, 0, &file.encode_to_vec());
}

/// Makes a snapshot safe.
pub(crate) fn sync(disk: &mut SimDisk, dir: &str, term: u64, index: u64) {
    disk.sync(&name(dir, term, index));
    disk.sync_names();
}

/// The newest snapshot whose file can be read and of which the log tells. Files that cannot be read are put aside.
///
/// # Errors
/// [`SnapError::NoSnapshot`].
pub(crate) fn load_newest(disk: &mut SimDisk, dir: &str, marks: &[SnapshotMark]) -> Result<pb::Snapshot, SnapError> {
    let names = disk.list(&format!("{dir}/"));
    for name in names.iter().rev().filter(|name| name.ends_with(".snap")) {
        match read(disk, name) {
            Ok(snapshot) => {
                let of = (snapshot.metadata.term, snapshot.metadata.index);
                if marks.iter().any(|mark| (mark.term, mark.index) == of) {
                    return Ok(snapshot);
                }
            }
            Err(_) => disk.rename(name, &format!("{name}.broken")),
        }
    }
    disk.sync_names();
    Err(SnapError::NoSnapshot)
}

/// Reads a file.
fn read(disk: &SimDisk, name: &str) -> Result<pb::Snapshot, SnapError> {
    let bytes = disk.read(name).map(|file| file.bytes).unwrap_or_default();
    if bytes.is_empty() {
        return Err(SnapError::Empty);
    }
    let file = pb::SnapshotFile::decode(bytes).map_err(|_| SnapError::Unmarshal)?;
    let data = file.data.filter(|data| !data.is_empty() && file.crc != 0).ok_or(SnapError::Empty)?;
    if checksum(0, &data) != file.crc {
        return Err(SnapError::CrcMismatch);
    }
    pb::Snapshot::decode(&data[..]).map_err(|_| SnapError::Unmarshal)
}

/// Removes the files of snapshots before this one.
pub(crate) fn release(disk: &mut SimDisk, dir: &str, term: u64, index: u64) {
    let newest = name(dir, term, index);
    for older in disk.list(&format!("{dir}/")).into_iter().filter(|name| name.ends_with(".snap") && *name < newest) {
        disk.remove(&older);
    }
    disk.sync_names();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(index: u64) -> pb::Snapshot {
        let metadata = pb::SnapshotMetadata { index, term: 1, ..pb::SnapshotMetadata::default() };
        pb::Snapshot { data: Some(format!("state {index}").into_bytes()), metadata }
    }

    fn save(disk: &mut SimDisk, index: u64) {
        write(disk, "snap", &snapshot(index));
        sync(disk, "snap", 1, index);
    }

    fn marks(indexes: &[u64]) -> Vec<SnapshotMark> {
        indexes.iter().map(|index| SnapshotMark { index: *index, term: 1, conf_state: None }).collect()
    }

    fn newest(disk: &mut SimDisk, known: &[u64]) -> Result<u64, SnapError> {
        load_newest(disk, "snap", &marks(known)).map(|snapshot| snapshot.metadata.index)
    }

    #[test]
    fn the_newest_that_the_log_knows_is_taken() {
        let mut disk = SimDisk::default();
        [5, 10, 15].into_iter().for_each(|index| save(&mut disk, index));
        assert_eq!(newest(&mut disk, &[5, 10]), Ok(10), "the log does not tell of the last");
        assert_eq!(newest(&mut disk, &[]), Err(SnapError::NoSnapshot));
        release(&mut disk, "snap", 1, 15);
        assert_eq!(disk.list("snap"), ["snap/0000000000000001-000000000000000f.snap"]);
    }

    #[test]
    fn what_cannot_be_read_is_put_aside() {
        let mut disk = SimDisk::default();
        [5, 10].into_iter().for_each(|index| save(&mut disk, index));
        let name = "snap/0000000000000001-000000000000000a.snap";
        disk.flip_bit(name, 12, 3);
        assert_eq!(read(&disk, name), Err(SnapError::CrcMismatch));
        assert_eq!(newest(&mut disk, &[5, 10]), Ok(5));
        assert!(disk.list("snap").contains(&format!("{name}.broken")));
        disk.write("snap/0000000000000001-0000000000000014.snap", 0, b"");
        assert_eq!(newest(&mut disk, &[5, 20]), Ok(5));
    }
}
