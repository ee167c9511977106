//! What a terminal remembers: its screen, the lines typed before, and how a word is completed. No elements here.
//!
//! **Simplified here:** of control sequences only the one that clears the screen is known; other control characters are left out.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many lines the screen keeps.
const MAX_LINES: usize = 1500;

/// How many bytes the screen keeps.
const MAX_BYTES: usize = 512 * 1024;

/// How long a line on the screen may be, in characters.
const MAX_LINE: usize = 8 * 1024;

/// How many lines the history keeps.
const MAX_HISTORY: usize = 200;

/// How long a line in the history may be, in bytes.
const MAX_REMEMBERED: usize = 4096;

/// What `clear` prints.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Where a line on the screen comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Typed by the learner.
    Typed,
    /// Typed by the learner into a session in a container, after its prompt.
    Session,
    /// Printed.
    Output,
    /// Printed as an error or warning.
    Error,
    /// Said by the terminal itself.
    Note,
}

/// A line on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Another one whenever the text changes.
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

/// The screen with what has scrolled away.
#[derive(Clone, Debug, Default)]
pub(crate) struct Screen {
    lines: VecDeque<Line>,
    bytes: usize,
    next_id: u64,
    /// Whether the last line may still grow.
    open: bool,
}

impl Screen {
    /// The lines, oldest first.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    /// Prints text of any number of lines.
    pub(crate) fn print(&mut self, kind: Kind, text: &str) {
        let text = match text.rfind(CLEAR) {
            Some(at) => {
                self.clear();
                &text[at + CLEAR.len()..]
            }
            None => text,
        };
        for line in text.split_inclusive('\n') {
            let shown = visible(line.strip_suffix('\n').unwrap_or(line));
            let before = if self.open { self.lines.pop_back_if(|last| last.kind == kind) } else { None };
            let text = match before {
                Some(before) => {
                    self.bytes -= before.text.len();
                    before.text + &shown
                }
                None => shown,
            };
            self.bytes += text.len();
            self.lines.push_back(Line { id: self.next_id, kind, text });
            self.next_id += 1;
            self.open = !line.ends_with('\n');
        }
        self.bound();
    }

    /// Prints text as lines of its own.
    pub(crate) fn print_line(&mut self, kind: Kind, text: &str) {
        self.open = false;
        self.print(kind, text);
        self.open = false;
    }

    /// Takes the newest lines back.
    pub(crate) fn take_back(&mut self, count: usize) {
        for line in self.lines.drain(self.lines.len().saturating_sub(count)..) {
            self.bytes -= line.text.len();
        }
        self.open = false;
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        (self.bytes, self.open) = (0, false);
    }

    fn bound(&mut self) {
        while self.lines.len() > MAX_LINES || (self.bytes > MAX_BYTES && self.lines.len() > 1) {
            if let Some(line) = self.lines.pop_front() {
                self.bytes -= line.text.len();
            }
        }
    }
}

/// The text without control characters, cut where it is too long to be shown.
fn visible(line: &str) -> String {
    let shown = |c: &char| !c.is_control() || *c == '\t';
    let mut chars = line.chars();
    let mut text: String = chars.by_ref().filter(shown).take(MAX_LINE).collect();
    if chars.next().is_some() {
        text.push('…');
    }
    text
}

/// The lines typed before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct History {
    lines: VecDeque<String>,
    #[serde(skip)]
    place: Place,
}

/// Where in the history one is, and what was being typed before one went there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    back: usize,
    draft: String,
}

impl History {
    /// Remembers a line, unless it repeats the last one or is very long.
    pub(crate) fn add(&mut self, line: &str) {
        self.place = Place::default();
        if !line.trim().is_empty() && line.len() <= MAX_REMEMBERED && self.lines.back().is_none_or(|last| last != line) {
            self.lines.push_back(line.to_owned());
        }
        while self.lines.len() > MAX_HISTORY {
            self.lines.pop_front();
        }
    }

    /// The line before; `current` is what stands in the input.
    pub(crate) fn back(&mut self, current: &str) -> Option<String> {
        if self.place.back >= self.lines.len() {
            return None;
        }
        if self.place.back == 0 {
            current.clone_into(&mut self.place.draft);
        }
        self.place.back += 1;
        self.lines.get(self.lines.len() - self.place.back).cloned()
    }

    /// The line after, and at last what was being typed.
    pub(crate) fn forth(&mut self) -> Option<String> {
        self.place.back = self.place.back.checked_sub(1)?;
        match self.place.back {
            0 => Some(std::mem::take(&mut self.place.draft)),
            back => self.lines.get(self.lines.len() - back).cloned(),
        }
    }
}

/// What completing does to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// It becomes this, with the cursor at that byte.
    Line(String, usize),
    /// There are several ways to go on, and nothing that they share.
    Choices(String),
    /// There is nothing to complete.
    Nothing,
}

/// Completes the word before `cursor`, a byte position.
pub(crate) fn complete(line: &str, cursor: usize, candidates: &[String]) -> Completion {
    let (before, after) = line.split_at_checked(cursor).unwrap_or((line, ""));
    let start = before.rfind(' ').map_or(0, |space| space + 1);
    let word = &before[start..];
    let Some(first) = candidates.first() else { return Completion::Nothing };
    let shared = candidates.iter().fold(first.as_str(), |shared, candidate| common(shared, candidate));
    let whole = candidates.len() == 1;
    if shared.len() <= word.len() && !whole {
        return Completion::Choices(candidates.join("  "));
    }
    let space = if whole && !after.starts_with(' ') { " " } else { "" };
    let done = format!("{}{shared}{space}", &before[..start]);
    Completion::Line(format!("{done}{after}"), done.len())
}

fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let same = a.char_indices().zip(b.chars()).take_while(|((_, x), y)| x == y).last();
    same.map_or("", |((at, c), _)| &a[..at + c.len_utf8()])
}

/// The commands in what was typed or pasted: one a line, but a line that ends with a backslash goes on, and a here-document belongs to
/// its command. `None` when a here-document has no end yet.
pub(crate) fn commands(text: &str) -> Option<Vec<String>> {
    let mut commands = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut command = line.to_owned();
        while command.ends_with('\\') {
            let Some(next) = lines.next() else { break };
            command.pop();
            command.push_str(next);
        }
        if let Some(end) = here_document(&command) {
            loop {
                let next = lines.next()?;
                command.push('\n');
                command.push_str(next);
                if next.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
        if !command.trim().is_empty() {
            commands.push(command);
        }
    }
    Some(commands)
}

/// The word that ends the here-document which this line begins.
fn here_document(line: &str) -> Option<String> {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '<') if line[at..].starts_with("<<") && !line[at..].starts_with("<<<") => {
                let rest = line[at + 2..].trim_start_matches('-').trim_start();
                let word: String = rest.chars().take_while(|c| !c.is_whitespace() && !matches!(c, ';' | '|' | '&' | '>' | '<')).collect();
                let word = word.replace(['\'', '"', '\\'], "");
                return Some(word).filter(|word| !word.is_empty());
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(screen: &Screen) -> Vec<&str> {
        screen.lines().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn the_screen_joins_what_was_printed_in_pieces() {
        let mut screen = Screen::default();
        screen.print(Kind::Output, "one\ntw");
        screen.print(Kind::Output, "o\n\u{1b}[31mthree");
        screen.print(Kind::Error, "bad");
        assert_eq!(texts(&screen), ["one", "two", "[31mthree", "bad"]);
        let ids: Vec<u64> = screen.lines().map(|line| line.id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        screen.print(Kind::Output, "gone\u{1b}[2J\u{1b}[Hleft\n");
        assert_eq!(texts(&screen), ["left"]);
    }

    #[test]
    fn lines_can_be_taken_back() {
        let mut screen = Screen::default();
        screen.print(Kind::Output, "one\ntwo\nthree");
        screen.take_back(2);
        screen.print(Kind::Output, "four");
        assert_eq!((texts(&screen), screen.bytes), (vec!["one", "four"], 7));
        screen.take_back(9);
        assert_eq!((texts(&screen).len(), screen.bytes), (0, 0));
    }

    #[test]
    fn the_screen_is_bounded() {
        let mut screen = Screen::default();
        screen.print(Kind::Output, &"x\n".repeat(3 * MAX_LINES));
        assert_eq!(screen.lines().count(), MAX_LINES);
        screen.print(Kind::Output, &"y".repeat(2 * MAX_BYTES));
        assert_eq!(screen.lines().last().map(|line| line.text.chars().count()), Some(MAX_LINE + 1));
        for _ in 0..MAX_LINES {
            screen.print(Kind::Output, &format!("{}\n", "z".repeat(MAX_LINE)));
        }
        assert!(screen.bytes <= MAX_BYTES && screen.lines().count() > 1);
    }

    #[test]
    fn history_goes_back_and_comes_back_to_the_draft() {
        let mut history = History::default();
        for line in ["a", "b", "b", " "] {
            history.add(line);
        }
        assert_eq!(history.back("draft"), Some("b".to_owned()));
        assert_eq!(history.back("b"), Some("a".to_owned()));
        assert_eq!(history.back("a"), None);
        assert_eq!(history.forth(), Some("b".to_owned()));
        assert_eq!(history.forth(), Some("draft".to_owned()));
        assert_eq!(history.forth(), None);
        for number in 0..2 * MAX_HISTORY {
            history.add(&number.to_string());
        }
        assert_eq!(history.lines.len(), MAX_HISTORY);
    }

    #[test]
    fn a_word_is_completed_as_far_as_it_is_certain() {
        let of = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        assert_eq!(complete("kubectl ap", 10, &of(&["apply"])), Completion::Line("kubectl apply ".to_owned(), 14));
        assert_eq!(complete("k get po", 8, &of(&["pods", "podtemplates"])), Completion::Line("k get pod".to_owned(), 9));
        assert_eq!(complete("k get pod", 9, &of(&["pods", "podtemplates"])), Completion::Choices("pods  podtemplates".to_owned()));
        assert_eq!(complete("k ge pods", 4, &of(&["get"])), Completion::Line("k get pods".to_owned(), 5));
        assert_eq!(complete("zz", 2, &[]), Completion::Nothing);
        assert_eq!(complete("é", 1, &of(&["éx"])), Completion::Line("éx ".to_owned(), 4), "a cursor inside a character counts as the end");
    }

    #[test]
    fn pasted_text_is_cut_into_commands() {
        assert_eq!(commands("a\n\n b \\\n c\n"), Some(vec!["a".to_owned(), " b  c".to_owned()]));
        let document = "kubectl apply -f - <<'EOF' | cat\nkind: Pod\nEOF";
        assert_eq!(commands(&format!("{document}\nls")), Some(vec![document.to_owned(), "ls".to_owned()]));
        assert_eq!(commands("cat <<EOF\nkind"), None);
        assert_eq!(commands("echo '<<EOF'"), Some(vec!["echo '<<EOF'".to_owned()]));
    }
}
