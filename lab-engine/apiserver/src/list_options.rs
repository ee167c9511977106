//! Which resourceVersion a list or watch is to be served at (`metav1.ListOptions`).
//!
//! | `resourceVersionMatch` | `resourceVersion` | list |
//! |---|---|---|
//! | unset | unset | consistent: as new as etcd when asked |
//! | unset | `0` | what the cache holds |
//! | unset | N, with `limit` | exactly N |
//! | unset | N | not older than N |
//! | `NotOlderThan` | N | not older than N |
//! | `Exact` | N | exactly N |
//!
//! Models `ValidateListOptions` (`k8s.io/apimachinery/pkg/apis/meta/internalversion/validation`), `ValidateListOptions` and
//! `ResolveListOptions` of `k8s.io/apiserver/pkg/storage`, and the page "Resource versions" of the API concepts.
//!
//! A list that is newer than the cache waits for three seconds, then it is refused.

use crate::continue_token::Continue;
use api::http::Request;
use api::status::{Cause, FieldError, Status};
use std::time::Duration;

/// At which revision a list is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// As new as etcd when it was asked for.
    Consistent,
    /// What the cache holds, if it is not older than this.
    NotOlderThan(u64),
    /// Exactly at this revision.
    Exact(u64),
    /// Where an earlier page ended.
    Continue(Continue),
}

/// The options of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListOptions {
    /// The revision.
    pub(crate) at: At,
    /// At most how many objects; 0 for all.
    pub(crate) limit: usize,
}

/// The options of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchOptions {
    /// Whether bookmarks are wanted.
    pub(crate) bookmarks: bool,
    /// Whether the present objects come first; `None` when the client does not say.
    pub(crate) send_initial: Option<bool>,
    /// After which revision; `None` when the client does not say.
    pub(crate) revision: Option<u64>,
    /// How long at most.
    pub(crate) timeout: Option<Duration>,
}

fn invalid(error: FieldError) -> Box<Status> {
    Box::new(Status::invalid("meta.k8s.io", "ListOptions", "", &[error]))
}

/// 504 for a revision that does not exist yet.
pub(crate) fn too_large(wanted: u64, current: u64) -> Status {
    let mut status = Status::timeout(format!("Too large resource version: {wanted}, current: {current}"));
    status.details.retry_after_seconds = Some(1);
    let message = "Too large resource version".to_owned();
    status.details.causes.push(Cause { reason: "ResourceVersionTooLarge", message, field: String::new() });
    status
}

/// Reads a resourceVersion; the empty one is 0 (`ParseResourceVersion`).
///
/// # Errors
/// 422 for anything but a number.
pub fn parse_resource_version(text: &str) -> Result<u64, Box<Status>> {
    if text.is_empty() {
        return Ok(0);
    }
    let detail = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
    text.parse().map_err(|_| invalid(FieldError::invalid("resourceVersion", text, detail)))
}

/// The `resourceVersion` of a request, if it has one.
///
/// # Errors
/// As [`parse_resource_version`].
pub(crate) fn revision(request: &Request) -> Result<Option<u64>, Box<Status>> {
    request.param("resourceVersion").filter(|text| !text.is_empty()).map(parse_resource_version).transpose()
}

/// The rules that hold for lists and watches alike.
fn check(request: &Request) -> Result<(), Box<Status>> {
    let param = |name: &str| request.param(name).unwrap_or_default();
    let (matching, version) = (param("resourceVersionMatch"), param("resourceVersion"));
    let forbidden = |field: &str, detail: &str| Err(invalid(FieldError::forbidden(field, detail)));
    let send_initial = request.param("sendInitialEvents").is_some();
    if matching.is_empty() {
        let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        return if send_initial { forbidden("resourceVersionMatch", detail) } else { Ok(()) };
    }
    if request.is_watch() && !send_initial {
        return forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    }
    if !param("continue").is_empty() {
        return forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
    }
    match matching {
        "NotOlderThan" | "Exact" if version.is_empty() && !send_initial => {
            forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
        }
        "NotOlderThan" => Ok(()),
        "Exact" if send_initial => {
            forbidden("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        }
        "Exact" if version == "0" => {
            forbidden("resourceVersionMatch", "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"")
        }
        "Exact" => Ok(()),
        other => Err(invalid(FieldError::not_supported("resourceVersionMatch", other, &["Exact", "NotOlderThan"]))),
    }
}

/// At most how many objects a list shall have; 0 for all.
///
/// # Errors
/// 400 for anything but a number.
pub(crate) fn limit(request: &Request) -> Result<usize, Box<Status>> {
    let limit = match request.param("limit").unwrap_or_default() {
        "" => 0,
        text => text.parse::<i64>().map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))?,
    };
    Ok(usize::try_from(limit).unwrap_or(0))
}

impl ListOptions {
    /// Reads the options of a list.
    ///
    /// # Errors
    /// 400 and 422 for options that cannot be read, or do not go together.
    pub(crate) fn read(request: &Request) -> Result<Self, Box<Status>> {
        check(request)?;
        if request.param("sendInitialEvents").is_some() {
            return Err(invalid(FieldError::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")));
        }
        let revision = revision(request)?;
        let limit = limit(request)?;
        if let Some(token) = request.param("continue").filter(|token| !token.is_empty()) {
            if revision.is_some_and(|revision| revision > 0) {
                return Err(Box::new(Status::bad_request("specifying resource version is not allowed when using continue")));
            }
            return Ok(ListOptions { at: At::Continue(Continue::decode(token)?), limit });
        }
        let exact = request.param("resourceVersionMatch") == Some("Exact");
        let unset = request.param("resourceVersionMatch").unwrap_or_default().is_empty();
        Ok(match revision {
            None => ListOptions { at: At::Consistent, limit },
            // The cache gives all that it has: a page of it could not be continued.
            Some(0) => ListOptions { at: At::NotOlderThan(0), limit: 0 },
            Some(revision) if exact || (unset && limit > 0) => ListOptions { at: At::Exact(revision), limit },
            Some(revision) => ListOptions { at: At::NotOlderThan(revision), limit },
        })
    }
}

impl WatchOptions {
    /// Reads the options of a watch.
    ///
    /// # Errors
    /// 422 for options that cannot be read, or do not go together.
    pub(crate) fn read(request: &Request) -> Result<Self, Box<Status>> {
        check(request)?;
        let send_initial = request.param("sendInitialEvents").map(|_| request.flag("sendInitialEvents"));
        let timeout = request.param("timeoutSeconds").and_then(|seconds| seconds.parse().ok()).filter(|&seconds: &u32| seconds > 0);
        Ok(WatchOptions {
            bookmarks: request.flag("allowWatchBookmarks"),
            send_initial,
            revision: revision(request)?,
            timeout: timeout.map(|seconds| Duration::from_secs(u64::from(seconds))),
        })
    }

    /// Whether the cache must first show what etcd holds now.
    pub(crate) fn is_consistent(&self) -> bool {
        self.revision.is_none() && self.send_initial != Some(false)
    }

    /// Whether the present objects come first.
    pub(crate) fn starts_with_present(&self) -> bool {
        self.send_initial.unwrap_or(self.revision.is_none_or(|revision| revision == 0))
    }
}
