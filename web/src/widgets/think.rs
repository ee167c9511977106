//! Think first: the learner's own answer, then the book's, then a score against the rubric.

use crate::i18n::{Words, fill};
use crate::storage::Store;
use crate::widgets::CardContext;
use crate::widgets::rich::rich;
use exercises::card::in_lang;
use leptos::prelude::*;
use std::collections::BTreeSet;

/// How long an own answer may be, in UTF-16 units: about twenty pages.
const MAX_ANSWER: &str = "20000";

/// The place for the learner's answer, and the button that shows the book's.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn Think(context: &CardContext, revealed: RwSignal<bool>) -> impl IntoView + use<> {
    let words = context.words;
    let own = context.store.signal::<String>("own-answer");
    let (id, hint) = (format!("card-{}-own", context.card.id), format!("card-{}-own-hint", context.card.id));
    view! {
        <label class="cb-label" for=id.clone()>{words.own_answer}</label>
        <textarea
            class="cb-own-answer"
            rows="4"
            id=id
            maxlength=MAX_ANSWER
            aria-describedby=hint.clone()
            prop:value=move || own.get()
            on:input=move |event| own.set(event_target_value(&event))
        ></textarea>
        <p class="cb-note" id=hint>{words.own_answer_hint}</p>
        <button
            type="button"
            class="cb-button cb-primary cb-reveal"
            aria-expanded=move || revealed.get().to_string()
            on:click=move |_| revealed.update(|shown| *shown = !*shown)
        >
            {move || if revealed.get() { words.hide } else { words.reveal }}
        </button>
    }
}

/// The rubric's points to tick off.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn SelfScore(context: &CardContext) -> impl IntoView + use<> {
    let (words, lang) = (context.words, context.lang);
    let made = context.store.signal::<BTreeSet<usize>>("rubric");
    let count = context.card.rubric.len();
    let points = context.card.rubric.iter().enumerate().map(|(index, point)| {
        view! {
            <label class="cb-choice">
                <input
                    type="checkbox"
                    prop:checked=move || made.with(|made| made.contains(&index))
                    on:change=move |event| made.update(|made| {
                        if event_target_checked(&event) { made.insert(index) } else { made.remove(&index) };
                    })
                />
                <span>{rich(in_lang(point, lang))}</span>
            </label>
        }
    });
    let points = points.collect_view();
    let said = move || {
        let number = made.with(|made| made.range(..count).count());
        fill(words.said, &[&number.to_string(), &count.to_string()])
    };
    view! {
        <fieldset class="cb-choices">
            <legend>{words.self_score}</legend>
            {points}
        </fieldset>
        <p class="cb-score" role="status">{said}</p>
    }
}

/// Says when the browser does not keep what is typed.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn StorageNote(store: &Store, words: &'static Words) -> impl IntoView + use<> {
    let refused = store.refused;
    view! { <p class="cb-load-error" role="status" hidden=move || !refused.get()>{move || refused.get().then_some(words.not_kept)}</p> }
}
