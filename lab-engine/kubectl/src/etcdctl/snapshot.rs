//! Snapshots: `etcdctl snapshot save`, `etcdutl snapshot status` and `restore`, and the `etcd` that starts a member from what was restored
//! (`etcdctl/ctlv3/command/snapshot_command.go`, `etcdutl/etcdutl/snapshot_command.go`, `etcdutl/snapshot/v3_snapshot.go`).
//!
//! A lost cluster is brought back as in reality: its members are stopped, `etcdutl snapshot restore` makes a data directory for each, and
//! `etcd --name etcd-1 --data-dir …` starts each from its own. What clients have seen since the snapshot is gone, and the revision with it:
//! API servers must be started anew, or the revision be bumped (`--bump-revision`, `--mark-compacted`).
//!
//! **Simplified here:** a snapshot is text, a pair in each line, without the history before it; its checksum is shown and not checked. The
//! log lines of `restore` have no time. `etcd` starts members from restored directories only, and its process goes on in the background.

use super::args::{Format, Line};
use super::{Job, Next, ask_to_start, maintain, print, unexpected};
use crate::invocation::Usage;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::StartMember;
use etcd::maintenance::{Maintenance, MaintenanceAnswer, VERSION};
use etcd::{KeyRange, KeyValue, LeaseId, Range, Restored, Store, Value};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Reads a file of the terminal.
pub(super) type Read<'a> = &'a dyn Fn(&str) -> Option<String>;

fn usage(message: impl std::fmt::Display) -> Usage {
    Usage(format!("Error: {message}"))
}

/// `etcdctl snapshot`.
pub(super) fn build(line: &Line) -> Result<Job, Usage> {
    match line.word(0).unwrap_or("") {
        "save" => save(line),
        moved @ ("restore" | "status") => Err(usage(format!(
            "unknown command \"{moved}\" for \"etcdctl snapshot\"\nSince etcd v3.6 only etcdutl has it: `etcdutl snapshot {moved} …`"
        ))),
        "" => Err(usage("snapshot needs a subcommand: save")),
        other => Err(usage(format!("unknown command \"{other}\" for \"etcdctl snapshot\""))),
    }
}

/// `etcdutl`.
pub(super) fn build_utl(line: &Line, read: Read<'_>) -> Result<Job, Usage> {
    match (line.command(), line.word(0).unwrap_or("")) {
        ("snapshot", "status") => status(line, read),
        ("snapshot", "restore") => restore(line, read),
        ("snapshot", "save") => Err(usage("In order to download snapshot use: `etcdctl snapshot save ...`")),
        ("snapshot", "") => Err(usage("snapshot needs a subcommand: restore, status")),
        ("snapshot", other) => Err(usage(format!("unknown command \"{other}\" for \"etcdutl snapshot\""))),
        ("version", _) => Ok(said(format!("etcdutl version: {VERSION}\nAPI version: 3.6\n"))),
        (command, _) => Err(usage(format!("unknown command \"{command}\" for \"etcdutl\"\nRun 'etcdutl --help' for usage."))),
    }
}

fn said(text: String) -> Job {
    Box::new(move |io| {
        io.print(text);
        Next::Done(0)
    })
}

fn save(line: &Line) -> Result<Job, Usage> {
    let path = line.word(1).ok_or_else(|| usage("snapshot save expects one argument"))?.to_owned();
    let member = line.first();
    Ok(Box::new(move |_| {
        maintain(&member, Maintenance::Snapshot, move |answer, io| {
            let MaintenanceAnswer::Snapshot(store) = answer else { return unexpected(io) };
            *io.file = Some((path.clone(), text_of(&store)));
            io.print(format!("Snapshot saved at {path}\nServer version {VERSION}\n"));
            Next::Done(0)
        })
    }))
}

/// The keys of a store, one in a line, behind what is told of them.
fn text_of(store: &Store) -> String {
    let kvs = store.range(&Range::all(KeyRange::Prefix("".into()))).map(|range| range.kvs).unwrap_or_default();
    let hash = store.hash_kv(0).map_or(0, |(hash, _)| hash);
    let leases: Vec<(i64, i64)> = store.lease_lives().map(|(id, ttl)| (id.0, ttl)).collect();
    let about = json!({"hash": hash, "revision": store.revision(), "totalKey": kvs.len(), "totalSize": store.size(),
        "version": "3.6.0", "leases": leases});
    let mut text = format!("{about}\n");
    for kv in kvs {
        let line = json!({"key": &*kv.key, "create": kv.create_revision, "mod": kv.mod_revision, "version": kv.version, "lease": kv.lease.0,
            "value": STANDARD.encode(kv.value.0.encode())});
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// Reads what [`text_of`] makes; `None` for any other text.
fn read_text(text: &str) -> Option<(Json, Restored)> {
    let mut lines = text.lines();
    let about: Json = serde_json::from_str(lines.next()?).ok()?;
    let leases = about["leases"].as_array()?.iter().map(|lease| Some((LeaseId(lease[0].as_i64()?), lease[1].as_i64()?)));
    let pair = |line: &str| {
        let pair: Json = serde_json::from_str(line).ok()?;
        Some(KeyValue {
            key: pair["key"].as_str()?.into(),
            create_revision: pair["create"].as_u64()?,
            mod_revision: pair["mod"].as_u64()?,
            version: pair["version"].as_u64()?,
            value: Value::new(STANDARD.decode(pair["value"].as_str()?).ok()?),
            lease: LeaseId(pair["lease"].as_i64()?),
        })
    };
    let pairs = lines.map(pair).collect::<Option<_>>()?;
    let restored = Restored { pairs, leases: leases.collect::<Option<_>>()?, revision: about["revision"].as_u64()?, bump: 0 };
    Some((about, restored))
}

fn read_snapshot(path: &str, read: Read<'_>) -> Result<(String, Json, Restored), Usage> {
    let text = read(path).ok_or_else(|| usage(format!("stat {path}: no such file or directory")))?;
    let (about, restored) = read_text(&text).ok_or_else(|| usage(format!("snapshot file {path} is no snapshot: invalid database")))?;
    Ok((text, about, restored))
}

fn status(line: &Line, read: Read<'_>) -> Result<Job, Usage> {
    let path = line.word(1).ok_or_else(|| usage("snapshot status requires exactly one argument"))?;
    let (_, about, _) = read_snapshot(path, read)?;
    let number = |name: &str| about[name].as_u64().unwrap_or(0);
    let (hash, size) = (number("hash"), number("totalSize"));
    let row =
        vec![format!("{hash:x}"), number("revision").to_string(), number("totalKey").to_string(), print::bytes(size), "3.6.0".to_owned()];
    Ok(said(match line.format()? {
        Format::Table => print::table(&["hash", "revision", "total keys", "total size", "version"], &[row]),
        Format::Json => format!("{about}\n"),
        _ => row.join(", ") + "\n",
    }))
}

/// Where the key space lies in a data directory.
fn database(dir: &str) -> String {
    format!("{}/member/snap/db", dir.trim_end_matches('/'))
}

fn restore(line: &Line, read: Read<'_>) -> Result<Job, Usage> {
    let path = line.word(1).ok_or_else(|| usage("snapshot restore requires exactly one argument"))?;
    let dir = line.get("data-dir").ok_or_else(|| usage("required flag(s) \"data-dir\" not set"))?.to_owned();
    let (bump, marked) = (line.number("bump-revision")?, line.on("mark-compacted"));
    if (bump > 0) != marked {
        return Err(usage("--mark-compacted required if --revision-bump > 0"));
    }
    let (text, about, restored) = read_snapshot(path, read)?;
    Store::restored(Restored { bump, ..restored }).map_err(usage)?;
    if read(&database(&dir)).is_some() {
        return Err(usage(format!("data-dir \"{dir}\" not empty or could not be read")));
    }
    let name = line.get("name").unwrap_or("default");
    let cluster = line.get("initial-cluster").unwrap_or("default=http://localhost:2380");
    let token = line.get("initial-cluster-token").unwrap_or("etcd-cluster");
    let members: Vec<&str> = cluster.split(',').filter_map(|member| member.split_once('=')).map(|(name, _)| name.trim()).collect();
    if !members.contains(&name) {
        return Err(usage(format!("couldn't find local name \"{name}\" in the initial cluster configuration")));
    }
    let mut head = about;
    head["restored"] = json!({"name": name, "members": members, "cluster": format!("{cluster} {token}"), "bump": bump});
    let pairs = text.split_once('\n').map_or("", |(_, pairs)| pairs);
    let file = (database(&dir), format!("{head}\n{pairs}"));
    let log = |what: &str| {
        let about =
            json!({"path": path, "wal-dir": format!("{dir}/member/wal"), "data-dir": dir, "snap-dir": format!("{dir}/member/snap")});
        format!("info\tsnapshot/v3_snapshot.go\t{what}\t{about}\n")
    };
    let (before, after) = (log("restoring snapshot"), log("restored snapshot"));
    Ok(Box::new(move |io| {
        *io.file = Some(file);
        io.log(before + &after);
        Next::Done(0)
    }))
}

/// The number in the name of a member: `etcd-2` is 2.
fn number_of(name: &str) -> Option<u64> {
    name.strip_prefix("etcd-")?.parse().ok().filter(|number| *number > 0)
}

/// `etcd --name NAME --data-dir DIR`: starts a member from what was restored there.
pub(super) fn start_member(line: &Line, read: Read<'_>) -> Result<Job, Usage> {
    let name = line.get("name").unwrap_or("default");
    let dir = line.get("data-dir").map_or_else(|| format!("{name}.etcd"), str::to_owned);
    let text = read(&database(&dir)).ok_or_else(|| {
        usage(format!(
            "{dir} is no data directory. Here etcd starts members from restored ones only: `etcdutl snapshot restore FILE --data-dir {dir}`"
        ))
    })?;
    let (about, restored) = read_text(&text).ok_or_else(|| usage(format!("{dir}: invalid database")))?;
    let head = &about["restored"];
    let given: Vec<&str> = head["members"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let own = head["name"].as_str().unwrap_or_default();
    let alone = given.len() <= 1;
    if number_of(name).is_none() || (!alone && own != name) {
        let wanted = if alone { "etcd-1" } else { own };
        return Err(usage(format!(
            "{dir} is not the data directory of \"{name}\"; the members are called etcd-1, etcd-2 …: `--name {wanted}`"
        )));
    }
    let members: Option<Vec<u64>> = if alone { Some(Vec::new()) } else { given.iter().map(|name| number_of(name)).collect() };
    let members = members.ok_or_else(|| usage("--initial-cluster must name members as this cluster does: etcd-1, etcd-2 …"))?;
    let store = Store::restored(Restored { bump: head["bump"].as_u64().unwrap_or(0), ..restored }).map_err(usage)?;
    let cluster: Arc<str> = format!("{} {}", head["cluster"].as_str().unwrap_or_default(), if alone { name } else { "" }).into();
    let start = StartMember { name: name.into(), members, cluster, store: Arc::new(store) };
    Ok(Box::new(move |_| ask_to_start(start)))
}
