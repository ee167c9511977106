//! The kubelet's side of the Pod network: it hands its containers' calls to the node's network, and answers for its Pods.

use crate::kubelet::Kubelet;
use crate::runtime::calls;
use client::Outbox;
use client::dial::{CallId, Caller, Dial, DialError, Payload, Reply};
use sim::{ObjectRef, PacketStep, Time};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Where the server is that Pods of CoreDNS answer for. It keeps what it watches once for all of them.
pub const COREDNS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10));

/// What images of CoreDNS are called.
const COREDNS_IMAGE: &str = "coredns/coredns:";

/// The calls that are under way: whose they are, and their numbers there.
#[derive(Debug, Default)]
pub(crate) struct PodCalls(BTreeMap<CallId, (Arc<str>, u64)>);

impl Kubelet {
    /// Sends what a Pod's containers want to call.
    pub(crate) fn send_calls(&mut self, uid: &Arc<str>, out: &mut Outbox) {
        let Some(managed) = self.managed.get_mut(uid) else { return };
        for (number, mut dial) in managed.worker.sandbox.calls.take_outgoing() {
            dial.sender = Some(managed.worker.object.clone());
            self.pod_calls.0.insert(out.dial(dial), (uid.clone(), number));
        }
    }

    /// Gives an answer to the container that waits for it.
    pub(crate) fn dialed(&mut self, call: CallId, answer: Result<Box<Reply>, DialError>, now: Time, out: &mut Outbox) {
        if let Some((uid, number)) = self.pod_calls.0.remove(&call) {
            self.work(&uid, now, out, |worker, cx| worker.sandbox.answered(number, answer, cx.now));
        }
    }

    /// Answers a call to one of the node's Pods. Pods on the host's network share its address: who listens answers.
    pub(crate) fn incoming(&mut self, caller: Caller, dial: &Dial, now: Time, out: &mut Outbox) {
        let ip = dial.destination.ip().to_string();
        let here = || self.managed.iter().filter(|(_, managed)| managed.worker.sandbox.ip == ip);
        let listening = here().find(|(_, managed)| managed.worker.sandbox.listens(dial.destination.port()));
        let found = listening.or_else(|| here().next());
        let own = ip == crate::node::node_ip(self.config.index);
        let node = || own.then(|| ObjectRef::new("Node", "", self.config.node_name.as_str()));
        let at = found.map(|(_, managed)| managed.worker.object.clone()).or_else(node);
        let asks_coredns = matches!(dial.payload, Payload::Dns { .. })
            && listening.is_some_and(|(_, managed)| managed.worker.pod.spec.containers.iter().any(|one| one.image.contains(COREDNS_IMAGE)));
        let uid = found.map(|(uid, _)| uid.clone());
        at.and_then(|at| dial.hop(PacketStep::Arrived { at })).into_iter().for_each(|hop| out.trace(hop));
        if asks_coredns {
            return out.forward(caller, Box::new(Dial { destination: (COREDNS, 53).into(), ..dial.clone() }));
        }
        let answered = uid.and_then(|uid| self.work(&uid, now, out, |worker, cx| calls::answer(&mut worker.sandbox, dial, now, cx.host)));
        let nobody = if own { DialError::Refused } else { DialError::Unreachable };
        out.answer(caller, answered.unwrap_or(Err(nobody)));
    }
}
