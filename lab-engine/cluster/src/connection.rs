//! The client's end of a component's connection to the API server: which requests are under way, and when they time out.
//!
//! **Simplified here:** one time-out for all requests, that of client-go's default transport in kubelets; none for watches, followed logs
//! and commands in containers, which last as long as they last and end when the connection breaks.

use api::http::{Accept, Path, Request, Response};
use client::{RequestId, Transport};
use sim::Time;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What a request under way expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    /// One answer, in time.
    Answer,
    /// One answer, whenever it comes: a command in a container.
    LateAnswer,
    /// An answer, and after a success more text: a followed log, an open connection into a container.
    Stream,
    /// Events, or a refusal.
    Watch,
}

impl Pending {
    fn of(request: &Request) -> Self {
        if request.is_watch() {
            return Pending::Watch;
        }
        let Path::Resource(path) = &request.path else { return Pending::Answer };
        match path.subresource.as_ref() {
            "log" if request.flag("follow") => Pending::Stream,
            _ if request.accept == Accept::Channels => Pending::Stream,
            "exec" | "attach" | "portforward" => Pending::LateAnswer,
            _ => Pending::Answer,
        }
    }
}

/// What the end of a connection means for one of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The request gets this instead of its answer.
    Request(RequestId, Transport),
    /// The watch or stream ended.
    Watch(RequestId, Transport),
}

/// The requests of one component that are under way.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    pending: BTreeMap<RequestId, Pending>,
    /// Deadlines in the order of sending, which is their own order since all requests have the same time. The first is always one of a
    /// request that still waits.
    deadlines: VecDeque<(Time, RequestId)>,
}

impl Connection {
    /// A request was sent.
    pub(crate) fn sent(&mut self, now: Time, id: RequestId, request: &Request) {
        let pending = Pending::of(request);
        self.pending.insert(id, pending);
        if pending == Pending::Answer {
            self.deadlines.push_back((now + REQUEST_TIMEOUT, id));
        }
    }

    /// The component forgets a request, or the server ended its watch or stream; says whether it was under way.
    pub(crate) fn ended(&mut self, id: RequestId) -> bool {
        let was_pending = self.pending.remove(&id).is_some();
        self.trim();
        was_pending
    }

    /// An answer arrived; says whether the component still waits for it. A stream goes on after a success.
    pub(crate) fn answered(&mut self, id: RequestId, response: &Response) -> bool {
        match self.pending.get(&id) {
            Some(Pending::Stream) if response.result.is_ok() => true,
            _ => self.ended(id),
        }
    }

    /// Nobody listened; says whether the request was a watch or stream, or nothing if it no longer waits.
    pub(crate) fn refused(&mut self, id: RequestId) -> Option<bool> {
        let pending = self.pending.remove(&id)?;
        self.trim();
        Some(matches!(pending, Pending::Stream | Pending::Watch))
    }

    /// Something of a stream or watch arrived; says whether the component still wants it.
    pub(crate) fn is_open(&self, id: RequestId) -> bool {
        self.pending.contains_key(&id)
    }

    /// The requests whose time is up at `now`, in the order of sending.
    pub(crate) fn expired(&mut self, now: Time) -> Vec<Broken> {
        let mut broken = Vec::new();
        while let Some(&(_, id)) = self.deadlines.front().filter(|&&(deadline, _)| deadline <= now) {
            self.ended(id);
            broken.push(Broken::Request(id, Transport::Timeout));
        }
        broken
    }

    /// When the next request times out.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.front().map(|&(deadline, _)| deadline)
    }

    /// The connection breaks: nothing that is under way will be answered.
    pub(crate) fn broke(&mut self) -> Vec<Broken> {
        self.deadlines.clear();
        std::mem::take(&mut self.pending)
            .into_iter()
            .map(|(id, pending)| match pending {
                Pending::Answer | Pending::LateAnswer => Broken::Request(id, Transport::Closed),
                Pending::Stream | Pending::Watch => Broken::Watch(id, Transport::Closed),
            })
            .collect()
    }

    /// Drops the deadlines of requests that no longer wait, up to the first that does.
    fn trim(&mut self) {
        while self.deadlines.front().is_some_and(|(_, id)| !self.pending.contains_key(id)) {
            self.deadlines.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::http::{Body, Method, ResourcePath};
    use api::kinds::{KindInfo, find_kind};
    use api::status::Status;

    fn pods() -> &'static KindInfo {
        find_kind("v1", "Pod").expect("Pods are a kind")
    }

    fn list() -> Request {
        Request::new(Method::Get, ResourcePath::collection(pods(), "default"))
    }

    fn on_pod(subresource: &'static str) -> Request {
        Request::new(Method::Get, ResourcePath::object(pods(), "default", "web").with_subresource(subresource))
    }

    fn ok() -> Response {
        Response::ok(Body::Empty)
    }

    #[test]
    fn requests_time_out_and_watches_do_not() {
        let mut connection = Connection::default();
        connection.sent(Time::ZERO, RequestId(1), &list());
        connection.sent(Time::ZERO, RequestId(2), &list().query("watch", "true"));
        connection.sent(Time::ZERO, RequestId(3), &on_pod("exec"));
        connection.sent(Time::from_secs(1), RequestId(4), &list());
        assert_eq!(connection.next_deadline(), Some(Time::from_secs(30)));
        assert!(connection.expired(Time::from_secs(29)).is_empty());
        assert_eq!(connection.expired(Time::from_secs(30)), [Broken::Request(RequestId(1), Transport::Timeout)]);
        assert!(connection.answered(RequestId(4), &ok()));
        assert!(!connection.answered(RequestId(4), &ok()), "an answer counts once");
        assert_eq!(connection.next_deadline(), None);
        let closed = Transport::Closed;
        assert_eq!(connection.broke(), [Broken::Watch(RequestId(2), closed), Broken::Request(RequestId(3), closed)]);
    }

    #[test]
    fn what_was_cancelled_neither_arrives_nor_times_out() {
        let mut connection = Connection::default();
        connection.sent(Time::ZERO, RequestId(1), &list());
        connection.ended(RequestId(1));
        assert!(!connection.answered(RequestId(1), &ok()));
        assert!(connection.expired(Time::from_secs(60)).is_empty());
    }

    #[test]
    fn an_answer_that_was_overtaken_by_later_ones_still_times_out() {
        let mut connection = Connection::default();
        for number in 1..=3 {
            connection.sent(Time::from_secs(number), RequestId(number), &list());
        }
        assert!(connection.answered(RequestId(2), &ok()));
        assert_eq!(connection.next_deadline(), Some(Time::from_secs(31)));
        assert!(connection.answered(RequestId(1), &ok()));
        assert_eq!(connection.next_deadline(), Some(Time::from_secs(33)));
    }

    #[test]
    fn a_followed_log_goes_on_after_its_answer_unless_it_is_refused() {
        let mut connection = Connection::default();
        connection.sent(Time::ZERO, RequestId(1), &on_pod("log").query("follow", "true"));
        assert!(connection.answered(RequestId(1), &ok()));
        assert!(connection.is_open(RequestId(1)));
        connection.sent(Time::ZERO, RequestId(2), &on_pod("log").query("follow", "true"));
        assert!(connection.answered(RequestId(2), &Status::bad_request("no").into()));
        assert!(!connection.is_open(RequestId(2)));
        connection.sent(Time::ZERO, RequestId(3), &on_pod("log"));
        assert!(connection.answered(RequestId(3), &ok()));
        assert!(!connection.is_open(RequestId(3)));
    }
}
