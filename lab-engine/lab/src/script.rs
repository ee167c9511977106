//! A learner's script: one command a line, as it would be typed.
//!
//! ```text
//! # comments and empty lines are skipped
//! kubectl apply -f web.yaml
//! wait 30s
//! kubectl get pods
//! fault crash etcd-2
//! heal crash etcd-2
//! ```
//!
//! `wait` (or `advance`) lets virtual time pass. `fault` puts a fault on the cluster and `heal` takes it away again: `crash PART`,
//! `isolate PART`, `cut PART PART`, `cut-node NODE`, `slow-disk MEMBER MILLISECONDS`, `corrupt MEMBER KEY` (which stays). A line with a here-document (`<<EOF`) goes on
//! to its end mark. `clusterbook kubectl --script` and the `commands` file of a lab are read by this.

use crate::text::{Span, SpanError};
use cluster::{Fault, FaultSyntaxError};

/// How many lines a script may have.
pub const MAX_SCRIPT_LINES: usize = 1000;

/// A script that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Its lines, in order.
    pub lines: Vec<Line>,
}

/// A line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it stands, from 1.
    pub number: usize,
    /// What it does.
    pub does: Does,
}

/// What a line does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Does {
    /// Types a command, with the lines of its here-document.
    Command(String),
    /// Lets time pass.
    Wait(Span),
    /// Puts a fault on the cluster.
    Inject(Fault),
    /// Takes a fault away again.
    Heal(Fault),
}

/// A script that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// A `wait` without a proper length.
    #[error("line {line}: {error}")]
    Wait {
        /// The line, from 1.
        line: usize,
        /// What is wrong with the length.
        error: SpanError,
    },
    /// A `fault` or `heal` that names no fault.
    #[error("line {line}: {error}")]
    Fault {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        error: FaultSyntaxError,
    },
    /// A here-document without its end.
    #[error("line {line}: the text after << does not end with a line `{mark}`")]
    OpenHereDocument {
        /// The line on which it begins, from 1.
        line: usize,
        /// The mark that is missing.
        mark: String,
    },
    /// More than [`MAX_SCRIPT_LINES`].
    #[error("the script has more than {MAX_SCRIPT_LINES} lines")]
    TooLong,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// [`ScriptError`] for the first line that cannot be read.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut lines = Vec::new();
        let mut source = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        while let Some((number, line)) = source.next() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if lines.len() == MAX_SCRIPT_LINES {
                return Err(ScriptError::TooLong);
            }
            let fault = |text: &str| text.parse().map_err(|error| ScriptError::Fault { line: number, error });
            let does = match line.split_once(char::is_whitespace) {
                Some(("wait" | "advance", span)) => {
                    Does::Wait(span.trim().parse().map_err(|error| ScriptError::Wait { line: number, error })?)
                }
                Some(("fault", text)) => Does::Inject(fault(text)?),
                Some(("heal", text)) => Does::Heal(fault(text)?),
                _ => Does::Command(with_here_document(number, line, &mut source)?),
            };
            lines.push(Line { number, does });
        }
        Ok(Script { lines })
    }
}

/// A command, and the lines up to the end mark if it has a `<<MARK`.
fn with_here_document<'t>(number: usize, line: &str, rest: &mut impl Iterator<Item = (usize, &'t str)>) -> Result<String, ScriptError> {
    let mut command = line.to_owned();
    let Some((_, after)) = line.split_once("<<") else { return Ok(command) };
    let after = after.trim_start_matches('-').trim_start();
    let mark: String = after.trim_start_matches(['\'', '"']).chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if mark.is_empty() {
        return Ok(command);
    }
    for (_, line) in rest {
        command.push('\n');
        command.push_str(line);
        if line.trim_end() == mark {
            return Ok(command);
        }
    }
    Err(ScriptError::OpenHereDocument { line: number, mark })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_waits_and_comments() {
        let script = Script::parse("# hi\n\nkubectl get po\n wait 30s \nadvance 1m\nwaiting\n").unwrap();
        let does: Vec<_> = script.lines.iter().map(|line| (line.number, line.does.clone())).collect();
        let command = |text: &str| Does::Command(text.to_owned());
        let wanted = [
            (3, command("kubectl get po")),
            (4, Does::Wait(Span::from_secs(30))),
            (5, Does::Wait(Span::from_secs(60))),
            (6, command("waiting")),
        ];
        assert_eq!(does, wanted);
    }

    #[test]
    fn faults_come_and_go() {
        let script = Script::parse("fault crash etcd-2\nheal crash etcd-2\nfaulty line").unwrap();
        let crash = Fault::Crash("etcd-2".to_owned());
        let does: Vec<_> = script.lines.into_iter().map(|line| line.does).collect();
        assert_eq!(does, [Does::Inject(crash.clone()), Does::Heal(crash), Does::Command("faulty line".to_owned())]);
        let error = Script::parse("ls\nfault explode etcd-2").unwrap_err().to_string();
        assert!(error.starts_with("line 2: \"explode etcd-2\" is no fault; write `crash PART`"), "{error}");
    }

    #[test]
    fn here_documents_stay_with_their_command() {
        let script = Script::parse("kubectl apply -f - <<'EOF'\na: 1\n# no comment\nEOF\nls").unwrap();
        assert_eq!(script.lines[0].does, Does::Command("kubectl apply -f - <<'EOF'\na: 1\n# no comment\nEOF".to_owned()));
        assert_eq!(script.lines[1].number, 5);
        let error = Script::parse("x <<EOF\na").unwrap_err();
        assert_eq!(error.to_string(), "line 1: the text after << does not end with a line `EOF`");
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let error = Script::parse("ls\nwait long").unwrap_err();
        assert_eq!(error.to_string(), "line 2: time: invalid duration \"long\"; write it like 500ms, 30s, 1m30s or 2h");
        assert_eq!(Script::parse(&"ls\n".repeat(1001)), Err(ScriptError::TooLong));
    }
}
