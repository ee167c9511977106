//! Expansion of words: variables, results of commands, arithmetic, field splitting, file names.
//!
//! Command substitutions are run before: [`substitutions`] lists them in order, and [`Expander`] takes their outputs in the same order. So
//! one in `${NAME:-$(…)}` runs whether its result is needed or not.

use super::arith;
use super::ast::{List, Part, Word};
use std::collections::{BTreeMap, VecDeque};

/// The commands in a word whose output it needs, in order.
pub(crate) fn substitutions(word: &Word, found: &mut Vec<List>) {
    for part in word {
        match part {
            Part::Command { list, .. } => found.push(list.clone()),
            Part::Arithmetic { expression, .. } => substitutions(expression, found),
            Part::Variable { operation: Some((_, word)), .. } => substitutions(word, found),
            Part::Element { index, .. } => substitutions(index, found),
            Part::Array(words) => words.iter().for_each(|word| substitutions(word, found)),
            _ => {}
        }
    }
}

/// What words are expanded from.
pub(crate) struct Expander<'a> {
    pub(crate) vars: &'a mut BTreeMap<String, String>,
    pub(crate) params: &'a [String],
    pub(crate) name: &'a str,
    pub(crate) status: i32,
    pub(crate) last_job: u32,
    pub(crate) results: VecDeque<String>,
    pub(crate) error: Option<String>,
}

/// How much text one word may become.
const MAX_TEXT: usize = 1 << 20;

#[derive(Default)]
struct Fields {
    done: Vec<(String, bool)>,
    /// The field being built, and whether it has a quoted part that keeps its stars from being patterns.
    current: Option<(String, bool)>,
}

impl Fields {
    fn push(&mut self, text: &str, quoted: bool) {
        let (field, any) = self.current.get_or_insert_with(Default::default);
        if field.len() + text.len() <= MAX_TEXT {
            field.push_str(text);
        }
        *any |= quoted;
    }

    fn split(&mut self, text: &str) {
        if text.starts_with(char::is_whitespace) {
            self.done.extend(self.current.take());
        }
        for (index, piece) in text.split_whitespace().enumerate() {
            if index > 0 {
                self.done.extend(self.current.take());
            }
            self.push(piece, false);
        }
        if text.ends_with(char::is_whitespace) {
            self.done.extend(self.current.take());
        }
    }
}

/// A field for each of the texts.
fn each(texts: &[String], fields: &mut Fields) {
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            fields.done.extend(fields.current.take());
        }
        fields.push(text, true);
    }
}

/// The sign, `@` or `*`, of an index that stands for all elements.
fn is_all(index: &Word) -> Option<char> {
    match &index[..] {
        [Part::Literal { text, .. }] if text == "@" => Some('@'),
        [Part::Literal { text, .. }] if text == "*" => Some('*'),
        _ => None,
    }
}

/// The name under which an element of an array is kept.
pub(crate) fn element_name(array: &str, index: usize) -> String {
    format!("{array}[{index}]")
}

/// The elements of an array; a plain variable is an array of one.
fn elements(vars: &BTreeMap<String, String>, array: &str) -> Vec<String> {
    let found: Vec<String> = (0..).map_while(|index| vars.get(&element_name(array, index)).cloned()).collect();
    if found.is_empty() { vars.get(array).cloned().into_iter().collect() } else { found }
}

impl Expander<'_> {
    /// What an assignment sets: the variable, or the array's elements in the place of those that it had.
    pub(crate) fn assigned(&mut self, name: &str, value: &Word) -> Vec<(String, String)> {
        let [Part::Array(words)] = &value[..] else { return vec![(name.to_owned(), self.text(value))] };
        let fields: Vec<String> = words.iter().flat_map(|word| self.fields(word)).map(|(text, _)| text).collect();
        let old = element_name(name, 0).trim_end_matches("0]").to_owned();
        self.vars.retain(|key, _| key != name && !key.starts_with(&old));
        // The name alone means the first element.
        let first = fields.first().map(|text| (name.to_owned(), text.clone()));
        first.into_iter().chain(fields.iter().enumerate().map(|(index, text)| (element_name(name, index), text.clone()))).collect()
    }

    /// `${NAME[INDEX]}` and `${#NAME[INDEX]}`.
    fn element(&mut self, name: &str, index: &Word, length: bool) -> String {
        let all = elements(self.vars, name);
        if is_all(index).is_some() {
            return if length { all.len().to_string() } else { all.join(" ") };
        }
        let index = self.text(index);
        let vars = &*self.vars;
        let found = match arith::evaluate(&index, &|name| vars.get(name).cloned().unwrap_or_default()) {
            // From the end when it is below zero.
            Ok(index) if index < 0 => usize::try_from(index.unsigned_abs()).ok().and_then(|back| all.len().checked_sub(back)),
            Ok(index) => usize::try_from(index).ok(),
            Err(error) => {
                self.error = Some(error);
                None
            }
        };
        let text = found.and_then(|index| all.get(index)).cloned().unwrap_or_default();
        if length { text.chars().count().to_string() } else { text }
    }

    /// The fields of a word; the flag says that a field has quoted parts.
    pub(crate) fn fields(&mut self, word: &Word) -> Vec<(String, bool)> {
        let mut fields = Fields::default();
        for part in word {
            match part {
                Part::Literal { text, quoted: false } if text == "~" || text.starts_with("~/") => {
                    let home = self.vars.get("HOME").cloned().unwrap_or_default();
                    fields.push(&text.replacen('~', &home, 1), false);
                }
                Part::Literal { text, quoted } => fields.push(text, *quoted),
                Part::Variable { name, operation: None, quoted: true } if name == "@" => each(self.params, &mut fields),
                Part::Element { name, index, length: false, quoted: true } if is_all(index) == Some('@') => {
                    each(&elements(self.vars, name), &mut fields);
                }
                part => {
                    let (text, quoted) = self.part(part);
                    if quoted { fields.push(&text, true) } else { fields.split(&text) }
                }
            }
        }
        fields.done.extend(fields.current.take());
        // A pair of quotes around nothing but `$@` without parameters is no field.
        let all_params = word.iter().any(|part| matches!(part, Part::Variable { name, operation: None, .. } if name == "@"));
        if all_params && self.params.is_empty() {
            fields.done.retain(|(text, _)| !text.is_empty());
        }
        fields.done
    }

    /// A word as one text, without splitting.
    pub(crate) fn text(&mut self, word: &Word) -> String {
        let mut text = String::new();
        for part in word {
            let (piece, _) = self.part(part);
            if text.len() + piece.len() <= MAX_TEXT {
                text.push_str(&piece);
            }
        }
        text
    }

    fn part(&mut self, part: &Part) -> (String, bool) {
        match part {
            Part::Literal { text, quoted } => (text.clone(), *quoted),
            Part::Length(name) => (self.variable(name).unwrap_or_default().chars().count().to_string(), true),
            Part::Element { name, index, length, quoted } => (self.element(name, index, *length), *quoted),
            Part::Array(words) => (words.iter().map(|word| self.text(word)).collect::<Vec<_>>().join(" "), true),
            Part::Command { quoted, .. } => (self.results.pop_front().unwrap_or_default().trim_end_matches('\n').to_owned(), *quoted),
            Part::Arithmetic { expression, quoted } => {
                let text = self.text(expression);
                let vars = &*self.vars;
                match arith::evaluate(&text, &|name| vars.get(name).cloned().unwrap_or_default()) {
                    Ok(value) => (value.to_string(), *quoted),
                    Err(error) => {
                        self.error = Some(error);
                        (String::new(), *quoted)
                    }
                }
            }
            Part::Variable { name, operation, quoted } => {
                let value = self.variable(name);
                let text = match operation {
                    None => value.unwrap_or_default(),
                    Some((operator, word)) => self.operate(name, operator, word, value),
                };
                (text, *quoted)
            }
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(self.status.to_string()),
            "$" => Some("1".to_owned()),
            "!" => Some(self.last_job.to_string()),
            "#" => Some(self.params.len().to_string()),
            "-" => Some(String::new()),
            "@" | "*" => Some(self.params.join(" ")),
            "0" => Some(self.name.to_owned()),
            name if name.starts_with(|c: char| c.is_ascii_digit()) => {
                name.parse::<usize>().ok().and_then(|index| self.params.get(index.checked_sub(1)?)).cloned()
            }
            name => self.vars.get(name).cloned(),
        }
    }

    fn operate(&mut self, name: &str, operator: &str, word: &Word, value: Option<String>) -> String {
        let word = self.text(word);
        let set = value.as_ref().is_some_and(|value| !operator.starts_with(':') || !value.is_empty());
        match operator.trim_start_matches(':') {
            "-" => {
                if set {
                    value.unwrap_or_default()
                } else {
                    word
                }
            }
            "+" => {
                if set {
                    word
                } else {
                    String::new()
                }
            }
            "=" if set => value.unwrap_or_default(),
            "=" => {
                self.vars.insert(name.to_owned(), word.clone());
                word
            }
            "?" if set => value.unwrap_or_default(),
            "?" => {
                self.error = Some(format!("{name}: {}", if word.is_empty() { "parameter not set" } else { &word }));
                String::new()
            }
            cut => strip(&value.unwrap_or_default(), cut, &word),
        }
    }
}

/// `${NAME#pattern}` and its kin.
fn strip(value: &str, operator: &str, pattern: &str) -> String {
    let ends: Vec<usize> = value.char_indices().map(|(at, _)| at).chain([value.len()]).collect();
    let found = match operator {
        "#" => ends.iter().find(|&&at| matches(pattern, &value[..at])),
        "##" => ends.iter().rev().find(|&&at| matches(pattern, &value[..at])),
        "%" => ends.iter().rev().find(|&&at| matches(pattern, &value[at..])),
        _ => ends.iter().find(|&&at| matches(pattern, &value[at..])),
    };
    match found {
        Some(&at) if operator.starts_with('#') => value[at..].to_owned(),
        Some(&at) => value[..at].to_owned(),
        None => value.to_owned(),
    }
}

/// Whether a pattern with `*`, `?` and `[…]` matches a whole text. Linear in memory, at most quadratic in time.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match one(&pattern[p.min(pattern.len())..], text[t]) {
            Some(width) => {
                p += width;
                t += 1;
            }
            None if pattern.get(p) == Some(&'*') => {
                star = Some((p, t));
                p += 1;
            }
            None => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// How much of the pattern matches this one character.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '*' => None,
        '?' => Some(1),
        '[' => {
            let end = pattern.iter().skip(2).position(|&c| c == ']')? + 2;
            let negated = matches!(pattern[1], '!' | '^');
            let set = &pattern[1 + usize::from(negated)..end];
            let range = set.windows(3).any(|w| w[1] == '-' && w[0] <= c && c <= w[2]);
            ((range || set.contains(&c)) != negated).then_some(end + 1)
        }
        '\\' if pattern.len() > 1 => (pattern[1] == c).then_some(2),
        literal => (*literal == c).then_some(1),
    }
}
