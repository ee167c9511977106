//! A member of the group: its state, its clock and its door.
//!
//! Everything that reaches a member comes in through a method: the clock ([`RaftNode::tick`]), a message ([`RaftNode::step`]), the
//! owner's wishes ([`RaftNode::propose`] and its neighbours), and the owner's reports ([`RaftNode::persisted`], [`RaftNode::applied`]).
//! Everything that a member wants done comes out in a [`Ready`](crate::Ready).
//!
//! Models `raft.go` and `rawnode.go` of etcd/raft.

use crate::log::RaftLog;
use crate::progress::Tracker;
use crate::read_only::ReadOnly;
use crate::ready::Outbox;
use crate::{Body, ConfState, Config, HardState, Index, Message, NodeId, Payload, Progress, ProposalDropped, ReadContext, Snapshot, Term};
use sim::Rng;
use std::collections::BTreeMap;
use thiserror::Error;

/// What a member is (Raft paper, figure 4; the pre-candidate is of thesis §9.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It answers leaders and candidates.
    #[default]
    Follower,
    /// It asks whether it could win.
    PreCandidate,
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
}

/// Why a message has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StepError {
    /// It is for somebody else, or says that it comes from the member itself.
    #[error("a message to member {to} reached member {id}")]
    Misaddressed {
        /// To whom it was sent.
        to: NodeId,
        /// Whom it reached.
        id: NodeId,
    },
    /// It carries proposals that cannot be taken.
    #[error(transparent)]
    ProposalDropped(#[from] ProposalDropped),
    /// It asks what only a leader can answer, and none is known.
    #[error("no leader at term {0}")]
    NoLeader(Term),
    /// It says that more is committed than this member has, although it had acknowledged that much: the member's disk has lost entries.
    /// etcd ends the process; the owner should stop the member.
    #[error("tocommit({commit}) is out of range [lastIndex({last})]. Was the raft log corrupted, truncated, or lost?")]
    LogLost {
        /// What is committed.
        commit: Index,
        /// The member's last entry.
        last: Index,
    },
    /// It contradicts an entry that is committed here: one of the two disks has lost entries. The owner should stop the member.
    #[error("entry {index} conflict with committed entry [committed({committed})]")]
    CommittedConflict {
        /// Where the logs differ.
        index: Index,
        /// What is committed here.
        committed: Index,
    },
}

/// A member. `D` is what entries carry, `S` what snapshots carry.
#[derive(Clone, Debug)]
pub struct RaftNode<D, S> {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    pub(crate) role: Role,
    pub(crate) term: Term,
    pub(crate) vote: Option<NodeId>,
    pub(crate) leader: Option<NodeId>,
    pub(crate) log: RaftLog<D>,
    pub(crate) tracker: Tracker,
    /// A snapshot that has taken the place of the log and is not on disk yet.
    pub(crate) pending_snapshot: Option<Snapshot<S>>,
    /// As of which index the configuration in force is.
    pub(crate) conf_index: Index,
    /// A leader takes no change of the configuration before this index is applied: one may be on its way.
    pub(crate) pending_conf_index: Index,
    /// The size of what waits on a leader to be applied; it may be less than that, never more.
    pub(crate) uncommitted_bytes: u64,
    pub(crate) read_only: ReadOnly,
    /// To whom a leader is handing over.
    pub(crate) transferee: Option<NodeId>,
    /// Ticks since the leader was heard of, or since the member last campaigned or checked its quorum.
    pub(crate) election_elapsed: u32,
    pub(crate) heartbeat_elapsed: u32,
    pub(crate) randomized_election_timeout: u32,
    pub(crate) outbox: Outbox<D, S>,
}

impl<D: Payload, S: Clone> RaftNode<D, S> {
    /// A tick of the clock has passed.
    pub fn tick(&mut self) {
        if self.role == Role::Leader { self.tick_leader() } else { self.tick_election() }
    }

    /// A message has arrived.
    ///
    /// # Errors
    /// When it has no effect because of something that its sender or the owner should know of. A message that is merely stale is none.
    pub fn step(&mut self, message: Message<D, S>) -> Result<(), StepError> {
        if message.to != self.config.id || message.from == self.config.id && !message.body.is_passed_on() {
            return Err(StepError::Misaddressed { to: message.to, id: self.config.id });
        }
        if message.body.is_passed_on() {
            return self.step_passed_on(message.from, message.body);
        }
        if message.term > self.term && !self.meet_newer_term(&message) {
            return Ok(());
        }
        if message.term < self.term {
            self.answer_stale(&message);
            return Ok(());
        }
        match message.body {
            Body::Vote { last, .. } => self.handle_vote(message.from, last),
            Body::PreVote { last } => self.handle_pre_vote(message.from, message.term, last),
            body => return self.step_in_term(message.from, body),
        }
        Ok(())
    }

    /// A newer term makes the member a follower, with exceptions. False if the message is to be ignored.
    fn meet_newer_term(&mut self, message: &Message<D, S>) -> bool {
        match &message.body {
            Body::Vote { transfer: true, .. } => {}
            Body::Vote { .. } | Body::PreVote { .. } if self.in_lease() => return false,
            _ => {}
        }
        match &message.body {
            // Neither the question nor the consent moves the term: it is the one that the candidate would have.
            Body::PreVote { .. } | Body::PreVoteResponse { reject: false } => {}
            body => {
                let leader = body.is_from_leader().then_some(message.from);
                self.become_follower(message.term, leader);
                return true;
            }
        }
        self.step_newer_pre_vote(message);
        false
    }

    /// A pre-vote, or the consent to one, for a term that nobody has yet.
    fn step_newer_pre_vote(&mut self, message: &Message<D, S>) {
        match message.body {
            Body::PreVote { last } => self.handle_pre_vote(message.from, message.term, last),
            Body::PreVoteResponse { reject } if self.role == Role::PreCandidate => self.count_vote(message.from, !reject),
            _ => {}
        }
    }

    /// A message of an older term is not obeyed, but its sender may have to learn of the newer one.
    fn answer_stale(&mut self, message: &Message<D, S>) {
        match &message.body {
            // With a lease or pre-votes nobody's term moves by asking, so that a member that is ahead of its leader would be stuck: its
            // answer makes the leader step down.
            Body::Heartbeat { .. } | Body::Append { .. } if self.config.check_quorum || self.config.pre_vote => {
                self.send(message.from, Body::AppendResponse { index: Index(0), rejected: None });
            }
            Body::PreVote { .. } => self.send(message.from, Body::PreVoteResponse { reject: true }),
            _ => {}
        }
    }

    /// A message of the current term.
    fn step_in_term(&mut self, from: NodeId, body: Body<D, S>) -> Result<(), StepError> {
        if body.is_from_leader() && self.role != Role::Leader {
            return self.step_from_leader(from, body);
        }
        match body {
            Body::VoteResponse { reject } if self.role == Role::Candidate => self.count_vote(from, !reject),
            Body::PreVoteResponse { reject } if self.role == Role::PreCandidate => self.count_vote(from, !reject),
            Body::AppendResponse { index, rejected } if self.role == Role::Leader => self.handle_append_response(from, index, rejected),
            Body::HeartbeatResponse { reads } if self.role == Role::Leader => self.handle_heartbeat_response(from, reads),
            Body::TransferLeader { transferee } => self.transfer_leader(transferee),
            Body::TimeoutNow if self.role == Role::Follower => self.campaign_for_transfer(),
            Body::ReadIndexResponse { context, index } if self.role == Role::Follower => self.read_confirmed(context, index),
            _ => {}
        }
        Ok(())
    }

    /// The leader of the current term speaks: who is no follower becomes one, and waits for a full time-out again.
    fn step_from_leader(&mut self, from: NodeId, body: Body<D, S>) -> Result<(), StepError> {
        if self.role == Role::Follower {
            self.election_elapsed = 0;
            self.leader = Some(from);
        } else {
            self.become_follower(self.term, Some(from));
        }
        match body {
            Body::Append { prev, entries, commit } => self.handle_append(from, prev, entries, commit),
            Body::Heartbeat { commit, reads } => self.handle_heartbeat(from, commit, reads),
            Body::Snapshot(snapshot) => {
                self.handle_snapshot(from, snapshot);
                Ok(())
            }
            _ => unreachable!("only these come from a leader"),
        }
    }

    /// A client's request that another member has passed on.
    fn step_passed_on(&mut self, from: NodeId, body: Body<D, S>) -> Result<(), StepError> {
        match body {
            Body::Propose(entries) => self.propose_for(from, entries)?,
            Body::ReadIndex(context) => self.read_index_for(from, context)?,
            _ => unreachable!("only these are passed on"),
        }
        Ok(())
    }

    /// Puts a message with the current term into the outbox.
    pub(crate) fn send(&mut self, to: NodeId, body: Body<D, S>) {
        self.send_in_term(to, self.term, body);
    }

    /// Passes a client's request on to the leader, with the member that the client has asked as the sender.
    pub(crate) fn pass_on(&mut self, from: NodeId, to: NodeId, body: Body<D, S>) {
        self.outbox.messages.push(Message { from, to, term: Term(0), body });
    }

    /// Puts a message into the outbox: among those that may leave at once, or those that wait for the disk.
    pub(crate) fn send_in_term(&mut self, to: NodeId, term: Term, body: Body<D, S>) {
        assert_ne!(to, self.config.id, "a member does not write to itself");
        let waits = body.waits_for_disk();
        let message = Message { from: self.config.id, to, term, body };
        if waits { self.outbox.after.push(message) } else { self.outbox.messages.push(message) }
    }

    /// Starts a term afresh, or the same term in another role: time-outs, votes and what is known of the others.
    pub(crate) fn reset(&mut self, term: Term) {
        assert!(term >= self.term, "term {} does not go back to {term}", self.term);
        if self.term != term {
            self.term = term;
            self.vote = None;
        }
        self.leader = None;
        self.transferee = None;
        self.election_elapsed = 0;
        self.heartbeat_elapsed = 0;
        self.draw_election_timeout();
        self.tracker.reset(&self.config, self.log.last_index(), self.log.stable());
        self.pending_conf_index = Index(0);
        self.uncommitted_bytes = 0;
        self.read_only = ReadOnly::default();
        self.outbox.snapshots_wanted.clear();
    }

    /// Draws how long the member waits for a leader: from the election time-out to twice as long less one tick, so that members seldom
    /// campaign together (Raft paper §5.2).
    fn draw_election_timeout(&mut self) {
        let ticks = u64::from(self.config.election_ticks);
        let drawn = u32::try_from(self.rng.below(ticks)).expect("the draw is below a u32");
        self.randomized_election_timeout = self.config.election_ticks + drawn;
    }

    /// What must be on disk.
    pub fn hard_state(&self) -> HardState {
        HardState { term: self.term, vote: self.vote, commit: self.log.committed() }
    }

    /// Who it is.
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// What it is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its term.
    pub fn term(&self) -> Term {
        self.term
    }

    /// The leader of its term, if it knows one.
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// To whom it is handing over the leadership.
    pub fn transferee(&self) -> Option<NodeId> {
        self.transferee
    }

    /// Its log.
    pub fn log(&self) -> &RaftLog<D> {
        &self.log
    }

    /// The configuration in force: that as of the last entry that is applied, or of the snapshot that is being installed.
    pub fn conf_state(&self) -> &ConfState {
        &self.tracker.conf_state
    }

    /// What it knows of each member's log, by member. Of interest on a leader.
    pub fn progress(&self) -> &BTreeMap<NodeId, Progress> {
        &self.tracker.progress
    }

    /// How it is configured.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// After how many ticks without a leader it campaigns this time.
    pub fn election_timeout(&self) -> u32 {
        self.randomized_election_timeout
    }

    /// Sets after how many ticks without a leader it campaigns, until the next time-out is drawn; for labs that decide who is first.
    pub fn set_election_timeout(&mut self, ticks: u32) {
        self.randomized_election_timeout = ticks;
    }

    /// Switches pre-votes on or off, as a rolling restart of the group with another configuration does.
    pub fn set_pre_vote(&mut self, pre_vote: bool) {
        self.config.pre_vote = pre_vote;
    }

    /// Drops the log up to the index, which must be applied, and of which the owner must have a snapshot on disk.
    ///
    /// # Panics
    /// When the index is not applied.
    pub fn compact(&mut self, index: Index) {
        self.log.compact(index);
    }

    /// The owner has applied up to the index. A leader leaves a joint configuration that wants it.
    pub(crate) fn applied_to(&mut self, index: Index) {
        self.log.applied_to(index);
        self.maybe_leave_joint();
    }

    /// A read passed on or answered.
    fn read_confirmed(&mut self, context: ReadContext, index: Index) {
        self.outbox.reads.push(crate::ReadState { context, index });
    }
}
