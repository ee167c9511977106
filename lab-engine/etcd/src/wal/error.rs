//! Why a log cannot be read, in etcd's words.

use thiserror::Error;

/// A refusal of the log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WalError {
    /// There is a log already (`os.ErrExist`).
    #[error("file already exists")]
    Exists,
    /// The directory has no segment.
    #[error("wal: file not found")]
    FileNotFound,
    /// No segment begins at or before the snapshot.
    #[error("wal: file not found which matches the snapshot index '{0}'")]
    NoSegmentFor(u64),
    /// A segment is missing between others.
    #[error("wal: file sequence numbers (starting from {0}) do not increase continuously")]
    Gap(usize),
    /// A record's checksum is not that of its data and of all data before it.
    #[error("walpb: crc mismatch: expected: {expected:x} computed: {computed:x}: in file '{file}' at position: {position}")]
    CrcMismatch {
        /// The checksum in the record.
        expected: u32,
        /// The checksum of what is there.
        computed: u32,
        /// The segment.
        file: String,
        /// Where the record begins.
        position: u64,
    },
    /// A segment does not go on where the one before it ends.
    #[error("walpb: crc mismatch")]
    ChainMismatch,
    /// A record was written in part: the log can be repaired if it is the last one ([`repair`](crate::wal::repair())).
    #[error("unexpected EOF: in file '{file}' at position: {position}")]
    Torn {
        /// The segment.
        file: String,
        /// Where the record begins.
        position: u64,
    },
    /// A record is none.
    #[error("proto: cannot parse invalid wire-format data: in file '{file}' at position: {position}")]
    Unmarshal {
        /// The segment.
        file: String,
        /// Where the record begins.
        position: u64,
    },
    /// A record is of no known type.
    #[error("unexpected block type {0}")]
    UnexpectedType(i64),
    /// Segments are of different members.
    #[error("wal: conflicting metadata found")]
    MetadataConflict,
    /// The snapshot was never written down here.
    #[error("wal: snapshot not found")]
    SnapshotNotFound,
    /// The snapshot that was written down is of another term.
    #[error("wal: snapshot mismatch")]
    SnapshotMismatch,
    /// An entry lies beyond the one that must come next.
    #[error(
        "wal: slice bounds out of range, snapshot[Index: {snapshot_index}, Term: {snapshot_term}], \
         current entry[Index: {index}, Term: {term}], len(ents): {entries}"
    )]
    SliceOutOfRange {
        /// The snapshot that the log is read from.
        snapshot_index: u64,
        /// Its term.
        snapshot_term: u64,
        /// The entry's place.
        index: u64,
        /// The entry's term.
        term: u64,
        /// How many entries precede it.
        entries: usize,
    },
}
