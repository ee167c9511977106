//! What comes of a case, an area, a run.

use serde::Serialize;
use std::fmt;

/// What a runner says of a case.
pub type Outcome = Result<(), Miss>;

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Something is not as expected.
    Failed {
        /// Where in the case: a step, a field.
        at: String,
        /// What the case expects.
        expected: String,
        /// What the engine gave.
        actual: String,
    },
    /// The case needs something that is not there; the text names it.
    Skipped(String),
    /// The case is not of the format that the runner knows.
    Malformed(String),
}

impl Miss {
    /// A failure.
    pub fn failed(at: impl Into<String>, expected: impl fmt::Display, actual: impl fmt::Display) -> Self {
        Miss::Failed { at: at.into(), expected: expected.to_string(), actual: actual.to_string() }
    }

    /// A failure unless both sides are equal.
    ///
    /// # Errors
    /// [`Miss::Failed`] with both sides as their `Debug` prints them.
    pub fn unless_equal<T: PartialEq + fmt::Debug>(at: impl Into<String>, expected: &T, actual: &T) -> Outcome {
        if expected == actual { Ok(()) } else { Err(Miss::failed(at, format!("{expected:?}"), format!("{actual:?}"))) }
    }
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// All that it expects holds.
    Passed,
    /// Something does not.
    Failed {
        /// Where in the case.
        at: String,
        /// What the case expects.
        expected: String,
        /// What the engine gave.
        actual: String,
    },
    /// It could not be run.
    Skipped {
        /// What is missing.
        why: String,
    },
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(()) => Verdict::Passed,
            Err(Miss::Failed { at, expected, actual }) => Verdict::Failed { at, expected, actual },
            Err(Miss::Skipped(why)) => Verdict::Skipped { why },
            Err(Miss::Malformed(why)) => {
                Verdict::Failed { at: "the case itself".to_owned(), expected: "a case of the area's format".to_owned(), actual: why }
            }
        }
    }
}

/// A case and how it ended.
#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    /// The case's id, or its place in the file.
    pub id: String,
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// All cases of a file.
#[derive(Clone, Debug, Serialize)]
pub struct AreaReport {
    /// What they are about.
    pub area: String,
    /// One report per case, in the file's order.
    pub cases: Vec<CaseReport>,
}

impl AreaReport {
    /// How many cases passed, failed and were skipped.
    pub fn totals(&self) -> (usize, usize, usize) {
        let count = |want: fn(&Verdict) -> bool| self.cases.iter().filter(|case| want(&case.verdict)).count();
        (
            count(|verdict| matches!(verdict, Verdict::Passed)),
            count(|verdict| matches!(verdict, Verdict::Failed { .. })),
            count(|verdict| matches!(verdict, Verdict::Skipped { .. })),
        )
    }
}
