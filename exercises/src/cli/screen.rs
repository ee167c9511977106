//! Printing: styles that exist only on a terminal, and a closed pipe that is no error.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use anyhow::{Result, anyhow};
use clap::ValueEnum;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::disk::plain;

/// Something is as it should be.
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Something is not.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What matters most on its line.
pub(super) const STRONG: Style = Style::new().bold();
/// What matters least.
pub(super) const FAINT: Style = Style::new().dimmed();
/// Names, commands and code.
pub(super) const CODE: Style = AnsiColor::Cyan.on_default();

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Text in a style.
pub(super) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints to stdout, at once. Colours go away where nobody sees them (no terminal, `NO_COLOR`). Whoever closes the pipe has read enough.
///
/// # Errors
/// Stdout takes no more, because a disk is full for example.
pub(super) fn print(text: &str) -> Result<()> {
    let mut stdout = anstream::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Prints a value as JSON.
///
/// # Errors
/// As [`print()`].
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// What became of writing to stdout.
pub(super) fn written(done: io::Result<()>) -> Result<()> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(anyhow!("cannot write to standard output: {}", plain(&error))),
        _ => Ok(()),
    }
}

/// A line on a terminal's stderr that says what takes so long; gone when dropped. Elsewhere nothing is printed.
pub(super) struct Status {
    shown: bool,
}

impl Status {
    pub(super) fn new() -> Self {
        Status { shown: io::stderr().is_terminal() && anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never }
    }

    /// Says it, in place of what was said before.
    pub(super) fn set(&self, text: &str) {
        if self.shown {
            // Whoever cannot be told waits without being told.
            let _ = write!(io::stderr(), "\r\u{1b}[2K{text}");
        }
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        self.set("");
    }
}

/// Text of others without control characters, which could do anything to a terminal.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Each line moved to the right.
pub(super) fn indent(text: &str, by: usize) -> String {
    let blank = " ".repeat(by);
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{blank}{line}\n") }).collect()
}

/// Markdown for a terminal: emphasis and code in styles, items with dashes, paragraphs apart; ends without a line break.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::new();
    let mut depth = 0usize;
    for event in Parser::new(text) {
        match event {
            Event::Text(text) => out.push_str(&text),
            Event::Code(code) => out.push_str(&paint(CODE, code)),
            Event::SoftBreak | Event::HardBreak => out.push('\n'),
            Event::Start(Tag::Strong | Tag::Heading { .. }) => out.push_str(&format!("{STRONG}")),
            Event::End(TagEnd::Strong) => out.push_str(&format!("{STRONG:#}")),
            Event::End(TagEnd::Heading(_)) => out.push_str(&format!("{STRONG:#}\n\n")),
            Event::Start(Tag::List(_)) => {
                depth += 1;
                if depth > 1 {
                    out.push('\n');
                }
            }
            Event::End(TagEnd::List(_)) => {
                depth -= 1;
                out.push('\n');
            }
            Event::Start(Tag::Item) => {
                let line = format!("{}- ", "  ".repeat(depth.saturating_sub(1)));
                out.push_str(&line);
            }
            Event::End(TagEnd::Item) if !out.ends_with('\n') => out.push('\n'),
            Event::End(TagEnd::Paragraph) => out.push_str(if depth > 0 { "\n" } else { "\n\n" }),
            Event::Start(Tag::CodeBlock(_)) if !out.is_empty() && !out.ends_with('\n') => out.push('\n'),
            Event::End(TagEnd::CodeBlock) => out.push('\n'),
            _ => {}
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str) -> String {
        anstream::adapter::strip_str(&markdown(text)).to_string()
    }

    #[test]
    fn markdown_reads_well_without_styles() {
        assert_eq!(bare("A **b** `c`.\nd\n\n- one\n- two `x`\n\nEnd."), "A b c.\nd\n\n- one\n- two x\n\nEnd.");
        assert!(markdown("`c`").contains('\u{1b}'));
    }

    #[test]
    fn others_cannot_steer_the_terminal() {
        assert_eq!(visible("a\u{1b}[2Jb\nc\td\r"), "a\u{fffd}[2Jb\nc\td\u{fffd}");
    }
}
