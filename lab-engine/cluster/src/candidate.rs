//! One of several replicas of a component, of which the one that holds a lease works (`--leader-elect`).
//!
//! The others do nothing but look at the lease, not even watch: as upstream, a component starts when it leads. One that loses the lease ends
//! at once, and comes back as a candidate with nothing in memory.

use crate::cluster::Part;
use api::core::ObjectReference;
use client::leader_election::{LeaderElectionConfig, LeaderEvent};
use client::{Action, Component, EventRecorder, EventType, Input, Inspection, LeaderElector, Outbox, RequestId};
use sim::{Rng, Time};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

/// Makes a component with nothing in memory.
pub(crate) type Make = Rc<dyn Fn(Rng) -> Part>;

/// A replica.
pub(crate) struct Candidate {
    elector: LeaderElector,
    events: EventRecorder,
    lease: ObjectReference,
    identity: String,
    make: Make,
    rng: Rng,
    /// The component itself, while it leads.
    leader: Option<Box<Part>>,
    /// The watches that it has open.
    watches: BTreeSet<RequestId>,
}

impl Candidate {
    /// A replica at `endpoint` of the component `name`, which is also the name of the lease.
    pub(crate) fn new(name: &str, endpoint: &str, mut rng: Rng, make: Make) -> Self {
        let identity = format!("{endpoint}_{}", rng.uuid());
        let agent: Arc<str> = name.into();
        let config = LeaderElectionConfig::new(name, identity.as_str());
        let lease = ObjectReference {
            kind: "Lease".to_owned(),
            api_version: "coordination.k8s.io/v1".to_owned(),
            namespace: config.namespace.clone(),
            name: config.name.clone(),
            ..ObjectReference::default()
        };
        Candidate {
            elector: LeaderElector::new(config, agent.clone(), rng.stream("election")),
            events: EventRecorder::new(name, endpoint, agent, None),
            lease,
            identity,
            make,
            rng,
            leader: None,
            watches: BTreeSet::new(),
        }
    }

    /// Whether it leads.
    pub(crate) fn leads(&self) -> bool {
        self.leader.is_some()
    }

    fn elected(&mut self, now: Time, event: LeaderEvent, out: &mut Outbox) {
        match event {
            LeaderEvent::StartedLeading => {
                let seed = self.rng.below(u64::MAX);
                self.leader = Some(Box::new((self.make)(sim::Seed(seed).stream("leader"))));
                let message = format!("{} became leader", self.identity);
                self.events.event_for(now, self.lease.clone(), EventType::Normal, "LeaderElection", &message, out);
            }
            LeaderEvent::StoppedLeading => {
                self.leader = None;
                let message = format!("{} stopped leading", self.identity);
                self.events.event_for(now, self.lease.clone(), EventType::Normal, "LeaderElection", &message, out);
                std::mem::take(&mut self.watches).into_iter().for_each(|id| out.cancel(id));
            }
            LeaderEvent::NewLeader(_) => {}
        }
    }
}

impl Component for Candidate {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        let mut input = input;
        for event in self.elector.handle(now, &input, out) {
            let begins = event == LeaderEvent::StartedLeading;
            self.elected(now, event, out);
            if begins {
                input = Input::Wake;
            }
        }
        if let Input::WatchEnded(id, _) = &input {
            self.watches.remove(id);
        }
        if self.events.handle(now, &input, out) {
            return;
        }
        if let Some(leader) = &mut self.leader {
            leader.handle(now, input, out);
            self.watches.extend(out.actions().filter_map(|action| match action {
                Action::Request(id, request) if request.is_watch() => Some(*id),
                _ => None,
            }));
        }
    }

    fn next_wake(&self) -> Option<Time> {
        let leader = self.leader.as_ref().and_then(|leader| leader.next_wake());
        leader.into_iter().chain(self.elector.next_wake()).min()
    }

    fn inspect(&self) -> Inspection {
        self.leader.as_ref().map(|leader| leader.inspect()).unwrap_or_default()
    }
}
