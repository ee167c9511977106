//! Watches the book and the cards while the site is served, and rebuilds the book when they change.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::site::layout::Layout;

/// Editors write in several steps; the book is rebuilt when nothing has changed for this long.
const QUIET: Duration = Duration::from_millis(200);

/// Starts watching and calls `rebuild` on a thread of its own after each burst of changes. Watching ends with the returned value.
///
/// # Errors
/// notify's error when the system cannot watch; the site can be served without.
pub fn watch(layout: &Layout, rebuild: impl FnMut() + Send + 'static) -> notify::Result<RecommendedWatcher> {
    let (tell, told) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| counts(&event)) {
            // The receiver lives as long as the thread below; when it is gone, nobody wants to know.
            let _ = tell.send(());
        }
    })?;
    let root = layout.root();
    for (path, mode) in [
        (root.join("book"), RecursiveMode::Recursive),
        (layout.cards(), RecursiveMode::Recursive),
        (root.join("book.toml"), RecursiveMode::NonRecursive),
        (root.join("web/style.css"), RecursiveMode::NonRecursive),
    ] {
        if path.exists() {
            watcher.watch(&path, mode)?;
        }
    }
    std::thread::spawn(move || after_each_burst(&told, QUIET, rebuild));
    Ok(watcher)
}

/// Whether content may have changed: reading a file is no change, nor is what an editor hides behind a dot.
fn counts(event: &Event) -> bool {
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let changes = matches!(event.kind, EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_));
    changes && !event.paths.iter().all(|path| hidden(path))
}

fn after_each_burst(told: &Receiver<()>, quiet: Duration, mut act: impl FnMut()) {
    while told.recv().is_ok() {
        loop {
            match told.recv_timeout(quiet) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    act();
                    return;
                }
            }
        }
        act();
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind};

    use super::*;

    #[test]
    fn a_burst_counts_once() {
        let (tell, told) = mpsc::channel();
        for _ in 0..50 {
            tell.send(()).unwrap();
        }
        drop(tell);
        let mut runs = 0;
        after_each_burst(&told, Duration::from_secs(60), || runs += 1);
        assert_eq!(runs, 1);
    }

    #[test]
    fn reading_and_hidden_files_do_not_count() {
        let create = |name: &str| Event::new(EventKind::Create(CreateKind::File)).add_path(name.into());
        assert!(counts(&create("book/en/a.md")));
        assert!(!counts(&create("book/en/.a.md.swp")));
        assert!(!counts(&Event::new(EventKind::Access(AccessKind::Any)).add_path("book/en/a.md".into())));
    }
}
