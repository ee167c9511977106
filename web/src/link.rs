//! The page's end of the worker: starts it, sends to it, hears it, ends it.

use crate::message::FromWorker;
use lab::ToEngine;
use leptos::prelude::document;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ErrorEvent, HtmlScriptElement, MessageEvent, Worker, WorkerOptions, WorkerType};

/// A running worker; it ends when this is dropped.
pub(crate) struct Link {
    worker: Worker,
    /// What is to be sent once the worker listens; `None` when it does.
    waiting: Rc<RefCell<Option<Vec<String>>>>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
}

impl Link {
    /// Starts a worker; `hear` gets what it says, and why it ended when it did by itself.
    ///
    /// # Errors
    /// Why the browser does not start one.
    pub(crate) fn start(hear: impl Fn(FromWorker) + 'static) -> Result<Self, String> {
        let url = worker_url().ok_or("this page does not say where its worker is")?;
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(&url, &options).map_err(|error| describe(&error))?;
        let waiting = Rc::new(RefCell::new(Some(Vec::<String>::new())));
        let hear = Rc::new(hear);
        let hear_error = Rc::clone(&hear);
        let (to, queue) = (worker.clone(), Rc::clone(&waiting));
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            for json in queue.borrow_mut().take().unwrap_or_default() {
                post(&to, &json);
            }
            let json = event.data().as_string().unwrap_or_default();
            hear(serde_json::from_str(&json).unwrap_or_else(|error| FromWorker::Crashed(error.to_string())));
        });
        let on_error = Closure::<dyn FnMut(ErrorEvent)>::new(move |event: ErrorEvent| {
            event.prevent_default();
            // A worker whose program cannot be loaded gives an event without a message.
            let message = js_sys::Reflect::get(&event, &"message".into()).ok().and_then(|message| message.as_string());
            hear_error(FromWorker::Crashed(message.unwrap_or_else(|| format!("cannot load {url}"))));
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Link { worker, waiting, _on_message: on_message, _on_error: on_error })
    }

    /// Sends a message, or keeps it until the worker listens.
    pub(crate) fn send(&self, message: &ToEngine) {
        let Ok(json) = serde_json::to_string(message) else { return };
        match self.waiting.borrow_mut().as_mut() {
            Some(waiting) => waiting.push(json),
            None => post(&self.worker, &json),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

/// Text can always be posted.
fn post(worker: &Worker, json: &str) {
    let _ = worker.post_message(&JsValue::from_str(json));
}

/// `worker.js` lies beside the `loader.js` that this page has.
fn worker_url() -> Option<String> {
    let script = document().query_selector("script[src$=\"lab/loader.js\"]").ok()??;
    let src = script.dyn_into::<HtmlScriptElement>().ok()?.src();
    Some(format!("{}worker.js", src.strip_suffix("loader.js")?))
}

fn describe(error: &JsValue) -> String {
    error.dyn_ref::<js_sys::Error>().map_or_else(|| format!("{error:?}"), |error| String::from(error.message()))
}
