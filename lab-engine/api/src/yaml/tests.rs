//! Tests of the reader of manifests: scalars, places, mistakes and hostile inputs.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn one(text: &str) -> Value {
    let mut documents = read_documents(text).unwrap();
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0).value
}

fn refusal(text: &str) -> String {
    read_documents(text).unwrap_err().to_string()
}

#[test]
fn plain_scalars_are_those_of_yaml_1_1() {
    for (text, value) in [
        ("yes", json!(true)),
        ("Off", json!(false)),
        ("y", json!(true)),
        ("010", json!(8)),
        ("0o10", json!(8)),
        ("08", json!(8)),
        ("0x1F", json!(31)),
        ("0b11", json!(3)),
        ("1_000", json!(1000)),
        ("1e3", json!(1000)),
        ("1.5", json!(1.5)),
        (".5", json!(0.5)),
        ("+3", json!(3)),
        ("-3", json!(-3)),
        ("--3", json!("--3")),
        ("-", json!([null])),
        ("18446744073709551615", json!(u64::MAX)),
        ("100m", json!("100m")),
        ("1.2.3", json!("1.2.3")),
        ("2020-01-01", json!("2020-01-01")),
        ("'yes'", json!("yes")),
        ("!!str 12", json!("12")),
        ("!!float 1.5", json!(1.5)),
        ("~", json!(null)),
    ] {
        assert_eq!(one(&format!("a: {}{text}", if text == "-" { "\n  " } else { "" })), json!({"a": value}), "{text}");
    }
    assert_eq!(one("1: a\ntrue: b\nnull: c"), json!({"1": "a", "true": "b", "null": "c"}));
    assert!(refusal("a: .inf").contains("unsupported value"));
    assert!(refusal("a: !custom x").starts_with("line 1, column"));
    assert!(refusal("a: !!int x").contains("cannot decode !!str `x` as a !!int"));
}

#[test]
fn a_file_has_several_documents_and_empty_ones_do_not_count() {
    let documents = read_documents("# first\n---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n").unwrap();
    assert_eq!(documents.iter().map(|d| (d.line, d.value.clone())).collect::<Vec<_>>(), [(3, json!({"a": 1})), (8, json!({"b": 2}))]);
    assert!(read_documents("").unwrap().is_empty());
    assert_eq!(one("{\"a\": [1, {\"b\": null}], \"smile\": \"\\ud83d\\ude00\"}"), json!({"a": [1, {"b": null}], "smile": "😀"}));
}

#[test]
fn fields_are_found_where_they_stand() {
    let text = "metadata:\n  labels:\n    app.kubernetes.io/name: web\nspec:\n  containers:\n  - name: a\n    image: nginx\n";
    let positions = read_documents(text).unwrap().remove(0).positions;
    let at = |line, column| Some(Position { line, column });
    assert_eq!(positions.find("spec.containers[0].image"), at(7, 5));
    assert_eq!(positions.find("spec.containers[0]"), at(6, 5));
    assert_eq!(positions.find("metadata.labels[app.kubernetes.io/name]"), at(3, 5));
    assert_eq!(positions.find("spec.containers[0].resources.limits"), at(6, 5));
    let place = positions.locate("spec.containers[0].image").unwrap();
    assert_eq!((place.value, place.exact), (Position { line: 7, column: 12 }, true));
    assert!(!positions.locate("spec.nothing").unwrap().exact);
    assert_eq!(positions.find(""), at(1, 1));
}

#[test]
fn aliases_and_merge_keys_are_written_out() {
    let value = one("base: &b {x: 1, z: 2}\nother: {<<: *b, z: 3}\nboth:\n  <<: [{x: 9}, *b]\nlist: [*b]\n");
    assert_eq!(value["other"], json!({"x": 1, "z": 3}));
    assert_eq!(value["both"], json!({"x": 9, "z": 2}));
    assert_eq!(value["list"][0], value["base"]);
    assert!(refusal("a: &a [*a]").contains("inside the value it refers to"));
    assert!(refusal("a: {<<: 3}").contains("map merge requires map"));
}

#[test]
fn brackets_may_close_where_their_key_stands() {
    let value = one("spec:\n  command: [\n    sh, -c,\n    'sleep 1'\n  ]\n  env: {\n    a: b\n  }\n  last: [\n    x\n]\n");
    assert_eq!(value, json!({"spec": {"command": ["sh", "-c", "sleep 1"], "env": {"a": "b"}, "last": ["x"]}}));
    let mistake = read_documents("a:\n  b: [\n    x\n  ]\n  c: [\n").unwrap_err();
    assert!(mistake.line >= 5, "the mistake is told, not the bracket: {mistake}");
    assert!(read_documents(&"a: [\n]\n".repeat(2)).is_err());
}

#[test]
fn a_quote_may_be_escaped_that_need_not_be() {
    // go-yaml takes it, YAML itself does not know it.
    let text = r#"{command: [sh, -c, "echo \"it\'s\" \'\\' > f"], after: ["\'"], bad: 1}"#;
    assert_eq!(one(text), json!({"command": ["sh", "-c", "echo \"it's\" '\\' > f"], "after": ["'"], "bad": 1}));
    assert!(refusal(r#"a: "it\'s \q""#).contains("unknown escape character"));
    assert!(read_documents(r#"a: "it\'s"#).is_err());
}

#[test]
fn mistakes_are_explained_with_their_place() {
    assert_eq!(refusal("a: 1\nb: 2\na: 3\n"), "line 3, column 1: mapping key \"a\" already defined at line 1");
    let tab = read_documents("spec:\n\treplicas: 3\n").unwrap_err();
    assert_eq!((tab.line, tab.column), (2, 1), "{tab}");
    assert!(tab.message.contains("tab"));
    assert_eq!(excerpt("a: 1\nb: [\n", Position { line: 2, column: 4 }), "b: [\n   ^");
    assert!(excerpt(&"x".repeat(10_000), Position { line: 1, column: 5_000 }).len() < 300);
    assert_eq!(excerpt("", Position { line: 7, column: 9 }), "\n^");
}

#[test]
fn hostile_files_are_refused_early() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert!(refusal(&bomb).contains("excessive aliasing"));
    let long = format!("a: &a {}\nb: [{}]", "x".repeat(1_000_000), "*a, ".repeat(1_000));
    assert!(refusal(&long).contains("excessive aliasing"));
    assert!(refusal(&"[".repeat(200)).contains("levels deep"));
    assert!(read_documents(&"[".repeat(100_000)).is_err() && read_documents(&"- ".repeat(100_000)).is_err());
    let chain: String = (1..500).map(|i| format!("a{i}: &a{i} [*a{}]\n", i - 1)).collect();
    assert!(refusal(&format!("a0: &a0 x\n{chain}")).contains("levels deep"));
    assert!(refusal(&" ".repeat(MAX_BYTES + 1)).contains("bytes"));
    assert_eq!(one(&format!("a: {}", "x".repeat(1_000_000)))["a"].as_str().map(str::len), Some(1_000_000));
}

proptest! {
    #[test]
    fn reading_never_panics(text in "[-a-c0-9:\\[\\]{}&*!|>'\"#%@, \n\t<.~]{0,80}") {
        if let Err(error) = read_documents(&text) {
            excerpt(&text, error.position());
        }
    }

    #[test]
    fn what_json_writes_is_read_back(keys in prop::collection::btree_map("[ -~é]{0,8}", any::<i64>(), 0..6)) {
        let value = json!({"all": keys});
        prop_assert_eq!(one(&value.to_string()), value);
    }
}
