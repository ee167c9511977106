//! What the API server asks of a kubelet: logs, commands, and the pages of its own that `nodes/NODE/proxy/…` leads to (`pkg/kubelet/server`,
//! `GetKubeletContainerLogs`).
//!
//! A request for `exec` or `attach` that asks for a connection ([`Accept::Channels`]) gets one (see `sessions`). Without that, `exec` runs a
//! command to its end and answers once, with its output and exit code.

use crate::kubelet::Kubelet;
use crate::pod_worker::PodWorker;
use crate::runtime::log::LogOptions;
use crate::runtime::sandbox::{ExecResult, Stdin, start_error};
use crate::runtime::typing::Session;
use api::http::{Accept, Body, Path, Request, ResourcePath, Response};
use api::status::Status;
use client::{Outbox, ServeId};
use serde_json::{Value, json};
use sim::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Commands that were asked for, by Pod and by the runtime's number.
#[derive(Debug, Default)]
pub(crate) struct Execs(BTreeMap<(Arc<str>, u64), ServeId>);

/// Someone who follows a log.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) serve: ServeId,
    uid: Arc<str>,
    /// The container's run in the sandbox.
    run: usize,
    /// The number of the next line.
    next: usize,
    timestamps: bool,
}

impl Kubelet {
    /// Serves a request that the API server forwards.
    pub(crate) fn serve(&mut self, now: Time, id: ServeId, request: &Request, out: &mut Outbox) {
        let refused = match &request.path {
            Path::Resource(path) => match path.subresource.as_ref() {
                "log" => self.log(now, id, path, request, out),
                "exec" => self.exec(now, id, path, request, out),
                "portforward" => self.port_forward(now, id, path, request, out),
                "attach" if request.accept == Accept::Channels => self.attach(now, id, path, request, out),
                "proxy/metrics/resource" => {
                    out.respond(id, Response::ok(Body::Text(self.resource_metrics(now).into())));
                    Ok(())
                }
                "proxy/stats/summary" => {
                    out.respond(id, Response::ok(Body::Json(self.stats_summary(now))));
                    Ok(())
                }
                "proxy/healthz" => {
                    out.respond(id, Response::ok(Body::Text("ok".into())));
                    Ok(())
                }
                _ => Err(Status::no_such_path()),
            },
            Path::Other(_) => Err(Status::no_such_path()),
        };
        if let Err(status) = refused {
            out.respond(id, status.into());
        }
    }

    pub(crate) fn find_pod(&self, path: &ResourcePath) -> Result<Arc<str>, Status> {
        let name = path.name.as_deref().unwrap_or("");
        let namespace = path.namespace.as_deref().unwrap_or("");
        let is = |worker: &PodWorker| worker.pod.metadata.name == name && worker.pod.metadata.namespace == namespace;
        let found = self.managed.iter().find(|(_, managed)| is(&managed.worker)).map(|(uid, _)| uid.clone());
        found.ok_or_else(|| Status::not_found(&path.resource, name))
    }

    fn log(&mut self, now: Time, id: ServeId, path: &ResourcePath, request: &Request, out: &mut Outbox) -> Result<(), Status> {
        let uid = self.find_pod(path)?;
        let worker = &self.managed[&uid].worker;
        let index = container_index(worker, request.param("container").unwrap_or(""))?;
        let run = log_run(worker, index, request.flag("previous"))?;
        let number = |name: &str| request.param(name).and_then(|value| value.parse::<u64>().ok());
        let options = LogOptions {
            tail_lines: number("tailLines").and_then(|lines| usize::try_from(lines).ok()),
            since: number("sinceSeconds").map(Duration::from_secs),
            timestamps: request.flag("timestamps"),
            limit_bytes: number("limitBytes").and_then(|bytes| usize::try_from(bytes).ok()),
        };
        let log = &worker.sandbox.containers[run].log;
        out.respond(id, Response::ok(Body::Text(log.read(now, &options).into())));
        if request.flag("follow") {
            if worker.sandbox.runs(run) {
                self.followers.push(Follower { serve: id, uid, run, next: log.end(), timestamps: options.timestamps });
            } else {
                out.stream(id, "", true);
            }
        }
        Ok(())
    }

    fn exec(&mut self, now: Time, id: ServeId, path: &ResourcePath, request: &Request, out: &mut Outbox) -> Result<(), Status> {
        let uid = self.find_pod(path)?;
        let worker = &self.managed[&uid].worker;
        let index = container_index(worker, request.param("container").unwrap_or(""))?;
        let record = &worker.records[index];
        let alive = |run: &&usize| record.is_alive() && worker.sandbox.runs(**run);
        let Some(&run) = record.runs.last().filter(alive) else { return Err(not_found(&worker.spec(index).name)) };
        let stays_open = request.accept == Accept::Channels;
        if stays_open && self.has_many_sessions(&uid) {
            return Err(Status::internal("too many connections to the containers of this pod"));
        }
        let command: Vec<String> = request.query.iter().filter(|(key, _)| key == "command").map(|(_, value)| value.clone()).collect();
        if command.is_empty() {
            return Err(Status::bad_request("you must specify at least 1 command for the container"));
        }
        let text = match &request.body {
            Body::Text(text) => Some(text.to_string()),
            _ => None,
        };
        let keyboard = stays_open && text.is_none() && request.flag("stdin");
        let stdin = Stdin { text, keyboard, tty: stays_open && request.flag("tty") };
        let started = self.work(&uid, now, out, |worker, cx| worker.sandbox.exec(run, &command, stdin, cx.now)).flatten();
        match started {
            Some(exec) if stays_open => {
                self.open_session(id, &uid, Session::Exec(exec), false, out);
                self.work(&uid, now, out, |_, _| ());
            }
            Some(exec) => {
                self.execs.0.insert((uid.clone(), exec), id);
                self.work(&uid, now, out, |_, _| ());
            }
            None => {
                let error = start_error(&command);
                let message = format!("failed to exec in container: OCI runtime exec failed: {}", tail(&error));
                if stays_open {
                    return Err(Status::internal(message));
                }
                let stderr = format!("error: Internal error occurred: {message}\n");
                out.respond(id, answer(&ExecResult { exit_code: 126, stderr, ..ExecResult::default() }));
            }
        }
        Ok(())
    }

    /// Answers those whose commands have ended.
    pub(crate) fn deliver_execs(&mut self, uid: &Arc<str>, out: &mut Outbox) {
        let Some(managed) = self.managed.get_mut(uid) else { return };
        // A command can be over before it is known whose it is: its result waits.
        managed.worker.exec_results.retain(|result| match self.execs.0.remove(&(uid.clone(), result.id)) {
            Some(serve) => {
                out.respond(serve, answer(result));
                false
            }
            None => true,
        });
    }

    /// Sends new lines to those who follow the Pod's logs.
    pub(crate) fn feed_followers(&mut self, uid: &Arc<str>, out: &mut Outbox) {
        let Some(managed) = self.managed.get(uid) else { return };
        let worker = &managed.worker;
        self.followers.retain_mut(|follower| {
            if follower.uid != *uid {
                return true;
            }
            let (text, next) = worker.sandbox.containers[follower.run].log.read_from(follower.next, follower.timestamps);
            follower.next = next;
            // Whoever follows asks the runtime whether the container still runs.
            let last = !worker.sandbox.runs(follower.run);
            if !text.is_empty() || last {
                out.stream(follower.serve, text, last);
            }
            !last
        });
    }

    /// Ends the streams of a Pod that is gone, and the answers that will not come.
    pub(crate) fn end_followers(&mut self, uid: &Arc<str>, out: &mut Outbox) {
        self.followers.retain(|follower| {
            let keep = follower.uid != *uid;
            if !keep {
                out.stream(follower.serve, "", true);
            }
            keep
        });
        self.execs.0.retain(|(owner, _), serve| {
            let keep = owner != uid;
            if !keep {
                out.respond(*serve, answer(&ExecResult { exit_code: 137, ..ExecResult::default() }));
            }
            keep
        });
    }
}

fn answer(result: &ExecResult) -> Response {
    let value: Value = json!({"stdout": result.stdout, "stderr": result.stderr, "exitCode": result.exit_code});
    Response::ok(Body::Json(value))
}

/// There is no such container to connect to.
pub(crate) fn not_found(name: &str) -> Status {
    Status::internal(format!("unable to upgrade connection: container not found ({name:?})"))
}

fn tail(error: &str) -> &str {
    error.find("exec:").map_or(error, |at| &error[at..])
}

/// The number of a container; the only or first one when no name is given.
pub(crate) fn container_index(worker: &PodWorker, name: &str) -> Result<usize, Status> {
    let inits = worker.pod.spec.init_containers.len();
    if name.is_empty() {
        return Ok(inits);
    }
    let found = (0..worker.records.len()).find(|&index| worker.spec(index).name == name);
    found.ok_or_else(|| Status::bad_request(format!("container {name} is not valid for pod {}", worker.pod.metadata.name)))
}

/// The run whose log is meant.
fn log_run(worker: &PodWorker, index: usize, previous: bool) -> Result<usize, Status> {
    let record = &worker.records[index];
    let (container, pod) = (&worker.spec(index).name, &worker.pod.metadata.name);
    let mut runs = record.runs.iter().rev();
    let latest = runs.next();
    if previous {
        let before = if record.is_alive() { runs.next() } else { latest.filter(|_| worker.exit_code(index).is_some()) };
        return before
            .copied()
            .ok_or_else(|| Status::bad_request(format!("previous terminated container {container:?} in pod {pod:?} not found")));
    }
    latest.copied().ok_or_else(|| {
        let default = if worker.pod.spec.init_containers.is_empty() { "ContainerCreating" } else { "PodInitializing" };
        let why = match &record.waiting {
            Some(("ErrImagePull", _)) => "image can't be pulled",
            Some(("ImagePullBackOff", _)) => "trying and failing to pull image",
            Some((reason, _)) => reason,
            None => default,
        };
        Status::bad_request(format!("container {container:?} in pod {pod:?} is waiting to start: {why}"))
    })
}
