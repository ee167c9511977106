//! How containers start, end and are started again.

use super::*;

impl World {
    /// What happened to containers, as `NAME started` and `NAME exited CODE`, with the second.
    fn life(&self) -> Vec<(u64, String)> {
        let told = |(at, what): &(Time, What)| match what {
            What::ContainerStarted { container, .. } => Some((at.as_secs(), format!("{container} started"))),
            What::ContainerExited { container, exit_code, .. } => Some((at.as_secs(), format!("{container} exited {exit_code}"))),
            _ => None,
        };
        self.trace.iter().filter_map(told).collect()
    }

    fn names(&self) -> Vec<String> {
        self.life().into_iter().map(|(_, what)| what).collect()
    }
}

fn sh(name: &str, script: &str) -> Value {
    json!({"name": name, "image": "busybox:1.28", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]})
}

fn with(mut container: Value, more: Value) -> Value {
    container.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    container
}

#[test]
fn a_post_start_hook_holds_up_the_next_container_and_kills_its_own_when_it_fails() {
    let mut world = World::new();
    let slow = with(sh("slow", "sleep 600"), json!({"lifecycle": {"postStart": {"sleep": {"seconds": 5}}}}));
    world.apply("p", json!({"containers": [slow, sh("next", "sleep 600")]}));
    world.advance(4);
    assert_eq!(world.names(), ["slow started"]);
    world.advance(4);
    assert_eq!(world.names(), ["slow started", "next started"]);
    let bad = with(
        sh("bad", "trap 'exit 0' TERM; while true; do sleep 1; done"),
        json!({"lifecycle": {"postStart": {"exec": {"command": ["false"]}}}}),
    );
    world.apply("q", json!({"restartPolicy": "Always", "containers": [bad]}));
    world.advance(4);
    assert!(world.events().contains(&("FailedPostStartHook".to_owned(), "PostStartHook failed".to_owned())));
    assert!(world.status("q").container_statuses[0].restart_count > 0);
}

#[test]
fn sidecars_end_after_the_containers_in_reverse_order() {
    let mut world = World::new();
    let polite =
        |name: &str, after: u32| with(sh(name, &format!("trap 'sleep {after}; exit 0' TERM; while true; do sleep 1; done")), json!({}));
    let sidecar = |name: &str| with(polite(name, 2), json!({"restartPolicy": "Always"}));
    world.apply("p", json!({"initContainers": [sidecar("first"), sidecar("second")], "containers": [polite("main", 3)]}));
    world.advance(6);
    assert_eq!(world.names(), ["first started", "second started", "main started"]);
    world.delete("p", 30);
    world.advance(20);
    assert_eq!(world.names()[3..], ["main exited 0", "second exited 0", "first exited 0"]);
    let killing: Vec<String> = world.events().into_iter().filter(|(reason, _)| reason == "Killing").map(|(_, message)| message).collect();
    assert_eq!(killing, ["Stopping container first", "Stopping container second", "Stopping container main"], "all at once");
}

#[test]
fn a_pre_stop_hook_uses_up_the_grace_period() {
    let mut world = World::new();
    let deaf = with(sh("c", "sleep 600"), json!({"lifecycle": {"preStop": {"exec": {"command": ["sleep", "60"]}}}}));
    world.apply("p", json!({"containers": [deaf]}));
    world.advance(5);
    world.delete("p", 10);
    world.advance(30);
    assert_eq!(world.life()[1], (17, "c exited 137".to_owned()), "10 s for the hook, then two for the container");
}

#[test]
fn kills_by_a_probe_are_not_counted_before_the_second() {
    let mut world = World::new();
    let probe = json!({"exec": {"command": ["false"]}, "periodSeconds": 2, "failureThreshold": 1});
    let container = with(sh("c", "trap 'exit 0' TERM; while true; do sleep 1; done"), json!({"livenessProbe": probe}));
    world.apply("p", json!({"restartPolicy": "Always", "containers": [container]}));
    world.advance(60);
    // Kill 1 is not seen by the back-off; kill 2 sees the end of run 0 and makes it 10 s; kill 3 waits for them, and makes it 20 s.
    let starts = world.starts();
    let gaps: Vec<u64> = starts.windows(2).map(|pair| (pair[1] - pair[0] + 500) / 1000).collect();
    assert!(gaps[0] <= 4 && gaps[1] <= 4 && (10..=14).contains(&gaps[2]) && (20..=24).contains(&gaps[3]), "{gaps:?}");
}

#[test]
fn an_exit_code_can_start_all_containers_anew() {
    let mut world = World::new();
    let rules = json!([{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [88]}}]);
    let script = "if [ -f /w/again ]; then sleep 600; fi; touch /w/again; sleep 3; exit 88";
    let mounts = json!({"volumeMounts": [{"name": "w", "mountPath": "/w"}]});
    let watcher = with(with(sh("watcher", script), json!({"restartPolicy": "Never", "restartPolicyRules": rules})), mounts);
    world.apply(
        "p",
        json!({"restartPolicy": "Never", "initContainers": [sh("init", "true")], "containers": [watcher, sh("worker", "sleep 600")],
            "volumes": [{"name": "w", "emptyDir": {}}]}),
    );
    world.advance(20);
    let expected = [
        "init started",
        "init exited 0",
        "watcher started",
        "worker started",
        "watcher exited 88",
        "worker exited 137",
        "init started",
        "init exited 0",
        "watcher started",
        "worker started",
    ];
    assert_eq!(world.names(), expected);
    let status = world.status("p");
    assert_eq!((status.phase.as_str(), status.container_statuses[1].restart_count), ("Running", 1));
}

#[test]
fn a_new_image_replaces_its_container_and_an_ephemeral_one_joins_the_pod() {
    let mut world = World::new();
    world.apply("p", json!({"restartPolicy": "Always", "containers": [{"name": "web", "image": "nginx:1.25"}]}));
    world.advance(5);
    let mut change = |change: &dyn Fn(&mut Pod)| {
        world.revision += 1;
        let revision = ResourceVersion(world.revision);
        let pod = world.pods.get_mut("p").unwrap();
        pod.metadata.resource_version = revision;
        change(pod);
        let (event, id) = (WatchEvent::Modified(pod.clone().into()), world.watch.unwrap());
        world.give(Input::Watch(id, Arc::new([event])));
        world.advance(6);
    };
    change(&|pod| pod.spec.containers[0].image = "nginx:1.27".to_owned());
    change(&|pod| {
        let debugger = json!({"name": "debugger", "image": "busybox", "command": ["sh", "-c", "echo hi; sleep 2; exit 3"]});
        pod.spec.ephemeral_containers.push(api::json::decode(debugger).unwrap());
    });
    let status = world.status("p");
    assert_eq!((status.container_statuses[0].restart_count, status.phase.as_str()), (1, "Running"));
    assert_eq!(status.container_statuses[0].image, "docker.io/library/nginx:1.27");
    let ended = status.ephemeral_container_statuses[0].state.terminated.as_ref().unwrap();
    assert_eq!((ended.exit_code, world.ready("p")), (3, true));
    let message = "Container web definition changed, will be restarted".to_owned();
    assert!(world.events().contains(&("Killing".to_owned(), message)));
    let log = world.serve("p", "log", &[("container", "debugger")]);
    assert_eq!(log.result, Ok(Body::Text("hi\n".into())));
}

#[test]
fn resources_change_in_place_where_the_node_can_hold_them() {
    let mut world = World::new();
    let amounts = |cpu: &str, memory: &str| json!({"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}});
    let policy = json!([{"resourceName": "memory", "restartPolicy": "RestartContainer"}]);
    let container = |cpu, memory| json!({"name": "c", "image": "nginx:1.25", "resources": amounts(cpu, memory), "resizePolicy": policy});
    world.apply("p", json!({"restartPolicy": "Always", "containers": [container("500m", "100Mi")]}));
    world.apply("other", json!({"containers": [container("1", "100Mi")]}));
    world.advance(5);
    let mut resize = |cpu: &str, memory: &str| {
        world.revision += 1;
        let revision = ResourceVersion(world.revision);
        let pod = world.pods.get_mut("p").unwrap();
        pod.metadata.resource_version = revision;
        pod.metadata.generation = Some(pod.metadata.generation.unwrap_or(1) + 1);
        pod.spec.containers[0].resources = api::json::decode(amounts(cpu, memory)).unwrap();
        let (event, id) = (WatchEvent::Modified(pod.clone().into()), world.watch.unwrap());
        world.give(Input::Watch(id, Arc::new([event])));
        world.advance(5);
        let status = world.status("p");
        let of = &status.container_statuses[0];
        let in_force = of.resources.as_ref().unwrap().requests["cpu"].to_string();
        let pending = api::meta::condition(&status.conditions, "PodResizePending").map(|condition| condition.reason.clone());
        (in_force, of.restart_count, pending.unwrap_or_default())
    };
    assert_eq!(resize("2", "100Mi"), ("2".to_owned(), 0, String::new()), "CPU changes without a restart");
    assert_eq!(resize("5", "100Mi"), ("2".to_owned(), 0, "Infeasible".to_owned()), "the node has four cores");
    assert_eq!(resize("3500m", "100Mi"), ("2".to_owned(), 0, "Deferred".to_owned()), "the other Pod has one of them");
    assert_eq!(resize("1", "200Mi"), ("1".to_owned(), 1, String::new()), "memory takes a restart here");
}

#[test]
fn a_private_image_takes_credentials_and_a_missing_secret_is_told_of() {
    let mut world = World::new();
    let spec = json!({"containers": [{"name": "c", "image": "registry.example.com/team/app:1.0", "ports": [{"containerPort": 80}]}],
        "imagePullSecrets": [{"name": "regcred"}]});
    world.apply("without", spec.clone());
    world.advance(1);
    let (reason, message) = world.waiting("without");
    assert!(reason == "ErrImagePull" && message.ends_with("401 Unauthorized"), "{message}");
    let told = "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.";
    assert!(world.events().contains(&("FailedToRetrieveImagePullSecret".to_owned(), told.to_owned())));
    // {"auths":{"registry.example.com":{"auth":"dTpw"}}}
    let config = "eyJhdXRocyI6eyJyZWdpc3RyeS5leGFtcGxlLmNvbSI6eyJhdXRoIjoiZFRwdyJ9fX0=";
    let secret = Secret { data: [(".dockerconfigjson".to_owned(), config.to_owned())].into(), ..Secret::default() };
    world.secrets.insert("regcred".to_owned(), secret);
    world.apply("with", spec);
    world.advance(5);
    assert_eq!(world.status("with").phase, "Running");
}

#[test]
fn a_manifest_on_the_node_is_a_pod_with_a_mirror() {
    let mut world = World::new();
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  terminationGracePeriodSeconds: 2\n  containers: [{name: c, image: 'nginx:1.27'}]";
    let script = format!("cat > /m/web.yaml <<'EOF'\n{manifest}\nEOF\nsleep 600");
    let writer = with(sh("writer", &script), json!({"volumeMounts": [{"name": "m", "mountPath": "/m"}]}));
    let volume = json!([{"name": "m", "hostPath": {"path": "/etc/kubernetes/manifests", "type": "DirectoryOrCreate"}}]);
    world.apply("writer", json!({"containers": [writer], "volumes": volume}));
    world.advance(6);
    let mirror = world.pods["web-node-1"].clone();
    assert_eq!((mirror.status.phase.as_str(), mirror.metadata.annotations["kubernetes.io/config.source"].as_str()), ("Running", "file"));
    assert!(mirror.metadata.annotations.contains_key("kubernetes.io/config.mirror"));
    // A mirror that somebody deletes comes back; the container does not notice.
    world.delete("web-node-1", 30);
    world.advance(3);
    let again = &world.pods["web-node-1"];
    assert!(again.metadata.uid != mirror.metadata.uid && again.status.container_statuses[0].restart_count == 0);
    assert_eq!(again.status.container_statuses[0].container_id, mirror.status.container_statuses[0].container_id);
    world.sh("writer", "rm /m/web.yaml");
    world.advance(5);
    assert!(!world.pods.contains_key("web-node-1"), "without its manifest it ends");
    assert_eq!(world.kubelet.managed.len(), 1);
}

impl World {
    /// Goes on from wake to wake until something is so, a minute at most.
    fn until(&mut self, is_so: impl Fn(&World) -> bool) {
        let end = self.now + Duration::from_secs(60);
        while !is_so(self) {
            self.now = self.kubelet.next_wake().filter(|at| *at <= end).expect("it happens within a minute");
            self.give(Input::Wake);
        }
    }
}

#[test]
fn an_end_is_seen_with_the_next_relist_and_that_of_a_killed_container_at_once() {
    let mut world = World::new();
    let first = world.kubelet.pleg.relist_from(Time::ZERO);
    let script = "trap 'exit 5' TERM; n=0; while [ $n -lt 3 ]; do sleep 1; n=$((n+1)); done; exit 1";
    world.apply("p", json!({"restartPolicy": "Always", "containers": [sh("c", script)]}));
    let runs = |world: &World| world.status("p").container_statuses[0].state.running.is_some();
    world.until(runs);
    world.until(|world| world.names().contains(&"c exited 1".to_owned()));
    let ended = world.now;
    assert!(runs(&world), "nobody has seen it yet");
    world.until(|world| !runs(world));
    let seen = world.now;
    assert!(seen > ended && seen.since(ended) < Duration::from_secs(1), "ended at {ended:?}, seen at {seen:?}");
    assert_eq!(seen.since(first).as_nanos() % 1_000_000_000, 0, "relists are whole seconds after the first");
    world.until(runs);
    assert_eq!(world.status("p").container_statuses[0].restart_count, 1);
    world.delete("p", 30);
    world.until(|world| world.names().contains(&"c exited 5".to_owned()));
    assert!(!world.pods.contains_key("p"), "the end of what the kubelet kills waits for no relist");
}

#[test]
fn a_container_that_has_ended_unseen_can_be_killed_and_takes_no_command() {
    let ended = || {
        let mut world = World::new();
        world.apply("p", json!({"restartPolicy": "Never", "containers": [sh("c", "sleep 3")]}));
        world.until(|world| world.names().contains(&"c exited 0".to_owned()));
        assert_eq!(world.status("p").phase, "Running", "nobody has seen it yet");
        world
    };
    assert!(ended().serve("p", "exec", &[("command", "true")]).result.is_err());
    let mut world = ended();
    world.delete("p", 30);
    assert!(!world.pods.contains_key("p"), "the runtime says at once that it has ended");
}

#[test]
fn a_pod_that_names_its_node_by_itself_is_asked_for_labels_ports_and_taints() {
    let mut world = World::new();
    let web = |ports: Value| json!({"containers": [{"name": "c", "image": "nginx:1.27", "ports": ports}]});
    let port = json!([{"containerPort": 80, "hostPort": 8080}]);
    world.apply("first", web(port.clone()));
    world.apply("second", web(port));
    world.apply("ssd", with(web(json!([])), json!({"nodeSelector": {"disktype": "ssd"}})));
    let taint = api::core::Taint { key: "k".to_owned(), effect: "NoExecute".to_owned(), ..Default::default() };
    Arc::make_mut(world.kubelet.node.as_mut().unwrap()).spec.taints.push(taint);
    world.apply("late", web(json!([])));
    world.apply("tolerant", with(web(json!([])), json!({"tolerations": [{"key": "k", "operator": "Exists"}]})));
    world.advance(10);
    let status = |name: &str| {
        let status = world.status(name);
        [status.phase.clone(), status.reason.clone(), status.message.clone()]
    };
    let refused = |reason: &str, why: &str| {
        let message = format!("Pod was rejected: Predicate {reason} failed: {why}");
        ["Failed".to_owned(), reason.to_owned(), message]
    };
    assert_eq!(status("second"), refused("NodePorts", "node(s) didn't have free ports for the requested pod ports"));
    assert_eq!(status("ssd"), refused("NodeAffinity", "node(s) didn't match Pod's node affinity/selector"));
    assert_eq!(status("late"), refused("TaintToleration", "node(s) had taints that the pod didn't tolerate"));
    assert_eq!(["first", "tolerant"].map(|name| world.status(name).phase.as_str()), ["Running", "Running"]);
    let told =
        ("NodePorts".to_owned(), "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports".to_owned());
    assert!(world.events().contains(&told));
}

#[test]
fn containers_that_want_more_than_the_node_has_share_it_by_their_requests() {
    let mut world = World::new();
    let burner = |request: &str, more: Value| {
        let resources = json!({"requests": {"cpu": request}});
        let container = json!({"name": "c", "image": "demo-app:1.0", "args": ["--load=3000m"], "resources": resources});
        json!({"containers": [with(container, more)]})
    };
    let used = |world: &mut World, name: &str| {
        let uid: Arc<str> = format!("uid-{name}").into();
        let cpu = |world: &World| world.kubelet.managed[&uid].worker.cpu(world.now);
        let before = cpu(world);
        world.advance(10);
        (cpu(world) - before).as_millis() / 10
    };
    world.apply("one", burner("1", json!({})));
    world.advance(10);
    assert_eq!(used(&mut world, "one"), 3000, "alone it has what it wants");
    world.apply("two", burner("2", json!({})));
    world.advance(10);
    // 4000 in the proportion 1 : 2, rounded down.
    assert_eq!((used(&mut world, "one"), used(&mut world, "two")), (1333, 2666));
    world.apply("three", burner("1", json!({"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "400m"}}})));
    world.advance(10);
    // The third has no more than its limit; of the rest, 3600, each has its part.
    assert_eq!(["one", "two", "three"].map(|name| used(&mut world, name)), [1200, 2400, 400]);
    world.delete("two", 1);
    world.advance(10);
    assert_eq!(used(&mut world, "one"), 3000);
}
