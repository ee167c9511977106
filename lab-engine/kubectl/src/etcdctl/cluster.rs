//! `member`, `endpoint`, `lease`, `alarm`, `move-leader`, `defrag`
//! (`etcdctl/ctlv3/command/{member,ep,lease,alarm,move_leader,defrag}_command.go`).

use super::args::{Format, Line, lease};
use super::print::{self, CLUSTER_ID, Header};
use super::{Io, Job, Lost, Next, ask, maintain, unexpected};
use crate::invocation::Usage;
use etcd::lease::{LeaseAnswer, LeaseRequest};
use etcd::maintenance::{Maintenance, MaintenanceAnswer, Member, Status, VERSION};
use etcd::{KeyRange, LeaseId, Range, Request, Response};
use raft::NodeId;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

fn usage(message: impl std::fmt::Display) -> Usage {
    Usage(format!("Error: {message}"))
}

/// Makes a run of a command about members, leases and data.
pub(super) fn build(line: &Line) -> Result<Job, Usage> {
    let what = line.word(0).unwrap_or("");
    match (line.command(), what) {
        ("member", "list") => member_list(line),
        ("member", "add") => member_add(line),
        ("member", "remove") => member_change(line, "removed from", Maintenance::MemberRemove),
        ("member", "promote") => member_change(line, "promoted in", Maintenance::MemberPromote),
        ("member", "update") => member_change(line, "updated in", |_| Maintenance::MemberList),
        ("endpoint", "status") => endpoints(line, Shown::Status),
        ("endpoint", "health") => endpoints(line, Shown::Health),
        ("endpoint", "hashkv") => endpoints(line, Shown::Hash(line.number("rev")?)),
        ("lease", _) => leases(line, what),
        ("alarm", "list") => alarms(line, Maintenance::AlarmList),
        ("alarm", "disarm") => alarms(line, Maintenance::AlarmDisarm),
        ("move-leader", _) => move_leader(line),
        ("defrag", _) => endpoints(line, Shown::Defragmented),
        (command, "") => Err(usage(format!("{command} needs a subcommand"))),
        (command, other) => Err(usage(format!("unknown command \"{other}\" for \"etcdctl {command}\""))),
    }
}

fn id_of(line: &Line, place: usize) -> Result<NodeId, Usage> {
    let text = line.word(place).ok_or_else(|| usage("member ID is not provided"))?;
    u64::from_str_radix(text, 16)
        .map(NodeId)
        .map_err(|_| usage(format!("bad member ID arg (strconv.ParseUint: parsing {text:?}: invalid syntax), expecting ID in Hex")))
}

fn name(id: NodeId) -> String {
    etcd::server::member_name(id)
}

fn member_list(line: &Line) -> Result<Job, Usage> {
    let (member, format) = (line.first(), line.format()?);
    Ok(Box::new(move |_| {
        maintain(&member, Maintenance::MemberList, move |answer, io| {
            let MaintenanceAnswer::Members(members) = answer else { return unexpected(io) };
            let rows: Vec<Vec<String>> = members.iter().map(member_row).collect();
            io.print(match format {
                Format::Table => print::table(&["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"], &rows),
                Format::Json => format!(
                    "{}\n",
                    json!({"header": {"cluster_id": CLUSTER_ID}, "members": members.iter().map(member_json).collect::<Vec<_>>()})
                ),
                _ => rows.iter().map(|row| row.join(", ") + "\n").collect(),
            });
            Next::Done(0)
        })
    }))
}

fn member_row(member: &Member) -> Vec<String> {
    let name = name(member.id);
    let (peer, client) = (format!("https://{name}:2380"), format!("https://{name}:2379"));
    vec![format!("{:x}", member.id.0), "started".to_owned(), name, peer, client, member.learner.to_string()]
}

fn member_json(member: &Member) -> Json {
    let name = name(member.id);
    let mut json = json!({"ID": member.id.0, "name": name, "peerURLs": [format!("https://{name}:2380")], "clientURLs": [format!("https://{name}:2379")]});
    if member.learner {
        json["isLearner"] = true.into();
    }
    json
}

fn member_add(line: &Line) -> Result<Job, Usage> {
    if line.word(1).is_none() {
        return Err(usage("member name not provided"));
    }
    let (member, learner) = (line.first(), line.on("learner"));
    Ok(Box::new(move |_| {
        maintain(&member, Maintenance::MemberAdd { learner }, move |answer, io| {
            let MaintenanceAnswer::Members(members) = answer else { return unexpected(io) };
            let Some(added) = members.iter().map(|member| member.id).max() else { return unexpected(io) };
            let group: Vec<String> = members.iter().map(|member| format!("{0}=https://{0}:2380", name(member.id))).collect();
            io.print(format!(
                "Member {:16x} added to cluster {CLUSTER_ID:16x}\n\nETCD_NAME=\"{2}\"\nETCD_INITIAL_CLUSTER=\"{1}\"\n\
                 ETCD_INITIAL_ADVERTISE_PEER_URLS=\"https://{2}:2380\"\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n",
                added.0,
                group.join(","),
                name(added)
            ));
            Next::Done(0)
        })
    }))
}

fn member_change(line: &Line, done: &'static str, change: impl FnOnce(NodeId) -> Maintenance + 'static) -> Result<Job, Usage> {
    let (member, id) = (line.first(), id_of(line, 1)?);
    Ok(Box::new(move |_| {
        maintain(&member, change(id), move |_, io| {
            io.print(format!("Member {:16x} {done} cluster {CLUSTER_ID:16x}\n", id.0));
            Next::Done(0)
        })
    }))
}

/// What is asked of each endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Status,
    Health,
    Hash(u64),
    Defragmented,
}

const STATUS: [&str; 16] = [
    "endpoint",
    "ID",
    "version",
    "storage version",
    "db size",
    "in use",
    "percentage not in use",
    "quota",
    "is leader",
    "is learner",
    "raft term",
    "raft index",
    "raft applied index",
    "errors",
    "downgrade target version",
    "downgrade enabled",
];

fn status_row(endpoint: &str, status: &Status) -> Vec<String> {
    let free = (status.db_size - status.db_size_in_use.min(status.db_size)) * 100 / status.db_size.max(1);
    vec![
        endpoint.to_owned(),
        format!("{:x}", status.id.0),
        VERSION.to_owned(),
        format!("{}.0", VERSION.rsplit_once('.').map_or(VERSION, |(minor, _)| minor)),
        print::bytes(status.db_size),
        print::bytes(status.db_size_in_use),
        format!("{free}%"),
        // etcd's own default, where the member has none.
        print::bytes(if status.db_size_quota == 0 { 2 << 30 } else { status.db_size_quota }),
        (status.leader == Some(status.id)).to_string(),
        status.learner.to_string(),
        status.term.to_string(),
        status.index.to_string(),
        status.applied.to_string(),
        status.errors.join(", "),
        String::new(),
        "false".to_owned(),
    ]
}

/// What the endpoints have said so far.
#[derive(Default)]
struct Said {
    rows: Vec<Vec<String>>,
    json: Vec<Json>,
    failed: bool,
}

impl Said {
    /// How an endpoint is; without an error it is well.
    fn health(&mut self, endpoint: &str, took: &str, error: String) {
        let health = error.is_empty();
        self.failed |= !health;
        let mut json = json!({"endpoint": endpoint, "health": health, "took": took});
        if !health {
            json["error"] = error.as_str().into();
        }
        self.rows.push(vec![endpoint.to_owned(), health.to_string(), took.to_owned(), error]);
        self.json.push(json);
    }
}

fn endpoints(line: &Line, shown: Shown) -> Result<Job, Usage> {
    let (first, format, all) = (line.first(), line.format()?, line.endpoints());
    if line.on("cluster") {
        return Ok(Box::new(move |_| {
            maintain(&first, Maintenance::MemberList, move |answer, io| {
                let MaintenanceAnswer::Members(members) = answer else { return unexpected(io) };
                let all = members.iter().map(|member| (format!("https://{}:2379", name(member.id)), name(member.id).into())).collect();
                next_endpoint(all, shown, format, Said::default(), io)
            })
        }));
    }
    Ok(Box::new(move |io| next_endpoint(all, shown, format, Said::default(), io)))
}

fn next_endpoint(mut left: Vec<(String, Arc<str>)>, shown: Shown, format: Format, mut said: Said, io: &mut Io<'_>) -> Next {
    if left.is_empty() {
        return summary(shown, format, &said, io);
    }
    let (endpoint, member) = left.remove(0);
    let asked = io.now;
    let member_asked = member.clone();
    let request = move |call| match shown {
        Shown::Health => Request::Range(call, Range::all(KeyRange::One("health".into()))),
        Shown::Status => Request::Maintenance(call, Maintenance::Status),
        Shown::Hash(revision) => Request::Maintenance(call, Maintenance::HashKv(revision)),
        Shown::Defragmented => Request::Maintenance(call, Maintenance::Defragment),
    };
    let then = move |answer: Result<Response, Lost>, io: &mut Io<'_>| {
        let took = io.now.since(asked);
        if shown == Shown::Health && matches!(answer, Ok(Response::Range(..))) {
            return health_with_alarms(left, endpoint, format!("{took:?}"), format, said, member_asked);
        }
        let failure = match &answer {
            Err(Lost) => Some("context deadline exceeded".to_owned()),
            Ok(Response::Error(_, error)) => Some(error.to_string()),
            Ok(_) => None,
        };
        said.failed |= failure.is_some();
        match (shown, failure, answer) {
            (Shown::Health, Some(error), _) => {
                said.health(&endpoint, &format!("{took:?}"), error);
            }
            (Shown::Defragmented, None, _) => io.print(format!("Finished defragmenting etcd member[{endpoint}]. took {took:?}\n")),
            (Shown::Defragmented, Some(error), _) => drop(io.fail(1, format!("Failed to defragment etcd member[{endpoint}] ({error})"))),
            (Shown::Status | Shown::Hash(_), Some(error), _) => {
                let part = if shown == Shown::Status { "status" } else { "hash" };
                drop(io.fail(1, format!("Failed to get the {part} of endpoint {endpoint} ({error})")));
            }
            (_, None, Ok(Response::Maintenance(_, answer))) => note(&mut said, &endpoint, &answer),
            (..) => {}
        }
        next_endpoint(left, shown, format, said, io)
    };
    Next::Ask(member, Box::new(request), Box::new(then))
}

/// An endpoint that answers is well unless an alarm is on.
fn health_with_alarms(
    left: Vec<(String, Arc<str>)>,
    endpoint: String,
    took: String,
    format: Format,
    mut said: Said,
    member: Arc<str>,
) -> Next {
    let then = move |answer: Result<Response, Lost>, io: &mut Io<'_>| {
        let error = match answer {
            Ok(Response::Maintenance(_, answer)) => match *answer {
                MaintenanceAnswer::Alarms(alarms) if alarms.is_empty() => String::new(),
                MaintenanceAnswer::Alarms(alarms) => {
                    alarms.iter().fold("Active Alarm(s): ".to_owned(), |text, (_, alarm)| text + alarm.name() + " ")
                }
                _ => "Unable to fetch the alarm list".to_owned(),
            },
            _ => "Unable to fetch the alarm list".to_owned(),
        };
        said.health(&endpoint, &took, error);
        next_endpoint(left, Shown::Health, format, said, io)
    };
    Next::Ask(member, Box::new(|call| Request::Maintenance(call, Maintenance::AlarmList)), Box::new(then))
}

fn note(said: &mut Said, endpoint: &str, answer: &MaintenanceAnswer) {
    match answer {
        MaintenanceAnswer::Status(status) => {
            said.rows.push(status_row(endpoint, status));
            let about = json!({"header": Header::of(status).json(), "version": VERSION, "dbSize": status.db_size, "leader": status.leader.map_or(0, |id| id.0),
                "raftIndex": status.index, "raftTerm": status.term, "raftAppliedIndex": status.applied, "dbSizeInUse": status.db_size_in_use,
                "isLearner": status.learner, "errors": status.errors});
            said.json.push(json!({"Endpoint": endpoint, "Status": about}));
        }
        MaintenanceAnswer::Hash { hash, hash_revision, compact_revision } => {
            said.rows.push(vec![endpoint.to_owned(), hash.to_string(), hash_revision.to_string()]);
            said.json.push(json!({"Endpoint": endpoint, "HashKV": {"hash": hash, "hash_revision": hash_revision, "compact_revision": compact_revision}}));
        }
        _ => {}
    }
}

fn summary(shown: Shown, format: Format, said: &Said, io: &mut Io<'_>) -> Next {
    let headings: &[&str] = match shown {
        Shown::Status => &STATUS,
        Shown::Health => &["endpoint", "health", "took", "error"],
        Shown::Hash(_) => &["endpoint", "hash", "hash revision"],
        Shown::Defragmented => &[],
    };
    match (shown, format) {
        (Shown::Defragmented, _) => {}
        (_, Format::Table) => io.print(print::table(headings, &said.rows)),
        (_, Format::Json) => io.print(format!("{}\n", json!(said.json))),
        (Shown::Health, _) => {
            for row in &said.rows {
                io.print(match &row[..] {
                    [endpoint, health, took, _] if health == "true" => {
                        format!("{endpoint} is healthy: successfully committed proposal: took = {took}\n")
                    }
                    [endpoint, _, _, error] => format!("{endpoint} is unhealthy: failed to commit proposal: {error}\n"),
                    _ => String::new(),
                });
            }
        }
        _ => io.print(said.rows.iter().map(|row| row.join(", ") + "\n").collect::<String>()),
    }
    match (said.failed, shown) {
        (true, Shown::Health) => io.fail(1, "unhealthy cluster"),
        (failed, _) => Next::Done(i32::from(failed)),
    }
}

fn leases(line: &Line, what: &str) -> Result<Job, Usage> {
    let member = line.first();
    let id = || line.word(1).ok_or_else(|| usage(format!("lease {what} command needs lease ID as argument"))).and_then(lease);
    let request = match what {
        "grant" => {
            let text = line.word(1).ok_or_else(|| usage("lease grant command needs TTL argument"))?;
            let ttl = text.parse().map_err(|_| usage(format!("bad TTL (strconv.ParseInt: parsing {text:?}: invalid syntax)")))?;
            LeaseRequest::Grant { id: LeaseId::NONE, ttl }
        }
        "revoke" => LeaseRequest::Revoke(id()?),
        "timetolive" => LeaseRequest::TimeToLive(id()?),
        "list" => LeaseRequest::List,
        "keep-alive" => {
            let (id, once) = (id()?, line.on("once"));
            return Ok(Box::new(move |_| keep_alive(member, id, once)));
        }
        "" => return Err(usage("lease needs a subcommand")),
        other => return Err(usage(format!("unknown command \"{other}\" for \"etcdctl lease\""))),
    };
    let keys = line.on("keys");
    Ok(Box::new(move |_| {
        ask(
            &member,
            move |call| Request::Lease(call, request),
            move |answer, io| {
                let Response::Lease(_, answer) = answer else { return unexpected(io) };
                io.print(lease_text(request, &answer, keys));
                Next::Done(0)
            },
        )
    }))
}

fn lease_text(asked: LeaseRequest, answer: &LeaseAnswer, with_keys: bool) -> String {
    match (answer, asked) {
        (LeaseAnswer::Granted { id, ttl }, _) => format!("lease {:016x} granted with TTL({ttl}s)\n", id.0),
        (LeaseAnswer::Revoked { .. }, LeaseRequest::Revoke(id)) => format!("lease {:016x} revoked\n", id.0),
        (LeaseAnswer::TimeToLive { id, granted_ttl: 0, ttl: -1, .. }, _) => format!("lease {:016x} already expired\n", id.0),
        (LeaseAnswer::TimeToLive { id, ttl, granted_ttl, keys }, _) => {
            let attached = if with_keys { format!(", attached keys([{}])", keys.join(" ")) } else { String::new() };
            format!("lease {:016x} granted with TTL({granted_ttl}s), remaining({ttl}s){attached}\n", id.0)
        }
        (LeaseAnswer::Leases(leases), _) => {
            let all: String = leases.iter().map(|id| format!("{:016x}\n", id.0)).collect();
            format!("found {} leases\n{all}", leases.len())
        }
        _ => String::new(),
    }
}

/// Keeps a lease alive, three times in its life, until it has ended or Ctrl-C.
fn keep_alive(member: Arc<str>, id: LeaseId, once: bool) -> Next {
    ask(
        &member.clone(),
        move |call| Request::Lease(call, LeaseRequest::KeepAlive(id)),
        move |answer, io| match answer {
            Response::Lease(_, LeaseAnswer::KeptAlive { ttl, .. }) if ttl > 0 => {
                io.print(format!("lease {:016x} keepalived with TTL({ttl})\n", id.0));
                if once {
                    return Next::Done(0);
                }
                let pause = Duration::from_secs(u64::try_from(ttl).unwrap_or(1)) / 3;
                Next::Sleep(io.now + pause, Box::new(move |_| keep_alive(member, id, once)))
            }
            _ => {
                io.print(format!("lease {:016x} expired or revoked.\n", id.0));
                Next::Done(0)
            }
        },
    )
}

fn alarms(line: &Line, what: Maintenance) -> Result<Job, Usage> {
    let member = line.first();
    Ok(Box::new(move |_| {
        maintain(&member, what, |answer, io| {
            let MaintenanceAnswer::Alarms(alarms) = answer else { return unexpected(io) };
            for (member, alarm) in alarms {
                io.print(format!("memberID:{} alarm:{} \n", member.0, alarm.name()));
            }
            Next::Done(0)
        })
    }))
}

/// Looks for the leader among the endpoints and asks it to give up its place.
fn move_leader(line: &Line) -> Result<Job, Usage> {
    let to = id_of(line, 0).map_err(|_| usage("move-leader command needs 1 argument"))?;
    let endpoints = line.endpoints();
    let given: Vec<String> = endpoints.iter().map(|(endpoint, _)| endpoint.clone()).collect();
    Ok(Box::new(move |io| find_leader(endpoints.into(), given, to, io)))
}

fn find_leader(mut left: std::collections::VecDeque<(String, Arc<str>)>, given: Vec<String>, to: NodeId, io: &mut Io<'_>) -> Next {
    let Some((_, member)) = left.pop_front() else {
        return io.fail(1, format!("no leader endpoint given at [{}]", given.join(" ")));
    };
    let asked = member.clone();
    let then = move |answer: Result<Response, Lost>, io: &mut Io<'_>| {
        let status = match answer {
            Ok(Response::Maintenance(_, answer)) => match *answer {
                MaintenanceAnswer::Status(status) => Some(status),
                _ => None,
            },
            _ => None,
        };
        match status.filter(|status| status.leader == Some(status.id)) {
            Some(status) => maintain(&member, Maintenance::MoveLeader(to), move |_, io| {
                io.print(format!("Leadership transferred from {:x} to {:x}\n", status.id.0, to.0));
                Next::Done(0)
            }),
            None => find_leader(left, given, to, io),
        }
    };
    Next::Ask(asked, Box::new(|call| Request::Maintenance(call, Maintenance::Status)), Box::new(then))
}
