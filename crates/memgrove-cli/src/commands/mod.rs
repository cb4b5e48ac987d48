//! The subcommands: one file each, with its options and the steps from input to output.
//!
//! A new one is a module here, a variant of [`Command`] and a line of [`run`]. One that runs modules needs
//! the feature `engines`; without it, `disabled` answers in its place.

#[cfg(feature = "engines")]
mod bench;
mod completions;
#[cfg(not(feature = "engines"))]
mod disabled;
#[cfg(feature = "engines")]
mod fix;
#[cfg(feature = "engines")]
mod fix_host;
mod inspect;
mod man;
#[cfg(feature = "engines")]
mod survey;

use anyhow::Result;
use clap::Subcommand;

use crate::exit::Exit;
use crate::output::Output;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Inspect(Box<inspect::InspectArgs>),
    #[cfg(feature = "engines")]
    Survey(survey::SurveyArgs),
    #[cfg(not(feature = "engines"))]
    Survey(disabled::DisabledArgs),
    #[cfg(feature = "engines")]
    Bench(bench::BenchArgs),
    #[cfg(not(feature = "engines"))]
    Bench(disabled::DisabledArgs),
    #[cfg(feature = "engines")]
    Fix(fix::FixArgs),
    #[cfg(not(feature = "engines"))]
    Fix(disabled::DisabledArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Does it.
pub(crate) fn run(command: Command, out: &mut Output) -> Result<Exit> {
    match command {
        Command::Inspect(args) => inspect::run(&args, out),
        #[cfg(feature = "engines")]
        Command::Survey(args) => with_run_folder(|| survey::run(&args, out)),
        #[cfg(not(feature = "engines"))]
        Command::Survey(_) => disabled::run("survey"),
        #[cfg(feature = "engines")]
        Command::Bench(args) => with_run_folder(|| bench::run(&args, out)),
        #[cfg(not(feature = "engines"))]
        Command::Bench(_) => disabled::run("bench"),
        #[cfg(feature = "engines")]
        Command::Fix(args) => with_run_folder(|| fix::run(&args, out)),
        #[cfg(not(feature = "engines"))]
        Command::Fix(_) => disabled::run("fix"),
        Command::Completions(args) => completions::run(&args, out),
        Command::Man(args) => man::run(&args, out),
    }
}

/// Runs a command that starts engines and toolchains: what they leave in the folder for temporary files goes
/// with it.
#[cfg(feature = "engines")]
fn with_run_folder(command: impl FnOnce() -> Result<Exit>) -> Result<Exit> {
    let _folder = crate::interrupt::RunFolder::new();
    command()
}
