//! What becomes of a recommendation: stabilised, limited in speed, kept between minimum and maximum
//! (`pkg/controller/podautoscaler/horizontal.go`).

use api::autoscaling::{HPAScalingPolicy, HPAScalingRules};
use sim::Time;
use std::time::Duration;

/// How long the highest recommendation holds where nothing else is said (`--horizontal-pod-autoscaler-downscale-stabilization`).
pub const DOWNSCALE_STABILIZATION: Duration = Duration::from_secs(300);

/// A number that was recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recommendation {
    /// How many replicas.
    pub replicas: i32,
    /// When.
    pub at: Time,
}

/// A change that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleEvent {
    /// By how many replicas, up or down.
    pub change: i32,
    /// When.
    pub at: Time,
}

/// A number of replicas with a condition's reason and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// How many replicas.
    pub replicas: i32,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in words.
    pub message: &'static str,
}

const TOO_FEW: (&str, &str) = ("TooFewReplicas", "the desired replica count is less than the minimum replica count");
const TOO_MANY: (&str, &str) = ("TooManyReplicas", "the desired replica count is more than the maximum replica count");
const TOO_FAST_UP: (&str, &str) = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
const TOO_FAST_DOWN: (&str, &str) = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate");
const WITHIN: (&str, &str) = ("DesiredWithinRange", "the desired count is within the acceptable range");
const LOWEST: (&str, &str) =
    ("ScaleUpStabilized", "recent recommendations were lower than current one, applying the lowest recent recommendation");
const HIGHEST: (&str, &str) =
    ("ScaleDownStabilized", "recent recommendations were higher than current one, applying the highest recent recommendation");

fn judged(replicas: i32, (reason, message): (&'static str, &'static str)) -> Judged {
    Judged { replicas, reason, message }
}

/// The highest recommendation of the last time (`stabilizeRecommendation`).
pub fn stabilize(now: Time, desired: i32, recent: &[Recommendation], window: Duration) -> Judged {
    let still = recent.iter().filter(|recommendation| now.since(recommendation.at) <= window);
    judged(still.map(|recommendation| recommendation.replicas).fold(desired, i32::max), HIGHEST)
}

/// Keeps the number between minimum and maximum, and at most doubles it, but lets it become 4 (`convertDesiredReplicasWithRules`).
pub fn limit(current: i32, desired: i32, min: i32, max: i32) -> Judged {
    let fastest = current.saturating_mul(2).max(4);
    let (highest, why) = if max > fastest { (fastest, TOO_FAST_UP) } else { (max, TOO_MANY) };
    if desired < min {
        judged(min, TOO_FEW)
    } else if desired > highest {
        judged(highest, why)
    } else {
        judged(desired, WITHIN)
    }
}

fn window(rules: &HPAScalingRules, otherwise: Duration) -> Duration {
    rules.stabilization_window_seconds.map_or(otherwise, |seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// The window of the rules for scaling down (`maybeInitScaleDownStabilizationWindow`).
pub(super) fn down_window(rules: &HPAScalingRules) -> Duration {
    window(rules, DOWNSCALE_STABILIZATION)
}

/// The window of the rules for scaling up.
pub(super) fn up_window(rules: &HPAScalingRules) -> Duration {
    window(rules, Duration::ZERO)
}

/// Up to the lowest, down to the highest recommendation of each window (`stabilizeRecommendationWithBehaviors`).
pub fn stabilize_with_behavior(
    now: Time,
    current: i32,
    desired: i32,
    recent: &[Recommendation],
    up: &HPAScalingRules,
    down: &HPAScalingRules,
) -> Judged {
    let within = |window: Duration| {
        recent.iter().filter(move |recommendation| now.since(recommendation.at) < window).map(|recommendation| recommendation.replicas)
    };
    let lowest = within(up_window(up)).fold(desired, i32::min);
    let highest = within(down_window(down)).fold(desired, i32::max);
    let stabilized = current.max(lowest).min(highest);
    judged(stabilized, if desired >= current { LOWEST } else { HIGHEST })
}

/// By how much the number changed in the last seconds (`getReplicasChangePerPeriod`).
fn changed(now: Time, policy: &HPAScalingPolicy, events: &[ScaleEvent]) -> i32 {
    let period = Duration::from_secs(u64::try_from(policy.period_seconds).unwrap_or(0));
    events.iter().filter(|event| now.since(event.at) < period).map(|event| event.change).fold(0, i32::saturating_add)
}

/// The number at the start of a policy's period.
fn start_of_period(now: Time, current: i32, policy: &HPAScalingPolicy, ups: &[ScaleEvent], downs: &[ScaleEvent]) -> i32 {
    current.saturating_sub(changed(now, policy, ups)).saturating_add(changed(now, policy, downs))
}

/// The highest number that the rules allow now (`calculateScaleUpLimitWithScalingRules`).
pub fn scale_up_limit(now: Time, current: i32, ups: &[ScaleEvent], downs: &[ScaleEvent], rules: &HPAScalingRules) -> i32 {
    let proposals = rules.policies.iter().map(|policy| {
        let start = start_of_period(now, current, policy, ups, downs);
        match policy.type_.as_str() {
            "Pods" => start.saturating_add(policy.value),
            // Rounded up, so that small numbers can grow at all.
            _ => (f64::from(start) * (1.0 + f64::from(policy.value) / 100.0)).ceil() as i32,
        }
    });
    match rules.select_policy.as_deref() {
        Some("Disabled") => current,
        Some("Min") => proposals.min().unwrap_or(i32::MAX),
        _ => proposals.max().unwrap_or(i32::MIN),
    }
}

/// The lowest number that the rules allow now (`calculateScaleDownLimitWithBehaviors`).
pub fn scale_down_limit(now: Time, current: i32, ups: &[ScaleEvent], downs: &[ScaleEvent], rules: &HPAScalingRules) -> i32 {
    let proposals = rules.policies.iter().map(|policy| {
        let start = start_of_period(now, current, policy, ups, downs);
        match policy.type_.as_str() {
            "Pods" => start.saturating_sub(policy.value),
            _ => (f64::from(start) * (1.0 - f64::from(policy.value) / 100.0)) as i32,
        }
    });
    match rules.select_policy.as_deref() {
        Some("Disabled") => current,
        // The smallest change leaves the largest number.
        Some("Min") => proposals.max().unwrap_or(i32::MIN),
        _ => proposals.min().unwrap_or(i32::MAX),
    }
}

/// What an autoscaler with a `behavior` goes by.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// At least so many replicas.
    pub min: i32,
    /// At most so many.
    pub max: i32,
    /// How fast up.
    pub up: &'a HPAScalingRules,
    /// How fast down.
    pub down: &'a HPAScalingRules,
    /// Recent changes up.
    pub ups: &'a [ScaleEvent],
    /// Recent changes down.
    pub downs: &'a [ScaleEvent],
}

/// Keeps the number within what the policies, minimum and maximum allow (`convertDesiredReplicasWithBehaviorRate`).
pub fn limit_with_behavior(now: Time, current: i32, desired: i32, limits: Limits<'_>) -> Judged {
    let Limits { min, max, up, down, ups, downs } = limits;
    if desired > current {
        let fastest = scale_up_limit(now, current, ups, downs, up).max(current);
        let (highest, why) = if max > fastest { (fastest, TOO_FAST_UP) } else { (max, TOO_MANY) };
        if desired > highest {
            return judged(highest, why);
        }
    } else if desired < current {
        let fastest = scale_down_limit(now, current, ups, downs, down).min(current);
        let (lowest, why) = if min < fastest { (fastest, TOO_FAST_DOWN) } else { (min, TOO_FEW) };
        if desired < lowest {
            return judged(lowest, why);
        }
    }
    judged(desired, WITHIN)
}

/// The longest period of the policies (`getLongestPolicyPeriod`): older changes are forgotten.
pub(super) fn longest_period(rules: &HPAScalingRules) -> Duration {
    let longest = rules.policies.iter().map(|policy| policy.period_seconds).max().unwrap_or(0);
    Duration::from_secs(u64::try_from(longest).unwrap_or(0))
}
