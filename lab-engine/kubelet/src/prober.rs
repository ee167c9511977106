//! Runs probes: commands, HTTP, TCP and gRPC (`pkg/kubelet/prober/prober.go`, `pkg/probe`).

use crate::backoff::go_duration;
use crate::pod_worker::{Cx, PodWorker, probe_of};
use crate::probes::{Flight, ProbeType, Verdict};
use crate::runtime::http::HttpRequest;
use crate::runtime::sandbox::{ExecResult, Stdin};
use api::core::{HttpGetAction, Probe};
use api::intstr::IntOrString;
use client::EventType::Warning;
use sim::What;
use std::time::Duration;

/// What an HTTP probe keeps of an answer's body (`maxRespBodyLength`).
const MAX_OUTPUT: usize = 10 * 1024;

/// What becomes of a probe that was begun.
enum Begun {
    /// A command runs.
    Exec(u64),
    /// It ends with this after a while.
    Ends { after: Duration, success: bool, output: String },
}

/// How a probe ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
    /// A failure, because no answer came in time.
    TimedOut,
}

impl Outcome {
    fn of(success: bool) -> Self {
        if success { Outcome::Success } else { Outcome::Failure }
    }
}

fn ends(success: bool, output: impl Into<String>) -> Begun {
    Begun::Ends { after: Duration::ZERO, success, output: output.into() }
}

impl PodWorker {
    /// Runs the probes that are due and takes in those that have ended.
    pub(crate) fn run_probes(&mut self, cx: &mut Cx<'_>) {
        self.advance_post_starts(cx);
        self.advance_ends(cx);
        for index in 0..self.records.len() {
            let target = self.target(index);
            self.records[index].probes.iter_mut().for_each(|probe| probe.pass_over(target, cx.now));
            for at in 0..self.records[index].probes.len() {
                self.finish_flight(index, at, cx);
                let target = self.target(index);
                if self.records[index].probes[at].tick_if_due(target, cx.now) {
                    self.begin(index, at, cx);
                }
            }
        }
    }

    /// Makes the readiness probe of a container run at once.
    pub(crate) fn trigger_readiness(&mut self, index: usize, cx: &mut Cx<'_>) {
        let target = self.target(index);
        let record = &mut self.records[index];
        if record.started()
            && let Some(probe) = record.probes.iter_mut().find(|probe| probe.kind == ProbeType::Readiness)
        {
            probe.trigger(cx.now);
            if probe.tick_if_due(target, cx.now)
                && let Some(at) = self.records[index].probes.iter().position(|probe| probe.kind == ProbeType::Readiness)
            {
                self.begin(index, at, cx);
            }
        }
    }

    fn begin(&mut self, index: usize, at: usize, cx: &mut Cx<'_>) {
        let (kind, timeout) = (self.records[index].probes[at].kind, self.records[index].probes[at].timeout);
        let Some(probe) = probe_of(self.spec(index), kind).cloned() else { return };
        let runs = self.records[index].runs.last().is_some_and(|run| self.sandbox.runs(*run));
        if probe.exec.is_some() && !runs {
            // It has ended since the last relist: an error of the prober itself, which is no result.
            return;
        }
        match self.ask(index, &probe, timeout, cx) {
            Begun::Ends { after, success, output } if after.is_zero() => self.ended(index, at, Outcome::of(success), &output, cx),
            Begun::Ends { after, success, output } => {
                let ready = cx.now + after;
                self.records[index].probes[at].flight = Some((Flight::Answer { at: ready, success, output }, cx.now + timeout));
            }
            Begun::Exec(id) => self.records[index].probes[at].flight = Some((Flight::Exec(id), cx.now + timeout)),
        }
    }

    /// Asks the container what the probe wants to know.
    fn ask(&mut self, index: usize, probe: &Probe, timeout: Duration, cx: &mut Cx<'_>) -> Begun {
        let ip = self.sandbox.ip.clone();
        if let Some(exec) = &probe.exec {
            let Some(&run) = self.records[index].runs.last() else { return ends(false, "container not running") };
            let started = self.sandbox.exec(run, &exec.command, Stdin::default(), cx.now);
            return started.map_or_else(|| ends(false, exec_error(&exec.command)), Begun::Exec);
        }
        if let Some(get) = &probe.http_get {
            return self.http_probe(index, get, &ip, cx);
        }
        if let Some(tcp) = &probe.tcp_socket {
            let Some(port) = self.port_number(index, &tcp.port) else { return ends(false, bad_port(&tcp.port)) };
            let host = if tcp.host.is_empty() { &ip } else { &tcp.host };
            let refused = format!("dial tcp {host}:{port}: connect: connection refused");
            return if self.sandbox.listens(port) { ends(true, "") } else { ends(false, refused) };
        }
        let Some(grpc) = &probe.grpc else { return ends(true, "") };
        let port = u16::try_from(grpc.port).unwrap_or(0);
        if self.sandbox.speaks_grpc(port) {
            return ends(true, "service healthy");
        }
        // Whether nothing listens or something that speaks no gRPC: the client dials until its time is over.
        let within = go_duration(timeout);
        let output = format!("timeout: failed to connect service \"{ip}:{port}\" within {within}: context deadline exceeded");
        Begun::Ends { after: timeout, success: false, output }
    }

    fn http_probe(&mut self, index: usize, get: &HttpGetAction, ip: &str, cx: &mut Cx<'_>) -> Begun {
        let Some(port) = self.port_number(index, &get.port) else { return ends(false, bad_port(&get.port)) };
        let scheme = if get.scheme.is_empty() { "http".to_owned() } else { get.scheme.to_lowercase() };
        let host = if get.host.is_empty() { ip } else { &get.host };
        let path = if get.path.starts_with('/') { get.path.clone() } else { format!("/{}", get.path) };
        let url = format!("{scheme}://{host}:{port}{path}");
        let mut headers: Vec<(String, String)> =
            get.http_headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
        headers.push(("User-Agent".to_owned(), "kube-probe/1.36".to_owned()));
        let client_ip = format!("{}.1", crate::node::pod_network(cx.config.index));
        let request = HttpRequest { method: "GET".to_owned(), path, headers, client_ip };
        match self.sandbox.http(port, &request, cx.now, cx.host) {
            None => ends(false, format!("Get {url:?}: dial tcp {host}:{port}: connect: connection refused")),
            Some(_) if scheme == "https" => ends(false, format!("Get {url:?}: http: server gave HTTP response to HTTPS client")),
            Some(None) => ends(false, format!("Get {url:?}: net/http: HTTP/1.x transport connection broken: malformed HTTP response")),
            Some(Some(response)) => {
                let success = (200..400).contains(&response.status);
                let output = if success { response.body } else { format!("HTTP probe failed with statuscode: {}", response.status) };
                Begun::Ends { after: response.delay, success, output: cut(output) }
            }
        }
    }

    /// The number of a port that is given by number or by name.
    pub(crate) fn port_number(&self, index: usize, port: &IntOrString) -> Option<u16> {
        match port {
            IntOrString::Int(number) => u16::try_from(*number).ok().filter(|port| *port > 0),
            IntOrString::String(name) => {
                let named = self.spec(index).ports.iter().find(|port| port.name == *name).map(|port| port.container_port);
                named.and_then(|port| u16::try_from(port).ok()).or_else(|| name.parse().ok())
            }
        }
    }

    /// Takes in a probe whose answer has come or whose time is over.
    fn finish_flight(&mut self, index: usize, at: usize, cx: &mut Cx<'_>) {
        let Some((flight, deadline)) = self.records[index].probes[at].flight.clone() else { return };
        match flight {
            Flight::Answer { at: ready, success, output } if ready <= cx.now && ready <= deadline => {
                self.records[index].probes[at].flight = None;
                // A gRPC client gives up by itself when its time is over.
                let outcome = if !success && ready == deadline { Outcome::TimedOut } else { Outcome::of(success) };
                self.ended(index, at, outcome, &output, cx);
            }
            _ if deadline > cx.now => {}
            Flight::Answer { .. } => {
                self.records[index].probes[at].flight = None;
                let output = self.http_timeout(index, at);
                self.ended(index, at, Outcome::TimedOut, &output, cx);
            }
            Flight::Exec(id) => {
                self.sandbox.cancel_exec(id);
                self.records[index].probes[at].flight = None;
                let command = probe_of(self.spec(index), self.records[index].probes[at].kind).and_then(|probe| probe.exec.as_ref());
                let command = command.map(|exec| exec.command.join(" ")).unwrap_or_default();
                let output =
                    format!("command timed out: {command:?} timed out after {}", go_duration(self.records[index].probes[at].timeout));
                self.ended(index, at, Outcome::TimedOut, &output, cx);
            }
        }
    }

    fn http_timeout(&self, index: usize, at: usize) -> String {
        let probe = probe_of(self.spec(index), self.records[index].probes[at].kind);
        let Some(get) = probe.and_then(|probe| probe.http_get.as_ref()) else { return "context deadline exceeded".to_owned() };
        let port = self.port_number(index, &get.port).unwrap_or(0);
        let url = format!("http://{}:{port}{}", self.sandbox.ip, get.path);
        format!("Get {url:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
    }

    /// Takes in the end of a command if a probe ran it.
    pub(crate) fn probe_exec_done(&mut self, result: &ExecResult, cx: &mut Cx<'_>) -> bool {
        for index in 0..self.records.len() {
            let ran = |probe: &crate::probes::ProbeWorker| matches!(probe.flight, Some((Flight::Exec(id), _)) if id == result.id);
            if let Some(at) = self.records[index].probes.iter().position(ran) {
                self.records[index].probes[at].flight = None;
                let output = cut(format!("{}{}", result.stdout, result.stderr));
                self.ended(index, at, Outcome::of(result.exit_code == 0), &output, cx);
                return true;
            }
        }
        false
    }

    fn ended(&mut self, index: usize, at: usize, outcome: Outcome, output: &str, cx: &mut Cx<'_>) {
        let (kind, success) = (self.records[index].probes[at].kind, outcome == Outcome::Success);
        let (in_a_row, threshold) = self.records[index].probes[at].count_with(success);
        let name = self.spec(index).name.as_str().into();
        let pod = self.object.clone();
        let (probe, timed_out, said) = (kind.name(), outcome == Outcome::TimedOut, output.trim_end().into());
        cx.out.trace(What::Probe { pod, container: name, probe, success, timed_out, in_a_row, threshold, output: said });
        if !success {
            self.event(index, Warning, "Unhealthy", &format!("{} probe failed: {output}", kind.title()), cx);
        }
        // A failed liveness or startup probe is seen by the sync that follows (`computePodActions`).
        if self.records[index].probes[at].record(success) == Verdict::Changed(true) && kind == ProbeType::Startup {
            self.trigger_readiness(index, cx);
        }
    }
}

fn bad_port(port: &IntOrString) -> String {
    format!("invalid port number: {port}")
}

/// What the runtime says of a command that does not exist.
fn exec_error(command: &[String]) -> String {
    let name = command.first().map_or("", String::as_str);
    format!(
        "rpc error: code = Unknown desc = failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to \
         start container process: exec: {name:?}: executable file not found in $PATH"
    )
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_OUTPUT {
        let end = (0..=MAX_OUTPUT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}
