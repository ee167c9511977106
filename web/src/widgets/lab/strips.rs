//! The strips of containers that are probed, from what the trace says: each attempt, what it adds up to, and what became of the container. No
//! elements here.
//!
//! What a probe counts as begins anew with each container: liveness as a success, readiness as a failure, startup as neither.

use super::curve::minutes;
use lab::EventView;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

/// How many containers are followed; those that nothing was heard of for the longest time make room.
const MAX_CONTAINERS: usize = 64;

/// How many entries of a container are kept.
const MAX_ENTRIES: usize = 400;

/// How much of a probe's output is kept, in characters.
const MAX_OUTPUT: usize = 300;

/// How many containers are shown: those that were heard of last.
const MAX_SHOWN: usize = 6;

/// How much time a drawing shows at most (in [`WIDTH`]), and at least, in milliseconds.
const WINDOW_MS: u64 = 180_000;
const LEAST_MS: u64 = 30_000;

/// Closer than this, in the drawing's units, counts would run into each other.
const NEAR: f64 = 21.0;

/// The widths of a drawing: where there is room, and where there is little.
pub(crate) const WIDTH: f64 = 640.0;
pub(crate) const NARROW: f64 = 340.0;

const LEFT: f64 = 76.0;
const RIGHT_MARGIN: f64 = 16.0;
const LANE: f64 = 36.0;
const TOP: f64 = 8.0;

/// Which probe, in the order of the strips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Startup,
    Liveness,
    Readiness,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Startup, Kind::Liveness, Kind::Readiness];

    fn of(name: &str) -> Option<Self> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// As the trace names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Startup => "startup",
            Kind::Liveness => "liveness",
            Kind::Readiness => "readiness",
        }
    }

    /// What counts before the first result.
    fn initial(self) -> Counts {
        match self {
            Kind::Startup => Counts::Neither,
            Kind::Liveness => Counts::Success,
            Kind::Readiness => Counts::Failure,
        }
    }
}

/// What a probe counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    Neither,
    Success,
    Failure,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    TimedOut,
}

/// What was heard of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It was started, for the first time or after so many restarts.
    Started(u64),
    /// It was told to end, for this reason.
    Killing(String),
    /// It ended with this exit code and reason.
    Exited(i64, String),
    /// Its Pod is gone.
    Removed,
    /// A probe was tried.
    Attempt(Attempt),
}

/// An attempt of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) kind: Kind,
    pub(crate) outcome: Outcome,
    /// How many alike there were in a row, and how many it takes.
    pub(crate) in_a_row: u64,
    pub(crate) threshold: u64,
    /// What it said, cut short.
    pub(crate) output: Arc<str>,
}

impl Attempt {
    fn read(what: &Value) -> Option<Self> {
        let text = |name: &str| what.get(name).and_then(Value::as_str).unwrap_or_default();
        let flag = |name: &str| what.get(name).and_then(Value::as_bool).unwrap_or(false);
        let outcome = match (flag("success"), flag("timedOut")) {
            (true, _) => Outcome::Success,
            (false, true) => Outcome::TimedOut,
            (false, false) => Outcome::Failure,
        };
        let number = |name: &str| what.get(name).and_then(Value::as_u64);
        let (in_a_row, threshold) = (number("inARow")?, number("threshold")?);
        let output: String = text("output").chars().take(MAX_OUTPUT).collect();
        Some(Attempt { kind: Kind::of(text("probe"))?, outcome, in_a_row, threshold, output: output.into() })
    }

    /// Whether there were enough in a row.
    pub(crate) fn is_enough(&self) -> bool {
        self.in_a_row >= self.threshold
    }

    /// What the probe counts as from now on, if there were enough in a row.
    pub(crate) fn counts(&self) -> Option<Counts> {
        let counts = if self.outcome == Outcome::Success { Counts::Success } else { Counts::Failure };
        self.is_enough().then_some(counts)
    }
}

/// What was heard of a container, oldest first, with the virtual milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strip {
    pub(crate) entries: VecDeque<(u64, Entry)>,
    probed: bool,
}

impl Strip {
    fn add(&mut self, at_ms: u64, entry: Entry) {
        self.probed |= matches!(entry, Entry::Attempt(_));
        self.entries.push_back((at_ms, entry));
        if self.entries.len() > MAX_ENTRIES {
            self.entries.pop_front();
        }
    }

    fn heard_ms(&self) -> u64 {
        self.entries.back().map_or(0, |(at, _)| *at)
    }

    /// The probes that were tried.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let tried = |kind: &Kind| self.attempts().any(|(_, attempt)| attempt.kind == *kind);
        Kind::ALL.into_iter().filter(tried).collect()
    }

    fn attempts(&self) -> impl Iterator<Item = (u64, &Attempt)> {
        self.entries.iter().filter_map(|(at, entry)| if let Entry::Attempt(attempt) = entry { Some((*at, attempt)) } else { None })
    }

    /// The newest attempt of a probe in the present container.
    pub(crate) fn last(&self, kind: Kind) -> Option<&Attempt> {
        let of_this = self.entries.iter().rev().take_while(|(_, entry)| !matches!(entry, Entry::Started(_)));
        of_this
            .filter_map(|(_, entry)| if let Entry::Attempt(attempt) = entry { Some(attempt) } else { None })
            .find(|attempt| attempt.kind == kind)
    }

    /// What a probe counts as at present; `None` while no container runs.
    pub(crate) fn counts(&self, kind: Kind) -> Option<Counts> {
        self.spans(kind, u64::MAX).last().filter(|span| span.to_ms == u64::MAX).map(|span| span.counts)
    }

    /// While containers ran: what a probe counted as, from when to when.
    fn spans(&self, kind: Kind, now_ms: u64) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut open: Option<(u64, Counts)> = None;
        for (at, entry) in &self.entries {
            let next = match entry {
                Entry::Started(_) => Some(kind.initial()),
                Entry::Exited(..) | Entry::Removed => None,
                Entry::Attempt(attempt) if attempt.kind == kind => match attempt.counts() {
                    // What was heard first may be an attempt, when the start was dropped.
                    None => open.map(|(_, counts)| counts).or(Some(kind.initial())),
                    counts => counts,
                },
                Entry::Killing(_) | Entry::Attempt(_) => continue,
            };
            if open.map(|(_, counts)| counts) == next && !matches!(entry, Entry::Started(_)) {
                continue;
            }
            spans.extend(open.map(|(from_ms, counts)| Span { from_ms, to_ms: *at, counts }));
            open = next.map(|counts| (*at, counts));
        }
        spans.extend(open.map(|(from_ms, counts)| Span { from_ms, to_ms: now_ms, counts }));
        spans
    }

    /// Whether the container runs, and after how many restarts.
    pub(crate) fn runs(&self) -> Option<u64> {
        self.entries.iter().rev().find_map(|(_, entry)| match entry {
            Entry::Started(restarts) => Some(Some(*restarts)),
            Entry::Exited(..) | Entry::Removed => Some(None),
            Entry::Killing(_) | Entry::Attempt(_) => None,
        })?
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from_ms: u64,
    to_ms: u64,
    counts: Counts,
}

/// The strips by `POD/CONTAINER`; Pods outside of `default` have their namespace before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strips(BTreeMap<String, Strip>);

impl Strips {
    /// Takes what an event says, if it is of a container.
    pub(crate) fn add(&mut self, event: &EventView) {
        let what = &event.what;
        let text = |name: &str| what.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let entry = match what.get("type").and_then(Value::as_str) {
            Some("probe") => match Attempt::read(what) {
                Some(attempt) => Entry::Attempt(attempt),
                None => return,
            },
            Some("containerStarted") => Entry::Started(what.get("restartCount").and_then(Value::as_u64).unwrap_or(0)),
            Some("containerKilling") => Entry::Killing(text("reason")),
            Some("containerExited") => Entry::Exited(what.get("exitCode").and_then(Value::as_i64).unwrap_or(0), text("reason")),
            Some("sandboxRemoved") => {
                let pod = pod_name(what);
                let of_pod = self.0.iter_mut().filter(|(name, _)| name.rsplit_once('/').is_some_and(|(of, _)| of == pod));
                of_pod.for_each(|(_, strip)| strip.add(event.at_ms, Entry::Removed));
                return;
            }
            _ => return,
        };
        let name = format!("{}/{}", pod_name(what), text("container"));
        if self.0.len() >= MAX_CONTAINERS && !self.0.contains_key(&name) {
            let oldest = self.0.iter().min_by_key(|(_, strip)| (strip.probed, strip.heard_ms())).map(|(name, _)| name.clone());
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        self.0.entry(name).or_default().add(event.at_ms, entry);
    }

    /// The containers that were probed, by name, and how many more there are.
    pub(crate) fn names(&self) -> (Vec<String>, usize) {
        let mut probed: Vec<(&String, &Strip)> = self.0.iter().filter(|(_, strip)| strip.probed).collect();
        let more = probed.len().saturating_sub(MAX_SHOWN);
        probed.sort_by_key(|(_, strip)| std::cmp::Reverse(strip.heard_ms()));
        probed.truncate(MAX_SHOWN);
        let mut names: Vec<String> = probed.into_iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        (names, more)
    }

    /// What was heard of one.
    pub(crate) fn strip(&self, name: &str) -> Strip {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

fn pod_name(what: &Value) -> String {
    let text = |path: &str| what.pointer(path).and_then(Value::as_str).unwrap_or_default();
    match text("/pod/namespace") {
        "default" => text("/pod/name").to_owned(),
        namespace => format!("{namespace}/{}", text("/pod/name")),
    }
}

/// A drawing under way: the time that it shows.
struct Drawing {
    width: f64,
    from_ms: u64,
    to_ms: u64,
    svg: String,
}

/// The height of the drawing of a strip.
pub(crate) fn height(strip: &Strip) -> f64 {
    TOP + LANE * (strip.kinds().len() + 1) as f64 + 20.0
}

/// The inside of an SVG of this width and [`height`]: a lane for the container, one for each probe; `container` is what the first lane is
/// called.
pub(crate) fn svg(strip: &Strip, now_ms: u64, container: &str, width: f64) -> String {
    let first = strip.entries.front().map_or(0, |(at, _)| *at);
    let to_ms = now_ms.max(strip.heard_ms()).max(first + LEAST_MS);
    let window_ms = (WINDOW_MS as f64 * width / WIDTH) as u64;
    let mut drawing = Drawing { width, from_ms: first.max(to_ms.saturating_sub(window_ms)), to_ms, svg: String::new() };
    let now_ms = now_ms.max(strip.heard_ms());
    let kinds = strip.kinds();
    drawing.frame(kinds.len() + 1);
    drawing.container_lane(strip, now_ms, container);
    for (place, kind) in kinds.into_iter().enumerate() {
        drawing.probe_lane(strip, kind, TOP + LANE * (place + 1) as f64, now_ms);
    }
    drawing.svg
}

impl Drawing {
    /// Where a moment is; nothing when it is not shown.
    fn x(&self, at_ms: u64) -> Option<f64> {
        let shown = (self.from_ms..=self.to_ms).contains(&at_ms);
        let share = || (at_ms - self.from_ms) as f64 / (self.to_ms - self.from_ms).max(1) as f64;
        shown.then(|| LEFT + share() * (self.width - RIGHT_MARGIN - LEFT))
    }

    /// Where the shown part of a time begins and ends.
    fn part(&self, from_ms: u64, to_ms: u64) -> Option<(f64, f64)> {
        Some((self.x(from_ms.max(self.from_ms))?, self.x(to_ms.min(self.to_ms))?)).filter(|(from, to)| from < to)
    }

    fn put(&mut self, piece: std::fmt::Arguments<'_>) {
        // Writing to a text cannot fail.
        let _ = self.svg.write_fmt(piece);
    }

    /// The times below, with a line for each.
    fn frame(&mut self, lanes: usize) {
        let bottom = TOP + LANE * lanes as f64;
        let labels = (self.width / 75.0) as u64;
        let step = [5_000, 10_000, 15_000, 30_000].into_iter().find(|step| (self.to_ms - self.from_ms) / step <= labels).unwrap_or(60_000);
        let mut at = self.from_ms.div_ceil(step) * step;
        while let Some(x) = self.x(at) {
            self.put(format_args!("<path class=\"cb-axis\" d=\"M{x:.1} {TOP}V{bottom}\"/>"));
            self.put(format_args!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", minutes(at), y = bottom + 14.0));
            at += step;
        }
    }

    fn label(&mut self, top: f64, text: &str) {
        self.put(format_args!("<text x=\"0\" y=\"{}\">{text}</text>", top + LANE / 2.0 + 4.0));
    }

    fn container_lane(&mut self, strip: &Strip, now_ms: u64, label: &str) {
        let middle = TOP + LANE / 2.0;
        self.label(TOP, label);
        let mut began = strip.entries.front().filter(|(_, entry)| !matches!(entry, Entry::Started(_))).map(|(at, _)| *at);
        let mut killed = None;
        let end = (now_ms, Entry::Removed);
        for (at, entry) in strip.entries.iter().chain([&end]) {
            match entry {
                Entry::Started(restarts) => {
                    (began, killed) = (Some(*at), None);
                    if let Some(x) = self.x(*at) {
                        self.put(format_args!(
                            "<path class=\"cb-strip-start\" d=\"M{x:.1} {}v18l9 -9z\"/><text x=\"{:.1}\" y=\"{}\">{}</text>",
                            middle - 9.0,
                            x + 12.0,
                            middle - 7.0,
                            if *restarts > 0 { format!("+{restarts}") } else { String::new() },
                        ));
                    }
                }
                Entry::Killing(_) => killed = Some(*at),
                Entry::Exited(..) | Entry::Removed => {
                    let Some(from) = began.take() else { continue };
                    let told = killed.take().unwrap_or(*at);
                    for (class, from, to) in [("cb-strip-runs", from, told), ("cb-strip-ends", told, *at)] {
                        if let Some((x, end)) = self.part(from, to) {
                            self.put(format_args!("<path class=\"{class}\" d=\"M{x:.1} {middle}H{end:.1}\"/>"));
                        }
                    }
                    if let Some(x) = self.x(told).filter(|_| told < *at) {
                        self.put(format_args!("<path class=\"cb-strip-kill\" d=\"M{x:.1} {}v18\"/>", middle - 9.0));
                    }
                }
                Entry::Attempt(_) => {}
            }
        }
    }

    fn probe_lane(&mut self, strip: &Strip, kind: Kind, top: f64, now_ms: u64) {
        self.label(top, kind.name());
        let (middle, line) = (top + LANE / 2.0, top + LANE - 5.0);
        for span in strip.spans(kind, now_ms) {
            if let Some((x, end)) = self.part(span.from_ms, span.to_ms) {
                let class = match span.counts {
                    Counts::Neither => "cb-strip-neither",
                    Counts::Success => "cb-strip-good",
                    Counts::Failure => "cb-strip-bad",
                };
                self.put(format_args!("<path class=\"{class}\" d=\"M{x:.1} {line}H{end:.1}\"/>"));
            }
        }
        let mut counted = f64::NEG_INFINITY;
        for (at, attempt) in strip.attempts().filter(|(_, attempt)| attempt.kind == kind) {
            let Some(x) = self.x(at) else { continue };
            match attempt.outcome {
                Outcome::Success => self.put(format_args!("<circle class=\"cb-mark-good\" cx=\"{x:.1}\" cy=\"{middle}\" r=\"4.5\"/>")),
                Outcome::Failure => {
                    self.put(format_args!("<path class=\"cb-mark-bad\" d=\"M{:.1} {}l9 9m0 -9l-9 9\"/>", x - 4.5, middle - 4.5));
                }
                Outcome::TimedOut => {
                    self.put(format_args!("<path class=\"cb-mark-late\" d=\"M{x:.1} {}l6 6l-6 6l-6 -6z\"/>", middle - 6.0));
                }
            }
            if attempt.threshold > 1 && attempt.in_a_row <= attempt.threshold && x - counted >= NEAR {
                counted = x;
                let (count, of, y) = (attempt.in_a_row, attempt.threshold, middle - 8.0);
                self.put(format_args!("<text class=\"cb-count\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{count}/{of}</text>"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(at_s: u64, mut what: Value) -> EventView {
        let pod = json!({"kind": "Pod", "namespace": "default", "name": "web"});
        what.as_object_mut().unwrap().extend([("pod".to_owned(), pod), ("container".to_owned(), json!("main"))]);
        EventView { id: at_s, at_ms: at_s * 1000, actor: String::new(), cause: None, text: String::new(), what }
    }

    fn started(at_s: u64, restarts: u64) -> EventView {
        event(at_s, json!({"type": "containerStarted", "restartCount": restarts}))
    }

    fn probe(at_s: u64, kind: &str, success: bool, count: (u64, u64)) -> EventView {
        let (in_a_row, threshold) = count;
        event(
            at_s,
            json!({"type": "probe", "probe": kind, "success": success, "timedOut": false, "inARow": in_a_row, "threshold": threshold, "output": "said"}),
        )
    }

    fn strip(events: &[EventView]) -> Strip {
        let mut strips = Strips::default();
        events.iter().for_each(|event| strips.add(event));
        strips.strip("web/main")
    }

    /// A container that is ready, fails three times and is killed, and its successor.
    fn story() -> Vec<EventView> {
        vec![
            started(1, 0),
            probe(2, "readiness", true, (1, 1)),
            probe(10, "liveness", false, (1, 3)),
            probe(20, "liveness", false, (2, 3)),
            probe(30, "liveness", false, (3, 3)),
            event(30, json!({"type": "containerKilling", "reason": "failed liveness probe"})),
            event(40, json!({"type": "containerExited", "exitCode": 137, "reason": "Error"})),
            started(41, 1),
        ]
    }

    #[test]
    fn what_a_probe_counts_as_changes_at_its_threshold_and_begins_anew_with_the_container() {
        let strip = strip(&story());
        assert_eq!(strip.kinds(), [Kind::Liveness, Kind::Readiness]);
        let spans = |kind| {
            strip.spans(kind, 50_000).into_iter().map(|span| (span.from_ms / 1000, span.to_ms / 1000, span.counts)).collect::<Vec<_>>()
        };
        use Counts::{Failure, Success};
        assert_eq!(spans(Kind::Liveness), [(1, 30, Success), (30, 40, Failure), (41, 50, Success)]);
        assert_eq!(spans(Kind::Readiness), [(1, 2, Failure), (2, 40, Success), (41, 50, Failure)]);
        assert_eq!((strip.counts(Kind::Readiness), strip.runs()), (Some(Failure), Some(1)));
        assert_eq!(strip.last(Kind::Liveness), None, "the present container was not asked yet");
    }

    #[test]
    fn a_container_that_ended_counts_as_nothing() {
        let mut events = story();
        events.push(event(60, json!({"type": "sandboxRemoved"})));
        let strip = strip(&events);
        assert_eq!((strip.counts(Kind::Liveness), strip.runs()), (None, None));
    }

    #[test]
    fn a_pod_that_is_gone_is_not_taken_for_one_in_a_namespace_of_its_name() {
        let mut strips = Strips::default();
        let mut other = started(1, 0);
        other.what["pod"]["namespace"] = json!("web");
        [other, started(1, 0), event(2, json!({"type": "sandboxRemoved"}))].iter().for_each(|event| strips.add(event));
        let runs = |name: &str| strips.strip(name).runs();
        assert_eq!((runs("web/web/main"), runs("web/main")), (Some(0), None));
    }

    #[test]
    fn each_attempt_is_a_mark_and_failures_are_counted() {
        let drawn = svg(&strip(&story()), 45_000, "container", WIDTH);
        assert_eq!((drawn.matches("cb-mark-bad").count(), drawn.matches("cb-mark-good").count()), (3, 1));
        assert!(drawn.contains(">3/3</text>") && drawn.contains(">+1</text>"), "{drawn}");
        assert_eq!((drawn.matches("cb-strip-runs").count(), drawn.matches("cb-strip-ends").count()), (2, 1));
    }

    #[test]
    fn only_the_newest_part_is_drawn() {
        let attempts: Vec<EventView> = (0..1000).map(|n| probe(n, "liveness", true, (n + 1, 1))).collect();
        let strip = strip(&attempts);
        assert_eq!(strip.entries.len(), MAX_ENTRIES);
        assert_eq!(svg(&strip, 999_000, "", WIDTH).matches("cb-mark-good").count(), 181);
        assert_eq!(svg(&strip, 999_000, "", WIDTH / 2.0).matches("cb-mark-good").count(), 91);
    }

    #[test]
    fn containers_without_probes_are_not_shown_and_make_room() {
        let mut strips = Strips::default();
        let named = |event: EventView, name: String| {
            let mut event = event;
            event.what["pod"]["name"] = json!(name);
            event
        };
        story().iter().for_each(|event| strips.add(event));
        (0..200).for_each(|n| strips.add(&named(started(100 + n, 0), format!("other-{n}"))));
        assert_eq!((strips.names(), strips.0.len()), ((vec!["web/main".to_owned()], 0), MAX_CONTAINERS));
        (0..9).for_each(|n| strips.add(&named(probe(400 + n, "liveness", true, (1, 1)), format!("late-{n}"))));
        let (names, more) = strips.names();
        assert_eq!((names.len(), more, names[0].as_str()), (6, 4, "late-3/main"));
    }
}
