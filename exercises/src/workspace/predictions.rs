//! The file in which a learner says what will happen: `predictions.yaml`, a field for each `predict` task.
//!
//! ```yaml
//! # restarts: How often?
//! # …
//! # Answer with a number (restarts).
//! restarts: 4
//! ```

use crate::card::{Diagnostic, in_lang};
use crate::lang::Lang;
use lab::yaml::{Positions, YamlError, read_documents};
use lab::{Answer, Input, Items, Lab, Predict, TaskKind};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The file before anything is said; `None` for a lab without predictions. `lab` has its numbers filled in.
pub(super) fn template(lab: &Lab, lang: Lang) -> Option<String> {
    let mut text = String::from(lang.pick(
        "# Say what will happen, before you try it. The engine finds the truth when you check.\n",
        "# 先写下你认为会发生什么，再去试。检查时由引擎给出真实结果。\n",
    ));
    let mut any = false;
    for task in &lab.tasks {
        let TaskKind::Predict(predict) = &task.kind else { continue };
        any = true;
        text.push('\n');
        comment(&mut text, &format!("{}{}{}", task.id, lang.pick(": ", "："), in_lang(&task.title, lang)));
        comment(&mut text, in_lang(&task.prompt, lang).trim_end());
        text.push_str("#\n");
        let _ = match &predict.input {
            Input::Choice(items) => {
                comment(&mut text, lang.pick("Answer with one of these names:", "填写下面的一个名字："));
                list(&mut text, items, lang);
                writeln!(text, "{}:", task.id)
            }
            Input::Order(items) => {
                comment(
                    &mut text,
                    lang.pick("Put all these names in order, as [first, second, …]:", "把下面的名字全部按顺序写成 [第一, 第二, …]："),
                );
                list(&mut text, items, lang);
                writeln!(text, "{}: []", task.id)
            }
            Input::Number(number) => {
                let unit = in_lang(&number.unit, lang);
                comment(&mut text, &lang.pick(format!("Answer with a number ({unit})."), format!("填写一个数字（{unit}）。")));
                writeln!(text, "{}:", task.id)
            }
            Input::Text(input) => {
                let what = in_lang(&input.placeholder, lang);
                comment(&mut text, &lang.pick(format!("Answer in words ({what})."), format!("填写文字（{what}）。")));
                writeln!(text, "{}:", task.id)
            }
        };
    }
    any.then_some(text)
}

fn comment(text: &mut String, lines: &str) {
    for line in lines.lines() {
        let _ = writeln!(text, "{}", format!("# {line}").trim_end());
    }
}

fn list(text: &mut String, items: &Items, lang: Lang) {
    let width = items.items.iter().map(|item| item.id.len()).max().unwrap_or(0);
    for item in &items.items {
        let _ = writeln!(text, "#   {:width$}  {}", item.id, in_lang(&item.text, lang));
    }
}

/// The answers in the text; those that were left empty are none.
///
/// # Errors
/// Everything that is wrong, in the order of the file. `file` is how the file is called.
pub(super) fn read(file: &str, text: &str, lab: &Lab) -> Result<BTreeMap<String, Answer>, Vec<Diagnostic>> {
    let report = |line, column, field: &str, message: String, help: &str| Diagnostic {
        file: file.to_owned(),
        line,
        column,
        field: field.to_owned(),
        message,
        help: help.to_owned(),
    };
    let documents = read_documents(text)
        .map_err(|YamlError { line, column, message }| vec![report(line, column, "", message, "write it as `name: answer`")])?;
    let Some(document) = documents.first() else { return Ok(BTreeMap::new()) };
    let Value::Object(fields) = &document.value else {
        return Err(vec![report(document.line, 1, "", "there are no fields here".to_owned(), "write it as `name: answer`")]);
    };
    let mut answers = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, value) in fields {
        let read = match lab.task(name).map(|task| &task.kind) {
            Some(TaskKind::Predict(predict)) => answer(predict, value),
            _ => Err(("nothing is to be predicted under this name".to_owned(), known(lab))),
        };
        match read {
            Ok(answer) => answers.extend(answer.map(|answer| (name.clone(), answer))),
            Err((message, help)) => {
                let (line, column) = place(&document.positions, name);
                wrong.push(report(line, column, name, message, &help));
            }
        }
    }
    wrong.sort();
    if wrong.is_empty() { Ok(answers) } else { Err(wrong) }
}

fn place(positions: &Positions, field: &str) -> (usize, usize) {
    positions.find(field).map_or((0, 0), |at| (at.line, at.column))
}

/// The names of all predictions, as help.
fn known(lab: &Lab) -> String {
    let names: Vec<&str> = lab.tasks.iter().filter(|task| matches!(task.kind, TaskKind::Predict(_))).map(|task| task.id.as_str()).collect();
    format!("the names are {}", names.join(", "))
}

/// The value as an answer; `None` when it was left empty. The error is a message and its help.
fn answer(predict: &Predict, value: &Value) -> Result<Option<Answer>, (String, String)> {
    match (&predict.input, value) {
        (_, Value::Null) => Ok(None),
        (_, Value::String(text)) if text.trim().is_empty() => Ok(None),
        (_, Value::Array(list)) if list.is_empty() => Ok(None),
        (Input::Number(_), Value::Number(number)) => Ok(number.as_f64().map(Answer::Number)),
        (Input::Number(_), _) => Err((format!("{} is no number", shown(value)), "write it like 4".to_owned())),
        (Input::Text(_), Value::String(text)) => Ok(Some(Answer::Text(text.clone()))),
        (Input::Text(_), Value::Number(_) | Value::Bool(_)) => Ok(Some(Answer::Text(value.to_string()))),
        (Input::Text(_), _) => Err((format!("{} is no text", shown(value)), "write one word or phrase".to_owned())),
        (Input::Choice(items), Value::String(id)) if has(items, id) => Ok(Some(Answer::Text(id.clone()))),
        (Input::Choice(items), _) => Err((format!("{} is none of the names", shown(value)), format!("choose one of {}", ids(items)))),
        (Input::Order(items), Value::Array(list)) => order(items, list).map(Some),
        (Input::Order(items), _) => Err((format!("{} is no list", shown(value)), format!("write [{}] in the right order", ids(items)))),
    }
}

fn order(items: &Items, list: &[Value]) -> Result<Answer, (String, String)> {
    let mut named = Vec::new();
    for value in list {
        match value {
            Value::String(id) if has(items, id) && !named.contains(id) => named.push(id.clone()),
            Value::String(id) if has(items, id) => return Err((format!("`{id}` stands there twice"), String::new())),
            _ => return Err((format!("{} is none of the names", shown(value)), format!("the names are {}", ids(items)))),
        }
    }
    if named.len() < items.items.len() {
        let message = format!("{} of {} names are there", named.len(), items.items.len());
        return Err((message, format!("put all of them in order: {}", ids(items))));
    }
    Ok(Answer::Order(named))
}

fn has(items: &Items, id: &str) -> bool {
    items.items.iter().any(|item| item.id == id)
}

fn ids(items: &Items) -> String {
    items.items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// A value for a message: as JSON, cut when long.
fn shown(value: &Value) -> String {
    const SHOWN: usize = 40;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
