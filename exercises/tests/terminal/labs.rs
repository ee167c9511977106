//! Starting, checking and resetting labs.

use super::Book;
use serde_json::Value;
use std::fs;

/// The truths that a check tells, as a file of predictions.
fn truths(report: &str) -> String {
    let report: Value = serde_json::from_str(report).unwrap();
    let tasks = report["cards"][0]["tasks"].as_array().unwrap();
    let predictions = tasks.iter().filter(|task| task["kind"] == "predict");
    predictions.map(|task| format!("{}: {}\n", task["id"].as_str().unwrap(), task["prediction"]["truth"])).collect()
}

#[test]
fn a_lab_is_passed_with_what_the_solution_says() {
    let book = Book::new();
    book.run(&["start", "pod-creation", "--seed", "2"]).good().says("labs/pod-creation");
    let before = book.run(&["check", "pod-creation"]);
    assert_eq!(before.code, 1);
    book.run(&["list"]).good().says("Next: cargo run -- check pod-creation");
    assert!(before.stdout.contains("0 of 3 tasks passed.") && before.stdout.contains("nothing was run"), "{before:?}");

    let pod = book.read("labs/pod-creation/pod.yaml").replace("imagee", "image");
    let pinned = pod.replace("name: web", "name: pinned").replace("spec:\n", "spec:\n  nodeName: node-NUMBER\n");
    let readme = book.read("labs/pod-creation/README.md");
    let node = readme.split_once("`node-").unwrap().1.split_once('`').unwrap().0;
    book.write("labs/pod-creation/pod.yaml", pod);
    book.write("labs/pod-creation/pinned.yaml", pinned.replace("NUMBER", node));
    book.write("labs/pod-creation/commands.txt", "kubectl apply -f pod.yaml -f pinned.yaml\nwait 20s\nkubectl get pods\n");
    book.write("labs/pod-creation/predictions.yaml", "order: [scheduled, stored, sandbox, pulled, started]\n");
    let nearly = book.run(&["check"]);
    assert_eq!(nearly.code, 1);
    assert!(nearly.stdout.contains("2 of 3 tasks passed.") && nearly.stdout.contains("you said:      The scheduler chooses"), "{nearly:?}");

    let json = book.run(&["check", "pod-creation", "--format", "json"]);
    assert_eq!(json.code, 1);
    book.write("labs/pod-creation/predictions.yaml", truths(&json.stdout));
    book.run(&["check", "pod-creation"]).good().says("Passed: 3 of 3 tasks.").says("$ kubectl get pods").says("1/1     Running");
    book.run(&["progress"]).good().says("✓ pod-creation          tasks 3/3");
    book.run(&["check", "--lang", "zh"]).good().says("通过：3/3 个任务。");
}

#[test]
fn every_failed_check_says_what_is_there_instead() {
    let book = Book::new();
    book.run(&["start", "pod-creation"]).good();
    book.write("labs/pod-creation/commands.txt", "kubectl apply -f pod.yaml\n");
    let run = book.run(&["check", "pod-creation"]);
    assert_eq!(run.code, 1);
    for text in [
        "pod.yaml:10:7  spec.containers[0].imagee",
        "exit status 1 (commands.txt:1)",
        "✗ The Pod web is Running\n        found: nothing like it is there",
    ] {
        assert!(run.stdout.contains(text), "{text}: {run:?}");
    }
    let json: Value = serde_json::from_str(&book.run(&["check", "--format", "json"]).stdout).unwrap();
    assert_eq!(json["version"], 1);
    let card = &json["cards"][0];
    assert_eq!((&card["card"], &card["passed"], &card["lines"][0]["exitCode"]), (&"pod-creation".into(), &false.into(), &1.into()));
    assert_eq!(card["tasks"][1]["checks"][0]["actual"]["en"], "nothing like it is there");
}

#[test]
fn the_cards_own_attempts_are_graded() {
    let book = Book::new();
    let run = book.run(&["check", "--solutions", "pod-creation"]).good();
    assert!(run.stdout.contains("1 of 1 solutions pass, 3 of 3 wrong attempts are caught, 1 of 1 empty attempts fail."), "{run:?}");
    let card = book.path("exercises/cards/pods/pod-creation.yaml");
    let text = fs::read_to_string(&card).unwrap().replace("nodeName: node-${node}", "nodeName: node-9");
    fs::write(&card, text).unwrap();
    let run = book.run(&["check", "--solutions", "pod-creation"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("✗ solution: not graded as the card says\n      `by-hand/on-node` failed"), "{run:?}");
}

#[test]
fn work_is_never_lost() {
    let book = Book::new();
    book.run(&["start", "restart-policy"]).good();
    book.write("labs/restart-policy/once.yaml", "mine");
    book.run(&["start", "restart-policy"]).good().says("once.yaml         kept: you changed it");
    assert_eq!(book.read("labs/restart-policy/once.yaml"), "mine");
    book.run(&["start", "restart-policy", "--seed", "9"]).bad(1, "reset restart-policy --seed 9");
    book.run(&["reset", "restart-policy", "--new-numbers"]).good().says("seed 2").says("labs/.backup/restart-policy-1");
    assert_eq!(book.read("labs/.backup/restart-policy-1/once.yaml"), "mine");
    assert!(book.read("labs/restart-policy/once.yaml").contains("kind: Pod"));
    fs::remove_dir_all(book.path("labs/restart-policy")).unwrap();
    book.run(&["reset", "restart-policy"]).good();
    assert!(book.path("labs/restart-policy/README.md").exists());
}
