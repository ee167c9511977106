//! `kubectl` and the learner's terminal around it, as clients of the API server.
//!
//! Both are state machines ([`client::Component`]): a line is started with [`Terminal::run`], requests leave through the outbox, and
//! answers come back as inputs. What is printed has the layout and wording of kubectl v1.36.
//!
//! Flags are read by a small table per command (`flags`) with pflag's rules and cobra's messages: `clap` words its errors
//! differently, and would cost the page more than the rest of this crate.
//!
//! **Simplified here:** kinds are resolved from the built-in table, not by discovery; one context; no kustomizations, no plugins, no Go
//! templates. A command of the real `kubectl` that makes no sense here says why.

mod command;
mod commands;
mod curl;
mod discovery;
mod etcdctl;
mod files;
mod flags;
mod forward;
mod identity;
mod invocation;
mod keyboard;
mod kubeconfig;
mod manifest;
mod output;
mod resources;
mod shell;
mod terminal;
mod tools;

pub use files::{FileError, Files, MAX_FILE_BYTES, MAX_FILES};
pub use invocation::{Environment, Kubectl, Usage};
pub use kubeconfig::Kubeconfig;
pub use terminal::{MAX_LINE_BYTES, Output, Stream, Terminal};

#[cfg(test)]
mod tests;
