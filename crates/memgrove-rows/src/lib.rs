//! What the inspector says of many modules, one flat row for each: made for tables of millions.
//!
//! ```text
//! bytes ─► each_row(): Row, also where there is none to inspect ─► csv(), ndjson()
//!                                                               ─► Batch: Arrow, Parquet (features)
//! ```
//!
//! [`Row`] is declared once, column by column; every format is made from that. Columns are only ever added, at the end.
#![forbid(unsafe_code)]

mod columns;
mod each;
mod of_report;
mod status;
mod text;

#[cfg(feature = "arrow")]
pub mod arrow;

pub use columns::{COLUMNS, Column, Kind, ROW_VERSION, Row, Value};
pub use each::{Known, Module, RowMaker, each_row, rows};
pub use status::Status;
pub use text::{csv, csv_cells, csv_head, csv_text, documentation, ndjson};

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
