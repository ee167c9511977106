//! The scheduler's table: for each node what the filters said, what each plugin gave and how much that weighs, the total, and why the winner
//! won. Everything is read from the trace of the run; nothing is computed anew.

use super::controls::clock;
use super::desk::Desk;
use crate::i18n::{Words, fill};
use lab::EventView;
use leptos::prelude::*;
use serde::Deserialize;

/// How many decisions can be chosen from: the newest.
const MAX_DECISIONS: usize = 40;

/// How many nodes the table has.
const MAX_NODES: usize = 50;

/// The scheduler looked for a node for a Pod (`sim::What::Scheduled` as data).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Decision {
    pod: PodName,
    /// The winner; none when no node fits.
    node: Option<String>,
    nodes: Vec<Verdict>,
    /// The message of the event `FailedScheduling`; empty when a node fits.
    message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct PodName {
    namespace: String,
    name: String,
}

/// What was said of one node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    node: String,
    /// The plugin that refused it, and why.
    rejected_by: Option<(String, String)>,
    scores: Vec<Score>,
    total: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Score {
    plugin: String,
    score: i64,
    weight: i64,
}

/// Why the node was taken.
#[derive(Debug, PartialEq, Eq)]
enum Why<'d> {
    /// No node fits.
    None,
    /// It is the only one that fits, so nothing was scored.
    Only(&'d str),
    /// It has the highest total, and this one is next.
    Best(&'d Verdict, &'d Verdict),
    /// It was drawn from so many with the highest total.
    Drawn(&'d Verdict, usize),
}

impl Decision {
    /// The decision that an event tells of, if it does.
    pub(crate) fn of(event: &EventView) -> Option<Self> {
        is_decision(event).then(|| serde_json::from_value(event.what.clone()).ok()).flatten()
    }

    fn why(&self) -> Why<'_> {
        let Some(winner) = &self.node else { return Why::None };
        let fits = || self.nodes.iter().filter(|verdict| verdict.rejected_by.is_none());
        let Some(best) = fits().find(|verdict| verdict.node == *winner) else { return Why::Only(winner) };
        let equals = fits().filter(|verdict| verdict.total == best.total).count();
        let next = fits().filter(|verdict| verdict.node != *winner).max_by_key(|verdict| verdict.total);
        match next {
            None => Why::Only(winner),
            Some(_) if equals > 1 => Why::Drawn(best, equals),
            Some(next) => Why::Best(best, next),
        }
    }

    fn because(&self, words: &Words) -> String {
        match self.why() {
            Why::None => self.message.clone(),
            Why::Only(node) => fill(words.only_fit, &[node]),
            Why::Best(best, next) => fill(words.best_fit, &[&best.node, &best.total.to_string(), &next.node, &next.total.to_string()]),
            Why::Drawn(best, of) => fill(words.drawn_fit, &[&best.node, &of.to_string(), &best.total.to_string()]),
        }
    }

    /// The scoring plugins with their weights, in the order of the profile.
    fn plugins(&self) -> Vec<(&str, i64)> {
        let scored = self.nodes.iter().find(|verdict| !verdict.scores.is_empty());
        scored.map(|verdict| verdict.scores.iter().map(|score| (&*score.plugin, score.weight)).collect()).unwrap_or_default()
    }

    fn pod(&self) -> String {
        if self.pod.namespace == "default" { self.pod.name.clone() } else { format!("{}/{}", self.pod.namespace, self.pod.name) }
    }
}

fn is_decision(event: &EventView) -> bool {
    event.what.get("type").is_some_and(|kind| kind == "scheduled")
}

/// The view; hidden until the scheduler has decided something. It is open from the start where it is what the card is about.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn SchedulerView(desk: Desk) -> impl IntoView {
    let context = desk.context();
    let words = context.words;
    let open = context.card.topic == "scheduling";
    let id = format!("card-{}-decision", context.card.id);
    let chosen = RwSignal::new(None::<u64>);
    let ids = Memo::new(move |_| desk.events.with(|events| events.newest(is_decision, MAX_DECISIONS)));
    // A chosen one that is gone, as after a new start, is as good as none.
    let shown = Memo::new(move |_| ids.with(|ids| chosen.get().filter(|chosen| ids.contains(chosen)).or(ids.first().copied())));
    let decision = Memo::new(move |_| {
        let id = shown.get()?;
        desk.events.with_untracked(|events| Decision::of(events.get(id)?))
    });
    let option = move |id: u64| {
        let text = desk.events.with_untracked(|events| {
            let event = events.get(id)?;
            let decision = Decision::of(event)?;
            Some(format!("{} {} → {}", clock(event.at_ms), decision.pod(), decision.node.as_deref().unwrap_or("✗")))
        });
        view! { <option value=id.to_string() selected=move || chosen.get() == Some(id)>{text}</option> }
    };
    view! {
        <details class="cb-panel cb-scheduler" open=open hidden=move || ids.with(Vec::is_empty)>
            <summary>{words.scheduler}</summary>
            <p class="cb-decision-choice">
                <label for=id.clone()>{words.decision}</label>" "
                <select id=id on:change=move |event| chosen.set(event_target_value(&event).parse().ok())>
                    <option value="" selected=move || chosen.get().is_none()>{words.newest_decision}</option>
                    {move || ids.get().into_iter().map(option).collect_view()}
                </select>
            </p>
            {move || decision.get().map(|decision| decision_view(&decision, words))}
        </details>
    }
}

/// One decision: a sentence and the table.
pub(crate) fn decision_view(decision: &Decision, words: &'static Words) -> impl IntoView + use<> {
    let plugins = decision.plugins();
    let heads = plugins.iter().map(|(plugin, weight)| {
        view! { <th scope="col">{breakable(plugin)}<span class="cb-weight">{format!(" ×{weight}")}</span></th> }
    });
    let heads = heads.collect_view();
    let count = plugins.len();
    let rows = decision.nodes.iter().take(MAX_NODES).map(|verdict| verdict_row(verdict, decision, count, words)).collect_view();
    let more = decision.nodes.len().saturating_sub(MAX_NODES);
    let more = (more > 0).then(|| view! { <p class="cb-note">{fill(words.and_more, &[&more.to_string()])}</p> });
    let title = match &decision.node {
        Some(node) => format!("{} → {node}", decision.pod()),
        None => format!("{} → ✗", decision.pod()),
    };
    view! {
        <p class="cb-why" data-node=decision.node.clone().unwrap_or_default()><strong>{title}</strong>" "{decision.because(words)}</p>
        <div class="cb-table-frame" tabindex="0" role="group" aria-label=words.verdicts hidden=decision.nodes.is_empty()>
            <table class="cb-verdicts">
                <thead><tr><th scope="col">"Node"</th><th scope="col">"Filter"</th>{heads}<th scope="col">{words.total}</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {more}
    }
}

/// A name that may be broken between its words, so that a column need not be as wide as the name: `NodeAffinity`.
fn breakable(name: &str) -> impl IntoView + use<> {
    let part = |part: &str| view! { {part.to_owned()}<wbr/> };
    parts(name).into_iter().map(part).collect_view()
}

/// The words of a name in camel case.
fn parts(name: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some(next) = rest.char_indices().skip(1).find(|(_, letter)| letter.is_ascii_uppercase()).map(|(at, _)| at) {
        let (part, others) = rest.split_at(next);
        parts.push(part);
        rest = others;
    }
    parts.push(rest);
    parts
}

fn verdict_row(verdict: &Verdict, decision: &Decision, plugins: usize, words: &'static Words) -> impl IntoView + use<> {
    let won = decision.node.as_ref() == Some(&verdict.node);
    let mark = won.then(|| view! { <span aria-hidden="true">" ★"</span><span class="cb-sr">{format!(" {}", words.winner)}</span> });
    let (said, tone) = match &verdict.rejected_by {
        Some((plugin, reason)) => (format!("✗ {plugin}: {reason}"), "cb-wrong"),
        None => (format!("✓ {}", words.fits), "cb-right"),
    };
    let scored = !verdict.scores.is_empty();
    let cell = |score: &Score| {
        let weighted = (score.weight != 1).then(|| view! { <span class="cb-weight">{format!(" → {}", score.score * score.weight)}</span> });
        view! { <td class="cb-number">{score.score}{weighted}</td> }
    };
    let cells = verdict.scores.iter().map(cell).collect_view();
    let blank = (0..if scored { 0 } else { plugins }).map(|_| view! { <td class="cb-number">"–"</td> }).collect_view();
    let total = if scored { verdict.total.to_string() } else { "–".to_owned() };
    view! {
        <tr data-node=verdict.node.clone() data-won=won.to_string() class:cb-won=won>
            <th scope="row">{verdict.node.clone()}{mark}</th><td class=format!("cb-said {tone}")>{said}</td>{cells}{blank}<td class="cb-number"><strong>{total}</strong></td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::words;
    use exercises::lang::Lang;
    use serde_json::{Value, json};

    fn decision(node: Value, nodes: Value, message: &str) -> Decision {
        let pod = json!({"kind": "Pod", "namespace": "default", "name": "web"});
        let what = json!({"type": "scheduled", "pod": pod, "node": node, "nodes": nodes, "message": message});
        Decision::of(&EventView { id: 1, at_ms: 0, actor: "kube-scheduler".to_owned(), cause: None, text: String::new(), what }).unwrap()
    }

    fn fits(node: &str, total: i64) -> Value {
        json!({"node": node, "rejectedBy": null, "total": total, "scores": [{"plugin": "TaintToleration", "score": total / 3, "weight": 3}]})
    }

    #[test]
    fn it_says_why_the_winner_won() {
        let because = |node: Value, nodes: Value| decision(node, nodes, "0/1 nodes are available").because(words(Lang::En));
        assert_eq!(because(json!("a"), json!([fits("a", 300), fits("b", 150)])), "a has the highest total, 300; next is b with 150.");
        assert_eq!(
            because(json!("b"), json!([fits("a", 300), fits("b", 300), fits("c", 0)])),
            "b was drawn from the 2 nodes with the highest total, 300."
        );
        let refused = json!({"node": "z", "rejectedBy": ["NodeName", "no"], "scores": [], "total": 0});
        assert_eq!(because(json!("a"), json!([fits("a", 0), refused])), "Only a fits, so nothing is scored.");
        assert_eq!(because(Value::Null, json!([refused])), "0/1 nodes are available");
    }

    #[test]
    fn plugins_have_their_weights() {
        assert_eq!(decision(json!("a"), json!([fits("a", 300), fits("b", 0)]), "").plugins(), [("TaintToleration", 3)]);
    }

    #[test]
    fn names_of_plugins_can_be_broken_between_words() {
        assert_eq!(parts("NodeResourcesBalancedAllocation"), ["Node", "Resources", "Balanced", "Allocation"]);
        assert_eq!(parts("x"), ["x"]);
    }

    #[test]
    fn other_events_are_no_decisions() {
        let what = json!({"type": "sandboxReady"});
        let event = EventView { id: 1, at_ms: 0, actor: String::new(), cause: None, text: String::new(), what };
        assert_eq!(Decision::of(&event), None);
    }
}
