//! Connections into containers that stay open: `exec` and `attach` over frames (`pkg/kubelet/server`, `ServeExec` and `ServeAttach` of the
//! runtime's streaming server).
//!
//! **Simplified here:** a command whose client is gone ends at once. Whoever attaches first is shown what was printed before: upstream it is
//! lost, and shows or not by chance.

use crate::kubelet::Kubelet;
use crate::runtime::typing::{MAX_SESSIONS, Session};
use crate::serve::{container_index, not_found};
use api::channels::{Channel, exit_frame};
use api::http::{Body, Request, ResourcePath, Response};
use api::status::Status;
use client::{Outbox, ServeId};
use sim::Time;
use std::sync::Arc;

/// An open connection.
#[derive(Debug)]
struct Open {
    serve: ServeId,
    uid: Arc<str>,
    session: Session,
    /// The client's end of the input is the container's (`stdinOnce`).
    once: bool,
}

/// The connections that are open.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Vec<Open>);

impl Kubelet {
    /// Opens a connection to what was begun in a Pod.
    pub(crate) fn open_session(&mut self, serve: ServeId, uid: &Arc<str>, session: Session, once: bool, out: &mut Outbox) {
        self.sessions.0.push(Open { serve, uid: uid.clone(), session, once });
        out.respond(serve, Response { code: 101, ..Response::ok(Body::Empty) });
    }

    /// Whether a Pod has as many connections as it may have.
    pub(crate) fn has_many_sessions(&self, uid: &Arc<str>) -> bool {
        self.sessions.0.iter().filter(|open| open.uid == *uid).count() >= MAX_SESSIONS
    }

    /// Connects to the first process of a container.
    pub(crate) fn attach(
        &mut self,
        now: Time,
        id: ServeId,
        path: &ResourcePath,
        request: &Request,
        out: &mut Outbox,
    ) -> Result<(), Status> {
        let uid = self.find_pod(path)?;
        let worker = &self.managed[&uid].worker;
        let index = container_index(worker, request.param("container").unwrap_or(""))?;
        let record = &worker.records[index];
        let alive = |run: &&usize| record.is_alive() && worker.sandbox.runs(**run);
        let Some(&run) = record.runs.last().filter(alive) else { return Err(not_found(&worker.spec(index).name)) };
        if self.has_many_sessions(&uid) {
            return Err(Status::internal("too many connections to the containers of this pod"));
        }
        let once = worker.spec(index).stdin_once == Some(true) && request.flag("stdin");
        self.open_session(id, &uid, Session::Attach(run), once, out);
        self.work(&uid, now, out, |worker, cx| {
            worker.sandbox.tap(run, true);
            if let Body::Text(text) = &request.body {
                worker.sandbox.type_text(Session::Attach(run), text, cx.now);
                worker.sandbox.close_stdin(Session::Attach(run), cx.now);
            }
        });
        Ok(())
    }

    /// The client of a request that is being served sends a frame, or is gone.
    pub(crate) fn heard(&mut self, serve: ServeId, frame: Option<&str>, now: Time, out: &mut Outbox) {
        let Some(frame) = frame else {
            self.followers.retain(|follower| follower.serve != serve);
            return self.client_gone(serve, now, out);
        };
        let Some(open) = self.sessions.0.iter().find(|open| open.serve == serve) else { return };
        let (uid, session) = (open.uid.clone(), open.session);
        self.work(&uid, now, out, |worker, cx| match Channel::read(frame) {
            Some((Channel::Stdin, text)) => worker.sandbox.type_text(session, text, cx.now),
            Some((Channel::Close, _)) => worker.sandbox.close_stdin(session, cx.now),
            _ => {}
        });
    }

    fn client_gone(&mut self, serve: ServeId, now: Time, out: &mut Outbox) {
        let Some(at) = self.sessions.0.iter().position(|open| open.serve == serve) else { return };
        let Open { uid, session, once, .. } = self.sessions.0.remove(at);
        let alone = !self.sessions.0.iter().any(|open| open.uid == uid && open.session == session);
        self.work(&uid, now, out, |worker, cx| match session {
            Session::Exec(id) => worker.sandbox.cancel_exec(id),
            Session::Attach(run) => {
                if once {
                    worker.sandbox.close_stdin(session, cx.now);
                }
                worker.sandbox.tap(run, !alone);
            }
        });
    }

    /// Sends what a Pod's containers printed to those who are connected, and ends the connections to what has ended.
    pub(crate) fn feed_sessions(&mut self, uid: &Arc<str>, out: &mut Outbox) {
        if self.sessions.0.iter().all(|open| open.uid != *uid) {
            return;
        }
        let Some(managed) = self.managed.get_mut(uid) else { return };
        let worker = &mut managed.worker;
        let mut printed: Vec<(Session, Vec<(u8, String)>)> = Vec::new();
        self.sessions.0.retain(|open| {
            if open.uid != *uid {
                return true;
            }
            if !printed.iter().any(|(session, _)| *session == open.session) {
                printed.push((open.session, worker.sandbox.take_printed(open.session)));
            }
            let pieces = printed.iter().filter(|(session, _)| *session == open.session).flat_map(|(_, pieces)| pieces);
            for (descriptor, text) in pieces {
                let channel = if *descriptor == 2 { Channel::Stderr } else { Channel::Stdout };
                out.stream(open.serve, channel.frame(text), false);
            }
            let ended = match open.session {
                Session::Attach(run) => (!worker.sandbox.runs(run)).then_some(0),
                Session::Exec(id) => {
                    let at = worker.exec_results.iter().position(|result| result.id == id);
                    at.map(|at| {
                        let result = worker.exec_results.remove(at);
                        for (channel, text) in [(Channel::Stdout, &result.stdout), (Channel::Stderr, &result.stderr)] {
                            if !text.is_empty() {
                                out.stream(open.serve, channel.frame(text), false);
                            }
                        }
                        result.exit_code
                    })
                }
            };
            // A command whose container has ended was killed with it.
            let lost = matches!(open.session, Session::Exec(id) if ended.is_none() && !worker.sandbox.has_exec(id));
            let code = ended.or(lost.then_some(137));
            if let Some(code) = code {
                out.stream(open.serve, exit_frame(code), true);
            }
            code.is_none()
        });
    }

    /// Ends the connections to a Pod that is gone.
    pub(crate) fn end_sessions(&mut self, uid: &Arc<str>, out: &mut Outbox) {
        self.sessions.0.retain(|open| {
            let keep = open.uid != *uid;
            if !keep {
                out.stream(open.serve, exit_frame(if matches!(open.session, Session::Exec(_)) { 137 } else { 0 }), true);
            }
            keep
        });
    }
}
