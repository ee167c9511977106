//! `clusterbook`: serves, builds, checks and quizzes. See [`exercises::cli`].

use mimalloc::MiMalloc;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    exercises::cli::main()
}
