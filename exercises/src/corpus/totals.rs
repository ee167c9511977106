//! How many manifests fared how, by folder.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Report, Verdict};

/// Counts of manifests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Those that were applied.
    pub applied: usize,
    /// Those of them that were accepted, however they ended.
    pub accepted: usize,
    /// Accepted, and in their state.
    pub reached: usize,
    /// Accepted, and ended in the other way that they are meant to end in.
    pub ended: usize,
    /// Accepted, and not there.
    pub waiting: usize,
    /// Refused as Kubernetes refuses them.
    pub refused_too: usize,
    /// Refused.
    pub refused: usize,
    /// Those of the accepted that have parts which are not simulated, as warnings say.
    pub warned: usize,
    /// Those that are no manifests to apply.
    pub set_aside: usize,
}

impl Totals {
    /// Counts one more.
    pub fn add(&mut self, report: &Report) {
        let count = match report.verdict {
            Verdict::Reached => &mut self.reached,
            Verdict::Ended { .. } => &mut self.ended,
            Verdict::Waiting { .. } => &mut self.waiting,
            Verdict::RefusedToo { .. } => &mut self.refused_too,
            Verdict::Refused { .. } => &mut self.refused,
            Verdict::SetAside { .. } => &mut self.set_aside,
        };
        *count += 1;
        self.applied += usize::from(!matches!(report.verdict, Verdict::SetAside { .. }));
        self.accepted += usize::from(report.accepted());
        self.warned += usize::from(report.accepted() && report.warned());
    }

    /// Of all, and of each folder in the order of their names.
    pub fn of(reports: &[Report]) -> (Self, BTreeMap<String, Self>) {
        let (mut all, mut folders) = (Self::default(), BTreeMap::<String, Self>::new());
        for report in reports {
            all.add(report);
            folders.entry(report.folder.clone()).or_default().add(report);
        }
        (all, folders)
    }

    /// The sums of the folders of each collection: of those whose names share what stands before the first `/`, where there are several.
    pub fn of_collections(folders: &BTreeMap<String, Self>) -> BTreeMap<String, Self> {
        let mut collections = BTreeMap::<String, (usize, Self)>::new();
        for (name, of) in folders {
            let Some((collection, _)) = name.split_once('/') else { continue };
            let (count, sum) = collections.entry(collection.to_owned()).or_default();
            *count += 1;
            sum.join(of);
        }
        collections.into_iter().filter(|(_, (count, _))| *count > 1).map(|(name, (_, sum))| (name, sum)).collect()
    }

    fn join(&mut self, other: &Self) {
        let Self { applied, accepted, reached, ended, waiting, refused_too, refused, warned, set_aside } = other;
        self.applied += applied;
        self.accepted += accepted;
        self.reached += reached;
        self.ended += ended;
        self.waiting += waiting;
        self.refused_too += refused_too;
        self.refused += refused;
        self.warned += warned;
        self.set_aside += set_aside;
    }

    /// How many Kubernetes accepts.
    pub fn acceptable(&self) -> usize {
        self.applied - self.refused_too
    }

    /// The accepted of those that were applied, and of those that Kubernetes accepts, in thousandths.
    pub fn per_mille(&self) -> (usize, usize) {
        let part = |of: usize| (1000 * self.accepted).checked_div(of).unwrap_or(1000);
        (part(self.applied), part(self.acceptable()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_refuses_too_is_counted_apart() {
        let report = |folder: &str, verdict: Verdict| Report {
            path: String::new(),
            folder: folder.to_owned(),
            verdict,
            warnings: vec!["spec.x: accepted, but not simulated here".to_owned()],
        };
        let text = String::new;
        let reports = [
            report("a/x", Verdict::Reached),
            report("a/y", Verdict::RefusedToo { says: text(), why: text() }),
            report("b", Verdict::Waiting { why: Vec::new(), limit: None }),
            report("b", Verdict::Refused { why: text() }),
            report("b", Verdict::SetAside { why: text() }),
        ];
        let (all, folders) = Totals::of(&reports);
        assert_eq!((all.applied, all.accepted, all.acceptable(), all.warned), (4, 2, 3, 2));
        let collections = Totals::of_collections(&folders);
        assert_eq!((collections["a"].per_mille(), folders["b"].per_mille()), ((500, 1000), (500, 500)));
        assert_eq!(collections.len(), 1, "a folder of its own is no collection");
    }
}
