//! Puts cards into the book: the mdBook preprocessor that replaces `{{#card id}}` with the card as readable HTML.
//!
//! The directive stands on a line of its own. It is left alone inside code, so that a chapter can show it.

use std::ops::Range;
use std::sync::Arc;

use mdbook_preprocessor::book::{Book, BookItem, Chapter};
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};
use pulldown_cmark::{Event, Parser, Tag};

use crate::lang::Lang;
use crate::site::prose::join_lines;

/// Renders cards for the book. The site knows nothing else about them.
pub trait CardRenderer {
    /// The ids of all cards, sorted.
    fn ids(&self) -> Vec<String>;

    /// One card as HTML in one language: a single block element of class `cb-card`.
    ///
    /// # Errors
    /// What makes the card unfit to be shown, in words for its author.
    fn html(&self, id: &str, lang: Lang) -> Result<String, String>;
}

/// A `{{#card}}` directive that cannot be followed. `Display` begins with file and line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// No card has this id.
    #[error("{place}: there is no card `{id}`{}; the cards are: {}", near(.id, .known), list(.known))]
    Unknown {
        /// File and line.
        place: String,
        /// The id as written.
        id: String,
        /// Every id there is.
        known: Vec<String>,
    },
    /// The card exists and cannot be shown.
    #[error("{place}: card `{id}` cannot be shown: {message}")]
    Unfit {
        /// File and line.
        place: String,
        /// The card.
        id: String,
        /// The renderer's words.
        message: String,
    },
    /// The directive is not a line of its own, or is not closed.
    #[error("{place}: write the card on a line of its own, as `{{{{#card some-id}}}}`, but found `{found}`")]
    Malformed {
        /// File and line.
        place: String,
        /// The line as written.
        found: String,
    },
}

/// The id most like `id`, as a question; empty when none is near.
fn near(id: &str, known: &[String]) -> String {
    let close = known.iter().map(|other| (distance(id, other), other)).min();
    match close {
        Some((edits, other)) if edits <= id.chars().count().max(3) / 3 => format!(" (did you mean `{other}`?)"),
        _ => String::new(),
    }
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "none yet".to_owned() } else { known.join(", ") }
}

/// Levenshtein's distance: the least number of characters to insert, delete or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The preprocessor; it stands in for the `[preprocessor.cards]` table of `book.toml`.
pub struct Cards {
    renderer: Arc<dyn CardRenderer>,
    lang: Lang,
}

impl Cards {
    /// A preprocessor that shows these cards in this language.
    pub fn new(renderer: Arc<dyn CardRenderer>, lang: Lang) -> Self {
        Self { renderer, lang }
    }

    fn chapter(&self, chapter: &mut Chapter) -> Result<(), CardError> {
        let Some(path) = &chapter.source_path else { return Ok(()) };
        let file = format!("book/{}/{}", self.lang, path.display());
        let content = embed(&chapter.content, &file, self.renderer.as_ref(), self.lang)?;
        chapter.content = if self.lang == Lang::ZhCn { join_lines(&content) } else { content };
        Ok(())
    }
}

impl Preprocessor for Cards {
    fn name(&self) -> &str {
        "cards"
    }

    fn run(&self, _: &PreprocessorContext, mut book: Book) -> mdbook_preprocessor::errors::Result<Book> {
        let mut first_error = None;
        book.for_each_mut(|item| {
            if let BookItem::Chapter(chapter) = item
                && first_error.is_none()
            {
                first_error = self.chapter(chapter).err();
            }
        });
        match first_error {
            Some(error) => Err(error.into()),
            None => Ok(book),
        }
    }
}

/// Replaces every directive in `text`, the content of `file`.
///
/// # Errors
/// [`CardError`] for the first directive that cannot be followed.
pub fn embed(text: &str, file: &str, renderer: &dyn CardRenderer, lang: Lang) -> Result<String, CardError> {
    let code = code_ranges(text);
    let mut out = String::with_capacity(text.len());
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let at = start;
        start += line.len();
        let shown = line.find("{{#card").filter(|offset| !code.iter().any(|range| range.contains(&(at + offset))));
        if shown.is_none() {
            out.push_str(line);
            continue;
        }
        let place = || format!("{file}:{}", number + 1);
        let id = directive(line).ok_or_else(|| CardError::Malformed { place: place(), found: line.trim().to_owned() })?;
        let known = renderer.ids();
        if !known.iter().any(|other| other == id) {
            return Err(CardError::Unknown { place: place(), id: id.to_owned(), known });
        }
        let html = renderer.html(id, lang);
        let html = html.map_err(|message| CardError::Unfit { place: place(), id: id.to_owned(), message })?;
        out.push_str("\n\n");
        out.push_str(&one_block(&html));
        out.push_str("\n\n");
    }
    Ok(out)
}

/// The id in `{{#card id}}`, where that is all the line holds.
fn directive(line: &str) -> Option<&str> {
    let id = line.trim().strip_prefix("{{#card")?.strip_suffix("}}")?;
    let trimmed = id.trim();
    let ok = id.starts_with(char::is_whitespace) && !trimmed.is_empty() && !trimmed.contains(char::is_whitespace);
    ok.then_some(trimmed)
}

/// CommonMark ends a block of HTML at a blank line, so blank lines become line breaks written as references.
fn one_block(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    for (number, line) in html.trim().lines().enumerate() {
        if line.trim().is_empty() {
            out.push_str("&#10;");
            continue;
        }
        if number > 0 {
            out.push('\n');
        }
        out.push_str(line);
    }
    out
}

/// The byte ranges of code, blocks and spans.
fn code_ranges(text: &str) -> Vec<Range<usize>> {
    let events = Parser::new(text).into_offset_iter();
    let code = events.filter(|(event, _)| matches!(event, Event::Start(Tag::CodeBlock(_)) | Event::Code(_)));
    code.map(|(_, range)| range).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two cards whose HTML has a blank line inside `pre`, as manifests do.
    pub(crate) struct TwoCards;

    impl CardRenderer for TwoCards {
        fn ids(&self) -> Vec<String> {
            ["deployment-rollout", "pod-creation", "restart-policy"].map(str::to_owned).to_vec()
        }

        fn html(&self, id: &str, lang: Lang) -> Result<String, String> {
            let (question, note) = match lang {
                Lang::En => ("How is a Pod created?", "scheduler binds"),
                Lang::ZhCn => ("Pod 是怎样创建的？", "调度器绑定"),
            };
            match id {
                "restart-policy" => Err("its answer is empty".to_owned()),
                _ => Ok(format!(
                    "<section class=\"cb-card\" data-card=\"{id}\">\n<h2 id=\"card-{id}\">{question}</h2>\n\n<pre>a: 1\n\nb: 2</pre>\n<p>{note}</p>\n</section>\n"
                )),
            }
        }
    }

    fn embedded(text: &str) -> Result<String, CardError> {
        embed(text, "book/en/pods/creation.md", &TwoCards, Lang::En)
    }

    #[test]
    fn a_card_stays_one_block_of_html() {
        let out = embedded("Before.\n{{#card pod-creation}}\nAfter.\n").unwrap();
        let mut html = String::new();
        pulldown_cmark::html::push_html(&mut html, Parser::new(&out));
        assert!(html.contains("<pre>a: 1&#10;\nb: 2</pre>\n<p>scheduler binds</p>\n</section>"), "{html}");
        assert!(html.contains("<p>Before.</p>") && html.contains("<p>After.</p>"), "{html}");
        assert!(!html.contains("&lt;"), "{html}");
    }

    #[test]
    fn code_is_left_alone() {
        let text = "Write `{{#card x}}`:\n\n```md\n{{#card y}}\n```\n";
        assert_eq!(embedded(text).unwrap(), text);
    }

    #[test]
    fn an_unknown_card_names_place_and_nearest_card() {
        let text = embedded("# T\n\n{{#card pod-creatoin}}\n").unwrap_err().to_string();
        let wanted = "book/en/pods/creation.md:3: there is no card `pod-creatoin` (did you mean `pod-creation`?); \
                      the cards are: deployment-rollout, pod-creation, restart-policy";
        assert_eq!(text, wanted);
        assert!(!embedded("{{#card zzzzzzzzz}}").unwrap_err().to_string().contains("did you mean"));
    }

    #[test]
    fn a_card_that_cannot_be_shown_says_why() {
        let text = embedded("{{#card restart-policy}}").unwrap_err().to_string();
        assert_eq!(text, "book/en/pods/creation.md:1: card `restart-policy` cannot be shown: its answer is empty");
    }

    #[test]
    fn a_malformed_directive_is_an_error() {
        for line in ["See {{#card pod-creation}} here", "{{#card}}", "{{#card a b}}", "{{#cardx}}", "{{#card pod-creation"] {
            assert!(matches!(embedded(line), Err(CardError::Malformed { .. })), "{line}");
        }
    }
}
