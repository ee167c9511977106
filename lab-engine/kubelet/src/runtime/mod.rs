//! The simulated container runtime: images, sandboxes, containers, processes, files, logs (the part of containerd).
//!
//! The kubelet reaches it as through the Container Runtime Interface: it pulls images, runs sandboxes, starts and stops containers, runs
//! commands in them, and learns what happened from [`sandbox::Sandbox::advance`].
//!
//! **Simplified here:** a connection is one question and one answer; memory counts only against a container's limit.

pub(crate) mod calls;
pub(crate) mod disk;
pub(crate) mod fs;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod programs;
pub(crate) mod reference;
pub(crate) mod registry;
mod repositories;
pub(crate) mod sandbox;
pub(crate) mod shell;
pub(crate) mod typing;
pub(crate) mod usage;
mod variants;

use fs::Tree;
use registry::{Image, Kind};
use std::collections::BTreeMap;

/// The files that images come with, one tree per kind of image, made when first asked for.
#[derive(Debug, Default)]
pub(crate) struct ImageFiles {
    by_repository: BTreeMap<&'static str, Tree>,
}

impl ImageFiles {
    /// The root of a new container of `image`.
    pub(crate) fn root(&mut self, image: &'static Image) -> Tree {
        self.by_repository.entry(image.repository).or_insert_with(|| Tree::with_files(files(image))).clone()
    }
}

fn files(image: &Image) -> Vec<(&'static str, &'static str)> {
    let mut files = vec![
        ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("/etc/resolv.conf", "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"),
        ("/dev/termination-log", ""),
        ("/tmp/.keep", ""),
        ("/root/.profile", ""),
        ("/var/log/.keep", ""),
        ("/var/run/.keep", ""),
        ("/usr/bin/env", ""),
        ("/opt/.keep", ""),
        ("/home/.keep", ""),
        ("/mnt/.keep", ""),
        ("/proc/1/cmdline", ""),
        ("/bin/sh", ""),
    ];
    match image.kind {
        Kind::Nginx => files.extend([
            ("/usr/share/nginx/html/index.html", NGINX_INDEX),
            ("/usr/share/nginx/html/50x.html", "<!DOCTYPE html>\n<html><body><h1>An error occurred.</h1></body></html>\n"),
            (
                "/etc/nginx/nginx.conf",
                "worker_processes auto;\nevents { worker_connections 1024; }\nhttp { include /etc/nginx/conf.d/*.conf; }\n",
            ),
            (
                "/etc/nginx/conf.d/default.conf",
                "server {\n    listen 80;\n    location / { root /usr/share/nginx/html; index index.html; }\n}\n",
            ),
        ]),
        Kind::Httpd => files.push(("/usr/local/apache2/htdocs/index.html", "<html><body><h1>It works!</h1></body></html>\n")),
        _ => {}
    }
    files
}

/// The page of a fresh nginx; cut down to what people look for.
const NGINX_INDEX: &str =
    "<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>\n</head>\n<body>\n<h1>Welcome to nginx!</h1>\n</body>\n</html>\n";
