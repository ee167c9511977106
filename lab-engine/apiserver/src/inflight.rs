//! Requests in flight: how many the server carries out at once (`k8s.io/apiserver/pkg/server/filters/maxinflight.go`).
//!
//! A request is in flight from when its sender is known until it is answered, which for a write means until etcd has answered. One more
//! than [`Config::max_requests_in_flight`](crate::Config) is refused with 429 and the advice to try again in a second, unless its sender is
//! in `system:masters`. Watches and what a kubelet serves may take as long as they like and are not counted.
//!
//! **Simplified here:** one limit for all, where API Priority and Fairness divides seats among levels of priority and lets requests wait
//! in queues; the default is what its default levels execute and hold together, so that a request waits here where it would wait there.

use crate::Output;
use crate::params::Origin;
use crate::user::MASTERS;
use api::http::{Path, Request};
use api::status::Status;
use std::collections::BTreeSet;

/// What the default levels of API Priority and Fairness take together: 600 seats, and queues of 50 requests: 64 of the levels `system` and
/// `node-high`, 16 of `leader-election`, 128 of `workload-high`, `workload-low` and `global-default`.
pub(crate) const DEFAULT_LIMIT: usize = 600 + 50 * (2 * 64 + 16 + 3 * 128);

/// Seconds after which a refused client should try again (`retryAfter`).
const RETRY_AFTER: u32 = 1;

/// The requests that are not answered yet, by client and number.
#[derive(Debug, Default)]
pub(crate) struct InFlight(BTreeSet<(u32, u64)>);

/// Whether a request is one that may last (`BasicLongRunningRequestCheck`).
fn is_long_running(request: &Request) -> bool {
    let Path::Resource(path) = &request.path else { return false };
    request.is_watch() || matches!(&*path.subresource, "attach" | "exec" | "log" | "portforward" | "proxy")
}

impl InFlight {
    /// Takes a request in, if there is room.
    ///
    /// # Errors
    /// 429.
    pub(crate) fn admit(&mut self, origin: &Origin, request: &Request, limit: usize) -> Result<(), Box<Status>> {
        if is_long_running(request) {
            return Ok(());
        }
        if self.0.len() >= limit && !origin.user.is_in(MASTERS) {
            let message = "the server has received too many requests and has asked us to try again later";
            let mut status = Status::new(429, "TooManyRequests", message);
            status.details.retry_after_seconds = Some(RETRY_AFTER);
            return Err(Box::new(status));
        }
        self.0.insert((origin.client, origin.id));
        Ok(())
    }

    /// Takes the requests out that are answered here.
    pub(crate) fn answered(&mut self, outputs: &[Output]) {
        for output in outputs {
            if let Output::Respond { client, id, .. } = output {
                self.done(*client, *id);
            }
        }
    }

    /// Nobody waits for the answer of a request any longer.
    pub(crate) fn done(&mut self, client: u32, id: u64) {
        self.0.remove(&(client, id));
    }

    /// The connection of a client broke.
    pub(crate) fn remove_client(&mut self, client: u32) {
        self.0.retain(|(of, _)| *of != client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::Info;
    use api::Resource;
    use api::core::Pod;
    use api::http::{Method, ResourcePath};
    use std::sync::Arc;

    fn get() -> Request {
        Request::new(Method::Get, ResourcePath::collection(Pod::INFO, "default"))
    }

    fn origin(id: u64, groups: &[&str]) -> Origin {
        let mut origin = Origin::new(1, id, &get());
        origin.user = Arc::new(Info::new("someone", groups));
        origin
    }

    #[test]
    fn one_request_too_many_is_refused_but_for_masters() {
        let (mut requests, get) = (InFlight::default(), get());
        for id in 0..2 {
            assert!(requests.admit(&origin(id, &[]), &get, 2).is_ok());
        }
        let status = requests.admit(&origin(2, &[]), &get, 2).unwrap_err();
        assert_eq!((status.code, status.reason, status.details.retry_after_seconds), (429, "TooManyRequests", Some(1)));
        assert!(requests.admit(&origin(3, &[MASTERS]), &get, 2).is_ok());
        assert!(requests.admit(&origin(4, &[]), &get.clone().query("watch", "true"), 2).is_ok());
        requests.done(1, 0);
        requests.done(1, 3);
        assert!(requests.admit(&origin(5, &[]), &get, 2).is_ok());
    }
}
