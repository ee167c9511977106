//! The autoscalers: for each a curve of its replicas, of what its metrics want and of utilisation over virtual time, and the same as a
//! table.

use super::curve::{HEIGHT, Look, minutes, svg};
use super::desk::Desk;
use crate::i18n::{Words, fill};
use leptos::prelude::*;

/// How many looks the table has: the newest.
const MAX_ROWS: usize = 20;

/// The view; hidden while no autoscaler has looked.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn AutoscalerView(desk: Desk) -> impl IntoView {
    let words = desk.context().words;
    let names = Memo::new(move |_| desk.events.with(|events| events.curves.names()));
    let one = move |name: String| {
        let this = name.clone();
        curve_view(words, name, Memo::new(move |_| desk.events.with(|events| events.curves.looks(&this))))
    };
    view! {
        <section class="cb-panel cb-autoscalers" aria-label=words.autoscalers hidden=move || names.with(Vec::is_empty)>
            <h5>{words.autoscalers}</h5>
            <For each=move || names.get() key=Clone::clone children=one/>
        </section>
    }
}

fn curve_view(words: &'static Words, name: String, looks: Memo<Vec<Look>>) -> impl IntoView {
    let summary = move || looks.with(|looks| looks.last().map(|look| told(look, words)).unwrap_or_default());
    let rows = move || looks.with(|looks| looks.iter().rev().take(MAX_ROWS).map(row_view).collect_view());
    view! {
        <figure class="cb-autoscaler" data-autoscaler=name.clone()>
            <figcaption><strong>{name.clone()}</strong>" "<span class="cb-autoscaler-now">{summary}</span></figcaption>
            <svg class="cb-curve" role="img" aria-label=summary viewBox=format!("0 0 640 {HEIGHT}") inner_html=move || looks.with(|looks| svg(looks))></svg>
            <ul class="cb-legend" aria-hidden="true">
                <li class="cb-legend-replicas">{words.curve_replicas}</li>
                <li class="cb-legend-proposed">{words.curve_proposed}</li>
                <li class="cb-legend-used">{words.curve_used}</li>
                <li class="cb-legend-target">{words.curve_target}</li>
            </ul>
            <details>
                <summary>{words.curve_table}</summary>
                <div class="cb-table-frame" tabindex="0" role="group" aria-label=words.curve_table>
                    <table>
                        <thead><tr>
                            <th scope="col">{words.clock}</th><th scope="col">{words.curve_used}</th><th scope="col">{words.curve_target}</th>
                            <th scope="col">{words.curve_proposed}</th><th scope="col">{words.curve_replicas}</th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </details>
        </figure>
    }
}

fn row_view(look: &Look) -> impl IntoView + use<> {
    let replicas = if look.current == look.desired { look.desired.to_string() } else { format!("{} → {}", look.current, look.desired) };
    view! {
        <tr>
            <th scope="row">{minutes(look.at_ms)}</th><td>{percent(look.utilization)}</td><td>{percent(look.target)}</td>
            <td>{look.proposed.map_or_else(|| "–".to_owned(), |count| count.to_string())}</td><td>{replicas}</td>
        </tr>
    }
}

fn percent(value: Option<i64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value}%"))
}

/// The last look in words.
fn told(look: &Look, words: &Words) -> String {
    let wanted = look.proposed.map_or_else(|| "–".to_owned(), |count| count.to_string());
    fill(words.curve_now, &[&look.desired.to_string(), &wanted, &percent(look.utilization), &percent(look.target)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::words;
    use exercises::lang::Lang;

    #[test]
    fn the_last_look_is_told_in_words() {
        let look = Look { at_ms: 0, current: 1, proposed: Some(4), desired: 4, utilization: Some(205), target: Some(60) };
        assert_eq!(told(&look, words(Lang::En)), "4 replicas · the metrics want 4 · 205% of the requests used, target 60%");
        let blind = Look { proposed: None, utilization: None, ..look };
        assert_eq!(told(&blind, words(Lang::En)), "4 replicas · the metrics want – · – of the requests used, target 60%");
    }
}
