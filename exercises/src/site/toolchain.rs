//! Finds, or gets, a compiler with the standard library for `wasm32-unknown-unknown`.
//!
//! In this order:
//! 1. the active `rustc` has the library already;
//! 2. `rustup target add` brings it;
//! 3. Debian's `rustc-web`, `cargo-web`, `rust-web-src` and an `lld` build it from source;
//! 4. otherwise one error says what each step found, and both remedies.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The target of the page's program.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// What an outer `cargo run` leaves in the environment that would mislead an inner cargo.
const MISLEADING: [&str; 8] =
    ["CARGO", "RUSTC", "RUSTC_WRAPPER", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "LD_LIBRARY_PATH", "CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN"];
/// The same, by the beginning of the name.
const MISLEADING_PREFIXES: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// A way to compile for [`TARGET`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Toolchain {
    /// The active toolchain has the standard library for the target.
    Active,
    /// Debian's packages; the standard library is built along, and this linker is named.
    DebianSource {
        /// Debian's `cargo`.
        cargo: PathBuf,
        /// Debian's `rustc`.
        rustc: PathBuf,
        /// A `wasm-ld`.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// The cargo command that compiles for the target, without what to build. Reports on stderr.
    pub fn cargo(&self, tools: &Tools, root: &Path) -> Command {
        match self {
            Self::Active => {
                let mut command = clean(&tools.cargo, root);
                command.arg("build");
                command
            }
            Self::DebianSource { cargo, rustc, linker } => {
                let mut command = clean(cargo, root);
                command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", rustc);
                command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                command.args(["build", "-Zbuild-std=std,panic_abort"]);
                command
            }
        }
    }
}

/// The programs that are tried, so that a test can put others in their place.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The active cargo, by name or path.
    pub cargo: OsString,
    /// The active rustc, by name or path.
    pub rustc: OsString,
    /// rustup, by name or path.
    pub rustup: OsString,
    /// Where Debian's packages put their programs.
    pub debian: PathBuf,
}

impl Default for Tools {
    fn default() -> Self {
        Self { cargo: "cargo".into(), rustc: "rustc".into(), rustup: "rustup".into(), debian: "/usr/bin".into() }
    }
}

/// No way to compile for the target. `Display` lists what each step found, and the remedies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no compiler for {TARGET}, which the page's program needs\n\
     - active rustc: {active}\n\
     - rustup: {rustup}\n\
     - Debian's packages: {debian}\n\
     help: with rustup (https://rustup.rs), run `rustup target add {TARGET}` while online\n\
     help: on Debian or Ubuntu without rustup, run `apt-get install rustc-web cargo-web rust-web-src lld`"
)]
pub struct ToolchainError {
    /// Why the active compiler does not do.
    pub active: String,
    /// Why rustup could not add the target.
    pub rustup: String,
    /// What is missing of Debian's packages.
    pub debian: String,
}

/// Finds a toolchain, adding the target through rustup where that is needed; `say` hears about what takes long.
///
/// # Errors
/// [`ToolchainError`] when none of the ways works.
pub fn find(tools: &Tools, root: &Path, say: &dyn Fn(&str)) -> Result<Toolchain, ToolchainError> {
    let active = match active_has_std(tools, root) {
        Ok(()) => return Ok(Toolchain::Active),
        Err(why) => why,
    };
    say(&format!("Adding the compilation target {TARGET} with rustup (once, some seconds) …"));
    let rustup = match add_target(tools, root).and_then(|()| active_has_std(tools, root)) {
        Ok(()) => return Ok(Toolchain::Active),
        Err(why) => why,
    };
    match debian_source(tools, root) {
        Ok(toolchain) => {
            say("rustup cannot help here; using Debian's Rust packages, which compile the standard library too (some minutes, once) …");
            Ok(toolchain)
        }
        Err(debian) => Err(ToolchainError { active, rustup, debian }),
    }
}

/// rustc prints the library's folder even where it holds nothing, so the folder is looked into.
fn active_has_std(tools: &Tools, root: &Path) -> Result<(), String> {
    let output = run(clean(&tools.rustc, root).args(["--print", "target-libdir", "--target", TARGET]))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let found = fs::read_dir(&folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("libstd-") && name.ends_with(".rlib")
        })
    });
    if found { Ok(()) } else { Err(format!("it has no standard library for the target (looked in {})", folder.display())) }
}

fn add_target(tools: &Tools, root: &Path) -> Result<(), String> {
    run(clean(&tools.rustup, root).args(["target", "add", TARGET])).map(|_| ())
}

fn debian_source(tools: &Tools, root: &Path) -> Result<Toolchain, String> {
    let (cargo, rustc) = (tools.debian.join("cargo"), tools.debian.join("rustc"));
    for program in [&cargo, &rustc] {
        if !program.is_file() {
            return Err(format!("{} is missing", program.display()));
        }
    }
    let output = run(clean(rustc.as_os_str(), root).args(["--print", "sysroot"]))?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let lock = sysroot.join("lib/rustlib/src/rust/library/Cargo.lock");
    if !lock.is_file() {
        return Err(format!("the standard library's source is missing ({})", lock.display()));
    }
    let linker = newest_wasm_ld(&tools.debian).ok_or_else(|| format!("no wasm-ld in {} (package lld)", tools.debian.display()))?;
    Ok(Toolchain::DebianSource { cargo, rustc, linker })
}

/// The `wasm-ld-NN` with the highest number, or a plain `wasm-ld`.
fn newest_wasm_ld(folder: &Path) -> Option<PathBuf> {
    let number = |name: &str| match name.strip_prefix("wasm-ld")? {
        "" => Some(0),
        rest => rest.strip_prefix('-')?.parse::<u32>().ok(),
    };
    let entries = fs::read_dir(folder).ok()?;
    let best = entries.flatten().filter_map(|entry| Some((number(&entry.file_name().to_string_lossy())?, entry.path())));
    best.max().map(|(_, path)| path)
}

/// A command in the workbook's folder, so that its `rust-toolchain.toml` decides, without what an outer cargo left behind.
fn clean(program: impl AsRef<std::ffi::OsStr>, root: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if MISLEADING.contains(&text.as_ref()) || MISLEADING_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs to the end and gives what it wrote, or one line about why it failed.
fn run(command: &mut Command) -> Result<Output, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run `{program}`: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| line.starts_with("error"))
        .or_else(|| text.lines().rev().find(|l| !l.trim().is_empty()));
    Err(format!("`{program}` failed: {}", last.unwrap_or("it said nothing")))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Machine {
        dir: tempfile::TempDir,
    }

    impl Machine {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap() }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn file(&self, name: &str) -> PathBuf {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        }

        fn program(&self, name: &str, script: &str) -> PathBuf {
            let path = self.file(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        }

        fn tools(&self) -> Tools {
            let at = |name: &str| self.path(name).into_os_string();
            Tools { cargo: at("cargo"), rustc: at("rustc"), rustup: at("rustup"), debian: self.path("usr-bin") }
        }

        fn find(&self) -> Result<Toolchain, ToolchainError> {
            find(&self.tools(), self.dir.path(), &|_| ())
        }
    }

    #[test]
    fn a_toolchain_that_has_the_library_is_taken() {
        let machine = Machine::new();
        machine.program("rustc", &format!("echo {}", machine.path("lib").display()));
        machine.file("lib/libstd-0123.rlib");
        assert_eq!(machine.find(), Ok(Toolchain::Active));
    }

    #[test]
    fn rustup_adds_the_target() {
        let machine = Machine::new();
        machine.program("rustc", &format!("echo {}", machine.path("lib").display()));
        fs::create_dir_all(machine.path("lib")).unwrap();
        let rlib = machine.path("lib/libstd-0123.rlib");
        machine.program("rustup", &format!("test \"$*\" = 'target add {TARGET}' && : > {}", rlib.display()));
        assert_eq!(machine.find(), Ok(Toolchain::Active));
    }

    #[test]
    fn debian_builds_the_library_when_rustup_cannot() {
        let machine = Machine::new();
        machine.program("rustc", "echo /nowhere");
        machine.program("rustup", "echo 'error: could not download' >&2; exit 1");
        let cargo = machine.program("usr-bin/cargo", "");
        let rustc = machine.program("usr-bin/rustc", &format!("echo {}", machine.path("sysroot").display()));
        machine.file("sysroot/lib/rustlib/src/rust/library/Cargo.lock");
        machine.file("usr-bin/wasm-ld-19");
        let linker = machine.file("usr-bin/wasm-ld-22");
        let found = machine.find().unwrap();
        assert_eq!(found, Toolchain::DebianSource { cargo, rustc, linker });
        let command = found.cargo(&machine.tools(), machine.dir.path());
        assert!(command.get_args().any(|arg| arg == "-Zbuild-std=std,panic_abort"));
    }

    #[test]
    fn the_error_tells_each_step_and_both_remedies() {
        let machine = Machine::new();
        machine.program("rustc", "echo /nowhere");
        machine.program("rustup", "echo 'info: syncing' >&2; echo 'error: could not download file' >&2; exit 1");
        let text = machine.find().unwrap_err().to_string();
        for part in
            ["(looked in /nowhere)", "error: could not download file", "usr-bin/cargo is missing", "rustup target add", "apt-get install"]
        {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }

    #[test]
    fn a_missing_rustup_is_told_and_not_a_crash() {
        let machine = Machine::new();
        let error = machine.find().unwrap_err();
        assert!(error.rustup.starts_with("cannot run"), "{error}");
    }
}
