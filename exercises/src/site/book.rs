//! Builds the book: each language with mdBook in process, the cards put in, the pages finished, the search index made.
//!
//! The result is built beside the served one and takes its place only when every language is done, so that a mistake in a chapter
//! leaves the last good book in place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mdbook_driver::MDBook;
use mdbook_driver::config::Config;

use crate::lang::Lang;
use crate::site::cards::{CardError, CardRenderer, Cards};
use crate::site::error::{IoHelp, SiteError};
use crate::site::fingerprint::files_below;
use crate::site::{landing, pages, search};

/// The book's title in one language.
pub const fn title(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "Clusterbook",
        Lang::ZhCn => "Clusterbook：Kubernetes 练习册",
    }
}

/// What the book is, in one sentence, for search engines and the landing page.
pub const fn description(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "A Kubernetes workbook: questions with answers, and graded labs on a small cluster that runs in the page.",
        Lang::ZhCn => "Kubernetes 练习册：有问有答，每张卡片都带一个在网页里运行、自动评分的小集群实验。",
    }
}

/// Builds every language of the book at `root` into `out` (`index.html`, `en/`, `zh-CN/`), leaving other things in `out` alone.
/// `scratch` is a folder for the unfinished book; it is emptied.
///
/// # Errors
/// [`SiteError`]; then `out` still holds what it held before.
pub fn build(root: &Path, out: &Path, scratch: &Path, cards: &Arc<dyn CardRenderer>) -> Result<(), SiteError> {
    remove(scratch)?;
    fs::create_dir_all(scratch).map_err(SiteError::io("create", scratch))?;
    for lang in Lang::ALL {
        language(root, &scratch.join(lang.code()), cards, lang)?;
    }
    fs::create_dir_all(out).map_err(SiteError::io("create", out))?;
    for lang in Lang::ALL {
        let (from, to) = (scratch.join(lang.code()), out.join(lang.code()));
        remove(&to)?;
        fs::rename(&from, &to).map_err(SiteError::io("write", &to))?;
    }
    let index = out.join("index.html");
    fs::write(&index, landing::page()).map_err(SiteError::io("write", &index))?;
    remove(scratch)
}

fn language(root: &Path, out: &Path, cards: &Arc<dyn CardRenderer>, lang: Lang) -> Result<(), SiteError> {
    let wrong = |message: String| SiteError::Book { lang, message };
    let config = config(root, out, lang).map_err(|error| wrong(format!("book.toml: {error:#}")))?;
    let mut book = MDBook::load_with_config(root, config).map_err(|error| wrong(explain(&error)))?;
    book.with_preprocessor(Cards::new(Arc::clone(cards), lang));
    book.build().map_err(|error| wrong(explain(&error)))?;

    let mut sections = Vec::new();
    for page in rendered(out)? {
        let file = out.join(&page);
        let html = fs::read_to_string(&file).map_err(SiteError::io("read", &file))?;
        if pages::is_indexed(&page) {
            sections.extend(search::extract::sections(&page, &html));
        }
        let html = pages::finish(&page, html, lang)?;
        fs::write(&file, html).map_err(SiteError::io("write", &file))?;
    }
    let index = out.join("search.json");
    fs::write(&index, search::index::to_json(&sections)).map_err(SiteError::io("write", &index))
}

/// `book.toml` with what differs between the languages.
fn config(root: &Path, out: &Path, lang: Lang) -> mdbook_driver::errors::Result<Config> {
    let mut config = Config::from_disk(root.join("book.toml"))?;
    config.book.title = Some(title(lang).to_owned());
    config.book.description = Some(description(lang).to_owned());
    config.book.language = Some(lang.code().to_owned());
    config.book.src = PathBuf::from("book").join(lang.code());
    config.build.build_dir = out.to_path_buf();
    config.build.create_missing = false;
    Ok(config)
}

/// What mdBook reports, for the reader. A card's error is complete in itself; an error of the system gets its remedy.
fn explain(error: &mdbook_driver::errors::Error) -> String {
    if let Some(card) = error.chain().find_map(|cause| cause.downcast_ref::<CardError>()) {
        return card.to_string();
    }
    let help = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>()).map(|io| IoHelp(io).to_string());
    format!("{error:#}{}", help.unwrap_or_default())
}

/// The rendered pages, relative with `/`, in name order. `toc.html` is no page but a frame for browsers without scripts.
fn rendered(out: &Path) -> Result<Vec<String>, SiteError> {
    let mut pages = Vec::new();
    for file in files_below(out)? {
        let Ok(page) = file.strip_prefix(out) else { continue };
        let page = page.to_string_lossy().replace('\\', "/");
        if page.ends_with(".html") && page != "toc.html" {
            pages.push(page);
        }
    }
    Ok(pages)
}

fn remove(folder: &Path) -> Result<(), SiteError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SiteError::io("remove", folder)(error)),
        _ => Ok(()),
    }
}
