//! `deletecollection`: one delete per object that matches, answered when all are done.

use crate::params::{self, DeleteOptions, Filter, Origin};
use crate::server::{ApiServer, Output, refuse};
use crate::storage;
use crate::unreadable::not_ready;
use crate::write::{Action, Write};
use api::Object;
use api::http::{Body, List, Request, ResourcePath, Response};
use api::kinds::Kind;
use api::status::Status;
use sim::Time;

/// A `deletecollection` on its way.
#[derive(Debug)]
pub(crate) struct Batch {
    origin: Origin,
    info: Kind,
    left: usize,
    items: Vec<Object>,
    refusal: Option<Box<Status>>,
}

impl ApiServer {
    pub(crate) fn delete_collection(
        &mut self,
        now: Time,
        origin: &Origin,
        request: &Request,
        info: &Kind,
        path: &ResourcePath,
        out: &mut Vec<Output>,
    ) -> Result<(), Box<Status>> {
        let filter = Filter::read(request, info, self.custom.served(info), path.namespace.as_deref().unwrap_or_default())?;
        let options = DeleteOptions::read(request)?;
        let dry_run = params::dry_run(request)?;
        if !self.cache.is_ready(info) {
            return Err(Box::new(not_ready()));
        }
        let prefix = storage::namespace_prefix(info, &filter.namespace);
        let matching = self.cache.range(&prefix, "").map(|(_, object)| object).filter(|object| filter.matches(object));
        let names: Vec<(String, String)> =
            matching.map(|object| (object.metadata().namespace.clone(), object.metadata().name.clone())).collect();
        let number = self.next_batch;
        self.next_batch += 1;
        // One more than there are parts, so that the answer waits until all are sent.
        let batch = Batch { origin: origin.clone(), info: info.clone(), left: names.len() + 1, items: Vec::new(), refusal: None };
        self.batches.insert(number, batch);
        for (namespace, name) in names {
            let mut write =
                Write { batch: Some(number), dry_run, served: self.custom.shared(info), ..Write::own(info.clone(), namespace, name) };
            write.action = Action::Delete(options.clone());
            self.update(now, write, out);
        }
        self.batch_part_done(number, Err(Box::new(Status::no_such_path())), out);
        Ok(())
    }

    pub(crate) fn batch_part_done(&mut self, number: u64, result: Result<Object, Box<Status>>, out: &mut Vec<Output>) {
        let revision = self.cache.revision();
        let Some(batch) = self.batches.get_mut(&number) else { return };
        batch.left -= 1;
        match result {
            Ok(object) => batch.items.push(object),
            // Who is gone already needs no deletion.
            Err(status) if status.code == 404 => {}
            Err(status) => batch.refusal = Some(status),
        }
        if batch.left > 0 {
            return;
        }
        let Some(batch) = self.batches.remove(&number) else { return };
        if let Some(status) = batch.refusal {
            return refuse(&batch.origin, *status, out);
        }
        let list = List {
            api_version: batch.info.api_version(),
            kind: batch.info.kind.to_string(),
            resource_version: revision,
            continue_token: String::new(),
            remaining: None,
            items: batch.items,
        };
        let response = Response::ok(Body::List(Box::new(list)));
        out.push(Output::Respond { client: batch.origin.client, id: batch.origin.id, response });
    }
}
