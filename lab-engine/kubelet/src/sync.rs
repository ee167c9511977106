//! What a Pod needs next: volumes, sandbox, images, containers (`SyncPod` and `computePodActions` of `pkg/kubelet/kuberuntime`).

use crate::backoff::go_duration;
use crate::credentials::Keyring;
use crate::env::{self, Source};
use crate::image_pull::{ImageEvent, pull_failure};
use crate::images::{Ensured, Pulled};
use crate::kubelet::KubeletConfig;
use crate::node::{node_ip, pod_network};
use crate::pod_actions::{RuntimeState, RuntimeView, SandboxSeen, Seen, Which, compute_pod_actions};
use crate::pod_worker::{Cx, PodWorker, Role, Stage, Step};
use crate::probes::ProbeType;
use crate::resize::memory_limit;
use crate::restart::should_restart;
use crate::runtime::disk::InMemory;
use crate::runtime::registry;
use crate::runtime::sandbox::{ContainerConfig, PidNamespace, State};
use crate::volumes::{self, Known, ROOT_CA, RefKind};
use api::core::Container;
use api::intstr::IntOrString;
use client::EventType::{Normal, Warning};
use sim::{Time, What};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a container whose image or settings failed keeps saying so before the worker looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often a Pod whose files can change is synced at least (`syncFrequency`).
const SYNC_FREQUENCY: Duration = Duration::from_secs(60);
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
                self.refresh_volumes(cx);
                self.resize(cx);
                self.sync_containers(cx);
            }
        }
        if self.ending.is_some() {
            self.end(cx);
        }
    }

    /// The objects and addresses that environments and volumes are made from.
    fn source<'a>(&'a self, config: &KubeletConfig, host_ip: &'a str) -> Source<'a> {
        Source {
            pod: &self.pod,
            pod_ip: &self.sandbox.ip,
            host_ip,
            node_cpu_milli: i64::try_from(config.cpu_milli).unwrap_or(i64::MAX),
            node_memory_bytes: i64::try_from(config.memory_bytes).unwrap_or(i64::MAX),
            objects: &self.objects,
        }
    }

    /// Asks for the objects that the Pod refers to and that are not known. True when all are known.
    fn ask_for_objects(&mut self, cx: &mut Cx<'_>) -> bool {
        let mut complete = true;
        for reference in volumes::references(&self.pod) {
            if !self.objects.known.contains_key(&reference) {
                let root_ca = cx.root_cas.get(&self.pod.metadata.namespace);
                if let Some(map) = root_ca.filter(|_| reference.0 == RefKind::ConfigMap && reference.1 == ROOT_CA) {
                    self.objects.known.insert(reference, Known::ConfigMap(map.clone()));
                    continue;
                }
                complete = false;
                if self.asked.insert(reference.clone()) {
                    cx.wanted.push(reference);
                }
            }
        }
        complete
    }

    /// Forgets what may have changed for the better: objects that are missing, and claims that are not bound.
    fn forget_missing(&mut self) {
        self.objects.known.retain(|_, known| match known {
            Known::Missing(_) => false,
            Known::Claim(claim) => volumes::is_bound(claim),
            _ => true,
        });
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
        match volumes::set_up(&self.source(cx.config, &host_ip), cx.host, cx.disks) {
            Ok(trees) => {
                self.sandbox.volumes = trees;
                let in_memory = self.pod.spec.volumes.iter().enumerate().filter(|(_, volume)| volumes::is_in_memory(volume));
                self.sandbox.in_memory = in_memory.map(|(volume, _)| InMemory { volume, charged: 0 }).collect();
                let takes = cx.rng.duration(Duration::from_millis(150), Duration::from_millis(350));
                self.stage = Stage::Sandbox(cx.now + takes);
            }
            Err(message) => {
                // `initialDurationBeforeRetry` and `maxDurationBeforeRetry` of pkg/volume/util/exponentialbackoff.
                let wait = Duration::from_millis(500 << failures.min(8)).min(Duration::from_secs(122));
                self.stage = Stage::Volumes { retry_at: Some(cx.now + wait), failures: failures.saturating_add(1) };
                self.pod_event(Warning, "FailedMount", &message, cx);
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
        self.resync_later(cx);
    }

    /// A Pod whose files can change is synced anew after a minute and up to half as much again (`syncFrequency`), and one whose only such
    /// files are tokens when one of them is to be renewed.
    fn resync_later(&mut self, cx: &mut Cx<'_>) {
        let live = volumes::is_live(&self.pod).then(|| cx.now + cx.rng.duration(SYNC_FREQUENCY, SYNC_FREQUENCY + SYNC_FREQUENCY / 2));
        let tokens = self.objects.tokens().map(|token| token.renew_at.max(cx.now + SYNC_FREQUENCY));
        self.resync_at = tokens.chain(live).min();
    }

    /// Reads anew what mounted files are made of, and makes them when it is there.
    fn refresh_volumes(&mut self, cx: &mut Cx<'_>) {
        if self.resync_at.is_some_and(|at| at <= cx.now) {
            self.resync_at = None;
            self.refreshing = true;
            for reference in volumes::file_references(&self.pod) {
                let stale = volumes::is_stale(self.objects.known.get(&reference), cx.now);
                if stale && self.asked.insert(reference.clone()) {
                    cx.wanted.push(reference);
                }
            }
        }
        if self.refreshing && self.asked.is_empty() {
            self.refreshing = false;
            let host_ip = node_ip(cx.config.index);
            let mut trees = std::mem::take(&mut self.sandbox.volumes);
            volumes::refresh(&self.source(cx.config, &host_ip), &mut trees);
            self.sandbox.volumes = trees;
            self.resync_later(cx);
        }
    }

    /// Does what `computePodActions` says. As in `SyncPod`, containers start one after the other: one whose image is pulled, or whose
    /// `postStart` hook runs, holds up those after it; one that waits to be tried again does not.
    fn sync_containers(&mut self, cx: &mut Cx<'_>) {
        if self.restarting_all && !self.begin_all_anew(cx) {
            return;
        }
        let actions = compute_pod_actions(&self.pod, &self.runtime_view());
        if actions.kill_pod {
            self.end_because(None, self.pod_grace());
            return;
        }
        let inits = self.pod.spec.init_containers.len();
        let mains = self.pod.spec.containers.len();
        for kill in actions.to_kill {
            let index = match kill.container {
                Which::Init(index) => index,
                Which::Main(index) => inits + index,
            };
            self.kill(index, &kill.message, self.grace_of(index, kill.probe), cx);
        }
        let ephemeral = (0..self.ephemeral.len()).map(|index| inits + mains + index);
        let main = actions.to_start.into_iter().map(|index| inits + index);
        let mut held_up = self.records.iter().any(|record| record.post_start.is_some());
        for index in ephemeral.chain(actions.init_to_start).chain(main) {
            if !held_up || matches!(self.records[index].step, Step::Creating(_) | Step::NeedsObjects) {
                self.ensure_running(index, cx);
                held_up |= self.records[index].holds_up_others();
            }
        }
        // What is due and was passed over is looked at again with the next sync.
        for record in &mut self.records {
            if matches!(record.step, Step::Waits(Some(at)) | Step::Creating(at) if at <= cx.now) {
                record.step = Step::Idle;
            }
        }
    }

    /// A container ended with a code for which all are to start anew: ends the others, without their hooks. True when all have ended.
    fn begin_all_anew(&mut self, cx: &mut Cx<'_>) -> bool {
        for index in 0..self.records.len() {
            if self.records[index].step == Step::Running {
                self.stop_now(index, cx);
            } else if !self.records[index].is_alive() {
                self.records[index].step = Step::Idle;
            }
        }
        if self.records.iter().any(|record| record.is_alive()) {
            return false;
        }
        self.restarting_all = false;
        for record in self.records.iter_mut().filter(|record| record.role != Role::Ephemeral) {
            record.past_runs = record.runs.len();
            record.killed = false;
        }
        true
    }

    /// What the runtime has of the Pod.
    fn runtime_view(&self) -> RuntimeView {
        let inits = self.pod.spec.init_containers.len();
        let mains = self.pod.spec.containers.len();
        let seen = |range: std::ops::Range<usize>| range.map(|index| self.seen(index)).collect();
        RuntimeView {
            sandbox: Some(SandboxSeen { ready: true, attempt: 0, has_ip: true }),
            init: seen(0..inits),
            main: seen(inits..inits + mains),
            ephemeral: seen(inits + mains..self.records.len()),
        }
    }

    fn seen(&self, index: usize) -> Option<Seen> {
        let record = &self.records[index];
        let &run = record.runs.last().filter(|_| record.runs.len() > record.past_runs)?;
        let state = match self.sandbox.containers[run].state {
            State::Exited { code, .. } if self.has_seen(run) => RuntimeState::Exited(code),
            State::Exited { .. } | State::Running => RuntimeState::Running,
        };
        let result = |kind: ProbeType| record.probes.iter().find(|probe| probe.kind == kind).and_then(|probe| probe.result_for(run));
        let startup = result(ProbeType::Startup);
        let changed = state == RuntimeState::Running && record.started_image != self.spec(index).image;
        Some(Seen { state, liveness: result(ProbeType::Liveness), startup, changed })
    }

    /// The exit code of the last run of a container, if that has ended and the kubelet knows it.
    pub(crate) fn exit_code(&self, index: usize) -> Option<i32> {
        let run = *self.records[index].runs.last()?;
        match self.sandbox.containers[run].state {
            State::Exited { code, .. } if self.has_seen(run) => Some(code),
            State::Exited { .. } | State::Running => None,
        }
    }

    fn finished_at(&self, index: usize) -> Option<Time> {
        self.end_of(*self.records[index].runs.last()?)
    }

    /// When the run before the last one ended.
    fn finished_before(&self, index: usize) -> Option<Time> {
        self.end_of(*self.records[index].runs.iter().rev().nth(1)?)
    }

    fn end_of(&self, run: usize) -> Option<Time> {
        match self.sandbox.containers[run].state {
            State::Exited { at, .. } => Some(at),
            State::Running => None,
        }
    }

    /// Whether a container that has ended is to be started again.
    pub(crate) fn should_restart(&self, index: usize) -> bool {
        let Some(code) = self.exit_code(index) else { return true };
        let role = self.records[index].role;
        role != Role::Ephemeral && should_restart(self.spec(index), &self.pod.spec, matches!(role, Role::Init | Role::Sidecar), code)
    }

    /// Brings a container a step closer to running.
    fn ensure_running(&mut self, index: usize, cx: &mut Cx<'_>) {
        match self.records[index].step {
            Step::Creating(at) if at <= cx.now => return self.start(index, cx),
            Step::NeedsObjects => return self.start(index, cx),
            Step::Waits(Some(at)) if at <= cx.now => self.records[index].step = Step::Idle,
            Step::Idle => {}
            _ => return,
        }
        if let Some(finished) = self.finished_at(index) {
            let anew = self.records[index].runs.len() == self.records[index].past_runs;
            if !anew && !self.should_restart(index) {
                return;
            }
            // A container that the kubelet itself killed is started again by the same sync, which knows only the run before.
            let killed = std::mem::take(&mut self.records[index].killed);
            let event = if killed { self.finished_before(index) } else { Some(finished) };
            if let Some(event) = event {
                if let Some(until) = self.restarts.waits_until(&index, event, cx.now) {
                    let until = if killed { finished + self.restarts.get(&index) } else { until };
                    return self.back_off(index, finished, until, cx);
                }
                self.restarts.next(index, event, cx.now);
            }
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
        let (keyring, missing) = Keyring::of(&self.pod, &self.objects);
        if !missing.is_empty() && !std::mem::replace(&mut self.told_secrets, true) {
            let names = missing.join(", ");
            let message = format!("Unable to retrieve some image pull secrets ({names}); attempting to pull the image may not succeed.");
            self.pod_event(Warning, "FailedToRetrieveImagePullSecret", &message, cx);
        }
        let (ensured, events) = cx.images.ensure((self.pod.metadata.uid.clone(), index), &image, &policy, &keyring, cx.now);
        if let Ensured::Waits { reason, message, until } = ensured {
            let said = self.records[index].waiting.as_ref().is_some_and(|(before, _)| *before == reason);
            self.records[index].waiting = Some((reason, message));
            self.records[index].step = Step::Waits(until.or((reason == "ErrImageNeverPull").then(|| cx.now + CONFIG_RETRY)));
            if said {
                return;
            }
            if let Some(until) = until {
                let delay_ms = u64::try_from(until.since(cx.now).as_millis()).unwrap_or(u64::MAX);
                cx.out.trace(What::BackOff { pod: self.object.clone(), container: name.as_str().into(), reason, delay_ms });
            }
            self.image_events(index, &events, cx);
            self.event(index, Warning, "Failed", &format!("Error: {reason}"), cx);
            return;
        }
        if let Ensured::Present(present) = ensured {
            self.records[index].image = Some(present);
            self.image_events(index, &events, cx);
            return self.create(index, cx);
        }
        self.records[index].step = Step::Pulling;
        cx.out.trace(What::ImagePullStarted { pod: self.object.clone(), image: image.as_str().into() });
        self.image_events(index, &events, cx);
    }

    fn image_events(&self, index: usize, events: &[ImageEvent], cx: &mut Cx<'_>) {
        for event in events {
            self.event(index, event.kind, event.reason, &event.message, cx);
        }
    }

    /// A pull that the worker asked for has ended.
    pub(crate) fn pull_done(&mut self, pulled: Pulled, cx: &mut Cx<'_>) {
        let index = pulled.waiter.1;
        if self.records.get(index).is_none_or(|record| record.step != Step::Pulling) {
            return;
        }
        let image = pulled.image.as_str().into();
        let pod = self.object.clone();
        cx.out.trace(match &pulled.result {
            Ok(_) => What::ImagePulled { pod, image },
            Err(error) => What::ImagePullFailed { pod, image, message: error.as_str().into() },
        });
        self.image_events(index, std::slice::from_ref(&pulled.event), cx);
        match pulled.result {
            Ok(present) => {
                self.records[index].image = Some(present);
                self.create(index, cx);
            }
            Err(error) => {
                let (reason, message) = pull_failure(&pulled.image, &error);
                self.event(index, Warning, "Failed", &format!("Error: {reason}"), cx);
                self.records[index].waiting = Some((reason, message));
                self.records[index].step = Step::Waits(Some(cx.now + LOOK_AGAIN));
            }
        }
    }

    fn create(&mut self, index: usize, cx: &mut Cx<'_>) {
        let takes = cx.rng.duration(Duration::from_millis(30), Duration::from_millis(80));
        self.records[index].step = Step::Creating(cx.now + takes);
        if !self.records[index].runs.is_empty() {
            // A container that starts again sees ConfigMaps and Secrets as they are now.
            self.objects.known.retain(|(kind, _), _| matches!(kind, RefKind::Claim | RefKind::Token(_)));
        }
    }

    /// The runtime's configuration of a container.
    fn container_config(&mut self, index: usize, cx: &Cx<'_>) -> Result<ContainerConfig, String> {
        let spec = self.spec(index).clone();
        let image = self.records[index].image.as_ref().ok_or_else(|| "image not found".to_owned())?.image;
        let host_ip = node_ip(cx.config.index);
        let mut env = env::environment(&spec, &self.source(cx.config, &host_ip), self.service_links(cx)?)?;
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
        let allocated = &self.records[index].allocated;
        let memory_limit = memory_limit(allocated);
        let cpu_limit = allocated.limits.get("cpu").and_then(|quantity| u64::try_from(quantity.milli_value()).ok());
        let cwd = if spec.working_dir.is_empty() { image.workdir.to_owned() } else { spec.working_dir.clone() };
        let pid_namespace = self.pid_namespace(index);
        // The copies of `subPath` mounts that no container uses any more are let go.
        if !self.records.iter().any(|record| record.is_alive()) {
            self.sandbox.volumes.truncate(self.pod.spec.volumes.len());
        }
        let mounts = volumes::mounts(&self.pod, &spec, &self.objects, &mut self.sandbox.volumes, lookup);
        Ok(ContainerConfig {
            name: spec.name.clone(),
            image,
            argv,
            ports: expected_ports(&spec),
            privileged: spec.rest.get("securityContext").is_some_and(|context| context["privileged"] == true),
            cwd,
            mounts,
            memory_limit,
            cpu_milli: cpu_limit.or(Some(cx.config.cpu_milli)),
            pid_namespace,
            termination_message_path: spec.termination_message_path.clone(),
            stdin: spec.stdin == Some(true),
            tty: spec.tty == Some(true),
            env,
        })
    }

    /// What a container is told of Services.
    fn service_links(&self, cx: &Cx<'_>) -> Result<Vec<(String, String)>, String> {
        let links = self.pod.spec.enable_service_links != Some(false);
        match cx.services {
            Some(services) => Ok(crate::service_links::variables(services, &self.pod.metadata.namespace, links)),
            // A static Pod may be what the API server runs in.
            None if self.pod.metadata.annotations.contains_key("kubernetes.io/config.source") => Ok(Vec::new()),
            None => Err("services have not yet been read at least once, cannot construct envvars".to_owned()),
        }
    }

    /// Whose processes a container sees.
    fn pid_namespace(&self, index: usize) -> PidNamespace {
        if self.pod.spec.share_process_namespace == Some(true) {
            return PidNamespace::Pod;
        }
        let regular = self.records.len() - self.ephemeral.len();
        let debugger = index.checked_sub(regular).and_then(|place| self.pod.spec.ephemeral_containers.get(place));
        let target = debugger.and_then(|debugger| (0..regular).find(|&other| self.spec(other).name == debugger.target_container_name));
        let run = target.and_then(|target| self.records[target].runs.last().copied());
        run.map_or(PidNamespace::Own, PidNamespace::Of)
    }

    fn start(&mut self, index: usize, cx: &mut Cx<'_>) {
        if !self.ask_for_objects(cx) {
            self.records[index].step = Step::NeedsObjects;
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
        if config.argv.is_empty() {
            let id = registry::hex_id(&format!("{}/{}/{}", self.pod.metadata.uid, config.name, self.records[index].runs.len()));
            let message = format!("failed to generate container {id:?} spec: failed to generate spec: no command specified");
            self.event(index, Warning, "Failed", &format!("Error: {message}"), cx);
            self.records[index].waiting = Some(("CreateContainerError", message));
            self.records[index].step = Step::Waits(Some(cx.now + CONFIG_RETRY));
            return;
        }
        let name = config.name.clone();
        self.event(index, Normal, "Created", &format!("Created container: {name}"), cx);
        let mut root = cx.files.root(config.image);
        // An image whose /etc is no directory keeps what it has.
        let _ = root.write("/etc/hosts", &env::hosts_file(&self.pod, &self.sandbox.ip), false);
        let _ = root.write("/etc/resolv.conf", &crate::dns::resolv_conf(&self.pod), false);
        let _ = root.write("/etc/hostname", &format!("{}\n", env::hostname(&self.pod)), false);
        let started = self.sandbox.start(config, root, cx.now);
        self.records[index].runs.push(self.sandbox.containers.len() - 1);
        self.records[index].killed = false;
        self.records[index].in_force = self.records[index].allocated.clone();
        self.records[index].started_image = self.spec(index).image.clone();
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
}

/// The ports that the program of a container is expected to listen on: those that it declares, and those that its probes ask.
fn expected_ports(container: &Container) -> Vec<u16> {
    let probes = [&container.startup_probe, &container.liveness_probe, &container.readiness_probe].into_iter().flatten();
    let asked = probes.filter_map(|probe| {
        let port = probe.http_get.as_ref().map(|get| &get.port).or(probe.tcp_socket.as_ref().map(|socket| &socket.port))?;
        if let IntOrString::Int(port) = port { u16::try_from(*port).ok() } else { None }
    });
    let declared = container.ports.iter().filter_map(|port| u16::try_from(port.container_port).ok());
    let ports: BTreeSet<u16> = declared.chain(asked).collect();
    ports.into_iter().collect()
}
