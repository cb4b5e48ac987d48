//! `memgrove man`: the manual pages.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_mangen::Man;
use memgrove_text::escape_file_name;

use crate::args::Cli;
use crate::exit::{Exit, UserError};
use crate::output::Output;
use crate::output_file;

const EXAMPLES: &str = "\
Examples:
  memgrove man | man -l -              read the main page
  memgrove man inspect | man -l -      read a command's page
  memgrove man --dir /usr/local/share/man/man1";

/// Print a manual page, or write all of them
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ManArgs {
    /// The command whose page to print; without it, the main page
    command: Option<String>,

    /// Write every page into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs, out: &mut Output) -> Result<Exit> {
    let pages = pages()?;
    if let Some(dir) = &args.dir {
        return write_all(dir, &pages);
    }
    let name = args.command.as_ref().map_or("memgrove".to_owned(), |command| format!("memgrove-{command}"));
    let (_, page) = pages.iter().find(|(page, _)| *page == name).ok_or_else(|| {
        UserError::usage(format!("there is no page {name}")).hint("`memgrove --help` names the commands")
    })?;
    out.generated(page)?;
    Ok(Exit::Done)
}

/// Every page with its name, without the section.
fn pages() -> Result<Vec<(String, Vec<u8>)>> {
    let mut command = Cli::command();
    command.build();
    let commands = std::iter::once(command.clone()).chain(command.get_subcommands().cloned());
    commands
        .map(|command| {
            // `memgrove-inspect`, where `build` has put it.
            let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
            let mut page = Vec::new();
            // A page without a date, so that it only changes with the command.
            Man::new(command).title(name.to_uppercase()).date("").manual("memgrove").render(&mut page)?;
            Ok((name, page))
        })
        .collect()
}

fn write_all(dir: &Path, pages: &[(String, Vec<u8>)]) -> Result<Exit> {
    let context = || format!("writing manual pages to {}", escape_file_name(dir.as_os_str()));
    std::fs::create_dir_all(dir).with_context(context)?;
    for (name, page) in pages {
        output_file::write_file(&dir.join(format!("{name}.1")), page)?;
    }
    Ok(Exit::Done)
}
