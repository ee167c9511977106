//! Short texts of cards as views.
//!
//! **Simplified here:** of Markdown, only `code` and **strong**; the static HTML of a card has all of it.

use leptos::prelude::*;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Code(String),
    Strong(String),
}

/// The text as inline elements.
pub(crate) fn rich(text: &str) -> impl IntoView + use<> {
    let view = |piece| match piece {
        Piece::Plain(text) => text.into_any(),
        Piece::Code(text) => view! { <code>{text}</code> }.into_any(),
        Piece::Strong(text) => view! { <strong>{text}</strong> }.into_any(),
    };
    pieces(text.trim()).into_iter().map(view).collect_view()
}

/// The text as paragraphs, which blank lines part.
pub(crate) fn paragraphs(text: &str) -> impl IntoView + use<> {
    text.split("\n\n").filter(|part| !part.trim().is_empty()).map(|part| view! { <p>{rich(part)}</p> }).collect_view()
}

/// The text without its marks, for labels.
pub(crate) fn plain(text: &str) -> String {
    let text_of = |piece| match piece {
        Piece::Plain(text) | Piece::Code(text) | Piece::Strong(text) => text,
    };
    pieces(text.trim()).into_iter().map(text_of).collect()
}

fn pieces(mut text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while let Some(start) = text.find(['`', '*']) {
        let mark = if text[start..].starts_with('`') { "`" } else { "**" };
        let rest = text[start..].strip_prefix(mark);
        let Some((inner, after)) = rest.and_then(|rest| rest.split_once(mark)).filter(|(inner, _)| !inner.is_empty()) else {
            // A mark without its partner is itself.
            push_plain(&mut pieces, &text[..=start]);
            text = &text[start + 1..];
            continue;
        };
        push_plain(&mut pieces, &text[..start]);
        pieces.push(if mark == "`" { Piece::Code(inner.to_owned()) } else { Piece::Strong(inner.to_owned()) });
        text = after;
    }
    push_plain(&mut pieces, text);
    pieces
}

fn push_plain(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Plain(last)) => last.push_str(text),
        _ => pieces.push(Piece::Plain(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read() {
        let wanted = vec![Piece::Plain("a ".into()), Piece::Code("**b**".into()), Piece::Plain(" ".into()), Piece::Strong("中".into())];
        assert_eq!(pieces("a `**b**` **中**"), wanted);
        assert_eq!(plain("a `b`"), "a b");
    }

    #[test]
    fn marks_without_a_partner_are_plain() {
        for text in ["2 * 3", "`", "``", "**", "a ** b", "x`y"] {
            assert_eq!(plain(text), text);
            assert_eq!(pieces(text).len(), 1, "{text}");
        }
    }
}
