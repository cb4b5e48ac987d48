//! Flat rows of many inputs, made by processes that may be stopped.
//!
//! ```text
//! inputs   paths, folders, --files-from: one after the other, never all at once
//! pool     a thread for each worker; what takes too long or dies costs one row
//! worker   this program once more, told by the environment: requests on standard input, rows on standard output
//! sink     CSV, NDJSON, parts of Arrow or Parquet; where an earlier run ended
//! ```
//! A thread cannot be stopped and memory of a thread cannot be bounded, so whoever inspects is a process.

mod inputs;
#[cfg(feature = "rows")]
mod parts;
mod pool;
mod sink;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use memgrove_open::Limits;

use crate::exit::{Exit, UserError};
use crate::output::Output;
pub(crate) use sink::RowFormat;
pub(crate) use worker::work;

/// Options of rows.
#[derive(Clone, Debug, Args)]
pub(crate) struct RowArgs {
    /// Write rows to OUT: a file for csv and rows, a folder of parts for arrow and parquet
    #[arg(short, long, value_name = "OUT", help_heading = "Rows")]
    pub(crate) output: Option<PathBuf>,

    /// Also inspect what FILE lists; `-` is standard input
    ///
    /// A line is a path, or an object of JSON: {"path": "…"}, or {"name": "…", "bytes": "…"} with the file's bytes as base64.
    #[arg(long, value_name = "FILE", help_heading = "Rows")]
    pub(crate) files_from: Option<PathBuf>,

    /// Go on where an earlier run into OUT ended: inputs that are in it are skipped
    #[arg(long, requires = "output", help_heading = "Rows")]
    pub(crate) resume: bool,

    /// Stop opening or inspecting one module after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Rows")]
    pub(crate) max_time: u32,

    /// Memory that a worker process may take (address space, on Unix)
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = memgrove_api::size, help_heading = "Rows")]
    pub(crate) max_memory: u64,

    /// Archives that may lie in each other
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_archives, help_heading = "Rows")]
    pub(crate) max_nesting: usize,

    /// Bytes that may come out of each byte of a compressed file, beyond its first MiB
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_ratio, help_heading = "Rows")]
    pub(crate) max_ratio: u64,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct RowRun<'a> {
    pub(crate) args: &'a RowArgs,
    pub(crate) format: RowFormat,
    pub(crate) paths: &'a [PathBuf],
    pub(crate) hosts: &'a [PathBuf],
    pub(crate) jobs: Option<usize>,
    pub(crate) max_size: u64,
}

impl RowArgs {
    /// Refuses options that only rows have, where other output is asked for.
    pub(crate) fn refuse_without_rows(&self) -> Result<()> {
        let given = [
            (self.output.is_some(), "--output"),
            (self.files_from.is_some(), "--files-from"),
            (self.resume, "--resume"),
        ];
        if let Some((_, name)) = given.iter().find(|(is_given, _)| *is_given) {
            return Err(UserError::usage(format!("{name} is for rows"))
                .hint("add --format csv, rows, arrow or parquet")
                .into());
        }
        Ok(())
    }
}

impl RowRun<'_> {
    fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.max_size,
            max_ratio: self.args.max_ratio,
            max_archives: self.args.max_nesting.max(1),
        }
    }

    fn max_time(&self) -> Duration {
        Duration::from_secs(u64::from(self.args.max_time))
    }
}

/// Makes the rows.
pub(crate) fn run(
    run: &RowRun<'_>,
    knowledge: &memgrove_inspect::Knowledge,
    out: &mut Output,
) -> Result<Exit> {
    let (sink, done) = sink::Sink::open(run)?;
    let inputs = inputs::Inputs::new(run, done)?;
    let counts = pool::run(run, knowledge, inputs, sink)?;
    let mut parts = vec![memgrove_view::count(counts.rows, "row")];
    if counts.not_ok > 0 {
        parts.push(format!("{} not ok", counts.not_ok));
    }
    if counts.known > 0 {
        parts.push(format!("{} of bytes seen before", counts.known));
    }
    if counts.skipped > 0 {
        parts.push(format!(
            "{} skipped: in the output already",
            memgrove_view::count(counts.skipped, "input")
        ));
    }
    if counts.without > 0 {
        parts.push(format!(
            "{} without WebAssembly in folders skipped",
            memgrove_view::count(counts.without, "file")
        ));
    }
    out.note(parts.join(", "));
    Ok(Exit::Done)
}

/// What is set in the environment of a worker. An option would show up in completions.
const WORKER: &str = "MEMGROVE_ROW_WORKER";

/// Whether this process is a worker.
pub(crate) fn is_worker() -> bool {
    std::env::var_os(WORKER).is_some()
}

/// The tool, as a row names it.
const TOOL: &str = concat!("memgrove ", env!("CARGO_PKG_VERSION"));
