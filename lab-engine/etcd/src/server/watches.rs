//! The watches of a member's clients (`server/storage/mvcc/watchable_store.go`).
//!
//! A watch is served by the member that was asked for it, from its own key space: it may be behind the leader, and sees the same changes in
//! the same order.
//!
//! **Simplified here:** every watch is looked at after every change.

use crate::server::Output;
use crate::{CallId, Event, KeyRange, Response, Revision, Store, Watch};
use std::collections::BTreeMap;

#[derive(Debug)]
struct Watcher {
    keys: KeyRange,
    /// The first revision that it has not seen and wants to see.
    next: Revision,
}

/// The watches, by client and call.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    watchers: BTreeMap<(u32, CallId), Watcher>,
}

impl Watches {
    /// Starts a watch and answers with what it has missed.
    pub(crate) fn add(&mut self, store: &Store, from: u32, call: CallId, watch: Watch, out: &mut Vec<Output>) {
        let revision = store.revision();
        let start = if watch.start_revision == 0 { revision + 1 } else { watch.start_revision };
        let response = match store.changes(&watch.keys, start) {
            Ok(missed) => Response::Events(call, missed.cloned().collect(), revision),
            Err(error) => Response::Error(call, error),
        };
        if matches!(response, Response::Events(..)) {
            self.watchers.insert((from, call), Watcher { keys: watch.keys, next: start.max(revision + 1) });
        }
        out.push(Output::Respond { to: from, response });
    }

    pub(crate) fn remove(&mut self, from: u32, call: CallId) {
        self.watchers.remove(&(from, call));
    }

    pub(crate) fn remove_client(&mut self, from: u32) {
        self.watchers.retain(|(client, _), _| *client != from);
    }

    /// Sends changes to those who watch them. A watch that has missed compacted changes, which only the installation of a snapshot can
    /// bring about, ends.
    pub(crate) fn catch_up(&mut self, store: &Store, out: &mut Vec<Output>) {
        let revision = store.revision();
        self.watchers.retain(|&(to, call), watcher| {
            let response = match store.changes(&watcher.keys, watcher.next) {
                Ok(changes) => {
                    let events: Vec<Event> = changes.cloned().collect();
                    watcher.next = watcher.next.max(revision + 1);
                    if events.is_empty() {
                        return true;
                    }
                    Response::Events(call, events, revision)
                }
                Err(error) => Response::Error(call, error),
            };
            let goes_on = matches!(response, Response::Events(..));
            out.push(Output::Respond { to, response });
            goes_on
        });
    }
}
