//! Stands in for commands that run modules, where memgrove was built without engines.

use anyhow::Result;
use clap::Args;

use crate::exit::{Exit, UserError};

/// (not in this build: it was built without engines)
#[derive(Debug, Args)]
pub(crate) struct DisabledArgs {
    /// Whatever the command would take
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _rest: Vec<String>,
}

/// Says why there is no such command, and how to get it.
pub(crate) fn run(command: &str) -> Result<Exit> {
    let error = UserError::usage(format!(
        "`memgrove {command}` is not in this build: it runs modules, and no engine is inside"
    ));
    Err(error.hint("build it with the feature `engines`, which is on by default").into())
}
