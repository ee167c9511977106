//! What a member finds on its disk again, and what it refuses.

use super::*;
use crate::server::Change;
use crate::{Op, Txn, Value};
use proptest::prelude::*;
use raft::{EntryData, Term};
use sim::Seed;

const ME: NodeId = NodeId(1);

fn put(index: u64, term: u64) -> Entry<Data> {
    let txn = Txn { success: vec![Op::put("key", Value::from(format!("value {index}").as_str()))], ..Txn::default() };
    let proposal = Proposal { member: ME, request: index, change: Change::Txn(txn) };
    Entry { id: EntryId::new(Term(term), Index(index)), data: EntryData::Normal(Arc::new(proposal)) }
}

fn state(term: u64, commit: u64) -> Option<HardState> {
    Some(HardState { term: Term(term), vote: Some(ME), commit: Index(commit) })
}

fn snapshot(index: u64) -> Snapshot<State> {
    let conf_state = ConfState::new([ME], []);
    Snapshot { last: EntryId::new(Term(1), Index(index)), conf_state, data: Arc::new(Store::default()) }
}

/// A disk with so many entries, a snapshot after every tenth.
fn filled(entries: u64) -> Disk {
    let mut disk = Disk::default();
    disk.open(ME).unwrap();
    for index in 1..=entries {
        disk.write_parts(None, &[put(index, 1)], state(1, index));
        disk.sync();
        if index % 10 == 0 {
            disk.write_snapshot(snapshot(index));
            disk.sync();
        }
    }
    disk
}

fn indexes(found: &Found) -> Vec<u64> {
    found.initial.entries.iter().map(|entry| entry.id.index.0).collect()
}

#[test]
fn a_restart_finds_the_very_values() {
    let mut disk = filled(3);
    let written = put(4, 1);
    disk.write_parts(None, std::slice::from_ref(&written), state(1, 3));
    disk.sync();
    disk.crash(&mut Seed(1).stream("crash"));
    let found = disk.open(ME).unwrap();
    let (EntryData::Normal(wrote), EntryData::Normal(read)) = (&written.data, &found.initial.entries[3].data) else { panic!() };
    assert!(Arc::ptr_eq(wrote, read), "it is shared, not decoded");
    assert_eq!(found.initial.hard_state, state(1, 3).unwrap());
    assert!(found.store.is_none());
}

#[test]
fn snapshots_make_segments_and_steps_needless() {
    let mut disk = filled(95);
    assert_eq!(disk.snapshot_index(), Index(90));
    assert!(disk.steps.len() < 80, "what nobody looked at is forgotten: {} steps", disk.steps.len());
    let names = disk.files().list("");
    assert_eq!(
        names,
        [
            "member/snap/0000000000000001-000000000000005a.snap",
            "member/wal/0000000000000008-0000000000000051.wal",
            "member/wal/0000000000000009-000000000000005b.wal",
        ]
    );
    // Once they are bytes, the same happens to the files.
    for index in 96..=100 {
        disk.write_parts(None, &[put(index, 1)], state(1, index));
    }
    disk.write_snapshot(snapshot(100));
    disk.sync();
    assert_eq!(disk.files().list("member/wal").len(), 2);
    assert_eq!(disk.entries.keys().next(), Some(&(91, 1)), "nor are entries kept that no file has");
    disk.crash(&mut Seed(1).stream("crash"));
    let found = disk.open(ME).unwrap();
    assert_eq!((indexes(&found), found.initial.snapshot.index), (vec![], Index(100)));
}

#[test]
fn looking_at_the_files_changes_nothing() {
    let (mut looked_at, mut left_alone) = (Disk::default(), Disk::default());
    for disk in [&mut looked_at, &mut left_alone] {
        disk.open(ME).unwrap();
    }
    for index in 1..=9 {
        for disk in [&mut looked_at, &mut left_alone] {
            disk.write_parts(None, &[put(index, 1)], state(1, index));
            disk.sync();
        }
        looked_at.files();
    }
    let bytes = |disk: &mut Disk| {
        let files = disk.files();
        files.list("").iter().map(|name| (name.clone(), files.read(name).unwrap().bytes.to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(bytes(&mut looked_at), bytes(&mut left_alone));
}

#[test]
fn a_damaged_snapshot_leaves_nothing_to_start_from() {
    let mut disk = filled(25);
    let name = disk.files().list("member/snap")[0].clone();
    disk.files.flip_bit(&name, 20, 0);
    disk.crash(&mut Seed(1).stream("crash"));
    let error = disk.open(ME).unwrap_err().to_string();
    assert_eq!(error, "failed to read WAL, cannot be repaired: wal: file not found which matches the snapshot index '0'");
    assert_eq!(disk.files().list("member/snap"), [format!("{name}.broken")]);
}

#[test]
fn rot_is_refused_in_the_words_of_etcd() {
    for seed in 0..50 {
        let mut disk = filled(25);
        let mut rng = Seed(seed).stream("rot");
        disk.rot(&mut rng).expect("there are records");
        disk.crash(&mut rng);
        let error = disk.open(ME).unwrap_err().to_string();
        assert!(error.starts_with("failed to read WAL, cannot be repaired: walpb: crc mismatch"), "{error}");
    }
}

proptest! {
    /// Whatever is lost in a crash: what was synced is found, what is found was written, and in its order.
    #[test]
    fn a_crash_keeps_what_was_synced(synced in 0..35_u64, unsynced in 0..15_u64, with_snapshot: bool, seed in 0..u64::MAX) {
        let mut disk = filled(synced);
        for index in synced + 1..=synced + unsynced {
            disk.write_parts(None, &[put(index, 1)], state(1, index));
        }
        // No member takes the same snapshot twice.
        if with_snapshot && disk.snapshot_index().0 < synced + unsynced {
            disk.write_snapshot(snapshot(synced + unsynced));
        }
        disk.crash(&mut Seed(seed).stream("crash"));
        let found = disk.open(ME).unwrap();
        let start = found.initial.snapshot.index.0;
        let end = start + found.initial.entries.len() as u64;
        prop_assert_eq!(indexes(&found), (start + 1..=end).collect::<Vec<_>>());
        prop_assert!((synced..=synced + unsynced).contains(&end));
        prop_assert!(found.initial.hard_state.commit.0 <= end && found.initial.hard_state.commit.0 >= synced);
    }

    /// Whatever is done to the files: a start gives entries that were written, or words.
    #[test]
    fn no_damage_makes_an_entry(
        entries in 1..25_u64,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..8_u32), 1..4),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut disk = filled(entries);
        let names = disk.files().list("member");
        for (file, byte, bit) in flips {
            let name = file.get::<String>(&names);
            let len = disk.files.read(name).map_or(1, |file| file.bytes.len().max(1));
            disk.files.flip_bit(name, byte.index(len) as u64, bit);
        }
        if let (Some(cut), Some(last)) = (cut, names.last()) {
            let len = disk.files.read(last).map_or(1, |file| file.bytes.len().max(1));
            disk.files.set_len(last, cut.index(len) as u64);
        }
        disk.crash(&mut Seed(1).stream("crash"));
        if let Ok(found) = disk.open(ME) {
            let start = found.initial.snapshot.index.0;
            for (place, entry) in (start + 1..).zip(&found.initial.entries) {
                prop_assert_eq!(codec::entry(entry), codec::entry(&put(place, 1)));
            }
            let rng = Seed(1).stream("raft");
            // The hard state has a checksum and no twin to compare with: Raft judges it.
            let _ = raft::RaftNode::<Data, State>::new(raft::Config::new(ME), found.initial, rng);
        }
    }
}
