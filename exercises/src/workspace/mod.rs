//! The folders in which learners work: `labs/<card>/`, with a lab's files, a file for commands, a file for predictions and the tasks.
//!
//! ```text
//! labs/pod-creation/README.md          the tasks, for reading
//! labs/pod-creation/pod.yaml …         the lab's files, to be edited
//! labs/pod-creation/commands.txt       what is typed: a command a line
//! labs/pod-creation/predictions.yaml   what the learner says will happen
//! labs/pod-creation/.clusterbook.json  the seed of the lab's numbers, and the files as they were laid
//! labs/.backup/pod-creation-1/         what `reset` took away
//! ```
//!
//! A file is replaced only while it is as it was laid; what a learner changed is touched by `reset` alone, which keeps a copy.

mod attempt;
mod predictions;
mod readme;

pub use attempt::{COMMANDS, HandInError, PREDICTIONS, README, SCRIPT_FILES};

use crate::card::Card;
use crate::disk::{DiskError, read_text, write_whole};
use crate::lang::Lang;
use lab::{DEFAULT_SEED, Variables};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file that remembers how a lab was laid.
const MEMORY: &str = ".clusterbook.json";

/// All labs of one workbook.
#[derive(Clone, Debug)]
pub struct Workspace {
    folder: PathBuf,
}

/// What became of a file when a lab was laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Laid {
    /// It was written.
    Written,
    /// It was there already, just so.
    Same,
    /// It was left alone, because it is the learner's.
    Kept,
}

/// What `reset` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Where the learner's files were copied to; `None` when none was changed.
    pub backup: Option<PathBuf>,
    /// The learner's files that were replaced or taken away, by name.
    pub replaced: Vec<String>,
}

/// How a lab was laid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    /// The seed of its numbers.
    seed: u64,
    /// Each file's text when it was written.
    files: BTreeMap<String, String>,
}

impl Workspace {
    /// The labs in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Workspace { folder: folder.into() }
    }

    /// The folder of a card's lab.
    pub fn folder(&self, card: &str) -> PathBuf {
        self.folder.join(card)
    }

    /// Whether the card's lab was laid.
    pub fn is_started(&self, card: &str) -> bool {
        self.folder(card).is_dir()
    }

    /// The seed with which a card's lab was laid; the default one when it was not.
    pub fn seed(&self, card: &str) -> u64 {
        self.memory(card).map_or(DEFAULT_SEED, |memory| memory.seed)
    }

    /// Lays the files of a card's lab, in order of their names. What the learner changed is kept; a file that was deleted comes back.
    ///
    /// # Errors
    /// A file cannot be read or written; those before it are laid.
    pub fn start(&self, card: &Card, seed: u64, lang: Lang) -> Result<Vec<(String, Laid)>, DiskError> {
        let before = self.memory(&card.id).map(|memory| memory.files).unwrap_or_default();
        let folder = self.folder(&card.id);
        let mut memory = Memory { seed, files: before };
        let mut done = Vec::new();
        for (name, text) in originals(card, seed, lang) {
            let path = folder.join(&name);
            let laid = match read_text(&path) {
                Ok(there) if there == text => Laid::Same,
                Ok(there) if memory.files.get(&name) == Some(&there) => Laid::Written,
                Err(error) if error.is_missing() => Laid::Written,
                Ok(_) | Err(DiskError::NotText { .. } | DiskError::TooLarge(_)) => Laid::Kept,
                Err(error) => return Err(error),
            };
            if laid == Laid::Written {
                write_whole(&path, &text)?;
            }
            if laid != Laid::Kept {
                memory.files.insert(name.clone(), text);
            }
            done.push((name, laid));
        }
        self.remember(&card.id, &memory)?;
        Ok(done)
    }

    /// Lays a card's lab anew. A copy of everything the learner changed or added is kept.
    ///
    /// # Errors
    /// A file cannot be copied or written. Nothing is taken away before the copy is complete.
    pub fn reset(&self, card: &Card, seed: u64, lang: Lang) -> Result<Reset, DiskError> {
        let folder = self.folder(&card.id);
        let laid = self.memory(&card.id).map(|memory| memory.files).unwrap_or_default();
        let originals = originals(card, seed, lang);
        let mut replaced = Vec::new();
        if folder.exists() {
            for name in attempt::names_in(&folder)? {
                let text = read_text(&folder.join(&name)).ok();
                let untouched = text.is_some() && [laid.get(&name), originals.get(&name)].contains(&text.as_ref());
                if !untouched {
                    replaced.push(name);
                }
            }
        }
        let backup = if replaced.is_empty() { None } else { Some(self.back_up(&card.id, &replaced)?) };
        for name in &replaced {
            let path = folder.join(name);
            fs::remove_file(&path).map_err(DiskError::io("remove", &path))?;
        }
        for (name, text) in &originals {
            write_whole(&folder.join(name), text)?;
        }
        self.remember(&card.id, &Memory { seed, files: originals })?;
        Ok(Reset { backup, replaced })
    }

    /// Copies files of a lab to the first free `.backup/<card>-<n>`.
    fn back_up(&self, card: &str, names: &[String]) -> Result<PathBuf, DiskError> {
        let all = self.folder.join(".backup");
        fs::create_dir_all(&all).map_err(DiskError::io("create", &all))?;
        let mut number = 1u32;
        let backup = loop {
            let folder = all.join(format!("{card}-{number}"));
            match fs::create_dir(&folder) {
                Ok(()) => break folder,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(DiskError::io("create", &folder)(error)),
            }
        };
        for name in names {
            let (from, to) = (self.folder(card).join(name), backup.join(name));
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(DiskError::io("create", folder))?;
            }
            fs::copy(&from, &to).map_err(DiskError::io("copy to", &to))?;
        }
        Ok(backup)
    }

    /// How the card's lab was laid; `None` when that is not known.
    fn memory(&self, card: &str) -> Option<Memory> {
        let text = read_text(&self.folder(card).join(MEMORY)).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn remember(&self, card: &str, memory: &Memory) -> Result<(), DiskError> {
        let path = self.folder(card).join(MEMORY);
        let text = serde_json::to_string(memory).map_err(io::Error::from).map_err(DiskError::io("write", &path))?;
        write_whole(&path, &text)
    }
}

/// The files of a card's lab with its numbers, as they are laid.
fn originals(card: &Card, seed: u64, lang: Lang) -> BTreeMap<String, String> {
    let variables = Variables::deal(&card.lab, seed);
    let lab = variables.fill_all(&card.lab);
    let mut files =
        BTreeMap::from([(README.to_owned(), readme::readme(card, &lab, lang)), (COMMANDS.to_owned(), readme::commands(card, lang))]);
    files.extend(predictions::template(&lab, lang).map(|text| (PREDICTIONS.to_owned(), text)));
    files.extend(lab.files);
    files
}

/// A path as it is best told: relative to the current folder where it lies below it.
pub fn short(path: &Path) -> std::path::Display<'_> {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).display()
}

#[cfg(test)]
mod tests;
