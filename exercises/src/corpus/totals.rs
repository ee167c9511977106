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
            report("a", Verdict::Reached),
            report("a", Verdict::RefusedToo { says: text(), why: text() }),
            report("b", Verdict::Waiting { why: Vec::new(), limit: None }),
            report("b", Verdict::Refused { why: text() }),
            report("b", Verdict::SetAside { why: text() }),
        ];
        let (all, folders) = Totals::of(&reports);
        assert_eq!((all.applied, all.accepted, all.acceptable(), all.warned), (4, 2, 3, 2));
        assert_eq!((folders["a"].per_mille(), folders["b"].per_mille()), ((500, 1000), (500, 500)));
    }
}
