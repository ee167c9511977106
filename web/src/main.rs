//! The program of the page: it mounts its widgets on the cards of a page, whose static HTML reads without it. In a Web Worker, the same
//! program runs the engine of a lab.
//!
//! - `mount`: finds the cards and the places of the widgets; `dom` has the handles for it.
//! - `widgets`: think-first, the quiz, the lab.
//! - `worker`: the engine's side; `link`: the page's end of it.
//! - `storage`: what the learner gave, across reloads.
//! - `i18n`: the words of the widgets.

mod dom;
mod i18n;
mod link;
mod mount;
mod storage;
mod widgets;
mod worker;

use wasm_bindgen::JsCast;
use web_sys::DedicatedWorkerGlobalScope;

fn main() {
    // `worker.js` starts this same program where there is no page.
    match js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() {
        Ok(scope) => worker::run(scope),
        Err(_) => mount::mount_cards(),
    }
}
