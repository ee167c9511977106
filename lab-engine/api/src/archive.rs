//! Archives of text files, as `tar` writes them (POSIX.1-1988, `ustar`): what `kubectl cp` sends through a container's `tar`.
//!
//! **Simplified here:** an archive is text, as all files are here; names have 100 bytes at most; there are no links, owners and times.

/// The size of a block.
const BLOCK: usize = 512;

/// A file or directory of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its path, without a slash in front; one of a directory ends with a slash.
    pub name: String,
    /// Its content; empty for a directory.
    pub text: String,
}

/// Writes an archive.
///
/// # Errors
/// Names the member whose name is too long.
pub fn write(members: &[Member]) -> Result<String, String> {
    let mut archive = String::new();
    for member in members {
        if member.name.len() > 100 {
            return Err(format!("{}: file name is too long (max 100)", member.name));
        }
        let is_directory = member.name.ends_with('/');
        let (mode, kind) = if is_directory { (0o755, '5') } else { (0o644, '0') };
        let header = |sum: &str| {
            format!(
                "{:\0<100}{mode:07o}\0{:07o}\0{:07o}\0{:011o}\0{:011o}\0{sum}{kind}{:\0<100}ustar\0{:02}{:\0<32}{:\0<32}{:07o}\0{:07o}\0{:\0<155}{:\0<12}",
                member.name,
                0,
                0,
                member.text.len(),
                0,
                "",
                0,
                "root",
                "root",
                0,
                0,
                "",
                ""
            )
        };
        let sum: u32 = header("        ").bytes().map(u32::from).sum();
        archive.push_str(&header(&format!("{sum:06o}\0 ")));
        archive.push_str(&member.text);
        pad(&mut archive);
    }
    archive.extend(std::iter::repeat_n('\0', 2 * BLOCK));
    Ok(archive)
}

fn pad(archive: &mut String) {
    let over = archive.len() % BLOCK;
    if over > 0 {
        archive.extend(std::iter::repeat_n('\0', BLOCK - over));
    }
}

/// Reads an archive.
///
/// # Errors
/// What is wrong with it, in the words of `tar`.
pub fn read(archive: &str) -> Result<Vec<Member>, String> {
    let mut members = Vec::new();
    let mut at = 0;
    let field = |from: usize, length: usize| {
        let text = archive.get(from..from + length)?;
        Some(text.split('\0').next().unwrap_or("").trim())
    };
    while archive.as_bytes().get(at).is_some_and(|byte| *byte != 0) {
        let header = |from: usize, length: usize| field(at + from, length).ok_or_else(|| "short read".to_owned());
        if header(257, 5)? != "ustar" {
            return Err("invalid tar magic".to_owned());
        }
        let size = usize::from_str_radix(header(124, 12)?, 8).map_err(|_| "invalid size of a member".to_owned())?;
        let name = header(0, 100)?.to_owned();
        let text = at.checked_add(BLOCK).and_then(|begin| archive.get(begin..begin.checked_add(size)?)).ok_or("short read")?;
        members.push(Member { name, text: text.to_owned() });
        at += BLOCK + size.div_ceil(BLOCK) * BLOCK;
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_blocks_are_whole() {
        let member = |name: &str, text: &str| Member { name: name.to_owned(), text: text.to_owned() };
        let members = [member("dir/", ""), member("dir/a.txt", "hello\n"), member("empty", ""), member("block", &"x".repeat(512))];
        let archive = write(&members).unwrap();
        assert_eq!(archive.len(), 512 * (1 + 2 + 1 + 2 + 2));
        assert_eq!(read(&archive).unwrap(), members);
        // The header of POSIX: size, magic and type are where they belong.
        assert_eq!((&archive[512 + 124..512 + 135], &archive[257..262], &archive[156..157]), ("00000000006", "ustar", "5"));
        let sum: u32 =
            archive.bytes().take(512).enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(byte) }).sum();
        assert_eq!(u32::from_str_radix(&archive[148..154], 8).unwrap(), sum);
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        assert!(read("hello").is_err() && read(&"x".repeat(600)).is_err());
        let archive = write(&[Member { name: "a".to_owned(), text: "12345".repeat(200) }]).unwrap();
        assert_eq!(read(&archive[..700]), Err("short read".to_owned()));
        assert!(write(&[Member { name: "n".repeat(101), text: String::new() }]).is_err());
        assert_eq!(read(""), Ok(Vec::new()));
    }
}
