//! The terminal: what was printed, and a line to type.
//!
//! Enter runs, the arrows go through the history, Tab completes, Ctrl-C interrupts, Ctrl-D ends a session in a container and Ctrl-L clears. A line that ends with a backslash or
//! begins a here-document goes on in the next one. Of several lines that are pasted, each but the last is run.

use super::desk::{Desk, Phase};
use super::editor::byte_of;
use super::screen::{History, Kind, Line, Screen, commands};
use leptos::html::{Div, Input};
use leptos::prelude::*;
use web_sys::{ClipboardEvent, HtmlInputElement, KeyboardEvent};

/// How long a line may be, in UTF-16 units: the terminal refuses more than a mebibyte.
const MAX_INPUT: &str = "1048576";

/// How near to its end the screen must stand to go on with new lines, in pixels.
const NEAR_END: i32 = 40;

/// The screen and the input.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn Terminal(desk: Desk) -> impl IntoView {
    let context = desk.context();
    let words = context.words;
    let (id, hint) = (format!("card-{}-terminal", context.card.id), format!("card-{}-terminal-hint", context.card.id));
    let (log, input) = (NodeRef::<Div>::new(), NodeRef::<Input>::new());
    stay_at_the_end(desk, log);
    place_cursor(desk, input);
    let lines = move || desk.screen.with(|screen| screen.lines().cloned().collect::<Vec<_>>());
    let focus = move |_| {
        // Who marks text wants to copy it.
        if window().get_selection().ok().flatten().is_none_or(|selection| selection.is_collapsed())
            && let Some(input) = input.get_untracked()
        {
            let _ = input.focus();
        }
    };
    view! {
        <section class="cb-panel cb-terminal" aria-label=words.terminal data-busy=move || desk.busy.get().to_string()>
            <div class="cb-terminal-output" role="log" tabindex="0" aria-label=words.output node_ref=log on:click=focus>
                <For each=lines key=|line| line.id children=line_view/>
            </div>
            <div class="cb-prompt">
                <label for=id.clone()><span class="cb-sr">{words.command_line}</span><span aria-hidden="true">{move || prompt(desk)}</span></label>
                <input
                    node_ref=input
                    class="cb-command"
                    type="text"
                    id=id
                    maxlength=MAX_INPUT
                    aria-describedby=hint.clone()
                    placeholder=words.command_placeholder
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    enterkeyhint="send"
                    disabled=move || desk.phase.get() != Phase::Running
                    prop:value=move || desk.input.get()
                    on:input=move |event| desk.input.set(event_target_value(&event))
                    on:keydown=move |event| {
                        if let Some(input) = input.get_untracked() {
                            key(desk, &event, &input);
                        }
                    }
                    on:paste=move |event| paste(desk, &event)
                />
                <button type="button" class="cb-button cb-small cb-interrupt" hidden=move || !desk.busy.get() on:click=move |_| desk.interrupt()>"Ctrl-C"</button>
            </div>
            <p class="cb-note cb-terminal-hint" id=hint>{words.terminal_hint}</p>
        </section>
    }
}

/// Whether a command runs, one is awaited, or one goes on.
fn prompt(desk: Desk) -> String {
    let own = if desk.busy.get() {
        "…"
    } else if desk.pending.with(String::is_empty) {
        "$"
    } else {
        ">"
    };
    desk.session.get().filter(|_| !desk.busy.get()).unwrap_or_else(|| own.to_owned())
}

fn line_view(line: Line) -> impl IntoView {
    view! { <div class=class_of(&line)>{line.text.clone()}</div> }
}

fn class_of(line: &Line) -> &'static str {
    match line.kind {
        Kind::Typed if line.text.starts_with("> ") => "cb-typed cb-continued",
        Kind::Typed => "cb-typed",
        Kind::Session => "cb-typed cb-continued",
        Kind::Output => "cb-stdout",
        Kind::Error => "cb-stderr",
        Kind::Note => "cb-screen-note",
    }
}

fn stay_at_the_end(desk: Desk, log: NodeRef<Div>) {
    Effect::new(move |_| {
        let last = desk.screen.with(|screen| screen.lines().last().map(|line| line.kind));
        let Some(log) = log.get() else { return };
        // The new lines are not there yet: this is where the learner has scrolled to.
        if matches!(last, Some(Kind::Typed | Kind::Session)) || log.scroll_height() - log.scroll_top() - log.client_height() < NEAR_END {
            request_animation_frame(move || log.set_scroll_top(log.scroll_height()));
        }
    });
}

fn place_cursor(desk: Desk, input: NodeRef<Input>) {
    Effect::new(move |_| {
        let Some(cursor) = desk.cursor.get() else { return };
        let text = desk.input.get_untracked();
        let unit = text.get(..cursor).map_or(0, |before| before.encode_utf16().count() as u32);
        request_animation_frame(move || {
            if let Some(input) = input.get_untracked() {
                // A cursor that cannot be put stays at the end.
                let _ = input.set_selection_range(unit, unit);
            }
        });
    });
}

fn key(desk: Desk, event: &KeyboardEvent, input: &HtmlInputElement) {
    if event.is_composing() {
        return;
    }
    let text = input.value();
    let (start, end) = (input.selection_start().ok().flatten().unwrap_or(0), input.selection_end().ok().flatten().unwrap_or(0));
    match event.key().as_str() {
        "Enter" => enter(desk, &text),
        "ArrowUp" => recall(desk, desk.history.try_update(|history| history.back(&text)).flatten()),
        "ArrowDown" => recall(desk, desk.history.try_update(History::forth).flatten()),
        "Tab" if !event.shift_key() && !text.trim().is_empty() => desk.complete(byte_of(&text, start)),
        "c" if event.ctrl_key() && start == end => desk.interrupt(),
        "d" if event.ctrl_key() && text.is_empty() => desk.end_of_input(),
        "l" if event.ctrl_key() => desk.screen.update(Screen::clear),
        _ => return,
    }
    event.prevent_default();
}

/// Runs what is typed, unless it goes on in the next line. While a command runs, the line stays where it is.
fn enter(desk: Desk, line: &str) {
    if desk.busy.get_untracked() {
        return;
    }
    let text = desk.pending.get_untracked() + line;
    desk.input.set(String::new());
    if desk.session.with_untracked(Option::is_some) {
        return desk.run(text.split('\n').map(str::to_owned).collect());
    }
    match commands(&text) {
        Some(commands) if !text.ends_with('\\') => {
            // What was typed so far is shown again as a whole.
            let shown = desk.pending.with_untracked(|pending| pending.lines().count());
            desk.screen.update(|screen| screen.take_back(shown));
            desk.pending.set(String::new());
            desk.run(commands);
        }
        _ => {
            let prompt = if desk.pending.with_untracked(String::is_empty) { "" } else { "> " };
            desk.screen.update(|screen| screen.print_line(Kind::Note, &format!("{prompt}{line}")));
            desk.pending.set(text + "\n");
        }
    }
}

fn paste(desk: Desk, event: &ClipboardEvent) {
    let pasted = event.clipboard_data().and_then(|data| data.get_data("text/plain").ok()).unwrap_or_default();
    if let Some((lines, rest)) = pasted.trim_end_matches('\r').rsplit_once('\n') {
        event.prevent_default();
        enter(desk, &format!("{}{}", desk.input.get_untracked(), lines.replace('\r', "")));
        desk.input.set(rest.to_owned());
    }
}

fn recall(desk: Desk, line: Option<String>) {
    if let Some(line) = line {
        desk.cursor.set(Some(line.len()));
        desk.input.set(line);
    }
}
