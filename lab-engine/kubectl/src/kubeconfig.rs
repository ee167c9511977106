//! The terminal's kubeconfig: clusters, users, and contexts that join one of each (`client-go/tools/clientcmd`).
//!
//! **Simplified here:** it is no file, so that `--kubeconfig` means nothing; users have certificates and tokens, no passwords and no
//! plugins; whether a certificate authority is the server's own is not looked at.

use crate::files::Files;
use crate::flags::Parsed;
use std::collections::BTreeMap;

/// The address of the cluster's API server.
pub(crate) const SERVER: &str = "https://10.96.0.1:443";
/// The names of what there is from the beginning.
const CONTEXT: &str = "kubernetes-admin@kubernetes";
const CLUSTER: &str = "kubernetes";
const USER: &str = "kubernetes-admin";
/// Where clients look for a server when nothing says where it is.
const NOWHERE: &str = "http://localhost:8080";
/// The learner's home, in which relative paths begin.
const HOME: &str = "/home/learner";
/// Where the kubeconfig would lie if it were a file.
pub(crate) const FILE: &str = "/home/learner/.kube/config";

/// Something that is embedded or lies in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// What the terminal was given with the cluster.
    Own,
    /// Embedded.
    Data(String),
    /// The path of its file.
    File(String),
}

impl Source {
    /// The absolute path, if it is a file.
    pub(crate) fn path(&self) -> Option<String> {
        let Source::File(path) = self else { return None };
        Some(if path.starts_with('/') { path.clone() } else { format!("{HOME}/{}", path.trim_start_matches("./")) })
    }
}

/// Where a cluster's API server is, and how it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) server: String,
    pub(crate) tls_server_name: String,
    pub(crate) authority: Option<Source>,
    pub(crate) insecure: bool,
}

/// How somebody proves who he is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) certificate: Option<Source>,
    pub(crate) key: Option<Source>,
    pub(crate) token: String,
}

/// Which user speaks to which cluster, in which namespace if none is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) cluster: String,
    pub(crate) user: String,
    pub(crate) namespace: String,
}

/// All of them by name, and the name of the current context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubeconfig {
    pub(crate) clusters: BTreeMap<String, Cluster>,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) contexts: BTreeMap<String, Entry>,
    pub(crate) current: String,
}

impl Default for Kubeconfig {
    /// As `kubeadm` leaves it: one context, whose user may do everything.
    fn default() -> Self {
        let cluster = Cluster { server: SERVER.to_owned(), authority: Some(Source::Own), ..Cluster::default() };
        let user = User { certificate: Some(Source::Own), key: Some(Source::Own), ..User::default() };
        let entry = Entry { cluster: CLUSTER.to_owned(), user: USER.to_owned(), ..Entry::default() };
        Kubeconfig {
            clusters: BTreeMap::from([(CLUSTER.to_owned(), cluster)]),
            users: BTreeMap::from([(USER.to_owned(), user)]),
            contexts: BTreeMap::from([(CONTEXT.to_owned(), entry)]),
            current: CONTEXT.to_owned(),
        }
    }
}

/// What a run goes by: the context with what the flags put over it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) user_name: String,
    pub(crate) user: User,
    pub(crate) namespace: String,
    /// What is printed in place of a request, when none can be sent.
    pub(crate) blocked: Option<String>,
}

impl Kubeconfig {
    /// The context of a line, with the flags `--context`, `--cluster` and `--user` (`DirectClientConfig`).
    ///
    /// # Errors
    /// All that is printed.
    pub(crate) fn access(&self, parsed: &Parsed) -> Result<Access, String> {
        let given = |flag: &str| parsed.get(flag).filter(|name| !name.is_empty());
        if let Some(name) = given("user").filter(|name| !self.users.contains_key(*name)) {
            return Err(format!("error: auth info {name:?} does not exist"));
        }
        let context = given("context").unwrap_or(&self.current);
        let entry = match self.contexts.get(context) {
            Some(entry) => entry.clone(),
            None if given("context").is_some() => return Err(format!("error: context {context:?} does not exist")),
            None if context.is_empty() => Entry::default(),
            None => return Err(format!("Error in configuration: context was not found for specified context: {context}")),
        };
        if let Some(name) = given("cluster").filter(|name| !self.clusters.contains_key(*name)) {
            return Err(format!("error: cluster {name:?} does not exist"));
        }
        let user_name = given("user").unwrap_or(&entry.user).to_owned();
        let user = self.users.get(&user_name).cloned().unwrap_or_default();
        let cluster = self.clusters.get(given("cluster").unwrap_or(&entry.cluster));
        let namespace = if entry.namespace.is_empty() { "default".to_owned() } else { entry.namespace };
        Ok(Access { user_name, user, namespace, blocked: cannot_reach(cluster) })
    }
}

/// Why no request reaches the cluster's API server; `None` if one does.
fn cannot_reach(cluster: Option<&Cluster>) -> Option<String> {
    let server = cluster.map(|cluster| cluster.server.as_str()).filter(|server| !server.is_empty()).unwrap_or(NOWHERE);
    let server = server.trim_end_matches('/');
    if server != SERVER {
        let host = server.split_once("://").map_or(server, |(_, host)| host);
        return Some(format!("The connection to the server {host} was refused - did you specify the right host or port?"));
    }
    let trusted = cluster.is_some_and(|cluster| cluster.insecure || cluster.authority.is_some());
    (!trusted).then(|| {
        "Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority".to_owned()
    })
}

impl User {
    /// The user's certificate, if it is not the terminal's own.
    ///
    /// # Errors
    /// All that is wrong with what the user has (`validateAuthInfo`).
    pub(crate) fn certificate(&self, name: &str, files: &Files) -> Result<Option<String>, Vec<String>> {
        let Some(certificate) = &self.certificate else { return Ok(None) };
        let mut wrong = Vec::new();
        if self.key.is_none() {
            wrong.push(format!("client-key-data or client-key must be specified for {name} to use the clientCert authentication method."));
        }
        let mut read = |source: &Source, kind: &str| match source {
            Source::Own => None,
            Source::Data(text) => Some(text.clone()),
            Source::File(path) => {
                let text = files.read(path.strip_prefix(HOME).map_or(path.as_str(), |path| path.trim_start_matches('/')));
                if text.is_none() {
                    wrong.push(format!("unable to read {kind} {path} for {name} due to open {path}: no such file or directory"));
                }
                text.map(str::to_owned)
            }
        };
        let text = read(certificate, "client-cert");
        self.key.as_ref().and_then(|key| read(key, "client-key"));
        if wrong.is_empty() { Ok(text) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags;

    fn access(config: &Kubeconfig, line: &[&str]) -> Result<Access, String> {
        let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        config.access(&flags::parse(&[], &words).unwrap())
    }

    #[test]
    fn flags_choose_the_context_and_what_it_joins() {
        let mut config = Kubeconfig::default();
        config.users.insert("alice".to_owned(), User { token: "t".to_owned(), ..User::default() });
        let entry = Entry { cluster: CLUSTER.to_owned(), user: "alice".to_owned(), namespace: "dev".to_owned() };
        config.contexts.insert("dev".to_owned(), entry);
        let found = |line: &[&str]| access(&config, line).map(|access| (access.user_name, access.namespace, access.blocked));
        assert_eq!(found(&[]), Ok((USER.to_owned(), "default".to_owned(), None)));
        assert_eq!(found(&["--context=dev"]), Ok(("alice".to_owned(), "dev".to_owned(), None)));
        assert_eq!(found(&["--context=dev", "--user", USER]), Ok((USER.to_owned(), "dev".to_owned(), None)));
        assert_eq!(found(&["--context=prod"]), Err("error: context \"prod\" does not exist".to_owned()));
        assert_eq!(found(&["--user=bob"]), Err("error: auth info \"bob\" does not exist".to_owned()));
        assert_eq!(found(&["--cluster=far"]), Err("error: cluster \"far\" does not exist".to_owned()));
        config.contexts.clear();
        let dangling = format!("Error in configuration: context was not found for specified context: {CONTEXT}");
        assert_eq!(access(&config, &[]).unwrap_err(), dangling);
        config.current.clear();
        let refused = "The connection to the server localhost:8080 was refused - did you specify the right host or port?";
        assert_eq!(access(&config, &[]).unwrap().blocked.as_deref(), Some(refused));
    }

    #[test]
    fn a_server_is_reached_where_it_is_and_is_trusted() {
        let cluster = |server: &str, insecure| Cluster { server: server.to_owned(), insecure, ..Cluster::default() };
        assert_eq!(cannot_reach(Some(&cluster(SERVER, true))), None);
        assert!(cannot_reach(Some(&cluster(SERVER, false))).is_some_and(|why| why.ends_with("unknown authority")));
        assert!(cannot_reach(Some(&cluster("https://1.2.3.4", true))).is_some_and(|why| why.contains("server 1.2.3.4 was refused")));
    }

    #[test]
    fn all_that_is_wrong_with_a_certificate_is_told() {
        let file = |path: &str| Some(Source::File(path.to_owned()));
        let user = User { certificate: file("a.crt"), key: file("/home/learner/a.key"), ..User::default() };
        let mut files = Files::default();
        assert_eq!(user.certificate("a", &files).map_err(|wrong| wrong.len()), Err(2));
        files.write("a.crt", "PEM").unwrap();
        files.write("a.key", "KEY").unwrap();
        assert_eq!(user.certificate("a", &files), Ok(Some("PEM".to_owned())));
        let keyless = User { key: None, ..user };
        assert!(keyless.certificate("a", &files).is_err_and(|wrong| wrong[0].starts_with("client-key-data or client-key must be")));
    }
}
