//! Runs a `scenario`: a group of nodes, what happens to it, and what is expected of it meanwhile.

use super::message;
use super::network::{Network, Server, payloads};
use super::step::{Deliver, Do, ExpectSent, Expected, HintsExpected, Proposed, RoleText, ScenarioCase, Step};
use crate::{Miss, Outcome};
use raft::{Body, NodeId, ReadContext};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

struct Scenario {
    network: Network,
    deliver: Deliver,
    /// The names of the reads; a read's context is the place of its name.
    read_names: Vec<String>,
}

pub(super) fn run(case: ScenarioCase) -> Outcome {
    // All steps are read first, so that a case is refused as a whole.
    let steps: Vec<Step> = case.steps.iter().map(Step::parse).collect::<Result<_, _>>()?;
    let network = Network::new(&case.nodes, &case.members, &case.config)?;
    let mut scenario = Scenario { network, deliver: case.deliver, read_names: Vec::new() };
    scenario.settle()?;
    for (number, step) in steps.iter().enumerate() {
        let at = format!("step {number}");
        match step {
            Step::Do(step) => scenario.perform(step, &at)?,
            Step::Expect(expect) => {
                for (&id, expected) in expect {
                    scenario.expect(id, expected, &format!("{at}: node {id}"))?;
                }
            }
            Step::ExpectSent(expect) => scenario.expect_sent(expect, &at)?,
        }
    }
    case.hints_expected.map_or(Ok(()), |hints| scenario.expect_hints(&hints))
}

impl Scenario {
    fn settle(&mut self) -> Outcome {
        match self.deliver {
            Deliver::Auto => self.network.deliver_all(),
            Deliver::Manual => {
                self.network.lose_all();
                Ok(())
            }
        }
    }

    fn perform(&mut self, step: &Do, at: &str) -> Outcome {
        match step {
            Do::Tick { node, count } => {
                for _ in 0..*count {
                    self.network.act(*node, |server| server.raft.tick())?;
                    self.settle()?;
                }
            }
            Do::Recv { node, msg } => {
                let current = self.network.server(*node)?.raft.term();
                let message = message::read(msg, *node, current)?;
                // What a node refuses is lost to it.
                let _ = self.network.act(*node, |server| server.raft.step(message))?;
            }
            Do::Propose { node, data, count, result } => {
                for _ in 0..*count {
                    let proposed = self.network.act(*node, |server| server.raft.propose(data.clone()))?;
                    let actual = if proposed.is_ok() { Proposed::Ok } else { Proposed::Dropped };
                    Miss::unless_equal(format!("{at}: result"), result, &actual)?;
                }
            }
            Do::Cut { .. } | Do::Isolate { .. } | Do::DropType { .. } | Do::Heal {} => self.change_links(step)?,
            _ => self.act(step)?,
        }
        self.settle()
    }

    fn change_links(&mut self, step: &Do) -> Outcome {
        match step {
            Do::Cut { a, b } => self.network.cut(*a, *b),
            Do::Isolate { node } => self.network.isolate(*node),
            Do::DropType { message_type } if message::is_type(message_type) => self.network.drop_type(message_type.clone()),
            Do::DropType { message_type } => return Err(Miss::Malformed(format!("unknown message type `{message_type}`"))),
            _ => self.network.heal(),
        }
        Ok(())
    }

    /// Lets nodes act.
    fn act(&mut self, step: &Do) -> Outcome {
        let network = &mut self.network;
        match step {
            Do::Campaign { node } => network.act(*node, |server| server.raft.campaign()),
            Do::CampaignAll { nodes } => nodes.iter().try_for_each(|&node| network.act(node, |server| server.raft.campaign())),
            Do::TickQuiet { node, count } => (0..*count).try_for_each(|_| network.act(*node, |server| server.raft.tick())),
            Do::SetTimeout { node, ticks } => network.act(*node, |server| server.raft.set_election_timeout(*ticks)),
            Do::Heartbeat { node } => network.act(*node, |server| server.raft.heartbeat()),
            Do::Discard { node } => network.act(*node, |server| server.outbox.clear()),
            Do::Transfer { node, to } => network.act(*node, |server| server.raft.transfer_leader(NodeId(*to))),
            Do::Compact { node } => network.act(*node, Server::compact),
            Do::Restart { node } => network.act(*node, Server::restart)?,
            Do::SetConfig { node, pre_vote } => network.act(*node, |server| server.raft.set_pre_vote(*pre_vote)),
            Do::ReadIndex { node, ctx } => {
                let context = ReadContext(self.read_names.len() as u64);
                self.read_names.push(ctx.clone());
                // A read that nobody can answer is never answered.
                network.act(*node, |server| server.raft.read_index(context)).map(|_| ())
            }
            Do::ConfChange { node, transition, changes } => {
                let change = transition.change(changes)?;
                // A change that is dropped shows in the configuration.
                network.act(*node, |server| server.raft.propose_conf_change(change, None)).map(|_| ())
            }
            other => Err(Miss::Malformed(format!("{other:?} is not for a node"))),
        }
    }

    fn expect(&mut self, id: u64, expected: &Expected, at: &str) -> Outcome {
        let names = self.read_names.clone();
        let server = self.network.server(id)?;
        expect_state(server, expected, at)?;
        expect_log(server, expected, at)?;
        let name = |context: ReadContext| usize::try_from(context.0).ok().and_then(|place| names.get(place)).cloned().unwrap_or_default();
        let reads = server.reads.iter().map(|&(context, index)| (name(context), index)).collect();
        equal(at, "reads", &expected.reads, || reads)
    }

    fn expect_sent(&mut self, expect: &ExpectSent, at: &str) -> Outcome {
        let types = expect.only_types.as_ref();
        if let Some(unknown) = types.and_then(|types| types.iter().find(|name| !message::is_type(name))) {
            return Err(Miss::Malformed(format!("unknown message type `{unknown}`")));
        }
        for message in &expect.expect_sent {
            message::check_keys(message)?;
        }
        let outbox = std::mem::take(&mut self.network.server(expect.node)?.outbox);
        let counts = |message: &&message::Message| types.is_none_or(|types| types.iter().any(|name| name == message::type_of(message)));
        let sent: Vec<Map<String, Value>> = outbox.iter().filter(counts).map(message::write).collect();
        if sent.len() == expect.expect_sent.len() && pair_up(&expect.expect_sent, &sent) {
            return Ok(());
        }
        Err(Miss::failed(format!("{at}: sent"), json!(expect.expect_sent), json!(sent)))
    }

    /// The first refusal of an append in the whole run, and the append that answers it.
    fn expect_hints(&self, hints: &HintsExpected) -> Outcome {
        let mut sent = self.network.sent.iter();
        let reject = sent.find(|message| matches!(message.body, Body::AppendResponse { rejected: Some(_), .. }));
        let next = reject.and_then(|reject| sent.find(|message| message.to == reject.from && message::type_of(message) == "append"));
        let written = |message: Option<&message::Message>| message.map(message::write).map_or(Value::Null, Value::Object);
        let (reject, next) = (written(reject), written(next));
        for (field, expected, actual) in
            [("first_reject", &hints.first_reject, &reject["hints"]), ("next_append", &hints.next_append, &next)]
        {
            if !message::matches(expected, actual) {
                return Err(Miss::failed(format!("hints_expected: {field}"), expected, actual));
            }
        }
        Ok(())
    }
}

/// Whether each expected message can be given one of its own among those that were sent.
fn pair_up(expected: &[Map<String, Value>], sent: &[Map<String, Value>]) -> bool {
    let Some((first, rest)) = expected.split_first() else { return true };
    let first = Value::Object(first.clone());
    (0..sent.len()).any(|place| {
        let mut others = sent.to_vec();
        let candidate = Value::Object(others.remove(place));
        message::matches(&first, &candidate) && pair_up(rest, &others)
    })
}

/// A failure unless the field is as expected, or free.
fn equal<T: PartialEq + std::fmt::Debug>(at: &str, field: &str, expected: &Option<T>, actual: impl FnOnce() -> T) -> Outcome {
    match expected {
        Some(expected) => Miss::unless_equal(format!("{at}: {field}"), expected, &actual()),
        None => Ok(()),
    }
}

fn number(id: Option<NodeId>) -> u64 {
    id.map_or(0, |id| id.0)
}

fn ids(ids: &BTreeSet<NodeId>) -> Vec<u64> {
    ids.iter().map(|id| id.0).collect()
}

fn expect_state(server: &Server, expected: &Expected, at: &str) -> Outcome {
    let raft = &server.raft;
    let role = RoleText::from(raft.role());
    equal(at, "role", &expected.role, || role)?;
    if let Some(allowed) = expected.role_in.as_ref().filter(|allowed| !allowed.contains(&role)) {
        return Err(Miss::failed(format!("{at}: role_in"), format!("{allowed:?}"), format!("{role:?}")));
    }
    equal(at, "term", &expected.term, || raft.term().0)?;
    equal(at, "vote", &expected.vote, || number(raft.hard_state().vote))?;
    equal(at, "leader", &expected.leader, || number(raft.leader()))?;
    equal(at, "transferee", &expected.transferee, || number(raft.transferee()))?;
    let conf_state = raft.conf_state();
    equal(at, "voters", &expected.voters, || ids(&conf_state.voters.incoming))?;
    equal(at, "outgoing", &expected.outgoing, || ids(&conf_state.voters.outgoing))?;
    equal(at, "learners", &expected.learners, || ids(&conf_state.learners))?;
    equal(at, "learners_next", &expected.learners_next, || ids(&conf_state.learners_next))
}

fn expect_log(server: &Server, expected: &Expected, at: &str) -> Outcome {
    let log = server.raft.log();
    let commit = log.committed().0;
    let terms = || log.entries().iter().map(|entry| entry.id.term.0);
    equal(at, "commit", &expected.commit, || commit)?;
    if let Some(least) = expected.commit_at_least.filter(|&least| commit < least) {
        return Err(Miss::failed(format!("{at}: commit_at_least"), least, commit));
    }
    equal(at, "last_index", &expected.last_index, || log.last_index().0)?;
    equal(at, "first_index", &expected.first_index, || log.first_index().0)?;
    equal(at, "log_terms", &expected.log_terms, || terms().collect())?;
    let prefix = expected.log_prefix_terms.as_ref().map_or(0, Vec::len);
    equal(at, "log_prefix_terms", &expected.log_prefix_terms, || terms().take(prefix).collect())?;
    equal(at, "log_data", &expected.log_data, || payloads(log.entries()))?;
    equal(at, "applied_data", &expected.applied_data, || server.applied.clone())
}
