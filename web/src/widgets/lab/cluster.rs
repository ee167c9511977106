//! The cluster as it is: nodes with their Pods, Pods without a node, workloads and Services.

use super::components::ComponentsView;
use super::desk::Desk;
use super::members::MembersView;
use super::node_faults::NodeFaults;
use crate::i18n::{Words, fill};
use lab::{Fault, NodeView, PodView, ServiceView, WorkloadView};
use leptos::prelude::*;

/// How many Pods a node shows, and how many rows a table has.
const MAX_SHOWN: usize = 60;

/// How many nodes are shown.
const MAX_NODES: usize = 120;

/// The view.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn ClusterView(desk: Desk) -> impl IntoView {
    let words = desk.context().words;
    let nodes = Memo::new(move |_| desk.snapshot.with(|snapshot| snapshot.nodes.iter().take(MAX_NODES).cloned().collect::<Vec<_>>()));
    let names = move || nodes.with(|nodes| nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>());
    let node = move |name: String| {
        let this = name.clone();
        let node = Memo::new(move |_| nodes.with(|nodes| nodes.iter().find(|node| node.name == this).cloned().unwrap_or_default()));
        let this = name.clone();
        let others =
            Memo::new(move |_| nodes.with(|nodes| nodes.iter().map(|node| node.name.clone()).filter(|name| *name != this).collect()));
        node_view(desk, name, node, others)
    };
    let waiting = Memo::new(move |_| desk.snapshot.with(|snapshot| snapshot.unscheduled.clone()));
    let workloads = Memo::new(move |_| {
        desk.snapshot.with(|snapshot| {
            let named = |kind: &'static str, of: &[WorkloadView]| of.iter().cloned().map(|workload| (kind, workload)).collect::<Vec<_>>();
            [named("Deployment", &snapshot.deployments), named("ReplicaSet", &snapshot.replica_sets)].concat()
        })
    });
    let services = Memo::new(move |_| desk.snapshot.with(|snapshot| snapshot.services.clone()));
    view! {
        <section class="cb-panel cb-cluster" aria-label=words.cluster>
            <h5>{words.cluster}</h5>
            {MembersView(desk)}
            {ComponentsView(desk)}
            <div class="cb-nodes"><For each=names key=Clone::clone children=node/></div>
            <div class="cb-unscheduled" hidden=move || waiting.with(Vec::is_empty)>
                <h6>{words.unscheduled}</h6>
                <ul class="cb-pods">{move || waiting.with(|pods| pod_list(pods, words))}</ul>
            </div>
            {move || workloads.with(|workloads| (!workloads.is_empty()).then(|| workload_table(workloads, words)))}
            {move || services.with(|services| (!services.is_empty()).then(|| service_table(services)))}
        </section>
    }
}

fn node_view(desk: Desk, name: String, node: Memo<NodeView>, others: Memo<Vec<String>>) -> impl IntoView {
    let words = desk.context().words;
    let (of_cut, of_click, of_faults, title) = (name.clone(), name.clone(), name.clone(), name.clone());
    let is_cut = desk.has_fault(Fault::CutNode(of_cut));
    let state = move || {
        node.with(|node| match (node.ready, node.unschedulable) {
            (true, false) => "Ready",
            (true, true) => "Ready,SchedulingDisabled",
            (false, false) => "NotReady",
            (false, true) => "NotReady,SchedulingDisabled",
        })
    };
    view! {
        <section class="cb-node" data-node=name.clone() class:cb-cut=move || is_cut.get() aria-label=name.clone()>
            <header>
                <strong>{title}</strong>
                <span class=move || if node.with(|node| node.ready) { "cb-node-state cb-right" } else { "cb-node-state cb-wrong" }>{state}</span>
                <button type="button" class="cb-button cb-small cb-cut-node" aria-pressed=move || is_cut.get().to_string()
                    title=words.cut_hint on:click=move |_| desk.set_fault(Fault::CutNode(of_click.clone()), !is_cut.get_untracked())>
                    {move || if is_cut.get() { words.heal_node } else { words.cut_node }}
                </button>
            </header>
            <ul class="cb-pods">{move || node.with(|node| pod_list(&node.pods, words))}</ul>
            {NodeFaults(desk, of_faults, node, others)}
        </section>
    }
}

fn pod_list(pods: &[PodView], words: &'static Words) -> impl IntoView + use<> {
    let pod = |pod: &PodView| {
        let name = if pod.namespace == "default" { pod.name.clone() } else { format!("{}/{}", pod.namespace, pod.name) };
        let restarts = (pod.restarts > 0).then(|| format!(" ↻{}", pod.restarts));
        let title = [name.as_str(), &pod.ip, &pod.owner].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" · ");
        view! {
            <li class=format!("cb-pod {}", tone(pod)) data-pod=pod.name.clone() data-namespace=pod.namespace.clone()
                data-status=pod.status.clone() data-ready=format!("{}/{}", pod.ready, pod.containers) title=title>
                <span class="cb-pod-name">{name}</span>
                <span class="cb-pod-status">{pod.status.clone()}" "{format!("{}/{}", pod.ready, pod.containers)}{restarts}</span>
            </li>
        }
    };
    let shown = pods.iter().take(MAX_SHOWN).map(pod).collect_view();
    let more = pods.len().saturating_sub(MAX_SHOWN);
    let more = (more > 0).then(|| view! { <li class="cb-note">{fill(words.and_more, &[&more.to_string()])}</li> });
    let none = pods.is_empty().then(|| view! { <li class="cb-note">{words.no_pods}</li> });
    view! { {shown}{more}{none} }
}

/// How a Pod's state is coloured; its words stand beside the colour.
fn tone(pod: &PodView) -> &'static str {
    match pod.status.as_str() {
        "Running" | "Completed" | "Succeeded" if pod.ready == pod.containers || pod.status != "Running" => "cb-pod-good",
        "Running" | "Pending" | "ContainerCreating" | "Terminating" | "PodInitializing" => "cb-pod-way",
        status if status.starts_with("Init:") && !status.contains("Err") && !status.contains("BackOff") => "cb-pod-way",
        _ => "cb-pod-bad",
    }
}

fn workload_table(workloads: &[(&'static str, WorkloadView)], words: &'static Words) -> impl IntoView + use<> {
    let row = |(kind, of): &(&'static str, WorkloadView)| {
        view! {
            <tr data-kind=*kind data-name=of.name.clone()>
                <th scope="row">{*kind}" "{of.name.clone()}</th>
                <td>{format!("{}/{}", of.ready, of.desired)}</td>
                <td>{if *kind == "Deployment" { of.updated.to_string() } else { "–".to_owned() }}</td>
                <td>{of.available}</td>
            </tr>
        }
    };
    // Old ReplicaSets without Pods are history.
    let shown = workloads.iter().filter(|(kind, of)| *kind == "Deployment" || of.desired > 0 || of.current > 0);
    let rows = shown.take(MAX_SHOWN).map(row).collect_view();
    view! {
        <div class="cb-table-frame" tabindex="0" role="group" aria-label=words.workloads>
            <table class="cb-workloads">
                <thead><tr><th scope="col">{words.workloads}</th><th scope="col">"READY"</th><th scope="col">"UP-TO-DATE"</th><th scope="col">"AVAILABLE"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn service_table(services: &[ServiceView]) -> impl IntoView + use<> {
    let row = |of: &ServiceView| {
        view! { <tr data-kind="Service" data-name=of.name.clone()><th scope="row">"Service "{of.name.clone()}</th><td>{of.type_.clone()}</td><td>{of.cluster_ip.clone()}</td></tr> }
    };
    let rows = services.iter().take(MAX_SHOWN).map(row).collect_view();
    view! {
        <div class="cb-table-frame" tabindex="0" role="group" aria-label="Services">
            <table class="cb-services">
                <thead><tr><th scope="col">"Services"</th><th scope="col">"TYPE"</th><th scope="col">"CLUSTER-IP"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_tone_follows_its_status() {
        let of = |status: &str, ready| tone(&PodView { status: status.to_owned(), ready, containers: 1, ..PodView::default() });
        assert_eq!((of("Running", 1), of("Running", 0), of("Completed", 0)), ("cb-pod-good", "cb-pod-way", "cb-pod-good"));
        assert_eq!((of("CrashLoopBackOff", 0), of("Error", 0), of("Init:0/1", 0)), ("cb-pod-bad", "cb-pod-bad", "cb-pod-way"));
    }
}
