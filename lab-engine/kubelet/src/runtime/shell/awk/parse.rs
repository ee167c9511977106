//! Reads programs: words, expressions by precedence, statements, rules.

use crate::runtime::shell::sed::regex;
use regex_lite::Regex;

/// How deep parentheses and blocks may be.
const MAX_DEPTH: usize = 64;

/// A rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    /// Without one the line is printed.
    pub(super) action: Option<Vec<Statement>>,
}

impl Rule {
    /// Whether it runs before the first line.
    pub(super) fn is_begin(&self) -> bool {
        matches!(self.pattern, Pattern::Begin)
    }
}

/// Which lines a rule is for.
#[derive(Debug)]
pub(super) enum Pattern {
    Begin,
    End,
    All,
    When(Expr),
}

/// A statement.
#[derive(Debug)]
pub(super) enum Statement {
    Print(Vec<Expr>),
    Printf(Vec<Expr>),
    Expr(Expr),
    If(Expr, Vec<Statement>, Vec<Statement>),
    /// For each key of an array.
    ForIn(String, String, Vec<Statement>),
    Next,
    Exit(Option<Expr>),
}

/// What can be assigned to.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Name(String),
    Element(String, Box<Expr>),
    Field(Box<Expr>),
}

/// An expression.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Number(f64),
    Text(String),
    Get(Place),
    /// The operator before `=`, if there is one.
    Set(Place, Option<char>, Box<Expr>),
    /// Adds so much; whether the value is that before.
    Step(Place, f64, bool),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Matches(Box<Expr>, Regex),
    Call(&'static str, Option<Box<Expr>>),
}

/// A word.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Text(String),
    Name(String),
    Regex(String),
    Sign(&'static str),
    /// The end of a statement: `;` or a new line.
    End,
}

/// Signs, longer ones first.
const SIGNS: [&str; 36] = [
    "&&", "||", "==", "!=", "<=", ">=", "!~", "++", "--", "+=", "-=", "*=", "/=", "%=", "{", "}", "(", ")", "[", "]", ",", "$", "=", "<",
    ">", "~", "!", "+", "-", "*", "/", "%", "|", "?", ":", "^",
];

/// A text with the escapes of C.
pub(super) fn unescape(text: &str) -> String {
    let (mut result, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => result.push('\n'),
                Some('t') => result.push('\t'),
                Some(other @ ('\\' | '"' | '/')) => result.push(other),
                Some(other) => result.extend(['\\', other]),
                None => result.push('\\'),
            },
            _ => result.push(c),
        }
    }
    result
}

/// What stands before the next `end` that is not escaped, and the rest behind it.
fn quoted(text: &str, end: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == end && !escaped {
            return Some((&text[..at], &text[at + c.len_utf8()..]));
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let (mut rest, mut found) = (text, Vec::<Token>::new());
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let Some(first) = rest.chars().next() else { return Ok(found) };
        let name = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        // Where a value has just ended, a slash divides.
        let after_value = matches!(found.last(), Some(Token::Number(_) | Token::Text(_) | Token::Name(_) | Token::Sign(")" | "]" | "$")));
        match first {
            ';' | '\n' => {
                found.push(Token::End);
                rest = &rest[1..];
            }
            '#' => rest = &rest[rest.find('\n').unwrap_or(rest.len())..],
            '"' => {
                let (inner, behind) = quoted(&rest[1..], '"').ok_or("unterminated string")?;
                found.push(Token::Text(unescape(inner)));
                rest = behind;
            }
            '/' if !after_value => {
                let (inner, behind) = quoted(&rest[1..], '/').ok_or("unterminated regular expression")?;
                found.push(Token::Regex(inner.replace("\\/", "/")));
                rest = behind;
            }
            '0'..='9' | '.' => {
                let exponent = |at: usize, c: char| matches!(c, '+' | '-') && rest[..at].ends_with(['e', 'E']);
                let part = |(at, c): &(usize, char)| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E') || exponent(*at, *c);
                let end = rest.char_indices().find(|place| !part(place)).map_or(rest.len(), |(at, _)| at);
                let number = rest[..end].parse().map_err(|_| format!("syntax error at {}", &rest[..end]))?;
                found.push(Token::Number(number));
                rest = &rest[end..];
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                found.push(Token::Name(rest[..name].to_owned()));
                rest = &rest[name..];
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign)).ok_or_else(|| format!("syntax error at {first}"))?;
                found.push(Token::Sign(sign));
                rest = &rest[sign.len()..];
            }
        }
    }
}

/// Reads a program.
///
/// # Errors
/// What is wrong, or not known here.
pub(super) fn program(text: &str) -> Result<Vec<Rule>, String> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0, depth: 0 };
    let mut rules = Vec::new();
    loop {
        reader.skip_ends();
        if reader.peek().is_none() {
            return Ok(rules);
        }
        let pattern = if reader.takes_name("BEGIN") {
            Pattern::Begin
        } else if reader.takes_name("END") {
            Pattern::End
        } else if reader.is("{") {
            Pattern::All
        } else {
            Pattern::When(reader.expr()?)
        };
        if reader.is(",") {
            return Err("ranges of lines are not supported here".to_owned());
        }
        let action = if reader.is("{") { Some(reader.block()?) } else { None };
        rules.push(Rule { pattern, action });
    }
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(found)) if *found == sign)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        self.at += usize::from(found);
        found
    }

    fn takes_name(&mut self, name: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Name(found)) if found == name);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.takes(sign) { Ok(()) } else { Err(format!("syntax error: '{sign}' expected, found {}", self.found())) }
    }

    fn found(&self) -> String {
        match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Sign(sign)) => format!("'{sign}'"),
            Some(Token::Name(name)) => format!("'{name}'"),
            Some(other) => format!("{other:?}"),
        }
    }

    fn skip_ends(&mut self) {
        while self.peek() == Some(&Token::End) {
            self.at += 1;
        }
    }

    /// Goes a level deeper for what `read` reads.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("the program is nested too deeply".to_owned());
        }
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn block(&mut self) -> Result<Vec<Statement>, String> {
        self.expect("{")?;
        let mut statements = Vec::new();
        loop {
            self.skip_ends();
            if self.takes("}") {
                return Ok(statements);
            }
            if self.peek().is_none() {
                return self.expect("}").map(|()| statements);
            }
            statements.push(self.deeper(Self::statement)?);
        }
    }

    /// One statement, or several in braces.
    fn body(&mut self) -> Result<Vec<Statement>, String> {
        self.skip_ends();
        if self.is("{") { self.deeper(Self::block) } else { Ok(vec![self.deeper(Self::statement)?]) }
    }

    fn statement(&mut self) -> Result<Statement, String> {
        let Some(Token::Name(name)) = self.peek().cloned() else { return Ok(Statement::Expr(self.expr()?)) };
        match name.as_str() {
            "print" | "printf" => {
                self.at += 1;
                let list = self.list()?;
                if self.is(">") || self.is("|") {
                    return Err("redirections are not supported here".to_owned());
                }
                Ok(if name == "print" { Statement::Print(list) } else { Statement::Printf(list) })
            }
            "next" => {
                self.at += 1;
                Ok(Statement::Next)
            }
            "exit" => {
                self.at += 1;
                let status = if self.ends_here() { None } else { Some(self.expr()?) };
                Ok(Statement::Exit(status))
            }
            "if" => {
                self.at += 1;
                self.expect("(")?;
                let condition = self.expr()?;
                self.expect(")")?;
                let then = self.body()?;
                let before = self.at;
                self.skip_ends();
                if self.takes_name("else") {
                    return Ok(Statement::If(condition, then, self.body()?));
                }
                self.at = before;
                Ok(Statement::If(condition, then, Vec::new()))
            }
            "for" => self.for_in(),
            "while" | "do" | "function" | "getline" | "delete" | "break" | "continue" | "return" => {
                Err(format!("'{name}' is not supported here"))
            }
            _ => Ok(Statement::Expr(self.expr()?)),
        }
    }

    fn for_in(&mut self) -> Result<Statement, String> {
        let unsupported = "of loops only 'for (KEY in ARRAY)' is supported here";
        match self.tokens.get(self.at + 1..self.at + 6) {
            Some([Token::Sign("("), Token::Name(key), Token::Name(word), Token::Name(array), Token::Sign(")")]) if word == "in" => {
                let (key, array) = (key.clone(), array.clone());
                self.at += 6;
                Ok(Statement::ForIn(key, array, self.body()?))
            }
            _ => Err(unsupported.to_owned()),
        }
    }

    fn ends_here(&self) -> bool {
        matches!(self.peek(), None | Some(Token::End | Token::Sign("}")))
    }

    /// What `print` prints: expressions in which `>` does not compare, unless they are in parentheses.
    fn list(&mut self) -> Result<Vec<Expr>, String> {
        let mut list = Vec::new();
        if self.ends_here() || self.is(">") || self.is("|") {
            return Ok(list);
        }
        loop {
            list.push(self.binary(0, false)?);
            if !self.takes(",") {
                return Ok(list);
            }
        }
    }

    fn expr(&mut self) -> Result<Expr, String> {
        self.deeper(|reader| reader.binary(0, true))
    }

    /// An expression whose operators bind at least as strongly as `level`: `||`, `&&`, `~`, comparisons, joining, `+`, `*`.
    fn binary(&mut self, level: usize, compares: bool) -> Result<Expr, String> {
        const LEVELS: [&[&str]; 7] =
            [&["||"], &["&&"], &["~", "!~"], &["==", "!=", "<=", ">=", "<", ">"], &[""], &["+", "-"], &["*", "/", "%"]];
        let Some(signs) = LEVELS.get(level) else { return self.unary(compares) };
        let mut left = self.binary(level + 1, compares)?;
        loop {
            let sign = match self.peek() {
                Some(Token::Sign(found)) => signs.iter().find(|sign| *sign == found && (compares || **sign != ">")),
                _ => None,
            };
            left = match sign {
                Some(&sign @ ("~" | "!~")) => {
                    self.at += 1;
                    let pattern = match self.peek() {
                        Some(Token::Regex(text) | Token::Text(text)) => regex(text, true, false)?,
                        _ => return Err("only a constant regular expression is supported behind '~' here".to_owned()),
                    };
                    self.at += 1;
                    let matches = Expr::Matches(Box::new(left), pattern);
                    if sign == "~" { matches } else { Expr::Not(Box::new(matches)) }
                }
                Some(&sign) => {
                    self.at += 1;
                    Expr::Binary(sign, Box::new(left), Box::new(self.binary(level + 1, compares)?))
                }
                None if signs == &[""] && self.begins_value() => {
                    Expr::Binary("", Box::new(left), Box::new(self.binary(level + 1, compares)?))
                }
                None => return Ok(left),
            };
        }
    }

    /// Whether what comes can only be the beginning of a value, which is joined to the one before.
    fn begins_value(&self) -> bool {
        match self.peek() {
            Some(Token::Number(_) | Token::Text(_) | Token::Sign("$" | "(")) => true,
            Some(Token::Name(name)) => name != "in",
            _ => false,
        }
    }

    fn unary(&mut self, compares: bool) -> Result<Expr, String> {
        for (sign, by) in [("++", 1.0), ("--", -1.0)] {
            if self.takes(sign) {
                return match self.deeper(|reader| reader.unary(compares))? {
                    Expr::Get(place) => Ok(Expr::Step(place, by, false)),
                    _ => Err(format!("syntax error behind '{sign}'")),
                };
            }
        }
        if self.takes("!") {
            return Ok(Expr::Not(Box::new(self.deeper(|reader| reader.unary(compares))?)));
        }
        if self.takes("-") {
            return Ok(Expr::Negative(Box::new(self.deeper(|reader| reader.unary(compares))?)));
        }
        let value = self.primary()?;
        let Expr::Get(place) = &value else { return Ok(value) };
        for (sign, operator) in [("=", None), ("+=", Some('+')), ("-=", Some('-')), ("*=", Some('*')), ("/=", Some('/')), ("%=", Some('%'))]
        {
            if self.takes(sign) {
                if matches!(place, Place::Name(name) if matches!(name.as_str(), "RS" | "ORS" | "NF" | "NR")) {
                    return Err("RS, ORS, NF and NR cannot be set here".to_owned());
                }
                return Ok(Expr::Set(place.clone(), operator, Box::new(self.deeper(|reader| reader.binary(0, compares))?)));
            }
        }
        for (sign, by) in [("++", 1.0), ("--", -1.0)] {
            if self.takes(sign) {
                return Ok(Expr::Step(place.clone(), by, true));
            }
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let Some(token) = self.peek().cloned() else { return Err("syntax error: a value expected, found the end".to_owned()) };
        let unexpected = format!("syntax error: a value expected, found {}", self.found());
        self.at += 1;
        match token {
            Token::Number(number) => Ok(Expr::Number(number)),
            Token::Text(text) => Ok(Expr::Text(text)),
            Token::Regex(text) => {
                let line = Expr::Get(Place::Field(Box::new(Expr::Number(0.0))));
                Ok(Expr::Matches(Box::new(line), regex(&text, true, false)?))
            }
            Token::Sign("(") => {
                let inner = self.expr()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("$") => {
                let number = self.deeper(Self::primary)?;
                Ok(Expr::Get(Place::Field(Box::new(number))))
            }
            Token::Name(name) => self.named(name),
            Token::Sign(_) | Token::End => Err(unexpected),
        }
    }

    fn named(&mut self, name: String) -> Result<Expr, String> {
        if let Some(function) = ["length", "tolower", "toupper"].into_iter().find(|function| *function == name) {
            if !self.takes("(") {
                return if function == "length" { Ok(Expr::Call(function, None)) } else { Err(format!("'(' expected behind {name}")) };
            }
            let argument = if self.is(")") { None } else { Some(Box::new(self.expr()?)) };
            self.expect(")")?;
            return Ok(Expr::Call(function, argument));
        }
        // A function is called without a space before its parenthesis; a variable is never joined to one in practice.
        if self.is("(") {
            return Err(format!("the function {name} is not supported here"));
        }
        if self.takes("[") {
            let key = self.expr()?;
            self.expect("]")?;
            return Ok(Expr::Get(Place::Element(name, Box::new(key))));
        }
        Ok(Expr::Get(Place::Name(name)))
    }
}
