//! What the learner gave, kept in the browser's local storage: by card, not by language, so that both languages of a page share it.
//!
//! Nothing here fails loudly: a browser may refuse storage altogether, or be out of space. Then the page works on, and a line in the card
//! says that it will be forgotten.

use leptos::prelude::{Effect, Get, GetUntracked, RwSignal, Set};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use web_sys::Storage;

/// The storage of one card.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    card: Arc<str>,
    /// Whether the last attempt to keep something failed.
    pub(crate) refused: RwSignal<bool>,
}

impl Store {
    /// The storage of the card with this id.
    pub(crate) fn new(card: &str) -> Self {
        Store { card: card.into(), refused: RwSignal::new(false) }
    }

    /// A value that is read from the storage now and written to it whenever it changes.
    pub(crate) fn signal<T>(&self, name: &str) -> RwSignal<T>
    where
        T: Serialize + DeserializeOwned + Default + PartialEq + Clone + Send + Sync + 'static,
    {
        let signal = RwSignal::new(self.read(name));
        let (store, name) = (self.clone(), name.to_owned());
        Effect::new(move |before: Option<T>| {
            let value = signal.get();
            if before.is_some_and(|before| before != value) {
                store.write(&name, &value);
            }
            value
        });
        signal
    }

    /// What was kept; a value that cannot be read counts as none.
    pub(crate) fn read<T: DeserializeOwned + Default>(&self, name: &str) -> T {
        let kept = local().and_then(|storage| storage.get_item(&key(&self.card, name)).ok().flatten());
        kept.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
    }

    /// Keeps a value, now.
    pub(crate) fn write<T: Serialize>(&self, name: &str, value: &T) {
        let failed = write(&key(&self.card, name), value).is_none();
        if self.refused.get_untracked() != failed {
            self.refused.set(failed);
        }
    }
}

/// The key of a value. The number is the version of the format.
fn key(card: &str, name: &str) -> String {
    format!("clusterbook/1/{card}/{name}")
}

fn local() -> Option<Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

/// `None` when the browser refuses.
fn write<T: Serialize>(key: &str, value: &T) -> Option<()> {
    let json = serde_json::to_string(value).ok()?;
    local()?.set_item(key, &json).ok()
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn a_key_names_the_card_and_no_language() {
        assert_eq!(key("pod-creation", "quiz/writes-etcd"), "clusterbook/1/pod-creation/quiz/writes-etcd");
    }
}
