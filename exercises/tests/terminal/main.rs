//! The terminal side of the workbook as a learner meets it: the real program in a workbook of its own, its output and its exit status.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod corpus;
mod desk;
mod hostile;
mod kubectl;
mod labs;
mod quiz;
mod watch;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A workbook with the real cards, and a home, that only one test sees.
struct Book {
    folder: tempfile::TempDir,
}

/// What a run printed.
#[derive(Debug)]
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Book {
    fn new() -> Self {
        let book = Book { folder: tempfile::tempdir().unwrap() };
        fs::write(book.path("book.toml"), "").unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cards"), &book.path("exercises/cards"));
        book
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(path), text).unwrap();
    }

    /// The program, ready to run in the workbook and in English.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clusterbook"));
        command.current_dir(self.folder.path()).args(args);
        for name in ["LC_ALL", "LC_MESSAGES", "NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR"] {
            command.env_remove(name);
        }
        command.env("LANG", "en_US.UTF-8").env("CLUSTERBOOK_HOME", self.path("home"));
        command
    }

    fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, b"")
    }

    /// Runs with this on standard input.
    fn run_with(&self, args: &[&str], input: &[u8]) -> Run {
        run(self.command(args), input)
    }
}

fn run(mut command: Command, input: &[u8]) -> Run {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that does not read must not hold the test up; one that ends early closes the pipe.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let run = Run { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) };
    assert!(!run.stderr.contains("panicked"), "{run:?}");
    run
}

impl Run {
    /// The run, if it succeeded.
    #[track_caller]
    fn good(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// The run, if it failed with this status and said this on stderr.
    #[track_caller]
    fn bad(self, code: i32, says: &str) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(self.stderr.contains(says), "{self:#?}");
        self
    }

    /// The run, if it printed this on stdout.
    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "{self:#?}");
        self
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
