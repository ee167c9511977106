//! A task of the lab: the checks as they stand, or the prediction to be made and what became of it.

use super::desk::Desk;
use super::work::{answer_of, prediction_key};
use crate::i18n::{Words, fill};
use crate::widgets::inputs::{Given, choices_view, order_view, word_view};
use crate::widgets::rich::{paragraphs, rich};
use exercises::card::in_lang;
use exercises::lang::Lang;
use lab::{Answer, CheckResult, Input, Items, Operate, Predict, PredictionResult, Task, TaskKind, Text, When};
use leptos::prelude::*;
use std::collections::BTreeSet;

/// How many events of a prediction's run are told.
const MAX_TOLD: usize = 40;

/// What a task shows while the lab runs.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn TaskWidget(desk: Desk, task: Task) -> AnyView {
    match &task.kind {
        TaskKind::Operate(operate) => checks(desk, task.id.clone(), lasting(operate)).into_any(),
        TaskKind::Predict(predict) => prediction(desk, &task, predict).into_any(),
    }
}

/// The checks that must hold all the time: once broken, only a fresh cluster helps.
fn lasting(operate: &Operate) -> BTreeSet<String> {
    operate.checks.iter().filter(|check| check.when == When::Always).map(|check| check.id.clone()).collect()
}

fn checks(desk: Desk, task: String, lasting: BTreeSet<String>) -> impl IntoView {
    let context = desk.context();
    let (words, lang) = (context.words, context.lang);
    let (id, name) = (task.clone(), task.clone());
    let passed = Memo::new(move |_| desk.tasks.with(|tasks| tasks.iter().any(|result| result.id == id && result.passed)));
    let results = Memo::new(move |_| {
        desk.tasks.with(|tasks| tasks.iter().find(|result| result.id == task).map(|result| result.checks.clone()).unwrap_or_default())
    });
    let list = move || {
        let (passed, tried) = (passed.get(), desk.tried.get());
        results.with(|results| results.iter().map(|result| check(&name, result, passed, tried, words, lang)).collect_view())
    };
    let broken = move || {
        let broken = results.with(|results| results.iter().any(|result| !result.passed && lasting.contains(&result.id)));
        (broken && desk.tried.get() && !passed.get()).then_some(words.needs_reset)
    };
    view! {
        <p class="cb-task-verdict" data-passed=move || passed.get().to_string()>
            {move || if passed.get() { view! { <strong class="cb-right">{format!("✓ {}", words.passed)}</strong> }.into_any() } else { words.open.into_any() }}
        </p>
        <ul class="cb-check-results" aria-label=words.checks>{list}</ul>
        <p class="cb-note">{broken}</p>
    }
}

/// A task that was passed stays passed, whatever its checks say later.
fn check(task: &str, result: &CheckResult, task_passed: bool, tried: bool, words: &'static Words, lang: Lang) -> impl IntoView + use<> {
    let (state, mark, class) = match (result.passed || task_passed, tried) {
        (true, _) => (words.holds, "✓", "cb-right"),
        (false, true) => (words.holds_not, "✗", "cb-wrong"),
        (false, false) => (words.holds_not, "○", "cb-open"),
    };
    let actual = in_lang(&result.actual, lang).to_owned();
    let actual = (!result.passed && !task_passed && tried && !actual.is_empty())
        .then(|| view! { <span class="cb-actual">{words.actual}" "<code>{actual}</code></span> });
    view! {
        <li class="cb-check" data-check=format!("{task}/{}", result.id) data-passed=(result.passed || task_passed).to_string()>
            <span class=class aria-hidden="true">{mark}</span>
            <span><span class="cb-sr">{state}" "</span>{rich(in_lang(&result.expected, lang))}{actual}</span>
        </li>
    }
}

fn prediction(desk: Desk, task: &Task, predict: &Predict) -> impl IntoView + use<> {
    let context = desk.context();
    let (words, lang) = (context.words, context.lang);
    let given = context.store.signal::<Given>(&prediction_key(&task.id));
    open_again_with_other_numbers(desk, given);
    let name = format!("card-{}-task-{}-answer", context.card.id, task.id);
    let input = match &predict.input {
        Input::Choice(items) => choices_view(&texts(items), &name, false, &context, given).into_any(),
        Input::Order(items) => order_view(&texts(items), (0..items.items.len()).collect(), &name, &context, given).into_any(),
        Input::Number(asked) => {
            word_view(format!("{} ({})", words.your_number, in_lang(&asked.unit, lang)), name, "decimal", given).into_any()
        }
        Input::Text(asked) => {
            word_view(format!("{} ({})", words.your_word, in_lang(&asked.placeholder, lang)), name, "text", given).into_any()
        }
    };
    let (id, kind) = (task.id.clone(), task.kind.clone());
    let of_complete = kind.clone();
    let complete = Memo::new(move |_| given.with(|given| answer_of(&of_complete, given).is_some()));
    let of_result = id.clone();
    let result = Memo::new(move |_| given.with(|given| given.checked).then(|| desk.prediction(&of_result)).flatten());
    let act = move |_| {
        given.update(|given| given.checked = !given.checked && answer_of(&kind, given).is_some());
        if given.with_untracked(|given| given.checked) {
            desk.predict(&id, &given.get_untracked());
        }
    };
    let input_of = predict.input.clone();
    view! {
        {input}
        <button type="button" class="cb-button cb-predict" disabled=move || !complete.get() on:click=act>
            {move || if given.with(|given| given.checked) { words.again } else { words.commit }}
        </button>
        <div class="cb-result" role="status">
            {move || match (given.with(|given| given.checked), result.get()) {
                (true, Some(result)) => Some(outcome(&result, &input_of, words, lang).into_any()),
                (true, None) => Some(words.computing.into_any()),
                (false, _) => None,
            }}
        </div>
    }
}

fn open_again_with_other_numbers(desk: Desk, given: RwSignal<Given>) {
    Effect::new(move |before: Option<u64>| {
        let seed = desk.seed.get();
        if before.is_some_and(|before| before != seed) {
            given.set(Given::default());
        }
        seed
    });
}

fn texts(items: &Items) -> Vec<Text> {
    items.items.iter().map(|item| item.text.clone()).collect()
}

fn outcome(result: &PredictionResult, input: &Input, words: &'static Words, lang: Lang) -> impl IntoView + use<> {
    let (class, verdict) =
        if result.passed { ("cb-right", format!("✓ {}", words.right)) } else { ("cb-wrong", format!("✗ {}", words.wrong)) };
    let truth = truth_view(&result.truth, input, lang);
    let left_out = result.events.len().saturating_sub(MAX_TOLD);
    let event = |event: &lab::EventView| {
        view! { <li><time>{super::controls::clock(event.at_ms)}</time>" "<span class="cb-actor">{event.actor.clone()}</span>" "{event.text.clone()}</li> }
    };
    let events = result.events.iter().skip(left_out).map(event).collect_view();
    let earlier = (left_out > 0).then(|| view! { <p class="cb-note">{fill(words.and_more, &[&left_out.to_string()])}</p> });
    view! {
        <p data-passed=result.passed.to_string()><strong class=class>{verdict}</strong></p>
        <p class="cb-truth">{words.truth}</p>
        {truth}
        <div class="cb-explanation">{paragraphs(in_lang(&result.explanation, lang))}</div>
        <details class="cb-told"><summary>{words.what_happened}</summary>{earlier}<ol>{events}</ol></details>
    }
}

/// The truth in the words of the question.
fn truth_view(truth: &Answer, input: &Input, lang: Lang) -> AnyView {
    let word = |items: &Items, id: &str| {
        items.items.iter().find(|item| item.id == id).map_or_else(|| id.to_owned(), |item| in_lang(&item.text, lang).to_owned())
    };
    match (input, truth) {
        (Input::Choice(items), Answer::Text(id)) => view! { <p>{rich(&word(items, id))}</p> }.into_any(),
        (Input::Order(items), Answer::Order(ids)) => {
            let items = ids.iter().map(|id| view! { <li>{rich(&word(items, id))}</li> }).collect_view();
            view! { <ol>{items}</ol> }.into_any()
        }
        (Input::Number(asked), truth) => view! { <p>{format!("{truth} {}", in_lang(&asked.unit, lang))}</p> }.into_any(),
        (_, truth) => view! { <p><code>{truth.to_string()}</code></p> }.into_any(),
    }
}
