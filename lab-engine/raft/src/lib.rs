//! Raft: consensus on a log, as a pure state machine.
//!
//! A group of members agrees on one log: what is committed is the same for all and never changes, as long as a majority lives. A
//! [`RaftNode`] is one member. It has no clock, no network and no disk: its owner tells it that time passes and that messages arrive, and
//! does what it asks for in a [`Ready`]; see [`ready`] for the order.
//!
//! ```
//! use raft::{ConfState, Config, EntryData, InitialState, NodeId, RaftNode, Role};
//!
//! let id = NodeId(1);
//! let initial = InitialState { conf_state: ConfState::new([id], []), ..InitialState::default() };
//! let mut node: RaftNode<String, ()> = RaftNode::new(Config::new(id), initial, sim::Seed(7).stream("raft/1")).expect("an empty disk");
//! node.campaign();
//! let mut applied = Vec::new();
//! while node.has_ready() {
//!     let ready = node.ready();
//!     if let Some(write) = ready.write {
//!         // … the disk …
//!         let messages = node.persisted(write);
//!         assert!(messages.is_empty(), "nobody else is there");
//!     }
//!     if let Some(batch) = ready.committed {
//!         applied.extend(batch.entries().iter().map(|entry| entry.data.clone()));
//!         let _ = node.applied(batch);
//!     }
//!     if node.role() == Role::Leader && node.log().entries().len() == 1 {
//!         node.propose("hello".to_owned()).expect("it leads");
//!     }
//! }
//! assert_eq!(applied, [EntryData::Empty, EntryData::Normal("hello".to_owned())]);
//! ```
//!
//! Sources: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm (Extended Version)" ("the Raft paper"); Ongaro,
//! "Consensus: Bridging Theory and Practice" ("the thesis"); and etcd/raft (`go.etcd.io/raft/v3`), whose behaviour it has.
//!
//! **Simplified here:** no `ForgetLeader`, no witness members, no weak ordering between several disk writes of one member; the log after
//! the last compaction is in memory.

mod confchange;
mod config;
mod election;
mod entry;
mod log;
mod message;
mod node;
mod progress;
mod proposal;
mod quorum;
mod read_only;
pub mod ready;
mod replication;
mod snapshot;
mod start;
mod transfer;

pub use confchange::{ConfChange, ConfChangeError, ConfChangeSingle, ConfChangeTransition, ConfState};
pub use config::{Config, ConfigError, ReadOnlyOption};
pub use entry::{Entry, EntryData, EntryId, HardState, Index, NodeId, Payload, Snapshot, Term};
pub use log::RaftLog;
pub use message::{Body, Message, ReadContext};
pub use node::{RaftNode, Role, StepError};
pub use progress::{Inflights, Progress, ProgressState};
pub use proposal::ProposalDropped;
pub use quorum::{CommitBound, JointConfig, VoteResult};
pub use ready::{AppliedConfChange, Committed, ReadState, Ready, SnapshotRequest, SoftState, Write};
pub use replication::commit_rule;
pub use start::{InitialState, StartError};
