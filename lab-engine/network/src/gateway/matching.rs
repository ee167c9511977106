//! Which rule of the attached HTTPRoutes a request meets.
//!
//! The order of precedence is the specification's: the hostname that fits best, then of the matches an exact path, a regular expression, the
//! longest prefix, a method, the most headers, the most parameters; then the oldest route, the first by name, and the first rule.
//!
//! **Simplified here:** a path, and the parameters of a query, are compared as they are written, without decoding `%` and the like. A regular
//! expression must match the whole value; where it stands in the order each implementation decides.

use super::hosts;
use super::types::{HTTPRouteMatch, HTTPRouteRule, HTTPValueMatch};
use crate::reverse_proxy::host_name;
use client::ObjectKey;
use client::dial::HttpCall;
use regex_lite::{Regex, RegexBuilder};
use std::sync::Arc;

/// The most bytes that a regular expression may take, and how many of them a route may have.
const MAX_EXPRESSION: usize = 16 * 1024;
const MAX_EXPRESSIONS: usize = 64;

/// A route whose rules were read.
#[derive(Debug)]
pub(crate) struct Route {
    /// Whose they are.
    pub(crate) key: ObjectKey,
    /// The rules.
    pub(crate) rules: Vec<Rule>,
}

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    matches: Vec<Match>,
    /// What is done with a request that it matches.
    pub(crate) spec: HTTPRouteRule,
}

/// A route as it is attached to a listener.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    /// The route.
    pub(crate) route: Arc<Route>,
    /// The hosts for which it is attached there.
    pub(crate) hostnames: Vec<String>,
}

/// The rule that a request meets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit<'a> {
    /// Its route.
    pub(crate) route: &'a Route,
    /// Its place in the route.
    pub(crate) index: usize,
    /// The rule.
    pub(crate) rule: &'a Rule,
    /// How many bytes of the path a prefix matched; none when the path was matched otherwise.
    pub(crate) prefix: usize,
}

#[derive(Debug)]
struct Match {
    path: PathTest,
    method: String,
    headers: Vec<ValueTest>,
    query: Vec<ValueTest>,
}

#[derive(Debug)]
enum PathTest {
    Exact(String),
    Expression(Regex, usize),
    /// Without a slash at its end.
    Prefix(String),
}

#[derive(Debug)]
struct ValueTest {
    name: String,
    value: Result<String, Regex>,
}

/// How much a match takes precedence, better ones greater.
type Precedence = (u8, usize, bool, usize, usize);

/// An expression that must match a whole value.
fn expression(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(MAX_EXPRESSION).nest_limit(50).build();
    built.map_err(|error| format!("the regular expression {pattern:?} cannot be used: {error}"))
}

impl Route {
    /// Reads rules.
    ///
    /// # Errors
    /// What is wrong with the first regular expression that cannot be read, or that there are too many.
    pub(crate) fn read(key: ObjectKey, rules: &[HTTPRouteRule]) -> Result<Self, String> {
        let expressions: usize = rules.iter().flat_map(|rule| &rule.matches).map(HTTPRouteMatch::expressions).sum();
        if expressions > MAX_EXPRESSIONS {
            return Err(format!("{expressions} regular expressions are too many: at most {MAX_EXPRESSIONS} are supported"));
        }
        let read = |rule: &HTTPRouteRule| -> Result<Rule, String> {
            Ok(Rule { matches: rule.matches.iter().map(Match::read).collect::<Result<_, _>>()?, spec: rule.clone() })
        };
        Ok(Route { key, rules: rules.iter().map(read).collect::<Result<_, _>>()? })
    }
}

impl HTTPRouteMatch {
    /// How many regular expressions it has.
    fn expressions(&self) -> usize {
        let values = self.headers.iter().chain(&self.query_params).map(|test| &test.type_);
        values.chain([&self.path.type_]).filter(|kind| *kind == "RegularExpression").count()
    }
}

impl Match {
    fn read(from: &HTTPRouteMatch) -> Result<Self, String> {
        let value = from.path.value.as_str();
        let path = match from.path.type_.as_str() {
            "Exact" => PathTest::Exact(value.to_owned()),
            "RegularExpression" => PathTest::Expression(expression(value)?, value.len()),
            _ => PathTest::Prefix(value.trim_end_matches('/').to_owned()),
        };
        let tests = |from: &[HTTPValueMatch]| from.iter().map(ValueTest::read).collect::<Result<Vec<_>, _>>();
        Ok(Match { path, method: from.method.clone(), headers: tests(&from.headers)?, query: tests(&from.query_params)? })
    }

    /// How much it takes precedence over others, if it matches.
    fn precedence(&self, call: &HttpCall) -> Option<Precedence> {
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let of_path = match &self.path {
            PathTest::Exact(wanted) => (path == wanted).then_some((2, wanted.len())),
            PathTest::Expression(wanted, length) => wanted.is_match(path).then_some((1, *length)),
            PathTest::Prefix(wanted) => {
                let rest = path.strip_prefix(wanted.as_str())?;
                (rest.is_empty() || rest.starts_with('/')).then_some((0, wanted.len()))
            }
        };
        let param = |name: &str| query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).find(|(key, _)| *key == name);
        let all = (self.method.is_empty() || self.method == call.method)
            && self.headers.iter().all(|test| call.header(&test.name).is_some_and(|value| test.passes(value)))
            && self.query.iter().all(|test| param(&test.name).is_some_and(|(_, value)| test.passes(value)));
        let (kind, length) = of_path.filter(|_| all)?;
        Some((kind, length, !self.method.is_empty(), self.headers.len(), self.query.len()))
    }

    fn prefix(&self) -> usize {
        if let PathTest::Prefix(wanted) = &self.path { wanted.len() } else { 0 }
    }
}

impl ValueTest {
    fn read(from: &HTTPValueMatch) -> Result<Self, String> {
        let value = if from.type_ == "RegularExpression" { Err(expression(&from.value)?) } else { Ok(from.value.clone()) };
        Ok(ValueTest { name: from.name.clone(), value })
    }

    fn passes(&self, value: &str) -> bool {
        match &self.value {
            Ok(wanted) => wanted == value,
            Err(expression) => expression.is_match(value),
        }
    }
}

/// The rule that a request meets. Routes are given oldest first.
pub(crate) fn best<'a>(attached: &'a [Attached], call: &HttpCall) -> Option<Hit<'a>> {
    let host = host_name(call.header("Host").unwrap_or_default()).to_ascii_lowercase();
    let mut best = None;
    for Attached { route, hostnames } in attached {
        let Some(of_host) = hostnames.iter().filter_map(|hostname| hosts::fit(hostname, &host)).max() else { continue };
        for (index, rule) in route.rules.iter().enumerate() {
            for candidate in &rule.matches {
                let Some(precedence) = candidate.precedence(call).map(|of_match| (of_host, of_match)) else { continue };
                if best.as_ref().is_none_or(|(other, _)| precedence > *other) {
                    best = Some((precedence, Hit { route, index, rule, prefix: candidate.prefix() }));
                }
            }
        }
    }
    best.map(|(_, hit)| hit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn attached(name: &str, hostnames: &[&str], rules: Value) -> Attached {
        let rules: Vec<HTTPRouteRule> = api::json::decode(rules).unwrap();
        let route = Arc::new(Route::read(ObjectKey::new("default", name), &rules).unwrap());
        Attached { route, hostnames: hostnames.iter().map(|host| (*host).to_owned()).collect() }
    }

    fn met(attached: &[Attached], request: &str, headers: &[(&str, &str)]) -> String {
        let (method, url) = request.split_once(' ').unwrap();
        let (host, path) = url.split_once('/').unwrap();
        let mut call = HttpCall { method: method.to_owned(), path: format!("/{path}"), ..HttpCall::default() };
        call.headers = headers.iter().chain(&[("Host", host)]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        best(attached, &call).map_or("none".to_owned(), |hit| format!("{}/{}", hit.route.key.name, hit.index))
    }

    #[test]
    fn a_match_takes_precedence_by_path_method_headers_and_parameters() {
        let path = |kind: &str, value: &str| json!({"type": kind, "value": value});
        let header = json!([{"type": "Exact", "name": "Version", "value": "two"}]);
        let rules = json!([
            {"matches": [{"path": path("PathPrefix", "/")}]},
            {"matches": [{"path": path("PathPrefix", "/cart/")}]},
            {"matches": [{"path": path("Exact", "/cart")}, {"path": path("RegularExpression", "/[0-9]+")}]},
            {"matches": [{"path": path("PathPrefix", "/"), "headers": header}]},
            {"matches": [{"path": path("PathPrefix", "/"), "method": "POST"}]},
            {"matches": [{"path": path("PathPrefix", "/"), "queryParams": [{"type": "Exact", "name": "beta", "value": "1"}]}]},
        ]);
        let routes = [attached("all", &[""], rules)];
        let rule = |request, headers: &[(&str, &str)]| met(&routes, request, headers);
        assert_eq!([rule("GET a.test/", &[]), rule("GET a.test/cartoon", &[])], ["all/0", "all/0"]);
        assert_eq!([rule("GET a.test/cart", &[]), rule("GET a.test/cart/", &[])], ["all/2", "all/1"]);
        assert_eq!([rule("GET a.test/42", &[]), rule("GET a.test/42a", &[])], ["all/2", "all/0"]);
        let version = [("version", "two")];
        assert_eq!([rule("GET a.test/", &version), rule("GET a.test/cart/1", &version)], ["all/3", "all/1"]);
        // A method is worth more than headers, and those more than parameters.
        assert_eq!([rule("POST a.test/", &version), rule("GET a.test/?x=2&beta=1", &version)], ["all/4", "all/3"]);
        assert_eq!([rule("GET a.test/?x=2&beta=1", &[]), rule("GET a.test/?beta=10", &[])], ["all/5", "all/0"]);
    }

    #[test]
    fn the_best_hostname_comes_first_and_the_oldest_route_last() {
        let all = json!([{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}]);
        let exact = json!([{"matches": [{"path": {"type": "Exact", "value": "/x"}}]}]);
        let routes = [
            attached("old", &["*.example.com"], all.clone()),
            attached("young", &["*.example.com"], all.clone()),
            attached("named", &["www.example.com", "*.example.com"], all),
            attached("any", &[""], exact),
        ];
        assert_eq!(met(&routes, "GET WWW.example.com:8080/x", &[]), "named/0", "a host is worth more than a path");
        assert_eq!(met(&routes, "GET a.example.com/", &[]), "old/0");
        assert_eq!([met(&routes, "GET other.test/x", &[]), met(&routes, "GET other.test/", &[])], ["any/0", "none"]);
    }

    #[test]
    fn an_expression_that_cannot_be_read_is_told() {
        let rules: Vec<HTTPRouteRule> =
            api::json::decode(json!([{"matches": [{"path": {"type": "RegularExpression", "value": "/("}}]}])).unwrap();
        let error = Route::read(ObjectKey::new("default", "bad"), &rules).unwrap_err();
        assert!(error.starts_with("the regular expression \"/(\" cannot be used"), "{error}");
    }
}
