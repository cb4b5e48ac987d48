//! Writes what was inspected, one file after the other, in the format that was asked for.

use anyhow::Result;
use clap::ValueEnum;
use memgrove_api::{Document, Piece};
use memgrove_view::report::Inspected;

use crate::output::Output;
use crate::rows::RowFormat;
use crate::select::SortKey;

/// How results are written to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// `text` for one file, `table` for several
    Auto,
    /// Everything about each module, for reading
    Text,
    /// One line for each module
    Table,
    /// One JSON document for all files
    Json,
    /// One line of JSON for each file, as soon as it is inspected
    Ndjson,
    /// Flat rows as CSV, one for each module or failure (see docs/rows.md)
    Csv,
    /// The same rows as JSON, one a line
    Rows,
    /// The same rows as an Arrow stream, or parts of one in a folder
    Arrow,
    /// The same rows as parts of Parquet in a folder
    Parquet,
}

impl Format {
    /// Of rows, which are written by themselves.
    pub(crate) const fn rows(self) -> Option<RowFormat> {
        match self {
            Self::Csv => Some(RowFormat::Csv),
            Self::Rows => Some(RowFormat::Ndjson),
            Self::Arrow => Some(RowFormat::Arrow),
            Self::Parquet => Some(RowFormat::Parquet),
            _ => None,
        }
    }

    /// What it is for one file, or for many.
    pub(crate) fn resolve(self, many: bool) -> memgrove_api::Format {
        match self {
            Self::Auto if many => memgrove_api::Format::Table,
            Self::Auto | Self::Text => memgrove_api::Format::Text,
            Self::Table => memgrove_api::Format::Table,
            Self::Json => memgrove_api::Format::Json,
            Self::Ndjson | Self::Csv | Self::Rows | Self::Arrow | Self::Parquet => {
                memgrove_api::Format::Ndjson
            }
        }
    }
}

/// The state between two files.
pub(crate) struct Writer {
    document: Document,
    sort: Option<SortKey>,
    /// What waits for its turn, if it has to be sorted.
    waiting: Vec<(Option<std::cmp::Reverse<u64>>, Piece)>,
}

impl Writer {
    /// A writer of a document, its files sorted if they are to be.
    pub(crate) fn new(document: Document, sort: Option<SortKey>) -> Self {
        Self { document, sort, waiting: Vec::new() }
    }

    /// What comes before the first file.
    pub(crate) fn begin(&self, out: &mut Output) -> Result<()> {
        write(self.document.begin()?, out)
    }

    /// One file. Failures are for JSON only: for people they go to standard error.
    pub(crate) fn file(&mut self, file: &Inspected, out: &mut Output) -> Result<()> {
        let Some(piece) = self.document.file(file)? else { return Ok(()) };
        let Some(sort) = self.sort else { return self.next(piece, out) };
        // Failures have no key and come first.
        self.waiting.push((file.result.as_ref().ok().map(|report| sort.key(report)), piece));
        Ok(())
    }

    /// What comes after the last file.
    pub(crate) fn end(mut self, out: &mut Output) -> Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|(key, _)| *key);
        for (_, piece) in waiting {
            self.next(piece, out)?;
        }
        write(self.document.end(), out)
    }

    fn next(&mut self, piece: Piece, out: &mut Output) -> Result<()> {
        write(self.document.before_next(), out)?;
        write(Some(piece), out)
    }
}

fn write(piece: Option<Piece>, out: &mut Output) -> Result<()> {
    match piece {
        Some(Piece::Text(text)) => out.print(text)?,
        Some(Piece::Json(json)) => out.json(&json)?,
        None => {}
    }
    Ok(())
}
