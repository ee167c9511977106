//! Dealing: the seed chooses a lab's numbers, and they are written into its texts.
//!
//! The same seed deals the same numbers. `${name}` is replaced in every text of the lab and of the attempts that belong to it; a name
//! that the lab does not have is left as it stands (a shell's `${VAR}` in a manifest, say).

use crate::spec::{Lab, Variable};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sim::Seed;
use std::collections::BTreeMap;

/// The seed for everyone who did not ask for another: the book's pages and the reference run.
pub const DEFAULT_SEED: u64 = 1;

/// The numbers of one deal, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, i64>);

impl Variables {
    /// What `seed` deals. A variable without choices is 0.
    pub fn deal(lab: &Lab, seed: u64) -> Self {
        let dealt = lab.variables.iter().map(|(name, variable)| {
            let Variable::Choose(choices) = variable;
            let index = Seed(seed).stream(&format!("lab/{name}")).index(choices.len());
            (name.clone(), choices.get(index).copied().unwrap_or(0))
        });
        Variables(dealt.collect())
    }

    /// Each name with its number, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, number)| (name.as_str(), *number))
    }

    /// The text with the numbers written in.
    pub fn fill(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, from) = rest.split_at(start);
            out.push_str(before);
            let named = from[2..].split_once('}').and_then(|(name, after)| Some((self.0.get(name)?, after)));
            rest = match named {
                Some((number, after)) => {
                    out.push_str(&number.to_string());
                    after
                }
                None => {
                    out.push_str("${");
                    &from[2..]
                }
            };
        }
        out.push_str(rest);
        out
    }

    /// A value with the numbers written into all its texts; the names of fields stay.
    pub fn fill_all<T: Serialize + DeserializeOwned + Clone>(&self, value: &T) -> T {
        if self.0.is_empty() {
            return value.clone();
        }
        let filled = serde_json::to_value(value).map(|json| self.fill_json(json)).and_then(serde_json::from_value);
        filled.unwrap_or_else(|_| value.clone())
    }

    fn fill_json(&self, json: Value) -> Value {
        match json {
            Value::String(text) => Value::String(self.fill(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.fill_json(item)).collect(),
            Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, self.fill_json(value))).collect(),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(choices: &[i64]) -> Lab {
        let json =
            serde_json::json!({"variables": {"replicas": {"choose": choices}}, "files": {"${replicas}": "n: ${replicas}"}, "tasks": []});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_seed_always_deals_the_same_and_seeds_differ() {
        let lab = lab(&[3, 4, 5]);
        let deals: Vec<i64> = (0..40).map(|seed| Variables::deal(&lab, seed).iter().next().unwrap().1).collect();
        assert_eq!(deals, (0..40).map(|seed| Variables::deal(&lab, seed).iter().next().unwrap().1).collect::<Vec<_>>());
        assert!([3, 4, 5].iter().all(|n| deals.contains(n)), "{deals:?}");
    }

    #[test]
    fn only_known_names_are_filled_in() {
        let variables = Variables::deal(&lab(&[4]), 1);
        assert_eq!(variables.fill("a ${replicas} ${OTHER} ${replicas ${replicas}${"), "a 4 ${OTHER} ${replicas 4${");
    }

    #[test]
    fn all_texts_of_a_lab_are_filled_but_no_names() {
        let lab = lab(&[4]);
        assert_eq!(Variables::deal(&lab, 1).fill_all(&lab).files["${replicas}"], "n: 4");
    }
}
