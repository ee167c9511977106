//! The texts that are laid beside a lab's files: the tasks, and the empty file for commands.

use super::{COMMANDS, PREDICTIONS};
use crate::card::{Card, in_lang};
use crate::lang::Lang;
use lab::{Lab, TaskKind};
use std::fmt::Write as _;

/// `README.md`: what is asked, and what is looked at. `lab` has its numbers filled in.
pub(super) fn readme(card: &Card, lab: &Lab, lang: Lang) -> String {
    let id = &card.id;
    let mut text = format!("# {}\n\n", in_lang(&card.question, lang));
    text.push_str(&lang.pick(
        format!(
            "Edit the files of this folder, write what you would type into `{COMMANDS}` and what you expect into `{PREDICTIONS}`, then run\n\n\
             ```sh\ncargo run -- check {id}\n```\n\n\
             It boots a fresh cluster each time, does what your files say, and tells for every check why it fails.\n\
             `cargo run -- watch {id}` does so whenever you save; `hint {id}`, `solution {id}` and `reset {id}` do what they say.\n"
        ),
        format!(
            "编辑本目录里的文件，把要输入的命令写进 `{COMMANDS}`，把预测写进 `{PREDICTIONS}`，然后运行\n\n\
             ```sh\ncargo run -- check {id}\n```\n\n\
             每次都会启动一个全新的集群，照你的文件执行，并逐条说明检查为什么没有通过。\n\
             `cargo run -- watch {id}` 会在保存时自动检查；另有 `hint {id}`（提示）、`solution {id}`（答案）和 `reset {id}`（重来）。\n"
        ),
    ));
    for (number, task) in (1..).zip(&lab.tasks) {
        let _ =
            write!(text, "\n## {number}. {} (`{}`)\n\n{}\n", in_lang(&task.title, lang), task.id, in_lang(&task.prompt, lang).trim_end());
        match &task.kind {
            TaskKind::Predict(_) => {
                let _ = writeln!(
                    text,
                    "\n{}",
                    lang.pick(
                        format!("Write your prediction into `{PREDICTIONS}`, under `{}`.", task.id),
                        format!("把预测写进 `{PREDICTIONS}` 的 `{}` 一项。", task.id)
                    )
                );
            }
            TaskKind::Operate(operate) => {
                text.push('\n');
                for check in &operate.checks {
                    let _ = writeln!(text, "- [ ] {} (`{}`)", in_lang(&check.says, lang), check.id);
                }
            }
        }
    }
    text
}

/// `commands.txt` before anything is typed.
pub(super) fn commands(card: &Card, lang: Lang) -> String {
    let example = card.lab.files.keys().next().map_or("kubectl get pods".to_owned(), |file| format!("kubectl apply -f {file}"));
    lang.pick(
        format!(
            "# What you would type, a command a line, for example:\n#   {example}\n\
             # `wait 30s` lets time pass; `fault crash etcd-2` puts a fault on the cluster, `heal crash etcd-2` takes it away.\n\
             # The lab has the files of this folder. Lines with # are not run.\n"
        ),
        format!(
            "# 在这里写要输入的命令，每行一条，例如：\n#   {example}\n\
             # `wait 30s` 让时间前进 30 秒；`fault crash etcd-2` 制造故障，`heal crash etcd-2` 解除故障。\n\
             # 命令可以使用本目录里的文件。以 # 开头的行不会执行。\n"
        ),
    )
}
