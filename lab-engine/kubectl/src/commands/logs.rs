//! `kubectl logs POD`.
//!
//! **Simplified here:** no `-f`, no selection by label.

use crate::command::{Command, Event, Flow, Io};
use crate::flags::{Flag, Parsed, switch, value};
use api::http::{Body, Method, Request, ResourcePath};

pub(super) const FLAGS: [Flag; 4] =
    [value("container", Some('c')), switch("previous", Some('p')), value("tail", None), switch("timestamps", None)];

#[derive(Debug)]
struct Logs(Option<Request>);

pub(super) fn build(parsed: &Parsed, namespace: String) -> Result<Box<dyn Command>, String> {
    let Some(word) = parsed.words.first() else {
        return Err("expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n\
                    POD or TYPE/NAME is a required argument for the logs command\nSee 'kubectl logs -h' for help and examples"
            .to_owned());
    };
    let name = match word.split_once('/') {
        Some((kind, name)) if crate::resources::resolve(kind)?.kind == "Pod" => name,
        Some((kind, _)) => return Err(format!("logs of {kind} are not supported here: name a pod")),
        None => word,
    };
    let pods = crate::resources::resolve("pods")?;
    let mut request = Request::new(Method::Get, ResourcePath::object(pods, &namespace, name).with_subresource("log"));
    if let Some(container) = parsed.get("container").or_else(|| parsed.words.get(1).map(String::as_str)) {
        request = request.query("container", container);
    }
    for flag in ["previous", "timestamps"] {
        if parsed.on(flag) {
            request = request.query(flag, "true");
        }
    }
    if let Some(tail) = parsed.get("tail") {
        let lines: i64 = tail
            .parse()
            .map_err(|_| format!("invalid argument {tail:?} for \"--tail\" flag: strconv.ParseInt: parsing {tail:?}: invalid syntax"))?;
        if lines >= 0 {
            request = request.query("tailLines", tail);
        }
    }
    Ok(Box::new(Logs(Some(request))))
}

impl Command for Logs {
    fn advance(&mut self, event: Event, io: &mut Io<'_>) -> Flow {
        match (self.0.take(), event) {
            (Some(request), _) => io.ask(request),
            (None, Event::Answer(Ok(body))) => {
                if let Body::Text(text) = body
                    && !text.is_empty()
                {
                    io.print(&*text);
                }
                Flow::Done(0)
            }
            (None, Event::Answer(Err(failure))) => {
                io.complain(&failure.text(""));
                Flow::Done(1)
            }
            (None, _) => Flow::Done(1),
        }
    }
}
