//! The last two looks at everything, and the rates between them (`pkg/storage`).
//!
//! A rate needs two looks at the same run of a container. One exception makes new Pods show up sooner: a container that started within the
//! last resolution, but 10 seconds ago or more, counts as having used nothing at its start.

use api::core::ResourceList;
use api::quantity::{Format, Quantity};
use sim::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// Younger containers wait for a second look (`freshContainerMinMetricsResolution`).
const FRESH: Duration = Duration::from_secs(10);

/// What one look saw of a container or node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Point {
    /// When.
    pub(crate) at: Time,
    /// When it started.
    pub(crate) since: Time,
    /// The CPU time it had used.
    pub(crate) cpu: Option<Duration>,
    /// Its working set.
    pub(crate) memory_bytes: Option<u64>,
}

impl Point {
    pub(crate) fn is_whole(&self) -> bool {
        self.cpu.is_some() && self.memory_bytes.is_some()
    }
}

/// A Pod's namespace and name.
pub(crate) type PodKey = (String, String);
/// The containers of a Pod, by name.
type Containers = BTreeMap<String, Point>;

/// What one look at all nodes saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) nodes: BTreeMap<String, Point>,
    pub(crate) pods: BTreeMap<PodKey, Containers>,
}

/// The use of something between two looks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Usage {
    /// When the time over which it was measured ended.
    pub(crate) timestamp: Time,
    /// How long that time was.
    pub(crate) window: Duration,
    pub(crate) usage: ResourceList,
}

/// The use by the containers of a Pod, by name, with the time of the oldest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodUsage {
    pub(crate) timestamp: Time,
    pub(crate) window: Duration,
    pub(crate) containers: Vec<(String, ResourceList)>,
}

/// The last two looks.
#[derive(Debug, Default)]
pub(crate) struct Points {
    last: Batch,
    before: Batch,
}

/// The use between two points; `None` when they are not of the same run, or not in order.
fn rate(last: &Point, before: &Point) -> Option<Usage> {
    let window = last.at.since(before.at);
    let used = last.cpu?.checked_sub(before.cpu?)?;
    if window.is_zero() {
        return None;
    }
    let nanocores = used.as_nanos().saturating_mul(1_000_000_000) / window.as_nanos();
    let nanocores = i64::try_from(nanocores).unwrap_or(i64::MAX);
    let memory = i64::try_from(last.memory_bytes?).unwrap_or(i64::MAX);
    let mut usage = ResourceList::default();
    usage.insert("cpu".to_owned(), Quantity::from_scaled(nanocores, -9));
    usage.insert("memory".to_owned(), Quantity::new(memory, Format::BinarySi));
    Some(Usage { timestamp: last.at, window, usage })
}

/// The point to compare a new one with.
fn earlier(new: &Point, last: Option<&Point>, before: Option<&Point>, resolution: Duration) -> Option<Point> {
    let age = new.at.since(new.since);
    if age >= FRESH && age < resolution {
        return Some(Point { at: new.since, cpu: Some(Duration::ZERO), ..*new });
    }
    let last = last.filter(|last| new.since <= last.at)?;
    // The kubelet had nothing new to say.
    if new.at > last.at { Some(*last) } else { before.copied() }
}

impl Points {
    /// Takes a new look; what it does not show is forgotten. `resolution` is the time between looks.
    pub(crate) fn store(&mut self, batch: Batch, resolution: Duration) {
        let mut before = Batch::default();
        for (name, new) in &batch.nodes {
            let point = earlier(new, self.last.nodes.get(name), self.before.nodes.get(name), Duration::ZERO);
            before.nodes.extend(point.map(|point| (name.clone(), point)));
        }
        for (key, containers) in &batch.pods {
            let (last, old) = (self.last.pods.get(key), self.before.pods.get(key));
            let of = |pod: Option<&Containers>, name: &str| pod.and_then(|pod| pod.get(name)).copied();
            let points = containers
                .iter()
                .filter_map(|(name, new)| Some((name.clone(), earlier(new, of(last, name).as_ref(), of(old, name).as_ref(), resolution)?)));
            let points: Containers = points.collect();
            if !points.is_empty() {
                before.pods.insert(key.clone(), points);
            }
        }
        (self.last, self.before) = (batch, before);
    }

    /// The use of a node.
    pub(crate) fn node(&self, name: &str) -> Option<Usage> {
        rate(self.last.nodes.get(name)?, self.before.nodes.get(name)?)
    }

    /// The use of a Pod; `None` while it is not known of all its containers.
    pub(crate) fn pod(&self, key: &PodKey) -> Option<PodUsage> {
        let (last, before) = (self.last.pods.get(key)?, self.before.pods.get(key)?);
        let mut pod: Option<PodUsage> = None;
        for (name, point) in last {
            let Usage { timestamp, window, usage } = rate(point, before.get(name)?)?;
            let pod = pod.get_or_insert(PodUsage { timestamp, window, containers: Vec::new() });
            if timestamp < pod.timestamp {
                (pod.timestamp, pod.window) = (timestamp, window);
            }
            pod.containers.push((name.clone(), usage));
        }
        pod
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESOLUTION: Duration = Duration::from_secs(15);

    fn point(since: u64, at: u64, cpu_ms: u64) -> Point {
        Point {
            at: Time::from_secs(at),
            since: Time::from_secs(since),
            cpu: Some(Duration::from_millis(cpu_ms)),
            memory_bytes: Some(3 << 20),
        }
    }

    fn look(points: &mut Points, container: Point) {
        let mut batch = Batch::default();
        batch.pods.insert(key(), Containers::from([("web".to_owned(), container)]));
        points.store(batch, RESOLUTION);
    }

    fn key() -> PodKey {
        ("default".to_owned(), "web".to_owned())
    }

    fn cpu(points: &Points) -> Option<(String, u64)> {
        let pod = points.pod(&key())?;
        Some((pod.containers[0].1["cpu"].to_string(), pod.window.as_secs()))
    }

    #[test]
    fn a_rate_needs_two_looks_at_the_same_run() {
        let mut points = Points::default();
        look(&mut points, point(0, 100, 1000));
        assert_eq!(cpu(&points), None);
        look(&mut points, point(0, 115, 4000));
        assert_eq!(cpu(&points), Some(("200m".to_owned(), 15)));
        assert_eq!(points.pod(&key()).unwrap().containers[0].1["memory"].to_string(), "3Mi");
        look(&mut points, point(110, 130, 500));
        assert_eq!(cpu(&points), None, "its counter began anew, after the look before");
        look(&mut points, point(110, 145, 2000));
        assert_eq!(cpu(&points), Some(("100m".to_owned(), 15)));
        points.store(Batch::default(), RESOLUTION);
        assert_eq!(cpu(&points), None, "what is gone is forgotten");
    }

    #[test]
    fn a_fresh_container_counts_from_its_start() {
        for (age, shown) in [(9, None), (12, Some(("250m".to_owned(), 12))), (15, None)] {
            let mut points = Points::default();
            look(&mut points, point(100, 100 + age, 3000));
            assert_eq!(cpu(&points), shown, "{age} s old");
        }
    }
}
