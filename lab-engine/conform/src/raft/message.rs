//! Messages as the cases write them.

use crate::Miss;
use raft::{Body, ConfState, Entry, EntryData, EntryId, Index, JointConfig, NodeId, Snapshot, Term};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub(super) type Message = raft::Message<String, ()>;

/// The types of messages and the fields that each has beside `type`, `from`, `to` and `term`.
const TYPES: &[(&str, &[&str])] = &[
    ("append", &["prev_index", "prev_term", "entries", "commit"]),
    ("append_resp", &["index", "reject", "hints"]),
    ("vote", &["last_index", "last_term"]),
    ("vote_resp", &["reject"]),
    ("prevote", &["last_index", "last_term"]),
    ("prevote_resp", &["reject"]),
    ("heartbeat", &["commit"]),
    ("heartbeat_resp", &[]),
    ("snapshot", &["snapshot"]),
    ("timeout_now", &[]),
    ("propose", &["entries"]),
    ("read_index", &[]),
    ("read_index_resp", &["index"]),
    ("transfer", &["transferee"]),
];

/// An entry: its term, or more. Its index follows from its place.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum EntryText {
    Term(u64),
    Entry(EntryFields),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryFields {
    term: u64,
    index: Option<u64>,
    data: Option<String>,
}

/// Entries that follow `prev`.
pub(super) fn entries(texts: &[EntryText], prev: u64) -> Result<Vec<Entry<String>>, Miss> {
    let entry = |(index, text): (u64, &EntryText)| {
        let (term, data) = match text {
            EntryText::Term(term) => (*term, None),
            EntryText::Entry(fields) if fields.index.is_some_and(|given| given != index) => {
                return Err(Miss::Malformed(format!("the entry with index {:?} stands at place {index}", fields.index)));
            }
            EntryText::Entry(fields) => (fields.term, fields.data.clone()),
        };
        let data = data.filter(|data| !data.is_empty()).map_or(EntryData::Empty, EntryData::Normal);
        Ok(Entry { id: EntryId::new(Term(term), Index(index)), data })
    };
    (prev + 1..).zip(texts).map(entry).collect()
}

/// A snapshot: the last entry that it covers and the configuration there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SnapshotText {
    pub(super) index: u64,
    pub(super) term: u64,
    #[serde(default)]
    voters: BTreeSet<u64>,
    #[serde(default)]
    outgoing: BTreeSet<u64>,
    #[serde(default)]
    learners: BTreeSet<u64>,
    #[serde(default)]
    learners_next: BTreeSet<u64>,
    #[serde(default)]
    auto_leave: bool,
}

impl SnapshotText {
    pub(super) fn last(&self) -> EntryId {
        EntryId::new(Term(self.term), Index(self.index))
    }

    fn snapshot(&self) -> Snapshot<()> {
        let set = |ids: &BTreeSet<u64>| ids.iter().copied().map(NodeId).collect();
        let conf_state = ConfState {
            voters: JointConfig { incoming: set(&self.voters), outgoing: set(&self.outgoing) },
            learners: set(&self.learners),
            learners_next: set(&self.learners_next),
            auto_leave: self.auto_leave,
        };
        Snapshot { last: self.last(), conf_state, data: () }
    }
}

/// A message that a case brings to a node.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    from: u64,
    term: Option<u64>,
    prev_index: u64,
    prev_term: u64,
    entries: Vec<EntryText>,
    commit: u64,
    index: u64,
    reject: bool,
    hints: Hints,
    last_index: u64,
    last_term: u64,
    snapshot: Option<SnapshotText>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Hints {
    hint_index: u64,
    hint_term: u64,
}

/// Refuses keys that a message of its type does not have.
pub(super) fn check_keys(message: &Map<String, Value>) -> Result<&str, Miss> {
    let message_type = message.get("type").and_then(Value::as_str).unwrap_or_default();
    let Some((message_type, fields)) = TYPES.iter().find(|(known, _)| *known == message_type) else {
        return Err(Miss::Malformed(format!("unknown message type in {message:?}")));
    };
    let known = |key: &str| ["type", "from", "to", "term"].contains(&key) || fields.contains(&key);
    match message.keys().find(|key| !known(key)) {
        Some(key) => Err(Miss::Malformed(format!("a message of type {message_type} has no `{key}`"))),
        None => Ok(message_type),
    }
}

/// Whether there are messages of this type.
pub(super) fn is_type(message_type: &str) -> bool {
    TYPES.iter().any(|(known, _)| *known == message_type)
}

/// The message that a case writes down, to the node. Without a term, or with term 0, it is of the receiver's.
pub(super) fn read(message: &Map<String, Value>, to: u64, current: Term) -> Result<Message, Miss> {
    let message_type = check_keys(message)?;
    let fields: Fields = super::parse(&Value::Object(message.clone()))?;
    let id = |term, index| EntryId::new(Term(term), Index(index));
    let last = id(fields.last_term, fields.last_index);
    let body = match message_type {
        "append" => {
            let entries = entries(&fields.entries, fields.prev_index)?;
            Body::Append { prev: id(fields.prev_term, fields.prev_index), entries, commit: Index(fields.commit) }
        }
        "append_resp" => {
            let hint = id(fields.hints.hint_term, fields.hints.hint_index);
            Body::AppendResponse { index: Index(fields.index), rejected: fields.reject.then_some(hint) }
        }
        "vote" => Body::Vote { last, transfer: false },
        "vote_resp" => Body::VoteResponse { reject: fields.reject },
        "prevote" => Body::PreVote { last },
        "prevote_resp" => Body::PreVoteResponse { reject: fields.reject },
        "heartbeat" => Body::Heartbeat { commit: Index(fields.commit), reads: 0 },
        "heartbeat_resp" => Body::HeartbeatResponse { reads: 0 },
        "snapshot" => match &fields.snapshot {
            Some(snapshot) => Body::Snapshot(snapshot.snapshot()),
            None => return Err(Miss::Malformed("a message of type snapshot needs `snapshot`".to_owned())),
        },
        "timeout_now" => Body::TimeoutNow,
        other => return Err(Miss::Malformed(format!("a case does not bring messages of type {other}"))),
    };
    Ok(Message { from: NodeId(fields.from), to: NodeId(to), term: fields.term.filter(|&term| term > 0).map_or(current, Term), body })
}

/// The message as a case would write it, with all its fields.
pub(super) fn write(message: &Message) -> Map<String, Value> {
    let mut written = match &message.body {
        Body::Append { prev, entries, commit } => {
            let entries: Vec<Value> = entries.iter().map(|entry| write_entry(Some(entry.id), &entry.data)).collect();
            json!({"prev_index": prev.index.0, "prev_term": prev.term.0, "entries": entries, "commit": commit.0})
        }
        Body::AppendResponse { index, rejected: None } => json!({"index": index.0, "reject": false}),
        Body::AppendResponse { index, rejected: Some(hint) } => {
            json!({"index": index.0, "reject": true, "hints": {"hint_index": hint.index.0, "hint_term": hint.term.0}})
        }
        Body::Vote { last, .. } | Body::PreVote { last } => json!({"last_index": last.index.0, "last_term": last.term.0}),
        Body::VoteResponse { reject } | Body::PreVoteResponse { reject } => json!({"reject": reject}),
        Body::Heartbeat { commit, .. } => json!({"commit": commit.0}),
        Body::HeartbeatResponse { .. } | Body::TimeoutNow | Body::ReadIndex(_) => json!({}),
        Body::Snapshot(snapshot) => json!({"snapshot": write_snapshot(snapshot)}),
        Body::Propose(entries) => json!({"entries": entries.iter().map(|data| write_entry(None, data)).collect::<Vec<_>>()}),
        Body::ReadIndexResponse { index, .. } => json!({"index": index.0}),
        Body::TransferLeader { transferee } => json!({"transferee": transferee.0}),
    };
    let written = written.as_object_mut().map(std::mem::take).unwrap_or_default();
    let head = [
        ("type", Value::from(type_of(message))),
        ("from", message.from.0.into()),
        ("to", message.to.0.into()),
        ("term", message.term.0.into()),
    ];
    head.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(written).collect()
}

fn write_entry(id: Option<EntryId>, data: &EntryData<String>) -> Value {
    let text = if let EntryData::Normal(data) = data { data.as_str() } else { "" };
    match id {
        Some(id) => json!({"index": id.index.0, "term": id.term.0, "data": text}),
        None => json!({"data": text}),
    }
}

fn write_snapshot(snapshot: &Snapshot<()>) -> Value {
    let list = |ids: &BTreeSet<NodeId>| ids.iter().map(|id| id.0).collect::<Vec<_>>();
    let conf_state = &snapshot.conf_state;
    json!({
        "index": snapshot.last.index.0, "term": snapshot.last.term.0,
        "voters": list(&conf_state.voters.incoming), "outgoing": list(&conf_state.voters.outgoing),
        "learners": list(&conf_state.learners), "learners_next": list(&conf_state.learners_next), "auto_leave": conf_state.auto_leave,
    })
}

/// The type of the message, as a case names it.
pub(super) fn type_of(message: &Message) -> &'static str {
    match message.body {
        Body::Append { .. } => "append",
        Body::AppendResponse { .. } => "append_resp",
        Body::Vote { .. } => "vote",
        Body::VoteResponse { .. } => "vote_resp",
        Body::PreVote { .. } => "prevote",
        Body::PreVoteResponse { .. } => "prevote_resp",
        Body::Heartbeat { .. } => "heartbeat",
        Body::HeartbeatResponse { .. } => "heartbeat_resp",
        Body::Snapshot(_) => "snapshot",
        Body::TimeoutNow => "timeout_now",
        Body::Propose(_) => "propose",
        Body::ReadIndex(_) => "read_index",
        Body::ReadIndexResponse { .. } => "read_index_resp",
        Body::TransferLeader { .. } => "transfer",
    }
}

/// Whether what is expected is there: of an object the fields that are given, of a list every place, and of an entry its term alone.
pub(super) fn matches(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            expected.iter().all(|(key, value)| actual.get(key).is_some_and(|actual| matches(value, actual)))
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len() && expected.iter().zip(actual).all(|(expected, actual)| matches(expected, actual))
        }
        (Value::Number(term), Value::Object(entry)) => entry.get("term") == Some(&Value::Number(term.clone())),
        _ => expected == actual,
    }
}
