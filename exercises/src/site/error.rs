//! What can go wrong while the site is built or served, worded for the person at the terminal: where, what, what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::lang::Lang;
use crate::site::toolchain::ToolchainError;

/// A failure of the site pipeline. `Display` is the whole message, several lines where a remedy needs them; that is why no variant
/// has a further source to print.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The program runs outside of a Clusterbook checkout.
    #[error(
        "no workbook found in `{}` or in a folder above it: `book.toml` and `exercises/` are missing there\n\
         help: run the command inside the Clusterbook folder",
        .0.display()
    )]
    NoWorkbook(PathBuf),
    /// A file or folder could not be read or written.
    #[error("cannot {action} `{}`: {}{}", .path.display(), plain(.cause), IoHelp(.cause))]
    Io {
        /// The verb phrase after "cannot".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// There is no compiler for the page's program.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// `cargo` ran and failed; it has printed why.
    #[error(
        "the page's program (`web`) did not compile for wasm32-unknown-unknown; the compiler's messages are above\n\
         help: `{command}` repeats the step"
    )]
    WasmBuild {
        /// The command line, for repeating.
        command: String,
    },
    /// The compiled module could not be given its JavaScript side.
    #[error("wasm-bindgen refused `{}`: {message}", .module.display())]
    Bindgen {
        /// The compiled module.
        module: PathBuf,
        /// wasm-bindgen's own words, with causes.
        message: String,
    },
    /// mdBook or a card in the book failed.
    #[error("the book ({lang}) does not build: {message}")]
    Book {
        /// The language that failed.
        lang: Lang,
        /// What mdBook said, with causes.
        message: String,
    },
    /// The cards cannot be read, or are not valid.
    #[error("the cards cannot be used:\n{message}")]
    Cards {
        /// Every finding, one a line, each with its place.
        message: String,
    },
    /// A rendered page lacks a place where the site puts something: mdBook's template has changed.
    #[error("`{page}` has no `{marker}`: the page template of this mdBook version differs from the one the site knows")]
    Template {
        /// The page, relative to the language's folder.
        page: String,
        /// The text that was looked for.
        marker: &'static str,
    },
    /// `--out` names a folder with other people's files in it.
    #[error(
        "`{}` is not empty and was not written by `clusterbook build`, so it is left alone\n\
         help: give another folder with `--out DIR`, or empty this one",
        .0.display()
    )]
    ForeignFolder(PathBuf),
    /// None of the ports could be had.
    #[error(
        "no free port on 127.0.0.1 from {first} to {last}: {}\nhelp: choose another with `--port N`",
        plain(.cause)
    )]
    NoPort {
        /// The first port tried.
        first: u16,
        /// The last port tried.
        last: u16,
        /// Why the last one was refused.
        cause: io::Error,
    },
    /// The server stopped.
    #[error("the server stopped: {}", plain(.0))]
    Serve(io::Error),
}

impl SiteError {
    /// Turns an IO error into one that says what was being done to which path; made for `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |cause| Self::Io { action, path, cause }
    }
}

/// The system's message without the `(os error N)` that says nothing to a reader.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// What to do about an IO error, as a line that starts with a line break; empty where the error says it all.
pub(crate) struct IoHelp<'a>(pub(crate) &'a io::Error);

impl fmt::Display for IoHelp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                f.write_str("\nhelp: what is built goes to `target/`; set CARGO_TARGET_DIR to a folder that can be written")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                f.write_str("\nhelp: the disk is full; a build needs about 3 GB, and `cargo clean` frees what earlier ones left")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_errors_say_where_what_and_what_to_do() {
        let text = SiteError::io("write", "target/site/www/index.html")(io::Error::from_raw_os_error(28)).to_string();
        assert!(text.starts_with("cannot write `target/site/www/index.html`: No space left on device\nhelp: the disk is full"), "{text}");
        let text = SiteError::io("create", "target/site")(io::Error::from(io::ErrorKind::ReadOnlyFilesystem)).to_string();
        assert!(text.contains("help: ") && text.contains("CARGO_TARGET_DIR"), "{text}");
        let error = anyhow::Error::from(SiteError::io("create", "x")(io::Error::from(io::ErrorKind::StorageFull)));
        assert_eq!(format!("{error:#}"), format!("{error}"), "nothing is said twice");
        let text = SiteError::io("read", "book.toml")(io::Error::from(io::ErrorKind::NotFound)).to_string();
        assert!(!text.contains("help"), "{text}");
    }
}
