//! Clients: some read and write keys, one compacts, some watch everything.
//!
//! Of the watches, one roams from member to member; the others stay with theirs for as long as it serves them, so that a member that was
//! left behind has a watch that waits for what is compacted elsewhere meanwhile.

use super::Message;
use crate::history::{Ask, Operation, Told};
use crate::model::{ChangeOfKey, Model};
use etcd::{CallId, Compare, EtcdError, KeyRange, Op, OpResponse, Range, Request, Response, Txn, Watch};
use raft::NodeId;
use sim::{Endpoint, Kernel, Rng, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many clients read and write.
const WRITERS: u32 = 4;
/// How many clients watch. One roams, each other one stays with a member.
const WATCHERS: u32 = 4;
/// How many keys they share.
const KEYS: usize = 4;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many operations each client asks for at most: what is judged grows with them.
const MAX_OPERATIONS: usize = 40;

/// What a client does.
#[derive(Debug)]
enum Work {
    Write,
    Compact,
    Watch(Watching),
}

/// A watch of everything.
#[derive(Debug)]
struct Watching {
    call: u64,
    member: NodeId,
    /// The revision from which on changes are still to be seen.
    next: u64,
    /// Whether it goes to another member now and then.
    roams: bool,
}

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    number: u32,
    work: Work,
    rng: Rng,
    members: Vec<NodeId>,
    /// How long it rests at most.
    pace: Duration,
    /// The next call, unique to this client.
    call: u64,
    /// The operation that waits for an answer, and until when.
    waiting: Option<(usize, u64, Time)>,
    next_act: Time,
    operations: Vec<Operation>,
    /// Each key as it was last read: the revision of its last write.
    known: BTreeMap<usize, u64>,
    stopped: bool,
}

/// All clients, by endpoint.
pub(super) struct Clients {
    clients: Vec<(Endpoint, Client)>,
}

fn key(number: usize) -> String {
    format!("key-{number}")
}

impl Clients {
    pub(super) fn new(kernel: &mut Kernel<Message>, members: &[NodeId]) -> Self {
        let mut clients = Vec::new();
        // In some runs members are left behind by much within a short time.
        let pace = Duration::from_millis(if kernel.rng("clients").chance(500_000) { 150 } else { 900 });
        for number in 0..WRITERS + 1 + WATCHERS {
            let name = format!("client-{number}");
            let endpoint = kernel.endpoint(&name);
            kernel.wake(endpoint, Time::ZERO + Duration::from_secs(1), None);
            let work = match number {
                WRITERS => Work::Compact,
                number if number > WRITERS => {
                    let place = (number - WRITERS - 1) as usize;
                    Work::Watch(Watching { call: 0, member: members[place % members.len()], next: 1, roams: place == 0 })
                }
                _ => Work::Write,
            };
            clients.push((endpoint, Client::new(number, work, kernel.rng(&name), members, pace)));
        }
        Clients { clients }
    }

    pub(super) fn number(&self, endpoint: Endpoint) -> u32 {
        self.clients.iter().find(|(own, _)| *own == endpoint).map_or(u32::MAX, |(_, client)| client.number)
    }

    pub(super) fn endpoint(&self, number: u32) -> Endpoint {
        self.clients[number as usize].0
    }

    pub(super) fn at(&mut self, endpoint: Endpoint) -> &mut Client {
        let found = self.clients.iter_mut().find(|(own, _)| *own == endpoint);
        &mut found.expect("every endpoint is a member or a client").1
    }

    /// Clients ask for nothing more, but for what they watch.
    pub(super) fn stop(&mut self) {
        self.clients.iter_mut().for_each(|(_, client)| client.stopped = true);
    }

    /// Connections to a member broke. Of what it says over them nobody knows whether it is all.
    pub(super) fn disconnected(&mut self, member: NodeId) {
        for (_, client) in &mut self.clients {
            if let Work::Watch(watching) = &mut client.work
                && watching.member == member
            {
                watching.call = 0;
            }
        }
    }

    /// What all of them asked and were told.
    pub(super) fn operations(&self) -> Vec<Operation> {
        self.clients.iter().flat_map(|(_, client)| client.operations.iter().cloned()).collect()
    }
}

impl Client {
    fn new(number: u32, work: Work, rng: Rng, members: &[NodeId], pace: Duration) -> Self {
        Client {
            number,
            work,
            rng,
            members: members.to_vec(),
            pace,
            call: 0,
            waiting: None,
            next_act: Time::ZERO + Duration::from_secs(1),
            operations: Vec::new(),
            known: BTreeMap::new(),
            stopped: false,
        }
    }

    pub(super) fn next_wake(&self) -> Time {
        self.waiting.map_or(self.next_act, |(.., until)| until.min(self.next_act))
    }

    /// Takes an answer or lets time pass; gives what to ask of whom, if anything. `order` is the place in all that happens.
    pub(super) fn handle(
        &mut self,
        now: Time,
        order: u64,
        answer: Option<Response>,
        model: &Model,
    ) -> Result<Option<(NodeId, Request)>, String> {
        if let Some(answer) = answer {
            self.answered(order, &answer, model)?;
        }
        if self.waiting.is_some_and(|(.., until)| until <= now) {
            self.waiting = None;
        }
        if self.next_act > now {
            return Ok(None);
        }
        self.next_act = now + self.rng.duration(Duration::from_millis(5), self.pace);
        if self.waiting.is_some() {
            return Ok(None);
        }
        let member = self.members[self.rng.index(self.members.len())];
        self.call += 1;
        Ok(match &mut self.work {
            Work::Write if self.stopped || self.operations.len() >= MAX_OPERATIONS => self.keep_alive(member),
            Work::Write => Some((member, self.write(now, order))),
            Work::Compact => (!self.stopped && self.rng.chance(300_000)).then(|| {
                // Often all that is past, so that whoever lags finds nothing left.
                let back = if self.rng.chance(500_000) { 0 } else { self.rng.below(20) };
                (member, Request::Compact(CallId(self.call), model.revision.saturating_sub(back).max(1)))
            }),
            Work::Watch(watching) => watching.renew(self.call, member, watching.roams && self.rng.chance(100_000)),
        })
    }

    /// After its share a client writes a key that nobody judges, so that the group has something to do.
    fn keep_alive(&mut self, member: NodeId) -> Option<(NodeId, Request)> {
        let value = "x".repeat(self.rng.index(3_000));
        let txn = Txn { success: vec![Op::put("alive", value.as_str())], ..Txn::default() };
        (!self.stopped).then(|| (member, Request::Txn(CallId(self.call), txn)))
    }

    /// Chooses an operation.
    fn write(&mut self, now: Time, order: u64) -> Request {
        let number = self.rng.index(KEYS);
        let name = key(number);
        // Written by nobody else.
        let value = u64::from(self.number) << 32 | self.call;
        // Some fill several sectors of a disk.
        let width = self.rng.index(10).pow(3) * 3;
        let put = || Op::put(name.as_str(), format!("{value:0width$}").as_str());
        let (ask, txn) = match self.rng.below(10) {
            0..=3 => (Ask::Read, None),
            4..=6 => (Ask::Write(value), Some(Txn { success: vec![put()], ..Txn::default() })),
            7 => (Ask::Delete, Some(Txn { success: vec![Op::Delete(KeyRange::One(name.as_str().into()))], ..Txn::default() })),
            _ => {
                let last = self.known.get(&number).copied().unwrap_or(0);
                let compare = Compare::at_revision(name.as_str().into(), last);
                (Ask::WriteIf(value, last), Some(Txn { compares: vec![compare], success: vec![put()], ..Txn::default() }))
            }
        };
        self.waiting = Some((self.operations.len(), self.call, now + PATIENCE));
        // A request without an answer stays open for ever: what comes after it is another client's.
        let client = u64::from(self.number) << 32 | self.operations.iter().filter(|operation| operation.told.is_none()).count() as u64;
        self.operations.push(Operation { client, key: number, ask, asked: order, told: None, revision: 0 });
        let call = CallId(self.call);
        match txn {
            Some(txn) => Request::Txn(call, txn),
            None => Request::Range(call, Range::all(KeyRange::One(name.as_str().into()))),
        }
    }

    fn answered(&mut self, order: u64, answer: &Response, model: &Model) -> Result<(), String> {
        if let Work::Watch(watching) = &mut self.work {
            return watching.told(answer, model);
        }
        let call = match answer {
            Response::Txn(call, _) | Response::Range(call, _) | Response::Error(call, _) => *call,
            _ => return Ok(()),
        };
        // What comes after the client has given up is not heard.
        let Some((place, ..)) = self.waiting.take_if(|(_, waiting, _)| *waiting == call.0) else { return Ok(()) };
        let operation = &mut self.operations[place];
        let value = |kv: &etcd::KeyValue| String::from_utf8(kv.value.0.encode()).ok().and_then(|text| text.parse::<u64>().ok());
        let (told, revision) = match answer {
            Response::Range(_, range) => {
                let read = range.kvs.first().and_then(|kv| Some((value(kv)?, kv.mod_revision)));
                self.known.insert(operation.key, read.map_or(0, |(_, revision)| revision));
                (Told::Value(read), range.revision)
            }
            Response::Txn(_, txn) if !txn.succeeded => (Told::Refused, txn.revision),
            Response::Txn(_, txn) => match txn.responses.first() {
                Some(OpResponse::Delete(gone)) if gone.is_empty() => (Told::Absent, txn.revision),
                Some(_) => (Told::Done(txn.revision), txn.revision),
                None => return Err(format!("a transaction of one operation has no answer: {txn:?}")),
            },
            // It may still happen.
            _ => return Ok(()),
        };
        operation.told = Some((told, order));
        operation.revision = revision;
        Ok(())
    }
}

impl Watching {
    /// Watches on at another member, when it is time or the watch has ended.
    fn renew(&mut self, call: u64, member: NodeId, wants: bool) -> Option<(NodeId, Request)> {
        if self.call != 0 && !wants {
            return None;
        }
        self.call = call;
        self.member = member;
        let watch = Watch::new(KeyRange::From("\0".into()), self.next);
        Some((member, Request::Watch(CallId(call), watch)))
    }

    /// Compares what is told with what was changed.
    fn told(&mut self, answer: &Response, model: &Model) -> Result<(), String> {
        match answer {
            Response::Events(call, events, revision) if call.0 == self.call => {
                let told: Vec<ChangeOfKey> =
                    events.iter().map(|e| (e.revision, e.key.to_string(), e.kv.as_ref().map(|kv| kv.value.0.encode()))).collect();
                let due = model.changes.iter().filter(|(at, ..)| *at >= self.next && at <= revision).cloned();
                let due: Vec<ChangeOfKey> = due.collect();
                if due != told {
                    let (told, due) = (in_words(&told), in_words(&due));
                    return Err(format!("a watch of all from revision {} saw {told}, not {due}", self.next));
                }
                self.next = self.next.max(revision + 1);
            }
            Response::Canceled { call, error: EtcdError::Compacted, .. } if call.0 == self.call => {
                // What was compacted is not to be seen any more; it goes on from the present.
                (self.call, self.next) = (0, model.revision + 1);
            }
            Response::Error(call, _) | Response::Canceled { call, .. } if call.0 == self.call => self.call = 0,
            _ => {}
        }
        Ok(())
    }
}

/// Keys, revisions and sizes of values: the values themselves would fill pages.
fn in_words(changes: &[ChangeOfKey]) -> String {
    let size = |value: &Option<Vec<u8>>| value.as_ref().map_or_else(|| "deleted".to_owned(), |value| format!("{} bytes", value.len()));
    let words: Vec<String> = changes.iter().map(|(revision, key, value)| format!("{key}@{revision} ({})", size(value))).collect();
    format!("[{}]", words.join(", "))
}
