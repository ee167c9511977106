//! `cargo xtask simulate`: the fault simulation (`tests/simulate`), and whether it finds what it is there to find.
//!
//! Arguments are passed on to the simulation; `--broken` instead breaks the code on purpose, one way after the other in a copy of the tree,
//! and demands of the simulation that it notices. `--broken NAME` tries the one.

use anyhow::{Context, bail, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A way to break the code: a piece of a file, and what stands there instead.
struct Break {
    name: &'static str,
    /// Which rule it breaks.
    rule: &'static str,
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
}

const BREAKS: &[Break] = &[
    Break {
        name: "vote-without-log-check",
        rule: "a vote goes only to a candidate whose log is as complete (Raft paper §5.4.1)",
        file: "lab-engine/raft/src/election.rs",
        right: "let granted = free && self.log.is_up_to_date(last);",
        wrong: "let granted = free && last.index.0 < u64::MAX;",
    },
    Break {
        name: "commit-old-term-by-count",
        rule: "a leader commits by counting only entries of its own term (Raft paper §5.4.2, figure 8)",
        file: "lab-engine/raft/src/replication.rs",
        right: "if index > log.committed() && log.term(index) == Some(term) =>",
        wrong: "if index > log.committed() && log.term(index) <= Some(term) =>",
    },
    Break {
        name: "reply-before-fsync",
        rule: "what a member promises is on its disk",
        file: "lab-engine/etcd/src/server/mod.rs",
        right: "        if write.must_sync() && !self.config.fsync.is_zero() {\n            self.writing = Some((write, now + self.config.fsync));\n        } else {\n            if write.must_sync() {\n                self.disk.sync();\n            }\n",
        wrong: "        {\n            let _ = now;\n",
    },
    Break {
        name: "forget-the-vote",
        rule: "a member remembers its vote over a restart (Raft paper, figure 2)",
        file: "lab-engine/etcd/src/server/codec.rs",
        right: "vote: (state.vote != 0).then_some(NodeId(state.vote)),",
        wrong: "vote: None,",
    },
    Break {
        name: "apply-twice",
        rule: "an entry is applied once",
        file: "lab-engine/etcd/src/server/apply.rs",
        right: "EntryData::Normal(proposal) => self.apply(now, id.index, proposal, out),",
        wrong: "EntryData::Normal(proposal) => (0..2).for_each(|_| self.apply(now, id.index, proposal, out)),",
    },
    Break {
        name: "stale-read",
        rule: "a read sees what was written before it was asked for",
        file: "lab-engine/etcd/src/server/reads.rs",
        right: "read.index.is_none_or(|index| index > applied)",
        wrong: "read.index.is_some_and(|index| index > applied)",
    },
    Break {
        name: "watch-skips-what-is-compacted",
        rule: "a watch that cannot see a change any more is told so",
        file: "lab-engine/etcd/src/server/watches.rs",
        right: "watch.start_revision.max(next) < store.compacted_revision()",
        wrong: "watch.start_revision.max(next) > Revision::MAX - 1",
    },
    Break {
        name: "drop-the-crc-check",
        rule: "a record that does not fit its checksum is refused (etcd's write-ahead log)",
        file: "lab-engine/etcd/src/wal/decoder.rs",
        right: "            if computed != record.crc {\n",
        wrong: "            if computed != record.crc && self.segments.is_empty() {\n",
    },
    Break {
        name: "append-without-prev-check",
        rule: "entries are taken only behind the entry that the leader has there (Raft paper §5.3)",
        file: "lab-engine/raft/src/log.rs",
        right: "        if !self.matches(prev) {\n            return Appended::NoPrev;",
        wrong: "        if prev.index > self.last_index() {\n            return Appended::NoPrev;",
    },
];

/// Runs the task with the arguments of this process.
///
/// # Errors
/// When a promise is broken, or a broken tree keeps all of them.
pub(crate) fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    match arguments.iter().position(|argument| argument == "--broken") {
        Some(at) => broken(arguments.get(at + 1).map(String::as_str)),
        None => {
            let status = simulation(Path::new("."), &arguments).status().context("cargo could not be started")?;
            ensure!(status.success(), "a promise was broken");
            Ok(())
        }
    }
}

fn simulation(tree: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--release", "--locked", "--package", "simulate", "--"]).args(arguments);
    command.current_dir(tree).stdin(Stdio::null());
    command
}

fn broken(only: Option<&str>) -> anyhow::Result<()> {
    let tree = copy_of_the_tree()?;
    let chosen: Vec<&Break> = BREAKS.iter().filter(|way| only.is_none_or(|only| way.name == only)).collect();
    let names = || BREAKS.iter().map(|way| way.name).collect::<Vec<_>>().join(", ");
    ensure!(!chosen.is_empty(), "there is no such way to break it; there are: {}", names());
    let mut unnoticed = Vec::new();
    for way in chosen {
        let path = tree.join(way.file);
        let text = std::fs::read_to_string(&path).with_context(|| way.file.to_owned())?;
        ensure!(text.matches(way.right).count() == 1, "{}: `{}` must stand there once", way.file, way.right);
        std::fs::write(&path, text.replace(way.right, way.wrong)).with_context(|| way.file.to_owned())?;
        let output = simulation(&tree, &["--seeds".to_owned(), "3000".to_owned()]).output().context("cargo could not be started")?;
        std::fs::write(&path, text).with_context(|| way.file.to_owned())?;
        let told = String::from_utf8_lossy(&output.stdout);
        let first = told.lines().next().unwrap_or_default().to_owned();
        if !first.starts_with("seed ") {
            eprintln!("{}: NOT NOTICED ({})\n{told}{}", way.name, way.rule, String::from_utf8_lossy(&output.stderr));
            unnoticed.push(way.name);
        } else {
            eprintln!("{}: noticed ({})\n    {first}", way.name, way.rule);
        }
    }
    if !unnoticed.is_empty() {
        bail!("not noticed: {}", unnoticed.join(", "));
    }
    Ok(())
}

/// A copy of the files that git knows, below the target directory; what is compiled there stays for the next time.
fn copy_of_the_tree() -> anyhow::Result<PathBuf> {
    let tree = Path::new("target/broken").to_path_buf();
    let mut kept = BTreeSet::new();
    let listed = Command::new("git").args(["ls-files", "-z"]).output().context("git could not be started")?;
    ensure!(listed.status.success(), "git ls-files failed");
    for name in String::from_utf8(listed.stdout)?.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (Path::new(name), tree.join(name));
        kept.insert(to.clone());
        let text = std::fs::read(from).with_context(|| name.to_owned())?;
        // An unchanged file keeps its time, so that it is not compiled again.
        if std::fs::read(&to).is_ok_and(|old| old == text) {
            continue;
        }
        let folder = to.parent().context("a file lies in a folder")?;
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        std::fs::write(&to, text).with_context(|| to.display().to_string())?;
    }
    for part in ["lab-engine", "tests", "exercises", "web", "xtask"] {
        remove_others(&tree.join(part), &kept)?;
    }
    Ok(tree)
}

/// Removes files of an earlier copy that the tree no longer has: a module may be a folder now.
fn remove_others(folder: &Path, kept: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(&path, kept)?;
        } else if !kept.contains(&path) {
            std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_stands_in_the_code_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for way in BREAKS {
            let text = std::fs::read_to_string(root.join(way.file)).expect(way.file);
            assert_eq!(text.matches(way.right).count(), 1, "{}: {}", way.name, way.right);
        }
    }
}
