//! The command line of `clusterbook`. Each command has a module; this one has the list of them.

mod check;
mod conform;
mod corpus;
mod desk;
mod grading;
mod hint;
mod input;
mod kubectl;
mod list;
mod quiz;
mod screen;
mod site;
mod start;
mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A Kubernetes workbook whose cards have graded labs.
#[derive(Debug, Parser)]
#[command(name = "clusterbook", version, about, long_about = None, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: site::Serve,
}

/// What can be done; without a command, the workbook is served.
#[derive(Debug, Subcommand)]
enum Command {
    /// Build the workbook and serve it on 127.0.0.1 (this happens without a command, too)
    Serve(site::Serve),
    /// Build the workbook as a static site for any web server and base path
    Build(site::Build),
    /// List the cards
    List(list::List),
    /// Lay the files of a card's lab in a folder below labs/, to be edited
    Start(start::Start),
    /// Grade the labs you work on, or with --solutions the cards themselves
    Check(check::Check),
    /// Grade a lab whenever you save one of its files
    Watch(watch::Watch),
    /// Give the next hint for a task
    Hint(hint::Hint),
    /// Show the solution of a card's lab
    Solution(hint::Solution),
    /// Lay a card's lab anew; a copy of your files is kept
    Reset(start::Reset),
    /// Show what you have done
    Progress(list::Progress),
    /// Ask questions and judge the answers
    Quiz(quiz::Quiz),
    /// Run kubectl against a fresh cluster: one command, a script, or line by line
    Kubectl(kubectl::Kubectl),
    /// Hold the engine to facts about Kubernetes, etcd and Raft: files or folders of vectors
    Conform(conform::Conform),
    /// Apply manifests, each to a fresh cluster, and say whether they reach the state their authors describe
    Corpus(corpus::Corpus),
}

/// How the program is called in the texts it prints.
const PROGRAM: &str = "cargo run --";

/// Runs the command line of this process to its exit status: 0 when it did what was asked, 1 when not, 2 for a wrong command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => args.run().map(|()| ExitCode::SUCCESS),
        Command::Build(args) => args.run().map(|()| ExitCode::SUCCESS),
        Command::List(args) => args.run(),
        Command::Start(args) => args.run(),
        Command::Check(args) => args.run(),
        Command::Watch(args) => args.run(),
        Command::Hint(args) => args.run(),
        Command::Solution(args) => args.run(),
        Command::Reset(args) => args.run(),
        Command::Progress(args) => args.run(),
        Command::Quiz(args) => args.run(),
        Command::Kubectl(args) => args.run(),
        Command::Conform(args) => args.run(),
        Command::Corpus(args) => args.run(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A line on stderr; a closed stderr is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default_and_takes_its_options_directly() {
        let cli = Cli::parse_from(["clusterbook", "--port", "4000", "--dev"]);
        assert!(cli.command.is_none());
        assert_eq!(format!("{:?}", cli.serve), "Serve { port: Some(4000), open: false, dev: true }");
    }

    #[test]
    fn options_of_serving_are_not_swallowed_before_another_command() {
        assert!(Cli::try_parse_from(["clusterbook", "--dev", "build"]).is_err());
    }
}
