//! What the server writes by itself, outside of any request.

use crate::quota::Rider;
use crate::server::{ApiServer, Call, Output};
use crate::storage;
use api::Object;
use etcd::Txn;
use sim::{Time, Verb};

impl ApiServer {
    /// Writes an object in place of the state whose revision it carries; 0 for a new one. When it is in vain, somebody else was faster,
    /// and that change leads to the next look.
    pub(crate) fn put_own(&mut self, now: Time, object: Object, out: &mut Vec<Output>) {
        let Some(info) = object.info() else { return };
        let metadata = object.metadata();
        let key = storage::key(&info, &metadata.namespace, &metadata.name);
        let revision = metadata.resource_version.0;
        let rider = Rider { key, revision: Some(revision), object: Some(object.clone()) };
        let subject = (revision != 0).then(|| (Verb::Update, object.object_ref()));
        let compares = rider.compare().into_iter().collect();
        let txn = Txn { compares, success: vec![rider.change()], failure: Vec::new(), subject };
        let id = self.call(now, Call::Own);
        out.push(Output::Etcd(etcd::Request::Txn(id, txn)));
    }
}
