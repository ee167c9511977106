//! The tools that stand behind a pipe: `grep`, `head`, `tail`, `wc`, `sort`, `uniq`, `cut`, `awk '{print $N}'`, `base64`, `tr -d`.
//!
//! **Simplified here:** patterns know letters, `.`, `*`, `^`, `$` and `|`; `awk` prints fields only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How many steps a pattern may take on a line.
const MAX_STEPS: usize = 100_000;

/// The tools' names.
pub(crate) const NAMES: [&str; 10] = ["awk", "base64", "cut", "grep", "head", "sort", "tail", "tr", "uniq", "wc"];

/// Runs a tool on a text: what it prints and its exit status, or its complaint.
///
/// # Errors
/// What the tool prints to stderr.
pub(crate) fn run(name: &str, args: &[String], input: &str) -> Result<(String, i32), String> {
    let text = match name {
        "grep" => return grep(args, input),
        "head" | "tail" => ends(name, args, input)?,
        "wc" => count(args, input),
        "sort" => sort(args, input),
        "uniq" => unique(args, input),
        "cut" => cut(args, input)?,
        "awk" => awk(args, input)?,
        "tr" => match args {
            [flag, letters] if flag == "-d" => {
                let letters = letters.replace("\\n", "\n");
                input.chars().filter(|c| !letters.contains(*c)).collect()
            }
            _ => return Err("tr: only 'tr -d LETTERS' is supported in this terminal".to_owned()),
        },
        _ => base64_tool(args, input)?,
    };
    Ok((text, 0))
}

fn base64_tool(args: &[String], input: &str) -> Result<String, String> {
    if args.iter().any(|arg| arg == "-d" || arg == "--decode" || arg == "-D") {
        let packed: String = input.split_whitespace().collect();
        let bytes = STANDARD.decode(packed).map_err(|_| "base64: invalid input".to_owned())?;
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(format!("{}\n", STANDARD.encode(input)))
}

fn letters(args: &[String]) -> (String, Vec<&str>) {
    let (flags, words): (Vec<&str>, Vec<&str>) = args.iter().map(String::as_str).partition(|arg| arg.len() > 1 && arg.starts_with('-'));
    (flags.into_iter().flat_map(|flag| flag.chars().skip(1)).collect(), words)
}

fn grep(args: &[String], input: &str) -> Result<(String, i32), String> {
    let (flags, words) = letters(args);
    let [pattern] = words[..] else { return Err("usage: ... | grep [-vicnqE] PATTERN".to_owned()) };
    if let Some(other) = flags.chars().find(|flag| !"vicnqEeFw".contains(*flag)) {
        return Err(format!("grep: unknown option -- '{other}'"));
    }
    let fold = |text: &str| if flags.contains('i') { text.to_lowercase() } else { text.to_owned() };
    let alternatives: Vec<Vec<char>> = fold(&pattern.replace("\\|", "|")).split('|').map(|part| part.chars().collect()).collect();
    let mut found = Vec::new();
    for (number, line) in input.lines().enumerate() {
        let letters: Vec<char> = fold(line).chars().collect();
        let mut hit = false;
        for alternative in &alternatives {
            hit = hit || matches(alternative, &letters).ok_or("grep: the pattern takes too long")?;
        }
        if hit != flags.contains('v') {
            found.push(if flags.contains('n') { format!("{}:{line}\n", number + 1) } else { format!("{line}\n") });
        }
    }
    let code = i32::from(found.is_empty());
    Ok(match () {
        () if flags.contains('q') => (String::new(), code),
        () if flags.contains('c') => (format!("{}\n", found.len()), code),
        () => (found.concat(), code),
    })
}

/// Whether the pattern stands somewhere in the line; `None` when that takes too long to tell.
fn matches(pattern: &[char], line: &[char]) -> Option<bool> {
    let mut steps = 0;
    if pattern.first() == Some(&'^') {
        return here(&pattern[1..], line, &mut steps);
    }
    for start in 0..=line.len() {
        if here(pattern, &line[start..], &mut steps)? {
            return Some(true);
        }
    }
    Some(false)
}

fn here(pattern: &[char], line: &[char], steps: &mut usize) -> Option<bool> {
    let (mut pattern, mut line) = (pattern, line);
    loop {
        *steps += 1;
        if *steps > MAX_STEPS {
            return None;
        }
        let one = |c: char, line: &[char]| line.first().is_some_and(|other| c == '.' || *other == c);
        match pattern {
            [] => return Some(true),
            ['$'] => return Some(line.is_empty()),
            [c, '*', rest @ ..] => {
                let run = line.iter().take_while(|other| *c == '.' || *other == c).count();
                for length in (0..=run).rev() {
                    if here(rest, &line[length..], steps)? {
                        return Some(true);
                    }
                }
                return Some(false);
            }
            ['\\', c, rest @ ..] if line.first() == Some(c) => (pattern, line) = (rest, &line[1..]),
            [c, rest @ ..] if *c != '\\' && one(*c, line) => (pattern, line) = (rest, &line[1..]),
            _ => return Some(false),
        }
    }
}

fn ends(name: &str, args: &[String], input: &str) -> Result<String, String> {
    let text: String = args.concat();
    let number = text.trim_start_matches("--lines=").trim_start_matches("-n").trim_start_matches('-');
    let count =
        if args.is_empty() { 10 } else { number.parse::<usize>().map_err(|_| format!("{name}: invalid number of lines: {number:?}"))? };
    let lines: Vec<&str> = input.lines().collect();
    let shown = if name == "head" { &lines[..count.min(lines.len())] } else { &lines[lines.len().saturating_sub(count)..] };
    Ok(shown.iter().map(|line| format!("{line}\n")).collect())
}

fn count(args: &[String], input: &str) -> String {
    let (flags, _) = letters(args);
    let all = [('l', input.matches('\n').count()), ('w', input.split_whitespace().count()), ('c', input.len())];
    let shown: Vec<String> =
        all.iter().filter(|(flag, _)| flags.is_empty() || flags.contains(*flag)).map(|(_, count)| count.to_string()).collect();
    format!("{}\n", shown.join(" "))
}

fn sort(args: &[String], input: &str) -> String {
    let (flags, words) = letters(args);
    let key = flags.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok().or_else(|| words.first()?.parse::<usize>().ok());
    let field = |line: &str| match key.filter(|_| flags.contains('k')) {
        Some(column) => line.split_whitespace().skip(column - usize::from(column > 0)).collect::<Vec<_>>().join(" "),
        None => line.to_owned(),
    };
    let number = |text: &str| {
        let digits: String = text.trim_start().chars().take_while(|c| c.is_ascii_digit() || matches!(c, '-' | '.')).collect();
        digits.parse::<f64>().unwrap_or(0.0)
    };
    let mut lines: Vec<&str> = input.lines().collect();
    lines.sort_by(|a, b| if flags.contains('n') { number(&field(a)).total_cmp(&number(&field(b))) } else { field(a).cmp(&field(b)) });
    if flags.contains('r') {
        lines.reverse();
    }
    if flags.contains('u') {
        lines.dedup();
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn unique(args: &[String], input: &str) -> String {
    let mut runs: Vec<(usize, &str)> = Vec::new();
    for line in input.lines() {
        match runs.last_mut() {
            Some((count, last)) if *last == line => *count += 1,
            _ => runs.push((1, line)),
        }
    }
    let counted = args.iter().any(|arg| arg == "-c");
    runs.into_iter().map(|(count, line)| if counted { format!("{count:>7} {line}\n") } else { format!("{line}\n") }).collect()
}

fn cut(args: &[String], input: &str) -> Result<String, String> {
    let whole = args.join("\u{0}");
    let option = |letter: &str| {
        let after = whole.split_once(&format!("-{letter}"))?.1;
        let after = after.strip_prefix('\u{0}').unwrap_or(after);
        Some(after.split('\u{0}').next().unwrap_or("").to_owned())
    };
    let delimiter = option("d").filter(|text| !text.is_empty()).unwrap_or_else(|| "\t".to_owned());
    let fields = option("f").ok_or("cut: you must specify a list of fields")?;
    let wanted: Result<Vec<usize>, _> = fields.split(',').map(str::parse::<usize>).collect();
    let wanted = wanted.map_err(|_| format!("cut: invalid field value {fields:?}"))?;
    let line = |line: &str| {
        let parts: Vec<&str> = line.split(&delimiter).collect();
        if parts.len() == 1 {
            return format!("{line}\n");
        }
        let shown: Vec<&str> = wanted.iter().filter_map(|field| parts.get(field.checked_sub(1)?).copied()).collect();
        format!("{}\n", shown.join(&delimiter))
    };
    Ok(input.lines().map(line).collect())
}

fn awk(args: &[String], input: &str) -> Result<String, String> {
    let unsupported = || "awk: only '{print $1, $2}' is supported in this terminal".to_owned();
    let [program] = args else { return Err(unsupported()) };
    let inner = program.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(unsupported)?;
    let list = inner.trim().strip_prefix("print").ok_or_else(unsupported)?;
    let field = |text: &str| text.trim().strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
    let fields: Vec<usize> = list.split(',').map(field).collect::<Option<_>>().ok_or_else(unsupported)?;
    let line = |line: &str| {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let of = |field: &usize| if *field == 0 { line } else { parts.get(field - 1).copied().unwrap_or("") };
        format!("{}\n", fields.iter().map(of).collect::<Vec<_>>().join(" "))
    };
    Ok(input.lines().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(line: &str, input: &str) -> (String, i32) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        run(&words[0], &words[1..], input).unwrap()
    }

    #[test]
    fn tools_do_what_their_names_say() {
        let input = "web-1 Running 3\nweb-2 Pending 10\ndb-1 Running 2\n";
        for (line, printed) in [
            ("grep Pend", "web-2 Pending 10\n"),
            ("grep -c ^web", "2\n"),
            ("grep -v web", "db-1 Running 2\n"),
            ("grep -E w.*ing.10|^db", "web-2 Pending 10\ndb-1 Running 2\n"),
            ("head -1", "web-1 Running 3\n"),
            ("tail -n 1", "db-1 Running 2\n"),
            ("wc -l", "3\n"),
            ("sort -k3 -n", "db-1 Running 2\nweb-1 Running 3\nweb-2 Pending 10\n"),
            ("cut -d- -f1", "web\nweb\ndb\n"),
        ] {
            assert_eq!(tool(line, input).0, printed, "{line}");
        }
        assert_eq!(run("awk", &["{print $2,$1}".to_owned()], "a b").unwrap().0, "b a\n");
        assert_eq!(tool("base64 -d", "aGk="), ("hi".to_owned(), 0));
        assert_eq!(tool("grep nothing", input), (String::new(), 1));
        assert!(run("grep", &["a*a*a*a*a*b".to_owned()], &"a".repeat(5_000)).is_err(), "a pattern that takes too long is refused");
    }
}
