//! The learner's home: a bounded directory of text files that lives in memory.
//!
//! **Simplified here:** folders exist only as prefixes of paths; no owners, modes or links.

use std::collections::BTreeMap;

/// The largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// How many files fit.
pub const MAX_FILES: usize = 256;

/// A file could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The text exceeds [`MAX_FILE_BYTES`].
    #[error("{0}: File too large (at most 1 MiB)")]
    TooLarge(String),
    /// There are [`MAX_FILES`] files already.
    #[error("{0}: No space left on device (at most 256 files)")]
    TooMany(String),
}

/// Files by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    texts: BTreeMap<String, String>,
}

impl Files {
    /// The text of a file; `./` in front of the path does not matter.
    pub fn read(&self, path: &str) -> Option<&str> {
        self.texts.get(normal(path)).map(String::as_str)
    }

    /// Creates or replaces a file.
    ///
    /// # Errors
    /// [`FileError`] when the file is too large or there are too many; nothing is changed then.
    pub fn write(&mut self, path: &str, text: impl Into<String>) -> Result<(), FileError> {
        let (path, text) = (normal(path), text.into());
        if text.len() > MAX_FILE_BYTES {
            return Err(FileError::TooLarge(path.to_owned()));
        }
        if self.texts.len() >= MAX_FILES && !self.texts.contains_key(path) {
            return Err(FileError::TooMany(path.to_owned()));
        }
        self.texts.insert(path.to_owned(), text);
        Ok(())
    }

    /// Removes a file; false when there was none.
    pub fn remove(&mut self, path: &str) -> bool {
        self.texts.remove(normal(path)).is_some()
    }

    /// All files as path and text, ordered by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The manifests directly in a folder (`.yaml`, `.yml`, `.json`), ordered by path; `.` is the home.
    pub(crate) fn manifests_in(&self, folder: &str) -> Vec<(&str, &str)> {
        let is_manifest = |path: &str| [".yaml", ".yml", ".json"].iter().any(|end| path.ends_with(end));
        self.in_folder(folder).into_iter().filter(|(path, _)| is_manifest(path)).collect()
    }

    /// The files directly in a folder, ordered by path; `.` is the home.
    pub(crate) fn in_folder(&self, folder: &str) -> Vec<(&str, &str)> {
        let folder = normal(folder).trim_end_matches('/');
        let inside = |path: &str| {
            let rest =
                if matches!(folder, "" | ".") { Some(path) } else { path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) };
            rest.is_some_and(|rest| !rest.contains('/'))
        };
        self.iter().filter(|(path, _)| inside(path)).collect()
    }
}

fn normal(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}
