//! Segments, what a crash leaves of them, and what damage does.

use super::*;
use proptest::prelude::*;
use sim::Seed;

const DIR: &str = "wal";

fn entry(index: u64, data: impl Into<Vec<u8>>) -> Entry {
    Entry { term: 1, index, data: Some(data.into()), ..Entry::default() }
}

fn create(disk: &mut SimDisk) -> Wal {
    Wal::create(disk, DIR, b"m".to_vec()).unwrap()
}

fn mark(index: u64) -> SnapshotMark {
    SnapshotMark { index, term: 1, conf_state: None }
}

fn open(disk: &mut SimDisk) -> Result<Contents, WalError> {
    Wal::open(disk, DIR, &SnapshotMark::default()).map(|(_, contents)| contents)
}

/// As a member starts: a torn end is cut off, once.
fn recover(disk: &mut SimDisk) -> Result<Contents, WalError> {
    match open(disk) {
        Err(WalError::Torn { .. }) => {
            repair(disk, DIR)?;
            open(disk)
        }
        opened => opened,
    }
}

/// The types of a segment's records.
fn kinds(disk: &SimDisk, name: &str) -> Vec<i64> {
    let mut decoder = Decoder::new([(name.to_owned(), disk.read(name).unwrap())]);
    std::iter::from_fn(|| decoder.next().unwrap()).map(|decoded| decoded.record.kind).collect()
}

#[test]
fn each_segment_begins_with_what_must_be_known() {
    let mut disk = SimDisk::default();
    let mut wal = create(&mut disk);
    let state = HardState { term: 3, vote: 2, commit: 1 };
    wal.save(&mut disk, Some(state), &[entry(1, "a"), entry(2, "b")]);
    wal.cut(&mut disk);
    wal.save(&mut disk, None, &[entry(3, "c")]);
    let (first, second) = ("wal/0000000000000000-0000000000000000.wal", "wal/0000000000000001-0000000000000003.wal");
    assert_eq!(disk.list(""), [first, second]);
    assert_eq!(kinds(&disk, first), [frame::CRC, frame::METADATA, frame::SNAPSHOT, frame::ENTRY, frame::ENTRY, frame::STATE]);
    assert_eq!(kinds(&disk, second), [frame::CRC, frame::METADATA, frame::STATE, frame::ENTRY]);
    assert_eq!(disk.read(second).unwrap().len, SEGMENT_SIZE_BYTES, "it is allocated ahead");
    assert!(disk.read(first).unwrap().len < 1000, "it is cut off when it is full");
}

#[test]
fn a_full_segment_ends_by_itself() {
    let mut disk = SimDisk::default();
    let mut wal = create(&mut disk).segment_bytes(1000);
    (1..=10).for_each(|index| wal.save(&mut disk, None, &[entry(index, vec![7; 400])]));
    // The first holds 1000 bytes after its third entry, all later ones after three, too.
    assert_eq!(segments(&disk, DIR).iter().map(|segment| segment.first_index).collect::<Vec<_>>(), [0, 4, 7, 10]);
    assert_eq!(open(&mut disk).unwrap().entries.len(), 10);
}

#[test]
fn what_a_snapshot_covers_is_released_by_segments() {
    let mut disk = SimDisk::default();
    let mut wal = create(&mut disk);
    for index in 1..=6 {
        wal.save(&mut disk, Some(HardState { term: 1, vote: 0, commit: index }), &[entry(index, "x")]);
        wal.save_snapshot(&mut disk, &mark(index));
        wal.cut(&mut disk);
    }
    let firsts = |disk: &SimDisk| segments(disk, DIR).iter().map(|segment| segment.first_index).collect::<Vec<_>>();
    assert_eq!(firsts(&disk), [0, 2, 3, 4, 5, 6, 7]);
    wal.release_to(&mut disk, 4);
    assert_eq!(firsts(&disk), [3, 4, 5, 6, 7], "the last that begins before the index stays");
    wal.release_to(&mut disk, 4);
    assert_eq!(firsts(&disk), [3, 4, 5, 6, 7]);
    assert_eq!(valid_snapshots(&disk, DIR).unwrap().iter().map(|mark| mark.index).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert_eq!(Wal::read(&disk, DIR, &mark(4)).unwrap().entries, [entry(5, "x"), entry(6, "x")]);
    assert_eq!(Wal::read(&disk, DIR, &mark(2)), Err(WalError::NoSegmentFor(2)));
    assert_eq!(WalError::NoSegmentFor(2).to_string(), "wal: file not found which matches the snapshot index '2'");
}

#[test]
fn a_missing_segment_is_noticed() {
    let mut disk = SimDisk::default();
    assert_eq!(open(&mut disk), Err(WalError::FileNotFound));
    let mut wal = create(&mut disk);
    for index in 1..=3 {
        wal.save(&mut disk, None, &[entry(index, "x")]);
        wal.cut(&mut disk);
    }
    disk.remove("wal/0000000000000002-0000000000000003.wal");
    assert_eq!(open(&mut disk).unwrap_err().to_string(), "wal: file sequence numbers (starting from 0) do not increase continuously");
}

#[test]
fn a_snapshot_that_is_not_committed_does_not_count() {
    let mut disk = SimDisk::default();
    let mut wal = create(&mut disk);
    wal.save(&mut disk, Some(HardState { term: 1, vote: 0, commit: 1 }), &[entry(1, "x"), entry(2, "x")]);
    wal.save_snapshot(&mut disk, &mark(1));
    wal.save_snapshot(&mut disk, &mark(2));
    assert_eq!(valid_snapshots(&disk, DIR).unwrap(), [SnapshotMark::default(), mark(1)]);
}

#[test]
fn only_a_reader_is_told_that_a_snapshot_was_never_marked() {
    let mut disk = SimDisk::default();
    create(&mut disk).save(&mut disk, None, &[entry(1, "x"), entry(2, "x")]);
    assert_eq!(Wal::read(&disk, DIR, &mark(1)), Err(WalError::SnapshotNotFound));
    assert_eq!(Wal::open(&mut disk, DIR, &mark(1)).unwrap().1.entries, [entry(2, "x")]);
}

#[test]
fn entries_that_a_received_snapshot_replaced_are_told_apart() {
    let of_term = |term, index| Entry { term, ..entry(index, "x") };
    let at_two = SnapshotMark { index: 2, term: 2, conf_state: None };
    let contents = |before: &[Entry], after: &[Entry]| {
        let mut disk = SimDisk::default();
        let mut wal = create(&mut disk);
        wal.save(&mut disk, None, before);
        wal.save_snapshot(&mut disk, &at_two);
        wal.save(&mut disk, None, after);
        Wal::open(&mut disk, DIR, &at_two).unwrap().1
    };
    let own = contents(&[of_term(2, 1), of_term(2, 2), of_term(2, 3)], &[]);
    assert_eq!((own.unrelated, own.entries), (false, vec![of_term(2, 3)]));
    let received = contents(&[of_term(1, 1), of_term(1, 2), of_term(1, 3)], &[]);
    assert!(received.unrelated, "the log had another entry there");
    assert!(contents(&[of_term(1, 1), of_term(2, 2), of_term(1, 1), of_term(1, 2), of_term(1, 3)], &[]).unrelated);
    let went_on = contents(&[of_term(1, 1), of_term(1, 2), of_term(1, 3)], &[of_term(2, 3)]);
    assert_eq!((went_on.unrelated, went_on.entries), (false, vec![of_term(2, 3)]));
}

#[test]
fn segments_of_two_members_are_not_one_log() {
    let mut disk = SimDisk::default();
    let mut wal = create(&mut disk);
    wal.metadata = b"another".to_vec();
    wal.cut(&mut disk);
    assert_eq!(open(&mut disk), Err(WalError::MetadataConflict));
}

#[test]
fn a_repair_keeps_a_copy() {
    let mut disk = SimDisk::default();
    let mut wal = create(&mut disk);
    wal.save(&mut disk, None, &[entry(1, "x"), entry(2, vec![1; 2000])]);
    let end = wal.position().1;
    let name = segments(&disk, DIR)[0].name.clone();
    disk.set_len(&name, end - 100);
    let before = disk.read(&name).unwrap().bytes.to_vec();
    let position = before.len() as u64 + 100 - 2032;
    assert_eq!(open(&mut disk), Err(WalError::Torn { file: name.clone(), position }));
    let copy = format!("{name}.broken");
    assert_eq!(repair(&mut disk, DIR), Ok(Repaired::Truncated { file: name.clone(), len: position, copy: copy.clone() }));
    assert_eq!(disk.read(&copy).unwrap().bytes, before);
    assert_eq!(repair(&mut disk, DIR), Ok(Repaired::Clean));
    assert_eq!(open(&mut disk).unwrap().entries, [entry(1, "x")]);
}

#[test]
fn an_absurd_length_allocates_nothing() {
    for field in [u64::MAX, u64::MAX >> 8, 60_000_000, 0x8700_0000_0000_0001 | 50_000_000] {
        let mut disk = SimDisk::default();
        let wal = create(&mut disk);
        let (name, at) = (wal.position().0.to_owned(), wal.position().1);
        disk.write(&name, at, &field.to_le_bytes());
        assert!(matches!(open(&mut disk), Err(WalError::Torn { .. })), "{field:x}");
    }
}

/// What a run of writes does.
#[derive(Clone, Debug)]
enum Act {
    Save(usize),
    Sync,
    Cut,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![6 => (0..1500_usize).prop_map(Act::Save), 2 => Just(Act::Sync), 1 => Just(Act::Cut)];
    prop::collection::vec(act, 0..30)
}

/// Carries the acts out; gives all entries, and how many of them are safe.
fn perform(disk: &mut SimDisk, acts: &[Act]) -> (Vec<Entry>, usize) {
    let mut wal = create(disk);
    let (mut written, mut safe) = (Vec::new(), 0);
    for act in acts {
        match act {
            Act::Save(len) => {
                let index = written.len() as u64 + 1;
                // Without zeros: a damaged record of which a sector is zero cannot be told from a torn one.
                written.push(entry(index, vec![u8::try_from(index % 7 + 1).unwrap(); *len]));
                wal.save(disk, Some(HardState { term: 1, vote: 1, commit: index }), &written[written.len() - 1..]);
            }
            Act::Sync => wal.sync(disk),
            Act::Cut => wal.cut(disk),
        }
        if !matches!(act, Act::Save(_)) {
            safe = written.len();
        }
    }
    (written, safe)
}

proptest! {
    /// After a crash a log always opens, with everything that was synced and nothing that was not written; and so after the next crash.
    #[test]
    fn a_crash_loses_only_what_was_not_synced(acts in acts(), more in acts(), seed in 0..u64::MAX) {
        let mut disk = SimDisk::default();
        let (written, safe) = perform(&mut disk, &acts);
        let mut deal = Seed(seed).stream("crash");
        disk.crash(&mut deal);
        let found = recover(&mut disk).expect("a crash damages nothing");
        prop_assert!(found.entries.len() >= safe);
        prop_assert_eq!(&found.entries[..], &written[..found.entries.len()]);
        let (mut wal, _) = Wal::open(&mut disk, DIR, &SnapshotMark::default()).unwrap();
        let mut written = found.entries;
        let mut safe = written.len();
        for act in &more {
            match act {
                Act::Save(len) => {
                    written.push(entry(written.len() as u64 + 1, vec![9; *len]));
                    wal.save(&mut disk, None, &written[written.len() - 1..]);
                }
                _ => {
                    wal.sync(&mut disk);
                    safe = written.len();
                }
            }
        }
        disk.crash(&mut deal);
        let found = recover(&mut disk).expect("a second crash damages nothing either");
        prop_assert!(found.entries.len() >= safe);
        prop_assert_eq!(&found.entries[..], &written[..found.entries.len()]);
    }

    /// A bit that flips in what a checksum covers is refused in whatever way the log is read, and no repair helps.
    #[test]
    fn a_flipped_bit_is_refused(acts in acts(), place in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut disk = SimDisk::default();
        perform(&mut disk, &acts);
        let records = data_of_records(&disk, DIR).unwrap();
        let (file, at, len) = place.get(&records).clone();
        disk.flip_bit(&file, at + byte.index(usize::try_from(len).unwrap()) as u64, bit);
        let is_damage = |error: &WalError| matches!(error, WalError::CrcMismatch { .. } | WalError::ChainMismatch);
        let found = recover(&mut disk);
        prop_assert!(found.as_ref().is_err_and(is_damage), "{found:?}");
        prop_assert!(Wal::read(&disk, DIR, &SnapshotMark::default()).is_err());
    }

    /// Whatever is done to the files, reading them ends in entries or in words.
    #[test]
    fn damage_of_any_kind_is_survived(
        acts in acts(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..24)), 0..6),
        cut in any::<Option<u16>>(),
    ) {
        let mut disk = SimDisk::default();
        perform(&mut disk, &acts);
        let names = disk.list(DIR);
        for (file, at, bytes) in &hits {
            disk.write(file.get::<String>(&names), u64::from(*at), bytes);
        }
        if let (Some(len), Some(last)) = (cut, names.last()) {
            disk.set_len(last, u64::from(len));
        }
        let _ = valid_snapshots(&disk, DIR);
        let _ = data_of_records(&disk, DIR);
        let _ = Wal::read(&disk, DIR, &SnapshotMark::default());
        if recover(&mut disk).is_ok() {
            prop_assert!(open(&mut disk).is_ok(), "what was opened once opens again");
        }
    }
}
