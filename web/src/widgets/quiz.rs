//! The questions of the quiz: answering, checking, and why an answer is right or wrong.

use crate::i18n::{Words, fill};
use crate::widgets::CardContext;
use crate::widgets::rich::{plain, rich};
use exercises::card::{Choice, Question, QuestionKind, in_lang, shown_order};
use exercises::lang::Lang;
use lab::Text;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// How long a typed answer may be.
const MAX_WORD: &str = "200";

/// What the learner gave to a question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Given {
    /// The choices by their number; for an order, the items by theirs.
    picked: Vec<usize>,
    /// The word or number.
    text: String,
    /// Whether it was checked, and not taken up again since.
    checked: bool,
    /// Whether it was right when it was checked.
    right: bool,
}

impl Given {
    /// The places of all items in the learner's order; the shown one as long as there is none, or when the card has changed.
    fn order(&self, items: &[Text]) -> Vec<usize> {
        let mut sorted = self.picked.clone();
        sorted.sort_unstable();
        if sorted.into_iter().eq(0..items.len()) { self.picked.clone() } else { shown_order(items) }
    }

    fn pick(&mut self, choice: usize, on: bool, many: bool) {
        self.picked.retain(|&picked| many && picked != choice);
        if on {
            self.picked.push(choice);
        }
    }

    fn number(&self) -> Option<f64> {
        self.text.trim().parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// Whether there is anything to check.
    fn is_complete(&self, kind: &QuestionKind) -> bool {
        match kind {
            QuestionKind::One(_) | QuestionKind::Many(_) => !self.picked.is_empty(),
            QuestionKind::Order(_) => true,
            QuestionKind::Fill(_) => !self.text.trim().is_empty(),
            QuestionKind::Numeric(_) => self.number().is_some(),
        }
    }

    fn is_right(&self, kind: &QuestionKind) -> bool {
        match kind {
            QuestionKind::One(choices) | QuestionKind::Many(choices) => {
                choices.iter().enumerate().all(|(index, choice)| choice.right == self.picked.contains(&index))
            }
            QuestionKind::Order(items) => self.order(items).into_iter().eq(0..items.len()),
            QuestionKind::Fill(asked) => asked.accept.iter().any(|accepted| same_word(accepted, &self.text)),
            QuestionKind::Numeric(asked) => self.number().is_some_and(|number| near(number, asked.answer, asked.tolerance)),
        }
    }
}

fn same_word(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

/// Whether a number is within the tolerance, but for the rounding of decimal fractions.
fn near(number: f64, answer: f64, tolerance: f64) -> bool {
    (number - answer).abs() <= tolerance + f64::EPSILON * answer.abs().max(1.0)
}

/// What is said after the check: whether it praises, what it is about, and why.
struct Remark {
    good: bool,
    about: Text,
    why: Option<Text>,
}

/// One remark for every choice that was picked or should have been; otherwise what the card says about this answer.
fn remarks(kind: &QuestionKind, given: &Given) -> Vec<Remark> {
    let word = |says: &Text| vec![Remark { good: false, about: Text::new(&given.text, &given.text), why: Some(says.clone()) }];
    match kind {
        QuestionKind::One(choices) | QuestionKind::Many(choices) => {
            let told = choices.iter().enumerate().filter(|(index, choice)| choice.right || given.picked.contains(index));
            told.map(|(_, choice)| Remark { good: choice.right, about: choice.text.clone(), why: Some(choice.feedback.clone()) }).collect()
        }
        QuestionKind::Order(items) => {
            let order = given.order(items);
            let told = items.iter().enumerate();
            told.map(|(place, item)| Remark { good: order.get(place) == Some(&place), about: item.clone(), why: None }).collect()
        }
        QuestionKind::Fill(asked) => {
            asked.feedback.iter().find(|known| same_word(&known.answer, &given.text)).map(|known| word(&known.says)).unwrap_or_default()
        }
        QuestionKind::Numeric(asked) => {
            let known = asked.feedback.iter().find(|known| given.number().is_some_and(|number| near(number, known.answer, 0.0)));
            known.map(|known| word(&known.says)).unwrap_or_default()
        }
    }
}

/// The right answer in words, where the remarks do not hold it.
fn solution(kind: &QuestionKind, lang: Lang) -> Option<String> {
    match kind {
        QuestionKind::Fill(asked) => asked.accept.first().cloned(),
        QuestionKind::Numeric(asked) => Some(format!("{} {}", asked.answer, in_lang(&asked.unit, lang))),
        QuestionKind::One(_) | QuestionKind::Many(_) | QuestionKind::Order(_) => None,
    }
}

/// The controls of one question.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn QuestionWidget(context: &CardContext, question: &Question, given: RwSignal<Given>) -> impl IntoView + use<> {
    let (words, lang) = (context.words, context.lang);
    let name = format!("card-{}-quiz-{}-answer", context.card.id, question.id);
    let input = match &question.kind {
        QuestionKind::One(choices) => choices_view(choices, &name, false, context, given).into_any(),
        QuestionKind::Many(choices) => choices_view(choices, &name, true, context, given).into_any(),
        QuestionKind::Order(items) => order_view(items, context, given).into_any(),
        QuestionKind::Fill(_) => word_view(words.your_word.to_owned(), name, "text", given).into_any(),
        QuestionKind::Numeric(asked) => {
            let label = format!("{} ({})", words.your_number, in_lang(&asked.unit, lang));
            word_view(label, name, "decimal", given).into_any()
        }
    };
    let (of_check, of_state, asked) = (question.kind.clone(), question.kind.clone(), question.clone());
    let wrong_number = move || {
        let wrong =
            matches!(of_state, QuestionKind::Numeric(_)) && given.with(|given| !given.text.trim().is_empty() && given.number().is_none());
        wrong.then_some(words.not_a_number)
    };
    let act = move |_| {
        given.update(|given| {
            if given.checked {
                given.checked = false;
            } else if given.is_complete(&of_check) {
                (given.checked, given.right) = (true, given.is_right(&of_check));
            }
        });
    };
    let kind = question.kind.clone();
    view! {
        {input}
        <p class="cb-note cb-input-problem" role="status">{wrong_number}</p>
        <button
            type="button"
            class="cb-button cb-check"
            disabled=move || given.with(|given| !given.checked && !given.is_complete(&kind))
            on:click=act
        >
            {move || if given.with(|given| given.checked) { words.again } else { words.check }}
        </button>
        <div class="cb-result" role="status">
            {move || given.with(|given| given.checked.then(|| result_view(&asked, given, words, lang)))}
        </div>
    }
}

fn choices_view(choices: &[Choice], name: &str, many: bool, context: &CardContext, given: RwSignal<Given>) -> impl IntoView + use<> {
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
                <span>{rich(in_lang(&choice.text, lang))}</span>
            </label>
        }
    });
    let choices = choices.collect_view();
    view! { <fieldset class="cb-choices"><legend class="cb-sr">{context.words.your_choices}</legend>{choices}</fieldset> }
}

fn order_view(items: &[Text], context: &CardContext, given: RwSignal<Given>) -> impl IntoView + use<> {
    let (words, lang, items) = (context.words, context.lang, items.to_vec());
    let rows = move || {
        let (order, checked) = given.with(|given| (given.order(&items), given.checked));
        let last = order.len().saturating_sub(1);
        let row = |(place, &item): (usize, &usize)| {
            let text = in_lang(&items[item], lang).to_owned();
            let (up, down) = (order.clone(), order.clone());
            let mover = move |order: Vec<usize>, to: usize| {
                let mut order = order;
                order.swap(place, to);
                given.update(|given| given.picked = order);
            };
            view! {
                <li>
                    <span class="cb-order-text">{rich(&text)}</span>
                    <button type="button" class="cb-button cb-small" disabled=checked || place == 0
                        aria-label=fill(words.up, &[&plain(&text)]) on:click=move |_| mover(up.clone(), place - 1)>"↑"</button>
                    <button type="button" class="cb-button cb-small" disabled=checked || place == last
                        aria-label=fill(words.down, &[&plain(&text)]) on:click=move |_| mover(down.clone(), place + 1)>"↓"</button>
                </li>
            }
        };
        order.iter().enumerate().map(row).collect_view()
    };
    view! { <ol class="cb-order" aria-label=words.your_order>{rows}</ol> }
}

fn word_view(label: String, name: String, mode: &'static str, given: RwSignal<Given>) -> impl IntoView {
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

fn result_view(question: &Question, given: &Given, words: &'static Words, lang: Lang) -> impl IntoView + use<> {
    let right = given.is_right(&question.kind);
    let (class, word) = verdict(right, words);
    let remarks = remarks(&question.kind, given).into_iter().map(|remark| {
        let (class, mark) = if remark.good { ("cb-right", "✓ ") } else { ("cb-wrong", "✗ ") };
        let why = remark.why.map(|why| view! { <br/>{rich(in_lang(&why, lang))} });
        view! { <li><strong class=class>{mark}{rich(in_lang(&remark.about, lang))}</strong>{why}</li> }
    });
    let remarks = remarks.collect_view();
    let solution = solution(&question.kind, lang).filter(|_| !right).map(|answer| view! { <p>{fill(words.right_answer, &[&answer])}</p> });
    let explanation = question.explanation.as_ref().map(|text| view! { <p>{rich(in_lang(text, lang))}</p> });
    view! { <p><strong class=class>{word}</strong></p><ol class="cb-remarks">{remarks}</ol>{solution}{explanation} }
}

fn verdict(right: bool, words: &'static Words) -> (&'static str, String) {
    if right { ("cb-right", format!("✓ {}", words.right)) } else { ("cb-wrong", format!("✗ {}", words.wrong)) }
}

/// How many questions are right, and a button that begins the quiz anew.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn Score(words: &'static Words, answers: Vec<RwSignal<Given>>) -> impl IntoView {
    let told = answers.clone();
    let score = move || {
        let count = |wanted: fn(&Given) -> bool| told.iter().filter(|given| given.with(wanted)).count().to_string();
        let (right, checked) = (count(|given| given.checked && given.right), count(|given| given.checked));
        fill(words.score, &[&right, &told.len().to_string(), &checked])
    };
    view! {
        <p class="cb-score" role="status">{score}</p>
        <button type="button" class="cb-button cb-start-over" on:click=move |_| answers.iter().for_each(|given| given.set(Given::default()))>
            {words.start_over}
        </button>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exercises::card::{Fill, FillFeedback, Numeric};

    fn text(text: &str) -> Text {
        Text::new(text, text)
    }

    fn choice(name: &str, right: bool) -> Choice {
        Choice { text: text(name), right, feedback: text("why") }
    }

    fn typed(text: &str) -> Given {
        Given { text: text.to_owned(), ..Given::default() }
    }

    #[test]
    fn choosing_one_drops_the_other_and_many_need_all() {
        let one = QuestionKind::One(vec![choice("a", true), choice("b", false)]);
        let mut given = Given::default();
        assert!(!given.is_complete(&one));
        given.pick(1, true, false);
        assert!(given.is_complete(&one) && !given.is_right(&one));
        assert_eq!(remarks(&one, &given).len(), 2, "the wrong one is explained, and the right one told");
        given.pick(0, true, false);
        assert_eq!(given.picked, [0]);
        assert!(given.is_right(&one));
        let many = QuestionKind::Many(vec![choice("a", true), choice("b", false), choice("c", true)]);
        assert!(!given.is_right(&many));
        given.pick(2, true, true);
        assert!(given.is_right(&many));
        given.pick(2, false, true);
        assert_eq!(given.picked, [0]);
    }

    #[test]
    fn an_order_that_is_none_falls_back_to_the_shown_one() {
        let items = vec![text("a"), text("b"), text("c")];
        let order = QuestionKind::Order(items.clone());
        assert!(!Given::default().is_right(&order), "the shown order never is the right one");
        for broken in [vec![0, 0, 1], vec![0, 1], vec![7, 1, 2]] {
            assert_eq!(Given { picked: broken, ..Given::default() }.order(&items), shown_order(&items));
        }
        assert!(Given { picked: vec![0, 1, 2], ..Given::default() }.is_right(&order));
    }

    #[test]
    fn words_and_numbers() {
        let says = FillFeedback { answer: "Node".into(), says: text("no") };
        let fill = QuestionKind::Fill(Fill { accept: vec!["Binding".into()], feedback: vec![says] });
        assert!(typed(" binding ").is_right(&fill));
        assert!(!typed("  ").is_complete(&fill));
        assert_eq!(remarks(&fill, &typed("NODE")).len(), 1);
        let numeric = QuestionKind::Numeric(Numeric { answer: 0.3, tolerance: 0.0, unit: text("s"), feedback: Vec::new() });
        assert!(typed("0.30").is_right(&numeric));
        assert!(!typed("0.31").is_right(&numeric));
        for none in ["", "three", "NaN", "inf"] {
            assert!(!typed(none).is_complete(&numeric), "{none}");
        }
    }
}
