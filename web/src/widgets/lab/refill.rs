//! The texts of a card with the numbers that the seed deals. The static HTML has those of the first seed.

use super::desk::Desk;
use crate::dom;
use crate::widgets::rich::{paragraphs, rich};
use exercises::card::{Card, in_lang};
use exercises::lang::Lang;
use lab::{DEFAULT_SEED, Lab, Text, Variables};
use leptos::mount::mount_to;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// Writes the card's texts anew whenever other numbers are dealt.
pub(crate) fn follow_the_seed(card: &Element, desk: Desk) {
    let element = card.clone();
    Effect::new(move |before: Option<u64>| {
        // The lab comes with the numbers of its seed, some time after they were asked for.
        let (lab, seed) = (desk.lab.get(), desk.seed.get_untracked());
        if before.unwrap_or(DEFAULT_SEED) != seed {
            let context = desk.context();
            tasks(&element, &lab, context.lang);
            solution(&element, &context.card, seed);
        }
        seed
    });
}

fn tasks(card: &Element, lab: &Lab, lang: Lang) {
    for task in &lab.tasks {
        let Some(item) = dom::find(card, &format!(".cb-task[data-task=\"{}\"]", task.id)) else { continue };
        write(dom::find(&item, ".cb-task-prompt"), in_lang(&task.prompt, lang), |text| paragraphs(&text).into_any());
        rewrite(&item, ".cb-hint-list > li", &task.hints, lang);
    }
}

fn rewrite(item: &Element, selector: &str, texts: &[Text], lang: Lang) {
    let Ok(places) = item.query_selector_all(selector) else { return };
    for (index, text) in (0..places.length()).zip(texts) {
        let place = places.item(index).and_then(|place| place.dyn_into::<Element>().ok());
        write(place, in_lang(text, lang), |text| rich(&text).into_any());
    }
}

/// Puts a text in the place of what an element holds.
fn write(place: Option<Element>, text: &str, view: impl FnOnce(String) -> AnyView + 'static) {
    if let Some(place) = place.and_then(|place| place.dyn_into::<HtmlElement>().ok()) {
        place.set_text_content(None);
        let text = text.to_owned();
        mount_to(place, move || view(text)).forget();
    }
}

/// The solution has its files in order, and then its commands.
fn solution(card: &Element, of: &Card, seed: u64) {
    let variables = Variables::deal(&of.lab, seed);
    let Ok(places) = card.query_selector_all(".cb-solution pre > code") else { return };
    let texts = of.solution.files.values().chain([&of.solution.commands]);
    for (index, text) in (0..places.length()).zip(texts) {
        if let Some(place) = places.item(index) {
            place.set_text_content(Some(&format!("{}\n", variables.fill(text).trim_end())));
        }
    }
}
