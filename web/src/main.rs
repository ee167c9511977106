//! The program of the page: it mounts its widgets on the cards of a page, whose static HTML reads without it. The engine of the labs is a
//! program of its own, `engine.rs`, which a Web Worker runs.
//!
//! - `mount`: finds the cards and the places of the widgets; `dom` has the handles for it.
//! - `widgets`: think-first, the quiz, the lab.
//! - `link`: the page's end of the worker; `message`: what comes from there.
//! - `storage`: what the learner gave, across reloads.
//! - `i18n`: the words of the widgets.

mod dom;
mod i18n;
mod link;
mod message;
mod mount;
mod storage;
mod widgets;

use std::panic;

fn main() {
    panic::set_hook(Box::new(|info| mount::say_stopped(&info.to_string())));
    mount::mount_cards();
}
