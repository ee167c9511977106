//! Markdown and plain text as HTML in which nothing of the author's is read as markup.

use pulldown_cmark::{Event, Options, Parser, html};
use std::fmt::Write as _;

/// Markdown as HTML; raw HTML in it is shown, not followed.
pub(super) fn markdown(text: &str) -> String {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        other => other,
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

/// Markdown of one paragraph, without the paragraph.
pub(super) fn inline(text: &str) -> String {
    let html = markdown(text);
    let inner = html.trim().strip_prefix("<p>").and_then(|rest| rest.strip_suffix("</p>"));
    match inner {
        Some(inner) if !inner.contains("<p>") => inner.to_owned(),
        _ => html,
    }
}

/// Text with the characters escaped that HTML gives a meaning, also in attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// JSON that can stand in a `script` element: without `<`, neither an end tag nor a comment can begin in it.
pub(super) fn script_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '\u{2028}' | '\u{2029}' => write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes all that is written"),
            other => out.push(other),
        }
    }
    out
}
