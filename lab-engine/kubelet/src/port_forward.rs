//! `portforward`: reaches a port of a Pod from where `kubectl` runs (`ServePortForward` of the runtime's streaming server).
//!
//! **Simplified here:** a connection is one question and one answer over HTTP, as text; what speaks another protocol answers nothing. How
//! long the server takes is not waited for.

use crate::kubelet::Kubelet;
use crate::runtime::http::{HttpRequest, reason};
use api::http::{Body, Request, ResourcePath, Response};
use api::status::Status;
use client::{Outbox, ServeId};
use sim::Time;

impl Kubelet {
    /// Passes a question on to a port of a Pod.
    pub(crate) fn port_forward(
        &mut self,
        now: Time,
        id: ServeId,
        path: &ResourcePath,
        request: &Request,
        out: &mut Outbox,
    ) -> Result<(), Status> {
        let uid = self.find_pod(path)?;
        let port = request.param("ports").and_then(|port| port.parse::<u16>().ok());
        let port = port.ok_or_else(|| Status::bad_request("you must specify at least 1 port"))?;
        let Body::Text(text) = &request.body else { return Err(Status::bad_request("there is nothing to forward")) };
        let question = read(text).ok_or_else(|| Status::bad_request("only HTTP is forwarded here"))?;
        let answer = self.work(&uid, now, out, |worker, cx| worker.sandbox.http(port, &question, cx.now, cx.host)).flatten();
        let Some(answer) = answer else {
            return Err(Status::internal(format!(
                "error forwarding port {port} to pod {uid}, uid : failed to execute portforward in network namespace: failed to connect to \
                 localhost:{port} inside namespace, IPv4: dial tcp4 127.0.0.1:{port}: connect: connection refused IPv6 dial tcp6: address \
                 localhost: no suitable address found"
            )));
        };
        let text = answer.map_or_else(String::new, |answer| {
            let server = if answer.server.is_empty() { String::new() } else { format!("Server: {}\r\n", answer.server) };
            let length = if question.method == "HEAD" { 0 } else { answer.body.len() };
            let body = if question.method == "HEAD" { "" } else { answer.body.as_str() };
            format!("HTTP/1.1 {} {}\r\n{server}Content-Length: {length}\r\n\r\n{body}", answer.status, reason(answer.status))
        });
        out.respond(id, Response::ok(Body::Text(text.into())));
        Ok(())
    }
}

/// Reads a request as it stands on the wire.
fn read(text: &str) -> Option<HttpRequest> {
    let head = text.split_once("\r\n\r\n").map_or(text, |(head, _)| head);
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Some(HttpRequest { method, path, headers, client_ip: "127.0.0.1".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_from_the_wire() {
        let request = read("GET /a?b HTTP/1.1\r\nHost: localhost:8080\r\nX-A: b: c\r\n\r\nbody").unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/a?b"));
        assert_eq!(request.headers[1], ("X-A".to_owned(), "b: c".to_owned()));
        assert!(read("hello").is_none() && read("").is_none());
    }
}
