//! How components talk to the API server: the contract of a component, and client-go's informers and work queues.
//!
//! A component owns an [`Informer`] per collection it watches and, if it is a controller, a [`WorkQueue`] of keys. It passes every
//! [`Input`] to its informers, turns their [`Delta`]s into keys, and works the keys off from the caches.

pub mod component;
mod events;
mod expectations;
mod informer;
pub mod reflector;
mod store;
mod work_queue;

pub use component::{Action, Component, Input, Outbox, RequestId, ServeId, Transport};
pub use events::{EventRecorder, EventType};
pub use expectations::Expectations;
pub use informer::{Delta, Informer};
pub use reflector::{AnyObject, ListOptions, Reflected, Reflector};
pub use store::{IndexFunc, Indexer, ObjectKey};
pub use work_queue::WorkQueue;
