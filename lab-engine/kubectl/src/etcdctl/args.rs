//! The words of a command line: command, flags, endpoints (`etcdctl/ctlv3/command`).

use crate::flags::{Flag, GoDuration, Parsed, parse, switch, value};
use crate::invocation::Usage;
use etcd::LeaseId;
use std::sync::Arc;
use std::time::Duration;

/// Flags that every command takes.
const EVERYWHERE: [Flag; 12] = [
    value("endpoints", None),
    value("write-out", Some('w')),
    value("command-timeout", None),
    value("dial-timeout", None),
    value("cacert", None),
    value("cert", None),
    value("key", None),
    switch("hex", None),
    switch("cluster", None),
    switch("debug", None),
    switch("insecure-skip-tls-verify", None),
    switch("insecure-transport", None),
];

/// Flags of some commands.
const KEYS: [Flag; 36] = [
    switch("prefix", None),
    switch("from-key", None),
    switch("keys-only", None),
    switch("count-only", None),
    switch("print-value-only", None),
    switch("prev-kv", None),
    switch("ignore-value", None),
    switch("ignore-lease", None),
    switch("progress-notify", None),
    switch("interactive", Some('i')),
    switch("physical", None),
    switch("once", None),
    switch("keys", None),
    switch("learner", None),
    value("consistency", None),
    value("order", None),
    value("sort-by", None),
    value("limit", None),
    value("rev", None),
    value("min-mod-rev", None),
    value("max-mod-rev", None),
    value("min-create-rev", None),
    value("max-create-rev", None),
    value("lease", None),
    value("peer-urls", None),
    switch("range", None),
    value("data-dir", None),
    value("wal-dir", None),
    value("name", None),
    value("initial-cluster", None),
    value("initial-cluster-token", None),
    value("initial-cluster-state", None),
    value("initial-advertise-peer-urls", None),
    value("bump-revision", None),
    switch("mark-compacted", None),
    switch("skip-hash-check", None),
];

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Line by line.
    Simple,
    /// A field in each line.
    Fields,
    /// JSON.
    Json,
    /// A drawn table.
    Table,
}

/// A line that was read.
#[derive(Clone, Debug)]
pub(super) struct Line {
    parsed: Parsed,
    endpoints: Vec<String>,
}

impl Line {
    /// Reads the words after the name of the program.
    pub(super) fn read(program: &str, words: &[String], endpoints: Option<&str>) -> Result<Self, Usage> {
        let known: Vec<Flag> = EVERYWHERE.into_iter().chain(KEYS).collect();
        let parsed = parse(&known, words).map_err(|message| Usage(format!("Error: {message}")))?;
        let given = parsed.get("endpoints").or(endpoints).unwrap_or("127.0.0.1:2379");
        let endpoints = given.split(',').map(|endpoint| endpoint.trim().to_owned()).collect();
        if program != "etcdctl" {
            if program == "etcdutl" && parsed.words.is_empty() {
                let commands = "snapshot restore, snapshot status, version";
                return Err(Usage(format!("etcdutl - An administrative command line tool for etcd3.\n\nCommands: {commands}")));
            }
            return Ok(Line { parsed, endpoints });
        }
        let Some(command) = parsed.words.first() else {
            let help = format!("etcdctl - A simple command line client for etcd3.\n\nCommands: {}, version", super::COMMANDS.join(", "));
            return Err(Usage(help));
        };
        if !super::COMMANDS.contains(&command.as_str()) && command != "version" {
            return Err(Usage(format!("Error: unknown command \"{command}\" for \"etcdctl\"\nRun 'etcdctl --help' for usage.")));
        }
        Ok(Line { parsed, endpoints })
    }

    /// The command.
    pub(super) fn command(&self) -> &str {
        self.parsed.words.first().map_or("", String::as_str)
    }

    /// The words after the command.
    pub(super) fn words(&self) -> &[String] {
        self.parsed.words.get(1..).unwrap_or_default()
    }

    /// The word in this place after the command.
    pub(super) fn word(&self, place: usize) -> Option<&str> {
        self.words().get(place).map(String::as_str)
    }

    /// Whether a switch is on.
    pub(super) fn on(&self, name: &str) -> bool {
        self.parsed.on(name)
    }

    /// The value of a flag.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parsed.get(name)
    }

    /// The value of a flag that is a whole number and not negative; 0 without it.
    pub(super) fn number(&self, name: &str) -> Result<u64, Usage> {
        let number = self.parsed.number(name).map_err(|message| Usage(format!("Error: {message}")))?;
        Ok(u64::try_from(number.unwrap_or(0)).unwrap_or(0))
    }

    /// The longest time for an answer, if it is given.
    pub(super) fn timeout(&self) -> Result<Option<Duration>, Usage> {
        let given = self.parsed.duration("command-timeout").map_err(|message| Usage(format!("Error: {message}")))?;
        Ok(given.map(|GoDuration(nanos)| Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))))
    }

    /// How answers are printed.
    pub(super) fn format(&self) -> Result<Format, Usage> {
        Ok(match self.get("write-out").unwrap_or("simple") {
            "simple" => Format::Simple,
            "fields" => Format::Fields,
            "json" => Format::Json,
            "table" => Format::Table,
            _ => return Err(Usage("Error: unsupported output format".to_owned())),
        })
    }

    /// The endpoints as they were given, each with the member that it is.
    pub(super) fn endpoints(&self) -> Vec<(String, Arc<str>)> {
        self.endpoints.iter().map(|endpoint| (endpoint.clone(), member(endpoint))).collect()
    }

    /// The first endpoint's member.
    pub(super) fn first(&self) -> Arc<str> {
        self.endpoints.first().map_or_else(|| member("127.0.0.1"), |endpoint| member(endpoint))
    }
}

/// The member that an endpoint names: `https://etcd-2:2379` is `etcd-2`, and this machine is the first.
fn member(endpoint: &str) -> Arc<str> {
    let host = endpoint.trim_start_matches("https://").trim_start_matches("http://");
    let host = host.split(':').next().unwrap_or(host);
    if matches!(host, "127.0.0.1" | "localhost" | "") { "etcd-1".into() } else { host.into() }
}

/// A lease's number, which is written in hexadecimal.
pub(super) fn lease(text: &str) -> Result<LeaseId, Usage> {
    i64::from_str_radix(text, 16)
        .map(LeaseId)
        .map_err(|_| Usage(format!("Error: bad lease ID arg (strconv.ParseInt: parsing {text:?}: invalid syntax), expecting ID in Hex")))
}
