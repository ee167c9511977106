//! `clusterbook`: serves, builds, checks and quizzes. See [`exercises::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    exercises::cli::main()
}
