//! What the reader of a manifest's page has done before, and which manifests are meant to end in another way than with everything ready.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The table that comes with the program, for the manifests of the documentation and of the collections beside it.
const TABLE: &str = include_str!("prepared.yaml");

/// What is known of a manifest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The manifest's path; a corpus may put folders before it.
    pub path: String,
    /// Lines of the terminal that prepare it.
    #[serde(default)]
    pub before: Vec<String>,
    /// What the cluster says in the end, if not everything is to be ready: in the answer, a Pod's state or an event.
    #[serde(default)]
    pub ends: Option<String>,
    /// Why it ends so, for whoever reads the table.
    #[serde(default)]
    pub why: Option<String>,
}

/// What is known of all manifests.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    known: BTreeMap<String, Expected>,
}

impl Prepared {
    /// The table that comes with the program.
    ///
    /// # Errors
    /// When it is not right, which a test excludes.
    pub fn with_program() -> Result<Self> {
        Self::parse(TABLE)
    }

    /// Reads a table.
    ///
    /// # Errors
    /// When it is no list of [`Expected`], names a path twice, or says that a manifest ends otherwise and not why.
    pub fn parse(text: &str) -> Result<Self> {
        let entries: Vec<Expected> = serde_yaml::from_str(text).context("the table of manifests")?;
        let mut known = BTreeMap::new();
        for entry in entries {
            let path = entry.path.clone();
            if known.insert(path.clone(), entry).is_some() {
                bail!("the table of manifests has {path} twice");
            }
        }
        Ok(Self { known })
    }

    /// What is known of the manifest at this path: the entry whose path is its end, folder by folder.
    pub fn of(&self, path: &str) -> Option<&Expected> {
        let ends = std::iter::successors(Some(path), |rest| rest.split_once('/').map(|(_, rest)| rest));
        ends.into_iter().find_map(|end| self.known.get(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_that_comes_along_is_right_and_explains_itself() {
        let prepared = Prepared::with_program().unwrap();
        let unexplained: Vec<&String> =
            prepared.known.iter().filter(|(_, entry)| entry.ends.is_some() && entry.why.is_none()).map(|(path, _)| path).collect();
        assert!(unexplained.is_empty(), "no reason is given for {unexplained:?}");
        let idle: Vec<&String> =
            prepared.known.iter().filter(|(_, entry)| entry.ends.is_none() && entry.before.is_empty()).map(|(path, _)| path).collect();
        assert!(idle.is_empty(), "nothing is said about {idle:?}");
    }

    #[test]
    fn an_entry_is_found_below_other_folders() {
        let prepared = Prepared::parse("- {path: pods/a.yaml, before: [date]}\n").unwrap();
        assert!(prepared.of("examples/pods/a.yaml").is_some() && prepared.of("pods/a.yaml").is_some());
        assert!(prepared.of("a.yaml").is_none() && prepared.of("otherpods/a.yaml").is_none());
        assert!(Prepared::parse("- {path: a}\n- {path: a}\n").is_err());
    }
}
