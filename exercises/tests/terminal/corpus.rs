//! `clusterbook corpus` on manifests of the project's own, each of which fares in a way of its own.

use super::Book;
use serde_json::Value;
use std::path::Path;

#[test]
fn each_manifest_fares_as_it_should_and_says_what_is_not_simulated() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let [folder, table] = ["corpus", "corpus.prepared.yaml"].map(|name| fixtures.join(name).display().to_string());
    let run = Book::new().run(&["corpus", &folder, "--prepared", &table, "--format", "json"]);
    assert_eq!(run.code, 1, "one waits: {}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let manifests = report["manifests"].as_array().unwrap();
    let fared = |verdict: &str| -> Vec<&str> {
        manifests.iter().filter(|of| of["verdict"] == verdict).filter_map(|of| of["path"].as_str()).collect()
    };
    assert_eq!(fared("ended"), ["pods/no-command.yaml"]);
    assert_eq!(fared("refusedToo"), ["service/misspelt.yaml", "service/nameless.yaml"]);
    assert_eq!((fared("waiting"), fared("setAside")), (vec!["service/unmet.yaml"], vec!["service/printed.yaml"]));
    assert_eq!(fared("refused"), [""; 0], "{report:#}");
    let warnings = |path: &str| manifests.iter().find(|of| of["path"] == path).map(|of| of["warnings"].to_string()).unwrap();
    let stand_in = warnings("pods/stand-in.yaml");
    assert!(stand_in.contains("securityContext: accepted") && stand_in.contains("stands in for app"), "{stand_in}");
    assert!(warnings("addons/route.yaml").contains("nothing acts on it here"));
    assert_eq!(warnings("gateway/split.yaml"), "[]", "the Gateway API is acted on");
    assert_eq!((&report["totals"]["applied"], &report["totals"]["accepted"]), (&15.into(), &13.into()));
    assert_eq!(report["folders"]["service"]["refusedToo"], 2);
}
