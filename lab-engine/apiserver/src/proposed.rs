//! Objects on their way to etcd.
//!
//! An entry of the log is shared: the log keeps it, and every member of a group applies it. The object in it is not copied for that: whoever
//! applies the entry first takes the object, gives it its revision, and leaves behind what became of it.

#![expect(clippy::disallowed_types, reason = "values of etcd can be shared between threads; the lock is never waited for")]

use crate::storage::{Stored, bytes, with_revision};
use api::Object;
use etcd::{Encode, Value};
use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An object on its way to etcd. The entry of the log keeps this, the key space what comes of it: one object for both.
#[derive(Debug)]
pub(crate) struct Proposed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The object, until it is written.
    fresh: Option<Object>,
    /// The revision at which it was written, and what lies there.
    written: Option<(u64, Arc<Stored>)>,
}

/// The value that is written for an object.
pub(crate) fn value_of(object: Object) -> Value {
    Value::new(Proposed(Mutex::new(State { fresh: Some(object), written: None })))
}

impl Proposed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Encode for Proposed {
    fn encode(&self) -> Vec<u8> {
        let state = self.state();
        let written = state.written.as_ref().map(|(_, stored)| &stored.0);
        state.fresh.as_ref().or(written).map(bytes).unwrap_or_default()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn written_at(&self, revision: u64) -> Option<Value> {
        let mut state = self.state();
        if let Some((_, stored)) = state.written.as_ref().filter(|(at, _)| *at == revision) {
            return Some(Value(stored.clone()));
        }
        let written = |state: &State| state.written.as_ref().map(|(_, stored)| stored.0.clone());
        let object = state.fresh.take().or_else(|| written(&state))?;
        let stored = Arc::new(Stored(with_revision(object, revision)));
        state.written = Some((revision, stored.clone()));
        Some(Value(stored))
    }
}
