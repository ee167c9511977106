//! The program of the page. It finds the cards of a page, whose static HTML reads without it, and says that it is there for them.
//!
//! **Simplified here:** the widgets (lab, quiz, think-first) are not written yet; a card stays the HTML that the book has.

use leptos::prelude::document;

fn main() {
    let Ok(cards) = document().query_selector_all(".cb-card") else {
        return;
    };
    for index in 0..cards.length() {
        if let Some(card) = cards.get(index).and_then(|node| wasm_bindgen::JsCast::dyn_into::<web_sys::Element>(node).ok()) {
            // An attribute that cannot be set leaves the card as readable as before.
            let _ = card.set_attribute("data-program", "loaded");
        }
    }
}
