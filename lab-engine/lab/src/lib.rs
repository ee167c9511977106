//! A card's lab: what it says, how it is run on a cluster, and how a learner's work is graded.
//!
//! - [`Lab`]: the lab as the card holds it; [`validate`](fn@validate) has its rules; [`Variables`] are the numbers that the seed deals.
//! - [`Expression`]: CEL, in which checks and truths are written; [`Evidence`]: what it sees.
//! - [`Judge`]: watches the checks of `operate` tasks.
//! - [`Script`]: a learner's commands.
//! - [`Snapshot`]: the cluster as views show it; [`Journey`]: a packet's way, hop by hop.
//! - [`LabSession`]: a learner's time with a lab; [`grade`] judges a whole attempt. [`file_problems`] looks at a manifest while it is written.
//! - [`Engine`]: the same behind the messages of the page, [`ToEngine`] and [`FromEngine`].

mod answer;
mod engine;
mod evidence;
mod expr;
mod journey;
mod judge;
mod problems;
mod protocol;
mod run;
mod script;
mod session;
mod snapshot;
mod spec;
mod text;
mod validate;
mod variables;

pub use answer::{Answer, TruthError};
pub use api::yaml;
pub use cluster::{
    CachedObject, ComponentStatus, Fault, HandlerCounts, InformerStatus, Inspection, MemberStatus, NodeFault, QueueStatus, ReflectorCounts,
    ReflectorState,
};
pub use engine::Engine;
pub use evidence::{Evidence, TraceLog};
pub use expr::{EvaluationError, Expression, ExpressionError, MAX_EXPRESSION_BYTES, MAX_NESTING, VARIABLES};
pub use journey::{Hop, Journey, Outcome};
pub use judge::{CheckResult, Judge};
pub use problems::file_problems;
pub use protocol::{FileProblem, FromEngine, ToEngine};
pub use script::{Does, Line, MAX_SCRIPT_LINES, Script, ScriptError};
pub use session::{Attempt, LabError, LabSession, LineResult, PredictionResult, TaskResult, Verdict, grade};
pub use snapshot::{EventView, NodeView, PodView, ServiceView, Snapshot, WorkloadView};
pub use spec::{
    Check, ClusterShape, Input, Item, Items, Lab, NumberInput, Operate, Predict, Step, Task, TaskKind, TextInput, Until, Variable, When,
};
pub use text::{Span, SpanError, Text};
pub use validate::{Problem, can_fail, validate};
pub use variables::{DEFAULT_SEED, Variables};
