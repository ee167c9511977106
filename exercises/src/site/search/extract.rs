//! Takes the text out of a rendered page, section by section.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer};

/// The text between one heading with an id and the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The page, below the language's folder.
    pub page: String,
    /// The heading's id; empty for text before the first heading.
    pub anchor: String,
    /// The headings that lead here, outermost first, this section's last.
    pub path: Vec<String>,
    /// The text, with single spaces.
    pub text: String,
}

/// The sections of a page, in order; only what is inside `<main>`, without scripts, styles and pictures.
pub fn sections(page: &str, html: &str) -> Vec<Section> {
    let reader = Reader(RefCell::new(State { page: page.to_owned(), ..State::default() }));
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    let tokenizer = Tokenizer::new(reader, Default::default());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let mut state = tokenizer.sink.0.into_inner();
    state.close_section();
    state.done
}

struct Reader(RefCell<State>);

#[derive(Default)]
struct State {
    page: String,
    done: Vec<Section>,
    inside_main: bool,
    /// The element whose content is left out, and how deep it nests in itself.
    skipping: Option<(String, usize)>,
    /// Headings above the text, with their levels.
    headings: Vec<(u8, String)>,
    /// The heading being read.
    heading: Option<Heading>,
    anchor: String,
    text: String,
}

struct Heading {
    level: u8,
    id: Option<String>,
    text: String,
}

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => state.tag(&tag),
            Token::CharacterTokens(text) => state.characters(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl State {
    fn tag(&mut self, tag: &Tag) {
        let name = &*tag.name;
        let opens = tag.kind == TagKind::StartTag;
        if name == "main" {
            self.inside_main = opens;
        }
        if !self.inside_main || self.skip(name, opens, tag.self_closing) {
            return;
        }
        if let Some(level) = heading_level(name) {
            if opens {
                let id = tag.attrs.iter().find(|attr| &*attr.name.local == "id").map(|attr| attr.value.to_string());
                self.heading = Some(Heading { level, id, text: String::new() });
            } else if let Some(heading) = self.heading.take() {
                self.heading_read(heading);
            }
        } else if !is_inline(name) {
            self.characters(" ");
        }
    }

    /// Whether this tag belongs to an element that is left out.
    fn skip(&mut self, name: &str, opens: bool, self_closing: bool) -> bool {
        match &mut self.skipping {
            Some((skipped, depth)) => {
                if skipped == name && !self_closing {
                    *depth = if opens { *depth + 1 } else { *depth - 1 };
                }
                if *depth == 0 {
                    self.skipping = None;
                }
                true
            }
            None if opens && !self_closing && matches!(name, "script" | "style" | "template" | "svg" | "button" | "textarea") => {
                self.skipping = Some((name.to_owned(), 1));
                true
            }
            None => false,
        }
    }

    fn characters(&mut self, text: &str) {
        if !self.inside_main || self.skipping.is_some() {
            return;
        }
        match &mut self.heading {
            Some(heading) => heading.text.push_str(text),
            None => self.text.push_str(text),
        }
    }

    fn heading_read(&mut self, heading: Heading) {
        let title = single_spaced(&heading.text);
        let Some(id) = heading.id else {
            self.text.push_str(&format!(" {title} "));
            return;
        };
        self.close_section();
        self.headings.retain(|(level, _)| *level < heading.level);
        self.headings.push((heading.level, title));
        self.anchor = id;
    }

    fn close_section(&mut self) {
        let text = single_spaced(&std::mem::take(&mut self.text));
        if text.is_empty() && self.headings.is_empty() {
            return;
        }
        let path = self.headings.iter().map(|(_, title)| title.clone()).collect();
        self.done.push(Section { page: self.page.clone(), anchor: std::mem::take(&mut self.anchor), path, text });
    }
}

fn heading_level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', level @ b'1'..=b'6'] => Some(level - b'0'),
        _ => None,
    }
}

/// Elements that do not part words.
fn is_inline(name: &str) -> bool {
    matches!(
        name,
        "a" | "abbr" | "b" | "code" | "em" | "i" | "kbd" | "mark" | "q" | "s" | "small" | "span" | "strong" | "sub" | "sup" | "u" | "var"
    )
}

fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_follow_headings_and_leave_chrome_out() {
        let html = r##"<html><body><nav>Menu</nav><main>
            <h1 id="t"><a class="header" href="#t">Pods &amp; more</a></h1><p>A <b>b</b>ig<br>pod.</p><script>let x = "<p>no</p>";</script>
            <section class="cb-card"><h2 id="q">问题</h2><ul><li>一</li><li>二</li></ul><svg><title>no</title></svg><h4>no id</h4></section>
            <h2 id="z">Last</h2></main><p>Footer</p></body></html>"##;
        let found = sections("pods/a.html", html);
        let short: Vec<_> = found.iter().map(|s| (s.anchor.as_str(), s.path.join(" > "), s.text.as_str())).collect();
        let wanted = [
            ("t", "Pods & more".to_owned(), "A big pod."),
            ("q", "Pods & more > 问题".to_owned(), "一 二 no id"),
            ("z", "Pods & more > Last".to_owned(), ""),
        ];
        assert_eq!(short, wanted);
        assert!(found.iter().all(|section| section.page == "pods/a.html"));
    }
}
