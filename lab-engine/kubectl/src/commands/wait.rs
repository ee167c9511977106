//! `kubectl wait --for=condition=…|delete|create|jsonpath=…`.

use super::observe::{self, Seen};
use crate::command::{Io, Job, Step};
use crate::flags::{Flag, GoDuration, Parsed, optional, switch, value};
use crate::resources::{Context, Sought, Target, gather, sought, target};
use api::http::ResourcePath;
use api::jsonpath::{self, JsonPath};
use serde_json::Value;
use sim::Time;
use std::rc::Rc;

pub(super) const FLAGS: &[Flag] = &[
    value("for", None),
    value("timeout", None),
    value("filename", Some('f')),
    value("selector", Some('l')),
    value("field-selector", None),
    value("output", Some('o')),
    switch("all", None),
    switch("all-namespaces", Some('A')),
    optional("local", "true"),
];

/// How long it waits unless told otherwise.
const DEFAULT_TIMEOUT: GoDuration = GoDuration(30_000_000_000);

enum Condition {
    Delete,
    Create,
    Status { type_: String, status: String },
    JsonPath(JsonPath, Option<String>),
}

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let text = parsed.get("for").ok_or("--for must be specified, e.g. --for='delete', --for='condition=Ready', --for='create'")?;
    let condition = Rc::new(condition(text)?);
    let timeout = parsed.duration("timeout")?.unwrap_or(DEFAULT_TIMEOUT);
    let sought = sought(context, parsed, &parsed.words)?;
    if sought.iter().any(|one| one.name.is_none())
        && !parsed.on("all")
        && parsed.get("selector").is_none()
        && parsed.get("field-selector").is_none()
    {
        return Err("resource(s) were provided, but no name was specified".to_owned());
    }
    Ok(Box::new(move |io| {
        let deadline = timeout.after(io.now);
        if matches!(*condition, Condition::Create | Condition::Delete) && sought.iter().all(|one| one.name.is_some()) {
            let named =
                |one: Sought| Target { info: one.info, namespace: one.namespace, name: one.name.unwrap_or_default(), live: Value::Null };
            return all(sought.into_iter().map(named).collect(), &condition, deadline, io);
        }
        let delete = matches!(*condition, Condition::Delete);
        gather(sought, io, move |targets, io| {
            if targets.is_empty() && !delete {
                return io.error("no matching resources found");
            }
            all(targets, &condition, deadline, io)
        })
    }))
}

fn condition(text: &str) -> Result<Condition, String> {
    let lower = text.to_lowercase();
    if lower == "delete" {
        return Ok(Condition::Delete);
    }
    if lower == "create" {
        return Ok(Condition::Create);
    }
    if let Some(rest) = text.strip_prefix("condition=") {
        let (type_, status) = rest.split_once('=').unwrap_or((rest, "true"));
        return Ok(Condition::Status { type_: type_.to_owned(), status: status.to_owned() });
    }
    if let Some(rest) = text.strip_prefix("jsonpath=") {
        let rest = rest.trim_matches(['\'', '"']);
        // The value follows the closing brace; a path without braces ends at the `=`.
        let (path, wanted) = match rest.find("}=") {
            Some(at) => (&rest[..=at], Some(&rest[at + 2..])),
            None if rest.ends_with('}') => (rest, None),
            None => rest.split_once('=').map_or((rest, None), |(path, wanted)| (path, Some(wanted))),
        };
        if wanted == Some("") {
            return Err("jsonpath wait has to have a value after equal sign".to_owned());
        }
        return Ok(Condition::JsonPath(JsonPath::relaxed(path)?, wanted.map(|wanted| wanted.trim_matches(['\'', '"']).to_owned())));
    }
    Err(format!("unrecognized condition: {text:?}"))
}

/// Waits for one target after the other; all share the deadline.
fn all(targets: Vec<Target>, condition: &Rc<Condition>, deadline: Time, io: &mut Io<'_>) -> Step {
    for target in targets {
        let condition = Rc::clone(condition);
        io.later(move |_| one(target, condition, deadline));
    }
    Step::Done(0)
}

fn one(aim: Target, condition: Rc<Condition>, deadline: Time) -> Step {
    let path = ResourcePath::object(&aim.info, &aim.namespace, &aim.name);
    let met = format!("{} condition met\n", aim.result_name());
    let timeout = format!("timed out waiting for the condition on {}/{}", aim.info.plural, aim.name);
    if let Condition::Delete = *condition {
        return observe::until_gone(path, Some(deadline), move |gone, io| {
            if gone {
                io.print(met);
                Step::Done(0)
            } else {
                io.error(&timeout)
            }
        });
    }
    let not_found = format!("Error from server (NotFound): {} {:?} not found", aim.info.group_resource(), aim.name);
    observe::object(path, Some(deadline), move |seen, io| match seen {
        Seen::Timeout => Some(io.error(&timeout)),
        Seen::Object(None) if matches!(*condition, Condition::Create) => None,
        Seen::Object(None) => {
            io.complain(&not_found);
            Some(Step::Done(1))
        }
        Seen::Object(Some(value)) => holds(&condition, &target(aim.info.clone(), value.clone()).live).then(|| {
            io.print(met.clone());
            Step::Done(0)
        }),
    })
}

fn holds(condition: &Condition, object: &Value) -> bool {
    match condition {
        Condition::Create => true,
        Condition::Delete => false,
        Condition::Status { type_, status } => {
            let generation = object["metadata"]["generation"].as_i64();
            object["status"]["conditions"].as_array().into_iter().flatten().any(|condition| {
                let text = |field: &str| condition[field].as_str().unwrap_or("").to_lowercase();
                let observed = condition["observedGeneration"].as_i64().or_else(|| object["status"]["observedGeneration"].as_i64());
                let stale = generation.zip(observed).is_some_and(|(generation, observed)| observed < generation);
                text("type") == type_.to_lowercase() && text("status") == status.to_lowercase() && !stale
            })
        }
        Condition::JsonPath(path, wanted) => {
            let found = path.select(object).unwrap_or_default();
            match (&found[..], wanted) {
                ([], _) => false,
                (_, None) => true,
                ([one], Some(wanted)) => jsonpath::text(one) == *wanted,
                _ => false,
            }
        }
    }
}
