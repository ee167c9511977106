//! The image manager: pull policies, the queue of pulls, and the back-off after failures (`pkg/kubelet/images/image_manager.go`).
//!
//! Pulls of a node run one after the other (`serializeImagePulls: true`, the default), so the second number of the `Pulled` message, which
//! includes waiting, can be much larger than the first.
//!
//! **Simplified here:** no parallel pulls, no garbage collection of images; layers are not shared between images.

use crate::credentials::Keyring;
use crate::image_pull::{Decision, ImageEvent, PullGate};
use crate::runtime::reference;
use crate::runtime::registry::{self, Image};
use crate::trouble::PullTrouble;
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
    /// What is said of it.
    pub(crate) event: ImageEvent,
}

#[derive(Debug)]
struct Pull {
    waiter: Waiter,
    image: String,
    asked: Time,
    keyring: Keyring,
}

/// How long the runtime waits for a registry that does not answer.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(30);

/// What the runtime says of a registry that does not answer.
fn unreachable(reference: &reference::Reference) -> String {
    let (host, path) = reference.repository.split_once('/').unwrap_or(("docker.io", &reference.repository));
    let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
    format!(
        "failed to pull and unpack image {0:?}: failed to resolve reference {0:?}: failed to do request: Head \"https://{host}/v2/{path}/manifests/{1}\": dial tcp: lookup {host}: i/o timeout",
        reference.to_string(),
        reference.tag,
    )
}

/// The image manager of one node.
#[derive(Debug)]
pub(crate) struct ImageManager {
    present: BTreeMap<String, PresentImage>,
    gate: PullGate,
    queue: VecDeque<Pull>,
    active: Option<(Pull, Time, Time)>,
    /// Bytes per second.
    speed: u64,
    /// What is wrong with the way to the registries.
    pub(crate) trouble: PullTrouble,
    rng: Rng,
}

impl ImageManager {
    /// A node without images that pulls at `speed` bytes per second.
    pub(crate) fn new(speed: u64, rng: Rng) -> Self {
        ImageManager {
            present: BTreeMap::new(),
            gate: PullGate::default(),
            queue: VecDeque::new(),
            active: None,
            speed: speed.max(1),
            trouble: PullTrouble::None,
            rng,
        }
    }

    /// Removes the images that are not needed. True when there was one.
    pub(crate) fn remove_unused(&mut self, is_needed: impl Fn(&str) -> bool) -> bool {
        let before = self.present.len();
        self.present.retain(|name, _| is_needed(name));
        self.present.len() != before
    }

    /// Takes the images of a manager whose kubelet has ended. What that was pulling is lost.
    pub(crate) fn take_over(&mut self, old: &mut ImageManager) {
        self.present = std::mem::take(&mut old.present);
        self.trouble = old.trouble;
    }

    /// The images of the node, by name.
    pub(crate) fn present(&self) -> impl Iterator<Item = &PresentImage> {
        self.present.values()
    }

    /// Makes sure that an image is there, as the policy wants it, and tells what is to be said of it.
    pub(crate) fn ensure(&mut self, waiter: Waiter, image: &str, policy: &str, keyring: &Keyring, now: Time) -> (Ensured, Vec<ImageEvent>) {
        let present = reference::parse(image).ok().and_then(|reference| self.present.get(&reference.to_string()));
        let (decision, events) = self.gate.decide(&waiter.0, image, policy, Ok(present.is_some()), now);
        let ensured = match (decision, present) {
            (Decision::Present, Some(present)) => Ensured::Present(present.clone()),
            (Decision::Waits { reason, message, until }, _) => Ensured::Waits { reason, message, until },
            (Decision::Pull | Decision::Present, _) => {
                self.queue.push_back(Pull { waiter, image: image.to_owned(), asked: now, keyring: keyring.clone() });
                self.start_next(now);
                Ensured::Pulling
            }
        };
        (ensured, events)
    }

    fn start_next(&mut self, now: Time) {
        if self.active.is_some() {
            return;
        }
        let Some(pull) = self.queue.pop_front() else { return };
        // Asking the registry for the manifest takes a moment, also when all layers are there already.
        let mut takes = self.rng.duration(Duration::from_millis(250), Duration::from_millis(450));
        if let Ok(reference) = reference::parse(&pull.image)
            && let Ok(image) = registry::resolve(&reference, &pull.keyring)
            && !self.present.contains_key(&reference.to_string())
        {
            let speed = if let PullTrouble::Slow(speed) = self.trouble { speed.clamp(1, self.speed) } else { self.speed };
            let micros = image.size_bytes(&reference.tag).saturating_mul(1_000_000) / speed;
            takes += Duration::from_micros(micros);
        }
        if self.trouble == PullTrouble::Unreachable {
            takes = REGISTRY_TIMEOUT;
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
        let result = self.gate.begin(began).and_then(|()| self.fetch(&pull.image, &pull.keyring));
        let millis = |duration: Duration| Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        let (took, with_waiting) = (millis(now.since(began)), millis(now.since(pull.asked)));
        let (uid, image) = (&pull.waiter.0, &pull.image);
        let event = match &result {
            Ok(present) => self.gate.pulled(uid, image, took, with_waiting, present.size_bytes),
            Err(error) => self.gate.failed(uid, image, error, now),
        };
        Some(Pulled { waiter: pull.waiter, image: pull.image, result, event })
    }

    /// Asks the registry for an image.
    fn fetch(&mut self, image: &str, keyring: &Keyring) -> Result<PresentImage, String> {
        let reference = reference::parse(image)?;
        if self.trouble == PullTrouble::Unreachable {
            return Err(unreachable(&reference));
        }
        let image = registry::resolve(&reference, keyring)?;
        let present = PresentImage { image, name: reference.to_string(), size_bytes: image.size_bytes(&reference.tag) };
        self.present.insert(present.name.clone(), present.clone());
        Ok(present)
    }

    /// Forgets a Pod: its pulls in the queue and its back-off.
    pub(crate) fn forget(&mut self, uid: &str) {
        self.queue.retain(|pull| pull.waiter.0 != uid);
        self.gate.forget(uid);
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
        let ensure = |images: &mut ImageManager, policy, now| images.ensure(waiter(), "nginx", policy, &Keyring::default(), now).0;
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
        assert!(matches!(images.ensure(waiter(), "nginx:1.161", "IfNotPresent", &Keyring::default(), Time::ZERO).0, Ensured::Pulling));
        let failed = images.next_wake().unwrap();
        let error = images.finish(failed).unwrap().result.unwrap_err();
        match images.ensure(waiter(), "nginx:1.161", "IfNotPresent", &Keyring::default(), failed + Duration::from_secs(1)).0 {
            Ensured::Waits { reason: "ImagePullBackOff", message, until } => {
                assert_eq!(message, format!("Back-off pulling image \"nginx:1.161\": ErrImagePull: {error}"));
                assert_eq!(until, Some(failed + Duration::from_secs(10)));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            images.ensure(waiter(), "nginx:1.161", "IfNotPresent", &Keyring::default(), failed + Duration::from_secs(10)).0,
            Ensured::Pulling
        ));
    }

    #[test]
    fn pulls_of_a_node_wait_for_one_another() {
        let mut images = manager();
        for uid in ["a", "b"] {
            images.ensure((uid.to_owned(), 0), "nginx:1.25", "IfNotPresent", &Keyring::default(), Time::ZERO);
        }
        let first = images.next_wake().unwrap();
        let first_pull = images.finish(first).unwrap();
        let second = images.next_wake().unwrap();
        let second_pull = images.finish(second).unwrap();
        let spans = |pulled: &Pulled| {
            let (_, rest) = pulled.event.message.split_once(" in ").unwrap();
            let (took, rest) = rest.split_once(" (").unwrap();
            (took.to_owned(), rest.split_once(" including waiting)").unwrap().0.to_owned())
        };
        assert_eq!(spans(&first_pull).0, spans(&first_pull).1);
        assert_ne!(spans(&second_pull).0, spans(&second_pull).1);
    }
}
