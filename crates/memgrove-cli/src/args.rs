//! The command line: what every subcommand understands.

use std::ffi::OsString;

use anstream::ColorChoice;
use clap::{Args, Parser, ValueEnum};
use memgrove_text::{escape_file_name, escape_name};

use crate::commands::Command;
use crate::exit;
use crate::output::Chatter;

const ABOUT: &str = "Dynamic memory for WebAssembly: what a module needs, where it runs, how to make it run";

const LONG_ABOUT: &str = "\
Dynamic memory for WebAssembly.

memgrove tells where a WebAssembly module runs and why not elsewhere, how it uses memory, and which toolchain \
and allocator made it. It can make a module portable, replace its allocator, profile its heap and check it for misuse.";

const EXAMPLES: &str = "\
Examples:
  memgrove inspect app.wasm            where does it run, and what does its memory do?
  memgrove inspect dist/               one line for each module in a folder
  memgrove inspect --require bare *.wasm && deploy";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "memgrove",
    bin_name = "memgrove",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = "Use `memgrove COMMAND --help` for all of a command's options and examples.",
    after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP),
    max_term_width = 100,
    propagate_version = true,
    disable_help_subcommand = true,
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The arguments of this process. Ends it where they make no sense, and for help.
    ///
    /// The message repeats arguments, and one of them may be the name of a file that somebody else chose (`memgrove
    /// inspect *`). So where one could disguise itself, the message is made from escaped ones.
    pub(crate) fn from_arguments() -> Self {
        let error = match Self::try_parse() {
            Ok(cli) => return cli,
            Err(error) => error,
        };
        let escaped = |argument: OsString| escape_name(&escape_file_name(&argument)).into_owned();
        match Self::try_parse_from(std::env::args_os().map(escaped)) {
            Err(error) => error.exit(),
            // An escaped argument is understood where the real one was not: its message cannot be shown.
            Ok(_) => clap::Error::new(error.kind()).exit(),
        }
    }
}

/// Options that mean the same everywhere.
#[derive(Clone, Debug, Args)]
pub(crate) struct GlobalArgs {
    /// Colour the output
    ///
    /// `auto` colours a terminal, unless NO_COLOR is set or TERM is `dumb`.
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto, help_heading = "Global options")]
    color: Color,

    /// Print results and errors only: no notes, no progress bar
    #[arg(short, long, global = true, help_heading = "Global options")]
    quiet: bool,
}

impl GlobalArgs {
    /// How to colour.
    pub(crate) const fn color(&self) -> ColorChoice {
        match self.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
    }

    /// How much to say.
    pub(crate) const fn chatter(&self) -> Chatter {
        if self.quiet { Chatter::Quiet } else { Chatter::Normal }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}
