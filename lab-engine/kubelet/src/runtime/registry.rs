//! The registries that nodes pull from: which images exist, how big they are, and what is in them.
//!
//! Of the repositories in [`CATALOG`] it is known what is in them. A tag of theirs exists when it reads like one of the repository's
//! versions: a known major version, a minor version that was released, and perhaps a variant (`-alpine`); so `nginx:1.14.2` exists and
//! `nginx:1.161`, the typo in the documentation's lesson on rollbacks, does not. Other repositories of the public registries exist too,
//! unless their name says that they do not (`nonexistent`, `no-such-image`, …); but among Docker's own (`docker.io/library`) only those
//! that are known to exist (`repositories`).
//!
//! A repository of a private registry (a host below `registry.example.com`) and one whose name begins with `private` or ends with it can be
//! pulled by whoever has credentials for its registry.
//!
//! **Simplified here:** versions of an image differ in name and size only; digests are made up, but stable. An image of which nothing is
//! known has a shell and starts a server that answers on the ports that the container declares and that its probes ask; the first line of
//! its log says so.

use super::reference::Reference;
use super::repositories::{is_public, may_exist};
use super::variants::is_variant;
use crate::credentials::Keyring;

/// What the programs of an image do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Httpd,
    /// A base image: a shell and the usual tools.
    Tools,
    Redis,
    Mysql,
    Postgres,
    Mongo,
    RabbitMq,
    Python,
    Node,
    Perl,
    Pause,
    Agnhost,
    HelloApp,
    GbFrontend,
    HpaExample,
    WordPress,
    Stress,
    VishStress,
    ServeHostname,
    HelloWorld,
    Etcd,
    Zookeeper,
    Cassandra,
    Fluentd,
    DemoApp,
    /// It exists; nothing else is known.
    Unknown,
}

/// A repository.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) repository: &'static str,
    pub(crate) kind: Kind,
    /// Size in kibibytes, compressed.
    size_kib: u64,
    /// Major versions and the highest minor version of each.
    versions: &'static [(u32, u32)],
    /// Other tags.
    names: &'static [&'static str],
    pub(crate) entrypoint: &'static [&'static str],
    pub(crate) cmd: &'static [&'static str],
    pub(crate) env: &'static [(&'static str, &'static str)],
    /// Whether there is a shell with tools.
    pub(crate) shell: bool,
    /// The directory that processes start in.
    pub(crate) workdir: &'static str,
}

impl Image {
    /// Whether the repository has the tag.
    fn has_tag(&self, tag: &str) -> bool {
        if tag == "latest" || self.names.contains(&tag) {
            return true;
        }
        let tag = tag.strip_prefix('v').unwrap_or(tag);
        let (version, variant) = tag.split_once('-').unwrap_or((tag, ""));
        let known = variant.split('-').all(|part| part.is_empty() || is_variant(part));
        let mut parts = version.split('.').map(|part| part.parse::<u32>().ok().filter(|_| part.len() <= 3));
        let (major, minor, patch) = (parts.next().flatten(), parts.next(), parts.next());
        known
            && parts.next().is_none()
            && self.versions.iter().any(|&(have, max)| {
                Some(have) == major
                    && minor.is_none_or(|minor| minor.is_some_and(|minor| minor <= max))
                    && patch.is_none_or(|patch| patch.is_some_and(|patch| patch <= 99))
            })
    }

    /// Bytes that a pull of this tag transfers.
    pub(crate) fn size_bytes(&self, tag: &str) -> u64 {
        let base = self.size_kib * 1024;
        base - base / 20 + hash(tag, 1) % (base / 10 + 1)
    }
}

/// FNV-1a of a text, different for each `lane`.
fn hash(text: &str, lane: u64) -> u64 {
    let basis = 0xcbf2_9ce4_8422_2325 ^ lane.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = text.bytes().fold(basis, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    mixed ^ (mixed >> 29)
}

/// A text of 64 hexadecimal digits that depends on `text` only: digests and container ids.
pub(crate) fn hex_id(text: &str) -> String {
    (2..6).map(|lane| format!("{:016x}", hash(text, lane))).collect()
}

/// The base image of most entries.
const BASE: Image = Image {
    repository: "",
    kind: Kind::Tools,
    size_kib: 30_000,
    versions: &[],
    names: &[],
    entrypoint: &[],
    cmd: &[],
    env: &[],
    shell: true,
    workdir: "/",
};

const SERVER: Image = Image { kind: Kind::ServeHostname, shell: false, versions: &[(0, 99), (1, 99), (2, 99), (3, 99)], ..BASE };

/// All repositories, by name.
pub(crate) const CATALOG: &[Image] = &[
    Image {
        repository: "docker.io/library/nginx",
        kind: Kind::Nginx,
        size_kib: 58_000,
        versions: &[(1, 29)],
        names: &["stable", "mainline", "alpine", "stable-alpine", "alpine-slim", "perl", "bookworm"],
        entrypoint: &["/docker-entrypoint.sh"],
        cmd: &["nginx", "-g", "daemon off;"],
        env: &[("NGINX_VERSION", "1.29.0")],
        ..BASE
    },
    Image {
        repository: "registry.k8s.io/nginx-slim",
        kind: Kind::Nginx,
        size_kib: 41_000,
        versions: &[(0, 40)],
        cmd: &["nginx", "-g", "daemon off;"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/httpd",
        kind: Kind::Httpd,
        size_kib: 57_000,
        versions: &[(2, 4)],
        names: &["alpine"],
        cmd: &["httpd-foreground"],
        workdir: "/usr/local/apache2",
        ..BASE
    },
    Image {
        repository: "docker.io/library/busybox",
        size_kib: 2_160,
        versions: &[(1, 37)],
        names: &["stable", "musl", "glibc", "uclibc"],
        cmd: &["sh"],
        ..BASE
    },
    Image { repository: "registry.k8s.io/busybox", size_kib: 700, versions: &[(1, 36)], cmd: &["sh"], ..BASE },
    Image { repository: "registry.k8s.io/e2e-test-images/busybox", size_kib: 2_160, versions: &[(1, 37)], cmd: &["sh"], ..BASE },
    Image { repository: "gcr.io/google-containers/busybox", size_kib: 700, versions: &[(1, 27)], cmd: &["sh"], ..BASE },
    Image { repository: "docker.io/radial/busyboxplus", size_kib: 4_600, names: &["curl", "git", "base"], cmd: &["sh"], ..BASE },
    Image { repository: "docker.io/library/alpine", size_kib: 3_700, versions: &[(3, 23)], names: &["edge"], cmd: &["/bin/sh"], ..BASE },
    Image {
        repository: "docker.io/library/bash",
        size_kib: 6_400,
        versions: &[(3, 2), (4, 4), (5, 3)],
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["bash"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/debian",
        size_kib: 48_000,
        versions: &[(10, 13), (11, 11), (12, 12), (13, 3)],
        names: &["stable", "stable-slim", "bookworm", "bookworm-slim", "bullseye", "trixie", "trixie-slim", "sid", "testing"],
        cmd: &["bash"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/ubuntu",
        size_kib: 29_500,
        versions: &[(18, 4), (20, 4), (22, 4), (24, 4), (25, 10), (26, 4)],
        names: &["18.04", "20.04", "22.04", "24.04", "26.04", "focal", "jammy", "noble", "rolling"],
        cmd: &["/bin/bash"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/fedora",
        size_kib: 58_000,
        versions: &[
            (20, 0),
            (21, 0),
            (22, 0),
            (23, 0),
            (24, 0),
            (25, 0),
            (26, 0),
            (27, 0),
            (28, 0),
            (29, 0),
            (30, 0),
            (31, 0),
            (32, 0),
            (33, 0),
            (34, 0),
            (35, 0),
            (36, 0),
            (37, 0),
            (38, 0),
            (39, 0),
            (40, 0),
            (41, 0),
            (42, 0),
            (43, 0),
        ],
        cmd: &["/bin/bash"],
        ..BASE
    },
    Image { repository: "docker.io/library/centos", size_kib: 83_000, versions: &[(7, 9), (8, 4)], cmd: &["/bin/bash"], ..BASE },
    Image {
        repository: "docker.io/curlimages/curl",
        size_kib: 9_000,
        versions: &[(7, 88), (8, 17)],
        entrypoint: &["/entrypoint.sh"],
        cmd: &["curl"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/redis",
        kind: Kind::Redis,
        size_kib: 45_000,
        versions: &[(3, 2), (4, 0), (5, 0), (6, 2), (7, 4), (8, 4)],
        names: &["alpine"],
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["redis-server"],
        workdir: "/data",
        ..BASE
    },
    Image {
        repository: "docker.io/library/mysql",
        kind: Kind::Mysql,
        size_kib: 175_000,
        versions: &[(5, 7), (8, 4), (9, 5)],
        names: &["lts", "innovation"],
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["mysqld"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/mariadb",
        kind: Kind::Mysql,
        size_kib: 118_000,
        versions: &[(10, 11), (11, 8), (12, 1)],
        names: &["lts"],
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["mariadbd"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/postgres",
        kind: Kind::Postgres,
        size_kib: 150_000,
        versions: &[(9, 6), (10, 23), (11, 22), (12, 22), (13, 23), (14, 20), (15, 15), (16, 11), (17, 7), (18, 1)],
        names: &["alpine"],
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["postgres"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/mongo",
        kind: Kind::Mongo,
        size_kib: 270_000,
        versions: &[(4, 4), (5, 0), (6, 0), (7, 0), (8, 2)],
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["mongod"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/rabbitmq",
        kind: Kind::RabbitMq,
        size_kib: 110_000,
        versions: &[(3, 13), (4, 2)],
        names: &["management", "alpine"],
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["rabbitmq-server"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/python",
        kind: Kind::Python,
        size_kib: 390_000,
        versions: &[(2, 7), (3, 14)],
        names: &["alpine", "slim"],
        cmd: &["python3"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/node",
        kind: Kind::Node,
        size_kib: 390_000,
        versions: &[(14, 21), (16, 20), (18, 20), (20, 19), (22, 21), (24, 12), (25, 2)],
        names: &["alpine", "slim", "lts", "current"],
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["node"],
        ..BASE
    },
    Image { repository: "docker.io/library/perl", kind: Kind::Perl, size_kib: 345_000, versions: &[(5, 42)], cmd: &["perl"], ..BASE },
    Image {
        repository: "docker.io/library/wordpress",
        kind: Kind::WordPress,
        size_kib: 210_000,
        versions: &[(4, 9), (5, 9), (6, 9)],
        names: &["apache"],
        cmd: &["apache2-foreground"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/hello-world",
        kind: Kind::HelloWorld,
        size_kib: 3,
        names: &["linux"],
        cmd: &["/hello"],
        shell: false,
        ..BASE
    },
    Image {
        repository: "registry.k8s.io/pause",
        kind: Kind::Pause,
        size_kib: 300,
        versions: &[(1, 0), (2, 0), (3, 10)],
        entrypoint: &["/pause"],
        shell: false,
        ..BASE
    },
    Image {
        repository: "registry.k8s.io/e2e-test-images/agnhost",
        kind: Kind::Agnhost,
        size_kib: 51_000,
        versions: &[(2, 59)],
        entrypoint: &["/agnhost"],
        cmd: &["pause"],
        ..BASE
    },
    Image { repository: "registry.k8s.io/hpa-example", kind: Kind::HpaExample, size_kib: 165_000, cmd: &["apache2-foreground"], ..BASE },
    Image { repository: "registry.k8s.io/serve_hostname", size_kib: 4_000, entrypoint: &["/serve_hostname"], ..SERVER },
    Image {
        repository: "registry.k8s.io/etcd",
        kind: Kind::Etcd,
        size_kib: 60_000,
        versions: &[(3, 6)],
        entrypoint: &["etcd"],
        shell: false,
        ..BASE
    },
    Image { repository: "gcr.io/google-samples/hello-app", kind: Kind::HelloApp, size_kib: 11_800, entrypoint: &["./hello-app"], ..SERVER },
    Image {
        repository: "us-docker.pkg.dev/google-samples/containers/gke/hello-app",
        kind: Kind::HelloApp,
        size_kib: 11_800,
        entrypoint: &["./hello-app"],
        ..SERVER
    },
    Image {
        repository: "gcr.io/google-samples/hello-go-gke",
        kind: Kind::HelloApp,
        size_kib: 270_000,
        entrypoint: &["./hello-app"],
        ..SERVER
    },
    Image {
        repository: "gcr.io/google-samples/hello-frontend",
        kind: Kind::Nginx,
        size_kib: 41_000,
        cmd: &["nginx", "-g", "daemon off;"],
        versions: &[(1, 0)],
        ..BASE
    },
    Image {
        repository: "us-docker.pkg.dev/google-samples/containers/gke/gb-frontend",
        kind: Kind::GbFrontend,
        size_kib: 160_000,
        versions: &[(4, 0), (5, 0), (6, 0)],
        cmd: &["apache2-foreground"],
        ..BASE
    },
    Image {
        repository: "gcr.io/google-samples/gb-frontend",
        kind: Kind::GbFrontend,
        size_kib: 160_000,
        versions: &[(3, 0), (4, 0), (5, 0)],
        cmd: &["apache2-foreground"],
        ..BASE
    },
    Image { repository: "docker.io/polinux/stress", kind: Kind::Stress, size_kib: 4_000, versions: &[(1, 0)], ..BASE },
    Image { repository: "docker.io/vish/stress", kind: Kind::VishStress, size_kib: 1_500, entrypoint: &["/stress"], ..SERVER },
    Image {
        repository: "quay.io/fluentd_elasticsearch/fluentd",
        kind: Kind::Fluentd,
        size_kib: 62_000,
        versions: &[(2, 9), (3, 9), (5, 0)],
        cmd: &["/entrypoint.sh"],
        ..BASE
    },
    Image {
        repository: "registry.k8s.io/kubernetes-zookeeper",
        kind: Kind::Zookeeper,
        size_kib: 170_000,
        names: &["1.0-3.4.10"],
        cmd: &["start-zookeeper"],
        ..BASE
    },
    Image {
        repository: "gcr.io/google-samples/cassandra",
        kind: Kind::Cassandra,
        size_kib: 190_000,
        versions: &[(11, 0), (12, 0), (13, 0), (14, 0)],
        entrypoint: &["/usr/bin/dumb-init", "/run.sh"],
        ..BASE
    },
    // It is in lists of broken Pods because it names no command.
    Image { repository: "docker.io/mstormo/suse", size_kib: 90_000, ..BASE },
    Image {
        repository: "docker.io/clusterbook/demo-app",
        kind: Kind::DemoApp,
        size_kib: 12_000,
        versions: &[(1, 9), (2, 9), (3, 9)],
        entrypoint: &["/demo-app"],
        ..BASE
    },
    Image {
        repository: "docker.io/library/demo-app",
        kind: Kind::DemoApp,
        size_kib: 12_000,
        versions: &[(1, 9), (2, 9), (3, 9)],
        entrypoint: &["/demo-app"],
        ..BASE
    },
];

/// An image of which nothing is known but that it exists.
static UNKNOWN: Image = Image { kind: Kind::Unknown, size_kib: 60_000, entrypoint: &["/app"], ..BASE };

/// The catalog's entry for a repository.
pub(crate) fn find(repository: &str) -> Option<&'static Image> {
    CATALOG.iter().find(|image| image.repository == repository)
}

/// Whether only those who have credentials can pull it.
fn is_private(reference: &Reference) -> bool {
    let host = reference.host();
    let named = |part: &str| part.starts_with("private") || part.ends_with("private");
    host == "registry.example.com"
        || host.ends_with(".registry.example.com")
        || (host != "registry.k8s.io" && reference.path().split('/').any(named))
}

/// Asks the registry of a reference for it.
///
/// # Errors
/// The error of the container runtime, for example `rpc error: code = NotFound desc = failed to pull and unpack image …: not found`.
pub(crate) fn resolve(reference: &Reference, keyring: &Keyring) -> Result<&'static Image, String> {
    let refuse = |code: &str, why: &str| {
        Err(format!(
            "rpc error: code = {code} desc = failed to pull and unpack image \"{reference}\": failed to resolve reference \"{reference}\": {why}"
        ))
    };
    if is_private(reference) {
        if keyring.knows(reference.host()) {
            return Ok(&UNKNOWN);
        }
        let realm = format!("https://{}/v2/{}/manifests/{}", reference.host(), reference.path(), reference.tag);
        return match reference.host() {
            "docker.io" => refuse(
                "Unknown",
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: \
                 authorization failed",
            ),
            _ => refuse("Unknown", &format!("unexpected status from HEAD request to {realm}: 401 Unauthorized")),
        };
    }
    match find(&reference.repository) {
        Some(image) if !reference.digest.is_empty() || image.has_tag(&reference.tag) => Ok(image),
        Some(_) => refuse("NotFound", &format!("{reference}: not found")),
        None if may_exist(reference) => Ok(&UNKNOWN),
        None => match reference.host() {
            "docker.io" => refuse(
                "Unknown",
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: \
                 authorization failed",
            ),
            host if is_public(host) => refuse("NotFound", &format!("{reference}: not found")),
            host => {
                let name = host.split(':').next().unwrap_or(host);
                let url = format!("https://{host}/v2/{}/manifests/{}", reference.path(), reference.tag);
                refuse("Unknown", &format!("failed to do request: Head \"{url}\": dial tcp: lookup {name}: no such host"))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::parse;
    use super::*;

    #[test]
    fn normal_tags_exist_and_typos_do_not() {
        let exists = |image: &str| resolve(&parse(image).unwrap(), &Keyring::default()).is_ok();
        for image in [
            "nginx",
            "nginx:1.14.2",
            "nginx:1.16.1",
            "nginx:1.25",
            "nginx:1.27-alpine",
            "busybox:1.28",
            "registry.k8s.io/busybox:1.27.2",
            "registry.k8s.io/e2e-test-images/agnhost:2.40",
            "perl:5.34.0",
            "mysql:8.0",
            "redis:8.0.2",
            "ubuntu:22.04",
            "polinux/stress",
            "gcr.io/google-samples/hello-app:2.0",
            "registry.k8s.io/nginx-slim:0.24",
            "registry.k8s.io/pause:3.8",
            "debian:bookworm-slim",
            "us-docker.pkg.dev/google-samples/containers/gke/gb-frontend:v5",
            "wordpress:6.2.1-apache",
            "registry.k8s.io/etcd:3.5.1-0",
            "quay.io/fluentd_elasticsearch/fluentd:v5.0.1",
            "python:3.12-slim",
            "node:20-alpine3.20",
            "radial/busyboxplus:curl",
        ] {
            assert!(exists(image), "{image}");
        }
        for image in ["memcached:1.6", "someone/something:v3", "ghcr.io/org/app:sha-1", "europe-docker.pkg.dev/p/r/app:1"] {
            assert_eq!(resolve(&parse(image).unwrap(), &Keyring::default()).map(|image| image.kind), Ok(Kind::Unknown), "{image}");
        }
        for image in [
            "nginx:1.161",
            "nginx:1.99",
            "nginx:lates",
            "busybox:2",
            "ngnix",
            "example-image",
            "registry.k8s.io/nosuch:1",
            "someone/does-not-exist",
            "someone/app:nonexistent",
            "registry.example.com/app:1",
        ] {
            assert!(!exists(image), "{image}");
        }
    }

    #[test]
    fn the_typo_of_the_documentation_fails_in_containerds_words() {
        assert_eq!(
            resolve(&parse("nginx:1.161").unwrap(), &Keyring::default()).unwrap_err(),
            "rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/nginx:1.161\": failed to resolve reference \
             \"docker.io/library/nginx:1.161\": docker.io/library/nginx:1.161: not found"
        );
    }
}
