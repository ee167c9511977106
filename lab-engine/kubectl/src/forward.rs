//! Ports of the terminal that lead to Pods.
//!
//! **Simplified here:** `kubectl port-forward` leaves its ports behind and ends, as with `&` in a real shell, since there is one terminal: a
//! note says so, `jobs` lists them and `kill %1` ends them. Nothing else listens on the learner's machine.

use crate::command::{Failure, Job, Step};
use crate::curl::Call;
use api::http::{Body, Method, Request, ResourcePath};
use std::collections::BTreeMap;

/// A local port that leads to a port of a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) port: u16,
    /// The number of its job.
    pub(crate) job: u32,
    /// The words that began it.
    pub(crate) command: String,
}

/// The local ports that lead somewhere.
#[derive(Debug, Default)]
pub(crate) struct Forwards {
    ports: BTreeMap<u16, Forward>,
    jobs: u32,
}

/// How many ports may lead somewhere.
const MAX_PORTS: usize = 64;

impl Forwards {
    /// Takes in the ports of one command.
    pub(crate) fn add(&mut self, ports: Vec<(u16, Forward)>) {
        if ports.is_empty() {
            return;
        }
        self.jobs += 1;
        for (local, forward) in ports {
            if self.ports.len() < MAX_PORTS {
                self.ports.insert(local, Forward { job: self.jobs, ..forward });
            }
        }
    }

    /// The local ports that are taken.
    pub(crate) fn taken(&self) -> Vec<u16> {
        self.ports.keys().copied().collect()
    }

    /// What `jobs` prints.
    pub(crate) fn list(&self) -> String {
        let jobs: BTreeMap<u32, &str> = self.ports.values().map(|forward| (forward.job, forward.command.as_str())).collect();
        jobs.into_iter().map(|(job, command)| format!("[{job}]   Running   {command} &\n")).collect()
    }

    /// Ends a job; false when there is none with this number.
    pub(crate) fn kill(&mut self, job: &str) -> bool {
        let before = self.ports.len();
        let number = job.strip_prefix('%').and_then(|number| number.parse::<u32>().ok());
        self.ports.retain(|_, forward| Some(forward.job) != number);
        self.ports.len() != before
    }

    /// `curl` to one of the ports, as a job.
    pub(crate) fn curl(&self, call: Call) -> Job {
        let silent = call.silent;
        let Some(forward) = self.ports.get(&call.port).filter(|_| call.is_local()).cloned() else {
            let message = match call.is_local() {
                true => format!("curl: (7) Failed to connect to {} port {} after 0 ms: Could not connect to server", call.host, call.port),
                false => format!(
                    "curl: (6) Could not resolve host: {} (this terminal reaches ports that 'kubectl port-forward' opens, and addresses of the \
                     nodes' network, 172.18.0.0/16; names of the cluster are known inside of it: 'kubectl exec POD -- curl URL')",
                    call.host
                ),
            };
            let code = if call.is_local() { 7 } else { 6 };
            return Box::new(move |io| {
                if !silent {
                    io.complain(&message);
                }
                Step::Done(code)
            });
        };
        Box::new(move |_| {
            let path = ResourcePath::object(crate::commands::pods(), &forward.namespace, &forward.pod).with_subresource("portforward");
            let request = Request::new(Method::Post, path).query("ports", forward.port.to_string()).body(Body::Text(call.wire().into()));
            Step::ask(request, move |answer, io| match answer {
                Ok(Body::Text(text)) if !text.is_empty() => {
                    io.print(call.shown(&text));
                    Step::Done(0)
                }
                Err(failure) if failure.is_not_found() => {
                    io.complain("error: lost connection to pod");
                    io.complain("curl: (52) Empty reply from server");
                    Step::Done(52)
                }
                answer => {
                    if let Err(Failure::Refused(status)) = answer {
                        let handled =
                            format!("Handling connection for {}\nan error occurred forwarding {0} -> {}: ", call.port, forward.port);
                        io.complain(&format!("{handled}{}", status.message.trim_start_matches("Internal error occurred: ")));
                    }
                    io.complain("curl: (52) Empty reply from server");
                    Step::Done(52)
                }
            })
        })
    }
}
