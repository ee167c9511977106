//! A Pod's calls over the network: those of its containers, and those of others to it.

use super::fs::Tree;
use super::http::HttpRequest;
use super::sandbox::Sandbox;
use client::dial::{Dial, DialError, Payload, Reply};
use sim::Time;
use std::collections::BTreeMap;

/// What came of a call.
pub(crate) type Answer = Result<Box<Reply>, DialError>;

/// How many answers wait to be looked at; a program that ended leaves its own behind.
const MAX_ANSWERS: usize = 64;

/// The calls of a Pod's containers.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    next: u64,
    outgoing: Vec<(u64, Dial)>,
    answers: BTreeMap<u64, Answer>,
}

impl Calls {
    /// Begins a call; gives its number.
    pub(crate) fn begin(&mut self, dial: Dial) -> u64 {
        self.next += 1;
        self.outgoing.push((self.next, dial));
        self.next
    }

    /// The answer to a call, once.
    pub(crate) fn take(&mut self, call: u64) -> Option<Answer> {
        self.answers.remove(&call)
    }

    /// The calls that have not been sent yet.
    pub(crate) fn take_outgoing(&mut self) -> Vec<(u64, Dial)> {
        std::mem::take(&mut self.outgoing)
    }

    /// An answer came.
    pub(crate) fn answered(&mut self, call: u64, answer: Answer) {
        if self.answers.len() >= MAX_ANSWERS {
            self.answers.pop_first();
        }
        self.answers.insert(call, answer);
    }
}

/// What a Pod answers to a call that reached it.
///
/// # Errors
/// [`DialError::Refused`] when nothing of it listens on the port.
pub(crate) fn answer(sandbox: &mut Sandbox, dial: &Dial, now: Time, host: &mut Tree) -> Result<Reply, DialError> {
    let port = dial.destination.port();
    match &dial.payload {
        Payload::Connect if sandbox.listens(port) => Ok(Reply::Connected),
        // Nothing in a container speaks TLS.
        Payload::Http(call) if call.tls.is_some() && sandbox.listens(port) => Ok(Reply::Connected),
        Payload::Http(call) => {
            let client_ip = dial.source.to_string();
            let request = HttpRequest { method: call.method.clone(), path: call.path.clone(), headers: call.headers.clone(), client_ip };
            let response = sandbox.http(port, &request, now, host).ok_or(DialError::Refused)?;
            Ok(response.map_or(Reply::Connected, |response| Reply::Http {
                status: response.status,
                server: response.server.to_owned(),
                headers: Vec::new(),
                body: response.body,
                delay: response.delay,
            }))
        }
        _ => Err(DialError::Refused),
    }
}
