//! A little shell: words and quotes, `;`, `&&`, `> file`, `>> file` and here-documents.
//!
//! **Simplified here:** no pipes, variables, globs, substitutions or loops; each is refused with a message, never run differently.

/// A command of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Simple {
    /// Its words, without quotes.
    pub(crate) words: Vec<String>,
    /// Where its output goes, and whether it is appended.
    pub(crate) redirect: Option<(String, bool)>,
    /// The text of its here-document.
    pub(crate) stdin: String,
    /// Whether it runs only if the one before succeeded.
    pub(crate) only_after_success: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Operator(&'static str),
}

const OPERATORS: [&str; 9] = ["<<", "&&", ">>", "||", ";", ">", "|", "<", "&"];

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
            ";" | "&&" => {
                if current.words.is_empty() {
                    return Err(format!("sh: syntax error near unexpected token `{operator}'"));
                }
                commands.push(Simple { only_after_success: operator == "&&", ..Simple::default() });
            }
            ">" | ">>" | "<<" => {
                let Some(Token::Word(word)) = tokens.next() else {
                    return Err("sh: syntax error near unexpected token `newline'".to_owned());
                };
                if operator == "<<" {
                    current.stdin = here_document(body.unwrap_or(""), &word)?;
                } else {
                    current.redirect = Some((word, operator == ">>"));
                }
            }
            other => return Err(format!("sh: `{other}' is not supported in this terminal")),
        }
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
        if let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
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
            '$' | '`' => return Err(format!("sh: `{c}' is not supported in this terminal: put it in single quotes")),
            c => word.get_or_insert_default().push(c),
        }
    }
    found.extend(word.map(Token::Word));
    Ok(found)
}

/// The text up to the closing quote, and what follows it.
fn quoted(rest: &str, quote: char) -> Result<(String, &str), String> {
    let mut inside = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((inside, &rest[at + 1..])),
            '\\' if quote == '"' => match chars.next() {
                Some((_, next @ ('"' | '\\' | '$' | '`'))) => inside.push(next),
                Some((_, next)) => inside.extend(['\\', next]),
                None => break,
            },
            '$' | '`' if quote == '"' => return Err(format!("sh: `{c}' is not supported in this terminal: put it in single quotes")),
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
        assert!(commands[1].only_after_success);
        let cat = &parse("cat <<EOF > web.yaml\na: 1\nEOF\n").unwrap()[0];
        assert_eq!((cat.redirect.as_ref(), cat.stdin.as_str()), (Some(&("web.yaml".to_owned(), false)), "a: 1\n"));
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        for line in ["a | b", "while true; do x; done", "echo $HOME", "echo 'x", "a &", "cat <<EOF\nx", "; ls", "echo >"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
