//! What a learner can do to a node: switches for faults that last, the link to another node, and the process of a container.
//!
//! The amounts are fixed; lines of the terminal (`fault`) have others.

use super::desk::Desk;
use crate::i18n::Words;
use lab::{Fault, NodeFault, NodeView};
use leptos::prelude::*;
use web_sys::Element;

/// How full a disk becomes, in hundredths: beyond what the kubelet tolerates.
const FULL: u8 = 95;
/// How fast slow images come, in kilobytes per second.
const SLOW: u32 = 500;
/// How many of a hundred packets a bad link loses.
const LOST: u32 = 50;

/// A fault that a button switches on and off.
struct Switch {
    /// Its name in the page, for styles and tests.
    key: &'static str,
    label: &'static str,
    fault: Fault,
}

/// The switches of a node, in the order of its parts.
fn switches(node: &str, words: &Words) -> [Switch; 6] {
    let own = || node.to_owned();
    let switch = |key, label, fault| Switch { key, label, fault };
    [
        switch("kubelet", words.stop_kubelet, Fault::Crash(format!("kubelet/{node}"))),
        switch("kube-proxy", words.stop_proxy, Fault::Crash(format!("kube-proxy/{node}"))),
        switch("fill-disk", words.fill_disk, Fault::Node(NodeFault::FillDisk(own(), FULL, false))),
        switch("slow-pulls", words.slow_pulls, Fault::Node(NodeFault::SlowPulls(own(), SLOW))),
        switch("fail-pulls", words.fail_pulls, Fault::Node(NodeFault::FailPulls(own()))),
        switch("shut-down", words.shut_down, Fault::Node(NodeFault::ShutDown(own()))),
    ]
}

/// Packets are lost between two nodes, whichever of them is asked.
fn bad_link(one: &str, other: &str) -> Fault {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    Fault::DropPackets(first.to_owned(), second.to_owned(), LOST)
}

/// The Pods with processes, as `NAMESPACE/POD`.
fn running(node: &NodeView) -> Vec<String> {
    node.pods.iter().filter(|pod| pod.phase == "Running").map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect()
}

/// The view: closed, and empty until it is opened. `others` are the names of the other nodes.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn NodeFaults(desk: Desk, name: String, node: Memo<NodeView>, others: Memo<Vec<String>>) -> impl IntoView {
    let words = desk.context().words;
    let open = RwSignal::new(false);
    let label = format!("{} {name}", words.node_faults);
    let inside = move || {
        open.get().then(|| {
            let switches = switches(&name, words).map(|switch| switch_view(desk, switch)).into_iter().collect_view();
            view! { <div class="cb-switches">{switches}</div>{link_view(desk, name.clone(), others)}{kill_view(desk, node)} }
        })
    };
    view! {
        <details class="cb-node-faults" on:toggle=move |event| open.set(event_target::<Element>(&event).has_attribute("open"))>
            <summary aria-label=label>{words.node_faults}</summary>
            {inside}
        </details>
    }
}

fn switch_view(desk: Desk, Switch { key, label, fault }: Switch) -> impl IntoView {
    let on = desk.has_fault(fault.clone());
    view! {
        <button type="button" class="cb-button cb-small cb-switch" data-fault=key aria-pressed=move || on.get().to_string()
            on:click=move |_| desk.set_fault(fault.clone(), !on.get_untracked())>
            {label}
        </button>
    }
}

/// Whether the cluster's DNS fails.
pub(crate) fn dns_switch(desk: Desk) -> impl IntoView {
    switch_view(desk, Switch { key: "dns-servfail", label: desk.context().words.dns_fails, fault: Fault::DnsServfail })
}

/// The link to a node that is chosen; nothing when there is no other.
fn link_view(desk: Desk, name: String, others: Memo<Vec<String>>) -> impl IntoView {
    let words = desk.context().words;
    let chosen = RwSignal::new(String::new());
    let other = Memo::new(move |_| {
        let wanted = chosen.get();
        others.with(|others| others.iter().find(|other| **other == wanted).or(others.first()).cloned().unwrap_or_default())
    });
    let fault = Memo::new(move |_| bad_link(&name, &other.get()));
    let on = Memo::new(move |_| desk.snapshot.with(|snapshot| snapshot.faults.contains(&fault.get())));
    view! {
        <p class="cb-switches" hidden=move || others.with(Vec::is_empty)>
            <button type="button" class="cb-button cb-small cb-switch" data-fault="drop-packets" aria-pressed=move || on.get().to_string()
                on:click=move |_| desk.set_fault(fault.get_untracked(), !on.get_untracked())>
                {words.drop_packets}
            </button>
            {choice(words.other_node, others, other, chosen)}
        </p>
    }
}

/// The first process of a Pod that is chosen can be killed; nothing when none runs.
fn kill_view(desk: Desk, node: Memo<NodeView>) -> impl IntoView {
    let words = desk.context().words;
    let pods = Memo::new(move |_| node.with(running));
    let chosen = RwSignal::new(String::new());
    let pod = Memo::new(move |_| {
        let wanted = chosen.get();
        pods.with(|pods| pods.iter().find(|pod| **pod == wanted).or(pods.first()).cloned().unwrap_or_default())
    });
    let kill = move |_| desk.set_fault(Fault::Node(NodeFault::Kill(pod.get_untracked(), None)), true);
    view! {
        <p class="cb-switches" hidden=move || pods.with(Vec::is_empty)>
            <button type="button" class="cb-button cb-small" data-fault="kill" title=words.kill_process_hint on:click=kill>
                {words.kill_process}
            </button>
            {choice(words.pod_to_kill, pods, pod, chosen)}
        </p>
    }
}

/// A list to choose from.
fn choice(label: &'static str, names: Memo<Vec<String>>, shown: Memo<String>, chosen: RwSignal<String>) -> impl IntoView {
    let option = move |name: String| {
        let is_shown = shown.with(|shown| *shown == name);
        view! { <option value=name.clone() selected=is_shown>{name.clone()}</option> }
    };
    view! {
        <select aria-label=label on:change=move |event| chosen.set(event_target_value(&event))>
            {move || names.get().into_iter().map(option).collect_view()}
        </select>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::words;
    use exercises::lang::Lang;
    use lab::PodView;

    #[test]
    fn each_switch_is_a_fault_that_a_line_of_the_terminal_makes_too() {
        let lines = switches("node-1", words(Lang::En)).map(|switch| {
            let line = switch.fault.in_script();
            assert_eq!(line.parse().as_ref(), Ok(&switch.fault), "{}", switch.key);
            line
        });
        let expected = [
            "crash kubelet/node-1",
            "crash kube-proxy/node-1",
            "fill-disk node-1 95",
            "slow-pulls node-1 500",
            "fail-pulls node-1",
            "shut-down node-1",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_link_is_the_same_from_both_sides_and_only_running_pods_have_processes() {
        assert_eq!(bad_link("node-2", "node-1"), bad_link("node-1", "node-2"));
        let pod = |name: &str, phase: &str| PodView {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            phase: phase.to_owned(),
            ..PodView::default()
        };
        let node = NodeView { pods: vec![pod("web", "Running"), pod("job", "Succeeded")], ..NodeView::default() };
        assert_eq!(running(&node), ["shop/web"]);
    }
}
