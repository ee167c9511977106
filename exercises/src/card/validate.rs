//! Every rule that a card must keep, in one place.
//!
//! A rule that needs the engine to run (the solution passes, each wrong attempt fails where it says) is in grading, not here.

use super::{Card, Choice, Question, QuestionKind};
use lab::{Text, Variables};
use std::collections::BTreeSet;

/// Something wrong with a card.
pub use lab::Problem;

/// How many levels there are.
const LEVELS: std::ops::RangeInclusive<u8> = 1..=3;

/// All problems of a card, in the order of its fields. Empty for a good card.
pub fn validate(card: &Card) -> Vec<Problem> {
    let mut rules = Rules::default();
    rules.identity(card);
    rules.prose(card);
    rules.unique("quiz", card.quiz.iter().map(|question| question.id.as_str()));
    for (index, question) in card.quiz.iter().enumerate() {
        rules.question(&format!("quiz[{index}]"), question);
    }
    rules.problems.extend(lab::validate(&card.lab).into_iter().map(|problem| problem.below("lab")));
    rules.attempts(card);
    rules.problems
}

#[derive(Default)]
struct Rules {
    problems: Vec<Problem>,
}

impl Rules {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::new(field, message, help));
    }

    fn text(&mut self, field: &str, text: &Text) {
        for (name, words) in [("en", &text.en), ("zh", &text.zh)] {
            if words.trim().is_empty() {
                self.add(format!("{field}.{name}"), "the text is empty", "a card is complete in both languages");
            }
        }
        if !text.zh.trim().is_empty() && !text.zh.chars().any(is_han) && text.en != text.zh {
            self.add(
                format!("{field}.zh"),
                "the Chinese text has no Chinese in it",
                "write the same text as in English if it is code only",
            );
        }
    }

    fn texts(&mut self, field: &str, texts: &[Text]) {
        for (index, text) in texts.iter().enumerate() {
            self.text(&format!("{field}[{index}]"), text);
        }
    }

    fn unique<'a>(&mut self, field: &str, ids: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for (index, id) in ids.enumerate() {
            let place = format!("{field}[{index}].id");
            self.id(&place, id);
            if !seen.insert(id) {
                self.add(place, format!("the id `{id}` is taken"), "ids are unique within their list");
            }
        }
    }

    fn id(&mut self, field: &str, id: &str) {
        let ok = id.starts_with(|c: char| c.is_ascii_lowercase())
            && !id.ends_with('-')
            && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !ok {
            self.add(field, format!("`{id}` is no id"), "an id has lower-case letters, digits and dashes, and begins with a letter");
        }
    }

    fn at_least<T>(&mut self, field: &str, list: &[T], least: usize, of: &str) {
        if list.len() < least {
            self.add(field, format!("there are {} {of}", list.len()), format!("a card has at least {least}"));
        }
    }

    fn identity(&mut self, card: &Card) {
        self.id("id", &card.id);
        self.id("topic", &card.topic);
        if !LEVELS.contains(&card.level) {
            self.add("level", format!("there is no level {}", card.level), "levels are 1, 2 and 3");
        }
        self.at_least("sources", &card.sources, 1, "sources");
        for (index, source) in card.sources.iter().enumerate() {
            if source.title.trim().is_empty() {
                self.add(format!("sources[{index}].title"), "the title is empty", "");
            }
            if !is_https(&source.url) {
                self.add(format!("sources[{index}].url"), format!("`{}` is no https address", source.url), "write https://host/path");
            }
        }
    }

    fn prose(&mut self, card: &Card) {
        self.text("question", &card.question);
        self.text("answer.short", &card.answer.short);
        self.text("answer.detail", &card.answer.detail);
        self.at_least("rubric", &card.rubric, 3, "points in the rubric");
        self.texts("rubric", &card.rubric);
        self.at_least("pitfalls", &card.pitfalls, 1, "pitfalls");
        for (index, pitfall) in card.pitfalls.iter().enumerate() {
            self.text(&format!("pitfalls[{index}].says"), &pitfall.says);
            self.text(&format!("pitfalls[{index}].fact"), &pitfall.fact);
        }
        self.at_least("quiz", &card.quiz, 3, "questions in the quiz");
    }

    fn question(&mut self, field: &str, question: &Question) {
        self.text(&format!("{field}.question"), &question.question);
        if let Some(text) = &question.explanation {
            self.text(&format!("{field}.explanation"), text);
        }
        match &question.kind {
            QuestionKind::One(choices) => self.choices(&format!("{field}.kind.one"), choices, true),
            QuestionKind::Many(choices) => self.choices(&format!("{field}.kind.many"), choices, false),
            QuestionKind::Order(items) => {
                let place = format!("{field}.kind.order");
                if items.len() < 3 {
                    self.add(&place, format!("there are {} items to order", items.len()), "at least 3 make a question");
                }
                self.texts(&place, items);
                let distinct: BTreeSet<&str> = items.iter().map(|item| item.en.as_str()).collect();
                if distinct.len() < items.len() {
                    self.add(&place, "two items say the same", "their order could not be told");
                }
            }
            QuestionKind::Fill(fill) => {
                let place = format!("{field}.kind.fill");
                if fill.accept.is_empty() || fill.accept.iter().any(|word| word.trim().is_empty()) {
                    self.add(format!("{place}.accept"), "an accepted answer is missing or empty", "");
                }
                for (index, feedback) in fill.feedback.iter().enumerate() {
                    self.text(&format!("{place}.feedback[{index}].says"), &feedback.says);
                    if fill.accept.iter().any(|word| word.trim().eq_ignore_ascii_case(feedback.answer.trim())) {
                        self.add(
                            format!("{place}.feedback[{index}].answer"),
                            format!("`{}` is accepted", feedback.answer),
                            "feedback is for wrong answers",
                        );
                    }
                }
            }
            QuestionKind::Numeric(numeric) => {
                let place = format!("{field}.kind.numeric");
                self.text(&format!("{place}.unit"), &numeric.unit);
                if !(numeric.tolerance >= 0.0 && numeric.answer.is_finite()) {
                    self.add(&place, "the answer is finite and the tolerance not negative", "");
                }
                for (index, feedback) in numeric.feedback.iter().enumerate() {
                    self.text(&format!("{place}.feedback[{index}].says"), &feedback.says);
                    if (feedback.answer - numeric.answer).abs() <= numeric.tolerance {
                        self.add(
                            format!("{place}.feedback[{index}].answer"),
                            format!("{} is right", feedback.answer),
                            "feedback is for wrong answers",
                        );
                    }
                }
            }
        }
    }

    fn choices(&mut self, field: &str, choices: &[Choice], one: bool) {
        if choices.len() < 3 {
            self.add(field, format!("there are {} choices", choices.len()), "at least 3 make a question");
        }
        let right = choices.iter().filter(|choice| choice.right).count();
        if one && right != 1 {
            self.add(field, format!("{right} choices are right"), "exactly one is; use `many` for more");
        }
        if !one && (right == 0 || right == choices.len()) {
            self.add(field, format!("{right} of {} choices are right", choices.len()), "some are right and some are wrong");
        }
        for (index, choice) in choices.iter().enumerate() {
            self.text(&format!("{field}[{index}].text"), &choice.text);
            self.text(&format!("{field}[{index}].feedback"), &choice.feedback);
        }
    }

    fn attempts(&mut self, card: &Card) {
        self.text("solution.explanation", &card.solution.explanation);
        self.script("solution.commands", card, &card.solution.commands);
        self.at_least("wrong", &card.wrong, 2, "wrong attempts");
        self.unique("wrong", card.wrong.iter().map(|attempt| attempt.id.as_str()));
        for (index, attempt) in card.wrong.iter().enumerate() {
            let field = format!("wrong[{index}]");
            self.text(&format!("{field}.says"), &attempt.says);
            self.script(&format!("{field}.commands"), card, &attempt.commands);
            for task in attempt.predictions.keys() {
                let known = card.lab.task(task).is_some_and(|task| matches!(task.kind, lab::TaskKind::Predict(_)));
                if !known {
                    self.add(
                        format!("{field}.predictions"),
                        format!("there is no prediction `{task}`"),
                        "name a `predict` task of this lab",
                    );
                }
            }
            if !lab::can_fail(&card.lab, &attempt.caught_by) {
                let help = "write task/check of an `operate` task, or the id of a `predict` task";
                self.add(format!("{field}.caughtBy"), format!("`{}` names no check of this lab", attempt.caught_by), help);
            }
        }
    }

    fn script(&mut self, field: &str, card: &Card, text: &str) {
        let variables = Variables::deal(&card.lab, lab::DEFAULT_SEED);
        if let Err(error) = lab::Script::parse(&variables.fill(text)) {
            self.add(field, error.to_string(), "a line is a command, `wait 30s`, or a # comment");
        }
    }
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}')
}

/// `https`, a host with a dot, no blanks.
fn is_https(url: &str) -> bool {
    let host = url.strip_prefix("https://").map(|rest| rest.split('/').next().unwrap_or(""));
    host.is_some_and(|host| host.contains('.')) && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}
