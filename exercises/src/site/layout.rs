//! Where things are: the workbook's sources, and the git-ignored places that builds write to.
//!
//! ```text
//! <root>/book.toml, book/, exercises/cards/, web/        read
//! <target>/wasm-site/                                     cargo's folder for the page's program
//! <target>/site/www/{index.html,en/,zh-CN/,lab/}          what is served; `clusterbook build` copies it
//! <target>/site/next/                                     a build of the book that is not finished yet
//! <target>/site/state/                                    fingerprints, and compressed files by content
//! ```

use std::env;
use std::path::{Path, PathBuf};

use crate::lang::Lang;
use crate::site::error::SiteError;

/// The paths of one workbook. All absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    target: PathBuf,
}

impl Layout {
    /// A layout with this workbook and this target folder. A relative target counts from the workbook, as in cargo run there.
    pub fn new(root: impl Into<PathBuf>, target: impl AsRef<Path>) -> Self {
        let root = root.into();
        let target = root.join(target);
        Self { root, target }
    }

    /// Finds the workbook around the current folder; `CARGO_TARGET_DIR` is honoured as cargo does.
    ///
    /// # Errors
    /// [`SiteError::NoWorkbook`] when neither the current folder nor one above it is a workbook.
    pub fn find() -> Result<Self, SiteError> {
        let here = env::current_dir().map_err(SiteError::io("read", "."))?;
        let root = Self::root_above(&here).ok_or_else(|| SiteError::NoWorkbook(here.clone()))?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) if !dir.is_empty() => here.join(dir),
            _ => root.join("target"),
        };
        Ok(Self::new(root, target))
    }

    /// The nearest folder at or above `from` that holds a workbook.
    pub fn root_above(from: &Path) -> Option<PathBuf> {
        from.ancestors().find(|dir| dir.join("book.toml").is_file() && dir.join("exercises").is_dir()).map(Path::to_path_buf)
    }

    /// The workbook's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The sources of one language's chapters.
    pub fn chapters(&self, lang: Lang) -> PathBuf {
        self.root.join("book").join(lang.code())
    }

    /// The cards.
    pub fn cards(&self) -> PathBuf {
        self.root.join("exercises/cards")
    }

    /// Cargo's target folder for the page's program, apart from the one an outer `cargo run` holds locked.
    pub fn wasm_target(&self) -> PathBuf {
        self.target.join("wasm-site")
    }

    /// The folder that is served.
    pub fn www(&self) -> PathBuf {
        self.target.join("site/www")
    }

    /// The page's program, its JavaScript side and its styles.
    pub fn lab(&self) -> PathBuf {
        self.www().join("lab")
    }

    /// Where the book is built before it replaces the served one.
    pub fn next(&self) -> PathBuf {
        self.target.join("site/next")
    }

    /// Fingerprints and the cache of compressed files.
    pub fn state(&self) -> PathBuf {
        self.target.join("site/state")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_from_below_and_not_from_outside() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("exercises/cards/pods")).unwrap();
        assert_eq!(Layout::root_above(&dir.path().join("exercises/cards")), None);
        std::fs::write(dir.path().join("book.toml"), "").unwrap();
        assert_eq!(Layout::root_above(&dir.path().join("exercises/cards/pods")), Some(dir.path().to_path_buf()));
    }

    #[test]
    fn a_relative_target_counts_from_the_root() {
        assert_eq!(Layout::new("/w", "target").www(), Path::new("/w/target/site/www"));
        assert_eq!(Layout::new("/w", "/elsewhere").www(), Path::new("/elsewhere/site/www"));
    }
}
