//! What programs show of themselves: the last two looks at each Pod, and values and rates from them.
//!
//! A gauge, or a metric of no type, is served under its own name; a counter `jobs_total` as `jobs_per_second`, its growth between the looks.

use crate::exposition::{counters, samples};
use crate::points::PodKey;
use api::labels::Selector;
use api::meta::StringMap;
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};

/// How many series of a Pod are kept, and how much of its page is read.
const MAX_SERIES: usize = 500;
const MAX_PAGE_BYTES: usize = 256 * 1024;

/// One look at a Pod's page.
#[derive(Debug, Default)]
pub(crate) struct Look {
    at: Time,
    /// By the name of the metric.
    series: BTreeMap<String, BTreeMap<StringMap, f64>>,
    counters: BTreeSet<String>,
}

impl Look {
    /// Reads a page.
    pub(crate) fn read(at: Time, text: &str) -> Self {
        let end = if text.len() <= MAX_PAGE_BYTES {
            text.len()
        } else {
            text[..text.floor_char_boundary(MAX_PAGE_BYTES)].rfind('\n').unwrap_or(0)
        };
        let text = &text[..end];
        let mut look = Look { at, counters: counters(text).map(str::to_owned).collect(), ..Look::default() };
        for sample in samples(text).take(MAX_SERIES) {
            let labels = sample.labels.iter().map(|(name, value)| ((*name).to_owned(), value.as_ref().to_owned())).collect();
            look.series.entry(sample.name.to_owned()).or_default().insert(labels, sample.value);
        }
        look
    }
}

/// A value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Value {
    /// In thousandths.
    pub(crate) milli: i64,
    /// When it was seen.
    pub(crate) at: Time,
}

impl Value {
    /// The sum; it is as old as the older one.
    pub(crate) fn plus(self, other: Value) -> Value {
        Value { milli: self.milli.saturating_add(other.milli), at: self.at.min(other.at) }
    }
}

/// The looks at all Pods.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pods: BTreeMap<PodKey, (Look, Option<Look>)>,
}

impl Store {
    /// Takes a new look at a Pod.
    pub(crate) fn put(&mut self, pod: PodKey, look: Look) {
        let before = self.pods.remove(&pod).map(|(last, _)| last);
        self.pods.insert(pod, (look, before));
    }

    /// Forgets Pods that are not there any more.
    pub(crate) fn retain(&mut self, is_there: impl Fn(&PodKey) -> bool) {
        self.pods.retain(|pod, _| is_there(pod));
    }

    /// The value of a metric of a Pod for each set of labels.
    fn values<'a>(&'a self, pod: &PodKey, metric: &'a str) -> Vec<(&'a StringMap, Value)> {
        let Some((last, before)) = self.pods.get(pod) else { return Vec::new() };
        if let Some(series) = last.series.get(metric).filter(|_| !last.counters.contains(metric)) {
            let value = |value: &f64| Value { milli: thousandths(*value), at: last.at };
            return series.iter().map(|(labels, number)| (labels, value(number))).collect();
        }
        let (Some(stem), Some(before)) = (metric.strip_suffix("_per_second"), before) else { return Vec::new() };
        let name = format!("{stem}_total");
        let (Some(series), Some(old)) = (last.series.get(&name).filter(|_| last.counters.contains(&name)), before.series.get(&name)) else {
            return Vec::new();
        };
        let window = last.at.since(before.at);
        let rate = |(labels, now): (&'a StringMap, &f64)| {
            let then = old.get(labels)?;
            // A counter that fell began anew.
            let grown = if now >= then { now - then } else { *now };
            Some((labels, Value { milli: thousandths(grown / window.as_secs_f64()), at: last.at }))
        };
        if window.is_zero() { Vec::new() } else { series.iter().filter_map(rate).collect() }
    }

    /// The value of a metric of a Pod: the sum of its series that the selector matches.
    pub(crate) fn of_pod(&self, pod: &PodKey, metric: &str, labels: &Selector) -> Option<Value> {
        let values = self.values(pod, metric).into_iter().filter(|(own, _)| labels.matches(own)).map(|(_, value)| value);
        values.reduce(Value::plus)
    }

    /// The values of a metric in a namespace, by labels.
    pub(crate) fn of_namespace(&self, namespace: &str, metric: &str, labels: &Selector) -> BTreeMap<StringMap, Value> {
        let mut sums: BTreeMap<StringMap, Value> = BTreeMap::new();
        for pod in self.pods.keys().filter(|(own, _)| own == namespace) {
            for (own, value) in self.values(pod, metric).into_iter().filter(|(own, _)| labels.matches(own)) {
                sums.entry(own.clone()).and_modify(|sum| *sum = sum.plus(value)).or_insert(value);
            }
        }
        sums
    }

    /// Whether any Pod shows the metric.
    pub(crate) fn knows(&self, metric: &str) -> bool {
        let counter = metric.strip_suffix("_per_second").map(|stem| format!("{stem}_total"));
        self.pods.values().any(|(last, _)| {
            let shows = |name: &str| last.series.contains_key(name);
            shows(metric) || counter.as_deref().is_some_and(shows)
        })
    }
}

fn thousandths(value: f64) -> i64 {
    // A float is cut to the range of the integer.
    (value * 1000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> PodKey {
        ("shop".to_owned(), name.to_owned())
    }

    fn page(a: u64, b: u64, depth: u64) -> String {
        format!("# TYPE jobs_total counter\njobs_total{{q=\"a\"}} {a}\njobs_total{{q=\"b\"}} {b}\n# TYPE depth gauge\ndepth {depth}\n")
    }

    #[test]
    fn counters_become_rates_and_gauges_stay() {
        let (mut store, all) = (Store::default(), Selector::default());
        store.put(key("x"), Look::read(Time::from_secs(10), &page(100, 50, 7)));
        assert_eq!(store.of_pod(&key("x"), "jobs_per_second", &all), None, "a rate needs two looks");
        store.put(key("x"), Look::read(Time::from_secs(20), &page(130, 5, 8)));
        let rate = store.of_pod(&key("x"), "jobs_per_second", &all).unwrap();
        assert_eq!(rate.milli, 3500, "3 a second, and 0.5 since the other began anew");
        let one = store.of_pod(&key("x"), "jobs_per_second", &Selector::parse("q=a").unwrap());
        assert_eq!(one.map(|value| value.milli), Some(3000));
        let gauge = Value { milli: 8000, at: Time::from_secs(20) };
        assert_eq!(store.of_pod(&key("x"), "depth", &all), Some(gauge));
        assert_eq!(store.of_pod(&key("x"), "jobs_total", &all), None, "a counter says nothing by itself");
        assert!(store.knows("jobs_per_second") && store.knows("depth") && !store.knows("ghost"));
    }

    #[test]
    fn a_namespace_has_the_sums_of_its_pods() {
        let mut store = Store::default();
        for pod in ["x", "y"] {
            store.put(key(pod), Look::read(Time::ZERO, "depth{q=\"a\"} 2\ndepth{q=\"b\"} 1\n"));
        }
        let sums = store.of_namespace("shop", "depth", &Selector::parse("q!=b").unwrap());
        assert_eq!(sums.values().map(|value| value.milli).collect::<Vec<_>>(), [4000]);
        assert!(store.of_namespace("other", "depth", &Selector::default()).is_empty());
        store.retain(|pod| pod.1 == "y");
        assert_eq!(store.of_namespace("shop", "depth", &Selector::default()).values().map(|value| value.milli).max(), Some(2000));
    }

    #[test]
    fn a_page_without_end_is_cut() {
        let text = "depth{n=\"1\"} 1\n".repeat(100_000);
        assert_eq!(Look::read(Time::ZERO, &text).series["depth"].len(), 1);
        let many: String = (0..10_000).map(|n| format!("m{n} 1\n")).collect();
        assert_eq!(Look::read(Time::ZERO, &many).series.len(), MAX_SERIES);
    }
}
