//! The manifests of a corpus: which files there are, which belong together, and which are no manifests to apply.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::site::fingerprint::files_below;

/// What an `INDEX.json` says of a file.
#[derive(Debug, Clone, Deserialize)]
struct Entry {
    path: String,
    #[serde(default)]
    group: Option<String>,
    #[serde(default = "yes")]
    parses: bool,
    #[serde(default)]
    server_output: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
struct Index {
    files: Vec<Entry>,
}

/// An object that a manifest declares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Declared {
    /// Its group; empty for the core group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; `default` where none is named, also for kinds without.
    pub namespace: String,
    /// Its name; empty when the server makes one from `generateName`.
    pub name: String,
    /// Whether the server names it.
    pub generated: bool,
}

/// A file to apply.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Where it is, from the corpus' root, with `/`.
    pub path: String,
    /// The part of the corpus that it is counted in: the first folder below the root, or below the nearest index and with its folder.
    pub folder: String,
    /// Its text.
    pub text: String,
    /// What it declares; empty when it is no YAML.
    pub declared: Vec<Declared>,
    /// Files with the same group are applied together by their author.
    pub group: Option<String>,
    /// Whether it was printed by a server, or is not meant to be YAML, so that it is not to be applied.
    pub set_aside: Option<&'static str>,
}

impl Manifest {
    /// The manifest with texts in the place of its placeholders. What was no YAML for their sake may be some then.
    #[must_use]
    pub fn filled(&self, fills: &BTreeMap<String, String>) -> Manifest {
        let mut filled = self.clone();
        if !fills.is_empty() {
            filled.text = fills.iter().fold(filled.text, |text, (placeholder, filling)| text.replace(placeholder, filling));
            filled.declared = declared(&filled.text);
        }
        filled
    }
}

/// All manifests below a folder, or one file, in the order of their paths. `INDEX.json` files are heeded where there are some.
///
/// # Errors
/// When a file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Manifest>> {
    let root = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let mut manifests = Vec::new();
    for file in below(path)? {
        let folder = index_folder(&file, root);
        let entries = folder.as_deref().map(entries).transpose()?.unwrap_or_default();
        let entry = folder.as_deref().and_then(|folder| entries.get(&name_below(&file, folder)));
        let text = std::fs::read_to_string(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
        let declared = declared(&text);
        let set_aside = match entry {
            Some(entry) if entry.server_output => Some("printed by a server, not to be applied"),
            // go-yaml, with which kubectl reads, takes some that YAML does not allow.
            Some(entry) if !entry.parses && api::yaml::read_documents(&text).is_err() => Some("not YAML in the source either"),
            _ => None,
        };
        // A configuration file of a component or a tool is no object of the API.
        let set_aside = set_aside.or_else(|| {
            (!declared.is_empty() && declared.iter().all(is_configuration)).then_some("a file of a component, no object of the API")
        });
        manifests.push(Manifest {
            path: name_below(&file, root),
            folder: part(&file, folder.as_deref(), root),
            text,
            declared,
            group: entry.and_then(|entry| entry.group.clone()),
            set_aside,
        });
    }
    Ok(manifests)
}

/// Kinds of files that programs read, or that are sent to them, and that the API server has never served.
fn is_configuration(declared: &Declared) -> bool {
    const READ_BY_PROGRAMS: [&str; 7] =
        ["Config", "Preference", "ExecCredential", "Policy", "AdmissionReview", "Kustomization", "ConversionReview"];
    let served = ["WebhookConfiguration", "PriorityLevelConfiguration"].iter().any(|end| declared.kind.ends_with(end));
    (declared.kind.ends_with("Configuration") && !served)
        || READ_BY_PROGRAMS.contains(&declared.kind.as_str())
        || (declared.group == "audit.k8s.io")
}

fn name_below(file: &Path, folder: &Path) -> String {
    let name = file.strip_prefix(folder).unwrap_or(file);
    name.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The part of the corpus that a file is counted in.
fn part(file: &Path, index: Option<&Path>, root: &Path) -> String {
    let index = index.unwrap_or(root);
    let below = name_below(file, index);
    let first = below.split_once('/').map_or("", |(first, _)| first);
    [name_below(index, root).as_str(), first].into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/")
}

/// The nearest folder above the file, within the root, that has an index.
fn index_folder(file: &Path, root: &Path) -> Option<PathBuf> {
    file.ancestors()
        .skip(1)
        .take_while(|folder| folder.starts_with(root))
        .find(|folder| folder.join("INDEX.json").is_file())
        .map(Path::to_path_buf)
}

fn entries(folder: &Path) -> Result<BTreeMap<String, Entry>> {
    let file = folder.join("INDEX.json");
    let text = std::fs::read_to_string(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
    let index: Index = serde_json::from_str(&text).with_context(|| format!("{}: not an index of manifests", file.display()))?;
    Ok(index.files.into_iter().map(|entry| (entry.path.clone(), entry)).collect())
}

/// The files that may be manifests: YAML, and JSON where an index says what is there.
fn below(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = files_below(path)?;
    files.retain(|file| {
        let indexed = || file.ancestors().skip(1).any(|folder| folder.join("INDEX.json").is_file());
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => true,
            Some("json") => file.file_name().is_some_and(|name| name != "INDEX.json") && indexed(),
            _ => false,
        }
    });
    Ok(files)
}

/// What the documents of a text declare; lists are taken apart.
fn declared(text: &str) -> Vec<Declared> {
    let mut found = Vec::new();
    // As kubectl reads it, or where that refuses what other readers take, as those do.
    match api::yaml::read_documents(text) {
        Ok(documents) => documents.iter().for_each(|document| declared_in(&document.value, &mut found)),
        Err(_) => {
            for document in serde_yaml::Deserializer::from_str(text) {
                let Ok(value) = Value::deserialize(document) else { return Vec::new() };
                declared_in(&value, &mut found);
            }
        }
    }
    found
}

fn declared_in(value: &Value, found: &mut Vec<Declared>) {
    let Some(kind) = value["kind"].as_str() else { return };
    if let Some(items) = value["items"].as_array().filter(|_| kind.ends_with("List")) {
        items.iter().for_each(|item| declared_in(item, found));
        return;
    }
    let metadata = &value["metadata"];
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    let namespace = if text("namespace").is_empty() { "default".to_owned() } else { text("namespace") };
    let generated = text("name").is_empty() && !text("generateName").is_empty();
    let group = value["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    found.push(Declared { group: group.to_owned(), kind: kind.to_owned(), namespace, name: text("name"), generated });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_taken_apart_and_namespaces_known() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- {kind: Pod, metadata: {name: a, namespace: shop}}\n---\nkind: Job\nmetadata: {generateName: j-}\n";
        let found = declared(text);
        let names: Vec<_> =
            found.iter().map(|object| (object.kind.as_str(), object.namespace.as_str(), object.name.as_str(), object.generated)).collect();
        assert_eq!(names, [("Pod", "shop", "a", false), ("Job", "default", "", true)]);
        assert!(declared("a: [").is_empty());
    }

    #[test]
    fn files_of_programs_are_told_from_objects() {
        let of = |kind: &str| Declared {
            group: String::new(),
            kind: kind.to_owned(),
            namespace: String::new(),
            name: String::new(),
            generated: false,
        };
        assert!(is_configuration(&of("KubeletConfiguration")) && is_configuration(&of("ExecCredential")));
        assert!(!is_configuration(&of("ValidatingWebhookConfiguration")) && !is_configuration(&of("Pod")));
    }

    #[test]
    fn an_index_says_what_is_not_to_be_applied() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("INDEX.json", r#"{"files": [{"path": "a.yaml", "group": "g"}, {"path": "b.yaml", "server_output": true}]}"#);
        write("a.yaml", "kind: Pod\nmetadata: {name: a}\n");
        write("b.yaml", "kind: Pod\nmetadata: {name: b}\n");
        let read = read(folder.path()).unwrap();
        let seen: Vec<_> =
            read.iter().map(|manifest| (manifest.path.as_str(), manifest.group.as_deref(), manifest.set_aside.is_some())).collect();
        assert_eq!(seen, [("a.yaml", Some("g"), false), ("b.yaml", None, true)]);
    }

    #[test]
    fn a_manifest_is_counted_in_its_folder_of_its_collection() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, if name.ends_with("json") { r#"{"files": []}"# } else { "kind: Pod\n" }).unwrap();
        };
        ["docs/INDEX.json", "docs/a.yaml", "docs/pods/deep/b.yaml", "other/c.yaml"].into_iter().for_each(write);
        let folders: Vec<String> = read(folder.path()).unwrap().into_iter().map(|manifest| manifest.folder).collect();
        assert_eq!(folders, ["docs", "docs/pods", "other"]);
    }

    #[test]
    fn placeholders_are_filled() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "kind: Secret\ndata: {{x}}\nmetadata: {name: $ITEM}\n").unwrap();
        let manifest = read(&file).unwrap().remove(0);
        assert!(manifest.declared.is_empty());
        let fills = BTreeMap::from([("{{x}}".to_owned(), "{a: eA==}".to_owned()), ("$ITEM".to_owned(), "s".to_owned())]);
        assert_eq!(manifest.filled(&fills).declared[0].name, "s");
    }
}
