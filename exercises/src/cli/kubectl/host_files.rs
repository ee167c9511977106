//! Which files of the disk a command line names, and how they get into the cluster's terminal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kubectl::Files;

use crate::disk::{DiskError, read_text};

/// Options whose value names a file or folder, perhaps with `key=` before it.
const FILE_OPTIONS: [&str; 4] = ["--filename", "--from-file", "--from-env-file", "--patch-file"];

/// The files that were given to the terminal, with their text: one that a command has changed there is not given again.
#[derive(Debug, Default)]
pub(super) struct HostFiles {
    given: BTreeMap<String, String>,
}

impl HostFiles {
    /// Gives the terminal the files that the line names, read below `base`. What does not exist is left for the command to complain about.
    ///
    /// # Errors
    /// A file is there and cannot be read, or the terminal has no room for it.
    pub(super) fn give(&mut self, line: &str, base: &Path, files: &mut Files) -> Result<(), String> {
        for path in named(line) {
            let on_disk = base.join(&path);
            if on_disk.is_dir() {
                for (name, text) in texts_in(&on_disk).map_err(|error| error.to_string())? {
                    let folder = path.trim_end_matches('/');
                    let inside = if matches!(folder, "." | "") { name } else { format!("{folder}/{name}") };
                    self.put(&inside, text, files)?;
                }
            } else {
                match read_text(&on_disk) {
                    Ok(text) => self.put(&path, text, files)?,
                    Err(error) if error.is_missing() => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, path: &str, text: String, files: &mut Files) -> Result<(), String> {
        let ours = files.read(path).is_none_or(|there| self.given.get(path).is_some_and(|given| given == there));
        if ours {
            files.write(path, text.as_str()).map_err(|error| error.to_string())?;
            self.given.insert(path.to_owned(), text);
        }
        Ok(())
    }
}

/// The manifests directly in a folder, and whatever else of it is text.
fn texts_in(folder: &Path) -> Result<Vec<(String, String)>, DiskError> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).map_err(DiskError::io("read", folder))? {
        let entry = entry.map_err(DiskError::io("read", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let manifest = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
        if name.starts_with('.') || !entry.path().is_file() {
            continue;
        }
        match read_text(&entry.path()) {
            Ok(text) => texts.push((name, text)),
            // A picture beside the manifests concerns nobody.
            Err(_) if !manifest => {}
            Err(error) => return Err(error),
        }
    }
    texts.sort();
    Ok(texts)
}

/// The paths that a line names, in order: values of the options for files, operands of `cat`, and what is read with `<`.
fn named(line: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut words = words(line).into_iter().peekable();
    let mut cat = false;
    while let Some(word) = words.next() {
        let option = word.split_once('=').filter(|(name, _)| FILE_OPTIONS.contains(name));
        if let Some((_, value)) = option {
            paths.push(value.to_owned());
        } else if word == "-f" || word == "<" || FILE_OPTIONS.contains(&word.as_str()) {
            paths.extend(words.next());
        } else if let Some(value) = word.strip_prefix("-f").filter(|value| !value.is_empty() && !word.starts_with("--")) {
            paths.push(value.strip_prefix('=').unwrap_or(value).to_owned());
        } else if let Some(path) = word.strip_prefix('<').filter(|path| !path.starts_with('<') && !path.is_empty()) {
            paths.push(path.to_owned());
        } else if word == "cat" {
            cat = true;
        } else if matches!(word.as_str(), "|" | ";" | "&&" | "||") {
            cat = false;
        } else if cat && !word.starts_with('-') {
            paths.push(word.trim_end_matches(';').to_owned());
        }
    }
    let each = paths.iter().flat_map(|value| value.split(','));
    // `--from-file=key=path`: the path, and the whole in case its name has the sign in it.
    let both = each.flat_map(|value| std::iter::once(value).chain(value.split_once('=').map(|(_, path)| path)));
    both.filter(|path| !path.is_empty() && *path != "-" && !path.contains("://")).map(str::to_owned).collect()
}

/// Whether the line reads the standard input of the program: `-f -` without anything before it that would be read instead.
pub(super) fn reads_stdin(line: &str) -> bool {
    let words = words(line);
    let other = |word: &String| word.starts_with('<') || word == "|";
    let dash = |pair: &[String]| matches!(pair[0].as_str(), "-f" | "--filename" | "--patch-file") && pair[1] == "-";
    let attached = |word: &String| matches!(word.as_str(), "-f-" | "-f=-" | "--filename=-" | "--patch-file=-");
    !words.iter().any(other) && (words.windows(2).any(dash) || words.iter().any(attached))
}

/// The words of a line's first line; a here-document names no files. None when its quotes are not closed: the terminal will say so.
fn words(line: &str) -> Vec<String> {
    shlex::split(line.lines().next().unwrap_or("")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_file_is_known() {
        let cases: [(&str, &[&str]); 9] = [
            ("kubectl apply -f a.yaml -f=b.yaml -fc.yaml", &["a.yaml", "b.yaml", "c.yaml"]),
            ("kubectl apply --filename 'a b.yaml' --filename=/x/y.yaml,z.yaml", &["a b.yaml", "/x/y.yaml", "z.yaml"]),
            ("kubectl create cm x --from-file=key=a.txt --from-env-file=b.env", &["key=a.txt", "a.txt", "b.env"]),
            ("cat a.yaml | kubectl apply -f -", &["a.yaml"]),
            ("kubectl apply -f - < a.yaml", &["a.yaml"]),
            ("kubectl apply -f https://example.com/a.yaml", &[]),
            ("kubectl apply -f - <<EOF\n-f a.yaml\nEOF", &[]),
            ("kubectl get pods --force", &[]),
            ("echo 'open", &[]),
        ];
        for (line, wanted) in cases {
            let found: Vec<String> = named(line).into_iter().filter(|path| path != "<EOF" && path != "EOF").collect();
            assert_eq!(found, wanted, "{line}");
        }
        assert!(reads_stdin("kubectl apply -f -") && reads_stdin("kubectl apply --filename=-"));
        assert!(!reads_stdin("cat a | kubectl apply -f -") && !reads_stdin("kubectl apply -f - <<EOF\nEOF") && !reads_stdin("ls"));
    }

    #[test]
    fn files_and_folders_are_given_and_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("more")).unwrap();
        fs::write(dir.path().join("a.yaml"), "1").unwrap();
        fs::write(dir.path().join("more/b.yaml"), "2").unwrap();
        fs::write(dir.path().join("more/picture.png"), b"\xff").unwrap();
        let (mut host, mut files) = (HostFiles::default(), Files::default());
        let line = "kubectl apply -f a.yaml -f more/ -f none.yaml";
        host.give(line, dir.path(), &mut files).unwrap();
        assert_eq!(files.iter().collect::<Vec<_>>(), [("a.yaml", "1"), ("more/b.yaml", "2")]);
        fs::write(dir.path().join("a.yaml"), "new").unwrap();
        files.write("more/b.yaml", "changed in the terminal").unwrap();
        host.give(line, dir.path(), &mut files).unwrap();
        assert_eq!(files.iter().collect::<Vec<_>>(), [("a.yaml", "new"), ("more/b.yaml", "changed in the terminal")]);
        fs::write(dir.path().join("more/c.yaml"), b"\xff").unwrap();
        assert!(host.give(line, dir.path(), &mut files).unwrap_err().contains("c.yaml` is not UTF-8 text"));
    }
}
