//! Tools that read text and write text: `cat`, `grep`, `head`, `sort`, …
//!
//! **Simplified here:** `grep` knows plain texts, `^`, `$`, `.`, `.*` and alternatives `a|b` with `-E`.

use super::expand::matches;
use super::machine::Thread;
use super::namespaces::files_at;
use crate::runtime::fs::normalize;
use crate::runtime::programs::Output;
use crate::runtime::sandbox::Ctx;

/// Runs a tool; `None` when there is none of this name.
pub(super) fn run(thread: &mut Thread, name: &str, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> Option<i32> {
    let flags: String = args.iter().filter(|arg| arg.starts_with('-')).map(|arg| &arg[1..]).collect();
    let plain: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with('-')).collect();
    // The words before the names of files.
    let taken = match name {
        "cat" | "wc" | "sort" | "uniq" | "rev" => 0,
        "grep" => 1,
        "tr" => return Some(tr(thread, args, ctx, out)),
        "cut" | "head" => 0,
        "tail" if !flags.contains(['f', 'F']) => 0,
        "tee" => return Some(tee(thread, &plain, flags.contains('a'), ctx, out)),
        "expr" => return Some(expr(thread, args, ctx, out)),
        _ => return None,
    };
    let value = |flag: &str| {
        args.iter().enumerate().find_map(|(at, arg)| match arg.strip_prefix(flag)? {
            "" => args.get(at + 1).map(String::as_str),
            rest => Some(rest),
        })
    };
    let values: Vec<&str> =
        ["-n", "-d", "-f", "-c"].iter().filter(|flag| args.iter().any(|arg| arg == *flag)).filter_map(|flag| value(flag)).collect();
    let numbered = matches!(name, "head" | "tail" | "cut");
    let files: Vec<&str> = plain.iter().skip(taken).copied().filter(|file| !numbered || !values.contains(file)).collect();
    let text = match input(thread, name, &files, ctx, out) {
        Ok(text) => text,
        Err(status) => return Some(status),
    };
    let count = |default: usize| {
        let short = args.iter().find_map(|arg| arg.strip_prefix('-')?.parse::<usize>().ok());
        value("-n").and_then(|count| count.trim_start_matches('+').parse().ok()).or(short).unwrap_or(default)
    };
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let mut status = 0;
    let result = match name {
        "cat" => text.clone(),
        "head" => joined(&lines[..count(10).min(lines.len())]),
        "tail" => joined(&lines[lines.len().saturating_sub(count(10))..]),
        "rev" => lines.iter().map(|line| line.chars().rev().collect::<String>() + "\n").collect(),
        "wc" => wc(&text, &flags),
        "sort" => sort(lines, &flags, &joined),
        "uniq" => {
            let mut lines = lines;
            lines.dedup();
            joined(&lines)
        }
        "cut" => cut(&lines, value("-d").unwrap_or("\t"), value("-f").or(value("-c")).unwrap_or("1"), value("-c").is_some()),
        _ => {
            let (found, text) = grep(&lines, plain.first().unwrap_or(&""), &flags);
            status = i32::from(!found);
            text
        }
    };
    thread.write(1, &result, ctx, out);
    Some(status)
}

pub(super) fn input(thread: &mut Thread, name: &str, files: &[&str], ctx: &mut Ctx<'_>, out: &mut Output) -> Result<String, i32> {
    if files.is_empty() {
        return Ok(thread.stdin.take().unwrap_or_default());
    }
    let mut text = String::new();
    let mut failed = false;
    for file in files {
        let (view, path) = files_at(&normalize(&thread.cwd, file), ctx);
        match view.read(&path) {
            Ok(content) => text.push_str(content),
            Err(error) => {
                failed = true;
                let what = if name == "cat" && error == crate::runtime::fs::FsError::NotFound { "can't open" } else { "read error:" };
                thread.write(2, &format!("{name}: {what} '{file}': {error}\n"), ctx, out);
            }
        }
    }
    if failed {
        thread.write(1, &text, ctx, out);
        return Err(1);
    }
    Ok(text)
}

fn tee(thread: &mut Thread, files: &[&str], append: bool, ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let text = thread.stdin.take().unwrap_or_default();
    thread.write(1, &text, ctx, out);
    let mut status = 0;
    for file in files {
        if let Err(error) = ctx.files().write(&normalize(&thread.cwd, file), &text, append) {
            thread.write(2, &format!("tee: {file}: {error}\n"), ctx, out);
            status = 1;
        }
    }
    status
}

fn expr(thread: &mut Thread, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    match super::arith::evaluate(&args.join(" "), &|_| String::new()) {
        Ok(value) => {
            thread.write(1, &format!("{value}\n"), ctx, out);
            i32::from(value == 0)
        }
        Err(_) => {
            thread.write(2, "expr: syntax error\n", ctx, out);
            2
        }
    }
}

fn wc(text: &str, flags: &str) -> String {
    let counts = [('l', text.matches('\n').count()), ('w', text.split_whitespace().count()), ('c', text.len())];
    let wanted: Vec<String> =
        counts.iter().filter(|(flag, _)| flags.is_empty() || flags.contains(*flag)).map(|(_, count)| count.to_string()).collect();
    wanted.join(" ") + "\n"
}

fn sort(mut lines: Vec<&str>, flags: &str, joined: &dyn Fn(&[&str]) -> String) -> String {
    if flags.contains('n') {
        lines.sort_by_key(|line| line.split_whitespace().next().and_then(|word| word.parse::<i64>().ok()).unwrap_or(0));
    } else {
        lines.sort_unstable();
    }
    if flags.contains('r') {
        lines.reverse();
    }
    if flags.contains('u') {
        lines.dedup();
    }
    joined(&lines)
}

fn tr(thread: &mut Thread, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let is_option = |arg: &&String| arg.len() > 1 && arg.starts_with('-') && arg[1..].chars().all(|flag| "cCds".contains(flag));
    let options = args.iter().take_while(is_option).count();
    let flags: String = args[..options].concat();
    let set = |index: usize| args.get(options + index).map(|text| characters(text));
    let Some(first) = set(0) else {
        thread.write(2, "tr: missing operand\n", ctx, out);
        return 1;
    };
    let text = thread.stdin.take().unwrap_or_default();
    let translated = translate(&text, &first, set(1).as_deref(), &flags);
    thread.write(1, &translated, ctx, out);
    0
}

/// A class of characters, by its name in brackets.
type Class = (&'static str, fn(&char) -> bool);

/// The characters of a set: ranges, classes and escapes are told out.
fn characters(text: &str) -> Vec<char> {
    let classes: [Class; 8] = [
        ("[:alpha:]", char::is_ascii_alphabetic),
        ("[:digit:]", char::is_ascii_digit),
        ("[:alnum:]", char::is_ascii_alphanumeric),
        ("[:upper:]", char::is_ascii_uppercase),
        ("[:lower:]", char::is_ascii_lowercase),
        ("[:punct:]", char::is_ascii_punctuation),
        ("[:space:]", |c| c.is_ascii_whitespace() || *c == '\u{b}'),
        ("[:blank:]", |c| matches!(c, ' ' | '\t')),
    ];
    let (mut set, mut rest) = (Vec::new(), text);
    while let Some(c) = rest.chars().next() {
        if let Some((name, class)) = classes.iter().find(|(name, _)| rest.starts_with(name)) {
            set.extend((0..128_u8).map(char::from).filter(class));
            rest = &rest[name.len()..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        let escaped = rest.chars().next().filter(|_| c == '\\');
        let c = match escaped {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some(other) => other,
            None => c,
        };
        rest = &rest[escaped.map_or(0, char::len_utf8)..];
        match rest.strip_prefix('-').and_then(|after| after.chars().next()) {
            Some(last) if last >= c => {
                set.extend((c..=last).take(256));
                rest = &rest[1 + last.len_utf8()..];
            }
            _ => set.push(c),
        }
    }
    set
}

/// What `tr` makes of a text: characters of `from` become those of `to` at the same place, or go (`d`); what repeats goes (`s`).
fn translate(text: &str, from: &[char], to: Option<&[char]>, flags: &str) -> String {
    let (complement, delete, squeeze) = (flags.contains(['c', 'C']), flags.contains('d'), flags.contains('s'));
    let place = |c: char| match from.iter().position(|&other| other == c) {
        found if !complement => found,
        Some(_) => None,
        None => Some(usize::MAX),
    };
    let squeezed: Option<&[char]> = if squeeze { to } else { None };
    let is_squeezed = |c: char| match squeezed {
        Some(set) => set.contains(&c),
        None => squeeze && place(c).is_some(),
    };
    let mut result = String::with_capacity(text.len());
    let mut last = None;
    for c in text.chars() {
        let c = match (place(c), to) {
            (Some(_), _) if delete => continue,
            (Some(at), Some(to)) => to.get(at).or(to.last()).copied().unwrap_or(c),
            _ => c,
        };
        if last != Some(c) || !is_squeezed(c) {
            result.push(c);
        }
        last = Some(c);
    }
    result
}

fn cut(lines: &[&str], delimiter: &str, fields: &str, characters: bool) -> String {
    let wanted = |number: usize| {
        fields.split(',').any(|range| match range.split_once('-') {
            Some((from, to)) => from.parse().unwrap_or(1) <= number && number <= to.parse().unwrap_or(usize::MAX),
            None => range.parse() == Ok(number),
        })
    };
    let one = |line: &&str| {
        if characters {
            return line.chars().enumerate().filter(|(at, _)| wanted(at + 1)).map(|(_, c)| c).collect::<String>() + "\n";
        }
        let parts: Vec<&str> = line.split(delimiter).enumerate().filter(|(at, _)| wanted(at + 1)).map(|(_, part)| part).collect();
        parts.join(delimiter) + "\n"
    };
    lines.iter().map(one).collect()
}

fn grep(lines: &[&str], pattern: &str, flags: &str) -> (bool, String) {
    let fold = |text: &str| if flags.contains('i') { text.to_lowercase() } else { text.to_owned() };
    let alternatives: Vec<String> = if flags.contains('E') { pattern.split('|').map(fold).collect() } else { vec![fold(pattern)] };
    let found = |line: &&&str| alternatives.iter().any(|pattern| matches(&glob_of(pattern), &fold(line))) != flags.contains('v');
    let hits: Vec<&&str> = lines.iter().filter(found).collect();
    let text = match () {
        () if flags.contains('q') => String::new(),
        () if flags.contains('c') => format!("{}\n", hits.len()),
        () => hits.iter().map(|line| format!("{line}\n")).collect(),
    };
    (!hits.is_empty(), text)
}

/// A simple regular expression as a pattern for a whole line.
fn glob_of(pattern: &str) -> String {
    let (anchored, rest) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
    let (ended, rest) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
    let body = rest.replace('?', "\\?").replace(".*", "\0").replace('*', "\\*").replace("\\.", "\u{1}").replace('.', "?");
    let body = body.replace('\0', "*").replace('\u{1}', ".");
    format!("{}{body}{}", if anchored { "" } else { "*" }, if ended { "" } else { "*" })
}
