//! What must hold of a rendered card.

use super::*;
use crate::card::tests::good_card;

#[test]
fn a_card_is_whole_in_both_languages() {
    let card = good_card();
    let (en, zh) = (card_html(&card, Lang::En), card_html(&card, Lang::ZhCn));
    assert!(en.starts_with("<div class=\"cb-card\" id=\"card-sample\" data-card=\"sample\" data-lang=\"en\">"), "{en}");
    for part in ["cb-question", "cb-reveal", "cb-rubric", "cb-pitfalls", "cb-quiz", "cb-lab", "cb-solution", "cb-sources", "cb-card-data"] {
        assert!(en.contains(part) && zh.contains(part), "{part}");
    }
    assert!(zh.contains("面试官想听到什么") && !zh.contains("What an interviewer listens for"));
    assert_eq!(en.matches("<details").count(), en.matches("</details>").count());
    assert_eq!(en.matches("<section").count(), en.matches("</section>").count());
}

#[test]
fn nothing_in_a_card_becomes_markup() {
    let mut card = good_card();
    let evil = "<script>alert(1)</script> </script> <!-- & \"quoted\"";
    card.question.en = evil.to_owned();
    card.lab.files.insert("a.yaml".to_owned(), evil.to_owned());
    card.tags = vec![evil.to_owned()];
    let html = card_html(&card, Lang::En);
    assert!(!html.contains("<script>") && !html.contains("<!--"), "{html}");
    assert_eq!(html.matches("</script>").count(), 1, "only the end of the embedded card");
}

#[test]
fn the_embedded_card_is_the_card() {
    let mut card = good_card();
    card.question.en.push_str(" </script>");
    let html = card_html(&card, Lang::En);
    let (_, after) = html.split_once("class=\"cb-card-data\">").unwrap();
    let (json, _) = after.split_once("</script>").unwrap();
    assert_eq!(serde_json::from_str::<Card>(json).unwrap(), card);
}

#[test]
fn dealt_numbers_are_shown() {
    let html = card_html(&good_card(), Lang::En);
    let (visible, _) = html.split_once("cb-card-data").unwrap();
    assert!(!visible.contains("${"), "{visible}");
    assert!(visible.contains("Bring it to 4 replicas"), "{visible}");
}
