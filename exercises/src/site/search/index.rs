//! The index file, `search.json`, one per language.
//!
//! ```json
//! { "sections": [["pods/creation.html", "anchor", ["Heading", "Sub-heading"], "text"]],
//!   "terms": ["kubelet", "pod"],
//!   "hits": [[0, 3], [0, 9]] }
//! ```
//! `terms` is sorted by UTF-16 code units, the order of strings in the script that reads it. `hits[i]` belongs to `terms[i]` and
//! alternates section number and weight; sections ascend.

use std::collections::BTreeMap;

use serde_json::json;

use crate::site::search::extract::Section;
use crate::site::search::tokens::index_terms;

/// What a term counts in the section's own heading, in a heading above it, and in the text (there up to [`TEXT_MAX`] times).
const HEADING: u32 = 12;
const HEADING_ABOVE: u32 = 4;
const TEXT_MAX: u32 = 5;

/// The index of these sections, as the text of a JSON file.
pub fn to_json(sections: &[Section]) -> String {
    let mut terms: BTreeMap<Vec<u16>, (String, BTreeMap<usize, u32>)> = BTreeMap::new();
    for (number, section) in sections.iter().enumerate() {
        for (term, weight) in weights(section) {
            let key = term.encode_utf16().collect();
            terms.entry(key).or_insert_with(|| (term, BTreeMap::new())).1.insert(number, weight);
        }
    }
    let rows: Vec<_> = sections.iter().map(|s| json!([s.page, s.anchor, s.path, s.text])).collect();
    let names: Vec<_> = terms.values().map(|(term, _)| term).collect();
    let hits: Vec<Vec<u64>> = terms
        .values()
        .map(|(_, sections)| sections.iter().flat_map(|(number, weight)| [*number as u64, u64::from(*weight)]).collect())
        .collect();
    json!({ "sections": rows, "terms": names, "hits": hits }).to_string()
}

/// How much each term counts in one section.
fn weights(section: &Section) -> BTreeMap<String, u32> {
    let mut weights: BTreeMap<String, u32> = BTreeMap::new();
    for term in index_terms(&section.text) {
        let weight = weights.entry(term).or_default();
        *weight = (*weight + 1).min(TEXT_MAX);
    }
    let mut heading = |title: &str, worth: u32| {
        for term in index_terms(title) {
            *weights.entry(term).or_default() += worth;
        }
    };
    if let Some((own, above)) = section.path.split_last() {
        above.iter().for_each(|title| heading(title, HEADING_ABOVE));
        heading(own, HEADING);
    }
    weights
}

/// Asks the index as the page's script does, for tests: pages and anchors, best first.
#[cfg(test)]
pub(crate) fn ask(index: &str, query: &str) -> Vec<String> {
    let index: serde_json::Value = serde_json::from_str(index).unwrap();
    let list = |name: &str| index[name].as_array().unwrap().clone();
    let (sections, terms, hits) = (list("sections"), list("terms"), list("hits"));
    let mut total: Option<BTreeMap<u64, f64>> = None;
    for wanted in crate::site::search::tokens::query_terms(query) {
        let mut found: BTreeMap<u64, f64> = BTreeMap::new();
        for (term, hits) in terms.iter().zip(&hits).filter(|(term, _)| term.as_str().unwrap().starts_with(&wanted)) {
            let part = if term.as_str().unwrap() == wanted { 1.0 } else { 0.5 };
            let hits = hits.as_array().unwrap();
            let rarity = (1.0 + sections.len() as f64 / (hits.len() as f64 / 2.0)).ln();
            for hit in hits.chunks(2) {
                let score = part * rarity * hit[1].as_f64().unwrap();
                let best = found.entry(hit[0].as_u64().unwrap()).or_default();
                *best = best.max(score);
            }
        }
        total = Some(match total {
            None => found,
            Some(before) => before.into_iter().filter_map(|(s, score)| Some((s, score + found.get(&s)?))).collect(),
        });
    }
    let mut ranked: Vec<(u64, f64)> = total.unwrap_or_default().into_iter().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let address = |number: u64| {
        let section = &sections[usize::try_from(number).unwrap()];
        format!("{}#{}", section[0].as_str().unwrap(), section[1].as_str().unwrap())
    };
    ranked.into_iter().map(|(number, _)| address(number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(page: &str, anchor: &str, path: &[&str], text: &str) -> Section {
        let path = path.iter().map(|title| (*title).to_owned()).collect();
        Section { page: page.to_owned(), anchor: anchor.to_owned(), path, text: text.to_owned() }
    }

    fn index() -> String {
        to_json(&[
            section("a.html", "top", &["Pod 的创建"], "kubelet 启动容器，restartPolicy 决定是否重启。"),
            section("b.html", "policy", &["重启策略"], "Always, OnFailure, Never"),
            section("c.html", "x", &["Rollout"], "Restarts are counted. A Pod is replaced."),
        ])
    }

    #[test]
    fn the_format_is_as_documented() {
        let index: serde_json::Value = serde_json::from_str(&to_json(&[section("a.html", "t", &["Pods"], "a pod, a pod")])).unwrap();
        let wanted = json!({
            "sections": [["a.html", "t", ["Pods"], "a pod, a pod"]],
            "terms": ["a", "pod", "pods"],
            "hits": [[0, 2], [0, 2], [0, 12]],
        });
        assert_eq!(index, wanted);
    }

    #[test]
    fn chinese_is_found_by_words_and_single_characters() {
        assert_eq!(ask(&index(), "重启策略"), ["b.html#policy"]);
        assert_eq!(ask(&index(), "重启"), ["b.html#policy", "a.html#top"]);
        assert_eq!(ask(&index(), "略"), ["b.html#policy"]);
        assert_eq!(ask(&index(), "Pod创建"), ["a.html#top"], "where scripts change, terms part");
        assert!(ask(&index(), "创建策略").is_empty(), "every pair must be there");
    }

    #[test]
    fn english_is_found_by_beginnings_parts_and_plurals() {
        assert_eq!(ask(&index(), "kubel"), ["a.html#top"]);
        assert_eq!(ask(&index(), "restart policy"), ["a.html#top"]);
        assert_eq!(ask(&index(), "pods replaced"), ["c.html#x"]);
        assert_eq!(ask(&index(), "ONFAILURE"), ["b.html#policy"]);
        assert!(ask(&index(), "zzzz").is_empty());
        assert!(ask(&index(), "").is_empty());
    }
}
