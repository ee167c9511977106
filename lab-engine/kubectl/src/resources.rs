//! What a command is about: resource names as a user types them (`po`, `pods`, `deployments.apps`, `pod/web`, `pods,svc`, `all`), files and
//! selectors, and the objects that they stand for (`k8s.io/cli-runtime/pkg/resource`, `Builder` and `Visitor`).

use crate::command::{Io, Step, json_of};
use crate::discovery::Discovery;
use crate::flags::Parsed;
use crate::manifest;
use api::http::{Method, Request, ResourcePath};
use api::kinds::{KINDS, Kind, KindInfo};
use serde_json::Value;
use std::collections::VecDeque;

/// What a command may know of its surroundings.
#[derive(Clone, Debug)]
pub(crate) struct Context<'a> {
    /// The namespace of the command: that of `-n`, else of the context.
    pub(crate) namespace: String,
    /// Whether `-n` was given.
    pub(crate) explicit: bool,
    /// The terminal.
    pub(crate) environment: crate::invocation::Environment<'a>,
    /// The kinds there are.
    pub(crate) kinds: &'a Discovery,
}

/// The built-in kind that a word names by plural, singular, short name, `plural.group` or `plural.version.group`.
///
/// # Errors
/// The text that follows `error: `.
pub(crate) fn resolve(word: &str) -> Result<&'static KindInfo, String> {
    let lower = word.to_lowercase();
    KINDS.iter().find(|info| is_named(info, &lower)).ok_or_else(|| format!("the server doesn't have a resource type {word:?}"))
}

/// Whether a word in small letters names a kind.
pub(crate) fn is_named(info: &KindInfo, lower: &str) -> bool {
    let base = lower.split('.').next().unwrap_or("");
    let own = |name: &str| info.plural == name || info.singular == name;
    own(lower)
        || info.short_names.contains(lower)
        || (own(base) && lower[base.len()..] == format!(".{}", info.group))
        || (own(base) && lower[base.len()..] == format!(".{}.{}", info.version, info.group))
}

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sought {
    /// The kind.
    pub(crate) info: Kind,
    /// The namespace; empty for objects of the cluster and for all namespaces.
    pub(crate) namespace: String,
    /// The object, or `None` for all of the kind.
    pub(crate) name: Option<String>,
    /// The parameters of the list.
    pub(crate) query: Vec<(&'static str, String)>,
}

impl Sought {
    /// The request that reads it.
    pub(crate) fn request(&self) -> Request {
        let path = match &self.name {
            Some(name) => ResourcePath::object(&self.info, &self.namespace, name),
            None => ResourcePath::collection(&self.info, &self.namespace),
        };
        let mut request = Request::new(Method::Get, path);
        request.query.extend(self.query.iter().map(|(name, text)| ((*name).into(), text.clone())));
        request
    }
}

/// An object that a command is about.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Its kind.
    pub(crate) info: Kind,
    /// Its namespace; empty for objects of the cluster.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// The object as it was read; `null` when it was not.
    pub(crate) live: Value,
}

impl Target {
    /// Its path.
    pub(crate) fn path(&self) -> ResourcePath {
        ResourcePath::object(&self.info, &self.namespace, &self.name)
    }

    /// How results name it.
    pub(crate) fn result_name(&self) -> String {
        result_name(&self.info, &self.name)
    }
}

/// What the upstream builder says when nothing is named.
pub(crate) const NOTHING_NAMED: &str = "You must provide one or more resources by argument or filename.\n\
    Example resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'";

/// Reads what the command line names: `TYPE[,TYPE] [NAME …]`, `TYPE/NAME …`, `-f FILE`, with `-l`, `--field-selector`, `-A`.
///
/// # Errors
/// The text that follows `error: `.
pub(crate) fn sought(context: &Context<'_>, parsed: &Parsed, words: &[String]) -> Result<Vec<Sought>, String> {
    let files = parsed.all("filename");
    if !files.is_empty() {
        if !words.is_empty() {
            return Err("when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well".to_owned());
        }
        let manifests = manifest::load(&files, context)?;
        let of = |m: manifest::Manifest| Sought { info: m.info, namespace: m.namespace, name: Some(m.name), query: Vec::new() };
        return Ok(manifests.into_iter().map(of).collect());
    }
    let all = parsed.on("all-namespaces");
    let mut query = Vec::new();
    for (flag, parameter) in [("selector", "labelSelector"), ("field-selector", "fieldSelector")] {
        query.extend(parsed.get(flag).map(|text| (parameter, text.to_owned())));
    }
    let pairs = select(context.kinds, words)?;
    if pairs.iter().any(|(_, name)| name.is_some()) {
        if all {
            return Err("a resource cannot be retrieved by name across all namespaces".to_owned());
        }
        if let Some((parameter, _)) = query.first() {
            let what = if *parameter == "labelSelector" { "selector" } else { "field selector" };
            return Err(format!("name cannot be provided when a {what} is specified"));
        }
    }
    let namespace = |info: &KindInfo| if all || !info.namespaced { String::new() } else { context.namespace.clone() };
    Ok(pairs.into_iter().map(|(info, name)| Sought { namespace: namespace(&info), info, name, query: query.clone() }).collect())
}

/// Kinds and names of the words.
fn select(known: &Discovery, words: &[String]) -> Result<Vec<(Kind, Option<String>)>, String> {
    let Some(first) = words.first() else { return Err(NOTHING_NAMED.to_owned()) };
    if words.iter().any(|word| word.contains('/')) {
        return words.iter().map(|word| slashed(known, word)).collect();
    }
    let mut kinds = Vec::new();
    for word in first.split(',') {
        if word == "all" {
            kinds.extend(known.all().filter(|info| info.categories.contains("all")));
        } else {
            kinds.extend(of_word(known, word)?);
        }
    }
    let names = &words[1..];
    Ok(if names.is_empty() {
        kinds.into_iter().map(|info| (info, None)).collect()
    } else {
        kinds.into_iter().flat_map(|info| names.iter().map(move |name| (info.clone(), Some(name.clone())))).collect()
    })
}

/// The kind that a word names, or the kinds of the category that it is.
fn of_word(known: &Discovery, word: &str) -> Result<Vec<Kind>, String> {
    known.resolve(word).map(|kind| vec![kind]).or_else(|message| {
        let of_category: Vec<Kind> = known.all().filter(|info| info.categories.contains(word)).collect();
        if of_category.is_empty() { Err(message) } else { Ok(of_category) }
    })
}

fn slashed(known: &Discovery, word: &str) -> Result<(Kind, Option<String>), String> {
    match word.split('/').collect::<Vec<_>>()[..] {
        [kind, name] if !kind.is_empty() && !name.is_empty() => Ok((known.resolve(kind)?, Some(name.to_owned()))),
        [_, _] => Err("arguments in resource/name form must have a single resource and name".to_owned()),
        [_] => Err("there is no need to specify a resource type as a separate argument when passing arguments in resource/name form \
                    (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'"
            .to_owned()),
        _ => Err("arguments in resource/name form may not have more than one slash".to_owned()),
    }
}

/// What a command that changes objects is about: as [`sought`], but names, a selector or `--all` must say which.
///
/// # Errors
/// The text that follows `error: `.
pub(crate) fn chosen(context: &Context<'_>, parsed: &Parsed, words: &[String]) -> Result<Vec<Sought>, String> {
    let sought = sought(context, parsed, words)?;
    let selected = parsed.on("all") || parsed.get("selector").is_some() || parsed.get("field-selector").is_some();
    if !selected && sought.iter().any(|one| one.name.is_none()) {
        return Err("resource(s) were provided, but no name was specified".to_owned());
    }
    Ok(sought)
}

/// Reads all objects that are sought, then goes on with them. What cannot be read is printed and makes the status 1.
pub(crate) fn gather(sought: Vec<Sought>, io: &mut Io<'_>, then: impl FnOnce(Vec<Target>, &mut Io<'_>) -> Step + 'static) -> Step {
    gather_next(sought.into(), Vec::new(), io, Box::new(then))
}

type WithTargets = Box<dyn FnOnce(Vec<Target>, &mut Io<'_>) -> Step>;

fn gather_next(mut left: VecDeque<Sought>, mut found: Vec<Target>, io: &mut Io<'_>, then: WithTargets) -> Step {
    let Some(next) = left.pop_front() else { return then(found, io) };
    Step::ask(next.request(), move |answer, io| {
        match answer {
            Ok(body) => found.extend(items(json_of(body)).into_iter().map(|live| target(next.info.clone(), live))),
            Err(failure) => {
                io.complain(&failure.text(""));
                io.later(|_| Step::Done(1));
            }
        }
        gather_next(left, found, io, then)
    })
}

/// The object as a target.
pub(crate) fn target(info: Kind, live: Value) -> Target {
    let text = |field: &str| live["metadata"][field].as_str().unwrap_or("").to_owned();
    Target { info, namespace: text("namespace"), name: text("name"), live }
}

/// The objects of a list, or the one object.
pub(crate) fn items(mut value: Value) -> Vec<Value> {
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => vec![value],
    }
}

/// `deployment.apps/web`, or `pod/web`: how results name an object.
pub(crate) fn result_name(info: &KindInfo, name: &str) -> String {
    format!("{}/{name}", singular(info))
}

/// `deployment.apps`, or `pod`.
pub(crate) fn singular(info: &KindInfo) -> String {
    if info.group.is_empty() { info.singular.to_string() } else { format!("{}.{}", info.singular, info.group) }
}
