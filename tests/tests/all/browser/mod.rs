//! The page in a real browser: what a reader does with the book, from the first look to the passed lab, in Chromium driven over WebDriver.
//!
//! `cargo xtask test` builds the site, sees to Chromium and its driver, and runs these tests, which are ignored otherwise. Each file is one
//! session of the browser; all of them end with a look at the browser's console, which must hold no errors.

mod book;
mod card;
mod keyboard;
mod lab_in_page;
mod measure;
mod stage;
mod trace;
mod views;
