//! `curl` in the terminal: one request over HTTP, to a port that `kubectl port-forward` opened, or to an address of the nodes' network.
//!
//! The learner's machine is on the network of the nodes, as with `kind`: it reaches their addresses, with node ports, and those of the
//! controllers of Ingresses and Gateways. It reaches no Pod and no Service by its address, and knows no names of the cluster.
//!
//! **Simplified here:** a few flags; no redirect is followed (`-L`); a status line has no reason.

use crate::terminal::{Output, Stream};
use client::dial::{CallId, Dial, DialError, HttpCall, Payload, Reply, Trust};
use client::{Input, Outbox};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The learner's machine.
const OWN_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 18, 0, 1));

/// How long it tries to connect.
const PATIENCE: Duration = Duration::from_secs(127);

/// One call of `curl`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    method: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    path: String,
    headers: Vec<String>,
    data: Option<String>,
    limit: Option<Duration>,
    tls: bool,
    insecure: bool,
    pub(crate) silent: bool,
    include: bool,
    head: bool,
    discard: bool,
    code_only: bool,
}

impl Call {
    /// Reads the words after `curl`.
    ///
    /// # Errors
    /// What `curl` complains about, without a line's end.
    pub(crate) fn read(args: &[String]) -> Result<Self, String> {
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
                "-m" | "--max-time" | "--connect-timeout" => {
                    call.limit = value()?.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                }
                "--silent" => call.silent = true,
                "--include" => call.include = true,
                "--head" => call.head = true,
                "--insecure" => call.insecure = true,
                flags if flags.starts_with('-') && flags.len() > 1 => flags[1..].chars().try_for_each(|flag| call.flag(flag))?,
                word => url = Some(word.to_owned()),
            }
        }
        let url = url.ok_or("curl: (2) no URL specified")?;
        if call.head {
            (call.method, call.include) = ("HEAD".to_owned(), true);
        }
        call.go_to(&url)?;
        Ok(call)
    }

    fn flag(&mut self, flag: char) -> Result<(), String> {
        match flag {
            's' => self.silent = true,
            'i' => self.include = true,
            'I' => self.head = true,
            'k' => self.insecure = true,
            'S' | 'f' | 'L' | 'v' => {}
            other => return Err(format!("curl: option -{other}: is unknown")),
        }
        Ok(())
    }

    fn go_to(&mut self, url: &str) -> Result<(), String> {
        let secure = url.strip_prefix("https://");
        self.tls = secure.is_some();
        let rest = secure.or_else(|| url.strip_prefix("http://")).unwrap_or(url);
        let (place, path) = rest.split_once('/').map_or((rest, "/".to_owned()), |(place, path)| (place, format!("/{path}")));
        let (host, port) = place.rsplit_once(':').unwrap_or((place, if self.tls { "443" } else { "80" }));
        self.port =
            port.parse().map_err(|_| "curl: (3) URL rejected: Port number was not a decimal number between 0 and 65535".to_owned())?;
        (self.host, self.path) = (host.to_owned(), path);
        Ok(())
    }

    /// Whether it is for the learner's machine itself.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }

    /// The address on the nodes' network that it is for.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let ip: Ipv4Addr = self.host.parse().ok()?;
        (ip.octets()[..2] == [172, 18]).then(|| SocketAddr::new(ip.into(), self.port))
    }

    /// The value of the header `Host`.
    fn authority(&self) -> String {
        if self.port == if self.tls { 443 } else { 80 } { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// The request as it stands on the wire.
    pub(crate) fn wire(&self) -> String {
        let headers: String = self.headers.iter().map(|header| format!("{header}\r\n")).collect();
        let data = self.data.as_deref().unwrap_or("");
        format!(
            "{} {} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n{headers}\r\n{data}",
            self.method, self.path, self.host, self.port
        )
    }

    /// The request as it is dialed.
    fn http(&self) -> HttpCall {
        let own = [("Host", self.authority()), ("User-Agent", "curl/8.14.1".to_owned()), ("Accept", "*/*".to_owned())];
        let mut headers: Vec<(String, String)> = own.map(|(name, value)| (name.to_owned(), value)).to_vec();
        for (name, value) in self.headers.iter().filter_map(|header| header.split_once(':')) {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let tls = self.tls.then_some(if self.insecure { Trust::Any } else { Trust::System });
        HttpCall { method: self.method.clone(), path: self.path.clone(), headers, body: self.data.clone().unwrap_or_default(), tls }
    }

    /// What is printed of an answer.
    pub(crate) fn shown(&self, answer: &str) -> String {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let body = if self.discard || self.head { "" } else { body };
        let code = head.split([' ', '\r']).nth(1).unwrap_or("000");
        let tail = if self.code_only { code } else { "" };
        if self.include { format!("{}\n\n{body}{tail}", head.replace("\r\n", "\n")) } else { format!("{body}{tail}") }
    }
}

/// A run of `curl` to an address of the nodes' network.
#[derive(Debug)]
pub(crate) struct Curl {
    call: Call,
    to: SocketAddr,
    waiting: Option<CallId>,
    output: Vec<Output>,
    code: Option<i32>,
}

impl Curl {
    /// Makes a run ready.
    pub(crate) fn to(call: Call, to: SocketAddr) -> Self {
        Curl { call, to, waiting: None, output: Vec::new(), code: None }
    }

    pub(crate) fn handle(&mut self, input: Input, out: &mut Outbox) {
        match input {
            Input::Wake if self.waiting.is_none() => {
                let payload = Payload::Http(Box::new(self.call.http()));
                self.waiting = Some(out.dial(Dial::new(OWN_ADDRESS, self.to, false, payload, self.call.limit.unwrap_or(PATIENCE))));
            }
            Input::Dialed(call, answer) if self.waiting == Some(call) => self.answered(answer.map(|reply| *reply)),
            _ => {}
        }
    }

    fn answered(&mut self, answer: Result<Reply, DialError>) {
        let Call { host, port, .. } = &self.call;
        let (code, complaint) = match answer {
            Ok(Reply::Http { status, server, headers, body, .. }) => {
                let server = (!server.is_empty()).then(|| ("Server".to_owned(), server));
                let length = ("Content-Length".to_owned(), body.len().to_string());
                let all = server.into_iter().chain([length]).chain(headers);
                let head: String = all.map(|(name, value)| format!("\r\n{name}: {value}")).collect();
                let text = self.call.shown(&format!("HTTP/1.1 {status}{head}\r\n\r\n{body}"));
                self.output.push(Output { stream: Stream::Stdout, text });
                (0, None)
            }
            Ok(Reply::Untrusted) => (60, Some("SSL certificate problem: unable to get local issuer certificate".to_owned())),
            Ok(_) if self.call.tls => (35, Some("TLS connect error: wrong version number".to_owned())),
            Ok(_) => (52, Some("Empty reply from server".to_owned())),
            Err(DialError::TimedOut) => (28, Some(format!("Failed to connect to {host} port {port}: Connection timed out"))),
            Err(_) => (7, Some(format!("Failed to connect to {host} port {port} after 0 ms: Could not connect to server"))),
        };
        if let Some(complaint) = complaint.filter(|_| !self.call.silent) {
            self.output.push(Output { stream: Stream::Stderr, text: format!("curl: ({code}) {complaint}\n") });
        }
        self.code = Some(code);
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&mut self) {
        self.code.get_or_insert(130);
    }

    pub(crate) fn take_output(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.output)
    }

    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Call {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Call::read(&words).unwrap()
    }

    #[test]
    fn addresses_of_the_nodes_network_are_dialed() {
        let to = |url: &str| call(url).address().map(|to| to.to_string());
        assert_eq!(to("http://172.18.255.201/x"), Some("172.18.255.201:80".to_owned()));
        assert_eq!(to("https://172.18.0.2:30443"), Some("172.18.0.2:30443".to_owned()));
        assert_eq!((to("10.96.0.1"), to("web"), to("localhost:8080")), (None, None, None));
        let sent = call("-sk -H host:shop.example https://172.18.255.201/cart?id=1").http();
        assert_eq!((sent.header("Host"), sent.path.as_str(), &sent.tls), (Some("shop.example"), "/cart?id=1", &Some(Trust::Any)));
    }

    #[test]
    fn an_answer_is_shown_as_the_flags_say() {
        let answer = || {
            Ok(Reply::Http { status: 404, server: "nginx".to_owned(), headers: Vec::new(), body: "gone".to_owned(), delay: Duration::ZERO })
        };
        let shown = |flags: &str, answer: Result<Reply, DialError>| {
            let call = call(&format!("{flags} http://172.18.255.201/"));
            let to = call.address().unwrap();
            let mut curl = Curl::to(call, to);
            curl.answered(answer);
            let text: String = curl.take_output().into_iter().map(|output| output.text).collect();
            (text, curl.exit_code())
        };
        assert_eq!(shown("-s", answer()), ("gone".to_owned(), Some(0)));
        assert_eq!(shown("-s -o /dev/null -w %{http_code}", answer()), ("404".to_owned(), Some(0)));
        assert_eq!(shown("-si", answer()).0, "HTTP/1.1 404\nServer: nginx\nContent-Length: 4\n\ngone");
        assert_eq!(shown("-s", Err(DialError::TimedOut)), (String::new(), Some(28)));
        let refused = "curl: (7) Failed to connect to 172.18.255.201 port 80 after 0 ms: Could not connect to server\n";
        assert_eq!(shown("-X GET", Err(DialError::Refused)), (refused.to_owned(), Some(7)));
    }
}
