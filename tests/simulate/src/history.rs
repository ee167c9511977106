//! What clients were told, and whether one member that never fails could have told them so.
//!
//! Linearizability (Herlihy and Wing, 1990) is checked key by key, which is enough as it is a local property. The search is that of Wing and
//! Gong ("Testing and Verifying Concurrent Objects", 1993) with Lowe's memory of where it has been ("Testing for Linearizability", 2017): two
//! ways to the same set of operations and the same state go on alike, and the second need not be gone. The crate `stateright` has a
//! tester without that memory: it tries every order before it refuses a history. The tests here compare the two.
//!
//! A request without an answer may have had its effect at any time since, or never. So that the search stays short, without letting
//! anything pass: a write that never came into the log is left out; deletions without an answer are alike, so that the first that was asked
//! stands for all; and one that finds nothing to delete changes nothing.
//!
//! Beside it stands a check over all keys that needs no search: etcd tells the revision with every answer, and revisions must not run
//! against time.

use std::collections::{BTreeMap, HashSet};

/// What a client asks of one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Read it.
    Read,
    /// Write this value, which is written once only.
    Write(u64),
    /// Write this value if the last write is of this revision (0: if there is no such key).
    WriteIf(u64, u64),
    /// Delete it.
    Delete,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// The value and the revision of its last write, if there is one.
    Value(Option<(u64, u64)>),
    /// It is done, at this revision.
    Done(u64),
    /// The condition did not hold.
    Refused,
    /// There was nothing to delete.
    Absent,
}

/// An operation: who, what, when; and what was told when, if anything. Times are places in the order of all that happened.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The client, anew after each request without an answer.
    pub client: u64,
    /// The key.
    pub key: usize,
    /// What was asked.
    pub ask: Ask,
    /// When.
    pub asked: u64,
    /// What was told, and when.
    pub told: Option<(Told, u64)>,
    /// The revision of the store that came with the answer.
    pub revision: u64,
}

/// One key of a store that never fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Register {
    value: Option<u64>,
    /// The revision of the last write; `None` when nobody was told.
    revision: Option<u64>,
}

impl Register {
    /// What an operation that was never answered makes of the key; nothing if it has no effect now.
    fn after_unanswered(&self, ask: &Ask) -> Option<Register> {
        match ask {
            Ask::Read => None,
            Ask::Write(value) => Some(Register { value: Some(*value), revision: None }),
            Ask::WriteIf(value, last) => self.condition_may_hold(*last).then_some(Register { value: Some(*value), revision: None }),
            Ask::Delete => self.value.map(|_| Register::default()),
        }
    }

    /// Whether the answer fits; carries the operation out.
    fn step(&mut self, ask: &Ask, told: &Told) -> bool {
        let later = |revision: u64, register: &Register| register.revision.is_none_or(|last| last < revision);
        match (ask, told) {
            (Ask::Read, Told::Value(None)) => self.value.is_none(),
            (Ask::Read, Told::Value(Some((value, revision)))) => {
                let fits = self.value == Some(*value) && self.revision.is_none_or(|last| last == *revision);
                self.revision = Some(*revision);
                fits
            }
            (Ask::Write(value), Told::Done(revision)) => {
                let fits = later(*revision, self);
                *self = Register { value: Some(*value), revision: Some(*revision) };
                fits
            }
            (Ask::WriteIf(value, last), Told::Done(revision)) => {
                let fits = self.condition_may_hold(*last) && later(*revision, self);
                *self = Register { value: Some(*value), revision: Some(*revision) };
                fits
            }
            (Ask::WriteIf(_, last), Told::Refused) => self.condition_may_fail(*last),
            (Ask::Delete, Told::Done(revision)) => {
                let fits = self.value.is_some() && later(*revision, self);
                *self = Register { value: None, revision: None };
                fits
            }
            (Ask::Delete, Told::Absent) => self.value.is_none(),
            _ => false,
        }
    }

    fn condition_may_hold(&self, last: u64) -> bool {
        if self.value.is_none() { last == 0 } else { last > 0 && self.revision.is_none_or(|revision| revision == last) }
    }

    fn condition_may_fail(&self, last: u64) -> bool {
        if self.value.is_none() { last != 0 } else { self.revision != Some(last) }
    }
}

/// Judges a history. `happened` says of a value whether its write is in the log.
///
/// # Errors
/// What cannot be, in words.
pub fn judge(operations: &[Operation], happened: impl Fn(u64) -> bool) -> Result<(), String> {
    revisions_follow_time(operations)?;
    let mut keys: BTreeMap<usize, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        keys.entry(operation.key).or_default().push(operation);
    }
    for (key, operations) in keys {
        if !is_linearizable(&operations, &happened) {
            let lines: Vec<String> = operations.iter().map(|operation| format!("  {operation:?}")).collect();
            return Err(format!("what clients were told of key {key} is not linearizable:\n{}", lines.join("\n")));
        }
    }
    Ok(())
}

/// An answer carries a revision at least as high as every answer that was there when it was asked for.
fn revisions_follow_time(operations: &[Operation]) -> Result<(), String> {
    let mut answered: Vec<&Operation> = operations.iter().filter(|operation| operation.told.is_some()).collect();
    answered.sort_by_key(|operation| operation.told.as_ref().map(|(_, at)| *at));
    // The highest revision of the answers up to each.
    let mut highest: Vec<(u64, u64)> = Vec::new();
    for operation in &answered {
        let at = operation.told.as_ref().map_or(0, |(_, at)| *at);
        let so_far = highest.last().map_or(0, |(_, revision)| *revision);
        highest.push((at, so_far.max(operation.revision)));
    }
    for operation in answered {
        let before = highest.partition_point(|(at, _)| *at < operation.asked);
        if let Some((_, revision)) = before.checked_sub(1).and_then(|last| highest.get(last)).filter(|(_, r)| *r > operation.revision) {
            return Err(format!("a stale answer: revision {revision} was told before {operation:?} was asked"));
        }
    }
    Ok(())
}

/// Whether an operation without an answer cannot matter.
fn may_be_left_out(operation: &Operation, happened: &impl Fn(u64) -> bool) -> bool {
    match operation.ask {
        _ if operation.told.is_some() => false,
        Ask::Read => true,
        Ask::Write(value) | Ask::WriteIf(value, _) => !happened(value),
        Ask::Delete => false,
    }
}

fn is_linearizable(operations: &[&Operation], happened: &impl Fn(u64) -> bool) -> bool {
    let mut steps: Vec<&Operation> = operations.iter().filter(|operation| !may_be_left_out(operation, happened)).copied().collect();
    steps.sort_by_key(|operation| operation.asked);
    Search { steps: &steps, been: HashSet::new() }.run()
}

/// Some of the steps, as bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Taken(Vec<u64>);

impl Taken {
    fn has(&self, step: usize) -> bool {
        self.0[step / 64] >> (step % 64) & 1 == 1
    }

    fn with(&self, step: usize) -> Taken {
        let mut more = self.clone();
        more.0[step / 64] |= 1 << (step % 64);
        more
    }
}

/// The search for an order: operations as they were asked, and where it has been.
struct Search<'a> {
    steps: &'a [&'a Operation],
    been: HashSet<(Taken, Register)>,
}

impl Search<'_> {
    /// Whether there is an order in which every answer fits.
    fn run(mut self) -> bool {
        let mut open = vec![(Taken(vec![0; self.steps.len().div_ceil(64)]), Register::default())];
        while let Some((taken, register)) = open.pop() {
            // Whatever comes next was asked before the first answer that is still due.
            let due = |(step, operation): (usize, &&Operation)| operation.told.as_ref().filter(|_| !taken.has(step)).map(|(_, at)| *at);
            let Some(first_due) = self.steps.iter().enumerate().filter_map(due).min() else { return true };
            let mut deleted = false;
            for (step, operation) in self.steps.iter().enumerate().take_while(|(_, operation)| operation.asked < first_due) {
                if taken.has(step) {
                    continue;
                }
                let after = match &operation.told {
                    Some((told, _)) => {
                        let mut after = register.clone();
                        after.step(&operation.ask, told).then_some(after)
                    }
                    None if operation.ask == Ask::Delete && std::mem::replace(&mut deleted, true) => None,
                    None => register.after_unanswered(&operation.ask),
                };
                if let Some(after) = after {
                    let next = (taken.with(step), after);
                    if self.been.insert(next.clone()) {
                        open.push(next);
                    }
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(client: u64, ask: Ask, asked: u64, told: Option<(Told, u64)>, revision: u64) -> Operation {
        Operation { client, key: 0, ask, asked, told, revision }
    }

    #[test]
    fn a_stale_read_is_found() {
        let write = operation(1, Ask::Write(1), 1, Some((Told::Done(2), 2)), 2);
        let read = |told, revision| operation(2, Ask::Read, 3, Some((Told::Value(told), 4)), revision);
        assert!(judge(&[write.clone(), read(Some((1, 2)), 2)], |_| true).is_ok());
        assert!(judge(&[write.clone(), read(None, 1)], |_| true).unwrap_err().starts_with("a stale answer"));
        assert!(judge(&[write, read(None, 2)], |_| true).unwrap_err().contains("not linearizable"));
    }

    #[test]
    fn a_request_without_an_answer_may_have_happened_or_not() {
        let lost = operation(1, Ask::Write(1), 1, None, 0);
        let read = |at, told, revision| operation(2, Ask::Read, at, Some((Told::Value(told), at + 1)), revision);
        assert!(judge(&[lost.clone(), read(2, None, 1), read(4, Some((1, 2)), 2)], |_| true).is_ok());
        assert!(judge(&[lost.clone(), read(2, None, 1), read(4, None, 1)], |_| false).is_ok());
        assert!(judge(&[lost, read(2, Some((1, 2)), 2), read(4, None, 2)], |_| true).is_err());
    }

    #[test]
    fn of_two_conditional_writes_on_the_same_read_only_one_succeeds() {
        let write = |client, value, told| operation(client, Ask::WriteIf(value, 0), client, Some((told, 10 + client)), 3);
        assert!(judge(&[write(1, 1, Told::Done(2)), write(2, 2, Told::Refused)], |_| true).is_ok());
        assert!(judge(&[write(1, 1, Told::Done(2)), write(2, 2, Told::Done(3))], |_| true).is_err());
    }

    /// The tester of `stateright`, as it was used before: no memory, nothing taken together.
    mod oracle {
        use super::super::{Ask, Operation, Register, Told};
        use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

        impl SequentialSpec for Register {
            type Op = Ask;
            type Ret = Told;

            fn invoke(&mut self, ask: &Ask) -> Told {
                if let Some(after) = self.after_unanswered(ask) {
                    *self = after;
                }
                Told::Done(0)
            }

            fn is_valid_step(&mut self, ask: &Ask, told: &Told) -> bool {
                self.step(ask, told)
            }
        }

        pub(super) fn is_linearizable(operations: &[Operation]) -> bool {
            let mut steps: Vec<(u64, &Operation, bool)> = Vec::new();
            for operation in operations {
                steps.push((operation.asked, operation, true));
                steps.extend(operation.told.as_ref().map(|(_, at)| (*at, operation, false)));
            }
            steps.sort_by_key(|(at, ..)| *at);
            let mut tester = LinearizabilityTester::new(Register::default());
            for (_, operation, asks) in steps {
                let noted = match (asks, &operation.told) {
                    (true, _) => tester.on_invoke(operation.client, operation.ask.clone()).map(drop),
                    (false, Some((told, _))) => tester.on_return(operation.client, told.clone()).map(drop),
                    (false, None) => Ok(()),
                };
                noted.expect("clients ask one thing at a time");
            }
            tester.is_consistent()
        }
    }

    /// A short history of three clients: mostly what could be, sometimes with an answer that cannot.
    fn history(rng: &mut sim::Rng) -> Vec<Operation> {
        let (mut register, mut revision, mut now) = (Register::default(), 1, 0);
        let mut operations: Vec<Operation> = Vec::new();
        for place in 0..8 + rng.below(4) {
            let client = rng.below(3);
            let ask = match rng.below(5) {
                0 | 1 => Ask::Read,
                2 => Ask::Write(100 + place),
                3 => Ask::WriteIf(100 + place, if rng.chance(600_000) { register.revision.unwrap_or(0) } else { rng.below(8) }),
                _ => Ask::Delete,
            };
            now += 1 + rng.below(4);
            let last = operations.iter().filter(|known| known.client % 10 == client).map(|known| known.told.as_ref().map(|(_, at)| *at));
            let (lost, free_at) = last.fold((0, 0), |(lost, free), at| at.map_or((lost + 1, free), |at| (lost, free.max(at))));
            let asked = now.max(free_at + 1);
            let told = match &ask {
                Ask::Read => Told::Value(register.value.zip(register.revision)),
                Ask::WriteIf(_, last) if register.revision.unwrap_or(0) != *last => Told::Refused,
                Ask::Delete if register.value.is_none() => Told::Absent,
                _ => {
                    revision += 1;
                    Told::Done(revision)
                }
            };
            let (happened, answered) = (rng.chance(900_000), rng.chance(800_000));
            if happened || answered {
                register.step(&ask, &told);
            }
            let told = if rng.chance(40_000) { Told::Value(Some((100 + rng.below(8), 1 + rng.below(6)))) } else { told };
            let told = answered.then(|| (told, asked + 1 + rng.below(9)));
            operations.push(Operation {
                client: client + 10 * lost,
                key: 0,
                ask,
                asked: asked * 2,
                told: told.map(|(told, at)| (told, at * 2 + 1)),
                revision: 0,
            });
            if operations.last().is_some_and(|operation| operation.told.is_none()) {
                now = now.max(asked);
            }
        }
        operations
    }

    #[test]
    fn it_agrees_with_a_tester_that_tries_everything() {
        let (mut held, mut broken) = (0, 0);
        for seed in 0..1000 {
            let operations = history(&mut sim::Seed(seed).stream("history"));
            let expected = oracle::is_linearizable(&operations);
            let refs: Vec<&Operation> = operations.iter().collect();
            assert_eq!(is_linearizable(&refs, &|_| true), expected, "seed {seed}: {operations:#?}");
            *if expected { &mut held } else { &mut broken } += 1;
        }
        assert!(held > 100 && broken > 100, "both happen: {held} and {broken}");
    }
}
