//! One test binary for the whole project, so that it links once.

mod browser;
mod determinism;
mod hostile;
mod manifests;
mod tidy;
