//! Leases: heartbeats of nodes and the lock of leader election (`k8s.io/api/coordination/v1`).

use crate::meta::{MicroTime, ObjectMeta};
use crate::object;

object! {
    /// A claim that runs out unless it is renewed.
    pub struct Lease {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// Who holds it.
        pub spec: LeaseSpec = "spec",
    }

    /// Who holds a lease, and since when.
    pub struct LeaseSpec {
        /// The holder.
        pub holder_identity: Option<String> = "holderIdentity",
        /// Seconds until it runs out.
        pub lease_duration_seconds: Option<i32> = "leaseDurationSeconds",
        /// When the holder got it.
        pub acquire_time: Option<MicroTime> = "acquireTime",
        /// When the holder last renewed it.
        pub renew_time: Option<MicroTime> = "renewTime",
        /// How often it changed hands.
        pub lease_transitions: Option<i32> = "leaseTransitions",
    }
}
