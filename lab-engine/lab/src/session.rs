//! A learner's time with a lab: files, commands, predictions, and how it all stands. The page and the terminal both go through this, so
//! that they cannot disagree.

use crate::answer::{Answer, TruthError, is_right, truth};
use crate::expr::{EvaluationError, Expression, ExpressionError};
use crate::judge::{CheckResult, Judge};
use crate::run::{Progress, Run};
use crate::script::{Does, Script, ScriptError};
use crate::snapshot::{EventView, Snapshot};
use crate::spec::{Lab, Predict, TaskKind};
use crate::text::{Span, Text};
use crate::variables::Variables;
use cluster::{Advanced, Cluster, CommandResult, ConfigError, Fault, FaultError};
use kubectl::FileError;
use serde::{Deserialize, Serialize};
use sim::{EventId, What};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many events a prediction's result tells.
const TOLD_EVENTS: usize = 300;

/// How many occurrences a whole attempt may cost: a day of an idle cluster, or some ten thousand Pods.
const ATTEMPT_STEPS: u64 = 500_000;

/// Why a lab cannot be run, or something in it cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabError {
    /// The cluster's shape is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A fault that the cluster cannot have.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// An expression cannot be read.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A script cannot be read.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// An attempt keeps the cluster so busy that it is not followed to its end.
    #[error(
        "too much happens in the cluster: it was stopped after {steps} events, at {seconds} s, with {objects} objects; \
         is a number such as `replicas` far too large?"
    )]
    TooMuch {
        /// How many events were followed.
        steps: u64,
        /// When, in virtual seconds since the cluster's start.
        seconds: u64,
        /// How many objects there were.
        objects: usize,
    },
    /// A step waited in vain.
    #[error("waited {within} for `{cel}`, and it never came")]
    NeverCame {
        /// What was waited for.
        cel: String,
        /// How long.
        within: Span,
    },
    /// There is no such prediction.
    #[error("there is no prediction `{0}` in this lab")]
    NoPrediction(String),
    /// A prediction's truth has no value.
    #[error("the truth of `{task}` has no value: {error}")]
    NoTruth {
        /// The task.
        task: String,
        /// Why.
        error: EvaluationError,
    },
    /// A prediction's truth does not answer its question.
    #[error("the truth of `{task}` answers nothing: {error}")]
    Truth {
        /// The task.
        task: String,
        /// Why.
        error: TruthError,
    },
}

/// A prediction and what the engine found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PredictionResult {
    /// What was predicted.
    pub answer: Answer,
    /// What happened.
    pub truth: Answer,
    /// Whether they agree.
    pub passed: bool,
    /// Why it is so.
    pub explanation: Text,
    /// What happened in the run, without requests; at most the last few hundred events.
    pub events: Vec<EventView>,
}

/// How one task stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskResult {
    /// The task.
    pub id: String,
    /// Whether it is passed.
    pub passed: bool,
    /// The checks of an `operate` task.
    pub checks: Vec<CheckResult>,
    /// The prediction, once it is made.
    pub prediction: Option<PredictionResult>,
}

/// What a line of a script did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LineResult {
    /// The line of the script, from 1.
    pub line: usize,
    /// The command.
    pub command: String,
    /// What it printed.
    pub stdout: String,
    /// Its errors and warnings.
    pub stderr: String,
    /// Its exit status.
    pub exit_code: i32,
}

/// How a lab stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether every task is passed.
    pub passed: bool,
    /// The tasks, in the card's order.
    pub tasks: Vec<TaskResult>,
    /// What the commands of a graded attempt did.
    pub lines: Vec<LineResult>,
}

impl Verdict {
    /// Whether `id`, a `task/check` or the task of a prediction, failed.
    pub fn failed(&self, id: &str) -> bool {
        let (task, check) = id.split_once('/').map_or((id, None), |(task, check)| (task, Some(check)));
        let Some(task) = self.tasks.iter().find(|result| result.id == task) else { return false };
        match check {
            Some(check) => !task.passed && task.checks.iter().any(|result| result.id == check && !result.passed),
            None => !task.passed,
        }
    }
}

/// What a learner hands in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attempt {
    /// The files that differ from the lab's, by name.
    pub files: BTreeMap<String, String>,
    /// The script (see [`Script`]).
    pub commands: String,
    /// The predictions, by task.
    pub predictions: BTreeMap<String, Answer>,
}

/// A learner's time with a lab.
pub struct LabSession {
    card: Lab,
    lab: Lab,
    seed: u64,
    variables: Variables,
    run: Run,
    judge: Judge,
    predictions: BTreeMap<String, PredictionResult>,
}

impl LabSession {
    /// Deals the lab's numbers from `seed`, boots its cluster and sets it up.
    ///
    /// # Errors
    /// [`LabError`] when the card is wrong: it says what.
    pub fn new(card: &Lab, seed: u64) -> Result<Self, LabError> {
        let variables = Variables::deal(card, seed);
        let lab = variables.fill_all(card);
        let run = Run::new(&lab, &variables, seed)?;
        let judge = Judge::new(&lab)?;
        Ok(LabSession { card: card.clone(), lab, seed, variables, run, judge, predictions: BTreeMap::new() })
    }

    /// Begins anew, with the numbers of another seed.
    ///
    /// # Errors
    /// As [`LabSession::new`]; then everything stays as it was.
    pub fn reset(&mut self, seed: u64) -> Result<(), LabError> {
        *self = LabSession::new(&self.card, seed)?;
        Ok(())
    }

    /// The lab with the dealt numbers in its texts.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The dealt numbers.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.run.cluster
    }

    /// Writes a file of the learner's.
    ///
    /// # Errors
    /// The file is too large, or there are too many.
    pub fn write_file(&mut self, name: &str, text: &str) -> Result<(), LabError> {
        Ok(self.run.cluster.terminal_mut().files_mut().write(name, text)?)
    }

    /// Removes a file of the learner's; false when there was none.
    pub fn remove_file(&mut self, name: &str) -> bool {
        self.run.cluster.terminal_mut().files_mut().remove(name)
    }

    /// Types a line into the terminal; it runs as time passes (see [`LabSession::advance`]).
    pub fn start_line(&mut self, line: &str) {
        self.run.start_line(line);
    }

    /// Sets the language of what the terminal itself says.
    pub fn set_language(&mut self, language: &str) {
        self.run.cluster.terminal_mut().set_variable("LANG", language);
    }

    /// Interrupts what runs in the terminal.
    pub fn interrupt(&mut self) {
        self.run.cluster.interrupt();
    }

    /// What the terminal printed since the last call.
    pub fn take_output(&mut self) -> Vec<kubectl::Output> {
        self.run.cluster.terminal_mut().take_output()
    }

    /// Types a line and lets time pass until it is done, at most eleven virtual minutes (exit status 124 then).
    pub fn command(&mut self, line: &str) -> CommandResult {
        self.run.command(line, &mut self.judge)
    }

    /// Lets virtual time pass, at most `max_steps` occurrences of it.
    pub fn advance(&mut self, by: Duration, max_steps: u64) -> Advanced {
        let limit = self.run.cluster.now() + by;
        match self.run.advance(limit, max_steps, &mut self.judge, |_, _| false) {
            Progress::OutOfSteps => Advanced::OutOfSteps,
            Progress::Stopped | Progress::Reached => Advanced::Reached,
        }
    }

    /// Lets virtual time pass until something is added to the trace, at most `by`.
    pub fn step(&mut self, by: Duration, max_steps: u64) {
        let (limit, last) = (self.run.cluster.now() + by, self.run.cluster.trace().last_id());
        self.run.advance(limit, max_steps, &mut self.judge, |cluster, _| cluster.trace().last_id() != last);
    }

    /// Puts a fault on the cluster, or takes it away.
    ///
    /// # Errors
    /// [`LabError::Fault`] when the cluster has no such part, or the part does not start again.
    pub fn set_fault(&mut self, fault: &Fault, on: bool) -> Result<(), LabError> {
        let cluster = &mut self.run.cluster;
        Ok(if on { cluster.inject(fault) } else { cluster.heal(fault) }?)
    }

    /// Commits to a prediction; the engine then runs it on a cluster of its own. A second one takes the place of the first.
    ///
    /// # Errors
    /// [`LabError::NoPrediction`] when there is no such task; another when the card's truth has no value.
    pub fn submit_prediction(&mut self, task: &str, answer: Answer) -> Result<PredictionResult, LabError> {
        let (truth, events) = match self.predictions.get(task) {
            Some(known) => (known.truth.clone(), known.events.clone()),
            None => self.find_truth(task)?,
        };
        let predict = self.prediction(task)?;
        let passed = is_right(predict, &answer, &truth);
        let result = PredictionResult { answer, truth, passed, explanation: predict.explanation.clone(), events };
        self.predictions.insert(task.to_owned(), result.clone());
        Ok(result)
    }

    /// What the engine finds for a prediction.
    ///
    /// # Errors
    /// As [`LabSession::submit_prediction`].
    pub fn truth(&self, task: &str) -> Result<Answer, LabError> {
        Ok(self.find_truth(task)?.0)
    }

    fn prediction(&self, task: &str) -> Result<&Predict, LabError> {
        match self.lab.task(task).map(|task| &task.kind) {
            Some(TaskKind::Predict(predict)) => Ok(predict),
            _ => Err(LabError::NoPrediction(task.to_owned())),
        }
    }

    fn find_truth(&self, task: &str) -> Result<(Answer, Vec<EventView>), LabError> {
        let predict = self.prediction(task)?;
        let expression = Expression::parse(&predict.truth)?;
        let mut run = Run::new(&self.lab, &self.variables, self.seed)?;
        let before = run.cluster.trace().last_id();
        run.steps(&predict.run)?;
        let value = run.evidence().evaluate(&expression);
        let value = value.map_err(|error| LabError::NoTruth { task: task.to_owned(), error })?;
        let answer = truth(predict, &value).map_err(|error| LabError::Truth { task: task.to_owned(), error })?;
        let told = run.cluster.trace().after(before).filter(|event| !matches!(event.what, What::Request { .. }));
        let mut events: Vec<EventView> = told.map(EventView::new).collect();
        events.drain(..events.len().saturating_sub(TOLD_EVENTS));
        Ok((answer, events))
    }

    /// How everything stands at this moment.
    pub fn verdict(&mut self) -> Verdict {
        self.run.look(&mut self.judge);
        let evidence = self.run.evidence();
        let tasks: Vec<TaskResult> = self
            .lab
            .tasks
            .iter()
            .map(|task| match task.kind {
                TaskKind::Predict(_) => {
                    let prediction = self.predictions.get(&task.id).cloned();
                    let passed = prediction.as_ref().is_some_and(|result| result.passed);
                    TaskResult { id: task.id.clone(), passed, checks: Vec::new(), prediction }
                }
                TaskKind::Operate(_) => {
                    let (passed, checks) = (self.judge.passed(&task.id), self.judge.results(&task.id, &evidence));
                    TaskResult { id: task.id.clone(), passed, checks, prediction: None }
                }
            })
            .collect();
        Verdict { passed: tasks.iter().all(|task| task.passed), tasks, lines: Vec::new() }
    }

    /// The cluster as views show it.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.cluster())
    }

    /// At most `limit` events after `after`, oldest first.
    pub fn events(&self, after: EventId, limit: usize) -> Vec<EventView> {
        EventView::of(self.cluster().trace(), after, limit)
    }

    /// Does a whole attempt: files, predictions, the script, and then time until all is passed or the tasks' deadlines are over.
    ///
    /// # Errors
    /// The script or a file cannot be read, a prediction is none of this lab, more happens than can be followed, or the card is wrong.
    pub fn attempt(&mut self, attempt: &Attempt) -> Result<Verdict, LabError> {
        let script = Script::parse(&attempt.commands)?;
        for (name, text) in &attempt.files {
            self.write_file(name, text)?;
        }
        for (task, answer) in &attempt.predictions {
            self.submit_prediction(task, answer.clone())?;
        }
        self.run.budget = Some(ATTEMPT_STEPS);
        let mut lines = Vec::new();
        for line in script.lines {
            match line.does {
                Does::Wait(span) => {
                    self.advance(span.duration(), u64::MAX);
                }
                Does::Command(command) => {
                    let CommandResult { stdout, stderr, exit_code } = self.command(&command);
                    lines.push(LineResult { line: line.number, command, stdout, stderr, exit_code });
                }
                Does::Inject(fault) => lines.push(self.fault_line(line.number, &fault, true)),
                Does::Heal(fault) => lines.push(self.fault_line(line.number, &fault, false)),
            }
            self.within_budget()?;
        }
        let deadlines = self.lab.tasks.iter().filter_map(|task| match &task.kind {
            TaskKind::Operate(operate) => Some(operate.deadline),
            TaskKind::Predict(_) => None,
        });
        let limit = self.run.cluster.now() + deadlines.max().unwrap_or_default().duration();
        self.run.settle(limit, &mut self.judge);
        self.within_budget()?;
        self.run.budget = None;
        Ok(Verdict { lines, ..self.verdict() })
    }

    /// A `fault` or `heal` of a script; a fault that this cluster cannot have is the learner's mistake, and told as that of a command.
    fn fault_line(&mut self, line: usize, fault: &Fault, on: bool) -> LineResult {
        let cluster = &mut self.run.cluster;
        let done = if on { cluster.inject(fault) } else { cluster.heal(fault) };
        self.run.look(&mut self.judge);
        let command = format!("{} {}", if on { "fault" } else { "heal" }, fault.in_script());
        let (stderr, exit_code) = done.map_or_else(|error| (format!("error: {error}\n"), 1), |()| (String::new(), 0));
        LineResult { line, command, stdout: String::new(), stderr, exit_code }
    }

    /// Whether the attempt may go on.
    fn within_budget(&self) -> Result<(), LabError> {
        let cluster = self.cluster();
        let too_much = || LabError::TooMuch { steps: ATTEMPT_STEPS, seconds: cluster.now().as_secs(), objects: cluster.objects().count() };
        if self.run.budget == Some(0) { Err(too_much()) } else { Ok(()) }
    }
}

/// Grades an attempt at a lab with the numbers of `seed`.
///
/// # Errors
/// As [`LabSession::attempt`].
pub fn grade(lab: &Lab, attempt: &Attempt, seed: u64) -> Result<Verdict, LabError> {
    LabSession::new(lab, seed)?.attempt(attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_once_and_then_the_attempt_ends() {
        let lab: Lab = serde_json::from_value(serde_json::json!({"tasks": []})).unwrap();
        let mut session = LabSession::new(&lab, 1).unwrap();
        session.run.budget = Some(50);
        let began = session.cluster().now();
        assert_eq!(session.advance(Duration::from_secs(3600), 30), Advanced::OutOfSteps);
        assert_eq!((session.run.budget, session.within_budget()), (Some(20), Ok(())));
        assert_eq!(session.advance(Duration::from_secs(3600), u64::MAX), Advanced::OutOfSteps);
        assert!(session.cluster().now() < began + Duration::from_secs(3600));
        let error = session.within_budget().unwrap_err().to_string();
        assert!(error.starts_with("too much happens in the cluster: it was stopped after 500000 events, at "), "{error}");
    }

    #[test]
    fn an_attempt_puts_faults_on_the_cluster_and_takes_them_away() {
        let lab: Lab = serde_json::from_value(serde_json::json!({"cluster": {"etcd": {"members": 3}}, "tasks": []})).unwrap();
        let mut session = LabSession::new(&lab, 1).unwrap();
        let commands = "fault crash etcd-2\nfault isolate etcd-3\nheal isolate etcd-3\nfault crash etcd-9".to_owned();
        let verdict = session.attempt(&Attempt { commands, ..Attempt::default() }).unwrap();
        assert_eq!(session.cluster().faults(), [Fault::Crash("etcd-2".to_owned())]);
        let told: Vec<_> = verdict.lines.iter().map(|line| (line.line, line.command.as_str(), line.exit_code)).collect();
        let wanted =
            [(1, "fault crash etcd-2", 0), (2, "fault isolate etcd-3", 0), (3, "heal isolate etcd-3", 0), (4, "fault crash etcd-9", 1)];
        assert_eq!(told, wanted);
        assert!(verdict.lines[3].stderr.starts_with("error: the cluster has no \"etcd-9\"; its parts are "), "{}", verdict.lines[3].stderr);
    }
}
