//! What was inspected, written one file after the other.

use memgrove_inspect::Report;
use memgrove_text::Text;
use memgrove_view::Json;
use memgrove_view::report::{self, Columns, Inspected};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Everything about each module, for reading.
    Text,
    /// One line for each module.
    Table,
    /// One JSON document for all files.
    Json,
    /// One line of JSON for each file.
    Ndjson,
}

/// A part of a document.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Lines for people.
    Text(Text),
    /// Data for programs.
    Json(Json),
}

impl Piece {
    /// It without styles.
    #[must_use]
    pub fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.to_string(),
            Self::Json(json) => json.as_str().to_owned(),
        }
    }
}

/// A document that grows by files.
#[derive(Clone, Debug)]
pub struct Document {
    format: Format,
    verbose: bool,
    columns: Columns,
    written: usize,
}

impl Document {
    /// An empty one; `required` are the hosts that a table's first column is about.
    #[must_use]
    pub fn new(format: Format, verbose: bool, required: &[String]) -> Self {
        Self { format, verbose, columns: Columns::new(required), written: 0 }
    }

    /// What comes before the first file.
    ///
    /// # Errors
    /// What the serialiser says; there is no value here that it refuses.
    pub fn begin(&self) -> serde_json::Result<Option<Piece>> {
        (self.format == Format::Json).then(report::json_head).transpose().map(|head| head.map(Piece::Json))
    }

    /// One file, wherever it will stand. A failure is for JSON only.
    ///
    /// # Errors
    /// What the serialiser says; there is no value here that it refuses.
    pub fn file(&self, file: &Inspected) -> serde_json::Result<Option<Piece>> {
        Ok(match (self.format, &file.result) {
            (Format::Json, _) => Some(Piece::Json(report::json(file)?)),
            (Format::Ndjson, _) => Some(Piece::Json(report::ndjson(file)?)),
            (_, Err(_)) => None,
            (Format::Table, Ok(report)) => Some(Piece::Text(self.rows(&file.name, report))),
            (Format::Text, Ok(report)) => Some(Piece::Text(report::text(file, report, self.verbose))),
        })
    }

    /// What comes between the files written so far and the next.
    pub fn before_next(&mut self) -> Option<Piece> {
        let is_first = self.written == 0;
        self.written += 1;
        match self.format {
            Format::Table if is_first => Some(Piece::Text(self.columns.head().into())),
            Format::Text if !is_first => {
                let mut gap = Text::new();
                gap.gap();
                gap.gap();
                Some(Piece::Text(gap))
            }
            Format::Json if !is_first => Some(Piece::Json(Json::frame(","))),
            _ => None,
        }
    }

    /// What comes after the last file.
    #[must_use]
    pub fn end(&self) -> Option<Piece> {
        (self.format == Format::Json).then(|| Piece::Json(report::json_foot()))
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

/// All of a document at once, without styles.
///
/// # Errors
/// What the serialiser says; there is no value here that it refuses.
pub fn document(format: Format, files: &[Inspected], verbose: bool) -> serde_json::Result<String> {
    let mut document = Document::new(format, verbose, &[]);
    let mut text: String = document.begin()?.iter().map(Piece::plain).collect();
    for file in files {
        if let Some(piece) = document.file(file)? {
            text.extend(document.before_next().iter().chain([&piece]).map(Piece::plain));
        }
    }
    text.extend(document.end().iter().map(Piece::plain));
    Ok(text)
}
