//! Manifests as people write them, each applied to a fresh cluster: is it accepted, and does it come to the state that its author describes?
//!
//! - [`files`]: which manifests there are.
//! - [`prepared`]: what a reader of the manifest's page has done before, and which manifests are meant to end in another way.
//! - [`trial`]: one manifest on its cluster.
//! - [`state`]: when an object is there.
//! - [`totals`]: how many fared how, by folder.

pub mod files;
pub mod prepared;
pub mod state;
pub mod totals;
pub mod trial;

use serde::Serialize;

use files::Manifest;

/// How a manifest fared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "verdict")]
pub enum Verdict {
    /// Accepted, and all its objects came to their state.
    Reached,
    /// Accepted, and it ended in the other way that it is meant to end in.
    Ended {
        /// What the cluster said.
        says: String,
        /// Why it is meant to.
        why: String,
    },
    /// Accepted, but something did not come to its state.
    Waiting {
        /// What is missing.
        why: Vec<String>,
        /// What the cluster cannot do that it would need, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<String>,
    },
    /// Not accepted, as Kubernetes does not accept it either.
    RefusedToo {
        /// What was said.
        says: String,
        /// Why.
        why: String,
    },
    /// Not accepted.
    Refused {
        /// What was said.
        why: String,
    },
    /// Not to be applied.
    SetAside {
        /// Why not.
        why: String,
    },
}

/// A manifest and how it fared.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its path in the corpus.
    pub path: String,
    /// The part of the corpus that it is counted in.
    pub folder: String,
    /// How it fared.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The warnings of the server, among them those about fields that are not simulated.
    pub warnings: Vec<String>,
}

impl Report {
    fn new(manifest: &Manifest, verdict: Verdict, warnings: Vec<String>) -> Self {
        Report { path: manifest.path.clone(), folder: manifest.folder.clone(), verdict, warnings }
    }

    /// Whether it was accepted, however it ended.
    pub fn accepted(&self) -> bool {
        matches!(self.verdict, Verdict::Reached | Verdict::Ended { .. } | Verdict::Waiting { .. })
    }

    /// Whether a part of it is accepted and not simulated, and the server says so.
    pub fn warned(&self) -> bool {
        self.warnings.iter().any(|warning| warning.contains("not simulated here") || warning.contains("nothing acts on it here"))
    }
}
