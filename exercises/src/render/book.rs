//! The deck as the site's preprocessor wants it.

use super::card_html;
use crate::card::Deck;
use crate::lang::Lang;
use crate::site::CardRenderer;

impl CardRenderer for Deck {
    fn ids(&self) -> Vec<String> {
        self.iter().map(|card| card.id.clone()).collect()
    }

    fn html(&self, id: &str, lang: Lang) -> Result<String, String> {
        let card = self.get(id).ok_or_else(|| format!("there is no card `{id}`"))?;
        Ok(card_html(card, lang))
    }
}
