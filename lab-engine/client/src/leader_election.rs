//! Leader election: of several replicas one holds a Lease and works, the others watch it (`client-go/tools/leaderelection`).
//!
//! A candidate looks at the lease every [`LeaderElectionConfig::retry_period`]. It takes a lease that nobody holds, or whose content did not
//! change for as long as the lease lasts, by the candidate's own clock: clocks of different machines are never compared. The leader
//! renews it just as often, and stops leading when it could not for [`LeaderElectionConfig::renew_deadline`], which is before any other
//! can take the lease. Two writers of one lease are told apart by its resource version.
//!
//! **Simplified here:** one that stops leading is a candidate again, where upstream's process ends and is started anew; no release of the
//! lease on an orderly end (`ReleaseOnCancel`) and no coordinated leader election.

use crate::{Input, Outbox, RequestId};
use api::Resource;
use api::coordination::{Lease, LeaseSpec};
use api::http::{Body, Method, Request, ResourcePath};
use api::meta::{MicroTime, ObjectMeta};
use sim::{Rng, Time};
use std::sync::Arc;
use std::time::Duration;

/// Which lease, and how long everything takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderElectionConfig {
    /// The namespace of the lease.
    pub namespace: String,
    /// Its name, for example `kube-scheduler`.
    pub name: String,
    /// Who the candidate is; no two may be called alike.
    pub identity: String,
    /// How long a lease lasts that is not renewed.
    pub lease_duration: Duration,
    /// How long a leader tries to renew before it stops leading; less than the lease lasts.
    pub renew_deadline: Duration,
    /// How long a candidate waits between attempts, and a leader between renewals.
    pub retry_period: Duration,
}

impl LeaderElectionConfig {
    /// The lease `name` in `kube-system`, with the times that the control plane has: 15 s, 10 s, 2 s.
    pub fn new(name: impl Into<String>, identity: impl Into<String>) -> Self {
        LeaderElectionConfig {
            namespace: "kube-system".to_owned(),
            name: name.into(),
            identity: identity.into(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// What a candidate learns (`LeaderCallbacks`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaderEvent {
    /// It leads now.
    StartedLeading,
    /// It no longer does, and must stop working at once.
    StoppedLeading,
    /// This one leads now; also told of oneself.
    NewLeader(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Get,
    Create,
    Update,
}

/// One candidate.
#[derive(Debug)]
pub struct LeaderElector {
    config: LeaderElectionConfig,
    agent: Arc<str>,
    rng: Rng,
    /// The lease as last seen, and when its content last changed.
    observed: Option<Arc<Lease>>,
    observed_at: Time,
    waiting: Option<(RequestId, Step)>,
    next_try: Time,
    /// When the lease was last taken or renewed.
    renewed_at: Time,
    leading: bool,
    reported: String,
}

impl LeaderElector {
    /// A candidate that has not tried yet. `agent` is the user agent of its requests.
    pub fn new(config: LeaderElectionConfig, agent: Arc<str>, rng: Rng) -> Self {
        LeaderElector {
            config,
            agent,
            rng,
            observed: None,
            observed_at: Time::ZERO,
            waiting: None,
            next_try: Time::ZERO,
            renewed_at: Time::ZERO,
            leading: false,
            reported: String::new(),
        }
    }

    /// Whether it leads.
    pub fn is_leader(&self) -> bool {
        self.leading
    }

    /// When it wants to be woken next.
    pub fn next_wake(&self) -> Option<Time> {
        let deadline = self.leading.then(|| self.deadline());
        let next = self.waiting.is_none().then_some(self.next_try);
        next.into_iter().chain(deadline).min()
    }

    fn deadline(&self) -> Time {
        self.renewed_at.saturating_add(self.config.renew_deadline)
    }

    /// Applies an input. Inputs that are none of its business are harmless.
    pub fn handle(&mut self, now: Time, input: &Input, out: &mut Outbox) -> Vec<LeaderEvent> {
        let mut events = Vec::new();
        if let Input::Response(id, answer) = input
            && let Some((_, step)) = self.waiting.take_if(|(waiting, _)| waiting == id)
        {
            let lease = match answer {
                Ok(response) => match &response.result {
                    Ok(Body::Object(object)) => Ok(object.as_kind::<Lease>().cloned()),
                    Ok(_) => Ok(None),
                    Err(status) => Err(Some(status.code)),
                },
                Err(_) => Err(None),
            };
            self.answered(now, step, lease, &mut events, out);
        }
        if self.leading && now >= self.deadline() {
            self.leading = false;
            events.push(LeaderEvent::StoppedLeading);
        }
        if self.waiting.is_none() && now >= self.next_try {
            self.attempt(out);
        }
        events
    }

    /// One attempt to take or renew the lease (`tryAcquireOrRenew`).
    fn attempt(&mut self, out: &mut Outbox) {
        let request = Request::new(Method::Get, self.path()).agent(&self.agent);
        self.waiting = Some((out.request(request), Step::Get));
    }

    fn path(&self) -> ResourcePath {
        ResourcePath::object(Lease::INFO, &self.config.namespace, &self.config.name)
    }

    fn answered(
        &mut self,
        now: Time,
        step: Step,
        answer: Result<Option<Arc<Lease>>, Option<u16>>,
        events: &mut Vec<LeaderEvent>,
        out: &mut Outbox,
    ) {
        match (step, answer) {
            (Step::Get, Err(Some(404))) => self.write(now, None, out),
            (Step::Get, Ok(Some(lease))) => {
                self.observe(now, lease.clone());
                if self.may_take(now, &lease.spec) { self.write(now, Some(&lease), out) } else { self.pause(now) }
            }
            (Step::Create | Step::Update, Ok(Some(lease))) => {
                self.observe(now, lease);
                self.renewed_at = now;
                if !self.leading {
                    self.leading = true;
                    events.push(LeaderEvent::StartedLeading);
                }
                self.pause(now);
            }
            // Someone else was faster, or the server cannot be reached: later again.
            _ => self.pause(now),
        }
        let holder = self.observed.as_ref().and_then(|lease| lease.spec.holder_identity.clone()).unwrap_or_default();
        if holder != self.reported {
            self.reported.clone_from(&holder);
            events.push(LeaderEvent::NewLeader(holder));
        }
    }

    /// The lease is there with this content. Only a change of the content says that its holder lives.
    fn observe(&mut self, now: Time, lease: Arc<Lease>) {
        if self.observed.as_ref().is_none_or(|known| known.spec != lease.spec) {
            self.observed_at = now;
        }
        self.observed = Some(lease);
    }

    fn may_take(&self, now: Time, spec: &LeaseSpec) -> bool {
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let lasts = seconds.map_or(self.config.lease_duration, Duration::from_secs);
        holder.is_empty() || holder == self.config.identity || now >= self.observed_at.saturating_add(lasts)
    }

    /// Writes the lease as one's own: a new one, or over `old`.
    fn write(&mut self, now: Time, old: Option<&Lease>, out: &mut Outbox) {
        let ours = old.filter(|old| old.spec.holder_identity.as_deref() == Some(&self.config.identity));
        let transitions = old.and_then(|old| old.spec.lease_transitions).unwrap_or(0);
        let mut lease = old.cloned().unwrap_or_else(|| Lease {
            metadata: ObjectMeta { namespace: self.config.namespace.clone(), name: self.config.name.clone(), ..ObjectMeta::default() },
            ..Lease::default()
        });
        lease.spec.holder_identity = Some(self.config.identity.clone());
        lease.spec.lease_duration_seconds = Some(i32::try_from(self.config.lease_duration.as_secs()).unwrap_or(i32::MAX));
        lease.spec.acquire_time = ours.and_then(|ours| ours.spec.acquire_time).or(Some(MicroTime::from(now)));
        lease.spec.renew_time = Some(MicroTime::from(now));
        lease.spec.lease_transitions = Some(if old.is_none() || ours.is_some() { transitions } else { transitions.saturating_add(1) });
        let (method, path, step) = match old {
            Some(_) => (Method::Put, self.path(), Step::Update),
            None => (Method::Post, ResourcePath::collection(Lease::INFO, &self.config.namespace), Step::Create),
        };
        let request = Request::new(method, path).body(Body::Object(lease.into())).agent(&self.agent);
        self.waiting = Some((out.request(request), step));
    }

    /// A leader renews on the beat; candidates wait up to 2.2 times as long, so that they do not all come at once (`JitterFactor`).
    fn pause(&mut self, now: Time) {
        let pause = if self.leading { self.config.retry_period } else { self.rng.jitter(self.config.retry_period, 120) };
        self.next_try = now.saturating_add(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;
    use api::http::Response;
    use api::meta::ResourceVersion;
    use api::status::Status;
    use sim::Seed;

    /// A server with one lease.
    #[derive(Default)]
    struct Server {
        lease: Option<Lease>,
        revision: u64,
        down: bool,
    }

    impl Server {
        fn serve(&mut self, request: &Request) -> Result<Response, crate::Transport> {
            if self.down {
                return Err(crate::Transport::Timeout);
            }
            let refuse = |code, reason| Status { code, reason, message: String::new(), details: api::status::Details::default() };
            let Body::Object(object) = &request.body else {
                let lease = self.lease.clone();
                return Ok(lease.map_or_else(|| refuse(404, "NotFound").into(), |lease| Response::ok(Body::Object(lease.into()))));
            };
            let mut lease = object.as_kind::<Lease>().unwrap().as_ref().clone();
            let current = self.lease.as_ref().map_or(0, |lease| lease.metadata.resource_version.0);
            if lease.metadata.resource_version.0 != current {
                return Ok(refuse(409, "Conflict").into());
            }
            self.revision += 1;
            lease.metadata.resource_version = ResourceVersion(self.revision);
            self.lease = Some(lease.clone());
            Ok(Response::ok(Body::Object(lease.into())))
        }
    }

    /// Runs a candidate at `now` until it asks for nothing more.
    fn run(elector: &mut LeaderElector, server: &mut Server, now: Time) -> Vec<LeaderEvent> {
        let mut out = Outbox::new(now.as_nanos());
        let mut events = elector.handle(now, &Input::Wake, &mut out);
        loop {
            let (actions, next) = out.take();
            let Some(Action::Request(id, request)) = actions.into_iter().next() else { return events };
            out = Outbox::new(next);
            events.extend(elector.handle(now, &Input::Response(id, server.serve(&request)), &mut out));
        }
    }

    fn candidate(identity: &str) -> LeaderElector {
        LeaderElector::new(LeaderElectionConfig::new("kube-scheduler", identity), "test".into(), Seed(1).stream(identity))
    }

    #[test]
    fn one_leads_until_it_cannot_renew_and_only_later_another() {
        let (mut server, mut a, mut b) = (Server::default(), candidate("a"), candidate("b"));
        assert_eq!(run(&mut a, &mut server, Time::ZERO), [LeaderEvent::StartedLeading, LeaderEvent::NewLeader("a".to_owned())]);
        assert_eq!(run(&mut b, &mut server, Time::ZERO), [LeaderEvent::NewLeader("a".to_owned())]);
        let (mut stopped, mut started) = (None, None);
        for tenth in 0..600 {
            let now = Time::from_millis(tenth * 100);
            server.down = false;
            if run(&mut b, &mut server, now).contains(&LeaderEvent::StartedLeading) {
                started = Some(now);
            }
            // From the tenth second on `a` is cut off.
            server.down = tenth >= 100;
            if run(&mut a, &mut server, now).contains(&LeaderEvent::StoppedLeading) {
                stopped = Some(now);
            }
            assert!(!(a.is_leader() && b.is_leader()), "two leaders at {now}");
        }
        let (stopped, started) = (stopped.unwrap(), started.unwrap());
        assert!(stopped <= Time::from_secs(20) && started >= Time::from_secs(23), "{stopped} {started}");
        let spec = server.lease.unwrap().spec;
        assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("b"), Some(1)));
    }

    #[test]
    fn two_writers_are_told_apart() {
        let (mut server, mut a, mut b, mut out) = (Server::default(), candidate("a"), candidate("b"), Outbox::new(1));
        let step = |elector: &mut LeaderElector, server: &mut Server, out: &mut Outbox| {
            let Some(Action::Request(id, request)) = out.take().0.pop() else { panic!("it asks") };
            *out = Outbox::new(id.0 + 1);
            elector.handle(Time::ZERO, &Input::Response(id, server.serve(&request)), out)
        };
        a.handle(Time::ZERO, &Input::Wake, &mut out);
        step(&mut a, &mut server, &mut out);
        let mut other = Outbox::new(1);
        b.handle(Time::ZERO, &Input::Wake, &mut other);
        step(&mut b, &mut server, &mut other);
        // Both saw no lease and create it.
        assert!(step(&mut a, &mut server, &mut out).contains(&LeaderEvent::StartedLeading));
        assert!(step(&mut b, &mut server, &mut other).is_empty());
        assert!(a.is_leader() && !b.is_leader());
    }
}
