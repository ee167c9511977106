//! The editor of the learner's files: tabs, a text area with line numbers, and each problem at its line.
//!
//! The problems come from the engine, which reads a manifest as the API server does. The text area is as high as its text, and the frame
//! around it scrolls, so that numbers and marks stand beside their lines by themselves.

use super::desk::Desk;
use crate::i18n::fill;
use lab::FileProblem;
use leptos::html::Textarea;
use leptos::prelude::*;
use std::fmt::Write as _;
use wasm_bindgen::JsCast;
use web_sys::{HtmlDocument, HtmlTextAreaElement, KeyboardEvent};

/// How many lines an empty editor has.
const MIN_LINES: usize = 10;

/// How many problems are shown.
const MAX_PROBLEMS: usize = 50;

/// The tabs, the open file and its problems.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn Editor(desk: Desk) -> impl IntoView {
    let context = desk.context();
    let (words, id) = (context.words, context.card.id.clone());
    let hint = format!("card-{id}-editor-hint");
    let open = move || Some(desk.open.get()).filter(|name| !name.is_empty());
    let described = hint.clone();
    view! {
        <section class="cb-panel cb-editor-panel" aria-label=words.editor>
            {tabs(desk)}
            <For each=open key=Clone::clone let:name>{page(desk, name, described.clone())}</For>
            <p class="cb-note cb-editor-hint" id=hint>{words.editor_hint}</p>
            <ul class="cb-problems" aria-live="polite" aria-label=words.problems>{move || problem_list(desk)}</ul>
        </section>
    }
}

fn tabs(desk: Desk) -> impl IntoView {
    let words = desk.context().words;
    let names = move || desk.files.with(|files| files.keys().cloned().collect::<Vec<_>>());
    let tab = move |name: String| {
        let (this, other, label) = (name.clone(), name.clone(), name.clone());
        let errors = move || desk.problems.with(|all| all.get(&other).is_some_and(|problems| problems.iter().any(|problem| problem.error)));
        let of_click = name.clone();
        view! {
            <button type="button" class="cb-tab" data-file=name.clone() class:cb-tab-error=errors
                aria-pressed=move || (desk.open.get() == this).to_string() on:click=move |_| desk.open.set(of_click.clone())>{label}</button>
        }
    };
    let adding = RwSignal::new(false);
    let name = RwSignal::new(String::new());
    let fits = move || name.with(|name| is_file_name(name.trim()));
    let add = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if fits() {
            desk.new_file(name.get_untracked().trim());
            name.set(String::new());
            adding.set(false);
        }
    };
    let open_name = move || desk.open.get();
    let changed = move || desk.files.with(|files| desk.lab.with(|lab| desk.open.with(|open| files.get(open) != lab.files.get(open))));
    view! {
        <div class="cb-tabs" role="group" aria-label=words.files>
            <For each=names key=Clone::clone children=tab/>
            <button type="button" class="cb-tab cb-add-file" aria-label=words.add_file aria-expanded=move || adding.get().to_string()
                on:click=move |_| adding.update(|adding| *adding = !*adding)>"+"</button>
            <span class="cb-tabs-end">
                <button type="button" class="cb-button cb-small cb-restore" disabled=move || !changed()
                    on:click=move |_| desk.restore(&desk.open.get_untracked())>{words.restore}</button>
                <button type="button" class="cb-button cb-small cb-primary cb-apply" title=move || format!("kubectl apply -f {}", open_name())
                    disabled=move || desk.busy.get() || desk.open.with(String::is_empty)
                    on:click=move |_| desk.run(vec![format!("kubectl apply -f {}", desk.open.get_untracked())])>{words.apply}</button>
            </span>
        </div>
        <form class="cb-new-file" hidden=move || !adding.get() on:submit=add>
            <label>{words.file_name}" "<input class="cb-input" type="text" maxlength="80" autocomplete="off" autocapitalize="off" spellcheck="false"
                prop:value=move || name.get() on:input=move |event| name.set(event_target_value(&event))/></label>
            <button type="submit" class="cb-button cb-small" disabled=move || !fits()>{words.add}</button>
        </form>
    }
}

fn page(desk: Desk, name: String, hint: String) -> impl IntoView {
    let words = desk.context().words;
    let area = NodeRef::<Textarea>::new();
    let of_text = name.clone();
    let text = move || desk.files.with(|files| files.get(&of_text).cloned().unwrap_or_default());
    let of_lines = name.clone();
    let lines = Memo::new(move |_| desk.files.with(|files| files.get(&of_lines).map_or(1, |text| line_count(text))));
    let (of_marks, of_input) = (name.clone(), name.clone());
    let marks = move || {
        let (files, problems) = (desk.files.read(), desk.problems.read());
        let text = files.get(&of_marks).map_or("", String::as_str);
        marks(text, problems.get(&of_marks).map_or(&[], Vec::as_slice))
    };
    let leaving = RwSignal::new(false);
    view! {
        <div class="cb-editor" data-file=name.clone()>
            <pre class="cb-gutter" aria-hidden="true">{move || numbers(lines.get())}</pre>
            <div class="cb-sheet">
                <div class="cb-marks" aria-hidden="true">{marks}</div>
                <textarea
                    node_ref=area
                    class="cb-source"
                    aria-label=fill(words.file_label, &[&name])
                    aria-describedby=hint
                    spellcheck="false"
                    autocomplete="off"
                    autocapitalize="off"
                    wrap="off"
                    style:height=move || format!("calc({} * var(--cb-code-line) + 1.6rem)", lines.get().max(MIN_LINES))
                    prop:value=text
                    on:input=move |event| desk.edit(&of_input, event_target_value(&event))
                    on:keydown=move |event| type_key(&event, leaving)
                ></textarea>
            </div>
        </div>
    }
}

/// Tab indents and Enter keeps the indentation. After Escape, Tab leaves the editor.
fn type_key(event: &KeyboardEvent, leaving: RwSignal<bool>) {
    let key = event.key();
    let plain = !(event.ctrl_key() || event.alt_key() || event.meta_key() || event.is_composing());
    let was_leaving = leaving.get_untracked();
    leaving.set(key == "Escape" || (was_leaving && key == "Shift"));
    let Some(area) = event.target().and_then(|target| target.dyn_into::<HtmlTextAreaElement>().ok()).filter(|_| plain) else { return };
    let text = area.value();
    let start = area.selection_start().ok().flatten().map_or(0, |start| byte_of(&text, start));
    let insert = match key.as_str() {
        "Tab" if was_leaving || event.shift_key() => return,
        "Tab" => "  ".to_owned(),
        "Enter" if !event.shift_key() => format!("\n{}", indentation(&text[..start])),
        _ => return,
    };
    // The browser's own way to type: it can be undone, and it tells of the input as usual.
    if document()
        .dyn_into::<HtmlDocument>()
        .is_ok_and(|document| document.exec_command_with_show_ui_and_value("insertText", false, &insert) == Ok(true))
    {
        event.prevent_default();
    }
}

/// The byte at which the UTF-16 unit `unit` begins.
pub(crate) fn byte_of(text: &str, unit: u32) -> usize {
    let mut units = 0;
    let found = text.char_indices().find(|(_, c)| {
        let here = units;
        units += c.len_utf16() as u32;
        here >= unit
    });
    found.map_or(text.len(), |(at, _)| at)
}

/// The blanks that the line at the end of `before` begins with.
fn indentation(before: &str) -> &str {
    let line = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
    &line[..line.len() - line.trim_start_matches(' ').len()]
}

fn line_count(text: &str) -> usize {
    text.matches('\n').count() + 1
}

fn numbers(lines: usize) -> String {
    (1..=lines).fold(String::new(), |mut numbers, line| {
        let _ = writeln!(numbers, "{line}");
        numbers
    })
}

/// A band behind each line with a problem, with the first problem's words after the line's end.
fn marks(text: &str, problems: &[FileProblem]) -> impl IntoView + use<> {
    let mut seen = Vec::new();
    let mut bands = Vec::new();
    for problem in problems.iter().take(MAX_PROBLEMS) {
        if seen.contains(&problem.line) {
            continue;
        }
        seen.push(problem.line);
        let width = text.lines().nth(problem.line.saturating_sub(1)).map_or(0, |line| line.chars().count());
        let (class, mark) = if problem.error { ("cb-mark cb-mark-error", "✗") } else { ("cb-mark cb-mark-warning", "⚠") };
        let top = format!("calc({} * var(--cb-code-line) + .8rem)", problem.line.saturating_sub(1));
        bands.push(view! {
            <div class=class data-line=problem.line.to_string() style:top=top>
                <span style:margin-inline-start=format!("{}ch", width + 3)>{format!("{mark} {}", problem.message)}</span>
            </div>
        });
    }
    bands
}

fn problem_list(desk: Desk) -> impl IntoView {
    let words = desk.context().words;
    let problems = desk.problems.with(|all| desk.open.with(|open| all.get(open).cloned())).unwrap_or_default();
    let item = |problem: FileProblem| {
        let place = fill(words.place, &[&problem.line.to_string(), &problem.column.to_string()]);
        let (class, kind) = if problem.error { ("cb-problem cb-wrong", words.error) } else { ("cb-problem cb-warning", words.warning) };
        let (line, column) = (problem.line, problem.column);
        view! {
            <li class=class data-line=problem.line.to_string() data-column=problem.column.to_string()>
                <button type="button" class="cb-goto" on:click=move |_| go_to(desk, line, column)>{place}</button>
                <span><strong>{kind}</strong>" "{problem.message}</span>
            </li>
        }
    };
    problems.into_iter().take(MAX_PROBLEMS).map(item).collect_view()
}

/// Puts the cursor to a line and column, both from 1.
fn go_to(desk: Desk, line: usize, column: usize) {
    let card = desk.context().card.id.clone();
    let area = document().query_selector(&format!("#card-{card} .cb-source")).ok().flatten();
    let Some(area) = area.and_then(|area| area.dyn_into::<HtmlTextAreaElement>().ok()) else { return };
    let unit = unit_of(&area.value(), line, column);
    // An area that takes no focus has no cursor to be put.
    let _ = area.focus();
    let _ = area.set_selection_range(unit, unit);
}

/// The UTF-16 unit at a line and column, both from 1; the end when there is no such place.
fn unit_of(text: &str, line: usize, column: usize) -> u32 {
    let mut place = (1, 1);
    let before = text.chars().take_while(|&c| {
        let here = place;
        place = if c == '\n' { (place.0 + 1, 1) } else { (place.0, place.1 + 1) };
        here < (line, column)
    });
    before.map(|c| c.len_utf16() as u32).sum()
}

/// Whether a file may have this name.
fn is_file_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    !name.is_empty() && name.chars().all(known) && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_the_browsers_units() {
        let text = "a: 😀b\nc";
        assert_eq!((byte_of(text, 3), byte_of(text, 5), byte_of(text, 99)), (3, 7, text.len()));
        assert_eq!((unit_of(text, 1, 5), unit_of(text, 2, 1), unit_of(text, 9, 9)), (5, 7, 8));
        assert_eq!(unit_of(text, 1, 99), 7, "past the end of a line is the next one");
    }

    #[test]
    fn enter_keeps_the_indentation() {
        assert_eq!(indentation("a:\n  - b: c"), "  ");
        assert_eq!(indentation(""), "");
    }

    #[test]
    fn lines_are_numbered() {
        assert_eq!(numbers(line_count("a\nb\n")), "1\n2\n3\n");
        assert_eq!(line_count(""), 1);
    }

    #[test]
    fn file_names_stay_within_the_home() {
        assert!(is_file_name("web.yaml") && is_file_name("base/web-1.yaml"));
        for name in ["", "..", "a/../b", "/etc", "a b", "日", "a//b"] {
            assert!(!is_file_name(name), "{name}");
        }
    }
}
