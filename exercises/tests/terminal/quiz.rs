//! The quiz, through a pipe.

use super::Book;

#[test]
fn answers_are_judged_and_remembered() {
    let book = Book::new();
    let run = book.run_with(&["quiz", "pod-creation"], b"a\nabcde\n\nnode\nx\n1 component\n").good();
    for text in [
        "✓ kube-apiserver — It is the only client of etcd.",
        "Nodes are what it chooses among.",
        "The answer: Binding",
        "That is no answer",
        "2 of 4 right, 1 not answered.",
    ] {
        assert!(run.stdout.contains(text), "{text}: {run:?}");
    }
    book.run(&["progress"]).good().says("pod-creation          tasks 0/3   questions 2/5");
}

#[test]
fn the_quiz_ends_politely_wherever_its_input_does() {
    let book = Book::new();
    book.run_with(&["quiz"], b"").good().says("Nothing was answered.");
    book.run_with(&["quiz", "--count", "2"], b"\xff\xfe\nq\n").good().says("That is no answer to this question.");
    let mut long = vec![b'a'; 2_000_000];
    long.extend(b"\nq\n");
    book.run_with(&["quiz"], &long).good().says("That is too long for an answer.");
}

#[test]
fn without_a_card_the_unknown_comes_first() {
    let book = Book::new();
    book.run_with(&["quiz", "deployment-rollout", "--count", "1"], b"a\n").good();
    let run = book.run_with(&["quiz", "--count", "1"], b"").good();
    assert!(!run.stdout.contains("Which change starts a rollout?"), "{run:?}");
}
