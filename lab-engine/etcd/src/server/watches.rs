//! The watches of a member's clients (`server/storage/mvcc/watchable_store.go`, `watcher_group.go`).
//!
//! A watch is served by the member that was asked for it, from its own key space: it may be behind the leader, and sees the same changes in
//! the same order. A change finds its watches by index: those of its key, those of each prefix of its key, and those of other ranges in a
//! tree of intervals. Watches that get the same events share one list of them.
//!
//! **Simplified here:** a watch from the past gets all it has missed at once, so that there are none that still have to catch up.

use crate::server::Output;
use crate::server::intervals::{End, Interval, Intervals};
use crate::{CallId, EtcdError, Event, EventKind, KeyRange, Response, Revision, Store, Watch};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A client and its call.
type WatchId = (u32, CallId);

/// The watches, by client and call.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    watches: BTreeMap<WatchId, Watch>,
    by_key: BTreeMap<Arc<str>, BTreeSet<WatchId>>,
    by_prefix: BTreeMap<Arc<str>, BTreeSet<WatchId>>,
    by_range: Intervals<WatchId>,
    /// Up to which revision the watches were told.
    told: Revision,
}

impl Watches {
    /// None, of a key space at this revision.
    pub(crate) fn at(revision: Revision) -> Self {
        Watches { told: revision, ..Watches::default() }
    }

    /// Starts a watch and answers with what it has missed.
    pub(crate) fn add(&mut self, store: &Store, from: u32, call: CallId, watch: Watch, out: &mut Vec<Output>) {
        let revision = store.revision();
        let start = if watch.start_revision == 0 { revision + 1 } else { watch.start_revision };
        let missed = |watch: &Watch| {
            let events: Vec<&Event> = store.changes(&watch.keys, start)?.filter(|event| wants(watch, event)).collect();
            Ok(Response::Events(call, shown(&events, watch.prev_kv), revision))
        };
        let missed = if watch.keys.is_empty() { Err(EtcdError::EmptyWatcherRange) } else { missed(&watch) };
        let response = missed.unwrap_or_else(|error| canceled(call, error, store));
        let goes_on = matches!(response, Response::Events(..));
        if goes_on {
            self.remove(from, call);
            match &watch.keys {
                KeyRange::One(key) => drop(self.by_key.entry(key.clone()).or_default().insert((from, call))),
                KeyRange::Prefix(prefix) => drop(self.by_prefix.entry(prefix.clone()).or_default().insert((from, call))),
                keys => self.by_range.insert(interval(keys), (from, call)),
            }
            self.watches.insert((from, call), Watch { start_revision: start.max(revision + 1), ..watch });
        }
        out.push(Output::Respond { to: from, response });
    }

    pub(crate) fn remove(&mut self, from: u32, call: CallId) {
        let Some(watch) = self.watches.remove(&(from, call)) else { return };
        match &watch.keys {
            KeyRange::One(key) => leave(&mut self.by_key, key, (from, call)),
            KeyRange::Prefix(prefix) => leave(&mut self.by_prefix, prefix, (from, call)),
            keys => self.by_range.remove(&interval(keys), &(from, call)),
        }
    }

    pub(crate) fn remove_client(&mut self, from: u32) {
        let calls: Vec<CallId> = self.watches.keys().filter(|(client, _)| *client == from).map(|(_, call)| *call).collect();
        calls.into_iter().for_each(|call| self.remove(from, call));
    }

    /// Says how far a watch is, if there is such a watch.
    pub(crate) fn progress(&self, store: &Store, from: u32, call: CallId, out: &mut Vec<Output>) {
        if self.watches.contains_key(&(from, call)) {
            out.push(Output::Respond { to: from, response: Response::Events(call, Arc::new([]), store.revision()) });
        }
    }

    /// The watches that a change is in range of.
    fn of<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = WatchId> + 'a {
        let key: &str = &event.key;
        // Mostly there are fewer prefixes that are watched than the key has.
        let few = self.by_prefix.len() < key.len();
        let watched = few.then(|| self.by_prefix.iter().filter(|(prefix, _)| key.starts_with(&***prefix)).map(|(_, group)| group));
        let ends = (!few).then(|| key.char_indices().map(|(at, _)| at).chain([key.len()]));
        let looked_up = ends.into_iter().flatten().filter_map(|end| self.by_prefix.get(&key[..end]));
        let prefixes = watched.into_iter().flatten().chain(looked_up);
        self.by_key.get(key).into_iter().chain(prefixes).flatten().chain(self.by_range.at(key)).copied()
    }

    /// Sends the newest changes to those who watch them.
    pub(crate) fn notify(&mut self, store: &Store, out: &mut Vec<Output>) {
        let revision = store.revision();
        let events: Vec<&Event> = store.log_from(self.told + 1).collect();
        self.told = revision;
        let mut wanted: BTreeMap<WatchId, Vec<usize>> = BTreeMap::new();
        for (place, event) in events.iter().enumerate() {
            for id in self.of(event) {
                if self.watches.get(&id).is_some_and(|watch| event.revision >= watch.start_revision && wants(watch, event)) {
                    wanted.entry(id).or_default().push(place);
                }
            }
        }
        let mut lists: BTreeMap<(Vec<usize>, bool), Arc<[Event]>> = BTreeMap::new();
        for ((to, call), places) in wanted {
            let prev_kv = self.watches.get(&(to, call)).is_some_and(|watch| watch.prev_kv);
            let list = lists.entry((places, prev_kv)).or_insert_with_key(|(places, prev_kv)| {
                let events: Vec<&Event> = places.iter().filter_map(|place| events.get(*place).copied()).collect();
                shown(&events, *prev_kv)
            });
            out.push(Output::Respond { to, response: Response::Events(call, list.clone(), revision) });
        }
    }

    /// The key space was replaced by a newer one. A watch that has missed changes which are compacted away there ends.
    pub(crate) fn replaced(&mut self, store: &Store, out: &mut Vec<Output>) {
        let next = self.told + 1;
        let lost: Vec<(WatchId, Watch)> = self
            .watches
            .iter()
            .filter(|(_, watch)| watch.start_revision.max(next) < store.compacted_revision())
            .map(|(id, watch)| (*id, watch.clone()))
            .collect();
        for ((to, call), _) in lost {
            self.remove(to, call);
            out.push(Output::Respond { to, response: canceled(call, EtcdError::Compacted, store) });
        }
        self.notify(store, out);
    }
}

/// A watch leaves its group. A group without watches goes.
fn leave(groups: &mut BTreeMap<Arc<str>, BTreeSet<WatchId>>, key: &Arc<str>, id: WatchId) {
    let Some(group) = groups.get_mut(key) else { return };
    group.remove(&id);
    if group.is_empty() {
        groups.remove(key);
    }
}

/// Keys as an interval.
fn interval(keys: &KeyRange) -> Interval {
    let end = if let KeyRange::Between(_, end) = keys { End::Before(end.clone()) } else { End::Never };
    (keys.start().clone(), end)
}

fn canceled(call: CallId, error: EtcdError, store: &Store) -> Response {
    let compact_revision = if error == EtcdError::Compacted { store.compacted_revision() } else { 0 };
    Response::Canceled { call, error, compact_revision }
}

fn wants(watch: &Watch, event: &Event) -> bool {
    match event.kind {
        EventKind::Put => !watch.no_put,
        EventKind::Delete => !watch.no_delete,
    }
}

fn shown(events: &[&Event], prev_kv: bool) -> Arc<[Event]> {
    events.iter().map(|event| if prev_kv { Event::clone(event) } else { Event { prev: None, ..Event::clone(event) } }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Op, Txn};

    struct World {
        store: Store,
        watches: Watches,
    }

    impl World {
        fn new() -> Self {
            World { store: Store::default(), watches: Watches::at(1) }
        }

        fn told(out: Vec<Output>) -> Vec<String> {
            out.into_iter()
                .filter_map(|output| match output {
                    Output::Respond { to, response: Response::Events(_, events, _) } => {
                        let keys: Vec<String> = events.iter().map(|event| format!("{}@{}", event.key, event.revision)).collect();
                        Some(format!("{to}: {}", keys.join(" ")))
                    }
                    Output::Respond { to, response: Response::Canceled { error, compact_revision, .. } } => {
                        Some(format!("{to}: {error} ({compact_revision})"))
                    }
                    _ => None,
                })
                .collect()
        }

        fn watch(&mut self, from: u32, watch: Watch) -> Vec<String> {
            let mut out = Vec::new();
            self.watches.add(&self.store, from, CallId(1), watch, &mut out);
            Self::told(out)
        }

        fn write(&mut self, ops: Vec<Op>) -> Vec<String> {
            self.store.txn(Txn { success: ops, ..Txn::default() }).unwrap();
            let mut out = Vec::new();
            self.watches.notify(&self.store, &mut out);
            Self::told(out)
        }
    }

    #[test]
    fn a_change_reaches_the_watches_of_its_key_its_prefixes_and_its_ranges() {
        let mut world = World::new();
        let ranges = [
            KeyRange::One("ab".into()),
            KeyRange::Prefix("a".into()),
            KeyRange::Prefix("".into()),
            KeyRange::Between("b".into(), "c".into()),
            KeyRange::From("aa".into()),
        ];
        for (from, keys) in (1..).zip(ranges) {
            assert_eq!(world.watch(from, Watch::new(keys, 0)), [format!("{from}: ")]);
        }
        assert_eq!(world.write(vec![Op::put("ab", "1")]), ["1: ab@2", "2: ab@2", "3: ab@2", "5: ab@2"]);
        assert_eq!(world.write(vec![Op::put("b", "1"), Op::put("a", "1")]), ["2: a@3", "3: b@3 a@3", "4: b@3", "5: b@3"]);
        world.watches.remove_client(3);
        world.watches.remove(5, CallId(1));
        assert_eq!(world.write(vec![Op::put("x", "1")]), [""; 0]);
        assert_eq!(world.watches.by_prefix.len(), 1, "groups without watches go");
        world.watches.remove_client(4);
        assert!(world.watches.by_range.is_empty());
    }

    #[test]
    fn a_watch_begins_in_the_past_or_in_the_future() {
        let mut world = World::new();
        (0..3).for_each(|_| drop(world.write(vec![Op::put("k", "v")])));
        let from = |revision| Watch::new(KeyRange::One("k".into()), revision);
        assert_eq!(world.watch(1, from(3)), ["1: k@3 k@4"]);
        assert_eq!(world.watch(2, from(6)), ["2: "]);
        assert_eq!(world.write(vec![Op::put("k", "v")]), ["1: k@5"]);
        assert_eq!(world.write(vec![Op::put("k", "v")]), ["1: k@6", "2: k@6"]);
    }

    #[test]
    fn what_is_compacted_away_cannot_be_watched() {
        let mut world = World::new();
        (0..4).for_each(|_| drop(world.write(vec![Op::put("k", "v")])));
        world.store.compact(4).unwrap();
        let from = |revision| Watch::new(KeyRange::One("k".into()), revision);
        assert_eq!(world.watch(1, from(3)), ["1: etcdserver: mvcc: required revision has been compacted (4)"]);
        assert_eq!(world.watch(1, from(4)), ["1: k@4 k@5"], "the revision of the compaction can be read");
        let empty = Watch::new(KeyRange::Between("b".into(), "a".into()), 0);
        assert_eq!(world.watch(2, empty), ["2: mvcc: watcher range is empty (0)"]);
    }

    #[test]
    fn events_are_left_out_and_carry_what_was_before_as_the_watch_wants() {
        let mut world = World::new();
        let all = Watch::new(KeyRange::One("k".into()), 0);
        world.watch(1, Watch { no_put: true, ..all.clone() });
        world.watch(2, Watch { no_delete: true, prev_kv: true, ..all });
        assert_eq!(world.write(vec![Op::put("k", "v")]), ["2: k@2"]);
        assert_eq!(world.write(vec![Op::Delete(KeyRange::One("k".into()))]), ["1: k@3"]);
        world.store.txn(Txn { success: vec![Op::put("k", "w"), Op::put("l", "w")], ..Txn::default() }).unwrap();
        world.store.txn(Txn { success: vec![Op::put("k", "x")], ..Txn::default() }).unwrap();
        let mut out = Vec::new();
        world.watches.notify(&world.store, &mut out);
        let Some(Output::Respond { response: Response::Events(_, events, _), .. }) = out.first() else { panic!("{out:?}") };
        assert_eq!(events.iter().map(|event| event.prev.is_some()).collect::<Vec<_>>(), [false, true]);
    }
}
