//! The inside of a component: its informers as a flow from the API server to the handlers, each stage with what passed it, and its work queues.
//! The engine tells it only while the view is open.

use super::controls::clock;
use super::desk::Desk;
use crate::i18n::{Words, fill};
use lab::{InformerStatus, Inspection, QueueStatus, ReflectorState};
use leptos::prelude::*;
use std::collections::BTreeMap;
use web_sys::Element;

/// The component that is looked into first, where there is one of this name.
const FIRST: &str = "kube-controller-manager";

/// For how long something that moved is marked, in virtual milliseconds.
const FRESH_MS: u64 = 2000;

/// The inside of a component as it was last told, and when something last moved in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Inside {
    /// The components that can be looked into.
    components: Vec<String>,
    component: String,
    inspection: Inspection,
    now_ms: u64,
    /// For each informer, by resource: when changes last passed its queue, and how many.
    moved: BTreeMap<String, (u64, u64)>,
}

impl Inside {
    /// Takes what the engine tells at `now_ms`.
    pub(crate) fn take(&mut self, components: Vec<String>, component: String, inspection: Inspection, now_ms: u64) {
        if component != self.component {
            self.moved.clear();
        }
        for informer in &inspection.informers {
            let before = self.informer(&informer.resource).map(|before| before.passed).filter(|_| component == self.component);
            // A component that was started anew counts from zero.
            let moved = informer.passed.saturating_sub(before.unwrap_or(informer.passed));
            if moved > 0 {
                self.moved.insert(informer.resource.clone(), (now_ms, moved));
            }
        }
        (self.components, self.component, self.inspection, self.now_ms) = (components, component, inspection, now_ms);
    }

    fn informer(&self, resource: &str) -> Option<&InformerStatus> {
        self.inspection.informers.iter().find(|informer| informer.resource == resource)
    }

    fn resources(&self) -> Vec<String> {
        self.inspection.informers.iter().map(|informer| informer.resource.clone()).collect()
    }

    /// The resource that is shown when `chosen` was chosen.
    fn shown(&self, chosen: &str) -> String {
        let known = |resource: &&str| self.informer(resource).is_some();
        [chosen, "pods"]
            .iter()
            .find(|resource| known(resource))
            .map(|resource| (*resource).to_owned())
            .or(self.resources().into_iter().next())
            .unwrap_or_default()
    }

    /// What passed the queue of an informer last, and whether that was just now.
    fn last(&self, resource: &str) -> Option<(u64, u64, bool)> {
        self.moved.get(resource).map(|&(at, count)| (at, count, self.now_ms.saturating_sub(at) < FRESH_MS))
    }
}

/// The view; only where the card is about informers.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn InformersView(desk: Desk) -> impl IntoView {
    let context = desk.context();
    let words = context.words;
    let about = context.card.tags.iter().any(|tag| tag.eq_ignore_ascii_case("informer"));
    about.then(|| panel(desk, words, &context.card.id))
}

fn panel(desk: Desk, words: &'static Words, card: &str) -> impl IntoView + use<> {
    let open = StoredValue::new(true);
    let chosen = RwSignal::new(FIRST.to_owned());
    let resource = RwSignal::new(String::new());
    let look = move || desk.inspect(open.get_value().then(|| chosen.get_untracked()));
    look();
    let inside = desk.inside;
    let shown = Memo::new(move |_| inside.with(|inside| inside.shown(&resource.get())));
    let components = Memo::new(move |_| inside.with(|inside| inside.components.clone()));
    let resources = Memo::new(move |_| inside.with(Inside::resources));
    let empty = move || resources.with(Vec::is_empty);
    let row = move |name: String| row_view(inside, name, shown, words);
    let queues = Memo::new(move |_| inside.with(|inside| inside.inspection.queues.clone()));
    let (component_id, resource_id) = (format!("card-{card}-component"), format!("card-{card}-informer"));
    view! {
        <details class="cb-panel cb-informers" open on:toggle=move |event| { open.set_value(event_target::<Element>(&event).has_attribute("open")); look() }>
            <summary>{words.informers}</summary>
            <p class="cb-decision-choice">
                <label for=component_id.clone()>{words.component}</label>" "
                <select id=component_id class="cb-component-choice" on:change=move |event| { chosen.set(event_target_value(&event)); look() }>
                    {move || options(components.get(), &chosen.get())}
                </select>" "
                <label for=resource_id.clone()>{words.informer_of}</label>" "
                <select id=resource_id class="cb-informer-choice" on:change=move |event| resource.set(event_target_value(&event))>
                    {move || options(resources.get(), &shown.get())}
                </select>
            </p>
            <p class="cb-note" hidden=move || !empty()>{words.knows_nothing}</p>
            <ol class="cb-flow" aria-label=words.flow hidden=empty>{move || inside.with(|inside| flow(inside, &shown.get(), words))}</ol>
            <details class="cb-informers-all" hidden=empty>
                <summary>{words.informers_all}</summary>
                <div class="cb-table-frame" tabindex="0" role="group" aria-label=words.informers_all>
                    <table class="cb-informer-table">
                        <thead><tr>
                            <th scope="col">{words.resource}</th><th scope="col">"Reflector"</th><th scope="col">"resourceVersion"</th>
                            <th scope="col">"list / watch"</th><th scope="col">"410"</th><th scope="col">"FIFO"</th><th scope="col">"Indexer"</th>
                            <th scope="col">"ADD / UPD / DEL"</th>
                        </tr></thead>
                        <tbody><For each=move || resources.get() key=Clone::clone children=row/></tbody>
                    </table>
                </div>
            </details>
            <details class="cb-queues" hidden=move || queues.with(Vec::is_empty)>
                <summary>{words.work_queues}</summary>
                {move || queues.with(|queues| queue_table(queues, words))}
            </details>
        </details>
    }
}

fn options(names: Vec<String>, chosen: &str) -> impl IntoView + use<> {
    let option = |name: String| view! { <option value=name.clone() selected=name == chosen>{name.clone()}</option> };
    names.into_iter().map(option).collect_view()
}

/// What a reflector does, in words.
fn state(informer: &InformerStatus, words: &Words) -> String {
    match informer.reflector {
        ReflectorState::Stopped => words.reflector_stopped.to_owned(),
        ReflectorState::WatchList => words.reflector_watch_list.to_owned(),
        ReflectorState::Listing => words.reflector_listing.to_owned(),
        ReflectorState::Watching => words.reflector_watching.to_owned(),
        ReflectorState::Waiting { until_ms } => fill(words.reflector_waiting, &[&clock(until_ms)]),
    }
}

fn version(informer: &InformerStatus) -> String {
    informer.resource_version.map_or_else(|| "–".to_owned(), |version| version.to_string())
}

/// The stages of one informer.
fn flow(inside: &Inside, resource: &str, words: &'static Words) -> impl IntoView + use<> {
    let informer = inside.informer(resource).cloned().unwrap_or_default();
    let (asked, told) = (informer.asked, informer.told);
    let last = inside.last(resource);
    let moved = last.is_some_and(|(_, _, fresh)| fresh);
    let last = last.map(|(at, count, _)| fill(words.last_moved, &[&clock(at), &count.to_string()]));
    let newest = informer.newest.iter().map(|one| view! { <li>{format!("{} @{}", one.key, one.resource_version)}</li> }).collect_view();
    let counts = [asked.watch_lists, asked.lists, asked.watches].map(|count| count.to_string());
    let indices = if informer.indices.is_empty() { "–".to_owned() } else { informer.indices.join(", ") };
    let told = [told.added, told.updated, told.deleted, told.missed].map(|count| count.to_string());
    let selector = (!informer.restricted_to.is_empty()).then(|| view! { <p><code>{informer.restricted_to.clone()}</code></p> });
    let as_refs = |texts: &[String]| texts.to_vec();
    let fill_all = |pattern: &str, values: Vec<String>| fill(pattern, &values.iter().map(String::as_str).collect::<Vec<_>>());
    view! {
        <li class="cb-stage" data-stage="reflector" data-state=state_name(informer.reflector)>
            <strong>"Reflector"</strong>
            <p class="cb-stage-state">{state(&informer, words)}</p>{selector}
            <p>"resourceVersion "{version(&informer)}</p>
            <p>{fill_all(words.reflector_asked, as_refs(&counts))}</p>
            <p>{fill(words.reflector_failed, &[&asked.expired.to_string(), &asked.pauses.to_string()])}</p>
        </li>
        <li class="cb-stage" data-stage="fifo" class:cb-moved=moved>
            <strong>"FIFO"</strong>
            <p>{fill(words.fifo_now, &[&informer.queued.to_string(), &informer.passed.to_string()])}</p>
            <p>{last}</p>
        </li>
        <li class="cb-stage" data-stage="indexer" class:cb-moved=moved>
            <strong>"Indexer"</strong>
            <p>{fill(words.cache_now, &[&informer.cached.to_string()])}{(!informer.synced).then(|| format!(" · {}", words.not_synced))}</p>
            <p>{fill(words.indices, &[&indices])}</p>
            <p>{words.newest_objects}</p><ul class="cb-newest">{newest}</ul>
        </li>
        <li class="cb-stage" data-stage="handlers" class:cb-moved=moved>
            <strong>{words.handlers}</strong>
            <p>{fill_all(words.handlers_told, as_refs(&told))}</p>
        </li>
        {queue_stage(&inside.inspection.queues, words)}
    }
}

/// The stage behind the handlers, where the component has work queues: all of them together.
fn queue_stage(queues: &[QueueStatus], words: &'static Words) -> Option<impl IntoView + use<>> {
    let sum = |number: fn(&QueueStatus) -> u64| queues.iter().map(number).sum::<u64>().to_string();
    let now = [sum(|queue| queue.ready as u64), sum(|queue| queue.processing as u64), sum(|queue| queue.waiting as u64)];
    let ever = [sum(|queue| queue.added), sum(|queue| queue.merged), sum(|queue| queue.retried)];
    let filled = |pattern: &str, values: &[String; 3]| fill(pattern, &values.each_ref().map(String::as_str));
    (!queues.is_empty()).then(|| {
        view! {
            <li class="cb-stage" data-stage="queues">
                <strong>{words.work_queues}</strong>
                <p>{filled(words.queues_now, &now)}</p>
                <p>{filled(words.queues_ever, &ever)}</p>
            </li>
        }
    })
}

fn state_name(state: ReflectorState) -> &'static str {
    match state {
        ReflectorState::Stopped => "stopped",
        ReflectorState::WatchList => "watchList",
        ReflectorState::Listing => "listing",
        ReflectorState::Watching => "watching",
        ReflectorState::Waiting { .. } => "waiting",
    }
}

fn row_view(inside: RwSignal<Inside>, name: String, shown: Memo<String>, words: &'static Words) -> impl IntoView {
    let (of, this) = (name.clone(), name.clone());
    let informer = Memo::new(move |_| inside.with(|inside| inside.informer(&of).cloned().unwrap_or_default()));
    let cell = move |text: fn(&InformerStatus) -> String| move || informer.with(text);
    view! {
        <tr data-informer=name.clone() class:cb-chosen=move || shown.with(|shown| *shown == this)>
            <th scope="row">{name.clone()}</th>
            <td>{move || informer.with(|informer| state(informer, words))}</td>
            <td>{cell(version)}</td>
            <td>{cell(|informer| format!("{} / {}", informer.asked.watch_lists + informer.asked.lists, informer.asked.watches))}</td>
            <td>{cell(|informer| informer.asked.expired.to_string())}</td>
            <td>{cell(|informer| informer.passed.to_string())}</td>
            <td>{cell(|informer| informer.cached.to_string())}</td>
            <td>{cell(|informer| format!("{} / {} / {}", informer.told.added, informer.told.updated, informer.told.deleted))}</td>
        </tr>
    }
}

fn queue_table(queues: &[QueueStatus], words: &'static Words) -> impl IntoView + use<> {
    let row = |queue: &QueueStatus| {
        let numbers = [queue.ready as u64, queue.processing as u64, queue.waiting as u64, queue.added, queue.merged, queue.retried];
        let cells = numbers.map(|number| view! { <td>{number}</td> }).collect_view();
        view! { <tr data-queue=queue.name.clone()><th scope="row">{queue.name.clone()}</th>{cells}</tr> }
    };
    let rows = queues.iter().map(row).collect_view();
    view! {
        <div class="cb-table-frame" tabindex="0" role="group" aria-label=words.work_queues>
            <table class="cb-queue-table">
                <thead><tr>
                    <th scope="col">{words.queue}</th><th scope="col">{words.queue_ready}</th><th scope="col">{words.queue_processing}</th>
                    <th scope="col">{words.queue_waiting}</th><th scope="col">{words.queue_added}</th><th scope="col">{words.queue_merged}</th>
                    <th scope="col">{words.queue_retried}</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspection(pods: u64, nodes: u64) -> Inspection {
        let informer = |resource: &str, passed| InformerStatus { resource: resource.to_owned(), passed, ..InformerStatus::default() };
        Inspection { informers: vec![informer("nodes", nodes), informer("pods", pods)], queues: Vec::new() }
    }

    #[test]
    fn what_moved_since_the_last_look_is_remembered() {
        let mut inside = Inside::default();
        inside.take(Vec::new(), "a".to_owned(), inspection(5, 2), 1000);
        assert_eq!(inside.last("pods"), None, "at the first look nothing is known to have moved");
        inside.take(Vec::new(), "a".to_owned(), inspection(8, 2), 2000);
        assert_eq!((inside.last("pods"), inside.last("nodes")), (Some((2000, 3, true)), None));
        inside.take(Vec::new(), "a".to_owned(), inspection(8, 2), 5000);
        assert_eq!(inside.last("pods"), Some((2000, 3, false)));
        inside.take(Vec::new(), "b".to_owned(), inspection(90, 2), 6000);
        assert_eq!(inside.last("pods"), None, "another component has a history of its own");
    }

    #[test]
    fn an_informer_is_always_shown_where_there_is_one() {
        let mut inside = Inside::default();
        assert_eq!(inside.shown("nodes"), "");
        inside.take(Vec::new(), "a".to_owned(), inspection(0, 0), 0);
        assert_eq!(["nodes", "", "leases"].map(|chosen| inside.shown(chosen)), ["nodes", "pods", "pods"]);
    }
}
