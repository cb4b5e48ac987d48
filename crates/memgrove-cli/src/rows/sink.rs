//! Where rows go, and what an earlier run left there.
//!
//! ```text
//! csv, rows       a file that grows, or standard output. A row that is there is whole once its line feed is
//! arrow, parquet  a folder of parts, each whole or not there; Arrow also to standard output
//! ```
//! Rows of one input stand in one piece, and the last of them says so. An input without its last row is done again.

#[cfg(feature = "rows")]
use std::fs;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result};
use memgrove_rows::{Row, csv, csv_head, csv_text, ndjson};
use memgrove_text::escape_file_name;
use serde::Deserialize;

use super::RowRun;
use super::inputs::Finished;
use crate::exit::UserError;
use crate::output_file::{Target, refuse_clashes};

#[cfg(feature = "rows")]
use super::parts::Parts;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowFormat {
    Csv,
    Ndjson,
    Arrow,
    Parquet,
}

/// Takes rows.
pub(super) struct Sink(Kind);

enum Kind {
    Lines {
        writer: BufWriter<Box<dyn Write + Send>>,
        format: RowFormat,
    },
    #[cfg(feature = "rows")]
    Stream(memgrove_rows::arrow::Stream<BufWriter<Box<dyn Write + Send>>>),
    #[cfg(feature = "rows")]
    Parts(Parts),
}

/// The sources that are finished, and how a source is written among them.
pub(super) type Earlier = (Finished, fn(&str) -> String);

impl Sink {
    pub(super) fn open(run: &RowRun<'_>) -> Result<(Self, Earlier)> {
        let none: Earlier = (Finished::default(), str::to_owned);
        match (run.format, &run.args.output) {
            (RowFormat::Csv | RowFormat::Ndjson, Some(path)) => lines_file(run, path),
            (RowFormat::Csv | RowFormat::Ndjson, None) => {
                let mut writer = BufWriter::new(Box::new(io::stdout()) as Box<dyn Write + Send>);
                if run.format == RowFormat::Csv {
                    writer.write_all(csv_head().as_bytes())?;
                }
                Ok((Self(Kind::Lines { writer, format: run.format }), none))
            }
            #[cfg(not(feature = "rows"))]
            (format, _) => {
                let name = if format == RowFormat::Arrow { "arrow" } else { "parquet" };
                Err(UserError::usage(format!("this build cannot write {name}"))
                    .hint("build it with the feature `rows`; csv and rows need none")
                    .into())
            }
            #[cfg(feature = "rows")]
            (RowFormat::Parquet, None) => Err(UserError::usage("--format parquet needs --output")
                .hint("name a folder, in which parts are written one after the other")
                .into()),
            #[cfg(feature = "rows")]
            (RowFormat::Arrow, None) => {
                let writer = BufWriter::new(Box::new(io::stdout()) as Box<dyn Write + Send>);
                Ok((Self(Kind::Stream(memgrove_rows::arrow::Stream::new(writer)?)), none))
            }
            #[cfg(feature = "rows")]
            (format, Some(folder)) => {
                let (parts, finished) = Parts::open(folder, format, run.args.resume)?;
                Ok((Self(Kind::Parts(parts)), (finished, str::to_owned)))
            }
        }
    }

    /// Takes rows of one input; with `is_end` they are its last.
    pub(super) fn write(&mut self, rows: Vec<Row>, is_end: bool) -> Result<()> {
        match &mut self.0 {
            Kind::Lines { writer, format } => {
                for row in &rows {
                    let line = if *format == RowFormat::Csv { csv(row) } else { ndjson(row)? };
                    writer.write_all(line.as_bytes())?;
                }
                let _ = is_end;
            }
            #[cfg(feature = "rows")]
            Kind::Stream(stream) => stream.write(&rows)?,
            #[cfg(feature = "rows")]
            Kind::Parts(parts) => parts.write(rows, is_end)?,
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<()> {
        match self.0 {
            Kind::Lines { mut writer, .. } => writer.flush()?,
            #[cfg(feature = "rows")]
            Kind::Stream(stream) => stream.finish()?.flush()?,
            #[cfg(feature = "rows")]
            Kind::Parts(parts) => parts.finish()?,
        }
        Ok(())
    }
}

/// A file of lines: a new one, or what an earlier run left of it.
fn lines_file(run: &RowRun<'_>, path: &Path) -> Result<(Sink, Earlier)> {
    let name = escape_file_name(path.as_os_str());
    let target = Target::new(path, "--output")?;
    let others = run.args.files_from.iter().chain(run.hosts);
    refuse_clashes(&[(&target, "--output")], run.paths.iter().chain(others).map(|path| path.as_path()))?;
    if path.exists() && !target.is_file() {
        return Err(UserError::usage(format!("--output: {name} is a device or a pipe"))
            .hint("leave --output away and write to standard output")
            .into());
    }
    if path.exists() && !run.args.resume {
        return Err(UserError::usage(format!("--output: {name} exists, and nothing is overwritten"))
            .hint("give a new name, or --resume to go on with it")
            .into());
    }
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .with_context(|| format!("opening {name}"))?;
    let (finished, end) =
        whole_lines(&file, run.format, &name).with_context(|| format!("going on with {name}"))?;
    file.set_len(end).with_context(|| format!("going on with {name}"))?;
    file.seek(SeekFrom::End(0))?;
    if run.format == RowFormat::Csv && end == 0 {
        file.write_all(csv_head().as_bytes())?;
    }
    let key: fn(&str) -> String = if run.format == RowFormat::Csv { csv_text } else { str::to_owned };
    let writer = BufWriter::new(Box::new(file) as Box<dyn Write + Send>);
    Ok((Sink(Kind::Lines { writer, format: run.format }), (finished, key)))
}

/// The part of a row that is looked at.
#[derive(Deserialize)]
struct Known {
    source: String,
    last: bool,
}

/// How a row begins as JSON.
const ROW_BEGIN: &str = "{\"row_version\":";

/// The finished sources in a file, and where the last of them ends.
fn whole_lines(file: &File, format: RowFormat, name: &str) -> Result<(Finished, u64)> {
    let other = |why: &str| {
        UserError::usage(format!("--output: {name} holds something else: {why}"))
            .hint("give a new name; --resume goes on with rows that this version wrote")
    };
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0))?;
    let (mut finished, mut at, mut end) = (Finished::default(), 0, 0);
    let (head, mut line) = (csv_head(), Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 || line.last() != Some(&b'\n') {
            // What is cut off is rows, and never a file that is none of ours.
            let begin = if format == RowFormat::Csv { head.as_str() } else { ROW_BEGIN };
            if at == 0 && !line.iter().zip(begin.as_bytes()).all(|(is, begin)| is == begin) {
                return Err(other("it does not begin like rows").into());
            }
            return Ok((finished, end));
        }
        let is_first = at == 0;
        at += read as u64;
        if format == RowFormat::Csv {
            if is_first {
                if line != head.as_bytes() {
                    return Err(other("its columns are not those of this version").into());
                }
                end = at;
                continue;
            }
            let line = std::str::from_utf8(&line).map_err(|_| other("it is not CSV"))?;
            let cells = memgrove_rows::csv_cells(line.trim_end_matches('\n'));
            let cell = |name| {
                let column = memgrove_rows::COLUMNS.iter().position(|column| column.name == name)?;
                cells.get(column).copied()
            };
            let (Some(source), Some(last)) = (cell("source"), cell("last")) else {
                return Err(other("it is not CSV of rows").into());
            };
            if last == "true" {
                finished.add(source);
                end = at;
            }
        } else {
            let known: Known =
                serde_json::from_slice(&line).map_err(|_| other("it has lines that are not rows"))?;
            if known.last {
                finished.add(&known.source);
                end = at;
            }
        }
    }
}

/// Whether a folder may be written to: it is new or empty, or is gone on with.
#[cfg(feature = "rows")]
pub(super) fn folder(path: &Path, resume: bool) -> Result<()> {
    let name = escape_file_name(path.as_os_str());
    fs::create_dir_all(path).with_context(|| format!("creating the folder {name}"))?;
    let is_empty = fs::read_dir(path).with_context(|| format!("reading the folder {name}"))?.next().is_none();
    if !is_empty && !resume {
        return Err(UserError::usage(format!("--output: {name} is not empty, and nothing is overwritten"))
            .hint("give a new folder, or --resume to go on with it")
            .into());
    }
    Ok(())
}
