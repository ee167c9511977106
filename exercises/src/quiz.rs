//! Judging answers to the questions of a quiz.

use crate::card::{Choice, QuestionKind};
use lab::Text;

/// An answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// The chosen ones, as places in the card's list; or the items in the order that was given to them.
    Places(Vec<usize>),
    /// A word or a number.
    Text(String),
}

/// Whether an answer is right. One of the wrong form is not.
pub fn is_right(kind: &QuestionKind, given: &Given) -> bool {
    match (kind, given) {
        (QuestionKind::One(choices) | QuestionKind::Many(choices), Given::Places(places)) => {
            choices.iter().enumerate().all(|(place, choice)| choice.right == places.contains(&place))
        }
        (QuestionKind::Order(items), Given::Places(places)) => places.iter().copied().eq(0..items.len()),
        (QuestionKind::Fill(fill), Given::Text(text)) => fill.accept.iter().any(|word| same_word(word, text)),
        (QuestionKind::Numeric(numeric), Given::Text(text)) => {
            number(text).is_some_and(|given| near(given, numeric.answer, numeric.tolerance))
        }
        _ => false,
    }
}

/// What the card says to this answer: why each choice that was made or missed is right or wrong, with the choice; or the remark on a wrong
/// word or number.
pub fn feedback<'a>(kind: &'a QuestionKind, given: &Given) -> Vec<(Option<&'a Choice>, &'a Text)> {
    match (kind, given) {
        (QuestionKind::One(choices) | QuestionKind::Many(choices), Given::Places(places)) => {
            let told = choices.iter().enumerate().filter(|(place, choice)| choice.right || places.contains(place));
            told.map(|(_, choice)| (Some(choice), &choice.feedback)).collect()
        }
        (QuestionKind::Fill(fill), Given::Text(text)) => {
            fill.feedback.iter().filter(|known| same_word(&known.answer, text)).map(|known| (None, &known.says)).collect()
        }
        (QuestionKind::Numeric(numeric), Given::Text(text)) => {
            let said = |known: f64| number(text).is_some_and(|given| near(given, known, 0.0));
            numeric.feedback.iter().filter(|known| said(known.answer)).map(|known| (None, &known.says)).collect()
        }
        _ => Vec::new(),
    }
}

/// The number at the beginning of a text; its unit may follow after a blank.
pub fn number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok().filter(|number: &f64| number.is_finite())
}

fn same_word(a: &str, b: &str) -> bool {
    let plain = |word: &str| word.trim().trim_matches('`').to_lowercase();
    plain(a) == plain(b)
}

/// Whether a number is within the tolerance, but for the rounding of decimal fractions.
fn near(given: f64, answer: f64, tolerance: f64) -> bool {
    (given - answer).abs() <= tolerance + f64::EPSILON * answer.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn kind(json: Value) -> QuestionKind {
        serde_json::from_value(json).unwrap()
    }

    fn text() -> Value {
        json!({"en": "x", "zh": "x"})
    }

    #[test]
    fn choices_are_right_when_all_and_only_the_right_ones_are_made() {
        let choice = |right: bool| json!({"text": text(), "right": right, "feedback": text()});
        let many = kind(json!({"many": [choice(true), choice(false), choice(true)]}));
        for (places, right) in [(vec![0, 2], true), (vec![2, 0], true), (vec![0], false), (vec![0, 1, 2], false), (vec![], false)] {
            assert_eq!(is_right(&many, &Given::Places(places.clone())), right, "{places:?}");
        }
        assert_eq!(feedback(&many, &Given::Places(vec![1])).len(), 3, "the wrong one, and both that were missed");
        let order = kind(json!({"order": [text(), text(), text()]}));
        assert!(is_right(&order, &Given::Places(vec![0, 1, 2])) && !is_right(&order, &Given::Places(vec![0, 1])));
    }

    #[test]
    fn words_and_numbers_are_read_kindly() {
        let fill = kind(json!({"fill": {"accept": ["Binding"], "feedback": [{"answer": "Node", "says": text()}]}}));
        let given = |text: &str| Given::Text(text.to_owned());
        assert!(is_right(&fill, &given(" binding ")) && is_right(&fill, &given("`Binding`")) && !is_right(&fill, &given("")));
        assert_eq!(feedback(&fill, &given("node")).len(), 1);
        let numeric = kind(json!({"numeric": {"answer": 0.3, "tolerance": 0.1, "unit": text()}}));
        for (text, right) in [("0.2", true), ("0.4 s", true), ("0.41", false), ("NaN", false), ("inf", false), ("x", false), ("", false)] {
            assert_eq!(is_right(&numeric, &given(text)), right, "{text}");
        }
    }
}
