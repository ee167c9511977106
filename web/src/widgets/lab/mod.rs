//! The lab of a card: its parts, and where they come into the card's static HTML.
//!
//! - `desk`: the state, and what changes it. `screen`, `chart`, `curve`, `strips` and `work` are the parts of it that need no browser.
//! - `controls`, `editor`, `terminal`, `cluster`, `scheduler`, `autoscaler`, `probes`, `packets`, `informers`, `timeline`: the workbench below the tasks.
//! - `tasks`: the checks and predictions within the tasks.
//! - `refill`: the texts of the card with the numbers of another seed.
//!
//! The engine is started by a button: a page may have many cards, and a cluster's clock should not run before anyone looks.

mod autoscaler;
mod chart;
mod cluster;
mod components;
mod controls;
mod curve;
mod desk;
mod editor;
mod informers;
mod members;
mod node_faults;
mod packets;
mod probes;
mod refill;
mod scheduler;
mod screen;
mod strips;
mod tasks;
mod terminal;
mod timeline;
mod work;

use crate::dom;
use crate::i18n::fill;
use crate::widgets::CardContext;
use ::lab::TaskKind;
use desk::{Desk, Phase};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Element, KeyboardEvent};

/// Mounts the lab on `section.cb-lab` of `card`.
pub(crate) fn mount_lab(card: &Element, section: &Element, context: &CardContext) {
    let desk = Desk::new(context);
    let first = dom::find(section, ".cb-files").or_else(|| dom::find(section, ".cb-tasks"));
    if let Some(first) = &first {
        dom::before(first, "cb-lab-start", move || Start(desk));
    }
    keep_keys(section);
    watch_visibility(desk);
    let mounted = StoredValue::new(false);
    let (card, section) = (card.clone(), section.clone());
    // What an effect makes is gone when it runs again. The views must outlive a crash of the engine, so they belong to the card.
    let owner = Owner::current().unwrap_or_default();
    Effect::new(move |_| {
        let running = matches!(desk.phase.get(), Phase::Running);
        if running && !mounted.get_value() {
            mounted.set_value(true);
            owner.with(|| mount_running(&card, &section, desk));
        }
    });
}

/// What there is once the lab runs for the first time. It stays when the engine ends.
fn mount_running(card: &Element, section: &Element, desk: Desk) {
    let wide = RwSignal::new(false);
    let lab = desk.lab.get_untracked();
    for task in &lab.tasks {
        let Some(item) = dom::find(section, &format!(".cb-task[data-task=\"{}\"]", task.id)) else { continue };
        let of = task.clone();
        match dom::find(&item, ".cb-hints") {
            Some(hints) => dom::before(&hints, "cb-task-widget", move || tasks::TaskWidget(desk, of)),
            None => dom::inside(&item, "cb-task-widget", move || tasks::TaskWidget(desk, of)),
        }
        if matches!(task.kind, TaskKind::Predict(_)) {
            dom::toggle_class(&item, "cb-prediction", true);
        }
        dom::set(&item, "data-widget", "task");
    }
    dom::inside(section, "cb-workbench", move || Workbench(desk, wide));
    dom::set(section, "data-widget", "lab");
    refill::follow_the_seed(card, desk);
    let section = section.clone();
    Effect::new(move |_| {
        dom::toggle_class(&section, "cb-wide", wide.get());
        if let Some(root) = document().document_element() {
            dom::toggle_class(&root, "cb-behind", wide.get());
        }
    });
}

/// The button that starts the engine, and what it says of itself.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
fn Start(desk: Desk) -> impl IntoView {
    let words = desk.context().words;
    let label = if desk.has_work() { words.resume_lab } else { words.start_lab };
    let crashed = move || {
        desk.phase.with(|phase| match phase {
            Phase::Crashed(why) => Some(fill(words.crashed, &[why])),
            _ => None,
        })
    };
    view! {
        <p class="cb-note" hidden=move || desk.phase.with(|phase| *phase != Phase::Off)>{words.lab_hint}</p>
        <button type="button" class="cb-button cb-primary cb-start" hidden=move || desk.phase.with(|phase| !matches!(phase, Phase::Off | Phase::Starting))
            disabled=move || desk.phase.with(|phase| *phase == Phase::Starting) on:click=move |_| desk.start()>
            {move || if desk.phase.with(|phase| *phase == Phase::Starting) { words.starting } else { label }}
        </button>
        <div class="cb-crash" role="alert">
            {move || crashed().map(|why| view! {
                <p class="cb-load-error">{why}</p>
                <button type="button" class="cb-button cb-primary cb-restart" on:click=move |_| desk.start()>{words.restart}</button>
            })}
        </div>
    }
}

/// Everything below the tasks.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
fn Workbench(desk: Desk, wide: RwSignal<bool>) -> impl IntoView {
    let words = desk.context().words;
    let standing = move || {
        let (passed, all) = desk.tasks.with(|tasks| (tasks.iter().filter(|task| task.passed).count(), tasks.len()));
        fill(words.standing, &[&passed.to_string(), &all.to_string()])
    };
    view! {
        <p class="cb-sr" role="status" aria-live="polite">{move || desk.news.get()}</p>
        {controls::Controls(desk, wide)}
        <p class="cb-verdict" data-passed=move || desk.passed.get().to_string()>
            {move || if desk.passed.get() { view! { <strong class="cb-right">{format!("✓ {}", words.lab_passed)}</strong> }.into_any() } else { standing().into_any() }}
        </p>
        <p class="cb-load-error cb-engine-error" role="alert">{move || desk.error.get()}</p>
        {editor::Editor(desk)}
        {terminal::Terminal(desk)}
        {cluster::ClusterView(desk)}
        {scheduler::SchedulerView(desk)}
        {autoscaler::AutoscalerView(desk)}
        {probes::ProbesView(desk)}
        {packets::PacketsView(desk)}
        {informers::InformersView(desk)}
        {timeline::Timeline(desk)}
    }
}

/// Keys that are typed in the lab are not the book's: it turns its pages with the arrows, and searches with `s`.
fn keep_keys(section: &Element) {
    let keep = Closure::<dyn FnMut(KeyboardEvent)>::new(|event: KeyboardEvent| event.stop_propagation());
    // Without the listener, the book only turns its pages too often.
    let _ = section.add_event_listener_with_callback("keydown", keep.as_ref().unchecked_ref());
    // It listens as long as the page is there.
    keep.forget();
}

/// Virtual time stands still while nobody can see it.
fn watch_visibility(desk: Desk) {
    let changed = Closure::<dyn FnMut()>::new(move || desk.seen(!document().hidden()));
    // Without the listener, time goes on in hidden tabs.
    let _ = document().add_event_listener_with_callback("visibilitychange", changed.as_ref().unchecked_ref());
    // It listens as long as the page is there.
    changed.forget();
}
