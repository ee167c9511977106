//! The write-ahead log: what a member promises is here before the promise is given.
//!
//! A log is a row of segments, files named by their number and the first entry that they may hold
//! (`0000000000000001-00000000000003e9.wal`). A segment is a row of records (`walpb.Record`): the checksum so far, the member's metadata and the
//! hard state first, then entries, hard states and marks of snapshots as they come. Each record has a checksum of its data and all data
//! before it, over all segments: a record that is lost or altered anywhere breaks the chain.
//!
//! ```
//! use etcd::disk::SimDisk;
//! use etcd::wal::{Entry, SnapshotMark, Wal};
//!
//! let mut disk = SimDisk::default();
//! let mut wal = Wal::create(&mut disk, "member/wal", b"member 1".to_vec())?;
//! wal.save(&mut disk, None, &[Entry { term: 1, index: 1, data: Some(b"hello".to_vec()), ..Entry::default() }]);
//! wal.sync(&mut disk);
//! let (_, found) = Wal::open(&mut disk, "member/wal", &SnapshotMark::default())?;
//! assert_eq!(found.entries[0].data.as_deref(), Some(&b"hello"[..]));
//! # Ok::<(), etcd::wal::WalError>(())
//! ```
//!
//! Models `server/storage/wal` of etcd v3.6. The bytes are those that etcd writes.
//!
//! **Simplified here:** nothing is synced by [`Wal::save`]: its owner does that when the disk's time has passed ([`Wal::sync`]); a file that
//! is released is removed at once, where etcd keeps the last five (`--max-wals`); no locks on files. As in etcd, the checksum covers a
//! record's data, but not its length and type: a bit that flips there can look like a torn write.

mod decoder;
mod error;
mod frame;
mod repair;

pub use crate::pb::{ConfState, ENTRY_CONF_CHANGE_V2, ENTRY_NORMAL, Entry, HardState, SnapshotMark};
pub use error::WalError;
pub(crate) use frame::checksum;
pub use repair::{Repaired, repair};

use crate::disk::{FileView, SimDisk};
use decoder::Decoder;
use prost::Message;

/// How long a segment gets before the next one is begun (`SegmentSizeBytes`).
pub const SEGMENT_SIZE_BYTES: u64 = 64_000_000;

/// What a log holds from a snapshot on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Whose log it is, as its owner has put it.
    pub metadata: Vec<u8>,
    /// The last hard state.
    pub state: HardState,
    /// The entries after the snapshot, each index once.
    pub entries: Vec<Entry>,
    /// Whether these entries were written before the snapshot's mark by a log that did not have the snapshot's last entry: the snapshot came
    /// from another member and replaced that log, and nothing was written since. etcd takes them for the log none the less, and may then
    /// vote for a candidate that lacks what the snapshot covers.
    pub unrelated: bool,
}

/// A log that is open for writing.
#[derive(Clone, Debug)]
pub struct Wal {
    dir: String,
    metadata: Vec<u8>,
    state: HardState,
    /// The index of the last entry that was saved.
    last_index: u64,
    crc: u32,
    /// The number of the last segment, its name, and where it ends.
    seq: u64,
    tail: String,
    offset: u64,
    segment_bytes: u64,
}

impl Wal {
    /// A new log in `dir`, with the mark of the empty snapshot in it.
    ///
    /// # Errors
    /// [`WalError::Exists`].
    pub fn create(disk: &mut SimDisk, dir: &str, metadata: Vec<u8>) -> Result<Self, WalError> {
        if !segments(disk, dir).is_empty() {
            return Err(WalError::Exists);
        }
        let mut wal = Wal::begin(disk, dir, 0, 0, metadata, HardState::default());
        wal.save_snapshot(disk, &SnapshotMark::default());
        wal.sync(disk);
        Ok(wal)
    }

    /// A log that begins with this segment, in the place of whatever is in `dir`: what was before is covered by a snapshot. It is on the disk
    /// whole or not at all.
    pub(crate) fn begin(disk: &mut SimDisk, dir: &str, seq: u64, first_index: u64, metadata: Vec<u8>, state: HardState) -> Self {
        let old = segments(disk, dir);
        let mut wal = Wal {
            dir: dir.to_owned(),
            metadata,
            state,
            last_index: first_index.saturating_sub(1),
            crc: 0,
            seq,
            tail: String::new(),
            offset: 0,
            segment_bytes: SEGMENT_SIZE_BYTES,
        };
        wal.begin_segment(disk, first_index);
        old.iter().filter(|segment| segment.name != wal.tail).for_each(|segment| disk.remove(&segment.name));
        disk.sync_names();
        wal
    }

    /// Opens a log for writing and reads it from a snapshot on, the default being the empty one. What lies behind the last record is
    /// zeroed, so that it cannot be taken for records later. As in etcd, it is not an error if the snapshot was never marked; its owner
    /// takes one of [`valid_snapshots`].
    ///
    /// # Errors
    /// Any [`WalError`] but [`WalError::Exists`] and [`WalError::SnapshotNotFound`].
    pub fn open(disk: &mut SimDisk, dir: &str, snapshot: &SnapshotMark) -> Result<(Self, Contents), WalError> {
        let (chosen, scan) = scan(disk, dir, snapshot)?;
        if let Some(error) = scan.end {
            return Err(error);
        }
        let Some(last) = chosen.last() else { return Err(WalError::FileNotFound) };
        let len = disk.read(&last.name).map_or(0, |file| file.len);
        disk.set_len(&last.name, scan.offset);
        disk.set_len(&last.name, len);
        disk.sync(&last.name);
        let wal = Wal {
            dir: dir.to_owned(),
            metadata: scan.contents.metadata.clone(),
            state: scan.contents.state,
            last_index: scan.last_index,
            crc: scan.crc,
            seq: last.seq,
            tail: last.name.clone(),
            offset: scan.offset,
            segment_bytes: SEGMENT_SIZE_BYTES,
        };
        Ok((wal, scan.contents))
    }

    /// Reads a log from a snapshot on. A torn last record is passed over: whoever only reads may come while it is being written.
    ///
    /// # Errors
    /// Any [`WalError`] but [`WalError::Exists`] and [`WalError::Torn`].
    pub fn read(disk: &SimDisk, dir: &str, snapshot: &SnapshotMark) -> Result<Contents, WalError> {
        let (_, scan) = scan(disk, dir, snapshot)?;
        match scan.end {
            None | Some(WalError::Torn { .. }) if scan.matched => Ok(scan.contents),
            None | Some(WalError::Torn { .. }) => Err(WalError::SnapshotNotFound),
            Some(error) => Err(error),
        }
    }

    /// The same log with segments of another length.
    #[must_use]
    pub fn segment_bytes(self, bytes: u64) -> Self {
        Wal { segment_bytes: bytes, ..self }
    }

    /// The last segment's name, and where the next record will stand in it.
    pub fn position(&self) -> (&str, u64) {
        (&self.tail, self.offset)
    }

    /// The number of the last segment.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The index of the last entry that was saved.
    pub fn last_index(&self) -> u64 {
        self.last_index
    }

    /// Writes entries, then a hard state. They are safe after [`Wal::sync`].
    pub fn save(&mut self, disk: &mut SimDisk, state: Option<HardState>, entries: &[Entry]) {
        for entry in entries {
            self.append(disk, frame::ENTRY, Some(entry.encode_to_vec()));
            self.last_index = entry.index;
        }
        if let Some(state) = state.filter(|state| *state != HardState::default()) {
            self.state = state;
            self.append(disk, frame::STATE, Some(state.encode_to_vec()));
        }
        if self.offset >= self.segment_bytes {
            self.cut(disk);
        }
    }

    /// Writes down that there is a snapshot.
    pub fn save_snapshot(&mut self, disk: &mut SimDisk, mark: &SnapshotMark) {
        self.append(disk, frame::SNAPSHOT, Some(mark.encode_to_vec()));
        // Entries that a received snapshot covers are never written.
        self.last_index = self.last_index.max(mark.index);
    }

    /// Makes everything that was written safe.
    pub fn sync(&self, disk: &mut SimDisk) {
        disk.sync(&self.tail);
    }

    /// Ends the segment and begins the next one, which repeats what must be known: the checksum, the metadata and the hard state.
    pub fn cut(&mut self, disk: &mut SimDisk) {
        disk.set_len(&self.tail, self.offset);
        self.sync(disk);
        self.seq += 1;
        self.begin_segment(disk, self.last_index.saturating_add(1));
    }

    /// Removes the segments that are not needed any more when all up to `index` is in a snapshot: those before the last one that begins
    /// before it (`ReleaseLockTo`).
    pub fn release_to(&mut self, disk: &mut SimDisk, index: u64) {
        let segments = segments(disk, &self.dir);
        let after = segments.iter().position(|segment| segment.first_index >= index).unwrap_or(segments.len());
        for segment in &segments[..after.saturating_sub(1)] {
            disk.remove(&segment.name);
        }
        disk.sync_names();
    }

    /// Begins a segment under another name, so that it is there whole or not at all.
    fn begin_segment(&mut self, disk: &mut SimDisk, first_index: u64) {
        let name = format!("{}/{:016x}-{first_index:016x}.wal", self.dir, self.seq);
        let made = format!("{}/0.tmp", self.dir);
        disk.remove(&made);
        (self.tail, self.offset) = (made.clone(), 0);
        disk.set_len(&made, self.segment_bytes);
        let crc = self.crc;
        self.append(disk, frame::CRC, None);
        debug_assert_eq!(self.crc, crc, "nothing is added to the checksum");
        let metadata = self.metadata.clone();
        self.append(disk, frame::METADATA, Some(metadata));
        if self.state != HardState::default() {
            self.append(disk, frame::STATE, Some(self.state.encode_to_vec()));
        }
        self.sync(disk);
        disk.rename(&made, &name);
        disk.sync_names();
        self.tail = name;
    }

    fn append(&mut self, disk: &mut SimDisk, kind: i64, data: Option<Vec<u8>>) {
        self.crc = checksum(self.crc, data.as_deref().unwrap_or_default());
        let mut bytes = Vec::new();
        frame::encode(kind, self.crc, data, &mut bytes);
        disk.write(&self.tail, self.offset, &bytes);
        self.offset += bytes.len() as u64;
    }
}

/// The snapshots that the log of `dir` tells of and that are committed, oldest first; a member starts from the newest of which it has the
/// file. A torn last record is passed over.
///
/// # Errors
/// Any [`WalError`] that damage of a segment brings about, and [`WalError::FileNotFound`].
pub fn valid_snapshots(disk: &SimDisk, dir: &str) -> Result<Vec<SnapshotMark>, WalError> {
    let all = segments(disk, dir);
    if all.is_empty() {
        return Err(WalError::FileNotFound);
    }
    let (mut marks, mut state) = (Vec::new(), HardState::default());
    let mut decoder = Decoder::new(views(disk, &all));
    loop {
        match decoder.next() {
            Ok(Some(decoded)) => {
                let data = decoded.record.data.unwrap_or_default();
                match decoded.record.kind {
                    frame::SNAPSHOT => marks.push(parse::<SnapshotMark>(&decoder, &data)?),
                    frame::STATE => state = parse(&decoder, &data)?,
                    _ => {}
                }
            }
            Ok(None) | Err(WalError::Torn { .. }) => break,
            Err(error) => return Err(error),
        }
    }
    marks.retain(|mark| mark.index <= state.commit);
    Ok(marks)
}

/// The first entry that the first segment in `dir` may hold; 0 without one.
pub(crate) fn first_index(disk: &SimDisk, dir: &str) -> u64 {
    segments(disk, dir).first().map_or(0, |segment| segment.first_index)
}

/// Where the data of each record of a log lies that has any: the segment's name, the offset, the length. For those who want to damage it.
///
/// # Errors
/// As [`valid_snapshots`].
pub fn data_of_records(disk: &SimDisk, dir: &str) -> Result<Vec<(String, u64, u64)>, WalError> {
    let mut found = Vec::new();
    let mut decoder = Decoder::new(views(disk, &segments(disk, dir)));
    while let Some(decoded) = decoder.next()? {
        let len = decoded.record.data.map_or(0, |data| data.len() as u64);
        if len > 0 {
            found.push((decoder.segment().to_owned(), decoded.data_end - len, len));
        }
    }
    Ok(found)
}

/// A segment by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    seq: u64,
    first_index: u64,
    name: String,
}

/// The segments in a directory, in order. Other files do not matter.
fn segments(disk: &SimDisk, dir: &str) -> Vec<Segment> {
    let prefix = format!("{dir}/");
    let parse = |name: &String| {
        let (seq, first_index) = name.strip_prefix(&prefix)?.strip_suffix(".wal")?.split_once('-')?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
        Some(Segment { seq: number(seq)?, first_index: number(first_index)?, name: name.clone() })
    };
    disk.list(&prefix).iter().filter_map(parse).collect()
}

fn views<'a>(disk: &'a SimDisk, segments: &[Segment]) -> Vec<(String, FileView<'a>)> {
    segments.iter().filter_map(|segment| Some((segment.name.clone(), disk.read(&segment.name)?))).collect()
}

/// What was read of a log.
#[derive(Debug, Default)]
struct Scan {
    contents: Contents,
    /// Whether the mark of the snapshot was seen.
    matched: bool,
    /// The term of the entry in the snapshot's place.
    term_at_snapshot: Option<u64>,
    last_index: u64,
    crc: u32,
    /// Where the last record ends in the last segment.
    offset: u64,
    /// Why it was not read to its end.
    end: Option<WalError>,
}

/// Reads the segments from the one on that a snapshot needs. A log that contradicts itself is an error; one that cannot be read further
/// says so in [`Scan::end`].
fn scan(disk: &SimDisk, dir: &str, snapshot: &SnapshotMark) -> Result<(Vec<Segment>, Scan), WalError> {
    let mut chosen = segments(disk, dir);
    if chosen.is_empty() {
        return Err(WalError::FileNotFound);
    }
    let start = chosen.iter().rposition(|segment| segment.first_index <= snapshot.index);
    let start = start.ok_or(WalError::NoSegmentFor(snapshot.index))?;
    chosen.drain(..start);
    if chosen.windows(2).any(|pair| pair[0].seq.checked_add(1) != Some(pair[1].seq)) {
        return Err(WalError::Gap(start));
    }
    let mut scan = Scan::default();
    let mut decoder = Decoder::new(views(disk, &chosen));
    let mut metadata = None;
    loop {
        match decoder.next() {
            Ok(Some(decoded)) => {
                let data = decoded.record.data.unwrap_or_default();
                scan.take(&decoder, snapshot, decoded.record.kind, data, &mut metadata)?;
            }
            Ok(None) => break,
            Err(error) => {
                scan.end = Some(error);
                break;
            }
        }
    }
    (scan.crc, scan.offset) = (decoder.crc(), decoder.offset());
    scan.contents.metadata = metadata.unwrap_or_default();
    Ok((chosen, scan))
}

impl Scan {
    fn take(
        &mut self,
        decoder: &Decoder<'_>,
        snapshot: &SnapshotMark,
        kind: i64,
        data: Vec<u8>,
        metadata: &mut Option<Vec<u8>>,
    ) -> Result<(), WalError> {
        match kind {
            frame::ENTRY => self.take_entry(snapshot, parse(decoder, &data)?)?,
            frame::STATE => self.contents.state = parse(decoder, &data)?,
            frame::METADATA if metadata.as_ref().is_some_and(|known| *known != data) => return Err(WalError::MetadataConflict),
            frame::METADATA => *metadata = Some(data),
            frame::CRC => {}
            frame::SNAPSHOT => {
                let mark: SnapshotMark = parse(decoder, &data)?;
                if mark.index == snapshot.index {
                    if mark.term != snapshot.term {
                        return Err(WalError::SnapshotMismatch);
                    }
                    self.matched = true;
                    let has_it = mark.index == 0 || self.term_at_snapshot == Some(mark.term);
                    self.contents.unrelated = !has_it && !self.contents.entries.is_empty();
                }
                self.last_index = self.last_index.max(mark.index);
            }
            other => return Err(WalError::UnexpectedType(other)),
        }
        Ok(())
    }

    /// Adds an entry. It replaces whatever there is from its place on.
    fn take_entry(&mut self, snapshot: &SnapshotMark, entry: Entry) -> Result<(), WalError> {
        self.last_index = entry.index;
        if entry.index <= snapshot.index {
            self.term_at_snapshot = (entry.index == snapshot.index).then_some(entry.term);
        }
        let Some(place) = entry.index.checked_sub(snapshot.index).and_then(|after| after.checked_sub(1)) else { return Ok(()) };
        let entries = &mut self.contents.entries;
        match usize::try_from(place) {
            Ok(place) if place <= entries.len() => {
                self.contents.unrelated &= place > 0;
                entries.truncate(place);
                entries.push(entry);
                Ok(())
            }
            _ => Err(WalError::SliceOutOfRange {
                snapshot_index: snapshot.index,
                snapshot_term: snapshot.term,
                index: entry.index,
                term: entry.term,
                entries: entries.len(),
            }),
        }
    }
}

fn parse<T: Message + Default>(decoder: &Decoder<'_>, data: &[u8]) -> Result<T, WalError> {
    let unmarshal = |_| WalError::Unmarshal { file: decoder.segment().to_owned(), position: decoder.offset() };
    T::decode(data).map_err(unmarshal)
}

#[cfg(test)]
mod tests;
