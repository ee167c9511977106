//! Cuts a torn last record off.
//!
//! What is torn was never synced, and so never promised. Damage is not torn, and stays: a log that was damaged must not look like a shorter
//! one.
//!
//! Models `server/storage/wal/repair.go`.

use super::decoder::Decoder;
use super::{WalError, segments, views};
use crate::disk::SimDisk;

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// Nothing: the last segment can be read to its end.
    Clean,
    /// The last segment was cut off, and kept as it was under another name.
    Truncated {
        /// The segment.
        file: String,
        /// Its length now.
        len: u64,
        /// The copy of what it was.
        copy: String,
    },
}

/// Repairs the last segment of the log in `dir`. As etcd does, it looks at that one only: damage before it is found when the log is opened.
///
/// # Errors
/// [`WalError::FileNotFound`], and any damage that is not a torn end. Nothing was changed then.
pub fn repair(disk: &mut SimDisk, dir: &str) -> Result<Repaired, WalError> {
    let all = segments(disk, dir);
    let Some(last) = all.last() else { return Err(WalError::FileNotFound) };
    let mut decoder = Decoder::new(views(disk, std::slice::from_ref(last)));
    let torn = loop {
        match decoder.next() {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Repaired::Clean),
            Err(WalError::Torn { .. }) => break decoder.offset(),
            Err(error) => return Err(error),
        }
    };
    let copy = format!("{}.broken", last.name);
    if let Some(file) = disk.read(&last.name) {
        let (bytes, len) = (file.bytes.to_vec(), file.len);
        disk.write(&copy, 0, &bytes);
        disk.set_len(&copy, len);
    }
    disk.set_len(&last.name, torn);
    disk.sync(&last.name);
    Ok(Repaired::Truncated { file: last.name.clone(), len: torn, copy })
}
