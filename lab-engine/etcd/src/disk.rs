//! A simulated disk: files as bytes, and what a crash makes of them.
//!
//! A write is seen at once by whoever reads, as through an operating system's cache, and is safe once the file was synced
//! ([`SimDisk::sync`]). When the machine stops ([`SimDisk::crash`]), each sector of 512 bytes that was written and not synced is there or
//! is as it was before, each on its own: disks write whole sectors, in any order. The length of a file and the names in the directories
//! may be old, too: names survive once their directories were synced ([`SimDisk::sync_names`]), and are otherwise lost last ones first.
//!
//! ```
//! use etcd::disk::SimDisk;
//!
//! let mut disk = SimDisk::default();
//! disk.write("wal/0", 0, b"safe");
//! disk.sync("wal/0");
//! disk.sync_names();
//! disk.write("wal/0", 4, b", and not safe");
//! disk.crash(&mut sim::Seed(7).stream("crash"));
//! assert!(disk.read("wal/0").is_some_and(|file| file.bytes.starts_with(b"safe")));
//! ```
//!
//! Space that was allocated and never written takes no memory: a file's length goes beyond its bytes, and what lies between is zero.
//!
//! **Simplified here:** one directory tree without permissions or limits; all directories are synced together; a change of a file's
//! length is either old or new as a whole, and cutting a file off ([`SimDisk::set_len`]) is safe at once, as file systems with a journal
//! order it before what is written later.

use sim::Rng;
use std::collections::BTreeMap;

/// What a disk writes whole or not at all (`minSectorSize` in etcd).
pub const SECTOR: u64 = 512;

/// A file, to look at: `bytes`, then zeros up to `len`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileView<'a> {
    /// What was written.
    pub bytes: &'a [u8],
    /// The file's length in bytes, at least that of `bytes`.
    pub len: u64,
}

/// The content of a file.
#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    len: u64,
    /// The length that is safe.
    safe_len: u64,
    /// The sectors that were written and not synced, as they are on the disk.
    unsafe_sectors: BTreeMap<u64, Vec<u8>>,
}

impl File {
    fn write(&mut self, at: u64, bytes: &[u8]) {
        let end = at + bytes.len() as u64;
        for sector in at / SECTOR..end.div_ceil(SECTOR) {
            let old = || {
                let start = place(sector * SECTOR).min(self.bytes.len());
                let end = place((sector + 1) * SECTOR).min(self.bytes.len());
                self.bytes[start..end].to_vec()
            };
            self.unsafe_sectors.entry(sector).or_insert_with(old);
        }
        let (start, end_place) = (place(at), place(end));
        if self.bytes.len() < end_place {
            self.bytes.resize(end_place, 0);
        }
        self.bytes[start..end_place].copy_from_slice(bytes);
        self.len = self.len.max(end);
    }

    fn set_len(&mut self, len: u64) {
        self.bytes.truncate(place(len));
        self.unsafe_sectors.retain(|sector, old| {
            let start = sector * SECTOR;
            old.truncate(place(len.saturating_sub(start)));
            start < len
        });
        (self.len, self.safe_len) = (len, len);
    }

    fn crash(&mut self, rng: &mut Rng) {
        // A disk that was nearly done, one that had hardly begun, and what lies between.
        let survives = [0, 300_000, 500_000, 800_000, 1_000_000][rng.index(5)];
        for (sector, old) in std::mem::take(&mut self.unsafe_sectors) {
            if rng.chance(survives) {
                continue;
            }
            let start = place(sector * SECTOR).min(self.bytes.len());
            let end = place((sector + 1) * SECTOR).min(self.bytes.len());
            self.bytes[start..end].fill(0);
            self.bytes[start..start + old.len().min(end - start)].copy_from_slice(&old[..old.len().min(end - start)]);
        }
        if self.len != self.safe_len && rng.chance(500_000) {
            self.bytes.truncate(place(self.safe_len));
            self.len = self.safe_len;
        }
        self.safe_len = self.len;
    }
}

/// An offset as a place in memory: files are as long as what was written.
fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// A change of the directories.
#[derive(Clone, Debug)]
enum NameChange {
    Link(String, u64),
    Unlink(String),
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    safe_names: BTreeMap<String, u64>,
    /// What was changed in the directories since they were synced.
    changes: Vec<NameChange>,
    next_file: u64,
}

impl SimDisk {
    /// The names of all files below a directory, in order; of all, when `under` is empty.
    pub fn list(&self, under: &str) -> Vec<String> {
        self.names.keys().filter(|name| name.starts_with(under)).cloned().collect()
    }

    /// A file, if it exists.
    pub fn read(&self, name: &str) -> Option<FileView<'_>> {
        let file = self.files.get(self.names.get(name)?)?;
        Some(FileView { bytes: &file.bytes, len: file.len })
    }

    /// Writes bytes at an offset; the file is made when it does not exist, and grows as needed.
    pub fn write(&mut self, name: &str, at: u64, bytes: &[u8]) {
        self.file(name).write(at, bytes);
    }

    /// Cuts a file off, or allocates zeros at its end.
    pub fn set_len(&mut self, name: &str, len: u64) {
        self.file(name).set_len(len);
    }

    /// Makes the content of a file safe. Its name is another matter.
    pub fn sync(&mut self, name: &str) {
        let file = self.file(name);
        file.unsafe_sectors.clear();
        file.safe_len = file.len;
    }

    /// Makes all names safe.
    pub fn sync_names(&mut self) {
        self.changes.clear();
        self.safe_names = self.names.clone();
        self.forget_the_nameless();
    }

    /// Gives a file another name, replacing the file that has it. Nothing happens when there is no such file.
    pub fn rename(&mut self, from: &str, to: &str) {
        let Some(file) = self.names.get(from).copied() else { return };
        self.change(NameChange::Link(to.to_owned(), file));
        self.change(NameChange::Unlink(from.to_owned()));
    }

    /// Removes a name. Nothing happens when there is no such file.
    pub fn remove(&mut self, name: &str) {
        if self.names.contains_key(name) {
            self.change(NameChange::Unlink(name.to_owned()));
        }
    }

    /// The machine stops: what was not synced may be lost, in part; `rng` deals which.
    pub fn crash(&mut self, rng: &mut Rng) {
        let kept = place(rng.below(self.changes.len() as u64 + 1));
        let changes = std::mem::take(&mut self.changes);
        self.names = std::mem::take(&mut self.safe_names);
        changes.into_iter().take(kept).for_each(|change| apply(&mut self.names, change));
        self.files.values_mut().for_each(|file| file.crash(rng));
        self.sync_names();
    }

    /// Turns one bit of a file over, as a disk does that rots: `bit` counts from the lowest bit of the byte. Nothing happens outside of what
    /// was written.
    pub fn flip_bit(&mut self, name: &str, byte: u64, bit: u32) {
        if let Some(byte) = self.file(name).bytes.get_mut(place(byte)) {
            *byte ^= 1 << (bit % 8);
        }
    }

    fn change(&mut self, change: NameChange) {
        apply(&mut self.names, change.clone());
        self.changes.push(change);
    }

    fn file(&mut self, name: &str) -> &mut File {
        let number = match self.names.get(name) {
            Some(number) => *number,
            None => {
                self.next_file += 1;
                self.change(NameChange::Link(name.to_owned(), self.next_file));
                self.next_file
            }
        };
        self.files.entry(number).or_default()
    }

    /// Drops files that no name leads to, whatever a crash does.
    fn forget_the_nameless(&mut self) {
        let named: std::collections::BTreeSet<u64> = self.names.values().copied().collect();
        self.files.retain(|number, _| named.contains(number));
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: NameChange) {
    match change {
        NameChange::Link(name, file) => drop(names.insert(name, file)),
        NameChange::Unlink(name) => drop(names.remove(&name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::Seed;

    fn bytes<'a>(disk: &'a SimDisk, name: &str) -> &'a [u8] {
        disk.read(name).expect("it exists").bytes
    }

    #[test]
    fn a_crash_takes_or_leaves_whole_sectors() {
        let (mut mixed, mut outcomes) = (false, std::collections::BTreeSet::new());
        for seed in 0..200 {
            let mut disk = SimDisk::default();
            disk.set_len("f", 4096);
            disk.write("f", 0, &[1; 700]);
            disk.sync("f");
            disk.sync_names();
            disk.write("f", 700, &[2; 1500]);
            disk.crash(&mut Seed(seed).stream("crash"));
            let found = bytes(&disk, "f");
            assert_eq!(disk.read("f").unwrap().len, 4096);
            assert_eq!(found[..700], [1; 700], "what was synced stays");
            // Sectors end at 1024, 1536, 2048 and 2200.
            let sectors = [&found[700..1024], &found[1024..1536], &found[1536..2048], &found[2048..]];
            let kept: Vec<bool> = sectors.iter().map(|sector| sector[0] == 2).collect();
            assert!(sectors.iter().all(|sector| sector.iter().all(|byte| *byte == sector[0])), "no sector is cut");
            mixed |= kept == [false, true, false, true];
            outcomes.insert(kept);
        }
        assert!(mixed && outcomes.len() == 16, "all ways happen: {outcomes:?}");
    }

    #[test]
    fn names_are_lost_last_ones_first() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let mut disk = SimDisk::default();
            disk.write("old", 0, b"x");
            disk.sync("old");
            disk.sync_names();
            disk.write("new.tmp", 0, b"y");
            disk.sync("new.tmp");
            disk.rename("new.tmp", "new");
            disk.remove("old");
            disk.crash(&mut Seed(seed).stream("crash"));
            seen.insert(disk.list("").join(" "));
        }
        assert_eq!(Vec::from_iter(seen), ["new", "new new.tmp old", "new old", "new.tmp old", "old"]);
    }

    #[test]
    fn allocated_space_is_zero_and_free() {
        let mut disk = SimDisk::default();
        disk.set_len("f", 64_000_000);
        disk.write("f", 8, b"x");
        assert_eq!(disk.read("f"), Some(FileView { bytes: &[0, 0, 0, 0, 0, 0, 0, 0, b'x'], len: 64_000_000 }));
        disk.set_len("f", 8);
        assert_eq!(disk.read("f").unwrap().bytes, [0; 8]);
        disk.flip_bit("f", 3, 1);
        disk.flip_bit("f", 8, 1);
        assert_eq!(disk.read("f").unwrap().bytes, [0, 0, 0, 2, 0, 0, 0, 0]);
    }
}
