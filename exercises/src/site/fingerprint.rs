//! Fingerprints of inputs, so that a stage whose inputs did not change is not run again.
//!
//! A fingerprint covers the names and the contents of files, not their times: a `git checkout` or a `touch` rebuilds nothing.
//! The hash is the standard library's, which may differ between compilers; then a stage runs once more, which does no harm.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use crate::site::error::SiteError;

/// Collects inputs into one fingerprint. The order of calls counts.
#[derive(Debug, Default)]
pub struct Fingerprint {
    hasher: DefaultHasher,
}

impl Fingerprint {
    /// A fingerprint of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a word, such as the profile's name.
    pub fn word(&mut self, word: &str) -> &mut Self {
        self.bytes(word.as_bytes());
        self
    }

    /// Adds a file, or everything below a folder except the paths in `except` (relative to `path`), in name order.
    /// A path that does not exist counts as such, so that creating it changes the fingerprint.
    ///
    /// # Errors
    /// [`SiteError::Io`] when something there cannot be read.
    pub fn path(&mut self, path: &Path, except: &[&str]) -> Result<&mut Self, SiteError> {
        let mut files = Vec::new();
        collect(path, path, except, &mut files)?;
        files.sort();
        self.hasher.write_usize(files.len());
        for file in files {
            self.word(&file.strip_prefix(path).unwrap_or(&file).to_string_lossy());
            let content = fs::read(&file).map_err(SiteError::io("read", &file))?;
            self.bytes(&content);
        }
        Ok(self)
    }

    /// Adds a file by size and time only: for the running program, which is large and never touched without a change.
    ///
    /// # Errors
    /// [`SiteError::Io`] when the file's data cannot be read.
    pub fn stamp(&mut self, file: &Path) -> Result<&mut Self, SiteError> {
        let data = fs::metadata(file).map_err(SiteError::io("read", file))?;
        self.hasher.write_u64(data.len());
        let since = data.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        self.hasher.write_u128(since.map_or(0, |d| d.as_nanos()));
        Ok(self)
    }

    /// The fingerprint, as 16 hexadecimal digits.
    pub fn finish(&self) -> String {
        format!("{:016x}", self.hasher.finish())
    }

    /// Length first, so that moving a byte between neighbours shows.
    fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.write_usize(bytes.len());
        self.hasher.write(bytes);
    }
}

/// The fingerprint of one piece of content.
pub fn of_bytes(bytes: &[u8]) -> String {
    let mut fingerprint = Fingerprint::new();
    fingerprint.bytes(bytes);
    fingerprint.finish()
}

/// Remembers for each stage the fingerprint of the inputs that its output was made from.
#[derive(Debug, Clone)]
pub struct Stages {
    folder: PathBuf,
}

impl Stages {
    /// Stages remembered in this folder, which is created when first needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Whether `stage` was last done for this fingerprint. A state that cannot be read counts as not done.
    pub fn is_done(&self, stage: &str, fingerprint: &str) -> bool {
        fs::read_to_string(self.file(stage)).is_ok_and(|known| known.trim_end() == fingerprint)
    }

    /// Remembers that `stage` is done for this fingerprint.
    ///
    /// # Errors
    /// [`SiteError::Io`] when the state cannot be written.
    pub fn done(&self, stage: &str, fingerprint: &str) -> Result<(), SiteError> {
        fs::create_dir_all(&self.folder).map_err(SiteError::io("create", &self.folder))?;
        let file = self.file(stage);
        fs::write(&file, format!("{fingerprint}\n")).map_err(SiteError::io("write", &file))
    }

    /// Forgets a stage before its output is touched, so that a run that is cut short leaves no false promise.
    ///
    /// # Errors
    /// [`SiteError::Io`] when the state exists and cannot be removed.
    pub fn forget(&self, stage: &str) -> Result<(), SiteError> {
        let file = self.file(stage);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SiteError::io("remove", &file)(error)),
            _ => Ok(()),
        }
    }

    fn file(&self, stage: &str) -> PathBuf {
        self.folder.join(format!("{stage}.fingerprint"))
    }
}

/// Every file at or below `path`, without what starts with a dot (editors' swap files, `.git`).
pub(crate) fn files_below(path: &Path) -> Result<Vec<PathBuf>, SiteError> {
    let mut files = Vec::new();
    collect(path, path, &[], &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(base: &Path, path: &Path, except: &[&str], files: &mut Vec<PathBuf>) -> Result<(), SiteError> {
    if except.iter().any(|out| path == base.join(out)) {
        return Ok(());
    }
    let data = match fs::metadata(path) {
        Ok(data) => data,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(SiteError::io("read", path)(error)),
    };
    if data.is_file() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(SiteError::io("read", path))? {
        let entry = entry.map_err(SiteError::io("read", path))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            collect(base, &entry.path(), except, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &Path, except: &[&str]) -> String {
        Fingerprint::new().path(path, except).unwrap().finish()
    }

    #[test]
    fn content_and_names_count_and_times_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/x.md"), "one").unwrap();
        fs::write(root.join("a/b/y.md"), "two").unwrap();
        let before = of(root, &[]);

        fs::write(root.join("a/x.md"), "one").unwrap();
        assert_eq!(of(root, &[]), before, "written again with the same content");
        fs::write(root.join("a/.x.md.swp"), "noise").unwrap();
        assert_eq!(of(root, &[]), before, "an editor's file");

        fs::write(root.join("a/x.md"), "One").unwrap();
        assert_ne!(of(root, &[]), before, "changed content");
        fs::write(root.join("a/x.md"), "one").unwrap();
        fs::rename(root.join("a/b/y.md"), root.join("a/b/z.md")).unwrap();
        assert_ne!(of(root, &[]), before, "renamed");
    }

    #[test]
    fn what_is_excepted_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("src/site")).unwrap();
        fs::write(root.join("src/lib.rs"), "a").unwrap();
        let before = of(&root.join("src"), &["site"]);
        fs::write(root.join("src/site/mod.rs"), "b").unwrap();
        assert_eq!(of(&root.join("src"), &["site"]), before);
        assert_ne!(of(&root.join("src"), &[]), before);
    }

    #[test]
    fn moving_a_byte_between_files_shows() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "xy").unwrap();
        fs::write(dir.path().join("b"), "z").unwrap();
        let before = of(dir.path(), &[]);
        fs::write(dir.path().join("a"), "x").unwrap();
        fs::write(dir.path().join("b"), "yz").unwrap();
        assert_ne!(of(dir.path(), &[]), before);
    }

    #[test]
    fn a_stage_is_done_for_one_fingerprint_until_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let stages = Stages::new(dir.path().join("state"));
        assert!(!stages.is_done("book", "1"));
        stages.done("book", "1").unwrap();
        assert!(stages.is_done("book", "1"));
        assert!(!stages.is_done("book", "2"));
        assert!(!stages.is_done("wasm", "1"));
        stages.forget("book").unwrap();
        stages.forget("book").unwrap();
        assert!(!stages.is_done("book", "1"));
    }
}
