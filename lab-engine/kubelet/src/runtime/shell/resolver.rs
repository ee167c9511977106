//! What a container knows of names: `/etc/hosts` and `/etc/resolv.conf` (`resolv.conf(5)`).

use crate::runtime::sandbox::Ctx;
use std::net::{IpAddr, SocketAddr};

/// How a container resolves names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolver {
    pub(super) server: SocketAddr,
    search: Vec<String>,
    ndots: usize,
}

/// The DNS server of a container whose `/etc/resolv.conf` names none.
const DEFAULT_SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 53);

impl Resolver {
    /// The resolver of a container.
    pub(super) fn of(ctx: &mut Ctx<'_>) -> Self {
        Resolver::parse(ctx.files().read("/etc/resolv.conf").unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let mut resolver = Resolver { server: DEFAULT_SERVER, search: Vec::new(), ndots: 1 };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") if resolver.server == DEFAULT_SERVER => {
                    if let Some(ip) = words.next().and_then(|word| word.parse().ok()) {
                        resolver.server = SocketAddr::new(ip, 53);
                    }
                }
                Some("search") => resolver.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    let ndots = words.filter_map(|word| word.strip_prefix("ndots:")).filter_map(|number| number.parse().ok()).next_back();
                    resolver.ndots = ndots.unwrap_or(resolver.ndots);
                }
                _ => {}
            }
        }
        resolver
    }

    /// The names to try for a word, in order: with each domain of the search list first, unless the word has `ndots` dots or ends with one.
    pub(super) fn candidates(&self, word: &str) -> Vec<String> {
        if let Some(absolute) = word.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let searched = self.search.iter().map(|domain| format!("{word}.{domain}"));
        if word.matches('.').count() >= self.ndots {
            std::iter::once(word.to_owned()).chain(searched).collect()
        } else {
            searched.chain([word.to_owned()]).collect()
        }
    }
}

/// The address that `/etc/hosts` has for a name.
pub(super) fn from_hosts_file(name: &str, ctx: &mut Ctx<'_>) -> Option<IpAddr> {
    let files = ctx.files();
    let lines = files.read("/etc/hosts").unwrap_or_default().lines().filter(|line| !line.starts_with('#'));
    let mut found = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let ip: IpAddr = words.next()?.parse().ok()?;
        words.any(|word| word == name).then_some(ip)
    });
    found.find(IpAddr::is_ipv4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_few_dots_is_searched_first() {
        let resolver = Resolver::parse("search a.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n");
        assert_eq!(resolver.server.to_string(), "10.96.0.10:53");
        assert_eq!(resolver.candidates("web"), ["web.a.svc.cluster.local", "web.svc.cluster.local", "web"]);
        assert_eq!(resolver.candidates("example.com")[0], "example.com.a.svc.cluster.local");
        assert_eq!(resolver.candidates("example.com."), ["example.com"]);
        assert_eq!(resolver.candidates("a.b.c.d.e.f")[0], "a.b.c.d.e.f");
    }
}
