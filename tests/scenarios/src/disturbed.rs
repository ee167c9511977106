//! A part of the control plane that goes wrong at a certain one of its writes.
//!
//! [`Disturbed`] stands in the place of a component and passes everything on, counting writes. At the write that a [`Disturbance`] names the
//! component is killed, or paused, or does not hear the answer; watches may lag, each by its own time. A killed component loses all it
//! knew: its caches, queues, expectations and what it was about to send. What was sent before arrives; what was to be sent after, does not.
//! When its time is up it starts anew with nothing, and hears no answer to what its predecessor asked.
//!
//! A write is any request that is no read, but for Events and Leases: nothing is decided by those.

use api::http::{Method, Path, Request, Response};
use client::{Action, Component, Input, Outbox, RequestId, Transport};
use sim::{Rng, Time, What};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// Something that goes wrong at the write of a number, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// The process is killed, before the write is sent or right after, and started again after a while.
    Crash {
        /// The write.
        write: u64,
        /// Whether the write was sent.
        sent: bool,
        /// How long until the next start.
        down: Duration,
    },
    /// The write is carried out, but its answer is lost: the connection breaks.
    LostAnswer {
        /// The write.
        write: u64,
    },
    /// The process stands still from the write on; what arrives meanwhile waits.
    Pause {
        /// The write.
        write: u64,
        /// For how long.
        time: Duration,
    },
    /// Nothing passes between the part and the API server from the write on, which is still sent.
    Cut {
        /// The write.
        write: u64,
        /// For how long.
        time: Duration,
    },
    /// The events of every watch come late, each watch by a time of its own.
    Lag {
        /// The longest time.
        most: Duration,
    },
}

impl Disturbance {
    fn write(self) -> Option<u64> {
        match self {
            Disturbance::Crash { write, .. }
            | Disturbance::LostAnswer { write }
            | Disturbance::Pause { write, .. }
            | Disturbance::Cut { write, .. } => Some(write),
            Disturbance::Lag { .. } => None,
        }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disturbance::Crash { write, sent, down } => {
                let when = if *sent { "after" } else { "before" };
                write!(f, "killed {when} write {write}, started again after {} ms", down.as_millis())
            }
            Disturbance::LostAnswer { write } => write!(f, "the answer to write {write} is lost"),
            Disturbance::Pause { write, time } => write!(f, "paused at write {write} for {} ms", time.as_millis()),
            Disturbance::Cut { write, time } => write!(f, "cut off at write {write} for {} ms", time.as_millis()),
            Disturbance::Lag { most } => write!(f, "watches lag by up to {} ms", most.as_millis()),
        }
    }
}

/// What happened to a disturbed component; shared with whoever runs the cluster.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Whether writes count, and disturbances come.
    pub open: bool,
    /// What is still to go wrong.
    pub pending: Vec<Disturbance>,
    /// The writes that counted, in words.
    pub writes: Vec<String>,
    /// What went wrong, with the write at which it did.
    pub happened: Vec<(Disturbance, String)>,
    /// A cut that the runner has to make.
    pub cut: Option<Duration>,
}

/// Makes the component anew.
pub type Make<C> = Box<dyn Fn(Rng) -> C>;

/// Answers a request, if it is one that it knows.
pub type Front = Box<dyn Fn(&Request) -> Option<Response>>;

/// A component that is disturbed.
pub struct Disturbed<C> {
    make: Make<C>,
    rng: Rng,
    starts: u32,
    /// `None` while it is down.
    component: Option<C>,
    /// When it starts again, or goes on after a pause.
    back_at: Option<Time>,
    /// What arrived in a pause.
    backlog: VecDeque<Input>,
    /// Requests with lower numbers are of an earlier life.
    life_begins: RequestId,
    next_request: u64,
    watches: BTreeSet<RequestId>,
    lost_answers: BTreeSet<RequestId>,
    /// Late events of watches, in the order in which they are due.
    late: BTreeMap<(Time, u64), Input>,
    lags: BTreeMap<RequestId, (Duration, Time)>,
    next_late: u64,
    ledger: Rc<RefCell<Ledger>>,
    /// Answers some requests in place of the API server.
    front: Option<Front>,
    /// What it answers to requests that are under way.
    answered: BTreeMap<RequestId, Response>,
}

impl<C: Component> Disturbed<C> {
    /// The component that `make` makes, for now undisturbed.
    pub fn new(rng: &Rng, make: Make<C>, ledger: Rc<RefCell<Ledger>>) -> Self {
        let component = Some(make(rng.clone()));
        Disturbed {
            make,
            rng: rng.clone(),
            starts: 1,
            component,
            back_at: None,
            backlog: VecDeque::new(),
            life_begins: RequestId(0),
            next_request: 1,
            watches: BTreeSet::new(),
            lost_answers: BTreeSet::new(),
            late: BTreeMap::new(),
            lags: BTreeMap::new(),
            next_late: 0,
            ledger,
            front: None,
            answered: BTreeMap::new(),
        }
    }

    /// With something that answers some requests in place of the API server, which sees them nevertheless.
    pub fn behind(mut self, front: Front) -> Self {
        self.front = Some(front);
        self
    }

    fn start(&mut self, now: Time, out: &mut Outbox) {
        self.starts += 1;
        self.back_at = None;
        self.component = Some((self.make)(self.rng.stream(&format!("start {}", self.starts))));
        out.trace(What::Fault { description: "started again".into() });
        self.deliver(now, Input::Wake, out);
    }

    fn kill(&mut self, now: Time, down: Duration, out: &mut Outbox) {
        self.component = None;
        self.back_at = Some(now + down);
        self.backlog.clear();
        self.late.clear();
        self.lags.clear();
        self.lost_answers.clear();
        self.answered.clear();
        self.life_begins = RequestId(self.next_request);
        std::mem::take(&mut self.watches).into_iter().for_each(|id| out.cancel(id));
    }

    /// Takes an input, now or later.
    fn take(&mut self, now: Time, input: Input, out: &mut Outbox) {
        let id = match &input {
            Input::Response(id, _) | Input::Watch(id, _) | Input::WatchEnded(id, _) => Some(*id),
            _ => None,
        };
        if id.is_some_and(|id| id < self.life_begins) {
            return;
        }
        let lag = self.lag();
        match (input, id, lag) {
            (input @ (Input::Watch(..) | Input::WatchEnded(..)), Some(id), Some(most)) => {
                let rng = self.rng.stream(&format!("lag {}", id.0));
                let (lag, last) = self.lags.entry(id).or_insert_with(|| (rng.clone().duration(Duration::ZERO, most), now));
                let due = (*last).max(now + *lag);
                *last = due;
                self.next_late += 1;
                self.late.insert((due, self.next_late), input);
            }
            (input, ..) => self.deliver(now, input, out),
        }
    }

    /// How much watches lag; those that did before go on until all has arrived, so that nothing is overtaken.
    fn lag(&self) -> Option<Duration> {
        let ledger = self.ledger.borrow();
        let wanted = ledger.pending.iter().find_map(|one| if let Disturbance::Lag { most } = one { Some(*most) } else { None });
        wanted.filter(|_| ledger.open || !self.late.is_empty())
    }

    fn deliver(&mut self, now: Time, input: Input, out: &mut Outbox) {
        let Some(component) = &mut self.component else { return };
        let input = match input {
            Input::Response(id, _) if self.lost_answers.remove(&id) => Input::Response(id, Err(Transport::Closed)),
            Input::Response(id, Ok(response)) => Input::Response(id, Ok(self.answered.remove(&id).unwrap_or(response))),
            input => input,
        };
        if let Input::WatchEnded(id, _) | Input::Response(id, _) = &input {
            self.watches.remove(id);
        }
        let mut inner = Outbox::new(self.next_request);
        component.handle(now, input, &mut inner);
        for action in inner.take().0 {
            match action {
                Action::Request(id, request) => {
                    if !self.send(now, id, *request, out) {
                        return;
                    }
                }
                Action::Cancel(id) => {
                    self.watches.remove(&id);
                    out.cancel(id);
                }
                Action::Trace(Some(actor), what) => out.trace_as(&actor, what),
                Action::Trace(None, what) => out.trace(what),
                // Parts of the control plane serve nothing and do not talk to etcd.
                Action::Etcd(..)
                | Action::StartEtcd(..)
                | Action::Write(..)
                | Action::Respond(..)
                | Action::Stream(..)
                | Action::Dial(..)
                | Action::Forward(..)
                | Action::Answer(..) => {}
            }
        }
    }

    /// Sends a request, unless the component does not live to do so; says whether it lives on.
    fn send(&mut self, now: Time, id: RequestId, request: Request, out: &mut Outbox) -> bool {
        let disturbance = is_write(&request).then(|| self.disturbance_at(&request)).flatten();
        if let Some(Disturbance::Crash { sent: false, down, .. }) = disturbance {
            self.tell(disturbance, out);
            self.kill(now, down, out);
            return false;
        }
        if request.is_watch() {
            self.watches.insert(id);
        }
        let answer = self.front.as_ref().and_then(|front| front(&request));
        let given = out.request(request);
        self.answered.extend(answer.map(|answer| (given, answer)));
        debug_assert_eq!(given, id, "the outboxes count alike");
        self.next_request = given.0 + 1;
        match disturbance {
            Some(Disturbance::Crash { down, .. }) => {
                self.tell(disturbance, out);
                self.kill(now, down, out);
                return false;
            }
            Some(Disturbance::LostAnswer { .. }) => {
                self.lost_answers.insert(id);
            }
            Some(Disturbance::Pause { time, .. }) => self.back_at = Some(now + time),
            Some(Disturbance::Cut { time, .. }) => self.ledger.borrow_mut().cut = Some(time),
            Some(Disturbance::Lag { .. }) | None => {}
        }
        if disturbance.is_some() {
            self.tell(disturbance, out);
        }
        true
    }

    fn tell(&self, disturbance: Option<Disturbance>, out: &mut Outbox) {
        if let Some(disturbance) = disturbance {
            out.trace(What::Fault { description: disturbance.to_string().into() });
        }
    }

    /// Counts a write; what goes wrong at it.
    fn disturbance_at(&self, request: &Request) -> Option<Disturbance> {
        let mut ledger = self.ledger.borrow_mut();
        if !ledger.open {
            return None;
        }
        let words = in_words(request);
        ledger.writes.push(words.clone());
        let number = ledger.writes.len() as u64;
        let place = ledger.pending.iter().position(|one| one.write() == Some(number))?;
        let disturbance = ledger.pending.remove(place);
        ledger.happened.push((disturbance, words));
        Some(disturbance)
    }
}

impl<C: Component> Component for Disturbed<C> {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        self.next_request = out.take().1;
        let waits = self.back_at.is_some_and(|at| now < at);
        match (&self.component, waits) {
            (None, true) => {}
            (None, false) => self.start(now, out),
            (Some(_), true) => self.backlog.push_back(input),
            (Some(_), false) => {
                self.back_at = None;
                self.backlog.push_back(input);
                while let Some(input) = self.backlog.pop_front() {
                    self.take(now, input, out);
                    if self.back_at.is_some() {
                        return;
                    }
                }
                while let Some(entry) = self.late.first_entry().filter(|entry| entry.key().0 <= now) {
                    let input = entry.remove();
                    self.deliver(now, input, out);
                    if self.back_at.is_some() {
                        return;
                    }
                }
            }
        }
    }

    fn next_wake(&self) -> Option<Time> {
        if self.back_at.is_some() {
            return self.back_at;
        }
        let late = self.late.keys().next().map(|(at, _)| *at);
        self.component.as_ref().and_then(Component::next_wake).into_iter().chain(late).min()
    }
}

/// Whether a request changes something on which decisions depend.
fn is_write(request: &Request) -> bool {
    let Path::Resource(path) = &request.path else { return false };
    request.method != Method::Get && !matches!(&*path.resource.resource, "events" | "leases")
}

/// A request in words: `PATCH pods/web-0 (status)`.
fn in_words(request: &Request) -> String {
    let Path::Resource(path) = &request.path else { return String::new() };
    let verb = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    };
    let name = path.name.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
    let subresource = if path.subresource.is_empty() { String::new() } else { format!(" ({})", path.subresource) };
    format!("{verb} {}{name}{subresource}", path.resource.resource)
}
