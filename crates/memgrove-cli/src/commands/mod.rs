//! The subcommands: one file each, with its options and the steps from input to output.
//!
//! A new one is a module here, a variant of [`Command`] and a line of [`run`].

mod completions;
mod inspect;
mod man;

use anyhow::Result;
use clap::Subcommand;

use crate::exit::Exit;
use crate::output::Output;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Inspect(inspect::InspectArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Does it.
pub(crate) fn run(command: Command, out: &mut Output) -> Result<Exit> {
    match command {
        Command::Inspect(args) => inspect::run(&args, out),
        Command::Completions(args) => completions::run(&args, out),
        Command::Man(args) => man::run(&args, out),
    }
}
