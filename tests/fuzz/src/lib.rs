//! Random inputs for everything that reads what a learner wrote or what a disk gave back.
//!
//! A [`Target`] is a reader and what must hold of it, whatever it is given: it answers or refuses, in time and memory that the input's
//! length bounds, and what it has read it reads again the same. A case is a target and a number: the input is made from the target's corpus
//! by the changes that the number deals ([`mutate`]), so that a failure is repeated by its number. Inputs that have failed once are kept in
//! [`targets`], among the corpus, and are tried as they are.
//!
//! **Simplified here:** nothing watches which code an input reaches, as coverage-guided fuzzers do; those need a nightly compiler.

pub mod mutate;
pub mod targets;

pub use targets::{TARGETS, Target};

use sim::Seed;

/// The input of a case. The first ones are the corpus, as it is.
pub fn input(target: &Target, case: u64) -> Vec<u8> {
    let corpus = (target.corpus)();
    if let Some(plain) = usize::try_from(case).ok().and_then(|place| corpus.get(place)) {
        return plain.clone();
    }
    mutate::mutate(&corpus, &mut Seed(case).stream(target.name))
}

/// Tries a case; whether its input was read and not refused.
///
/// # Errors
/// What does not hold, in words.
///
/// # Panics
/// When the target does.
pub fn try_case(target: &Target, case: u64) -> Result<bool, String> {
    (target.check)(&input(target, case))
}
