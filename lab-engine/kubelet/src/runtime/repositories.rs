//! Which repositories exist of which nothing else is known (see `registry`).

use super::reference::Reference;

/// More of Docker's official images, without `docker.io/library/`.
const OFFICIAL: &[&str] = &[
    "adminer",
    "almalinux",
    "amazoncorretto",
    "amazonlinux",
    "archlinux",
    "bash",
    "buildpack-deps",
    "caddy",
    "cassandra",
    "centos",
    "chronograf",
    "clojure",
    "couchbase",
    "couchdb",
    "crate",
    "dart",
    "docker",
    "drupal",
    "eclipse-mosquitto",
    "eclipse-temurin",
    "elasticsearch",
    "elixir",
    "emqx",
    "erlang",
    "fedora",
    "flink",
    "gcc",
    "ghost",
    "golang",
    "gradle",
    "groovy",
    "haproxy",
    "haskell",
    "hylang",
    "ibmjava",
    "influxdb",
    "jetty",
    "joomla",
    "jruby",
    "julia",
    "kapacitor",
    "kibana",
    "kong",
    "logstash",
    "mariadb",
    "matomo",
    "maven",
    "mediawiki",
    "memcached",
    "mongo-express",
    "monica",
    "nats",
    "neo4j",
    "neurodebian",
    "nextcloud",
    "odoo",
    "open-liberty",
    "openjdk",
    "oraclelinux",
    "orientdb",
    "percona",
    "photon",
    "php",
    "plone",
    "pypy",
    "r-base",
    "rakudo-star",
    "redmine",
    "registry",
    "rethinkdb",
    "rocket.chat",
    "rockylinux",
    "ruby",
    "rust",
    "sapmachine",
    "silverpeas",
    "solr",
    "sonarqube",
    "spark",
    "spiped",
    "storm",
    "swift",
    "swipl",
    "telegraf",
    "tomcat",
    "tomee",
    "traefik",
    "varnish",
    "vault",
    "websphere-liberty",
    "xwiki",
    "yourls",
    "znc",
    "zookeeper",
];

/// Registries that anybody can push to or that publish for anybody.
const PUBLIC_HOSTS: &[&str] = &[
    "docker.io",
    "registry.k8s.io",
    "quay.io",
    "gcr.io",
    "ghcr.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
    "registry.gitlab.com",
    "nvcr.io",
    "docker.elastic.co",
    "cr.fluentbit.io",
    "lscr.io",
];

/// What people write to name an image that does not exist.
const DENIALS: &[&str] =
    &["nonexist", "non-exist", "notexist", "not-exist", "doesnt-exist", "nosuch", "no-such", "missing", "invalid", "wrong", "typo", "fake"];

/// Whether anybody can pull from the host.
pub(crate) fn is_public(host: &str) -> bool {
    PUBLIC_HOSTS.contains(&host) || host.ends_with(".gcr.io") || host.ends_with(".pkg.dev")
}

/// Whether a repository outside the catalog exists, and this tag of it.
pub(crate) fn may_exist(reference: &Reference) -> bool {
    let denied = |text: &str| DENIALS.iter().any(|denial| text.contains(denial));
    let known = reference.repository.strip_prefix("docker.io/library/").is_none_or(|name| OFFICIAL.contains(&name));
    known && is_public(reference.host()) && !denied(reference.path()) && !denied(&reference.tag)
}
