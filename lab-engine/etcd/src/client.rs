//! A client of a group: spreads requests over the members and goes on with another one when a member is lost (`client/v3`: the
//! `round_robin` balancer, `retry_interceptor.go`, `watch.go`).
//!
//! Requests go to the members in turn. What only reads is asked again elsewhere when a member is lost or times out: asking twice does no
//! harm. A change is never repeated by itself, for it may have happened: whoever asked learns that nobody knows ([`EtcdError::Unavailable`])
//! and looks. A watch goes on from the first revision that it has not shown. While no member is reachable, requests wait.
//!
//! A state machine: its owner tells it of answers and of connections that break or come back, and sends what it asks for.
//!
//! **Simplified here:** no pause between attempts, as a member takes its time before it gives up; what waits for a member is dropped when
//! there is too much of it, whose owner has long given up too.

use crate::{CallId, EtcdError, Request, Response, Revision, Watch};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many requests wait for a member at most. The oldest are answered with an error.
const MAX_WAITING: usize = 1000;

/// What the owner of a [`Client`] shall do.
#[derive(Clone, Debug)]
pub enum ClientOutput {
    /// Send the request to the member in this place, counted from 0.
    Send {
        /// The place.
        member: usize,
        /// The request.
        request: Request,
    },
    /// Hand the answer to whoever asked.
    Deliver(Response),
}

/// A request without an outcome, or a watch.
#[derive(Debug)]
struct Pending {
    /// Where it was sent.
    member: usize,
    /// The request, if it may be asked again; of a watch, from where it goes on.
    again: Option<Request>,
}

/// A client of the members `0..n`.
#[derive(Debug)]
pub struct Client {
    members: usize,
    lost: BTreeSet<usize>,
    /// Whose turn it is.
    next: usize,
    pending: BTreeMap<CallId, Pending>,
    waiting: VecDeque<Request>,
}

impl Client {
    /// A client that is connected to all of `members` members.
    pub fn new(members: usize) -> Self {
        Client { members, lost: BTreeSet::new(), next: 0, pending: BTreeMap::new(), waiting: VecDeque::new() }
    }

    /// Sends a request to a member. The end of a watch goes where the watch is.
    pub fn send(&mut self, request: Request, out: &mut Vec<ClientOutput>) {
        if let Request::CancelWatch(call) = request {
            self.waiting.retain(|waiting| waiting.call() != call);
            if let Some(Pending { member, .. }) = self.pending.remove(&call) {
                out.push(ClientOutput::Send { member, request });
            }
            return;
        }
        let Some(member) = self.turn() else {
            self.waiting.push_back(request);
            if self.waiting.len() > MAX_WAITING
                && let Some(oldest) = self.waiting.pop_front()
            {
                out.push(ClientOutput::Deliver(Response::Error(oldest.call(), EtcdError::Unavailable)));
            }
            return;
        };
        let again = matches!(request, Request::Range(..) | Request::Watch(..)).then(|| request.clone());
        self.pending.insert(request.call(), Pending { member, again });
        out.push(ClientOutput::Send { member, request });
    }

    /// A member answered.
    pub fn receive(&mut self, from: usize, response: Response, out: &mut Vec<ClientOutput>) {
        let call = response.call();
        let Some(pending) = self.pending.get_mut(&call).filter(|pending| pending.member == from) else {
            // A watch that nobody wants goes on at the member until it is told.
            if matches!(response, Response::Events(..)) {
                out.push(ClientOutput::Send { member: from, request: Request::CancelWatch(call) });
            }
            return;
        };
        match (&response, &mut pending.again) {
            (Response::Events(_, _, revision), Some(Request::Watch(_, watch))) => go_on_after(watch, *revision),
            (Response::Error(_, EtcdError::Timeout), Some(_)) => {
                return self.ask_again(call, out);
            }
            _ => {
                self.pending.remove(&call);
            }
        }
        out.push(ClientOutput::Deliver(response));
    }

    /// The connection to a member broke.
    pub fn lost(&mut self, member: usize, out: &mut Vec<ClientOutput>) {
        self.lost.insert(member);
        let calls: Vec<CallId> = self.pending.iter().filter(|(_, pending)| pending.member == member).map(|(call, _)| *call).collect();
        for call in calls {
            self.ask_again(call, out);
        }
    }

    /// The connection to a member stands again.
    pub fn regained(&mut self, member: usize, out: &mut Vec<ClientOutput>) {
        self.lost.remove(&member);
        for request in std::mem::take(&mut self.waiting) {
            self.send(request, out);
        }
    }

    /// Asks another member, or says that the outcome is unknown.
    fn ask_again(&mut self, call: CallId, out: &mut Vec<ClientOutput>) {
        match self.pending.remove(&call).and_then(|pending| pending.again) {
            Some(request) => self.send(request, out),
            None => out.push(ClientOutput::Deliver(Response::Error(call, EtcdError::Unavailable))),
        }
    }

    /// The next member that is connected.
    fn turn(&mut self) -> Option<usize> {
        let member = (0..self.members).map(|step| (self.next + step) % self.members).find(|member| !self.lost.contains(member))?;
        self.next = (member + 1) % self.members;
        Some(member)
    }
}

/// A watch has shown everything up to `revision`.
fn go_on_after(watch: &mut Watch, revision: Revision) {
    watch.start_revision = watch.start_revision.max(revision + 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyRange, Range, Txn};
    use std::sync::Arc;

    fn read(call: u64) -> Request {
        Request::Range(CallId(call), Range::all(KeyRange::One("k".into())))
    }

    fn change(call: u64) -> Request {
        Request::Txn(CallId(call), Txn::default())
    }

    fn after(act: impl FnOnce(&mut Vec<ClientOutput>)) -> Vec<String> {
        let mut out = Vec::new();
        act(&mut out);
        out.iter()
            .map(|output| match output {
                ClientOutput::Send { member, request: Request::Watch(call, watch) } => {
                    format!("{member} <- watch {} from {}", call.0, watch.start_revision)
                }
                ClientOutput::Send { member, request } => format!("{member} <- {}", request.call().0),
                ClientOutput::Deliver(Response::Error(call, error)) => format!("{}: {error}", call.0),
                ClientOutput::Deliver(response) => format!("{}: answer", response.call().0),
            })
            .collect()
    }

    #[test]
    fn members_are_asked_in_turn_and_lost_ones_are_left_out() {
        let mut client = Client::new(3);
        let asked: Vec<String> = (1..=4).flat_map(|call| after(|out| client.send(read(call), out))).collect();
        assert_eq!(asked, ["0 <- 1", "1 <- 2", "2 <- 3", "0 <- 4"]);
        let moved = after(|out| client.lost(0, out));
        assert_eq!(moved, ["1 <- 1", "2 <- 4"], "reads go elsewhere");
        assert_eq!(after(|out| client.send(read(5), out)), ["1 <- 5"]);
        client.regained(0, &mut Vec::new());
        assert_eq!(after(|out| client.send(read(6), out)), ["2 <- 6"]);
        assert_eq!(after(|out| client.send(read(7), out)), ["0 <- 7"]);
    }

    #[test]
    fn a_change_is_not_repeated() {
        let mut client = Client::new(2);
        client.send(change(1), &mut Vec::new());
        assert_eq!(after(|out| client.lost(0, out)), ["1: rpc error: code = Unavailable desc = error reading from server: EOF"]);
        assert_eq!(after(|out| client.receive(0, Response::Compacted(CallId(1)), out)), [""; 0], "it is too late for an answer");
    }

    #[test]
    fn a_read_that_timed_out_is_asked_elsewhere_and_a_change_is_not() {
        let mut client = Client::new(2);
        client.send(read(1), &mut Vec::new());
        client.send(change(2), &mut Vec::new());
        let timeout = |call| Response::Error(CallId(call), EtcdError::Timeout);
        assert_eq!(after(|out| client.receive(0, timeout(1), out)), ["0 <- 1"]);
        assert_eq!(after(|out| client.receive(1, timeout(2), out)), ["2: etcdserver: request timed out"]);
    }

    #[test]
    fn a_watch_goes_on_where_it_was() {
        let mut client = Client::new(2);
        let watch = Watch::new(KeyRange::One("k".into()), 3);
        client.send(Request::Watch(CallId(1), watch), &mut Vec::new());
        assert_eq!(after(|out| client.receive(0, Response::Events(CallId(1), Arc::new([]), 9), out)), ["1: answer"]);
        assert_eq!(after(|out| client.lost(0, out)), ["1 <- watch 1 from 10"]);
        let late = Response::Events(CallId(1), Arc::new([]), 10);
        assert_eq!(after(|out| client.receive(0, late, out)), ["0 <- 1"], "the old watch is ended");
        assert_eq!(after(|out| client.send(Request::CancelWatch(CallId(1)), out)), ["1 <- 1"]);
    }

    #[test]
    fn requests_wait_for_a_member() {
        let mut client = Client::new(1);
        client.lost(0, &mut Vec::new());
        assert_eq!(after(|out| client.send(change(1), out)), [""; 0]);
        assert_eq!(after(|out| client.regained(0, out)), ["0 <- 1"]);
        client.lost(0, &mut Vec::new());
        (2..=1002).for_each(|call| client.send(read(call), &mut Vec::new()));
        let dropped = after(|out| client.send(read(1003), out));
        assert_eq!(dropped.len(), 1);
    }
}
