//! The shared informer: one reflector and one cache for several handlers (`client-go/tools/cache/shared_informer.go`).
//!
//! Every handler is told of every change, in order, from the moment it was added; one that comes late is told of all objects first. A
//! handler may ask for a resync: then it is told of every object again, as an update, each time its period is over, and of updates that
//! changed nothing. Handlers without a period are spared both.
//!
//! **Simplified here:** what a handler is told waits in a list until it takes it; upstream calls it from a goroutine of its own.

use crate::informer::{Delta, Informer};
use crate::reflector::Reflected;
use crate::store::Indexer;
use crate::{Input, Outbox};
use sim::Time;
use std::sync::Arc;
use std::time::Duration;

/// The shortest period of resyncs (`minimumResyncPeriod`).
const MINIMUM_RESYNC_PERIOD: Duration = Duration::from_secs(1);

/// A handler of a shared informer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandlerId(usize);

#[derive(Debug)]
struct Handler<R> {
    pending: Vec<Delta<R>>,
    /// The period that it asked for, and the one that it got; zero for none.
    requested: Duration,
    period: Duration,
    next_resync: Time,
    /// Whether updates that change nothing are for it: at first for every handler, and then whenever its period was over.
    syncing: bool,
}

/// One cache, several handlers.
#[derive(Debug)]
pub struct SharedInformer<R> {
    informer: Informer<R>,
    handlers: Vec<Handler<R>>,
    check_period: Duration,
    next_check: Option<Time>,
    started: bool,
}

impl<R: Reflected> SharedInformer<R> {
    /// A shared informer over `informer`, which was not started yet. `default_resync` is how often it looks for handlers whose period is
    /// over, unless one asks for less; zero for never (`NewSharedIndexInformer`).
    pub fn new(informer: Informer<R>, default_resync: Duration) -> Self {
        SharedInformer { informer, handlers: Vec::new(), check_period: default_resync, next_check: None, started: false }
    }

    /// Adds a handler that is told of every object again after each `resync`; never if that is zero
    /// (`AddEventHandlerWithResyncPeriod`).
    pub fn add_handler(&mut self, now: Time, resync: Duration) -> HandlerId {
        let mut requested = if resync.is_zero() { resync } else { resync.max(MINIMUM_RESYNC_PERIOD) };
        if !requested.is_zero() && (self.check_period.is_zero() || requested < self.check_period) {
            if self.started {
                // It is too late to look more often.
                requested = self.check_period;
            } else {
                self.check_period = requested;
                for handler in &mut self.handlers {
                    handler.period = determine_period(handler.requested, requested);
                }
            }
        }
        let period = determine_period(requested, self.check_period);
        let pending = self.informer.lister().list().cloned().map(Delta::Added).collect();
        self.handlers.push(Handler { pending, requested, period, next_resync: now.saturating_add(period), syncing: true });
        HandlerId(self.handlers.len() - 1)
    }

    /// Asks for everything there is. A second call does nothing.
    pub fn start(&mut self, now: Time, out: &mut Outbox) {
        if !self.started {
            self.started = true;
            self.next_check = (!self.check_period.is_zero()).then(|| now.saturating_add(self.check_period));
        }
        self.informer.start(now, out);
    }

    /// Applies an input; what came of it waits for the handlers.
    pub fn handle(&mut self, now: Time, input: &Input, out: &mut Outbox) {
        if self.next_check.is_some_and(|at| at <= now) {
            self.next_check = Some(now.saturating_add(self.check_period));
            if self.any_due(now) {
                let repeated = self.informer.resync();
                self.distribute(repeated);
            }
        }
        let deltas = self.informer.handle(now, input, out).unwrap_or_default();
        self.distribute(deltas);
    }

    /// What the handler has to be told since it last asked, in order.
    pub fn take(&mut self, handler: HandlerId) -> Vec<Delta<R>> {
        self.handlers.get_mut(handler.0).map(|handler| std::mem::take(&mut handler.pending)).unwrap_or_default()
    }

    /// How often the informer looks for handlers whose period is over; zero for never (`resyncCheckPeriod`).
    pub fn resync_check_period(&self) -> Duration {
        self.check_period
    }

    /// After how long a handler is told of everything again; zero for never.
    pub fn resync_period(&self, handler: HandlerId) -> Duration {
        self.handlers.get(handler.0).map(|handler| handler.period).unwrap_or_default()
    }

    /// The cache.
    pub fn lister(&self) -> &Indexer<R> {
        self.informer.lister()
    }

    /// Whether the cache has been filled once.
    pub fn has_synced(&self) -> bool {
        self.informer.has_synced()
    }

    /// When it asks the API server again after a failure; `None` while it waits for no such time.
    pub fn next_list(&self) -> Option<Time> {
        self.informer.next_wake()
    }

    /// When it wants to be woken next.
    pub fn next_wake(&self) -> Option<Time> {
        self.informer.next_wake().into_iter().chain(self.next_check).min()
    }

    /// Notes whose period is over (`sharedProcessor.shouldResync`).
    fn any_due(&mut self, now: Time) -> bool {
        for handler in &mut self.handlers {
            handler.syncing = !handler.period.is_zero() && handler.next_resync <= now;
            if handler.syncing {
                handler.next_resync = now.saturating_add(handler.period);
            }
        }
        self.handlers.iter().any(|handler| handler.syncing)
    }

    fn distribute(&mut self, deltas: Vec<Delta<R>>) {
        for delta in deltas {
            let unchanged = matches!(&delta, Delta::Updated(old, new)
                if Arc::ptr_eq(old, new) || old.metadata().resource_version == new.metadata().resource_version);
            for handler in self.handlers.iter_mut().filter(|handler| handler.syncing || !unchanged) {
                handler.pending.push(delta.clone());
            }
        }
    }
}

/// A handler's period: what it asked for, but no shorter than the informer looks (`determineResyncPeriod`).
fn determine_period(desired: Duration, check: Duration) -> Duration {
    if desired.is_zero() || check.is_zero() { Duration::ZERO } else { desired.max(check) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, ListOptions};
    use api::Object;
    use api::core::Pod;
    use api::http::WatchEvent;
    use api::meta::ResourceVersion;
    use sim::Seed;

    fn pod(name: &str, revision: u64) -> Object {
        let mut pod = Pod::default();
        pod.metadata.name = name.to_owned();
        pod.metadata.resource_version = ResourceVersion(revision);
        pod.into()
    }

    #[test]
    fn a_handler_that_comes_late_is_told_of_all_and_only_those_with_a_period_hear_everything_again() {
        let informer = Informer::<Pod>::new(ListOptions::default(), "test", Seed(1).stream("informer"));
        let (mut shared, mut out) = (SharedInformer::new(informer, Duration::ZERO), Outbox::new(1));
        let quiet = shared.add_handler(Time::ZERO, Duration::ZERO);
        let often = shared.add_handler(Time::ZERO, Duration::from_secs(10));
        shared.start(Time::ZERO, &mut out);
        let Some(Action::Request(id, _)) = out.take().0.pop() else { panic!("it asks for a list") };
        let end = WatchEvent::Bookmark { resource_version: 2, initial_events_end: true };
        let events = [WatchEvent::Added(pod("a", 1)), WatchEvent::Added(pod("b", 2)), end];
        shared.handle(Time::ZERO, &Input::Watch(id, events.into()), &mut out);
        assert_eq!((shared.take(quiet).len(), shared.take(often).len()), (2, 2));
        let late = shared.add_handler(Time::from_secs(1), Duration::from_secs(5));
        assert_eq!((shared.take(late).len(), shared.resync_period(late)), (2, Duration::from_secs(10)));
        assert_eq!(shared.next_wake(), Some(Time::from_secs(10)));
        shared.handle(Time::from_secs(10), &Input::Wake, &mut out);
        assert_eq!((shared.take(quiet).len(), shared.take(often).len(), shared.take(late).len()), (0, 2, 0));
        shared.handle(Time::from_secs(11), &Input::Watch(id, [WatchEvent::Modified(pod("a", 3))].into()), &mut out);
        assert_eq!((shared.take(quiet).len(), shared.take(often).len(), shared.take(late).len()), (1, 1, 1));
    }
}
