//! The chain of a request, against facts: our own cases, and those shared with others where they are at hand.

use conform::{Verdict, run_file};
use std::path::{Path, PathBuf};

const AREAS: [&str; 3] = ["rbac", "admission-limitranger", "admission-resourcequota"];

fn run(path: &Path) {
    let text = std::fs::read_to_string(path).expect("a readable file");
    let report = run_file(&path.display().to_string(), &text).expect("a vector file");
    let bad: Vec<String> = report
        .cases
        .iter()
        .filter(|case| match &case.verdict {
            Verdict::Passed => false,
            Verdict::Skipped { why } => !why.starts_with("superseded: "),
            Verdict::Failed { .. } => true,
        })
        .map(|case| format!("{}: {:?}", case.id, case.verdict))
        .collect();
    assert!(bad.is_empty(), "{} of {} cases:\n{}", bad.len(), report.cases.len(), bad.join("\n"));
    assert!(!report.cases.is_empty());
}

#[test]
fn our_own_cases_hold() {
    for area in AREAS {
        run(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/fixtures/vectors/{area}.json")));
    }
}

#[test]
fn the_shared_cases_hold_where_they_are_at_hand() {
    let shared = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    for area in AREAS.iter().filter(|_| shared.exists()) {
        run(&shared.join(format!("{area}.json")));
    }
}
