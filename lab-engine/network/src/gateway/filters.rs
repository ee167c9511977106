//! What the filters of a rule make of a request and of its answer, and which backend a request goes to by weight.

use super::types::{HTTPBackendRef, HTTPHeaderFilter, HTTPPathModifier, HTTPRequestRedirectFilter, HTTPRouteFilter};
use crate::reverse_proxy::host_name;
use client::dial::HttpCall;

/// The filters that are carried out. Others make a route unacceptable.
pub(crate) const SUPPORTED: [&str; 4] = ["RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite"];

/// Where a client is sent, with the status: by the first filter that redirects.
pub(crate) fn redirection(filters: &[HTTPRouteFilter], call: &HttpCall, prefix: usize, listener_port: u16) -> Option<(u16, String)> {
    let filter: &HTTPRequestRedirectFilter = filters.iter().find_map(|filter| filter.request_redirect.as_ref())?;
    let own_scheme = if call.tls.is_some() { "https" } else { "http" };
    let scheme = if filter.scheme.is_empty() { own_scheme } else { &filter.scheme };
    let usual = |scheme: &str| if scheme == "https" { 443 } else { 80 };
    // Another scheme means its own port, the same one that of the listener.
    let port = match filter.port {
        Some(port) => port,
        None if filter.scheme.is_empty() => i32::from(listener_port),
        None => usual(scheme),
    };
    let host = if filter.hostname.is_empty() { host_name(call.header("Host").unwrap_or_default()) } else { &filter.hostname };
    let port = if port == usual(scheme) { String::new() } else { format!(":{port}") };
    let path = rewritten(filter.path.as_ref(), &call.path, prefix);
    let status = filter.status_code.and_then(|status| u16::try_from(status).ok()).unwrap_or(302);
    Some((status, format!("{scheme}://{host}{port}{path}")))
}

/// Changes a request as it goes on.
pub(crate) fn change_request<'a>(filters: impl Iterator<Item = &'a HTTPRouteFilter>, call: &mut HttpCall, prefix: usize) {
    for filter in filters {
        if let Some(changes) = &filter.request_header_modifier {
            change_headers(changes, &mut call.headers);
        }
        if let Some(rewrite) = &filter.url_rewrite {
            call.path = rewritten(rewrite.path.as_ref(), &call.path, prefix);
            if !rewrite.hostname.is_empty() {
                set_header(&mut call.headers, "Host", &rewrite.hostname);
            }
        }
    }
}

/// The changes of an answer's headers that the filters ask for, in order.
pub(crate) fn response_changes<'a>(filters: impl Iterator<Item = &'a HTTPRouteFilter>) -> Vec<HTTPHeaderFilter> {
    filters.filter_map(|filter| filter.response_header_modifier.clone()).collect()
}

fn set_header(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    headers.push((name.to_owned(), value.to_owned()));
}

/// Changes headers: sets, then adds, then takes out.
pub(crate) fn change_headers(changes: &HTTPHeaderFilter, headers: &mut Vec<(String, String)>) {
    for header in &changes.set {
        set_header(headers, &header.name, &header.value);
    }
    for header in &changes.add {
        match headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&header.name)) {
            Some((_, value)) => *value = format!("{value},{}", header.value),
            None => headers.push((header.name.clone(), header.value.clone())),
        }
    }
    headers.retain(|(known, _)| !changes.remove.iter().any(|name| name.eq_ignore_ascii_case(known)));
}

/// A path as a modifier changes it, `prefix` bytes of which a rule matched. The query stays.
fn rewritten(modifier: Option<&HTTPPathModifier>, whole: &str, prefix: usize) -> String {
    let Some(modifier) = modifier else { return whole.to_owned() };
    let (path, query) = whole.find('?').map_or((whole, ""), |at| whole.split_at(at));
    let new = if modifier.type_ == "ReplaceFullPath" {
        modifier.replace_full_path.clone()
    } else {
        let rest = path.get(prefix..).unwrap_or_default();
        format!("{}{rest}", modifier.replace_prefix_match.trim_end_matches('/'))
    };
    if new.starts_with('/') { format!("{new}{query}") } else { format!("/{new}{query}") }
}

/// Spreads requests over backends in proportion to their weights, evenly: among any ten requests nine go to the one with 90 % (nginx' smooth
/// weighted round robin).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    weights: Vec<i64>,
    current: Vec<i64>,
}

impl Spread {
    /// The place of the backend that is next; `None` when none has a weight. It begins anew when the weights change.
    pub(crate) fn next(&mut self, backends: &[HTTPBackendRef]) -> Option<usize> {
        let weights: Vec<i64> = backends.iter().map(|backend| i64::from(backend.weight.unwrap_or(1).max(0))).collect();
        if self.weights != weights {
            *self = Spread { current: vec![0; weights.len()], weights };
        }
        let total: i64 = self.weights.iter().sum();
        self.current.iter_mut().zip(&self.weights).for_each(|(current, weight)| *current += weight);
        let weighted = (0..self.weights.len()).filter(|at| self.weights[*at] > 0);
        // Of equals the first.
        let chosen = weighted.rev().max_by_key(|at| self.current[*at])?;
        self.current[chosen] -= total;
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::dial::Trust;
    use serde_json::{Value, json};

    fn filters(value: Value) -> Vec<HTTPRouteFilter> {
        api::json::decode(value).unwrap()
    }

    fn call(path: &str) -> HttpCall {
        let headers = [("Host", "shop.example:8080"), ("Color", "red")].map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        HttpCall { method: "GET".to_owned(), path: path.to_owned(), headers, ..HttpCall::default() }
    }

    #[test]
    fn requests_are_spread_by_weight() {
        let backends = |weights: &[i32]| -> Vec<HTTPBackendRef> {
            weights.iter().map(|weight| HTTPBackendRef { weight: Some(*weight), ..HTTPBackendRef::default() }).collect()
        };
        let mut spread = Spread::default();
        let mut share = |weights: &[i32], of: usize| {
            let mut counts = vec![0; weights.len()];
            (0..of).filter_map(|_| spread.next(&backends(weights))).for_each(|at| counts[at] += 1);
            counts
        };
        assert_eq!(share(&[90, 10], 10), [9, 1]);
        assert_eq!(share(&[90, 10], 100), [90, 10]);
        assert_eq!(share(&[5, 1, 1], 7), [5, 1, 1]);
        assert_eq!(share(&[1, 0], 5), [5, 0]);
        assert_eq!(share(&[0, 0], 5), [0, 0]);
        assert_eq!(share(&[], 5), Vec::<i32>::new());
    }

    #[test]
    fn the_prefix_that_matched_is_replaced() {
        let path = |whole: &str, by: &str| {
            let modifier =
                HTTPPathModifier { type_: "ReplacePrefixMatch".to_owned(), replace_prefix_match: by.to_owned(), ..Default::default() };
            rewritten(Some(&modifier), whole, "/foo".len())
        };
        assert_eq!([path("/foo/bar", "/xyz"), path("/foo/bar", "/xyz/"), path("/foo", "/xyz")], ["/xyz/bar", "/xyz/bar", "/xyz"]);
        assert_eq!([path("/foo/", "/xyz"), path("/foo/bar", ""), path("/foo/", "")], ["/xyz/", "/bar", "/"]);
        assert_eq!([path("/foo", ""), path("/foo", "/"), path("/foo?x=/foo", "/")], ["/", "/", "/?x=/foo"]);
    }

    #[test]
    fn headers_are_set_added_and_taken_out() {
        let changes = filters(json!([
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {
                "set": [{"name": "color", "value": "blue"}], "add": [{"name": "COLOR", "value": "green"}, {"name": "Size", "value": "1"}],
                "remove": ["size"],
            }},
            {"type": "URLRewrite", "urlRewrite": {"hostname": "inner.example", "path": {"type": "ReplaceFullPath", "replaceFullPath": "/all"}}},
        ]));
        let mut call = call("/foo/bar?q=1");
        change_request(changes.iter(), &mut call, 4);
        assert_eq!(
            (call.path.as_str(), call.header("Host"), call.header("Color")),
            ("/all?q=1", Some("inner.example"), Some("blue,green"))
        );
        assert_eq!((call.header("Size"), call.headers.len()), (None, 2));
    }

    #[test]
    fn a_redirection_keeps_what_it_does_not_name() {
        let to = |filter: Value, tls: Option<Trust>, port: u16| {
            let call = HttpCall { tls, ..call("/foo/bar?q=1") };
            redirection(&filters(json!([{"type": "RequestRedirect", "requestRedirect": filter}])), &call, 4, port).unwrap()
        };
        assert_eq!(to(json!({}), None, 80), (302, "http://shop.example/foo/bar?q=1".to_owned()));
        assert_eq!(to(json!({"statusCode": 301}), None, 8080), (301, "http://shop.example:8080/foo/bar?q=1".to_owned()));
        assert_eq!(to(json!({"scheme": "https"}), None, 8080), (302, "https://shop.example/foo/bar?q=1".to_owned()));
        let path = json!({"hostname": "new.example", "port": 8443, "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}});
        assert_eq!(to(path, Some(Trust::Any), 443), (302, "https://new.example:8443/x/bar?q=1".to_owned()));
    }
}
