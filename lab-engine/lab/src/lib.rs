//! A card's lab: what it says, how it is run on a cluster, and how a learner's work is graded.
//!
//! - `spec`: the lab as the card holds it ([`Lab`]); [`validate`] holds its rules.
//! - [`Variables`]: the numbers that the seed deals.
//! - [`Expression`]: CEL, in which checks and truths are written.
//! - [`Script`]: a learner's commands.

#[allow(dead_code, reason = "grading, which comes with the session, is what compares answers")]
mod answer;
#[allow(dead_code, reason = "the session, which comes next, feeds expressions with objects")]
mod expr;
mod script;
mod spec;
mod text;
mod validate;
mod variables;

pub use answer::{Answer, TruthError};
pub use api::yaml;
pub use expr::{EvaluationError, Expression, ExpressionError, MAX_EXPRESSION_BYTES, MAX_NESTING, VARIABLES};
pub use script::{Does, Line, MAX_SCRIPT_LINES, Script, ScriptError};
pub use spec::{
    Check, ClusterShape, Input, Item, Items, Lab, NumberInput, Operate, Predict, Step, Task, TaskKind, TextInput, Until, Variable, When,
};
pub use text::{Span, SpanError, Text};
pub use validate::{Problem, can_fail, validate};
pub use variables::{DEFAULT_SEED, Variables};
