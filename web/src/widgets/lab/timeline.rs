//! The timeline: a lane for each component, a row for each event, an arrow from each cause to its effect. Choosing an event tells how it came
//! about, and for a scheduling decision what every plugin said of every node.

use super::chart::{Chart, LANE, ROW, Row};
use super::controls::clock;
use super::desk::Desk;
use super::scheduler::{Decision, decision_view};
use crate::i18n::fill;
use lab::EventView;
use leptos::html::Div;
use leptos::prelude::*;
use std::collections::BTreeSet;
use web_sys::{HtmlDivElement, KeyboardEvent};

/// How near to its end the list must stand to go on with new events, in pixels.
const NEAR_END: i32 = 60;

/// The list, and the story of the chosen event.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn Timeline(desk: Desk) -> impl IntoView {
    let context = desk.context();
    let words = context.words;
    let id = format!("card-{}-event", context.card.id);
    let all = RwSignal::new(false);
    let chosen = RwSignal::new(None::<u64>);
    let chart = Memo::new(move |_| desk.events.with(|events| Chart::new(events, all.get())));
    let chain = Memo::new(move |_| {
        let ids = |id| desk.events.with(|events| events.chain(id).iter().map(|event| event.id).collect::<BTreeSet<_>>());
        chosen.get().map(ids).unwrap_or_default()
    });
    let lanes = move || {
        chart.with(|chart| {
            let lane = |(place, name): (usize, &String)| view! { <li class=format!("cb-lane-{}", place % 8)><span aria-hidden="true">{place + 1}</span>" "{name.clone()}</li> };
            chart.lanes.iter().enumerate().map(lane).collect_view()
        })
    };
    let list = NodeRef::<Div>::new();
    let following = StoredValue::new(true);
    stay_at_the_end(chart, following, list);
    let active = {
        let id = id.clone();
        move || chosen.get().map(|chosen| format!("{id}-{chosen}"))
    };
    let event = move |row: Row| event_view(row, &id, chain, chosen);
    view! {
        <section class="cb-panel cb-timeline" aria-label=words.timeline>
            <h5>{words.timeline}</h5>
            <div class="cb-timeline-head">
                <ol class="cb-lanes" aria-label=words.lanes>{lanes}</ol>
                <label class="cb-all-events"><input type="checkbox" prop:checked=move || all.get() on:change=move |event| all.set(event_target_checked(&event))/>" "{words.all_events}</label>
            </div>
            <p class="cb-note" hidden=move || chart.with(|chart| !chart.rows.is_empty())>{words.no_events}</p>
            <p class="cb-note" hidden=move || !desk.events.with(|events| events.dropped)>{words.events_dropped}</p>
            <div class="cb-events" role="listbox" tabindex="0" aria-label=words.timeline aria-activedescendant=active node_ref=list
                hidden=move || chart.with(|chart| chart.rows.is_empty())
                style=("--cb-lanes-width", move || format!("{}px", chart.with(|chart| chart.lanes.len() * LANE)))
                on:scroll=move |_| following.set_value(list.get_untracked().is_none_or(|list| is_at_the_end(&list)))
                on:keydown=move |event| choose_by_key(&event, chart, chosen, list)>
                <svg class="cb-arrows" aria-hidden="true" width=move || chart.with(|chart| chart.lanes.len() * LANE).to_string()
                    height=move || chart.with(|chart| chart.rows.len() * ROW).to_string()
                    inner_html=move || chart.with(|chart| chain.with(|chain| chart.svg(chain)))></svg>
                <ul role="presentation"><For each=move || chart.with(|chart| chart.rows.clone()) key=|row| (row.run, row.id) children=event/></ul>
            </div>
            <div class="cb-story" aria-live="polite">{move || chosen.get().map(|id| story(desk, id))}</div>
        </section>
    }
}

fn event_view(row: Row, id: &str, chain: Memo<BTreeSet<u64>>, chosen: RwSignal<Option<u64>>) -> impl IntoView + use<> {
    let (number, actor) = (row.id, row.actor.clone());
    view! {
        <li class="cb-event" role="option" id=format!("{id}-{number}") data-event=number.to_string() data-kind=row.kind data-actor=actor
            class:cb-in-chain=move || chain.with(|chain| chain.contains(&number))
            aria-selected=move || (chosen.get() == Some(number)).to_string()
            on:click=move |_| chosen.update(|chosen| *chosen = Some(number).filter(|id| *chosen != Some(*id)))>
            <time>{clock(row.at_ms)}</time>
            <span class="cb-actor">{row.actor}</span>
            <span class="cb-event-text">{row.text}</span>
        </li>
    }
}

/// Goes on with new events for as long as the learner has not scrolled away from the end.
fn stay_at_the_end(chart: Memo<Chart>, following: StoredValue<bool>, list: NodeRef<Div>) {
    Effect::new(move |_| {
        chart.track();
        let Some(list) = list.get().filter(|_| following.get_value()) else { return };
        // The new rows are not there yet.
        request_animation_frame(move || list.set_scroll_top(list.scroll_height()));
    });
}

fn is_at_the_end(list: &HtmlDivElement) -> bool {
    list.scroll_height() - list.scroll_top() - list.client_height() < NEAR_END
}

fn choose_by_key(event: &KeyboardEvent, chart: Memo<Chart>, chosen: RwSignal<Option<u64>>, list: NodeRef<Div>) {
    let place = chart.with_untracked(|chart| chosen.get_untracked().and_then(|id| chart.rows.iter().position(|row| row.id == id)));
    let last = chart.with_untracked(|chart| chart.rows.len().saturating_sub(1));
    let next = match event.key().as_str() {
        "ArrowDown" => Some(place.map_or(0, |place| (place + 1).min(last))),
        "ArrowUp" => Some(place.map_or(last, |place| place.saturating_sub(1))),
        "Home" => Some(0),
        "End" => Some(last),
        "Escape" => None,
        _ => return,
    };
    event.prevent_default();
    chosen.set(next.and_then(|place| chart.with_untracked(|chart| chart.rows.get(place).map(|row| row.id))));
    if let (Some(list), Some(place)) = (list.get_untracked(), next) {
        let top = i32::try_from(place * ROW).unwrap_or(0);
        if top < list.scroll_top() || top + ROW as i32 * 2 > list.scroll_top() + list.client_height() {
            list.set_scroll_top(top - list.client_height() / 2);
        }
    }
}

/// How an event came about.
fn story(desk: Desk, id: u64) -> impl IntoView {
    let words = desk.context().words;
    let chain = desk.events.with(|events| events.chain(id).into_iter().cloned().collect::<Vec<EventView>>());
    let decision = chain.last().and_then(Decision::of).map(|decision| decision_view(&decision, words));
    let begin = chain.first().map_or(0, |event| event.at_ms);
    let event = |event: EventView| {
        let after = fill(words.after_ms, &[&event.at_ms.saturating_sub(begin).to_string()]);
        view! { <li><span class="cb-actor">{event.actor}</span>" "{event.text}" "<span class="cb-note">{after}</span></li> }
    };
    let steps = chain.into_iter().map(event).collect_view();
    view! { <h6>{words.how_so}</h6><ol class="cb-chain">{steps}</ol>{decision} }
}
