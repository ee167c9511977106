//! Laying labs, keeping what the learner changed, and reading it back.

use super::*;
use crate::card::tests::deck;
use lab::Answer;

fn workspace() -> (tempfile::TempDir, Workspace) {
    let dir = tempfile::tempdir().unwrap();
    let workspace = Workspace::new(dir.path().join("labs"));
    (dir, workspace)
}

fn card(id: &str) -> Card {
    deck().get(id).unwrap().clone()
}

#[test]
fn a_lab_is_laid_with_its_numbers_and_once() {
    let (_dir, workspace) = workspace();
    let card = card("pod-creation");
    let laid = workspace.start(&card, 3, Lang::En).unwrap();
    let names: Vec<&str> = laid.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["README.md", "commands.txt", "pinned.yaml", "pod.yaml", "predictions.yaml", "probe.yaml"]);
    assert!(laid.iter().all(|(_, laid)| *laid == Laid::Written));
    let readme = read_text(&workspace.folder("pod-creation").join(README)).unwrap();
    assert!(readme.contains("on `node-") && !readme.contains("${"), "{readme}");
    assert!(workspace.start(&card, 3, Lang::En).unwrap().iter().all(|(_, laid)| *laid == Laid::Same));
    assert_eq!(workspace.seed("pod-creation"), 3);
}

#[test]
fn what_the_learner_changed_is_kept_and_the_rest_follows_the_language() {
    let (_dir, workspace) = workspace();
    let card = card("pod-creation");
    workspace.start(&card, 1, Lang::En).unwrap();
    let pod = workspace.folder("pod-creation").join("pod.yaml");
    fs::write(&pod, "mine").unwrap();
    let laid: BTreeMap<String, Laid> = workspace.start(&card, 1, Lang::ZhCn).unwrap().into_iter().collect();
    assert_eq!((laid["pod.yaml"], laid["README.md"], laid["probe.yaml"]), (Laid::Kept, Laid::Written, Laid::Same));
    assert_eq!(fs::read_to_string(&pod).unwrap(), "mine");
    assert!(read_text(&workspace.folder("pod-creation").join(README)).unwrap().contains("把预测写进"));
}

#[test]
fn reset_brings_back_the_originals_and_keeps_a_copy() {
    let (_dir, workspace) = workspace();
    let card = card("pod-creation");
    workspace.start(&card, 1, Lang::En).unwrap();
    let folder = workspace.folder("pod-creation");
    let original = read_text(&folder.join("pod.yaml")).unwrap();
    assert_eq!(workspace.reset(&card, 1, Lang::En).unwrap(), Reset { backup: None, replaced: Vec::new() });
    fs::write(folder.join("pod.yaml"), b"mine \xff").unwrap();
    fs::create_dir(folder.join("more")).unwrap();
    fs::write(folder.join("more/extra.yaml"), "a: 1").unwrap();
    let reset = workspace.reset(&card, 2, Lang::En).unwrap();
    assert_eq!(reset.replaced, ["more/extra.yaml", "pod.yaml"]);
    let backup = reset.backup.unwrap();
    assert!(backup.ends_with("labs/.backup/pod-creation-1"));
    assert_eq!(fs::read(backup.join("pod.yaml")).unwrap(), b"mine \xff");
    assert!(!folder.join("more/extra.yaml").exists());
    assert_eq!(read_text(&folder.join("pod.yaml")).unwrap(), original);
    assert_eq!(workspace.seed("pod-creation"), 2);
}

#[test]
fn a_fresh_lab_hands_in_nothing() {
    let (_dir, workspace) = workspace();
    for card in deck().iter() {
        for lang in Lang::ALL {
            workspace.reset(card, 1, lang).unwrap();
            let attempt = workspace.attempt(card).unwrap();
            assert!(attempt.predictions.is_empty(), "{}", card.id);
            assert!(lab::Script::parse(&attempt.commands).unwrap().lines.is_empty());
            assert_eq!(attempt.files, Variables::deal(&card.lab, 1).fill_all(&card.lab).files, "the files are the lab's");
        }
    }
}

#[test]
fn predictions_are_read_as_their_tasks_ask() {
    let (_dir, workspace) = workspace();
    let card = card("restart-policy");
    workspace.start(&card, 1, Lang::En).unwrap();
    let path = workspace.folder("restart-policy").join(PREDICTIONS);
    fs::write(&path, "restarts: 4\nphase: failed\n").unwrap();
    let predictions = workspace.attempt(&card).unwrap().predictions;
    assert_eq!(predictions["restarts"], Answer::Number(4.0));
    assert_eq!(predictions["phase"], Answer::Text("failed".to_owned()));
    let cases = [
        (
            "restarts: four\nphase: Failed",
            &["1:1: restarts: `\"four\"` is no number", "2:1: phase: `\"Failed\"` is none of the names (choose one of running"][..],
        ),
        ("finish: 1", &["1:1: finish: nothing is to be predicted under this name (the names are restarts, phase)"]),
        ("a: [1\n", &[":2:1: "]),
        ("- 1", &["1:1: there are no fields here"]),
        ("restarts: 1\nrestarts: 2", &["2:1: "]),
    ];
    for (text, wanted) in cases {
        fs::write(&path, text).unwrap();
        let message = workspace.attempt(&card).unwrap_err().to_string();
        assert!(wanted.iter().all(|wanted| message.contains(wanted)), "{message}");
    }
}

#[test]
fn an_order_names_every_item_once() {
    let (_dir, workspace) = workspace();
    let card = card("pod-creation");
    workspace.start(&card, 1, Lang::En).unwrap();
    let path = workspace.folder("pod-creation").join(PREDICTIONS);
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        workspace.attempt(&card).map_err(|error| error.to_string())
    };
    assert!(read("order: [stored, scheduled]").unwrap_err().contains("2 of 5 names are there"));
    assert!(read("order: [stored, stored]").unwrap_err().contains("`stored` stands there twice"));
    assert!(read("order: [stored, started, scheduled, pulled, sandbox]").unwrap().predictions.contains_key("order"));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\norder: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    let message = read(bomb).unwrap_err();
    assert!(message.contains("predictions.yaml:") && message.len() < 600, "{message}");
}

#[test]
fn commands_that_cannot_be_read_say_where() {
    let (_dir, workspace) = workspace();
    let card = card("pod-creation");
    workspace.start(&card, 1, Lang::En).unwrap();
    fs::write(workspace.folder("pod-creation").join(COMMANDS), "kubectl get pods\nwait long\n").unwrap();
    let message = workspace.attempt(&card).unwrap_err().to_string();
    assert!(message.contains("commands.txt: line 2: time: invalid duration \"long\""), "{message}");
    fs::write(workspace.folder("pod-creation").join("pod.yaml"), b"\xff").unwrap();
    fs::write(workspace.folder("pod-creation").join(COMMANDS), "").unwrap();
    assert!(workspace.attempt(&card).unwrap_err().to_string().contains("pod.yaml` is not UTF-8 text"));
}
