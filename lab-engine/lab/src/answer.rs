//! Answers to predictions, and how they are compared with the truth.

use crate::spec::{Input, Predict};
use cel::Value;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An answer to a prediction, or its truth. In JSON and YAML plainly a number, a text or a list of ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// A number.
    Number(f64),
    /// An option's id, or a word.
    Text(String),
    /// The ids of all items, in order.
    Order(Vec<String>),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Number(number) => write!(f, "{number}"),
            Answer::Text(text) => f.write_str(text),
            Answer::Order(ids) => f.write_str(&ids.join(", ")),
        }
    }
}

/// A truth that does not fit the question: the card is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TruthError {
    /// It is of the wrong type.
    #[error("the truth is {found}, but {wanted} is asked for")]
    Type {
        /// What the expression gave.
        found: String,
        /// What the question asks for.
        wanted: &'static str,
    },
    /// It names no option.
    #[error("the truth is `{0}`, which is no option")]
    NoOption(String),
}

/// The expression's value as the truth of this prediction.
pub(crate) fn truth(predict: &Predict, value: &Value) -> Result<Answer, TruthError> {
    let wrong = |wanted| TruthError::Type { found: render(value), wanted };
    let known = |items: &crate::spec::Items, id: &str| items.items.iter().any(|item| item.id == id);
    match (&predict.input, value) {
        (Input::Number(_), Value::Int(number)) => Ok(Answer::Number(*number as f64)),
        (Input::Number(_), Value::Float(number)) => Ok(Answer::Number(*number)),
        (Input::Number(_), _) => Err(wrong("a number")),
        (Input::Text(_), Value::String(text)) => Ok(Answer::Text(text.to_string())),
        (Input::Text(_), _) => Err(wrong("a text")),
        (Input::Choice(items), Value::String(id)) if known(items, id) => Ok(Answer::Text(id.to_string())),
        (Input::Choice(_), Value::String(id)) => Err(TruthError::NoOption(id.to_string())),
        (Input::Choice(_), _) => Err(wrong("an option's id")),
        (Input::Order(items), Value::List(list)) => {
            let ids: Option<Vec<String>> =
                list.iter().map(|id| if let Value::String(id) = id { Some(id.to_string()) } else { None }).collect();
            let ids = ids.ok_or_else(|| wrong("a list of ids"))?;
            let stranger = ids.iter().find(|id| !known(items, id)).cloned();
            match stranger {
                Some(id) => Err(TruthError::NoOption(id)),
                None if ids.len() == items.items.len() => Ok(Answer::Order(ids)),
                None => Err(wrong("a list of all ids")),
            }
        }
        (Input::Order(_), _) => Err(wrong("a list of ids")),
    }
}

/// Whether an answer is right.
pub(crate) fn is_right(predict: &Predict, answer: &Answer, truth: &Answer) -> bool {
    match (&predict.input, answer, truth) {
        (Input::Number(input), Answer::Number(given), Answer::Number(truth)) => (given - truth).abs() <= input.tolerance,
        (Input::Text(_), Answer::Text(given), Answer::Text(truth)) => given.trim().to_lowercase() == truth.trim().to_lowercase(),
        _ => answer == truth,
    }
}

/// A value as a learner reads it: texts plain, everything else as JSON, cut when long.
pub(crate) fn render(value: &Value) -> String {
    const SHOWN: usize = 400;
    let text = match value {
        Value::String(text) => text.to_string(),
        other => other.json().map_or_else(|_| "something without a value".to_owned(), |json| json.to_string()),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn predict(input: serde_json::Value) -> Predict {
        let text = json!({"en": "", "zh": ""});
        serde_json::from_value(json!({"input": input, "run": [], "truth": "1", "explanation": text})).unwrap()
    }

    fn items() -> serde_json::Value {
        let text = json!({"en": "", "zh": ""});
        json!({"items": [{"id": "a", "text": text}, {"id": "b", "text": text}]})
    }

    #[test]
    fn answers_are_compared_as_their_input_asks() {
        let number = predict(json!({"number": {"unit": {"en": "s", "zh": "秒"}, "tolerance": 0.5}}));
        assert_eq!(truth(&number, &Value::Int(10)), Ok(Answer::Number(10.0)));
        assert!(is_right(&number, &Answer::Number(10.4), &Answer::Number(10.0)));
        assert!(!is_right(&number, &Answer::Number(10.6), &Answer::Number(10.0)));
        assert!(!is_right(&number, &Answer::Number(f64::NAN), &Answer::Number(10.0)));
        let order = predict(json!({"order": items()}));
        let ids = |ids: [&str; 2]| Answer::Order(ids.map(str::to_owned).to_vec());
        assert!(is_right(&order, &ids(["a", "b"]), &ids(["a", "b"])) && !is_right(&order, &ids(["b", "a"]), &ids(["a", "b"])));
        let text = predict(json!({"text": {"placeholder": {"en": "x", "zh": "x"}}}));
        assert!(is_right(&text, &Answer::Text(" Kubelet ".to_owned()), &Answer::Text("kubelet".to_owned())));
    }

    #[test]
    fn a_truth_that_answers_nothing_is_an_error() {
        let choice = predict(json!({"choice": items()}));
        assert_eq!(truth(&choice, &Value::from("c")), Err(TruthError::NoOption("c".to_owned())));
        let error = truth(&choice, &Value::Int(3)).unwrap_err();
        assert_eq!(error.to_string(), "the truth is 3, but an option's id is asked for");
        let order = predict(json!({"order": items()}));
        assert!(truth(&order, &Value::from(vec![Value::from("a")])).is_err());
    }

    #[test]
    fn answers_are_plain_in_json() {
        for (json, answer) in [(json!(3.0), Answer::Number(3.0)), (json!("x"), Answer::Text("x".to_owned()))] {
            assert_eq!(serde_json::from_value::<Answer>(json.clone()).unwrap(), answer);
            assert_eq!(serde_json::to_value(&answer).unwrap(), json);
        }
        assert_eq!(serde_json::from_str::<Answer>("3").unwrap(), Answer::Number(3.0));
    }
}
