//! How answers are printed (`etcdctl/ctlv3/command/printer*.go`).

use super::args::Format;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use etcd::maintenance::Status;
use etcd::{Event, EventKind, KeyValue, RangeResponse};
use serde_json::{Map, Value as Json, json};
use std::fmt::Write;

/// The number of the group, which every cluster here has.
pub(super) const CLUSTER_ID: u64 = 0xcdf8_1819_4e3a_8c32;

/// How pairs are printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) format: Format,
    pub(super) hex: bool,
    pub(super) value_only: bool,
}

fn hex(text: &[u8]) -> String {
    text.iter().fold(String::new(), |mut all, byte| {
        let _ = write!(all, "\\x{byte:02x}");
        all
    })
}

fn shown(bytes: &[u8], style: Style) -> String {
    if style.hex { hex(bytes) } else { String::from_utf8_lossy(bytes).into_owned() }
}

/// A pair on lines of its own.
pub(super) fn pair(kv: &KeyValue, style: Style) -> String {
    let key = if style.value_only { String::new() } else { shown(kv.key.as_bytes(), style) + "\n" };
    format!("{key}{}\n", shown(&kv.value.0.encode(), style))
}

/// The header of an answer, for `fields` and `json`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header {
    pub(super) member: u64,
    pub(super) term: u64,
    pub(super) revision: u64,
}

impl Header {
    pub(super) fn of(status: &Status) -> Self {
        Header { member: status.id.0, term: status.term, revision: status.revision }
    }

    pub(super) fn fields(self) -> String {
        format!(
            "\"ClusterID\" : {CLUSTER_ID}\n\"MemberID\" : {}\n\"Revision\" : {}\n\"RaftTerm\" : {}\n",
            self.member, self.revision, self.term
        )
    }

    pub(super) fn json(self) -> Json {
        json!({"cluster_id": CLUSTER_ID, "member_id": self.member, "revision": self.revision, "raft_term": self.term})
    }
}

fn kv_fields(kv: &KeyValue) -> String {
    format!(
        "\"Key\" : {:?}\n\"CreateRevision\" : {}\n\"ModRevision\" : {}\n\"Version\" : {}\n\"Value\" : {:?}\n\"Lease\" : {}\n",
        &*kv.key,
        kv.create_revision,
        kv.mod_revision,
        kv.version,
        String::from_utf8_lossy(&kv.value.0.encode()),
        kv.lease.0
    )
}

fn kv_json(kv: &KeyValue) -> Json {
    let mut json = Map::new();
    json.insert("key".to_owned(), STANDARD.encode(kv.key.as_bytes()).into());
    json.insert("create_revision".to_owned(), kv.create_revision.into());
    json.insert("mod_revision".to_owned(), kv.mod_revision.into());
    json.insert("version".to_owned(), kv.version.into());
    let value = kv.value.0.encode();
    if !value.is_empty() {
        json.insert("value".to_owned(), STANDARD.encode(value).into());
    }
    if kv.lease.0 != 0 {
        json.insert("lease".to_owned(), kv.lease.0.into());
    }
    json.into()
}

/// What was read.
pub(super) fn range(header: Header, range: &RangeResponse, style: Style) -> String {
    match style.format {
        Format::Fields => {
            let pairs: String = range.kvs.iter().map(kv_fields).collect();
            format!("{}{pairs}\"More\" : {}\n\"Count\" : {}\n", header.fields(), range.more, range.count)
        }
        Format::Json => {
            let mut json = json!({"header": header.json()});
            if !range.kvs.is_empty() {
                json["kvs"] = range.kvs.iter().map(kv_json).collect();
            }
            if range.more {
                json["more"] = true.into();
            }
            if range.count > 0 {
                json["count"] = range.count.into();
            }
            format!("{json}\n")
        }
        _ => range.kvs.iter().map(|kv| pair(kv, style)).collect(),
    }
}

/// What a watch saw.
pub(super) fn events(events: &[Event], style: Style) -> String {
    let event = |event: &Event| {
        let kind = if event.kind == EventKind::Put { "PUT" } else { "DELETE" };
        let prev = event.prev.as_ref().map(|kv| pair(kv, style)).unwrap_or_default();
        let now = event.kv.as_ref().map_or_else(|| shown(event.key.as_bytes(), style) + "\n\n", |kv| pair(kv, style));
        format!("{kind}\n{prev}{now}")
    };
    match style.format {
        Format::Json => {
            let event = |event: &Event| match &event.kv {
                Some(kv) => json!({"kv": kv_json(kv)}),
                None => json!({"type": 1, "kv": {"key": STANDARD.encode(event.key.as_bytes()), "mod_revision": event.revision}}),
            };
            format!("{}\n", json!({"Events": events.iter().map(event).collect::<Vec<_>>()}))
        }
        _ => events.iter().map(event).collect(),
    }
}

/// A drawn table: headings in the middle, cells to the right.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headings.get(column).map_or(0, |heading| heading.len())]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let rule: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect::<String>() + "+\n";
    let heading = |(heading, width): (&&str, &usize)| format!("| {:^width$} ", heading.to_uppercase());
    let mut text = rule.clone();
    text.extend(headings.iter().zip(&widths).map(heading));
    text.push_str("|\n");
    text.push_str(&rule);
    for row in rows {
        text.extend(row.iter().zip(&widths).map(|(cell, width)| format!("| {cell:>width$} ")));
        text.push_str("|\n");
    }
    text + &rule
}

/// A size as `humanize.Bytes` prints it: `20 kB`.
pub(super) fn bytes(size: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (size as f64, 0);
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit > 0 && value < 10.0 { format!("{:.1} {}", value, units[unit]) } else { format!("{:.0} {}", value.floor(), units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_printed_for_people() {
        assert_eq!([0, 999, 1_000, 20_480, 2_147_483_648].map(bytes), ["0 B", "999 B", "1.0 kB", "20 kB", "2.1 GB"]);
    }

    #[test]
    fn a_table_is_drawn_around_its_cells() {
        let rows = vec![vec!["etcd-1".to_owned(), "1".to_owned()]];
        let expected = "\
+----------+----+
| ENDPOINT | ID |
+----------+----+
|   etcd-1 |  1 |
+----------+----+
";
        assert_eq!(table(&["endpoint", "ID"], &rows), expected);
    }
}
