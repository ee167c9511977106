//! A small good card, and what each mistake in it is answered with.

use super::*;

/// A card that keeps every rule.
const GOOD: &str = r#"id: sample
topic: pods
level: 1
tags: [pod]
sources:
  - {title: Pods, url: "https://kubernetes.io/docs/concepts/workloads/pods/"}
question: {en: What is it?, zh: 这是什么？}
answer:
  short: {en: Short., zh: 简短。}
  detail: {en: "Long *text*.", zh: 详细。}
rubric:
  - {en: One, zh: 一}
  - {en: Two, zh: 二}
  - {en: Three, zh: 三}
pitfalls:
  - says: {en: Wrong, zh: 错误说法}
    fact: {en: Fact, zh: 事实}
quiz:
  - id: first
    question: {en: Which?, zh: 哪个？}
    kind:
      one:
        - {text: {en: A, zh: 甲}, right: true, feedback: {en: "Yes.", zh: 对。}}
        - {text: {en: B, zh: 乙}, feedback: {en: "No.", zh: 不对。}}
        - {text: {en: C, zh: 丙}, feedback: {en: "No.", zh: 不对。}}
  - id: second
    question: {en: How many?, zh: 多少？}
    kind: {numeric: {answer: 10, unit: {en: seconds, zh: 秒}}}
  - id: third
    question: {en: Order?, zh: 顺序？}
    kind: {order: [{en: a, zh: 甲}, {en: b, zh: 乙}, {en: c, zh: 丙}]}
lab:
  variables: {replicas: {choose: [4]}}
  files: {web.yaml: "replicas: ${replicas}"}
  tasks:
    - id: guess
      title: {en: Guess, zh: 猜}
      prompt: {en: How many Pods?, zh: 几个 Pod？}
      kind:
        predict:
          input: {number: {unit: {en: Pods, zh: 个}}}
          run: [{apply: web.yaml}, {advance: 30s}]
          truth: size(pods)
          explanation: {en: So., zh: 所以。}
      hints: [{en: Count., zh: 数一数。}]
    - id: scale
      title: {en: Scale, zh: 扩容}
      prompt: {en: "Bring it to ${replicas} replicas.", zh: "扩到 ${replicas} 个副本。"}
      kind:
        operate:
          checks:
            - id: replicas
              says: {en: There are enough, zh: 数量够了}
              cel: size(pods) == vars.replicas
      hints: [{en: Scale., zh: 用 scale。}]
solution:
  commands: kubectl apply -f web.yaml
  explanation: {en: It is applied., zh: 应用即可。}
wrong:
  - id: nothing
    says: {en: Nothing is done, zh: 什么都没做}
    commands: kubectl get pods
    caughtBy: scale/replicas
  - id: guess-one
    says: {en: A guess, zh: 乱猜}
    predictions: {guess: 99}
    caughtBy: guess
"#;

pub(crate) fn good_card() -> Card {
    Card::parse("good.yaml", GOOD).unwrap_or_else(|found| panic!("{found:#?}"))
}

/// The diagnostics after one replacement in the good card.
fn after(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    let result = Card::parse("cards/pods/sample.yaml", &GOOD.replacen(from, to, 1));
    result.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn a_good_card_has_no_problems_and_survives_json() {
    let card = good_card();
    assert_eq!(validate(&card), []);
    let json = serde_json::to_string(&card).unwrap();
    assert_eq!(serde_json::from_str::<Card>(&json).unwrap(), card);
}

#[test]
fn each_mistake_is_named_at_its_place() {
    let cases = [
        (
            "id: sample",
            "id: Sample",
            "1:1: id: `Sample` is no id (an id has lower-case letters, digits and dashes, and begins with a letter)",
        ),
        ("level: 1", "level: 4", "3:1: level: there is no level 4 (levels are 1, 2 and 3)"),
        (
            "https://k",
            "http://k",
            "6:19: sources[0].url: `http://kubernetes.io/docs/concepts/workloads/pods/` is no https address (write https://host/path)",
        ),
        ("zh: 这是什么？", "zh: ''", "7:29: question.zh: the text is empty (a card is complete in both languages)"),
        (
            "zh: 这是什么？",
            "zh: What",
            "7:29: question.zh: the Chinese text has no Chinese in it (write the same text as in English if it is code only)",
        ),
        ("  - {en: Three, zh: 三}\n", "", "11:1: rubric: there are 2 points in the rubric (a card has at least 3)"),
        ("right: true", "right: false", "22:7: quiz[0].kind.one: 0 choices are right (exactly one is; use `many` for more)"),
        ("id: second", "id: first", "26:5: quiz[1].id: the id `first` is taken (ids are unique within their list)"),
        ("{en: c, zh: 丙}", "{en: b, zh: 丙}", "31:12: quiz[2].kind.order: two items say the same (their order could not be told)"),
        (
            "caughtBy: scale/replicas",
            "caughtBy: scale/replica",
            "63:5: wrong[0].caughtBy: `scale/replica` names no check of this lab (write task/check of an `operate` task, or the id of a `predict` task)",
        ),
        ("{guess: 99}", "{scale: 99}", "66:5: wrong[1].predictions: there is no prediction `scale` (name a `predict` task of this lab)"),
        (
            "{apply: web.yaml}",
            "{apply: wep.yaml}",
            "42:18: lab.tasks[0].kind.predict.run[0].apply: there is no file `wep.yaml` (name a file of `files`)",
        ),
        (
            "truth: size(pods)",
            "truth: size(pod)",
            "43:11: lab.tasks[0].kind.predict.truth: there is no variable `pod`; there are: clusterrolebindings, clusterroles, commands, configmaps, cronjobs, daemonsets, deployments, endpointslices, etcd, events, files, gateways, horizontalpodautoscalers, httproutes, ingresses, jobs, leases, limitranges, namespaces, networkpolicies, nodes, now, persistentvolumeclaims, persistentvolumes, pods, replicasets, replicationcontrollers, resourcequotas, rolebindings, roles, serviceaccounts, services, statefulsets, trace, vars",
        ),
        (
            "to ${replicas} rep",
            "to ${count} rep",
            "48:16: lab.tasks[1].prompt.en: there is no variable `count` (declare it in `variables`)",
        ),
        (
            "  commands: kubectl apply",
            "  commands: wait",
            "57:3: solution.commands: line 1: time: invalid duration \"-f web.yaml\"; write it like 500ms, 30s, 1m30s or 2h (a line is a command, `wait 30s`, or a # comment)",
        ),
    ];
    let found: Vec<String> = cases.iter().flat_map(|(from, to, _)| after(from, to)).collect();
    let wanted: Vec<String> = cases.iter().map(|(_, _, wanted)| format!("cards/pods/sample.yaml:{wanted}")).collect();
    assert_eq!(found, wanted, "{found:#?}");
}

#[test]
fn errors_of_form_have_a_place_too() {
    let cases = [
        ("level: 1", "levels: 1", "3:1: levels: unknown field `levels`, expected one of"),
        ("level: 1", "level: one", "3:8: level: invalid type: string \"one\", expected u8"),
        ("level: 1\n", "", "missing field `level`"),
        ("level: 1", "level: 1\nlevel: 2", "4:1: "),
        ("feedback: {en: \"Yes.\"", "feedbak: {en: \"Yes.\"", "unknown field `feedbak`"),
        ("advance: 30s", "advance: 30", "time: invalid duration"),
    ];
    for (from, to, wanted) in cases {
        let found = after(from, to);
        assert_eq!(found.len(), 1, "{from} -> {to}: {found:#?}");
        assert!(found[0].contains(wanted), "{from} -> {to}: {found:#?}");
    }
}

#[test]
fn several_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = GOOD.replacen("level: 1", "level: 9", 1).replacen("truth: size(pods)", "truth: size(", 1);
    let found = Card::parse("x.yaml", &text).unwrap_err();
    assert_eq!(found.iter().map(|d| d.field.as_str()).collect::<Vec<_>>(), ["level", "lab.tasks[0].kind.predict.truth"]);
}

#[test]
fn an_ordering_question_never_shows_its_answer() {
    let items = |names: [&str; 3]| names.map(|name| Text::new(name, name)).to_vec();
    assert_eq!(shown_order(&items(["a", "b", "c"])), [2, 1, 0]);
    assert_eq!(shown_order(&items(["b", "c", "a"])), [2, 0, 1]);
}

/// The names of the files in `exercises/cards`, without their ends, in order.
pub(crate) fn card_files() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("cards");
    let files = crate::site::fingerprint::files_below(&folder).expect("the cards are there");
    let mut names: Vec<String> = files.iter().filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect();
    names.sort_unstable();
    names
}

/// The cards of the book.
pub(crate) fn deck() -> Deck {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("cards");
    Deck::load(&folder).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_cards_of_the_book_keep_every_rule() {
    let ids: Vec<_> = deck().iter().map(|card| card.id.clone()).collect();
    assert_eq!(ids, card_files());
}

#[test]
fn every_kind_of_question_and_task_is_in_the_deck() {
    let deck = deck();
    for card in deck.iter() {
        let mut kinds: Vec<_> = card.quiz.iter().map(|question| std::mem::discriminant(&question.kind)).collect();
        kinds.dedup();
        assert!(kinds.len() >= 4, "{}: at least four kinds of questions", card.id);
        let operate = card.lab.tasks.iter().filter(|task| matches!(task.kind, lab::TaskKind::Operate(_))).count();
        assert!(operate >= 2 && card.lab.tasks.len() > operate, "{}: two tasks to operate and one to predict", card.id);
    }
}

#[test]
fn a_card_must_stand_where_its_id_and_topic_say() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("pods")).unwrap();
    std::fs::write(folder.path().join("pods").join("other.yaml"), GOOD).unwrap();
    let error = Deck::load(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("other.yaml: id: the id `sample` is not the name of the file (a card stands in <topic>/<id>.yaml)"), "{error}");
    assert!(matches!(Deck::load(&folder.path().join("none")), Err(DeckError::Read { .. })));
}
