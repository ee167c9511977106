//! Resource names as a user types them: `po`, `pods`, `deployments.apps`, `pod/web`, `pods,svc`, `all`.

use api::kinds::{KINDS, KindInfo};

/// The kind that a word names by plural, singular, short name or `plural.group`.
///
/// # Errors
/// The text that follows `error: `.
pub(crate) fn resolve(word: &str) -> Result<&'static KindInfo, String> {
    let lower = word.to_lowercase();
    let named = |info: &&KindInfo| {
        info.plural == lower || info.singular == lower || info.short_names.contains(&lower.as_str()) || info.group_resource() == lower
    };
    KINDS.iter().find(named).ok_or_else(|| format!("the server doesn't have a resource type {word:?}"))
}

/// What a command is about: a kind, and the names it asks for (none: all of the kind).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    /// The kind.
    pub(crate) info: &'static KindInfo,
    /// The object, or `None` for the collection.
    pub(crate) name: Option<String>,
}

/// Reads `TYPE[,TYPE] [NAME …]` or `TYPE/NAME …`.
///
/// # Errors
/// The text that follows `error: `.
pub(crate) fn select(words: &[String]) -> Result<Vec<Selected>, String> {
    let Some(first) = words.first() else {
        return Err(
            "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported resources."
                .to_owned(),
        );
    };
    if words.iter().any(|word| word.contains('/')) {
        return words.iter().map(|word| slashed(word)).collect();
    }
    let mut kinds = Vec::new();
    for word in first.split(',') {
        if word == "all" {
            kinds.extend(KINDS.iter().filter(|info| info.categories.contains(&"all")));
        } else {
            kinds.push(resolve(word)?);
        }
    }
    let names = &words[1..];
    let of = |info| names.iter().map(move |name| Selected { info, name: Some(name.clone()) });
    Ok(if names.is_empty() {
        kinds.into_iter().map(|info| Selected { info, name: None }).collect()
    } else {
        kinds.into_iter().flat_map(of).collect()
    })
}

fn slashed(word: &str) -> Result<Selected, String> {
    match word.split('/').collect::<Vec<_>>()[..] {
        [kind, name] if !kind.is_empty() && !name.is_empty() => Ok(Selected { info: resolve(kind)?, name: Some(name.to_owned()) }),
        [_, _] => Err("arguments in resource/name form must have a single resource and name".to_owned()),
        [_] => Err("there is no need to specify a resource type as a separate argument when passing arguments in resource/name form \
                    (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'"
            .to_owned()),
        _ => Err("arguments in resource/name form may not have more than one slash".to_owned()),
    }
}

/// `deployment.apps/web`, or `pod/web`: how results name an object.
pub(crate) fn result_name(info: &KindInfo, name: &str) -> String {
    if info.group.is_empty() { format!("{}/{name}", info.singular) } else { format!("{}.{}/{name}", info.singular, info.group) }
}
