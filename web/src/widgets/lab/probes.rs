//! The probes of containers: for each container a strip with every attempt over virtual time, what the attempts add up to, and the same as a
//! table.

use super::controls::clock;
use super::desk::Desk;
use super::strips::{Attempt, Counts, Entry, Kind, NARROW, Outcome, Strip, WIDTH, height, svg};
use crate::i18n::{Words, fill};
use leptos::prelude::*;

/// How many entries the table has: the newest.
const MAX_ROWS: usize = 40;

/// How often the strips are drawn while nothing happens, in virtual milliseconds.
const DRAW_EVERY_MS: u64 = 1000;

/// The view; hidden while no probe was tried.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn ProbesView(desk: Desk) -> impl IntoView {
    let words = desk.context().words;
    let names = Memo::new(move |_| desk.events.with(|events| events.strips.names()));
    let now = Memo::new(move |_| desk.snapshot.with(|snapshot| snapshot.now_ms / DRAW_EVERY_MS * DRAW_EVERY_MS));
    let one = move |name: String| {
        let this = name.clone();
        strip_view(words, name, Memo::new(move |_| desk.events.with(|events| events.strips.strip(&this))), now)
    };
    let more = move || Some(names.with(|names| names.1)).filter(|more| *more > 0);
    view! {
        <section class="cb-panel cb-probes" aria-label=words.probes hidden=move || names.with(|names| names.0.is_empty())>
            <h5>{words.probes}</h5>
            <ul class="cb-legend cb-strip-legend" aria-hidden="true">
                <li class="cb-legend-mark">"● "{words.probe_success}</li>
                <li class="cb-legend-mark">"✕ "{words.probe_failure}</li>
                <li class="cb-legend-mark">"◇ "{words.probe_late}</li>
                <li class="cb-legend-good">{words.counts_good}</li>
                <li class="cb-legend-bad">{words.counts_bad}</li>
                <li class="cb-legend-neither">{words.counts_neither}</li>
            </ul>
            <For each=move || names.with(|names| names.0.clone()) key=Clone::clone children=one/>
            {move || more().map(|more| view! { <p class="cb-note">{fill(words.and_more, &[&more.to_string()])}</p> })}
        </section>
    }
}

fn strip_view(words: &'static Words, name: String, strip: Memo<Strip>, now: Memo<u64>) -> impl IntoView {
    let summary = Memo::new(move |_| strip.with(|strip| told(strip, words)));
    let of = name.clone();
    let label = move || fill(words.strip_of, &[&of, &summary.get()]);
    // Without a container there is nothing to bring up to date.
    let width = Memo::new(move |_| {
        now.track();
        drawing_width()
    });
    let to_ms = move |strip: &Strip| if strip.runs().is_some() { now.get() } else { 0 };
    let drawn = Memo::new(move |_| strip.with(|strip| svg(strip, to_ms(strip), words.strip_container, width.get())));
    let rows =
        move || strip.with(|strip| strip.entries.iter().rev().take(MAX_ROWS).map(|(at, entry)| row_view(*at, entry, words)).collect_view());
    let table = RwSignal::new(false);
    view! {
        <figure class="cb-strip" data-container=name.clone()>
            <figcaption><strong>{name.clone()}</strong>" "<span class="cb-strip-now">{summary}</span></figcaption>
            <svg class="cb-strip-chart" role="img" aria-label=label viewBox=move || format!("0 0 {} {}", width.get(), strip.with(height)) inner_html=drawn></svg>
            <details on:toggle=move |_| table.update(|open| *open = !*open)>
                <summary>{words.curve_table}</summary>
                <div class="cb-table-frame" tabindex="0" role="group" aria-label=words.curve_table>
                    <table class="cb-attempts">
                        <thead><tr>
                            <th scope="col">{words.when}</th><th scope="col">{words.probe}</th><th scope="col">{words.result}</th>
                            <th scope="col">{words.in_a_row}</th><th scope="col">{words.follows}</th><th scope="col">{words.output_said}</th>
                        </tr></thead>
                        <tbody>{move || table.get().then(rows)}</tbody>
                    </table>
                </div>
            </details>
        </figure>
    }
}

/// How wide a drawing is: as its text keeps its size, where there is little room less is drawn.
fn drawing_width() -> f64 {
    let room = window().inner_width().ok().and_then(|width| width.as_f64()).unwrap_or(WIDTH);
    if room < WIDTH { NARROW } else { WIDTH }
}

/// What an entry says, for a row of the table.
struct Told {
    what: String,
    result: String,
    count: String,
    follows: &'static str,
    said: String,
}

fn row_view(at_ms: u64, entry: &Entry, words: &'static Words) -> impl IntoView + use<> {
    let told = row(entry, words);
    let (probe, outcome) = match entry {
        Entry::Attempt(attempt) => (attempt.kind.name(), outcome_name(attempt.outcome)),
        _ => ("container", ""),
    };
    view! {
        <tr data-probe=probe data-outcome=outcome>
            <th scope="row">{clock(at_ms)}</th><td>{told.what}</td><td>{told.result}</td><td>{told.count}</td>
            <td>{told.follows}</td><td class="cb-said">{told.said}</td>
        </tr>
    }
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failure => "failure",
        Outcome::TimedOut => "timeout",
    }
}

fn row(entry: &Entry, words: &'static Words) -> Told {
    let of_container = |result: String, said: &str| Told {
        what: words.strip_container.to_owned(),
        result,
        count: String::new(),
        follows: "",
        said: said.to_owned(),
    };
    match entry {
        Entry::Started(restarts) => of_container(fill(words.was_started, &[&restarts.to_string()]), ""),
        Entry::Killing(reason) => of_container(words.is_killed.to_owned(), reason),
        Entry::Exited(code, reason) => of_container(fill(words.has_exited, &[&code.to_string()]), reason),
        Entry::Removed => of_container(words.pod_removed.to_owned(), ""),
        Entry::Attempt(attempt) => Told {
            what: attempt.kind.name().to_owned(),
            result: result(attempt.outcome, words).to_owned(),
            count: count(attempt),
            follows: follows(attempt, words),
            said: attempt.output.to_string(),
        },
    }
}

fn result(outcome: Outcome, words: &Words) -> &'static str {
    match outcome {
        Outcome::Success => words.probe_success,
        Outcome::Failure => words.probe_failure,
        Outcome::TimedOut => words.probe_late,
    }
}

/// `2/3`: the second of three that are needed.
fn count(attempt: &Attempt) -> String {
    format!("{}/{}", attempt.in_a_row, attempt.threshold)
}

/// What follows from an attempt that completes its threshold.
fn follows(attempt: &Attempt, words: &Words) -> &'static str {
    let changes = attempt.in_a_row == attempt.threshold;
    match (attempt.kind, attempt.counts().filter(|_| changes)) {
        (_, None | Some(Counts::Neither)) => "",
        (Kind::Startup, Some(Counts::Success)) => words.others_begin,
        (Kind::Startup | Kind::Liveness, Some(Counts::Failure)) => words.kubelet_kills,
        (Kind::Liveness, Some(Counts::Success)) => words.stays_alive,
        (Kind::Readiness, Some(Counts::Success)) => words.becomes_ready,
        (Kind::Readiness, Some(Counts::Failure)) => words.not_ready,
    }
}

/// How a container stands, in words.
fn told(strip: &Strip, words: &Words) -> String {
    let Some(restarts) = strip.runs() else { return words.runs_not.to_owned() };
    let mut parts = vec![fill(words.runs_after, &[&restarts.to_string()])];
    for kind in strip.kinds() {
        let state = match strip.counts(kind) {
            Some(Counts::Success) => "✓",
            Some(Counts::Failure) => "✗",
            Some(Counts::Neither) | None => "…",
        };
        let under_way = strip.last(kind).filter(|attempt| !attempt.is_enough());
        let under_way = under_way.map(|attempt| format!(" ({} {})", result(attempt.outcome, words), count(attempt)));
        parts.push(format!("{} {state}{}", kind.name(), under_way.unwrap_or_default()));
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::words;
    use crate::widgets::lab::strips::Strips;
    use exercises::lang::Lang;
    use lab::EventView;
    use serde_json::{Value, json};

    fn strip(events: &[(u64, Value)]) -> Strip {
        let mut strips = Strips::default();
        for (at_ms, what) in events {
            let mut what = what.clone();
            what["pod"] = json!({"kind": "Pod", "namespace": "shop", "name": "web"});
            what["container"] = json!("main");
            strips.add(&EventView { id: 1, at_ms: *at_ms, actor: String::new(), cause: None, text: String::new(), what });
        }
        strips.strip("shop/web/main")
    }

    fn probe(kind: &str, success: bool, in_a_row: u64) -> Value {
        json!({"type": "probe", "probe": kind, "success": success, "timedOut": !success, "inARow": in_a_row, "threshold": 2, "output": ""})
    }

    #[test]
    fn the_state_of_a_container_is_told_in_words() {
        let mut events = vec![(0, json!({"type": "containerStarted", "restartCount": 1}))];
        events.push((1000, probe("liveness", false, 1)));
        events.push((1000, probe("readiness", true, 2)));
        assert_eq!(told(&strip(&events), words(Lang::En)), "runs, restarts: 1 · liveness ✓ (too late 1/2) · readiness ✓");
        events.push((2000, json!({"type": "containerExited", "exitCode": 1, "reason": "Error"})));
        assert_eq!(told(&strip(&events), words(Lang::En)), "does not run");
    }

    #[test]
    fn what_follows_is_told_at_the_threshold_only() {
        let of = |kind: &str, success, in_a_row| {
            let strip = strip(&[(0, probe(kind, success, in_a_row))]);
            strip
                .last(Kind::Liveness)
                .or(strip.last(Kind::Readiness))
                .or(strip.last(Kind::Startup))
                .map(|attempt| follows(attempt, words(Lang::En)))
        };
        let en = words(Lang::En);
        assert_eq!(of("liveness", false, 1), Some(""));
        assert_eq!(of("liveness", false, 2), Some(en.kubelet_kills));
        assert_eq!(of("readiness", false, 2), Some(en.not_ready));
        assert_eq!(of("readiness", true, 3), Some(""), "it was told before");
        assert_eq!(of("startup", true, 2), Some(en.others_begin));
    }
}
