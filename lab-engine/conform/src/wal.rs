//! The area `wal`: a log on a disk that is damaged and repaired between openings.
//!
//! | step `op` | keys |
//! |---|---|
//! | `save` | `entries` (`index`, `term`, `data`), `hard_state` (`term`, `vote`, `commit`). A save of one entry is a record, counted from 1 |
//! | `save_snapshot` | `index`, `term` |
//! | `new_segment`, `close` | |
//! | `corrupt` | `kind`, and `record`, `drop_bytes`, `keep_bytes`, `keep_percent`, `bytes`, `length`, `segment`, `keep_bytes` as the kind wants |
//! | `open` | `mode` (`write`, `read`), `snapshot`, `expect`: `result` and `indexes`, `terms`, `data`, `hard_state`, `metadata` |
//! | `repair` | `expect`: `result` |
//! | `create_again` | `expect`: `result` |

use crate::keys::only;
use crate::{Miss, Outcome};
use etcd::disk::{SECTOR, SimDisk};
use etcd::wal::{Contents, Entry, HardState, SnapshotMark, Wal, WalError, repair};
use serde_json::Value;

const DIR: &str = "wal";

/// What the log's owner puts into it: what the case says, or expects to find again.
fn metadata(case: &Value) -> Vec<u8> {
    let expected = || list(&case["steps"]).iter().find_map(|step| step["expect"]["metadata"].as_str());
    case["metadata"].as_str().or_else(expected).unwrap_or("conform").as_bytes().to_vec()
}

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    only("the case", case, &["id", "source", "title", "steps", "policy_dependent", "requires", "metadata"])?;
    let mut bench = Bench::new(metadata(case))?;
    let steps = case["steps"].as_array().ok_or_else(|| Miss::Malformed("the case has no steps".to_owned()))?;
    for (number, step) in steps.iter().enumerate() {
        bench.step(&format!("step {number}"), step)?;
    }
    Ok(())
}

/// A record of one entry: the segment, where it begins, and where its bytes end.
#[derive(Clone, Debug)]
struct Record {
    segment: String,
    start: u64,
    end: u64,
}

struct Bench {
    disk: SimDisk,
    wal: Option<Wal>,
    metadata: Vec<u8>,
    records: Vec<Record>,
}

impl Bench {
    fn new(metadata: Vec<u8>) -> Result<Self, Miss> {
        let mut disk = SimDisk::default();
        let wal = Wal::create(&mut disk, DIR, metadata.clone()).map_err(|error| Miss::failed("create", "a log", error))?;
        Ok(Bench { disk, wal: Some(wal), metadata, records: Vec::new() })
    }

    fn step(&mut self, at: &str, step: &Value) -> Outcome {
        match step["op"].as_str().unwrap_or_default() {
            "save" => self.save(step),
            "save_snapshot" => {
                only("save_snapshot", step, &["op", "index", "term"])?;
                let mark = mark(step)?;
                let (wal, disk) = self.writer()?;
                wal.save_snapshot(disk, &mark);
                Ok(())
            }
            "new_segment" => {
                only("new_segment", step, &["op"])?;
                let (wal, disk) = self.writer()?;
                wal.cut(disk);
                Ok(())
            }
            "close" => {
                only("close", step, &["op"])?;
                if let Some(wal) = self.wal.take() {
                    wal.sync(&mut self.disk);
                }
                Ok(())
            }
            "corrupt" => self.corrupt(step),
            "open" => self.open(at, step),
            "repair" => {
                only("repair", step, &["op", "expect"])?;
                let result = if repair(&mut self.disk, DIR).is_ok() { "repaired" } else { "refused" };
                expect_result(at, &step["expect"], result)
            }
            "create_again" => {
                only("create_again", step, &["op", "expect"])?;
                let result = match Wal::create(&mut self.disk, DIR, self.metadata.clone()) {
                    Err(WalError::Exists) => "exists",
                    Err(_) => "error",
                    Ok(_) => "ok",
                };
                expect_result(at, &step["expect"], result)
            }
            other => Err(Miss::Malformed(format!("unknown op {other:?}"))),
        }
    }

    fn writer(&mut self) -> Result<(&mut Wal, &mut SimDisk), Miss> {
        let closed = || Miss::Malformed("no log is open for writing".to_owned());
        Ok((self.wal.as_mut().ok_or_else(closed)?, &mut self.disk))
    }

    fn save(&mut self, step: &Value) -> Outcome {
        only("save", step, &["op", "entries", "hard_state"])?;
        let entries: Vec<Entry> = list(&step["entries"]).iter().map(entry).collect::<Result<_, _>>()?;
        let state = hard_state(&step["hard_state"])?;
        let (wal, disk) = self.writer()?;
        let (segment, start) = wal.position();
        let (segment, start) = (segment.to_owned(), start);
        wal.save(disk, None, &entries);
        let end = wal.position().1;
        wal.save(disk, state, &[]);
        if entries.len() == 1 {
            self.records.push(Record { segment, start, end });
        }
        Ok(())
    }

    fn corrupt(&mut self, step: &Value) -> Outcome {
        only("corrupt", step, &["op", "kind", "record", "drop_bytes", "keep_bytes", "keep_percent", "bytes", "length", "segment"])?;
        let number = |key: &str| step[key].as_u64();
        let want = |key: &str| number(key).ok_or_else(|| Miss::Malformed(format!("corrupt has no {key}")));
        let record = || {
            let place = want("record")?.checked_sub(1).and_then(|place| self.records.get(usize::try_from(place).ok()?));
            place.cloned().ok_or_else(|| Miss::Malformed("there is no such record".to_owned()))
        };
        match step["kind"].as_str().unwrap_or_default() {
            "truncate_record" => {
                let record = record()?;
                let len = record.end - record.start;
                let kept = match (number("drop_bytes"), number("keep_bytes"), number("keep_percent")) {
                    (Some(dropped), None, None) => len.saturating_sub(dropped),
                    (None, Some(kept), None) => kept.min(len),
                    (None, None, Some(percent)) => len * percent.min(100) / 100,
                    _ => return Err(Miss::Malformed("one of drop_bytes, keep_bytes and keep_percent must be given".to_owned())),
                };
                self.disk.set_len(&record.segment, record.start + kept);
            }
            "append_zeros" => {
                let (segment, end) = self.last_end()?;
                self.disk.set_len(&segment, end + want("bytes")?);
            }
            "truncate_to_last_record_end" => {
                let (segment, end) = self.last_end()?;
                self.disk.set_len(&segment, end);
            }
            "set_record_length" => {
                let record = record()?;
                self.disk.write(&record.segment, record.start, &want("length")?.to_le_bytes());
                self.disk.set_len(&record.segment, record.end);
            }
            "flip_payload_bit" => {
                let record = record()?;
                // The last byte before the padding belongs to the entry, and to its data if it has any.
                let len = self.length_field(&record) & (u64::MAX >> 8);
                self.disk.flip_bit(&record.segment, record.start + 8 + len - 1, 0);
            }
            "truncate_segment" => {
                let place = usize::try_from(want("segment")?).unwrap_or(usize::MAX);
                let segments = self.segments();
                let segment = segments.get(place).ok_or_else(|| Miss::Malformed("there is no such segment".to_owned()))?;
                self.disk.set_len(segment, number("keep_bytes").unwrap_or(0));
            }
            kind => self.zero_in(kind, &record()?)?,
        }
        Ok(())
    }

    /// Leaves zeros where a record was.
    fn zero_in(&mut self, kind: &str, record: &Record) -> Outcome {
        let sector = (record.start + 8).next_multiple_of(SECTOR);
        let len = self.disk.read(&record.segment).map_or(0, |file| file.len);
        match kind {
            "zero_record" => self.zero(&record.segment, record.start, record.end),
            "zero_from_sector_boundary_inside" if sector < record.end => {
                self.disk.set_len(&record.segment, sector);
                self.disk.set_len(&record.segment, len);
            }
            "zero_one_sector_inside" if sector + SECTOR <= record.end => self.zero(&record.segment, sector, sector + SECTOR),
            "zero_from_sector_boundary_inside" | "zero_one_sector_inside" => {
                return Err(Miss::Malformed("the record is too short to have such a sector".to_owned()));
            }
            other => return Err(Miss::Malformed(format!("unknown kind {other:?}"))),
        }
        Ok(())
    }

    fn segments(&self) -> Vec<String> {
        self.disk.list(DIR).into_iter().filter(|name| name.ends_with(".wal")).collect()
    }

    /// The last segment and the end of its last record.
    fn last_end(&self) -> Result<(String, u64), Miss> {
        let record = self.records.last().ok_or_else(|| Miss::Malformed("nothing was saved".to_owned()))?;
        Ok((record.segment.clone(), record.end))
    }

    fn length_field(&self, record: &Record) -> u64 {
        let start = usize::try_from(record.start).unwrap_or(usize::MAX);
        let field = self.disk.read(&record.segment).and_then(|file| file.bytes.get(start..start + 8)?.try_into().ok());
        u64::from_le_bytes(field.unwrap_or_default())
    }

    fn zero(&mut self, segment: &str, start: u64, end: u64) {
        let len = usize::try_from(end - start).unwrap_or(0);
        self.disk.write(segment, start, &vec![0; len]);
    }

    fn open(&mut self, at: &str, step: &Value) -> Outcome {
        only("open", step, &["op", "mode", "snapshot", "expect"])?;
        let snapshot = if step["snapshot"].is_null() { SnapshotMark::default() } else { mark(&step["snapshot"])? };
        let found = match step["mode"].as_str() {
            Some("read") => Wal::read(&self.disk, DIR, &snapshot),
            Some("write") | None => Wal::open(&mut self.disk, DIR, &snapshot).map(|(wal, contents)| {
                self.wal = Some(wal);
                contents
            }),
            Some(other) => return Err(Miss::Malformed(format!("unknown mode {other:?}"))),
        };
        let expect = &step["expect"];
        only("expect", expect, &["result", "indexes", "terms", "data", "hard_state", "metadata"])?;
        let said = found.as_ref().map_or_else(|error| format!(" ({error})"), |_| String::new());
        Miss::unless_equal(format!("{at}: result{said}"), &expect["result"].as_str().unwrap_or("ok"), &result(&found))?;
        let Ok(contents) = found else { return Ok(()) };
        compare(at, expect, &contents)
    }
}

/// A finding in the words of the vectors.
fn result(found: &Result<Contents, WalError>) -> &'static str {
    match found {
        Ok(_) => "ok",
        Err(WalError::Torn { .. }) => "torn",
        Err(WalError::CrcMismatch { .. } | WalError::ChainMismatch | WalError::Unmarshal { .. }) => "corrupt",
        Err(WalError::SliceOutOfRange { .. }) => "index-gap",
        Err(WalError::SnapshotNotFound) => "snapshot-not-found",
        Err(WalError::SnapshotMismatch) => "snapshot-mismatch",
        Err(WalError::FileNotFound | WalError::NoSegmentFor(_)) => "file-not-found",
        Err(_) => "error",
    }
}

fn compare(at: &str, expect: &Value, contents: &Contents) -> Outcome {
    let numbers = |key: &str, of: fn(&Entry) -> u64| {
        let Some(wanted) = expect[key].as_array() else { return Ok(()) };
        let wanted: Vec<Option<u64>> = wanted.iter().map(Value::as_u64).collect();
        let found: Vec<Option<u64>> = contents.entries.iter().map(of).map(Some).collect();
        Miss::unless_equal(format!("{at}: {key}"), &wanted, &found)
    };
    numbers("indexes", |entry| entry.index)?;
    numbers("terms", |entry| entry.term)?;
    if let Some(wanted) = expect["data"].as_array() {
        let wanted: Vec<&str> = wanted.iter().map(|data| data.as_str().unwrap_or_default()).collect();
        let text = |entry: &Entry| String::from_utf8_lossy(entry.data.as_deref().unwrap_or_default()).into_owned();
        let found: Vec<String> = contents.entries.iter().map(text).collect();
        Miss::unless_equal(format!("{at}: data"), &wanted, &found.iter().map(String::as_str).collect())?;
    }
    if let Some(wanted) = hard_state(&expect["hard_state"])? {
        Miss::unless_equal(format!("{at}: hard_state"), &wanted, &contents.state)?;
    }
    if let Some(wanted) = expect["metadata"].as_str() {
        Miss::unless_equal(format!("{at}: metadata"), &wanted, &&*String::from_utf8_lossy(&contents.metadata))?;
    }
    Ok(())
}

fn expect_result(at: &str, expect: &Value, result: &str) -> Outcome {
    only("expect", expect, &["result"])?;
    Miss::unless_equal(format!("{at}: result"), &expect["result"].as_str().unwrap_or_default(), &result)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn unsigned(what: &str, value: &Value) -> Result<u64, Miss> {
    value.as_u64().ok_or_else(|| Miss::Malformed(format!("{what} is no number")))
}

fn entry(value: &Value) -> Result<Entry, Miss> {
    only("an entry", value, &["index", "term", "data"])?;
    let data = value["data"].as_str().map(|data| data.as_bytes().to_vec());
    Ok(Entry { index: unsigned("index", &value["index"])?, term: unsigned("term", &value["term"])?, data, ..Entry::default() })
}

fn mark(value: &Value) -> Result<SnapshotMark, Miss> {
    let (index, term) = (unsigned("index", &value["index"])?, unsigned("term", &value["term"])?);
    Ok(SnapshotMark { index, term, conf_state: None })
}

fn hard_state(value: &Value) -> Result<Option<HardState>, Miss> {
    if value.is_null() {
        return Ok(None);
    }
    only("hard_state", value, &["term", "vote", "commit"])?;
    let number = |key: &str| unsigned(key, &value[key]);
    Ok(Some(HardState { term: number("term")?, vote: number("vote")?, commit: number("commit")? }))
}
