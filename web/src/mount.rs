//! Finds the cards of the page and mounts the widgets on their static HTML.
//!
//! The text of a card stays. A widget comes beside what it makes interactive, and what it takes the place of is hidden only once it is
//! there. A card whose data cannot be read says so and stays as it was.

use crate::dom::{before, find, inside, set, toggle, unset};
use crate::i18n::{fill, words};
use crate::storage::Store;
use crate::widgets::CardContext;
use crate::widgets::lab::mount_lab;
use crate::widgets::quiz::{QuestionWidget, Score};
use crate::widgets::think::{SelfScore, StorageNote, Think};
use exercises::card::Card;
use exercises::lang::Lang;
use leptos::prelude::{Effect, Get, With, document};
use std::sync::Arc;
use wasm_bindgen::JsCast;
use web_sys::Element;

/// Mounts everything.
pub(crate) fn mount_cards() {
    cards().iter().for_each(mount_card);
}

/// Says in every card that its widgets have stopped, and why.
pub(crate) fn say_stopped(why: &str) {
    web_sys::console::error_1(&why.into());
    for card in cards() {
        say(&card, &fill(words(lang_of(&card)).stopped, &[why]));
    }
}

fn cards() -> Vec<Element> {
    let Ok(cards) = document().query_selector_all(".cb-card") else { return Vec::new() };
    (0..cards.length()).filter_map(|index| cards.item(index)?.dyn_into().ok()).collect()
}

fn lang_of(card: &Element) -> Lang {
    card.get_attribute("data-lang").and_then(|code| Lang::from_code(&code)).unwrap_or(Lang::En)
}

fn mount_card(element: &Element) {
    let lang = lang_of(element);
    let data = find(element, "script.cb-card-data").and_then(|script| script.text_content()).unwrap_or_default();
    match serde_json::from_str::<Card>(&data) {
        Ok(card) => {
            let store = Store::new(&card.id);
            let (context, card_element) = (CardContext { card: Arc::new(card), lang, words: words(lang), store }, element.clone());
            // The note is the root: the other widgets are made within it, so that they belong to it.
            inside(element, "cb-storage-note", move || {
                mount_widgets(&card_element, &context);
                StorageNote(&context.store, context.words)
            });
            set(element, "data-program", "loaded");
        }
        Err(error) => say(element, &fill(words(lang).unreadable, &[&error.to_string()])),
    }
}

fn mount_widgets(element: &Element, context: &CardContext) {
    if let Some(reveal) = find(element, "details.cb-reveal") {
        let revealed = context.store.signal::<bool>("revealed");
        let of = context.clone();
        before(&reveal, "cb-think", move || Think(&of, revealed));
        let of = context.clone();
        inside(&reveal, "cb-self-score", move || SelfScore(&of));
        Effect::new(move |_| {
            let shown = revealed.get();
            toggle(&reveal, "hidden", !shown);
            toggle(&reveal, "open", shown);
        });
    }
    let mut answers = Vec::new();
    for question in &context.card.quiz {
        let Some(item) = find(element, &format!(".cb-quiz-item[data-question=\"{}\"]", question.id)) else { continue };
        let given = context.store.signal(&format!("quiz/{}", question.id));
        answers.push(given);
        let (of, question) = (context.clone(), question.clone());
        inside(&item, "cb-quiz-widget", move || QuestionWidget(&of, &question, given));
        set(&item, "data-widget", "quiz");
        Effect::new(move |_| match given.with(|given| given.checked.then_some(given.right)) {
            Some(right) => set(&item, "data-state", if right { "right" } else { "wrong" }),
            None => unset(&item, "data-state"),
        });
    }
    if let Some(quiz) = find(element, "section.cb-quiz") {
        let words = context.words;
        inside(&quiz, "cb-quiz-score", move || Score(words, answers));
    }
    if let Some(lab) = find(element, "section.cb-lab") {
        mount_lab(element, &lab, context);
    }
}

/// Adds a line about what does not work to a card.
fn say(element: &Element, message: &str) {
    if let Ok(line) = document().create_element("p") {
        set(&line, "class", "cb-load-error");
        set(&line, "role", "status");
        line.set_text_content(Some(message));
        // Without room for the line there is no way left to say it.
        let _ = element.append_child(&line);
    }
}
