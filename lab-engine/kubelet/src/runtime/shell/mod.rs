//! The shell and its tools: what `sh -c` and the commands of base images do (BusyBox' `ash`, as far as manifests use it).
//!
//! A [`Machine`] runs one command line or one script as a state machine over virtual time. Every command costs time, so that an endless
//! loop makes the clock advance instead of hanging the host; a loop that never sleeps is slowed down after a while.
//!
//! **Simplified here:** the stages of a pipeline run one after the other on bounded text; there is one level of job control (`&`, `wait`).

mod arith;
mod ast;
mod awk;
mod expand;
mod machine;
mod namespaces;
mod net;
mod parser;
mod resolver;
mod sed;
mod tar;
mod test;
mod text_tools;
mod tools;

pub(crate) use machine::{Child, Machine};

#[cfg(test)]
mod tests;
