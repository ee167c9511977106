//! What containers take of the node's disks.
//!
//! A file can be made large without its text being kept: `fallocate` and `dd` from `/dev/zero` leave a number behind.
//!
//! An `emptyDir` of medium `Memory` is a file system in memory: what it holds counts as memory of the container that wrote it, for which
//! that may be too much.
//!
//! **Simplified here:** a file that a tool made large reads as empty; a full disk refuses nothing. What a container that has ended wrote into
//! memory stays the Pod's, and is no container's.

use super::fs::{Entry, FsError, Tree, View};
use super::sandbox::Sandbox;

impl Tree {
    /// The tree, which can hold so much.
    pub(crate) fn with_capacity(mut self, capacity: Option<u64>) -> Self {
        self.capacity = capacity;
        self
    }

    /// Makes a file of this size whose content nobody will ask for. Of one that does not fit as much stays as does.
    pub(crate) fn allocate(&mut self, path: &str, bytes: u64) -> Result<(), FsError> {
        self.write(path, "", false)?;
        let fits = self.capacity.map_or(bytes, |capacity| bytes.min(capacity.saturating_sub(self.size())));
        self.holes.insert(path.to_owned(), fits);
        if fits < bytes { Err(FsError::NoSpace) } else { Ok(()) }
    }

    /// What its files take, in bytes.
    pub(crate) fn size(&self) -> u64 {
        let holes = self.holes.iter().filter(|(path, _)| matches!(self.get(path), Some(Entry::File { .. })));
        holes.fold(self.text_bytes(), |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

impl View<'_> {
    /// Makes a file of this size whose content nobody will ask for.
    pub(crate) fn allocate(&mut self, path: &str, bytes: u64) -> Result<(), FsError> {
        let (tree, inner) = self.tree_mut(path)?;
        tree.allocate(&inner, bytes)
    }
}

impl Sandbox {
    /// Charges what a container has just written into volumes that lie in memory to that container. What it removed is taken off it and,
    /// where another wrote it, off the others: a page belongs to whoever touched it first.
    pub(super) fn charge_memory(&mut self, run: usize) {
        for place in &mut self.in_memory {
            let size = self.volumes.get(place.volume).map_or(0, Tree::size);
            let old = std::mem::replace(&mut place.charged, size);
            if size > old {
                self.containers[run].meter.tmpfs_bytes += size - old;
            }
            let mut freed = old.saturating_sub(size);
            for owner in std::iter::once(run).chain(0..self.containers.len()) {
                let own = &mut self.containers[owner].meter.tmpfs_bytes;
                let taken = freed.min(*own);
                *own -= taken;
                freed -= taken;
            }
        }
    }

    /// Whether a container uses more memory than it may.
    pub(super) fn is_out_of_memory(&self, run: usize) -> bool {
        let container = &self.containers[run];
        !self.in_memory.is_empty() && container.config.memory_limit.is_some_and(|limit| container.meter.working_set() > limit)
    }

    /// What a container has written into its own files since it was started, in bytes.
    pub(crate) fn rootfs(&self, run: usize) -> u64 {
        self.containers.get(run).map_or(0, |container| container.root.size().saturating_sub(container.image_bytes))
    }

    /// How many files and directories it has made there.
    pub(crate) fn inodes(&self, run: usize) -> u64 {
        self.containers.get(run).map_or(0, |container| container.root.entry_count().saturating_sub(container.image_entries))
    }
}

/// A size as `dd` and `fallocate` read it: `512`, `4k`, `1M`, `2GiB`.
pub(crate) fn size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let scale: u64 = match text[split..].trim_end_matches("iB").trim_end_matches('B') {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        "t" | "T" => 1 << 40,
        _ => return None,
    };
    text[..split].parse::<u64>().ok()?.checked_mul(scale)
}

/// `fallocate -l SIZE FILE` and `dd if=/dev/zero of=FILE bs=SIZE count=N`: the file, its size, and what is told of it.
///
/// # Errors
/// What the tool complains about.
pub(crate) fn large_file(name: &str, args: &[String]) -> Result<(String, u64, String), String> {
    if name == "fallocate" {
        let at = args.iter().position(|arg| arg == "-l" || arg == "--length");
        let length = at.and_then(|at| args.get(at + 1)).ok_or("fallocate: no length argument specified")?;
        let bytes = size(length).ok_or_else(|| format!("fallocate: failed to parse length: '{length}'"))?;
        let file = args.iter().enumerate().find(|(index, arg)| !arg.starts_with('-') && at.is_none_or(|at| *index != at + 1));
        let (_, file) = file.ok_or("fallocate: no filename specified")?;
        return Ok((file.clone(), bytes, String::new()));
    }
    let operand = |key: &str| args.iter().find_map(|arg| arg.strip_prefix(key)?.strip_prefix('='));
    let wrong = |text: &str| format!("dd: invalid number '{text}'");
    if operand("if") != Some("/dev/zero") {
        return Err("dd: this one copies from /dev/zero to a file: dd if=/dev/zero of=FILE bs=1M count=100".to_owned());
    }
    let file = operand("of").ok_or("dd: this one needs a file to write to: of=FILE")?;
    let block = operand("bs").map_or(Ok(512), |text| size(text).ok_or_else(|| wrong(text)))?;
    let count = operand("count").ok_or("dd: this one needs an end: count=N")?;
    let count = size(count).ok_or_else(|| wrong(count))?;
    let bytes = block.checked_mul(count).ok_or_else(|| wrong(operand("count").unwrap_or_default()))?;
    Ok((file.to_owned(), bytes, format!("{count}+0 records in\n{count}+0 records out\n")))
}

/// A volume that lies in memory, by its number, and how much of it was charged to containers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InMemory {
    pub(crate) volume: usize,
    pub(crate) charged: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_in_memory_is_as_large_as_it_was_made() {
        let mut tree = Tree::default().with_capacity(Some(10));
        assert_eq!(tree.write("/a", "12345", false), Ok(()));
        assert_eq!(tree.write("/b", "123456", false), Err(FsError::NoSpace));
        assert_eq!(tree.write("/a", "1234567890", false), Ok(()), "what is replaced makes room");
        assert_eq!(
            (tree.allocate("/b", 1), tree.remove("/a", false), tree.allocate("/b", 11)),
            (Err(FsError::NoSpace), Ok(()), Err(FsError::NoSpace))
        );
        assert_eq!(tree.size(), 10, "what fits stays");
    }

    #[test]
    fn large_files_count_and_are_forgotten_when_removed_or_written() {
        let mut tree = Tree::with_files([("/a", "text")]);
        tree.allocate("/big", 5 << 30).unwrap();
        assert_eq!(tree.size(), (5 << 30) + 4);
        tree.remove("/big", false).unwrap();
        assert_eq!(tree.size(), 4);
        tree.allocate("/big", 7).unwrap();
        tree.write("/big", "xy", false).unwrap();
        assert_eq!(tree.size(), 6);
    }

    #[test]
    fn the_tools_are_read() {
        let of = |name, line: &str| large_file(name, &line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("fallocate", "-l 2G /tmp/f"), Ok(("/tmp/f".to_owned(), 2 << 30, String::new())));
        assert_eq!(of("dd", "if=/dev/zero of=f bs=1M count=3").unwrap().1, 3 << 20);
        assert!(of("dd", "if=/dev/sda of=f").is_err() && of("fallocate", "/tmp/f").is_err());
        assert_eq!([size("512"), size("1MiB"), size("x")], [Some(512), Some(1 << 20), None]);
    }
}
