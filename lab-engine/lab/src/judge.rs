//! Judging `operate` tasks: each check watched from moment to moment, each task passed at the first moment at which all its checks hold.
//!
//! The judge sees the cluster whenever the store changed (see `session`), so that a check which must hold always sees every state that a
//! client could have seen. A task that was passed stays passed: the next task may undo what it asked for.

use crate::answer::render;
use crate::evidence::Evidence;
use crate::expr::{EvaluationError, Expression, ExpressionError};
use crate::spec::{Check, Lab, TaskKind, When};
use crate::text::{Span, Text};
use cel::Value;
use serde::{Deserialize, Serialize};

/// How one check stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// Its name within the task.
    pub id: String,
    /// Whether it holds.
    pub passed: bool,
    /// What is expected.
    pub expected: Text,
    /// What is there instead; empty when it holds.
    pub actual: Text,
}

/// Watches the `operate` tasks of a lab. The default has none to watch.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    tasks: Vec<Watched>,
}

#[derive(Clone, Debug)]
struct Watched {
    id: String,
    passed: bool,
    checks: Vec<WatchedCheck>,
}

#[derive(Clone, Debug)]
struct WatchedCheck {
    id: String,
    expected: Text,
    cel: Expression,
    when: When,
    within: Option<Span>,
    after: Option<Expression>,
    actual: Option<Expression>,
    /// Whether `after` was true once.
    began: bool,
    /// Whether it was true once.
    happened: bool,
    /// How a check that must hold always was broken.
    broken: Option<Text>,
    /// Whether it was true when last looked at.
    holds: bool,
}

impl Judge {
    /// A judge of the lab's `operate` tasks, who has seen nothing yet.
    ///
    /// # Errors
    /// The first expression that cannot be read; none in a lab that [`validate`](fn@crate::validate) accepts.
    pub fn new(lab: &Lab) -> Result<Self, ExpressionError> {
        let mut tasks = Vec::new();
        for task in &lab.tasks {
            if let TaskKind::Operate(operate) = &task.kind {
                let checks = operate.checks.iter().map(WatchedCheck::new).collect::<Result<_, _>>()?;
                tasks.push(Watched { id: task.id.clone(), passed: false, checks });
            }
        }
        Ok(Judge { tasks })
    }

    /// Looks at the present.
    pub fn observe(&mut self, evidence: &Evidence<'_>) {
        for task in self.tasks.iter_mut().filter(|task| !task.passed) {
            for check in &mut task.checks {
                check.observe(evidence);
            }
            task.passed = task.checks.iter().all(|check| check.holds);
        }
    }

    /// Whether all tasks are passed.
    pub fn all_passed(&self) -> bool {
        self.tasks.iter().all(|task| task.passed)
    }

    /// Whether the task is passed; false for one that is not an `operate` task.
    pub fn passed(&self, task: &str) -> bool {
        self.tasks.iter().any(|watched| watched.id == task && watched.passed)
    }

    /// How the task's checks stand, in the card's order, as last looked at; `evidence` is asked only for what is there instead.
    pub fn results(&self, task: &str, evidence: &Evidence<'_>) -> Vec<CheckResult> {
        let Some(task) = self.tasks.iter().find(|watched| watched.id == task) else { return Vec::new() };
        task.checks.iter().map(|check| check.result(evidence)).collect()
    }
}

impl WatchedCheck {
    fn new(check: &Check) -> Result<Self, ExpressionError> {
        let optional = |source: &Option<String>| source.as_deref().map(Expression::parse).transpose();
        Ok(WatchedCheck {
            id: check.id.clone(),
            expected: check.says.clone(),
            cel: Expression::parse(&check.cel)?,
            when: check.when,
            within: check.within,
            after: optional(&check.after)?,
            actual: optional(&check.actual)?,
            began: check.after.is_none(),
            happened: false,
            broken: None,
            holds: false,
        })
    }

    fn observe(&mut self, evidence: &Evidence<'_>) {
        let is_true = |expression: &Expression| evidence.evaluate(expression) == Ok(Value::Bool(true));
        if !self.began {
            self.began = self.after.as_ref().is_some_and(is_true);
        }
        if !self.began {
            return;
        }
        self.holds = match self.when {
            When::AtEnd => is_true(&self.cel),
            When::Eventually => {
                let in_time = self.within.is_none_or(|within| evidence.seconds() <= within.duration().as_secs_f64());
                self.happened = self.happened || (in_time && is_true(&self.cel));
                self.happened
            }
            When::Always => {
                if self.broken.is_none() && !is_true(&self.cel) {
                    let at = evidence.seconds();
                    let found = self.found(evidence);
                    self.broken =
                        Some(Text::new(format!("not so at {at:.1} s: {}", found.en), format!("{at:.1} 秒时不成立：{}", found.zh)));
                }
                self.broken.is_none()
            }
        };
    }

    fn result(&self, evidence: &Evidence<'_>) -> CheckResult {
        let actual = match &self.broken {
            _ if self.holds => Text::default(),
            Some(broken) => broken.clone(),
            None if !self.began => Text::new("it has not come to this yet", "还没有进行到这一步"),
            None => self.found(evidence),
        };
        CheckResult { id: self.id.clone(), passed: self.holds, expected: self.expected.clone(), actual }
    }

    /// What is there instead of what is expected.
    fn found(&self, evidence: &Evidence<'_>) -> Text {
        if let Some(value) = self.actual.as_ref().and_then(|actual| evidence.evaluate(actual).ok()) {
            let shown = render(&value);
            let empty = Text::new("nothing like it is there", "没有找到相应的内容");
            return if matches!(shown.as_str(), "" | "[]" | "{}" | "null") { empty } else { Text::new(shown.clone(), shown) };
        }
        match evidence.evaluate(&self.cel) {
            Err(EvaluationError::Other(message)) => Text::new(message.clone(), message),
            Err(EvaluationError::MissingField(field)) => {
                Text::new(format!("a field `{field}` is not set"), format!("字段 `{field}` 还没有值"))
            }
            Ok(_) => Text::new("it is not so", "目前不成立"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::TraceLog;
    use crate::evidence::tests::pod;
    use crate::variables::Variables;
    use api::Object;
    use serde_json::{Value as Json, json};
    use sim::{EventId, Time};

    fn judge(check: &Json) -> Judge {
        let text = json!({"en": "x", "zh": "x"});
        let mut check = check.clone();
        check["id"] = json!("c");
        check["says"] = text.clone();
        let task = json!({"id": "t", "title": text, "prompt": text, "kind": {"operate": {"checks": [check]}}});
        Judge::new(&serde_json::from_value(json!({"tasks": [task]})).unwrap()).unwrap()
    }

    /// Shows the judge the objects at each second from 0 on, and gives what it says in the end.
    fn after(check: &Json, moments: &[&[Object]]) -> (bool, String) {
        let mut judge = judge(check);
        let log = TraceLog::new(Time::ZERO, EventId(0));
        let variables = Variables::default();
        let mut result = None;
        for (second, objects) in (0..).zip(moments) {
            let now = Time::from_secs(second);
            let objects = objects.iter().collect();
            let evidence =
                Evidence { objects, members: Vec::new(), log: &log, now, variables: &variables, files: Vec::new(), commands: &[] };
            judge.observe(&evidence);
            result = judge.results("t", &evidence).pop();
        }
        let result = result.unwrap();
        assert_eq!(result.passed, judge.all_passed());
        (result.passed, result.actual.en)
    }

    #[test]
    fn checks_hold_when_they_say() {
        let (none, some): (&[Object], &[Object]) = (&[], &[pod("a", "Running")]);
        let cel = "size(pods) == 1";
        let cases = [
            (json!({"cel": cel}), vec![none, some], true),
            (json!({"cel": cel}), vec![none, none], false),
            (json!({"cel": cel, "when": "eventually"}), vec![none, some, none], true),
            (json!({"cel": cel, "when": "eventually", "within": "1s"}), vec![none, none, some], false),
            (json!({"cel": cel, "when": "always"}), vec![none, some], false),
            (json!({"cel": cel, "when": "always", "after": "size(pods) == 1"}), vec![none, some], true),
            (json!({"cel": cel, "when": "always", "after": "size(pods) > 5"}), vec![none, some], false),
        ];
        for (check, moments, wanted) in cases {
            assert_eq!(after(&check, &moments).0, wanted, "{check}");
        }
    }

    #[test]
    fn a_failed_check_says_what_is_there_instead() {
        let pending: &[Object] = &[pod("a", "Pending")];
        let cases = [
            (json!({"cel": "pods[0].status.phase == 'Running'", "actual": "pods.map(p, p.status.phase)"}), "[\"Pending\"]"),
            (json!({"cel": "size(pods) == 3", "actual": "services"}), "nothing like it is there"),
            (json!({"cel": "size(pods) == 3"}), "it is not so"),
            (json!({"cel": "pods[0].status.podIP == 'x'"}), "a field `podIP` is not set"),
            (json!({"cel": "size(pods) == 0", "when": "always", "actual": "size(pods)"}), "not so at 0.0 s: 1"),
        ];
        for (check, wanted) in cases {
            assert_eq!(after(&check, &[pending]), (false, wanted.to_owned()), "{check}");
        }
    }

    #[test]
    fn a_passed_task_stays_passed() {
        let some: &[Object] = &[pod("a", "Running")];
        assert!(after(&json!({"cel": "size(pods) == 1"}), &[some, &[]]).0);
    }
}
