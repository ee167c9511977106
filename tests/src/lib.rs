//! What the tests of the whole project share: where its root is, its source files, and a cluster to try a manifest on.

use cluster::{Cluster, ClusterConfig, CommandResult};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a command may take, in virtual time.
const COMMAND_LIMIT: Duration = Duration::from_secs(600);

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the workspace").to_owned()
}

/// All Rust files of the workspace below `folders`, sorted.
///
/// # Panics
/// When a folder cannot be read.
pub fn rust_files(folders: &[&str]) -> Vec<PathBuf> {
    let folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    files_below(&folders, "rs")
}

/// All files with this ending below `folders`, sorted.
///
/// # Panics
/// When a folder cannot be read.
pub fn files_below(folders: &[PathBuf], ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = folders.to_vec();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of tests can be read") {
            let path = entry.expect("a folder of tests can be read").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A booted cluster of three nodes with this seed.
///
/// # Panics
/// When the default configuration is refused.
pub fn booted(seed: u64) -> Cluster {
    let config = ClusterConfig { seed, ..ClusterConfig::default() };
    Cluster::booted(&config).expect("the default configuration is right")
}

/// Types a line into the terminal and waits for its end, at most ten virtual minutes.
pub fn run(cluster: &mut Cluster, line: &str) -> CommandResult {
    cluster.run_line(line, COMMAND_LIMIT)
}

/// Writes a manifest to the learner's files and applies it through the terminal.
///
/// # Panics
/// When the manifest is too large for a file.
pub fn apply(cluster: &mut Cluster, name: &str, text: &str) -> CommandResult {
    cluster.terminal_mut().files_mut().write(name, text).expect("the manifest fits into a file");
    run(cluster, &format!("kubectl apply -f {name}"))
}
