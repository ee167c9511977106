//! `kubectl scale --replicas=N TYPE/NAME`.
//!
//! As kubectl does, it patches the `scale` subresource with a merge patch.

use crate::command::{Command, Event, Flow, Io};
use crate::flags::{Flag, Parsed, value};
use crate::resources::{Selected, result_name, select};
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use serde_json::json;
use std::collections::VecDeque;

pub(super) const FLAGS: [Flag; 1] = [value("replicas", None)];

#[derive(Debug)]
struct Scale {
    replicas: i32,
    namespace: String,
    left: VecDeque<Selected>,
    current: Option<Selected>,
    code: i32,
}

pub(super) fn build(parsed: &Parsed, namespace: String) -> Result<Box<dyn Command>, String> {
    let left = VecDeque::from(select(&parsed.words)?);
    let text = parsed.get("replicas").ok_or("required flag(s) \"replicas\" not set")?;
    let replicas: i32 = text
        .parse()
        .map_err(|_| format!("invalid argument {text:?} for \"--replicas\" flag: strconv.ParseInt: parsing {text:?}: invalid syntax"))?;
    if replicas < 0 {
        return Err("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0".to_owned());
    }
    if left.iter().any(|selected| selected.name.is_none()) {
        return Err("resource(s) were provided, but no name was specified".to_owned());
    }
    Ok(Box::new(Scale { replicas, namespace, left, current: None, code: 0 }))
}

impl Command for Scale {
    fn advance(&mut self, event: Event, io: &mut Io<'_>) -> Flow {
        if let (Event::Answer(answer), Some(done)) = (event, self.current.take()) {
            match answer {
                Ok(_) => io.print(format!("{} scaled\n", result_name(done.info, done.name.as_deref().unwrap_or("")))),
                Err(failure) => {
                    io.complain(&failure.text(""));
                    self.code = 1;
                }
            }
        }
        let Some(next) = self.left.pop_front() else { return Flow::Done(self.code) };
        let path = ResourcePath::object(next.info, &self.namespace, next.name.as_deref().unwrap_or("")).with_subresource("scale");
        self.current = Some(next);
        io.ask(Request::new(Method::Patch, path).body(Body::Patch(PatchType::Merge, json!({"spec": {"replicas": self.replicas}}))))
    }
}
