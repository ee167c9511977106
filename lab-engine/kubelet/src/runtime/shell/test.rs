//! `test`, `[` and `[[`.

use super::expand::matches;
use super::machine::Thread;
use crate::runtime::fs::normalize;
use crate::runtime::programs::Output;
use crate::runtime::sandbox::Ctx;

/// Evaluates the condition: 0 when it holds, 1 when not, 2 when it is malformed.
pub(super) fn run(thread: &mut Thread, name: &str, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let mut words: Vec<&str> = args.iter().map(String::as_str).collect();
    if name != "test" {
        let close = if name == "[" { "]" } else { "]]" };
        if words.pop() != Some(close) {
            thread.write(2, &format!("sh: {name}: missing {close}\n"), ctx, out);
            return 2;
        }
    }
    match any(&words, thread, ctx) {
        Ok(holds) => i32::from(!holds),
        Err(word) => {
            thread.write(2, &format!("sh: {word}: unknown operand\n"), ctx, out);
            2
        }
    }
}

fn any(words: &[&str], thread: &Thread, ctx: &mut Ctx<'_>) -> Result<bool, String> {
    for part in words.split(|word| matches!(*word, "-o" | "||")) {
        let mut all = true;
        for condition in part.split(|word| matches!(*word, "-a" | "&&")) {
            all &= one(condition, thread, ctx)?;
        }
        if all {
            return Ok(true);
        }
    }
    Ok(false)
}

fn one(words: &[&str], thread: &Thread, ctx: &mut Ctx<'_>) -> Result<bool, String> {
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| text.to_owned());
    Ok(match words {
        [] => false,
        ["!", rest @ ..] => !one(rest, thread, ctx)?,
        [word] => !word.is_empty(),
        ["-z", text] => text.is_empty(),
        ["-n", text] => !text.is_empty(),
        [flag @ ("-e" | "-f" | "-d" | "-s" | "-r" | "-w" | "-x" | "-L" | "-h"), path] => {
            let (view, path) = super::namespaces::files_at(&normalize(&thread.cwd, path), ctx);
            match *flag {
                "-d" => view.is_dir(&path),
                "-f" => view.exists(&path) && !view.is_dir(&path),
                "-s" => view.read(&path).is_ok_and(|text| !text.is_empty()),
                "-L" | "-h" => false,
                "-x" => view.exists(&path) && view.mode(&path) & 0o111 != 0,
                _ => view.exists(&path),
            }
        }
        [left, "=" | "==", right] => left == right || matches(right, left),
        [left, "!=", right] => left != right,
        [left, operator, right] => match *operator {
            "-eq" => number(left)? == number(right)?,
            "-ne" => number(left)? != number(right)?,
            "-lt" => number(left)? < number(right)?,
            "-le" => number(left)? <= number(right)?,
            "-gt" => number(left)? > number(right)?,
            "-ge" => number(left)? >= number(right)?,
            other => return Err(other.to_owned()),
        },
        [first, ..] => return Err((*first).to_owned()),
    })
}
