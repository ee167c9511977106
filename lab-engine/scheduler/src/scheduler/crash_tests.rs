//! The scheduler ends between any two of its writes, is started anew, and all comes to a good end.
//!
//! The world is a store of objects that serves requests at once. A run counts the scheduler's writes; at the one that is chosen the
//! scheduler is thrown away with all it knows, before the write reached the store or after, without having seen the answer.

use super::*;
use api::Object;
use api::http::{Path, Response, WatchEvent};
use api::status::Status as ApiStatus;
use client::Action;
use sim::Seed;
use std::collections::VecDeque;

type Key = (String, String);

/// When the scheduler ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Never,
    /// The write of this number was still lost.
    Before(usize),
    /// The write of this number reached the store.
    After(usize),
}

struct World {
    objects: BTreeMap<Key, Value>,
    revision: u64,
    scheduler: Scheduler,
    starts: u64,
    next_request: u64,
    watches: BTreeMap<String, RequestId>,
    inputs: VecDeque<Input>,
    writes: usize,
    cut: Cut,
    bindings: BTreeMap<String, usize>,
}

fn object_of(value: &Value) -> Object {
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    Object::decode_as(text("apiVersion"), text("kind"), value.clone()).unwrap()
}

impl World {
    fn new(objects: &[(&str, Value)], cut: Cut) -> Self {
        let mut world = World {
            objects: BTreeMap::new(),
            revision: 0,
            scheduler: Scheduler::new(Seed(1).stream("kube-scheduler")),
            starts: 1,
            next_request: 1,
            watches: BTreeMap::new(),
            inputs: VecDeque::from([Input::Wake]),
            writes: 0,
            cut,
            bindings: BTreeMap::new(),
        };
        for (plural, object) in objects {
            world.put(plural, object.clone());
        }
        world
    }

    /// Stores an object; whoever watches hears of it.
    fn put(&mut self, plural: &str, mut object: Value) {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        if let Some(id) = self.watches.get(plural) {
            self.inputs.push_back(Input::Watch(*id, [WatchEvent::Modified(object_of(&object))].into()));
        }
        self.objects.insert((plural.to_owned(), name), object);
    }

    fn delete(&mut self, plural: &str, name: &str) {
        self.revision += 1;
        if let Some(mut gone) = self.objects.remove(&(plural.to_owned(), name.to_owned()))
            && let Some(id) = self.watches.get(plural)
        {
            gone["metadata"]["resourceVersion"] = json!(self.revision.to_string());
            self.inputs.push_back(Input::Watch(*id, [WatchEvent::Deleted(object_of(&gone))].into()));
        }
    }

    fn get(&self, plural: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(plural.to_owned(), name.to_owned()))
    }

    /// Applies a write.
    fn write(&mut self, request: &Request) -> Result<Response, Box<ApiStatus>> {
        let Path::Resource(path) = &request.path else { panic!("{request:?} names no resource") };
        let (plural, name) = (path.resource.resource.to_string(), path.name.clone().unwrap_or_default());
        if plural == "events" {
            return Ok(Response::ok(Body::Empty));
        }
        let missing = || Box::new(ApiStatus::new(404, "NotFound", format!("{plural} {name:?} not found")));
        let mut object = self.get(&plural, &name).cloned().ok_or_else(missing)?;
        match (request.method, &request.body) {
            (Method::Delete, _) => self.delete(&plural, &name),
            (Method::Post, Body::Object(binding)) => {
                if object["spec"]["nodeName"] != Value::Null {
                    return Err(Box::new(ApiStatus::new(409, "Conflict", "the Pod is on a node")));
                }
                object["spec"]["nodeName"] = binding.to_json()["target"]["name"].clone();
                *self.bindings.entry(name).or_default() += 1;
                self.put(&plural, object);
            }
            (Method::Patch, Body::Patch(_, change)) if plural == "pods" => {
                if let Some(node) = change["status"].get("nominatedNodeName") {
                    object["status"]["nominatedNodeName"] = node.clone();
                }
                self.put(&plural, object);
            }
            (Method::Patch, Body::Patch(_, change)) => self.bind_volume(&plural, object, change),
            other => panic!("unexpected {other:?}"),
        }
        Ok(Response::ok(Body::Empty))
    }

    /// What the volume controller and the provisioner make of a patch: at once a bound claim.
    fn bind_volume(&mut self, plural: &str, object: Value, change: &Value) {
        let (claim, volume) = if plural == "persistentvolumes" {
            let mut volume = object;
            volume["spec"]["claimRef"] = change["spec"]["claimRef"].clone();
            let claim = volume["spec"]["claimRef"]["name"].as_str().unwrap().to_owned();
            let name = volume["metadata"]["name"].clone();
            self.put(plural, volume);
            (claim, name)
        } else {
            (object["metadata"]["name"].as_str().unwrap().to_owned(), json!("made"))
        };
        let mut claim = self.get("persistentvolumeclaims", &claim).cloned().unwrap();
        claim["spec"]["volumeName"] = volume;
        claim["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"] = json!("yes");
        self.put("persistentvolumeclaims", claim);
    }

    /// Answers a list that streams.
    fn list(&mut self, id: RequestId, plural: &str) {
        let all = self.objects.iter().filter(|((own, _), _)| own == plural).map(|(_, object)| WatchEvent::Added(object_of(object)));
        let end = WatchEvent::Bookmark { resource_version: self.revision, initial_events_end: true };
        let events = all.chain([end]).collect();
        self.watches.insert(plural.to_owned(), id);
        self.inputs.push_back(Input::Watch(id, events));
    }

    fn restart(&mut self) {
        self.starts += 1;
        self.scheduler = Scheduler::new(Seed(self.starts).stream("kube-scheduler"));
        self.watches.clear();
        self.inputs = VecDeque::from([Input::Wake]);
        self.cut = Cut::Never;
    }

    /// Carries out what the scheduler wants. Ends early when the scheduler does.
    fn serve(&mut self, actions: Vec<Action>) {
        for action in actions {
            let Action::Request(id, request) = action else { continue };
            if request.is_watch() {
                let Path::Resource(path) = &request.path else { continue };
                self.list(id, &path.resource.resource);
                continue;
            }
            self.writes += 1;
            if self.cut == Cut::Before(self.writes) {
                return self.restart();
            }
            let answer = self.write(&request);
            if self.cut == Cut::After(self.writes) {
                return self.restart();
            }
            self.inputs.push_back(Input::Response(id, Ok(answer.unwrap_or_else(|status| (*status).into()))));
        }
    }

    /// Runs until nothing is left to be done, or the time is over.
    fn run(&mut self) {
        let mut now = Time::ZERO;
        for _ in 0..10_000 {
            let input = match self.inputs.pop_front() {
                Some(input) => input,
                None => match self.scheduler.next_wake().filter(|at| *at < Time::from_secs(3_600)) {
                    Some(at) => {
                        now = now.max(at);
                        Input::Wake
                    }
                    None => return,
                },
            };
            let mut out = Outbox::new(self.next_request);
            self.scheduler.handle(now, input, &mut out);
            let (actions, next_request) = out.take();
            self.next_request = next_request;
            self.serve(actions);
        }
        panic!("it does not come to an end");
    }

    fn node_of(&self, pod: &str) -> Option<&str> {
        self.get("pods", pod)?["spec"]["nodeName"].as_str()
    }
}

fn pod(name: &str, priority: i32, volumes: &Value) -> (&'static str, Value) {
    let container = json!({"name": "c", "resources": {"requests": {"cpu": "1"}}});
    let spec = json!({"schedulerName": "default-scheduler", "priority": priority, "containers": [container], "volumes": volumes});
    ("pods", json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "uid": name}, "spec": spec}))
}

/// Two nodes of three CPUs; six Pods that fill them, one of them with a claim that takes the volume of node-b; one more that matters more.
fn objects() -> Vec<(&'static str, Value)> {
    let node = |name: &str| {
        let allocatable = json!({"cpu": "3", "memory": "8Gi", "pods": "110"});
        ("nodes", json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"allocatable": allocatable}}))
    };
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local"},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"});
    let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-b"]}]});
    let spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "local",
        "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}});
    let disk = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "disk"}, "spec": spec});
    let spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "local", "resources": {"requests": {"storage": "1Gi"}}});
    let metadata = json!({"name": "data", "namespace": "default", "uid": "data"});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec});
    let mut all = vec![node("node-a"), node("node-b"), ("storageclasses", class), ("persistentvolumes", disk)];
    all.push(("persistentvolumeclaims", claim));
    all.push(pod("db", 500, &json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])));
    all.extend((1..6).map(|number| pod(&format!("web-{number}"), 0, &json!([]))));
    all
}

/// Fills the nodes, then adds the Pod that matters more; how many writes that took.
fn converges(cut: Cut) -> usize {
    let mut world = World::new(&objects(), cut);
    world.run();
    let (plural, urgent) = pod("urgent", 1_000, &json!([]));
    world.put(plural, urgent);
    world.run();
    assert_eq!(world.node_of("db"), Some("node-b"), "{cut:?}: the claim's volume is there");
    assert!(world.node_of("urgent").is_some(), "{cut:?}: room was made");
    let pods: Vec<&Value> = world.objects.iter().filter(|((plural, _), _)| plural == "pods").map(|(_, pod)| pod).collect();
    // One had to go, and only one; a crash may cost one more.
    let most = if cut == Cut::Never { 6 } else { 5 };
    assert!(pods.len() >= most && pods.len() <= 6, "{cut:?}: {} Pods are left", pods.len());
    for node in ["node-a", "node-b"] {
        let here = pods.iter().filter(|pod| pod["spec"]["nodeName"] == node).count();
        assert!(here <= 3, "{cut:?}: {here} Pods on {node}");
    }
    assert!(pods.iter().all(|pod| pod["spec"]["nodeName"].is_string()), "{cut:?}: a Pod has no node");
    assert!(world.bindings.values().all(|count| *count == 1), "{cut:?}: a Pod was bound twice");
    world.writes
}

#[test]
fn whatever_write_is_the_last_all_pods_get_their_nodes() {
    let writes = converges(Cut::Never);
    assert!(writes > 15, "{writes} writes are too few to be a test");
    for number in 1..=writes {
        converges(Cut::Before(number));
        converges(Cut::After(number));
    }
}
