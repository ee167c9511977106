//! Whether an image is pulled, and what is said of it (`EnsureImageExists` of `pkg/kubelet/images/image_manager.go`).
//!
//! Pure but for the memory of failures: pull policies, the back-off per Pod and image, and the limit on pulls per second. Who pulls, and how
//! long that takes, is the matter of `images`.

use crate::backoff::{Backoff, INITIAL, MAX, go_duration};
use crate::runtime::reference;
use client::EventType::{self, Normal, Warning};
use sim::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// An event about a container's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageEvent {
    /// `Normal` or `Warning`.
    pub kind: EventType,
    /// For example `Pulling`.
    pub reason: &'static str,
    /// In words.
    pub message: String,
}

impl ImageEvent {
    fn new(kind: EventType, reason: &'static str, message: String) -> Self {
        ImageEvent { kind, reason, message }
    }
}

/// What is to be done about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is there, and the policy is content with that.
    Present,
    /// It must be pulled.
    Pull,
    /// The container waits, for this reason and with this message; until a time, if that makes sense.
    Waits {
        /// As `state.waiting.reason` tells it.
        reason: &'static str,
        /// As `state.waiting.message` tells it.
        message: String,
        /// When the back-off is over.
        until: Option<Time>,
    },
}

/// How many pulls may begin per second (`registryPullQPS`, `registryBurst`): a bucket of tokens.
#[derive(Clone, Copy, Debug)]
struct Throttle {
    /// Tokens per second; none means no limit.
    qps: u32,
    /// What the bucket holds.
    burst: u32,
    /// What is in it, in billionths of a token.
    tokens: u128,
    filled: Time,
}

const TOKEN: u128 = 1_000_000_000;

impl Throttle {
    fn try_accept(&mut self, now: Time) -> bool {
        if self.qps == 0 {
            return true;
        }
        let gained = now.since(self.filled).as_nanos() * u128::from(self.qps);
        self.tokens = (self.tokens + gained).min(u128::from(self.burst) * TOKEN);
        self.filled = now;
        let accepted = self.tokens >= TOKEN;
        if accepted {
            self.tokens -= TOKEN;
        }
        accepted
    }
}

/// Why a container waits after a failed pull: the reason and the message. Errors of the runtime that begin with a name of their own keep it
/// (`evalCRIPullErr`).
pub fn pull_failure(image: &str, error: &str) -> (&'static str, String) {
    const NAMED: [(&str, &str); 2] =
        [("RegistryUnavailable", "the registry is unavailable"), ("SignatureValidationFailed", "the signature validation failed")];
    let named = NAMED.into_iter().find_map(|(name, why)| error.strip_prefix(name).map(|rest| (name, why, rest)));
    match named {
        Some((name, why, rest)) => (name, format!("image pull failed for {image} because {why}{rest}")),
        None => ("ErrImagePull", error.to_owned()),
    }
}

/// Decides on pulls, for all Pods of a node.
#[derive(Clone, Debug)]
pub struct PullGate {
    backoff: Backoff<(String, String)>,
    failures: BTreeMap<(String, String), String>,
    throttle: Throttle,
}

impl Default for PullGate {
    /// As a kubelet is configured by default: 10 s to 300 s of back-off, 5 pulls per second, 10 at once.
    fn default() -> Self {
        PullGate::new((INITIAL, MAX), 5, 10)
    }
}

impl PullGate {
    /// A gate with the first and the longest delay of its back-off, pulls per second (0: no limit) and how many may begin at once.
    pub fn new((initial, max): (Duration, Duration), qps: u32, burst: u32) -> Self {
        let throttle = Throttle { qps, burst, tokens: u128::from(burst) * TOKEN, filled: Time::ZERO };
        PullGate { backoff: Backoff::new(initial, max), failures: BTreeMap::new(), throttle }
    }

    /// Decides for a container of the Pod `uid`. `inspected` is what the runtime says of the image's presence.
    pub fn decide(
        &mut self,
        uid: &str,
        image: &str,
        policy: &str,
        inspected: Result<bool, String>,
        now: Time,
    ) -> (Decision, Vec<ImageEvent>) {
        let waits = |reason, message: &str| Decision::Waits { reason, message: message.to_owned(), until: None };
        if let Err(error) = reference::apply_default_tag(image) {
            let message = format!("Failed to apply default image tag {image:?}: {error}");
            return (waits("InvalidImageName", &message), vec![ImageEvent::new(Warning, "InspectFailed", message)]);
        }
        let present = match inspected {
            Ok(present) => present,
            Err(error) => {
                let message = format!("Failed to inspect image {image:?}: {error}");
                return (waits("ImageInspectError", &message), vec![ImageEvent::new(Warning, "InspectFailed", message)]);
            }
        };
        match (policy, present) {
            ("Never", false) => {
                let message = format!("Container image {image:?} is not present with pull policy of Never");
                return (waits("ErrImageNeverPull", &message), vec![ImageEvent::new(Warning, "ErrImageNeverPull", message)]);
            }
            ("Always", _) | (_, false) => {}
            (_, true) => {
                let message = format!("Container image {image:?} already present on machine");
                return (Decision::Present, vec![ImageEvent::new(Normal, "Pulled", message)]);
            }
        }
        let key = (uid.to_owned(), image.to_owned());
        if let Some(until) = self.backoff.waits_since_update(&key, now) {
            let told = format!("Back-off pulling image {image:?}");
            let message = match self.failures.get(&key) {
                Some(error) => format!("{told}: {error}"),
                None => told.clone(),
            };
            let waits = Decision::Waits { reason: "ImagePullBackOff", message, until: Some(until) };
            return (waits, vec![ImageEvent::new(Normal, "BackOff", told)]);
        }
        (Decision::Pull, vec![ImageEvent::new(Normal, "Pulling", format!("Pulling image {image:?}"))])
    }

    /// Asks the limit on pulls per second, just before the runtime is asked to pull.
    ///
    /// # Errors
    /// The error of the pull when there were too many.
    pub fn begin(&mut self, now: Time) -> Result<(), String> {
        if self.throttle.try_accept(now) { Ok(()) } else { Err("pull QPS exceeded".to_owned()) }
    }

    /// A pull succeeded after `took`, with the time in the queue `with_waiting`.
    pub fn pulled(&mut self, uid: &str, image: &str, took: Duration, with_waiting: Duration, size_bytes: u64) -> ImageEvent {
        self.failures.remove(&(uid.to_owned(), image.to_owned()));
        let (took, with_waiting) = (go_duration(took), go_duration(with_waiting));
        let message =
            format!("Successfully pulled image {image:?} in {took} ({with_waiting} including waiting). Image size: {size_bytes} bytes.");
        ImageEvent::new(Normal, "Pulled", message)
    }

    /// A pull failed: the next one waits. The container waits as [`pull_failure`] says.
    pub fn failed(&mut self, uid: &str, image: &str, error: &str, now: Time) -> ImageEvent {
        let key = (uid.to_owned(), image.to_owned());
        let (reason, message) = pull_failure(image, error);
        self.failures.insert(key.clone(), format!("{reason}: {message}"));
        self.backoff.next(key, now, now);
        ImageEvent::new(Warning, "Failed", format!("Failed to pull image {image:?}: {error}"))
    }

    /// Forgets the failures of a Pod.
    pub fn forget(&mut self, uid: &str) {
        self.backoff.retain(|(owner, _)| owner != uid);
        self.failures.retain(|(owner, _), _| owner != uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_as_many_through_as_it_holds_and_refills() {
        let mut gate = PullGate::new((INITIAL, MAX), 2, 1);
        assert_eq!(gate.begin(Time::ZERO), Ok(()));
        assert_eq!(gate.begin(Time::from_millis(499)), Err("pull QPS exceeded".to_owned()));
        assert_eq!(gate.begin(Time::from_millis(500)), Ok(()));
    }

    #[test]
    fn some_errors_of_the_runtime_have_a_name() {
        let said = "image pull failed for web because the signature validation failed: no key";
        assert_eq!(pull_failure("web", "SignatureValidationFailed: no key"), ("SignatureValidationFailed", said.to_owned()));
        assert_eq!(pull_failure("web", "404"), ("ErrImagePull", "404".to_owned()));
        let mut gate = PullGate::default();
        gate.failed("uid", "web", "SignatureValidationFailed: no key", Time::ZERO);
        let (decision, _) = gate.decide("uid", "web", "Always", Ok(false), Time::from_secs(1));
        let message = format!("Back-off pulling image \"web\": SignatureValidationFailed: {said}");
        assert_eq!(decision, Decision::Waits { reason: "ImagePullBackOff", message, until: Some(Time::from_secs(10)) });
    }
}
