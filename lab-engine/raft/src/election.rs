//! Elections: who campaigns, who votes for whom, who leads.
//!
//! A member that has heard of no leader for its time-out asks the others, with PreVote first whether they would vote for it and then for
//! their votes; with a majority it leads. Each member votes once per term, and only for a candidate whose log is at least as up to date
//! as its own, so that a leader has all that is committed (Raft paper §5.2, §5.4.1). With CheckQuorum nobody listens to a candidate
//! within an election time-out of hearing from a leader, and a leader steps down when it has heard from no quorum for as long, so that a
//! leader holds a lease while it is heard (thesis §4.2.3, §6.2).
//!
//! Models `raft.go` of etcd/raft (`Step`, `campaign`, `hup`, `becomeLeader` and their neighbours).

use crate::node::{RaftNode, Role};
use crate::{Body, EntryData, EntryId, NodeId, Payload, Term, VoteResult};

impl<D: Payload, S: Clone> RaftNode<D, S> {
    /// Campaigns now, as if the time-out had passed. A leader, and who does not vote, does nothing.
    pub fn campaign(&mut self) {
        if self.may_campaign() {
            if self.config.pre_vote { self.start_pre_vote() } else { self.start_election(false) }
        }
    }

    /// The leader wants this member to lead (thesis §3.10). It does not ask first: it knows that a leader could be elected.
    pub(crate) fn campaign_for_transfer(&mut self) {
        if self.may_campaign() {
            self.start_election(true);
        }
    }

    /// A tick of a member that does not lead.
    pub(crate) fn tick_election(&mut self) {
        self.election_elapsed += 1;
        if self.is_promotable() && self.election_elapsed >= self.randomized_election_timeout {
            self.election_elapsed = 0;
            self.campaign();
        }
    }

    /// A tick of a leader: the quorum is checked every election time-out, and a hand-over that took as long is given up.
    pub(crate) fn tick_leader(&mut self) {
        self.heartbeat_elapsed += 1;
        self.election_elapsed += 1;
        if self.election_elapsed >= self.config.election_ticks {
            self.election_elapsed = 0;
            if self.config.check_quorum {
                self.check_quorum();
            }
            self.transferee = None;
        }
        if self.role == Role::Leader && self.heartbeat_elapsed >= self.config.heartbeat_ticks {
            self.heartbeat_elapsed = 0;
            self.heartbeat();
        }
    }

    /// Steps down unless a quorum has been heard of since the last check.
    fn check_quorum(&mut self) {
        if let Some(own) = self.tracker.progress.get_mut(&self.config.id) {
            own.recent_active = true;
        }
        if !self.tracker.quorum_active() {
            self.become_follower(self.term, None);
        }
        for (&id, progress) in &mut self.tracker.progress {
            progress.recent_active &= id == self.config.id;
        }
    }

    /// Whether a candidate is ignored because a leader lives.
    pub(crate) fn in_lease(&self) -> bool {
        self.config.check_quorum && self.leader.is_some() && self.election_elapsed < self.config.election_ticks
    }

    /// Whether it votes by its own configuration and has its state together.
    pub(crate) fn is_promotable(&self) -> bool {
        self.tracker.conf_state.voters.contains(self.config.id) && self.pending_snapshot.is_none()
    }

    /// Whether it may campaign. A committed change of the configuration that is not applied could change who votes.
    fn may_campaign(&self) -> bool {
        let changes = self.log.unapplied().iter().any(|entry| matches!(entry.data, EntryData::ConfChange(..)));
        self.role != Role::Leader && self.is_promotable() && !changes
    }

    /// Asks who would vote for it in the next term. Nothing changes for the others, and for itself only the role; its own consent needs
    /// no disk.
    fn start_pre_vote(&mut self) {
        assert_ne!(self.role, Role::Leader, "a leader does not campaign");
        self.tracker.reset_votes();
        self.leader = None;
        self.role = Role::PreCandidate;
        let last = self.log.last_id();
        for id in self.other_voters() {
            self.send_in_term(id, self.term.next(), Body::PreVote { last });
        }
        self.count_vote(self.config.id, true);
    }

    /// Takes the next term, votes for itself and asks for votes. Its own vote counts once it is on disk.
    fn start_election(&mut self, transfer: bool) {
        assert_ne!(self.role, Role::Leader, "a leader does not campaign");
        self.reset(self.term.next());
        self.role = Role::Candidate;
        self.vote = Some(self.config.id);
        self.outbox.self_vote = Some(self.term);
        let last = self.log.last_id();
        for id in self.other_voters() {
            self.send(id, Body::Vote { last, transfer });
        }
    }

    fn other_voters(&self) -> Vec<NodeId> {
        self.tracker.conf_state.voters.ids().filter(|&id| id != self.config.id).collect()
    }

    /// Counts the answer to a vote or a pre-vote, whichever the member is asking for.
    pub(crate) fn count_vote(&mut self, from: NodeId, granted: bool) {
        assert!(matches!(self.role, Role::Candidate | Role::PreCandidate), "only candidates count votes");
        match self.tracker.record_vote(from, granted) {
            VoteResult::Won if self.role == Role::PreCandidate => self.start_election(false),
            VoteResult::Won => self.become_leader(),
            VoteResult::Lost => self.become_follower(self.term, None),
            VoteResult::Pending => {}
        }
    }

    /// Follows the leader, or nobody yet.
    pub(crate) fn become_follower(&mut self, term: Term, leader: Option<NodeId>) {
        self.reset(term);
        self.role = Role::Follower;
        self.leader = leader;
    }

    /// Leads: its first entry is an empty one of its term, which commits all before it (Raft paper §8).
    fn become_leader(&mut self) {
        assert_eq!(self.role, Role::Candidate, "only a candidate is elected");
        self.reset(self.term);
        self.role = Role::Leader;
        self.leader = Some(self.config.id);
        if let Some(own) = self.tracker.progress.get_mut(&self.config.id) {
            own.become_replicate();
            own.recent_active = true;
        }
        // The log may hold a change of the configuration that is not applied; another one waits until all of the log is.
        self.pending_conf_index = self.log.last_index();
        self.append_own(vec![EntryData::Empty]);
        self.broadcast_append();
    }

    /// A candidate of the current term asks for the vote.
    pub(crate) fn handle_vote(&mut self, from: NodeId, last: EntryId) {
        let free = self.vote == Some(from) || self.vote.is_none() && self.leader.is_none();
        let granted = free && self.log.is_up_to_date(last);
        if granted {
            self.election_elapsed = 0;
            self.vote = Some(from);
        }
        // The answer waits until the vote is on disk: see `Body::waits_for_disk`.
        self.send(from, Body::VoteResponse { reject: !granted });
    }

    /// Somebody asks who would vote for it in `term`. The consent names that term; a refusal names the own one.
    pub(crate) fn handle_pre_vote(&mut self, from: NodeId, term: Term, last: EntryId) {
        let free = term > self.term || self.vote == Some(from) || self.vote.is_none() && self.leader.is_none();
        if free && self.log.is_up_to_date(last) {
            self.send_in_term(from, term, Body::PreVoteResponse { reject: false });
        } else {
            self.send(from, Body::PreVoteResponse { reject: true });
        }
    }
}
