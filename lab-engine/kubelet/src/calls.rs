//! The kubelet's side of the Pod network: it hands its containers' calls to the node's network, and answers for its Pods.
//!
//! What comes to a port of the node that a container has (`hostPort`) goes on to its Pod, as the plugin `portmap` of the Pod network has it.
//!
//! **Simplified here:** the rules of `portmap` are in no list of rules; they come after those of kube-proxy, and a port of the node's
//! loopback address (`hostIP: 127.0.0.1`) leads nowhere.

use crate::kubelet::Kubelet;
use crate::pod_worker::Stage;
use crate::runtime::calls;
use api::core::ContainerPort;
use client::Outbox;
use client::dial::{CallId, Caller, Dial, DialError, Payload, Reply};
use sim::{ObjectRef, PacketStep, Routing, Time};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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

    /// Where a port of the node leads, if a container has it (`portmap`).
    fn mapped_port(&self, dial: &Dial) -> Option<SocketAddr> {
        let (ip, port) = (dial.destination.ip().to_string(), i32::from(dial.destination.port()));
        let maps = |one: &ContainerPort| {
            let host_ip = one.rest.get("hostIP").and_then(serde_json::Value::as_str).unwrap_or_default();
            one.host_port == Some(port)
                && one.protocol.eq_ignore_ascii_case(dial.protocol())
                && (matches!(host_ip, "" | "0.0.0.0") || host_ip == ip)
        };
        self.managed.values().map(|managed| &managed.worker).find_map(|worker| {
            let spec = &worker.pod.spec;
            if spec.host_network == Some(true) || worker.stage != Stage::Containers {
                return None;
            }
            let found = spec.containers.iter().chain(&spec.init_containers).flat_map(|container| &container.ports).find(|one| maps(one))?;
            Some(SocketAddr::new(worker.sandbox.ip.parse().ok()?, u16::try_from(found.container_port).ok()?))
        })
    }

    /// Answers a call to one of the node's Pods. Pods on the host's network share its address: who listens answers.
    pub(crate) fn incoming(&mut self, caller: Caller, dial: &Dial, now: Time, out: &mut Outbox) {
        let ip = dial.destination.ip().to_string();
        if let Some(to) = self.mapped_port(dial).filter(|_| ip == crate::node::node_ip(self.config.index)) {
            let node = self.config.node_name.as_str().into();
            let routing = Routing { node, mode: "portmap".into(), dnat: Some(to.to_string().into()), ..Routing::default() };
            dial.hop(PacketStep::Routed(routing)).into_iter().for_each(|hop| out.trace(hop));
            return out.forward(caller, Box::new(Dial { destination: to, ..dial.clone() }));
        }
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
