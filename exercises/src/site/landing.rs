//! The site's front door, `/index.html`: sends readers to their language, and is a real page for those without scripts.

use std::fmt::Write as _;

use crate::lang::Lang;
use crate::site::book::{description, title};

const HEAD: &str = include_str!("assets/landing-head.html");
const SCRIPT: &str = include_str!("assets/landing.js");

/// The landing page. Every link in it is relative, so that it works below any base path.
pub fn page() -> String {
    let mut body = String::from("<main>\n<h1>Clusterbook</h1>\n");
    for lang in Lang::ALL {
        let code = lang.code();
        let _ = write!(
            body,
            "<section lang=\"{code}\">\n<p>{}</p>\n<p><a class=\"enter\" href=\"{code}/index.html\" hreflang=\"{code}\">{}</a></p>\n</section>\n",
            description(lang),
            lang.name()
        );
    }
    body.push_str("</main>\n");
    format!("{HEAD}<body>\n{body}<script>\n{SCRIPT}</script>\n</body>\n</html>\n")
}

/// What the server shows for an address that leads nowhere.
pub fn not_found() -> String {
    let mut body = String::from("<main>\n<h1>404</h1>\n");
    for (lang, text) in [(Lang::En, "There is no such page."), (Lang::ZhCn, "没有这个页面。")] {
        let code = lang.code();
        let _ = writeln!(body, "<p lang=\"{code}\">{text} <a href=\"/{code}/index.html\">{}</a></p>", title(lang));
    }
    body.push_str("</main>\n");
    format!("{HEAD}<body>\n{body}</body>\n</html>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_recognisable_and_leads_everywhere_without_scripts() {
        let html = page();
        assert!(html.contains("<title>Clusterbook</title>"));
        for lang in Lang::ALL {
            assert!(html.contains(&format!("href=\"{}/index.html\"", lang.code())));
            assert!(html.contains(description(lang)));
        }
        assert!(!html.contains("href=\"/"), "only relative links");
    }
}
