//! Changes of a configuration that starts empty: `confchange`.

use super::step::Change;
use crate::{Miss, Outcome};
use raft::{ConfChangeSingle, ConfState, NodeId};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// A case: operations in order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfChangeCase {
    ops: Vec<Op>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Op {
    op: Kind,
    #[serde(default)]
    changes: Vec<Change>,
    #[serde(default)]
    auto_leave: bool,
    expect: Expected,
    #[serde(default, rename = "note")]
    _note: Option<Value>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Simple,
    EnterJoint,
    LeaveJoint,
}

/// What the configuration is afterwards, or that it fails; the text of the error is free.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    error: Option<String>,
    voters: Option<BTreeSet<u64>>,
    outgoing: Option<BTreeSet<u64>>,
    learners: Option<BTreeSet<u64>>,
    learners_next: Option<BTreeSet<u64>>,
    auto_leave: Option<bool>,
}

pub(super) fn run(case: ConfChangeCase) -> Outcome {
    let mut config = ConfState::default();
    for (number, op) in case.ops.iter().enumerate() {
        let at = |field: &str| format!("op {number}: {field}");
        let changes: Vec<ConfChangeSingle> = op.changes.iter().copied().map(Change::single).collect();
        let changed = match op.op {
            Kind::Simple => config.simple(&changes),
            Kind::EnterJoint => config.enter_joint(op.auto_leave, &changes),
            Kind::LeaveJoint => config.leave_joint(),
        };
        match (changed, &op.expect.error) {
            (Ok(next), None) => config = next,
            (Err(_), Some(_)) => {}
            (Ok(next), Some(error)) => return Err(Miss::failed(at("error"), error, format!("{next:?}"))),
            (Err(error), None) => return Err(Miss::failed(at("configuration"), format!("{:?}", op.expect), error)),
        }
        check(&op.expect, &config, at)?;
    }
    Ok(())
}

fn check(expect: &Expected, config: &ConfState, at: impl Fn(&str) -> String) -> Outcome {
    let sets = [
        ("voters", &expect.voters, &config.voters.incoming),
        ("outgoing", &expect.outgoing, &config.voters.outgoing),
        ("learners", &expect.learners, &config.learners),
        ("learners_next", &expect.learners_next, &config.learners_next),
    ];
    for (field, expected, actual) in sets {
        let actual: BTreeSet<u64> = actual.iter().map(|&NodeId(id)| id).collect();
        expected.as_ref().map_or(Ok(()), |expected| Miss::unless_equal(at(field), expected, &actual))?;
    }
    expect.auto_leave.map_or(Ok(()), |expected| Miss::unless_equal(at("auto_leave"), &expected, &config.auto_leave))
}
