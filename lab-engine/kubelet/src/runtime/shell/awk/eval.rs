//! Runs programs: values, fields, variables, and what is printed.

use super::parse::{Expr, Pattern, Place, Rule, Statement};
use crate::runtime::shell::sed::regex;
use crate::runtime::shell::tools::printf;
use std::collections::BTreeMap;

/// How many statements a program may run.
const MAX_STEPS: usize = 500_000;
/// How long what is printed, or a value, may get.
const MAX_TEXT: usize = 1 << 20;
/// How many fields a line may have.
const MAX_FIELDS: usize = 10_000;

/// A value.
#[derive(Clone, Debug)]
enum Value {
    Number(f64),
    Text(String),
    /// What was read: a number where it looks like one.
    Read(String),
    Unset,
}

/// The number that a text begins with.
fn leading_number(text: &str) -> f64 {
    let text = text.trim_start();
    let longest = (1..=text.len().min(40)).rev().filter(|end| text.is_char_boundary(*end));
    longest.into_iter().find_map(|end| text[..end].parse().ok().filter(|number: &f64| number.is_finite())).unwrap_or(0.0)
}

/// A number as awk prints it: whole, or with six digits (`%.6g`).
fn shown(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e16 {
        return format!("{number:.0}");
    }
    if !number.is_finite() {
        return if number.is_nan() { "nan" } else { "inf" }.to_owned();
    }
    let scientific = format!("{number:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() };
    if (-4..6).contains(&exponent) {
        let digits = usize::try_from(5 - exponent).unwrap_or(0);
        return trim(&format!("{number:.digits$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
}

impl Value {
    fn number(&self) -> f64 {
        match self {
            Value::Number(number) => *number,
            Value::Text(text) | Value::Read(text) => leading_number(text),
            Value::Unset => 0.0,
        }
    }

    fn text(&self) -> String {
        match self {
            Value::Number(number) => shown(*number),
            Value::Text(text) | Value::Read(text) => text.clone(),
            Value::Unset => String::new(),
        }
    }

    /// The number, if it counts as one in comparisons and conditions.
    fn as_number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Read(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            Value::Unset => Some(0.0),
            Value::Text(_) => None,
        }
    }

    fn holds(&self) -> bool {
        match self.as_number() {
            Some(number) => number != 0.0,
            None => !self.text().is_empty(),
        }
    }
}

/// What comes after a statement.
enum Flow {
    On,
    Next,
    Exit(i32),
}

/// The state of a program that runs.
pub(super) struct Machine {
    variables: BTreeMap<String, Value>,
    arrays: BTreeMap<String, BTreeMap<String, Value>>,
    line: String,
    fields: Vec<String>,
    number: usize,
    out: String,
    steps: usize,
}

impl Machine {
    /// A machine with these variables.
    pub(super) fn new(separator: Option<String>, variables: Vec<(String, String)>) -> Self {
        let mut all: BTreeMap<String, Value> = variables.into_iter().map(|(name, value)| (name, Value::Read(value))).collect();
        all.extend(separator.map(|separator| ("FS".to_owned(), Value::Text(separator))));
        let (line, fields, out) = (String::new(), Vec::new(), String::new());
        Machine { variables: all, arrays: BTreeMap::new(), line, fields, number: 0, out, steps: 0 }
    }

    /// What was printed.
    pub(super) fn printed(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// Runs a program over a text; its exit status.
    ///
    /// # Errors
    /// What cannot be done.
    pub(super) fn run(&mut self, rules: &[Rule], text: &str) -> Result<i32, String> {
        let of = |wanted: fn(&Pattern) -> bool| rules.iter().filter(move |rule| wanted(&rule.pattern));
        let mut status = None;
        for rule in of(|pattern| matches!(pattern, Pattern::Begin)) {
            if let Flow::Exit(code) = self.act(rule)? {
                return Ok(code);
            }
        }
        'lines: for line in text.lines() {
            self.read(line)?;
            for rule in of(|pattern| matches!(pattern, Pattern::All | Pattern::When(_))) {
                let applies = if let Pattern::When(condition) = &rule.pattern { self.value(condition)?.holds() } else { true };
                match if applies { self.act(rule)? } else { Flow::On } {
                    Flow::On => {}
                    Flow::Next => break,
                    Flow::Exit(code) => {
                        status = Some(code);
                        break 'lines;
                    }
                }
            }
        }
        for rule in of(|pattern| matches!(pattern, Pattern::End)) {
            if let Flow::Exit(code) = self.act(rule)? {
                return Ok(code);
            }
        }
        Ok(status.unwrap_or(0))
    }

    fn act(&mut self, rule: &Rule) -> Result<Flow, String> {
        match &rule.action {
            Some(statements) => self.all(statements),
            None => self.all(&[Statement::Print(Vec::new())]),
        }
    }

    fn text_of(&self, name: &str, usual: &str) -> String {
        self.variables.get(name).map_or_else(|| usual.to_owned(), Value::text)
    }

    /// Takes a line in and splits it.
    fn read(&mut self, line: &str) -> Result<(), String> {
        self.number += 1;
        self.take_line(line)
    }

    /// Makes this the line, with its fields.
    fn take_line(&mut self, line: &str) -> Result<(), String> {
        let separator = self.text_of("FS", " ");
        let own = |parts: &mut dyn Iterator<Item = &str>| parts.take(MAX_FIELDS).map(str::to_owned).collect();
        self.fields = match separator.as_str() {
            " " => own(&mut line.split_whitespace()),
            _ if line.is_empty() => Vec::new(),
            separator if separator.chars().count() == 1 => own(&mut line.split(separator)),
            separator => own(&mut regex(separator, true, false)?.split(line)),
        };
        self.line = line.to_owned();
        Ok(())
    }

    fn print(&mut self, text: &str) {
        if self.out.len() + text.len() <= MAX_TEXT {
            self.out.push_str(text);
        }
    }

    fn all(&mut self, statements: &[Statement]) -> Result<Flow, String> {
        for statement in statements {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return Err(format!("the program takes more than {MAX_STEPS} steps"));
            }
            match self.statement(statement)? {
                Flow::On => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::On)
    }

    fn statement(&mut self, statement: &Statement) -> Result<Flow, String> {
        match statement {
            Statement::Print(list) if list.is_empty() => {
                let line = self.line.clone();
                self.print(&line);
                self.print("\n");
            }
            Statement::Print(list) => {
                let texts: Vec<String> = self.texts(list)?;
                let text = texts.join(&self.text_of("OFS", " "));
                self.print(&text);
                self.print("\n");
            }
            Statement::Printf(list) => {
                let texts = self.texts(list)?;
                let (format, args) = texts.split_first().ok_or("printf: no format")?;
                self.print(&printf(format, args));
            }
            Statement::Expr(expr) => {
                self.value(expr)?;
            }
            Statement::If(condition, then, or) => {
                let branch = if self.value(condition)?.holds() { then } else { or };
                return self.all(branch);
            }
            Statement::ForIn(key, array, body) => {
                let keys: Vec<String> = self.arrays.get(array).map(|array| array.keys().cloned().collect()).unwrap_or_default();
                for found in keys {
                    self.variables.insert(key.clone(), Value::Read(found));
                    match self.all(body)? {
                        Flow::On => {}
                        other => return Ok(other),
                    }
                }
            }
            Statement::Next => return Ok(Flow::Next),
            Statement::Exit(status) => {
                let code = status.as_ref().map_or(Ok(0.0), |status| self.value(status).map(|value| value.number()))?;
                return Ok(Flow::Exit(whole(code).and_then(|code| i32::try_from(code).ok()).unwrap_or(1)));
            }
        }
        Ok(Flow::On)
    }

    fn texts(&mut self, list: &[Expr]) -> Result<Vec<String>, String> {
        list.iter().map(|expr| self.value(expr).map(|value| value.text())).collect()
    }

    fn value(&mut self, expr: &Expr) -> Result<Value, String> {
        Ok(match expr {
            Expr::Number(number) => Value::Number(*number),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Get(place) => self.get(place)?,
            Expr::Set(place, operator, value) => {
                let mut value = self.value(value)?;
                if let Some(operator) = operator {
                    value = Value::Number(calculated(*operator, self.get(place)?.number(), value.number())?);
                }
                self.set(place, value.clone())?;
                value
            }
            Expr::Step(place, by, before) => {
                let old = self.get(place)?.number();
                self.set(place, Value::Number(old + by))?;
                Value::Number(if *before { old } else { old + by })
            }
            Expr::Binary(sign, left, right) => self.binary(sign, left, right)?,
            Expr::Not(value) => truth(!self.value(value)?.holds()),
            Expr::Negative(value) => Value::Number(-self.value(value)?.number()),
            Expr::Matches(value, regex) => truth(regex.is_match(&self.value(value)?.text())),
            Expr::Call(function, argument) => {
                let text = match argument {
                    Some(argument) => self.value(argument)?.text(),
                    None => self.line.clone(),
                };
                match *function {
                    "tolower" => Value::Text(text.to_lowercase()),
                    "toupper" => Value::Text(text.to_uppercase()),
                    _ => Value::Number(u32::try_from(text.chars().count()).map_or(0.0, f64::from)),
                }
            }
        })
    }

    fn binary(&mut self, sign: &str, left: &Expr, right: &Expr) -> Result<Value, String> {
        let left = self.value(left)?;
        if matches!((sign, left.holds()), ("&&", false) | ("||", true)) {
            return Ok(truth(left.holds()));
        }
        let right = self.value(right)?;
        Ok(match sign {
            "&&" | "||" => truth(right.holds()),
            "" => {
                let text = left.text() + &right.text();
                if text.len() > MAX_TEXT {
                    return Err("a text becomes too long".to_owned());
                }
                Value::Text(text)
            }
            "+" | "-" | "*" | "/" | "%" => {
                let operator = sign.chars().next().unwrap_or('+');
                Value::Number(calculated(operator, left.number(), right.number())?)
            }
            _ => {
                let order = match (left.as_number(), right.as_number()) {
                    (Some(left), Some(right)) => left.total_cmp(&right),
                    _ => left.text().cmp(&right.text()),
                };
                truth(match sign {
                    "==" => order.is_eq(),
                    "!=" => order.is_ne(),
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
        })
    }

    fn field(&mut self, number: &Expr) -> Result<usize, String> {
        let number = self.value(number)?.number();
        whole(number)
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| *number <= MAX_FIELDS)
            .ok_or_else(|| format!("access to field {}", shown(number)))
    }

    fn get(&mut self, place: &Place) -> Result<Value, String> {
        let count = |count: usize| Value::Number(u32::try_from(count).map_or(0.0, f64::from));
        Ok(match place {
            Place::Name(name) => match name.as_str() {
                "NR" | "FNR" => count(self.number),
                "NF" => count(self.fields.len()),
                _ => self.variables.get(name).cloned().unwrap_or(Value::Unset),
            },
            Place::Element(array, key) => {
                let key = self.value(key)?.text();
                self.arrays.get(array).and_then(|array| array.get(&key)).cloned().unwrap_or(Value::Unset)
            }
            Place::Field(number) => match self.field(number)? {
                0 => Value::Read(self.line.clone()),
                number => self.fields.get(number - 1).cloned().map_or(Value::Unset, Value::Read),
            },
        })
    }

    fn set(&mut self, place: &Place, value: Value) -> Result<(), String> {
        match place {
            Place::Name(name) => {
                self.variables.insert(name.clone(), value);
            }
            Place::Element(array, key) => {
                let key = self.value(key)?.text();
                self.arrays.entry(array.clone()).or_default().insert(key, value);
            }
            Place::Field(number) => match self.field(number)? {
                0 => self.take_line(&value.text())?,
                number => {
                    if self.fields.len() < number {
                        self.fields.resize(number, String::new());
                    }
                    self.fields[number - 1] = value.text();
                    self.line = self.fields.join(&self.text_of("OFS", " "));
                }
            },
        }
        Ok(())
    }
}

fn truth(holds: bool) -> Value {
    Value::Number(f64::from(u8::from(holds)))
}

/// A whole number, cut off.
fn whole(number: f64) -> Option<i64> {
    format!("{:.0}", number.trunc()).parse().ok()
}

fn calculated(operator: char, left: f64, right: f64) -> Result<f64, String> {
    match operator {
        '+' => Ok(left + right),
        '-' => Ok(left - right),
        '*' => Ok(left * right),
        _ if right == 0.0 => Err("division by zero".to_owned()),
        '/' => Ok(left / right),
        _ => Ok(left % right),
    }
}
