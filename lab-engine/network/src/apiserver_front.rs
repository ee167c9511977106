//! The API server as containers reach it: HTTPS at the address that the Service `kubernetes` leads to.
//!
//! A request becomes one to the API server, with the credentials that it carries: a bearer token, or none at all (`system:anonymous`). So it
//! passes authentication, authorization and admission as any other. The answer is JSON, indented for `curl` and `wget`, as upstream does it
//! (`k8s.io/apiserver/pkg/endpoints/handlers/negotiation`).
//!
//! **Simplified here:** a watch gives what comes first and ends; no client certificates; a body is JSON.

use api::http::{Body, Credentials, Method, PatchType, Path, Request, ResourcePath, Response};
use client::dial::{Caller, Dial, DialError, HttpCall, Payload, Reply};
use client::{Component, Input, Outbox, RequestId, Transport};
use serde::Serialize;
use serde_json::{Value, json};
use sim::{ObjectRef, PacketStep, Time};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What the server says to who forgets TLS (`net/http`).
const PLAIN: &str = "Client sent an HTTP request to an HTTPS server.\n";

/// How many requests may be under way; more are not answered.
const MAX_WAITING: usize = 1_024;

/// The HTTPS end of the API servers.
#[derive(Debug)]
pub struct ApiServerFront {
    /// The certificate of the cluster's authority, in PEM.
    authority: Arc<str>,
    port: u16,
    waiting: BTreeMap<RequestId, Caller>,
}

impl ApiServerFront {
    /// A front on a port with a certificate of this authority.
    pub fn new(authority: impl Into<Arc<str>>, port: u16) -> Self {
        ApiServerFront { authority: authority.into(), port, waiting: BTreeMap::new() }
    }

    fn incoming(&mut self, caller: Caller, dial: &Dial, out: &mut Outbox) {
        if dial.destination.port() != self.port || dial.udp {
            return out.answer(caller, Err(DialError::Refused));
        }
        let at = ObjectRef::new("Server", "", "kube-apiserver");
        dial.hop(PacketStep::Arrived { at }).into_iter().for_each(|hop| out.trace(hop));
        let Payload::Http(call) = &dial.payload else { return out.answer(caller, Ok(Reply::Connected)) };
        match &call.tls {
            None => out.answer(caller, Ok(answer(400, PLAIN.to_owned()))),
            Some(trust) if !trust.believes(&self.authority) => out.answer(caller, Ok(Reply::Untrusted)),
            Some(_) if self.waiting.len() >= MAX_WAITING => {}
            Some(_) => match request(call) {
                Ok(request) => {
                    self.waiting.insert(out.request(request), caller);
                }
                Err(message) => {
                    let status = json!({
                        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                        "reason": "BadRequest", "code": 400,
                    });
                    out.answer(caller, Ok(answer(400, pretty(&status))));
                }
            },
        }
    }

    fn answered(&mut self, id: RequestId, response: Result<Response, Transport>, out: &mut Outbox) {
        let Some(caller) = self.waiting.remove(&id) else { return };
        match response {
            Ok(response) => out.answer(caller, Ok(reply(response))),
            Err(Transport::Refused) => out.answer(caller, Err(DialError::Refused)),
            // Nothing comes back; the caller waits until its time is up.
            Err(Transport::Timeout | Transport::Closed) => {}
        }
    }
}

impl Component for ApiServerFront {
    fn handle(&mut self, _now: Time, input: Input, out: &mut Outbox) {
        match input {
            Input::Incoming(caller, dial) => self.incoming(caller, &dial, out),
            Input::Response(id, response) => self.answered(id, response, out),
            Input::Watch(id, events) => {
                if let Some(caller) = self.waiting.remove(&id) {
                    let lines: String = events.iter().filter_map(event_line).collect();
                    out.answer(caller, Ok(answer(200, lines)));
                    out.cancel(id);
                }
            }
            Input::WatchEnded(id, _) => {
                if let Some(caller) = self.waiting.remove(&id) {
                    out.answer(caller, Ok(answer(200, String::new())));
                }
            }
            _ => {}
        }
    }

    fn next_wake(&self) -> Option<Time> {
        None
    }
}

fn answer(status: u16, body: String) -> Reply {
    Reply::Http { status, server: String::new(), headers: Vec::new(), body, delay: Duration::ZERO }
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn event_line(event: &api::http::WatchEvent) -> Option<String> {
    use api::http::WatchEvent;
    let (kind, object) = match event {
        WatchEvent::Added(object) => ("ADDED", object),
        WatchEvent::Modified(object) => ("MODIFIED", object),
        WatchEvent::Deleted(object) => ("DELETED", object),
        WatchEvent::Bookmark { .. } | WatchEvent::Error(_) => return None,
    };
    Some(format!("{}\n", json!({"type": kind, "object": object.to_json()})))
}

fn reply(response: Response) -> Reply {
    let body = match response.result {
        Err(status) => pretty(&status.to_json()),
        Ok(Body::Object(object)) => pretty(&object.to_json()),
        Ok(Body::List(list)) => pretty(&*list),
        Ok(Body::Json(value) | Body::Patch(_, value)) => pretty(&value),
        Ok(Body::Text(text)) => text.to_string(),
        Ok(Body::Empty) => String::new(),
    };
    answer(response.code, body)
}

/// A request of HTTP as one to the API server.
///
/// # Errors
/// The message of a 400, when the method or the body is none.
fn request(call: &HttpCall) -> Result<Request, String> {
    let method = match call.method.as_str() {
        "GET" | "HEAD" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        other => return Err(format!("unknown method {other:?}")),
    };
    let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
    let path = decode(path);
    let mut request = Request::get_other(path.clone());
    if let Some(resource) = ResourcePath::parse(&path) {
        request.path = Path::Resource(resource);
    }
    request.method = method;
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    request.query = pairs.map(|(name, value)| (Cow::Owned(decode(name)), decode(&value.replace('+', " ")))).collect();
    request.user_agent = call.header("User-Agent").unwrap_or_default().split('/').next().unwrap_or_default().into();
    let token = call.header("Authorization").and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")));
    if let Some(token) = token {
        request.credentials = Credentials::Bearer(token.trim().into());
    }
    if !call.body.is_empty() {
        let unreadable = |error| format!("the object provided is unrecognized (must be of type JSON): {error}");
        let value: Value = serde_json::from_str(&call.body).map_err(unreadable)?;
        request.body = match (method, call.header("Content-Type").unwrap_or_default()) {
            (Method::Patch, kind) => Body::Patch(patch_type(kind), value),
            _ => Body::Json(value),
        };
    }
    Ok(request)
}

fn patch_type(content_type: &str) -> PatchType {
    match content_type {
        "application/json-patch+json" => PatchType::Json,
        "application/merge-patch+json" => PatchType::Merge,
        "application/apply-patch+yaml" => PatchType::Apply,
        _ => PatchType::StrategicMerge,
    }
}

/// A text whose characters may be written `%20`.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_http_has_them() {
        let call = HttpCall {
            method: "GET".to_owned(),
            path: "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb&limit=5".to_owned(),
            headers: vec![("authorization".to_owned(), "Bearer abc".to_owned()), ("User-Agent".to_owned(), "curl/8.17.0".to_owned())],
            ..HttpCall::default()
        };
        let read = request(&call).unwrap();
        assert!(matches!(&read.path, Path::Resource(path) if path.to_string() == "/api/v1/namespaces/default/pods"));
        assert_eq!((read.param("labelSelector"), read.param("limit"), &*read.user_agent), (Some("app=web"), Some("5"), "curl"));
        assert_eq!(read.credentials, Credentials::Bearer("abc".into()));
        let version = request(&HttpCall { method: "GET".to_owned(), path: "/version".to_owned(), ..HttpCall::default() }).unwrap();
        assert_eq!((version.path, version.credentials), (Path::Other("/version".to_owned()), Credentials::None));
        assert!(request(&HttpCall { method: "BREW".to_owned(), path: "/".to_owned(), ..HttpCall::default() }).is_err());
        assert_eq!(decode("a%2Fb%zz%"), "a/b%zz%");
    }
}
