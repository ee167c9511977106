//! `awk`: patterns and actions for each line.
//!
//! ```text
//! /error/ { n[$1] += 1 }     END { for (k in n) print k, n[k] }
//! pattern   action           pattern
//! ```
//!
//! Known are `BEGIN`, `END`, expressions as patterns, `print`, `printf`, `if`, `for (k in a)`, `next`, `exit`, assignments, arrays, `$N`,
//! `NR`, `NF`, `FS`, `OFS`, `~`, and the functions `length`, `tolower` and `toupper`. Options: `-F`, `-v`.
//!
//! **Simplified here:** no other loops, no ranges of lines, no redirections, no functions of one's own, no `RS`; what is not known is refused
//! and named. Arrays are walked in the order of their keys, where awk has none. Of several files the lines are counted through.

mod eval;
mod parse;

use super::machine::Thread;
use crate::runtime::programs::Output;
use crate::runtime::sandbox::Ctx;

/// What the words of the command line say.
struct CommandLine<'a> {
    separator: Option<String>,
    variables: Vec<(String, String)>,
    program: &'a str,
    files: Vec<&'a str>,
}

fn command_line(args: &[String]) -> Result<CommandLine<'_>, String> {
    let (mut separator, mut variables) = (None, Vec::new());
    let mut words = args.iter().map(String::as_str);
    let usage = || "usage: awk [-F SEP] [-v VAR=VALUE] PROGRAM [FILE]...".to_owned();
    let program = loop {
        let word = words.next().ok_or_else(usage)?;
        let option = |letter: &str| word.strip_prefix(letter);
        if let Some(rest) = option("-F") {
            let text = if rest.is_empty() { words.next().ok_or_else(usage)? } else { rest };
            separator = Some(parse::unescape(text));
        } else if let Some(rest) = option("-v") {
            let text = if rest.is_empty() { words.next().ok_or_else(usage)? } else { rest };
            let (name, value) = text.split_once('=').ok_or_else(usage)?;
            variables.push((name.to_owned(), parse::unescape(value)));
        } else if word.len() > 1 && word.starts_with('-') && word != "--" {
            return Err(format!("unrecognized option: {}", word.trim_start_matches('-')));
        } else if word != "--" {
            break word;
        }
    };
    Ok(CommandLine { separator, variables, program, files: words.collect() })
}

/// Runs `awk`; gives its exit status.
pub(super) fn run(thread: &mut Thread, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let prepared = command_line(args).and_then(|line| Ok((parse::program(line.program)?, line)));
    let (rules, line) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            thread.write(2, &format!("awk: {error}\n"), ctx, out);
            return 1;
        }
    };
    let text = if rules.iter().all(parse::Rule::is_begin) {
        String::new()
    } else {
        match super::text_tools::input(thread, "awk", &line.files, ctx, out) {
            Ok(text) => text,
            Err(_) => return 2,
        }
    };
    let mut machine = eval::Machine::new(line.separator, line.variables);
    let ended = machine.run(&rules, &text);
    let printed = machine.printed();
    thread.write(1, &printed, ctx, out);
    match ended {
        Ok(status) => status,
        Err(error) => {
            thread.write(2, &format!("awk: {error}\n"), ctx, out);
            2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awk(args: &[&str], text: &str) -> Result<String, String> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let line = command_line(&args)?;
        let mut machine = eval::Machine::new(line.separator, line.variables);
        machine.run(&parse::program(line.program)?, text)?;
        Ok(machine.printed())
    }

    #[test]
    fn programs_do_what_posix_says() {
        let text = "web 3 a\ndb 10 b\nweb 4\n";
        for (args, expected) in [
            (&["{print $1}"][..], "web\ndb\nweb\n"),
            (&["{ print $2, $1 }"], "3 web\n10 db\n4 web\n"),
            (&["$2 > 3"], "db 10 b\nweb 4\n"),
            (&["$1 == \"web\" && NR > 1 { print NR, NF }"], "3 2\n"),
            (&["/^d/ {print $NF}"], "b\n"),
            (&["!/web/"], "db 10 b\n"),
            (&["$1 ~ /b$/ {print $1}"], "web\ndb\nweb\n"),
            (&["{ s += $2 } END { print s, s/2 }"], "17 8.5\n"),
            (&["{ n[$1]++ } END { for (k in n) print k \": \" n[k] }"], "db: 1\nweb: 2\n"),
            (&["-F", " ", "-v", "f=2", "NR==2 {print $f}"], "10\n"),
            (&["BEGIN { OFS=\"-\"; print 1+2*3, 7%4, \"x\" 5 }"], "7-3-x5\n"),
            (&["NR==1 {next} {print $1; exit}"], "db\n"),
            (&["{ if ($2 >= 4) print \"big\"; else print \"small\" }"], "small\nbig\nbig\n"),
            (&["{ $2 = \"\"; print }"], "web  a\ndb  b\nweb \n"),
            (&["{ printf \"%-4s|%3d\\n\", $1, $2 }"], "web |  3\ndb  | 10\nweb |  4\n"),
            (&["END { print NR, length(\"four\"), toupper(\"x\") }"], "3 4 X\n"),
            (&["BEGIN { x = -1; x--; print x, 0.1 + 0.2, 1e6, 1/3 }"], "-2 0.3 1000000 0.333333\n"),
        ] {
            assert_eq!(awk(args, text).as_deref(), Ok(expected), "{args:?}");
        }
        assert_eq!(awk(&["-F:", "{print $2}"], "a:b\nc\n").as_deref(), Ok("b\n\n"));
        assert_eq!(awk(&["-F", "[,;]+", "{print $2}"], "a,;b\n").as_deref(), Ok("b\n"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (program, part) in [
            ("{ while (1) print }", "while"),
            ("{ print > \"file\" }", "redirections"),
            ("{ print $1", "'}'"),
            ("/a/,/b/", "ranges"),
            ("BEGIN { RS = \";\" }", "RS"),
            ("{ substr($1, 2) }", "substr"),
        ] {
            let error = awk(&[program], "x\n").unwrap_err();
            assert!(error.contains(part), "{program}: {error}");
        }
        assert!(awk(&[&format!("BEGIN {{ x = {} 1 }}", "(".repeat(500))], "").is_err(), "nesting is bounded");
    }
}
