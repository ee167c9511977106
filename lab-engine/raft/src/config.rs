//! How a member behaves: time-outs in ticks, limits in bytes, and the optional parts of the protocol.
//!
//! Models `Config` in `raft.go` of etcd/raft. Defaults are those of etcd (`server/etcdserver/api/rafthttp`, `bootstrap.go`: 10 ticks of
//! 100 ms, `maxSizePerMsg` 1 MiB, `maxInflightMsgs` 512), with CheckQuorum and PreVote on.

use crate::NodeId;
use thiserror::Error;

/// How reads are made sure to be up to date (thesis §6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadOnlyOption {
    /// The leader asks a quorum whether it still leads.
    #[default]
    Safe,
    /// The leader trusts its lease: a quorum has answered within the last election time-out, and nobody of it votes before that has
    /// passed. It holds as far as all clocks run at the same speed.
    LeaseBased,
}

/// The configuration of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who it is.
    pub id: NodeId,
    /// How many ticks a follower waits for a leader at least; each wait is drawn from this to twice as many less one.
    pub election_ticks: u32,
    /// Every how many ticks a leader says that it lives.
    pub heartbeat_ticks: u32,
    /// The most bytes of entries in one message; a single entry is always sent, and with 0 no other one with it.
    pub max_message_bytes: u64,
    /// How many messages with entries may be under way to a follower.
    pub max_inflight_messages: usize,
    /// How many bytes of entries may be under way to a follower.
    pub max_inflight_bytes: u64,
    /// How many bytes of proposals may wait to be applied on a leader. A proposal that finds none waiting is always taken.
    pub max_uncommitted_bytes: u64,
    /// The most bytes of entries in one batch of committed entries; a single entry is always handed out.
    pub max_batch_bytes: u64,
    /// Whether a leader that hears from no quorum for an election time-out steps down, and whether members that have heard from a leader
    /// lately ignore candidates (thesis §6.2 and §4.2.3).
    pub check_quorum: bool,
    /// Whether a member asks if it could win before it campaigns (thesis §9.6).
    pub pre_vote: bool,
    /// How reads are made sure to be up to date.
    pub read_only: ReadOnlyOption,
    /// Whether a follower refuses proposals instead of passing them to the leader.
    pub disable_proposal_forwarding: bool,
    /// Whether a leader that is removed, or no longer votes, steps down when it applies the change.
    pub step_down_on_removal: bool,
}

/// Why a configuration cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The id zero means nobody.
    #[error("a member cannot have the id 0")]
    NoId,
    /// A leader must be able to say that it lives.
    #[error("heartbeat ticks must be greater than 0")]
    NoHeartbeat,
    /// A follower must outwait a heartbeat.
    #[error("election ticks ({election}) must be greater than heartbeat ticks ({heartbeat})")]
    ElectionTooShort {
        /// The election time-out.
        election: u32,
        /// The heartbeat interval.
        heartbeat: u32,
    },
    /// Something must be under way to be answered.
    #[error("max inflight messages must be greater than 0")]
    NoInflight,
    /// A lease is only known to hold when the quorum is checked.
    #[error("CheckQuorum must be enabled for lease-based reads")]
    LeaseWithoutCheckQuorum,
}

impl Config {
    /// The configuration that etcd gives its members.
    pub fn new(id: NodeId) -> Self {
        Config {
            id,
            election_ticks: 10,
            heartbeat_ticks: 1,
            max_message_bytes: 1024 * 1024,
            max_inflight_messages: 512,
            max_inflight_bytes: u64::MAX,
            max_uncommitted_bytes: u64::MAX,
            max_batch_bytes: u64::MAX,
            check_quorum: true,
            pre_vote: true,
            read_only: ReadOnlyOption::Safe,
            disable_proposal_forwarding: false,
            step_down_on_removal: false,
        }
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.id == NodeId(0) {
            return Err(ConfigError::NoId);
        }
        if self.heartbeat_ticks == 0 {
            return Err(ConfigError::NoHeartbeat);
        }
        if self.election_ticks <= self.heartbeat_ticks {
            return Err(ConfigError::ElectionTooShort { election: self.election_ticks, heartbeat: self.heartbeat_ticks });
        }
        if self.max_inflight_messages == 0 {
            return Err(ConfigError::NoInflight);
        }
        if self.read_only == ReadOnlyOption::LeaseBased && !self.check_quorum {
            return Err(ConfigError::LeaseWithoutCheckQuorum);
        }
        Ok(())
    }
}
