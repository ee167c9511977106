//! One test binary for the whole project, so that it links once.

mod determinism;
mod hostile;
mod manifests;
mod tidy;
