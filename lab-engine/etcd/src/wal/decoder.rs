//! Reads records, and tells a write that was cut short from damage.
//!
//! The last record of the last segment may have reached the disk in part: the file ends inside it, or one of its sectors is still as it was
//! allocated, all zero. Then the log was torn by a crash, and what is torn was never promised to anybody. Any other record that does not
//! fit its checksum was damaged, and cannot be made good.
//!
//! Models `server/storage/wal/decoder.go`.

use super::WalError;
use super::frame::{CRC, FRAME_SIZE_BYTES, checksum, decode_frame_size};
use crate::disk::{FileView, SECTOR};
use crate::pb;
use prost::Message;
use std::borrow::Cow;
use std::collections::VecDeque;

/// A record, and where it stands.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) record: pb::Record,
    /// Where its data ends in its segment.
    pub(super) data_end: u64,
}

/// Goes through segments from the first to the last.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    segments: VecDeque<(String, FileView<'a>)>,
    crc: u32,
    /// Up to where the present segment was read.
    offset: u64,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(segments: impl IntoIterator<Item = (String, FileView<'a>)>) -> Self {
        Decoder { segments: segments.into_iter().collect(), crc: 0, offset: 0 }
    }

    /// The next record; none at the end of the last segment.
    ///
    /// # Errors
    /// [`WalError::Torn`], [`WalError::CrcMismatch`], [`WalError::ChainMismatch`], [`WalError::Unmarshal`].
    pub(super) fn next(&mut self) -> Result<Option<Decoded>, WalError> {
        loop {
            let Some((_, file)) = self.segments.front() else { return Ok(None) };
            let field = match file.len.saturating_sub(self.offset) {
                0 => 0,
                1..FRAME_SIZE_BYTES => return Err(self.torn()),
                _ => length_field(file, self.offset),
            };
            if field != 0 {
                return self.record(field).map(Some);
            }
            // The end of the file, or space that was allocated and not used.
            if self.segments.len() == 1 {
                return Ok(None);
            }
            self.segments.pop_front();
            self.offset = 0;
        }
    }

    /// The checksum of all data so far.
    pub(super) fn crc(&self) -> u32 {
        self.crc
    }

    /// Up to where the present segment was read: the end of its last valid record.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The segment that is being read.
    pub(super) fn segment(&self) -> &str {
        self.segments.front().map_or("", |(name, _)| name)
    }

    fn record(&mut self, field: u64) -> Result<Decoded, WalError> {
        let Some(&(_, file)) = self.segments.front() else { return Err(self.torn()) };
        let (record_bytes, pad) = decode_frame_size(field);
        let limit = file.len.saturating_sub(self.offset).saturating_sub(pad);
        let start = self.offset + FRAME_SIZE_BYTES;
        if record_bytes > limit || start + record_bytes + pad > file.len {
            return Err(self.torn());
        }
        let Some(bytes) = content(file, start, record_bytes + pad) else {
            // It goes on for sectors that were never written.
            return Err(if self.segments.len() == 1 { self.torn() } else { self.unmarshal() });
        };
        let record = match pb::Record::decode(&bytes[..bytes.len() - usize::try_from(pad).unwrap_or(0)]) {
            Ok(record) => record,
            Err(_) => return Err(if self.is_torn(&bytes) { self.torn() } else { self.unmarshal() }),
        };
        let data = record.data.as_deref().unwrap_or_default();
        if record.kind == CRC {
            // The first segment that is read may begin anywhere in the chain.
            if self.crc != 0 && self.crc != record.crc {
                return Err(WalError::ChainMismatch);
            }
            self.crc = record.crc;
        } else {
            let computed = checksum(self.crc, data);
            if computed != record.crc {
                return Err(if self.is_torn(&bytes) { self.torn() } else { self.mismatch(record.crc, computed) });
            }
            self.crc = computed;
        }
        self.offset = start + record_bytes + pad;
        Ok(Decoded { data_end: start + record_bytes, record })
    }

    /// Whether a part of a record was never written: one of the sectors that it lies in has nothing of it but zeros.
    fn is_torn(&self, bytes: &[u8]) -> bool {
        if self.segments.len() != 1 {
            return false;
        }
        let mut rest = bytes;
        let mut at = self.offset + FRAME_SIZE_BYTES;
        while !rest.is_empty() {
            let len = usize::try_from(SECTOR - at % SECTOR).unwrap_or(usize::MAX).min(rest.len());
            let (sector, after) = rest.split_at(len);
            if sector.iter().all(|byte| *byte == 0) {
                return true;
            }
            (rest, at) = (after, at + len as u64);
        }
        false
    }

    fn torn(&self) -> WalError {
        WalError::Torn { file: self.segment().to_owned(), position: self.offset }
    }

    fn unmarshal(&self) -> WalError {
        WalError::Unmarshal { file: self.segment().to_owned(), position: self.offset }
    }

    fn mismatch(&self, expected: u32, computed: u32) -> WalError {
        WalError::CrcMismatch { expected, computed, file: self.segment().to_owned(), position: self.offset }
    }
}

/// The length field at an offset; the file has eight bytes there.
fn length_field(file: &FileView<'_>, at: u64) -> u64 {
    let mut field = [0; 8];
    let stored = usize::try_from(at).ok().and_then(|at| file.bytes.get(at..)).unwrap_or_default();
    let len = stored.len().min(8);
    field[..len].copy_from_slice(&stored[..len]);
    u64::from_le_bytes(field)
}

/// A part of a file; `None` when most of it was never written, so that no length field makes anybody allocate what is not there.
fn content(file: FileView<'_>, at: u64, len: u64) -> Option<Cow<'_, [u8]>> {
    let (start, end) = (usize::try_from(at).ok()?, usize::try_from(at.checked_add(len)?).ok()?);
    if let Some(bytes) = file.bytes.get(start..end) {
        return Some(Cow::Borrowed(bytes));
    }
    let missing = end - file.bytes.len().max(start);
    if missing as u64 > 2 * SECTOR {
        return None;
    }
    let mut bytes = file.bytes.get(start..).unwrap_or_default().to_vec();
    bytes.resize(end - start, 0);
    Some(Cow::Owned(bytes))
}
