//! Static Pods: manifests in a folder of the node (`staticPodPath`), and the mirror Pods that show them in the API
//! (`pkg/kubelet/config/file.go`, `pkg/kubelet/pod/mirror_client.go`).
//!
//! A manifest in [`FOLDER`] becomes a Pod named `NAME-NODE` that only its kubelet runs and ends. Its mirror Pod can be read like any other; one
//! that is deleted is made again, and the containers do not notice. When the manifest changes or goes, so does the Pod.
//!
//! **Simplified here:** the folder is looked at whenever a file of the node has changed; a manifest that cannot be read is passed over.

use crate::kubelet::{Kubelet, Managed, Pending};
use crate::outage::Claim;
use crate::runtime::registry::hex_id;
use api::core::{Pod, Toleration};
use api::http::{Body, Method, Request, ResourcePath};
use api::meta::OwnerReference;
use api::{Object, Resource};
use client::Outbox;
use serde_json::json;
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where the manifests are.
pub(crate) const FOLDER: &str = "/etc/kubernetes/manifests";
/// On a mirror Pod: the hash of the manifest.
const MIRROR: &str = "kubernetes.io/config.mirror";
const HASH: &str = "kubernetes.io/config.hash";
const SOURCE: &str = "kubernetes.io/config.source";

/// The static Pods of a node, by UID, which is the hash of the manifest.
#[derive(Debug, Default)]
pub(crate) struct StaticPods {
    mirrors: BTreeMap<Arc<str>, Mirror>,
    /// The state of the node's files when they were last looked at.
    seen: u64,
}

/// The mirror of a static Pod.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    pub(crate) pod: Option<Arc<Pod>>,
    creating: bool,
}

impl StaticPods {
    /// The mirror of a Pod; `None` when the Pod is not static.
    pub(crate) fn mirror(&self, uid: &Arc<str>) -> Option<&Mirror> {
        self.mirrors.get(uid)
    }

    /// Takes a newer version of a mirror.
    pub(crate) fn set_mirror(&mut self, uid: &Arc<str>, pod: Arc<Pod>) -> bool {
        let Some(mirror) = self.mirrors.get_mut(uid) else { return false };
        mirror.creating = false;
        mirror.pod = Some(pod);
        true
    }

    /// The static Pod whose mirror has this UID.
    fn of_mirror(&self, uid: &str) -> Option<Arc<str>> {
        let is = |mirror: &Mirror| mirror.pod.as_ref().is_some_and(|pod| pod.metadata.uid == uid);
        self.mirrors.iter().find(|(_, mirror)| is(mirror)).map(|(uid, _)| uid.clone())
    }
}

/// Whether a Pod shows a static one.
pub(crate) fn is_mirror(pod: &Pod) -> bool {
    pod.metadata.annotations.contains_key(MIRROR)
}

/// The Pod of a manifest on a node; `None` when it is none.
fn read(text: &str, node: &str) -> Option<Pod> {
    let document = api::yaml::read_documents(text).ok()?.into_iter().next()?;
    let version = document.value["apiVersion"].as_str()?.to_owned();
    let Ok(Object::Pod(pod)) = Object::decode_as(&version, document.value["kind"].as_str()?, document.value.clone()) else { return None };
    let mut pod = Pod::clone(&pod);
    let hash = hex_id(&format!("{node} {text}"))[..32].to_owned();
    let meta = &mut pod.metadata;
    meta.name = format!("{}-{node}", meta.name);
    if meta.namespace.is_empty() {
        meta.namespace = "default".to_owned();
    }
    meta.uid.clone_from(&hash);
    meta.annotations.insert(HASH.to_owned(), hash);
    meta.annotations.insert(SOURCE.to_owned(), "file".to_owned());
    pod.spec.node_name = node.to_owned();
    pod.spec.tolerations.push(Toleration { operator: "Exists".to_owned(), effect: "NoExecute".to_owned(), ..Toleration::default() });
    pod.status.phase = "Pending".to_owned();
    Some(pod)
}

impl Kubelet {
    /// Starts and ends static Pods when the node's files have changed.
    pub(crate) fn look_at_manifests(&mut self, now: Time, out: &mut Outbox) {
        if self.host.version() == self.statics.seen {
            return;
        }
        self.statics.seen = self.host.version();
        let files = self.host.list(FOLDER).unwrap_or_default();
        let texts: Vec<String> =
            files.iter().filter_map(|file| self.host.read(&format!("{FOLDER}/{file}")).ok().map(str::to_owned)).collect();
        let pods: Vec<Pod> = texts.iter().filter_map(|text| read(text, &self.config.node_name)).collect();
        let wanted: BTreeSet<Arc<str>> = pods.iter().map(|pod| pod.metadata.uid.as_str().into()).collect();
        let gone: Vec<Arc<str>> = self.statics.mirrors.keys().filter(|uid| !wanted.contains(*uid)).cloned().collect();
        for uid in gone {
            self.work(&uid, now, out, |worker, cx| worker.end_of_manifest(cx.now));
        }
        for pod in pods {
            let uid: Arc<str> = pod.metadata.uid.as_str().into();
            if self.managed.get(&uid).is_some_and(|managed| managed.claim == Claim::Unclaimed) {
                self.statics.mirrors.insert(uid.clone(), Mirror::default());
                self.take_over(&uid, &Arc::new(pod), now, out);
            } else if !self.managed.contains_key(&uid) {
                self.statics.mirrors.insert(uid.clone(), Mirror::default());
                self.managed.insert(uid.clone(), Managed::new(Arc::new(pod), now));
                self.work(&uid, now, out, |_, _| ());
            }
        }
        self.make_mirrors(out);
    }

    /// Makes the mirrors that are missing, once the node is known to the API server.
    pub(crate) fn make_mirrors(&mut self, out: &mut Outbox) {
        let Some(node) = self.node.clone() else { return };
        let missing = |mirror: &Mirror| mirror.pod.is_none() && !mirror.creating;
        let uids: Vec<Arc<str>> = self.statics.mirrors.iter().filter(|(_, mirror)| missing(mirror)).map(|(uid, _)| uid.clone()).collect();
        for uid in uids {
            let Some(managed) = self.managed.get(&uid).filter(|managed| !managed.worker.is_deleting()) else { continue };
            let mut pod = Pod::clone(&managed.worker.pod);
            pod.metadata.uid.clear();
            pod.metadata.annotations.insert(MIRROR.to_owned(), uid.to_string());
            pod.metadata.owner_references = vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Node".to_owned(),
                name: node.metadata.name.clone(),
                uid: node.metadata.uid.clone(),
                controller: Some(true),
                ..OwnerReference::default()
            }]
            .into();
            if let Some(mirror) = self.statics.mirrors.get_mut(&uid) {
                mirror.creating = true;
            }
            let request = Request::new(Method::Post, ResourcePath::collection(Pod::INFO, &pod.metadata.namespace));
            self.send(request.body(Body::Object(pod.into())), Pending::Mirror(uid), out);
        }
    }

    /// A mirror was made, or could not be.
    pub(crate) fn mirror_made(&mut self, uid: &Arc<str>, object: Option<Object>, now: Time, out: &mut Outbox) {
        match object {
            Some(Object::Pod(pod)) => {
                self.statics.set_mirror(uid, pod);
                if let Some(managed) = self.managed.get_mut(uid) {
                    managed.dirty = true;
                }
                self.flush(uid, now, out);
            }
            // Perhaps one of an earlier manifest is still there: its end will be seen.
            _ => {
                if let Some(mirror) = self.statics.mirrors.get_mut(uid) {
                    mirror.creating = false;
                }
            }
        }
    }

    /// A mirror Pod was seen: one that shows nothing is deleted.
    pub(crate) fn mirror_seen(&mut self, pod: Arc<Pod>, now: Time, out: &mut Outbox) {
        let uid: Arc<str> = pod.metadata.annotations.get(MIRROR).map(String::as_str).unwrap_or_default().into();
        let deleting = pod.metadata.is_deleting();
        if !deleting && self.statics.set_mirror(&uid, pod.clone()) {
            return self.flush(&uid, now, out);
        }
        let options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": pod.metadata.uid}});
        let path = ResourcePath::object(Pod::INFO, &pod.metadata.namespace, &pod.metadata.name);
        self.send(Request::new(Method::Delete, path).body(Body::Json(options)), Pending::MirrorGone, out);
    }

    /// A mirror Pod is gone: it is made again while its manifest is there.
    pub(crate) fn mirror_deleted(&mut self, pod: &Pod, now: Time, out: &mut Outbox) {
        if let Some(uid) = self.statics.of_mirror(&pod.metadata.uid)
            && let Some(mirror) = self.statics.mirrors.get_mut(&uid)
        {
            mirror.pod = None;
            if self.managed.get(&uid).is_some_and(|managed| managed.worker.is_deleting() && managed.worker.is_finished()) {
                self.forget_static(&uid, now, out);
            }
        }
        self.make_mirrors(out);
    }

    /// A static Pod has ended for good, and so has its mirror.
    pub(crate) fn forget_static(&mut self, uid: &Arc<str>, now: Time, out: &mut Outbox) {
        self.statics.mirrors.remove(uid);
        self.remove(uid, now, out);
    }
}
