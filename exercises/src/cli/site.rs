//! `clusterbook serve` and `clusterbook build`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use crate::card::Deck;
use crate::site::{self, CardRenderer, Layout, Profile, ServeOptions};

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The port on 127.0.0.1; the next free one if it is taken [default: 3000]
    #[arg(long)]
    port: Option<u16>,
    /// Open the workbook in the browser
    #[arg(long)]
    open: bool,
    /// Compile the page's program quickly instead of small, for work on the widgets
    #[arg(long)]
    dev: bool,
}

/// Arguments of `build`.
#[derive(Debug, Args)]
pub(super) struct Build {
    /// The folder for the site; it is created, or replaced if an earlier build wrote it
    #[arg(long, value_name = "DIR", default_value = "site")]
    out: PathBuf,
}

impl Serve {
    pub(super) fn run(self) -> Result<()> {
        let profile = if self.dev { Profile::Dev } else { Profile::Small };
        let options = ServeOptions { port: self.port, open: self.open, profile };
        let runtime = tokio::runtime::Runtime::new()?;
        Ok(runtime.block_on(site::serve(&Layout::find()?, options, load_cards))?)
    }
}

impl Build {
    pub(super) fn run(self) -> Result<()> {
        let layout = Layout::find()?;
        site::build(&layout, Profile::Small, load_cards)?;
        let (files, bytes) = site::export::export(&layout.www(), &self.out)?;
        super::say(&format!("The site is in {}: {files} files, {} kB.", self.out.display(), bytes / 1000));
        Ok(())
    }
}

/// The cards of the book.
fn load_cards(folder: &Path) -> Result<Arc<dyn CardRenderer>, String> {
    let deck = Deck::load(folder).map_err(|error| error.to_string())?;
    Ok(Arc::new(deck))
}
