//! Rows as text, and what the columns mean.

use std::borrow::Cow;
use std::fmt::Write;

use crate::{COLUMNS, Column, Kind, Row, Status, Value};

/// What stands between the entries of a list in CSV, where a cell has no lists.
const BETWEEN: &str = ";";

/// The first line of a CSV file: the names of the columns.
#[must_use]
pub fn csv_head() -> String {
    let names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
    names.join(",") + "\n"
}

/// A row as a line of CSV (RFC 4180). Nothing is an empty cell, and the entries of a list stand between semicolons; a semicolon
/// inside an entry, a control and a character that no terminal should see are written as `\u{…}`.
#[must_use]
pub fn csv(row: &Row) -> String {
    let cells: Vec<_> = row.values().iter().map(cell).collect();
    cells.join(",") + "\n"
}

fn cell(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => csv_text(text.unwrap_or_default()),
        Value::List(list) => csv_text_of_list(list),
        Value::Number(number) => number.map(|number| number.to_string()).unwrap_or_default(),
        Value::Fraction(number) => number.map(|number| number.to_string()).unwrap_or_default(),
        Value::Flag(flag) => flag.to_string(),
    }
}

/// A text as a cell of CSV.
#[must_use]
pub fn csv_text(text: &str) -> String {
    csv_cell(memgrove_text::escape(text))
}

fn csv_text_of_list(list: &[String]) -> String {
    // Escaping an entry's semicolon keeps it apart from those between entries.
    let entries: Vec<_> =
        list.iter().map(|entry| memgrove_text::escape(entry).replace(';', "\\u{3b}")).collect();
    csv_cell(entries.join(BETWEEN).into())
}

fn csv_cell(text: Cow<'_, str>) -> String {
    // A spreadsheet takes for a formula what begins like one.
    let is_formula = text.starts_with(['=', '+', '-', '@']);
    let text = if is_formula { format!("'{text}") } else { text.into_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// The cells of a line that [`csv`] wrote, as they stand there.
#[must_use]
pub fn csv_cells(line: &str) -> Vec<&str> {
    let mut is_quoted = false;
    line.split(|c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    })
    .collect()
}

/// A row as a line of JSON, with every column.
///
/// # Errors
/// What the serialiser says; there is no value here that it refuses.
pub fn ndjson(row: &Row) -> serde_json::Result<String> {
    let line = serde_json::to_string(row)?;
    Ok(memgrove_text::escape_json(&line).into_owned() + "\n")
}

/// The tables of `docs/rows.md`: columns, then statuses.
#[must_use]
pub fn documentation() -> String {
    let mut text = "| column | type | unit | since | meaning |\n|---|---|---|---|---|\n".to_owned();
    for Column { name, kind, unit, since, meaning } in COLUMNS {
        let kind = match kind {
            Kind::Text => "text",
            Kind::List => "list of text",
            Kind::Number => "integer",
            Kind::Fraction => "number",
            Kind::Flag => "boolean",
        };
        let _ = writeln!(text, "| `{name}` | {kind} | {unit} | {since} | {meaning} |");
    }
    text.push_str("\n| status | |\n|---|---|\n");
    for (status, meaning) in Status::ALL {
        let _ = writeln!(text, "| `{}` | {meaning} |", status.word());
    }
    text
}
