//! The lab behind the page's messages: what the Web Worker runs.
//!
//! Wall time comes in through [`Engine::tick`]; the engine turns it into virtual time, in slices of a bounded number of steps, so that the
//! worker can read its messages in between. Where the machine is too slow for the speed asked for, virtual time falls behind rather than
//! piling up.

use crate::problems::file_problems;
use crate::protocol::{FromEngine, ToEngine};
use crate::session::{LabError, LabSession};
use kubectl::Stream;
use sim::EventId;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many events go into one message.
const EVENTS_AT_ONCE: usize = 500;

/// How much wall time is made good at most after a pause of the worker, in milliseconds.
const MAX_DEBT_MS: f64 = 1000.0;

/// How far [`ToEngine::Step`] looks for the next event.
const STEP_LIMIT: Duration = Duration::from_secs(60);

/// How many steps of the simulation a message may cost: a bound on the time until the next one is read.
const STEPS_PER_MESSAGE: u64 = 200_000;

/// After how much virtual time a snapshot is sent though nothing happened, in milliseconds.
const CLOCK_STEP_MS: u64 = 250;

/// The worker's state.
pub struct Engine {
    session: Option<LabSession>,
    playing: bool,
    speed: f64,
    /// Virtual time still to pass: what was asked for and not done within the steps allowed.
    debt: Duration,
    /// The newest event that was sent.
    sent: EventId,
    /// The newest event when the last snapshot was sent, and the quarter of a second in which it was.
    shown: Option<(EventId, u64)>,
    /// The component that the page looks into.
    inspected: Option<String>,
    /// Whether a line was typed whose prompt was not sent yet.
    typing: bool,
    /// The prompt of the session in a container that the page was last told.
    prompt: Option<String>,
    /// The files as the page knows them.
    files: BTreeMap<String, String>,
    /// The language of what the terminal itself says.
    language: String,
}

impl Default for Engine {
    /// Without a lab; virtual time passes as fast as real time.
    fn default() -> Self {
        Engine {
            session: None,
            playing: true,
            speed: 1.0,
            debt: Duration::ZERO,
            sent: EventId(0),
            shown: None,
            inspected: None,
            typing: false,
            prompt: None,
            files: BTreeMap::new(),
            language: String::new(),
        }
    }
}

impl Engine {
    /// Does what a message asks for, and tells what changed.
    pub fn handle(&mut self, message: ToEngine) -> Vec<FromEngine> {
        let mut out = Vec::new();
        if let Err(error) = self.obey(message, &mut out) {
            out.push(FromEngine::Error { message: error });
        }
        self.tell(&mut out);
        out
    }

    /// Lets the virtual time pass that belongs to `elapsed_ms` of wall time, at most `max_steps` occurrences of it, and tells what changed.
    pub fn tick(&mut self, elapsed_ms: f64, max_steps: u64) -> Vec<FromEngine> {
        let mut out = Vec::new();
        let Some(session) = &mut self.session else { return out };
        if self.playing || !session.cluster().terminal().awaits_line() {
            let wall = Duration::from_secs_f64(elapsed_ms.clamp(0.0, MAX_DEBT_MS) / 1000.0);
            self.debt = (self.debt + wall.mul_f64(self.speed)).min(Duration::from_secs_f64(MAX_DEBT_MS / 1000.0 * self.speed.max(1.0)));
        }
        self.pay(max_steps);
        self.tell(&mut out);
        out
    }

    /// Whether [`Engine::tick`] has anything to do.
    pub fn wants_tick(&self) -> bool {
        self.session.as_ref().is_some_and(|session| self.playing || !self.debt.is_zero() || !session.cluster().terminal().awaits_line())
    }

    fn pay(&mut self, max_steps: u64) {
        let Some(session) = &mut self.session else { return };
        if self.debt.is_zero() {
            return;
        }
        let before = session.cluster().now();
        session.advance(self.debt, max_steps);
        self.debt = self.debt.saturating_sub(session.cluster().now().since(before));
    }

    fn obey(&mut self, message: ToEngine, out: &mut Vec<FromEngine>) -> Result<(), String> {
        let say = |error: LabError| error.to_string();
        if let ToEngine::Load { lab, seed } = message {
            let problems = crate::validate(&lab);
            if let Some(first) = problems.first() {
                return Err(format!("{}: {}", first.field, first.message));
            }
            self.begin(LabSession::new(&lab, seed).map_err(say)?, out);
            return Ok(());
        }
        if let ToEngine::Language { language } = message {
            self.language = language;
            return Ok(());
        }
        let session = self.session.as_mut().ok_or("no lab is loaded")?;
        match message {
            ToEngine::Load { .. } | ToEngine::Language { .. } => unreachable!("handled above"),
            ToEngine::Reset { seed } => {
                session.reset(seed.unwrap_or(session.seed())).map_err(say)?;
                if let Some(session) = self.session.take() {
                    self.begin(session, out);
                }
            }
            ToEngine::SetFile { name, text } => {
                session.write_file(&name, &text).map_err(say)?;
                out.push(FromEngine::Problems { problems: file_problems(&name, &text), name: name.clone() });
                self.files.insert(name, text);
            }
            ToEngine::RemoveFile { name } => {
                session.remove_file(&name);
                self.files.remove(&name);
            }
            ToEngine::Line { line } => {
                session.start_line(&line);
                self.typing = true;
            }
            ToEngine::Interrupt => {
                self.typing |= session.cluster().terminal().is_busy();
                session.interrupt();
            }
            ToEngine::Complete { id, line, cursor } => {
                out.push(FromEngine::Completions { id, candidates: session.cluster().terminal().complete(&line, cursor) });
            }
            ToEngine::Play { on } => {
                self.playing = on;
                self.debt = Duration::ZERO;
            }
            ToEngine::Speed { factor } if factor.is_nan() => return Err("the speed is no number".to_owned()),
            ToEngine::Speed { factor } => self.speed = factor.clamp(0.01, 1000.0),
            ToEngine::Step => session.step(STEP_LIMIT, STEPS_PER_MESSAGE),
            ToEngine::Advance { by } => {
                self.debt += by.duration();
                self.pay(STEPS_PER_MESSAGE);
            }
            ToEngine::Predict { task, answer } => {
                let result = session.submit_prediction(&task, answer).map_err(say)?;
                out.push(FromEngine::Prediction { task, result: Box::new(result) });
                self.tell_checks(out);
            }
            ToEngine::Check => self.tell_checks(out),
            ToEngine::Inspect { component } => {
                self.inspected = component;
                self.shown = None;
            }
            ToEngine::Fault { fault, on } => session.set_fault(&fault, on).map_err(say)?,
        }
        Ok(())
    }

    fn begin(&mut self, mut session: LabSession, out: &mut Vec<FromEngine>) {
        if !self.language.is_empty() {
            session.set_language(&self.language);
        }
        out.push(FromEngine::Ready { seed: session.seed(), lab: Box::new(session.lab().clone()) });
        self.files = session.lab().files.clone();
        (self.debt, self.sent, self.shown, self.typing, self.prompt) = (Duration::ZERO, EventId(0), None, false, None);
        self.session = Some(session);
        self.tell_checks(out);
    }

    fn tell_checks(&mut self, out: &mut Vec<FromEngine>) {
        if let Some(session) = &mut self.session {
            let verdict = session.verdict();
            out.push(FromEngine::Checks { passed: verdict.passed, tasks: verdict.tasks });
        }
    }

    /// Tells everything that changed since it was last told.
    fn tell(&mut self, out: &mut Vec<FromEngine>) {
        let Some(session) = &mut self.session else { return };
        for output in session.take_output() {
            out.push(FromEngine::Output { stderr: output.stream == Stream::Stderr, text: output.text });
        }
        let terminal = session.cluster().terminal();
        // A session prompts again whenever what it prints ends in another prompt; the end of one is a prompt, too.
        let awaits = terminal.awaits_line();
        let text = terminal.prompt().filter(|_| awaits).map(str::to_owned);
        let prompt = awaits && (self.typing || self.prompt != text);
        if prompt {
            self.typing = false;
            self.prompt.clone_from(&text);
            let files: BTreeMap<String, String> = terminal.files().iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
            if files != self.files {
                out.push(FromEngine::Files { files: files.clone() });
                self.files = files;
            }
        }
        let events = session.events(self.sent, EVENTS_AT_ONCE);
        if let Some(last) = events.last() {
            self.sent = EventId(last.id);
            out.push(FromEngine::Events { events });
        }
        // Time alone passes in steps: a clock that stood still between events would look as if the cluster did.
        let newest = (session.cluster().trace().last_id(), session.cluster().now().as_millis() / CLOCK_STEP_MS);
        if self.shown != Some(newest) {
            self.shown = Some(newest);
            out.push(FromEngine::Snapshot { snapshot: Box::new(session.snapshot()) });
            if let Some(component) = &self.inspected {
                let cluster = session.cluster();
                let inspection = Box::new(cluster.inspect(component));
                out.push(FromEngine::Inspection { components: cluster.watchers(), component: component.clone(), inspection });
            }
        }
        if prompt {
            out.push(FromEngine::Prompt { exit_code: session.cluster().terminal().exit_code().max(0), text });
            self.tell_checks(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Inspection, ReflectorState};

    fn inspection(told: Vec<FromEngine>) -> Option<(Vec<String>, String, Inspection)> {
        told.into_iter().find_map(|message| match message {
            FromEngine::Inspection { components, component, inspection } => Some((components, component, *inspection)),
            _ => None,
        })
    }

    #[test]
    fn the_inside_of_a_component_is_told_to_those_who_look() {
        let lab = serde_json::from_value(serde_json::json!({"cluster": {"nodes": [{}]}, "tasks": []})).unwrap();
        let (mut engine, mut out) = (Engine::default(), Vec::new());
        engine.begin(LabSession::new(&lab, 1).unwrap(), &mut out);
        out.extend((0..10).flat_map(|_| engine.tick(1000.0, 1_000_000)));
        assert_eq!(inspection(out), None, "nobody has asked");
        let look = |component: &str| ToEngine::Inspect { component: Some(component.to_owned()) };
        let (components, component, inside) = inspection(engine.handle(look("kube-controller-manager"))).expect("it was asked for");
        assert_eq!(component, "kube-controller-manager");
        for name in ["kube-scheduler", "kube-controller-manager", "kubelet/node-1"] {
            assert!(components.iter().any(|known| known == name), "{name} is not in {components:?}");
        }
        let nodes = inside.informers.iter().find(|informer| informer.resource == "nodes").expect("it watches nodes");
        assert_eq!((nodes.reflector, nodes.cached, nodes.asked.watch_lists), (ReflectorState::Watching, 1, 1));
        assert_eq!(nodes.passed, nodes.told.added + nodes.told.updated);
        assert!(inside.queues.iter().any(|queue| queue.name == "root-ca-cert-publisher" && queue.added > 0), "{:?}", inside.queues);

        assert!(inspection(engine.tick(1000.0, 1_000_000)).is_some(), "it is told again as time passes");
        let told = inspection(engine.handle(look("nobody"))).expect("it was asked for");
        assert_eq!(told.2, Inspection::default());
        engine.handle(ToEngine::Inspect { component: None });
        assert_eq!(inspection(engine.tick(1000.0, 1_000_000)), None, "nobody looks any more");
    }
}
