//! Text to terms, for the index and for queries. The script in the page does the same for queries;
//! `assets/search-vectors.json` holds examples that both must satisfy.

/// A run of characters of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Ideographs,
    Neither,
}

fn kind(c: char) -> Kind {
    match c {
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' => Kind::Ideographs,
        c if c.is_alphanumeric() => Kind::Word,
        _ => Kind::Neither,
    }
}

/// The runs of words and of ideographs in `text`, in order.
fn runs(text: &str) -> Vec<(Kind, &str)> {
    let mut runs = Vec::new();
    let mut start = 0;
    let mut current = Kind::Neither;
    for (at, c) in text.char_indices() {
        let next = kind(c);
        if next != current {
            if current != Kind::Neither {
                runs.push((current, &text[start..at]));
            }
            (start, current) = (at, next);
        }
    }
    if current != Kind::Neither {
        runs.push((current, &text[start..]));
    }
    runs
}

/// The terms under which `text` is found, in order, repeated as often as they occur.
///
/// A word written like `restartPolicy` is also found by its parts. The last ideograph of a run is a term by itself, so that every
/// single ideograph begins some term.
pub fn index_terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for (kind, run) in runs(text) {
        if kind == Kind::Ideographs {
            terms.extend(pairs(run));
            terms.extend(run.chars().last().map(String::from));
            continue;
        }
        terms.push(run.to_lowercase());
        let parts = camel_parts(run);
        if parts.len() > 1 {
            terms.extend(parts.into_iter().map(str::to_lowercase));
        }
    }
    terms
}

/// The terms of a query: all of them must be found, exactly or as the beginning of a term.
pub fn query_terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for (kind, run) in runs(text) {
        if kind == Kind::Word {
            terms.push(singular(&run.to_lowercase()).to_owned());
        } else if run.chars().nth(1).is_none() {
            terms.push(run.to_owned());
        } else {
            terms.extend(pairs(run));
        }
    }
    terms
}

/// Neighbouring characters, two by two.
fn pairs(run: &str) -> impl Iterator<Item = String> + '_ {
    run.chars().zip(run.chars().skip(1)).map(|(a, b)| [a, b].iter().collect())
}

/// `restartPolicy` as `restart`, `Policy`; a row of capitals stays together.
fn camel_parts(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut lower_before = false;
    for (at, c) in word.char_indices() {
        if c.is_uppercase() && lower_before {
            parts.push(&word[start..at]);
            start = at;
        }
        lower_before = c.is_lowercase();
    }
    parts.push(&word[start..]);
    parts
}

/// Without the plural's `s`, which then matches singular and plural alike as a beginning.
fn singular(word: &str) -> &str {
    match word.strip_suffix('s') {
        Some(stem) if stem.len() > 2 && !stem.ends_with(['s', 'u', 'i']) => stem,
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole_and_by_their_parts() {
        assert_eq!(index_terms("spec.nodeName of Pods"), ["spec", "nodename", "node", "name", "of", "pods"]);
        assert_eq!(index_terms("CrashLoopBackOff"), ["crashloopbackoff", "crash", "loop", "back", "off"]);
        assert_eq!(index_terms("ReplicaSets etcd v1.36"), ["replicasets", "replica", "sets", "etcd", "v1", "36"]);
    }

    #[test]
    fn ideographs_are_found_by_pairs_and_alone() {
        assert_eq!(index_terms("Pod的探针。"), ["pod", "的探", "探针", "针"]);
        assert_eq!(index_terms("重启"), ["重启", "启"]);
    }

    #[test]
    fn queries_follow_the_examples_that_the_page_script_is_held_to() {
        let examples: Vec<(String, Vec<String>)> = serde_json::from_str(include_str!("../assets/search-vectors.json")).unwrap();
        assert!(examples.len() > 5);
        for (query, terms) in examples {
            assert_eq!(query_terms(&query), terms, "{query}");
        }
    }
}
