//! The page `/metrics/resource` of a kubelet, in Prometheus' text format (`pkg/scraper/client/resource/decode.go`).

use crate::exposition::{Sample, samples};
use crate::points::{Batch, Point};
use sim::Time;
use std::time::Duration;

/// The virtual time of an instant in milliseconds since 1970; the start of the run for all before it.
fn time(millis: u64) -> Time {
    Time::from_millis(millis.saturating_sub(Time::ZERO.unix_millis()))
}

/// Adds what a kubelet's page says to a batch.
pub(crate) fn read(node: &str, text: &str, batch: &mut Batch) {
    for sample in samples(text).filter(|sample| sample.value >= 0.0) {
        let point = match sample.name {
            "node_cpu_usage_seconds_total" | "node_memory_working_set_bytes" => batch.nodes.entry(node.to_owned()).or_default(),
            "container_cpu_usage_seconds_total" | "container_memory_working_set_bytes" | "container_start_time_seconds" => {
                let names = [sample.label("namespace"), sample.label("pod"), sample.label("container")];
                let [Some(namespace), Some(pod), Some(container)] = names else { continue };
                let pod = batch.pods.entry((namespace.to_owned(), pod.to_owned())).or_default();
                pod.entry(container.to_owned()).or_default()
            }
            _ => continue,
        };
        put(point, &sample);
    }
    // A container of which something is missing is no container.
    for pod in batch.pods.values_mut() {
        pod.retain(|_, point| point.is_whole());
    }
    batch.pods.retain(|_, containers| !containers.is_empty());
}

fn put(point: &mut Point, sample: &Sample<'_>) {
    if sample.name.ends_with("cpu_usage_seconds_total") {
        point.cpu = Some(Duration::from_secs_f64(sample.value.min(1e9)));
        point.at = time(sample.millis.unwrap_or(0));
    } else if sample.name.ends_with("memory_working_set_bytes") {
        // Whole bytes, far below the 2^53 that a float holds exactly.
        point.memory_bytes = Some(sample.value as u64);
    } else {
        point.since = time((sample.value * 1000.0) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_line_by_line() {
        let epoch = Time::ZERO.unix_millis();
        let (at, since) = (epoch + 30_000, (epoch + 5_000) / 1000);
        let text = format!(
            "# HELP container_cpu_usage_seconds_total x\n\
             container_cpu_usage_seconds_total{{container=\"web\",namespace=\"default\",pod=\"web-1\"}} 1.25 {at}\n\
             container_memory_working_set_bytes{{container=\"web\",namespace=\"default\",pod=\"web-1\"}} 1.048576e+06 {at}\n\
             container_start_time_seconds{{container=\"web\",namespace=\"default\",pod=\"web-1\"}} {since} {at}\n\
             container_cpu_usage_seconds_total{{container=\"half\",namespace=\"default\",pod=\"web-1\"}} 1 {at}\n\
             node_cpu_usage_seconds_total 10 {at}\nnode_memory_working_set_bytes 2 {at}\nnonsense\nmore nonsense{{ 1\n"
        );
        let mut batch = Batch::default();
        read("node-1", &text, &mut batch);
        let pod = &batch.pods[&("default".to_owned(), "web-1".to_owned())];
        assert_eq!(pod.keys().collect::<Vec<_>>(), ["web"], "half a container does not count");
        let point = &pod["web"];
        assert_eq!((point.cpu, point.memory_bytes), (Some(Duration::from_millis(1250)), Some(1 << 20)));
        assert_eq!((point.at, point.since), (Time::from_secs(30), Time::from_secs(5)));
        assert_eq!(batch.nodes["node-1"].cpu, Some(Duration::from_secs(10)));
    }
}
