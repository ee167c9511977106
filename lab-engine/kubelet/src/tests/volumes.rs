//! Volumes: what containers find in them, and when.

use super::*;

impl World {
    fn set_map(&mut self, name: &str, key: &str, value: &str) {
        let data = [(key.to_owned(), value.to_owned())].into();
        self.maps.insert(name.to_owned(), ConfigMap { data, ..ConfigMap::default() });
    }

    /// What a command in the container prints.
    pub(super) fn sh(&mut self, pod: &str, script: &str) -> String {
        let answer = self.serve(pod, "exec", &[("command", "sh"), ("command", "-c"), ("command", script)]);
        let Ok(Body::Json(value)) = answer.result else { panic!("{answer:?}") };
        format!("{}{}", value["stdout"].as_str().unwrap(), value["stderr"].as_str().unwrap())
    }
}

fn pod(volumes: Value, mounts: Value) -> Value {
    let container = json!({"name": "c", "image": "busybox", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "100000"],
        "volumeMounts": mounts, "envFrom": [{"configMapRef": {"name": "settings", "optional": true}}]});
    json!({"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 2})
}

#[test]
fn a_changed_config_map_reaches_the_files_within_the_sync_period_but_neither_sub_paths_nor_variables() {
    let mut world = World::new();
    world.set_map("settings", "color", "red");
    let volume = json!([{"name": "v", "configMap": {"name": "settings"}}]);
    let mounts = json!([{"name": "v", "mountPath": "/etc/v"}, {"name": "v", "mountPath": "/etc/fixed", "subPath": "color"}]);
    world.apply("p", pod(volume, mounts));
    world.advance(5);
    world.set_map("settings", "color", "blue");
    assert_eq!(world.sh("p", "cat /etc/v/color /etc/fixed; echo $color"), "redredred\n");
    world.advance(95);
    assert_eq!(world.sh("p", "cat /etc/v/color /etc/fixed; echo $color"), "blueredred\n", "60 to 90 s after its start");
    assert_eq!(world.sh("p", "echo x > /etc/v/color"), "sh: can't create /etc/v/color: Read-only file system\n");
    world.maps.clear();
    world.advance(95);
    assert_eq!(world.sh("p", "cat /etc/v/color"), "blue", "what is gone leaves the files as they are");
}

#[test]
fn a_claim_keeps_its_data_for_the_next_pod() {
    let mut world = World::new();
    let claim = json!({"spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}});
    let claim: PersistentVolumeClaim = api::json::decode(claim).unwrap();
    world.claims.insert("data".to_owned(), claim.clone());
    let pending = PersistentVolumeClaim { status: Default::default(), ..claim };
    world.claims.insert("pending".to_owned(), pending);
    let volumes = |claim: &str| json!([{"name": "d", "persistentVolumeClaim": {"claimName": claim}}, {"name": "e", "emptyDir": {}}]);
    let mounts = json!([{"name": "d", "mountPath": "/data"}, {"name": "e", "mountPath": "/empty"}]);
    world.apply("one", pod(volumes("data"), mounts.clone()));
    world.apply("other", pod(volumes("data"), mounts.clone()));
    world.apply("stuck", pod(volumes("pending"), mounts.clone()));
    world.advance(5);
    assert_eq!(world.sh("one", "echo kept > /data/f; echo lost > /empty/f"), "");
    assert_eq!(world.sh("other", "cat /data/f; ls /empty"), "kept\n", "two Pods of a node share the volume");
    world.delete("one", 2);
    world.advance(5);
    world.apply("two", pod(volumes("data"), mounts));
    world.advance(5);
    assert_eq!(world.sh("two", "cat /data/f; ls /empty"), "kept\n");
    let why = "Unable to attach or mount volumes: unmounted volumes=[d], unattached volumes=[], failed to process volumes=[d]: \
               error processing PVC default/pending: PVC is not bound";
    assert!(world.events().contains(&("FailedMount".to_owned(), why.to_owned())));
}

#[test]
fn host_paths_are_checked_and_made_as_their_type_says() {
    let mut world = World::new();
    let mut run = |name: &str, path: &str, type_: &str| {
        let volumes = json!([{"name": "h", "hostPath": {"path": path, "type": type_}}]);
        world.apply(name, pod(volumes, json!([{"name": "h", "mountPath": "/h"}])));
        world.advance(4);
        (world.status(name).phase.clone(), world.events().pop().map(|(_, message)| message).unwrap_or_default())
    };
    assert_eq!(run("a", "/srv/app", "DirectoryOrCreate").0, "Running");
    assert_eq!(run("b", "/srv/app", "Directory").0, "Running");
    let failed = "MountVolume.SetUp failed for volume \"h\" : hostPath type check failed: ";
    assert_eq!(run("c", "/srv/none", "Directory"), ("Pending".to_owned(), format!("{failed}/srv/none is not a directory")));
    assert_eq!(run("d", "/srv/app", "File"), ("Pending".to_owned(), format!("{failed}/srv/app is not a file")));
    assert_eq!(run("e", "/srv/new", "").0, "Running", "without a type the runtime makes it");
}

#[test]
fn containers_share_network_and_host_name_but_neither_files_nor_processes() {
    let mut world = World::new();
    let container =
        |name: &str| json!({"name": name, "image": "busybox:1.28", "command": ["sleep", "1000"], "imagePullPolicy": "IfNotPresent"});
    let spec =
        |share: bool| json!({"shareProcessNamespace": share, "restartPolicy": "Always", "containers": [container("a"), container("b")]});
    world.apply("p", spec(false));
    world.advance(5);
    let mut both = |pod: &str, script: &str| {
        ["a", "b"].map(|name| {
            let query = [("container", name), ("command", "sh"), ("command", "-c"), ("command", script)];
            let answer = world.serve(pod, "exec", &query);
            let Ok(Body::Json(value)) = answer.result else { panic!("{answer:?}") };
            value["stdout"].as_str().unwrap().to_owned()
        })
    };
    let [a, b] = both("p", "hostname; ip addr show eth0");
    assert!(a == b && a.contains("inet 10.244.0.2/24"), "{a}");
    assert_eq!(both("p", "ls /tmp/mine; touch /tmp/mine")[1], "", "each has its own root");
    assert_eq!(both("p", "ps | grep -c sleep"), ["1\n", "1\n"]);
    world.apply("q", spec(true));
    world.advance(5);
    let mut at = |container: &str, script: &str| {
        let answer = world.serve("q", "exec", &[("container", container), ("command", "sh"), ("command", "-c"), ("command", script)]);
        let Ok(Body::Json(value)) = answer.result else { panic!("{answer:?}") };
        value["stdout"].as_str().unwrap().to_owned()
    };
    at("b", "echo hello > /tmp/of-b");
    let roots = at("a", "ls /proc/14/root/tmp; cat /proc/14/root/tmp/of-b; ls /proc/7/root/tmp; [ -e /proc/99/root ] || echo none");
    assert_eq!(roots, "of-b\nhello\nnone\n", "number 14 is of the other container");
    let seen = at("a", "ps");
    assert!(seen.contains("    1 65535     0:00 /pause\n    7 root      0:00 sleep 1000\n   14 root      0:00 sleep 1000\n"), "{seen}");
    at("a", "kill 14");
    let last = world.status("q").container_statuses[1].last_state.terminated.clone().unwrap();
    assert_eq!(last.exit_code, 143, "it is not number 1, so SIGTERM ends it");
}
