//! `sed`, and the regular expressions of POSIX tools.
//!
//! A script is a list of commands, each with at most two addresses, which is run for every line:
//!
//! ```text
//! 2,/end/s/a\(b*\)/<\1>/g     address , address  command  arguments
//! ```
//!
//! The commands are `s` (with the flags `g`, `p`, `i` and a number), `p`, `d`, `q` and `=`; addresses are a number, `$` and `/regex/`, and may
//! be followed by `!`. Options: `-n`, `-e`, `-E`, `-r`, `-i`.
//!
//! **Simplified here:** no hold space, no branches, no blocks, no texts (`a`, `i`, `c`); of several files the lines are counted through.

use super::machine::Thread;
use crate::runtime::fs::normalize;
use crate::runtime::programs::Output;
use crate::runtime::sandbox::Ctx;
use regex_lite::{Captures, Regex, RegexBuilder};

/// How many commands a script may have, so that a line costs a bounded time.
const MAX_COMMANDS: usize = 64;
/// How long what is printed may get.
const MAX_OUTPUT: usize = 1 << 20;

/// A regular expression of a POSIX tool: basic, or extended (`-E`).
///
/// # Errors
/// When it is none.
pub(super) fn regex(pattern: &str, extended: bool, ignore_case: bool) -> Result<Regex, String> {
    let pattern = if extended { pattern.to_owned() } else { extended_of(pattern) };
    RegexBuilder::new(&pattern).case_insensitive(ignore_case).build().map_err(|error| error.to_string())
}

/// A basic expression as an extended one: there `\(` groups and `(` is a character, here it is the other way round.
fn extended_of(pattern: &str) -> String {
    let (mut result, mut chars) = (String::new(), pattern.chars().peekable());
    let mut in_class = false;
    while let Some(c) = chars.next() {
        let starts = result.is_empty() || result.ends_with('(') || result.ends_with('|') || result == "^";
        match c {
            _ if in_class => {
                in_class = c != ']';
                result.push(c);
            }
            '[' => {
                in_class = true;
                result.push(c);
                // A bracket right at the start is one of the characters.
                result.extend(chars.next_if_eq(&'^'));
                if chars.next_if_eq(&']').is_some() {
                    result.push_str("\\]");
                }
            }
            '\\' => match chars.next() {
                Some(special @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) => result.push(special),
                Some(other) => result.extend(['\\', other]),
                None => result.push_str("\\\\"),
            },
            '*' if starts => result.push_str("\\*"),
            '(' | ')' | '{' | '}' | '|' | '+' | '?' => result.extend(['\\', c]),
            _ => result.push(c),
        }
    }
    result
}

/// Which lines a command is for.
#[derive(Clone, Debug)]
enum Address {
    Line(usize),
    Last,
    Matches(Regex),
}

/// What a command does.
#[derive(Clone, Debug)]
enum Action {
    Print,
    Delete,
    Quit,
    Number,
    Substitute { regex: Regex, replacement: String, global: bool, print: bool, from: usize },
}

/// A command of a script.
#[derive(Clone, Debug)]
struct Command {
    addresses: Vec<Address>,
    negated: bool,
    action: Action,
    /// Whether a line of its range was seen and not yet the last one.
    inside: bool,
}

/// Reads a script.
struct Reader<'a> {
    rest: &'a str,
    extended: bool,
}

impl Reader<'_> {
    fn commands(mut self) -> Result<Vec<Command>, String> {
        let mut commands = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', ';', '\n']);
            if self.rest.is_empty() || self.rest.starts_with('#') {
                return Ok(commands);
            }
            if commands.len() >= MAX_COMMANDS {
                return Err(format!("more than {MAX_COMMANDS} commands"));
            }
            let mut addresses: Vec<Address> = self.address()?.into_iter().collect();
            if !addresses.is_empty() && self.take(',') {
                addresses.push(self.address()?.ok_or("unexpected ','")?);
            }
            let negated = self.take('!');
            commands.push(Command { addresses, negated, action: self.action()?, inside: false });
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.trim_start_matches(' ').strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn address(&mut self) -> Result<Option<Address>, String> {
        self.rest = self.rest.trim_start_matches(' ');
        let digits = self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits > 0 {
            let line = self.rest[..digits].parse().map_err(|_| "invalid line number".to_owned())?;
            self.rest = &self.rest[digits..];
            return Ok(Some(Address::Line(line)));
        }
        if self.take('$') {
            return Ok(Some(Address::Last));
        }
        if self.take('/') {
            let pattern = self.until('/')?;
            return Ok(Some(Address::Matches(regex(&pattern, self.extended, false)?)));
        }
        Ok(None)
    }

    /// What stands before the next `end` that no backslash precedes.
    fn until(&mut self, end: char) -> Result<String, String> {
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                _ if c == end => return Ok(text),
                '\\' => match self.next() {
                    Some(escaped) if escaped == end => text.push(end),
                    Some('n') => text.push_str("\\n"),
                    Some(escaped) => text.extend(['\\', escaped]),
                    None => break,
                },
                _ => text.push(c),
            }
        }
        Err(format!("unmatched '{end}'"))
    }

    fn action(&mut self) -> Result<Action, String> {
        self.rest = self.rest.trim_start_matches(' ');
        let action = match self.next() {
            Some('p') => Action::Print,
            Some('d') => Action::Delete,
            Some('q') => Action::Quit,
            Some('=') => Action::Number,
            Some('s') => self.substitute()?,
            Some(other) => return Err(format!("unsupported command {other}")),
            None => return Err("missing command".to_owned()),
        };
        let rest = self.rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() || rest.starts_with([';', '\n', '#']) { Ok(action) } else { Err("extra characters after command".to_owned()) }
    }

    fn substitute(&mut self) -> Result<Action, String> {
        let end = self.next().filter(|c| !matches!(c, '\n' | '\\')).ok_or("bad option in substitution expression")?;
        let (pattern, replacement) = (self.until(end)?, self.until(end)?);
        let (mut global, mut print, mut ignore_case, mut from) = (false, false, false, 1);
        while let Some(flag) = self.rest.chars().next().filter(|c| !matches!(c, ' ' | ';' | '\n')) {
            self.next();
            match flag {
                'g' => global = true,
                'p' => print = true,
                'i' | 'I' => ignore_case = true,
                '1'..='9' => from = flag as usize - '0' as usize,
                _ => return Err("bad option in substitution expression".to_owned()),
            }
        }
        Ok(Action::Substitute { regex: regex(&pattern, self.extended, ignore_case)?, replacement, global, print, from })
    }
}

/// What comes in the place of a match: `&` and `\1` to `\9` stand for what was found.
fn replaced(replacement: &str, found: &Captures<'_>) -> String {
    let group = |number: usize| found.get(number).map_or("", |part| part.as_str());
    let (mut text, mut chars) = (String::new(), replacement.chars());
    while let Some(c) = chars.next() {
        match c {
            '&' => text.push_str(group(0)),
            '\\' => match chars.next() {
                Some(digit @ '0'..='9') => text.push_str(group(digit as usize - '0' as usize)),
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => {}
            },
            _ => text.push(c),
        }
    }
    text
}

impl Command {
    fn applies(&mut self, number: usize, last: bool, line: &str) -> bool {
        let hits = |address: &Address| match address {
            Address::Line(wanted) => *wanted == number,
            Address::Last => last,
            Address::Matches(regex) => regex.is_match(line),
        };
        let chosen = match self.addresses.as_slice() {
            [] => true,
            [one] => hits(one),
            [_, end] if self.inside => {
                // A range whose end lies before its start is one line long.
                self.inside = match end {
                    Address::Line(wanted) => *wanted > number,
                    end => !hits(end),
                };
                !matches!(end, Address::Line(wanted) if *wanted < number)
            }
            [start, end, ..] => {
                let begins = hits(start);
                self.inside = begins && !matches!(end, Address::Line(wanted) if *wanted <= number);
                begins
            }
        };
        chosen != self.negated
    }
}

/// What a script makes of a text.
fn edit(commands: &mut [Command], text: &str, silent: bool) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        let (mut line, mut shown, mut quits) = ((*line).to_owned(), !silent, false);
        for command in commands.iter_mut() {
            if !command.applies(index + 1, index + 1 == lines.len(), &line) {
                continue;
            }
            match &command.action {
                Action::Print => out.extend([line.as_str(), "\n"]),
                Action::Number => out.push_str(&format!("{}\n", index + 1)),
                Action::Delete => {
                    shown = false;
                    break;
                }
                Action::Quit => {
                    quits = true;
                    break;
                }
                Action::Substitute { regex, replacement, global, print, from } => {
                    let count = std::cell::Cell::new(0);
                    let hit = std::cell::Cell::new(false);
                    let new = regex.replace_all(&line, |found: &Captures<'_>| {
                        count.set(count.get() + 1);
                        let wanted = if *global { count.get() >= *from } else { count.get() == *from };
                        hit.set(hit.get() || wanted);
                        if wanted { replaced(replacement, found) } else { found[0].to_owned() }
                    });
                    line = new.into_owned();
                    line.truncate(line.floor_char_boundary(MAX_OUTPUT));
                    if *print && hit.get() {
                        out.extend([line.as_str(), "\n"]);
                    }
                }
            }
        }
        if shown {
            out.extend([line.as_str(), "\n"]);
        }
        if quits || out.len() >= MAX_OUTPUT {
            break;
        }
    }
    out
}

/// Runs `sed`; gives its exit status.
pub(super) fn run(thread: &mut Thread, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let (mut scripts, mut files, mut silent, mut extended, mut in_place) = (Vec::new(), Vec::new(), false, false, false);
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-n" | "--quiet" | "--silent" => silent = true,
            "-E" | "-r" | "--regexp-extended" => extended = true,
            "-i" | "--in-place" => in_place = true,
            "-ne" => {
                silent = true;
                scripts.extend(words.next().cloned());
            }
            "-e" | "--expression" => scripts.extend(words.next().cloned()),
            option if option.len() > 1 && option.starts_with('-') => {
                thread.write(2, &format!("sed: unrecognized option: {}\n", option.trim_start_matches('-')), ctx, out);
                return 1;
            }
            _ => files.push(word.as_str()),
        }
    }
    if scripts.is_empty() {
        if files.is_empty() {
            thread.write(2, "Usage: sed [-i] [-nrE] [-e CMD]... [CMD] [FILE]...\n", ctx, out);
            return 1;
        }
        scripts.push(files.remove(0).to_owned());
    }
    let mut commands = match (Reader { rest: &scripts.join("\n"), extended }).commands() {
        Ok(commands) => commands,
        Err(error) => {
            thread.write(2, &format!("sed: {error}\n"), ctx, out);
            return 1;
        }
    };
    if in_place {
        return edit_files(thread, &mut commands, &files, silent, ctx, out);
    }
    match super::text_tools::input(thread, "sed", &files, ctx, out) {
        Ok(text) => {
            let text = edit(&mut commands, &text, silent);
            thread.write(1, &text, ctx, out);
            0
        }
        Err(status) => status,
    }
}

fn edit_files(thread: &mut Thread, commands: &mut [Command], files: &[&str], silent: bool, ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let mut status = 0;
    for file in files {
        let path = normalize(&thread.cwd, file);
        let edited = ctx.files().read(&path).map(|text| edit(commands, text, silent));
        commands.iter_mut().for_each(|command| command.inside = false);
        if let Err(error) = edited.and_then(|text| ctx.files().write(&path, &text, false)) {
            thread.write(2, &format!("sed: {file}: {error}\n"), ctx, out);
            status = 1;
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sed(script: &str, silent: bool, text: &str) -> String {
        edit(&mut Reader { rest: script, extended: false }.commands().unwrap(), text, silent)
    }

    #[test]
    fn scripts_do_what_posix_says() {
        let text = "one\ntwo\nthree\n";
        for (script, silent, expected) in [
            ("s/o/0/", false, "0ne\ntw0\nthree\n"),
            ("s/e/E/2", false, "one\ntwo\nthreE\n"),
            ("s/e/E/g", false, "onE\ntwo\nthrEE\n"),
            ("s/^\\(.\\)\\(.*\\)$/\\2-\\1 &/", false, "ne-o one\nwo-t two\nhree-t three\n"),
            ("2p", true, "two\n"),
            ("2,$p", true, "two\nthree\n"),
            ("/two/,1p", true, "two\n"),
            ("/^t/!d", false, "two\nthree\n"),
            ("1d;$d", false, "two\n"),
            ("s|one|a/b|;s/T/x/Ip", true, "xwo\nxhree\n"),
            ("$=", true, "3\n"),
            ("2q", false, "one\ntwo\n"),
            ("s/o*/x/g", false, "xnxex\nxtxwx\nxtxhxrxexex\n"),
        ] {
            assert_eq!(sed(script, silent, text), expected, "{script}");
        }
    }

    #[test]
    fn basic_expressions_are_turned_into_extended_ones() {
        for (basic, extended) in [
            ("a(b)+", "a\\(b\\)\\+"),
            ("a\\(b\\)\\{2\\}", "a(b){2}"),
            ("*a*", "\\*a*"),
            ("^*", "^\\*"),
            ("[(]x", "[(]x"),
            ("[]a]", "[\\]a]"),
            ("a\\.b", "a\\.b"),
        ] {
            assert_eq!(extended_of(basic), extended);
        }
    }

    #[test]
    fn what_is_no_script_is_refused() {
        for (script, error) in [
            ("s/a/b", "unmatched '/'"),
            ("k", "unsupported command k"),
            ("1", "missing command"),
            ("pp", "extra characters after command"),
            ("s/a/b/x", "bad option in substitution expression"),
        ] {
            assert_eq!(Reader { rest: script, extended: false }.commands().unwrap_err(), error, "{script}");
        }
    }
}
