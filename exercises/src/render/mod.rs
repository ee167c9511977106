//! A card as HTML that reads without JavaScript; the page's program mounts its widgets on it.
//!
//! Everything hangs in one `div.cb-card`. What spoils the fun is in closed `details`. The card itself is embedded as JSON, for the
//! program. Ids begin with `card-<id>`, so that links keep working when a text changes.

mod book;
mod markdown;
mod words;

use crate::card::{Card, Choice, Question, QuestionKind, in_lang, shown_order};
use crate::lang::Lang;
use lab::{Input, Lab, Task, TaskKind, Text, Variables};
use markdown::{escape, inline, markdown, script_json};
use std::fmt::Write as _;
use words::{Words, words};

/// The card in one language: a single `div` of class `cb-card`.
pub fn card_html(card: &Card, lang: Lang) -> String {
    let variables = Variables::deal(&card.lab, lab::DEFAULT_SEED);
    let mut page = Page { out: String::new(), lang, words: words(lang), id: escape(&card.id) };
    page.line(&format!("<div class=\"cb-card\" id=\"card-{0}\" data-card=\"{0}\" data-lang=\"{lang}\">", page.id));
    page.head(card);
    page.answer(card);
    page.quiz(card);
    page.lab(&variables.fill_all(&card.lab));
    page.solution(card, &variables);
    page.sources(card);
    let json = serde_json::to_string(card).expect("a card has only texts, finite numbers and maps with text keys");
    page.line(&format!("<script type=\"application/json\" class=\"cb-card-data\">{}</script>", script_json(&json)));
    page.line("</div>");
    page.out
}

struct Page {
    out: String,
    lang: Lang,
    words: &'static Words,
    id: String,
}

impl Page {
    fn line(&mut self, html: &str) {
        self.out.push_str(html);
        self.out.push('\n');
    }

    /// Markdown in the page's language.
    fn block(&self, text: &Text) -> String {
        markdown(in_lang(text, self.lang)).trim_end().to_owned()
    }

    fn inline(&self, text: &Text) -> String {
        inline(in_lang(text, self.lang))
    }

    /// Opens a section with a heading.
    fn open(&mut self, name: &str, heading: &str) {
        let html = format!(
            "<section class=\"cb-{name}\" aria-labelledby=\"card-{0}-{name}\">\n<h4 id=\"card-{0}-{name}\">{heading}</h4>",
            self.id
        );
        self.line(&html);
    }

    fn list(&mut self, class: &str, texts: &[Text]) {
        self.line(&format!("<ul class=\"{class}\">"));
        for text in texts {
            let html = self.inline(text);
            self.line(&format!("<li>{html}</li>"));
        }
        self.line("</ul>");
    }

    fn head(&mut self, card: &Card) {
        let question = self.inline(&card.question);
        self.line(&format!("<h3 class=\"cb-question\" id=\"card-{}-question\">{question}</h3>", self.id));
        let level = self.words.level.get(usize::from(card.level).saturating_sub(1)).copied().unwrap_or("");
        let tags: String = card.tags.iter().map(|tag| format!(" <span class=\"cb-tag\">{}</span>", escape(tag))).collect();
        self.line(&format!("<p class=\"cb-meta\"><span class=\"cb-level\">{level}</span>{tags}</p>"));
    }

    fn answer(&mut self, card: &Card) {
        self.line(&format!("<details class=\"cb-reveal\">\n<summary>{}</summary>", self.words.reveal));
        let (short, detail) = (self.block(&card.answer.short), self.block(&card.answer.detail));
        self.line(&format!("<div class=\"cb-answer-short\">\n{short}\n</div>"));
        self.open("answer", self.words.detail);
        self.line(&format!("<div class=\"cb-answer-detail\">\n{detail}\n</div>\n</section>"));
        self.open("rubric", self.words.rubric);
        self.list("cb-rubric-points", &card.rubric);
        self.line("</section>");
        self.open("pitfalls", self.words.pitfalls);
        self.line("<dl>");
        for pitfall in &card.pitfalls {
            let (says, fact) = (self.inline(&pitfall.says), self.inline(&pitfall.fact));
            let in_fact = self.words.in_fact;
            self.line(&format!("<dt>{says}</dt>\n<dd><strong>{in_fact}</strong>{fact}</dd>"));
        }
        self.line("</dl>\n</section>\n</details>");
    }

    fn quiz(&mut self, card: &Card) {
        self.open("quiz", self.words.quiz);
        self.line("<ol class=\"cb-questions\">");
        for question in &card.quiz {
            self.question(question);
        }
        self.line("</ol>\n</section>");
    }

    fn question(&mut self, question: &Question) {
        let (id, text) = (escape(&question.id), self.block(&question.question));
        self.line(&format!("<li class=\"cb-quiz-item\" id=\"card-{}-quiz-{id}\" data-question=\"{id}\">\n{text}", self.id));
        let (task, shown, answer) = self.question_parts(&question.kind);
        self.line(&format!("<p class=\"cb-quiz-task\">{task}</p>"));
        self.line(&shown);
        self.line(&format!("<details class=\"cb-quiz-answer\">\n<summary>{}</summary>\n{answer}", self.words.quiz_answer));
        if let Some(explanation) = &question.explanation {
            let html = self.block(explanation);
            self.line(&html);
        }
        self.line("</details>\n</li>");
    }

    /// What to do, what is shown before the answer, and the answer.
    fn question_parts(&self, kind: &QuestionKind) -> (String, String, String) {
        let words = self.words;
        match kind {
            QuestionKind::One(choices) => (words.choose_one.to_owned(), self.choices(choices), self.feedback(choices)),
            QuestionKind::Many(choices) => (words.choose_many.to_owned(), self.choices(choices), self.feedback(choices)),
            QuestionKind::Order(items) => {
                let shown: Vec<String> = shown_order(items).into_iter().map(|index| self.inline(&items[index])).collect();
                let right: Vec<String> = items.iter().map(|item| self.inline(item)).collect();
                (words.put_in_order.to_owned(), list_of("ul", &shown), list_of("ol", &right))
            }
            QuestionKind::Fill(fill) => {
                let accepted: Vec<String> = fill.accept.iter().map(|word| format!("<code>{}</code>", escape(word))).collect();
                let mut answer = format!("<p>{}</p>", accepted.join(" / "));
                for feedback in &fill.feedback {
                    let _ =
                        write!(answer, "\n<p><code>{}</code>{}{}</p>", escape(&feedback.answer), words.colon, self.inline(&feedback.says));
                }
                (words.fill_in.to_owned(), String::new(), answer)
            }
            QuestionKind::Numeric(numeric) => {
                let unit = escape(in_lang(&numeric.unit, self.lang));
                let tolerance = if numeric.tolerance > 0.0 { format!(" ± {}", numeric.tolerance) } else { String::new() };
                let mut answer = format!("<p>{}{tolerance} {unit}</p>", numeric.answer);
                for feedback in &numeric.feedback {
                    let _ = write!(answer, "\n<p>{}{}{}</p>", feedback.answer, words.colon, self.inline(&feedback.says));
                }
                (format!("{} {unit}", words.give_number), String::new(), answer)
            }
        }
    }

    fn choices(&self, choices: &[Choice]) -> String {
        list_of("ul", &choices.iter().map(|choice| self.inline(&choice.text)).collect::<Vec<_>>())
    }

    fn feedback(&self, choices: &[Choice]) -> String {
        let of = |choice: &Choice| {
            let (class, word) = if choice.right { ("cb-right", self.words.right) } else { ("cb-wrong", self.words.wrong) };
            let (text, why) = (self.inline(&choice.text), self.inline(&choice.feedback));
            format!("<strong class=\"{class}\">{word}</strong>{}{text}<br>{why}", self.words.colon)
        };
        list_of("ul", &choices.iter().map(of).collect::<Vec<_>>())
    }

    fn lab(&mut self, lab: &Lab) {
        self.open("lab", self.words.lab);
        if !lab.files.is_empty() {
            self.line(&format!("<details class=\"cb-files\">\n<summary>{}</summary>", self.words.files));
            lab.files.iter().for_each(|(name, text)| self.file(name, text));
            self.line("</details>");
        }
        self.line("<ol class=\"cb-tasks\">");
        lab.tasks.iter().for_each(|task| self.task(task));
        self.line("</ol>\n</section>");
    }

    fn file(&mut self, name: &str, text: &str) {
        let (name, text) = (escape(name), escape(text.trim_end()));
        self.line(&format!("<p class=\"cb-file-name\"><code>{name}</code></p>\n<pre><code class=\"language-yaml\">{text}\n</code></pre>"));
    }

    fn task(&mut self, task: &Task) {
        let (id, title, prompt) = (escape(&task.id), self.inline(&task.title), self.block(&task.prompt));
        let kind = match task.kind {
            TaskKind::Predict(_) => self.words.predict,
            TaskKind::Operate(_) => self.words.operate,
        };
        let colon = self.words.colon;
        self.line(&format!(
            "<li class=\"cb-task\" id=\"card-{}-task-{id}\" data-task=\"{id}\">\n<h5>{kind}{colon}{title}</h5>\n<div class=\"cb-task-prompt\">\n{prompt}\n</div>",
            self.id
        ));
        match &task.kind {
            TaskKind::Predict(predict) => {
                if let Input::Choice(items) | Input::Order(items) = &predict.input {
                    let texts: Vec<Text> = items.items.iter().map(|item| item.text.clone()).collect();
                    self.list("cb-items", &texts);
                }
                self.line(&format!("<p class=\"cb-computed\">{}</p>", self.words.computed));
            }
            TaskKind::Operate(operate) => {
                self.line(&format!("<p class=\"cb-check-intro\">{}</p>", self.words.checks));
                let says: Vec<Text> = operate.checks.iter().map(|check| check.says.clone()).collect();
                self.list("cb-checks", &says);
            }
        }
        if !task.hints.is_empty() {
            self.line(&format!("<details class=\"cb-hints\">\n<summary>{}</summary>", self.words.hints));
            self.list("cb-hint-list", &task.hints);
            self.line("</details>");
        }
        self.line("</li>");
    }

    fn solution(&mut self, card: &Card, variables: &Variables) {
        self.line(&format!("<details class=\"cb-solution\">\n<summary>{}</summary>", self.words.solution));
        let explanation = self.block(&card.solution.explanation);
        self.line(&explanation);
        for (name, text) in &card.solution.files {
            self.file(name, &variables.fill(text));
        }
        let commands = escape(variables.fill(&card.solution.commands).trim_end());
        let heading = self.words.commands;
        self.line(&format!("<p>{heading}</p>\n<pre><code class=\"language-console\">{commands}\n</code></pre>\n</details>"));
    }

    fn sources(&mut self, card: &Card) {
        self.open("sources", self.words.sources);
        let links = card.sources.iter().map(|source| format!("<a href=\"{}\">{}</a>", escape(&source.url), escape(&source.title)));
        let links = list_of("ul", &links.collect::<Vec<_>>());
        self.line(&format!("{links}\n</section>"));
    }
}

fn list_of(tag: &str, items: &[String]) -> String {
    let items: String = items.iter().map(|item| format!("<li>{item}</li>\n")).collect();
    format!("<{tag}>\n{items}</{tag}>")
}

#[cfg(test)]
mod tests;
