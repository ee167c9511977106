//! Runs the project's own vectors, and those that lie beside the project, if they do.

use conform::{Verdict, run_file};
use std::fs;
use std::path::Path;

/// Runs a file; every case must pass, apart from those that a later release of Kubernetes has made wrong, with the reason.
fn check(path: &Path) {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let report = run_file(&name, &text).unwrap_or_else(|error| panic!("{error}"));
    let missed: Vec<String> = report
        .cases
        .iter()
        .filter_map(|case| match &case.verdict {
            Verdict::Passed => None,
            Verdict::Skipped { why } if why.starts_with("superseded: ") => None,
            Verdict::Failed { at, expected, actual } => Some(format!("{}: {at}: expected {expected}, got {actual}", case.id)),
            Verdict::Skipped { why } => Some(format!("{}: skipped: {why}", case.id)),
        })
        .collect();
    assert!(missed.is_empty(), "{name}: {} of {} cases do not pass:\n{}", missed.len(), report.cases.len(), missed.join("\n"));
}

#[test]
fn the_own_vectors_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/vectors");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    assert!(!files.is_empty(), "{} has no vectors", folder.display());
    files.iter().for_each(|path| check(path));
}

#[test]
fn the_shared_vectors_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    for (area, _) in conform::AREAS {
        let path = folder.join(format!("{area}.json"));
        if path.exists() {
            check(&path);
        }
    }
}
