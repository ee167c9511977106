//! Changes of the configuration: who votes, who only learns.
//!
//! A simple change alters at most one voter: any majority of the old set and any majority of the new one share a member, so that no
//! intermediate step is needed (Raft thesis §4.1). Larger changes go through a joint configuration, in which both sets must agree
//! (§4.3):
//!
//! ```text
//! voters (1 2 3) --enter_joint(remove 3, add 4)--> (1 2 4)&&(1 2 3) --leave_joint--> (1 2 4)
//! ```
//!
//! A voter that becomes a learner while the old set still counts it waits in `learners_next` until the joint configuration is left.
//!
//! Models `confchange/confchange.go` and `raftpb/confchange.go` of etcd/raft.
//!
//! **Simplified here:** what etcd calls a V1 change is a V2 change with one step and the automatic transition, which has the same effect.

use crate::{JointConfig, NodeId};
use std::collections::BTreeSet;
use thiserror::Error;

/// A configuration: the members and what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfState {
    /// Those who vote.
    pub voters: JointConfig,
    /// Those who get the log and do not vote.
    pub learners: BTreeSet<NodeId>,
    /// Voters of the outgoing half that become learners when the joint configuration is left.
    pub learners_next: BTreeSet<NodeId>,
    /// Whether the leader leaves the joint configuration by itself as soon as it is in force.
    pub auto_leave: bool,
}

/// One step of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConfChangeSingle {
    /// The member votes from now on; a learner is promoted.
    AddNode(NodeId),
    /// The member gets the log and does not vote; a voter is demoted.
    AddLearnerNode(NodeId),
    /// The member leaves.
    RemoveNode(NodeId),
    /// Nothing changes for Raft; the owner has news of the member, such as its address.
    UpdateNode(NodeId),
}

/// How a change comes into force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConfChangeTransition {
    /// At once if it is a single step, otherwise by a joint configuration that is left automatically.
    #[default]
    Auto,
    /// By a joint configuration that is left automatically.
    JointImplicit,
    /// By a joint configuration that is left by another change, one without steps.
    JointExplicit,
}

/// A change of the configuration. Without steps it leaves a joint configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConfChange {
    /// How it comes into force.
    pub transition: ConfChangeTransition,
    /// What changes, in order.
    pub changes: Vec<ConfChangeSingle>,
}

impl ConfChange {
    /// The change of one step.
    pub fn single(change: ConfChangeSingle) -> Self {
        ConfChange { transition: ConfChangeTransition::Auto, changes: vec![change] }
    }

    /// The change that leaves a joint configuration.
    pub fn leave_joint() -> Self {
        ConfChange::default()
    }

    /// Whether it leaves a joint configuration.
    pub fn leaves_joint(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether it enters a joint configuration, and if so, whether that is left automatically.
    pub fn enters_joint(&self) -> Option<bool> {
        match self.transition {
            _ if self.leaves_joint() => None,
            ConfChangeTransition::Auto => (self.changes.len() > 1).then_some(true),
            ConfChangeTransition::JointImplicit => Some(true),
            ConfChangeTransition::JointExplicit => Some(false),
        }
    }
}

/// Why a change cannot be made. The configuration stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfChangeError {
    /// A joint configuration must be left before another change.
    #[error("config is already joint")]
    AlreadyJoint,
    /// There is no joint configuration to leave.
    #[error("can't leave a non-joint config")]
    NotJoint,
    /// The change would alter two voters or more at once.
    #[error("more than one voter changed without entering joint config")]
    MoreThanOneVoter,
    /// Nobody would be left to vote.
    #[error("removed all voters")]
    NoVoters,
    /// There is no majority that could agree to a joint configuration.
    #[error("can't make a zero-voter config joint")]
    ZeroVoterJoint,
    /// The members' places contradict each other: a learner votes, or waits to become one without a vote to lose.
    #[error("the config contradicts itself at member {0}")]
    Contradiction(NodeId),
}

impl ConfState {
    /// The configuration of these voters and learners.
    pub fn new(voters: impl IntoIterator<Item = NodeId>, learners: impl IntoIterator<Item = NodeId>) -> Self {
        let voters = JointConfig { incoming: voters.into_iter().collect(), outgoing: BTreeSet::new() };
        ConfState { voters, learners: learners.into_iter().collect(), ..ConfState::default() }
    }

    /// Whether the member is in it, as what ever.
    pub fn contains(&self, id: NodeId) -> bool {
        self.voters.contains(id) || self.learners.contains(&id) || self.learners_next.contains(&id)
    }

    /// All members, in ascending order.
    pub fn ids(&self) -> BTreeSet<NodeId> {
        self.voters.ids().chain(self.learners.iter().copied()).chain(self.learners_next.iter().copied()).collect()
    }

    /// The configuration after the change (`applyConfChange` in `raft.go`).
    ///
    /// # Errors
    /// When the change does not fit the configuration.
    pub fn changed(&self, change: &ConfChange) -> Result<ConfState, ConfChangeError> {
        if change.leaves_joint() {
            self.leave_joint()
        } else if let Some(auto_leave) = change.enters_joint() {
            self.enter_joint(auto_leave, &change.changes)
        } else {
            self.simple(&change.changes)
        }
    }

    /// The configuration after steps that alter at most one voter together.
    ///
    /// # Errors
    /// When they alter more, when nobody would be left to vote, or when the configuration is joint.
    pub fn simple(&self, changes: &[ConfChangeSingle]) -> Result<ConfState, ConfChangeError> {
        if self.voters.is_joint() {
            return Err(ConfChangeError::AlreadyJoint);
        }
        let next = self.stepped(changes)?;
        if self.voters.incoming.symmetric_difference(&next.voters.incoming).count() > 1 {
            return Err(ConfChangeError::MoreThanOneVoter);
        }
        next.checked()
    }

    /// The joint configuration whose outgoing half is this one's voters and whose incoming half has the steps made.
    ///
    /// # Errors
    /// When the configuration is joint already, or has no voters, or would have none.
    pub fn enter_joint(&self, auto_leave: bool, changes: &[ConfChangeSingle]) -> Result<ConfState, ConfChangeError> {
        if self.voters.is_joint() {
            return Err(ConfChangeError::AlreadyJoint);
        }
        if self.voters.incoming.is_empty() {
            return Err(ConfChangeError::ZeroVoterJoint);
        }
        let mut joint = self.clone();
        joint.voters.outgoing.clone_from(&self.voters.incoming);
        joint = joint.stepped(changes)?;
        joint.auto_leave = auto_leave;
        joint.checked()
    }

    /// The configuration of the incoming half alone; those in `learners_next` have become learners.
    ///
    /// # Errors
    /// When the configuration is not joint.
    pub fn leave_joint(&self) -> Result<ConfState, ConfChangeError> {
        if !self.voters.is_joint() {
            return Err(ConfChangeError::NotJoint);
        }
        let mut next = self.clone();
        next.learners.append(&mut next.learners_next);
        next.voters.outgoing.clear();
        next.auto_leave = false;
        next.checked()
    }

    /// The same configuration, if nothing in it contradicts itself.
    ///
    /// # Errors
    /// [`ConfChangeError::Contradiction`] with the first member whose places exclude each other.
    pub fn checked(self) -> Result<ConfState, ConfChangeError> {
        let votes_and_learns = self.learners.iter().find(|&&id| self.voters.contains(id));
        let waits_without_vote =
            self.learners_next.iter().find(|&id| !self.voters.outgoing.contains(id) || self.voters.incoming.contains(id));
        match votes_and_learns.or(waits_without_vote) {
            Some(&id) => Err(ConfChangeError::Contradiction(id)),
            None => Ok(self),
        }
    }

    fn stepped(&self, changes: &[ConfChangeSingle]) -> Result<ConfState, ConfChangeError> {
        let mut next = self.clone();
        for &change in changes {
            match change {
                // etcd puts the node id zero into a change that it has decided not to make.
                _ if change.id() == NodeId(0) => {}
                ConfChangeSingle::AddNode(id) => next.make_voter(id),
                ConfChangeSingle::AddLearnerNode(id) => next.make_learner(id),
                ConfChangeSingle::RemoveNode(id) => next.remove(id),
                ConfChangeSingle::UpdateNode(_) => {}
            }
        }
        if next.voters.incoming.is_empty() { Err(ConfChangeError::NoVoters) } else { Ok(next) }
    }

    fn make_voter(&mut self, id: NodeId) {
        self.learners.remove(&id);
        self.learners_next.remove(&id);
        self.voters.incoming.insert(id);
    }

    fn make_learner(&mut self, id: NodeId) {
        self.remove(id);
        // Who still votes in the outgoing half cannot be a learner at the same time.
        if self.voters.outgoing.contains(&id) {
            self.learners_next.insert(id)
        } else {
            self.learners.insert(id)
        };
    }

    fn remove(&mut self, id: NodeId) {
        self.voters.incoming.remove(&id);
        self.learners.remove(&id);
        self.learners_next.remove(&id);
    }
}

impl ConfChangeSingle {
    /// The member that it is about.
    pub fn id(self) -> NodeId {
        match self {
            ConfChangeSingle::AddNode(id)
            | ConfChangeSingle::AddLearnerNode(id)
            | ConfChangeSingle::RemoveNode(id)
            | ConfChangeSingle::UpdateNode(id) => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConfChangeSingle::{AddLearnerNode, AddNode, RemoveNode, UpdateNode};

    fn ids(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    fn three() -> ConfState {
        ConfState::new([1, 2, 3].map(NodeId), [])
    }

    #[test]
    fn a_simple_change_alters_one_voter_at_most() {
        assert_eq!(three().simple(&[AddNode(NodeId(4))]).unwrap().voters.incoming, ids(&[1, 2, 3, 4]));
        let exchange = [AddNode(NodeId(4)), RemoveNode(NodeId(3))];
        assert_eq!(three().simple(&exchange), Err(ConfChangeError::MoreThanOneVoter));
        let learners = [AddLearnerNode(NodeId(4)), AddLearnerNode(NodeId(5)), RemoveNode(NodeId(3))];
        assert_eq!(three().simple(&learners).unwrap(), ConfState::new([1, 2].map(NodeId), [4, 5].map(NodeId)));
    }

    #[test]
    fn a_demoted_voter_waits_until_the_joint_configuration_is_left() {
        let joint = three().enter_joint(false, &[AddNode(NodeId(4)), AddLearnerNode(NodeId(3))]).unwrap();
        assert_eq!((&joint.voters.incoming, &joint.voters.outgoing), (&ids(&[1, 2, 4]), &ids(&[1, 2, 3])));
        assert_eq!((&joint.learners, &joint.learners_next), (&ids(&[]), &ids(&[3])));
        assert_eq!(joint.simple(&[RemoveNode(NodeId(1))]), Err(ConfChangeError::AlreadyJoint));
        assert_eq!(joint.leave_joint().unwrap(), ConfState::new([1, 2, 4].map(NodeId), [NodeId(3)]));
        assert_eq!(three().leave_joint(), Err(ConfChangeError::NotJoint));
    }

    #[test]
    fn the_last_voter_stays_and_nobody_is_ignored() {
        let one = ConfState::new([NodeId(1)], []);
        assert_eq!(one.simple(&[RemoveNode(NodeId(1))]), Err(ConfChangeError::NoVoters));
        let nobody = [AddNode(NodeId(0)), AddLearnerNode(NodeId(0)), RemoveNode(NodeId(0)), UpdateNode(NodeId(1))];
        assert_eq!(one.simple(&nobody).unwrap(), one);
        assert_eq!(ConfState::default().enter_joint(true, &[AddNode(NodeId(1))]), Err(ConfChangeError::ZeroVoterJoint));
    }

    #[test]
    fn several_steps_go_through_a_joint_configuration() {
        let step = AddNode(NodeId(4));
        let change = |transition, changes: &[ConfChangeSingle]| ConfChange { transition, changes: changes.to_vec() };
        assert_eq!(change(ConfChangeTransition::Auto, &[step]).enters_joint(), None);
        assert_eq!(change(ConfChangeTransition::Auto, &[step, step]).enters_joint(), Some(true));
        assert_eq!(change(ConfChangeTransition::JointImplicit, &[step]).enters_joint(), Some(true));
        assert_eq!(change(ConfChangeTransition::JointExplicit, &[step]).enters_joint(), Some(false));
        assert!(ConfChange::leave_joint().leaves_joint());
    }
}
