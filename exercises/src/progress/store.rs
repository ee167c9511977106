//! The file of the progress: `progress.json` in `CLUSTERBOOK_HOME`, or else in the user's data folder
//! (`$XDG_DATA_HOME/clusterbook`, by default `~/.local/share/clusterbook`).
//!
//! Every change is read, made and written under a lock, so that a `watch` in one window and a `quiz` in another lose nothing, and the file is
//! replaced in one step. A file that cannot be understood is kept beside the new one, never overwritten.

use super::{Progress, VERSION};
use crate::disk::{DiskError, read_text, write_whole};
use etcetera::BaseStrategy as _;
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Where the progress is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
}

/// The progress as it was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// What the learner has done.
    pub progress: Progress,
    /// Where a file that could not be understood was put, and what was wrong with it.
    pub damaged: Option<(PathBuf, String)>,
}

/// Why the progress cannot be read or saved.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system names no folder for it.
    #[error(
        "there is no folder for your progress: neither CLUSTERBOOK_HOME nor a home folder is set\nhelp: set CLUSTERBOOK_HOME to a folder"
    )]
    NoFolder,
    /// The file or its folder cannot be used.
    #[error("{0}{help}", help = elsewhere(.0))]
    Disk(#[from] DiskError),
    /// A later version of the program wrote it.
    #[error(
        "`{}` was written by a later version of Clusterbook (format {version}; this one knows {VERSION})\n\
         help: update Clusterbook, or set CLUSTERBOOK_HOME to another folder",
        .path.display()
    )]
    Later {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        version: u64,
    },
}

/// The remedy that only progress has.
fn elsewhere(error: &DiskError) -> &'static str {
    if matches!(error, DiskError::Io { .. }) { "\nhelp: CLUSTERBOOK_HOME can name another folder for your progress" } else { "" }
}

impl Store {
    /// The user's own.
    ///
    /// # Errors
    /// [`StoreError::NoFolder`] when nothing says where that could be.
    pub fn of_user() -> Result<Self, StoreError> {
        if let Some(folder) = env::var_os("CLUSTERBOOK_HOME").filter(|folder| !folder.is_empty()) {
            return Ok(Store::in_folder(folder));
        }
        let base = etcetera::choose_base_strategy().map_err(|_| StoreError::NoFolder)?;
        Ok(Store::in_folder(base.data_dir().join("clusterbook")))
    }

    /// The one in this folder.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Store { folder: folder.into() }
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.join("progress.json")
    }

    /// What the file says; nothing done when there is none. A damaged file is put aside.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read, or not be put aside.
    pub fn load(&self) -> Result<Loaded, StoreError> {
        let path = self.path();
        let (text, wrong) = match read_text(&path) {
            Ok(text) => (text, None),
            Err(error) if error.is_missing() => return Ok(Loaded::default()),
            Err(error @ (DiskError::TooLarge(_) | DiskError::NotText { .. })) => (String::new(), Some(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let wrong = match wrong {
            Some(wrong) => wrong,
            None => match read(&path, &text)? {
                Ok(progress) => return Ok(Loaded { progress, damaged: None }),
                Err(wrong) => wrong,
            },
        };
        let aside = put_aside(&path)?;
        Ok(Loaded { progress: Progress::default(), damaged: Some((aside, wrong)) })
    }

    /// Changes the progress and saves it, alone: whoever else wants to change it waits.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read or saved; the file is then as it was.
    pub fn update<R>(&self, change: impl FnOnce(&mut Progress) -> R) -> Result<R, StoreError> {
        fs::create_dir_all(&self.folder).map_err(DiskError::io("create", &self.folder))?;
        let _lock = self.lock()?;
        let mut progress = self.load()?.progress;
        let before = progress.clone();
        let result = change(&mut progress);
        if progress != before {
            let mut text = serde_json::to_string_pretty(&progress).map_err(io::Error::from).map_err(DiskError::io("write", self.path()))?;
            text.push('\n');
            write_whole(&self.path(), &text)?;
        }
        Ok(result)
    }

    /// Holds everyone else off as long as the file lives.
    fn lock(&self) -> Result<File, DiskError> {
        let path = self.folder.join("progress.lock");
        let file = File::options().create(true).append(true).open(&path).map_err(DiskError::io("write", &path))?;
        match file.lock() {
            // A file system without locks: most likely nobody else is there.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
            Err(error) => Err(DiskError::io("lock", &path)(error)),
            Ok(()) => Ok(file),
        }
    }
}

/// Reads the file's text; the inner error says what is wrong with a damaged one.
fn read(path: &Path, text: &str) -> Result<Result<Progress, String>, StoreError> {
    let value: serde_json::Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return Ok(Err(error.to_string())),
    };
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(version) if version > u64::from(VERSION) => Err(StoreError::Later { path: path.to_owned(), version }),
        _ => Ok(serde_json::from_value(value).map_err(|error| error.to_string())),
    }
}

/// Renames the file to the first free of `progress.damaged-1.json`, `-2`, …
fn put_aside(path: &Path) -> Result<PathBuf, DiskError> {
    let free = (1..).map(|number: u32| path.with_file_name(format!("progress.damaged-{number}.json"))).find(|aside| !aside.exists());
    let aside = free.unwrap_or_else(|| path.with_extension("damaged"));
    fs::rename(path, &aside).map_err(DiskError::io("put aside", path))?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::in_folder(dir.path().join("deep/clusterbook"));
        (dir, store)
    }

    #[test]
    fn what_is_saved_is_read_back() {
        let (_dir, store) = store();
        assert_eq!(store.load().unwrap(), Loaded::default());
        store.update(|progress| progress.card_mut("a").answered("q", true, 5)).unwrap();
        store.update(|progress| progress.card_mut("a").answered("q", false, 6)).unwrap();
        let loaded = store.load().unwrap();
        assert_eq!(loaded.progress.cards["a"].quiz["q"].asked, 2);
        assert_eq!(loaded.damaged, None);
    }

    #[test]
    fn many_writers_lose_nothing() {
        let (_dir, store) = store();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        store.update(|progress| progress.card_mut("a").answered("q", true, 1)).unwrap();
                    }
                });
            }
        });
        assert_eq!(store.load().unwrap().progress.cards["a"].quiz["q"].asked, 80);
    }

    #[test]
    fn a_damaged_file_is_kept_beside_the_new_one() {
        let (_dir, store) = store();
        fs::create_dir_all(&store.folder).unwrap();
        for (number, damage) in
            [&b"{\"version\": 1, \"cards\": {"[..], b"[]", b"\xff\xfe", b"", &vec![b' '; 1024 * 1024 + 1]].iter().enumerate()
        {
            fs::write(store.path(), damage).unwrap();
            let (aside, wrong) = store.load().unwrap().damaged.unwrap();
            assert_eq!(aside, store.folder.join(format!("progress.damaged-{}.json", number + 1)), "{wrong}");
            assert_eq!(&fs::read(aside).unwrap(), damage);
            assert!(!store.path().exists());
        }
        store.update(|progress| progress.card_mut("a").hints.insert("t".to_owned(), 1)).unwrap();
        assert!(store.load().unwrap().damaged.is_none());
    }

    #[test]
    fn a_later_versions_file_is_left_alone() {
        let (_dir, store) = store();
        fs::create_dir_all(&store.folder).unwrap();
        fs::write(store.path(), r#"{"version": 2, "people": []}"#).unwrap();
        let error = store.update(|progress| progress.lang = None).unwrap_err().to_string();
        assert!(error.contains("later version of Clusterbook (format 2; this one knows 1)"), "{error}");
        assert_eq!(fs::read_to_string(store.path()).unwrap(), r#"{"version": 2, "people": []}"#);
    }
}
