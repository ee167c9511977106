//! Fault simulation: groups of etcd members under crashes, partitions, loss, duplication, reordering, slow disks, changes of members and
//! client load, held to their promises after every step.
//!
//! A run is its seed: the number of members, the network, the disks, what clients ask and what goes wrong when are all dealt from it.
//! [`run()`] gives what was seen, or the promise that was broken. The promises:
//!
//! - at most one leader in a term (Raft paper §5.2, Election Safety);
//! - what is committed never changes and is the same for all ([`invariants`], State Machine Safety), and every leader has all of it
//!   (Leader Completeness);
//! - each member's key space is the one that the committed entries make, each applied once ([`model`]);
//! - a watch sees every change once and in order;
//! - what clients were told is linearizable ([`history`]);
//! - nobody asks to be woken for ever in the same moment;
//! - once all faults are gone, the group works again and all members agree;
//! - a log that a crash has torn is repaired, and a disk that has rotted is refused.
//!
//! Modelled on the simulation testing of TigerBeetle (VOPR) and etcd's robustness tests (`tests/robustness`).
//!
//! **Simplified here:** no clock skew: members count ticks. One disk of a group rots at most, in what its checksums cover; its member stays
//! down.

pub mod history;
pub mod invariants;
pub mod model;
mod run;

pub use run::{Broken, Report, run};
