//! What the page and its Web Worker say to each other, as JSON.
//!
//! The page sends [`ToEngine`]; the worker hands it to [`Engine::handle`](crate::Engine::handle) and sends back every [`FromEngine`] that
//! comes out. Between messages the worker calls [`Engine::tick`](crate::Engine::tick) with the wall time that has passed, as long as
//! [`Engine::wants_tick`](crate::Engine::wants_tick) says so. No message is an answer in the sense of a call: whatever changed is told.
//!
//! ```text
//! page    {"type":"load","lab":{…},"seed":7}      {"type":"line","line":"kubectl apply -f web.yaml"}
//! worker  {"type":"ready",…} {"type":"checks",…}  {"type":"output",…} {"type":"snapshot",…} {"type":"events",…} {"type":"prompt","exitCode":0}
//! ```

use crate::answer::Answer;
use crate::session::{PredictionResult, TaskResult};
use crate::snapshot::{EventView, Snapshot};
use crate::spec::Lab;
use crate::text::Span;
use cluster::{Fault, Inspection};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// From the page to the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ToEngine {
    /// Begin a lab. Answered by `ready`, `checks` and `snapshot`.
    Load {
        /// The lab of a card.
        lab: Box<Lab>,
        /// The seed that deals its numbers.
        seed: u64,
    },
    /// The language of what the terminal itself says (`LANG`), from the next lab on.
    Language {
        /// Its tag, for example `zh-CN`.
        language: String,
    },
    /// Begin the same lab anew; with another seed, other numbers are dealt.
    Reset {
        /// The seed; the same as before if there is none.
        seed: Option<u64>,
    },
    /// The editor's text of a file. Answered by `problems`.
    SetFile {
        /// Its name.
        name: String,
        /// Its whole text.
        text: String,
    },
    /// A file is thrown away.
    RemoveFile {
        /// Its name.
        name: String,
    },
    /// A line is typed into the terminal, or into the session in a container that has prompted (`\u{4}` alone is Ctrl-D). Virtual time passes
    /// until it is done, also when the cluster is paused; then comes `prompt`.
    Line {
        /// The line.
        line: String,
    },
    /// Ctrl-C.
    Interrupt,
    /// What could the word at the cursor become? Answered by `completions`.
    Complete {
        /// Given back in the answer.
        id: u64,
        /// The line so far.
        line: String,
        /// The cursor's place in it, in bytes.
        cursor: usize,
    },
    /// Virtual time passes from now on, or stands still.
    Play {
        /// Whether it passes.
        on: bool,
    },
    /// How fast virtual time passes.
    Speed {
        /// Virtual seconds in a real one: 0.01 to 1000.
        factor: f64,
    },
    /// Virtual time passes up to the next event of the trace, at most a minute.
    Step,
    /// Virtual time passes at once.
    Advance {
        /// How much.
        by: Span,
    },
    /// A prediction is made. Answered by `prediction` and `checks`.
    Predict {
        /// The task.
        task: String,
        /// The answer.
        answer: Answer,
    },
    /// How does everything stand? Answered by `checks`.
    Check,
    /// A fault is put on the cluster, or taken away.
    Fault {
        /// The fault.
        fault: Fault,
        /// Whether it is there from now on.
        on: bool,
    },
    /// Look into a component from now on. Answered by `inspection`, now and whenever a `snapshot` comes.
    Inspect {
        /// Its name; none to look away.
        component: Option<String>,
    },
}

/// From the engine to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FromEngine {
    /// A lab has begun.
    Ready {
        /// Its seed.
        seed: u64,
        /// The lab with the dealt numbers in its texts.
        lab: Box<Lab>,
    },
    /// The terminal printed something.
    Output {
        /// Whether it is an error or a warning.
        stderr: bool,
        /// What; may hold several lines.
        text: String,
    },
    /// The terminal takes the next line.
    Prompt {
        /// The exit status of the last one; 0 within a session.
        exit_code: i32,
        /// The prompt of the session in a container that takes the line: `/ # `; perhaps empty. `None` outside of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// What the word at the cursor could become.
    Completions {
        /// The number that was asked with.
        id: u64,
        /// The candidates, in order.
        candidates: Vec<String>,
    },
    /// The learner's files, when the terminal changed them.
    Files {
        /// All of them, by name.
        files: BTreeMap<String, String>,
    },
    /// What is wrong with a file; empty when nothing is.
    Problems {
        /// The file.
        name: String,
        /// In the order of the file.
        problems: Vec<FileProblem>,
    },
    /// The cluster has changed.
    Snapshot {
        /// All of it.
        snapshot: Box<Snapshot>,
    },
    /// The inside of the component that the page looks into.
    Inspection {
        /// The components that can be looked into, in order.
        components: Vec<String>,
        /// Its name.
        component: String,
        /// What it knows; empty when there is no such component, or it does not run.
        inspection: Box<Inspection>,
    },
    /// New events of the trace, oldest first.
    Events {
        /// They.
        events: Vec<EventView>,
    },
    /// How the tasks stand.
    Checks {
        /// Whether all are passed.
        passed: bool,
        /// In the card's order.
        tasks: Vec<TaskResult>,
    },
    /// What became of a prediction.
    Prediction {
        /// The task.
        task: String,
        /// The result.
        result: Box<PredictionResult>,
    },
    /// Something could not be done.
    Error {
        /// Why.
        message: String,
    },
}

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileProblem {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// Whether the API server would refuse the object, or only warn.
    pub error: bool,
    /// What is wrong, in the words of the API server.
    pub message: String,
}
