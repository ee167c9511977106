//! The program of the page: it mounts its widgets on the cards of a page, whose static HTML reads without it.
//!
//! - `mount`: finds the cards and the places of the widgets.
//! - `widgets`: think-first and the quiz.
//! - `storage`: what the learner gave, across reloads.
//! - `i18n`: the words of the widgets.
//!
//! **Simplified here:** a card's lab stays the HTML that the book has; the engine does not run in the page yet.

mod i18n;
mod mount;
mod storage;
mod widgets;

use wasm_bindgen::JsCast;
use web_sys::DedicatedWorkerGlobalScope;

fn main() {
    // `worker.js` starts this same program where there is no page.
    if !js_sys::global().is_instance_of::<DedicatedWorkerGlobalScope>() {
        mount::mount_cards();
    }
}
