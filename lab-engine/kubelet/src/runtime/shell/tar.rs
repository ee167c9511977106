//! `tar` to standard output and from standard input: what `kubectl cp` uses.

use super::machine::Thread;
use crate::runtime::fs::normalize;
use crate::runtime::programs::Output;
use crate::runtime::sandbox::Ctx;
use api::archive::{self, Member};

/// How many members an archive may have.
const MAX_MEMBERS: usize = 2_000;

/// Runs `tar`; its exit status.
pub(super) fn run(thread: &mut Thread, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let flags = args.first().map_or("", |flags| flags.trim_start_matches('-'));
    let mut rest = args.iter().skip(1).filter(|arg| *arg != "-");
    let (mut directory, mut names) = (thread.cwd.clone(), Vec::new());
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-C" => directory = normalize(&thread.cwd, rest.next().map_or("", String::as_str)),
            flag if flag.starts_with('-') => {}
            name => names.push(name.to_owned()),
        }
    }
    let done = match (flags.contains('c'), flags.contains('x')) {
        (true, false) => create(thread, &directory, &names, ctx, out),
        (false, true) => extract(thread, &directory, ctx),
        _ => Err("this one knows 'tar cf - PATH' and 'tar xf - -C DIRECTORY'".to_owned()),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            thread.write(2, &format!("tar: {error}\n"), ctx, out);
            1
        }
    }
}

fn create(thread: &mut Thread, directory: &str, names: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> Result<(), String> {
    let mut members = Vec::new();
    for name in names {
        if name.starts_with('/') {
            thread.write(2, "tar: removing leading '/' from member names\n", ctx, out);
        }
        collect(&normalize(directory, name), name.trim_matches('/'), ctx, &mut members).map_err(|error| format!("{name}: {error}"))?;
    }
    let archive = archive::write(&members)?;
    thread.write(1, &archive, ctx, out);
    Ok(())
}

/// Adds a file, or a directory with all that is in it.
fn collect(path: &str, name: &str, ctx: &mut Ctx<'_>, members: &mut Vec<Member>) -> Result<(), String> {
    let mut open = vec![(path.to_owned(), name.to_owned())];
    while let Some((path, name)) = open.pop() {
        if members.len() >= MAX_MEMBERS {
            return Err("too many files for one archive".to_owned());
        }
        let files = ctx.files();
        if files.is_dir(&path) {
            let mut inner = files.list(&path).map_err(|error| error.to_string())?;
            inner.reverse();
            open.extend(inner.into_iter().map(|file| (format!("{}/{file}", path.trim_end_matches('/')), format!("{name}/{file}"))));
            members.push(Member { name: format!("{name}/"), text: String::new() });
        } else {
            let text = files.read(&path).map_err(|error| error.to_string())?.to_owned();
            members.push(Member { name, text });
        }
    }
    Ok(())
}

fn extract(thread: &mut Thread, directory: &str, ctx: &mut Ctx<'_>) -> Result<(), String> {
    let archive = thread.stdin.take().unwrap_or_default();
    let members = archive::read(&archive)?;
    if !ctx.files().is_dir(directory) {
        return Err(format!("can't change directory to '{directory}': No such file or directory"));
    }
    for member in members {
        let path = normalize(directory, &member.name);
        let mut files = ctx.files();
        let parent = if member.name.ends_with('/') { path.as_str() } else { path.rsplit_once('/').map_or("", |(parent, _)| parent) };
        let made = if parent.is_empty() || files.is_dir(parent) { Ok(()) } else { files.make_dir(parent, true) };
        let written = if member.name.ends_with('/') { made } else { made.and_then(|()| files.write(&path, &member.text, false)) };
        written.map_err(|error| format!("can't open '{}': {error}", member.name))?;
    }
    Ok(())
}
