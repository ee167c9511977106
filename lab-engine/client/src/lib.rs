//! How components talk to the API server: the contract of a component, and client-go's informers and work queues.

pub mod component;

pub use component::{Action, Component, Input, Outbox, RequestId, ServeId, Transport};
