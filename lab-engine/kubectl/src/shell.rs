//! A little shell: words and quotes, variables, `;`, `&&`, `||`, pipes, `> file`, `>> file`, `2> file`, `2>&1`, `< file` and here-documents.
//!
//! **Simplified here:** no globs, substitutions (`$(…)`) or loops; each is refused with a message, never run differently. The value of a
//! variable is one word, also where it stands outside quotes. A pipe hands its text on when the command before it has ended. Nothing is replaced in a here-document.

use std::collections::BTreeMap;

/// Stand around the name of a variable in a word that was read; a line that has them itself loses them.
const OPEN: char = '\u{1}';
const CLOSE: char = '\u{2}';

/// When a command of a line runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum When {
    /// Always.
    #[default]
    Always,
    /// After `&&`.
    Success,
    /// After `||`.
    Failure,
}

impl When {
    /// Whether it runs after this exit status.
    pub(crate) fn holds(self, code: i32) -> bool {
        match self {
            When::Always => true,
            When::Success => code == 0,
            When::Failure => code != 0,
        }
    }
}

/// The word with its variables replaced; one that is not set is empty.
pub(crate) fn expand(word: &str, variables: &BTreeMap<String, String>, code: i32) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (name, tail) = after.split_once(CLOSE).unwrap_or((after, ""));
        text.push_str(before);
        match name {
            "?" => text.push_str(&code.to_string()),
            name => text.push_str(variables.get(name).map_or("", String::as_str)),
        }
        rest = tail;
    }
    text + rest
}

/// Reads the name after a `$`: `NAME`, `{NAME}` or `?`.
fn variable(rest: &mut &str, word: &mut String) -> Result<(), String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, after) = if let Some(inner) = rest.strip_prefix('{') {
        inner.split_once('}').ok_or("sh: bad substitution: missing `}'")?
    } else if rest.starts_with('?') {
        rest.split_at(1)
    } else if rest.starts_with('(') {
        return Err("sh: `$(' is not supported in this terminal: run the inner command first".to_owned());
    } else {
        rest.split_at(rest.find(|c: char| !is_name(c)).unwrap_or(rest.len()))
    };
    *rest = after;
    if name.is_empty() {
        word.push('$');
    } else if name == "?" || name.chars().all(is_name) {
        word.extend([OPEN]);
        word.push_str(name);
        word.push(CLOSE);
    } else {
        return Err(format!("sh: ${{{name}}}: bad substitution"));
    }
    Ok(())
}

/// A command of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Simple {
    /// Its words, without quotes.
    pub(crate) words: Vec<String>,
    /// Where its output goes, and whether it is appended.
    pub(crate) redirect: Option<(String, bool)>,
    /// The text of its here-document.
    pub(crate) stdin: String,
    /// Where its errors go, and whether they are appended.
    pub(crate) errors: Option<(String, bool)>,
    /// Whether its errors go where its output goes.
    pub(crate) merges_errors: bool,
    /// The file that it reads.
    pub(crate) input: Option<String>,
    /// Whether its output is the next one's input.
    pub(crate) pipes: bool,
    /// When it runs.
    pub(crate) when: When,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Operator(&'static str),
}

const OPERATORS: [&str; 12] = ["2>&1", "2>>", "2>", "<<", "&&", ">>", "||", ";", ">", "|", "<", "&"];

/// Reads a line; the lines after the first are the here-document's.
///
/// # Errors
/// What the shell prints.
pub(crate) fn parse(input: &str) -> Result<Vec<Simple>, String> {
    let mut body = None;
    let mut line = input;
    if let Some((first, rest)) = input.split_once('\n')
        && tokens(first).is_ok_and(|tokens| tokens.contains(&Token::Operator("<<")))
    {
        (line, body) = (first, Some(rest));
    }
    let mut commands = vec![Simple::default()];
    let mut tokens = tokens(line)?.into_iter();
    while let Some(token) = tokens.next() {
        let current = commands.last_mut().ok_or("sh: syntax error")?;
        let operator = match token {
            Token::Word(word) => {
                current.words.push(word);
                continue;
            }
            Token::Operator(operator) => operator,
        };
        match operator {
            ";" | "&&" | "||" | "|" => {
                if current.words.is_empty() {
                    return Err(format!("sh: syntax error near unexpected token `{operator}'"));
                }
                current.pipes = operator == "|";
                let when = match operator {
                    "&&" => When::Success,
                    "||" => When::Failure,
                    _ => When::Always,
                };
                commands.push(Simple { when, ..Simple::default() });
            }
            "2>&1" => current.merges_errors = true,
            ">" | ">>" | "<<" | "<" | "2>" | "2>>" => {
                let Some(Token::Word(word)) = tokens.next() else {
                    return Err("sh: syntax error near unexpected token `newline'".to_owned());
                };
                match operator {
                    "<<" => current.stdin = here_document(body.unwrap_or(""), &word)?,
                    "<" => current.input = Some(word),
                    "2>" | "2>>" => current.errors = Some((word, operator == "2>>")),
                    _ => current.redirect = Some((word, operator == ">>")),
                }
            }
            other => return Err(format!("sh: `{other}' is not supported in this terminal")),
        }
    }
    if commands.iter().zip(commands.iter().skip(1)).any(|(one, next)| one.pipes && next.words.is_empty()) {
        return Err("sh: syntax error: unexpected end of line after `|'".to_owned());
    }
    commands.retain(|command| !command.words.is_empty());
    match commands.iter().find_map(|command| command.words.first()).map(String::as_str) {
        Some(word @ ("for" | "while" | "until" | "if" | "case" | "function")) => {
            Err(format!("sh: `{word}' is not supported in this terminal: type the commands one by one"))
        }
        _ => Ok(commands),
    }
}

fn here_document(body: &str, end: &str) -> Result<String, String> {
    let mut text = String::new();
    for line in body.lines() {
        if line == end {
            return Ok(text);
        }
        text.push_str(line);
        text.push('\n');
    }
    Err(format!("sh: here-document is not ended by `{end}'"))
}

fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        // `2>` is an operator only where a word could begin.
        let starts = |operator: &&&str| rest.starts_with(**operator) && (word.is_none() || !operator.starts_with('2'));
        if let Some(operator) = OPERATORS.iter().find(starts) {
            found.extend(word.take().map(Token::Word));
            found.push(Token::Operator(operator));
            rest = &rest[operator.len()..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '#' if word.is_none() => rest = rest.split_once('\n').map_or("", |(_, after)| after),
            ' ' | '\t' => found.extend(word.take().map(Token::Word)),
            '\n' => {
                found.extend(word.take().map(Token::Word));
                found.push(Token::Operator(";"));
            }
            '\\' => {
                let next = rest.chars().next();
                rest = next.map_or("", |next| &rest[next.len_utf8()..]);
                if let Some(next) = next.filter(|next| *next != '\n') {
                    word.get_or_insert_default().push(next);
                }
            }
            '\'' | '"' => {
                let (inside, after) = quoted(rest, c)?;
                word.get_or_insert_default().push_str(&inside);
                rest = after;
            }
            '$' => variable(&mut rest, word.get_or_insert_default())?,
            '`' => return Err(format!("sh: `{c}' is not supported in this terminal: put it in single quotes")),
            OPEN | CLOSE => {}
            c => word.get_or_insert_default().push(c),
        }
    }
    found.extend(word.map(Token::Word));
    Ok(found)
}

/// The text up to the closing quote, and what follows it.
fn quoted(mut rest: &str, quote: char) -> Result<(String, &str), String> {
    let mut inside = String::new();
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            c if c == quote => return Ok((inside, rest)),
            '\\' if quote == '"' => {
                let Some(next) = rest.chars().next() else { break };
                rest = &rest[next.len_utf8()..];
                match next {
                    '"' | '\\' | '$' | '`' => inside.push(next),
                    '\n' => {}
                    next => inside.extend(['\\', next]),
                }
            }
            '$' if quote == '"' => variable(&mut rest, &mut inside)?,
            '`' if quote == '"' => return Err(format!("sh: `{c}' is not supported in this terminal: put it in single quotes")),
            OPEN | CLOSE => {}
            c => inside.push(c),
        }
    }
    Err(format!("sh: unexpected EOF while looking for matching `{quote}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_what_is_quoted() {
        let line = r#"kubectl  get pods -o 'jsonpath={.a b}' "it's" a\ b # note"#;
        assert_eq!(parse(line).unwrap()[0].words, ["kubectl", "get", "pods", "-o", "jsonpath={.a b}", "it's", "a b"]);
    }

    #[test]
    fn a_here_document_is_the_input_of_its_command() {
        let commands = parse("kubectl apply -f - <<EOF && ls\nkind: Pod\n  a: $x\nEOF").unwrap();
        assert_eq!(commands[0].stdin, "kind: Pod\n  a: $x\n");
        assert_eq!(commands[1].when, When::Success);
        let cat = &parse("cat <<EOF > web.yaml\na: 1\nEOF\n").unwrap()[0];
        assert_eq!((cat.redirect.as_ref(), cat.stdin.as_str()), (Some(&("web.yaml".to_owned(), false)), "a: 1\n"));
    }

    #[test]
    fn variables_are_replaced_when_a_command_runs() {
        let command = &parse(r#"echo "$A-${B}" '$A' $? a2>err"#).unwrap()[0];
        let variables = BTreeMap::from([("A".to_owned(), "x y".to_owned())]);
        let words: Vec<String> = command.words.iter().map(|word| expand(word, &variables, 3)).collect();
        assert_eq!(words, ["echo", "x y-", "$A", "3", "a2"]);
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        for line in ["a |", "while true; do x; done", "echo $(ls)", "echo 'x", "a &", "cat <<EOF\nx", "; ls", "echo >"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
