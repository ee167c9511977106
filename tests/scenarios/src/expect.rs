//! Whether what was printed or traced is what a scenario expects.

use crate::script::TraceLine;
use sim::{EventId, Trace, TraceEvent};

/// Whether the text fits the pattern, in which `*` stands for any text.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Compares what a command printed with the lines that are expected; tells the difference.
///
/// # Errors
/// What is missing, and what was printed.
pub fn printed(expected: &[String], output: &str) -> Result<(), String> {
    let differs = |why: String| Err(format!("{why}; it printed:\n{}", output.trim_end()));
    let Some(first) = expected.first() else { return Ok(()) };
    let header = output.lines().next().unwrap_or_default();
    let columns = cells(first);
    let places: Option<Vec<usize>> = columns.iter().map(|column| cells(header).iter().position(|cell| cell == column)).collect();
    let is_table = columns.iter().all(|column| column.chars().all(|c| c.is_uppercase() || " -()%".contains(c)));
    let Some(places) = places.filter(|_| is_table) else {
        let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.len() != expected.len() {
            return differs(format!("{} lines are expected", expected.len()));
        }
        return match expected.iter().zip(&lines).find(|(pattern, line)| !fits(pattern, line)) {
            Some((pattern, _)) => differs(format!("`{pattern}` is expected")),
            None => Ok(()),
        };
    };
    let starts = starts(header);
    let mut rows: Vec<Vec<String>> = output.lines().skip(1).map(|line| slice(line, &starts)).collect();
    for pattern in &expected[1..] {
        let wanted = cells(pattern);
        if wanted.len() != places.len() {
            return differs(format!("`{pattern}` has {} columns, not {}", wanted.len(), places.len()));
        }
        let matches = |row: &Vec<String>| places.iter().zip(&wanted).all(|(place, cell)| fits(cell, &row[*place]));
        let Some(at) = rows.iter().position(matches) else {
            return differs(format!("a row `{pattern}` is expected"));
        };
        rows.remove(at);
    }
    if rows.is_empty() { Ok(()) } else { differs(format!("{} rows more than expected", rows.len())) }
}

/// The cells of a row: texts with two spaces or more between them.
fn cells(row: &str) -> Vec<&str> {
    row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

/// Where the columns of a header begin.
fn starts(header: &str) -> Vec<usize> {
    let bytes = header.as_bytes();
    (0..bytes.len()).filter(|&at| bytes[at] != b' ' && (at == 0 || (at >= 2 && &bytes[at - 2..at] == b"  "))).collect()
}

fn slice(line: &str, starts: &[usize]) -> Vec<String> {
    let chars: Vec<char> = line.chars().collect();
    let end = |index: usize| starts.get(index + 1).copied().unwrap_or(chars.len()).min(chars.len());
    starts
        .iter()
        .enumerate()
        .map(|(index, &start)| chars[start.min(end(index))..end(index)].iter().collect::<String>().trim().to_owned())
        .collect()
}

fn is(event: &TraceEvent, line: &TraceLine) -> bool {
    fits(&line.actor, &event.actor) && fits(&line.what, &event.what.to_string())
}

/// Whether the lines happened in this order after `since`, each caused by the line that it is indented under.
///
/// # Errors
/// The first line that did not.
pub fn traced(lines: &[TraceLine], trace: &Trace, since: EventId) -> Result<(), String> {
    let texts: Vec<(&TraceEvent, String)> = trace.after(since).map(|event| (event, event.what.to_string())).collect();
    let mut open: Vec<(usize, EventId)> = Vec::new();
    let mut last = since;
    for line in lines {
        open.retain(|(depth, _)| *depth < line.depth);
        let cause = open.last().map(|(_, id)| *id);
        let found = texts.iter().find(|(event, what)| {
            let fitting = event.id > last && fits(&line.actor, &event.actor) && fits(&line.what, what);
            fitting
                && cause.is_none_or(|cause| {
                    trace.why(event.id).skip(1).take_while(|earlier| earlier.id >= cause).any(|earlier| earlier.id == cause)
                })
        });
        let Some((event, _)) = found else {
            let after = trace.get(last).map_or_else(|| "the start".to_owned(), ToString::to_string);
            let because = cause.and_then(|cause| trace.get(cause)).map(|cause| format!("\n  caused by {cause}")).unwrap_or_default();
            return Err(format!("`{} {}` did not happen after\n  {after}{because}", line.actor, line.what));
        };
        last = event.id;
        open.push((line.depth, event.id));
    }
    Ok(())
}

/// Whether none of the lines happened after `since`.
///
/// # Errors
/// The first that did.
pub fn never(lines: &[TraceLine], trace: &Trace, since: EventId) -> Result<(), String> {
    match trace.after(since).find(|event| lines.iter().any(|line| is(event, line))) {
        Some(event) => Err(format!("this must not happen:\n  {event}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::{Time, What};

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, wanted) in
            [("a", "a", true), ("a", "ab", false), ("a*", "ab", true), ("*b*d", "abcd", true), ("*b*d", "adcb", false), ("a*a", "a", false)]
        {
            assert_eq!(fits(pattern, text), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn tables_are_compared_by_the_columns_that_are_named() {
        let output = "NAME    READY   NOMINATED NODE   AGE\nweb-a   1/1     <none>           5s\nweb-b   0/1     n                5s\n";
        let expect = |lines: &[&str]| printed(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), output);
        assert_eq!(expect(&["NAME  NOMINATED NODE", "web-b  n", "web-*  *"]), Ok(()));
        assert!(expect(&["NAME  READY", "web-*  1/1", "web-*  1/1"]).unwrap_err().starts_with("a row `web-*  1/1` is expected"));
        assert!(expect(&["NAME", "web-a"]).unwrap_err().starts_with("1 rows more than expected"));
    }

    #[test]
    fn a_trace_has_order_and_causes() {
        let mut trace = Trace::default();
        let mut tell = |cause, actor: &str, line: &str| trace.record(Time::ZERO, &actor.into(), cause, What::Command { line: line.into() });
        let first = tell(None, "a", "one");
        tell(None, "b", "two");
        tell(Some(first), "b", "three");
        let line = |depth, actor: &str, what: &str| TraceLine { depth, actor: actor.into(), what: what.into() };
        let since = EventId(0);
        assert_eq!(traced(&[line(4, "a", "*one"), line(6, "b", "*three")], &trace, since), Ok(()));
        assert!(traced(&[line(4, "a", "*one"), line(6, "b", "*two")], &trace, since).is_err(), "another cause");
        assert!(traced(&[line(4, "b", "*two"), line(4, "a", "*one")], &trace, since).is_err(), "another order");
        assert!(never(&[line(4, "c", "*")], &trace, since).is_ok() && never(&[line(4, "b", "*two")], &trace, since).is_err());
    }
}
