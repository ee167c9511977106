//! Reads a script: the grammar of the POSIX shell as far as people use it in manifests, in the words of BusyBox' `ash` when it fails.
//!
//! **Simplified here:** no aliases, no arrays, no `select`, no process substitution.

use super::ast::{Command, Item, Kind, List, Part, Pipeline, Redirect, Target, Word};
use std::sync::Arc;

/// How deep constructs may nest.
const MAX_DEPTH: usize = 50;
/// How long a script may be, in characters.
const MAX_LENGTH: usize = 256 << 10;

/// Reads a whole script.
///
/// # Errors
/// The shell's message, without the name of the shell before it.
pub(crate) fn parse(text: &str) -> Result<List, String> {
    let mut parser = Parser { chars: text.chars().take(MAX_LENGTH + 1).collect(), at: 0, depth: 0 };
    if parser.chars.len() > MAX_LENGTH {
        return Err("script too long".to_owned());
    }
    let list = parser.list(&[])?;
    match parser.peek() {
        None => Ok(list),
        Some(_) => Err(parser.unexpected()),
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
}

const RESERVED: &[&str] =
    &["if", "then", "else", "elif", "fi", "while", "until", "do", "done", "for", "case", "esac", "{", "}", "!", "in", "function"];

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn looking_at(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(offset, c)| self.chars.get(self.at + offset) == Some(&c))
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.looking_at(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('\\') if self.chars.get(self.at + 1) == Some(&'\n') => self.at += 2,
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn newlines(&mut self) {
        self.blanks();
        while matches!(self.peek(), Some('\n')) {
            self.at += 1;
            self.blanks();
        }
    }

    /// The plain word that begins here, without moving.
    fn plain(&mut self) -> String {
        self.blanks();
        let stop = |c: char| c.is_whitespace() || ";&|()<>\"'$`\\".contains(c);
        self.chars[self.at..].iter().copied().take_while(|&c| !stop(c)).collect()
    }

    fn keyword(&mut self, word: &str) -> bool {
        let found = self.plain() == word;
        if found {
            self.at += word.len();
        }
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        self.newlines();
        if self.keyword(word) || (word == ")" && self.take(")")) {
            return Ok(());
        }
        let error = self.unexpected();
        Err(format!("{error} (expecting {word:?})"))
    }

    fn unexpected(&mut self) -> String {
        self.blanks();
        let word = match self.peek() {
            None => return "syntax error: unexpected end of file".to_owned(),
            Some('\n') => return "syntax error: unexpected newline".to_owned(),
            Some(c) if ";&|()<>".contains(c) => {
                let double = self.chars.get(self.at + 1) == Some(&c) && c != '(' && c != ')';
                c.to_string().repeat(if double { 2 } else { 1 })
            }
            Some(c) => Some(self.plain()).filter(|word| !word.is_empty()).unwrap_or_else(|| c.to_string()),
        };
        format!("syntax error: unexpected {word:?}")
    }

    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth >= MAX_DEPTH {
            return Err("syntax error: nested too deeply".to_owned());
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    /// Commands up to one of the keywords, a closing bracket, `;;` or the end.
    fn list(&mut self, ends: &[&str]) -> Result<List, String> {
        self.deeper(|parser| {
            let mut items = Vec::new();
            loop {
                parser.newlines();
                let word = parser.plain();
                if parser.peek().is_none_or(|c| c == ')') || ends.contains(&word.as_str()) || parser.looking_at(";;") {
                    return Ok(Arc::new(items));
                }
                if RESERVED[1..4].contains(&word.as_str()) || matches!(word.as_str(), "fi" | "do" | "done" | "esac" | "}" | "then") {
                    return Err(parser.unexpected());
                }
                items.push(parser.item()?);
            }
        })
    }

    fn item(&mut self) -> Result<Item, String> {
        let mut parts = vec![(None, Arc::new(self.pipeline()?))];
        loop {
            self.blanks();
            let condition = if self.take("&&") {
                true
            } else if self.take("||") {
                false
            } else {
                break;
            };
            self.newlines();
            parts.push((Some(condition), Arc::new(self.pipeline()?)));
        }
        let background = !self.looking_at("&&") && self.take("&");
        let ended = background || (!self.looking_at(";;") && self.take(";"));
        self.blanks();
        match self.peek() {
            Some('|' | '<' | '>') => Err(self.unexpected()),
            Some('(') if !ended => Err(self.unexpected()),
            _ => Ok(Item { parts, background }),
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, String> {
        let negated = self.keyword("!");
        let mut commands = vec![Arc::new(self.command()?)];
        loop {
            self.blanks();
            if self.looking_at("||") || !self.take("|") {
                return Ok(Pipeline { negated, commands });
            }
            self.newlines();
            commands.push(Arc::new(self.command()?));
        }
    }

    fn command(&mut self) -> Result<Command, String> {
        let kind = match self.plain().as_str() {
            "if" => self.if_clause()?,
            "while" => self.while_clause(false)?,
            "until" => self.while_clause(true)?,
            "for" => self.for_clause()?,
            "case" => self.case_clause()?,
            "{" => {
                self.keyword("{");
                let list = self.list(&["}"])?;
                self.expect("}")?;
                Kind::Group(list)
            }
            "function" => {
                self.keyword("function");
                let name = self.plain();
                self.at += name.len();
                self.function(name)?
            }
            _ if self.peek() == Some('(') => {
                self.at += 1;
                let list = self.list(&[])?;
                self.expect(")")?;
                Kind::Subshell(list)
            }
            name => {
                let name = name.to_owned();
                let after = self.at + name.chars().count();
                if is_name(&name) && self.chars.get(after) == Some(&'(') && self.chars.get(after + 1) == Some(&')') {
                    self.at = after;
                    self.function(name)?
                } else {
                    return self.simple();
                }
            }
        };
        let mut redirects = Vec::new();
        while let Some(redirect) = self.redirect()? {
            redirects.push(redirect);
        }
        Ok(Command { kind, redirects })
    }

    fn function(&mut self, name: String) -> Result<Kind, String> {
        self.blanks();
        let _ = self.take("()");
        self.newlines();
        let body = self.deeper(Parser::command)?;
        Ok(Kind::Function { name, body: Arc::new(body) })
    }

    fn if_clause(&mut self) -> Result<Kind, String> {
        self.keyword("if");
        let mut clauses = Vec::new();
        loop {
            let condition = self.list(&["then"])?;
            self.expect("then")?;
            clauses.push((condition, self.list(&["elif", "else", "fi"])?));
            if self.keyword("elif") {
                continue;
            }
            let otherwise = if self.keyword("else") { Some(self.list(&["fi"])?) } else { None };
            self.expect("fi")?;
            return Ok(Kind::If { clauses, otherwise });
        }
    }

    fn while_clause(&mut self, until: bool) -> Result<Kind, String> {
        self.keyword(if until { "until" } else { "while" });
        let condition = self.list(&["do"])?;
        let body = self.do_body()?;
        Ok(Kind::While { until, condition, body })
    }

    fn do_body(&mut self) -> Result<List, String> {
        self.expect("do")?;
        let body = self.list(&["done"])?;
        self.expect("done")?;
        Ok(body)
    }

    fn for_clause(&mut self) -> Result<Kind, String> {
        self.keyword("for");
        let name = self.plain();
        if !is_name(&name) {
            return Err("syntax error: bad for loop variable".to_owned());
        }
        self.at += name.len();
        self.newlines();
        let words = if self.keyword("in") {
            let mut words = Vec::new();
            while let Some(word) = self.word()? {
                words.push(word);
            }
            Some(words)
        } else {
            None
        };
        self.blanks();
        let _ = self.take(";");
        Ok(Kind::For { name, words, body: self.do_body()? })
    }

    fn case_clause(&mut self) -> Result<Kind, String> {
        self.keyword("case");
        let Some(word) = self.word()? else { return Err(self.unexpected()) };
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.newlines();
            if self.keyword("esac") {
                return Ok(Kind::Case { word, arms });
            }
            let _ = self.take("(");
            let mut patterns = Vec::new();
            while let Some(pattern) = self.word()? {
                patterns.push(pattern);
                self.blanks();
                if !self.take("|") {
                    break;
                }
            }
            if patterns.is_empty() {
                return Err(self.unexpected());
            }
            self.expect(")")?;
            arms.push((patterns, self.list(&["esac"])?));
            self.newlines();
            let _ = self.take(";;");
        }
    }

    fn simple(&mut self) -> Result<Command, String> {
        let (mut assignments, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            let name = self.plain();
            if words.is_empty()
                && let Some((name, _)) = name.split_once('=').filter(|(name, _)| is_name(name))
            {
                self.at += name.chars().count() + 1;
                let value = match self.peek() {
                    Some('(') => vec![Part::Array(self.elements()?)],
                    Some(c) if !c.is_whitespace() && !";&|()<>".contains(c) => self.word()?.unwrap_or_default(),
                    _ => Word::new(),
                };
                assignments.push((name.to_owned(), value));
                continue;
            }
            match self.word()? {
                Some(word) => words.push(word),
                None => break,
            }
        }
        if assignments.is_empty() && words.is_empty() && redirects.is_empty() {
            return Err(self.unexpected());
        }
        Ok(Command { kind: Kind::Simple { assignments, words }, redirects })
    }

    /// The words of `(a b c)`, over as many lines as they take.
    fn elements(&mut self) -> Result<Vec<Word>, String> {
        self.take("(");
        let mut elements = Vec::new();
        loop {
            self.newlines();
            if self.take(")") {
                return Ok(elements);
            }
            elements.push(self.word()?.ok_or_else(|| self.unexpected())?);
        }
    }

    fn redirect(&mut self) -> Result<Option<Redirect>, String> {
        self.blanks();
        let digit = self.peek().and_then(|c| c.to_digit(10)).filter(|_| matches!(self.chars.get(self.at + 1), Some('<' | '>')));
        if digit.is_some() {
            self.at += 1;
        }
        let both = self.take("&>");
        let operator = if both {
            ">"
        } else {
            let found = [">>", "<<<", "<<-", "<<", ">&", ">|", ">", "<"].into_iter().find(|operator| self.looking_at(operator));
            let Some(operator) = found else { return Ok(None) };
            self.at += operator.len();
            operator
        };
        let fd = digit.and_then(|digit| u8::try_from(digit).ok()).unwrap_or(if both { 3 } else { u8::from(!operator.starts_with('<')) });
        let Some(word) = self.word()? else { return Err(self.unexpected()) };
        let to = match operator {
            ">>" => Target::Append(word),
            "<" => Target::Read(word),
            ">&" => match plain_text(&word).and_then(|text| text.parse().ok()) {
                Some(other) => Target::Duplicate(other),
                None => Target::Write(word),
            },
            "<<<" => {
                let newline = Part::Literal { text: "\n".to_owned(), quoted: true };
                Target::Here(word.into_iter().chain([newline]).collect())
            }
            "<<" | "<<-" => Target::Here(self.here_document(&word, operator == "<<-")?),
            _ => Target::Write(word),
        };
        Ok(Some(Redirect { fd, to }))
    }

    /// Cuts the body of a here-document out of the lines below.
    fn here_document(&mut self, delimiter: &Word, strip: bool) -> Result<Word, String> {
        let literal = delimiter.iter().any(|part| matches!(part, Part::Literal { quoted: true, .. }));
        let end = plain_text(delimiter).ok_or("syntax error: bad here-document")?;
        let Some(line_end) = self.chars[self.at..].iter().position(|&c| c == '\n').map(|offset| self.at + offset) else {
            return Ok(Word::new());
        };
        let rest: String = self.chars[line_end + 1..].iter().collect();
        let (mut body, mut used) = (String::new(), 0);
        for line in rest.split_inclusive('\n') {
            used += line.chars().count();
            let line = if strip { line.trim_start_matches('\t') } else { line };
            if line.trim_end_matches('\n') == end {
                break;
            }
            body.push_str(line);
        }
        self.chars.drain(line_end + 1..line_end + 1 + used);
        if literal {
            return Ok(vec![Part::Literal { text: body, quoted: true }]);
        }
        let mut inner = Parser { chars: body.chars().collect(), at: 0, depth: self.depth };
        inner.double_quoted(None)
    }

    /// A word; `None` when none begins here.
    fn word(&mut self) -> Result<Option<Word>, String> {
        self.blanks();
        let mut parts = Word::new();
        let begin = self.at;
        while let Some(c) = self.peek() {
            match c {
                c if c.is_whitespace() || ";&|()<>".contains(c) => break,
                '\'' => {
                    self.at += 1;
                    let text: String = self.chars[self.at..].iter().take_while(|&&c| c != '\'').collect();
                    self.at += text.chars().count();
                    if !self.take("'") {
                        return Err("syntax error: unterminated quoted string".to_owned());
                    }
                    parts.push(Part::Literal { text, quoted: true });
                }
                '"' => {
                    self.at += 1;
                    let inner = self.double_quoted(Some('"'))?;
                    // An empty pair of quotes is still a word.
                    parts.push(Part::Literal { text: String::new(), quoted: true });
                    parts.extend(inner);
                }
                '\\' => {
                    self.at += 1;
                    if let Some(c) = self.peek() {
                        self.at += 1;
                        if c != '\n' {
                            parts.push(Part::Literal { text: c.to_string(), quoted: true });
                        }
                    }
                }
                '$' | '`' => parts.push(self.dollar(false)?),
                c => {
                    self.at += 1;
                    match parts.last_mut() {
                        Some(Part::Literal { text, quoted: false }) => text.push(c),
                        _ => parts.push(Part::Literal { text: c.to_string(), quoted: false }),
                    }
                }
            }
        }
        Ok((self.at > begin).then_some(parts))
    }

    /// Text with expansions up to `end`, or to the end of all.
    fn double_quoted(&mut self, end: Option<char>) -> Result<Word, String> {
        let mut parts = Word::new();
        let mut text = String::new();
        loop {
            let Some(c) = self.peek() else {
                if end.is_some() {
                    return Err("syntax error: unterminated quoted string".to_owned());
                }
                break;
            };
            match c {
                c if Some(c) == end => {
                    self.at += 1;
                    break;
                }
                '\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some('\n') => self.at += 1,
                        Some(c @ ('$' | '`' | '"' | '\\')) => {
                            self.at += 1;
                            text.push(c);
                        }
                        _ => text.push('\\'),
                    }
                }
                '$' | '`' => {
                    parts.push(Part::Literal { text: std::mem::take(&mut text), quoted: true });
                    parts.push(self.dollar(true)?);
                }
                c => {
                    self.at += 1;
                    text.push(c);
                }
            }
        }
        parts.push(Part::Literal { text, quoted: true });
        Ok(parts)
    }

    fn dollar(&mut self, quoted: bool) -> Result<Part, String> {
        if self.take("`") {
            let inner: String = self.chars[self.at..].iter().take_while(|&&c| c != '`').collect();
            self.at += inner.chars().count();
            if !self.take("`") {
                return Err("syntax error: EOF in backquote substitution".to_owned());
            }
            let list = self.deeper(|parser| {
                let mut nested = Parser { chars: inner.chars().collect(), at: 0, depth: parser.depth };
                nested.list(&[])
            })?;
            return Ok(Part::Command { list, quoted });
        }
        self.at += 1;
        if self.take("((") {
            let begin = self.at;
            let mut open = 0;
            while let Some(c) = self.peek() {
                match c {
                    '(' => open += 1,
                    ')' if open == 0 && self.looking_at("))") => {
                        let chars = self.chars[begin..self.at].to_vec();
                        self.at += 2;
                        let mut inner = Parser { chars, at: 0, depth: self.depth };
                        return Ok(Part::Arithmetic { expression: self.deeper(|_| inner.double_quoted(None))?, quoted });
                    }
                    ')' => open -= 1,
                    _ => {}
                }
                self.at += 1;
            }
            return Err("syntax error: missing '))'".to_owned());
        }
        if self.take("(") {
            let list = self.list(&[])?;
            self.expect(")")?;
            return Ok(Part::Command { list, quoted });
        }
        if self.take("{") {
            return self.braced(quoted);
        }
        let name: String = match self.peek() {
            Some(c) if "?$!#@*-".contains(c) || c.is_ascii_digit() => c.to_string(),
            _ => self.chars[self.at..].iter().copied().take_while(|&c| c.is_ascii_alphanumeric() || c == '_').collect(),
        };
        self.at += name.chars().count();
        if name.is_empty() {
            return Ok(Part::Literal { text: "$".to_owned(), quoted });
        }
        Ok(Part::Variable { name, operation: None, quoted })
    }

    fn braced(&mut self, quoted: bool) -> Result<Part, String> {
        let length = self.looking_at("#") && !self.looking_at("#}") && self.take("#");
        let special = self.peek().filter(|c| "?$!#@*".contains(*c)).map(|c| c.to_string());
        let name = special
            .unwrap_or_else(|| self.chars[self.at..].iter().copied().take_while(|&c| c.is_ascii_alphanumeric() || c == '_').collect());
        self.at += name.chars().count();
        if self.looking_at("[") && is_name(&name) {
            self.at += 1;
            let index = self.deeper(|parser| parser.double_quoted(Some(']')))?;
            return if self.take("}") {
                Ok(Part::Element { name, index, length, quoted })
            } else {
                Err("syntax error: bad substitution".to_owned())
            };
        }
        if self.take("}") {
            return Ok(if length { Part::Length(name) } else { Part::Variable { name, operation: None, quoted } });
        }
        let operators = [":-", ":=", ":+", ":?", "##", "%%", "-", "=", "+", "?", "#", "%"];
        let Some(operator) = operators.into_iter().find(|operator| self.looking_at(operator)).filter(|_| !name.is_empty()) else {
            return Err("syntax error: bad substitution".to_owned());
        };
        self.at += operator.len();
        let word = self.deeper(|parser| parser.double_quoted(Some('}')))?;
        Ok(Part::Variable { name, operation: Some((operator.to_owned(), word)), quoted })
    }
}

/// Whether a text can name a variable.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A word without expansions as text.
fn plain_text(word: &Word) -> Option<String> {
    word.iter().map(|part| if let Part::Literal { text, .. } = part { Some(text.as_str()) } else { None }).collect()
}
