//! What a leader knows of each member's log, and how fast it sends.
//!
//! ```text
//!            rejected, unreachable
//!   ┌────────┐ ◄──────────────── ┌───────────┐
//!   │ Probe  │                   │ Replicate │
//!   └────────┘ ────────────────► └───────────┘
//!        │  ▲       accepted           ▲
//!  needs │  │ reported                 │ accepted
//!        ▼  │                          │
//!   ┌──────────┐ ──────────────────────┘
//!   │ Snapshot │
//!   └──────────┘
//! ```
//!
//! In `Probe` the leader does not know where the logs part and sends one message at a time; in `Replicate` it sends ahead of the answers,
//! up to the limits of [`Inflights`]; in `Snapshot` it waits for the member to catch up from a snapshot.
//!
//! Models `tracker/progress.go`, `tracker/inflights.go` and `tracker/tracker.go` of etcd/raft.

use crate::{CommitBound, ConfState, Config, Index, NodeId, VoteResult};
use std::collections::{BTreeMap, VecDeque};

/// How the leader sends to a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgressState {
    /// One message at a time, to find where the logs part.
    #[default]
    Probe,
    /// Ahead of the answers.
    Replicate,
    /// Nothing, until a snapshot up to `pending` has arrived.
    Snapshot {
        /// The last index of the snapshot.
        pending: Index,
    },
}

/// The messages with entries that are under way to a member: their last indexes and sizes, oldest first.
#[derive(Clone, Debug)]
pub struct Inflights {
    under_way: VecDeque<(Index, u64)>,
    bytes: u64,
    max_messages: usize,
    max_bytes: u64,
}

impl Inflights {
    fn new(max_messages: usize, max_bytes: u64) -> Self {
        Inflights { under_way: VecDeque::new(), bytes: 0, max_messages, max_bytes }
    }

    /// How many messages are under way.
    pub fn count(&self) -> usize {
        self.under_way.len()
    }

    /// Whether nothing more may be sent.
    pub fn is_full(&self) -> bool {
        self.under_way.len() >= self.max_messages || self.bytes >= self.max_bytes
    }

    fn add(&mut self, last: Index, bytes: u64) {
        assert!(!self.is_full(), "nothing is sent while as much as may be is under way");
        self.under_way.push_back((last, bytes));
        self.bytes += bytes;
    }

    /// Those that end at or before the index have arrived.
    fn free_up_to(&mut self, index: Index) {
        while self.under_way.front().is_some_and(|&(last, _)| last <= index) {
            self.bytes -= self.under_way.pop_front().map_or(0, |(_, bytes)| bytes);
        }
    }

    fn reset(&mut self) {
        self.under_way.clear();
        self.bytes = 0;
    }
}

/// What the leader knows of a member.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Up to where the member's log is known to be the leader's, on the member's disk.
    pub matched: Index,
    /// The next entry to send. Those between `matched` and it are under way.
    pub next: Index,
    /// How the leader sends.
    pub state: ProgressState,
    /// Whether the member has been heard of since the last check of the quorum.
    pub recent_active: bool,
    /// Whether sending waits for the next answer to a heartbeat.
    pub flow_paused: bool,
    /// What is under way.
    pub inflights: Inflights,
    /// The highest commit index that was sent, as far as that can have arrived.
    sent_commit: Index,
}

impl Progress {
    pub(crate) fn new(config: &Config, next: Index, recent_active: bool) -> Self {
        Progress {
            matched: Index(0),
            next,
            state: ProgressState::Probe,
            recent_active,
            flow_paused: false,
            inflights: Inflights::new(config.max_inflight_messages, config.max_inflight_bytes),
            sent_commit: Index(0),
        }
    }

    fn enter(&mut self, state: ProgressState) {
        self.flow_paused = false;
        self.state = state;
        self.inflights.reset();
    }

    /// Probes from after what is known to match, or after the snapshot that is taken to have arrived.
    pub(crate) fn become_probe(&mut self) {
        self.next = match self.state {
            ProgressState::Snapshot { pending } => self.matched.max(pending).next(),
            _ => self.matched.next(),
        };
        self.enter(ProgressState::Probe);
        self.sent_commit = self.sent_commit.min(self.next.prev());
    }

    /// Sends ahead from after what is known to match.
    pub(crate) fn become_replicate(&mut self) {
        self.enter(ProgressState::Replicate);
        self.next = self.matched.next();
    }

    /// Waits for a snapshot up to the index to arrive.
    pub(crate) fn become_snapshot(&mut self, pending: Index) {
        self.enter(ProgressState::Snapshot { pending });
        self.next = pending.next();
        self.sent_commit = pending;
    }

    /// The snapshot did not arrive.
    pub(crate) fn forget_snapshot(&mut self) {
        if matches!(self.state, ProgressState::Snapshot { .. }) {
            self.state = ProgressState::Snapshot { pending: Index(0) };
        }
    }

    /// Whether appends must wait.
    pub(crate) fn is_paused(&self) -> bool {
        self.flow_paused || matches!(self.state, ProgressState::Snapshot { .. })
    }

    /// Whether an append may carry entries. One without any is still sent now and then, so that a member whose messages were all lost is
    /// found out.
    pub(crate) fn takes_entries(&self) -> bool {
        self.state != ProgressState::Replicate || !self.inflights.is_full()
    }

    /// An append with so many entries was sent.
    pub(crate) fn sent_entries(&mut self, count: usize, bytes: u64) {
        match self.state {
            ProgressState::Replicate => {
                if count > 0 {
                    self.next = self.next.plus(count);
                    self.inflights.add(self.next.prev(), bytes);
                }
                self.flow_paused = self.inflights.is_full();
            }
            ProgressState::Probe => self.flow_paused |= count > 0,
            ProgressState::Snapshot { .. } => unreachable!("nothing is appended while a snapshot is pending"),
        }
    }

    /// A commit index was sent.
    pub(crate) fn sent_commit(&mut self, commit: Index) {
        self.sent_commit = commit;
    }

    /// Whether to send this commit index would be news to the member.
    pub(crate) fn can_bump_commit(&self, commit: Index) -> bool {
        commit > self.sent_commit && self.sent_commit < self.next.prev()
    }

    /// The member has the log up to the index. False if that was known.
    pub(crate) fn maybe_update(&mut self, index: Index) -> bool {
        if index <= self.matched {
            return false;
        }
        self.matched = index;
        self.next = self.next.max(index.next());
        self.flow_paused = false;
        true
    }

    /// The member has refused an append after `rejected` and may have `hint`. False if that answer is stale.
    pub(crate) fn maybe_decrease_to(&mut self, rejected: Index, hint: Index) -> bool {
        if self.state == ProgressState::Replicate {
            if rejected <= self.matched {
                return false;
            }
            self.next = self.matched.next();
        } else {
            // A probe is answered before the next is sent.
            if self.next.prev() != rejected {
                return false;
            }
            self.next = rejected.min(hint.next()).max(self.matched.next());
            self.flow_paused = false;
        }
        self.sent_commit = self.sent_commit.min(self.next.prev());
        true
    }

    /// What was under way up to the index has arrived.
    pub(crate) fn free_inflights(&mut self, index: Index) {
        self.inflights.free_up_to(index);
    }
}

/// The configuration in force, and per member what is known of its log and of its vote.
#[derive(Clone, Debug)]
pub(crate) struct Tracker {
    pub(crate) conf_state: ConfState,
    /// One per member of the configuration.
    pub(crate) progress: BTreeMap<NodeId, Progress>,
    votes: BTreeMap<NodeId, bool>,
}

impl Tracker {
    pub(crate) fn new(config: &Config, conf_state: ConfState, last: Index) -> Self {
        let mut tracker = Tracker { conf_state: ConfState::default(), progress: BTreeMap::new(), votes: BTreeMap::new() };
        tracker.switch_to(config, conf_state, last);
        tracker
    }

    /// Puts a configuration in force. Members that it does not have are forgotten; new ones are probed from the last entry on, and count
    /// as active so that they do not depose the leader before they had a chance to answer.
    pub(crate) fn switch_to(&mut self, config: &Config, conf_state: ConfState, last: Index) {
        let ids = conf_state.ids();
        self.progress.retain(|id, _| ids.contains(id));
        for id in ids {
            self.progress.entry(id).or_insert_with(|| Progress::new(config, last.max(Index(1)), true));
        }
        self.conf_state = conf_state;
    }

    /// Forgets what is known of the members' logs and votes; the own log is known up to `stable`.
    pub(crate) fn reset(&mut self, config: &Config, last: Index, stable: Index) {
        self.votes.clear();
        for (&id, progress) in &mut self.progress {
            *progress = Progress::new(config, last.next(), false);
            if id == config.id {
                progress.matched = stable;
            }
        }
    }

    /// Up to where the voters have the log.
    pub(crate) fn committed_index(&self) -> CommitBound {
        self.conf_state.voters.committed_index(|id| self.progress.get(&id).map(|progress| progress.matched))
    }

    /// Whether a quorum has been heard of since the last check.
    pub(crate) fn quorum_active(&self) -> bool {
        let active = |id| self.progress.get(&id).map(|progress: &Progress| progress.recent_active);
        self.conf_state.voters.vote_result(active) == VoteResult::Won
    }

    /// Forgets all votes.
    pub(crate) fn reset_votes(&mut self) {
        self.votes.clear();
    }

    /// Notes a vote; the first of a member counts.
    pub(crate) fn record_vote(&mut self, id: NodeId, granted: bool) -> VoteResult {
        self.votes.entry(id).or_insert(granted);
        self.conf_state.voters.vote_result(|id| self.votes.get(&id).copied())
    }

    /// Whether `id` alone decides.
    pub(crate) fn is_singleton(&self, id: NodeId) -> bool {
        let voters = &self.conf_state.voters;
        voters.incoming.len() == 1 && voters.incoming.contains(&id) && !voters.is_joint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(matched: u64, next: u64, state: ProgressState) -> Progress {
        let config = Config { max_inflight_messages: 2, ..Config::new(NodeId(1)) };
        let mut progress = Progress::new(&config, Index(next), true);
        progress.matched = Index(matched);
        progress.state = state;
        progress
    }

    #[test]
    fn replication_runs_ahead_until_as_much_as_may_be_is_under_way() {
        let mut progress = progress(0, 1, ProgressState::Replicate);
        progress.sent_entries(3, 10);
        assert_eq!((progress.next, progress.is_paused()), (Index(4), false));
        progress.sent_entries(1, 10);
        assert!(progress.is_paused() && !progress.takes_entries());
        assert!(progress.maybe_update(Index(3)));
        progress.free_inflights(Index(3));
        assert!(!progress.is_paused() && progress.takes_entries());
        assert_eq!(progress.inflights.count(), 1);
    }

    #[test]
    fn a_probe_falls_back_to_the_hint_and_ignores_stale_answers() {
        let mut progress = progress(2, 10, ProgressState::Probe);
        progress.sent_entries(1, 0);
        assert!(progress.is_paused());
        assert!(!progress.maybe_decrease_to(Index(7), Index(3)), "not what was sent");
        assert!(progress.maybe_decrease_to(Index(9), Index(5)));
        assert_eq!((progress.next, progress.is_paused()), (Index(6), false));
        assert!(progress.maybe_decrease_to(Index(5), Index(0)));
        assert_eq!(progress.next, Index(3), "never behind what matches");
    }

    #[test]
    fn a_snapshot_that_arrived_is_probed_after_it_and_a_lost_one_before() {
        let mut arrived = progress(2, 3, ProgressState::Probe);
        arrived.become_snapshot(Index(9));
        let mut lost = arrived.clone();
        assert!(arrived.is_paused());
        arrived.become_probe();
        assert_eq!(arrived.next, Index(10));
        lost.forget_snapshot();
        lost.become_probe();
        assert_eq!(lost.next, Index(3));
    }
}
