//! What the worker posts to the page. What the page posts to the worker is [`lab::ToEngine`].

use lab::FromEngine;
use serde::{Deserialize, Serialize};

/// What the worker posts, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FromWorker {
    /// What the engine told; the first message, an empty one, says that the worker listens.
    Told(Vec<FromEngine>),
    /// The engine ended by a fault of its own; nothing comes any more.
    Crashed(String),
}
