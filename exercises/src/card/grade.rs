//! Grading the deck: every reference solution must pass, an empty attempt must fail, and every wrong attempt must fail where its card
//! says, whichever numbers are dealt.

use super::{Card, Deck};
use lab::{Attempt, LabError, LabSession, TaskKind, Variables, Verdict};

/// Which attempt of a card was graded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Graded {
    /// Its reference solution.
    Solution,
    /// Nothing at all.
    Empty,
    /// The wrong attempt of this id.
    Wrong(String),
}

/// One graded attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct GradeReport {
    /// The card.
    pub card: String,
    /// The attempt.
    pub attempt: Graded,
    /// The seed that dealt its numbers.
    pub seed: u64,
    /// Why it was not graded as the card says, in a sentence; `None` when it was.
    pub complaint: Option<String>,
    /// The verdict; `None` when the lab could not be run.
    pub verdict: Option<Verdict>,
}

/// Grades all attempts of all cards, with each of the seeds, in the order of cards, seeds and attempts. `done` hears of each report as it
/// comes, to show progress.
pub fn grade_deck(deck: &Deck, seeds: &[u64], mut done: impl FnMut(&GradeReport)) -> Vec<GradeReport> {
    let mut reports = Vec::new();
    for card in deck.iter() {
        for &seed in seeds {
            for report in grade_card(card, seed) {
                done(&report);
                reports.push(report);
            }
        }
    }
    reports
}

/// Grades all attempts of one card.
pub fn grade_card(card: &Card, seed: u64) -> Vec<GradeReport> {
    let variables = Variables::deal(&card.lab, seed);
    let report = |attempt: Graded, outcome: Result<Verdict, LabError>, judge: &dyn Fn(&Verdict) -> Option<String>| {
        let (complaint, verdict) = match outcome {
            Ok(verdict) => (judge(&verdict), Some(verdict)),
            Err(error) => (Some(error.to_string()), None),
        };
        GradeReport { card: card.id.clone(), attempt, seed, complaint, verdict }
    };
    let mut reports = vec![
        report(Graded::Solution, solve(card, seed, &variables), &|verdict| (!verdict.passed).then(|| what_failed(verdict))),
        report(Graded::Empty, lab::grade(&card.lab, &Attempt::default(), seed), &|verdict| {
            let done = verdict.tasks.iter().find(|task| task.passed);
            done.map(|task| format!("`{}` is passed by doing nothing", task.id))
        }),
    ];
    for wrong in &card.wrong {
        let attempt = Attempt { files: wrong.files.clone(), commands: wrong.commands.clone(), predictions: wrong.predictions.clone() };
        let outcome = lab::grade(&card.lab, &variables.fill_all(&attempt), seed);
        reports.push(report(Graded::Wrong(wrong.id.clone()), outcome, &|verdict| {
            (!verdict.failed(&wrong.caught_by)).then(|| format!("`{}` does not catch it; {}", wrong.caught_by, what_failed(verdict)))
        }));
    }
    reports
}

/// The reference solution, with the truths of the predictions filled in: they are not written in the card.
fn solve(card: &Card, seed: u64, variables: &Variables) -> Result<Verdict, LabError> {
    let mut session = LabSession::new(&card.lab, seed)?;
    let mut attempt = Attempt { files: card.solution.files.clone(), commands: card.solution.commands.clone(), ..Attempt::default() };
    attempt = variables.fill_all(&attempt);
    for task in card.lab.tasks.iter().filter(|task| matches!(task.kind, TaskKind::Predict(_))) {
        attempt.predictions.insert(task.id.clone(), session.truth(&task.id)?);
    }
    session.attempt(&attempt)
}

/// The tasks and checks that failed, with what is there instead.
fn what_failed(verdict: &Verdict) -> String {
    let mut failed = Vec::new();
    for task in verdict.tasks.iter().filter(|task| !task.passed) {
        let checks: Vec<_> = task.checks.iter().filter(|check| !check.passed).collect();
        if checks.is_empty() {
            failed.push(format!("`{}` failed", task.id));
        }
        failed.extend(checks.iter().map(|check| format!("`{}/{}` failed: {}", task.id, check.id, check.actual.en)));
    }
    if failed.is_empty() { "nothing failed".to_owned() } else { failed.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::tests::{deck, good_card};

    #[test]
    fn every_solution_passes_and_every_wrong_attempt_is_caught() {
        let reports = grade_deck(&deck(), &[1, 2, 3], |_| {});
        let complaints: Vec<_> = reports
            .iter()
            .filter(|report| report.complaint.is_some())
            .map(|report| {
                format!("{} {:?} seed {}: {}", report.card, report.attempt, report.seed, report.complaint.as_deref().unwrap_or_default())
            })
            .collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    #[test]
    fn a_solution_that_does_nothing_is_complained_of() {
        let mut card = good_card();
        card.solution.commands = "kubectl get pods".to_owned();
        let solution = grade_card(&card, 1).swap_remove(0);
        assert!(solution.complaint.is_some_and(|complaint| complaint.contains("`scale/replicas` failed")));
    }
}
