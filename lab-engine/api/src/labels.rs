//! Label selectors (`k8s.io/apimachinery/pkg/labels`): `app=web,tier in (a, b),!canary`.
//!
//! **Simplified here:** of several things wrong with a requirement, the errors stand in the order of key, values.

use crate::meta::{LabelSelector, StringMap};
use crate::names;
use crate::status::{FieldError, FieldErrorKind};
use std::collections::BTreeSet;
use std::fmt;

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`.
    Equals,
    /// `==`; the same as `=`.
    DoubleEquals,
    /// `!=`.
    NotEquals,
    /// `in`.
    In,
    /// `notin`.
    NotIn,
    /// The key alone.
    Exists,
    /// `!` and the key.
    DoesNotExist,
    /// `>`.
    GreaterThan,
    /// `<`.
    LessThan,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// How it compares.
    pub operator: Operator,
    /// What it compares with.
    pub values: BTreeSet<String>,
}

/// Requirements of which all must hold; none of them: everything matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// The requirements, by key.
    pub requirements: Vec<Requirement>,
    /// Whether nothing matches, as for an absent `LabelSelector`.
    pub nothing: bool,
}

impl Operator {
    const ALL: [(&'static str, Operator); 9] = [
        ("=", Operator::Equals),
        ("==", Operator::DoubleEquals),
        ("!=", Operator::NotEquals),
        ("in", Operator::In),
        ("notin", Operator::NotIn),
        ("exists", Operator::Exists),
        ("!", Operator::DoesNotExist),
        ("gt", Operator::GreaterThan),
        ("lt", Operator::LessThan),
    ];
}

/// What is wrong with the number of values.
fn wrong_count(operator: Operator, count: usize) -> Option<&'static str> {
    let (fits, why) = match operator {
        Operator::In | Operator::NotIn => (count > 0, "for 'in', 'notin' operators, values set can't be empty"),
        Operator::Equals | Operator::DoubleEquals | Operator::NotEquals => {
            (count == 1, "exact-match compatibility requires one single value")
        }
        Operator::Exists | Operator::DoesNotExist => (count == 0, "values set must be empty for exists and does not exist"),
        Operator::GreaterThan | Operator::LessThan => (count == 1, "for 'Gt', 'Lt' operators, exactly one value is required"),
    };
    (!fits).then_some(why)
}

impl Requirement {
    /// A requirement whose parts are checked (`labels.NewRequirement`). `operator` is written as `selection.Operator`: `in`, `=`, `gt`, …
    ///
    /// # Errors
    /// What is wrong with key, operator and values.
    pub fn checked(key: &str, operator: &str, values: BTreeSet<String>) -> Result<Self, Vec<FieldError>> {
        let mut errors: Vec<FieldError> =
            names::qualified_name(key).into_iter().map(|detail| FieldError::invalid("key", key, detail)).collect();
        let Some((_, operator)) = Operator::ALL.iter().find(|(text, _)| *text == operator) else {
            let known = Operator::ALL.map(|(text, _)| text);
            errors.push(FieldError::not_supported("operator", operator, &known));
            return Err(errors);
        };
        if let Some(detail) = wrong_count(*operator, values.len()) {
            let list: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
            errors.push(FieldError::new(FieldErrorKind::Invalid, "values", format!("[{}]", list.join(",")), detail));
        }
        let bounded = matches!(operator, Operator::GreaterThan | Operator::LessThan);
        for (index, value) in values.iter().enumerate() {
            if bounded && value.parse::<i64>().is_err() {
                let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
                errors.push(FieldError::invalid(format!("values[{index}]"), value, detail));
            }
            let wrong = names::label_value(value).into_iter();
            errors.extend(wrong.map(|detail| FieldError::invalid(format!("values[{index}][{key}]"), value, detail)));
        }
        if errors.is_empty() { Ok(Requirement { key: key.to_owned(), operator: *operator, values }) } else { Err(errors) }
    }

    /// The requirement again, checked.
    fn check(self) -> Result<Self, String> {
        let text = Operator::ALL.iter().find(|(_, operator)| *operator == self.operator).map_or("", |(text, _)| text);
        Self::checked(&self.key, text, self.values).map_err(|errors| joined(&errors))
    }

    /// Whether the labels fulfil the requirement.
    pub fn matches(&self, labels: &StringMap) -> bool {
        let value = labels.get(&self.key);
        let number = |text: &String| text.parse::<i64>().ok();
        let compared = || value.and_then(number).zip(self.values.first().and_then(number));
        match self.operator {
            Operator::Equals | Operator::DoubleEquals | Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotEquals | Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => compared().is_some_and(|(value, bound)| value > bound),
            Operator::LessThan => compared().is_some_and(|(value, bound)| value < bound),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        let values = values.join(",");
        match self.operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.requirements.iter().map(Requirement::to_string).collect();
        f.write_str(&all.join(","))
    }
}

impl Selector {
    /// Reads a selector as `kubectl --selector` and the `labelSelector` parameter write it.
    ///
    /// # Errors
    /// The message of upstream.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Tokens { rest: text };
        let mut requirements = Vec::new();
        loop {
            match parser.peek() {
                "" => break,
                "," | "(" | ")" | "=" | "==" | "!=" | ">" | "<" => {
                    return Err(format!("found '{}', expected: !, identifier, or 'end of string'", parser.peek()));
                }
                _ => requirements.push(parser.requirement().map_err(|error| format!("unable to parse requirement: {error}"))?),
            }
            match parser.next() {
                "" => break,
                "," => {
                    let after = parser.peek();
                    if after != "!" && (after.is_empty() || is_special(after)) {
                        return Err(format!("found '{after}', expected: identifier after ','"));
                    }
                }
                other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
            }
        }
        requirements.sort_by(|a: &Requirement, b| a.key.cmp(&b.key));
        Ok(Selector { requirements, nothing: false })
    }

    /// The selector that an object holds (`metav1.LabelSelectorAsSelector`): absent matches nothing, empty everything.
    ///
    /// # Errors
    /// The message of upstream for an operator that does not exist.
    pub fn from_label_selector(selector: Option<&LabelSelector>) -> Result<Self, String> {
        let Some(selector) = selector else {
            return Ok(Selector { requirements: Vec::new(), nothing: true });
        };
        let mut all = Self::from_map(&selector.match_labels);
        for expression in &selector.match_expressions {
            let operator = match expression.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(format!("{other:?} is not a valid label selector operator")),
            };
            let values: BTreeSet<String> = expression.values.iter().cloned().collect();
            all.requirements.push(Requirement { key: expression.key.clone(), operator, values }.check()?);
        }
        all.requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(all)
    }

    /// The selector for labels that must all be equal (`SelectorFromSet`), as Services hold it.
    pub fn from_map(labels: &StringMap) -> Self {
        let requirement = |(key, value): (&String, &String)| Requirement {
            key: key.clone(),
            operator: Operator::Equals,
            values: BTreeSet::from([value.clone()]),
        };
        Selector { requirements: labels.iter().map(requirement).collect(), nothing: false }
    }

    /// As [`Selector::from_map`], with the labels checked (`ValidatedSelectorFromSet`).
    ///
    /// # Errors
    /// What is wrong with the labels.
    pub fn from_map_checked(labels: &StringMap) -> Result<Self, Vec<FieldError>> {
        let requirement = |(key, value): (&String, &String)| Requirement::checked(key, "=", BTreeSet::from([value.clone()]));
        let requirements = labels.iter().map(requirement).collect::<Result<Vec<_>, _>>()?;
        Ok(Selector { requirements, nothing: false })
    }

    /// The one value that the selector lets the label have, if it does (`RequiresExactMatch`).
    pub fn exact_value(&self, label: &str) -> Option<&str> {
        let requirement = self.requirements.iter().find(|requirement| requirement.key == label)?;
        let pins = matches!(requirement.operator, Operator::Equals | Operator::DoubleEquals | Operator::In);
        requirement.values.first().filter(|_| pins && requirement.values.len() == 1).map(String::as_str)
    }

    /// Whether the labels fulfil all requirements.
    pub fn matches(&self, labels: &StringMap) -> bool {
        !self.nothing && self.requirements.iter().all(|requirement| requirement.matches(labels))
    }
}

/// Several errors as one text (`utilerrors.Aggregate`).
fn joined(errors: &[FieldError]) -> String {
    match errors {
        [only] => only.to_string(),
        several => format!("[{}]", several.iter().map(FieldError::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The words of a selector.
struct Tokens<'t> {
    rest: &'t str,
}

fn is_special(token: &str) -> bool {
    token.starts_with(['=', '!', '(', ')', ',', '>', '<'])
}

impl<'t> Tokens<'t> {
    fn split(&self) -> (&'t str, &'t str) {
        let rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let length = if is_special(rest) {
            if rest.starts_with("==") || rest.starts_with("!=") { 2 } else { 1 }
        } else {
            rest.find([' ', '\t', '\r', '\n', '=', '!', '(', ')', ',', '>', '<']).unwrap_or(rest.len())
        };
        rest.split_at(length)
    }

    fn peek(&self) -> &'t str {
        self.split().0
    }

    fn next(&mut self) -> &'t str {
        let (token, rest) = self.split();
        self.rest = rest;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let negated = self.peek() == "!";
        if negated {
            self.next();
        }
        let key = self.next();
        if key.is_empty() || is_special(key) {
            return Err(format!("found '{key}', expected: identifier"));
        }
        let made = |operator, values| Requirement { key: key.to_owned(), operator, values }.check();
        if negated {
            return made(Operator::DoesNotExist, BTreeSet::new());
        }
        if matches!(self.peek(), "" | ",") {
            return made(Operator::Exists, BTreeSet::new());
        }
        let operator = match self.next() {
            "=" => Operator::Equals,
            "==" => Operator::DoubleEquals,
            "!=" => Operator::NotEquals,
            "in" => Operator::In,
            "notin" => Operator::NotIn,
            ">" => Operator::GreaterThan,
            "<" => Operator::LessThan,
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        let values = if matches!(operator, Operator::In | Operator::NotIn) { self.values()? } else { BTreeSet::from([self.exact()?]) };
        made(operator, values)
    }

    /// The value after `=`; it may be empty.
    fn exact(&mut self) -> Result<String, String> {
        match self.peek() {
            "" | "," => Ok(String::new()),
            token if is_special(token) => Err(format!("found '{token}', expected: identifier")),
            _ => Ok(self.next().to_owned()),
        }
    }

    /// The values in parentheses; empty ones count as empty texts.
    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        match self.next() {
            "(" => {}
            other => return Err(format!("found '{other}' expected: '('")),
        }
        let mut values = BTreeSet::new();
        let mut pending = true;
        loop {
            match self.next() {
                ")" => {
                    if pending {
                        values.insert(String::new());
                    }
                    return Ok(values);
                }
                "," => {
                    if std::mem::replace(&mut pending, true) {
                        values.insert(String::new());
                    }
                }
                token if pending && !token.is_empty() && !is_special(token) => {
                    values.insert(token.to_owned());
                    pending = false;
                }
                other => return Err(format!("found '{other}', expected: ',', or ')'")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> StringMap {
        text.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn selectors_are_read_and_written() {
        for (text, canonical) in [
            ("x=a,y=b", "x=a,y=b"),
            ("", ""),
            (" z , !y", "!y,z"),
            ("x == a", "x==a"),
            ("x!=a", "x!=a"),
            ("x=", "x="),
            ("x in (b, a)", "x in (a,b)"),
            ("x notin (a,,b)", "x notin (,a,b)"),
            ("x>1,z<5", "x>1,z<5"),
        ] {
            assert_eq!(Selector::parse(text).map(|s| s.to_string()).as_deref(), Ok(canonical), "{text}");
        }
        for text in ["x=a||y=b", "x==a==b", "!x=a", "x<a", "x in", "x in (", "a b", ",x", "x,", "x in (a b)", "=a"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn selectors_select() {
        for (selector, set, expected) in [
            ("x=a", "x=a,y=b", true),
            ("x!=a", "y=b", true),
            ("x notin (a)", "", true),
            ("x in (a,b)", "x=c", false),
            ("!x", "x=a", false),
            ("x>1", "x=2", true),
            ("x>1", "x=two", false),
        ] {
            assert_eq!(Selector::parse(selector).unwrap().matches(&labels(set)), expected, "{selector} {set}");
        }
        assert!(!Selector::from_label_selector(None).unwrap().matches(&StringMap::new()));
        assert!(Selector::from_label_selector(Some(&LabelSelector::default())).unwrap().matches(&StringMap::new()));
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(text in "[a-b=!(),<> in]{0,30}") {
            if let Ok(selector) = Selector::parse(&text) {
                selector.matches(&StringMap::new());
            }
        }
    }
}
