//! How components talk to the API server: the contract of a component, and client-go's informers and work queues.
//!
//! A component owns an [`Informer`] per collection it watches and, if it is a controller, a [`WorkQueue`] of keys. It passes every
//! [`Input`] to its informers, turns their [`Delta`]s into keys, and works the keys off from the caches. Of several replicas of a
//! component only the one whose [`LeaderElector`] holds the lease works.

pub mod component;
pub mod delta_fifo;
pub mod dial;
mod events;
mod expectations;
mod informer;
pub mod inspection;
pub mod leader_election;
pub mod rate_limiter;
pub mod reflector;
mod shared_informer;
mod store;
mod work_queue;

pub use component::{Action, Component, Input, Outbox, RequestId, ServeId, StartMember, Transport};
pub use events::{EventRecorder, EventType};
pub use expectations::Expectations;
pub use informer::{Delta, Informer, process_delta};
pub use inspection::{InformerStatus, Inspection, QueueStatus};
pub use leader_election::LeaderElector;
pub use reflector::{AnyObject, ListOptions, Reflected, Reflector, ReflectorConfig};
pub use shared_informer::{HandlerId, SharedInformer};
pub use store::{IndexFunc, Indexer, ObjectKey};
pub use work_queue::{Next, WorkQueue};
