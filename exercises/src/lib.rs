//! The cards of the Clusterbook workbook and everything that shows them.
//!
//! - [`lang`]: the languages of the book.
//! - [`card`]: the cards, their rules, and (feature `program`) how they are read.
//! - [`quiz`]: judging answers to the questions of a quiz.
//! - `render` (feature `program`): a card as HTML.
//! - `site` (feature `program`): builds and serves the book.
//! - `disk`, `progress`, `workspace` (feature `program`): a learner's files, what was done, and the folders of labs.
//! - `corpus` (feature `program`): manifests as people write them, and how they fare.
//! - `cli` (feature `program`): the command line of `clusterbook`.

pub mod card;
pub mod lang;
pub mod quiz;

#[cfg(feature = "program")]
pub mod cli;
#[cfg(feature = "program")]
pub mod corpus;
#[cfg(feature = "program")]
pub mod disk;
#[cfg(feature = "program")]
pub mod progress;
#[cfg(feature = "program")]
pub mod render;
#[cfg(feature = "program")]
pub mod site;
#[cfg(feature = "program")]
pub mod workspace;
