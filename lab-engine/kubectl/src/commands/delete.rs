//! `kubectl delete`: by name or by file.
//!
//! **Simplified here:** it does not wait for finalization; no `-l` and `--all`.

use crate::command::{Command, Event, Flow, Io};
use crate::flags::{Flag, Parsed, switch, value};
use crate::invocation::Environment;
use crate::resources::select;
use api::http::{Body, Method, Request, ResourcePath};
use api::kinds::KindInfo;
use serde_json::{Value, json};
use std::collections::VecDeque;

pub(super) const FLAGS: [Flag; 5] = [
    value("filename", Some('f')),
    value("grace-period", None),
    switch("force", None),
    switch("now", None),
    switch("ignore-not-found", None),
];

#[derive(Debug)]
struct Delete {
    left: VecDeque<(&'static KindInfo, ResourcePath)>,
    current: Option<(&'static KindInfo, ResourcePath)>,
    options: Value,
    force: bool,
    ignore_not_found: bool,
    namespaced: bool,
    code: i32,
}

pub(super) fn build(parsed: &Parsed, namespace: String, environment: &Environment<'_>) -> Result<Box<dyn Command>, String> {
    let files = parsed.all("filename");
    let left: VecDeque<_> = if files.is_empty() {
        let selected = select(&parsed.words)?;
        if selected.iter().any(|one| one.name.is_none()) {
            return Err("resource(s) were provided, but no name was specified".to_owned());
        }
        let path = |info: &'static KindInfo, name: &str| ResourcePath::object(info, if info.namespaced { &namespace } else { "" }, name);
        selected.iter().map(|one| (one.info, path(one.info, one.name.as_deref().unwrap_or("")))).collect()
    } else {
        crate::manifest::load(&files, &namespace, environment)?.iter().map(|manifest| (manifest.info, manifest.path())).collect()
    };
    let force = parsed.on("force");
    let grace = match parsed.get("grace-period") {
        Some(text) => text.parse::<i64>().ok().filter(|seconds| *seconds >= -1).ok_or_else(|| {
            format!("invalid argument {text:?} for \"--grace-period\" flag: strconv.ParseInt: parsing {text:?}: invalid syntax")
        })?,
        None if parsed.on("now") => 1,
        None if force => 0,
        None => -1,
    };
    if grace == 0 && !force {
        return Err("--grace-period=0 without --force is not supported here".to_owned());
    }
    let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
    if grace >= 0 {
        options["gracePeriodSeconds"] = json!(grace);
    }
    let namespaced = left.iter().any(|(info, _)| info.namespaced);
    Ok(Box::new(Delete { left, current: None, options, force, ignore_not_found: parsed.on("ignore-not-found"), namespaced, code: 0 }))
}

impl Command for Delete {
    fn advance(&mut self, event: Event, io: &mut Io<'_>) -> Flow {
        match (event, self.current.take()) {
            (Event::Start, _) if self.force && self.namespaced => io.complain(
                "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. \
                 The resource may continue to run on the cluster indefinitely.",
            ),
            (Event::Answer(Ok(_)), Some((info, path))) => {
                let kind = info.group_resource().replacen(info.plural, info.singular, 1);
                let namespace = path.namespace.as_deref().map(|namespace| format!(" from {namespace} namespace")).unwrap_or_default();
                let how = if self.force { "force deleted" } else { "deleted" };
                io.print(format!("{kind} {:?} {how}{namespace}\n", path.name.as_deref().unwrap_or("")));
            }
            (Event::Answer(Err(failure)), Some(_)) if !(self.ignore_not_found && failure.is_not_found()) => {
                io.complain(&failure.text(""));
                self.code = 1;
            }
            _ => {}
        }
        let Some(next) = self.left.pop_front() else { return Flow::Done(self.code) };
        let request = Request::new(Method::Delete, next.1.clone()).body(Body::Json(self.options.clone()));
        self.current = Some(next);
        io.ask(request)
    }
}
