//! The curves of autoscalers, from what the trace says of each look: replicas, what the metrics want, utilisation. No elements here.

use lab::EventView;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

/// How many looks of an autoscaler are kept: an hour of them.
const MAX_LOOKS: usize = 240;

/// How many autoscalers are followed.
const MAX_AUTOSCALERS: usize = 8;

/// The width of the drawing, and of what is left of the curves.
const WIDTH: f64 = 640.0;
const LEFT: f64 = 44.0;
/// Where the upper plot (replicas) and the lower plot (utilisation) begin, and how high they are.
const UPPER: (f64, f64) = (10.0, 96.0);
const LOWER: (f64, f64) = (128.0, 72.0);
/// The height of the drawing.
pub(crate) const HEIGHT: f64 = 222.0;

/// One look of an autoscaler at its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// When, in virtual milliseconds.
    pub(crate) at_ms: u64,
    /// How many replicas there were to be so far.
    pub(crate) current: i64,
    /// How many the metrics want; nothing when they could not be had.
    pub(crate) proposed: Option<i64>,
    /// How many there shall be.
    pub(crate) desired: i64,
    /// What is used, and what should be, in percent.
    pub(crate) utilization: Option<i64>,
    pub(crate) target: Option<i64>,
}

impl Look {
    /// Reads an event of the trace; nothing when it is another one.
    fn read(event: &EventView) -> Option<(String, Self)> {
        let what = &event.what;
        if what.get("type").and_then(Value::as_str) != Some("autoscaled") {
            return None;
        }
        let number = |name: &str| what.get(name).and_then(Value::as_i64);
        let text = |path: &str| what.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let name = format!("{}/{}", text("/object/namespace"), text("/object/name"));
        let look = Look {
            at_ms: event.at_ms,
            current: number("current")?,
            proposed: number("proposed"),
            desired: number("desired")?,
            utilization: number("utilization"),
            target: number("target"),
        };
        Some((name, look))
    }
}

/// The looks of each autoscaler, oldest first, by namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Curves(BTreeMap<String, VecDeque<Look>>);

impl Curves {
    /// Takes what an event says, if it is of an autoscaler.
    pub(crate) fn add(&mut self, event: &EventView) {
        let Some((name, look)) = Look::read(event) else { return };
        if self.0.len() >= MAX_AUTOSCALERS && !self.0.contains_key(&name) {
            return;
        }
        let looks = self.0.entry(name).or_default();
        looks.push_back(look);
        if looks.len() > MAX_LOOKS {
            looks.pop_front();
        }
    }

    /// The names of the autoscalers that were seen.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// The looks of one, oldest first.
    pub(crate) fn looks(&self, name: &str) -> Vec<Look> {
        self.0.get(name).map(|looks| looks.iter().copied().collect()).unwrap_or_default()
    }
}

/// `1:05`.
pub(crate) fn minutes(ms: u64) -> String {
    format!("{}:{:02}", ms / 60_000, ms / 1000 % 60)
}

/// One plot: where its values stand.
struct Plot {
    top: f64,
    height: f64,
    max: i64,
    from_ms: u64,
    span_ms: u64,
}

impl Plot {
    fn new((top, height): (f64, f64), max: i64, looks: &[Look]) -> Self {
        let (from_ms, to_ms) = (looks.first().map_or(0, |look| look.at_ms), looks.last().map_or(0, |look| look.at_ms));
        Plot { top, height, max: max.max(1), from_ms, span_ms: (to_ms - from_ms).max(1) }
    }

    fn x(&self, at_ms: u64) -> f64 {
        LEFT + (at_ms.saturating_sub(self.from_ms)) as f64 / self.span_ms as f64 * (WIDTH - LEFT - 8.0)
    }

    fn y(&self, value: i64) -> f64 {
        self.top + self.height * (1.0 - value.clamp(0, self.max) as f64 / self.max as f64)
    }

    /// A line through the values; it is broken where there is none. With `steps` a value holds until the next.
    fn line(&self, class: &str, looks: &[Look], steps: bool, value: impl Fn(&Look) -> Option<i64>) -> String {
        let mut path = String::new();
        let mut down = false;
        for look in looks {
            let Some(value) = value(look) else {
                down = false;
                continue;
            };
            let (x, y) = (self.x(look.at_ms), self.y(value));
            // Writing to a text cannot fail.
            let _ = match (down, steps) {
                (false, _) => write!(path, "M{x:.1} {y:.1}"),
                (true, true) => write!(path, "H{x:.1}V{y:.1}"),
                (true, false) => write!(path, "L{x:.1} {y:.1}"),
            };
            down = true;
        }
        format!("<path class=\"{class}\" d=\"{path}\"/>")
    }

    /// The frame with its lowest and highest value.
    fn frame(&self, unit: &str) -> String {
        let (bottom, right) = (self.top + self.height, WIDTH - 8.0);
        format!(
            "<path class=\"cb-axis\" d=\"M{LEFT} {top}V{bottom}H{right}\"/><text x=\"{x}\" y=\"{high}\" text-anchor=\"end\">{max}{unit}</text>\
             <text x=\"{x}\" y=\"{bottom}\" text-anchor=\"end\">0{unit}</text>",
            top = self.top,
            x = LEFT - 6.0,
            high = self.top + 9.0,
            max = self.max,
        )
    }
}

/// The inside of an SVG of 640 by [`HEIGHT`]: replicas above, utilisation below.
pub(crate) fn svg(looks: &[Look]) -> String {
    let most = looks.iter().flat_map(|look| [Some(look.current), look.proposed, Some(look.desired)]).flatten().max().unwrap_or(1);
    let percent = looks.iter().flat_map(|look| [look.utilization, look.target]).flatten().max().unwrap_or(100);
    let (replicas, used) = (Plot::new(UPPER, most + 1, looks), Plot::new(LOWER, percent.div_euclid(50) * 50 + 50, looks));
    let last = |look: &Look| minutes(look.at_ms);
    let (from, to) = (looks.first().map(last).unwrap_or_default(), looks.last().map(last).unwrap_or_default());
    let y = HEIGHT - 6.0;
    [
        replicas.frame(""),
        replicas.line("cb-curve-proposed", looks, true, |look| look.proposed),
        replicas.line("cb-curve-replicas", looks, true, |look| Some(look.desired)),
        used.frame("%"),
        used.line("cb-curve-target", looks, true, |look| look.target),
        used.line("cb-curve-used", looks, false, |look| look.utilization),
        format!("<text x=\"{LEFT}\" y=\"{y}\">{from}</text><text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{to}</text>", WIDTH - 8.0),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(at_s: u64, current: i64, desired: i64, utilization: Option<i64>) -> EventView {
        let object = json!({"kind": "HorizontalPodAutoscaler", "namespace": "default", "name": "web"});
        let proposed = utilization.map(|_| desired);
        let what = json!({
            "type": "autoscaled", "object": object, "current": current, "proposed": proposed, "desired": desired,
            "utilization": utilization, "target": 50,
        });
        EventView { id: at_s, at_ms: at_s * 1000, actor: String::new(), cause: None, text: String::new(), what }
    }

    #[test]
    fn only_looks_of_autoscalers_are_kept_and_not_for_ever() {
        let mut curves = Curves::default();
        curves.add(&EventView { what: json!({"type": "stored"}), ..event(0, 1, 1, None) });
        assert!(curves.names().is_empty());
        for at in 0..300 {
            curves.add(&event(at * 15, 1, 1, Some(40)));
        }
        assert_eq!(curves.names(), ["default/web"]);
        let looks = curves.looks("default/web");
        assert_eq!((looks.len(), looks[0].at_ms), (MAX_LOOKS, 60 * 15_000));
    }

    #[test]
    fn a_line_is_broken_where_metrics_are_missing() {
        let mut curves = Curves::default();
        let seen = [event(0, 1, 1, Some(0)), event(15, 1, 3, Some(100)), event(30, 3, 3, None), event(45, 3, 3, Some(50))];
        seen.iter().for_each(|event| curves.add(event));
        let drawn = svg(&curves.looks("default/web"));
        let used = drawn.split("cb-curve-used\" d=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert_eq!(used, "M44.0 200.0L240.0 152.0M632.0 176.0");
        let replicas = drawn.split("cb-curve-replicas\" d=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert_eq!(replicas, "M44.0 82.0H240.0V34.0H436.0V34.0H632.0V34.0");
        assert_eq!(minutes(65_000), "1:05");
    }
}
