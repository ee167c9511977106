//! Runs the facts about the API machinery.

use conform::{Verdict, run_file};
use std::path::Path;

/// The areas in which every case passes or is superseded.
const WHOLE: &[&str] = &[
    "api-fields",
    "api-intstr",
    "api-jsonmergepatch",
    "api-labels",
    "api-object-validation",
    "api-quantity",
    "api-strategicpatch",
    "api-validation",
];

/// Cases that fail still: the order of a list inside a union, where only others have added elements, is not in the patch.
const OPEN: &[&str] = &["smp/diff3/retainkeys-map-nested-merging-list-with-no-change"];

fn run(folder: &Path) {
    let mut failed = Vec::new();
    for area in WHOLE {
        let Ok(text) = std::fs::read_to_string(folder.join(format!("{area}.json"))) else { continue };
        let report = run_file(area, &text).expect("a vector file");
        let (passed, wrong, skipped) = report.totals();
        eprintln!("{area}: {passed} passed, {wrong} failed, {skipped} skipped");
        for case in report.cases {
            match case.verdict {
                Verdict::Failed { .. } if OPEN.contains(&case.id.as_str()) => {}
                Verdict::Passed => {}
                Verdict::Skipped { why } if why.starts_with("superseded") => {}
                verdict => failed.push(format!("{} {verdict:?}", case.id)),
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn our_own_vectors_hold() {
    run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/vectors"));
}

#[test]
fn shared_vectors_hold() {
    run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"));
}
