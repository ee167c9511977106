//! Handing over the leadership (thesis §3.10).
//!
//! The leader takes no more proposals, brings the other's log up to its own, and asks it to campaign at once. It takes proposals again
//! when an election time-out has passed without an election.
//!
//! Models `MsgTransferLeader` and `MsgTimeoutNow` in `raft.go` of etcd/raft.

use crate::node::{RaftNode, Role};
use crate::{Body, Index, NodeId, Payload};

impl<D: Payload, S: Clone> RaftNode<D, S> {
    /// Hands the leadership to another voter; a follower passes the wish to the leader. Nothing happens when there is no leader, when the
    /// other does not vote or leads already, or when a hand-over to it is under way. A hand-over to a third is given up.
    pub fn transfer_leader(&mut self, transferee: NodeId) {
        match (self.role, self.leader) {
            (Role::Leader, _) => self.start_transfer(transferee),
            (Role::Follower, Some(leader)) => self.send(leader, Body::TransferLeader { transferee }),
            _ => {}
        }
    }

    fn start_transfer(&mut self, transferee: NodeId) {
        let Some(progress) = self.tracker.progress.get(&transferee) else { return };
        if self.tracker.conf_state.learners.contains(&transferee) || self.transferee == Some(transferee) {
            return;
        }
        self.transferee = None;
        if transferee == self.config.id {
            return;
        }
        let matched = progress.matched;
        self.election_elapsed = 0;
        self.transferee = Some(transferee);
        if !self.maybe_time_out_transferee(transferee, matched) {
            self.send_append(transferee, true);
        }
    }

    /// Asks the transferee to campaign, once its log is the leader's.
    pub(crate) fn maybe_time_out_transferee(&mut self, id: NodeId, matched: Index) -> bool {
        let caught_up = self.transferee == Some(id) && matched == self.log.last_index();
        if caught_up {
            self.send(id, Body::TimeoutNow);
        }
        caught_up
    }

    /// A hand-over to who no longer votes is given up.
    pub(crate) fn drop_transfer_to_non_voter(&mut self) {
        let voters = &self.tracker.conf_state.voters;
        self.transferee = self.transferee.filter(|&id| voters.contains(id));
    }
}
