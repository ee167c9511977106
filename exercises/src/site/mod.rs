//! The site: builds the book, the page's programs and the search index, and serves them.
//!
//! ```text
//! web, lab-engine ──cargo──▶ *.wasm ──wasm-bindgen──▶ lab/: lab.js, engine.js, … ────┐
//! book/en ─────┐                                                                     ├─▶ www/ ──▶ served, or copied by `build`
//! book/zh-CN ──┴─mdBook + cards──▶ pages ──finish──▶ en/, zh-CN/, search.json ───────┘
//! ```
//! Each stage has a fingerprint of its inputs beside its output and is skipped when they did not change ([`fingerprint`]).
//! Everything built lies below the target folder ([`layout`]). Progress goes to stderr.

pub mod book;
pub mod cards;
pub mod error;
pub mod export;
pub mod fingerprint;
pub mod landing;
pub mod layout;
pub mod pages;
pub mod port;
pub mod precompress;
pub mod prose;
pub mod search;
pub mod serve;
pub mod toolchain;
pub mod wasm;
pub mod watch;

#[cfg(test)]
mod tests;

use std::fs::{File, TryLockError};
use std::io::{Write as _, stdout};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

pub use cards::CardRenderer;
pub use error::SiteError;
pub use layout::Layout;
pub use wasm::Profile;

use fingerprint::{Fingerprint, Stages};

/// Reads the cards anew for each build of the book; the argument is the folder of the cards.
///
/// The error is a message that says where, what, and what was expected, for all cards at once.
pub type LoadCards = fn(&Path) -> Result<Arc<dyn CardRenderer>, String>;

/// How to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeOptions {
    /// The wanted port, or [`port::DEFAULT`].
    pub port: Option<u16>,
    /// Whether to open the address in the browser.
    pub open: bool,
    /// How the page's program is compiled.
    pub profile: Profile,
}

/// Brings everything below `www` up to date.
///
/// # Errors
/// The first stage that fails; the output of earlier builds stays.
pub fn build(layout: &Layout, profile: Profile, cards: LoadCards) -> Result<(), SiteError> {
    let program = {
        let _lock = lock(layout)?;
        wasm::build(layout, profile, &say)?
    };
    let book = build_book(layout, cards)?;
    if !(program || book) {
        say("Nothing changed since the last build.");
    }
    Ok(())
}

/// Brings the book up to date; says whether there was anything to do.
///
/// # Errors
/// [`SiteError`]; the book of the last good build stays.
pub fn build_book(layout: &Layout, load: LoadCards) -> Result<bool, SiteError> {
    let _lock = lock(layout)?;
    let stages = Stages::new(layout.state());
    let mut inputs = Fingerprint::new();
    for input in ["book.toml", "book"] {
        inputs.path(&layout.root().join(input), &[])?;
    }
    inputs.path(&layout.cards(), &[])?;
    // A new build of this program may render differently.
    let program = std::env::current_exe().map_err(SiteError::io("find", "the running program"))?;
    let inputs = inputs.stamp(&program)?.finish();
    let built = layout.www().join("index.html").is_file();
    if built && stages.is_done("book", &inputs) {
        return Ok(false);
    }
    say("Building the book …");
    let wrong = |message| SiteError::Cards { message };
    let renderer = load(&layout.cards()).map_err(wrong)?;
    stages.forget("book")?;
    book::build(layout.root(), &layout.www(), &layout.next(), &renderer)?;
    for lang in crate::lang::Lang::ALL {
        precompress::precompress(&layout.www().join(lang.code()), &layout.state().join("br"))?;
    }
    stages.done("book", &inputs)?;
    Ok(true)
}

/// Keeps a second process from building into the same folder at the same time; the lock ends with the returned file.
fn lock(layout: &Layout) -> Result<File, SiteError> {
    let state = layout.state();
    std::fs::create_dir_all(&state).map_err(SiteError::io("create", &state))?;
    let path = state.join("lock");
    let file = File::options().create(true).write(true).truncate(false).open(&path).map_err(SiteError::io("write", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            say("Waiting for another build of this workbook …");
            file.lock().map_err(SiteError::io("lock", &path))?;
            Ok(file)
        }
        Err(TryLockError::Error(error)) => Err(SiteError::io("lock", &path)(error)),
    }
}

/// Builds, then serves on the loopback address until Ctrl-C; rebuilds the book when its sources change.
///
/// # Errors
/// [`SiteError`] when the first build fails or no port can be had. Later failing builds are reported, and the last good book is
/// served on.
pub async fn serve(layout: &Layout, options: ServeOptions, cards: LoadCards) -> Result<(), SiteError> {
    build(layout, options.profile, cards)?;
    let wanted = options.port.unwrap_or(port::DEFAULT);
    let listener = port::listen(wanted)?;
    let address = listener.local_addr().map_err(SiteError::Serve)?;
    if wanted != 0 && address.port() != wanted {
        say(&format!("Port {wanted} is in use; taking the next free one, {}.", address.port()));
    }
    let url = format!("http://{address}/");
    // The address is the program's result; whoever reads it through a pipe wants it at once, and may have gone.
    let _ = writeln!(stdout(), "Clusterbook is served on {url} (stop with Ctrl-C)").and_then(|()| stdout().flush());
    let watched = layout.clone();
    let watcher = watch::watch(layout, move || rebuild(&watched, cards));
    if let Err(error) = &watcher {
        say(&format!("Changes to the book are not watched: {error}. Restart after changing it."));
    }
    if options.open {
        open(&url);
    }
    serve::serve(listener, &layout.www()).await
}

fn rebuild(layout: &Layout, cards: LoadCards) {
    let styles = lock(layout).and_then(|_lock| wasm::write_assets(layout.root(), &layout.lab()));
    match styles.and_then(|_| build_book(layout, cards)) {
        Ok(true) => say("The book is rebuilt; reload the page."),
        Ok(false) => {}
        Err(error) => say(&format!("error: {error}\nThe last good book is still served.")),
    }
}

/// Opens the address with the platform's own opener.
fn open(url: &str) {
    let (program, first): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/C", "start", ""]),
        _ => ("xdg-open", &[]),
    };
    let mut command = Command::new(program);
    command.args(first).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = command.spawn() {
        say(&format!("Cannot open a browser with `{program}`: {error}. Open {url} yourself."));
    }
}

/// A line about progress. Nobody listening is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
