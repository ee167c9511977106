//! The controls of virtual time, and beginning anew.

use super::desk::Desk;
use crate::i18n::fill;
use leptos::prelude::*;

/// The speeds to choose from: virtual seconds in a real one.
const SPEEDS: [f64; 8] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 1000.0];

/// The jumps: virtual seconds, and how they are written.
const JUMPS: [(u64, &str); 2] = [(10, "+10 s"), (60, "+1 min")];

/// The bar above the workbench.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn Controls(desk: Desk, wide: RwSignal<bool>) -> impl IntoView {
    let words = desk.context().words;
    let speeds = SPEEDS
        .map(|speed| view! { <option value=speed.to_string() selected=speed == desk.speed.get_untracked()>{format!("{speed}×")}</option> });
    let jumps = JUMPS.map(|(seconds, label)| {
        view! {
            <button type="button" class="cb-button cb-small cb-advance" data-seconds=seconds.to_string()
                aria-label=fill(words.advance, &[label]) on:click=move |_| desk.advance(seconds)>{label}</button>
        }
    });
    let deals = desk.lab.with_untracked(|lab| !lab.variables.is_empty());
    let other_numbers = deals.then(|| {
        view! { <button type="button" class="cb-button cb-small cb-new-numbers" data-action="deal" on:click=move |_| desk.reset(Some(another_seed(desk)))>{words.new_numbers}</button> }
    });
    view! {
        <div class="cb-controls" role="toolbar" aria-label=words.controls>
            <button type="button" class="cb-button cb-small cb-play" data-action=move || if desk.playing.get() { "pause" } else { "play" }
                on:click=move |_| desk.play(!desk.playing.get_untracked())>
                {move || if desk.playing.get() { words.pause.to_owned() } else { words.play.to_owned() }}
            </button>
            <button type="button" class="cb-button cb-small cb-step" data-action="step" title=words.step_hint on:click=move |_| desk.step()>{words.step}</button>
            {jumps.to_vec()}
            <label class="cb-speed-label">{words.speed}" "
                <select class="cb-speed" on:change=move |event| desk.set_speed(event_target_value(&event).parse().unwrap_or(1.0))>{speeds.to_vec()}</select>
            </label>
            <output class="cb-clock" aria-live="off" title=words.clock>{move || desk.snapshot.with(|snapshot| clock(snapshot.now_ms))}</output>
            <span class="cb-controls-end">
                <button type="button" class="cb-button cb-small cb-reset" data-action="reset" title=words.reset_hint on:click=move |_| desk.reset(None)>{words.reset}</button>
                {other_numbers}
                <button type="button" class="cb-button cb-small cb-widen" aria-pressed=move || wide.get().to_string()
                    on:click=move |_| wide.update(|wide| *wide = !*wide)>{move || if wide.get() { words.narrow } else { words.widen }}</button>
            </span>
        </div>
    }
}

/// A seed other than the present one, for which other numbers are dealt.
fn another_seed(desk: Desk) -> u64 {
    // Whole numbers below 2^32 fit.
    let seed = (js_sys::Math::random() * f64::from(u32::MAX)) as u64 + 1;
    if seed == desk.seed.get_untracked() { seed + 1 } else { seed }
}

/// Virtual time since the cluster began: `0:07.250`, `1:02:03.000`.
pub(crate) fn clock(ms: u64) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}.{ms:03}") } else { format!("{minutes}:{seconds:02}.{ms:03}") }
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn the_clock_counts_from_the_beginning() {
        assert_eq!(clock(7_250), "0:07.250");
        assert_eq!(clock(3_723_000), "1:02:03.000");
    }
}
