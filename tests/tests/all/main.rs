//! One test binary for the whole project, so that it links once.

mod tidy;
