//! The image manager: pull policies, the queue of pulls, and the back-off after failures (`pkg/kubelet/images/image_manager.go`).
//!
//! Pulls of a node run one after the other (`serializeImagePulls: true`, the default), so the second number of the `Pulled` message, which
//! includes waiting, can be much larger than the first.
//!
//! **Simplified here:** no credentials, no parallel pulls, no garbage collection of images; layers are not shared between images.

use crate::backoff::Backoff;
use crate::runtime::reference;
use crate::runtime::registry::{self, Image};
use sim::{Rng, Time};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The container of a Pod that waits for an image: the Pod's UID and the container's number.
pub(crate) type Waiter = (String, usize);

/// An image on the node.
#[derive(Clone, Debug)]
pub(crate) struct PresentImage {
    pub(crate) image: &'static Image,
    /// For example `docker.io/library/nginx:1.14.2`.
    pub(crate) name: String,
    pub(crate) size_bytes: u64,
}

impl PresentImage {
    /// What `imageID` shows.
    pub(crate) fn id(&self) -> String {
        let repository = reference::parse(&self.name).map_or_else(|_| self.name.clone(), |reference| reference.repository);
        format!("{repository}@sha256:{}", registry::hex_id(&self.name))
    }
}

/// What came of asking for an image.
#[derive(Clone, Debug)]
pub(crate) enum Ensured {
    /// It is on the node already.
    Present(PresentImage),
    /// It is being pulled; [`ImageManager::finish`] will tell.
    Pulling,
    /// The container waits with this reason and message; until a time, if trying again makes sense then.
    Waits { reason: &'static str, message: String, until: Option<Time> },
}

/// A pull that ended.
#[derive(Clone, Debug)]
pub(crate) struct Pulled {
    pub(crate) waiter: Waiter,
    pub(crate) image: String,
    /// The image, or the runtime's error.
    pub(crate) result: Result<PresentImage, String>,
    /// How long the pull took.
    pub(crate) took: Duration,
    /// How long it took with the time in the queue.
    pub(crate) with_waiting: Duration,
}

#[derive(Debug)]
struct Pull {
    waiter: Waiter,
    image: String,
    asked: Time,
}

/// The image manager of one node.
#[derive(Debug)]
pub(crate) struct ImageManager {
    present: BTreeMap<String, PresentImage>,
    backoff: Backoff<(String, String)>,
    failures: BTreeMap<(String, String), String>,
    queue: VecDeque<Pull>,
    active: Option<(Pull, Time, Time)>,
    /// Bytes per second.
    speed: u64,
    rng: Rng,
}

impl ImageManager {
    /// A node without images that pulls at `speed` bytes per second.
    pub(crate) fn new(speed: u64, rng: Rng) -> Self {
        ImageManager {
            present: BTreeMap::new(),
            backoff: Backoff::default(),
            failures: BTreeMap::new(),
            queue: VecDeque::new(),
            active: None,
            speed: speed.max(1),
            rng,
        }
    }

    /// The images of the node, by name.
    pub(crate) fn present(&self) -> impl Iterator<Item = &PresentImage> {
        self.present.values()
    }

    /// Makes sure that an image is there, as the policy wants it (`EnsureImageExists`).
    pub(crate) fn ensure(&mut self, waiter: Waiter, image: &str, policy: &str, now: Time) -> Ensured {
        let full = match reference::parse(image) {
            Ok(reference) => reference.to_string(),
            Err(error) => {
                let message = format!("Failed to apply default image tag {image:?}: couldn't parse image name {image:?}: {error}");
                return Ensured::Waits { reason: "InvalidImageName", message, until: None };
            }
        };
        let present = self.present.get(&full);
        match (policy, present) {
            ("Never", None) => {
                let message = format!("Container image {image:?} is not present with pull policy of Never");
                return Ensured::Waits { reason: "ErrImageNeverPull", message, until: None };
            }
            ("Always", _) | (_, None) => {}
            (_, Some(present)) => return Ensured::Present(present.clone()),
        }
        let key = (waiter.0.clone(), full);
        if let Some(until) = self.backoff.waits_since_update(&key, now) {
            let message = match self.failures.get(&key) {
                Some(error) => format!("Back-off pulling image {image:?}: ErrImagePull: {error}"),
                None => format!("Back-off pulling image {image:?}"),
            };
            return Ensured::Waits { reason: "ImagePullBackOff", message, until: Some(until) };
        }
        self.queue.push_back(Pull { waiter, image: image.to_owned(), asked: now });
        self.start_next(now);
        Ensured::Pulling
    }

    fn start_next(&mut self, now: Time) {
        if self.active.is_some() {
            return;
        }
        let Some(pull) = self.queue.pop_front() else { return };
        // Asking the registry for the manifest takes a moment, also when all layers are there already.
        let mut takes = self.rng.duration(Duration::from_millis(250), Duration::from_millis(450));
        if let Ok(reference) = reference::parse(&pull.image)
            && let Ok(image) = registry::resolve(&reference)
            && !self.present.contains_key(&reference.to_string())
        {
            let micros = image.size_bytes(&reference.tag).saturating_mul(1_000_000) / self.speed;
            takes += Duration::from_micros(micros);
        }
        self.active = Some((pull, now, now + takes));
    }

    /// When the present pull ends.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.active.as_ref().map(|(_, _, done)| *done)
    }

    /// Takes out a pull that has ended, and starts the next.
    pub(crate) fn finish(&mut self, now: Time) -> Option<Pulled> {
        let (pull, began, _) = self.active.take_if(|(_, _, done)| *done <= now)?;
        self.start_next(now);
        let result = match reference::parse(&pull.image) {
            Err(error) => Err(error),
            Ok(reference) => {
                let name = reference.to_string();
                let result = registry::resolve(&reference).map(|image| {
                    let size_bytes = image.size_bytes(&reference.tag);
                    PresentImage { image, name: name.clone(), size_bytes }
                });
                let key = (pull.waiter.0.clone(), name.clone());
                match &result {
                    Ok(present) => {
                        self.present.insert(name, present.clone());
                        self.failures.remove(&key);
                    }
                    Err(error) => {
                        self.failures.insert(key.clone(), error.clone());
                        self.backoff.next(key, now, now);
                    }
                }
                result
            }
        };
        let millis = |duration: Duration| Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        let (took, with_waiting) = (millis(now.since(began)), millis(now.since(pull.asked)));
        Some(Pulled { waiter: pull.waiter, image: pull.image, result, took, with_waiting })
    }

    /// Forgets a Pod: its pulls in the queue and its back-off.
    pub(crate) fn forget(&mut self, uid: &str) {
        self.queue.retain(|pull| pull.waiter.0 != uid);
        self.backoff.retain(|(owner, _)| owner != uid);
        self.failures.retain(|(owner, _), _| owner != uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager() -> ImageManager {
        ImageManager::new(50_000_000, sim::Seed(1).stream("images"))
    }

    fn waiter() -> Waiter {
        ("uid".to_owned(), 0)
    }

    #[test]
    fn policies_decide_whether_to_pull() {
        let mut images = manager();
        let ensure = |images: &mut ImageManager, policy, now| images.ensure(waiter(), "nginx", policy, now);
        assert!(matches!(ensure(&mut images, "Never", Time::ZERO), Ensured::Waits { reason: "ErrImageNeverPull", .. }));
        assert!(matches!(ensure(&mut images, "IfNotPresent", Time::ZERO), Ensured::Pulling));
        let done = images.next_wake().unwrap();
        assert!(images.finish(Time::ZERO).is_none());
        assert!(images.finish(done).unwrap().result.is_ok());
        assert!(matches!(ensure(&mut images, "IfNotPresent", done), Ensured::Present(_)));
        assert!(matches!(ensure(&mut images, "Never", done), Ensured::Present(_)));
        assert!(matches!(ensure(&mut images, "Always", done), Ensured::Pulling));
        let again = images.next_wake().unwrap();
        assert!(again.since(done) < Duration::from_millis(500), "the layers are there");
    }

    #[test]
    fn a_failed_pull_backs_off_and_says_why() {
        let mut images = manager();
        assert!(matches!(images.ensure(waiter(), "nginx:1.161", "IfNotPresent", Time::ZERO), Ensured::Pulling));
        let failed = images.next_wake().unwrap();
        let error = images.finish(failed).unwrap().result.unwrap_err();
        match images.ensure(waiter(), "nginx:1.161", "IfNotPresent", failed + Duration::from_secs(1)) {
            Ensured::Waits { reason: "ImagePullBackOff", message, until } => {
                assert_eq!(message, format!("Back-off pulling image \"nginx:1.161\": ErrImagePull: {error}"));
                assert_eq!(until, Some(failed + Duration::from_secs(10)));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(images.ensure(waiter(), "nginx:1.161", "IfNotPresent", failed + Duration::from_secs(10)), Ensured::Pulling));
    }

    #[test]
    fn pulls_of_a_node_wait_for_one_another() {
        let mut images = manager();
        for uid in ["a", "b"] {
            images.ensure((uid.to_owned(), 0), "nginx:1.25", "IfNotPresent", Time::ZERO);
        }
        let first = images.next_wake().unwrap();
        let first_pull = images.finish(first).unwrap();
        assert_eq!(first_pull.took, first_pull.with_waiting);
        let second = images.next_wake().unwrap();
        let second_pull = images.finish(second).unwrap();
        assert!(second_pull.took < second_pull.with_waiting);
    }
}
