//! Tools of the network: `wget`, `curl`, `nslookup`, `nc`, `ping`.
//!
//! **Simplified here:** without a Pod network only the Pod itself answers, as `localhost` or by its own address; any other name cannot be
//! resolved and any other address refuses the connection.

use super::machine::Thread;
use crate::runtime::fs::normalize;
use crate::runtime::http::{HttpRequest, reason};
use crate::runtime::programs::Output;
use crate::runtime::sandbox::Ctx;

/// Runs a tool of the network.
pub(super) fn run(thread: &mut Thread, name: &str, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let target = args.iter().rfind(|arg| !arg.starts_with('-')).map_or("", String::as_str);
    match name {
        "wget" | "curl" => fetch(thread, name, args, ctx, out),
        "nslookup" => {
            let text = format!("Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n** server can't find {target}: NXDOMAIN\n\n");
            thread.write(1, &text, ctx, out);
            1
        }
        "ping" => {
            thread.write(2, &format!("ping: bad address '{target}'\n"), ctx, out);
            1
        }
        _ => {
            let host = args.iter().rfind(|arg| !arg.starts_with('-') && arg.parse::<u16>().is_err()).map_or("localhost", String::as_str);
            let port = target.parse().unwrap_or(0);
            let open = is_self(host, ctx) && ctx.http(port, &HttpRequest::get("/", "127.0.0.1")).is_some();
            i32::from(!open)
        }
    }
}

fn is_self(host: &str, ctx: &Ctx<'_>) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0") || host == ctx.ip() || host == ctx.hostname()
}

/// The parts of a URL: scheme, host, port, path.
fn split_url(url: &str) -> (String, u16, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let default = if url.starts_with("https://") { 443 } else { 80 };
    let (host, port) = authority.rsplit_once(':').map_or((authority, default), |(host, port)| (host, port.parse().unwrap_or(default)));
    (host.to_owned(), port, path.to_owned())
}

fn fetch(thread: &mut Thread, tool: &str, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let curl = tool == "curl";
    let takes = |arg: &str| {
        matches!(arg, "-O" if !curl)
            || matches!(arg, "-o" | "-w" | "-H" | "-X" | "-d" | "-m" | "-T" | "-t" | "--max-time" | "--connect-timeout")
    };
    let option =
        |names: &[&str]| args.iter().position(|arg| names.contains(&arg.as_str())).and_then(|at| args.get(at + 1)).map(String::as_str);
    let first = args.iter().enumerate().find(|(at, arg)| !arg.starts_with('-') && (*at == 0 || !takes(&args[at - 1]))).map(|(_, arg)| arg);
    let Some(url) = first.filter(|url| !url.is_empty()) else {
        thread.write(2, &format!("{tool}: missing URL\n"), ctx, out);
        return if curl { 2 } else { 1 };
    };
    let flags: String = args.iter().filter(|arg| arg.starts_with('-') && !arg.starts_with("--")).map(String::as_str).collect();
    let (host, port, path) = split_url(url);
    if !is_self(&host, ctx) && !host.chars().all(|c| c.is_ascii_digit() || c == '.') {
        let (text, status) =
            if curl { (format!("curl: (6) Could not resolve host: {host}\n"), 6) } else { (format!("wget: bad address '{host}'\n"), 1) };
        thread.write(2, &text, ctx, out);
        return status;
    }
    let headers = vec![("User-Agent".to_owned(), if curl { "curl/8.17.0" } else { "Wget" }.to_owned())];
    let client_ip = if host == ctx.ip() { host.clone() } else { "127.0.0.1".to_owned() };
    let method = option(&["-X"]).unwrap_or("GET").to_owned();
    let request = HttpRequest { method, path, headers, client_ip };
    let answer = if is_self(&host, ctx) { ctx.http(port, &request).flatten() } else { None };
    let Some(response) = answer else {
        let (text, status) = if curl {
            (format!("curl: (7) Failed to connect to {host} port {port} after 0 ms: Could not connect to server\n"), 7)
        } else {
            (
                format!(
                    "wget: can't connect to remote host ({}): Connection refused\n",
                    if host == "localhost" { "127.0.0.1" } else { &host }
                ),
                1,
            )
        };
        thread.write(2, &text, ctx, out);
        return status;
    };
    ctx.wait(response.delay);
    let failed = response.status >= 400;
    if failed && !curl {
        thread.write(2, &format!("wget: server returned error: HTTP/1.1 {} {}\n", response.status, reason(response.status)), ctx, out);
        return 1;
    }
    if failed && flags.contains('f') {
        thread.write(2, &format!("curl: (22) The requested URL returned error: {}\n", response.status), ctx, out);
        return 22;
    }
    let mut body = response.body;
    if curl && (flags.contains('I') || flags.contains('i')) {
        let head = format!(
            "HTTP/1.1 {} {}\r\nServer: {}\r\nContent-Length: {}\r\n\r\n",
            response.status,
            reason(response.status),
            response.server,
            body.len()
        );
        body = if flags.contains('I') { head } else { head + &body };
    }
    let file = if curl { option(&["-o"]) } else { option(&["-O", "-qO", "-q0"]).or_else(|| flags.contains("O-").then_some("-")) };
    let default = (!curl).then(|| request.path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("index.html"));
    match file.or(default) {
        Some(file) if file != "-" => {
            if let Err(error) = ctx.files().write(&normalize(&thread.cwd, file), &body, false) {
                thread.write(2, &format!("{tool}: can't open '{file}': {error}\n"), ctx, out);
                return 1;
            }
        }
        _ => thread.write(1, &body, ctx, out),
    }
    if curl && let Some(format) = option(&["-w"]) {
        let text = format.replace("%{http_code}", &response.status.to_string()).replace("\\n", "\n");
        thread.write(1, &text, ctx, out);
    }
    0
}
