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

#[test]
fn every_card_of_the_book_renders_in_both_languages() {
    let deck = crate::card::tests::deck();
    for card in deck.iter() {
        for lang in Lang::ALL {
            let html = card_html(card, lang);
            let (visible, _) = html.split_once("<script").unwrap();
            assert!(!visible.contains("${"), "{} {lang}: a number is not dealt", card.id);
            assert!(!visible.contains("**") && !visible.contains("<p></p>"), "{} {lang}: Markdown is left over", card.id);
            for tag in ["div", "section", "details", "ol", "ul", "li", "dl", "table"] {
                let count = |mark: &str| visible.matches(mark).count();
                let opened = count(&format!("<{tag}>")) + count(&format!("<{tag} "));
                // The outermost `div` ends after the script.
                assert_eq!(opened, count(&format!("</{tag}>")) + usize::from(tag == "div"), "{} {lang}: <{tag}>", card.id);
            }
            let mut ids: Vec<_> = visible.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            let count = ids.len();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), count, "{} {lang}: an id stands twice", card.id);
            assert!(ids.iter().all(|id| id.starts_with(&format!("card-{}", card.id))), "{ids:?}");
        }
    }
}

#[test]
fn the_book_builds_with_its_cards() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = tempfile::tempdir().unwrap();
    let www = out.path().join("www");
    let cards: std::sync::Arc<dyn crate::site::CardRenderer> = std::sync::Arc::new(crate::card::tests::deck());
    crate::site::book::build(&root, &www, &out.path().join("next"), &cards).unwrap_or_else(|error| panic!("{error}"));
    for (page, question) in [("en/pods/creation.html", "How is a Pod created?"), ("zh-CN/pods/creation.html", "Pod 是怎样创建的？")]
    {
        let html = std::fs::read_to_string(www.join(page)).unwrap();
        assert!(html.contains(&format!("<h3 class=\"cb-question\" id=\"card-pod-creation-question\">{question}")), "{page}");
        let (_, json) = html.split_once("class=\"cb-card-data\">").unwrap();
        let card: Card = serde_json::from_str(json.split_once("</script>").unwrap().0).unwrap();
        assert_eq!(card.id, "pod-creation");
    }
}
