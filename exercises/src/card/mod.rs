//! Cards: a question with its answer, a quiz and a lab, in both languages.
//!
//! One YAML file each in `exercises/cards/<topic>/<id>.yaml`. `Card::parse` reads one with places in the file, [`validate`](fn@validate) holds every
//! rule, and the book, the page, the terminal and the tests all go through these. The page gets a card as JSON and needs neither the
//! reader of YAML nor files (they come with the feature `program`).
//! [`grade`] grades the whole deck: solutions must pass, wrong attempts must fail where their card says.
//!
//! ```yaml
//! id: pod-creation
//! topic: pods
//! level: 1
//! tags: [pod, scheduler]
//! sources: [{title: Pods, url: "https://kubernetes.io/docs/concepts/workloads/pods/"}]
//! question: {en: How is a Pod created?, zh: Pod 是怎样创建的？}
//! answer: {short: {en: …, zh: …}, detail: {en: …, zh: …}}
//! rubric: [{en: …, zh: …}]
//! pitfalls: [{says: {en: …, zh: …}, fact: {en: …, zh: …}}]
//! quiz: [{id: writes, question: {…}, kind: {one: [{text: {…}, right: true, feedback: {…}}, …]}}]
//! lab: {…}
//! solution: {files: {…}, commands: "kubectl apply -f web.yaml"}
//! wrong: [{id: …, says: {…}, commands: …, caughtBy: task/check}]
//! ```

#[cfg(feature = "program")]
mod deck;
#[cfg(feature = "program")]
pub mod grade;
#[cfg(feature = "program")]
mod parse;
mod validate;

#[cfg(feature = "program")]
pub use deck::{Deck, DeckError};
pub use validate::{Problem, validate};

use crate::lang::Lang;
use lab::{Lab, Text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Card {
    /// Its name among all cards, and the name of its file.
    pub id: String,
    /// The folder it stands in.
    pub topic: String,
    /// How deep it goes: 1 (everyone), 2 (operators), 3 (experts).
    pub level: u8,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The heading of the source notes that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// Where the facts stand.
    pub sources: Vec<Source>,
    /// The question.
    pub question: Text,
    /// The answer.
    pub answer: Answer,
    /// The points an interviewer listens for; Markdown.
    pub rubric: Vec<Text>,
    /// What people and older notes get wrong.
    pub pitfalls: Vec<Pitfall>,
    /// Questions with feedback.
    pub quiz: Vec<Question>,
    /// The lab.
    pub lab: Lab,
    /// An attempt that passes.
    pub solution: Solution,
    /// Attempts that must fail.
    pub wrong: Vec<WrongAttempt>,
}

/// A page that a card rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its title, in its own language.
    pub title: String,
    /// Its address, `https` only.
    pub url: String,
}

/// An answer, as one would give it aloud, and then in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Some sentences to say; Markdown.
    pub short: Text,
    /// The whole story; Markdown.
    pub detail: Text,
}

/// Something that is often said and wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pitfall {
    /// What is said; Markdown.
    pub says: Text,
    /// What is true; Markdown.
    pub fact: Text,
}

/// A question of the quiz.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Question {
    /// Its name within the card.
    pub id: String,
    /// What is asked; Markdown.
    pub question: Text,
    /// How it is answered.
    pub kind: QuestionKind,
    /// Shown after the answer, whatever it was; Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Text>,
}

/// The kinds of questions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum QuestionKind {
    /// Exactly one choice is right.
    One(Vec<Choice>),
    /// Any number of choices is right.
    Many(Vec<Choice>),
    /// The items stand here in their right order; they are shown in another.
    Order(Vec<Text>),
    /// A word or phrase is missing.
    Fill(Fill),
    /// A number is asked for.
    Numeric(Numeric),
}

/// A choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What it says; Markdown.
    pub text: Text,
    /// Whether it is right.
    #[serde(default)]
    pub right: bool,
    /// Why it is right or wrong; Markdown.
    pub feedback: Text,
}

/// A word to be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// What is accepted, the best first. Case and surrounding blanks do not matter.
    pub accept: Vec<String>,
    /// Wrong answers that are worth a word.
    #[serde(default)]
    pub feedback: Vec<FillFeedback>,
}

/// What to say to one wrong answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillFeedback {
    /// The answer.
    pub answer: String,
    /// Why it is wrong; Markdown.
    pub says: Text,
}

/// A number to be given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numeric {
    /// The right number.
    pub answer: f64,
    /// How far off an answer may be.
    #[serde(default)]
    pub tolerance: f64,
    /// What is counted.
    pub unit: Text,
    /// Wrong numbers that are worth a word.
    #[serde(default)]
    pub feedback: Vec<NumericFeedback>,
}

/// What to say to one wrong number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumericFeedback {
    /// The number.
    pub answer: f64,
    /// Why it is wrong; Markdown.
    pub says: Text,
}

/// An attempt that passes every `operate` task. Predictions are not part of it: the engine computes their truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Solution {
    /// The files that differ from the lab's.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// The script: a command a line, `wait 30s`, `# comments`.
    pub commands: String,
    /// Why it works; Markdown.
    pub explanation: Text,
}

/// An attempt that must fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct WrongAttempt {
    /// Its name within the card.
    pub id: String,
    /// What the mistake is.
    pub says: Text,
    /// The files that differ from the lab's.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// The script; empty when only predictions are made.
    #[serde(default)]
    pub commands: String,
    /// The predictions, by task.
    #[serde(default)]
    pub predictions: BTreeMap<String, lab::Answer>,
    /// What must fail: `task/check`, or the id of a `predict` task.
    pub caught_by: String,
}

/// The text in one language.
pub fn in_lang(text: &Text, lang: Lang) -> &str {
    match lang {
        Lang::En => &text.en,
        Lang::ZhCn => &text.zh,
    }
}

/// Something wrong with a card, at its place in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 when the place is not known.
    pub line: usize,
    /// The column in characters, from 1; 0 when the place is not known.
    pub column: usize,
    /// The field, for example `quiz[0].kind`; empty for the whole card.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub help: String,
}

impl fmt::Display for Diagnostic {
    /// `cards/pods/x.yaml:14:9: quiz[0].kind: message (help)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        f.write_str(": ")?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, " ({})", self.help) }
    }
}

impl std::error::Error for Diagnostic {}

/// The order in which the items of an ordering question are shown: as indices of the right order, never the right order itself (unless
/// there is but one item), and always the same.
pub fn shown_order(items: &[Text]) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..items.len()).collect();
    shown.sort_by(|&a, &b| items[a].en.cmp(&items[b].en));
    if shown.iter().enumerate().all(|(place, &item)| place == item) {
        shown.reverse();
    }
    shown
}

#[cfg(all(test, feature = "program"))]
pub(crate) mod tests;
