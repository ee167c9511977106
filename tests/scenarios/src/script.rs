//! The text of a scenario.
//!
//! ```text
//! # A Deployment that is scaled changes its ReplicaSet, which makes the Pods.
//! nodes 2
//!
//! kubectl create deployment web --image=nginx
//! kubectl rollout status deployment/web
//! kubectl scale deployment web --replicas=3
//! kubectl rollout status deployment/web
//! kubectl get deployments
//!     NAME   READY   AVAILABLE
//!     web    3/3     3
//! trace
//!     kubectl                 $ kubectl scale *
//!       deployment-controller   Deployment default/web: *
//!         replicaset-controller   ReplicaSet default/web-*: create 2 Pods
//! never
//!     *    * event Warning *
//! ---
//! kubectl get pods
//!     NAME      STATUS
//!     web-*-*   Running
//!     web-*-*   Running
//!     web-*-*   Running
//! ```
//!
//! Comments begin with `#`; the first says what the reader should learn. Then come settings, one a line, and steps:
//!
//! | line | meaning |
//! | --- | --- |
//! | `nodes N` | so many nodes of 4 CPUs and 8 GiB; 2 by default |
//! | `node NAME [cpu=N] [memory=Q] [label=KEY=VALUE] [taint=KEY=VALUE:EFFECT] …` | one node more, instead of those |
//! | `crash PART` | the part that crashes: `kube-controller-manager` by default, or `kube-scheduler` |
//! | `no lag` | no watch is later than another; the comment before it says what Kubernetes does not promise otherwise |
//! | `from boot` | it may crash from its first write on; else from the first step on |
//! | `dust TIME` | how long after the last step the end is looked at: 90 s by default |
//! | `ignore KIND .PATH` | a field that a crash may change; the comment before it says why |
//! | `kubectl …` | a command, with its here-document if it has one; `! kubectl …` one that must fail |
//! | `wait TIME` | lets time pass |
//! | `usage POD RESOURCE=QUANTITY …` | what Pods of this name use from now on, as the metrics server tells it |
//! | `fault …`, `heal …` | as in a lab's script: `fault cut-node node-1` |
//! | `trace`, `never` | what must have happened since the start, or must not |
//!
//! Indented lines below a command are what it prints; `*` stands for any text. Where the first of them names columns of a table, those
//! columns are compared, and the rows may come in any order (names are random). Below `trace` each line is an actor and what it did, in
//! order; a line that is indented deeper was caused by the one above it, directly or not.
//!
//! What stands above `---` is checked when nothing is disturbed. The commands below it are checked at the end of every run, whatever
//! crashed.

use cluster::{ClusterConfig, Fault, NodeConfig};
use lab::Span;
use std::time::Duration;

/// A scenario that was read.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `CONTROLLER/NAME`, after its file.
    pub name: String,
    /// What the reader should learn.
    pub lesson: String,
    /// The nodes.
    pub nodes: Vec<NodeConfig>,
    /// The part that crashes.
    pub part: String,
    /// Whether it may crash while the cluster boots.
    pub from_boot: bool,
    /// Whether watches may be late.
    pub lags: bool,
    /// How long after the last step the end is looked at.
    pub dust: Duration,
    /// Fields that a crash may change: a kind and a path such as `.status.failed`.
    pub ignored: Vec<(String, String)>,
    /// The steps before `---`.
    pub steps: Vec<Step>,
    /// The commands after `---`.
    pub end: Vec<Step>,
}

/// A step, and the line of the file on which it stands, from 1.
#[derive(Clone, Debug)]
pub struct Step {
    /// The line.
    pub line: usize,
    /// What it does.
    pub does: Does,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Does {
    /// Runs a command.
    Command {
        /// As it is typed, with its here-document.
        line: String,
        /// Whether it must fail.
        fails: bool,
        /// What it prints; nothing said if empty.
        prints: Vec<String>,
    },
    /// Lets time pass.
    Wait(Duration),
    /// Pods of this name use so much of these resources.
    Usage(String, Vec<(String, String)>),
    /// Puts a fault on the cluster.
    Inject(Fault),
    /// Takes it away.
    Heal(Fault),
    /// This happened, in order.
    Trace(Vec<TraceLine>),
    /// None of this happened.
    Never(Vec<TraceLine>),
}

/// A line of an expected trace.
#[derive(Clone, Debug)]
pub struct TraceLine {
    /// How deep it is indented: it is caused by the last line above that is indented less.
    pub depth: usize,
    /// Who did it; `*` stands for any text.
    pub actor: String,
    /// What it did.
    pub what: String,
}

/// A scenario that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}.txt:{line}: {message}")]
pub struct ScriptError {
    /// The scenario.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what is right.
    pub message: String,
}

/// The lines that follow a step and are indented.
fn block<'t>(lines: &mut std::iter::Peekable<impl Iterator<Item = (usize, &'t str)>>) -> Vec<String> {
    let mut block = Vec::new();
    while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with([' ', '\t']) && !line.trim().is_empty()) {
        block.push(line.trim_end().to_owned());
    }
    block
}

impl Scenario {
    /// Reads the scenario `name`.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScriptError> {
        let mut scenario = Scenario {
            name: name.to_owned(),
            lesson: String::new(),
            nodes: Vec::new(),
            part: "kube-controller-manager".to_owned(),
            from_boot: false,
            lags: true,
            dust: Duration::from_secs(90),
            ignored: Vec::new(),
            steps: Vec::new(),
            end: Vec::new(),
        };
        let mut at_end = false;
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).peekable();
        while let Some((number, line)) = lines.next() {
            let wrong = |message: String| ScriptError { name: name.to_owned(), line: number, message };
            let line = line.trim_end();
            if let Some(comment) = line.strip_prefix('#') {
                if scenario.lesson.is_empty() {
                    scenario.lesson = comment.trim().to_owned();
                }
                continue;
            }
            if line.is_empty() {
                continue;
            }
            if line == "---" {
                at_end = true;
                continue;
            }
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            if scenario.setting(word, rest.trim()).map_err(wrong)? {
                continue;
            }
            let does = match word {
                "kubectl" | "!" => command(line, &mut lines).map_err(wrong)?,
                "trace" => Does::Trace(trace_lines(&block(&mut lines)).map_err(wrong)?),
                "never" => Does::Never(trace_lines(&block(&mut lines)).map_err(wrong)?),
                _ => step(word, rest.trim()).map_err(wrong)?,
            };
            let steps = if at_end { &mut scenario.end } else { &mut scenario.steps };
            steps.push(Step { line: number, does });
        }
        let incomplete = |message: &str| ScriptError { name: name.to_owned(), line: 1, message: message.to_owned() };
        if scenario.lesson.is_empty() {
            return Err(incomplete("begin with a comment that says what the reader should learn"));
        }
        if scenario.end.is_empty() {
            return Err(incomplete("after a line --- say what must hold at the end of every run"));
        }
        if scenario.nodes.is_empty() {
            scenario.nodes = vec![NodeConfig::default(); 2];
        }
        Ok(scenario)
    }

    /// The cluster that it runs on.
    pub fn cluster(&self, seed: u64) -> ClusterConfig {
        ClusterConfig { seed, nodes: self.nodes.clone(), ..ClusterConfig::default() }
    }

    /// Takes a line that sets something; says whether it was one.
    fn setting(&mut self, word: &str, rest: &str) -> Result<bool, String> {
        match word {
            "nodes" => {
                let count: usize = rest.parse().ok().filter(|count| (1..=20).contains(count)).ok_or("nodes 1 to nodes 20")?;
                self.nodes = vec![NodeConfig::default(); count];
            }
            "node" => self.nodes.push(node(rest)?),
            "crash" if matches!(rest, "kube-controller-manager" | "kube-scheduler") => self.part = rest.to_owned(),
            "crash" => return Err("crash kube-controller-manager or crash kube-scheduler".to_owned()),
            "from" if rest == "boot" => self.from_boot = true,
            "no" if rest == "lag" => self.lags = false,
            "dust" => self.dust = rest.parse::<Span>().map_err(|error| error.to_string())?.duration(),
            "ignore" => {
                let (kind, path) = rest.split_once(' ').ok_or("ignore KIND .PATH")?;
                self.ignored.push((kind.to_owned(), path.trim().to_owned()));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn node(text: &str) -> Result<NodeConfig, String> {
    let mut words = text.split_whitespace();
    let name = words.next().ok_or("node NAME [cpu=N] [memory=Q] [label=KEY=VALUE] [taint=KEY=VALUE:EFFECT]")?;
    let mut node = NodeConfig { name: Some(name.to_owned()), ..NodeConfig::default() };
    for word in words {
        match word.split_once('=') {
            Some(("cpu", value)) => node.cpu = value.to_owned(),
            Some(("memory", value)) => node.memory = value.to_owned(),
            Some(("taint", value)) => node.taints.push(value.to_owned()),
            Some(("label", label)) => {
                let (key, value) = label.split_once('=').ok_or_else(|| format!("label={label} is not label=KEY=VALUE"))?;
                node.labels.insert(key.into(), value.into());
            }
            _ => return Err(format!("{word:?} is none of cpu=, memory=, label=, taint=")),
        }
    }
    Ok(node)
}

fn step(word: &str, rest: &str) -> Result<Does, String> {
    let fault = || rest.parse::<Fault>().map_err(|error| error.to_string());
    match word {
        "wait" => Ok(Does::Wait(rest.parse::<Span>().map_err(|error| error.to_string())?.duration())),
        "fault" => Ok(Does::Inject(fault()?)),
        "heal" => Ok(Does::Heal(fault()?)),
        "usage" => {
            let mut words = rest.split_whitespace();
            let pods = words.next().ok_or("usage POD RESOURCE=QUANTITY")?;
            let amounts = words.map(|word| word.split_once('=').ok_or_else(|| format!("{word:?} is not RESOURCE=QUANTITY")));
            let amounts = amounts.map(|pair| pair.map(|(resource, amount)| (resource.to_owned(), amount.to_owned())));
            Ok(Does::Usage(pods.to_owned(), amounts.collect::<Result<_, _>>()?))
        }
        _ => Err(format!("{word:?} is no step; there are kubectl, wait, usage, fault, heal, trace and never")),
    }
}

/// A command, with its here-document and what it prints.
fn command<'t>(line: &str, lines: &mut std::iter::Peekable<impl Iterator<Item = (usize, &'t str)>>) -> Result<Does, String> {
    let (line, fails) = match line.strip_prefix("! ") {
        Some(line) => (line, true),
        None => (line, false),
    };
    let mut command = line.to_owned();
    if let Some((_, mark)) = line.split_once("<<") {
        let mark = mark.trim().trim_matches(['\'', '"']);
        loop {
            let (_, line) = lines.next().ok_or_else(|| format!("the text after << does not end with a line `{mark}`"))?;
            command.push('\n');
            command.push_str(line);
            if line.trim_end() == mark {
                break;
            }
        }
    }
    Ok(Does::Command { line: command, fails, prints: block(lines).iter().map(|line| line.trim().to_owned()).collect() })
}

fn trace_lines(block: &[String]) -> Result<Vec<TraceLine>, String> {
    let mut lines = Vec::new();
    for line in block {
        let depth = line.len() - line.trim_start().len();
        let (actor, what) = line.trim().split_once(' ').ok_or_else(|| format!("{:?} is not ACTOR WHAT", line.trim()))?;
        lines.push(TraceLine { depth, actor: actor.to_owned(), what: what.trim().to_owned() });
    }
    if lines.is_empty() {
        return Err("indented lines ACTOR WHAT must follow".to_owned());
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_steps_and_the_end_are_told_apart() {
        let text = "# Lesson.\nnode a cpu=2 label=disk=ssd taint=k=v:NoSchedule\n\nkubectl apply -f - <<EOF\na: 1\nEOF\n    made\n\
                    ! kubectl get x\nwait 5s\ntrace\n    kubectl   $ *\n      a   b c\n---\nkubectl get pods\n    NAME\n";
        let scenario = Scenario::parse("x/y", text).unwrap();
        assert_eq!((scenario.lesson.as_str(), scenario.steps.len(), scenario.end.len()), ("Lesson.", 4, 1));
        assert_eq!((scenario.nodes[0].cpu.as_str(), scenario.nodes[0].taints[0].as_str()), ("2", "k=v:NoSchedule"));
        let Does::Command { line, fails: false, prints } = &scenario.steps[0].does else { panic!("{:?}", scenario.steps[0]) };
        assert_eq!((line.as_str(), prints.as_slice()), ("kubectl apply -f - <<EOF\na: 1\nEOF", &["made".to_owned()][..]));
        let Does::Trace(lines) = &scenario.steps[3].does else { panic!("{:?}", scenario.steps[3]) };
        assert_eq!((lines[1].depth, lines[1].actor.as_str(), lines[1].what.as_str()), (6, "a", "b c"));
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        for (text, message) in [
            ("kubectl get x\n---\nkubectl get x", "x.txt:1: begin with a comment that says what the reader should learn"),
            ("# a\nwait 5s", "x.txt:1: after a line --- say what must hold at the end of every run"),
            ("# a\nwait long", "x.txt:2: time: invalid duration \"long\"; write it like 500ms, 30s, 1m30s or 2h"),
            ("# a\n\ndo it", "x.txt:3: \"do\" is no step; there are kubectl, wait, usage, fault, heal, trace and never"),
            ("# a\nkubectl apply -f - <<EOF\n", "x.txt:2: the text after << does not end with a line `EOF`"),
        ] {
            assert_eq!(Scenario::parse("x", text).unwrap_err().to_string(), message);
        }
    }
}
