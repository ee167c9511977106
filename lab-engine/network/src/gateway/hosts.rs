//! Hostnames of listeners and routes: which hosts they are for, and what two of them have in common.
//!
//! `*.example.com` stands for `a.example.com` and `a.b.example.com`, not for `example.com` (an Ingress' wildcard stands for one label alone).

/// How well a hostname fits a host, better ones greater: the characters of a name without a wildcard, then those of any.
pub(crate) type HostFit = (usize, usize);

/// Whether a hostname with a wildcard covers another hostname, or a host.
fn covers(wildcard: &str, host: &str) -> bool {
    let Some(suffix) = wildcard.strip_prefix('*') else { return false };
    host.len() > suffix.len() && host.ends_with(suffix) && !host.starts_with('.')
}

/// How well a hostname fits a host in small letters; an empty one fits all. `None` when it does not.
pub(crate) fn fit(hostname: &str, host: &str) -> Option<HostFit> {
    if hostname.is_empty() {
        return Some((0, 0));
    }
    if hostname == host {
        return Some((hostname.len(), hostname.len()));
    }
    covers(hostname, host).then_some((0, hostname.len()))
}

/// The hosts that two hostnames have in common, as a hostname.
fn intersection<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    if one.is_empty() || one == other || covers(one, other) {
        return Some(other);
    }
    (other.is_empty() || covers(other, one)).then_some(one)
}

/// The hosts for which a route is attached to a listener: what its hostnames have in common with the listener's. `None` when nothing.
pub(crate) fn attached_hostnames(listener: &str, route: &[String]) -> Option<Vec<String>> {
    if route.is_empty() {
        return Some(vec![listener.to_owned()]);
    }
    let common: Vec<String> = route.iter().filter_map(|hostname| intersection(listener, hostname)).map(str::to_owned).collect();
    (!common.is_empty()).then_some(common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label_or_more() {
        assert_eq!(fit("*.example.com", "a.b.example.com"), Some((0, 13)));
        assert_eq!((fit("*.example.com", "example.com"), fit("*.example.com", "anexample.com")), (None, None));
        assert_eq!(fit("www.example.com", "www.example.com"), Some((15, 15)));
        assert_eq!((fit("", "anything"), fit("a.example", "b.example")), (Some((0, 0)), None));
        // A name is better than any wildcard, a long wildcard better than a short one.
        assert!(fit("a.b", "a.b") > fit("*.example.com", "a.example.com"));
        assert!(fit("*.a.example", "x.a.example") > fit("*.example", "x.a.example"));
    }

    #[test]
    fn a_route_is_attached_for_the_hosts_in_common() {
        let common = |listener: &str, route: &[&str]| {
            attached_hostnames(listener, &route.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).map(|hosts| hosts.join(" "))
        };
        let specified = ["*.example.com", "test.example.com", "foo.test.example.com", "example.com", "test.example.net"];
        assert_eq!(common("test.example.com", &specified).as_deref(), Some("test.example.com test.example.com"));
        assert_eq!(common("*.example.com", &specified).as_deref(), Some("*.example.com test.example.com foo.test.example.com"));
        assert_eq!(common("*.example.com", &["*.com"]).as_deref(), Some("*.example.com"));
        assert_eq!((common("", &["a.example"]).as_deref(), common("a.example", &[]).as_deref()), (Some("a.example"), Some("a.example")));
        assert_eq!(common("*.example.com", &["example.com", "test.example.net"]), None);
    }
}
