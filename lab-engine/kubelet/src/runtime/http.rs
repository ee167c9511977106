//! What listens in a Pod, and how it answers over HTTP.
//!
//! A listener's answer is a function of what it serves, how long it has run, and the request; so a probe, a `curl` in a neighbour
//! container and a test all get the same answer without waking the process.

use super::fs::View;
use sim::Time;
use std::time::Duration;

/// A request over HTTP.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) client_ip: String,
}

impl HttpRequest {
    /// A GET without headers.
    pub(crate) fn get(path: &str, client_ip: &str) -> Self {
        HttpRequest { method: "GET".to_owned(), path: path.to_owned(), headers: Vec::new(), client_ip: client_ip.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) server: &'static str,
    pub(crate) body: String,
    /// How long the server took.
    pub(crate) delay: Duration,
}

impl HttpResponse {
    /// The page of metrics of the `demo-app` image, after so many requests.
    pub(crate) fn metrics(requests: u64) -> Self {
        let body = format!(
            "# HELP http_requests_total Requests that were served, this page's among them.\n# TYPE http_requests_total counter\n\
             http_requests_total {requests}\n"
        );
        HttpResponse { status: 200, server: "demo-app", body, delay: Duration::ZERO }
    }
}

/// What a listener serves.
#[derive(Clone, Debug)]
pub(crate) enum Service {
    /// Files below a directory, as nginx, Apache and `python -m http.server` do.
    Files { root: String, server: &'static str },
    /// agnhost's `liveness`: well for ten seconds, then 500.
    Liveness,
    /// agnhost's `netexec`.
    NetExec { hostname: String },
    /// A fixed text.
    Text { body: String, server: &'static str },
    /// A program whose behaviour the learner sets.
    Demo(Box<Demo>),
    /// Speaks another protocol than HTTP.
    Other,
    /// A gRPC health service.
    Grpc,
}

/// The settings of the `demo-app` image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demo {
    pub(crate) version: String,
    pub(crate) hostname: String,
    /// Statuses by path.
    pub(crate) statuses: Vec<(String, u16)>,
    /// After this long every path except `/` answers 500.
    pub(crate) unhealthy_after: Option<Duration>,
    /// How long an answer takes.
    pub(crate) latency: Duration,
}

/// The reason phrase of a status code.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

impl Service {
    /// Answers a request at `now`; the listener has been there since `since`. `None` when it does not speak HTTP.
    pub(crate) fn respond(&self, now: Time, since: Time, request: &HttpRequest, files: &View<'_>) -> Option<HttpResponse> {
        let answer = |status, server, body: String| Some(HttpResponse { status, server, body, delay: Duration::ZERO });
        let path = request.path.split('?').next().unwrap_or("/");
        match self {
            Service::Files { root, server } => {
                let wanted = super::fs::normalize("/", path);
                let mut file = format!("{}{}", root.trim_end_matches('/'), wanted.trim_end_matches('/'));
                if files.is_dir(&file) {
                    file.push_str("/index.html");
                }
                match files.read(&file) {
                    Ok(text) => answer(200, server, text.to_owned()),
                    Err(_) if path == "/" || path.ends_with('/') => answer(403, server, page(403, server)),
                    Err(_) => answer(404, server, page(404, server)),
                }
            }
            Service::Liveness => match now.since(since) {
                age if age > Duration::from_secs(10) => answer(500, "", format!("error: {}", crate::backoff::go_duration(age))),
                _ => answer(200, "", "ok".to_owned()),
            },
            Service::NetExec { hostname } => netexec(now, hostname, request),
            Service::Text { body, server } => answer(200, server, body.clone()),
            Service::Demo(demo) => Some(demo.respond(now.since(since), path)),
            Service::Other | Service::Grpc => None,
        }
    }
}

/// The page that a server sends with an error.
fn page(status: u16, server: &str) -> String {
    let title = format!("{status} {}", reason(status));
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
    )
}

fn netexec(now: Time, hostname: &str, request: &HttpRequest) -> Option<HttpResponse> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let param = |name: &str| query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value));
    let (status, body) = match path {
        "/" => (200, format!("NOW: {}", now.rfc3339())),
        "/hostname" | "/hostName" => (200, hostname.to_owned()),
        "/healthz" => (200, String::new()),
        "/clientip" => (200, format!("{}:40000", request.client_ip)),
        "/echo" => (param("code").and_then(|code| code.parse().ok()).unwrap_or(200), param("msg").unwrap_or("").to_owned()),
        "/header" => (200, request.header(param("key").unwrap_or("")).unwrap_or("").to_owned()),
        _ => (404, "404 page not found\n".to_owned()),
    };
    Some(HttpResponse { status, server: "", body, delay: Duration::ZERO })
}

impl Demo {
    fn respond(&self, age: Duration, path: &str) -> HttpResponse {
        let set = self.statuses.iter().find(|(at, _)| at == path).map(|(_, status)| *status);
        let unhealthy = path != "/" && self.unhealthy_after.is_some_and(|after| age >= after);
        let status = if unhealthy { 500 } else { set.unwrap_or(200) };
        let body = match (path, status) {
            ("/", 200) => format!("demo-app {} on {}\n", self.version, self.hostname),
            (_, status) => format!("{}\n", reason(status).to_lowercase()),
        };
        HttpResponse { status, server: "demo-app", body, delay: self.latency }
    }
}
