//! Tests on the book as it is: both trees match, it builds, its links lead somewhere, and search finds what readers ask for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pulldown_cmark::{Event, Options, Parser, Tag};

use super::cards::CardRenderer;
use super::search::index::ask;
use super::{book, fingerprint};
use crate::lang::Lang;

/// Data for scripts, as a card may carry it: mdBook must hand it through as it is.
const DATA: &str = r#"<script type="application/json">{"a":"1 < 2 && \"b\" <em>"}</script>"#;

/// Shows any card, so that these tests need none in particular.
struct AnyCard;

impl CardRenderer for AnyCard {
    fn ids(&self) -> Vec<String> {
        crate::card::tests::card_files()
    }

    fn html(&self, id: &str, lang: Lang) -> Result<String, String> {
        let word = if lang == Lang::En { "interviewer" } else { "面试官" };
        Ok(format!("<section class=\"cb-card\" data-card=\"{id}\"><p>{word}</p>\n\n{DATA}<pre>kind: Pod\n\nspec: {{}}</pre></section>"))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn chapters(lang: Lang) -> Vec<(String, String)> {
    let folder = root().join("book").join(lang.code());
    let files = fingerprint::files_below(&folder).unwrap();
    files.into_iter().map(|file| (slashed(&file, &folder), fs::read_to_string(&file).unwrap())).collect()
}

fn slashed(file: &Path, folder: &Path) -> String {
    file.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/")
}

/// The explicit ids of a chapter's headings, in order; `?` for a heading without one.
fn heading_ids(text: &str) -> Vec<String> {
    let parser = Parser::new_ext(text, Options::ENABLE_HEADING_ATTRIBUTES);
    let ids = parser.filter_map(|event| match event {
        Event::Start(Tag::Heading { id, .. }) => Some(id.map_or_else(|| "?".to_owned(), |id| id.to_string())),
        _ => None,
    });
    ids.collect()
}

/// The real book, built with stand-in cards.
fn built() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let cards: Arc<dyn CardRenderer> = Arc::new(AnyCard);
    if let Err(error) = book::build(&root(), &dir.path().join("www"), &dir.path().join("next"), &cards) {
        panic!("{error}");
    }
    dir
}

#[test]
fn every_language_has_the_same_chapters_with_the_same_heading_ids() {
    let source = chapters(Lang::En);
    assert!(source.len() > 5);
    for lang in Lang::ALL {
        let own = chapters(lang);
        let names = |chapters: &[(String, String)]| chapters.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&own), names(&source), "{lang}");
        for ((name, text), (_, english)) in own.iter().zip(&source).filter(|((name, _), _)| name != "SUMMARY.md") {
            let ids = heading_ids(text);
            assert!(!ids.contains(&"?".to_owned()), "{lang}/{name}: a heading has no {{#id}}: {ids:?}");
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{lang}/{name}: an id occurs twice: {ids:?}");
            assert_eq!(ids, heading_ids(english), "{lang}/{name}");
        }
    }
}

#[test]
fn every_language_lists_the_same_chapters_and_shows_the_same_cards_in_the_same_order() {
    let links = |text: &str| -> Vec<String> {
        text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap_or_default().to_owned()).filter(|l| l.ends_with(".md")).collect()
    };
    let cards = |text: &str| text.lines().filter(|line| line.contains("{{#card")).map(str::to_owned).collect::<Vec<_>>();
    for ((name, chinese), (_, english)) in chapters(Lang::ZhCn).iter().zip(&chapters(Lang::En)) {
        assert_eq!(cards(chinese), cards(english), "{name}");
        if name == "SUMMARY.md" {
            assert_eq!(links(chinese), links(english));
        }
    }
}

#[test]
fn every_relative_link_of_the_built_book_leads_somewhere() {
    let dir = built();
    let www = dir.path().join("www");
    let mut checked = 0;
    for file in fingerprint::files_below(&www).unwrap() {
        if file.extension().is_none_or(|ending| ending != "html") {
            continue;
        }
        let html = fs::read_to_string(&file).unwrap();
        for attribute in ["href=\"", "src=\""] {
            for link in html.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
                if link.contains(':') || link.contains("lab/") {
                    continue; // another site, or made by the other stage
                }
                assert!(!link.starts_with('/'), "{}: `{link}` breaks below a base path", file.display());
                let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
                assert!(target.is_file(), "{}: `{link}` leads nowhere", file.display());
                let there = anchor.is_empty() || fs::read_to_string(&target).unwrap().contains(&format!("id=\"{anchor}\""));
                assert!(there, "{}: `{link}` has no such place", file.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn cards_stand_whole_in_pages_that_load_the_labs() {
    let dir = built();
    for lang in Lang::ALL {
        let page = |name: &str| fs::read_to_string(dir.path().join("www").join(lang.code()).join(name)).unwrap();
        let html = page("pods/creation.html");
        let card = html.split("<section class=\"cb-card\"").nth(1).and_then(|rest| rest.split("</section>").next()).unwrap();
        assert!(card.contains("<pre>kind: Pod\n\nspec: {}</pre>"), "{card}");
        assert!(card.contains(DATA), "{card}");
        assert!(html.contains(&format!("<html lang=\"{}\"", lang.code())));
        assert!(html.contains("../../lab/loader.js"));
        assert!(!page("introduction.html").contains("loader.js"));
    }
}

#[test]
fn search_finds_what_readers_ask_for_in_both_languages() {
    let dir = built();
    let index = |lang: Lang| fs::read_to_string(dir.path().join("www").join(lang.code()).join("search.json")).unwrap();
    let (english, chinese) = (index(Lang::En), index(Lang::ZhCn));
    for (index, query, page) in [
        (&english, "restart policy", "pods/restart-policy.html#restart-policy"),
        (&english, "maxSurge", "controllers/deployment-rollout.html#deployment-rollout"),
        (&english, "binding", "pods/creation.html#pod-creation"),
        (&english, "crashloop", "pods/restart-policy.html#restart-policy"),
        (&chinese, "重启策略", "pods/restart-policy.html#restart-policy"),
        (&chinese, "滚动更新", "controllers/deployment-rollout.html#deployment-rollout"),
        (&chinese, "调度器 Binding", "pods/creation.html#pod-creation"),
        (&chinese, "退避", "introduction.html#labs"),
        (&chinese, "CrashLoopBackOff", "pods/restart-policy.html#restart-policy"),
    ] {
        let found = ask(index, query);
        assert!(found.iter().take(3).any(|place| place == page), "`{query}` gives {found:?}, not {page}");
    }
    // A word of every card finds them all.
    for (index, query) in [(&english, "interviewers"), (&chinese, "面试官")] {
        let found = ask(index, query);
        assert!(found.iter().any(|place| place == "controllers/deployment-rollout.html#card"), "`{query}` gives {found:?}");
    }
    assert!(ask(&chinese, "不存在的词语").is_empty());
    assert!(ask(&english, "qqqq").is_empty());
}

#[test]
fn a_mistake_in_a_chapter_keeps_the_old_book() {
    struct NoCard;
    impl CardRenderer for NoCard {
        fn ids(&self) -> Vec<String> {
            Vec::new()
        }
        fn html(&self, _: &str, _: Lang) -> Result<String, String> {
            Err("none".to_owned())
        }
    }
    let dir = built();
    let cards: Arc<dyn CardRenderer> = Arc::new(NoCard);
    let (www, next) = (dir.path().join("www"), dir.path().join("next"));
    let error = book::build(&root(), &www, &next, &cards).unwrap_err().to_string();
    assert!(error.starts_with("the book (en) does not build: book/en/") && error.contains("there is no card `"), "{error}");
    assert!(www.join("en/pods/creation.html").is_file() && www.join("zh-CN/pods/creation.html").is_file());
}

#[test]
fn a_chapter_that_is_listed_and_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("book/en")).unwrap();
    fs::write(root.join("book.toml"), "[book]\n").unwrap();
    fs::write(root.join("book/en/SUMMARY.md"), "- [Gone](gone.md)\n").unwrap();
    let cards: Arc<dyn CardRenderer> = Arc::new(AnyCard);
    let error = book::build(root, &root.join("www"), &root.join("next"), &cards).unwrap_err().to_string();
    assert!(error.starts_with("the book (en) does not build:") && error.contains("gone.md"), "{error}");
    fs::write(root.join("book.toml"), "[book\n").unwrap();
    let error = book::build(root, &root.join("www"), &root.join("next"), &cards).unwrap_err().to_string();
    assert!(error.contains("book.toml"), "{error}");
}

#[test]
fn one_build_waits_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let layout = super::Layout::new(dir.path(), "target");
    let first = super::lock(&layout).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let second = std::thread::spawn(move || {
        let _lock = super::lock(&layout).unwrap();
        tell.send(()).unwrap();
    });
    assert!(told.recv_timeout(std::time::Duration::from_millis(50)).is_err(), "the second got in while the first held the lock");
    drop(first);
    told.recv().unwrap();
    second.join().unwrap();
}
