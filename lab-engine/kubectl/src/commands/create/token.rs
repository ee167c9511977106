//! `create token`: a token of a ServiceAccount.

use super::name;
use crate::command::{Job, Step};
use crate::flags::{Flag, Parsed, value};
use crate::output::Format;
use crate::resources::Context;
use api::Resource;
use api::core::ServiceAccount;
use api::http::{Body, Method, Request, ResourcePath};
use serde_json::json;

pub(in crate::commands) const TOKEN_FLAGS: &[Flag] = &[
    value("audience", None),
    value("duration", None),
    value("bound-object-kind", None),
    value("bound-object-name", None),
    value("bound-object-uid", None),
];

pub(in crate::commands) fn token(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let path = ResourcePath::object(ServiceAccount::INFO, &context.namespace, name(parsed)?).with_subresource("token");
    let mut spec = json!({"audiences": parsed.all("audience")});
    if let Some(duration) = parsed.duration("duration")? {
        if duration.0 < 0 {
            return Err("--duration must be greater than or equal to 0".to_owned());
        }
        spec["expirationSeconds"] = json!(duration.0 / 1_000_000_000);
    }
    let object = |flag: &str| parsed.get(flag).unwrap_or_default();
    let kind = object("bound-object-kind");
    if kind.is_empty() && !object("bound-object-name").is_empty() {
        return Err("--bound-object-name can only be set if --bound-object-kind is provided".to_owned());
    }
    if !kind.is_empty() {
        if object("bound-object-name").is_empty() {
            return Err("--bound-object-name is required if --bound-object-kind is provided".to_owned());
        }
        spec["boundObjectRef"] =
            json!({"kind": kind, "apiVersion": "v1", "name": object("bound-object-name"), "uid": object("bound-object-uid")});
    }
    let format = match parsed.get("output") {
        None | Some("") => None,
        Some(text) => Some(Format::parse(text, context.environment.files)?),
    };
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {}, "spec": spec});
    Ok(Box::new(move |_| {
        let request = Request::new(Method::Post, path).body(Body::Json(body));
        Step::ask(request, move |answer, io| match (answer, format) {
            (Ok(body), format) => {
                let answer = crate::command::json_of(body);
                let text = match format {
                    Some(format) => format.print(&answer),
                    None => Ok(format!("{}\n", answer["status"]["token"].as_str().unwrap_or_default())),
                };
                match text {
                    Ok(text) => {
                        io.print(text);
                        Step::Done(0)
                    }
                    Err(message) => io.error(&message),
                }
            }
            (Err(failure), _) => io.error(&format!("failed to create token: {}", failure.message())),
        })
    }))
}
