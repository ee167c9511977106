//! The widgets of a card, and what they share.
//!
//! Tests and styles hold on to these classes and attributes; they are stable:
//!
//! | what | where |
//! |---|---|
//! | think-first | `.cb-think textarea`, `.cb-think button.cb-reveal` |
//! | quiz | `.cb-quiz-item[data-state="right\|wrong"]`, `button.cb-answer` in it |
//! | lab | `.cb-lab`, `button.cb-start` (nothing large is loaded before) |
//! | editor | `.cb-editor textarea`, `.cb-tabs button[data-file]`, `.cb-problem[data-line]`, `button.cb-apply` (types `kubectl apply -f FILE`) |
//! | terminal | `.cb-terminal input`, `.cb-terminal-output`, `.cb-terminal[data-busy]` |
//! | controls | `.cb-controls button[data-action="play\|pause\|step\|reset\|deal"]`, `button.cb-advance[data-seconds]`, `select.cb-speed`, `.cb-clock` |
//! | cluster | `.cb-cluster .cb-node[data-node]` with `button.cb-cut-node`, `.cb-cluster .cb-pod[data-pod][data-status][data-ready]` |
//! | faults of nodes | `details.cb-node-faults` in a node with `button[data-fault]`; `button[data-fault="dns-servfail"]` in the control plane |
//! | scheduler | `details.cb-scheduler` with `select`, `.cb-why[data-node]`, `.cb-verdicts tr[data-node][data-won]` |
//! | control plane | `.cb-components li[data-component][data-running]` with `button.cb-kill-component` |
//! | autoscalers | `.cb-autoscaler[data-autoscaler]` with `svg.cb-curve`, and the same as a table |
//! | probes | `.cb-strip[data-container]` with `svg.cb-strip-chart` (`.cb-mark-good`, `.cb-mark-bad`, `.cb-mark-late`), `.cb-attempts tr[data-probe][data-outcome]` |
//! | packets | `details.cb-packets` with `select`, `.cb-why[data-connection]`, `.cb-walk li[data-step]`, `.cb-rules` (the rules that matched) |
//! | informers | `details.cb-informers` with `select.cb-component-choice`, `select.cb-informer-choice`, `.cb-stage[data-stage]`, `tr[data-informer]`, `tr[data-queue]` |
//! | timeline | `.cb-timeline li[data-kind][data-event][data-actor]`, `.cb-story` (how the chosen event came about) |
//! | tasks | `.cb-check[data-check="task/check"][data-passed="true\|false"]`, `.cb-prediction[data-task]` with its inputs and `button.cb-predict` |
//! | verdict | `.cb-verdict[data-passed]` (the whole lab), `.cb-task-verdict[data-passed]` |
//! | faults | `.cb-crash` with `button.cb-restart` (the engine ended), `.cb-engine-error`, `.cb-storage-note` |

pub(crate) mod inputs;
pub(crate) mod lab;
pub(crate) mod quiz;
pub(crate) mod rich;
pub(crate) mod think;

use crate::i18n::Words;
use crate::storage::Store;
use exercises::card::Card;
use exercises::lang::Lang;
use std::sync::Arc;

/// The card that a widget belongs to.
#[derive(Clone)]
pub(crate) struct CardContext {
    pub(crate) card: Arc<Card>,
    pub(crate) lang: Lang,
    pub(crate) words: &'static Words,
    pub(crate) store: Store,
}
