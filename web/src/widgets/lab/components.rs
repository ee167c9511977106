//! Schedulers, controller managers and what else of the control plane can be killed: whether each runs, who leads, and a button.

use super::desk::Desk;
use super::node_faults::dns_switch;
use crate::i18n::Words;
use lab::{ComponentStatus, Fault};
use leptos::prelude::*;

/// The view.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn ComponentsView(desk: Desk) -> impl IntoView {
    let words = desk.context().words;
    let all = Memo::new(move |_| desk.snapshot.with(|snapshot| snapshot.components.clone()));
    let names = move || all.with(|all| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>());
    let one = move |name: String| {
        let this = name.clone();
        let one = Memo::new(move |_| all.with(|all| all.iter().find(|one| one.name == this).cloned().unwrap_or_default()));
        component_view(desk, name, one)
    };
    view! {
        <details class="cb-components" hidden=move || all.with(Vec::is_empty)>
            <summary>{words.components}</summary>
            <ul>
                <For each=names key=Clone::clone children=one/>
                <li class="cb-component"><strong>"DNS"</strong>" "{dns_switch(desk)}</li>
            </ul>
        </details>
    }
}

fn component_view(desk: Desk, name: String, one: Memo<ComponentStatus>) -> impl IntoView {
    let words = desk.context().words;
    let (fault, label, title) = (Fault::Crash(name.clone()), name.clone(), name.clone());
    let runs = Memo::new(move |_| one.with(|one| one.running));
    let tone = move || if runs.get() { "cb-node-state cb-right" } else { "cb-node-state cb-wrong" };
    view! {
        <li class="cb-component" data-component=name data-running=move || runs.get().to_string()>
            <strong>{title}</strong>" "<span class=tone>{move || one.with(|one| state(one, words))}</span>" "
            <button type="button" class="cb-button cb-small cb-kill-component" aria-pressed=move || (!runs.get()).to_string()
                aria-label=move || format!("{} {label}", if runs.get() { words.kill } else { words.start_again })
                on:click=move |_| desk.set_fault(fault.clone(), runs.get_untracked())>
                {move || if runs.get() { words.kill } else { words.start_again }}
            </button>
        </li>
    }
}

/// How a component stands, in a word.
fn state(one: &ComponentStatus, words: &Words) -> &'static str {
    match (one.running, one.leads) {
        (false, _) => words.member_stopped,
        (true, Some(true)) => words.component_leads,
        (true, Some(false)) => words.component_waits,
        (true, None) => words.component_runs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::words;
    use exercises::lang::Lang;

    #[test]
    fn the_state_tells_who_leads() {
        let of = |running, leads| state(&ComponentStatus { name: String::new(), running, leads }, words(Lang::En));
        assert_eq!(
            [of(true, Some(true)), of(true, Some(false)), of(true, None), of(false, Some(false))],
            ["leads", "stands by", "runs", "stopped"]
        );
    }
}
