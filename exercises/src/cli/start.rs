//! `clusterbook start` and `clusterbook reset`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::PROGRAM;
use super::desk::{Desk, Language};
use super::screen::{CODE, FAINT, STRONG, paint, print};
use crate::workspace::{Laid, README, short};

/// Arguments of `start`.
#[derive(Debug, Args)]
pub(super) struct Start {
    /// The card whose lab to lay
    card: String,
    /// The seed that deals the lab's numbers [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    language: Language,
}

/// Arguments of `reset`.
#[derive(Debug, Args)]
pub(super) struct Reset {
    /// The card whose lab to lay anew
    card: String,
    /// Deal the lab's numbers from this seed [default: the same numbers as before]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Deal other numbers
    #[arg(long, conflicts_with = "seed")]
    new_numbers: bool,
    #[command(flatten)]
    language: Language,
}

impl Start {
    pub(super) fn run(self) -> Result<ExitCode> {
        let desk = Desk::open(&self.language)?;
        let (card, lang) = (desk.card(&self.card)?, desk.lang);
        let known = desk.workspace.seed(&card.id);
        let seed = self.seed.unwrap_or(known);
        if seed != known && desk.workspace.is_started(&card.id) {
            bail!(
                "the lab of `{}` is laid with the numbers of seed {known} already\nhelp: `{PROGRAM} reset {} --seed {seed}` deals others",
                card.id,
                card.id
            );
        }
        let folder = desk.workspace.folder(&card.id);
        let laid = desk.workspace.start(card, seed, lang)?;
        let mut text = format!("{}\n\n", paint(STRONG, short(&folder)));
        let width = laid.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, laid) in &laid {
            let note = match laid {
                Laid::Written => lang.pick("written", "已写入"),
                Laid::Same => lang.pick("there already", "已存在"),
                Laid::Kept => lang.pick("kept: you changed it", "保留：你修改过它"),
            };
            let _ = writeln!(text, "  {}  {}", paint(CODE, format!("{name:width$}")), paint(FAINT, note));
        }
        if laid.iter().any(|(_, laid)| *laid == Laid::Kept) {
            let how = format!("{PROGRAM} reset {}", card.id);
            let note = lang.pick(
                format!("\n`{how}` puts the originals back and keeps a copy of yours.\n"),
                format!("\n`{how}` 会恢复原始文件，并把你的文件另存一份。\n"),
            );
            text.push_str(&note);
        }
        let (read, check, watch) =
            (short(&folder.join(README)).to_string(), format!("{PROGRAM} check {}", card.id), format!("{PROGRAM} watch {}", card.id));
        text.push_str(&lang.pick(
            format!("\nRead {}, edit the files, then:\n\n  {check}\n  {watch}\n", paint(CODE, &read)),
            format!("\n先读 {}，编辑文件，然后运行：\n\n  {check}\n  {watch}\n", paint(CODE, &read)),
        ));
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Reset {
    pub(super) fn run(self) -> Result<ExitCode> {
        let desk = Desk::open(&self.language)?;
        let (card, lang) = (desk.card(&self.card)?, desk.lang);
        let known = desk.workspace.seed(&card.id);
        let seed = match (self.seed, self.new_numbers) {
            (Some(seed), _) => seed,
            (None, true) => known.wrapping_add(1),
            (None, false) => known,
        };
        let reset = desk.workspace.reset(card, seed, lang)?;
        let folder = short(&desk.workspace.folder(&card.id)).to_string();
        let mut text = lang.pick(format!("{folder} is as it was at the start.\n"), format!("{folder} 已恢复到最初的样子。\n"));
        if seed != known {
            text.push_str(
                &lang.pick(format!("Its numbers were dealt anew, from seed {seed}.\n"), format!("其中的数字已用种子 {seed} 重新生成。\n")),
            );
        }
        if let Some(backup) = &reset.backup {
            let (files, backup) = (reset.replaced.join(", "), short(backup).to_string());
            text.push_str(
                &lang.pick(format!("Your files ({files}) are kept in {backup}.\n"), format!("你的文件（{files}）保存在 {backup}。\n")),
            );
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
