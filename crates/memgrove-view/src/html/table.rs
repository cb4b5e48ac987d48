//! Tables that can be sorted. On a narrow screen one scrolls sideways, or shows a card for each row.

use super::markup::{Html, Tone, element};

/// The heading of a column, and how its cells are set.
#[derive(Clone, Debug)]
pub struct Column {
    heading: String,
    class: &'static str,
}

impl Column {
    /// Words, to the left.
    pub fn text(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), class: "" }
    }

    /// Figures, to the right.
    pub fn number(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), class: "number" }
    }

    /// Names and code, in a fixed-width type.
    pub fn code(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), class: "code" }
    }
}

/// One cell: what it shows, what it sorts by, how it is coloured.
#[derive(Clone, Debug)]
#[must_use]
pub struct Cell {
    content: Html,
    sort: Option<f64>,
    tone: Option<Tone>,
}

impl Cell {
    /// A cell that shows `content`.
    pub fn new(content: impl Into<Html>) -> Self {
        Self { content: content.into(), sort: None, tone: None }
    }

    /// A cell that shows `shown` and is sorted by `value`.
    pub fn number(value: f64, shown: impl Into<Html>) -> Self {
        Self { content: shown.into(), sort: Some(value), tone: None }
    }

    /// Colours the cell's text.
    pub const fn tone(mut self, tone: Tone) -> Self {
        self.tone = Some(tone);
        self
    }
}

impl<T: Into<Html>> From<T> for Cell {
    fn from(content: T) -> Self {
        Self::new(content)
    }
}

/// A table under construction; becomes [`Html`] with `into()`.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    caption: Option<String>,
    rows: Vec<Html>,
    sortable: bool,
    wide: bool,
}

/// With more columns than this a wide table turns its headings and breaks its cells.
const DENSE_COLUMNS: usize = 14;

impl Table {
    /// A table with these columns and no row.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            caption: None,
            rows: Vec::new(),
            sortable: false,
            wide: false,
        }
    }

    /// A line above the table that says what it shows.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    /// Lets the reader sort by a column (the page then carries a small script).
    #[must_use]
    pub const fn sortable(mut self) -> Self {
        self.sortable = true;
        self
    }

    /// Gives a table of many columns the width of the window, and on a telephone a card for each row. To be called before rows
    /// are added.
    #[must_use]
    pub const fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// Adds a row; cells that are missing stay empty, those beyond the last column are left out.
    pub fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) -> &mut Self {
        let mut cells = cells.into_iter().map(Into::into);
        let wide = self.wide;
        let row = self.columns.iter().map(|column| {
            let Cell { content, sort, tone } = cells.next().unwrap_or_else(|| Cell::new(Html::empty()));
            let class = [column.class, tone.map_or("", Tone::class)].join(" ");
            let mut td = element("td");
            if !class.trim().is_empty() {
                td = td.class(class.trim());
            }
            if let Some(value) = sort {
                td = td.attr("data-sort", value);
            }
            if wide {
                // What a card calls the cell.
                td = td.attr("data-label", column.heading.as_str());
            }
            td.child(content)
        });
        let row = element("tr").children(row).into();
        self.rows.push(row);
        self
    }

    /// Whether no row was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl From<Table> for Html {
    fn from(table: Table) -> Self {
        let headings = table.columns.iter().map(|column| {
            let th = element("th").attr("scope", "col");
            let th = if column.class == "number" { th.class("number") } else { th };
            th.child(column.heading.as_str())
        });
        let mut out = element("table");
        if table.sortable {
            out = out.class("sortable");
        }
        if let Some(caption) = table.caption {
            out = out.child(element("caption").child(caption));
        }
        let out = out
            .child(element("thead").child(element("tr").children(headings)))
            .child(element("tbody").children(table.rows));
        let class = match (table.wide, table.columns.len() > DENSE_COLUMNS) {
            (false, _) => "scroll",
            (true, false) => "scroll wide",
            (true, true) => "scroll wide dense",
        };
        element("div").class(class).child(out).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_follow_their_columns() {
        let mut table = Table::new([Column::text("name"), Column::number("bytes"), Column::code("x")]);
        table.row([Cell::from("<a>"), Cell::number(2.5, "2.5 K").tone(Tone::Bad)]);
        let html = Html::from(table);
        assert!(
            html.as_str().contains(
                "<td>&lt;a&gt;</td><td class=\"number bad\" data-sort=\"2.5\">2.5 K</td><td class=\"code\"></td>"
            ),
            "{html}"
        );
    }

    #[test]
    fn cells_of_a_wide_table_know_their_heading() {
        let mut table = Table::new([Column::text("name"), Column::number("bytes")]).wide();
        table.row([Cell::from("a"), Cell::number(1.0, "1")]);
        let html = Html::from(table);
        assert!(html.as_str().contains("<td data-label=\"name\">a</td>"), "{html}");
        assert!(html.as_str().contains("data-label=\"bytes\">1</td>"), "{html}");
    }
}
