//! The subcommands: one file each, with its options and the steps from input to output.
//!
//! A new one is a file with its options and `run`, declared here, and a line of the table. One that cannot do without
//! engines needs the feature of that name; without it, `disabled` has a twin that says so.

#[cfg(feature = "engines")]
mod advise;
#[cfg(feature = "engines")]
mod bench;
mod check;
mod completions;
#[cfg(not(feature = "engines"))]
mod disabled;
mod fix;
mod inspect;
mod man;
#[cfg(feature = "engines")]
mod survey;
mod swap;
mod trace;
mod trace_map;
mod trace_read;
mod trace_run;

use anyhow::Result;
use clap::Subcommand;
#[cfg(not(feature = "engines"))]
use disabled::{advise, bench, survey};

use crate::exit::Exit;
use crate::output::Output;

/// Registers the subcommands.
macro_rules! commands {
    ($($variant:ident($module:ident::$args:ident),)*) => {
        /// What to do.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $($variant(Box<$module::$args>),)*
        }

        /// Does it.
        pub(crate) fn run(command: Command, out: &mut Output) -> Result<Exit> {
            match command {
                $(Command::$variant(args) => $module::run(&args, out),)*
            }
        }
    };
}

// In the order of the help.
commands! {
    Inspect(inspect::InspectArgs),
    Survey(survey::SurveyArgs),
    Bench(bench::BenchArgs),
    Fix(fix::FixArgs),
    Swap(swap::SwapArgs),
    Trace(trace::TraceArgs),
    Advise(advise::AdviseArgs),
    Check(check::CheckArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}
