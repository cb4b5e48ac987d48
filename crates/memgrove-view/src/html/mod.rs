//! One self-contained HTML file for a report: no script or style from elsewhere, readable in light and
//! dark, on a telephone and on paper.
//!
//! Everything here is a pure function from values to a `String`. Text can only enter through [`Html`],
//! which escapes it, so names out of a hostile module cannot become markup.
//!
//! ```
//! use memgrove_view::html::{BarChart, Cell, Column, Html, Page, Table, Tone, badge, element};
//!
//! let mut table = Table::new([Column::text("allocator"), Column::number("own bytes")]);
//! table.row([Cell::from("wee"), Cell::number(340.0, "340")]);
//!
//! let chart = BarChart::new("own code", "bytes").bar("wee", 340.0).bar("dlmalloc", 4759.0);
//!
//! let mut page = Page::new("Allocators");
//! page.lede(Html::text("Measured on two cores; ratios to <dlmalloc>."));
//! page.section("Size", Html::from_iter([badge(Tone::Good, "small"), table.into(), chart.into()]));
//! page.section("Notes", element("p").child("plain text is escaped: a < b"));
//! let html: String = page.render();
//! assert!(html.contains("&lt;dlmalloc&gt;"));
//! ```

mod bar;
mod markup;
mod page;
mod picture;
mod scale;
mod table;
mod xy;

pub use bar::BarChart;
pub use markup::{Element, Html, Tone, badge, data, details, element};
pub use page::Page;
pub use table::{Cell, Column, Table};
pub use xy::{Axis, XyChart};

/// How many colours the style sheet has for series; series further on repeat them.
pub const SERIES_COLOURS: usize = 8;

/// The CSS colour of the `index`-th series, in light and in dark alike: for `fill` and `stroke` in an SVG.
///
/// ```
/// assert_eq!(memgrove_view::html::series_colour(0), "var(--s1)");
/// assert_eq!(memgrove_view::html::series_colour(8), "var(--s1)");
/// ```
#[must_use]
pub fn series_colour(index: usize) -> &'static str {
    const COLOURS: [&str; SERIES_COLOURS] = [
        "var(--s1)",
        "var(--s2)",
        "var(--s3)",
        "var(--s4)",
        "var(--s5)",
        "var(--s6)",
        "var(--s7)",
        "var(--s8)",
    ];
    COLOURS[index % SERIES_COLOURS]
}
