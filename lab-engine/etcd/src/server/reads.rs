//! Linearizable reads: none is answered from a state that is older than the moment of the question (`v3_server.go`,
//! `linearizableReadLoop`).
//!
//! Reads that come together share one question to the leader. Its answer is an index: once that is applied here, the reads may be served
//! from here. The answer can get lost with a leader or a message; after half a second the question is asked again.

use crate::server::Output;
use crate::server::disk::{Data, State};
use crate::{CallId, EtcdError, Range, Response, Store};
use raft::{Index, RaftNode, ReadContext, ReadState};
use sim::Time;
use std::time::Duration;

/// After how long a question without an answer is asked again (`readIndexRetryTime`).
const RETRY: Duration = Duration::from_millis(500);

/// Who reads.
#[derive(Debug)]
enum Reader {
    Client {
        from: u32,
        call: CallId,
        range: Range,
    },
    /// The member itself, which wants to know that it has caught up (`linearizableReadNotify`), by the number of its wish.
    Check(u64),
}

#[derive(Debug)]
struct Read {
    by: Reader,
    deadline: Time,
    /// The first question that was asked after the read came.
    asked: Option<ReadContext>,
    /// What must be applied.
    index: Option<Index>,
}

/// The reads of a member's clients.
#[derive(Debug)]
pub(crate) struct Reads {
    reads: Vec<Read>,
    next: u64,
    /// When unanswered questions are asked again.
    retry_at: Option<Time>,
    /// Wishes of the member itself that have ended, and whether they came true.
    checks: Vec<(u64, bool)>,
    next_check: u64,
}

impl Reads {
    /// None. `start` counts the starts of the member: it keeps its questions apart.
    pub(crate) fn new(start: u32) -> Self {
        Reads { reads: Vec::new(), next: u64::from(start) << 32, retry_at: None, checks: Vec::new(), next_check: 0 }
    }

    pub(crate) fn add(&mut self, now: Time, from: u32, call: CallId, range: Range) {
        self.push(now, Reader::Client { from, call, range });
    }

    /// Asks to be told when the member has applied what is committed now. Gives the number under which [`Reads::take_checks`] tells.
    pub(crate) fn add_check(&mut self, now: Time) -> u64 {
        self.next_check += 1;
        self.push(now, Reader::Check(self.next_check));
        self.next_check
    }

    /// Takes the numbers of checks that have ended, and whether they were confirmed.
    pub(crate) fn take_checks(&mut self) -> Vec<(u64, bool)> {
        std::mem::take(&mut self.checks)
    }

    fn push(&mut self, now: Time, by: Reader) {
        self.reads.push(Read { by, deadline: now + super::REQUEST_TIMEOUT, asked: None, index: None });
    }

    pub(crate) fn forget_client(&mut self, from: u32) {
        self.reads.retain(|read| !matches!(read.by, Reader::Client { from: client, .. } if client == from));
        self.rest();
    }

    /// Nobody is to be asked again once no read waits for an answer.
    fn rest(&mut self) {
        if self.reads.iter().all(|read| read.index.is_some()) {
            self.retry_at = None;
        }
    }

    /// Asks for the index of reads that have none.
    pub(crate) fn ask(&mut self, now: Time, raft: &mut RaftNode<Data, State>) {
        let again = self.retry_at.is_some_and(|at| at <= now);
        let is_open = |read: &Read| read.index.is_none() && (again || read.asked.is_none());
        if !self.reads.iter().any(is_open) {
            return;
        }
        let context = ReadContext(self.next + 1);
        if raft.read_index(context).is_err() {
            // Nobody leads; the next leader is asked.
            self.retry_at = Some(self.retry_at.filter(|at| *at > now).unwrap_or(now + RETRY));
            return;
        }
        self.next += 1;
        self.retry_at = Some(now + RETRY);
        self.reads.iter_mut().filter(|read| is_open(read)).for_each(|read| read.asked = Some(context));
    }

    /// The leader has answered. A question that was asked after a read came is good for it, whichever it was.
    pub(crate) fn confirmed(&mut self, answers: &[ReadState]) {
        for answer in answers {
            for read in self.reads.iter_mut().filter(|read| read.index.is_none() && read.asked == Some(answer.context)) {
                read.index = Some(answer.index);
            }
        }
        self.rest();
    }

    /// Serves the reads whose index is applied.
    pub(crate) fn serve(&mut self, store: &Store, applied: Index, out: &mut Vec<Output>) {
        let checks = &mut self.checks;
        self.reads.retain(|read| {
            if read.index.is_none_or(|index| index > applied) {
                return true;
            }
            match &read.by {
                Reader::Client { from, call, range } => {
                    let answer = store.range(range);
                    let response = answer.map_or_else(|error| Response::Error(*call, error), |range| Response::Range(*call, range));
                    out.push(Output::Respond { to: *from, response });
                }
                Reader::Check(number) => checks.push((*number, true)),
            }
            false
        });
    }

    /// Answers those who have waited too long.
    pub(crate) fn expire(&mut self, now: Time, out: &mut Vec<Output>) {
        let checks = &mut self.checks;
        self.reads.retain(|read| {
            if read.deadline > now {
                return true;
            }
            match read.by {
                Reader::Client { from, call, .. } => {
                    out.push(Output::Respond { to: from, response: Response::Error(call, EtcdError::Timeout) });
                }
                Reader::Check(number) => checks.push((number, false)),
            }
            false
        });
        self.rest();
    }

    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.reads.iter().map(|read| read.deadline).chain(self.retry_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyRange;

    #[test]
    fn nobody_is_asked_again_for_a_client_that_is_gone() {
        let mut reads = Reads::new(0);
        let range = Range::all(KeyRange::One("a".into()));
        reads.add(Time::ZERO, 1, CallId(1), range.clone());
        reads.add(Time::ZERO, 2, CallId(1), range);
        for (read, context) in reads.reads.iter_mut().zip(1..) {
            read.asked = Some(ReadContext(context));
        }
        reads.retry_at = Some(Time::ZERO + RETRY);
        reads.confirmed(&[ReadState { context: ReadContext(1), index: Index(9) }]);
        assert_eq!(reads.next_wake(), Some(Time::ZERO + RETRY), "the second is still without an answer");
        reads.forget_client(2);
        assert_eq!(reads.next_wake(), Some(Time::ZERO + super::super::REQUEST_TIMEOUT), "the first waits for its index alone");
    }
}
