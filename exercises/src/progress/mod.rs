//! What a learner has done: tasks passed, questions answered, hints taken. [`Store`] keeps it on disk.
//!
//! The file is JSON. Fields that this version does not know (a later one's review dates, say) are kept as they are.
//!
//! ```json
//! {"version": 1, "lang": "en", "cards": {"pod-creation": {
//!   "tasks": {"run": {"attempts": 2, "passedAt": 1763978400}},
//!   "quiz": {"writes-etcd": {"asked": 2, "right": 1, "lastRight": true, "lastAt": 1763978400}},
//!   "hints": {"run": 1}}}}
//! ```

mod store;

pub use store::{Loaded, Store, StoreError};

use crate::card::Card;
use crate::lang::Lang;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// Fields of later versions.
type Rest = BTreeMap<String, Value>;

/// Everything a learner has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The version of the format.
    pub version: u32,
    /// The language that was asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<Lang>,
    /// What was done with each card, by its id.
    #[serde(default)]
    pub cards: BTreeMap<String, CardProgress>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Default for Progress {
    fn default() -> Self {
        Progress { version: VERSION, lang: None, cards: BTreeMap::new(), rest: Rest::new() }
    }
}

/// What was done with one card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CardProgress {
    /// The lab's tasks, by id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<String, TaskProgress>,
    /// The quiz's questions, by id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quiz: BTreeMap<String, QuestionProgress>,
    /// How many hints were taken, by task.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hints: BTreeMap<String, usize>,
    /// Whether the solution was looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub solution_seen: bool,
    /// Fields of later versions.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What was done with one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskProgress {
    /// How often it was checked with something done for it.
    pub attempts: u32,
    /// When it was passed first, in seconds since 1970 (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed_at: Option<u64>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What was done with one question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QuestionProgress {
    /// How often it was answered.
    pub asked: u32,
    /// How often the answer was right.
    pub right: u32,
    /// Whether the last answer was right.
    pub last_right: bool,
    /// When it was answered last, in seconds since 1970 (UTC).
    pub last_at: u64,
    /// Fields of later versions.
    #[serde(flatten)]
    pub rest: Rest,
}

/// How far a card's lab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Nothing was checked yet.
    New,
    /// Some tasks are open.
    Begun,
    /// All tasks were passed.
    Passed,
}

impl Progress {
    /// What was done with a card, to add to.
    pub fn card_mut(&mut self, id: &str) -> &mut CardProgress {
        self.cards.entry(id.to_owned()).or_default()
    }

    /// How many of the card's tasks were passed. Tasks that the card no longer has do not count.
    pub fn passed_tasks(&self, card: &Card) -> usize {
        card.lab.tasks.iter().filter(|task| self.passed(&card.id, &task.id)).count()
    }

    /// Whether a task was passed.
    pub fn passed(&self, card: &str, task: &str) -> bool {
        self.cards.get(card).and_then(|card| card.tasks.get(task)).is_some_and(|task| task.passed_at.is_some())
    }

    /// How many of the card's questions were answered right when last asked.
    pub fn known_questions(&self, card: &Card) -> usize {
        let Some(done) = self.cards.get(&card.id) else { return 0 };
        card.quiz.iter().filter(|question| done.quiz.get(&question.id).is_some_and(|answered| answered.last_right)).count()
    }

    /// How far the card's lab is.
    pub fn stage(&self, card: &Card) -> Stage {
        let begun = self.cards.get(&card.id).is_some_and(|done| !done.tasks.is_empty());
        match self.passed_tasks(card) {
            passed if passed == card.lab.tasks.len() => Stage::Passed,
            0 if !begun => Stage::New,
            _ => Stage::Begun,
        }
    }
}

impl CardProgress {
    /// A task was checked at `now`.
    pub fn task_checked(&mut self, id: &str, passed: bool, now: u64) {
        let task = self.tasks.entry(id.to_owned()).or_default();
        task.attempts = task.attempts.saturating_add(1);
        if passed && task.passed_at.is_none() {
            task.passed_at = Some(now);
        }
    }

    /// A question was answered at `now`.
    pub fn answered(&mut self, id: &str, right: bool, now: u64) {
        let question = self.quiz.entry(id.to_owned()).or_default();
        question.asked = question.asked.saturating_add(1);
        question.right = question.right.saturating_add(u32::from(right));
        (question.last_right, question.last_at) = (right, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_version_wrote_survives() {
        let text =
            r#"{"version":1,"cards":{"a":{"quiz":{"q":{"asked":1,"right":1,"lastRight":true,"lastAt":5,"due":9}},"x":1}},"deck":[2]}"#;
        let mut progress: Progress = serde_json::from_str(text).unwrap();
        progress.card_mut("a").answered("q", false, 7);
        let wanted =
            r#"{"version":1,"cards":{"a":{"quiz":{"q":{"asked":2,"right":1,"lastRight":false,"lastAt":7,"due":9}},"x":1}},"deck":[2]}"#;
        assert_eq!(serde_json::to_string(&progress).unwrap(), wanted);
    }

    #[test]
    fn a_card_is_passed_with_all_its_tasks_and_stays_so() {
        let deck = crate::card::tests::deck();
        let card = deck.get("pod-creation").unwrap();
        let mut progress = Progress::default();
        assert_eq!(progress.stage(card), Stage::New);
        for task in &card.lab.tasks {
            progress.card_mut(&card.id).task_checked(&task.id, false, 1);
            assert_eq!(progress.stage(card), Stage::Begun);
            progress.card_mut(&card.id).task_checked(&task.id, true, 2);
            progress.card_mut(&card.id).task_checked(&task.id, false, 3);
        }
        assert_eq!((progress.stage(card), progress.passed_tasks(card)), (Stage::Passed, card.lab.tasks.len()));
        let first = &progress.cards["pod-creation"].tasks[&card.lab.tasks[0].id];
        assert_eq!((first.attempts, first.passed_at), (3, Some(2)));
    }
}
