//! The `memgrove` command.
//!
//! ```text
//! main: command line -> commands::run -> exit status
//! commands/  one file a subcommand: its options, and the steps from input to output
//! input/     files, folders and standard input -> the bytes of modules
//! select     which of many modules are shown, and in which order
//! rows/      flat rows of many inputs, made by processes that may be stopped
//! writer     puts the files in the format that was asked for, one after the other
//! output     the only place that prints: escaped text for people, JSON for programs
//! output_file  the only place that writes files: whole or not at all
//! interrupt  what a signal finds unfinished is removed
//! exit       the only place where errors become exit statuses
//! ```
#![forbid(unsafe_code)]

mod args;
mod commands;
mod exit;
mod input;
mod interrupt;
mod ordered;
mod output;
mod output_file;
mod rows;
mod select;
mod writer;

use std::process::ExitCode;

use crate::args::Cli;
use crate::output::Output;

fn main() -> ExitCode {
    let Cli { global, command } = Cli::from_arguments();
    let mut out = Output::new(global.color(), global.chatter());
    output::escape_panics();
    interrupt::watch();
    let result = commands::run(command, &mut out).and_then(|exit| Ok(out.flush().map(|()| exit)?));
    let exit = result.unwrap_or_else(|error| {
        out.error(None, &error);
        exit::status_of(&error)
    });
    exit.into()
}
