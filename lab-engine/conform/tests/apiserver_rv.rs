//! resourceVersions: our own cases always, upstream's where they lie beside the project.

use conform::Verdict;
use std::path::Path;

fn failing(path: &Path) -> (usize, Vec<String>) {
    let text = std::fs::read_to_string(path).expect("the file can be read");
    let report = conform::run_file(&path.to_string_lossy(), &text).expect("it is a vector file");
    let cases = report.cases.len();
    let bad = report.cases.into_iter().filter(|case| case.verdict != Verdict::Passed);
    (cases, bad.map(|case| format!("{}: {:?}", case.id, case.verdict)).collect())
}

#[test]
fn our_own_cases_hold() {
    let (cases, bad) = failing(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/vectors/apiserver-rv.json"));
    assert!(cases > 5 && bad.is_empty(), "{bad:#?}");
}

#[test]
fn upstreams_cases_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/apiserver-rv.json");
    if path.exists() {
        let (cases, bad) = failing(&path);
        assert!(cases > 50 && bad.is_empty(), "{bad:#?}");
    } else {
        eprintln!("skipped: {} is not here", path.display());
    }
}
