//! Facts about RBAC (`rbac.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `rbac-authorize` | `roles`, `roleBindings`, `clusterRoles`, `clusterRoleBindings`, `request` | `allowed` |
//! | `rbac-rule-allows` | `rule`, `request` | `allowed` |
//! | `rbac-rules-for` | roles and bindings, `user`, `namespace` | `rules`, as a set |
//! | `rbac-subject-match` | `subjects`, `user`, `namespace` | `applies`, `index` |
//! | `rbac-covers` | `ownerRules`, `requestedRules` | `covered`, `uncovered`, as a set |
//! | `rbac-url-covers` | `owner`, `requested` | `covers` |

use crate::read::{items, object, only_keys, part, text, texts, truth, unless_superseded};
use crate::{Miss, Outcome};
use api::Object;
use api::json::Json;
use api::rbac::{PolicyRule, Subject};
use apiserver::rbac::{Attributes, Rbac, applies_to, covers, rule_allows, url_covers};
use apiserver::user::Info;
use serde_json::Value;

/// Cases that v1.36 answers differently, and why.
const SUPERSEDED: &[(&str, &str)] = &[];

const TABLES: [&str; 4] = ["roles", "roleBindings", "clusterRoles", "clusterRoleBindings"];

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    unless_superseded(case, SUPERSEDED)?;
    let (input, expect) = (&case["input"], &case["expect"]);
    match text("op", &case["op"])? {
        "rbac-authorize" => authorize(input, expect),
        "rbac-rule-allows" => {
            only_keys("input", input, &["rule", "request"])?;
            only_keys("expect", expect, &["allowed"])?;
            let (_, attributes) = request(&input["request"])?;
            let allowed = rule_allows(&part("rule", &input["rule"])?, &attributes);
            Miss::unless_equal("allowed", &truth("allowed", &expect["allowed"])?, &allowed)
        }
        "rbac-rules-for" => rules_for(input, expect),
        "rbac-subject-match" => subject_match(input, expect),
        "rbac-covers" => covers_rules(input, expect),
        "rbac-url-covers" => {
            only_keys("input", input, &["owner", "requested"])?;
            only_keys("expect", expect, &["covers"])?;
            let covered = url_covers(text("owner", &input["owner"])?, text("requested", &input["requested"])?);
            Miss::unless_equal("covers", &truth("covers", &expect["covers"])?, &covered)
        }
        other => Err(Miss::Malformed(format!("the op {other} is not known"))),
    }
}

/// All roles and bindings of a case; bindings without a name get one each.
fn rbac(input: &Value) -> Result<Rbac, Miss> {
    let mut objects: Vec<Object> = Vec::new();
    for table in TABLES {
        for (index, item) in items(table, &input[table])?.iter().enumerate() {
            let mut object = object(table, item)?;
            if object.metadata().name.is_empty() {
                object.metadata_mut().name = format!("{table}-{index}");
            }
            objects.push(object);
        }
    }
    Ok(Rbac::of(objects.iter()))
}

fn user(value: &Value) -> Result<Info, Miss> {
    only_keys("user", value, &["name", "uid", "groups", "extra"])?;
    Ok(Info { name: text("user.name", &value["name"])?.to_owned(), groups: texts("user.groups", &value["groups"])?, ..Info::default() })
}

fn request(value: &Value) -> Result<(Info, Attributes<'_>), Miss> {
    only_keys("request", value, &["user", "verb", "apiGroup", "resource", "subresource", "namespace", "name", "path"])?;
    let user = if value["user"].is_null() { Info::default() } else { user(&value["user"])? };
    let word = |key: &str| text(key, &value[key]);
    let attributes = if value["path"].is_null() {
        Attributes::Resource {
            verb: word("verb")?,
            group: word("apiGroup")?,
            resource: word("resource")?,
            subresource: word("subresource")?,
            namespace: word("namespace")?,
            name: word("name")?,
        }
    } else {
        Attributes::Path { verb: word("verb")?, path: word("path")? }
    };
    Ok((user, attributes))
}

fn authorize(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &[&TABLES[..], &["request"]].concat())?;
    only_keys("expect", expect, &["allowed"])?;
    let (user, attributes) = request(&input["request"])?;
    let allowed = rbac(input)?.authorize(&user, &attributes).is_ok();
    Miss::unless_equal("allowed", &truth("allowed", &expect["allowed"])?, &allowed)
}

fn rules_for(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &[&TABLES[..], &["user", "namespace"]].concat())?;
    only_keys("expect", expect, &["rules"])?;
    let found = rbac(input)?.rules_for(&user(&input["user"])?, text("namespace", &input["namespace"])?);
    same_rules("rules", &expect["rules"], &found.rules)
}

fn subject_match(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &["subjects", "user", "namespace"])?;
    only_keys("expect", expect, &["applies", "index"])?;
    let subjects: Vec<Subject> = part("subjects", &input["subjects"])?;
    let found = applies_to(&user(&input["user"])?, &subjects, text("namespace", &input["namespace"])?);
    Miss::unless_equal("applies", &truth("applies", &expect["applies"])?, &found.is_some())?;
    if expect["index"].is_null() || found.is_none() {
        return Ok(());
    }
    Miss::unless_equal("index", &expect["index"].as_u64(), &found.map(|index| index as u64))
}

fn covers_rules(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &["ownerRules", "requestedRules"])?;
    only_keys("expect", expect, &["covered", "uncovered"])?;
    let owned: Vec<PolicyRule> = part("ownerRules", &input["ownerRules"])?;
    let requested: Vec<PolicyRule> = part("requestedRules", &input["requestedRules"])?;
    let uncovered = covers(&owned, &requested);
    Miss::unless_equal("covered", &truth("covered", &expect["covered"])?, &uncovered.is_empty())?;
    if expect["uncovered"].is_null() { Ok(()) } else { same_rules("uncovered", &expect["uncovered"], &uncovered) }
}

/// Compares rules as sets.
fn same_rules(at: &str, expected: &Value, actual: &[PolicyRule]) -> Outcome {
    let expected: Vec<PolicyRule> = part(at, expected)?;
    let lines = |rules: &[PolicyRule]| {
        let mut lines: Vec<String> = rules.iter().map(|rule| rule.to_json().to_string()).collect();
        lines.sort();
        lines.dedup();
        lines.join("\n")
    };
    Miss::unless_equal(at, &lines(&expected), &lines(actual))
}
