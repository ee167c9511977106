//! Listing, languages, progress.

use super::Book;
use serde_json::Value;

#[test]
fn the_list_shows_every_card_and_where_to_begin() {
    let book = Book::new();
    let list = book.run(&["list"]).good();
    for id in [
        "deployment-rollout",
        "etcd-consistency",
        "hpa",
        "job-and-cronjob",
        "pod-creation",
        "request-path",
        "resource-version",
        "restart-policy",
    ] {
        assert!(list.stdout.contains(id), "{list:?}");
    }
    assert!(list.stdout.ends_with("Next: cargo run -- start pod-creation\n"), "{list:?}");
    assert!(!list.stdout.contains('\u{1b}'), "no colours outside of a terminal: {list:?}");
    let json: Value = serde_json::from_str(&book.run(&["list", "--format", "json"]).good().stdout).unwrap();
    assert_eq!((&json[0]["id"], &json[0]["stage"], &json[0]["started"]), (&"request-path".into(), &"new".into(), &false.into()));
    book.run(&["list", "--topic", "pod"]).bad(1, "help: the topics are api, controllers, etcd, network, nodes, pods, scheduling, storage");
}

#[test]
fn colours_can_be_asked_for_and_refused() {
    let book = Book::new();
    let mut command = book.command(&["list"]);
    command.env("CLICOLOR_FORCE", "1");
    assert!(super::run(command, b"").good().stdout.contains('\u{1b}'));
    let mut command = book.command(&["list"]);
    command.env("NO_COLOR", "1");
    assert!(!super::run(command, b"").good().stdout.contains('\u{1b}'));
}

#[test]
fn the_language_is_the_systems_until_another_is_asked_for() {
    let book = Book::new();
    let mut command = book.command(&["list"]);
    command.env("LANG", "zh_CN.UTF-8");
    super::run(command, b"").good().says("下一步：");
    book.run(&["list", "--lang", "zh-CN"]).good().says("下一步：");
    book.run(&["list"]).good().says("下一步：");
    book.run(&["progress", "--lang", "en"]).good().says("Next:");
    book.run(&["list"]).good().says("Next:");
    book.run(&["list", "--lang", "fr"]).bad(2, "the book is in en and zh-CN");
}

#[test]
fn a_wrong_name_is_answered_with_the_nearest() {
    let book = Book::new();
    for command in ["start", "check", "hint", "solution", "reset", "quiz", "watch"] {
        book.run(&[command, "pod-creaton"]).bad(1, "there is no card `pod-creaton`\nhelp: did you mean `pod-creation`?");
    }
    book.run(&["check", &"x".repeat(100_000)]).bad(1, "help: `cargo run -- list` shows all cards");
    book.run(&["check"]).bad(1, "no lab was started yet\nhelp: `cargo run -- start pod-creation`");
    book.run(&["check", "pod-creation"]).bad(1, "was not started yet");
}

#[test]
fn hints_come_one_by_one_and_are_counted() {
    let book = Book::new();
    let first = book.run(&["hint", "pod-creation", "run"]).good().says("1 more: ask again");
    assert!(!first.stdout.contains("2. "));
    book.run(&["hint", "pod-creation", "run"]).good().says("  2. A container has an image.").says("last hint");
    book.run(&["solution", "pod-creation"]).good().says("kubectl apply -f pinned.yaml").says("nodeName: node-");
    book.run(&["progress"]).good().says("hints 2, solution seen");
    book.run(&["hint", "pod-creation", "runs"]).bad(1, "its tasks are order, run, by-hand");
}

#[test]
fn damaged_progress_is_kept_and_told() {
    let book = Book::new();
    book.run(&["hint", "pod-creation"]).good();
    book.write("home/progress.json", "{\"version\":1,");
    let run = book.run(&["progress"]).good();
    assert!(run.stderr.contains("is damaged (EOF while parsing") && run.stderr.contains("progress.damaged-1.json"), "{run:?}");
    assert_eq!(book.read("home/progress.damaged-1.json"), "{\"version\":1,");
    book.write("home/progress.json", "{\"version\":9}");
    let run = book.run(&["hint", "pod-creation"]).good();
    assert!(run.stderr.contains("a later version of Clusterbook"), "{run:?}");
    assert_eq!(book.read("home/progress.json"), "{\"version\":9}");
}

#[test]
fn outside_of_a_workbook_the_program_says_so() {
    let elsewhere = tempfile::tempdir().unwrap();
    let book = Book::new();
    let mut command = book.command(&["list"]);
    command.current_dir(elsewhere.path());
    super::run(command, b"").bad(1, "no workbook found in");
}
