//! The format of a scenario: its members, what is on their disks, and the steps.

use super::message::{EntryText, SnapshotText};
use crate::Miss;
use raft::{ConfChange, ConfChangeSingle, ConfChangeTransition, ConfState, NodeId};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A `scenario` case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScenarioCase {
    pub(super) members: Members,
    #[serde(default)]
    pub(super) config: ConfigText,
    pub(super) deliver: Deliver,
    pub(super) nodes: Vec<NodeText>,
    pub(super) steps: Vec<Value>,
    /// What the first refusal of an append in the run hints at, and where the leader tries next.
    #[serde(default)]
    pub(super) hints_expected: Option<HintsExpected>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    voters: Vec<u64>,
    #[serde(default)]
    learners: Vec<u64>,
}

impl Members {
    pub(super) fn conf_state(&self) -> ConfState {
        ConfState::new(self.voters.iter().copied().map(NodeId), self.learners.iter().copied().map(NodeId))
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigText {
    pub(super) pre_vote: Option<bool>,
    pub(super) check_quorum: Option<bool>,
    pub(super) lease_read: Option<bool>,
    pub(super) step_down_on_removal: Option<bool>,
}

/// Who brings the messages: the runner to their receivers, or the case's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Deliver {
    Auto,
    Manual,
}

/// What is on a node's disk when it starts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeText {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) term: u64,
    #[serde(default)]
    pub(super) vote: u64,
    #[serde(default)]
    pub(super) commit: u64,
    #[serde(default)]
    pub(super) log: Vec<EntryText>,
    pub(super) snapshot: Option<SnapshotText>,
    pub(super) members: Option<Members>,
    #[serde(default)]
    pub(super) config: ConfigText,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HintsExpected {
    pub(super) first_reject: Value,
    pub(super) next_append: Value,
}

/// A step.
#[derive(Debug)]
pub(super) enum Step {
    Do(Do),
    Expect(BTreeMap<u64, Expected>),
    ExpectSent(ExpectSent),
}

impl Step {
    pub(super) fn parse(step: &Value) -> Result<Self, Miss> {
        if step.get("do").is_some() {
            super::parse(step).map(Step::Do)
        } else if step.get("expect_sent").is_some() {
            super::parse(step).map(Step::ExpectSent)
        } else {
            super::parse::<Expect>(step).map(|step| Step::Expect(step.expect))
        }
    }
}

/// Something that happens.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Do {
    Campaign {
        node: u64,
    },
    CampaignAll {
        nodes: Vec<u64>,
    },
    Tick {
        node: u64,
        #[serde(default = "one")]
        count: u64,
    },
    TickQuiet {
        node: u64,
        #[serde(default = "one")]
        count: u64,
    },
    SetTimeout {
        node: u64,
        ticks: u32,
    },
    Propose {
        node: u64,
        data: String,
        #[serde(default = "one")]
        count: u64,
        #[serde(default)]
        result: Proposed,
    },
    Heartbeat {
        node: u64,
    },
    Cut {
        a: u64,
        b: u64,
    },
    Isolate {
        node: u64,
    },
    DropType {
        #[serde(rename = "type")]
        message_type: String,
    },
    Heal {},
    Recv {
        node: u64,
        msg: Map<String, Value>,
    },
    Discard {
        node: u64,
    },
    Transfer {
        node: u64,
        to: u64,
    },
    ReadIndex {
        node: u64,
        ctx: String,
    },
    ConfChange {
        node: u64,
        transition: Transition,
        changes: Vec<Change>,
    },
    Compact {
        node: u64,
    },
    Restart {
        node: u64,
    },
    SetConfig {
        node: u64,
        pre_vote: bool,
    },
}

fn one() -> u64 {
    1
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Proposed {
    #[default]
    Ok,
    Dropped,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Transition {
    V1,
    Auto,
    Implicit,
    Explicit,
}

/// One step of a change of the configuration: what, and whom.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Change(ChangeKind, u64);

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChangeKind {
    Voter,
    Learner,
    Remove,
    Update,
}

impl Change {
    pub(super) fn single(self) -> ConfChangeSingle {
        let Change(kind, id) = self;
        match kind {
            ChangeKind::Voter => ConfChangeSingle::AddNode(NodeId(id)),
            ChangeKind::Learner => ConfChangeSingle::AddLearnerNode(NodeId(id)),
            ChangeKind::Remove => ConfChangeSingle::RemoveNode(NodeId(id)),
            ChangeKind::Update => ConfChangeSingle::UpdateNode(NodeId(id)),
        }
    }
}

impl Transition {
    /// The change with this transition. `v1` is a change of one step.
    pub(super) fn change(self, changes: &[Change]) -> Result<ConfChange, Miss> {
        let transition = match self {
            Transition::V1 if changes.len() != 1 => return Err(Miss::Malformed(format!("a v1 change has one step: {changes:?}"))),
            Transition::V1 | Transition::Auto => ConfChangeTransition::Auto,
            Transition::Implicit => ConfChangeTransition::JointImplicit,
            Transition::Explicit => ConfChangeTransition::JointExplicit,
        };
        Ok(ConfChange { transition, changes: changes.iter().copied().map(Change::single).collect() })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    expect: BTreeMap<u64, Expected>,
}

/// What a node is expected to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) role: Option<RoleText>,
    pub(super) role_in: Option<Vec<RoleText>>,
    pub(super) term: Option<u64>,
    pub(super) vote: Option<u64>,
    pub(super) leader: Option<u64>,
    pub(super) commit: Option<u64>,
    pub(super) commit_at_least: Option<u64>,
    pub(super) last_index: Option<u64>,
    pub(super) first_index: Option<u64>,
    pub(super) log_terms: Option<Vec<u64>>,
    pub(super) log_prefix_terms: Option<Vec<u64>>,
    pub(super) log_data: Option<Vec<String>>,
    pub(super) applied_data: Option<Vec<String>>,
    pub(super) voters: Option<Vec<u64>>,
    pub(super) outgoing: Option<Vec<u64>>,
    pub(super) learners: Option<Vec<u64>>,
    pub(super) learners_next: Option<Vec<u64>>,
    pub(super) transferee: Option<u64>,
    pub(super) reads: Option<Vec<(String, u64)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RoleText {
    Follower,
    PreCandidate,
    Candidate,
    Leader,
}

impl From<raft::Role> for RoleText {
    fn from(role: raft::Role) -> Self {
        match role {
            raft::Role::Follower => RoleText::Follower,
            raft::Role::PreCandidate => RoleText::PreCandidate,
            raft::Role::Candidate => RoleText::Candidate,
            raft::Role::Leader => RoleText::Leader,
        }
    }
}

/// What a node is expected to have sent since the last look.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectSent {
    pub(super) expect_sent: Vec<Map<String, Value>>,
    pub(super) node: u64,
    pub(super) only_types: Option<Vec<String>>,
}
