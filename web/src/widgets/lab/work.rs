//! The learner's work as data: the files as what differs from the card's, and the predictions as the engine takes them. No elements here.

use crate::widgets::inputs::Given;
use lab::{Answer, Input, Lab, TaskKind, Variables};
use std::collections::BTreeMap;

/// The name under which what was given to a prediction is kept.
pub(crate) fn prediction_key(task: &str) -> String {
    format!("lab/predict/{task}")
}

/// The lab with the numbers of a seed.
pub(super) fn dealt(lab: &Lab, seed: u64) -> Lab {
    Variables::deal(lab, seed).fill_all(lab)
}

/// The file to begin with: the one that the first task to be done by hand speaks of, or else simply the first.
pub(super) fn first_file(lab: &Lab, files: &BTreeMap<String, String>) -> String {
    let by_hand = lab.tasks.iter().filter(|task| matches!(task.kind, TaskKind::Operate(_)));
    let named = |prompt: &str| files.keys().filter_map(|name| prompt.find(name).map(|at| (at, name))).min().map(|(_, name)| name);
    let first = by_hand.filter_map(|task| named(&task.prompt.en)).next().or_else(|| files.keys().next());
    first.cloned().unwrap_or_default()
}

/// The card's files with the learner's changes; a change to nothing is a file that was removed.
pub(super) fn with_changes(files: &BTreeMap<String, String>, changes: &BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
    let mut files = files.clone();
    for (name, text) in changes {
        match text {
            Some(text) => files.insert(name.clone(), text.clone()),
            None => files.remove(name),
        };
    }
    files
}

/// What turns the card's files into the learner's.
pub(super) fn changes(card: &BTreeMap<String, String>, own: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    let removed = card.keys().filter(|name| !own.contains_key(*name)).map(|name| (name.clone(), None));
    let changed = own.iter().filter(|(name, text)| card.get(*name) != Some(text)).map(|(name, text)| (name.clone(), Some(text.clone())));
    removed.chain(changed).collect()
}

/// What was given as an answer to this prediction; `None` when it is none yet.
pub(crate) fn answer_of(kind: &TaskKind, given: &Given) -> Option<Answer> {
    let TaskKind::Predict(predict) = kind else { return None };
    match &predict.input {
        Input::Choice(items) => given.picked.first().and_then(|&index| items.items.get(index)).map(|item| Answer::Text(item.id.clone())),
        Input::Order(items) => {
            let shown: Vec<usize> = (0..items.items.len()).collect();
            Some(Answer::Order(given.order(&shown).into_iter().map(|index| items.items[index].id.clone()).collect()))
        }
        Input::Number(_) => given.number().map(Answer::Number),
        Input::Text(_) => Some(given.text.trim().to_owned()).filter(|text| !text.is_empty()).map(Answer::Text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn files(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect()
    }

    #[test]
    fn changes_lead_from_the_cards_files_to_the_learners() {
        let card = files(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let own = files(&[("a", "1"), ("b", "changed"), ("d", "new")]);
        let made = changes(&card, &own);
        assert_eq!(made.len(), 3, "a file that is as it was is not kept: {made:?}");
        assert_eq!(with_changes(&card, &made), own);
        assert!(changes(&card, &card).is_empty());
    }

    #[test]
    fn the_first_file_is_the_one_that_the_first_task_speaks_of() {
        let text = json!({"en": "Mend `b.yaml`, not `a.yaml`.", "zh": ""});
        let task = json!({"id": "t", "title": text, "prompt": text, "kind": {"operate": {"checks": []}}});
        let lab = |tasks: serde_json::Value| -> Lab { serde_json::from_value(json!({"tasks": tasks})).unwrap() };
        let all = files(&[("a.yaml", ""), ("b.yaml", ""), ("c.yaml", "")]);
        assert_eq!(first_file(&lab(json!([task])), &all), "b.yaml");
        assert_eq!(first_file(&lab(json!([])), &all), "a.yaml");
        assert_eq!(first_file(&lab(json!([])), &files(&[])), "");
    }

    #[test]
    fn what_is_given_becomes_an_answer() {
        let text = json!({"en": "", "zh": ""});
        let kind = |input: serde_json::Value| -> TaskKind {
            serde_json::from_value(json!({"predict": {"input": input, "run": [], "truth": "1", "explanation": text}})).unwrap()
        };
        let items = json!({"items": [{"id": "x", "text": text}, {"id": "y", "text": text}]});
        let given = |picked: &[usize], text: &str| Given { picked: picked.to_vec(), text: text.to_owned(), ..Given::default() };
        let choice = kind(json!({"choice": items}));
        assert_eq!(answer_of(&choice, &given(&[], "")), None);
        assert_eq!(answer_of(&choice, &given(&[1], "")), Some(Answer::Text("y".to_owned())));
        assert_eq!(answer_of(&choice, &given(&[9], "")), None, "the card has changed");
        let order = kind(json!({"order": items}));
        let ids = |ids: &[&str]| Some(Answer::Order(ids.iter().map(|&id| id.to_owned()).collect()));
        assert_eq!(answer_of(&order, &given(&[], "")), ids(&["x", "y"]));
        assert_eq!(answer_of(&order, &given(&[1, 0], "")), ids(&["y", "x"]));
        let number = kind(json!({"number": {"unit": text}}));
        assert_eq!(answer_of(&number, &given(&[], " 2.5 ")), Some(Answer::Number(2.5)));
        assert_eq!(answer_of(&number, &given(&[], "two")), None);
    }
}
