//! The questions of the quiz: answering, checking, and why an answer is right or wrong.

use crate::i18n::{Words, fill};
use crate::widgets::CardContext;
use crate::widgets::inputs::{Given, choices_view, order_view, word_view};
use crate::widgets::rich::rich;
use exercises::card::{Choice, Question, QuestionKind, in_lang, shown_order};
use exercises::lang::Lang;
use lab::Text;
use leptos::prelude::*;

/// Whether there is anything to check.
fn is_complete(given: &Given, kind: &QuestionKind) -> bool {
    match kind {
        QuestionKind::One(_) | QuestionKind::Many(_) => !given.picked.is_empty(),
        QuestionKind::Order(_) => true,
        QuestionKind::Fill(_) => !given.text.trim().is_empty(),
        QuestionKind::Numeric(_) => given.number().is_some(),
    }
}

fn is_right(given: &Given, kind: &QuestionKind) -> bool {
    match kind {
        QuestionKind::One(choices) | QuestionKind::Many(choices) => {
            choices.iter().enumerate().all(|(index, choice)| choice.right == given.picked.contains(&index))
        }
        QuestionKind::Order(items) => given.order(&shown_order(items)).into_iter().eq(0..items.len()),
        QuestionKind::Fill(asked) => asked.accept.iter().any(|accepted| same_word(accepted, &given.text)),
        QuestionKind::Numeric(asked) => given.number().is_some_and(|number| near(number, asked.answer, asked.tolerance)),
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
            let order = given.order(&shown_order(items));
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
        QuestionKind::One(choices) => choices_view(&texts(choices), &name, false, context, given).into_any(),
        QuestionKind::Many(choices) => choices_view(&texts(choices), &name, true, context, given).into_any(),
        QuestionKind::Order(items) => order_view(items, shown_order(items), &name, context, given).into_any(),
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
            } else if is_complete(given, &of_check) {
                (given.checked, given.right) = (true, is_right(given, &of_check));
            }
        });
    };
    let kind = question.kind.clone();
    view! {
        {input}
        <p class="cb-note cb-input-problem" role="status">{wrong_number}</p>
        <button
            type="button"
            class="cb-button cb-answer"
            disabled=move || given.with(|given| !given.checked && !is_complete(given, &kind))
            on:click=act
        >
            {move || if given.with(|given| given.checked) { words.again } else { words.check }}
        </button>
        <div class="cb-result" role="status">
            {move || given.with(|given| given.checked.then(|| result_view(&asked, given, words, lang)))}
        </div>
    }
}

fn texts(choices: &[Choice]) -> Vec<Text> {
    choices.iter().map(|choice| choice.text.clone()).collect()
}

fn result_view(question: &Question, given: &Given, words: &'static Words, lang: Lang) -> impl IntoView + use<> {
    let right = is_right(given, &question.kind);
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
        assert!(!is_complete(&given, &one));
        given.pick(1, true, false);
        assert!(is_complete(&given, &one) && !is_right(&given, &one));
        assert_eq!(remarks(&one, &given).len(), 2, "the wrong one is explained, and the right one told");
        given.pick(0, true, false);
        assert_eq!(given.picked, [0]);
        assert!(is_right(&given, &one));
        let many = QuestionKind::Many(vec![choice("a", true), choice("b", false), choice("c", true)]);
        assert!(!is_right(&given, &many));
        given.pick(2, true, true);
        assert!(is_right(&given, &many));
    }

    #[test]
    fn an_order_is_right_only_when_the_learner_made_it() {
        let items = vec![text("a"), text("b"), text("c")];
        let order = QuestionKind::Order(items);
        assert!(!is_right(&Given::default(), &order), "the shown order never is the right one");
        assert!(is_right(&Given { picked: vec![0, 1, 2], ..Given::default() }, &order));
    }

    #[test]
    fn words_and_numbers() {
        let says = FillFeedback { answer: "Node".into(), says: text("no") };
        let fill = QuestionKind::Fill(Fill { accept: vec!["Binding".into()], feedback: vec![says] });
        assert!(is_right(&typed(" binding "), &fill));
        assert!(!is_complete(&typed("  "), &fill));
        assert_eq!(remarks(&fill, &typed("NODE")).len(), 1);
        let numeric = QuestionKind::Numeric(Numeric { answer: 0.3, tolerance: 0.0, unit: text("s"), feedback: Vec::new() });
        assert!(is_right(&typed("0.30"), &numeric));
        assert!(!is_right(&typed("0.31"), &numeric));
        for none in ["", "three", "NaN", "inf"] {
            assert!(!is_complete(&typed(none), &numeric), "{none}");
        }
    }
}
