//! Who must agree: majorities, and the two majorities of a joint configuration.
//!
//! Both questions of Raft come down to counting: up to which index a majority has the log ([`JointConfig::committed_index`]), and
//! whether a majority has voted for a candidate ([`JointConfig::vote_result`]). While a configuration is joint, the incoming and the
//! outgoing voters must both agree, so that a decision of either side alone is impossible (Raft thesis §4.3).
//!
//! ```
//! use raft::{CommitBound, Index, JointConfig, NodeId};
//! use std::collections::BTreeSet;
//!
//! let voters = JointConfig { incoming: BTreeSet::from([NodeId(1), NodeId(2), NodeId(3)]), outgoing: BTreeSet::new() };
//! let acked = |id: NodeId| [Index(7), Index(5), Index(4)].get(id.0 as usize - 1).copied();
//! assert_eq!(voters.committed_index(acked), CommitBound::UpTo(Index(5)));
//! ```
//!
//! Models `quorum` of etcd/raft.

use crate::{Index, NodeId};
use std::collections::BTreeSet;

/// How an election stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteResult {
    /// A majority has said yes.
    Won,
    /// A majority can no longer say yes.
    Lost,
    /// It can still go either way.
    Pending,
}

/// Up to where a set of voters has the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommitBound {
    /// A majority has it up to this index and not further.
    UpTo(Index),
    /// Nobody is asked: the set is empty and holds nothing back.
    Unbounded,
}

/// The voters: one set, or two while the configuration is joint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JointConfig {
    /// The voters, or the new ones while the configuration is joint.
    pub incoming: BTreeSet<NodeId>,
    /// The old voters while the configuration is joint, otherwise empty.
    pub outgoing: BTreeSet<NodeId>,
}

impl JointConfig {
    /// Whether two majorities must agree.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether the member votes, in either half.
    pub fn contains(&self, id: NodeId) -> bool {
        self.incoming.contains(&id) || self.outgoing.contains(&id)
    }

    /// All voters of both halves, in ascending order.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.incoming.union(&self.outgoing).copied()
    }

    /// Up to where both halves have the log, if `acked` says up to where each voter has it (`None` counts as nothing).
    pub fn committed_index(&self, acked: impl Fn(NodeId) -> Option<Index>) -> CommitBound {
        majority_committed(&self.incoming, &acked).min(majority_committed(&self.outgoing, &acked))
    }

    /// How the election stands, if `vote` says how each voter has voted (`None`: not yet). It is lost when it is lost in one half.
    pub fn vote_result(&self, vote: impl Fn(NodeId) -> Option<bool>) -> VoteResult {
        use VoteResult::{Lost, Pending, Won};
        match (majority_vote(&self.incoming, &vote), majority_vote(&self.outgoing, &vote)) {
            (Won, Won) => Won,
            (Lost, _) | (_, Lost) => Lost,
            _ => Pending,
        }
    }
}

/// The least number of a set of `len` voters that is more than half of it.
fn majority(len: usize) -> usize {
    len / 2 + 1
}

fn majority_committed(voters: &BTreeSet<NodeId>, acked: impl Fn(NodeId) -> Option<Index>) -> CommitBound {
    if voters.is_empty() {
        return CommitBound::Unbounded;
    }
    let mut indexes: Vec<Index> = voters.iter().map(|&id| acked(id).unwrap_or_default()).collect();
    indexes.sort_unstable();
    // The voters from this place on are a majority, and each has at least what stands here.
    CommitBound::UpTo(indexes[indexes.len() - majority(indexes.len())])
}

fn majority_vote(voters: &BTreeSet<NodeId>, vote: impl Fn(NodeId) -> Option<bool>) -> VoteResult {
    if voters.is_empty() {
        // An empty half agrees to everything, so that a configuration that is not joint depends on its one half.
        return VoteResult::Won;
    }
    let count = |wanted| voters.iter().filter(|&&id| vote(id) == wanted).count();
    let (yes, missing) = (count(Some(true)), count(None));
    let needed = majority(voters.len());
    if yes >= needed {
        VoteResult::Won
    } else if yes + missing >= needed {
        VoteResult::Pending
    } else {
        VoteResult::Lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn joint(incoming: &[u64], outgoing: &[u64]) -> JointConfig {
        let set = |ids: &[u64]| ids.iter().copied().map(NodeId).collect();
        JointConfig { incoming: set(incoming), outgoing: set(outgoing) }
    }

    fn committed(config: &JointConfig, acked: &[(u64, u64)]) -> CommitBound {
        let acked: BTreeMap<u64, u64> = acked.iter().copied().collect();
        config.committed_index(|id| acked.get(&id.0).copied().map(Index))
    }

    #[test]
    fn half_of_an_even_group_is_no_majority() {
        assert_eq!(committed(&joint(&[1, 2, 3, 4], &[]), &[(1, 9), (2, 9)]), CommitBound::UpTo(Index(0)));
        assert_eq!(committed(&joint(&[1, 2, 3, 4], &[]), &[(1, 9), (2, 9), (4, 3)]), CommitBound::UpTo(Index(3)));
    }

    #[test]
    fn a_joint_configuration_is_held_back_by_its_slower_half() {
        let config = joint(&[1, 2, 3], &[3, 4, 5]);
        assert_eq!(committed(&config, &[(1, 10), (2, 10), (3, 4)]), CommitBound::UpTo(Index(0)));
        assert_eq!(committed(&config, &[(1, 10), (2, 10), (3, 4), (5, 6)]), CommitBound::UpTo(Index(4)));
        assert_eq!(committed(&joint(&[], &[]), &[]), CommitBound::Unbounded);
    }

    #[test]
    fn an_election_is_lost_once_a_majority_is_out_of_reach() {
        let vote = |yes: &'static [u64], no: &'static [u64]| {
            move |id: NodeId| yes.contains(&id.0).then_some(true).or_else(|| no.contains(&id.0).then_some(false))
        };
        let five = joint(&[1, 2, 3, 4, 5], &[]);
        assert_eq!(five.vote_result(vote(&[1, 2], &[3, 4])), VoteResult::Pending);
        assert_eq!(five.vote_result(vote(&[1, 2], &[3, 4, 5])), VoteResult::Lost);
        assert_eq!(five.vote_result(vote(&[1, 2, 5], &[3, 4])), VoteResult::Won);
        let both = joint(&[1, 2, 3], &[4]);
        assert_eq!(both.vote_result(vote(&[1, 2], &[])), VoteResult::Pending);
        assert_eq!(both.vote_result(vote(&[1, 2], &[4])), VoteResult::Lost);
        assert_eq!(both.vote_result(vote(&[1, 2, 4], &[3])), VoteResult::Won);
    }
}
