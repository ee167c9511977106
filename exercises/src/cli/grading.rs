//! Grading a learner's lab, and telling how it went: what `check` and `watch` share.

use std::fmt::Write as _;

use lab::{Answer, CheckResult, LabSession, LineResult, TaskKind, Text, Verdict};
use serde::Serialize;

use super::PROGRAM;
use super::desk::{Desk, now};
use super::screen::{BAD, CODE, FAINT, GOOD, STRONG, indent, markdown, paint, visible};
use crate::card::{Card, in_lang};
use crate::lang::Lang;
use crate::workspace::{COMMANDS, PREDICTIONS, short};

/// How many lines of what a command printed are shown.
const SHOWN_LINES: usize = 30;

/// How many commands are shown.
const SHOWN_COMMANDS: usize = 60;

/// The exit status of a command whose time was up.
const TIMED_OUT: i32 = 124;

/// How a card's lab stands. As JSON this is what `check --format json` prints; its fields only ever grow.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The card.
    pub(super) card: String,
    /// The seed of its numbers.
    seed: u64,
    /// Whether every task is passed.
    pub(super) passed: bool,
    /// Why it could not be graded.
    error: Option<String>,
    /// Its tasks, in the card's order.
    tasks: Vec<TaskReport>,
    /// What the commands did.
    lines: Vec<LineResult>,
}

/// How a task stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskReport {
    id: String,
    title: Text,
    kind: &'static str,
    passed: bool,
    /// Whether the learner did anything for it.
    tried: bool,
    checks: Vec<CheckResult>,
    prediction: Option<PredictionReport>,
}

/// A prediction and what came.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PredictionReport {
    answer: Answer,
    truth: Answer,
    passed: bool,
    explanation: Text,
}

/// Grades what the learner has in the card's folder, and remembers the result.
pub(super) fn grade(desk: &mut Desk, card: &Card) -> Report {
    let seed = desk.workspace.seed(&card.id);
    let mut report = Report { card: card.id.clone(), seed, passed: false, error: None, tasks: Vec::new(), lines: Vec::new() };
    let attempt = match desk.workspace.attempt(card) {
        Ok(attempt) => attempt,
        Err(error) => return Report { error: Some(error.to_string()), ..report },
    };
    let tried = lab::Script::parse(&attempt.commands).is_ok_and(|script| !script.lines.is_empty());
    let verdict = LabSession::new(&card.lab, seed).and_then(|mut session| session.attempt(&attempt));
    match verdict {
        Ok(verdict) => {
            report.passed = verdict.passed;
            report.tasks = tasks(card, &verdict, tried);
            report.lines = verdict.lines;
        }
        Err(error) => report.error = Some(error.to_string()),
    }
    let tried: Vec<(&str, bool)> = report.tasks.iter().filter(|task| task.tried).map(|task| (task.id.as_str(), task.passed)).collect();
    if !tried.is_empty() {
        let at = now();
        desk.save(|progress| {
            for (task, passed) in &tried {
                progress.card_mut(&card.id).task_checked(task, *passed, at);
            }
        });
    }
    report
}

fn tasks(card: &Card, verdict: &Verdict, ran: bool) -> Vec<TaskReport> {
    let task = |(task, result): (&lab::Task, &lab::TaskResult)| TaskReport {
        id: task.id.clone(),
        title: task.title.clone(),
        kind: match task.kind {
            TaskKind::Predict(_) => "predict",
            TaskKind::Operate(_) => "operate",
        },
        passed: result.passed,
        tried: match task.kind {
            TaskKind::Predict(_) => result.prediction.is_some(),
            TaskKind::Operate(_) => ran,
        },
        checks: result.checks.clone(),
        prediction: result.prediction.clone().map(|made| PredictionReport {
            answer: made.answer,
            truth: made.truth,
            passed: made.passed,
            explanation: made.explanation,
        }),
    };
    card.lab.tasks.iter().zip(&verdict.tasks).map(task).collect()
}

/// The report for people: what the commands did, and each task with its checks.
pub(super) fn describe(desk: &Desk, card: &Card, report: &Report) -> String {
    let lang = desk.lang;
    let mut text = format!("{}  {}\n\n", paint(STRONG, &card.id), in_lang(&card.question, lang));
    if let Some(error) = &report.error {
        let _ = writeln!(text, "{}{}", paint(BAD, lang.pick("error: ", "错误：")), visible(error));
        return text;
    }
    for line in report.lines.iter().take(SHOWN_COMMANDS) {
        text.push_str(&transcript(line, lang));
    }
    let more = report.lines.len().saturating_sub(SHOWN_COMMANDS);
    if more > 0 {
        let _ = writeln!(text, "{}", paint(FAINT, lang.pick(format!("… and {more} more commands"), format!("……另有 {more} 条命令"))));
    }
    if !report.lines.is_empty() {
        text.push('\n');
    }
    let folder = desk.workspace.folder(&card.id);
    for task in &report.tasks {
        let _ = writeln!(text, "{} {} {}", mark(task.passed), markdown(in_lang(&task.title, lang)), paint(FAINT, format!("({})", task.id)));
        if task.kind == "predict" {
            let file = short(&folder.join(PREDICTIONS)).to_string();
            text.push_str(&told_prediction(card, task, &file, lang));
        } else if !task.tried {
            let file = short(&folder.join(COMMANDS)).to_string();
            let note = lang.pick(format!("nothing was run: {file} has no command"), format!("没有执行任何操作：{file} 里没有命令"));
            let _ = writeln!(text, "    {}", paint(FAINT, note));
        }
        for check in &task.checks {
            text.push_str(&told_check(card, desk, check, task.tried));
        }
    }
    text.push_str(&closing(card, report, lang));
    text
}

fn mark(passed: bool) -> String {
    if passed { paint(GOOD, "✓") } else { paint(BAD, "✗") }
}

/// A command and what it printed.
fn transcript(line: &LineResult, lang: Lang) -> String {
    let command = visible(&line.command);
    let mut text = format!("{}\n", paint(CODE, format!("$ {}", cut(&command, 5).trim_end())));
    for (printed, style) in [(&line.stdout, anstyle::Style::new()), (&line.stderr, if line.exit_code == 0 { FAINT } else { BAD })] {
        let shown = cut(&visible(printed), SHOWN_LINES);
        for shown in shown.lines() {
            let _ = writeln!(text, "  {}", paint(style, shown));
        }
    }
    match line.exit_code {
        0 => {}
        TIMED_OUT => {
            let note =
                lang.pick("stopped: it had not ended after 11 minutes of the cluster's time", "已停止：过了 11 分钟（集群时间）仍未结束");
            let _ = writeln!(text, "  {}", paint(BAD, note));
        }
        code => {
            let at = format!("{COMMANDS}:{}", line.line);
            let note = lang.pick(format!("exit status {code} ({at})"), format!("退出状态 {code}（{at}）"));
            let _ = writeln!(text, "  {}", paint(FAINT, note));
        }
    }
    text
}

/// At most so many lines, each of at most 400 characters; `… +7` says how many are left out.
fn cut(text: &str, most: usize) -> String {
    const WIDEST: usize = 400;
    let count = text.lines().count();
    let mut shown: String = text
        .lines()
        .take(most)
        .map(|line| match line.char_indices().nth(WIDEST) {
            Some((end, _)) => format!("{}…\n", &line[..end]),
            None => format!("{line}\n"),
        })
        .collect();
    if count > most {
        let _ = writeln!(shown, "… +{}", count - most);
    }
    shown
}

fn told_prediction(card: &Card, task: &TaskReport, file: &str, lang: Lang) -> String {
    let Some(made) = &task.prediction else {
        let note =
            lang.pick(format!("not answered yet: write `{}` in {file}", task.id), format!("还没有回答：请在 {file} 里填写 `{}`", task.id));
        return format!("    {}\n", paint(FAINT, note));
    };
    let mut text = String::new();
    let (answer, truth) = (in_words(card, &task.id, &made.answer, lang), in_words(card, &task.id, &made.truth, lang));
    if made.passed {
        let _ = writeln!(text, "    {}{truth}", lang.pick("as you said: ", "正如你所说："));
    } else {
        let _ = writeln!(text, "    {}{answer}", lang.pick("you said:      ", "你的预测："));
        let _ = writeln!(text, "    {}{truth}", lang.pick("what happened: ", "实际结果："));
    }
    text + &indent(&markdown(in_lang(&made.explanation, lang)), 4)
}

/// An answer with its unit, or with the words of its options.
fn in_words(card: &Card, task: &str, answer: &Answer, lang: Lang) -> String {
    let Some(TaskKind::Predict(predict)) = card.lab.task(task).map(|task| &task.kind) else { return answer.to_string() };
    let named = |items: &lab::Items, id: &str| {
        let item = items.items.iter().find(|item| item.id == id);
        item.map_or_else(|| id.to_owned(), |item| markdown(in_lang(&item.text, lang)))
    };
    match (&predict.input, answer) {
        (lab::Input::Number(number), answer) => format!("{answer} {}", in_lang(&number.unit, lang)),
        (lab::Input::Choice(items), Answer::Text(id)) => named(items, id),
        (lab::Input::Order(items), Answer::Order(ids)) => ids.iter().map(|id| named(items, id)).collect::<Vec<_>>().join(" → "),
        (_, answer) => visible(&answer.to_string()),
    }
}

fn told_check(card: &Card, desk: &Desk, check: &CheckResult, tried: bool) -> String {
    let numbers = lab::Variables::deal(&card.lab, desk.workspace.seed(&card.id));
    let says = markdown(&numbers.fill(in_lang(&check.expected, desk.lang)));
    let mut text = format!("    {} {says}\n", mark(check.passed));
    if !check.passed && tried {
        let _ = writeln!(text, "        {}{}", desk.lang.pick("found: ", "实际："), visible(in_lang(&check.actual, desk.lang)));
    }
    text
}

/// How many tasks are passed, and what to do next.
fn closing(card: &Card, report: &Report, lang: Lang) -> String {
    let (passed, all) = (report.tasks.iter().filter(|task| task.passed).count(), report.tasks.len());
    if report.passed {
        return format!("\n{}\n", paint(GOOD, lang.pick(format!("Passed: {all} of {all} tasks."), format!("通过：{all}/{all} 个任务。"))));
    }
    let how = format!("{PROGRAM} hint {}", card.id);
    let sum = lang.pick(format!("{passed} of {all} tasks passed."), format!("已通过 {passed}/{all} 个任务。"));
    let help = lang.pick(format!(" `{how}` helps on."), format!("需要提示：`{how}`"));
    format!("\n{}{}\n", paint(STRONG, sum), paint(FAINT, help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_printed_is_cut() {
        assert_eq!(cut("a\nb\nc\n", 2), "a\nb\n… +1\n");
        assert_eq!(cut(&"x".repeat(1_000_000), 2).chars().count(), 402);
        let line =
            LineResult { line: 3, command: "kubectl get x".to_owned(), stdout: String::new(), stderr: "no\n".to_owned(), exit_code: 1 };
        let text = anstream::adapter::strip_str(&transcript(&line, Lang::En)).to_string();
        assert_eq!(text, "$ kubectl get x\n  no\n  exit status 1 (commands.txt:3)\n");
    }
}
