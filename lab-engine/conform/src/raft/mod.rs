//! Facts about Raft (`raft.json`): scenarios of a whole group, and the pure parts — quorums, the commit rule, changes of the
//! configuration.
//!
//! A case says what it is in `kind`. `id`, `source`, `title`, `paper` and `note` are for readers; `requires` names features, all of which
//! are here.

mod confchange;
mod message;
mod network;
mod quorum;
mod scenario;
mod step;

use crate::{Miss, Outcome};
use serde::Deserialize;
use serde_json::Value;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let mut facts = case.clone();
    for key in ["id", "kind", "source", "title", "paper", "note", "requires"] {
        facts.as_object_mut().and_then(|facts| facts.remove(key));
    }
    match case["kind"].as_str() {
        Some("scenario") => scenario::run(parse(&facts)?),
        Some("quorum-commit") => quorum::run_commit(parse(&facts)?),
        Some("quorum-vote") => quorum::run_vote(parse(&facts)?),
        Some("commit-rule") => quorum::run_commit_rule(parse(&facts)?),
        Some("confchange") => confchange::run(parse(&facts)?),
        _ => Err(Miss::Malformed(format!("unknown kind {}", case["kind"]))),
    }
}

/// Reads a case, or a part of one, into what its runner knows; a key that the runner does not know is refused.
fn parse<T: for<'de> Deserialize<'de>>(value: &Value) -> Result<T, Miss> {
    T::deserialize(value).map_err(|error| Miss::Malformed(format!("{error} in {value}")))
}
