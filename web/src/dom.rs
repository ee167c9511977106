//! The static HTML of the page: finding elements in it, and mounting views on them.

use leptos::mount::mount_to;
use leptos::prelude::{IntoView, document};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// The first element below `element` that the selector fits.
pub(crate) fn find(element: &Element, selector: &str) -> Option<Element> {
    element.query_selector(selector).ok().flatten()
}

/// Mounts a view in a new `div` at the end of `element`.
pub(crate) fn inside<V: IntoView + 'static>(element: &Element, class: &str, view: impl FnOnce() -> V + 'static) {
    if let Some(place) = place(class).filter(|place| element.append_child(place).is_ok()) {
        mount_to(place, view).forget();
    }
}

/// Mounts a view in a new `div` before `element`.
pub(crate) fn before<V: IntoView + 'static>(element: &Element, class: &str, view: impl FnOnce() -> V + 'static) {
    let parent = element.parent_node();
    if let Some(place) = place(class).filter(|place| parent.is_some_and(|parent| parent.insert_before(place, Some(element)).is_ok())) {
        mount_to(place, view).forget();
    }
}

fn place(class: &str) -> Option<HtmlElement> {
    let place = document().create_element("div").ok()?;
    set(&place, "class", class);
    place.dyn_into().ok()
}

/// Sets an attribute; the browser refuses only names that are none.
pub(crate) fn set(element: &Element, name: &str, value: &str) {
    let _ = element.set_attribute(name, value);
}

/// Takes an attribute away.
pub(crate) fn unset(element: &Element, name: &str) {
    let _ = element.remove_attribute(name);
}

/// Sets or removes an attribute without a value.
pub(crate) fn toggle(element: &Element, name: &str, on: bool) {
    let _ = element.toggle_attribute_with_force(name, on);
}

/// Sets or removes a class.
pub(crate) fn toggle_class(element: &Element, class: &str, on: bool) {
    let _ = element.class_list().toggle_with_force(class, on);
}
