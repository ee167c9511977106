//! Ports of the terminal that lead to Pods, and `curl`, which reaches them.
//!
//! **Simplified here:** `kubectl port-forward` leaves its ports behind and ends, as with `&` in a real shell, since there is one terminal: a
//! note says so, `jobs` lists them and `kill %1` ends them. `curl` speaks HTTP to such ports and knows a few flags; nothing else listens on
//! the learner's machine.

use crate::command::{Failure, Job, Step};
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

    /// `curl` as a job.
    ///
    /// # Errors
    /// What `curl` complains about, without a line's end.
    pub(crate) fn curl(&self, args: &[String]) -> Result<Job, String> {
        let call = Call::read(args)?;
        let silent = call.silent;
        let Some(forward) = self.ports.get(&call.port).filter(|_| call.is_local()).cloned() else {
            let message = match call.is_local() {
                true => format!("curl: (7) Failed to connect to {} port {} after 0 ms: Could not connect to server", call.host, call.port),
                false => format!(
                    "curl: (6) Could not resolve host: {} (this terminal reaches ports that 'kubectl port-forward' opens; names of the cluster \
                     are known inside of it: 'kubectl exec POD -- curl URL')",
                    call.host
                ),
            };
            let code = if call.is_local() { 7 } else { 6 };
            return Ok(Box::new(move |io| {
                if !silent {
                    io.complain(&message);
                }
                Step::Done(code)
            }));
        };
        Ok(Box::new(move |_| {
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
        }))
    }
}

/// One call of `curl`.
#[derive(Clone, Debug, Default)]
struct Call {
    method: String,
    host: String,
    port: u16,
    path: String,
    headers: Vec<String>,
    data: Option<String>,
    silent: bool,
    include: bool,
    head: bool,
    discard: bool,
    code_only: bool,
}

impl Call {
    fn read(args: &[String]) -> Result<Self, String> {
        let mut call = Call { method: "GET".to_owned(), ..Call::default() };
        let (mut url, mut words) = (None, args.iter());
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or_else(|| format!("curl: option {word}: requires parameter"));
            match word.as_str() {
                "-X" | "--request" => call.method = value()?,
                "-H" | "--header" => call.headers.push(value()?),
                "-d" | "--data" => {
                    call.data = Some(value()?);
                    call.method = "POST".to_owned();
                }
                "-o" | "--output" => call.discard = value()? == "/dev/null",
                "-w" | "--write-out" => call.code_only = value()?.contains("http_code"),
                "-m" | "--max-time" | "--connect-timeout" => drop(value()?),
                "--silent" => call.silent = true,
                "--include" => call.include = true,
                "--head" => call.head = true,
                flags if flags.starts_with('-') && flags.len() > 1 => {
                    for flag in flags[1..].chars() {
                        match flag {
                            's' => call.silent = true,
                            'i' => call.include = true,
                            'I' => call.head = true,
                            'S' | 'f' | 'L' | 'v' | 'k' => {}
                            other => return Err(format!("curl: option -{other}: is unknown")),
                        }
                    }
                }
                word => url = Some(word.to_owned()),
            }
        }
        let url = url.ok_or("curl: (2) no URL specified")?;
        if call.head {
            (call.method, call.include) = ("HEAD".to_owned(), true);
        }
        let rest = url.strip_prefix("http://").unwrap_or(&url);
        let (place, path) = rest.split_once('/').map_or((rest, "/".to_owned()), |(place, path)| (place, format!("/{path}")));
        let (host, port) = place.rsplit_once(':').unwrap_or((place, "80"));
        call.port =
            port.parse().map_err(|_| "curl: (3) URL rejected: Port number was not a decimal number between 0 and 65535".to_owned())?;
        (call.host, call.path) = (host.to_owned(), path);
        Ok(call)
    }

    fn is_local(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }

    /// The request as it stands on the wire.
    fn wire(&self) -> String {
        let headers: String = self.headers.iter().map(|header| format!("{header}\r\n")).collect();
        let data = self.data.as_deref().unwrap_or("");
        format!(
            "{} {} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n{headers}\r\n{data}",
            self.method, self.path, self.host, self.port
        )
    }

    /// What is printed of an answer.
    fn shown(&self, answer: &str) -> String {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let body = if self.discard { "" } else { body };
        let code = head.split(' ').nth(1).unwrap_or("000");
        let tail = if self.code_only { code } else { "" };
        if self.include { format!("{}\n\n{body}{tail}", head.replace("\r\n", "\n")) } else { format!("{body}{tail}") }
    }
}
