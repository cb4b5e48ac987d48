//! `memgrove inspect`
use crate::exit::Exit;
use crate::output::Output;
use anyhow::Result;
use std::path::PathBuf;

/// Say what a module's memory is
#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    paths: Vec<PathBuf>,
}

pub(crate) fn run(args: &InspectArgs, out: &mut Output) -> Result<Exit> {
    for s in crate::input::walk(&args.paths).sources {
        for b in crate::input::unwrap(s.read(1 << 30)?, &s.name(), 1 << 30)? {
            out.print(format_args!("{:?} {}\n", b.wrapped_in, b.bytes.len()))?;
        }
    }
    Ok(Exit::Done)
}
