//! What clients were told, and whether one member that never fails could have told them so.
//!
//! Linearizability (Herlihy and Wing, 1990) is checked key by key, which is enough as it is a local property, by the tester of the crate
//! `stateright`. A request without an answer may have had its effect at any time since, or never; what never came into the log is left
//! out, so that the search stays short.
//!
//! Beside it stands a check over all keys that needs no search: etcd tells the revision with every answer, and revisions must not run
//! against time.

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use std::collections::BTreeMap;

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

impl SequentialSpec for Register {
    type Op = Ask;
    type Ret = Told;

    fn invoke(&mut self, ask: &Ask) -> Told {
        match ask {
            Ask::Read => Told::Value(self.value.map(|value| (value, self.revision.unwrap_or(0)))),
            Ask::Write(value) | Ask::WriteIf(value, _) => {
                *self = Register { value: Some(*value), revision: None };
                Told::Done(0)
            }
            Ask::Delete => {
                *self = Register { value: None, revision: None };
                Told::Done(0)
            }
        }
    }

    fn is_valid_step(&mut self, ask: &Ask, told: &Told) -> bool {
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
}

impl Register {
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

fn is_linearizable(operations: &[&Operation], happened: &impl Fn(u64) -> bool) -> bool {
    let may_be_left_out = |operation: &Operation| match operation.ask {
        Ask::Read => true,
        Ask::Write(value) | Ask::WriteIf(value, _) => !happened(value),
        Ask::Delete => false,
    };
    let mut steps: Vec<(u64, &Operation, bool)> = Vec::new();
    for operation in operations.iter().filter(|operation| operation.told.is_some() || !may_be_left_out(operation)) {
        steps.push((operation.asked, operation, true));
        steps.extend(operation.told.as_ref().map(|(_, at)| (*at, *operation, false)));
    }
    steps.sort_by_key(|(at, ..)| *at);
    let mut tester = LinearizabilityTester::new(Register::default());
    for (_, operation, asks) in steps {
        let noted = match (asks, &operation.told) {
            (true, _) => tester.on_invoke(operation.client, operation.ask.clone()).map(drop),
            (false, Some((told, _))) => tester.on_return(operation.client, told.clone()).map(drop),
            (false, None) => Ok(()),
        };
        if noted.is_err() {
            return false;
        }
    }
    tester.is_consistent()
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
}
