//! Groups of members over a small network.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod cluster;
mod group;
mod paper;
mod random;
