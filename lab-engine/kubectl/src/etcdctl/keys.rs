//! `get`, `put`, `del`, `watch`, `txn`, `compaction` (`etcdctl/ctlv3/command/{get,put,del,watch,txn,compaction}_command.go`).

use super::args::{Format, Line, lease};
use super::print::{self, Header, Style};
use super::{Io, Job, Next, ask, unexpected};
use crate::invocation::Usage;
use etcd::maintenance::{Maintenance, MaintenanceAnswer, VERSION};
use etcd::{
    Compare, CompareResult, CompareTarget, KeyRange, LeaseId, Op, OpResponse, Put, Range, Request, Response, Revisions, Sort, SortTarget,
    Txn, Watch,
};
use std::sync::Arc;

fn usage(message: impl std::fmt::Display) -> Usage {
    Usage(format!("Error: {message}"))
}

fn style(line: &Line) -> Result<Style, Usage> {
    Ok(Style { format: line.format()?, hex: line.on("hex"), value_only: line.on("print-value-only") })
}

/// Makes a run of a command about keys.
pub(super) fn build(line: &Line, stdin: &str) -> Result<Job, Usage> {
    match line.command() {
        "get" => get(line),
        "put" => put(line, stdin),
        "del" => del(line),
        "watch" => watch(line),
        "txn" => txn(line, stdin),
        "compaction" => compaction(line),
        _ => {
            let text = format!("etcdctl version: {VERSION}\nAPI version: 3.6\n");
            Ok(Box::new(move |io| {
                io.print(text);
                Next::Done(0)
            }))
        }
    }
}

/// Which keys a command is about.
fn keys(line: &Line, command: &str) -> Result<KeyRange, Usage> {
    let (key, end) = match line.words() {
        [key] => (key.as_str(), None),
        [key, end] => (key.as_str(), Some(end.as_str())),
        [] if line.on("prefix") || line.on("from-key") => ("", None),
        _ => return Err(usage(format!("{command} command needs one argument as key and an optional argument as range_end"))),
    };
    if line.on("prefix") && line.on("from-key") {
        return Err(usage("`--prefix` and `--from-key` cannot be set at the same time, choose one"));
    }
    match end {
        Some(_) if line.on("prefix") || line.on("from-key") => {
            Err(usage("too many arguments, only accept one argument when `--prefix` or `--from-key` is set"))
        }
        Some(end) => Ok(KeyRange::Between(key.into(), end.into())),
        None if line.on("prefix") => Ok(KeyRange::Prefix(key.into())),
        None if line.on("from-key") => Ok(KeyRange::From(if key.is_empty() { "\0" } else { key }.into())),
        None => Ok(KeyRange::One(key.into())),
    }
}

fn range(line: &Line) -> Result<Range, Usage> {
    let by = match line.get("sort-by").unwrap_or("").to_uppercase().as_str() {
        "" | "KEY" => SortTarget::Key,
        "CREATE" => SortTarget::Create,
        "MODIFY" => SortTarget::Mod,
        "VALUE" => SortTarget::Value,
        "VERSION" => SortTarget::Version,
        other => return Err(usage(format!("bad sort target {other}"))),
    };
    let descending = match line.get("order").unwrap_or("").to_uppercase().as_str() {
        "" | "ASCEND" => false,
        "DESCEND" => true,
        other => return Err(usage(format!("bad sort order {other}"))),
    };
    let serializable = match line.get("consistency").unwrap_or("l") {
        "l" => false,
        "s" => true,
        other => return Err(usage(format!("unknown consistency flag {other:?}"))),
    };
    Ok(Range {
        revision: line.number("rev")?,
        limit: usize::try_from(line.number("limit")?).unwrap_or(usize::MAX),
        count_only: line.on("count-only"),
        keys_only: line.on("keys-only"),
        sort: Sort { by, descending },
        mod_revisions: Revisions { min: line.number("min-mod-rev")?, max: line.number("max-mod-rev")? },
        create_revisions: Revisions { min: line.number("min-create-rev")?, max: line.number("max-create-rev")? },
        serializable,
        ..Range::all(keys(line, "get")?)
    })
}

/// Asks for what the header of an answer says.
fn with_header(member: &Arc<str>, then: impl FnOnce(Header, &mut Io<'_>) -> Next + 'static) -> Next {
    ask(
        member,
        |call| Request::Maintenance(call, Maintenance::Status),
        |answer, io| match answer {
            Response::Maintenance(_, answer) => match *answer {
                MaintenanceAnswer::Status(status) => then(Header::of(&status), io),
                _ => unexpected(io),
            },
            _ => unexpected(io),
        },
    )
}

fn get(line: &Line) -> Result<Job, Usage> {
    let (range, style, member) = (range(line)?, style(line)?, line.first());
    if style.format == Format::Table {
        return Err(usage("table is not supported as output format"));
    }
    if range.count_only && style.format != Format::Fields {
        return Err(usage("--count-only is only for `--write-out=fields`"));
    }
    if range.keys_only && range.count_only {
        return Err(usage("`--keys-only` and `--count-only` cannot be set at the same time, choose one"));
    }
    let read = move |member: Arc<str>, header: Header| {
        ask(
            &member,
            |call| Request::Range(call, range),
            move |answer, io| match answer {
                Response::Range(_, range) => {
                    io.print(print::range(Header { revision: range.revision, ..header }, &range, style));
                    Next::Done(0)
                }
                _ => unexpected(io),
            },
        )
    };
    Ok(Box::new(move |_| match style.format {
        Format::Simple => read(member, Header::default()),
        _ => with_header(&member.clone(), move |header, _| read(member, header)),
    }))
}

fn written(responses: &[OpResponse], style: Style, show_prev: bool) -> String {
    let prev = |kv: &etcd::KeyValue| if show_prev { print::pair(kv, style) } else { String::new() };
    let one = |response: &OpResponse| match response {
        OpResponse::Put { prev: before, .. } => format!("OK\n{}", before.as_ref().map(prev).unwrap_or_default()),
        OpResponse::Delete(gone) => format!("{}\n{}", gone.len(), gone.iter().map(prev).collect::<String>()),
        OpResponse::Range(range) => print::range(Header::default(), range, Style { format: Format::Simple, ..style }),
        OpResponse::Txn(inner) => written(&inner.responses, style, show_prev),
    };
    responses.iter().map(one).collect()
}

/// Carries out one write and prints what came of it.
fn write(line: &Line, op: Op) -> Result<Job, Usage> {
    let (style, member, prev) = (style(line)?, line.first(), line.on("prev-kv"));
    Ok(Box::new(move |_| {
        ask(
            &member,
            |call| Request::Txn(call, Txn { success: vec![op], ..Txn::default() }),
            move |answer, io| match answer {
                Response::Txn(_, txn) => {
                    match style.format {
                        Format::Json => io.print(format!("{}\n", serde_json::json!({"header": {"revision": txn.revision}}))),
                        _ => io.print(written(&txn.responses, style, prev)),
                    }
                    Next::Done(0)
                }
                _ => unexpected(io),
            },
        )
    }))
}

fn put(line: &Line, stdin: &str) -> Result<Job, Usage> {
    write(line, Op::Put(read_put(line, stdin)?))
}

fn read_put(line: &Line, stdin: &str) -> Result<Put, Usage> {
    let needs = "put command needs 1 argument and input from stdin or 2 arguments";
    let (key, given) = match line.words() {
        [key, value] if !line.on("ignore-value") => (key, value.as_str()),
        [key] if line.on("ignore-value") => (key, ""),
        [key] if !stdin.is_empty() => (key, stdin),
        [_, _] => return Err(usage("put command needs only 1 argument when 'ignore-value' is set")),
        _ => return Err(usage(needs)),
    };
    let lease = line.get("lease").map(lease).transpose()?.unwrap_or(LeaseId::NONE);
    let (ignore_value, ignore_lease) = (line.on("ignore-value"), line.on("ignore-lease"));
    Ok(Put { lease, ignore_value, ignore_lease, ..Put::new(key.as_str(), given) })
}

fn del(line: &Line) -> Result<Job, Usage> {
    write(line, Op::Delete(keys(line, "del")?))
}

fn watch(line: &Line) -> Result<Job, Usage> {
    let (style, member) = (style(line)?, line.first());
    let watch = Watch { prev_kv: line.on("prev-kv"), ..Watch::new(keys(line, "watch")?, line.number("rev")?) };
    Ok(Box::new(move |_| {
        let on = move |answer: Response, io: &mut Io<'_>| match answer {
            Response::Events(_, events, _) => {
                if !events.is_empty() {
                    io.print(print::events(&events, style));
                }
                None
            }
            Response::Canceled { error, .. } => {
                io.print(format!("watch was canceled ({error})\n"));
                Some(io.fail(2, "watch is canceled by the server"))
            }
            Response::Error(_, error) => Some(io.fail(1, error)),
            _ => None,
        };
        Next::Follow(member, Box::new(|call| Request::Watch(call, watch)), Box::new(on))
    }))
}

fn compaction(line: &Line) -> Result<Job, Usage> {
    let [text] = line.words() else { return Err(usage("compaction command needs 1 argument")) };
    let revision: u64 =
        text.parse().map_err(|_| usage(format!("bad arg for compaction: strconv.ParseInt: parsing {text:?}: invalid syntax")))?;
    let member = line.first();
    Ok(Box::new(move |_| {
        ask(
            &member,
            move |call| Request::Compact(call, revision),
            move |_, io| {
                io.print(format!("compacted revision {revision}\n"));
                Next::Done(0)
            },
        )
    }))
}

fn txn(line: &Line, stdin: &str) -> Result<Job, Usage> {
    if !line.words().is_empty() {
        return Err(usage("txn command does not accept argument"));
    }
    let mut parts = stdin.split("\n\n");
    let mut lines = || parts.next().unwrap_or("").lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let (compares, then, or_else) = (lines(), lines(), lines());
    let ops = |lines: Vec<&str>| lines.into_iter().map(read_op).collect::<Result<Vec<_>, _>>();
    let txn = Txn {
        compares: compares.into_iter().map(read_compare).collect::<Result<_, _>>()?,
        success: ops(then)?,
        failure: ops(or_else)?,
        subject: None,
    };
    let (style, member, interactive) = (style(line)?, line.first(), line.on("interactive"));
    Ok(Box::new(move |io| {
        if interactive {
            io.print("compares:\nsuccess requests (get, put, del):\nfailure requests (get, put, del):\n");
        }
        ask(
            &member,
            |call| Request::Txn(call, txn),
            move |answer, io| match answer {
                Response::Txn(_, txn) => {
                    io.print(if txn.succeeded { "SUCCESS\n" } else { "FAILURE\n" });
                    for response in &txn.responses {
                        io.print(format!("\n{}", written(std::slice::from_ref(response), style, false)));
                    }
                    Next::Done(0)
                }
                _ => unexpected(io),
            },
        )
    }))
}

/// Splits a line of a transaction at blanks; quotes hold words together.
fn words(line: &str) -> Result<Vec<String>, Usage> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' | '\'' => rest[1..].split_once(first).ok_or_else(|| usage(format!("malformed line: {line}")))?,
            _ => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(words)
}

fn read_op(line: &str) -> Result<Op, Usage> {
    let inner = Line::read("etcdctl", &words(line)?, None)?;
    match inner.command() {
        "put" => Ok(Op::Put(read_put(&inner, "")?)),
        "get" => Ok(Op::Range(range(&inner)?)),
        "del" => Ok(Op::Delete(keys(&inner, "del")?)),
        _ => Err(usage(format!("invalid txn request: {line}"))),
    }
}

/// Reads `mod("key") > "0"`.
fn read_compare(line: &str) -> Result<Compare, Usage> {
    let bad = || usage(format!("malformed comparison: {line}"));
    let (target, rest) = line.split_once('(').ok_or_else(bad)?;
    let (key, rest) = rest.split_once(')').ok_or_else(bad)?;
    let rest = rest.trim();
    let (result, value) =
        [("!=", CompareResult::NotEqual), ("=", CompareResult::Equal), (">", CompareResult::Greater), ("<", CompareResult::Less)]
            .into_iter()
            .find_map(|(sign, result)| Some((result, rest.strip_prefix(sign)?)))
            .ok_or_else(bad)?;
    let unquoted = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    let (key, value) = (unquoted(key), unquoted(value));
    let number = || value.parse::<u64>().map_err(|_| bad());
    let target = match target.trim() {
        "ver" | "version" => CompareTarget::Version(number()?),
        "c" | "create" => CompareTarget::Create(number()?),
        "m" | "mod" => CompareTarget::Mod(number()?),
        "val" | "value" => CompareTarget::Value(value.as_str().into()),
        "lease" => CompareTarget::Lease(lease(&value)?),
        other => return Err(usage(format!("malformed comparison: unknown target {other}"))),
    };
    Ok(Compare { keys: KeyRange::One(key.into()), result, target })
}
