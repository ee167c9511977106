//! What the key space costs: puts through a group of three, 10,000 watches, a range over 10,000 keys, and a million updates with
//! compactions, after which the store holds no more than before.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etcd::server::{EtcdServer, Input, Output, ServerConfig};
use etcd::{CallId, KeyRange, Op, Range, Request, Store, Txn, Watch};
use raft::NodeId;
use sim::{Seed, Time};
use std::collections::VecDeque;
use std::hint::black_box;

/// A value as the API server keeps them, of about a kilobyte.
fn value() -> String {
    "x".repeat(1024)
}

fn put(key: impl AsRef<str>, value: &str) -> Txn {
    Txn { success: vec![Op::put(key.as_ref(), value)], ..Txn::default() }
}

/// Members whose messages arrive at once.
struct Group {
    members: Vec<EtcdServer>,
    now: Time,
    call: u64,
}

impl Group {
    fn new(count: u64) -> Self {
        let ids: Vec<NodeId> = (1..=count).map(NodeId).collect();
        let member = |id: &NodeId| {
            let rng = Seed(1).stream(&format!("etcd-{}", id.0));
            EtcdServer::bootstrap(ServerConfig::new(*id), &ids, Time::ZERO, &rng).expect("a new group begins")
        };
        let mut group = Group { members: ids.iter().map(member).collect(), now: Time::ZERO, call: 0 };
        while group.members.iter().all(|member| member.raft().leader().is_none()) {
            let wakes = group.members.iter().enumerate().filter_map(|(place, member)| Some((member.next_wake()?, place)));
            let Some((at, place)) = wakes.min() else { break };
            group.now = at;
            group.handle(place, Input::Wake);
        }
        group
    }

    /// Gives a member an input; counts the answers that come of it.
    fn handle(&mut self, place: usize, input: Input) -> usize {
        let (mut inputs, mut answers) = (VecDeque::from([(place, input)]), 0);
        while let Some((place, input)) = inputs.pop_front() {
            let mut out = Vec::new();
            self.members[place].handle(self.now, input, &mut out);
            for output in out {
                match output {
                    Output::Peer(message) => inputs.push_back((message.to.0 as usize - 1, Input::Peer(message))),
                    Output::Respond { .. } => answers += 1,
                    Output::Hash(_) | Output::Trace(_) | Output::TraceApplied(..) => {}
                }
            }
        }
        answers
    }

    fn ask(&mut self, request: impl FnOnce(CallId) -> Request) -> usize {
        self.call += 1;
        let request = request(CallId(self.call));
        self.handle(0, Input::Request { from: 0, request })
    }
}

fn puts(criterion: &mut Criterion) {
    let value = value();
    let mut bench = criterion.benchmark_group("puts of 1 KiB");
    bench.throughput(Throughput::Elements(1));
    for count in [1, 3, 5] {
        let mut group = Group::new(count);
        let mut number = 0;
        bench.bench_function(format!("{count} members"), |bencher| {
            bencher.iter(|| {
                number += 1;
                if number % 5_000 == 0 {
                    let revision = group.members[0].store().revision();
                    group.ask(|call| Request::Compact(call, revision));
                }
                assert_eq!(group.ask(|call| Request::Txn(call, put(format!("k{}", number % 1_000), &value))), 1);
            });
        });
    }
    bench.finish();
}

fn watches(criterion: &mut Criterion) {
    const WATCHES: usize = 10_000;
    let mut bench = criterion.benchmark_group("a put beside 10,000 watches");
    let mut distinct = Group::new(1);
    for number in 0..WATCHES {
        distinct.ask(|call| Request::Watch(call, Watch::new(KeyRange::One(format!("k{number}").into()), 0)));
    }
    let mut number = 0;
    bench.bench_function("of as many keys", |bencher| {
        bencher.iter(|| {
            number += 1;
            assert_eq!(distinct.ask(|call| Request::Txn(call, put(format!("k{}", number % WATCHES), "v"))), 2);
        });
    });
    let mut same = Group::new(1);
    for _ in 0..WATCHES {
        same.ask(|call| Request::Watch(call, Watch::new(KeyRange::Prefix("k".into()), 0)));
    }
    bench.throughput(Throughput::Elements(WATCHES as u64));
    bench.bench_function("of its prefix", |bencher| {
        bencher.iter(|| assert_eq!(same.ask(|call| Request::Txn(call, put("k1", "v"))), WATCHES + 1));
    });
    bench.finish();
}

fn list(criterion: &mut Criterion) {
    let mut store = Store::default();
    for number in 0..10_000 {
        store.txn(put(format!("/registry/pods/default/web-{number:05}"), &value())).expect("there is room");
    }
    let mut bench = criterion.benchmark_group("range");
    bench.throughput(Throughput::Elements(10_000));
    let pods = || Range::all(KeyRange::Prefix("/registry/pods/".into()));
    bench.bench_function("10,000 keys", |bencher| bencher.iter(|| black_box(store.range(&pods()))));
    bench.bench_function("500 of 10,000 keys", |bencher| bencher.iter(|| black_box(store.range(&Range { limit: 500, ..pods() }))));
    bench.finish();
}

/// A million updates of a thousand keys, compacted as the API server does. The store must end as large as it began.
fn updates(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("updates");
    bench.sample_size(10).throughput(Throughput::Elements(1_000_000));
    bench.bench_function("1,000,000 with compactions", |bencher| {
        bencher.iter(|| {
            let mut store = Store::default();
            for round in 0..100 {
                for number in 0..10_000 {
                    store.txn(put(format!("k{}", number % 1_000), "v")).expect("there is room");
                }
                store.compact(store.revision()).expect("it is newer");
                assert_eq!(store.versions(), 1_000, "after {} updates", (round + 1) * 10_000);
            }
            black_box(store)
        });
    });
    bench.finish();
}

criterion_group!(benches, puts, watches, list, updates);
criterion_main!(benches);
