//! Tools of the network: `wget`, `curl`, `nslookup`, `nc`, `ping`, and those that look at a node's network.
//!
//! A tool that talks to somebody outside its Pod becomes an [`Exchange`]: it asks for one thing after the other (a name, then the name's
//! address) and waits in between.
//!
//! **Simplified here:** `ping` is a connection to the port of the echo service, since there is no ICMP: whoever refuses it, or takes it, is
//! there. It takes as long as one, however many are wanted, and ends after four when it is not told how many. TLS is not spoken.

use super::machine::{Frame, Thread};
use super::resolver::{Resolver, from_hosts_file};
use super::tools::Outcome;
use crate::runtime::calls::Answer;
use crate::runtime::fs::normalize;
use crate::runtime::http::{HttpRequest, HttpResponse, reason};
use crate::runtime::programs::Output;
use crate::runtime::sandbox::Ctx;
use client::dial::{Dial, DialError, DnsData, DnsRecord, HttpCall, Payload, RecordType, Reply, Trust};
use sim::Time;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long TCP tries to connect (`net.ipv4.tcp_syn_retries` of 6).
const CONNECT_PATIENCE: Duration = Duration::from_secs(127);
/// The port of the echo service, which hardly anybody serves.
const ECHO: u16 = 7;
/// How long `ping` waits for what comes back.
const PING_PATIENCE: Duration = Duration::from_secs(10);
/// How long a resolver waits for a server: five seconds, twice.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(10);

/// A tool that waits for the network.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    name: String,
    args: Vec<String>,
    host: String,
    port: u16,
    stage: Stage,
    call: u64,
    since: Time,
}

/// What a tool waits for.
#[derive(Clone, Debug)]
enum Stage {
    /// The address of a name: what it is asking for, and what it will try then.
    Resolve(String, VecDeque<String>),
    /// An answer from this address.
    Ask(IpAddr),
    /// What a command of the node prints.
    Command,
}

/// A response to show.
struct Response {
    status: u16,
    server: String,
    headers: Vec<(String, String)>,
    body: String,
    delay: Duration,
}

/// Begins a tool of the network.
pub(super) fn run(thread: &mut Thread, name: &str, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> Outcome {
    let target = args.iter().rfind(|arg| !arg.starts_with('-')).map_or("", String::as_str);
    let (host, port) = match name {
        "wget" | "curl" => {
            let Some(url) = url(name, args) else {
                thread.write(2, &format!("{name}: missing URL\n"), ctx, out);
                return Outcome::Done(if name == "curl" { 2 } else { 1 });
            };
            let (host, port, _) = split_url(&url);
            (host, port)
        }
        "nslookup" => (args.iter().find(|arg| !arg.starts_with('-')).cloned().unwrap_or_default(), 0),
        "ping" => match url(name, args) {
            Some(host) => (host, ECHO),
            None => {
                thread.write(2, "ping: missing host operand\n", ctx, out);
                return Outcome::Done(1);
            }
        },
        "nc" => {
            let host = args.iter().rfind(|arg| !arg.starts_with('-') && arg.parse::<u16>().is_err()).map_or("localhost", String::as_str);
            (host.to_owned(), target.parse().unwrap_or(0))
        }
        _ => (String::new(), 0),
    };
    let mut exchange =
        Exchange { name: name.to_owned(), args: args.to_vec(), host, port, stage: Stage::Command, call: 0, since: ctx.now() };
    if name != "nslookup" && is_self(&exchange.host, ctx) {
        return Outcome::Done(exchange.ask_self(thread, ctx, out));
    }
    match exchange.begin(ctx) {
        Some(status) => Outcome::Done(status),
        None => Outcome::Then(Frame::Network(Box::new(exchange))),
    }
}

/// Goes on with a tool; its exit status when it has ended.
pub(super) fn poll(thread: &mut Thread, exchange: &mut Exchange, ctx: &mut Ctx<'_>, out: &mut Output) -> Option<i32> {
    let answer = ctx.take_answer(exchange.call)?;
    exchange.answered(answer, thread, ctx, out)
}

fn is_self(host: &str, ctx: &Ctx<'_>) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0") || host == ctx.ip() || host == ctx.hostname()
}

/// The parts of a URL: host, port, path.
fn split_url(url: &str) -> (String, u16, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let default = if url.starts_with("https://") { 443 } else { 80 };
    let (host, port) = authority.rsplit_once(':').map_or((authority, default), |(host, port)| (host, port.parse().unwrap_or(default)));
    (host.to_owned(), port, path.to_owned())
}

/// Whether the word after an option belongs to it.
fn takes_value(tool: &str, arg: &str) -> bool {
    matches!(arg, "-O" if tool != "curl")
        || (tool == "ping" && matches!(arg, "-c" | "-i" | "-s" | "-I" | "-W"))
        || matches!(
            arg,
            "-o" | "-w"
                | "-H"
                | "-X"
                | "-d"
                | "-m"
                | "-T"
                | "-t"
                | "--max-time"
                | "--connect-timeout"
                | "--cacert"
                | "--header"
                | "--data"
                | "--data-raw"
                | "--request"
                | "--resolve"
                | "-A"
                | "-u"
        )
}

/// The first word that is no option.
fn url(tool: &str, args: &[String]) -> Option<String> {
    let is_word = |at: usize, arg: &String| !arg.starts_with('-') && (at == 0 || !takes_value(tool, &args[at - 1]));
    args.iter().enumerate().find(|(at, arg)| is_word(*at, arg)).map(|(_, arg)| arg.clone()).filter(|url| !url.is_empty())
}

/// The name under which an address is looked up.
fn reverse_name(ip: IpAddr) -> Option<String> {
    let IpAddr::V4(ip) = ip else { return None };
    let [a, b, c, d] = ip.octets();
    Some(format!("{d}.{c}.{b}.{a}.in-addr.arpa"))
}

impl Exchange {
    /// The value of an option.
    fn option(&self, names: &[&str]) -> Option<&str> {
        self.args.iter().position(|arg| names.contains(&arg.as_str())).and_then(|at| self.args.get(at + 1)).map(String::as_str)
    }

    /// The letters of all short options.
    fn flags(&self) -> String {
        self.args.iter().filter(|arg| arg.starts_with('-') && !arg.starts_with("--")).map(String::as_str).collect()
    }

    fn is_curl(&self) -> bool {
        self.name == "curl"
    }

    /// How long the user wants to wait, if they say so. `-T 5` and `-T5` mean the same.
    fn limit(&self) -> Option<Duration> {
        let names: &[&str] = if self.is_curl() { &["-m", "--max-time", "--connect-timeout"] } else { &["-T", "-w", "--timeout"] };
        let joined = || {
            self.args.iter().find_map(|arg| names.iter().find_map(|name| arg.strip_prefix(name)).map(|rest| rest.trim_start_matches('=')))
        };
        let seconds = self.option(names).and_then(|value| value.parse::<f64>().ok()).or_else(|| joined()?.parse().ok())?;
        Duration::try_from_secs_f64(seconds).ok().filter(|limit| !limit.is_zero())
    }

    /// Sends what comes first; an exit status when there is nothing to send.
    fn begin(&mut self, ctx: &mut Ctx<'_>) -> Option<i32> {
        let literal: Option<IpAddr> = self.host.parse().ok();
        match (self.name.as_str(), literal) {
            ("nslookup", Some(ip)) => self.resolve(reverse_name(ip)?, VecDeque::new(), ctx),
            ("wget" | "curl" | "nc" | "ping", Some(ip)) => self.ask(ip, ctx),
            ("wget" | "curl" | "nc" | "ping" | "nslookup", None) => {
                if let Some(ip) = from_hosts_file(&self.host, ctx).filter(|_| self.name != "nslookup") {
                    self.ask(ip, ctx);
                    return None;
                }
                let mut names: VecDeque<String> = Resolver::of(ctx).candidates(&self.host).into();
                let first = names.pop_front().unwrap_or_default();
                self.resolve(first, names, ctx);
            }
            _ => {
                let argv = std::iter::once(&self.name).chain(&self.args).cloned().collect();
                self.stage = Stage::Command;
                let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
                self.send(nowhere, false, Payload::Node(argv), RESOLVE_PATIENCE, ctx);
            }
        }
        None
    }

    fn send(&mut self, destination: SocketAddr, udp: bool, payload: Payload, patience: Duration, ctx: &mut Ctx<'_>) {
        let source = ctx.ip().parse().unwrap_or(IpAddr::from([127, 0, 0, 1]));
        self.since = ctx.now();
        self.call = ctx.dial(Dial::new(source, destination, udp, payload, patience));
    }

    fn resolve(&mut self, name: String, then: VecDeque<String>, ctx: &mut Ctx<'_>) {
        let kind = if name.ends_with(".in-addr.arpa") { RecordType::Ptr } else { self.record_type() };
        let server = Resolver::of(ctx).server;
        self.send(server, true, Payload::Dns { name: name.clone(), kind }, RESOLVE_PATIENCE, ctx);
        self.stage = Stage::Resolve(name, then);
    }

    /// The records that `nslookup -type=TYPE` wants.
    fn record_type(&self) -> RecordType {
        let wanted = self.args.iter().find_map(|arg| arg.strip_prefix("-type=").or_else(|| arg.strip_prefix("-q=")));
        match wanted.map(str::to_ascii_lowercase).as_deref() {
            Some("srv") if self.name == "nslookup" => RecordType::Srv,
            Some("ptr") if self.name == "nslookup" => RecordType::Ptr,
            _ => RecordType::A,
        }
    }

    fn ask(&mut self, ip: IpAddr, ctx: &mut Ctx<'_>) {
        let payload = if matches!(self.name.as_str(), "nc" | "ping") {
            Payload::Connect
        } else {
            let HttpRequest { method, path, headers, .. } = self.request("");
            let tls = self.is_tls().then(|| self.trust(ctx));
            let body = self.body().unwrap_or_default().to_owned();
            Payload::Http(Box::new(HttpCall { method, path, headers, body, tls }))
        };
        let usual = if self.name == "ping" { PING_PATIENCE } else { CONNECT_PATIENCE };
        let patience = self.limit().unwrap_or(usual);
        self.send(SocketAddr::new(ip, self.port), false, payload, patience, ctx);
        self.stage = Stage::Ask(ip);
    }

    fn is_tls(&self) -> bool {
        url(&self.name, &self.args).is_some_and(|url| url.starts_with("https://"))
    }

    /// Whose certificates the tool believes: busybox' `wget` all of them.
    fn trust(&self, ctx: &mut Ctx<'_>) -> Trust {
        if !self.is_curl() || self.flags().contains('k') || self.args.iter().any(|arg| arg == "--insecure") {
            return Trust::Any;
        }
        let file = self.option(&["--cacert"]).map(str::to_owned);
        file.map_or(Trust::System, |path| Trust::Authorities(ctx.files().read(&path).unwrap_or_default().to_owned()))
    }

    /// The body that is sent.
    fn body(&self) -> Option<&str> {
        self.option(if self.is_curl() { &["-d", "--data", "--data-raw"] } else { &["--post-data"] })
    }

    fn request(&self, client_ip: &str) -> HttpRequest {
        let (_, _, path) = split_url(&url(&self.name, &self.args).unwrap_or_default());
        let agent = if self.is_curl() { "curl/8.17.0" } else { "Wget" };
        let mut headers = vec![("Host".to_owned(), self.host.clone()), ("User-Agent".to_owned(), agent.to_owned())];
        let given = self.args.windows(2).filter(|pair| matches!(pair[0].as_str(), "-H" | "--header"));
        for (name, value) in given.filter_map(|pair| pair[1].split_once(':')) {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let usual = match self.body() {
            Some(_) => "POST",
            None if self.is_curl() && self.flags().contains('I') => "HEAD",
            None => "GET",
        };
        let method = self.option(&["-X", "--request"]).unwrap_or(usual).to_owned();
        HttpRequest { method, path, headers, client_ip: client_ip.to_owned() }
    }

    /// Asks the Pod itself, which needs no network.
    fn ask_self(&self, thread: &mut Thread, ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
        if self.name == "nc" {
            return i32::from(ctx.http(self.port, &HttpRequest::get("/", "127.0.0.1")).is_none());
        }
        if self.host.is_empty() {
            return 1;
        }
        if self.name == "ping" {
            return self.pinged(&self.host, true, thread, ctx, out);
        }
        let client_ip = if self.host == ctx.ip() { self.host.clone() } else { "127.0.0.1".to_owned() };
        let answer = ctx.http(self.port, &self.request(&client_ip)).flatten();
        match answer {
            Some(response) => {
                let server = response.server.to_owned();
                let HttpResponse { status, body, delay, .. } = response;
                self.show(Response { status, server, headers: Vec::new(), body, delay }, thread, ctx, out)
            }
            None => {
                let ip = if self.host == "localhost" { "127.0.0.1" } else { &self.host };
                self.fail(ip, DialError::Refused, thread, ctx, out)
            }
        }
    }

    /// Goes on with an answer.
    fn answered(&mut self, answer: Answer, thread: &mut Thread, ctx: &mut Ctx<'_>, out: &mut Output) -> Option<i32> {
        match std::mem::replace(&mut self.stage, Stage::Command) {
            Stage::Resolve(name, names) => self.resolved(&name, names, answer, thread, ctx, out),
            Stage::Ask(ip) => Some(match answer.map(|reply| *reply) {
                Ok(Reply::Http { status, server, headers, body, delay }) => {
                    self.show(Response { status, server, headers, body, delay }, thread, ctx, out)
                }
                Ok(_) | Err(DialError::Refused) if self.name == "ping" => self.pinged(&ip.to_string(), true, thread, ctx, out),
                Err(_) if self.name == "ping" => self.pinged(&ip.to_string(), false, thread, ctx, out),
                Ok(_) if self.name == "nc" => 0,
                Ok(Reply::Untrusted) => self.untrusted(thread, ctx, out),
                Ok(_) => self.no_http(thread, ctx, out),
                Err(_) if self.name == "nc" => 1,
                Err(error) => self.fail(&ip.to_string(), error, thread, ctx, out),
            }),
            Stage::Command => Some(match answer.map(|reply| *reply) {
                Ok(Reply::Node(text, status)) => {
                    thread.write(if status == 0 { 1 } else { 2 }, &text, ctx, out);
                    status
                }
                _ => 1,
            }),
        }
    }

    /// Goes on with what the DNS server says: to the address, to the name that this one stands for, or to the next name.
    fn resolved(
        &mut self,
        name: &str,
        mut names: VecDeque<String>,
        answer: Answer,
        thread: &mut Thread,
        ctx: &mut Ctx<'_>,
        out: &mut Output,
    ) -> Option<i32> {
        let records = match answer.map(|reply| *reply) {
            Ok(Reply::Dns(records)) => records,
            Ok(Reply::DnsFailure) => return Some(self.no_answer(name, thread, ctx, out)),
            _ => return Some(self.unresolved("", thread, ctx, out)),
        };
        if self.name == "nslookup" {
            if let Some(records) = records.filter(|records| !records.is_empty()) {
                thread.write(1, &lookup_text(&Resolver::of(ctx), &records), ctx, out);
                return Some(0);
            }
        } else if let Some(record) = records.as_ref().and_then(|records| records.first()) {
            match &record.data {
                DnsData::A(ip) => {
                    self.ask(*ip, ctx);
                    return None;
                }
                DnsData::Cname(to) => {
                    self.resolve(to.clone(), VecDeque::new(), ctx);
                    return None;
                }
                _ => {}
            }
        }
        match names.pop_front() {
            Some(next) => {
                self.resolve(next, names, ctx);
                None
            }
            None => Some(self.unresolved(name, thread, ctx, out)),
        }
    }

    /// Says that the DNS server failed (`SERVFAIL`).
    fn no_answer(&self, name: &str, thread: &mut Thread, ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
        if self.name != "nslookup" {
            return self.unresolved(name, thread, ctx, out);
        }
        let server = Resolver::of(ctx).server;
        let text = format!("Server:\t\t{}\nAddress:\t{server}\n\n** server can't find {name}: SERVFAIL\n\n", server.ip());
        thread.write(1, &text, ctx, out);
        1
    }

    /// Says that the name has no address; `last` is the name that was tried last, empty when the server did not answer.
    fn unresolved(&self, last: &str, thread: &mut Thread, ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
        let host = &self.host;
        match self.name.as_str() {
            "nslookup" if last.is_empty() => {
                thread.write(1, ";; connection timed out; no servers could be reached\n\n", ctx, out);
                1
            }
            "nslookup" => {
                let server = Resolver::of(ctx).server;
                let text = format!("Server:\t\t{}\nAddress:\t{server}\n\n** server can't find {last}: NXDOMAIN\n\n", server.ip());
                thread.write(1, &text, ctx, out);
                1
            }
            "curl" => {
                thread.write(2, &format!("curl: (6) Could not resolve host: {host}\n"), ctx, out);
                6
            }
            name => {
                thread.write(2, &format!("{name}: bad address '{host}'\n"), ctx, out);
                1
            }
        }
    }

    /// Says that the server's certificate is not believed.
    fn untrusted(&self, thread: &mut Thread, ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
        let why = "curl: (60) SSL certificate problem: unable to get local issuer certificate\n\
                   More details here: https://curl.se/docs/sslcerts.html\n\n\
                   curl failed to verify the legitimacy of the server and therefore could not\n\
                   establish a secure connection to it. To learn more about this situation and\n\
                   how to fix it, please visit the webpage mentioned above.\n";
        thread.write(2, why, ctx, out);
        60
    }

    /// Says what came back from an address.
    fn pinged(&self, ip: &str, is_there: bool, thread: &mut Thread, ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
        let count: u32 = self.option(&["-c"]).and_then(|count| count.parse().ok()).unwrap_or(4).clamp(1, 100);
        let millis = ctx.now().since(self.since).as_secs_f64() * 1000.0;
        let mut text = format!("PING {} ({ip}): 56 data bytes\n", self.host);
        let received = if is_there { count } else { 0 };
        for sequence in 0..received {
            text += &format!("64 bytes from {ip}: seq={sequence} ttl=62 time={millis:.3} ms\n");
        }
        let lost = if is_there { 0 } else { 100 };
        text += &format!("\n--- {} ping statistics ---\n", self.host);
        text += &format!("{count} packets transmitted, {received} packets received, {lost}% packet loss\n");
        if is_there {
            text += &format!("round-trip min/avg/max = {millis:.3}/{millis:.3}/{millis:.3} ms\n");
        }
        thread.write(1, &text, ctx, out);
        i32::from(!is_there)
    }

    fn no_http(&self, thread: &mut Thread, ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
        if self.is_curl() && self.is_tls() {
            thread.write(2, "curl: (35) TLS connect error: error:0A0000C6:SSL routines::packet length too long\n", ctx, out);
            return 35;
        }
        if self.is_curl() {
            thread.write(2, "curl: (52) Empty reply from server\n", ctx, out);
            return 52;
        }
        thread.write(2, "wget: error getting response\n", ctx, out);
        1
    }

    /// Says why there is no connection.
    fn fail(&self, ip: &str, error: DialError, thread: &mut Thread, ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
        let (host, port) = (&self.host, self.port);
        let waited = ctx.now().since(self.since).as_millis();
        let limited = self.limit().is_some();
        let (text, status) = match (self.is_curl(), error) {
            (true, DialError::TimedOut) if limited => (format!("curl: (28) Connection timed out after {waited} milliseconds\n"), 28),
            (true, error) => {
                let status = if error == DialError::TimedOut { 28 } else { 7 };
                (
                    format!("curl: ({status}) Failed to connect to {host} port {port} after {waited} ms: Could not connect to server\n"),
                    status,
                )
            }
            (false, DialError::TimedOut) if limited => ("wget: download timed out\n".to_owned(), 1),
            (false, error) => {
                let why = match error {
                    DialError::Refused => "Connection refused",
                    DialError::Unreachable => "Host is unreachable",
                    DialError::TimedOut => "Operation timed out",
                };
                (format!("wget: can't connect to remote host ({ip}): {why}\n"), 1)
            }
        };
        thread.write(2, &text, ctx, out);
        status
    }

    /// Shows a response, or writes it to a file.
    fn show(&self, response: Response, thread: &mut Thread, ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
        let (curl, flags, tool) = (self.is_curl(), self.flags(), &self.name);
        let Response { status, server, headers, mut body, delay } = response;
        ctx.wait(delay);
        if !curl && self.is_tls() && !self.args.iter().any(|arg| arg == "--no-check-certificate") {
            thread.write(2, "wget: note: TLS certificate validation not implemented\n", ctx, out);
        }
        if status >= 400 && !curl {
            thread.write(2, &format!("wget: server returned error: HTTP/1.1 {status} {}\n", reason(status)), ctx, out);
            return 1;
        }
        if status >= 400 && flags.contains('f') {
            thread.write(2, &format!("curl: (22) The requested URL returned error: {status}\n"), ctx, out);
            return 22;
        }
        if curl && (flags.contains('I') || flags.contains('i')) {
            let further: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let (reason, length) = (reason(status), body.len());
            let head = format!("HTTP/1.1 {status} {reason}\r\nServer: {server}\r\nContent-Length: {length}\r\n{further}\r\n");
            body = if flags.contains('I') { head } else { head + &body };
        }
        let file =
            if curl { self.option(&["-o"]) } else { self.option(&["-O", "-qO", "-q0"]).or_else(|| flags.contains("O-").then_some("-")) };
        let path = self.request("").path;
        let default = (!curl).then(|| path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("index.html"));
        match file.or(default) {
            Some(file) if file != "-" => {
                if let Err(error) = ctx.files().write(&normalize(&thread.cwd, file), &body, false) {
                    thread.write(2, &format!("{tool}: can't open '{file}': {error}\n"), ctx, out);
                    return 1;
                }
            }
            _ => thread.write(1, &body, ctx, out),
        }
        if curl && let Some(format) = self.option(&["-w"]) {
            let location = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Location")).map_or("", |(_, value)| value);
            let text = format.replace("%{http_code}", &status.to_string()).replace("%{redirect_url}", location).replace("\\n", "\n");
            thread.write(1, &text, ctx, out);
        }
        0
    }
}

/// What `nslookup` prints of records.
fn lookup_text(resolver: &Resolver, records: &[DnsRecord]) -> String {
    let mut text = format!("Server:\t\t{}\nAddress:\t{}\n\n", resolver.server.ip(), resolver.server);
    for record in records {
        let name = &record.name;
        text.push_str(&match &record.data {
            DnsData::A(ip) => format!("Name:\t{name}\nAddress: {ip}\n"),
            DnsData::Cname(to) => format!("{name}\tcanonical name = {to}\n"),
            DnsData::Srv(priority, weight, port, target) => format!("{name}\tservice = {priority} {weight} {port} {target}\n"),
            DnsData::Ptr(to) => format!("{name}\tname = {to}\n"),
        });
    }
    text.push('\n');
    text
}
