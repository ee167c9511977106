//! The ways to answer: choosing, ordering, typing. The quiz and the predictions of a lab share them.

use crate::i18n::fill;
use crate::widgets::CardContext;
use crate::widgets::rich::{plain, rich};
use exercises::card::in_lang;
use lab::Text;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

/// How long a typed answer may be.
const MAX_WORD: &str = "200";

/// What the learner gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Given {
    /// The choices by their number; for an order, the items by theirs.
    pub(crate) picked: Vec<usize>,
    /// The word or number.
    pub(crate) text: String,
    /// Whether it was handed in, and not taken up again since.
    pub(crate) checked: bool,
    /// Whether it was right when it was handed in (the quiz).
    pub(crate) right: bool,
}

impl Given {
    /// The places of all items in the learner's order; `shown` as long as there is none, or when the card has changed.
    pub(crate) fn order(&self, shown: &[usize]) -> Vec<usize> {
        let mut sorted = self.picked.clone();
        sorted.sort_unstable();
        if sorted.into_iter().eq(0..shown.len()) { self.picked.clone() } else { shown.to_vec() }
    }

    /// Takes a choice, or leaves it. Unless there may be `many`, another is left for it.
    pub(crate) fn pick(&mut self, choice: usize, on: bool, many: bool) {
        self.picked.retain(|&picked| many && picked != choice);
        if on {
            self.picked.push(choice);
        }
    }

    /// The number that was typed.
    pub(crate) fn number(&self) -> Option<f64> {
        self.text.trim().parse().ok().filter(|number: &f64| number.is_finite())
    }
}

/// Choices, of which one or `many` may be taken. `name` is unique in the page.
pub(crate) fn choices_view(
    choices: &[Text],
    name: &str,
    many: bool,
    context: &CardContext,
    given: RwSignal<Given>,
) -> impl IntoView + use<> {
    let kind = if many { "checkbox" } else { "radio" };
    let lang = context.lang;
    let choices = choices.iter().enumerate().map(|(index, choice)| {
        view! {
            <label class="cb-choice">
                <input
                    type=kind
                    name=name.to_owned()
                    value=index.to_string()
                    disabled=move || given.with(|given| given.checked)
                    prop:checked=move || given.with(|given| given.picked.contains(&index))
                    on:change=move |event| given.update(|given| given.pick(index, event_target_checked(&event), many))
                />
                <span>{rich(in_lang(choice, lang))}</span>
            </label>
        }
    });
    let choices = choices.collect_view();
    view! { <fieldset class="cb-choices"><legend class="cb-sr">{context.words.your_choices}</legend>{choices}</fieldset> }
}

/// Items to put in order; `shown` is the order at first. The buttons of a moved item keep the focus.
pub(crate) fn order_view(
    items: &[Text],
    shown: Vec<usize>,
    name: &str,
    context: &CardContext,
    given: RwSignal<Given>,
) -> impl IntoView + use<> {
    let (words, lang, items, name) = (context.words, context.lang, items.to_vec(), name.to_owned());
    let rows = move || {
        let (order, checked) = given.with(|given| (given.order(&shown), given.checked));
        let last = order.len().saturating_sub(1);
        let row = |(place, &item): (usize, &usize)| {
            let text = in_lang(&items[item], lang).to_owned();
            let (up, down) =
                (move_button(&order, place, place.wrapping_sub(1), &name, given), move_button(&order, place, place + 1, &name, given));
            view! {
                <li>
                    <span class="cb-order-text">{rich(&text)}</span>
                    <button type="button" class="cb-button cb-small cb-up" id=format!("{name}-up-{place}") disabled=checked || place == 0
                        aria-label=fill(words.up, &[&plain(&text)]) on:click=up>"↑"</button>
                    <button type="button" class="cb-button cb-small cb-down" id=format!("{name}-down-{place}") disabled=checked || place == last
                        aria-label=fill(words.down, &[&plain(&text)]) on:click=down>"↓"</button>
                </li>
            }
        };
        order.iter().enumerate().map(row).collect_view()
    };
    view! { <ol class="cb-order" aria-label=words.your_order>{rows}</ol> }
}

/// Exchanges two places, and takes the focus along.
fn move_button<E>(order: &[usize], from: usize, to: usize, name: &str, given: RwSignal<Given>) -> impl Fn(E) + use<E> {
    let (order, name) = (order.to_vec(), name.to_owned());
    move |_| {
        if to >= order.len() {
            return;
        }
        let mut order = order.clone();
        order.swap(from, to);
        let last = order.len() - 1;
        given.update(|given| given.picked = order);
        let way = if to == 0 || (to > from && to < last) { "down" } else { "up" };
        let button = format!("{name}-{way}-{to}");
        request_animation_frame(move || {
            if let Some(button) = document().get_element_by_id(&button).and_then(|button| button.dyn_into::<HtmlElement>().ok()) {
                // A button that cannot be focused leaves the focus where it is.
                let _ = button.focus();
            }
        });
    }
}

/// A line to type a word or a number into. `name` is unique in the page; `mode` is the keyboard that a phone shows.
pub(crate) fn word_view(label: String, name: String, mode: &'static str, given: RwSignal<Given>) -> impl IntoView {
    view! {
        <label class="cb-label" for=name.clone()>{label}</label>
        <input
            class="cb-input"
            type="text"
            id=name
            inputmode=mode
            autocomplete="off"
            autocapitalize="off"
            spellcheck="false"
            maxlength=MAX_WORD
            readonly=move || given.with(|given| given.checked)
            prop:value=move || given.with(|given| given.text.clone())
            on:input=move |event| given.update(|given| given.text = event_target_value(&event))
        />
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_is_none_falls_back_to_the_shown_one() {
        for broken in [vec![0, 0, 1], vec![0, 1], vec![7, 1, 2]] {
            assert_eq!(Given { picked: broken, ..Given::default() }.order(&[2, 1, 0]), [2, 1, 0]);
        }
        assert_eq!(Given { picked: vec![1, 0, 2], ..Given::default() }.order(&[2, 1, 0]), [1, 0, 2]);
    }

    #[test]
    fn choosing_one_drops_the_other_and_many_keep_it() {
        let mut given = Given::default();
        given.pick(1, true, false);
        given.pick(0, true, false);
        assert_eq!(given.picked, [0]);
        given.pick(2, true, true);
        assert_eq!(given.picked, [0, 2]);
        given.pick(0, false, true);
        assert_eq!(given.picked, [2]);
    }
}
