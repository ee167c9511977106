//! Counting: `quorum-commit`, `quorum-vote` and `commit-rule`.

use crate::{Miss, Outcome};
use raft::{CommitBound, Entry, EntryData, EntryId, Index, JointConfig, NodeId, RaftLog, Term, VoteResult, commit_rule};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// A `quorum-commit` case: up to where each voter has the log, and what is committed by that.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommitCase {
    voters: Vec<u64>,
    #[serde(default)]
    outgoing: Vec<u64>,
    acked: BTreeMap<u64, u64>,
    expect: ExpectedCommit,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedCommit {
    commit: Bound,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Bound {
    UpTo(u64),
    Named(Infinity),
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Infinity {
    Infinity,
}

/// A `quorum-vote` case: who has voted, and how the election stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VoteCase {
    voters: Vec<u64>,
    #[serde(default)]
    outgoing: Vec<u64>,
    votes: BTreeMap<u64, bool>,
    expect: ExpectedVote,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedVote {
    result: Result,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Result {
    Won,
    Lost,
    Pending,
}

/// A `commit-rule` case: up to where each member has the leader's log, the leader first, and what it commits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommitRuleCase {
    #[serde(rename = "match")]
    matched: Vec<u64>,
    log: Vec<u64>,
    term: u64,
    expect: ExpectedIndex,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedIndex {
    commit: u64,
}

fn joint(voters: &[u64], outgoing: &[u64]) -> JointConfig {
    let set = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
    JointConfig { incoming: set(voters), outgoing: set(outgoing) }
}

pub(super) fn run_commit(case: CommitCase) -> Outcome {
    let bound = joint(&case.voters, &case.outgoing).committed_index(|id| case.acked.get(&id.0).copied().map(Index));
    let actual = match bound {
        CommitBound::UpTo(index) => Bound::UpTo(index.0),
        CommitBound::Unbounded => Bound::Named(Infinity::Infinity),
    };
    Miss::unless_equal("commit", &case.expect.commit, &actual)
}

pub(super) fn run_vote(case: VoteCase) -> Outcome {
    let actual = match joint(&case.voters, &case.outgoing).vote_result(|id| case.votes.get(&id.0).copied()) {
        VoteResult::Won => Result::Won,
        VoteResult::Lost => Result::Lost,
        VoteResult::Pending => Result::Pending,
    };
    Miss::unless_equal("result", &case.expect.result, &actual)
}

pub(super) fn run_commit_rule(case: CommitRuleCase) -> Outcome {
    let entry = |(index, &term): (u64, &u64)| Entry { id: EntryId::new(Term(term), Index(index)), data: EntryData::<String>::Empty };
    let log = RaftLog::new(EntryId::default(), (1..).zip(&case.log).map(entry).collect());
    let members: BTreeMap<NodeId, Index> = (1..).map(NodeId).zip(case.matched.iter().copied().map(Index)).collect();
    let voters = JointConfig { incoming: members.keys().copied().collect(), outgoing: BTreeSet::new() };
    let quorum = voters.committed_index(|id| members.get(&id).copied());
    let actual = commit_rule(&log, Term(case.term), quorum).unwrap_or(log.committed());
    Miss::unless_equal("commit", &case.expect.commit, &actual.0)
}
