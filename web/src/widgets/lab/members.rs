//! The members of etcd: who leads, how far each log is, and what can be done to them.

use super::desk::Desk;
use crate::i18n::{Words, fill};
use lab::{Fault, MemberStatus};
use leptos::prelude::*;

/// The view; empty for a single member.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn MembersView(desk: Desk) -> impl IntoView {
    let words = desk.context().words;
    let members = Memo::new(move |_| desk.snapshot.with(|snapshot| snapshot.members.clone()));
    let names = move || members.with(|members| members.iter().map(|member| member.name.clone()).collect::<Vec<_>>());
    let member = move |name: String| {
        let this = name.clone();
        let member = Memo::new(move |_| members.with(|all| all.iter().find(|member| member.name == this).cloned().unwrap_or_default()));
        member_view(desk, name, member)
    };
    view! {
        <section class="cb-members" aria-label="etcd" hidden=move || members.with(|members| members.len() < 2)>
            <h6>{words.members}</h6>
            <div class="cb-nodes"><For each=names key=Clone::clone children=member/></div>
        </section>
    }
}

fn member_view(desk: Desk, name: String, member: Memo<MemberStatus>) -> impl IntoView {
    let words = desk.context().words;
    let is_cut = desk.has_fault(Fault::Isolate(name.clone()));
    let (to_kill, to_cut, title) = (name.clone(), name.clone(), name.clone());
    let runs = Memo::new(move |_| member.with(|member| member.running));
    let state = move || if runs.get() { member.with(|member| member.role.clone()) } else { words.member_stopped.to_owned() };
    let tone = move || if runs.get() { "cb-node-state cb-right" } else { "cb-node-state cb-wrong" };
    view! {
        <section class="cb-node cb-member" data-member=name.clone() data-role=move || member.with(|member| member.role.clone())
            class:cb-cut=move || is_cut.get() aria-label=name.clone()>
            <header>
                <strong>{title}</strong>
                <span class=tone>{state}</span>
                <button type="button" class="cb-button cb-small cb-kill-member" aria-pressed=move || (!runs.get()).to_string()
                    title=words.kill_hint on:click=move |_| desk.set_fault(Fault::Crash(to_kill.clone()), runs.get_untracked())>
                    {move || if runs.get() { words.kill } else { words.start_again }}
                </button>
                <button type="button" class="cb-button cb-small cb-cut-member" aria-pressed=move || is_cut.get().to_string()
                    title=words.cut_member_hint on:click=move |_| desk.set_fault(Fault::Isolate(to_cut.clone()), !is_cut.get_untracked())>
                    {move || if is_cut.get() { words.heal_node } else { words.cut_node }}
                </button>
            </header>
            <p class="cb-member-log">{move || member.with(|member| log_line(member, words))}</p>
        </section>
    }
}

/// How far a member's log is, in words.
fn log_line(member: &MemberStatus, words: &Words) -> String {
    if !member.running {
        return String::new();
    }
    let numbers = [member.term, member.last_index, member.committed, member.revision].map(|number| number.to_string());
    fill(words.member_log, &numbers.each_ref().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::words;
    use exercises::lang::Lang;

    #[test]
    fn a_members_log_is_told_while_it_runs() {
        let member = MemberStatus { running: true, term: 2, last_index: 9, committed: 8, revision: 5, ..MemberStatus::default() };
        assert_eq!(log_line(&member, words(Lang::En)), "term 2 · log up to 9 · committed up to 8 · revision 5");
        assert_eq!(log_line(&MemberStatus::default(), words(Lang::En)), "");
    }
}
