//! Chromium and its driver for the tests of the page: found, or installed from the distribution where that is allowed.

use anyhow::bail;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where distributions put the driver, besides the search path.
const DRIVERS: &[&str] =
    &["chromedriver", "chromium.chromedriver", "/usr/lib/chromium/chromedriver", "/usr/lib64/chromium-browser/chromedriver"];

/// The package managers that are known, with what they take to install the browser and its driver.
const INSTALLERS: &[(&str, &[&str])] = &[
    ("apt-get", &["install", "--yes", "--no-install-recommends", "chromium", "chromium-driver", "fonts-noto-cjk"]),
    ("dnf", &["install", "--assumeyes", "chromium", "chromedriver"]),
    ("brew", &["install", "--cask", "chromium", "chromedriver"]),
];

/// The driver, installed if need be.
///
/// # Errors
/// Says what to install when this cannot do it.
pub(crate) fn find_or_install() -> anyhow::Result<PathBuf> {
    if let Some(driver) = find() {
        return Ok(driver);
    }
    for (program, arguments) in INSTALLERS {
        let Some(mut command) = as_root(program) else { continue };
        eprintln!("== browser: {program} {}", arguments.join(" "));
        if *program == "apt-get" {
            // Fresh machines have no package lists; without them the installation says what is wrong.
            let _ = as_root(program).map(|mut update| update.arg("update").status());
        }
        let installed = command.args(*arguments).stdin(Stdio::null()).status().is_ok_and(|status| status.success());
        if let (true, Some(driver)) = (installed, find()) {
            return Ok(driver);
        }
    }
    bail!("Chromium's driver `chromedriver` is not there and could not be installed; install the packages chromium and chromium-driver")
}

fn find() -> Option<PathBuf> {
    let works = |driver: &&&str| quiet(Command::new(driver).arg("--version"));
    DRIVERS.iter().find(works).map(PathBuf::from)
}

/// The command with the rights to install; `None` when there is no such program or no such right.
fn as_root(program: &str) -> Option<Command> {
    if !quiet(Command::new(program).arg("--version")) {
        return None;
    }
    if program == "brew" || Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n")) {
        return Some(Command::new(program));
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", program]);
    quiet(Command::new("sudo").args(["--non-interactive", "true"])).then_some(command)
}

/// Whether the command can be run and succeeds.
fn quiet(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
