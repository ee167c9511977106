//! Lifecycle hooks: `postStart` and `preStop` (`pkg/kubelet/lifecycle/handlers.go`).
//!
//! A container whose `postStart` hook runs has not started yet: the Pod's next container waits for it, as do its probes. One whose hook fails
//! is killed. A `preStop` hook that fails is only told of.

use crate::pod_worker::{Cx, PodWorker};
use crate::runtime::http::HttpRequest;
use crate::runtime::sandbox::{ExecResult, Stdin};
use api::core::LifecycleHandler;
use client::EventType::Warning;
use sim::Time;
use std::time::Duration;

/// A hook that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// It has ended.
    Done,
    /// A command runs.
    Exec(u64),
    /// It ends at a time.
    Until(Time),
}

/// How an HTTP hook names itself.
const USER_AGENT: &str = "kube-lifecycle/1.36";

impl PodWorker {
    /// Begins a hook.
    ///
    /// # Errors
    /// Why it failed at once.
    fn begin_hook(&mut self, index: usize, hook: &LifecycleHandler, cx: &mut Cx<'_>) -> Result<Hook, String> {
        let Some(&run) = self.records[index].runs.last() else { return Ok(Hook::Done) };
        if let Some(exec) = &hook.exec {
            let started = self.sandbox.exec(run, &exec.command, Stdin::default(), cx.now);
            return started
                .map(Hook::Exec)
                .ok_or_else(|| self.exec_failed(index, &exec.command, 126, "executable file not found in $PATH"));
        }
        if let Some(sleep) = &hook.sleep {
            return Ok(Hook::Until(cx.now.saturating_add(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0)))));
        }
        let Some(get) = &hook.http_get else {
            return Err("invalid handler: cannot run handler".to_owned());
        };
        let port = self.port_number(index, &get.port).ok_or_else(|| format!("invalid port number: {}", get.port))?;
        let path = if get.path.starts_with('/') { get.path.clone() } else { format!("/{}", get.path) };
        let mut headers: Vec<(String, String)> =
            get.http_headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
        headers.push(("User-Agent".to_owned(), USER_AGENT.to_owned()));
        let client_ip = format!("{}.1", crate::node::pod_network(cx.config.index));
        let host = if get.host.is_empty() { self.sandbox.ip.clone() } else { get.host.clone() };
        let url = format!("http://{host}:{port}{path}");
        let request = HttpRequest { method: "GET".to_owned(), path, headers, client_ip };
        match self.sandbox.http(port, &request, cx.now, cx.host) {
            Some(Some(response)) => Ok(Hook::Until(cx.now + response.delay)),
            Some(None) => Err(format!("Get {url:?}: net/http: HTTP/1.x transport connection broken: malformed HTTP response")),
            None => Err(format!("Get {url:?}: dial tcp {host}:{port}: connect: connection refused")),
        }
    }

    fn exec_failed(&self, index: usize, command: &[String], code: i32, output: &str) -> String {
        let (name, pod) = (&self.spec(index).name, self.full_name());
        format!(
            "Exec lifecycle hook ([{}]) for Container {name:?} in Pod {pod:?} failed - error: command '{}' exited with {code}: {output}, \
             message: {output:?}",
            command.join(" "),
            command.join(" "),
        )
    }

    /// Begins the `preStop` hook of a container.
    pub(crate) fn begin_pre_stop(&mut self, index: usize, hook: &LifecycleHandler, cx: &mut Cx<'_>) -> Hook {
        self.begin_hook(index, hook, cx).unwrap_or_else(|_| {
            self.event(index, Warning, "FailedPreStopHook", "PreStopHook failed", cx);
            Hook::Done
        })
    }

    /// Begins the `postStart` hook of a container that has just been started.
    pub(crate) fn post_start(&mut self, index: usize, cx: &mut Cx<'_>) {
        let Some(hook) = self.spec(index).lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.clone()) else { return };
        match self.begin_hook(index, &hook, cx) {
            Ok(Hook::Done) => {}
            Ok(running) => self.records[index].post_start = Some(running),
            Err(error) => self.post_start_failed(index, error, cx),
        }
    }

    /// A `postStart` hook that fails ends its container.
    fn post_start_failed(&mut self, index: usize, error: String, cx: &mut Cx<'_>) {
        self.event(index, Warning, "FailedPostStartHook", "PostStartHook failed", cx);
        self.kill(index, "FailedPostStartHook", self.grace_of(index, None), cx);
        self.records[index].waiting = Some(("PostStartHookError", error));
    }

    /// Goes on when a `postStart` hook that only waits has waited.
    pub(crate) fn advance_post_starts(&mut self, cx: &mut Cx<'_>) {
        for index in 0..self.records.len() {
            if let Some(Hook::Until(at)) = self.records[index].post_start
                && at <= cx.now
            {
                self.records[index].post_start = None;
                self.trigger_readiness(index, cx);
            }
        }
    }

    /// Takes in the end of a command if a hook ran it.
    pub(crate) fn hook_exec_done(&mut self, result: &ExecResult, cx: &mut Cx<'_>) -> bool {
        use crate::pod_worker::Step;
        let ran = Hook::Exec(result.id);
        if let Some(index) = self.records.iter().position(|record| record.post_start == Some(ran)) {
            self.records[index].post_start = None;
            if result.exit_code == 0 {
                self.trigger_readiness(index, cx);
            } else {
                let lifecycle = self.spec(index).lifecycle.clone().unwrap_or_default();
                let command = lifecycle.post_start.and_then(|hook| hook.exec).map(|exec| exec.command).unwrap_or_default();
                let output = format!("{}{}", result.stdout, result.stderr);
                let error = self.exec_failed(index, &command, result.exit_code, &output);
                self.post_start_failed(index, error, cx);
            }
            return true;
        }
        let Some(index) = self.records.iter().position(|record| matches!(record.step, Step::PreStop { hook, .. } if hook == ran)) else {
            return false;
        };
        if let Step::PreStop { since, grace, .. } = self.records[index].step {
            if result.exit_code != 0 {
                self.event(index, Warning, "FailedPreStopHook", "PreStopHook failed", cx);
            }
            self.records[index].step = Step::PreStop { hook: Hook::Done, since, grace };
            self.advance_end(index, cx);
        }
        true
    }
}
