//! Reading and writing the small text files of a learner: never half of one, never without bound, and with errors that say where, what
//! and what to do.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
pub const MAX_TEXT_BYTES: u64 = 1024 * 1024;

/// Why a file could not be read or written. `Display` is the whole message, with a line of help where there is a remedy.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The system refused.
    #[error("cannot {action} `{}`: {}{}", .path.display(), plain(.cause), help(.cause, .path))]
    Io {
        /// The verb phrase after "cannot".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The file is larger than [`MAX_TEXT_BYTES`].
    #[error("`{}` is too large: at most 1 MiB of text is read", .0.display())]
    TooLarge(PathBuf),
    /// The file is no text.
    #[error(
        "`{}` is not UTF-8 text: the byte at offset {offset} fits no character\nhelp: save the file as UTF-8 in your editor",
        .path.display()
    )]
    NotText {
        /// The file.
        path: PathBuf,
        /// Where the first wrong byte stands, from 0.
        offset: usize,
    },
    /// A folder, a pipe or a device stands where a file belongs.
    #[error("`{}` is {what}, and a file is wanted there", .path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// More files than a lab takes.
    #[error("`{}` holds more than {most} files\nhelp: keep only the lab's files there", .folder.display())]
    TooMany {
        /// The folder.
        folder: PathBuf,
        /// How many are taken.
        most: usize,
    },
}

impl DiskError {
    /// Turns an IO error into one that says what was being done to which path; made for `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |cause| Self::Io { action, path, cause }
    }

    /// Whether it is only that there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound)
    }
}

/// The system's message without the `(os error N)` that says nothing to a reader.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// What to do about an IO error, as a line that starts with a line break; empty where the error says it all.
fn help(error: &io::Error, path: &Path) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            let folder = path.parent().unwrap_or(path).display();
            format!("\nhelp: `{folder}` cannot be changed by you; give yourself the right to write there, or work in a copy elsewhere")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "\nhelp: free some space; what was in the file before is still there".to_owned()
        }
        _ => String::new(),
    }
}

/// The text of a file.
///
/// # Errors
/// It is missing, unreadable, no regular file, larger than [`MAX_TEXT_BYTES`], or not UTF-8.
pub fn read_text(path: &Path) -> Result<String, DiskError> {
    let about = fs::metadata(path).map_err(DiskError::io("read", path))?;
    if !about.is_file() {
        let what = if about.is_dir() { "a folder" } else { "a pipe or device" };
        return Err(DiskError::NoFile { path: path.to_owned(), what });
    }
    let file = File::open(path).map_err(DiskError::io("read", path))?;
    match read_bounded(file).map_err(DiskError::io("read", path))? {
        None => Err(DiskError::TooLarge(path.to_owned())),
        Some(bytes) => {
            String::from_utf8(bytes).map_err(|error| DiskError::NotText { path: path.to_owned(), offset: error.utf8_error().valid_up_to() })
        }
    }
}

/// Everything a stream holds; `None` when that is more than [`MAX_TEXT_BYTES`].
///
/// # Errors
/// The stream's own.
pub fn read_bounded(stream: impl io::Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    stream.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MAX_TEXT_BYTES).then_some(bytes))
}

/// Writes a file whole or not at all, and makes sure of it: a temporary file beside it is written, synced and renamed. Folders on the way
/// are made.
///
/// # Errors
/// [`DiskError::Io`] for the step that failed; the file is then as it was.
pub fn write_whole(path: &Path, text: &str) -> Result<(), DiskError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(DiskError::io("create", folder))?;
    let failed = || DiskError::io("write", path);
    if path.is_dir() {
        return Err(DiskError::NoFile { path: path.to_owned(), what: "a folder" });
    }
    let mut file = new_beside(folder).map_err(failed())?;
    file.write_all(text.as_bytes()).map_err(failed())?;
    file.as_file().sync_all().map_err(failed())?;
    file.persist(path).map_err(|error| failed()(error.error))?;
    sync_folder(folder).map_err(failed())
}

/// A temporary file with the permissions of an ordinary new one.
fn new_beside(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".clusterbook-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The process's umask still takes away from these.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Makes a rename in the folder last through a loss of power.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems cannot sync a folder; there is nothing more to be done on them.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}

/// Other systems have no handle for a folder.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c.txt");
        write_whole(&path, "one").unwrap();
        write_whole(&path, "two").unwrap();
        assert_eq!(read_text(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_text_file_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.yaml");
        let message = |path: &Path| read_text(path).unwrap_err().to_string();
        assert!(read_text(&path).unwrap_err().is_missing());
        assert!(message(dir.path()).ends_with("` is a folder, and a file is wanted there"));
        fs::write(&path, b"ok: \xff").unwrap();
        assert!(message(&path).contains("is not UTF-8 text: the byte at offset 4 fits no character\nhelp: "));
        fs::write(&path, vec![b'a'; 1024 * 1024 + 1]).unwrap();
        assert!(message(&path).ends_with("x.yaml` is too large: at most 1 MiB of text is read"));
        fs::write(&path, vec![b'a'; 1024 * 1024]).unwrap();
        assert_eq!(read_text(&path).unwrap().len(), 1024 * 1024);
        assert!(write_whole(dir.path(), "x").is_err());
        assert!(write_whole(&path.join("below"), "x").unwrap_err().to_string().starts_with("cannot create `"));
    }

    #[test]
    fn a_refusing_disk_is_told_with_a_remedy() {
        let error = DiskError::io("write", "/x/progress.json")(io::Error::from_raw_os_error(28)).to_string();
        assert!(error.starts_with("cannot write `/x/progress.json`: No space left on device\nhelp: free some space"), "{error}");
        let error = DiskError::io("write", "/x/progress.json")(io::ErrorKind::ReadOnlyFilesystem.into()).to_string();
        assert!(error.contains("\nhelp: `/x` cannot be changed by you"), "{error}");
    }
}
