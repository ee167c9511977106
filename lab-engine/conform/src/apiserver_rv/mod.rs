//! Facts about resourceVersions, lists and watches (`apiserver-rv.json`).
//!
//! Storage cases run against the API server with an etcd of its own, through requests: nothing below the REST interface is touched but
//! etcd's compaction. The resource is one whose objects may be changed freely: ConfigMap, or, where a case selects by the field that it
//! calls `spec.nodeName`, Event with its `reason`.

mod server;
mod storage;

use crate::keys::only;
use crate::{Miss, Outcome};
use apiserver::Continue;
use serde_json::Value;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    const COMMON: [&str; 5] = ["id", "kind", "source", "title", "note"];
    let known = |more: &[&str]| only("the case", case, &[&COMMON, more].concat());
    match case["kind"].as_str().unwrap_or_default() {
        "storage" => known(&["steps"]).and_then(|()| storage::run(case)),
        "rv_parse" => known(&["input", "expect"]).and_then(|()| rv_parse(case)),
        "rv_compare" => known(&["a", "b", "expect"]).and_then(|()| rv_compare(case)),
        "continue_token" => known(&["token", "encoded", "prefix", "expect"]).and_then(|()| continue_token(case)),
        "list_options" => known(&["options", "expect"]).and_then(|()| list_options(case)),
        other => Err(Miss::Malformed(format!("unknown kind {other:?}"))),
    }
}

/// A resourceVersion is whatever the API server takes for one: a get is asked for it.
fn rv_parse(case: &Value) -> Outcome {
    only("expect", &case["expect"], &["value", "error"])?;
    let text = case["input"].as_str().ok_or_else(|| Miss::Malformed("input is no text".to_owned()))?;
    let parsed = apiserver::parse_resource_version(text);
    match case["expect"]["value"].as_u64() {
        Some(value) => Miss::unless_equal("value", &Some(value), &parsed.ok()),
        None => Miss::unless_equal("error", &true, &parsed.is_err()),
    }
}

fn rv_compare(case: &Value) -> Outcome {
    only("expect", &case["expect"], &["order", "error"])?;
    let side = |name: &str| apiserver::parse_resource_version(case[name].as_str().unwrap_or_default());
    // Only positive numbers without leading zeros are versions that can be compared.
    let comparable =
        |name: &str| side(name).ok().filter(|&version| version > 0 && Some(version.to_string().as_str()) == case[name].as_str());
    let order = comparable("a").zip(comparable("b")).map(|(a, b)| a.cmp(&b) as i64);
    Miss::unless_equal("order", &case["expect"]["order"].as_i64(), &order)
}

fn continue_token(case: &Value) -> Outcome {
    only("expect", &case["expect"], &["from_key", "rv", "error"])?;
    let encoded = case["encoded"].as_str().unwrap_or_default();
    let prefix = case["prefix"].as_str().unwrap_or_default();
    let decoded = Continue::decode(encoded);
    if case["expect"]["error"] == true {
        return Miss::unless_equal("error", &true, &decoded.is_err());
    }
    let token = decoded.map_err(|status| Miss::failed("the token", "a token that can be read", status.message))?;
    Miss::unless_equal("rv", &case["expect"]["rv"].as_u64(), &Some(token.revision))?;
    Miss::unless_equal("from_key", &case["expect"]["from_key"].as_str(), &Some(format!("{prefix}{}", token.start).as_str()))
}

fn list_options(case: &Value) -> Outcome {
    only("expect", &case["expect"], &["valid"])?;
    let options = case["options"].as_object().ok_or_else(|| Miss::Malformed("options is no object".to_owned()))?;
    let query: Vec<(String, String)> = options.iter().map(|(name, value)| (name.clone(), server::text(value))).collect();
    let mut server = server::Server::new("configmaps");
    // A token that cannot be read is another matter than options that do not go together.
    let status = server.list_or_watch("default", &query);
    Miss::unless_equal("valid", &case["expect"]["valid"].as_bool(), &Some(status.is_ok()))
}
