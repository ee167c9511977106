//! From a learner's folder to the attempt that is graded.

use super::{Workspace, predictions};
use crate::card::{Card, Diagnostic};
use crate::disk::{DiskError, read_text};
use lab::{Attempt, Script, ScriptError};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The tasks, for reading.
pub const README: &str = "README.md";

/// The learner's commands.
pub const COMMANDS: &str = "commands.txt";

/// The learner's predictions.
pub const PREDICTIONS: &str = "predictions.yaml";

/// The files of a lab's folder that the cluster does not see.
pub const SCRIPT_FILES: [&str; 3] = [README, COMMANDS, PREDICTIONS];

/// How many files a folder may hold: as many as the terminal of the cluster takes.
const MAX_FILES: usize = 256;

/// How deep folders may lie in a lab's folder.
const MAX_DEPTH: usize = 8;

/// Why a folder cannot be handed in.
#[derive(Debug, thiserror::Error)]
pub enum HandInError {
    /// A file cannot be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The commands cannot be read.
    #[error("{file}: {error}")]
    Commands {
        /// The file.
        file: String,
        /// What is wrong, with its line.
        error: ScriptError,
    },
    /// The predictions cannot be read; everything that is wrong with them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Predictions(Vec<Diagnostic>),
}

impl Workspace {
    /// What the learner did for a card's lab.
    ///
    /// # Errors
    /// [`HandInError`] when a file cannot be read or understood. Manifests are not judged here: the cluster does that.
    pub fn attempt(&self, card: &Card) -> Result<Attempt, HandInError> {
        let folder = self.folder(&card.id);
        let mut attempt = Attempt::default();
        for name in names_in(&folder)? {
            let path = folder.join(&name);
            if name == README {
                continue;
            }
            let text = read_text(&path)?;
            let shown = super::short(&path).to_string();
            match name.as_str() {
                COMMANDS => {
                    Script::parse(&text).map_err(|error| HandInError::Commands { file: shown, error })?;
                    attempt.commands = text;
                }
                PREDICTIONS => {
                    attempt.predictions = predictions::read(&shown, &text, &card.lab).map_err(HandInError::Predictions)?;
                }
                _ => {
                    attempt.files.insert(name, text);
                }
            }
        }
        Ok(attempt)
    }
}

/// The files of a lab's folder by name, with `/` between folders; hidden ones are left out.
///
/// # Errors
/// A folder cannot be read, or there are too many files.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>, DiskError> {
    let mut found = BTreeSet::new();
    collect(folder, "", MAX_DEPTH, &mut found)?;
    if found.len() > MAX_FILES {
        return Err(DiskError::TooMany { folder: folder.to_owned(), most: MAX_FILES });
    }
    Ok(found.into_iter().collect())
}

fn collect(folder: &Path, prefix: &str, depth: usize, found: &mut BTreeSet<String>) -> Result<(), DiskError> {
    for entry in fs::read_dir(folder).map_err(DiskError::io("read", folder))? {
        let entry = entry.map_err(DiskError::io("read", folder))?;
        let file_name = entry.file_name();
        let name = file_name.to_string_lossy();
        // Editors keep copies and locks behind a dot or before a tilde.
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let kind = entry.file_type().map_err(DiskError::io("read", entry.path()))?;
        let name = format!("{prefix}{name}");
        if kind.is_dir() {
            if depth > 0 && found.len() <= MAX_FILES {
                collect(&entry.path(), &format!("{name}/"), depth - 1, found)?;
            }
        } else {
            found.insert(name);
        }
    }
    Ok(())
}
