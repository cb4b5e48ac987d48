//! Writes what was inspected, one file after the other, in the format that was asked for.

use anyhow::Result;
use clap::ValueEnum;
use memgrove_inspect::Report;
use memgrove_text::Text;
use memgrove_view::Json;
use memgrove_view::report::{self, Columns, Inspected};

use crate::output::Output;
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
}

/// What is printed for one file.
enum Piece {
    Text(Text),
    Json(Json),
}

/// The state between two files.
pub(crate) struct Writer {
    format: Format,
    verbose: bool,
    columns: Columns,
    sort: Option<SortKey>,
    /// What waits for its turn, if it has to be sorted.
    waiting: Vec<(Option<std::cmp::Reverse<u64>>, Piece)>,
    written: usize,
}

impl Writer {
    /// A writer; `required` are the hosts that the table's first column is about.
    pub(crate) fn new(format: Format, verbose: bool, required: &[String], sort: Option<SortKey>) -> Self {
        Self { format, verbose, columns: Columns::new(required), sort, waiting: Vec::new(), written: 0 }
    }

    /// What comes before the first file.
    pub(crate) fn begin(&self, out: &mut Output) -> Result<()> {
        match self.format {
            Format::Json => out.json(&report::json_head()?)?,
            Format::Auto | Format::Text | Format::Table | Format::Ndjson => {}
        }
        Ok(())
    }

    /// One file. Failures are for JSON only: for people they go to standard error.
    pub(crate) fn file(&mut self, file: &Inspected, out: &mut Output) -> Result<()> {
        let Some(piece) = self.piece(file)? else { return Ok(()) };
        let Some(sort) = self.sort else { return self.write(piece, out) };
        // Failures have no key and come first.
        self.waiting.push((file.result.as_ref().ok().map(|report| sort.key(report)), piece));
        Ok(())
    }

    /// What comes after the last file.
    pub(crate) fn end(mut self, out: &mut Output) -> Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|(key, _)| *key);
        for (_, piece) in waiting {
            self.write(piece, out)?;
        }
        if self.format == Format::Json {
            out.json(&report::json_foot())?;
        }
        Ok(())
    }

    fn write(&mut self, piece: Piece, out: &mut Output) -> Result<()> {
        match self.format {
            Format::Table if self.written == 0 => out.print(self.columns.head())?,
            Format::Auto | Format::Text if self.written > 0 => {
                let mut gap = Text::new();
                gap.gap();
                gap.gap();
                out.print(gap)?;
            }
            Format::Json if self.written > 0 => out.json(&Json::frame(","))?,
            _ => {}
        }
        self.written += 1;
        match piece {
            Piece::Text(text) => out.print(text)?,
            Piece::Json(json) => out.json(&json)?,
        }
        Ok(())
    }

    fn piece(&self, file: &Inspected) -> Result<Option<Piece>> {
        Ok(match (self.format, &file.result) {
            (Format::Json, _) => Some(Piece::Json(report::json(file)?)),
            (Format::Ndjson, _) => Some(Piece::Json(report::ndjson(file)?)),
            (_, Err(_)) => None,
            (Format::Table, Ok(report)) => Some(Piece::Text(self.rows(&file.name, report))),
            (Format::Auto | Format::Text, Ok(report)) => {
                Some(Piece::Text(report::text(file, report, self.verbose)))
            }
        })
    }

    fn rows(&self, name: &str, report: &Report) -> Text {
        let mut rows = Text::from(report::table_row(&self.columns, name, report));
        let inside = report.component.iter().flat_map(|component| &component.modules);
        for (index, module) in inside.enumerate() {
            let name = format!("{name}: core module {index}");
            rows.line(report::table_row(&self.columns, &name, &module.report));
        }
        rows
    }
}
