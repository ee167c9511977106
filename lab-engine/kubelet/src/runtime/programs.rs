//! What runs in containers: servers, one-shot programs, and the shell with its tools.
//!
//! A program is a state machine over virtual time: [`Program::step`] runs it until it waits or ends. Signals follow the kernel's rule for
//! the first process of a container: a signal without a handler does nothing, so a plain `sleep` outlives SIGTERM and is killed when the
//! grace period is over, while nginx and other servers end at once.
//!
//! **Simplified here:** databases listen but speak no protocol.

use super::http::{Demo, Service};
use super::registry::{Image, Kind};
use super::sandbox::Ctx;
use super::shell::{Child, Machine};
use sim::Time;
use std::time::Duration;

/// Output of a program, in order.
#[derive(Debug, Default)]
pub(crate) struct Output(pub(crate) Vec<Chunk>);

/// A piece of output.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// When it was written.
    pub(crate) at: Time,
    /// 1 or 2.
    pub(crate) fd: u8,
    pub(crate) text: String,
}

impl Output {
    pub(crate) fn push(&mut self, at: Time, fd: u8, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.0.push(Chunk { at, fd, text });
        }
    }
}

/// What a program does after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Waits; until a time, or for a signal only.
    Wait(Option<Time>),
    /// Ended with this code.
    Exit(i32),
    /// Was ended by the kernel because its memory passed the limit.
    OutOfMemory,
}

/// A running program.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// The shell or one of its tools.
    Shell(Box<Machine>),
    /// Anything else.
    Server(Box<Server>),
}

/// A program that starts up, perhaps listens, and perhaps ends by itself.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    services: Vec<(u16, Service)>,
    startup: Duration,
    banner: String,
    /// The exit code after SIGTERM; `None` when it has no handler.
    on_term: Option<i32>,
    /// When it ends by itself, counted from its start, with which code and last words.
    ends: Option<(Duration, i32, String)>,
    /// What it uses.
    memory_bytes: u64,
    /// What it burns all the time once it is up, in thousandths of a core.
    load_milli: u64,
    /// What a request over HTTP costs it.
    request_cpu: Duration,
    began: Option<Time>,
    up: bool,
    ends_at: Option<(Time, i32)>,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            services: Vec::new(),
            startup: Duration::from_millis(50),
            banner: String::new(),
            on_term: Some(0),
            ends: None,
            memory_bytes: 8 << 20,
            load_milli: 0,
            request_cpu: Duration::from_micros(300),
            began: None,
            up: false,
            ends_at: None,
        }
    }
}

impl Program {
    /// Runs until the program waits or ends.
    pub(crate) fn step(&mut self, ctx: &mut Ctx<'_>, out: &mut Output) -> Step {
        match self {
            Program::Shell(machine) => machine.step(ctx, out),
            Program::Server(server) => server.step(ctx, out),
        }
    }

    /// Its background jobs, if it is a shell.
    pub(crate) fn children(&self) -> Vec<Child> {
        match self {
            Program::Shell(machine) => machine.children(),
            Program::Server(_) => Vec::new(),
        }
    }

    /// Delivers a signal; the program acts on it at its next step. Returns whether it has a handler.
    pub(crate) fn signal(&mut self, signal: &str, now: Time) -> bool {
        match self {
            Program::Shell(machine) => machine.signal(signal),
            Program::Server(server) => match server.on_term {
                Some(code) if matches!(signal, "TERM" | "INT" | "QUIT") => {
                    server.ends_at = Some((now + Duration::from_millis(20), code));
                    true
                }
                _ => false,
            },
        }
    }
}

impl Server {
    fn step(&mut self, ctx: &mut Ctx<'_>, out: &mut Output) -> Step {
        let now = ctx.now();
        let began = *self.began.get_or_insert(now);
        if let Some((at, code)) = self.ends_at
            && at <= now
        {
            return Step::Exit(code);
        }
        let ready = began + self.startup;
        if !self.up && ready <= now {
            if ctx.memory_limit().is_some_and(|limit| self.memory_bytes > limit) {
                return Step::OutOfMemory;
            }
            self.up = true;
            let meter = ctx.meter();
            (meter.memory_bytes, meter.request_cpu) = (self.memory_bytes, self.request_cpu);
            meter.burn(now, self.load_milli);
            out.push(now, 2, std::mem::take(&mut self.banner));
            for (port, service) in self.services.drain(..) {
                if !ctx.listen(port, service) {
                    out.push(now, 2, format!("bind() to 0.0.0.0:{port} failed (98: Address already in use)\n"));
                    return Step::Exit(1);
                }
            }
        }
        let end = self.ends.as_ref().map(|(after, _, _)| ready + *after);
        if let Some((_, code, words)) = self.ends.as_ref().filter(|_| end.is_some_and(|end| end <= now)) {
            out.push(now, if *code == 0 { 1 } else { 2 }, words.clone());
            return Step::Exit(*code);
        }
        let ready = (!self.up).then_some(ready);
        Step::Wait([ready, end, self.ends_at.map(|(at, _)| at)].into_iter().flatten().min())
    }
}

/// What the page of `hpa-example` costs.
const PHP_PAGE: Duration = Duration::from_millis(60);

/// The program for `argv` in a container of `image`; `None` when the image has no such program.
///
/// `ports` are those that the program would listen on if nothing is known of its image; without any, it is no program then.
pub(crate) fn launch(
    image: &'static Image,
    argv: &[String],
    env: &[(String, String)],
    hostname: &str,
    ports: Option<&[u16]>,
) -> Option<Program> {
    let name = argv.first()?.rsplit('/').next()?;
    if matches!(name, "docker-entrypoint.sh" | "entrypoint.sh" | "tini" | "dumb-init") && argv.len() > 1 {
        let mut rest: Vec<String> = argv[1..].iter().filter(|arg| *arg != "--").cloned().collect();
        // These scripts take flags alone for flags of their server.
        let takes_flags = matches!(image.kind, Kind::Redis | Kind::Mysql | Kind::Postgres | Kind::Mongo);
        if takes_flags && rest.first().is_some_and(|arg| arg.starts_with('-')) {
            rest.splice(0..0, image.cmd.iter().map(|word| (*word).to_owned()));
        }
        return launch(image, &rest, env, hostname, ports);
    }
    let args: Vec<&str> = argv[1..].iter().map(String::as_str).collect();
    if let Some(asks) = port_check(image.kind, name, &args) {
        return launch(image, &asks, env, hostname, ports);
    }
    if let Some(server) = server(image.kind, name, &args, env, hostname) {
        return Some(Program::Server(Box::new(server)));
    }
    if image.shell && (Machine::has_tool(name) || is_curl(image, name)) {
        return Some(Program::Shell(Box::new(Machine::run(argv.to_vec(), env.to_vec(), image))));
    }
    let ports = ports.filter(|_| image.kind == Kind::Unknown)?;
    // A port of TCP and of UDP is one listener.
    let ports: std::collections::BTreeSet<u16> = ports.iter().copied().collect();
    let services = ports.into_iter().map(|port| (port, Service::Text { body: format!("{hostname}\n"), server: "" })).collect();
    let banner = format!("{STANDS_IN} {name}\n");
    Some(Program::Server(Box::new(Server { services, banner, ..Server::default() })))
}

/// How the log of a program begins of which nothing is known.
const STANDS_IN: &str = "clusterbook: not simulated here; a server that answers on the container's ports stands in for";

/// The command that does what a program of an image does which only asks whether the image's server listens.
fn port_check(kind: Kind, name: &str, args: &[&str]) -> Option<Vec<String>> {
    let port = match (kind, name) {
        (Kind::Zookeeper, "zookeeper-ready") => args.first().copied().unwrap_or("2181"),
        (Kind::Cassandra, "ready-probe.sh") => "9042",
        (Kind::Cassandra, "nodetool") if args.first() == Some(&"status") => "7199",
        (Kind::Cassandra, "nodetool") => return Some(vec!["true".to_owned()]),
        _ => return None,
    };
    Some(["nc", "-z", "localhost", port].map(str::to_owned).to_vec())
}

fn is_curl(image: &Image, name: &str) -> bool {
    name == "curl" && image.repository != "docker.io/library/busybox"
}

fn files(port: u16, root: &str, server: &'static str) -> Vec<(u16, Service)> {
    vec![(port, Service::Files { root: root.to_owned(), server })]
}

/// A server of an image of its own; `None` when `name` is no program of the image.
fn server(kind: Kind, name: &str, args: &[&str], env: &[(String, String)], hostname: &str) -> Option<Server> {
    let text = |body: &str| vec![(80, Service::Text { body: body.to_owned(), server: "Apache/2.4.65 (Debian)" })];
    let quiet = Server::default();
    Some(match (kind, name) {
        (Kind::Nginx, "nginx") => nginx(args),
        (Kind::Httpd, "httpd-foreground" | "httpd" | "apachectl") => Server {
            services: files(80, "/usr/local/apache2/htdocs", "Apache/2.4.65 (Unix)"),
            banner: "[core:notice] AH00094: Command line: 'httpd -D FOREGROUND'\n".to_owned(),
            ..quiet
        },
        (Kind::WordPress | Kind::GbFrontend | Kind::HpaExample, "apache2-foreground") => Server {
            services: text(if kind == Kind::HpaExample { "OK!" } else { "<html></html>\n" }),
            startup: Duration::from_millis(300),
            memory_bytes: 12 << 20,
            load_milli: 1,
            // The page of the walkthrough takes a million square roots.
            request_cpu: if kind == Kind::HpaExample { PHP_PAGE } else { Duration::from_millis(8) },
            ..quiet
        },
        (Kind::Redis, "redis-server") => listener(6379, 150, "* Ready to accept connections tcp\n"),
        (Kind::Mysql, "mysqld" | "mariadbd") => mysql(env),
        (Kind::Postgres, "postgres") => postgres(env),
        (Kind::Mongo, "mongod") => listener(27017, 800, "{\"msg\":\"Waiting for connections\"}\n"),
        (Kind::RabbitMq, "rabbitmq-server") => listener(5672, 4000, "Server startup complete\n"),
        (Kind::Etcd, "etcd") => Server { services: vec![(2379, Service::Grpc)], ..listener(2380, 300, "ready to serve client requests\n") },
        (Kind::Zookeeper, "start-zookeeper") => {
            let port = |flag: &'static str, usual: u16| port_flag(args, &[flag]).unwrap_or(usual);
            let ports = [port("--client_port", 2181), port("--server_port", 2888), port("--election_port", 3888)];
            listener_on(&ports, 2000, "binding to port 0.0.0.0/0.0.0.0:2181\n")
        }
        (Kind::Cassandra, "run.sh") => listener_on(&[7199, 7000, 9042], 8000, "Starting listening for CQL clients on /0.0.0.0:9042\n"),
        (Kind::Pause, "pause") | (Kind::Agnhost, "pause") => quiet,
        (Kind::Agnhost, "agnhost") => agnhost(args, hostname),
        (Kind::ServeHostname, "serve_hostname") => {
            Server { services: vec![(9376, Service::Text { body: hostname.to_owned(), server: "" })], on_term: None, ..quiet }
        }
        (Kind::HelloApp, "hello-app") => hello_app(env, hostname),
        (Kind::HelloWorld, "hello") => Server {
            ends: Some((
                Duration::ZERO,
                0,
                "\nHello from Docker!\nThis message shows that your installation appears to be working correctly.\n\n".to_owned(),
            )),
            ..quiet
        },
        (Kind::Stress, "stress") => stress(args),
        (Kind::VishStress, "stress") => vish_stress(args),
        (Kind::Fluentd, "fluentd" | "run.sh" | "entrypoint.sh") => Server { banner: "[info]: starting fluentd\n".to_owned(), ..quiet },
        (Kind::DemoApp, "demo-app") => demo_app(args, env, hostname),
        (Kind::Python, "python" | "python3") => python(args),
        (Kind::Node, "node") => Server { ends: args.is_empty().then(|| (Duration::ZERO, 0, String::new())), on_term: None, ..quiet },
        (Kind::Perl, "perl") => Server {
            ends: Some((Duration::from_secs(5), 0, perl(args))),
            startup: Duration::ZERO,
            load_milli: 1000,
            on_term: None,
            ..quiet
        },
        _ => return None,
    })
}

fn listener(port: u16, startup_ms: u64, banner: &str) -> Server {
    Server {
        services: vec![(port, Service::Other)],
        startup: Duration::from_millis(startup_ms),
        banner: banner.to_owned(),
        memory_bytes: 32 << 20,
        ..Server::default()
    }
}

fn listener_on(ports: &[u16], startup_ms: u64, banner: &str) -> Server {
    Server { services: ports.iter().map(|&port| (port, Service::Other)).collect(), ..listener(0, startup_ms, banner) }
}

fn nginx(args: &[&str]) -> Server {
    if args.first() == Some(&"-v") {
        return Server { ends: Some((Duration::ZERO, 0, "nginx version: nginx\n".to_owned())), ..Server::default() };
    }
    let daemon = !args.join(" ").contains("daemon off");
    Server {
        services: files(80, "/usr/share/nginx/html", "nginx"),
        banner: "/docker-entrypoint.sh: Configuration complete; ready for start up\n[notice] 1#1: start worker processes\n".to_owned(),
        // Without `daemon off` the first process ends once the server has gone to the background.
        ends: daemon.then(|| (Duration::ZERO, 0, String::new())),
        ..Server::default()
    }
}

fn variable<'a>(env: &'a [(String, String)], name: &str) -> Option<&'a str> {
    env.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

fn failing(code: i32, words: &str) -> Server {
    Server { ends: Some((Duration::from_millis(200), code, words.to_owned())), ..Server::default() }
}

fn mysql(env: &[(String, String)]) -> Server {
    let given = ["MYSQL_ROOT_PASSWORD", "MYSQL_ALLOW_EMPTY_PASSWORD", "MYSQL_RANDOM_ROOT_PASSWORD", "MARIADB_ROOT_PASSWORD"];
    if !given.iter().any(|name| variable(env, name).is_some()) {
        return failing(
            1,
            "[ERROR] [Entrypoint]: Database is uninitialized and password option is not specified\n    You need to specify one of the \
             following as an environment variable:\n    - MYSQL_ROOT_PASSWORD\n    - MYSQL_ALLOW_EMPTY_PASSWORD\n    - \
             MYSQL_RANDOM_ROOT_PASSWORD\n",
        );
    }
    Server { memory_bytes: 350 << 20, ..listener(3306, 8000, "[System] [Server] /usr/sbin/mysqld: ready for connections. port: 3306\n") }
}

fn postgres(env: &[(String, String)]) -> Server {
    if variable(env, "POSTGRES_PASSWORD").is_none() && variable(env, "POSTGRES_HOST_AUTH_METHOD").is_none() {
        return failing(
            1,
            "Error: Database is uninitialized and superuser password is not specified.\n       You must specify POSTGRES_PASSWORD to a non-empty value for the\n       superuser.\n",
        );
    }
    listener(5432, 2000, "LOG:  database system is ready to accept connections\n")
}

fn port_flag(args: &[&str], names: &[&str]) -> Option<u16> {
    flag(args, names)?.parse().ok()
}

/// The value of `--name=value` or `--name value`.
fn flag<'a>(args: &[&'a str], names: &[&str]) -> Option<&'a str> {
    args.iter().enumerate().find_map(|(at, arg)| {
        names.iter().find_map(|name| match arg.strip_prefix(name)? {
            "" => args.get(at + 1).copied(),
            rest => rest.strip_prefix('='),
        })
    })
}

fn agnhost(args: &[&str], hostname: &str) -> Server {
    let hostname = hostname.to_owned();
    let quiet = Server::default();
    match args.first().copied() {
        None | Some("pause") => Server { banner: "Paused\n".to_owned(), ..quiet },
        Some("liveness") => Server { services: vec![(8080, Service::Liveness)], on_term: None, ..quiet },
        Some("netexec") => {
            let port = port_flag(args, &["--http-port"]).unwrap_or(8080);
            Server {
                services: vec![(port, Service::NetExec { hostname })],
                banner: format!("Started HTTP server on port {port}\n"),
                on_term: None,
                ..quiet
            }
        }
        Some("serve-hostname") => {
            let port = port_flag(args, &["--port"]).unwrap_or(9376);
            Server { services: vec![(port, Service::Text { body: hostname, server: "" })], ..quiet }
        }
        Some("grpc-health-checking") => Server { services: vec![(port_flag(args, &["--port"]).unwrap_or(5000), Service::Grpc)], ..quiet },
        Some("test-webserver") => Server { services: files(80, "/", "agnhost"), on_term: None, ..quiet },
        Some(other) => failing(1, &format!("Error: unknown command \"{other}\" for \"app\"\n")),
    }
}

fn hello_app(env: &[(String, String)], hostname: &str) -> Server {
    let port = variable(env, "PORT").and_then(|port| port.parse().ok()).unwrap_or(8080);
    let body = format!("Hello, world!\nVersion: 1.0.0\nHostname: {hostname}\n");
    Server {
        services: vec![(port, Service::Text { body, server: "" })],
        banner: format!("Server listening on port {port}\n"),
        on_term: None,
        ..Server::default()
    }
}

/// Bytes of `150M`, `1G`, `4096`.
fn bytes(text: &str) -> Option<u64> {
    let (number, scale) = match text.char_indices().next_back()? {
        (at, 'k' | 'K') => (&text[..at], 1 << 10),
        (at, 'm' | 'M') => (&text[..at], 1 << 20),
        (at, 'g' | 'G') => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

/// `-cpus N` threads that never rest, and memory that is taken in steps up to `-mem-total`.
fn vish_stress(args: &[&str]) -> Server {
    let cpus = flag(args, &["-cpus", "--cpus"]).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
    let total = flag(args, &["-mem-total", "--mem-total"]).map(|text| text.strip_suffix('i').unwrap_or(text)).and_then(bytes);
    let banner = "Spawning a thread to consume CPU\n".repeat(usize::try_from(cpus.min(64)).unwrap_or(0));
    Server {
        banner,
        on_term: None,
        load_milli: cpus.saturating_mul(1000),
        memory_bytes: total.unwrap_or(0).saturating_add(2 << 20),
        ..Server::default()
    }
}

fn stress(args: &[&str]) -> Server {
    let count = |names: &[&str]| flag(args, names).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
    let (workers, cpus) = (count(&["--vm", "-m"]), count(&["--cpu", "-c"]));
    let size = flag(args, &["--vm-bytes"]).and_then(bytes).unwrap_or(256 << 20);
    let timeout = flag(args, &["--timeout", "-t"]).and_then(seconds);
    Server {
        memory_bytes: workers.saturating_mul(size).saturating_add(1 << 20),
        load_milli: workers.saturating_add(cpus).saturating_mul(1000),
        banner: format!("stress: info: [1] dispatching hogs: {cpus} cpu, 0 io, {workers} vm, 0 hdd\n"),
        ends: timeout.map(|after| (after, 0, "stress: info: [1] successful run completed\n".to_owned())),
        startup: Duration::from_millis(300),
        on_term: None,
        ..Server::default()
    }
}

/// A duration such as `5s`, `2m`, `500ms` or plain seconds.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let scale = match &text[split..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    let number: f64 = text[..split].parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
    Some(Duration::from_secs_f64((number * scale).min(1e9)))
}

/// The program of the `demo-app` image. Settings come from flags or from the environment: `--startup`/`STARTUP`, `--fail-after`/`FAIL_AFTER`,
/// `--exit-code`/`EXIT_CODE`, `--unhealthy-after`/`UNHEALTHY_AFTER`, `--status`/`STATUS` (`/ready=503,/x=404`), `--latency`/`LATENCY`,
/// `--port`/`PORT`, `--memory`/`MEMORY`, `--load`/`LOAD` (CPU that it burns all the time: `250m`), `--request-cpu`/`REQUEST_CPU` (CPU time of
/// a request: `20ms`), `--ignore-sigterm`/`IGNORE_SIGTERM`, `VERSION`.
fn demo_app(args: &[&str], env: &[(String, String)], hostname: &str) -> Server {
    let setting = |name: &str| {
        let upper = name.trim_start_matches('-').replace('-', "_").to_uppercase();
        flag(args, &[name]).or_else(|| variable(env, &upper)).map(str::to_owned)
    };
    let time = |name: &str| setting(name).as_deref().and_then(seconds);
    let statuses = setting("--status").unwrap_or_default();
    let statuses =
        statuses.split(',').filter_map(|pair| pair.split_once('=')).filter_map(|(path, code)| Some((path.to_owned(), code.parse().ok()?)));
    let demo = Demo {
        version: setting("--version").unwrap_or_else(|| "1.0".to_owned()),
        hostname: hostname.to_owned(),
        statuses: statuses.collect(),
        unhealthy_after: time("--unhealthy-after"),
        latency: time("--latency").unwrap_or_default(),
    };
    let code = setting("--exit-code").and_then(|code| code.parse().ok());
    let fail_after = time("--fail-after").or(code.map(|_| Duration::ZERO));
    let port = setting("--port").and_then(|port| port.parse().ok()).unwrap_or(8080);
    let ignores = args.contains(&"--ignore-sigterm") || variable(env, "IGNORE_SIGTERM").is_some();
    Server {
        services: vec![(port, Service::Demo(Box::new(demo)))],
        startup: time("--startup").unwrap_or(Duration::from_millis(50)),
        banner: format!("demo-app listening on :{port}\n"),
        on_term: (!ignores).then_some(0),
        ends: fail_after.map(|after| (after, code.unwrap_or(1), "demo-app: fatal: told to fail\n".to_owned())),
        memory_bytes: setting("--memory").as_deref().and_then(bytes).unwrap_or(8 << 20),
        load_milli: setting("--load").as_deref().and_then(cpu_milli).unwrap_or(0),
        request_cpu: time("--request-cpu").unwrap_or(Duration::from_micros(300)),
        ..Server::default()
    }
}

/// Thousandths of a core of `250m`, `0.5`, `2`.
fn cpu_milli(text: &str) -> Option<u64> {
    api::quantity::Quantity::parse(text).ok().and_then(|quantity| u64::try_from(quantity.milli_value()).ok())
}

fn python(args: &[&str]) -> Server {
    match args {
        ["-m", "http.server", rest @ ..] => {
            let port = rest.first().and_then(|port| port.parse().ok()).unwrap_or(8000);
            Server { services: files(port, "/", "SimpleHTTP/0.6"), on_term: None, ..Server::default() }
        }
        ["-c", script, ..] => {
            let words = script.strip_prefix("print(").and_then(|rest| rest.strip_suffix(')')).map(|text| text.trim_matches(['"', '\'']));
            match words {
                Some(words) => Server { ends: Some((Duration::ZERO, 0, format!("{words}\n"))), ..Server::default() },
                None => failing(1, "python3: scripts other than one print(\"…\") are not simulated\n"),
            }
        }
        ["--version" | "-V", ..] => Server { ends: Some((Duration::ZERO, 0, "Python 3\n".to_owned())), ..Server::default() },
        _ => Server { ends: Some((Duration::ZERO, 0, String::new())), ..Server::default() },
    }
}

/// The output of a Perl one-liner: the digits of pi, as the documentation's Job computes them.
fn perl(args: &[&str]) -> String {
    match args.iter().find_map(|arg| arg.strip_prefix("print bpi(")?.strip_suffix(')')?.parse::<usize>().ok()) {
        Some(digits) => pi(digits.min(5000)),
        None => String::new(),
    }
}

/// Pi with `digits` digits, by Gibbons' spigot on small integers (Rabinowitz and Wagon).
fn pi(digits: usize) -> String {
    let length = digits * 10 / 3 + 16;
    let mut remainders = vec![2u32; length];
    let (mut text, mut held, mut nines) = (String::new(), None, 0);
    while text.len() < digits + 3 {
        let mut carry = 0;
        for (index, remainder) in remainders.iter_mut().enumerate().rev() {
            let index = u32::try_from(index).unwrap_or(0);
            let value = *remainder * 10 + carry;
            let divisor = if index == 0 { 10 } else { 2 * index + 1 };
            *remainder = value % divisor;
            carry = if index == 0 { value / 10 } else { value / divisor * index };
        }
        match carry {
            9 => nines += 1,
            digit => {
                let over = digit / 10;
                if let Some(held) = held.replace(digit % 10) {
                    text.push_str(&(held + over).to_string());
                    text.extend(std::iter::repeat_n(if over == 1 { '0' } else { '9' }, nines));
                }
                nines = 0;
            }
        }
    }
    text.truncate(digits);
    text.insert(1, '.');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perl_prints_pi() {
        assert_eq!(perl(&["-Mbignum=bpi", "-wle", "print bpi(20)"]), "3.1415926535897932384");
    }

    #[test]
    fn sizes_and_times_are_read() {
        assert_eq!((bytes("150M"), bytes("x"), bytes("")), (Some(150 << 20), None, None));
        assert_eq!(seconds("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!((seconds("1h"), seconds("-1"), seconds("soon")), (Some(Duration::from_secs(3600)), None, None));
    }
}
