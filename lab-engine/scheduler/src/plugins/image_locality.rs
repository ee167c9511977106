//! `ImageLocality`: prefers nodes that have the Pod's images already (`plugins/imagelocality`).

use crate::framework::{ClusterEvent, CycleState, Handle, MAX_NODE_SCORE, Plugin, PreScoreResult, QueueingHint, Score};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use api::core::Container;

/// The plugin.
#[derive(Debug)]
pub(crate) struct ImageLocality;

const MEGABYTE: i64 = 1024 * 1024;
/// Less than this counts as nothing (`minThreshold`).
const MIN_BYTES: i64 = 23 * MEGABYTE;
/// More than this per container counts as full (`maxContainerThreshold`).
const MAX_BYTES_PER_CONTAINER: i64 = 1000 * MEGABYTE;

/// The image's name with its tag, as nodes report it (`normalizedImageName`).
pub(crate) fn normalized_image_name(name: &str) -> String {
    let after_path = name.rfind('/').map_or(0, |slash| slash + 1);
    if name[after_path..].contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

impl Plugin for ImageLocality {
    fn name(&self) -> &'static str {
        "ImageLocality"
    }

    fn queueing_hint(&self, _pod: &PodInfo, _event: &ClusterEvent<'_>) -> QueueingHint {
        QueueingHint::Skip
    }

    fn as_score(&self) -> Option<&dyn Score> {
        Some(self)
    }
}

/// The Pod's images that are on any node: name, and on which share of the nodes (`preScoreState`).
#[derive(Clone, Debug)]
struct Images {
    spread: Vec<(String, f64)>,
    containers: i64,
}

impl Score for ImageLocality {
    fn pre_score(&self, state: &mut CycleState, pod: &PodInfo, _nodes: &[&NodeInfo], handle: &Handle<'_>) -> PreScoreResult {
        let spec = &pod.pod.spec;
        let containers = || spec.init_containers.iter().chain(&spec.containers);
        let total = i64::try_from(handle.nodes.len()).unwrap_or(i64::MAX).max(1);
        let spread = |container: &Container| {
            let name = normalized_image_name(&container.image);
            #[expect(clippy::cast_precision_loss, reason = "upstream computes so")]
            let share = handle.nodes.nodes_with_image(&name) as f64 / total as f64;
            (name, share)
        };
        let spread =
            if handle.nodes.has_images() { containers().map(spread).filter(|(_, share)| *share > 0.0).collect() } else { Vec::new() };
        state.write(Images { spread, containers: i64::try_from(containers().count()).unwrap_or(1).max(1) });
        PreScoreResult::Score
    }

    /// The bytes of the Pod's images that are there, each counted less the fewer nodes have it, between the thresholds.
    fn score(&self, state: &CycleState, _pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> i64 {
        let Some(images) = state.read::<Images>().filter(|images| !images.spread.is_empty()) else { return 0 };
        let bytes = |(name, share): &(String, f64)| {
            let image = node.node.status.images.iter().find(|image| image.names.contains(name))?;
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "upstream computes so")]
            let spread = (image.size_bytes? as f64 * share) as i64;
            Some(spread)
        };
        let sum: i64 = images.spread.iter().filter_map(bytes).sum();
        let max = MAX_BYTES_PER_CONTAINER * images.containers;
        MAX_NODE_SCORE * (sum.clamp(MIN_BYTES, max) - MIN_BYTES) / (max - MIN_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_their_default_tag() {
        for (name, full) in [
            ("nginx", "nginx:latest"),
            ("nginx:1.29", "nginx:1.29"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            ("nginx@sha256:ab", "nginx@sha256:ab"),
        ] {
            assert_eq!(normalized_image_name(name), full);
        }
    }
}
