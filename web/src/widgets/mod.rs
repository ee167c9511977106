//! The widgets of a card, and what they share.

pub(crate) mod quiz;
pub(crate) mod rich;
pub(crate) mod think;

use crate::i18n::Words;
use crate::storage::Store;
use exercises::card::Card;
use exercises::lang::Lang;
use std::sync::Arc;

/// The card that a widget belongs to.
#[derive(Clone)]
pub(crate) struct CardContext {
    pub(crate) card: Arc<Card>,
    pub(crate) lang: Lang,
    pub(crate) words: &'static Words,
    pub(crate) store: Store,
}
