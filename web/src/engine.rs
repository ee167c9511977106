//! The program of the Web Worker: the engine of a lab, behind messages. The page's program is `main.rs`; it stays small, because the engine
//! is downloaded only when a lab is started.
//!
//! - `worker`: hears the page, lets virtual time pass, and tells what happened.
//! - `message`: what it posts.

mod message;
mod worker;

use wasm_bindgen::JsCast;
use web_sys::DedicatedWorkerGlobalScope;

fn main() {
    // Anywhere but in a worker there is nobody to serve.
    if let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() {
        worker::run(scope);
    }
}
