//! Label selectors (`k8s.io/apimachinery/pkg/labels`): `app=web,tier in (a, b),!canary`.
//!
//! **Simplified here:** values are not checked against the syntax of labels; one that no label can have matches none.

use crate::meta::{LabelSelector, StringMap};
use std::collections::BTreeSet;
use std::fmt;

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=` and `==`.
    Equals,
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

impl Requirement {
    /// Whether the labels fulfil the requirement.
    pub fn matches(&self, labels: &StringMap) -> bool {
        let value = labels.get(&self.key);
        let number = |text: &String| text.parse::<i64>().ok();
        let compared = || value.and_then(number).zip(self.values.first().and_then(number));
        match self.operator {
            Operator::Equals | Operator::In => value.is_some_and(|value| self.values.contains(value)),
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
            match operator {
                Operator::In | Operator::NotIn if values.is_empty() => {
                    return Err("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty".to_owned());
                }
                Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                    let list: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
                    let list = list.join(",");
                    return Err(format!("values: Invalid value: [{list}]: values set must be empty for exists and does not exist"));
                }
                _ => all.requirements.push(Requirement { key: expression.key.clone(), operator, values }),
            }
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

    /// Whether the labels fulfil all requirements.
    pub fn matches(&self, labels: &StringMap) -> bool {
        !self.nothing && self.requirements.iter().all(|requirement| requirement.matches(labels))
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
        let made = |operator, values| Ok(Requirement { key: key.to_owned(), operator, values });
        if negated {
            return made(Operator::DoesNotExist, BTreeSet::new());
        }
        if matches!(self.peek(), "" | ",") {
            return made(Operator::Exists, BTreeSet::new());
        }
        let operator = match self.next() {
            "=" | "==" => Operator::Equals,
            "!=" => Operator::NotEquals,
            "in" => Operator::In,
            "notin" => Operator::NotIn,
            ">" => Operator::GreaterThan,
            "<" => Operator::LessThan,
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        let values = if matches!(operator, Operator::In | Operator::NotIn) { self.values()? } else { BTreeSet::from([self.exact()?]) };
        let bounded = matches!(operator, Operator::GreaterThan | Operator::LessThan);
        if let Some(value) = values.first().filter(|value| bounded && value.parse::<i64>().is_err()) {
            return Err(format!("values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"));
        }
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
            ("x == a", "x=a"),
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
