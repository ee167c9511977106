//! What the API server answers a kubelet, and what follows from it.

use crate::kubelet::{Kubelet, Pending, RETRY};
use crate::node;
use crate::volumes::{Known, ROOT_CA, RefKind};
use api::coordination::Lease;
use api::core::{Node, Pod};
use api::http::{Method, Request, ResourcePath, Response};
use api::{Object, Resource};
use client::{Outbox, RequestId, Transport};
use sim::Time;
use std::sync::Arc;

impl Kubelet {
    /// An answer came, or will not come.
    pub(crate) fn answered(&mut self, id: RequestId, answer: Result<Response, Transport>, now: Time, out: &mut Outbox) {
        let Some(pending) = self.pending.remove(&id) else { return };
        let code = answer.as_ref().map_or(0, |response| response.code);
        let message = match &answer {
            Ok(Response { result: Err(status), .. }) => status.message.clone(),
            Err(transport) => transport.to_string(),
            Ok(_) => String::new(),
        };
        let token = match (&pending, &answer) {
            (Pending::Reference(_, RefKind::Token(seconds), _), Ok(response)) => self.token_of(response, *seconds, now),
            _ => None,
        };
        let object = answer.ok().and_then(|response| response.into_object().ok());
        match pending {
            Pending::RegisterNode => self.registered(code, object, now, out),
            Pending::NodeStatus => {
                if let Some(Object::Node(node)) = object {
                    self.node = Some(node);
                }
            }
            Pending::Lease => match object {
                Some(Object::Lease(lease)) => {
                    self.lease = Some(lease);
                    if std::mem::take(&mut self.silent) {
                        let path = ResourcePath::object(Node::INFO, "", &self.config.node_name);
                        self.send(Request::new(Method::Get, path), Pending::ReadNode, out);
                    }
                }
                _ if code == 404 && self.lease.is_none() => self.next_lease = now + RETRY,
                _ if code == 404 => self.lease = None,
                _ if code == 409 => {
                    let path = ResourcePath::object(Lease::INFO, node::LEASE_NAMESPACE, &self.config.node_name);
                    self.send(Request::new(Method::Get, path), Pending::Lease, out);
                }
                _ => {
                    self.silent |= code == 0;
                    self.next_lease = now + RETRY;
                }
            },
            Pending::Admission => {
                if let Some(Object::Node(node)) = object {
                    self.node = Some(node);
                }
                self.decide_admissions(now, out);
            }
            Pending::ReadNode => match object {
                Some(Object::Node(node)) => {
                    self.node = Some(node);
                    self.write_node_status(now, out);
                }
                _ => self.silent = code != 404,
            },
            Pending::PodStatus(uid) => self.status_written(&uid, code, object, now, out),
            Pending::Refetch(uid) => {
                if let Some(managed) = self.managed.get_mut(&uid) {
                    managed.writing = false;
                    if let Some(Object::Pod(pod)) = &object
                        && self.statics.set_mirror(&uid, pod.clone())
                    {
                        self.flush(&uid, now, out);
                    } else if let Some(Object::Pod(pod)) = object.filter(|object| *object.metadata().uid == *uid) {
                        self.work(&uid, now, out, |worker, _| worker.update(pod));
                    }
                }
            }
            Pending::DeletePod(uid) => {
                if let Some(managed) = self.managed.get_mut(&uid)
                    && !matches!(code, 200 | 202 | 404 | 409)
                {
                    managed.deleting = false;
                    managed.retry_at = Some(now + RETRY);
                    self.reindex(&uid);
                }
            }
            Pending::Mirror(uid) => self.mirror_made(&uid, object, now, out),
            Pending::MirrorGone => {}
            Pending::Reference(uid, kind, name) => {
                let known = match object {
                    Some(Object::ConfigMap(map)) => Known::ConfigMap(map),
                    Some(Object::Secret(secret)) => Known::Secret(secret),
                    Some(Object::PersistentVolumeClaim(claim)) => Known::Claim(claim),
                    _ => token.map_or(Known::Missing(message), |token| Known::Token(Arc::new(token))),
                };
                self.learn(&uid, (kind, name), known, now, out);
            }
        }
    }

    /// A Pod learns of an object that it refers to.
    fn learn(&mut self, uid: &Arc<str>, reference: (RefKind, String), known: Known, now: Time, out: &mut Outbox) {
        if let Known::ConfigMap(map) = &known
            && reference.1 == ROOT_CA
        {
            self.root_cas.insert(map.metadata.namespace.clone(), map.clone());
        }
        self.work(uid, now, out, |worker, _| {
            worker.asked.remove(&reference);
            // A token that could not be renewed stays, for as long as it holds.
            let renewed = !matches!((reference.0, &known), (RefKind::Token(_), Known::Missing(_)));
            if renewed || !matches!(worker.objects.known.get(&reference), Some(Known::Token(_))) {
                worker.objects.known.insert(reference, known);
            }
        });
    }

    fn registered(&mut self, code: u16, object: Option<Object>, now: Time, out: &mut Outbox) {
        match object {
            Some(Object::Node(node)) => {
                self.node = Some(node);
                self.make_mirrors(out);
                self.write_node_status(now, out);
            }
            // It is there from an earlier life: read it, then report.
            _ if code == 409 => {
                let path = ResourcePath::object(Node::INFO, "", &self.config.node_name);
                self.send(Request::new(Method::Get, path), Pending::RegisterNode, out);
            }
            _ => self.next_register = Some(now + RETRY),
        }
    }

    fn status_written(&mut self, uid: &Arc<str>, code: u16, object: Option<Object>, now: Time, out: &mut Outbox) {
        let Some(managed) = self.managed.get_mut(uid) else { return };
        managed.writing = false;
        match object {
            Some(Object::Pod(pod)) => {
                if !self.statics.set_mirror(uid, pod.clone()) {
                    managed.worker.update(pod);
                }
                self.flush(uid, now, out);
            }
            _ if code == 409 => {
                managed.dirty = true;
                managed.writing = true;
                let meta = &managed.worker.pod.metadata;
                let request = Request::new(Method::Get, ResourcePath::object(Pod::INFO, &meta.namespace, &meta.name));
                self.send(request, Pending::Refetch(uid.clone()), out);
            }
            // Gone: the watch will say so.
            _ if code == 404 => {}
            _ => {
                managed.dirty = true;
                managed.retry_at = Some(now + RETRY);
            }
        }
        self.reindex(uid);
    }
}
