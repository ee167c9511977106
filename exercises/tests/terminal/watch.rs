//! `clusterbook watch`, driven as a learner does: by saving files and typing keys.

use super::Book;
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A running watch.
struct Watch {
    child: Child,
    stdin: ChildStdin,
    told: Receiver<String>,
    heard: String,
}

impl Watch {
    fn start(book: &Book, args: &[&str]) -> Self {
        let mut child = book.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (tell, told) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                let _ = tell.send(String::from_utf8_lossy(&buffer[..count]).into_owned());
            }
        });
        Watch { child, stdin, told, heard: String::new() }
    }

    /// Waits until this is printed, and forgets what came before.
    #[track_caller]
    fn hear(&mut self, text: &str) {
        while !self.heard.contains(text) {
            let more = self.told.recv_timeout(Duration::from_secs(60));
            self.heard += &more.unwrap_or_else(|_| panic!("`{text}` never came after:\n{}", self.heard));
        }
        self.heard = self.heard.split_once(text).unwrap().1.to_owned();
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }
}

#[test]
fn saving_a_file_grades_the_lab_again() {
    let book = Book::new();
    let mut watch = Watch::start(&book, &["watch", "pod-creation"]);
    watch.hear("nothing was run");
    watch.hear("q quit");
    book.write("labs/pod-creation/commands.txt", "kubectl apply -f pod.yaml\n");
    watch.hear("unknown field \"spec.containers[0].imagee\"");
    watch.hear("q quit");
    let pod = book.read("labs/pod-creation/pod.yaml").replace("imagee", "image");
    book.write("labs/pod-creation/pod.yaml", pod);
    watch.hear("✓ The Pod web is Running");
    watch.hear("q quit");
    watch.say("h");
    watch.hear("1. Nobody can watch what is not stored yet.");
    watch.say("what");
    watch.hear("none of the keys");
    watch.say("n");
    watch.hear("What does Kubernetes promise of the network between Pods");
    watch.say("q");
    assert_eq!(watch.child.wait().unwrap().code(), Some(1), "the lab was not passed");
    assert!(book.path("labs/pod-network/README.md").exists());
}

#[test]
fn watching_ends_with_its_input() {
    let book = Book::new();
    let mut watch = Watch::start(&book, &["watch"]);
    watch.hear("q quit");
    drop(watch.stdin);
    assert_eq!(watch.child.wait().unwrap().code(), Some(1));
}
