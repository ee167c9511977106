//! What a plugin answers when it does not simply agree (`k8s.io/kube-scheduler/framework`: `Code`, `Status`).

use std::borrow::Cow;

/// Why something did not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Something went wrong that has nothing to do with the Pod's wishes; it is tried again after a pause.
    Error,
    /// The Pod does not fit; preemption may help.
    Unschedulable,
    /// The Pod does not fit, whatever Pods are preempted.
    UnschedulableAndUnresolvable,
}

/// A refusal with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// Its nature.
    pub(crate) code: Code,
    /// Its reasons, in the words that reach the Pod's events.
    pub(crate) reasons: Vec<Cow<'static, str>>,
    /// The plugin that gave it; the runtime fills it in.
    pub(crate) plugin: &'static str,
}

impl Status {
    /// A refusal with one reason.
    pub(crate) fn new(code: Code, reason: impl Into<Cow<'static, str>>) -> Self {
        Status { code, reasons: vec![reason.into()], plugin: "" }
    }

    /// The Pod does not fit; preemption may help.
    pub(crate) fn unschedulable(reason: impl Into<Cow<'static, str>>) -> Self {
        Status::new(Code::Unschedulable, reason)
    }

    /// The Pod does not fit, whatever Pods are preempted.
    pub(crate) fn unresolvable(reason: impl Into<Cow<'static, str>>) -> Self {
        Status::new(Code::UnschedulableAndUnresolvable, reason)
    }

    /// Whether it says that the Pod does not fit (`IsRejected`).
    pub(crate) fn is_rejected(&self) -> bool {
        self.code != Code::Error
    }

    /// The reasons as one text.
    pub(crate) fn message(&self) -> String {
        self.reasons.join(", ")
    }

    /// The same refusal, given by this plugin.
    pub(crate) fn by(mut self, plugin: &'static str) -> Self {
        self.plugin = plugin;
        self
    }
}
