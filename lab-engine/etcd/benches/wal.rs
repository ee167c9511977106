//! What the log costs: appending and syncing entries, and reading them back.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use etcd::disk::SimDisk;
use etcd::wal::{Entry, HardState, SnapshotMark, Wal};
use std::hint::black_box;

/// Entries as the API server makes them, of about a kilobyte.
fn entries(count: u64) -> Vec<Entry> {
    (1..=count).map(|index| Entry { term: 1, index, data: Some(vec![0x61; 1024]), ..Entry::default() }).collect()
}

fn log() -> (SimDisk, Wal) {
    let mut disk = SimDisk::default();
    let wal = Wal::create(&mut disk, "wal", b"bench".to_vec()).expect("there is none");
    (disk, wal)
}

fn append(criterion: &mut Criterion) {
    let entries = entries(1000);
    let mut group = criterion.benchmark_group("wal");
    group.throughput(Throughput::Bytes(1000 * 1024));
    group.bench_function("append and sync 1000 entries of 1 KiB", |bencher| {
        bencher.iter_batched(
            log,
            |(mut disk, mut wal)| {
                for entry in &entries {
                    let state = HardState { term: 1, vote: 1, commit: entry.index - 1 };
                    wal.save(&mut disk, Some(state), std::slice::from_ref(entry));
                    wal.sync(&mut disk);
                }
                black_box(disk)
            },
            BatchSize::SmallInput,
        );
    });
    let (mut disk, mut wal) = log();
    wal.save(&mut disk, None, &entries);
    group.bench_function("read 1000 entries of 1 KiB", |bencher| {
        bencher.iter(|| Wal::read(&disk, "wal", &SnapshotMark::default()).expect("it is whole"));
    });
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
