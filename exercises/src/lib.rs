//! The cards of the Clusterbook workbook and everything that shows them.
//!
//! - [`lang`]: the languages of the book.
//! - `site` (feature `program`): builds and serves the book.
//! - `cli` (feature `program`): the command line of `clusterbook`.

pub mod lang;

#[cfg(feature = "program")]
pub mod cli;
#[cfg(feature = "program")]
pub mod site;
