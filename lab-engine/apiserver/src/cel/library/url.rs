//! URLs: `url('https://example.com:80/')` (`k8s.io/apiserver/pkg/cel/library/urls.go`), read as Go's `url.ParseRequestURI` reads them.

use super::{Answer, error, known, opaque};
use cel::extractors::This;
use cel::objects::{Key, Map, Opaque};
use cel::{Context, DeclarationError, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// A URL in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Url {
    scheme: String,
    /// Host and port.
    host: String,
    path: String,
    query: String,
}

impl Opaque for Url {
    fn runtime_type_name(&self) -> &str {
        "kubernetes.URL"
    }
}

fn is_scheme(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(plain)
}

/// Whether every `%` is followed by two digits.
fn is_escaped(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| digit(at + 1) && digit(at + 2))
}

impl Url {
    /// Reads an absolute URL or an absolute path.
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.contains(|c: char| c.is_ascii_control()) {
            return None;
        }
        let (scheme, rest) =
            if text.starts_with('/') { ("", text) } else { text.split_once(':').filter(|(scheme, _)| is_scheme(scheme))? };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !rest.starts_with('/') {
            // An opaque part, as in `mailto:someone`; without a scheme it is none.
            return Some(Url { scheme: scheme.to_lowercase(), host: String::new(), path: String::new(), query: query.to_owned() });
        }
        let (host, path) = match rest.strip_prefix("//").filter(|_| !scheme.is_empty()) {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let port = if host.ends_with(']') { "" } else { host.rsplit_once(':').map_or("", |(_, port)| port) };
        let bracketed = host.starts_with('[') == host.contains(']') && (host.starts_with('[') || host.matches(':').count() <= 1);
        let readable = !host.contains(|c: char| c.is_whitespace() || "<>\"".contains(c));
        let fits = port.bytes().all(|b| b.is_ascii_digit()) && bracketed && readable && is_escaped(path);
        fits.then(|| Url { scheme: scheme.to_lowercase(), host: host.to_owned(), path: path.to_owned(), query: query.to_owned() })
    }

    /// The host without the port, and without the brackets of an IPv6 address.
    fn hostname(&self) -> &str {
        match self.host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => self.host.split(':').next().unwrap_or_default(),
        }
    }

    fn port(&self) -> &str {
        if self.host.ends_with(']') { "" } else { self.host.rsplit_once(':').map_or("", |(_, port)| port) }
    }

    /// The path with everything escaped that must be.
    fn escaped_path(&self) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@%!'()*[]".contains(&b);
        let mut path = String::with_capacity(self.path.len());
        for byte in self.path.bytes() {
            if plain(byte) {
                path.push(char::from(byte));
            } else {
                path.push_str(&format!("%{byte:02X}"));
            }
        }
        path
    }

    /// The values of each parameter, in order; what cannot be read is left out.
    fn parameters(&self) -> Value {
        let mut found: HashMap<Key, Vec<Value>> = HashMap::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if let (Some(name), Some(value)) = (unescape(name), unescape(value)) {
                found.entry(Key::String(Arc::new(name))).or_default().push(Value::from(value));
            }
        }
        let entries = found.into_iter().map(|(name, values)| (name, Value::List(Arc::new(values))));
        Value::Map(Map { map: Arc::new(entries.collect()) })
    }
}

/// The text of a part of a query; `None` when an escape is broken.
fn unescape(text: &str) -> Option<String> {
    if !is_escaped(text) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
                digit(rest.next())? << 4 | digit(rest.next())?
            }
            byte => byte,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn url(value: &Value) -> Answer<Url> {
    known(value, "url")
}

/// Adds the functions.
pub(super) fn add(context: &mut Context<'_, '_>) -> Result<(), DeclarationError> {
    context.add_function("url", |text: Arc<String>| {
        let failed = || error("url", format!("URL parse error during conversion from string: parse {text:?}: invalid URI for request"));
        Url::parse(&text).map(opaque).ok_or_else(failed)
    })?;
    context.add_function("isURL", |text: Arc<String>| Url::parse(&text).is_some())?;
    context.add_function("getScheme", |This(of): This<Value>| url(&of).map(|url| Value::from(url.scheme)))?;
    context.add_function("getHost", |This(of): This<Value>| url(&of).map(|url| Value::from(url.host)))?;
    context.add_function("getHostname", |This(of): This<Value>| url(&of).map(|url| Value::from(url.hostname())))?;
    context.add_function("getPort", |This(of): This<Value>| url(&of).map(|url| Value::from(url.port())))?;
    context.add_function("getEscapedPath", |This(of): This<Value>| url(&of).map(|url| Value::from(url.escaped_path())))?;
    context.add_function("getQuery", |This(of): This<Value>| url(&of).map(|url| url.parameters()))
}
