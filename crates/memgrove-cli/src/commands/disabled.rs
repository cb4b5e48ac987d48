//! Stands in for commands that run modules, where memgrove was built without engines.

/// A module in place of a command's own, with the options and `run` that are expected of one.
macro_rules! disabled {
    ($module:ident, $args:ident) => {
        pub(super) mod $module {
            use anyhow::Result;
            use clap::Args;

            use crate::exit::{self, Exit};
            use crate::output::Output;

            /// (not in this build: it was built without engines)
            #[derive(Debug, Args)]
            pub(crate) struct $args {
                /// Whatever the command would take
                #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
                _rest: Vec<String>,
            }

            /// Says why there is no such command, and how to get it.
            pub(crate) fn run(_: &$args, _: &mut Output) -> Result<Exit> {
                Err(exit::no_engine(stringify!($module)).into())
            }
        }
    };
}

disabled!(advise, AdviseArgs);
disabled!(bench, BenchArgs);
disabled!(survey, SurveyArgs);
