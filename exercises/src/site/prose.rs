//! Joins the lines of Chinese prose.
//!
//! Chapters have one sentence per line. A browser shows a line break as a space, which is right between English sentences and
//! wrong after a Chinese full stop. This takes such breaks out before mdBook sees them.

use pulldown_cmark::{Event, Options, Parser};

/// `text` without the line breaks inside paragraphs that have Chinese on both sides, or a full-width mark before them.
/// Code, tables and HTML stay as they are.
pub fn join_lines(text: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_HEADING_ATTRIBUTES | Options::ENABLE_FOOTNOTES;
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        if !matches!(event, Event::SoftBreak) {
            continue;
        }
        let before = text[..range.start].trim_end().chars().next_back();
        let after = text[range.end..].trim_start().chars().next();
        if let (Some(before), Some(after)) = (before, after)
            && (is_mark(before) || is_chinese(before) && is_chinese(after))
        {
            out.push_str(text[done..range.start].trim_end());
            done = range.end + (text[range.end..].len() - text[range.end..].trim_start_matches([' ', '\t']).len());
        }
    }
    out.push_str(&text[done..]);
    out
}

/// Full-width marks, which bring their own space.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff65}')
}

fn is_chinese(c: char) -> bool {
    is_mark(c) || matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_between_chinese_go_and_others_stay() {
        assert_eq!(join_lines("第一句。\n第二句。\n"), "第一句。第二句。\n");
        assert_eq!(join_lines("第一句。\n`maxSurge` 是"), "第一句。`maxSurge` 是");
        assert_eq!(join_lines("词\n语"), "词语");
        assert_eq!(join_lines("一个 Pod\n在这里"), "一个 Pod\n在这里");
        assert_eq!(join_lines("One.\nTwo.\n"), "One.\nTwo.\n");
    }

    #[test]
    fn structure_stays() {
        for text in ["# 题\n\n第一段。\n\n第二段。\n", "```\n中。\n文。\n```\n", "<div>中。\n文。</div>\n", "| 中。 |\n|---|\n| 文。 |\n"]
        {
            assert_eq!(join_lines(text), text);
        }
        assert_eq!(join_lines("- 一。\n  二。\n- 三。\n"), "- 一。二。\n- 三。\n");
    }
}
