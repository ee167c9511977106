//! The kernel under the cluster: virtual time, an event queue, seeded randomness, a simulated network and the trace.
//!
//! Nothing here knows Kubernetes. A [`Kernel`] holds messages that travel between named [`Endpoint`]s and wakes that endpoints
//! asked for; [`Kernel::next`] hands them out one by one, ordered by time and then by the order in which they were scheduled, so
//! that the same seed and the same inputs always give the same run, byte for byte, natively and in WebAssembly.
//!
//! ```
//! use sim::{Kernel, Payload};
//! use std::time::Duration;
//!
//! let mut kernel: Kernel<&str> = Kernel::new(7);
//! let (a, b) = (kernel.endpoint("a"), kernel.endpoint("b"));
//! kernel.send(a, b, "hello", None);
//! kernel.wake(a, kernel.now() + Duration::from_secs(1), None);
//! let first = kernel.next().expect("the message");
//! assert!(matches!(first.payload, Payload::Message { message: "hello", .. }));
//! assert_eq!(first.to, b);
//! ```
//!
//! **Simplified here:** clocks of all endpoints agree (no skew), and a message takes the same time whatever its size.

mod kernel;
mod network;
mod packet;
mod queue;
mod rng;
mod time;
mod trace;

pub use kernel::{Endpoint, Kernel, Occurrence, Payload};
pub use network::{Link, LinkFault, Network, Route};
pub use packet::{Isolation, MAX_RULE_HITS, PacketHop, PacketStep, Routing, RuleHit};
pub use queue::EventQueue;
pub use rng::{Rng, Seed};
pub use time::{Time, TimeError};
pub use trace::{EventId, NodeVerdict, ObjectRef, PluginScore, Trace, TraceEvent, Verb, What};
