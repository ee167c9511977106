//! How a member starts: from what is on its disk.
//!
//! Raft trusts the disk to have what was reported as persisted, and checks that the parts fit together. A member of a new group starts
//! from [`InitialState::bootstrap`], one that is added to a group from an empty disk, one that restarts from what it has written.
//!
//! Models `newRaft` in `raft.go` and `bootstrap.go` of etcd/raft.

use crate::log::RaftLog;
use crate::node::{RaftNode, Role};
use crate::progress::Tracker;
use crate::read_only::ReadOnly;
use crate::ready::Outbox;
use crate::{
    ConfChange, ConfChangeError, ConfChangeSingle, ConfState, Config, ConfigError, Entry, EntryData, EntryId, HardState, Index, NodeId,
    Payload, Term,
};
use sim::Rng;
use thiserror::Error;

/// Why a member cannot start from what is on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StartError {
    /// The configuration of the member cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration of the group cannot be used.
    #[error(transparent)]
    ConfState(#[from] ConfChangeError),
    /// An entry of the log is missing.
    #[error("the log has a gap before entry {0}")]
    Gap(Index),
    /// The commit index is beyond the log.
    #[error("state.commit {commit} is out of range [{first}, {last}]")]
    CommitOutOfRange {
        /// The commit index on disk.
        commit: Index,
        /// The last entry of the snapshot.
        first: Index,
        /// The last entry of the log.
        last: Index,
    },
    /// More is said to be applied than is committed, or less than the snapshot covers.
    #[error("applied({applied}) is out of range [prevApplied({first}), committed({commit})]")]
    AppliedOutOfRange {
        /// The applied index.
        applied: Index,
        /// The last entry of the snapshot.
        first: Index,
        /// The commit index.
        commit: Index,
    },
}

/// What a member finds on its disk when it starts. The default is an empty disk, without even a configuration: that of a member that is
/// added to a group, which gets all it needs from the leader.
#[derive(Clone, Debug)]
pub struct InitialState<D> {
    /// The last hard state that was persisted.
    pub hard_state: HardState,
    /// The last entry that the owner's snapshot covers; the default if there is none.
    pub snapshot: EntryId,
    /// The entries after it, with consecutive indexes.
    pub entries: Vec<Entry<D>>,
    /// Up to where the owner's state has the log; at least the snapshot's index.
    pub applied: Index,
    /// The configuration as of `applied`.
    pub conf_state: ConfState,
}

impl<D> Default for InitialState<D> {
    fn default() -> Self {
        let (hard_state, snapshot, applied) = (HardState::default(), EntryId::default(), Index(0));
        InitialState { hard_state, snapshot, entries: Vec::new(), applied, conf_state: ConfState::default() }
    }
}

impl<D> InitialState<D> {
    /// The disk of a first member of a new group: the log begins with an entry for each peer, which is committed, so that whoever gets the
    /// log from its start gets the configuration with it. All peers must start with the same list. `D` is what the owner wants to know
    /// of a peer. The owner writes this to its disk before it starts the member (`Bootstrap` in etcd/raft's `bootstrap.go`).
    pub fn bootstrap(peers: impl IntoIterator<Item = (NodeId, Option<D>)>) -> Self {
        let change = |id| ConfChange::single(ConfChangeSingle::AddNode(id));
        let entry =
            |(index, (id, context))| Entry { id: EntryId::new(Term(1), Index(index)), data: EntryData::ConfChange(change(id), context) };
        let entries: Vec<Entry<D>> = (1..).zip(peers).map(entry).collect();
        let hard_state = HardState { term: Term(1), vote: None, commit: Index(entries.len() as u64) };
        InitialState { hard_state, entries, ..InitialState::default() }
    }
}

impl<D: Payload, S: Clone> RaftNode<D, S> {
    /// A member as it starts, as a follower that knows no leader. Election time-outs are drawn from `rng`.
    ///
    /// # Errors
    /// When the configuration cannot be used or what is on disk does not fit together.
    pub fn new(config: Config, initial: InitialState<D>, rng: Rng) -> Result<Self, StartError> {
        config.validate()?;
        let InitialState { hard_state, snapshot, entries, applied, conf_state } = initial;
        let conf_state = conf_state.checked()?;
        if let Some((place, entry)) = (1..).zip(&entries).find(|(place, entry)| entry.id.index != snapshot.index.plus(*place)) {
            return Err(StartError::Gap(entry.id.index.min(snapshot.index.plus(place))));
        }
        let mut log = RaftLog::new(snapshot, entries);
        let (first, last) = (snapshot.index, log.last_index());
        // A crash may have come between the snapshot and the hard state that says it is committed.
        let commit = hard_state.commit.max(first);
        if commit > last {
            return Err(StartError::CommitOutOfRange { commit, first, last });
        }
        if applied < first || applied > commit {
            return Err(StartError::AppliedOutOfRange { applied, first, commit });
        }
        log.commit_to(commit);
        log.applied_to(applied);
        let tracker = Tracker::new(&config, conf_state, last);
        let mut node = RaftNode {
            rng,
            role: Role::Follower,
            term: hard_state.term,
            vote: hard_state.vote,
            leader: None,
            log,
            tracker,
            pending_snapshot: None,
            conf_index: applied,
            pending_conf_index: Index(0),
            uncommitted_bytes: 0,
            read_only: ReadOnly::default(),
            transferee: None,
            election_elapsed: 0,
            heartbeat_elapsed: 0,
            randomized_election_timeout: 0,
            outbox: Outbox::new(hard_state),
            config,
        };
        node.become_follower(hard_state.term, None);
        Ok(node)
    }
}
