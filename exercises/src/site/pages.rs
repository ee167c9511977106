//! Finishes rendered pages: what mdBook's template has no place for.
//!
//! - a link to the same page in each other language, in the menu bar (works without scripts);
//! - mdBook's own words in the page's language;
//! - on pages with a card: the widgets' styles and the loader of the labs.

use std::fmt::Write as _;

use crate::lang::Lang;
use crate::site::error::SiteError;

/// Where the language links go in mdBook's page.
const MENU: &str = r#"<div class="right-buttons">"#;
/// Where styles and scripts go.
const HEAD_END: &str = "</head>";

/// What marks a page that has a card.
const CARD: &str = "cb-card";

/// mdBook's words that a Chinese reader meets, with the quotes around them so that only whole attributes match.
const CHINESE: [(&str, &str); 16] = [
    (r#""Toggle Table of Contents""#, r#""显示或隐藏目录""#),
    (r#""Table of contents""#, r#""目录""#),
    (r#""Change theme""#, r#""更换主题""#),
    (r#""Themes""#, r#""主题""#),
    (r#""Print this book""#, r#""打印本书""#),
    (r#""Page navigation""#, r#""翻页""#),
    (r#""Previous chapter""#, r#""上一章""#),
    (r#""Next chapter""#, r#""下一章""#),
    (">Auto</button>", ">跟随系统</button>"),
    (">Light</button>", ">浅色</button>"),
    (">Rust</button>", ">铁锈</button>"),
    (">Coal</button>", ">煤黑</button>"),
    (">Navy</button>", ">海军蓝</button>"),
    (">Keyboard shortcuts</h2>", ">键盘快捷键</h2>"),
    (
        "<p>Press <kbd>←</kbd> or <kbd>→</kbd> to navigate between chapters</p>",
        "<p><kbd>←</kbd> 和 <kbd>→</kbd>：上一章、下一章</p>\n                <p><kbd>S</kbd> 或 <kbd>/</kbd>：搜索</p>",
    ),
    ("<p>Press <kbd>?</kbd> to show this help</p>", "<p><kbd>?</kbd>：显示本帮助</p>"),
];
/// The line of the help that English pages need, too: the site's own search.
const ENGLISH: [(&str, &str); 1] = [(
    "<p>Press <kbd>←</kbd> or <kbd>→</kbd> to navigate between chapters</p>",
    "<p>Press <kbd>←</kbd> or <kbd>→</kbd> to navigate between chapters</p>\n                \
     <p>Press <kbd>S</kbd> or <kbd>/</kbd> to search in the book</p>",
)];

/// Whether search covers this page. `index.html` repeats the first chapter and `print.html` all of them.
pub fn is_indexed(page: &str) -> bool {
    !matches!(page, "index.html" | "print.html" | "404.html")
}

/// The page with everything put in. `page` is its path below the language's folder, with `/`.
///
/// # Errors
/// [`SiteError::Template`] when mdBook's page lacks a place that is needed.
pub fn finish(page: &str, html: String, lang: Lang) -> Result<String, SiteError> {
    let root = "../".repeat(page.matches('/').count());
    let links = format!("{MENU}{}", language_links(page, &root, lang));
    let mut html = replace_once(html, page, MENU, &links)?;
    if html.contains(CARD) {
        let mut head = format!("<link rel=\"stylesheet\" href=\"{root}../lab/style.css\">\n");
        if page != "print.html" {
            let _ = writeln!(head, "<script type=\"module\" src=\"{root}../lab/loader.js\"></script>");
        }
        html = replace_once(html, page, HEAD_END, &format!("{head}{HEAD_END}"))?;
    }
    let words: &[(&str, &str)] = match lang {
        Lang::En => &ENGLISH,
        Lang::ZhCn => &CHINESE,
    };
    for (english, own) in words {
        html = html.replace(english, own);
    }
    Ok(html)
}

fn language_links(page: &str, root: &str, lang: Lang) -> String {
    let mut links = String::new();
    for other in Lang::ALL.into_iter().filter(|other| *other != lang) {
        let (code, name) = (other.code(), other.name());
        let _ = write!(
            links,
            "\n                        <a class=\"cb-language\" href=\"{root}../{code}/{page}\" lang=\"{code}\" hreflang=\"{code}\" rel=\"alternate\">{name}</a>"
        );
    }
    links
}

fn replace_once(html: String, page: &str, marker: &'static str, with: &str) -> Result<String, SiteError> {
    match html.find(marker) {
        Some(at) => Ok(format!("{}{with}{}", &html[..at], &html[at + marker.len()..])),
        None => Err(SiteError::Template { page: page.to_owned(), marker }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str) -> String {
        format!("<html><head></head><body><button title=\"Change theme\"></button>{MENU}</div>{body}</body></html>")
    }

    #[test]
    fn the_other_language_is_one_link_away_at_every_depth() {
        let html = finish("pods/creation.html", page(""), Lang::En).unwrap();
        assert!(html.contains(r#"href="../../zh-CN/pods/creation.html" lang="zh-CN""#), "{html}");
        let html = finish("index.html", page(""), Lang::ZhCn).unwrap();
        assert!(html.contains(r#"href="../en/index.html" lang="en""#), "{html}");
        assert!(html.contains(r#"title="更换主题""#), "{html}");
    }

    #[test]
    fn only_pages_with_a_card_load_the_labs_and_print_never_does() {
        let card = page(r#"<section class="cb-card"></section>"#);
        assert!(!finish("a.html", page(""), Lang::En).unwrap().contains("lab/"));
        let html = finish("pods/a.html", card.clone(), Lang::En).unwrap();
        assert!(html.contains(r#"src="../../lab/loader.js""#) && html.contains(r#"href="../../lab/style.css""#), "{html}");
        let html = finish("print.html", card, Lang::En).unwrap();
        assert!(!html.contains("loader.js") && html.contains(r#"href="../lab/style.css""#), "{html}");
    }

    #[test]
    fn a_changed_template_is_reported() {
        let error = finish("a.html", "<html></html>".to_owned(), Lang::En).unwrap_err();
        assert!(error.to_string().contains("`a.html`"), "{error}");
    }
}
