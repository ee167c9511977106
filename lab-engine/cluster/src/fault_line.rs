//! `fault …` and `heal …` as lines of the terminal: the same faults as in a script.
//!
//! They are the learner's hand, not a program: they work at once, and not in a pipe. `fault` alone lists what can be done.

use crate::cluster::Cluster;
use crate::fault::Fault;
use kubectl::{Output, Stream};

impl Cluster {
    /// Does what a `fault` or `heal` line says; false when it is none, or the terminal is busy with something else.
    pub(crate) fn fault_line(&mut self, line: &str) -> bool {
        let (word, rest) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
        if !matches!(word, "fault" | "heal") || self.terminal().is_busy() {
            return false;
        }
        let on = word == "fault";
        let (stream, text, code) = match rest.trim() {
            "" if on => (Stream::Stdout, self.list_faults(), 0),
            "" => (Stream::Stdout, self.present_faults(), 0),
            "--help" | "-h" => (Stream::Stdout, self.list_faults(), 0),
            text => match self.set_fault_of(text, on) {
                Ok(done) => (Stream::Stdout, format!("{done}\n"), 0),
                Err(error) => (Stream::Stderr, format!("error: {error}\n"), 1),
            },
        };
        self.terminal_mut().show(Output { stream, text }, code);
        true
    }

    fn set_fault_of(&mut self, text: &str, on: bool) -> Result<String, String> {
        let fault: Fault = text.parse().map_err(|error: crate::fault::FaultSyntaxError| error.to_string())?;
        let done = if on { self.inject(&fault) } else { self.heal(&fault) };
        done.map_err(|error| error.to_string())?;
        Ok(if on { fault.to_string() } else { fault.undone() })
    }

    /// Whether the terminal speaks Chinese (`LANG`).
    fn speaks_chinese(&self) -> bool {
        self.terminal().variable("LANG").is_some_and(|language| language.starts_with("zh"))
    }

    fn present_faults(&self) -> String {
        let chinese = self.speaks_chinese();
        if self.faults().is_empty() {
            return if chinese { "集群目前没有故障\n" } else { "the cluster has no faults\n" }.to_owned();
        }
        let head = if chinese { "目前的故障（用 heal 撤销）：" } else { "faults now, which `heal` takes away:" };
        self.faults().iter().fold(format!("{head}\n"), |text, fault| format!("{text}  {}\n", fault.in_script()))
    }

    fn list_faults(&self) -> String {
        let chinese = self.speaks_chinese();
        let mut text = if chinese { "用法：fault 故障，heal 故障\n" } else { "Usage: fault FAULT, heal FAULT\n" }.to_owned();
        for (form, english, in_chinese) in Cluster::fault_help() {
            text.push_str(&format!("  {form:<34}{}\n", if chinese { in_chinese } else { english }));
        }
        let parts: Vec<&str> = self.host.kernel().names().map(|name| &**name).collect();
        let nodes: Vec<&str> = self.node_names().collect();
        let (of_parts, of_nodes) = if chinese { ("组件", "节点") } else { ("parts", "nodes") };
        text.push_str(&format!("{of_parts}: {}\n{of_nodes}: {}\n", listed(&parts), listed(&nodes)));
        text + &self.present_faults()
    }
}

/// At most thirty names.
fn listed(names: &[&str]) -> String {
    const MANY: usize = 30;
    let more = if names.len() > MANY { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(MANY)].join(", "))
}
