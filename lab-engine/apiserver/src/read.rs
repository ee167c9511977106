//! `get`, `list` and `watch`.
//!
//! A read without `resourceVersion` is answered from the watch cache once the cache shows the revision that etcd had when asked
//! (KEP-2340, consistent reads from cache); with `resourceVersion=0` it is answered at once. The pages of a list after the first are
//! read from etcd as of the first one's revision.
//!
//! **Simplified here:** `continue` tokens are plain text; `resourceVersionMatch=Exact` works for lists without a page only.

use crate::cache::Cache;
use crate::params::{Filter, Origin};
use crate::printers;
use crate::server::{ApiServer, Call, Output, refuse};
use crate::storage;
use crate::watchers::{Watcher, view};
use api::Object;
use api::http::{Body, List, Request, ResourcePath, Response, WatchEvent};
use api::kinds::KindInfo;
use api::status::{FieldError, Status};
use etcd::{KeyRange, Range};
use sim::Time;
use std::sync::Arc;
use std::time::Duration;

/// A read.
#[derive(Debug)]
pub(crate) struct Read {
    /// Who asks.
    pub(crate) origin: Origin,
    pub(crate) info: &'static KindInfo,
    pub(crate) kind: ReadKind,
}

#[derive(Debug)]
pub(crate) enum ReadKind {
    Get { namespace: String, name: String },
    List { filter: Filter, limit: usize, from: Option<Continue> },
    Watch { filter: Filter, params: WatchParams },
}

/// Where a list goes on.
#[derive(Clone, Debug)]
pub(crate) struct Continue {
    revision: u64,
    /// The key after which it goes on.
    after: String,
}

#[derive(Debug)]
pub(crate) struct WatchParams {
    bookmarks: bool,
    send_initial: Option<bool>,
    revision: Option<u64>,
    timeout: Option<Duration>,
}

fn revision_param(request: &Request) -> Result<Option<u64>, Box<Status>> {
    match request.param("resourceVersion") {
        None | Some("") => Ok(None),
        Some(text) => {
            let detail = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
            let error = || FieldError::invalid("resourceVersion", text, detail);
            text.parse().map(Some).map_err(|_| Box::new(Status::invalid("meta.k8s.io", "ListOptions", "", &[error()])))
        }
    }
}

impl Continue {
    fn parse(token: &str) -> Result<Self, Box<Status>> {
        let bad = || Box::new(Status::bad_request("continue key is not valid: encoded continue token is malformed"));
        let (revision, after) = token.split_once(':').ok_or_else(bad)?;
        if !after.starts_with(storage::ROOT) {
            return Err(bad());
        }
        Ok(Continue { revision: revision.parse().map_err(|_| bad())?, after: after.to_owned() })
    }
}

/// 410 for a `continue` token whose revision is compacted away.
pub(crate) fn continue_expired() -> Status {
    Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue \
         parameter.",
    )
}

impl ApiServer {
    pub(crate) fn get_or_list(
        &mut self,
        now: Time,
        origin: &Origin,
        request: &Request,
        info: &'static KindInfo,
        path: &ResourcePath,
        out: &mut Vec<Output>,
    ) -> Result<(), Box<Status>> {
        let namespace = path.namespace.clone().unwrap_or_default();
        let revision = revision_param(request)?;
        let mut historic = false;
        let kind = match &path.name {
            Some(name) if !request.is_watch() => ReadKind::Get { namespace, name: name.clone() },
            name => {
                let mut filter = Filter::read(request, info, &namespace)?;
                if let Some(name) = name {
                    let field = "metadata.name".to_owned();
                    filter.fields.requirements.push(api::fields::FieldRequirement { field, value: name.clone(), equal: true });
                }
                if request.is_watch() {
                    ReadKind::Watch { filter, params: watch_params(request, revision)? }
                } else {
                    let limit = request.param("limit").and_then(|limit| limit.parse().ok()).unwrap_or(0);
                    let from = request.param("continue").filter(|token| !token.is_empty()).map(Continue::parse).transpose()?;
                    historic = from.is_some();
                    ReadKind::List { filter, limit, from }
                }
            }
        };
        let fresh = match &kind {
            ReadKind::Watch { params, .. } => params.revision.is_none() && params.send_initial != Some(false),
            _ => revision.is_none(),
        };
        let read = Read { origin: origin.clone(), info, kind };
        if historic {
            self.ask_page(now, read, out);
        } else if fresh {
            let probe = KeyRange::One(storage::resource_prefix(info).into());
            let id = self.call(now, Call::Barrier(Box::new(read)));
            out.push(Output::Etcd(etcd::Request::Range(id, Range::all(probe))));
        } else if let Some(wanted) =
            revision.filter(|&wanted| wanted > self.cache.revision() && !matches!(read.kind, ReadKind::Watch { .. }))
        {
            let current = self.cache.revision();
            let mut status = Status::timeout(format!("Too large resource version: {wanted}, current: {current}"));
            status.details.retry_after_seconds = Some(1);
            return Err(Box::new(status));
        } else {
            self.read(now, read, out);
        }
        Ok(())
    }

    /// Serves a read from the cache.
    pub(crate) fn read(&mut self, now: Time, read: Read, out: &mut Vec<Output>) {
        let Read { origin, info, kind } = read;
        match kind {
            ReadKind::Get { namespace, name } => match self.cache.get(&storage::key(info, &namespace, &name)) {
                Some(object) => respond_object(&origin, object.clone(), now, out),
                None => refuse(&origin, Status::not_found(&info.gvr(), &name), out),
            },
            ReadKind::List { filter, limit, .. } => {
                let list = list(&self.cache, info, &filter, limit);
                respond_list(&origin, info, list, now, out);
            }
            ReadKind::Watch { filter, params } => self.watch(now, &origin, info, filter, &params, out),
        }
    }

    fn ask_page(&mut self, now: Time, read: Read, out: &mut Vec<Output>) {
        let ReadKind::List { filter, from: Some(from), .. } = &read.kind else { return };
        let prefix = storage::namespace_prefix(read.info, &filter.namespace);
        // The keys of a resource end where the byte after its last slash would come.
        let end = format!("{}0", prefix.trim_end_matches('/'));
        let keys = KeyRange::Between(format!("{}\0", from.after).into(), end.into());
        let range = Range { revision: from.revision, ..Range::all(keys) };
        let id = self.call(now, Call::Page(Box::new(read)));
        out.push(Output::Etcd(etcd::Request::Range(id, range)));
    }

    /// Answers with a page that etcd has read.
    pub(crate) fn page(&mut self, now: Time, read: &Read, response: &etcd::RangeResponse, out: &mut Vec<Output>) {
        let ReadKind::List { filter, limit, from: Some(from) } = &read.kind else { return };
        let objects = response.kvs.iter().filter_map(|kv| Some((kv.key.clone(), storage::object_of(&kv.value)?)));
        let list = paginate(read.info, objects, filter, *limit, from.revision);
        respond_list(&read.origin, read.info, list, now, out);
    }

    fn watch(&mut self, now: Time, origin: &Origin, info: &'static KindInfo, filter: Filter, params: &WatchParams, out: &mut Vec<Output>) {
        let mut events = Vec::new();
        let initial = params.send_initial.unwrap_or(params.revision.is_none_or(|revision| revision == 0));
        let revision = self.cache.revision();
        if initial {
            let prefix = storage::namespace_prefix(info, &filter.namespace);
            let matching = self.cache.range(&prefix, "").filter(|(_, object)| filter.matches(object));
            events.extend(matching.map(|(_, object)| WatchEvent::Added(object.clone())));
            if params.send_initial == Some(true) && params.bookmarks {
                events.push(WatchEvent::Bookmark { resource_version: revision, initial_events_end: true });
            }
        } else if let Some(from) = params.revision.filter(|&from| from > 0) {
            match self.cache.since(info, from) {
                Ok(changes) => events.extend(changes.filter_map(|change| Some(view(&filter, change)?.1))),
                Err(oldest) => {
                    let status = Status::expired(format!("too old resource version: {from} ({oldest})"));
                    let events: Arc<[WatchEvent]> = Arc::new([WatchEvent::Error(Box::new(status))]);
                    out.push(Output::Watch { client: origin.client, id: origin.id, events });
                    out.push(Output::WatchEnded { client: origin.client, id: origin.id });
                    return;
                }
            }
        }
        if let Some(include) = origin.table {
            events = events.into_iter().map(|event| printers::table_event(event, include, now)).collect();
        }
        if !events.is_empty() {
            out.push(Output::Watch { client: origin.client, id: origin.id, events: events.into() });
        }
        let low = self.config.min_request_timeout;
        let life = params.timeout.unwrap_or_else(|| self.rng.duration(low, low * 2));
        let watcher = Watcher { info, filter, bookmarks: params.bookmarks, sent: revision, deadline: now + life, table: origin.table };
        self.watchers.add((origin.client, origin.id), watcher);
    }
}

fn watch_params(request: &Request, revision: Option<u64>) -> Result<WatchParams, Box<Status>> {
    let send_initial = request.param("sendInitialEvents").map(|_| request.flag("sendInitialEvents"));
    if send_initial.is_some() && request.param("resourceVersionMatch") != Some("NotOlderThan") {
        let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        let error = FieldError::forbidden("resourceVersionMatch", detail);
        return Err(Box::new(Status::invalid("meta.k8s.io", "ListOptions", "", &[error])));
    }
    let timeout = request.param("timeoutSeconds").and_then(|seconds| seconds.parse().ok()).filter(|&seconds: &u32| seconds > 0);
    Ok(WatchParams {
        bookmarks: request.flag("allowWatchBookmarks"),
        send_initial,
        revision,
        timeout: timeout.map(|seconds| Duration::from_secs(u64::from(seconds))),
    })
}

fn list(cache: &Cache, info: &'static KindInfo, filter: &Filter, limit: usize) -> List {
    let prefix = storage::namespace_prefix(info, &filter.namespace);
    let objects = cache.range(&prefix, "").map(|(key, object)| (key.clone(), object.clone()));
    paginate(info, objects, filter, limit, cache.revision())
}

/// The first `limit` (0: all) of the objects that match, and where to go on.
fn paginate(
    info: &'static KindInfo,
    objects: impl Iterator<Item = (Arc<str>, Object)>,
    filter: &Filter,
    limit: usize,
    revision: u64,
) -> List {
    let mut matching = objects.filter(|(_, object)| filter.matches(object));
    let mut items = Vec::new();
    let mut last = None;
    while limit == 0 || items.len() < limit {
        let Some((key, object)) = matching.next() else { break };
        items.push(object);
        last = Some(key);
    }
    let left = matching.count() as u64;
    let continue_token = match last {
        Some(last) if left > 0 => format!("{revision}:{last}"),
        _ => String::new(),
    };
    let remaining = (left > 0 && filter.is_everything()).then_some(left);
    List { api_version: info.api_version(), kind: info.kind.to_owned(), resource_version: revision, continue_token, remaining, items }
}

/// Answers with one object, or with its row.
pub(crate) fn respond_object(origin: &Origin, object: Object, now: Time, out: &mut Vec<Output>) {
    let body = match origin.table {
        Some(include) => Body::Json(printers::table(None, std::slice::from_ref(&object), include, now)),
        None => Body::Object(object),
    };
    out.push(Output::Respond { client: origin.client, id: origin.id, response: Response::ok(body) });
}

fn respond_list(origin: &Origin, info: &'static KindInfo, list: List, now: Time, out: &mut Vec<Output>) {
    let body = match origin.table {
        Some(include) => Body::Json(printers::list_table(info, &list, include, now)),
        None => Body::List(Box::new(list)),
    };
    out.push(Output::Respond { client: origin.client, id: origin.id, response: Response::ok(body) });
}
