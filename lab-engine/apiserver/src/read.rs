//! `get`, `list` and `watch`.
//!
//! A read without `resourceVersion` is answered from the watch cache once the cache shows the revision that etcd had when asked
//! (KEP-2340, consistent reads from cache); with `resourceVersion=0` it is answered at once. Lists at an exact revision, such as the
//! pages of a list after the first, are read from etcd.
//!
//! **Simplified here:** lists at an exact revision are read from etcd, not from snapshots of the cache (KEP-4988).

use crate::cache::Cache;
use crate::continue_token::Continue;
use crate::crd::Served;
use crate::list_options::{self, At, ListOptions, WatchOptions, too_large};
use crate::params::{Filter, Origin};
use crate::printers;
use crate::server::{ApiServer, Call, Output, refuse};
use crate::storage;
use crate::unreadable::{Unreadable, not_ready};
use crate::watchers::{Watcher, present, view};
use api::Object;
use api::http::{Body, List, Request, ResourcePath, Response, WatchEvent};
use api::kinds::{Kind, KindInfo};
use api::status::Status;
use etcd::{EtcdError, KeyRange, Range};
use sim::Time;
use std::sync::Arc;

/// A read.
#[derive(Debug)]
pub(crate) struct Read {
    /// Who asks.
    pub(crate) origin: Origin,
    pub(crate) info: Kind,
    pub(crate) kind: ReadKind,
}

#[derive(Debug)]
pub(crate) enum ReadKind {
    Get { namespace: String, name: String },
    List { filter: Filter, options: ListOptions },
    Watch { filter: Filter, options: WatchOptions },
}

impl Read {
    /// The refusal of a read at a revision that etcd does not have, for one of etcd's two reasons; `None` for any other reason.
    pub(crate) fn refusal(&self, error: EtcdError, current: u64) -> Option<Status> {
        let ReadKind::List { options, .. } = &self.kind else { return None };
        match (error, &options.at) {
            (EtcdError::Compacted, At::Continue(_)) => Some(Status::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new list without the \
                 continue parameter.",
            )),
            (EtcdError::Compacted, _) => Some(Status::expired("The resourceVersion for the provided list is too old.")),
            (EtcdError::FutureRev, At::Exact(wanted)) => Some(too_large(*wanted, current)),
            _ => None,
        }
    }
}

impl ApiServer {
    pub(crate) fn get_or_list(
        &mut self,
        now: Time,
        origin: &Origin,
        request: &Request,
        info: &Kind,
        path: &ResourcePath,
        out: &mut Vec<Output>,
    ) -> Result<(), Box<Status>> {
        let namespace = path.namespace.clone().unwrap_or_default();
        let kind = match &path.name {
            Some(name) if !request.is_watch() => ReadKind::Get { namespace, name: name.clone() },
            name => {
                let mut filter = Filter::read(request, info, self.custom.served(info), &namespace)?;
                if let Some(name) = name {
                    let field = "metadata.name".to_owned();
                    filter.fields.requirements.push(api::fields::FieldRequirement { field, value: name.clone(), equal: true });
                }
                if request.is_watch() {
                    ReadKind::Watch { filter, options: WatchOptions::read(request)? }
                } else {
                    ReadKind::List { filter, options: ListOptions::read(request)? }
                }
            }
        };
        let at = match &kind {
            ReadKind::Get { .. } => list_options::revision(request)?.map_or(At::Consistent, At::NotOlderThan),
            ReadKind::List { options, .. } => options.at.clone(),
            ReadKind::Watch { options, .. } if options.is_consistent() => At::Consistent,
            ReadKind::Watch { .. } => At::NotOlderThan(0),
        };
        let mut read = Read { origin: origin.clone(), info: info.clone(), kind };
        if let ReadKind::List { filter, options } = &mut read.kind
            && !self.cache.is_ready(info)
        {
            // Only what is cheap goes to etcd while the cache is not there (`shouldDelegateListOnNotReadyCache`, KEP-4568).
            options.limit = list_options::limit(request)?;
            if options.limit > 0 && filter.is_everything() && matches!(at, At::Consistent | At::NotOlderThan(_)) {
                self.ask_page(now, read, 0, "", out);
                return Ok(());
            }
        }
        match at {
            At::Exact(revision) => self.ask_page(now, read, revision, "", out),
            At::Continue(from) => self.ask_page(now, read, from.revision, &from.start, out),
            At::Consistent => {
                let probe = KeyRange::One(storage::resource_prefix(info).into());
                let id = self.call(now, Call::Barrier(Box::new(read)));
                out.push(Output::Etcd(etcd::Request::Range(id, Range::all(probe))));
            }
            At::NotOlderThan(wanted) if wanted > self.cache.revision() => {
                self.wait_for(now, wanted, read);
            }
            At::NotOlderThan(_) => self.read(now, read, out),
        }
        Ok(())
    }

    /// Serves a read from the cache.
    pub(crate) fn read(&mut self, now: Time, read: Read, out: &mut Vec<Output>) {
        let Read { origin, info, kind } = read;
        let info = &info;
        match kind {
            ReadKind::Get { namespace, name } => {
                let key = storage::key(info, &namespace, &name);
                match (self.cache.unreadable(&key), self.cache.get(&key)) {
                    (Some(reason), _) => refuse(&origin, reason.of_one(), out),
                    (None, Some(object)) => respond_object(&origin, self.custom.served(info), object.clone(), now, out),
                    (None, None) => refuse(&origin, Status::not_found(&info.gvr(), &name), out),
                }
            }
            ReadKind::List { .. } | ReadKind::Watch { .. } if !self.cache.is_ready(info) => refuse(&origin, not_ready(), out),
            ReadKind::List { filter, options } => match list(&self.cache, info, &filter, options.limit) {
                Ok(list) => respond_list(&origin, info, self.custom.served(info), list, now, out),
                Err((key, reason)) => refuse(&origin, reason.of_list(&key), out),
            },
            ReadKind::Watch { filter, options } => self.watch(now, &origin, info, filter, &options, out),
        }
    }

    /// Asks etcd for the objects of a list as they were at `revision`, from the key `start` on, below the prefix of the resource.
    fn ask_page(&mut self, now: Time, read: Read, revision: u64, start: &str, out: &mut Vec<Output>) {
        let ReadKind::List { filter, .. } = &read.kind else { return };
        let prefix = storage::namespace_prefix(&read.info, &filter.namespace);
        // The keys of a resource end where the byte after its last slash would come.
        let end = format!("{}0", prefix.trim_end_matches('/'));
        let first = format!("{}{start}", storage::resource_prefix(&read.info)).max(prefix);
        let keys = KeyRange::Between(first.into(), end.into());
        let id = self.call(now, Call::Page(Box::new(read)));
        out.push(Output::Etcd(etcd::Request::Range(id, Range { revision, ..Range::all(keys) })));
    }

    /// Answers with a page that etcd has read.
    pub(crate) fn page(&mut self, now: Time, read: &Read, response: &etcd::RangeResponse, out: &mut Vec<Output>) {
        let ReadKind::List { filter, options } = &read.kind else { return };
        let revision = match &options.at {
            At::Exact(revision) => *revision,
            At::Continue(from) => from.revision,
            At::Consistent | At::NotOlderThan(_) => response.revision,
        };
        let objects = response.kvs.iter().map(|kv| (kv.key.clone(), self.codec.object(kv, &self.custom)));
        match paginate(&read.info, objects, filter, options.limit, revision) {
            Ok(list) => respond_list(&read.origin, &read.info, self.custom.served(&read.info), list, now, out),
            Err((key, reason)) => refuse(&read.origin, reason.of_list(&key), out),
        }
    }

    fn watch(&mut self, now: Time, origin: &Origin, info: &Kind, filter: Filter, options: &WatchOptions, out: &mut Vec<Output>) {
        let mut events = Vec::new();
        let revision = self.cache.revision();
        if options.starts_with_present() {
            let prefix = storage::namespace_prefix(info, &filter.namespace);
            let matching = self.cache.range(&prefix, "").filter(|(_, object)| filter.matches(object));
            events.extend(matching.map(|(_, object)| WatchEvent::Added(object.clone())));
            if options.send_initial == Some(true) && options.bookmarks {
                events.push(WatchEvent::Bookmark { resource_version: revision, initial_events_end: true });
            }
        } else if let Some(from) = options.revision.filter(|&from| from > 0) {
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
        let served = self.custom.shared(info);
        if served.is_some() || origin.table.is_some() {
            let shown = |event| match (present(event, served.as_deref()), origin.table) {
                (event, Some(include)) => printers::table_event(event, served.as_deref(), include, now),
                (event, None) => event,
            };
            events = events.into_iter().map(shown).collect();
        }
        if !events.is_empty() {
            out.push(Output::Watch { client: origin.client, id: origin.id, events: events.into() });
        }
        let low = self.config.min_request_timeout;
        let life = options.timeout.unwrap_or_else(|| self.rng.duration(low, low * 2));
        let watcher = Watcher {
            info: info.clone(),
            filter,
            bookmarks: options.bookmarks,
            sent: revision,
            deadline: now + life,
            served,
            table: origin.table,
        };
        self.watchers.add((origin.client, origin.id), watcher);
    }
}

fn list(cache: &Cache, info: &KindInfo, filter: &Filter, limit: usize) -> Paginated {
    let prefix = storage::namespace_prefix(info, &filter.namespace);
    let objects = cache.range(&prefix, "").map(|(key, object)| (key.clone(), Ok(object.clone())));
    paginate(info, objects, filter, limit, cache.revision())
}

/// A page, or the first key in it whose value cannot be read.
type Paginated = Result<List, (Arc<str>, Unreadable)>;

/// The first `limit` (0: all) of the objects that match, and where to go on.
fn paginate(
    info: &KindInfo,
    objects: impl Iterator<Item = (Arc<str>, Result<Object, Unreadable>)>,
    filter: &Filter,
    limit: usize,
    revision: u64,
) -> Paginated {
    let mut objects = objects.peekable();
    let mut items = Vec::new();
    let mut last = None;
    while limit == 0 || items.len() < limit {
        let Some((key, object)) = objects.next() else { break };
        let object = object.map_err(|reason| (key.clone(), reason))?;
        if filter.matches(&object) {
            items.push(object);
        }
        last = Some(key);
    }
    // Whether what is left matches nobody has looked yet: the next page may be empty, as upstream's.
    let more = objects.peek().is_some();
    let below = |key: Arc<str>| key.strip_prefix(storage::resource_prefix(info).as_str()).map(|key| format!("{key}\0"));
    let continue_token = match last.filter(|_| more).and_then(below) {
        Some(start) => Continue { revision, start }.encode(),
        None => String::new(),
    };
    let remaining = (more && filter.is_everything()).then(|| objects.count() as u64);
    Ok(List { api_version: info.api_version(), kind: info.kind.to_string(), resource_version: revision, continue_token, remaining, items })
}

/// Answers with one object, or with its row.
fn respond_object(origin: &Origin, served: Option<&Served>, object: Object, now: Time, out: &mut Vec<Output>) {
    let object = served.map_or_else(|| object.clone(), |served| served.present(object.clone()));
    let body = match origin.table {
        Some(include) => Body::Json(printers::table(None, served, std::slice::from_ref(&object), include, now)),
        None => Body::Object(object),
    };
    out.push(Output::Respond { client: origin.client, id: origin.id, response: Response::ok(body) });
}

fn respond_list(origin: &Origin, info: &KindInfo, served: Option<&Served>, mut list: List, now: Time, out: &mut Vec<Output>) {
    if let Some(served) = served {
        list.items = list.items.into_iter().map(|object| served.present(object)).collect();
    }
    let body = match origin.table {
        Some(include) => Body::Json(printers::list_table(info, served, &list, include, now)),
        None => Body::List(Box::new(list)),
    };
    out.push(Output::Respond { client: origin.client, id: origin.id, response: Response::ok(body) });
}
