//! What every command about cards begins with: the cards, the labs' folders, the progress and the language.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use clap::Args;

use super::{PROGRAM, say};
use crate::card::{Card, Deck};
use crate::lang::Lang;
use crate::progress::{Loaded, Progress, Store};
use crate::site::Layout;
use crate::workspace::Workspace;

/// The language option that those commands share.
#[derive(Debug, Clone, Args)]
pub(super) struct Language {
    /// The language, `en` or `zh-CN`; remembered for the next time [default: the last one, or that of the system]
    #[arg(long, value_name = "LANG", value_parser = parse_lang)]
    lang: Option<Lang>,
}

fn parse_lang(text: &str) -> Result<Lang, String> {
    Lang::from_code(text).or_else(|| Lang::from_locale(text)).ok_or_else(|| {
        let codes = Lang::ALL.map(Lang::code).join(" and ");
        format!("the book is in {codes}")
    })
}

/// The cards and what the learner did with them.
pub(super) struct Desk {
    /// The cards.
    pub(super) deck: Deck,
    /// The labs.
    pub(super) workspace: Workspace,
    /// The progress as last read.
    pub(super) progress: Progress,
    /// The language.
    pub(super) lang: Lang,
    /// Where the progress is kept; `None` when that cannot be used, and the learner knows.
    store: Option<Store>,
}

impl Desk {
    /// Opens the workbook around the current folder. Progress that cannot be read is told and does not stop anyone.
    ///
    /// # Errors
    /// There is no workbook, or its cards are wrong.
    pub(super) fn open(language: &Language) -> Result<Self> {
        let layout = Layout::find()?;
        let deck = Deck::load(&layout.cards())?;
        let (loaded, store) = match Store::of_user().and_then(|store| Ok((store.load()?, store))) {
            Ok((loaded, store)) => (loaded, Some(store)),
            Err(error) => {
                say(&format!("warning: your progress is neither read nor saved: {error}"));
                (Loaded::default(), None)
            }
        };
        if let Some((aside, wrong)) = &loaded.damaged {
            let store = store.as_ref().map(|store| store.path().display().to_string()).unwrap_or_default();
            say(&format!(
                "warning: `{store}` is damaged ({wrong}), so your progress begins anew\nhelp: the damaged file is kept as `{}`",
                aside.display()
            ));
        }
        let lang = language.lang.or(loaded.progress.lang).unwrap_or_else(system_language);
        let workspace = Workspace::new(layout.root().join("labs"));
        let mut desk = Desk { deck, workspace, progress: loaded.progress, lang, store };
        if language.lang.is_some() && desk.progress.lang != language.lang {
            desk.save(|progress| progress.lang = Some(lang));
        }
        Ok(desk)
    }

    /// The card with this id.
    ///
    /// # Errors
    /// There is none; the message names the nearest.
    pub(super) fn card(&self, id: &str) -> Result<&Card> {
        self.deck.get(id).ok_or_else(|| {
            let nearest = nearest(id, self.deck.iter().map(|card| card.id.as_str()));
            let guess = nearest.map(|id| format!("did you mean `{id}`? ")).unwrap_or_default();
            let shown: String = id.chars().take(60).collect();
            anyhow!("there is no card `{}`\nhelp: {guess}`{PROGRAM} list` shows all cards", super::screen::visible(&shown))
        })
    }

    /// Changes the progress, and saves it. When it cannot be saved the learner is told, once.
    pub(super) fn save(&mut self, change: impl Fn(&mut Progress)) {
        change(&mut self.progress);
        let Some(store) = &self.store else { return };
        if let Err(error) = store.update(|progress| change(progress)) {
            say(&format!("warning: your progress was not saved: {error}"));
            self.store = None;
        }
    }

    /// Where the progress is kept.
    pub(super) fn kept_in(&self) -> Option<std::path::PathBuf> {
        self.store.as_ref().map(Store::path)
    }

    /// The card to go on with: the first whose lab was begun and not passed, else the first that was not passed.
    pub(super) fn next_card(&self) -> Option<&Card> {
        let open = || self.deck.iter().filter(|card| self.progress.passed_tasks(card) < card.lab.tasks.len());
        open().find(|card| self.workspace.is_started(&card.id)).or_else(|| open().min_by_key(|card| card.level))
    }

    /// The command to go on with; `None` when every lab is passed.
    pub(super) fn next_step(&self) -> Option<String> {
        let card = self.next_card()?;
        let verb = if self.workspace.is_started(&card.id) { "check" } else { "start" };
        Some(format!("{PROGRAM} {verb} {}", card.id))
    }
}

/// The present, in seconds since 1970 (UTC).
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The language of the system, as POSIX says it: the first of these that is set counts.
fn system_language() -> Lang {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(env::var_os).find(|value| !value.is_empty());
    set.and_then(|locale| Lang::from_locale(&locale.to_string_lossy())).unwrap_or(Lang::En)
}

/// The name that is most like `asked`, if any is.
fn nearest<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 100;
    const LIKE: f64 = 0.75;
    if asked.len() > LONGEST {
        return None;
    }
    let likeness = |name: &str| if name.contains(asked) && asked.len() > 2 { 1.0 } else { strsim::jaro_winkler(asked, name) };
    let best = names.map(|name| (likeness(name), name)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= LIKE).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_if_there_is_one() {
        let names = ["pod-creation", "restart-policy", "deployment-rollout"];
        for (asked, wanted) in [
            ("pod-creaton", Some("pod-creation")),
            ("rollout", Some("deployment-rollout")),
            ("restart", Some("restart-policy")),
            ("xyzzy", None),
        ] {
            assert_eq!(nearest(asked, names.into_iter()), wanted, "{asked}");
        }
        assert_eq!(nearest(&"p".repeat(1_000_000), names.into_iter()), None);
    }

    #[test]
    fn languages_are_given_as_tag_or_locale() {
        assert_eq!(parse_lang("zh-cn"), Ok(Lang::ZhCn));
        assert_eq!(parse_lang("zh"), Ok(Lang::ZhCn));
        assert_eq!(parse_lang("fr"), Err("the book is in en and zh-CN".to_owned()));
    }
}
