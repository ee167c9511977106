//! Search that finds Chinese and English: a small static index, made when the book is built and read by one script.
//!
//! Text becomes terms ([`tokens`]): words of letters and digits in lower case, and pairs of neighbouring characters where a script
//! has no spaces. The index ([`index`]) lists for each term the sections that hold it. `book/theme/clusterbook.js` asks it: every
//! term of the query must occur in a section, exactly or as the beginning of a longer term.
//!
//! **Simplified here:** no stemming beyond a trailing `s`, no tolerance of typing errors, no segmentation of Chinese into words.

pub mod extract;
pub mod index;
pub mod tokens;
