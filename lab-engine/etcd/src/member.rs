//! A member of etcd: serves the store to its clients.
//!
//! Writes are answered once they are on disk. The disk takes [`Member::with_fsync`]'s time for one write, and writes that come meanwhile
//! share the next one, as etcd's WAL batches them. Reads and watches see what is applied.
//!
//! **Simplified here:** a single member, which agrees with itself at once.

use crate::{CallId, Event, KeyRange, Request, Response, Revision, Store, Watch};
use sim::{Time, What};
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that reaches a member.
#[derive(Clone, Debug)]
pub enum Input {
    /// A time came that it asked for.
    Wake,
    /// A client asks.
    Request {
        /// The client.
        from: u32,
        /// What it asks.
        request: Request,
    },
}

/// Something that a member wants done, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Answer a client.
    Respond {
        /// The client.
        to: u32,
        /// The answer.
        response: Response,
    },
    /// Add an event to the trace. It is the cause of what follows.
    Trace(What),
}

#[derive(Debug)]
struct Watcher {
    keys: KeyRange,
    /// The first revision that it has not seen and wants to see.
    next: Revision,
}

/// A member.
#[derive(Debug, Default)]
pub struct Member {
    store: Store,
    watchers: BTreeMap<(u32, CallId), Watcher>,
    fsync: Duration,
    /// Writes that the disk is busy with, until `done_at`.
    syncing: Vec<(u32, Request)>,
    done_at: Option<Time>,
    /// Writes for the next turn of the disk.
    waiting: Vec<(u32, Request)>,
}

impl Member {
    /// A member with an empty store whose disk takes no time.
    pub fn new() -> Self {
        Self::default()
    }

    /// A member with an empty store whose disk takes `fsync` for a batch of writes.
    pub fn with_fsync(fsync: Duration) -> Self {
        Member { fsync, ..Self::default() }
    }

    /// The same member with an empty store of this quota ([`Store::with_quota`]).
    pub fn quota(self, quota: usize) -> Self {
        Member { store: Store::with_quota(quota), ..self }
    }

    /// The store, to look at.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Applies one input at `now`. Whatever it wants done goes to `out`.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        if self.done_at.is_some_and(|at| at <= now) {
            for (from, request) in std::mem::take(&mut self.syncing) {
                self.apply(from, request, out);
            }
            self.syncing = std::mem::take(&mut self.waiting);
            self.done_at = (!self.syncing.is_empty()).then(|| now + self.fsync);
        }
        let Input::Request { from, request } = input else { return };
        let writes = matches!(request, Request::Txn(..) | Request::Compact(..));
        if !writes || self.fsync.is_zero() {
            self.apply(from, request, out);
        } else if self.done_at.is_some() {
            self.waiting.push((from, request));
        } else {
            self.syncing.push((from, request));
            self.done_at = Some(now + self.fsync);
        }
    }

    /// When it wants to be woken next.
    pub fn next_wake(&self) -> Option<Time> {
        self.done_at
    }

    fn apply(&mut self, from: u32, request: Request, out: &mut Vec<Output>) {
        let response = match request {
            Request::Txn(id, txn) => return self.apply_txn(from, id, txn, out),
            Request::Range(id, range) => self.store.range(&range).map_or_else(|e| Response::Error(id, e), |r| Response::Range(id, r)),
            Request::Watch(id, watch) => self.watch(from, id, watch),
            Request::CancelWatch(id) => {
                self.watchers.remove(&(from, id));
                return;
            }
            Request::Compact(id, revision) => {
                self.store.compact(revision).map_or_else(|e| Response::Error(id, e), |()| Response::Compacted(id))
            }
        };
        out.push(Output::Respond { to: from, response });
    }

    fn apply_txn(&mut self, from: u32, id: CallId, mut txn: crate::Txn, out: &mut Vec<Output>) {
        let before = self.store.revision();
        let subject = txn.subject.take();
        match self.store.txn(txn) {
            Ok(response) => {
                let changed = response.revision > before;
                if let Some((verb, object)) = subject.filter(|_| changed && response.succeeded) {
                    out.push(Output::Trace(What::Stored { verb, object, revision: response.revision }));
                }
                out.push(Output::Respond { to: from, response: Response::Txn(id, response) });
                if changed {
                    self.notify(out);
                }
            }
            Err(error) => out.push(Output::Respond { to: from, response: Response::Error(id, error) }),
        }
    }

    /// Starts a watch and answers with what it has missed.
    fn watch(&mut self, from: u32, id: CallId, watch: Watch) -> Response {
        let revision = self.store.revision();
        let start = if watch.start_revision == 0 { revision + 1 } else { watch.start_revision };
        let missed: Vec<Event> = match self.store.changes(&watch.keys, start) {
            Ok(missed) => missed.cloned().collect(),
            Err(error) => return Response::Error(id, error),
        };
        self.watchers.insert((from, id), Watcher { keys: watch.keys, next: start.max(revision + 1) });
        Response::Events(id, missed, revision)
    }

    /// Sends the newest changes to those who watch them.
    fn notify(&mut self, out: &mut Vec<Output>) {
        let revision = self.store.revision();
        for (&(to, id), watcher) in &mut self.watchers {
            // A watch never lags behind a compaction: it was told of every change when that was made.
            let Ok(changes) = self.store.changes(&watcher.keys, watcher.next) else { continue };
            let events: Vec<Event> = changes.cloned().collect();
            if !events.is_empty() {
                watcher.next = revision + 1;
                out.push(Output::Respond { to, response: Response::Events(id, events, revision) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EtcdError, Op, Txn};
    use sim::{ObjectRef, Verb};

    fn put(id: u64, key: &str) -> Input {
        let subject = Some((Verb::Create, ObjectRef::new("Pod", "default", key)));
        let txn = Txn { success: vec![Op::Put(key.into(), "v".into())], subject, ..Txn::default() };
        Input::Request { from: 0, request: Request::Txn(CallId(id), txn) }
    }

    fn watch(from: u32, id: u64, start_revision: Revision) -> Input {
        let watch = Watch { keys: KeyRange::Prefix("a".into()), start_revision };
        Input::Request { from, request: Request::Watch(CallId(id), watch) }
    }

    fn handle(member: &mut Member, now: u64, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        member.handle(Time::from_millis(now), input, &mut out);
        out
    }

    #[test]
    fn a_write_is_traced_then_answered_then_watched() {
        let mut member = Member::new();
        handle(&mut member, 0, watch(7, 1, 0));
        let out = handle(&mut member, 0, put(1, "a1"));
        assert!(matches!(
            &out[..],
            [
                Output::Trace(What::Stored { revision: 2, .. }),
                Output::Respond { to: 0, response: Response::Txn(..) },
                Output::Respond { to: 7, response: Response::Events(CallId(1), events, 2) },
            ] if events.len() == 1
        ));
        assert_eq!(handle(&mut member, 0, put(2, "b")).len(), 2, "a watch sees only its keys");
    }

    #[test]
    fn a_watch_from_the_past_catches_up_unless_it_is_compacted() {
        let mut member = Member::new();
        for id in 0..3 {
            handle(&mut member, 0, put(id, "a"));
        }
        let out = handle(&mut member, 0, watch(1, 1, 3));
        assert!(matches!(&out[..], [Output::Respond { response: Response::Events(_, events, 4), .. }] if events.len() == 2));
        handle(&mut member, 0, Input::Request { from: 0, request: Request::Compact(CallId(9), 3) });
        let out = handle(&mut member, 0, watch(1, 2, 3));
        assert!(matches!(&out[..], [Output::Respond { response: Response::Error(_, EtcdError::Compacted), .. }]));
        let out = handle(&mut member, 0, watch(1, 3, 4));
        assert!(matches!(&out[..], [Output::Respond { response: Response::Events(_, events, 4), .. }] if events.len() == 1));
    }

    #[test]
    fn a_watch_of_the_future_stays_silent_until_then() {
        let mut member = Member::new();
        handle(&mut member, 0, watch(1, 1, 4));
        assert_eq!(handle(&mut member, 0, put(1, "a")).len(), 2);
        assert_eq!(handle(&mut member, 0, put(2, "a")).len(), 2);
        assert_eq!(handle(&mut member, 0, put(3, "a")).len(), 3);
    }

    #[test]
    fn the_disk_batches_writes() {
        let mut member = Member::with_fsync(Duration::from_millis(2));
        assert!(handle(&mut member, 0, put(1, "a")).is_empty());
        assert!(handle(&mut member, 1, put(2, "b")).is_empty());
        assert!(handle(&mut member, 1, put(3, "c")).is_empty());
        assert_eq!(member.next_wake(), Some(Time::from_millis(2)));
        assert_eq!(handle(&mut member, 2, Input::Wake).len(), 2);
        assert_eq!(member.next_wake(), Some(Time::from_millis(4)));
        assert_eq!(handle(&mut member, 4, Input::Wake).len(), 4);
        assert_eq!(member.next_wake(), None);
    }
}
