//! The client's end of a component's connection to the API server: which requests are under way, and when they time out.
//!
//! **Simplified here:** one time-out for all requests, that of client-go's default transport in kubelets, and none for watches, which
//! end when the connection breaks.

use client::{RequestId, Transport};
use sim::Time;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What a request under way expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    /// One answer.
    Answer,
    /// Events, or a refusal.
    Watch,
}

/// What the end of a connection means for one of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The request gets this instead of its answer.
    Request(RequestId, Transport),
    /// The watch ended.
    Watch(RequestId, Transport),
}

/// The requests of one component that are under way.
#[derive(Debug, Default)]
pub struct Connection {
    pending: BTreeMap<RequestId, Pending>,
    /// Deadlines in the order of sending, which is their own order since all requests have the same time.
    deadlines: VecDeque<(Time, RequestId)>,
}

impl Connection {
    /// A request was sent.
    pub fn sent(&mut self, now: Time, id: RequestId, watch: bool) {
        if watch {
            self.pending.insert(id, Pending::Watch);
        } else {
            self.pending.insert(id, Pending::Answer);
            self.deadlines.push_back((now + REQUEST_TIMEOUT, id));
        }
    }

    /// The component forgets a request.
    pub fn cancelled(&mut self, id: RequestId) {
        self.pending.remove(&id);
    }

    /// An answer arrived; says whether the component still waits for it.
    pub fn answered(&mut self, id: RequestId) -> bool {
        self.pending.remove(&id).is_some()
    }

    /// Something of a stream or watch arrived; says whether the component still wants it.
    pub fn is_open(&self, id: RequestId) -> bool {
        self.pending.contains_key(&id)
    }

    /// An answer arrived that goes on as a stream of text.
    pub fn streaming(&mut self, id: RequestId) {
        if let Some(pending) = self.pending.get_mut(&id) {
            *pending = Pending::Watch;
        }
    }

    /// The requests whose time is up at `now`, in the order of sending.
    pub fn expired(&mut self, now: Time) -> Vec<Broken> {
        let mut broken = Vec::new();
        while let Some(&(deadline, id)) = self.deadlines.front() {
            let waits = self.pending.get(&id) == Some(&Pending::Answer);
            if waits && deadline > now {
                break;
            }
            self.deadlines.pop_front();
            if waits {
                self.pending.remove(&id);
                broken.push(Broken::Request(id, Transport::Timeout));
            }
        }
        broken
    }

    /// When the next request times out.
    pub fn next_deadline(&self) -> Option<Time> {
        self.deadlines.iter().find(|(_, id)| self.pending.get(id) == Some(&Pending::Answer)).map(|&(deadline, _)| deadline)
    }

    /// The connection breaks: nothing that is under way will be answered.
    pub fn broke(&mut self) -> Vec<Broken> {
        self.deadlines.clear();
        std::mem::take(&mut self.pending)
            .into_iter()
            .map(|(id, pending)| match pending {
                Pending::Answer => Broken::Request(id, Transport::Closed),
                Pending::Watch => Broken::Watch(id, Transport::Closed),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_time_out_and_watches_do_not() {
        let mut connection = Connection::default();
        connection.sent(Time::ZERO, RequestId(1), false);
        connection.sent(Time::ZERO, RequestId(2), true);
        connection.sent(Time::from_secs(1), RequestId(3), false);
        assert_eq!(connection.next_deadline(), Some(Time::from_secs(30)));
        assert!(connection.expired(Time::from_secs(29)).is_empty());
        assert_eq!(connection.expired(Time::from_secs(30)), [Broken::Request(RequestId(1), Transport::Timeout)]);
        assert!(connection.answered(RequestId(3)));
        assert!(!connection.answered(RequestId(3)), "an answer counts once");
        assert_eq!(connection.next_deadline(), None);
        assert_eq!(connection.broke(), [Broken::Watch(RequestId(2), Transport::Closed)]);
    }

    #[test]
    fn what_was_cancelled_neither_arrives_nor_times_out() {
        let mut connection = Connection::default();
        connection.sent(Time::ZERO, RequestId(1), false);
        connection.cancelled(RequestId(1));
        assert!(!connection.answered(RequestId(1)));
        assert!(connection.expired(Time::from_secs(60)).is_empty());
    }
}
