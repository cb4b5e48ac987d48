//! `memgrove completions`: the shell completes commands and options.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::Exit;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  memgrove completions bash > ~/.local/share/bash-completion/completions/memgrove
  memgrove completions zsh > ~/.zfunc/_memgrove
  memgrove completions fish > ~/.config/fish/completions/memgrove.fish";

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, out: &mut Output) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "memgrove", &mut script);
    out.generated(&script)?;
    Ok(Exit::Done)
}
