//! The area `mvcc`: the key space of etcd, through the requests that its clients send to a group of one.
//!
//! | step `op` | keys |
//! |---|---|
//! | `put` | `key`, `value`, `prev_kv`, `ignore_value`, `ignore_lease`, `lease` → `rev`, `prev` |
//! | `delete` | `key`, `end`, `prev_kv` → `rev`, `deleted`, `prev_keys` |
//! | `range` | `key`, `end`, `rev`, `limit`, `count_only`, `keys_only`, `sort`, bounds on revisions → `kvs`, `keys`, `rev`, `count`, `more` |
//! | `txn` | `if`, `then`, `else` → `succeeded`, `rev`, `responses` |
//! | `compact` | `rev` → `ok` |
//! | `watch` | `watch`, `key`, `end`, `start_rev`, `filters`, `prev_kv` → `canceled` |
//! | `expect_events` | `watch`, `events`, `unordered`, `canceled`, `compact_rev` |
//! | `reopen` | the member is started again from its disk |
//!
//! Any of them may expect an `error`: `compacted`, `future`, `duplicate key`, `key not found`, `value provided`.

use crate::keys::only;
use crate::{Miss, Outcome};
use etcd::server::{EtcdServer, Input, Output, ServerConfig};
use etcd::{
    CallId, Compare, CompareResult, CompareTarget, EtcdError, Event, EventKind, KeyRange, KeyValue, LeaseId, Op, OpResponse, Put, Range,
    RangeResponse, Request, Response, Revision, Revisions, Sort, SortTarget, Txn, TxnResponse, Watch,
};
use raft::NodeId;
use serde_json::{Value, json};
use sim::{Rng, Seed, Time};
use std::collections::BTreeMap;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    only("the case", case, &["id", "source", "title", "note", "steps"])?;
    let mut bench = Bench::new()?;
    let steps = case["steps"].as_array().ok_or_else(|| Miss::Malformed("the case has no steps".to_owned()))?;
    for (number, step) in steps.iter().enumerate() {
        bench.step(&format!("step {number}"), step)?;
    }
    Ok(())
}

/// What a watch has told since the last look.
#[derive(Default)]
struct Watched {
    call: u64,
    events: Vec<Value>,
    canceled: Option<Revision>,
}

struct Bench {
    server: EtcdServer,
    now: Time,
    starts: u32,
    next: u64,
    watches: BTreeMap<String, Watched>,
}

fn rng() -> Rng {
    Seed(1).stream("etcd-1")
}

impl Bench {
    fn new() -> Result<Self, Miss> {
        let server = EtcdServer::alone(&rng()).map_err(|error| Miss::failed("start", "a member", error))?;
        Ok(Bench { server, now: Time::ZERO, starts: 0, next: 1, watches: BTreeMap::new() })
    }

    /// Asks, and gives the answer; events of watches are noted.
    fn ask(&mut self, request: impl FnOnce(CallId) -> Request) -> Response {
        let call = CallId(self.next);
        self.next += 1;
        let mut out = Vec::new();
        self.server.handle(self.now, Input::Request { from: 0, request: request(call) }, &mut out);
        let mut answer = Response::Error(call, EtcdError::Timeout);
        for output in out {
            let Output::Respond { response, .. } = output else { continue };
            if let Some(watched) = self.watches.values_mut().find(|watched| watched.call == response.call().0) {
                match &response {
                    Response::Events(_, events, _) => watched.events.extend(events.iter().map(event_json)),
                    Response::Canceled { compact_revision, .. } => watched.canceled = Some(*compact_revision),
                    _ => {}
                }
            }
            if response.call() == call {
                answer = response;
            }
        }
        answer
    }

    fn step(&mut self, at: &str, step: &Value) -> Outcome {
        match text(&step["op"])? {
            "reopen" => return self.reopen(at),
            "watch" => return self.watch(at, step),
            "expect_events" => return self.expect_events(at, step),
            _ => {}
        }
        let response = match text(&step["op"])? {
            "compact" => {
                only(at, step, &["op", "rev", "expect"])?;
                let revision = number(&step["rev"])?;
                self.ask(|call| Request::Compact(call, revision))
            }
            "range" => {
                let range = range(step)?;
                self.ask(|call| Request::Range(call, range))
            }
            "txn" => {
                let txn = txn(step)?;
                self.ask(|call| Request::Txn(call, txn))
            }
            _ => {
                let success = vec![op(step)?];
                self.ask(|call| Request::Txn(call, Txn { success, ..Txn::default() }))
            }
        };
        judge(at, step, response)
    }

    fn reopen(&mut self, at: &str) -> Outcome {
        let fresh = EtcdServer::alone(&rng()).map_err(|error| Miss::failed(at, "a member", error))?;
        let disk = std::mem::replace(&mut self.server, fresh).crash(&mut rng());
        self.starts += 1;
        let server = EtcdServer::start(ServerConfig::new(NodeId(1)), disk, self.now, &rng(), self.starts);
        self.server = server.map_err(|error| Miss::failed(at, "the member starts again", error))?;
        // It elects itself once nobody else has been heard of for long enough.
        while let Some(then) = self.server.next_wake().filter(|_| self.server.raft().leader().is_none()) {
            self.now = then;
            self.server.handle(then, Input::Wake, &mut Vec::new());
        }
        Ok(())
    }

    fn watch(&mut self, at: &str, step: &Value) -> Outcome {
        only(at, step, &["op", "watch", "key", "end", "start_rev", "filters", "prev_kv", "expect"])?;
        only(at, &step["expect"], &["canceled"])?;
        let filters: Vec<&str> = list(&step["filters"]).iter().filter_map(Value::as_str).collect();
        if let Some(unknown) = filters.iter().find(|filter| !matches!(**filter, "noput" | "nodelete")) {
            return Err(Miss::Malformed(format!("unknown filter {unknown:?}")));
        }
        let watch = Watch {
            no_put: filters.contains(&"noput"),
            no_delete: filters.contains(&"nodelete"),
            prev_kv: flag(&step["prev_kv"]),
            ..Watch::new(keys(step)?, optional(&step["start_rev"])?)
        };
        let name = text(&step["watch"])?.to_owned();
        self.watches.insert(name.clone(), Watched { call: self.next, ..Watched::default() });
        self.ask(|call| Request::Watch(call, watch));
        match step["expect"]["canceled"].as_bool() {
            Some(expected) => Miss::unless_equal(at, &expected, &self.watches[&name].canceled.is_some()),
            None => Ok(()),
        }
    }

    fn expect_events(&mut self, at: &str, step: &Value) -> Outcome {
        only(at, step, &["op", "watch", "events", "unordered", "canceled", "compact_rev"])?;
        let name = text(&step["watch"])?;
        let watched = self.watches.get_mut(name).ok_or_else(|| Miss::Malformed(format!("there is no watch {name:?}")))?;
        let mut actual = std::mem::take(&mut watched.events);
        let mut expected = list(&step["events"]).to_vec();
        // Only what the case names of an event is compared.
        for (expected, actual) in expected.iter().zip(&mut actual) {
            if let (Some(named), Some(fields)) = (expected.as_object(), actual.as_object_mut()) {
                fields.retain(|key, _| named.contains_key(key));
            }
        }
        if flag(&step["unordered"]) {
            expected.sort_by_key(Value::to_string);
            actual.sort_by_key(Value::to_string);
        }
        Miss::unless_equal(format!("{at} events"), &json!(expected), &json!(actual))?;
        if let Some(canceled) = step["canceled"].as_bool() {
            Miss::unless_equal(format!("{at} canceled"), &canceled, &watched.canceled.is_some())?;
        }
        match step["compact_rev"].as_u64() {
            Some(expected) => Miss::unless_equal(format!("{at} compact_rev"), &Some(expected), &watched.canceled),
            None => Ok(()),
        }
    }
}

fn text(value: &Value) -> Result<&str, Miss> {
    value.as_str().ok_or_else(|| Miss::Malformed(format!("{value} is no text")))
}

fn number(value: &Value) -> Result<u64, Miss> {
    value.as_u64().ok_or_else(|| Miss::Malformed(format!("{value} is no number")))
}

/// A number, or 0 where there is none; as etcd takes negative ones.
fn optional(value: &Value) -> Result<u64, Miss> {
    match value {
        Value::Null => Ok(0),
        value if value.as_i64().is_some_and(|number| number < 0) => Ok(0),
        value => number(value),
    }
}

fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or(false)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn keys(step: &Value) -> Result<KeyRange, Miss> {
    let key = text(&step["key"])?;
    Ok(match step["end"].as_str() {
        None | Some("") => KeyRange::One(key.into()),
        Some("\0") => KeyRange::From(key.into()),
        Some(end) => KeyRange::Between(key.into(), end.into()),
    })
}

fn range(step: &Value) -> Result<Range, Miss> {
    let known = ["op", "key", "end", "rev", "limit", "count_only", "keys_only", "sort", "expect"];
    let bounds = ["min_mod_rev", "max_mod_rev", "min_create_rev", "max_create_rev"];
    only("the range", step, &[&known[..], &bounds].concat())?;
    let sort = match list(&step["sort"]) {
        [order, target] => Sort { by: target_of(text(target)?)?, descending: text(order)? == "descend" },
        _ => Sort::default(),
    };
    let [min_mod, max_mod, min_create, max_create] = bounds.map(|name| optional(&step[name]));
    Ok(Range {
        revision: optional(&step["rev"])?,
        limit: usize::try_from(optional(&step["limit"])?).unwrap_or(usize::MAX),
        count_only: flag(&step["count_only"]),
        keys_only: flag(&step["keys_only"]),
        sort,
        mod_revisions: Revisions { min: min_mod?, max: max_mod? },
        create_revisions: Revisions { min: min_create?, max: max_create? },
        ..Range::all(keys(step)?)
    })
}

fn target_of(name: &str) -> Result<SortTarget, Miss> {
    Ok(match name {
        "key" => SortTarget::Key,
        "version" => SortTarget::Version,
        "create" => SortTarget::Create,
        "mod" => SortTarget::Mod,
        "value" => SortTarget::Value,
        _ => return Err(Miss::Malformed(format!("unknown order {name:?}"))),
    })
}

fn op(step: &Value) -> Result<Op, Miss> {
    Ok(match text(&step["op"])? {
        "put" => {
            only("the put", step, &["op", "key", "value", "lease", "prev_kv", "ignore_value", "ignore_lease", "expect"])?;
            let (ignore_value, ignore_lease) = (flag(&step["ignore_value"]), flag(&step["ignore_lease"]));
            let lease = LeaseId(step["lease"].as_i64().unwrap_or(0));
            let plain = Put::new(text(&step["key"])?, step["value"].as_str().unwrap_or_default());
            Op::Put(Put { lease, ignore_value, ignore_lease, ..plain })
        }
        "delete" => {
            only("the delete", step, &["op", "key", "end", "prev_kv", "expect"])?;
            Op::Delete(keys(step)?)
        }
        "range" => Op::Range(range(step)?),
        "txn" => Op::Txn(txn(step)?),
        other => return Err(Miss::Malformed(format!("unknown operation {other:?}"))),
    })
}

fn txn(step: &Value) -> Result<Txn, Miss> {
    only("the txn", step, &["op", "if", "then", "else", "expect"])?;
    let ops = |name: &str| list(&step[name]).iter().map(op).collect::<Result<Vec<_>, _>>();
    let compares = list(&step["if"]).iter().map(compare).collect::<Result<_, _>>()?;
    Ok(Txn { compares, success: ops("then")?, failure: ops("else")?, subject: None })
}

fn compare(step: &Value) -> Result<Compare, Miss> {
    only("the comparison", step, &["key", "end", "target", "op", "value"])?;
    let result = match text(&step["op"])? {
        "=" => CompareResult::Equal,
        "!=" => CompareResult::NotEqual,
        ">" => CompareResult::Greater,
        "<" => CompareResult::Less,
        other => return Err(Miss::Malformed(format!("unknown comparison {other:?}"))),
    };
    let target = match text(&step["target"])? {
        "value" => CompareTarget::Value(text(&step["value"])?.into()),
        "version" => CompareTarget::Version(number(&step["value"])?),
        "create" => CompareTarget::Create(number(&step["value"])?),
        "mod" => CompareTarget::Mod(number(&step["value"])?),
        "lease" => CompareTarget::Lease(LeaseId(step["value"].as_i64().unwrap_or(0))),
        other => return Err(Miss::Malformed(format!("unknown target {other:?}"))),
    };
    Ok(Compare { keys: keys(step)?, result, target })
}

fn value(kv: &KeyValue) -> String {
    String::from_utf8_lossy(&kv.value.0.encode()).into_owned()
}

fn kv_json(kv: &KeyValue) -> Value {
    json!({"key": &*kv.key, "value": value(kv), "create": kv.create_revision, "mod": kv.mod_revision, "version": kv.version})
}

fn event_json(event: &Event) -> Value {
    match (event.kind, &event.kv) {
        (EventKind::Put, Some(kv)) => {
            let mut json = kv_json(kv);
            json["type"] = "put".into();
            json["prev"] = event.prev.as_ref().map_or(Value::Null, |prev| value(prev).into());
            json
        }
        _ => {
            let prev = event.prev.as_ref().map_or(Value::Null, |prev| value(prev).into());
            json!({"type": "delete", "key": &*event.key, "mod": event.revision, "prev": prev})
        }
    }
}

/// Compares an answer with what a step expects of it.
fn judge(at: &str, step: &Value, response: Response) -> Outcome {
    let (op, expect) = (text(&step["op"])?, &step["expect"]);
    let actual = match response {
        Response::Error(_, error) => json!({"error": word(error)}),
        Response::Compacted(_) => json!({"ok": true}),
        Response::Range(_, range) => range_json(&range),
        Response::Txn(_, txn) if op == "txn" => txn_json(&txn),
        Response::Txn(_, txn) => {
            let mut json = txn.responses.first().map_or(json!({}), response_json);
            json["rev"] = txn.revision.into();
            if !flag(&step["prev_kv"]) {
                // What was there before is told to those who ask.
                for (key, none) in [("prev", Value::Null), ("prev_keys", json!([]))] {
                    if let Some(told) = json.get_mut(key) {
                        *told = none;
                    }
                }
            }
            json
        }
        other => return Err(Miss::Malformed(format!("an answer to something else: {other:?}"))),
    };
    for (name, expected) in expect.as_object().into_iter().flatten() {
        let Some(found) = actual.get(name) else {
            return Err(Miss::failed(format!("{at} {name}"), expected, &actual));
        };
        if !contains(found, expected) {
            return Err(Miss::failed(format!("{at} {name}"), expected, found));
        }
    }
    if expect.get("error").is_none() && actual.get("error").is_some() {
        return Err(Miss::failed(at, "no error", &actual));
    }
    Ok(())
}

/// Whether something has all that is expected of it: of objects only what is named counts.
fn contains(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| contains(found, expected))
        }
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(name, expected)| found.get(name).is_some_and(|found| contains(found, expected)))
        }
        (found, expected) => found == expected,
    }
}

fn word(error: EtcdError) -> String {
    match error {
        EtcdError::Compacted => "compacted".to_owned(),
        EtcdError::FutureRev => "future".to_owned(),
        EtcdError::DuplicateKey => "duplicate key".to_owned(),
        EtcdError::KeyNotFound => "key not found".to_owned(),
        EtcdError::ValueProvided => "value provided".to_owned(),
        EtcdError::EmptyKey => "empty key".to_owned(),
        other => other.to_string(),
    }
}

fn range_json(range: &RangeResponse) -> Value {
    let names: Vec<&str> = range.kvs.iter().map(|kv| &*kv.key).collect();
    let kvs: Vec<Value> = range.kvs.iter().map(kv_json).collect();
    json!({"op": "range", "kvs": kvs, "keys": names, "rev": range.revision, "count": range.count, "more": range.more})
}

fn response_json(response: &OpResponse) -> Value {
    match response {
        OpResponse::Put { prev, .. } => json!({"op": "put", "prev": prev.as_ref().map(value)}),
        OpResponse::Delete(gone) => {
            json!({"op": "delete", "deleted": gone.len(), "prev_keys": gone.iter().map(|kv| &*kv.key).collect::<Vec<_>>()})
        }
        OpResponse::Range(range) => range_json(range),
        OpResponse::Txn(txn) => txn_json(txn),
    }
}

/// What was read in a transaction and those within it, in order.
fn ranges(txn: &TxnResponse, all: &mut Vec<Value>) {
    for response in &txn.responses {
        match response {
            OpResponse::Range(range) => all.push(range_json(range)),
            OpResponse::Txn(inner) => ranges(inner, all),
            OpResponse::Put { .. } | OpResponse::Delete(_) => {}
        }
    }
}

fn txn_json(txn: &TxnResponse) -> Value {
    let mut responses = Vec::new();
    ranges(txn, &mut responses);
    json!({"op": "txn", "succeeded": txn.succeeded, "rev": txn.revision, "responses": responses})
}
