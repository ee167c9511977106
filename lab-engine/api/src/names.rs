//! Which texts may be names, labels, paths (`k8s.io/apimachinery/pkg/util/validation`), with upstream's explanations.
//!
//! Each function gives the list of what is wrong with a text, `["must be no more than 63 characters", …]`; it is empty for a good one.
//!
//! **Simplified here:** an IPv4 address with leading zeros is refused everywhere, also where upstream still takes it in old objects.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A DNS-1123 label.
pub const DNS1123_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// A DNS-1123 subdomain.
pub const DNS1123_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const DNS1035_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

const QUALIFIED_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

const ENV_NAME: &str = "a valid environment variable name must consist only of printable ASCII characters other than '='";

const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const SUBDOMAIN_WITH_UNDERSCORE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9_]([-_a-z0-9]*[a-z0-9_])?(\\.[a-z0-9_]([-_a-z0-9]*[a-z0-9_])?)*')";

const C_IDENTIFIER: &str = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";

const HEADER_NAME: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";

const DOMAIN_PATH: &str = "must be a domain-prefixed path (such as \"acme.io/foo\")";

/// The explanation as a list, unless the text fits.
fn explained(fits: bool, why: &str) -> Vec<String> {
    if fits { Vec::new() } else { vec![why.to_owned()] }
}

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} characters")
}

fn lower_label(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(&first), Some(&last)) if fits(first) && fits(last))
        && bytes.iter().all(|&b| fits(b) || b == b'-')
}

fn word(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// What is wrong with a DNS-1123 label.
pub fn dns1123_label(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(too_long(63));
    }
    if !lower_label(text) {
        wrong.push(DNS1123_LABEL.to_owned());
    }
    wrong
}

/// What is wrong with a DNS-1123 subdomain.
pub fn dns1123_subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    if !text.split('.').all(lower_label) {
        wrong.push(DNS1123_SUBDOMAIN.to_owned());
    }
    wrong
}

/// What is wrong with a DNS-1035 label.
pub fn dns1035_label(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(too_long(63));
    }
    if !lower_label(text) || text.starts_with(|c: char| c.is_ascii_digit()) {
        wrong.push(DNS1035_LABEL.to_owned());
    }
    wrong
}

/// What is wrong with the key of a label or annotation.
pub fn qualified_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                wrong.push("prefix part must be non-empty".to_owned());
            } else {
                wrong.extend(dns1123_subdomain(prefix).into_iter().map(|message| format!("prefix part {message}")));
            }
            name
        }
        _ => {
            let rule = QUALIFIED_NAME.trim_start_matches("name part must");
            wrong.push(format!("a qualified name must{rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"));
            return wrong;
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        wrong.push(format!("name part {}", too_long(63)));
    }
    if !word(name) {
        wrong.push(QUALIFIED_NAME.to_owned());
    }
    wrong
}

/// What is wrong with the value of a label.
pub fn label_value(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(too_long(63));
    }
    if !text.is_empty() && !word(text) {
        wrong.push(LABEL_VALUE.to_owned());
    }
    wrong
}

/// What is wrong with a subdomain whose first label is `*` (`IsWildcardDNS1123Subdomain`).
pub fn wildcard_dns1123_subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    if !text.strip_prefix("*.").is_some_and(|rest| rest.split('.').all(lower_label)) {
        wrong.push(WILDCARD.to_owned());
    }
    wrong
}

/// What is wrong with a subdomain in which underscores are fine (`IsDNS1123SubdomainWithUnderscore`).
pub fn dns1123_subdomain_with_underscore(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    let plain = |label: &str| lower_label(&label.replace('_', "a"));
    if !text.split('.').all(plain) {
        wrong.push(SUBDOMAIN_WITH_UNDERSCORE.to_owned());
    }
    wrong
}

/// What is wrong with a domain name of at least three labels, without a final dot (`IsFullyQualifiedName`).
pub fn fully_qualified_name(text: &str) -> Vec<String> {
    if text.is_empty() {
        return vec![String::new()];
    }
    let wrong = dns1123_subdomain(text);
    if wrong.is_empty() && text.split('.').count() < 3 {
        return vec!["should be a domain with at least three segments separated by dots".to_owned()];
    }
    wrong
}

/// What is wrong with a domain name of at least two labels of at most 63 characters; a final dot is fine (`IsFullyQualifiedDomainName`).
pub fn fully_qualified_domain_name(text: &str) -> Vec<String> {
    if text.is_empty() {
        return vec![String::new()];
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let wrong = dns1123_subdomain(name);
    if !wrong.is_empty() {
        return wrong;
    }
    if name.split('.').count() < 2 {
        return vec!["should be a domain with at least two segments separated by dots".to_owned()];
    }
    name.split('.').flat_map(dns1123_label).collect()
}

/// What is wrong with a domain, a slash and a path (`IsDomainPrefixedPath`).
pub fn domain_prefixed_path(text: &str) -> Vec<String> {
    let Some((host, path)) = text.split_once('/').filter(|(host, path)| !host.is_empty() && !path.is_empty()) else {
        return vec![if text.is_empty() { String::new() } else { DOMAIN_PATH.to_owned() }];
    };
    let mut wrong = dns1123_subdomain(host);
    if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b)) {
        wrong.push("Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')".to_owned());
    }
    wrong
}

/// What is wrong with an identifier of the language C (`IsCIdentifier`).
pub fn c_identifier(text: &str) -> Vec<String> {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let fits = text.bytes().next().is_some_and(letter) && text.bytes().all(|b| letter(b) || b.is_ascii_digit());
    explained(fits, C_IDENTIFIER)
}

/// What is wrong with the name of an HTTP header (`IsHTTPHeaderName`).
pub fn http_header_name(text: &str) -> Vec<String> {
    explained(!text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), HEADER_NAME)
}

/// What is wrong with a percentage such as `25%` (`IsValidPercent`).
pub fn percent(text: &str) -> Vec<String> {
    let fits = text.strip_suffix('%').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    explained(
        fits,
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    )
}

/// What is wrong with an IP address (`IsValidIP`).
pub fn ip(text: &str) -> Vec<String> {
    explained(text.parse::<IpAddr>().is_ok(), "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
}

/// What is wrong with an IPv4 address (`IsValidIPv4Address`).
pub fn ipv4(text: &str) -> Vec<String> {
    let mapped = text.parse::<Ipv6Addr>().is_ok_and(|address| address.to_ipv4_mapped().is_some());
    explained(mapped || text.parse::<Ipv4Addr>().is_ok(), "must be a valid IPv4 address")
}

/// What is wrong with an IPv6 address (`IsValidIPv6Address`).
pub fn ipv6(text: &str) -> Vec<String> {
    let fits = text.parse::<Ipv6Addr>().is_ok_and(|address| address.to_ipv4_mapped().is_none());
    explained(fits, "must be a valid IPv6 address")
}

/// What is wrong with a network such as `10.0.0.0/8` (`IsValidCIDR`).
pub fn cidr(text: &str) -> Vec<String> {
    let fits = text.split_once('/').is_some_and(|(address, bits)| {
        let most = match address.parse() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse::<u32>().is_ok_and(|bits| bits <= most)
    });
    explained(fits, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
}

/// What is wrong with an address and a port, `10.0.0.1:80` (`IsValidSocketAddr`).
pub fn socket_address(text: &str) -> Vec<String> {
    let split = text.rsplit_once(':').map(|(host, port)| (host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host), port));
    let Some((host, port)) = split else {
        return vec!["must be a valid socket address format, (e.g. 0.0.0.0:10254 or [::]:10254)".to_owned()];
    };
    let port = port.parse().map_or(Some("must be a valid port"), port_number);
    port.map(str::to_owned).into_iter().chain(ip(host)).collect()
}

/// What is wrong with the id of a user or group (`IsValidUserID`, `IsValidGroupID`).
pub fn user_id(id: i64) -> Option<&'static str> {
    (!(0..=i64::from(i32::MAX)).contains(&id)).then_some("must be between 0 and 2147483647, inclusive")
}

/// What is wrong with a number that must lie in a range (`IsInRange`).
pub fn in_range(value: i64, min: i64, max: i64) -> Option<String> {
    (!(min..=max).contains(&value)).then(|| format!("must be between {min} and {max}, inclusive"))
}

/// What is wrong with the name of a variable (relaxed since v1.34).
pub fn env_name(text: &str) -> Option<&'static str> {
    let fits = |b: u8| (b' '..=b'~').contains(&b) && b != b'=';
    (!text.bytes().all(fits)).then_some(ENV_NAME)
}

/// What is wrong with the key of a ConfigMap or Secret.
pub fn config_key(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        wrong.push(CONFIG_KEY.to_owned());
    }
    match text {
        "." => wrong.push("must not be '.'".to_owned()),
        ".." => wrong.push("must not be '..'".to_owned()),
        text if text.starts_with("..") => wrong.push("must not start with '..'".to_owned()),
        _ => {}
    }
    wrong
}

/// What is wrong with the number of a port.
pub fn port_number(port: i32) -> Option<&'static str> {
    (!(1..=65_535).contains(&port)).then_some("must be between 1 and 65535, inclusive")
}

/// What is wrong with the name of a port (IANA service name).
pub fn port_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 15 {
        wrong.push("must be no more than 15 characters".to_owned());
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        wrong.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        wrong.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        wrong.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        wrong.push("must not begin or end with a hyphen".to_owned());
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_upstream_judges_them() {
        assert!(dns1123_subdomain("a.b-c.0").is_empty());
        for bad in ["", "A", "-a", "a-", "a..b", "a_b", &"a".repeat(254)] {
            assert!(!dns1123_subdomain(bad).is_empty(), "{bad}");
        }
        assert!(dns1123_label("0a").is_empty() && !dns1035_label("0a").is_empty() && !dns1123_label("a.b").is_empty());
        assert!(qualified_name("example.com/My_Name.1").is_empty());
        for bad in ["", "/a", "a/", "a/b/c", "A.com/b", "_a"] {
            assert!(!qualified_name(bad).is_empty(), "{bad}");
        }
        assert!(label_value("").is_empty() && !label_value("a b").is_empty());
        assert!(env_name("MY.VAR").is_none() && env_name("A=B").is_some());
        assert!(!config_key("..").is_empty() && config_key("nginx.conf").is_empty());
        assert!(port_name("http-1").is_empty() && !port_name("80").is_empty() && !port_name("a--b").is_empty());
    }
}
