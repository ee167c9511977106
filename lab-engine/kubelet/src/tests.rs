//! The kubelet against a fake API server: Pods come by its watch, and what it writes is looked at.

use crate::{Kubelet, KubeletConfig};
use api::core::{ConfigMap, PersistentVolumeClaim, Pod, PodStatus, Secret};
use api::http::{Body, Method, Path, Request, ResourcePath, Response, WatchEvent};
use api::meta::{ResourceVersion, Timestamp};
use api::status::Status;
use api::{Object, Resource};
use client::{Action, Component, Input, Outbox, RequestId, ServeId};
use serde_json::{Value, json};
use sim::{Seed, Time, What};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

mod lives;
mod timelines;
mod volumes;

/// Everything outside the kubelet: answers come at once.
struct World {
    kubelet: Kubelet,
    now: Time,
    watch: Option<RequestId>,
    next_request: u64,
    revision: u64,
    pods: BTreeMap<String, Pod>,
    maps: BTreeMap<String, ConfigMap>,
    claims: BTreeMap<String, PersistentVolumeClaim>,
    secrets: BTreeMap<String, Secret>,
    trace: Vec<(Time, What)>,
    answers: Vec<Response>,
    streamed: String,
    status_writes: usize,
}

impl World {
    fn new() -> Self {
        let kubelet = Kubelet::new(KubeletConfig::default(), Seed(7).stream("kubelet/node-1"));
        let mut world = World {
            kubelet,
            now: Time::ZERO,
            watch: None,
            next_request: 1,
            revision: 1,
            pods: BTreeMap::new(),
            maps: BTreeMap::new(),
            claims: BTreeMap::new(),
            secrets: BTreeMap::new(),
            trace: Vec::new(),
            answers: Vec::new(),
            streamed: String::new(),
            status_writes: 0,
        };
        world.give(Input::Wake);
        let id = world.watch.unwrap();
        let end = WatchEvent::Bookmark { resource_version: 1, initial_events_end: true };
        world.give(Input::Watch(id, Arc::new([end])));
        world
    }

    fn give(&mut self, input: Input) {
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            let mut out = Outbox::new(self.next_request);
            self.kubelet.handle(self.now, inputs.remove(0), &mut out);
            let (actions, next) = out.take();
            self.next_request = next;
            for action in actions {
                match action {
                    Action::Request(id, request) if request.is_watch() && is_for(&request, "services") => {
                        let end = WatchEvent::Bookmark { resource_version: 1, initial_events_end: true };
                        inputs.push(Input::Watch(id, Arc::new([end])));
                    }
                    Action::Request(id, request) if request.is_watch() => self.watch = Some(id),
                    Action::Request(id, request) => {
                        let (response, event) = self.answer(&request);
                        inputs.push(Input::Response(id, Ok(response)));
                        inputs.extend(event.zip(self.watch).map(|(event, id)| Input::Watch(id, Arc::new([event]))));
                    }
                    Action::Respond(_, response) => self.answers.push(response),
                    Action::Stream(_, text, _) => self.streamed.push_str(&text),
                    Action::Trace(_, what) => self.trace.push((self.now, what)),
                    Action::Cancel(_)
                    | Action::Write(..)
                    | Action::Etcd(..)
                    | Action::StartEtcd(..)
                    | Action::Dial(..)
                    | Action::Forward(..)
                    | Action::Answer(..) => {}
                }
            }
        }
    }

    fn answer(&mut self, request: &Request) -> (Response, Option<WatchEvent>) {
        let Path::Resource(path) = &request.path else { panic!("{request:?}") };
        let name = path.name.clone().unwrap_or_default();
        let object = match &request.body {
            Body::Object(object) => Some(object.clone()),
            _ => None,
        };
        self.revision += 1;
        match (request.method, path.resource.resource.as_ref()) {
            (Method::Put, "pods") => {
                let Some(Object::Pod(sent)) = object else { panic!("no Pod") };
                let Some(pod) = self.pods.get_mut(&name) else { return (Status::not_found(&path.resource, &name).into(), None) };
                if sent.metadata.resource_version != pod.metadata.resource_version {
                    return (Status::conflict(&path.resource, &name, "the object has been modified").into(), None);
                }
                self.status_writes += 1;
                pod.status = sent.status.clone();
                pod.metadata.resource_version = ResourceVersion(self.revision);
                let object: Object = pod.clone().into();
                (Response::ok(Body::Object(object.clone())), Some(WatchEvent::Modified(object)))
            }
            (Method::Delete, "pods") => {
                assert!(matches!(&request.body, Body::Json(options) if options["gracePeriodSeconds"] == json!(0)));
                let pod = self.pods.remove(&name).expect("deleted once");
                let object: Object = pod.into();
                (Response::ok(Body::Object(object.clone())), Some(WatchEvent::Deleted(object)))
            }
            (Method::Get, "configmaps") => match self.maps.get(&name) {
                Some(map) => (Response::ok(Body::Object(map.clone().into())), None),
                None => (Status::not_found(&path.resource, &name).into(), None),
            },
            (Method::Post, "pods") => {
                let Some(Object::Pod(sent)) = object else { panic!("no Pod") };
                let mut pod = Pod::clone(&sent);
                pod.metadata.uid = format!("mirror-{}", self.revision);
                pod.metadata.resource_version = ResourceVersion(self.revision);
                self.pods.insert(pod.metadata.name.clone(), pod.clone());
                let object: Object = pod.into();
                (Response::created(Body::Object(object.clone())), Some(WatchEvent::Added(object)))
            }
            (Method::Get, "secrets") => match self.secrets.get(&name) {
                Some(secret) => (Response::ok(Body::Object(secret.clone().into())), None),
                None => (Status::not_found(&path.resource, &name).into(), None),
            },
            (Method::Get, "persistentvolumeclaims") => match self.claims.get(&name) {
                Some(claim) => (Response::ok(Body::Object(claim.clone().into())), None),
                None => (Status::not_found(&path.resource, &name).into(), None),
            },
            (Method::Get, "pods") => match self.pods.get(&name) {
                Some(pod) => (Response::ok(Body::Object(pod.clone().into())), None),
                None => (Status::not_found(&path.resource, &name).into(), None),
            },
            _ => (Response::created(object.map_or(Body::Empty, Body::Object)), None),
        }
    }

    fn apply(&mut self, name: &str, spec: Value) {
        let value = json!({"metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}")}, "spec": spec});
        let Ok(Object::Pod(pod)) = Object::decode_as("v1", "Pod", value) else { panic!("not a Pod") };
        self.revision += 1;
        let mut pod = Pod::clone(&pod);
        pod.metadata.resource_version = ResourceVersion(self.revision);
        self.pods.insert(name.to_owned(), pod.clone());
        let id = self.watch.unwrap();
        self.give(Input::Watch(id, Arc::new([WatchEvent::Added(pod.into())])));
    }

    fn delete(&mut self, name: &str, grace: i64) {
        self.revision += 1;
        let pod = self.pods.get_mut(name).unwrap();
        pod.metadata.resource_version = ResourceVersion(self.revision);
        pod.metadata.deletion_timestamp = Some(Timestamp(self.now));
        pod.metadata.deletion_grace_period_seconds = Some(grace);
        let event = WatchEvent::Modified(pod.clone().into());
        let id = self.watch.unwrap();
        self.give(Input::Watch(id, Arc::new([event])));
    }

    fn advance(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.kubelet.next_wake().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.give(Input::Wake);
        }
        self.now = end;
    }

    fn status(&self, name: &str) -> &PodStatus {
        &self.pods[name].status
    }

    fn waiting(&self, name: &str) -> (String, String) {
        let waiting = self.status(name).container_statuses[0].state.waiting.clone().unwrap();
        (waiting.reason, waiting.message)
    }

    fn events(&self) -> Vec<(String, String)> {
        let event = |what: &What| match what {
            What::EventRecorded { reason, message, .. } => Some((reason.to_string(), message.to_string())),
            _ => None,
        };
        self.trace.iter().filter_map(|(_, what)| event(what)).collect()
    }

    /// When the container was started, in milliseconds.
    fn starts(&self) -> Vec<u64> {
        self.trace.iter().filter(|(_, what)| matches!(what, What::ContainerStarted { .. })).map(|(at, _)| at.as_millis()).collect()
    }

    fn ready(&self, name: &str) -> bool {
        api::meta::condition_is_true(&self.status(name).conditions, "Ready")
    }

    fn serve(&mut self, name: &str, subresource: &'static str, query: &[(&'static str, &str)]) -> Response {
        let path = ResourcePath::object(Pod::INFO, "default", name).with_subresource(subresource);
        let request = query.iter().fold(Request::new(Method::Get, path), |request, (key, value)| request.query(key, *value));
        self.give(Input::Serve(ServeId(1), Box::new(request)));
        self.advance(1);
        self.answers.pop().expect("an answer")
    }
}

fn is_for(request: &Request, plural: &str) -> bool {
    matches!(&request.path, Path::Resource(path) if path.resource.resource == plural)
}

fn shell(script: &str, policy: &str) -> Value {
    json!({"restartPolicy": policy, "terminationGracePeriodSeconds": 30,
        "containers": [{"name": "c", "image": "busybox:1.28", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]}]})
}

#[test]
fn a_pod_runs_and_says_so_in_few_writes() {
    let mut world = World::new();
    world.apply("web", json!({"restartPolicy": "Always", "containers": [{"name": "web", "image": "nginx:1.14.2"}]}));
    assert_eq!(world.waiting("web").0, "ContainerCreating");
    world.advance(10);
    let status = world.status("web");
    assert_eq!((status.phase.as_str(), status.pod_ip.as_str(), world.ready("web")), ("Running", "10.244.0.2", true));
    assert_eq!(status.container_statuses[0].image, "docker.io/library/nginx:1.14.2");
    let reasons: Vec<String> = world.events().into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, ["Pulling", "Pulled", "Created", "Started"]);
    assert!(world.status_writes <= 3, "{} writes", world.status_writes);
    let log = world.serve("web", "log", &[]);
    assert!(matches!(&log.result, Ok(Body::Text(text)) if text.contains("start worker processes")));
    let exec = world.serve("web", "exec", &[("command", "sh"), ("command", "-c"), ("command", "curl -s localhost | grep -c Welcome")]);
    assert_eq!(exec.result, Ok(Body::Json(json!({"stdout": "2\n", "stderr": "", "exitCode": 0}))));
    let previous = world.serve("web", "log", &[("previous", "true")]);
    assert_eq!(previous.result.unwrap_err().message, "previous terminated container \"web\" in pod \"web\" not found");
}

#[test]
fn crash_loops_back_off_from_ten_seconds_to_five_minutes() {
    let mut world = World::new();
    world.apply("crash", shell("exit 1", "Always"));
    world.advance(5);
    let message = "back-off 10s restarting failed container=c pod=crash_default(uid-crash)";
    assert_eq!(world.waiting("crash"), ("CrashLoopBackOff".to_owned(), message.to_owned()));
    world.advance(1300);
    let starts = world.starts();
    let gaps: Vec<u64> = starts.windows(2).map(|pair| (pair[1] - pair[0]) / 1000).collect();
    assert_eq!(gaps[..8], [0, 10, 20, 40, 80, 160, 300, 300]);
    assert_eq!(world.status("crash").phase, "Running");
}

#[test]
fn restart_policies_decide_what_follows_the_end() {
    for (policy, script, phase, restarts) in [
        ("Always", "exit 0", "Running", 2),
        ("OnFailure", "exit 0", "Succeeded", 0),
        ("OnFailure", "exit 7", "Running", 2),
        ("Never", "exit 0", "Succeeded", 0),
        ("Never", "exit 7", "Failed", 0),
    ] {
        let mut world = World::new();
        world.apply("p", shell(script, policy));
        world.advance(25);
        let status = world.status("p");
        assert_eq!((status.phase.as_str(), status.container_statuses[0].restart_count), (phase, restarts), "{policy} {script}");
    }
}

#[test]
fn an_image_that_does_not_exist_backs_off() {
    let mut world = World::new();
    world.apply("typo", json!({"containers": [{"name": "web", "image": "nginx:1.161", "imagePullPolicy": "IfNotPresent"}]}));
    world.advance(1);
    assert_eq!(world.waiting("typo").0, "ErrImagePull");
    world.advance(2);
    let (reason, message) = world.waiting("typo");
    assert_eq!(reason, "ImagePullBackOff");
    assert!(message.starts_with("Back-off pulling image \"nginx:1.161\": ErrImagePull: rpc error: code = NotFound"), "{message}");
    let log = world.serve("typo", "log", &[]);
    assert_eq!(log.result.unwrap_err().message, "container \"web\" in pod \"typo\" is waiting to start: trying and failing to pull image");
    world.apply("upper", json!({"containers": [{"name": "web", "image": "Nginx"}]}));
    world.advance(1);
    assert_eq!(world.waiting("upper").0, "InvalidImageName");
}

#[test]
fn termination_is_graceful() {
    let mut world = World::new();
    world.apply("deaf", shell("sleep 3600", "Always"));
    world.apply("polite", shell("trap 'echo bye; exit 0' TERM; while true; do sleep 1; done", "Always"));
    world.advance(10);
    world.delete("polite", 30);
    world.advance(3);
    assert!(!world.pods.contains_key("polite"), "its trap ended it");
    world.delete("deaf", 30);
    world.advance(29);
    assert!(world.pods.contains_key("deaf"), "the first process ignores SIGTERM");
    world.advance(2);
    assert!(!world.pods.contains_key("deaf"));
    let codes =
        world.trace.iter().filter_map(|(_, what)| if let What::ContainerExited { exit_code, .. } = what { Some(*exit_code) } else { None });
    assert_eq!(codes.collect::<Vec<_>>(), [0, 137]);
    assert!(world.events().contains(&("Killing".to_owned(), "Stopping container c".to_owned())));
    assert_eq!(world.kubelet.managed.len(), 0);
}

#[test]
fn the_documented_liveness_probe_restarts_its_container() {
    let mut world = World::new();
    let mut spec = shell("touch /tmp/healthy; sleep 30; rm -f /tmp/healthy; sleep 600", "Always");
    spec["containers"][0]["livenessProbe"] =
        json!({"exec": {"command": ["cat", "/tmp/healthy"]}, "initialDelaySeconds": 5, "periodSeconds": 5, "failureThreshold": 3});
    world.apply("live", spec);
    world.advance(80);
    let events = world.events();
    let unhealthy = "Liveness probe failed: cat: can't open '/tmp/healthy': No such file or directory\n";
    assert_eq!(events.iter().filter(|(reason, message)| reason == "Unhealthy" && message == unhealthy).count(), 3);
    assert!(events.contains(&("Killing".to_owned(), "Container c failed liveness probe, will be restarted".to_owned())));
    assert_eq!(world.status("live").container_statuses[0].restart_count, 1);
    let last = world.status("live").container_statuses[0].last_state.terminated.clone().unwrap();
    assert_eq!((last.exit_code, last.reason.as_str()), (137, "Error"));
}

#[test]
fn readiness_follows_the_answers() {
    let mut world = World::new();
    let container = json!({"name": "c", "image": "demo-app:1.0", "args": ["--startup=7s", "--unhealthy-after=30s"], "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5, "failureThreshold": 1}});
    world.apply("app", json!({"containers": [container]}));
    world.advance(7);
    assert!(!world.ready("app"));
    world.advance(8);
    assert!(world.ready("app"));
    world.advance(30);
    assert!(!world.ready("app"));
    assert!(
        world.events().contains(&("Unhealthy".to_owned(), "Readiness probe failed: HTTP probe failed with statuscode: 500".to_owned()))
    );
    assert_eq!(world.status("app").container_statuses[0].restart_count, 0);
}

#[test]
fn init_containers_come_first_and_share_volumes() {
    let mut world = World::new();
    let init = json!({"name": "init", "image": "busybox", "command": ["sh", "-c", "sleep 2; echo made > /work/f"], "volumeMounts": [{"name": "w", "mountPath": "/work"}]});
    let main = json!({"name": "main", "image": "busybox", "command": ["sh", "-c", "cat /work/f; sleep 60"], "volumeMounts": [{"name": "w", "mountPath": "/work"}]});
    world.apply("p", json!({"initContainers": [init], "containers": [main], "volumes": [{"name": "w", "emptyDir": {}}]}));
    world.advance(2);
    assert_eq!((world.waiting("p").0.as_str(), world.status("p").phase.as_str()), ("PodInitializing", "Pending"));
    world.advance(8);
    assert_eq!(world.status("p").phase, "Running");
    assert_eq!(world.serve("p", "log", &[]).result, Ok(Body::Text("made\n".into())));
}

#[test]
fn a_missing_config_map_holds_the_container_back_until_it_comes() {
    let mut world = World::new();
    let env = json!([{"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "greeting"}}}]);
    let mut spec = shell("echo $GREETING; sleep 60", "Always");
    spec["containers"][0]["env"] = env;
    world.apply("p", spec);
    world.advance(5);
    assert_eq!(world.waiting("p"), ("CreateContainerConfigError".to_owned(), "configmap \"settings\" not found".to_owned()));
    let data = [("greeting".to_owned(), "hello".to_owned())].into();
    world.maps.insert("settings".to_owned(), ConfigMap { data, ..ConfigMap::default() });
    world.advance(15);
    assert_eq!(world.serve("p", "log", &[]).result, Ok(Body::Text("hello\n".into())));
    world.apply("v", json!({"containers": [{"name": "c", "image": "busybox"}], "volumes": [{"name": "w", "configMap": {"name": "none"}}]}));
    world.advance(2);
    let message = "MountVolume.SetUp failed for volume \"w\" : configmap \"none\" not found".to_owned();
    assert!(world.events().contains(&("FailedMount".to_owned(), message)));
}

#[test]
fn memory_over_the_limit_and_missing_programs_end_a_container() {
    let mut world = World::new();
    let hungry = json!({"name": "c", "image": "polinux/stress", "command": ["stress"], "args": ["--vm", "1", "--vm-bytes", "250M"], "resources": {"limits": {"memory": "100Mi"}}});
    world.apply("oom", json!({"restartPolicy": "Never", "containers": [hungry]}));
    world.apply("nothing", json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox", "command": ["nosuch"]}]}));
    world.advance(10);
    let ended = |name: &str| world.status(name).container_statuses[0].state.terminated.clone().unwrap();
    assert_eq!((ended("oom").exit_code, ended("oom").reason.as_str()), (137, "OOMKilled"));
    assert_eq!((ended("nothing").exit_code, ended("nothing").reason.as_str()), (128, "StartError"));
    assert!(ended("nothing").message.contains("exec: \"nosuch\": executable file not found in $PATH"));
}

#[test]
fn an_idle_kubelet_only_renews_its_lease() {
    let mut world = World::new();
    world.apply("web", json!({"containers": [{"name": "web", "image": "nginx"}]}));
    world.advance(20);
    let mut wakes = 0;
    let end = world.now + Duration::from_secs(100);
    while let Some(at) = world.kubelet.next_wake().filter(|at| *at <= end) {
        world.now = at;
        world.give(Input::Wake);
        wakes += 1;
    }
    assert_eq!(wakes, 10);
}
