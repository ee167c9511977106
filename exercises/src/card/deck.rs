//! All cards of a folder.

use super::{Card, Diagnostic};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The cards of the workbook, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deck {
    cards: BTreeMap<String, Card>,
}

/// Why a folder of cards cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeckError {
    /// A file or folder could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Cards are wrong; everything that is wrong with any, ordered by file and place.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Cards(Vec<Diagnostic>),
}

impl Deck {
    /// Reads every `.yaml` file in the folders below `folder` (`<topic>/<id>.yaml`).
    ///
    /// # Errors
    /// [`DeckError::Cards`] with all mistakes of all cards; [`DeckError::Read`] when a file cannot be read.
    pub fn load(folder: &Path) -> Result<Deck, DeckError> {
        let mut deck = Deck::default();
        let mut wrong = Vec::new();
        for topic in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            for path in entries(&topic)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "yaml")) {
                let text = fs::read_to_string(&path).map_err(|source| DeckError::Read { path: path.clone(), source })?;
                let name = path.display().to_string();
                match Card::parse(&name, &text).and_then(|card| deck.belongs(&path, card)) {
                    Ok(card) => {
                        deck.cards.insert(card.id.clone(), card);
                    }
                    Err(found) => wrong.extend(found),
                }
            }
        }
        if wrong.is_empty() { Ok(deck) } else { Err(DeckError::Cards(wrong)) }
    }

    /// A card must stand where its id and topic say, and its id must be free.
    fn belongs(&self, path: &Path, card: Card) -> Result<Card, Vec<Diagnostic>> {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy());
        let topic = path.parent().and_then(Path::file_name).map(|topic| topic.to_string_lossy());
        let wrong = if stem.as_deref() != Some(&card.id) {
            ("id", format!("the id `{}` is not the name of the file", card.id))
        } else if topic.as_deref() != Some(&card.topic) {
            ("topic", format!("the topic `{}` is not the name of the folder", card.topic))
        } else if self.cards.contains_key(&card.id) {
            ("id", format!("another card has the id `{}`", card.id))
        } else {
            return Ok(card);
        };
        let help = "a card stands in <topic>/<id>.yaml".to_owned();
        let file = path.display().to_string();
        Err(vec![Diagnostic { file, line: 0, column: 0, field: wrong.0.to_owned(), message: wrong.1, help }])
    }

    /// The card with this id.
    pub fn get(&self, id: &str) -> Option<&Card> {
        self.cards.get(id)
    }

    /// All cards, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Card> {
        self.cards.values()
    }
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DeckError> {
    let error = |source| DeckError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        paths.push(entry.map_err(error)?.path());
    }
    paths.sort();
    Ok(paths)
}
