//! Files: small trees in memory, shared until written to, and a container's view of its root and its mounts.
//!
//! An image's tree is shared by all its containers; the first write copies it, as the writable layer of a container does.
//!
//! **Simplified here:** files hold text; no owners, no links, no device files beyond `/dev/null`, `/dev/stdout` and `/dev/stderr`; modes
//! are kept but not enforced, apart from read-only mounts.

use imbl::OrdMap;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

/// What one tree may hold, in bytes of text.
const MAX_BYTES: usize = 4 << 20;
/// How many entries one tree may hold.
const MAX_ENTRIES: usize = 10_000;

/// Why an operation on a file failed, in the words of `strerror`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FsError {
    NotFound,
    IsDirectory,
    NotDirectory,
    Exists,
    NotEmpty,
    NoSpace,
    ReadOnly,
}

impl fmt::Display for FsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FsError::NotFound => "No such file or directory",
            FsError::IsDirectory => "Is a directory",
            FsError::NotDirectory => "Not a directory",
            FsError::Exists => "File exists",
            FsError::NotEmpty => "Directory not empty",
            FsError::NoSpace => "No space left on device",
            FsError::ReadOnly => "Read-only file system",
        })
    }
}

/// A file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Dir,
    File { text: Arc<String>, mode: u32 },
}

/// A tree of files by absolute, normal path. The root always exists. A copy, as each container has one of its image's, shares what neither
/// changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    entries: OrdMap<Arc<str>, Entry>,
    bytes: usize,
    /// The sizes of files whose content is not kept.
    pub(super) holes: BTreeMap<String, u64>,
    /// Counts the changes.
    version: u64,
    /// How much it can hold, where that is less than everything (the size of a `tmpfs`).
    pub(super) capacity: Option<u64>,
}

impl Tree {
    /// A tree with these files; parents are made.
    pub(crate) fn with_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut tree = Tree::default();
        for (path, text) in files {
            // Only an image that is too big could fail, and images are built in.
            let _ = tree.put(path, text.to_owned(), 0o644);
        }
        tree
    }

    /// Writes a file and makes its parents.
    pub(crate) fn put(&mut self, path: &str, text: String, mode: u32) -> Result<(), FsError> {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.make_dirs(parent)?;
        }
        self.write(path, &text, false)?;
        if let Some(Entry::File { mode: old, .. }) = self.entries.get_mut(path) {
            *old = mode;
        }
        Ok(())
    }

    pub(crate) fn is_dir(&self, path: &str) -> bool {
        path == "/" || path.is_empty() || self.entries.get(path) == Some(&Entry::Dir)
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.is_dir(path) || self.entries.contains_key(path)
    }

    pub(crate) fn read(&self, path: &str) -> Result<&str, FsError> {
        match self.entries.get(path) {
            Some(Entry::File { text, .. }) => Ok(text),
            _ if self.is_dir(path) => Err(FsError::IsDirectory),
            _ => Err(FsError::NotFound),
        }
    }

    /// Writes or appends to a file whose directory exists.
    pub(crate) fn write(&mut self, path: &str, text: &str, append: bool) -> Result<(), FsError> {
        if self.is_dir(path) {
            return Err(FsError::IsDirectory);
        }
        self.check_parent(path)?;
        let old = match self.entries.get(path) {
            Some(Entry::File { text, .. }) => text.len(),
            _ => 0,
        };
        let bytes = self.bytes + text.len() - if append { 0 } else { old };
        let full = self.capacity.is_some_and(|capacity| {
            let hole = if append { 0 } else { self.holes.get(path).copied().unwrap_or(0) };
            let grown = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_sub(self.text_bytes());
            self.size().saturating_sub(hole).saturating_add(grown) > capacity
        });
        if full || bytes > MAX_BYTES || self.entries.len() >= MAX_ENTRIES {
            return Err(FsError::NoSpace);
        }
        self.bytes = bytes;
        self.version += 1;
        if !append {
            self.holes.remove(path);
        }
        match self.entries.entry(path.into()).or_insert_with(|| Entry::File { text: Arc::default(), mode: 0o644 }) {
            Entry::File { text: content, .. } => {
                let content = Arc::make_mut(content);
                if !append {
                    content.clear();
                }
                content.push_str(text);
                Ok(())
            }
            Entry::Dir => Err(FsError::IsDirectory),
        }
    }

    fn check_parent(&self, path: &str) -> Result<(), FsError> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        match self.entries.get(parent) {
            _ if self.is_dir(parent) => Ok(()),
            Some(_) => Err(FsError::NotDirectory),
            None => Err(FsError::NotFound),
        }
    }

    pub(crate) fn make_dir(&mut self, path: &str) -> Result<(), FsError> {
        if self.exists(path) {
            return Err(FsError::Exists);
        }
        self.check_parent(path)?;
        if self.entries.len() >= MAX_ENTRIES {
            return Err(FsError::NoSpace);
        }
        self.version += 1;
        self.entries.insert(path.into(), Entry::Dir);
        Ok(())
    }

    /// Makes a directory and its parents.
    pub(crate) fn make_dirs(&mut self, path: &str) -> Result<(), FsError> {
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        for end in ends {
            match self.make_dir(&path[..end]) {
                Ok(()) => {}
                Err(FsError::Exists) if self.is_dir(&path[..end]) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes a file, or a directory with all that is in it when `recursive`.
    pub(crate) fn remove(&mut self, path: &str, recursive: bool) -> Result<(), FsError> {
        if !self.exists(path) {
            return Err(FsError::NotFound);
        }
        self.version += 1;
        let below: Vec<Arc<str>> = self.below(path).map(|(path, _)| path.clone()).collect();
        if self.is_dir(path) && !below.is_empty() && !recursive {
            return Err(FsError::NotEmpty);
        }
        self.holes.retain(|file, _| file != path && !below.iter().any(|path| **path == **file));
        for path in below.iter().map(|path| &**path).chain([path]) {
            if let Some(Entry::File { text, .. }) = self.entries.remove(path) {
                self.bytes -= text.len();
            }
        }
        Ok(())
    }

    /// What the texts of its files take, in bytes.
    pub(crate) fn text_bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }

    /// How many files and directories there are.
    pub(crate) fn entry_count(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap_or(u64::MAX)
    }

    /// How often the tree was changed.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whether both hold the same files.
    pub(crate) fn same_files(&self, other: &Tree) -> bool {
        self.entries.ptr_eq(&other.entries) || self.entries == other.entries
    }

    /// What is below a directory, as a tree of its own.
    pub(crate) fn subtree(&self, path: &str) -> Tree {
        let mut tree = Tree::default();
        for (at, entry) in self.below(path) {
            // It fits, for it did before.
            let _ = match entry {
                Entry::Dir => tree.make_dirs(&at[path.len()..]),
                Entry::File { text, mode } => tree.put(&at[path.len()..], String::clone(text), *mode),
            };
        }
        tree
    }

    /// Puts a tree in the place of what is below a directory.
    ///
    /// # Errors
    /// When there is no room for it.
    pub(crate) fn replace_below(&mut self, path: &str, tree: &Tree) -> Result<(), FsError> {
        if self.exists(path) {
            self.remove(path, true)?;
        }
        self.make_dirs(path)?;
        for (at, entry) in tree.entries.iter() {
            match entry {
                Entry::Dir => self.make_dirs(&format!("{path}{at}"))?,
                Entry::File { text, mode } => self.put(&format!("{path}{at}"), String::clone(text), *mode)?,
            }
        }
        Ok(())
    }

    /// Everything below a directory.
    pub(crate) fn below(&self, path: &str) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let range = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let from = self.entries.range::<(Bound<&str>, Bound<&str>), str>(range);
        from.take_while(move |(path, _)| path.starts_with(&prefix))
    }

    /// The names in a directory, in order.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, FsError> {
        if !self.is_dir(path) {
            return Err(if self.exists(path) { FsError::NotDirectory } else { FsError::NotFound });
        }
        let skip = path.trim_end_matches('/').len() + 1;
        Ok(self.below(path).filter_map(|(path, _)| path.get(skip..)).filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }
}

/// Where the files of a mount are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MountSource {
    /// The Pod's volume with this number.
    Volume(usize),
    /// The node.
    Host,
}

/// A directory or file that comes from elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Mount {
    /// Where it appears.
    pub(crate) at: String,
    /// Where it comes from.
    pub(crate) source: MountSource,
    /// The path there; empty for its root.
    pub(crate) path: String,
    /// Whether it can only be read.
    pub(crate) read_only: bool,
}

/// The files as one container sees them.
pub(crate) struct View<'a> {
    pub(crate) root: &'a mut Tree,
    pub(crate) mounts: &'a [Mount],
    pub(crate) volumes: &'a mut [Tree],
    pub(crate) host: &'a mut Tree,
}

impl View<'_> {
    /// The mount that holds `path`, and the path in it.
    fn locate(&self, path: &str) -> (Option<&Mount>, String) {
        let holds = |mount: &&Mount| {
            mount.at == "/" || path.strip_prefix(mount.at.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self.mounts.iter().filter(holds).max_by_key(|mount| mount.at.len()) {
            Some(mount) => {
                let rest = path.strip_prefix(mount.at.trim_end_matches('/')).unwrap_or("");
                let inner = format!("{}{}", mount.path.trim_end_matches('/'), rest);
                (Some(mount), if inner.is_empty() { "/".to_owned() } else { inner })
            }
            None => (None, path.to_owned()),
        }
    }

    fn tree(&self, path: &str) -> (&Tree, String) {
        let (mount, inner) = self.locate(path);
        let tree = match mount.map(|mount| mount.source) {
            None => &*self.root,
            Some(MountSource::Host) => &*self.host,
            Some(MountSource::Volume(index)) => self.volumes.get(index).unwrap_or(self.root),
        };
        (tree, inner)
    }

    pub(super) fn tree_mut(&mut self, path: &str) -> Result<(&mut Tree, String), FsError> {
        let (mount, inner) = self.locate(path);
        let source = match mount {
            Some(mount) if mount.read_only => return Err(FsError::ReadOnly),
            Some(mount) => Some(mount.source),
            None => None,
        };
        let tree = match source {
            None => &mut *self.root,
            Some(MountSource::Host) => &mut *self.host,
            Some(MountSource::Volume(index)) => self.volumes.get_mut(index).ok_or(FsError::NotFound)?,
        };
        Ok((tree, inner))
    }

    pub(crate) fn read(&self, path: &str) -> Result<&str, FsError> {
        if path == "/dev/null" {
            return Ok("");
        }
        let (tree, inner) = self.tree(path);
        tree.read(&inner)
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        let (tree, inner) = self.tree(path);
        tree.exists(&inner) || path.starts_with("/dev/null")
    }

    pub(crate) fn is_dir(&self, path: &str) -> bool {
        let (tree, inner) = self.tree(path);
        tree.is_dir(&inner)
    }

    pub(crate) fn mode(&self, path: &str) -> u32 {
        let (tree, inner) = self.tree(path);
        match tree.get(&inner) {
            Some(Entry::File { mode, .. }) => *mode,
            _ => 0o755,
        }
    }

    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, FsError> {
        let (tree, inner) = self.tree(path);
        tree.list(&inner)
    }

    pub(crate) fn write(&mut self, path: &str, text: &str, append: bool) -> Result<(), FsError> {
        if path == "/dev/null" {
            return Ok(());
        }
        let (tree, inner) = self.tree_mut(path)?;
        tree.write(&inner, text, append)
    }

    pub(crate) fn set_mode(&mut self, path: &str, mode: u32) -> Result<(), FsError> {
        let (tree, inner) = self.tree_mut(path)?;
        let text = tree.read(&inner)?.to_owned();
        tree.put(&inner, text, mode)
    }

    pub(crate) fn make_dir(&mut self, path: &str, parents: bool) -> Result<(), FsError> {
        let (tree, inner) = self.tree_mut(path)?;
        if parents { tree.make_dirs(&inner) } else { tree.make_dir(&inner) }
    }

    pub(crate) fn remove(&mut self, path: &str, recursive: bool) -> Result<(), FsError> {
        let (tree, inner) = self.tree_mut(path)?;
        tree.remove(&inner, recursive)
    }
}

/// `path` from `cwd`, absolute, without `.`, `..` and double slashes.
pub(crate) fn normalize(cwd: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let base = if path.starts_with('/') { "" } else { cwd };
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_tree_leaves_the_image_as_it_was() {
        let image = Tree::with_files([("/etc/hosts", "a\n")]);
        let mut tree = image.clone();
        tree.write("/etc/hosts", "b\n", true).unwrap();
        assert_eq!((image.read("/etc/hosts"), tree.read("/etc/hosts")), (Ok("a\n"), Ok("a\nb\n")));
        assert_eq!(tree.write("/no/such", "x", false), Err(FsError::NotFound));
        assert_eq!(tree.write("/etc", "x", false), Err(FsError::IsDirectory));
        assert_eq!(tree.remove("/etc", false), Err(FsError::NotEmpty));
        assert_eq!(tree.list("/"), Ok(vec!["etc".to_owned()]));
    }

    #[test]
    fn a_tree_is_bounded() {
        let mut tree = Tree::default();
        let block = "x".repeat(1 << 20);
        let written = (0..10).take_while(|_| tree.write("/f", &block, true).is_ok()).count();
        assert_eq!(written, 4);
    }

    #[test]
    fn mounts_shadow_the_root_and_can_be_read_only() {
        let mut root = Tree::with_files([("/data/old", "1")]);
        let (mut volumes, mut host) = ([Tree::with_files([("/new", "2")])], Tree::default());
        let mounts = [Mount { at: "/data".to_owned(), source: MountSource::Volume(0), path: String::new(), read_only: true }];
        let mut view = View { root: &mut root, mounts: &mounts, volumes: &mut volumes, host: &mut host };
        assert_eq!(view.list("/data"), Ok(vec!["new".to_owned()]));
        assert_eq!(view.read("/data/new"), Ok("2"));
        assert_eq!(view.write("/data/x", "", false), Err(FsError::ReadOnly));
        assert_eq!(view.write("/x", "", false), Ok(()));
    }

    #[test]
    fn paths_are_normalized() {
        assert_eq!(normalize("/a/b", "../c/./d"), "/a/c/d");
        assert_eq!(normalize("/a", "/x//y/"), "/x/y");
        assert_eq!(normalize("/", "../.."), "/");
    }
}
