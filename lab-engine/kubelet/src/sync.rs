//! What a Pod needs next: volumes, sandbox, images, containers (`SyncPod` and `computePodActions` of `pkg/kubelet/kuberuntime`).

use crate::backoff::go_duration;
use crate::env::{self, Source};
use crate::images::{Ensured, Pulled};
use crate::node::{node_ip, pod_network};
use crate::pod_worker::{Cx, PodWorker, Role, Stage, Step};
use crate::runtime::sandbox::{ContainerConfig, ExecResult, State};
use crate::volumes;
use client::EventType::{Normal, Warning};
use sim::{Time, What};
use std::time::Duration;

/// How long a container whose image or settings failed keeps saying so before the worker looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// When a container whose settings could not be made is tried again (`backOffPeriod` of the pod workers).
const CONFIG_RETRY: Duration = Duration::from_secs(10);

impl PodWorker {
    /// Does what the Pod needs next.
    pub(crate) fn sync(&mut self, cx: &mut Cx<'_>) {
        if self.stage == Stage::Finished {
            return;
        }
        self.look_for_end(cx);
        if self.ending.is_none() {
            if matches!(self.stage, Stage::Volumes { .. }) {
                self.set_up_volumes(cx);
            }
            if let Stage::Sandbox(at) = self.stage
                && at <= cx.now
            {
                self.sandbox_ready(cx);
            }
            if self.stage == Stage::Containers {
                self.sync_containers(cx);
            }
        }
        if self.ending.is_some() {
            self.end(cx);
        }
    }

    /// The objects and addresses that environments and volumes are made from.
    fn source<'a>(&'a self, cx: &Cx<'_>, host_ip: &'a str) -> Source<'a> {
        Source {
            pod: &self.pod,
            pod_ip: &self.sandbox.ip,
            host_ip,
            node_cpu_milli: i64::try_from(cx.config.cpu_milli).unwrap_or(i64::MAX),
            node_memory_bytes: i64::try_from(cx.config.memory_bytes).unwrap_or(i64::MAX),
            objects: &self.objects,
        }
    }

    /// Asks for the objects that the Pod refers to and that are not known. True when all are known.
    fn ask_for_objects(&mut self, cx: &mut Cx<'_>) -> bool {
        let mut complete = true;
        for reference in volumes::references(&self.pod) {
            if !self.objects.known.contains_key(&reference) {
                complete = false;
                if self.asked.insert(reference.clone()) {
                    cx.wanted.push(reference);
                }
            }
        }
        complete
    }

    fn forget_missing(&mut self) {
        self.objects.known.retain(|_, known| !matches!(known, volumes::Known::Missing(_)));
    }

    fn set_up_volumes(&mut self, cx: &mut Cx<'_>) {
        let Stage::Volumes { retry_at, failures } = self.stage else { return };
        match retry_at {
            Some(at) if at > cx.now => return,
            Some(_) => {
                self.forget_missing();
                self.stage = Stage::Volumes { retry_at: None, failures };
            }
            None => {}
        }
        if !self.ask_for_objects(cx) {
            return;
        }
        let host_ip = node_ip(cx.config.index);
        let made = volumes::make_host_paths(&self.pod, cx.host);
        match made.and_then(|()| volumes::set_up(&self.source(cx, &host_ip))) {
            Ok(trees) => {
                self.sandbox.volumes = trees;
                let takes = cx.rng.duration(Duration::from_millis(150), Duration::from_millis(350));
                self.stage = Stage::Sandbox(cx.now + takes);
            }
            Err((volume, error)) => {
                // `initialDurationBeforeRetry` and `maxDurationBeforeRetry` of pkg/volume/util/exponentialbackoff.
                let wait = Duration::from_millis(500 << failures.min(8)).min(Duration::from_secs(122));
                self.stage = Stage::Volumes { retry_at: Some(cx.now + wait), failures: failures.saturating_add(1) };
                self.pod_event(Warning, "FailedMount", &format!("MountVolume.SetUp failed for volume {volume:?} : {error}"), cx);
            }
        }
    }

    fn sandbox_ready(&mut self, cx: &mut Cx<'_>) {
        let ip = if self.pod.spec.host_network == Some(true) {
            node_ip(cx.config.index)
        } else {
            let Some(octet) = cx.addresses.take() else {
                self.pod_event(
                    Warning,
                    "FailedCreatePodSandBox",
                    "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox: no IP addresses available",
                    cx,
                );
                self.stage = Stage::Sandbox(cx.now + CONFIG_RETRY);
                return;
            };
            self.octet = Some(octet);
            format!("{}.{octet}", pod_network(cx.config.index))
        };
        cx.out.trace(What::SandboxReady { pod: self.object.clone(), ip: ip.as_str().into() });
        self.sandbox.ip = ip;
        self.stage = Stage::Containers;
    }

    fn sync_containers(&mut self, cx: &mut Cx<'_>) {
        let begun = self.records.iter().any(|record| record.role == Role::Main && (!record.runs.is_empty() || record.step != Step::Idle));
        let mut initialized = true;
        for index in 0..self.pod.spec.init_containers.len() {
            match self.records[index].role {
                Role::Sidecar => {
                    self.ensure_running(index, cx);
                    initialized = self.records[index].started();
                }
                _ if begun || self.exit_code(index) == Some(0) => {}
                _ => {
                    if self.exit_code(index).is_some() && self.pod.spec.restart_policy == "Never" {
                        self.ending = Some(None);
                        return;
                    }
                    self.ensure_running(index, cx);
                    initialized = false;
                }
            }
            if !initialized && !begun {
                return;
            }
        }
        let mains = self.pod.spec.init_containers.len()..self.records.len();
        for index in mains.clone() {
            self.ensure_running(index, cx);
        }
        let over = |index: usize| self.records[index].step == Step::Idle && self.exit_code(index).is_some() && !self.should_restart(index);
        if mains.clone().all(over) && !mains.is_empty() {
            self.ending = Some(None);
        }
    }

    /// The exit code of the last run of a container, if that has ended.
    pub(crate) fn exit_code(&self, index: usize) -> Option<i32> {
        match self.sandbox.containers[*self.records[index].runs.last()?].state {
            State::Exited { code, .. } => Some(code),
            State::Running => None,
        }
    }

    fn finished_at(&self, index: usize) -> Option<Time> {
        match self.sandbox.containers[*self.records[index].runs.last()?].state {
            State::Exited { at, .. } => Some(at),
            State::Running => None,
        }
    }

    /// Whether a container that has ended is to be started again (`ShouldContainerBeRestarted`).
    pub(crate) fn should_restart(&self, index: usize) -> bool {
        let Some(code) = self.exit_code(index) else { return true };
        match (self.records[index].role, self.pod.spec.restart_policy.as_str()) {
            (Role::Sidecar, _) => true,
            (_, "Never") => false,
            (Role::Init, _) | (_, "OnFailure") => code != 0,
            _ => true,
        }
    }

    /// Brings a container a step closer to running.
    fn ensure_running(&mut self, index: usize, cx: &mut Cx<'_>) {
        match self.records[index].step {
            Step::Creating(at) if at <= cx.now => return self.start(index, cx),
            Step::Waits(Some(at)) if at <= cx.now => self.records[index].step = Step::Idle,
            Step::Idle => {}
            _ => return,
        }
        if let Some(finished) = self.finished_at(index) {
            if !self.should_restart(index) {
                return;
            }
            if let Some(until) = self.restarts.waits_until(&index, finished, cx.now) {
                return self.back_off(index, finished, until, cx);
            }
            self.restarts.next(index, finished, cx.now);
        }
        self.ensure_image(index, cx);
    }

    fn back_off(&mut self, index: usize, finished: Time, until: Time, cx: &mut Cx<'_>) {
        let (name, pod) = (self.spec(index).name.clone(), self.full_name());
        let delay = self.restarts.get(&index);
        let message = format!("back-off {} restarting failed container={name} pod={pod}", go_duration(delay));
        self.records[index].waiting = Some(("CrashLoopBackOff", message));
        self.records[index].step = Step::Waits(Some(until));
        if self.records[index].told_back_off.replace(finished) == Some(finished) {
            return;
        }
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        cx.out.trace(What::BackOff { pod: self.object.clone(), container: name.as_str().into(), reason: "CrashLoopBackOff", delay_ms });
        self.event(index, Warning, "BackOff", &format!("Back-off restarting failed container {name} in pod {pod}"), cx);
    }

    fn ensure_image(&mut self, index: usize, cx: &mut Cx<'_>) {
        let spec = self.spec(index);
        let (image, policy, name) = (spec.image.clone(), spec.image_pull_policy.clone(), spec.name.clone());
        match cx.images.ensure((self.pod.metadata.uid.clone(), index), &image, &policy, cx.now) {
            Ensured::Present(present) => {
                self.records[index].image = Some(present);
                self.event(index, Normal, "Pulled", &format!("Container image {image:?} already present on machine"), cx);
                self.create(index, cx);
            }
            Ensured::Pulling => {
                self.records[index].step = Step::Pulling;
                cx.out.trace(What::ImagePullStarted { pod: self.object.clone(), image: image.as_str().into() });
                self.event(index, Normal, "Pulling", &format!("Pulling image {image:?}"), cx);
            }
            Ensured::Waits { reason, message, until } => {
                let said = self.records[index].waiting.as_ref().is_some_and(|(before, _)| *before == reason);
                self.records[index].waiting = Some((reason, message.clone()));
                self.records[index].step = Step::Waits(until.or((reason == "ErrImageNeverPull").then(|| cx.now + CONFIG_RETRY)));
                match reason {
                    _ if said => return,
                    "ImagePullBackOff" => {
                        let delay_ms = until.map_or(0, |until| until.since(cx.now).as_millis());
                        let delay_ms = u64::try_from(delay_ms).unwrap_or(u64::MAX);
                        cx.out.trace(What::BackOff { pod: self.object.clone(), container: name.as_str().into(), reason, delay_ms });
                        self.event(index, Normal, "BackOff", &format!("Back-off pulling image {image:?}"), cx);
                    }
                    "InvalidImageName" => self.event(index, Warning, "InspectFailed", &message, cx),
                    _ => self.event(index, Warning, reason, &message, cx),
                }
                self.event(index, Warning, "Failed", &format!("Error: {reason}"), cx);
            }
        }
    }

    /// A pull that the worker asked for has ended.
    pub(crate) fn pull_done(&mut self, pulled: Pulled, cx: &mut Cx<'_>) {
        let index = pulled.waiter.1;
        if self.records.get(index).is_none_or(|record| record.step != Step::Pulling) {
            return;
        }
        let image = &pulled.image;
        match pulled.result {
            Ok(present) => {
                cx.out.trace(What::ImagePulled { pod: self.object.clone(), image: image.as_str().into() });
                let message = format!(
                    "Successfully pulled image {image:?} in {} ({} including waiting). Image size: {} bytes.",
                    go_duration(pulled.took),
                    go_duration(pulled.with_waiting),
                    present.size_bytes
                );
                self.event(index, Normal, "Pulled", &message, cx);
                self.records[index].image = Some(present);
                self.records[index].waiting = None;
                self.create(index, cx);
            }
            Err(error) => {
                cx.out.trace(What::ImagePullFailed {
                    pod: self.object.clone(),
                    image: image.as_str().into(),
                    message: error.as_str().into(),
                });
                self.event(index, Warning, "Failed", &format!("Failed to pull image {image:?}: {error}"), cx);
                self.event(index, Warning, "Failed", "Error: ErrImagePull", cx);
                self.records[index].waiting = Some(("ErrImagePull", error));
                self.records[index].step = Step::Waits(Some(cx.now + LOOK_AGAIN));
            }
        }
    }

    fn create(&mut self, index: usize, cx: &mut Cx<'_>) {
        let takes = cx.rng.duration(Duration::from_millis(30), Duration::from_millis(80));
        self.records[index].step = Step::Creating(cx.now + takes);
    }

    /// The runtime's configuration of a container.
    fn container_config(&self, index: usize, cx: &Cx<'_>) -> Result<ContainerConfig, String> {
        let spec = self.spec(index);
        let image = self.records[index].image.as_ref().ok_or_else(|| "image not found".to_owned())?.image;
        let host_ip = node_ip(cx.config.index);
        let mut env = env::environment(spec, &self.source(cx, &host_ip))?;
        for (name, value) in image.env {
            if !env.iter().any(|(key, _)| key == name) {
                env.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        let lookup = |name: &str| env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let expanded = |words: &[String]| words.iter().map(|word| env::expand(word, lookup)).collect::<Vec<_>>();
        // A command replaces the image's entry point and drops its default arguments.
        let argv: Vec<String> = match (spec.command.is_empty(), spec.args.is_empty()) {
            (true, true) => [owned(image.entrypoint), owned(image.cmd)].concat(),
            (true, false) => [owned(image.entrypoint), expanded(&spec.args)].concat(),
            (false, _) => [expanded(&spec.command), expanded(&spec.args)].concat(),
        };
        let memory_limit = spec.resources.limits.get("memory").and_then(|quantity| u64::try_from(quantity.value()).ok());
        let cpu_limit = spec.resources.limits.get("cpu").and_then(|quantity| u64::try_from(quantity.milli_value()).ok());
        let cwd = if spec.working_dir.is_empty() { image.workdir.to_owned() } else { spec.working_dir.clone() };
        Ok(ContainerConfig {
            name: spec.name.clone(),
            image,
            argv,
            ports: spec.ports.iter().filter_map(|port| u16::try_from(port.container_port).ok()).collect(),
            cwd,
            mounts: volumes::mounts(&self.pod, spec, lookup),
            memory_limit,
            cpu_milli: cpu_limit.or(Some(cx.config.cpu_milli)),
            termination_message_path: spec.termination_message_path.clone(),
            env,
        })
    }

    fn start(&mut self, index: usize, cx: &mut Cx<'_>) {
        if !self.ask_for_objects(cx) {
            return;
        }
        let config = match self.container_config(index, cx) {
            Ok(config) => config,
            Err(message) => {
                self.event(index, Warning, "Failed", &format!("Error: {message}"), cx);
                self.records[index].waiting = Some(("CreateContainerConfigError", message));
                self.records[index].step = Step::Waits(Some(cx.now + CONFIG_RETRY));
                // The next look reads again what was missing.
                self.forget_missing();
                return;
            }
        };
        let name = config.name.clone();
        self.event(index, Normal, "Created", &format!("Created container: {name}"), cx);
        let mut root = cx.files.root(config.image);
        // An image whose /etc is no directory keeps what it has.
        let _ = root.write("/etc/hosts", &env::hosts_file(&self.pod, &self.sandbox.ip), false);
        let _ = root.write("/etc/hostname", &format!("{}\n", env::hostname(&self.pod)), false);
        let started = self.sandbox.start(config, root, cx.now);
        self.records[index].runs.push(self.sandbox.containers.len() - 1);
        self.records[index].failed_probe = None;
        let Err(error) = started else {
            self.event(index, Normal, "Started", &format!("Started container {name}"), cx);
            let restart_count = u32::try_from(self.records[index].runs.len() - 1).unwrap_or(u32::MAX);
            cx.out.trace(What::ContainerStarted { pod: self.object.clone(), container: name.as_str().into(), restart_count });
            self.records[index].step = Step::Running;
            self.records[index].waiting = None;
            self.post_start(index, cx);
            self.trigger_readiness(index, cx);
            return;
        };
        self.event(index, Warning, "Failed", &format!("Error: {error}"), cx);
        self.records[index].waiting = Some(("RunContainerError", error));
        self.records[index].step = Step::Waits(Some(cx.now + LOOK_AGAIN));
    }

    fn post_start(&mut self, index: usize, cx: &mut Cx<'_>) {
        let hook = self.spec(index).lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
        let Some(command) = hook.and_then(|hook| hook.exec.as_ref()).map(|exec| exec.command.clone()) else { return };
        let Some(&run) = self.records[index].runs.last() else { return };
        match self.sandbox.exec(run, &command, None, cx.now) {
            Some(id) => self.records[index].post_start = Some(id),
            None => self.post_start_failed(index, &ExecResult { exit_code: 126, ..ExecResult::default() }, cx),
        }
    }

    /// A `postStart` hook that fails ends its container.
    pub(crate) fn post_start_failed(&mut self, index: usize, result: &ExecResult, cx: &mut Cx<'_>) {
        let message = format!("PostStartHook failed: command exited with {}: {}", result.exit_code, result.stderr);
        self.event(index, Warning, "FailedPostStartHook", message.trim_end_matches([' ', ':']), cx);
        self.kill(index, "FailedPostStartHook", self.grace_of(index), cx);
    }
}
