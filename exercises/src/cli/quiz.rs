//! `clusterbook quiz`: questions on stdout, answers on stdin.

use std::fmt::Write as _;
use std::io::{self, BufRead};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::desk::{Desk, Language, now};
use super::input::{Line, read_line};
use super::screen::{BAD, CODE, FAINT, GOOD, STRONG, indent, markdown, paint, print};
use crate::card::{Card, Question, QuestionKind, in_lang, shown_order};
use crate::lang::Lang;
use crate::quiz::{Given, feedback, is_right, number};

/// Arguments of `quiz`.
#[derive(Debug, Args)]
pub(super) struct Quiz {
    /// The card to be asked about [default: all, what you know least first]
    card: Option<String>,
    /// How many questions at most [default: all of a card, 10 without one]
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    #[command(flatten)]
    language: Language,
}

/// What became of a question.
enum Outcome {
    Answered(bool),
    Skipped,
    Ended,
}

impl Quiz {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut desk = Desk::open(&self.language)?;
        let cards = match &self.card {
            Some(id) => vec![desk.card(id)?.clone()],
            None => desk.deck.iter().cloned().collect(),
        };
        let most = self.count.unwrap_or(if self.card.is_some() { usize::MAX } else { 10 });
        let asked = chosen(&desk, &cards, self.card.is_none(), most);
        hold(&mut desk, &asked, &mut io::stdin().lock())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The questions to ask. With `weakest`, those never answered come first, then those answered wrong, each kind in the order of the cards.
fn chosen<'a>(desk: &Desk, cards: &'a [Card], weakest: bool, most: usize) -> Vec<(&'a Card, &'a Question)> {
    let mut all: Vec<_> = cards.iter().flat_map(|card| card.quiz.iter().map(move |question| (card, question))).collect();
    if weakest {
        all.sort_by_key(|(card, question)| match desk.progress.cards.get(&card.id).and_then(|done| done.quiz.get(&question.id)) {
            None => (0, 0),
            Some(answered) => (1 + u64::from(answered.last_right), answered.last_at),
        });
    }
    all.truncate(most);
    all
}

/// Asks until all is asked or the input ends.
fn hold(desk: &mut Desk, asked: &[(&Card, &Question)], input: &mut impl BufRead) -> Result<()> {
    let lang = desk.lang;
    print(&paint(FAINT, lang.pick("An empty line skips a question, `q` ends the quiz.\n", "空行跳过，输入 `q` 结束。\n")))?;
    let (mut answered, mut right) = (0, 0);
    for (index, (card, question)) in asked.iter().enumerate() {
        let head = format!("{}/{}  {}", index + 1, asked.len(), card.id);
        let turn = desk.progress.cards.get(&card.id).and_then(|done| done.quiz.get(&question.id)).map_or(0, |done| done.asked);
        match ask(&head, question, turn, lang, input)? {
            Outcome::Ended => {
                print("\n")?;
                break;
            }
            Outcome::Skipped => {}
            Outcome::Answered(good) => {
                answered += 1;
                right += usize::from(good);
                desk.save(|progress| progress.card_mut(&card.id).answered(&question.id, good, now()));
            }
        }
    }
    let left = asked.len() - answered;
    let summary = match (answered, left) {
        (0, _) => lang.pick("Nothing was answered.".to_owned(), "没有回答任何问题。".to_owned()),
        (_, 0) => lang.pick(format!("{right} of {answered} right."), format!("答了 {answered} 题，答对 {right} 题。")),
        _ => lang.pick(
            format!("{right} of {answered} right, {left} not answered."),
            format!("答了 {answered} 题，答对 {right} 题，还有 {left} 题没有回答。"),
        ),
    };
    print(&format!("\n{}\n", paint(STRONG, summary)))
}

/// Asks one question until there is an answer to judge.
fn ask(head: &str, question: &Question, turn: u32, lang: Lang, input: &mut impl BufRead) -> Result<Outcome> {
    let shown = shown(&question.kind, turn);
    let mut text = format!("\n{}\n{}\n", paint(FAINT, head), markdown(in_lang(&question.question, lang)));
    for (letter, place) in letters().zip(&shown) {
        let option = match &question.kind {
            QuestionKind::One(choices) | QuestionKind::Many(choices) => &choices[*place].text,
            QuestionKind::Order(items) => &items[*place],
            QuestionKind::Fill(_) | QuestionKind::Numeric(_) => continue,
        };
        let _ = writeln!(text, "  {} {}", paint(CODE, format!("{letter})")), markdown(in_lang(option, lang)));
    }
    let how = how_to(&question.kind, shown.len(), lang);
    print(&text)?;
    loop {
        print(&format!("{}{} ", paint(FAINT, &how), paint(STRONG, " >")))?;
        let line = match read_line(input) {
            Line::End => return Ok(Outcome::Ended),
            Line::TooLong => {
                print(lang.pick("That is too long for an answer.\n", "这个回答太长了。\n"))?;
                continue;
            }
            Line::Text(line) => line.trim().to_owned(),
        };
        match line.as_str() {
            "" => return Ok(Outcome::Skipped),
            "q" | "quit" => return Ok(Outcome::Ended),
            _ => {}
        }
        if let Some(given) = read_answer(&question.kind, &shown, &line) {
            let right = is_right(&question.kind, &given);
            print(&remarks(question, &given, right, lang))?;
            return Ok(Outcome::Answered(right));
        }
        print(lang.pick("That is no answer to this question.\n", "这不是本题的有效回答。\n"))?;
    }
}

/// The order in which options are shown, as places in the card's list. Choices move on by one with each time the question is asked, so
/// that nobody learns a letter by heart.
fn shown(kind: &QuestionKind, turn: u32) -> Vec<usize> {
    match kind {
        QuestionKind::One(choices) | QuestionKind::Many(choices) => {
            let mut places: Vec<usize> = (0..choices.len()).collect();
            places.sort_by(|a, b| choices[*a].text.en.cmp(&choices[*b].text.en));
            let by = usize::try_from(turn).unwrap_or(0) % places.len().max(1);
            places.rotate_left(by);
            places
        }
        QuestionKind::Order(items) => shown_order(items),
        QuestionKind::Fill(_) | QuestionKind::Numeric(_) => Vec::new(),
    }
}

fn letters() -> impl Iterator<Item = char> {
    'a'..='z'
}

/// How to answer, in a word or two.
fn how_to(kind: &QuestionKind, options: usize, lang: Lang) -> String {
    let last = letters().take(options).last().unwrap_or('a');
    match kind {
        QuestionKind::One(_) => lang.pick(format!("one of a–{last}"), format!("单选 a–{last}")),
        QuestionKind::Many(_) => lang.pick(format!("all that are right, like: a {last}"), format!("多选，例如：a {last}")),
        QuestionKind::Order(_) => lang.pick("all in order, like: b a c".to_owned(), "排序，例如：b a c".to_owned()),
        QuestionKind::Fill(_) => lang.pick("a word".to_owned(), "填空".to_owned()),
        QuestionKind::Numeric(numeric) => {
            let unit = in_lang(&numeric.unit, lang);
            lang.pick(format!("a number ({unit})"), format!("数字（{unit}）"))
        }
    }
}

/// The line as an answer; `None` when it is none. Letters may stand together or apart.
fn read_answer(kind: &QuestionKind, shown: &[usize], line: &str) -> Option<Given> {
    match kind {
        QuestionKind::Fill(_) => return Some(Given::Text(line.to_owned())),
        QuestionKind::Numeric(_) => return number(line).map(|_| Given::Text(line.to_owned())),
        QuestionKind::One(_) | QuestionKind::Many(_) | QuestionKind::Order(_) => {}
    }
    let mut places = Vec::new();
    for letter in line.chars().filter(|c| !c.is_whitespace() && !matches!(c, ',' | '，' | '、' | ')' | '.' | '>')) {
        let at = letters().position(|known| known == letter.to_ascii_lowercase())?;
        let place = *shown.get(at)?;
        if places.contains(&place) {
            return None;
        }
        places.push(place);
    }
    let fits = match kind {
        QuestionKind::One(_) => places.len() == 1,
        QuestionKind::Order(_) => places.len() == shown.len(),
        _ => !places.is_empty(),
    };
    fits.then_some(Given::Places(places))
}

/// What is said to an answer: whether it is right, why, and what would have been.
fn remarks(question: &Question, given: &Given, right: bool, lang: Lang) -> String {
    let mut text = if right { paint(GOOD, lang.pick("Right.", "对。")) } else { paint(BAD, lang.pick("Not right.", "不对。")) } + "\n";
    for (choice, says) in feedback(&question.kind, given) {
        let says = markdown(in_lang(says, lang));
        match choice {
            Some(choice) => {
                let mark = if choice.right { paint(GOOD, "✓") } else { paint(BAD, "✗") };
                let _ = writeln!(text, "  {mark} {} — {says}", markdown(in_lang(&choice.text, lang)));
            }
            None => text.push_str(&indent(&says, 2)),
        }
    }
    if !right {
        let answer = match &question.kind {
            QuestionKind::Order(items) => items.iter().map(|item| markdown(in_lang(item, lang))).collect::<Vec<_>>().join(" → "),
            QuestionKind::Fill(fill) => fill.accept.first().cloned().unwrap_or_default(),
            QuestionKind::Numeric(numeric) => format!("{} {}", numeric.answer, in_lang(&numeric.unit, lang)),
            QuestionKind::One(_) | QuestionKind::Many(_) => String::new(),
        };
        if !answer.is_empty() {
            let _ = writeln!(text, "  {}{answer}", lang.pick("The answer: ", "答案："));
        }
    }
    if let Some(explanation) = &question.explanation {
        text.push_str(&indent(&markdown(in_lang(explanation, lang)), 2));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::tests::deck;

    #[test]
    fn letters_are_read_together_and_apart() {
        let deck = deck();
        let card = deck.get("pod-creation").unwrap();
        let kind = |id: &str| &card.quiz.iter().find(|question| question.id == id).unwrap().kind;
        let places = |places: &[usize]| Some(Given::Places(places.to_vec()));
        let order = [3, 1, 0, 2, 4];
        assert_eq!(read_answer(kind("request-chain"), &order, "cbdae"), places(&[0, 1, 2, 3, 4]));
        assert_eq!(read_answer(kind("request-chain"), &order, "C, B, D, A, E"), places(&[0, 1, 2, 3, 4]));
        for wrong in ["cbda", "cbdaa", "cbdaf", "1 2 3 4 5"] {
            assert_eq!(read_answer(kind("request-chain"), &order, wrong), None, "{wrong}");
        }
        assert_eq!(read_answer(kind("writes-etcd"), &[2, 0, 1, 3], "b)"), places(&[0]));
        assert_eq!(read_answer(kind("writes-etcd"), &[2, 0, 1, 3], "ab"), None);
        assert_eq!(read_answer(kind("etcd-clients"), &[], "one"), None);
    }

    #[test]
    fn the_right_choice_wanders() {
        let deck = deck();
        let QuestionKind::One(choices) = &deck.get("pod-creation").unwrap().quiz[0].kind else { panic!("one choice") };
        let kind = QuestionKind::One(choices.clone());
        let at = |turn| shown(&kind, turn).iter().position(|place| choices[*place].right).unwrap();
        let mut seen: Vec<usize> = (0..4).map(at).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3]);
    }
}
