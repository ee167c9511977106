//! A learner's worst inputs: each ends in a message, soon.

use super::Book;
use std::fs;

#[test]
fn files_that_are_no_text_are_named() {
    let book = Book::new();
    book.run(&["start", "pod-creation"]).good();
    let says = |book: &Book, text: &str| {
        let run = book.run(&["check", "pod-creation"]);
        assert_eq!(run.code, 1);
        assert!(run.stdout.contains("error: ") && run.stdout.contains(text), "{text}: {run:?}");
    };
    book.write("labs/pod-creation/pod.yaml", b"kind: \xff\n");
    says(&book, "pod.yaml` is not UTF-8 text: the byte at offset 6");
    book.write("labs/pod-creation/pod.yaml", vec![b'a'; 2_000_000]);
    says(&book, "pod.yaml` is too large: at most 1 MiB");
    book.write("labs/pod-creation/pod.yaml", "");
    book.write("labs/pod-creation/predictions.yaml", "order: 5\n");
    says(&book, "labs/pod-creation/predictions.yaml:1:1: order: `5` is no list (write [pulled, ");
    fs::remove_file(book.path("labs/pod-creation/predictions.yaml")).unwrap();
    book.write("labs/pod-creation/commands.txt", "echo <<EOF\n");
    says(&book, "commands.txt: line 1: the text after << does not end with a line `EOF`");
}

#[test]
fn what_stands_in_the_way_of_a_lab_is_named() {
    let book = Book::new();
    book.write("labs", "a file");
    book.run(&["start", "pod-creation"]).bad(1, "error: cannot ");
    fs::remove_file(book.path("labs")).unwrap();
    fs::create_dir_all(book.path("labs/pod-creation/pod.yaml")).unwrap();
    book.run(&["start", "pod-creation"]).bad(1, "pod.yaml` is a folder, and a file is wanted there");
}

#[test]
fn long_lines_and_bombs_are_refused_by_the_cluster() {
    let book = Book::new();
    book.run(&["start", "pod-creation"]).good();
    book.write("labs/pod-creation/pod.yaml", format!("kind: {}\n", "x".repeat(1_000_000)));
    book.write("labs/pod-creation/bomb.yaml", bomb());
    book.write(
        "labs/pod-creation/commands.txt",
        format!("kubectl apply -f pod.yaml\nkubectl apply -f bomb.yaml\necho {}\n", "y".repeat(900_000)),
    );
    let run = book.run(&["check", "pod-creation"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("excessive aliasing") && run.stdout.len() < 20_000, "{} bytes", run.stdout.len());
    book.write("bomb.yaml", bomb());
    book.run(&["kubectl", "apply", "-f", "bomb.yaml"]).bad(1, "excessive aliasing");
    book.run(&["kubectl", "apply", "-f", "exercises"]).bad(1, "error: the path \"exercises\" does not exist");
    book.run(&["kubectl", "--script", "exercises"]).bad(1, "`exercises` is a folder, and a file is wanted there");
    book.run_with(&["kubectl", "apply", "-f", "-"], b"\xff").bad(1, "standard input is not UTF-8 text");
    let mut long = vec![b'a'; 2_000_000];
    long.push(b'\n');
    book.run_with(&["kubectl"], &long).bad(2, "the line is too long (at most 1 MiB)");
}

fn bomb() -> String {
    let level = |n: u32| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(","));
    "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned() + &(1..10).map(level).collect::<String>()
}

#[test]
fn an_endless_loop_costs_only_virtual_time() {
    let book = Book::new();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: loop}\nspec:\n  containers: [{name: c, image: \"busybox:1.36\", command: [sh, -c, \"while true; do :; done\"]}]\n";
    book.write("loop.yaml", pod);
    let run = book.run_with(&["kubectl"], b"kubectl apply -f loop.yaml\nwait 1m\nkubectl get pods\n").good();
    assert!(run.stdout.contains("loop   1/1     Running"), "{run:?}");
}

#[test]
fn progress_that_cannot_be_saved_is_told_and_stops_nobody() {
    let book = Book::new();
    // No folder can be made below a file, whoever runs the test.
    book.write("home", "a file");
    let run = book.run(&["hint", "pod-creation"]).good().says("1. Nobody can watch");
    assert!(run.stderr.contains("your progress is neither read nor saved") && run.stderr.contains("CLUSTERBOOK_HOME"), "{run:?}");
}

/// A shell whose limit on the size of files stands for a full disk: the program meets an error in the middle of writing.
#[cfg(unix)]
#[test]
fn a_disk_without_room_leaves_the_old_progress() {
    let book = Book::new();
    book.run(&["hint", "pod-creation"]).good();
    let before = book.read("home/progress.json");
    let mut command = std::process::Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" hint pod-creation";
    command.args(["-c", script, env!("CARGO_BIN_EXE_clusterbook")]).current_dir(book.folder.path());
    command.env("CLUSTERBOOK_HOME", book.path("home")).env("LANG", "C").env_remove("LC_ALL");
    let run = super::run(command, b"").good().says("2. All containers of a Pod join one sandbox.");
    assert!(run.stderr.contains("your progress was not saved: cannot write") && run.stderr.contains("help: free some space"), "{run:?}");
    assert_eq!(book.read("home/progress.json"), before);
    assert_eq!(fs::read_dir(book.path("home")).unwrap().count(), 2, "nothing is left behind but the progress and its lock");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_an_error_and_a_closed_one_is_none() {
    let book = Book::new();
    let mut command = book.command(&["list"]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write to standard output: No space left on device"));
    let mut child = book.command(&["solution", "pod-creation"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
